"""Limbs that were too cold: what is slow or late in them says nothing of the nerve."""

from __future__ import annotations

from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.model import Details

Limb = tuple[str, str]


def cold_limbs(details: Details) -> frozenset[Limb]:
    """Give the limbs, as (side, limb), that were colder than their limit."""
    return frozenset(
        (name.partition("_")[0], name.partition("_")[2])
        for name, celsius in details.limb_temperature_c.items()
        if celsius < threshold(f"cold_limb.minimum_{name.partition('_')[2]}_c")
    )


def lies_in_cold(nerve: tuple[str, str], details: Details) -> bool:
    """Tell whether a nerve, given with its side, lies in a limb that was too cold."""
    name, side = nerve
    return bool(details.limb_temperature_c) and (side, anatomy().nerves[name].limb) in cold_limbs(
        details
    )

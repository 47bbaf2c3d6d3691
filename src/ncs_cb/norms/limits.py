"""The settings of the method: ``tables/norms.toml``, each with its source."""

from __future__ import annotations

from functools import cache

from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.thresholds import Threshold, build


@cache
def table() -> dict[str, Threshold]:
    """Load and validate every setting, by id."""
    return build(datafile.table("norms").raw, source="tables/norms.toml")


def value(key: str) -> float:
    """Give the setting with this id."""
    return table()[key].value

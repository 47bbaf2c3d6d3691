"""Nerves that are slowed or blocked at a common entrapment site, by name.

Slowing is that of the check ``focal_slowing``: relative to the neighboring segment. A fall of the
amplitude across the site names the entrapment too, and at the wrist a long distal latency of the
median nerve that the forearm and the ulnar nerve do not share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ncs_cb.columns import as_number
from ncs_cb.judging.sensory import SensoryStudy, routine
from ncs_cb.judging.truth import holds
from ncs_cb.judging.validity import REFUTED
from ncs_cb.knowledge.anatomy import Entrapment, anatomy, position
from ncs_cb.knowledge.reference import ReferenceSet, first_limit
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.model import Details

Row = Mapping[str, Any]
Limb = tuple[str, str]

_CARPAL_NERVE, _BESIDE = "median", "ulnar"
# Where the routine distal response is taken, just above the carpal tunnel.
_WRIST = "wrist"


@dataclass(frozen=True, slots=True)
class Found:
    """One entrapment: what shows it, in numbers; NaN where that part does not.

    Attributes
    ----------
    nerve, side : str
    trap : Entrapment
        The site, with the name of the disease.
    velocity_m_per_s : float
        Across the site, where it is slowed relative to its neighbor.
    drop_pct : float
        Fall of the amplitude across the site, where it is beyond its limit.
    latency_ms, limit_ms : float
        Distal latency and its upper limit, where that is what shows it.
    """

    nerve: str
    side: str
    trap: Entrapment
    velocity_m_per_s: float = math.nan
    drop_pct: float = math.nan
    latency_ms: float = math.nan
    limit_ms: float = math.nan


def cold_limbs(details: Details) -> frozenset[Limb]:
    """Give the limbs, as (side, limb), that were colder than their limit."""
    return frozenset(
        (name.partition("_")[0], name.partition("_")[2])
        for name, celsius in details.limb_temperature_c.items()
        if celsius < threshold(f"cold_limb.minimum_{name.partition('_')[2]}_c")
    )


def entrapments(
    segments: Iterable[Row],
    verdicts: Iterable[Row],
    nerves: Sequence[Row],
    studies: Sequence[SensoryStudy],
    details: Details,
    sets: tuple[ReferenceSet, ...],
) -> tuple[Found, ...]:
    """Name the entrapments of one visit.

    Parameters
    ----------
    segments, verdicts : iterable of mapping
        Rows of those tables; a fall whose stimuli are refuted shows nothing.
    nerves : sequence of mapping
        Rows of :func:`ncs_cb.judging.nerves.nerve_rows`.
    studies : sequence of SensoryStudy
    details : Details
    sets : tuple of ReferenceSet
        Limits of the distal latency and of velocity, in the order in which they answer.
    """
    verdicts = tuple(verdicts)
    refuted = {_key(row) for row in verdicts if str(row["technical_validity"]) == REFUTED}
    rests = dict(_without_crossing(verdicts))
    along = [
        one
        for row in segments
        if row["trap"] is not None
        and (one := _along(row, _key(row) in refuted, rests.get(_key(row)))) is not None
    ]
    carpal = list(_carpal(nerves, studies, details, sets))
    found: dict[tuple[str, str, str], Found] = {}
    for one in (*along, *carpal):
        found.setdefault((one.nerve, one.side, one.trap.name), one)
    return tuple(found.values())


def _key(row: Row) -> tuple[Any, ...]:
    return row["nerve"], row.get("side"), row.get("muscle"), row["segment"]


def _without_crossing(verdicts: Iterable[Row]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Give the falls that remain once the fibers that cross to another nerve are taken off."""
    for row in verdicts:
        one = row["premises"].get(("martin_gruber", True))
        if one is not None and one["value"] == "part":
            yield _key(row), as_number(one["rest_amplitude_pct"])


def sites_between(nerve: str, trap: Entrapment, distal: str, proximal: str) -> tuple[str, ...]:
    """Give the ends of an entrapment site that lie inside a segment: it reaches farther there."""
    low, high = position(nerve, distal), position(nerve, proximal)
    ends = (trap.distal_site, trap.proximal_site)
    return tuple(site for site in ends if low < position(nerve, site) < high)


def _along(row: Row, is_refuted: bool, rest: float | None) -> Found | None:
    """Find slowing or a fall in a segment that lies across an entrapment site and no more."""
    if row.get("is_adjacent") is False:
        return None
    nerve, trap = row["nerve"], row["trap"]
    # A longer segment cannot say that the change lies at the site.
    if sites_between(nerve, trap, *row["segment"].split("-")):
        return None
    flags = row["raised"]
    velocity = as_number(row.get("conduction_velocity_m_per_s"))
    # A velocity that may not be read is none, whatever was found of it before.
    slowed = "focal_slowing" in flags and not math.isnan(velocity)
    fall = as_number(row.get("amplitude_reduction_pct")) if rest is None else rest
    fallen = (
        holds(fall, "gt", threshold("entrapment.minimum_drop_pct")) is True
        and not is_refuted
        and "distal_response_small" not in flags
    )
    if not slowed and not fallen:
        return None
    return Found(
        nerve,
        _text(row.get("side")),
        trap,
        velocity if slowed else math.nan,
        fall if fallen else math.nan,
    )


def _carpal(
    nerves: Sequence[Row],
    studies: Sequence[SensoryStudy],
    details: Details,
    sets: tuple[ReferenceSet, ...],
) -> Iterator[Found]:
    """Find median nerves whose distal latency is long while what lies around is not slowed."""
    own = anatomy().nerves[_CARPAL_NERVE]
    trap = next((one for one in own.entrapments if one.proximal_site == _WRIST), None)
    for row in nerves:
        side = _text(row["side"])
        if (
            trap is None
            or row["nerve"] != _CARPAL_NERVE
            or row["muscle"] not in own.routine_muscles
        ):
            continue
        limit, is_long = _latency(row, details, sets)
        if is_long is not True or (side, own.limb) in cold_limbs(details):
            continue
        forearm = _velocity_share(row, details, sets)
        beside = [
            _latency(one, details, sets)[1]
            for one in nerves
            if one["nerve"] == _BESIDE and _text(one["side"]) == side
        ]
        kept = holds(forearm, "ge", threshold("entrapment.kept_velocity_pct"))
        compared = [
            one for one in (kept, *(not b for b in beside if b is not pd.NA)) if one is not pd.NA
        ]
        if not compared or not all(compared) or routine(studies, _CARPAL_NERVE, side) is True:
            continue
        yield Found(
            _CARPAL_NERVE, side, trap, latency_ms=float(row["distal_latency_ms"]), limit_ms=limit
        )


def _latency(row: Row, details: Details, sets: tuple[ReferenceSet, ...]) -> tuple[float, Any]:
    limit = first_limit(
        sets, "motor", row["nerve"], row["muscle"] or None, "distal_latency_ms", details
    )
    if limit is None:
        return math.nan, pd.NA
    return limit.value, holds(as_number(row["distal_latency_ms"]), "gt", limit.value)


def _velocity_share(row: Row, details: Details, sets: tuple[ReferenceSet, ...]) -> float:
    limit = first_limit(
        sets, "motor", row["nerve"], row["muscle"] or None, "velocity_m_per_s", details
    )
    value = as_number(row["slowest_velocity_m_per_s"])
    return math.nan if limit is None else 100.0 * value / limit.value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

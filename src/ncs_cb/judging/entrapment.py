"""Nerves that are slowed or blocked at a common entrapment site, by name.

Slowing is that of the check ``focal_slowing``: relative to the neighboring segment. A fall of the
amplitude across the site names the entrapment too, and at the wrist a long distal latency of the
median nerve that the forearm and the ulnar nerve do not share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from ncs_cb.columns import as_number
from ncs_cb.judging.cold import cold_limbs
from ncs_cb.judging.limits import UNSURE_ONSET, is_late
from ncs_cb.judging.rows import trap_within
from ncs_cb.judging.sensory import SensoryStudy, routine
from ncs_cb.judging.truth import holds
from ncs_cb.judging.validity import REFUTED
from ncs_cb.knowledge.anatomy import Entrapment, anatomy, position
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.model import Details

Row = Mapping[str, Any]

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


def entrapments(
    segments: Sequence[Row],
    verdicts: Sequence[Row],
    nerves: Sequence[Row],
    studies: Sequence[SensoryStudy],
    details: Details,
) -> tuple[Found, ...]:
    """Name the entrapments of one visit.

    Parameters
    ----------
    segments, verdicts : sequence of mapping
        Rows of those tables; a fall whose stimuli are refuted shows nothing.
    nerves : sequence of mapping
        Rows of :func:`ncs_cb.judging.nerves.nerve_rows`, each with its ``limits`` of normal.
    studies : sequence of SensoryStudy
    details : Details
    """
    beside = [row for row in verdicts if row["trap"] is not None]
    refuted = {row["place"] for row in beside if str(row["technical_validity"]) == REFUTED}
    rests = dict(_without_crossing(beside))
    along = [
        one
        for row in segments
        if row["trap"] is not None
        and (one := _along(row, row["place"] in refuted, rests.get(row["place"]))) is not None
    ]
    carpal = list(_carpal(nerves, studies, details))
    found: dict[tuple[str, str, str], Found] = {}
    for one in (*along, *carpal):
        found.setdefault((one.nerve, one.side, one.trap.name), one)
    return tuple(found.values())


def _without_crossing(verdicts: Iterable[Row]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Give the falls that remain once the fibers that cross to another nerve are taken off."""
    for row in verdicts:
        one = row["premises"].get(("martin_gruber", True))
        if one is not None and one["value"] == "part":
            yield row["place"], as_number(one["rest_amplitude_pct"])


@lru_cache(maxsize=4096)
def sites_between(nerve: str, segment: str) -> tuple[str, ...]:
    """Give the ends of an entrapment site that lie inside a segment: it reaches farther there."""
    low, high = (position(nerve, site) for site in segment.split("-"))
    trap = trap_within(nerve, segment)
    ends = () if trap is None else (trap.distal_site, trap.proximal_site)
    return tuple(site for site in ends if low < position(nerve, site) < high)


def _along(row: Row, is_refuted: bool, rest: float | None) -> Found | None:
    """Find slowing or a fall in a segment that lies across an entrapment site and no more."""
    # A longer segment cannot say that the change lies at the site.
    if sites_between(row["nerve"], row["segment"]):
        return None
    flags = row["raised"]
    velocity = as_number(row.get("conduction_velocity_m_per_s"))
    # A velocity that may not be read is none, whatever was found of it before.
    slowed = "focal_slowing" in flags and not math.isnan(velocity)
    slowed = slowed and flags.isdisjoint(UNSURE_ONSET)
    fall = as_number(row.get("amplitude_reduction_pct")) if rest is None else rest
    fallen = (
        holds(fall, "gt", threshold("entrapment.minimum_drop_pct")) is True
        and not is_refuted
        and "distal_response_small" not in flags
    )
    if not slowed and not fallen:
        return None
    return Found(
        row["nerve"],
        _text(row.get("side")),
        row["trap"],
        velocity if slowed else math.nan,
        fall if fallen else math.nan,
    )


def _carpal(
    nerves: Sequence[Row],
    studies: Sequence[SensoryStudy],
    details: Details,
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
        limit = row["limits"]["motor.distal_latency_ms"]
        if is_late(row) is not True or (side, own.limb) in cold_limbs(details):
            continue
        velocity, normal = row["slowest_velocity_m_per_s"], row["limits"]["motor.velocity_m_per_s"]
        beside = [
            is_late(one) for one in nerves if one["nerve"] == _BESIDE and _text(one["side"]) == side
        ]
        kept = holds(100.0 * velocity / normal, "ge", threshold("entrapment.kept_velocity_pct"))
        compared = [
            one for one in (kept, *(not b for b in beside if b is not pd.NA)) if one is not pd.NA
        ]
        if not compared or not all(compared) or routine(studies, _CARPAL_NERVE, side) is True:
            continue
        yield Found(
            _CARPAL_NERVE, side, trap, latency_ms=float(row["distal_latency_ms"]), limit_ms=limit
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

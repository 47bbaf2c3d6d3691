"""What lies outside the limits of normal, by the reference sets the result rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from ncs_cb.judging.sensory import SensoryStudy, sensory_studies
from ncs_cb.knowledge import reference
from ncs_cb.knowledge.reference import Limit, ReferenceSet
from ncs_cb.model import SensoryValue
from ncs_cb.view.reading import Reading, Row
from ncs_cb.view.rounding import is_known

# A latency limit belongs to its distance; farther away it says nothing.
_SAME_DISTANCE_MM = 10.0
_GRACE = 1e-9


def reference_sets(r: Reading) -> tuple[ReferenceSet, ...]:
    """Give the shipped reference sets this result rests on, in the order in which they answer."""
    hashes = {f.id: f.sha256 for f in r.result.provenance.reference}
    found = [_shipped(set_id) for set_id in hashes]
    return tuple(s for s in found if s is not None and s.sha256 == hashes[s.id])


@cache
def _shipped(set_id: str) -> ReferenceSet | None:
    return reference.load(set_id) if set_id in reference.available() else None


def limit_of(r: Reading, row: Row, column: str, *, is_distal: bool = False) -> Limit | None:
    """Give the limit of one motor value, or None when the sets have none that applies.

    Latency and amplitude are limited at the distal site only: farther along the nerve they
    depend on distance and, in block, on what the report is about.
    """
    items = {"onset_latency_ms": "distal_latency_ms", "negative_peak_amplitude_mv": "amplitude_mv",
             "conduction_velocity_m_per_s": "velocity_m_per_s"}  # fmt: skip
    if column not in items or (column != "conduction_velocity_m_per_s" and not is_distal):
        return None
    found = reference.first_limit(
        reference_sets(r), "motor", str(row["nerve"]), str(row["muscle"]), items[column],
        r.result.study.details, segment=row.get("segment"),
    )  # fmt: skip
    if found is None or (column == "onset_latency_ms" and not _at_place(row, found)):
        return None
    return found


def _at_place(row: Row, limit: Limit) -> bool:
    distance = row.get("distance_mm")
    same_site = not limit.site or limit.site == row.get("stimulation_site")
    if limit.distance_mm is None:
        return same_site
    return (
        same_site
        and is_known(distance)
        and abs(float(distance) - limit.distance_mm) <= _SAME_DISTANCE_MM  # type: ignore[arg-type]
    )


def is_outside(value: object, limit: Limit | None) -> bool:
    """Tell whether a known value lies beyond its limit."""
    if limit is None or not is_known(value):
        return False
    excess = float(value) - limit.value  # type: ignore[arg-type]
    return excess < -_GRACE if limit.direction == "lower" else excess > _GRACE


def judge_typed(r: Reading, value: SensoryValue) -> SensoryStudy | None:
    """Tell whether a typed-in sensory study is normal, as read or by the limits."""
    return _one(r, replace(r.result.study.details, sensory=(value,)), ())


def judge_recorded(r: Reading, row: Row) -> SensoryStudy | None:
    """Tell whether a recorded sensory response is normal by the limits."""
    return _one(r, replace(r.result.study.details, sensory=()), (row,))


def _one(r: Reading, details: Any, rows: Sequence[Mapping[str, Any]]) -> SensoryStudy | None:
    found = sensory_studies(details, rows, reference_sets(r))
    return found[0] if found else None

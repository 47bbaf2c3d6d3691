"""What is known of each motor nerve as a whole: one row per study, nerve, side and muscle.

The signs of demyelination that belong to a nerve rather than to a segment (long distal latency,
slow velocity, late or absent F waves, long distal response) are judged on these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.knowledge.anatomy import anatomy, is_foreign, usual_muscle
from ncs_cb.knowledge.clauses import NERVE_COLUMNS
from ncs_cb.model import Details, FWaveValue

Row = Mapping[str, Any]
Key = tuple[str, str, str]

KEYS = ("study_id", "nerve", "side", "muscle")
_DISTAL = {
    "onset_latency_ms": "distal_latency_ms",
    "negative_peak_amplitude_mv": "distal_amplitude_mv",
    "total_negative_duration_ms": "distal_duration_ms",
    "high_pass_hz": "distal_high_pass_hz",
}
_F_WAVES = {
    "minimum_latency_ms": "f_minimum_latency_ms",
    "persistence_pct": "f_persistence_pct",
    "n_stimuli": "f_stimuli",
}
_VELOCITY = "conduction_velocity_m_per_s"
# Of the response at its distal site, where there is none.
_NOTHING: dict[str, Any] = {
    "distal_site": None,
    "distal_distance_mm": math.nan,
    "distal_flags": frozenset(),
}
_UNKNOWN = dict.fromkeys(NERVE_COLUMNS, math.nan)


def nerve_rows(
    segments: Mapping[str, Sequence[Row]],
    traces: Mapping[str, Sequence[Row]],
    f_waves: Mapping[str, Sequence[Row]],
    details: Mapping[str, Details],
) -> dict[str, tuple[Row, ...]]:
    """Gather the numbers of each motor nerve.

    Parameters
    ----------
    segments, traces, f_waves : mapping of study id to rows
        Of the tables of those names; any may be empty.
    details : mapping of study id to Details
        Typed-in F-wave values, which stand where none was recorded.

    Returns
    -------
    dict of study id to rows
        In order of nerve, side and muscle: these, ``distal_site`` (None when no response was
        recorded at one) with distance and flags of its response, and
        :data:`~ncs_cb.knowledge.clauses.NERVE_COLUMNS`; what is not known is NaN. The slowest
        velocity is that of adjacent segments that contain no entrapment site.
    """
    typed = {study_id for study_id, one in details.items() if one.f_waves}
    made: dict[str, tuple[Row, ...]] = {}
    for study_id in sorted({*segments, *traces, *f_waves, *typed}):
        numbers: dict[Key, dict[str, Any]] = {}
        parts = (
            _distal(traces.get(study_id, ())),
            _slowest(segments.get(study_id, ())),
            _f_waves(f_waves.get(study_id, ()), details.get(study_id, Details()).f_waves),
        )
        for part in parts:
            for key, known in part:
                numbers.setdefault(key, {**_NOTHING, **_UNKNOWN}).update(known)
        if numbers:
            made[study_id] = tuple(
                {**_named(study_id, key), **numbers[key]} for key in sorted(numbers)
            )
    return made


def _named(study_id: str, key: Key) -> dict[str, Any]:
    nerve, side, muscle = key
    return {
        **dict(zip(KEYS, (study_id, *key), strict=True)),
        "nerve_and_side": (nerve, side),
        "is_foreign": is_foreign(nerve, muscle),
    }


def _distal(rows: Iterable[Row]) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Give the most distal of the routine sites stimulated; palm and short steps are none."""
    found: dict[Key, tuple[int, Row]] = {}
    for row in rows:
        if row["kind"] == "sensory" or not row["stands"]:
            continue
        rank, key = _rank(row["nerve"], row["stimulation_site"]), _key(row)
        if rank >= 0 and (key not in found or rank < found[key][0]):
            found[key] = rank, row
    for key, (_, row) in found.items():
        yield (
            key,
            {
                "distal_site": row["stimulation_site"],
                "distal_distance_mm": as_number(row.get("distance_mm")),
                "distal_flags": row["raised"],
                **_numbers(row, _DISTAL),
            },
        )


def _rank(nerve: Any, site: Any) -> int:
    known = anatomy().nerves.get(nerve) if isinstance(nerve, str) else None
    if known is None or site not in known.routine_sites:
        return -1
    return known.sites.index(site)


def _slowest(rows: Iterable[Row]) -> Iterator[tuple[Key, dict[str, Any]]]:
    found: dict[Key, float] = {}
    for row in rows:
        if row.get("is_entrapment_site") is True:
            continue
        if _VELOCITY not in row:
            continue  # a table that was typed in without velocities
        velocity, key = as_number(row.get(_VELOCITY)), _key(row)
        slowest = found.get(key, math.nan)
        found[key] = velocity if math.isnan(slowest) or velocity < slowest else slowest
    for key, velocity in found.items():
        yield key, {"slowest_velocity_m_per_s": velocity}


def _f_waves(
    rows: Iterable[Row], typed: Iterable[FWaveValue]
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Give what was recorded, and what was typed in of the other nerves."""
    found: dict[Key, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(_key(row), _numbers(row, _F_WAVES))
    for value in typed:
        muscle = value.muscle or usual_muscle(value.nerve) or ""
        numbers = {name: as_number(getattr(value, own)) for own, name in _F_WAVES.items()}
        found.setdefault((value.nerve, value.side, muscle), numbers)
    yield from found.items()


def _key(row: Row) -> Key:
    nerve, side, muscle = (row.get(name) for name in KEYS[1:])
    return (
        nerve if isinstance(nerve, str) else "",
        side if isinstance(side, str) else "",
        muscle if isinstance(muscle, str) else "",
    )


def _numbers(row: Row, names: Mapping[str, str]) -> dict[str, float]:
    return {name: as_number(row.get(own)) for own, name in names.items()}

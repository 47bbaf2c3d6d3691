"""Falls that the leading set does not call block, and that nobody may call normal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.judging.gates import nearest_limit
from ncs_cb.judging.seen import Row, Seen, once, place_of, segment_item
from ncs_cb.judging.truth import holds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.vocabulary import GRADES
from ncs_cb.wording.impression import Statement

_AREAS = ("total_area_reduction_pct", "area_reduction_pct")


@once
def disputed(visit: Seen) -> list[Row]:
    """Give segments without block by the leading set that another set calls blocked."""
    return _by_others(visit, _is_block)


@once
def left_open(visit: Seen) -> list[Row]:
    """Give segments without block by the leading set in which another set leaves block open."""
    told = disputed(visit)
    return [row for row in _by_others(visit, _is_open) if row not in told]


@once
def beyond_health(visit: Seen) -> list[Row]:
    """Give segments that no set calls blocked although healthy nerves fall by less."""
    numbers = {place_of(row): row for row in visit.segments}
    told = [*disputed(visit), *left_open(visit)]
    return [
        row for row in _free(visit) if row not in told and _is_beyond(numbers.get(place_of(row)))
    ]


def falls(visit: Seen) -> Iterator[Statement]:
    """Say these falls, and what each lacks for block by the leading set."""
    numbers = {place_of(row): row for row in visit.segments}
    for case, rows in (
        ("fallen_for_others", disputed(visit)),
        ("fallen_open", left_open(visit)),
        ("fallen", beyond_health(visit)),
    ):
        items = [_item(row, numbers.get(place_of(row), {})) for row in rows]
        known = tuple(one for one in items if not math.isnan(one["amplitude"]))
        if known:
            yield Statement("block", case, known)


def _free(visit: Seen) -> list[Row]:
    return [row for row in visit.verdicts if row["conduction_block"] == "none"]


def _is_block(row: Row) -> bool:
    return row["conduction_block"] in GRADES


def _is_open(row: Row) -> bool:
    return row["conduction_block"] == "undetermined" and row["not_excluded"] in GRADES


def _by_others(visit: Seen, wanted: Callable[[Row], bool]) -> list[Row]:
    places = {place_of(row) for row in visit.others if wanted(row)}
    return [row for row in _free(visit) if place_of(row) in places]


def _is_beyond(row: Row | None) -> bool:
    """Tell whether a response falls by more than it does in healthy nerves."""
    if row is None or anatomy().nerves[row["nerve"]].large_healthy_fall:
        return False
    falls = {"amplitude": as_number(row.get("amplitude_reduction_pct")), "area": _area(row)}
    return any(
        holds(fall, "gt", threshold(f"healthy_fall.maximum_{kind}_pct")) is True
        for kind, fall in falls.items()
    )


def _area(row: Mapping[str, Any]) -> float:
    """Give the fall of the area, of all phases where it is known."""
    known = [as_number(row.get(name)) for name in _AREAS]
    return next((one for one in known if not math.isnan(one)), math.nan)


def _item(row: Row, measured: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name a segment with its fall, and with the clause that keeps it from being block."""
    amplitude = as_number(measured.get("amplitude_reduction_pct"))
    lacking = nearest_limit(row)
    if lacking is None:
        return segment_item("segment_fallen", row, amplitude=amplitude)
    column, op, value, limit = lacking
    what = next((one for one in ("area", "amplitude", "duration") if one in column), "")
    kind = f"lacks_{what}_{'most' if op in ('le', 'lt') else 'least'}"
    if kind not in _LACKING:
        return segment_item("segment_fallen", row, amplitude=amplitude)
    return segment_item(kind, row, amplitude=amplitude, value=value, limit=limit)


# Of what the words of an item speak.
_LACKING = ("lacks_area_least", "lacks_amplitude_least", "lacks_duration_most")

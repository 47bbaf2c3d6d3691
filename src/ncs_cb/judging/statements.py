"""The statements of technique, block, entrapment and sensation of an impression."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.judging.entrapment import Found
from ncs_cb.judging.falls import beyond_health, disputed, left_open
from ncs_cb.judging.gates import beyond_a_fall, hides_fall, is_too_small, premise
from ncs_cb.judging.rows import nerve_of
from ncs_cb.judging.seen import (
    Nerve,
    Row,
    Seen,
    cold,
    larger,
    nerve_items,
    once,
    place_of,
    segment_item,
    silent,
    trapped,
)
from ncs_cb.judging.unplaced import fallen_unplaced
from ncs_cb.judging.validity import NOT_ATTESTED
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.vocabulary import GRADES
from ncs_cb.wording.impression import Statement

# ---- 1 technique


# What withholds a grade, in the order in which it is said: the first of a segment is the cause of
# the others, as a response that is upside down also comes at the wrong time.
_INCOMPARABLE = {
    "polarity": ("polarity_uncertain", "polarity_differs"),
    "incomparable": ("filter_mismatch",),
    "unit": ("amplitude_implausible",),
    "moved": ("electrode_shift",),
    "order": ("order",),
    "recovery": ("recovery",),
}
# Premises that, refuted, are said among the technical limits.
_SAID_BEFORE = ("supramaximal", *(name for names in _INCOMPARABLE.values() for name in names))


def technical(visit: Seen) -> Iterator[Statement]:
    """Say what limits the recordings: cold, weak stimuli, differing settings."""
    if visit.unassigned:
        yield Statement("technique", "unassigned", values={"count": len(visit.unassigned)})
    if visit.left_out:
        yield Statement("technique", "left_out", values={"rows": "; ".join(visit.left_out)})
    if cold(visit):
        limbs = [
            {
                "kind": "limb",
                "limb": f"{side}_{limb}",
                "celsius": visit.details.limb_temperature_c[f"{side}_{limb}"],
            }
            for side, limb in sorted(cold(visit))
        ]
        yield Statement("technique", "cold", tuple(limbs))
    denied = [row for row in visit.verdicts if premise(row, "supramaximal", holds=False)]
    if denied:
        yield Statement(
            "technique", "submaximal", tuple(segment_item("segment", row) for row in denied)
        )
    told = list(denied)
    refuted = [row for row in visit.verdicts if any(h is False for _, h in row["premises"])]
    for case, names in _INCOMPARABLE.items():
        rows = [
            row
            for row in refuted
            if row not in told and any(premise(row, name, holds=False) for name in names)
        ]
        told += rows
        if rows:
            yield Statement("technique", case, tuple(segment_item("segment", row) for row in rows))
    grown = [row for row in larger(visit) if nerve_of(row) not in map(nerve_of, told)]
    if grown:
        yield Statement("technique", "larger", tuple(segment_item("segment", r) for r in grown))


# ---- 2 block


def block(visit: Seen) -> Iterator[Statement]:
    """Say where there is block, what could not be judged, and where there is none."""
    graded = visit.graded()
    numbers = {place_of(row): row for row in visit.segments}
    for grade in GRADES:
        rows = [row for row in graded if row["conduction_block"] == grade]
        if rows:
            yield Statement("block", grade, tuple(_blocked_item(row, numbers) for row in rows))
    open_ = [
        row
        for row in visit.open_()
        if not any(premise(row, name, holds=False) for name in _SAID_BEFORE)
    ]
    if open_:
        yield Statement("block", "open", tuple(_open_item(visit, row, numbers) for row in open_))
    yield from explained(visit)
    told = {nerve_of(row) for row in (*graded, *visit.open_())}.union(silent(visit))
    beyond = [
        row for row in beyond_a_fall(too_small(visit), visit.verdicts) if nerve_of(row) not in told
    ]
    small = [
        nerve_of(row) for row in too_small(visit) if nerve_of(row) not in told and row not in beyond
    ]
    if small:
        yield Statement("block", "too_small", tuple(nerve_items(small)))
    if beyond:
        yield Statement("block", "beyond", tuple(segment_item("segment", row) for row in beyond))
    if not graded and not open_:
        yield from _free(visit, small, beyond)
    if fallen(visit):
        items = tuple(_fallen_item(row, numbers) for row in fallen(visit))
        yield Statement("block", "fallen", items)


def _free(visit: Seen, small: list[Nerve], beyond: list[Row]) -> Iterator[Statement]:
    """Say where there is no block; of a nerve only where nothing of it is left open."""
    spread = dispersed(visit)
    weak = [row for row in visit.verdicts if premise(row, "supramaximal", holds=False)]
    doubtful = [*disputed(visit), *left_open(visit), *beyond_health(visit)]
    unplaced = fallen_unplaced(visit)
    held = {nerve_of(row) for row in (*visit.open_(), *weak, *beyond, *doubtful, *unplaced)}
    clear = [
        row
        for row in visit.verdicts
        if row["conduction_block"] == "none" and nerve_of(row) not in spread and row not in doubtful
    ]
    seen = [nerve_of(row) for row in clear if nerve_of(row) not in held]
    rest = tuple(segment_item("segment", row) for row in clear if nerve_of(row) in held)
    if seen:
        case = "none_elsewhere" if visit.traps or hides_fall(visit.segments) else "none"
        yield Statement("block", case, tuple(nerve_items(seen)))
    if rest:
        yield Statement("block", "none_judged", rest)
    told = small or spread or explained(visit) or fallen(visit) or silent(visit) or doubtful
    if not clear and not told:
        yield Statement("block", "not_judged")


@once
def dispersed(visit: Seen) -> list[Nerve]:
    """Give nerves with temporal dispersion off entrapment sites."""
    return [
        nerve_of(row)
        for row in visit.verdicts
        if row["temporal_dispersion"] is True and row["conduction_block"] != "excluded"
    ]


@once
def too_small(visit: Seen) -> list[Row]:
    """Give segments that are ruled out by their distal response alone."""
    return [row for row in visit.verdicts if is_too_small(row)]


@once
def fallen(visit: Seen) -> list[Row]:
    """Give segments whose fall no set reads as block, since healthy nerves fall as much."""
    return [
        row
        for row in visit.verdicts
        if row["conduction_block"] == "not_covered"
        and row["grade_by_numbers"] in GRADES
        and premise(row, "healthy_fall", holds=None)
    ]


@once
def explained(visit: Seen) -> tuple[Statement, ...]:
    """Say which falls an anastomosis explains."""
    rows = [
        row
        for row in visit.verdicts
        if row["conduction_block"] == "excluded" and premise(row, "martin_gruber", holds=False)
    ]
    cases: dict[str, list[Mapping[str, Any]]] = {"crossing": [], "crossing_back": []}
    for row in rows:
        cases[_crossing_case(row)].append(segment_item("segment", row))
    return tuple(Statement("block", case, tuple(items)) for case, items in cases.items() if items)


def _crossing_case(row: Row) -> str:
    """Tell fibers that cross from median to ulnar from those that cross back."""
    return "crossing_back" if row["nerve"] == "median" else "crossing"


def is_crossing_open(row: Row) -> bool:
    """Tell whether an anastomosis that nobody looked for could explain a fall."""
    complete = premise(row, "complete_block", holds=True) is not None
    return not complete and premise(row, "martin_gruber", holds=None) is not None


def _crossing_doubt(row: Row) -> str:
    """Tell an anastomosis that nobody looked for from one to which the other nerve points."""
    one = premise(row, "martin_gruber", holds=None)
    return "likely" if one is not None and one["value"] == "pattern" else "unexamined"


def _open_item(visit: Seen, row: Row, numbers: Mapping[Any, Row]) -> Mapping[str, Any]:
    if premise(row, "complete_block", holds=None) is not None:
        return segment_item("segment_absent", row)
    measured = numbers.get(place_of(row), {})
    doubts = ("no_area",) if row in without_area(visit) else ()
    for kind in ("amplitude", "area"):
        fall = as_number(measured.get(f"{kind}_reduction_pct"))
        if fall > 0.0:
            return segment_item(f"open_{kind}", row, fall=fall, doubts=doubts)
    return segment_item("segment", row, doubts=doubts)


@once
def without_area(visit: Seen) -> list[Row]:
    """Give segments that only their area keeps from being judged: the amplitude is known."""
    known = {
        place_of(row)
        for row in visit.segments
        if not math.isnan(as_number(row.get("amplitude_reduction_pct")))
    }
    return [
        row
        for row in visit.open_()
        if place_of(row) in known
        and any("area" in column for column in row["grounds"].unknown)
        and not any("amplitude" in column for column in row["grounds"].unknown)
    ]


def _blocked_item(row: Row, numbers: Mapping[Any, Row]) -> Mapping[str, Any]:
    measured = numbers.get(place_of(row), {})
    area = as_number(measured.get("total_area_reduction_pct"))
    if math.isnan(area):
        area = as_number(measured.get("area_reduction_pct"))
    amplitude = as_number(measured.get("amplitude_reduction_pct"))
    how = "area" if not math.isnan(area) else "amplitude"
    kind = "complete" if premise(row, "complete_block", holds=True) else how
    doubts = [
        name
        for name, is_so in (
            ("unattested", str(row["technical_validity"]) == NOT_ATTESTED),
            ("recent", premise(row, "recent", holds=None) is not None),
            (
                f"{_crossing_case(row)}_part",
                premise(row, "martin_gruber", holds=True) is not None,
            ),
            (f"{_crossing_case(row)}_{_crossing_doubt(row)}", is_crossing_open(row)),
            ("erb", (premise(row, "erb", holds=None) or {}).get("value") == "at_most"),
        )
        if is_so
    ]
    falls = {"area": area, "amplitude": amplitude}
    crossing = premise(row, "martin_gruber", holds=True)
    rest = math.nan if crossing is None else as_number(crossing.get(f"rest_{kind}_pct"))
    if not math.isnan(rest):
        kind, falls["rest"] = f"{kind}_rest", rest
    return segment_item(f"block_{kind}", row, **falls, doubts=tuple(doubts))


def _fallen_item(row: Row, numbers: Mapping[Any, Row]) -> Mapping[str, Any]:
    fall = as_number(numbers.get(place_of(row), {}).get("amplitude_reduction_pct"))
    most = anatomy().nerves[row["nerve"]].healthy_fall_pct
    if premise(row, "complete_block", holds=True) or premise(row, "complete_block", holds=None):
        return segment_item("segment_absent", row)
    kind = "segment_fallen" if math.isnan(most) else "segment_fallen_known"
    return segment_item(kind, row, amplitude=fall, most=most)


# ---- 3 entrapment


def entrapment(visit: Seen) -> Iterator[Statement]:
    """Name the entrapments."""
    items = [
        {
            "kind": f"trap_{_shown_by(one)}",
            "side": one.side,
            "trap": one.trap.neuropathy,
            "trap_zh": one.trap.neuropathy_zh,
            "velocity": one.velocity_m_per_s,
            "drop": one.drop_pct,
            "latency": one.latency_ms,
            "limit": one.limit_ms,
            "doubts": _trap_doubts(one, visit),
        }
        for one in visit.traps
    ]
    if items:
        yield Statement("entrapment", "named", tuple(items))


def _trap_doubts(one: Found, visit: Seen) -> tuple[str, ...]:
    """Say on what an entrapment rests that nothing but a fall of amplitude shows."""
    if _shown_by(one) != "drop":
        return ()
    unsure = any(
        nerve_of(row) == (one.nerve, one.side)
        and str(row["technical_validity"]) == NOT_ATTESTED
        and row["trap"] == one.trap
        for row in visit.verdicts
    )
    return ("unattested",) if unsure else ()


def _shown_by(one: Found) -> str:
    if not math.isnan(one.latency_ms):
        return "latency"
    slow, drop = not math.isnan(one.velocity_m_per_s), not math.isnan(one.drop_pct)
    return "both" if slow and drop else "slowing" if slow else "drop"


# ---- 5 sensory conduction


@once
def abnormal(visit: Seen) -> list[Nerve]:
    """Give nerves with abnormal sensory conduction."""
    return list(
        dict.fromkeys((one.nerve, one.side) for one in visit.studies if one.is_normal is False)
    )


@once
def unexplained(visit: Seen) -> list[Nerve]:
    """Give nerves with abnormal sensory conduction that no entrapment of theirs explains."""
    return [nerve for nerve in abnormal(visit) if nerve not in trapped(visit)]


def sensory(visit: Seen) -> Iterator[Statement]:
    """Say how sensory conduction is."""
    bad = abnormal(visit)
    normal = [
        (one.nerve, one.side)
        for one in visit.studies
        if one.is_normal is True and (one.nerve, one.side) not in bad
    ]
    if bad:
        yield Statement("sensory", "abnormal", tuple(nerve_items(bad)))
    elif normal:
        yield Statement("sensory", "normal", tuple(nerve_items(normal)))
    elif not visit.studies:
        yield Statement("sensory", "not_studied")
    told = {*bad, *normal}
    rest = [(one.nerve, one.side) for one in visit.studies if (one.nerve, one.side) not in told]
    if rest:
        yield Statement("sensory", "untold", tuple(nerve_items(rest)))

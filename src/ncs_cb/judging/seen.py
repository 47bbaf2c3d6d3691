"""What is known of a visit for its impression: facts that several statements ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from ncs_cb.columns import as_number
from ncs_cb.judging.cold import Limb, cold_limbs
from ncs_cb.judging.entrapment import Found
from ncs_cb.judging.limits import UNSURE_ONSET, VELOCITY, Limited
from ncs_cb.judging.rows import is_absent, nerve_of
from ncs_cb.judging.sensory import SensoryStudy
from ncs_cb.judging.truth import holds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.model import Details
from ncs_cb.vocabulary import GRADES
from ncs_cb.wording.conclusions import Conclusion

Row = Mapping[str, Any]
Nerve = tuple[str, str]
Place = tuple[str, str, str, str]
_Fact = TypeVar("_Fact")


def once(fact: Callable[[Seen], _Fact]) -> Callable[[Seen], _Fact]:
    """Work a fact of a visit out one time: several statements ask for it."""

    @wraps(fact)
    def known(visit: Seen) -> _Fact:
        if fact not in visit.known:
            visit.known[fact] = fact(visit)
        found: _Fact = visit.known[fact]
        return found

    return known


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of one visit, for its impression."""

    details: Details
    verdicts: tuple[Row, ...]
    """Those of the leading set."""
    others: tuple[Row, ...]
    """Those of the other sets."""
    segments: tuple[Row, ...]
    nerves: tuple[Row, ...]
    studies: tuple[SensoryStudy, ...]
    sets: tuple[ReferenceSet, ...]
    conclusion: Conclusion | None
    unassigned: tuple[str, ...]
    left_out: tuple[str, ...]
    marks: tuple[Limited, ...]
    """Motor values that have a limit of normal."""
    absent: tuple[Row, ...]
    """Most distal motor responses that were looked for and not there."""
    traps: tuple[Found, ...]
    known: dict[Any, Any] = field(default_factory=dict)
    """What :func:`once` has worked out."""

    @once
    def graded(self) -> list[Row]:
        """Give the segments with block by the leading set."""
        return [row for row in self.verdicts if row["conduction_block"] in GRADES]

    @once
    def open_(self) -> list[Row]:
        """Give the segments that could not be judged although block may be there."""
        return [
            row
            for row in self.verdicts
            if row["conduction_block"] == "undetermined" and row["not_excluded"] in GRADES
        ]


@once
def trapped(visit: Seen) -> frozenset[Nerve]:
    """Give the nerves with an entrapment."""
    return frozenset((one.nerve, one.side) for one in visit.traps)


@once
def cold(visit: Seen) -> frozenset[Limb]:
    """Give the limbs, as (side, limb), that were studied and were too cold."""
    found = cold_limbs(visit.details)
    if not found:
        return found
    nerves = [*studied(visit), *((one.nerve, one.side) for one in visit.studies)]
    return found & {(side, anatomy().nerves[nerve].limb) for nerve, side in nerves}


@once
def velocities(visit: Seen) -> list[Limited]:
    """Give the velocities that have a limit of normal, between responses of known time."""
    return [
        one
        for one in visit.marks
        if one.column == VELOCITY and one.row["raised"].isdisjoint(UNSURE_ONSET)
    ]


@once
def slow(visit: Seen) -> dict[Nerve, tuple[float, float]]:
    """Give the slowest velocity of each nerve below its limit, and its share of it in percent.

    Segments with block, or with what may be block, are left out.
    """
    return slowed(visit, {place_of(row) for row in (*visit.graded(), *visit.open_())})


def slowed(visit: Seen, left_out: Collection[Place]) -> dict[Nerve, tuple[float, float]]:
    """Give nerves slower than their limit outside entrapments and the segments left out."""
    worst: dict[Nerve, tuple[float, float]] = {}
    for one in velocities(visit):
        row, nerve = one.row, nerve_of(one.row)
        if not one.is_outside or foreign(row):
            continue
        # Slow across an entrapment site, and no slower than beside it: the nerve is slow there.
        if place_of(row) in left_out or (row["trap"] is not None and nerve in trapped(visit)):
            continue
        share = 100.0 * row[VELOCITY] / one.limit.value
        if share < worst.get(nerve, (0.0, math.inf))[1]:
            worst[nerve] = (row[VELOCITY], share)
    return worst


@once
def small(visit: Seen) -> dict[Nerve, tuple[float, float]]:
    """Give nerves whose distal response is below its lower limit: its amplitude, and that limit."""
    # A response that is larger from further up is small for its stimulus, not for its fibers.
    grown = {(nerve_of(row), row["distal_site"]) for row in larger(visit)}
    weak = {nerve_of(row) for row in visit.nerves if (nerve_of(row), row["distal_site"]) in grown}
    found = dict(beyond_limit(visit, "distal_amplitude_mv", "motor.amplitude_mv", "lt"))
    for one in visit.marks:
        if one.is_outside and one.column == "negative_peak_amplitude_mv":
            value = 0.0 if is_absent(one.row) else as_number(one.row[one.column])
            found.setdefault(nerve_of(one.row), (value, one.limit.value))
    return {nerve: told for nerve, told in found.items() if nerve not in weak}


@once
def larger(visit: Seen) -> list[Row]:
    """Give segments whose proximal response is larger than fibers of the nerve can make it."""
    return [
        row for row in visit.segments if "proximal_larger" in row["raised"] and not foreign(row)
    ]


@once
def silent(visit: Seen) -> list[Nerve]:
    """Give the nerves without a distal response, crossing recordings apart."""
    return list(dict.fromkeys(nerve_of(row) for row in visit.absent if not foreign(row)))


def beyond_limit(
    visit: Seen, column: str, limited: str, op: str
) -> Iterator[tuple[Nerve, tuple[float, float]]]:
    """Give the nerves of which a routine value lies beyond its limit, with value and limit."""
    for row in visit.nerves:
        value, limit = row[column], row["limits"][limited]
        if holds(value, op, limit) is True and not foreign(row):
            yield nerve_of(row), (value, limit)


def foreign(row: Row) -> bool:
    """Tell whether a response is recorded from a muscle of another nerve."""
    return bool(row["is_foreign"])


def place_of(row: Row) -> Place:
    """Give nerve, side, muscle and segment of a row."""
    place: Place = row["place"]
    return place


def text(value: Any) -> str:
    """Give a text, empty when there is none."""
    return value if isinstance(value, str) else ""


@once
def studied(visit: Seen) -> list[Nerve]:
    """Give the motor nerves that were studied, crossing recordings apart."""
    rows = (*visit.nerves, *visit.segments)
    return list(dict.fromkeys(nerve_of(row) for row in rows if not foreign(row)))


def nerve_items(nerves: Iterable[Nerve]) -> Iterator[Mapping[str, Any]]:
    """List nerves, each once."""
    for nerve, side in dict.fromkeys(nerves):
        yield {"kind": "nerve", "nerve": nerve, "side": side}


def segment_item(kind: str, row: Row, **more: Any) -> Mapping[str, Any]:
    """Name a segment, as an item of a statement."""
    nerve, side = nerve_of(row)
    return {
        "kind": kind,
        "nerve": nerve,
        "side": side,
        "distal": row["distal_site"],
        "proximal": row["proximal_site"],
        **more,
    }

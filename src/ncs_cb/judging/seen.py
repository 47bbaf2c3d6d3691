"""What is known of a visit for its impression: facts that several statements ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, TypeVar

from ncs_cb.columns import as_number
from ncs_cb.judging.entrapment import Found, cold_limbs, entrapments
from ncs_cb.judging.rows import is_absent, nerve_of
from ncs_cb.judging.sensory import SensoryStudy
from ncs_cb.judging.truth import holds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import ReferenceSet, first_limit
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
    segments: tuple[Row, ...]
    nerves: tuple[Row, ...]
    studies: tuple[SensoryStudy, ...]
    sets: tuple[ReferenceSet, ...]
    conclusion: Conclusion | None
    unassigned: tuple[str, ...]
    marks: tuple[Row, ...] = ()
    """Motor values that have a limit of normal: the row they stand in, and that limit."""
    absent: tuple[Row, ...] = ()
    """Most distal motor responses that were looked for and not there."""
    left_out: tuple[str, ...] = ()
    traps: tuple[Found, ...] = ()
    cold: frozenset[tuple[str, str]] = frozenset()
    slow: dict[Nerve, tuple[float, float]] = field(default_factory=dict)
    """Slowest velocity of each nerve below its limit, and its share of the limit in percent."""
    small: dict[Nerve, tuple[float, float]] = field(default_factory=dict)
    """Distal amplitude below its limit, and the limit."""
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


def looked_at(visit: Seen) -> Seen:
    """Work out what several statements need."""
    traps = entrapments(
        visit.segments, visit.verdicts, visit.nerves, visit.studies, visit.details, visit.sets
    )
    nerves = [*studied(visit), *((one.nerve, one.side) for one in visit.studies)]
    limbs = {(side, anatomy().nerves[nerve].limb) for nerve, side in nerves}
    return replace(
        visit,
        known={},
        traps=traps,
        cold=cold_limbs(visit.details) & limbs,
        slow=slowed(
            replace(visit, known={}, traps=traps),
            {place_of(row) for row in (*visit.graded(), *visit.open_())},
        ),
        small=_small(visit),
    )


def slowed(visit: Seen, left_out: Collection[Place]) -> dict[Nerve, tuple[float, float]]:
    """Give nerves slower than their limit outside entrapments and the segments left out."""
    trapped = {(one.nerve, one.side) for one in visit.traps}
    worst: dict[Nerve, tuple[float, float]] = {}
    for row in visit.segments:
        trap = row["trap"]
        if row.get("is_adjacent") is False or place_of(row) in left_out or foreign(row):
            continue
        # Slow across an entrapment site, and no slower than beside it: the nerve is slow there.
        if trap is not None and (nerve_of(row) in trapped or place_of(row) not in _limited(visit)):
            continue
        value = as_number(row.get("conduction_velocity_m_per_s"))
        limit = first_limit(
            visit.sets,
            "motor",
            row["nerve"],
            text(row.get("muscle")) or None,
            "velocity_m_per_s",
            visit.details,
            segment=row["segment"],
        )
        if limit is None or holds(value, "lt", limit.value) is not True:
            continue
        share = 100.0 * value / limit.value
        if share < worst.get(nerve_of(row), (0.0, math.inf))[1]:
            worst[nerve_of(row)] = (value, share)
    return worst


@once
def _limited(visit: Seen) -> frozenset[Place]:
    """Give the segments whose velocity has a limit of its own."""
    return frozenset(place_of(one) for one in visit.marks if "segment" in one)


def _small(visit: Seen) -> dict[Nerve, tuple[float, float]]:
    """Give nerves whose distal response is below its lower limit, and that limit."""
    found = dict(beyond_limit(visit, "distal_amplitude_mv", "amplitude_mv", "lt"))
    for row in visit.marks:
        if row["column"] == "negative_peak_amplitude_mv" and row["is_outside"] is True:
            value = 0.0 if is_absent(row) else as_number(row[row["column"]])
            found.setdefault(nerve_of(row), (value, row["limit"]))
    return found


@once
def silent(visit: Seen) -> list[Nerve]:
    """Give the nerves without a distal response, crossing recordings apart."""
    return list(dict.fromkeys(nerve_of(row) for row in visit.absent if not foreign(row)))


def beyond_limit(
    visit: Seen, column: str, item: str, op: str, *, study: str = "motor"
) -> Iterator[tuple[Nerve, tuple[float, float]]]:
    """Give the nerves of which a routine value lies beyond its limit, with value and limit."""
    for row in visit.nerves:
        value = as_number(row[column])
        limit = first_limit(
            visit.sets, study, row["nerve"], text(row["muscle"]) or None, item, visit.details
        )
        if not foreign(row) and limit is not None and holds(value, op, limit.value) is True:
            yield nerve_of(row), (value, limit.value)


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

"""The statements of an impression about fibers: lost ones, and slow ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ncs_cb.judging.limits import VELOCITY, Limited, is_late
from ncs_cb.judging.rows import holds_entrapment, nerve_of
from ncs_cb.judging.seen import (
    Nerve,
    Row,
    Seen,
    beyond_limit,
    cold,
    foreign,
    nerve_items,
    once,
    segment_item,
    silent,
    slow,
    slowed,
    small,
    trapped,
    velocities,
)
from ncs_cb.judging.statements import dispersed
from ncs_cb.judging.truth import holds
from ncs_cb.judging.unplaced import unplaced
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.wording.impression import Statement


@once
def demyelinating(visit: Seen) -> list[Nerve]:
    """Give nerves whose velocity lies in the demyelinating range, in limbs that are warm."""
    return list(_in_range(slow(visit), visit))


def demyelinating_somewhere(visit: Seen) -> list[Mapping[str, Any]]:
    """Name the nerves with a velocity in the demyelinating range, one through a block too."""
    found = slowed(visit, ())
    return [
        {"kind": "velocity", "nerve": nerve, "side": side, "value": value, "limit": limit}
        for nerve, side in _in_range(found, visit)
        for value, share in [found[nerve, side]]
        for limit in [100.0 * value / share]
    ]


def _in_range(found: Mapping[Nerve, tuple[float, float]], visit: Seen) -> Iterator[Nerve]:
    least = threshold("impression.demyelinating_velocity_pct")
    for nerve, (_, share) in found.items():
        if holds(share, "lt", least) is True and not is_cold(nerve, visit):
            yield nerve


def is_cold(nerve: Nerve, visit: Seen) -> bool:
    """Tell whether a nerve lies in a cold limb, whose latencies and velocities say nothing."""
    return (nerve[1], anatomy().nerves[nerve[0]].limb) in cold(visit)


@once
def axonal(visit: Seen) -> list[Nerve]:
    """Give nerves with a small distal response whose velocity is kept."""
    bare = demyelinating(visit)
    return [nerve for nerve in small(visit) if nerve not in bare]


def is_firm(lost: Iterable[Nerve], visit: Seen) -> bool:
    """Tell whether small responses are more than one value just below its limit."""
    shares = [100.0 * value / limit for nerve in lost for value, limit in [small(visit)[nerve]]]
    least = threshold("impression.one_small_response_pct")
    return len(shares) > 1 or any(holds(share, "lt", least) is True for share in shares)


def has_normal_sensation(nerves: Iterable[Nerve], visit: Seen) -> bool:
    """Tell whether a sensory nerve of the same limbs was measured, and is normal."""
    limbs = {(side, anatomy().nerves[nerve].limb) for nerve, side in nerves}
    return any(
        one.is_normal is True and (one.side, anatomy().nerves[one.nerve].limb) in limbs
        for one in visit.studies
    )


@once
def long_latency(visit: Seen) -> dict[Nerve, tuple[float, float]]:
    """Give nerves whose distal latency is beyond its limit: the latency, and that limit."""
    return {
        nerve_of(row): (row["distal_latency_ms"], row["limits"]["motor.distal_latency_ms"])
        for row in visit.nerves
        if is_late(row) is True and not foreign(row)
    }


def _absent_item(row: Row) -> Mapping[str, Any]:
    nerve, side = nerve_of(row)
    return {"kind": "absent", "nerve": nerve, "side": side, "distal": row["stimulation_site"]}


@once
def f_waves(visit: Seen) -> tuple[Statement, ...]:
    """Say where F waves are late, and where they were looked for and not there."""
    return tuple(_f_waves(visit))


def _f_waves(visit: Seen) -> Iterator[Statement]:
    found = beyond_limit(visit, "f_minimum_latency_ms", "f_wave.minimum_latency_ms", "gt")
    late = tuple(
        {
            "kind": "f_wave",
            "nerve": nerve,
            "side": side,
            "value": value,
            "limit": limit,
            "doubts": ("height",),
        }
        for (nerve, side), (value, limit) in found
        if not is_cold((nerve, side), visit)
    )
    if late:
        yield Statement("fibers", "f_late", late)
    gone = [
        nerve_of(row) for row in visit.nerves if holds(row["f_persistence_pct"], "le", 0.0) is True
    ]
    if gone:
        yield Statement("fibers", "f_absent", tuple(nerve_items(gone)))


def _slow_item(nerve: Nerve, visit: Seen) -> Mapping[str, Any]:
    """Name a slow nerve with its slowest velocity, and the segment where others are not slow."""
    value, share = slow(visit)[nerve]
    item = {"nerve": nerve[0], "side": nerve[1], "value": value, "limit": 100.0 * value / share}
    judged = along(nerve, visit)
    places = [one.row for one in judged if one.row[VELOCITY] == value]
    if not places or all(one.is_outside for one in judged if not holds_entrapment(one.row)):
        return {"kind": "velocity", **item}
    return segment_item("velocity_between", places[0], value=value, limit=item["limit"])


def along(nerve: Nerve, visit: Seen) -> list[Limited]:
    """Give the known velocities of the segments of a nerve that have a limit."""
    return [
        one
        for one in velocities(visit)
        if nerve_of(one.row) == nerve and not foreign(one.row) and one.is_outside is not None
    ]


def _is_slow_throughout(nerve: Nerve, visit: Seen) -> bool:
    """Tell whether a nerve is slow in every segment off entrapments, and not for a block."""
    if any(nerve_of(row) == nerve for row in (*visit.graded(), *visit.open_())):
        return False
    judged = [one for one in along(nerve, visit) if not holds_entrapment(one.row)]
    return bool(judged) and all(one.is_outside for one in judged)


def _is_very_late(nerve: Nerve, visit: Seen) -> bool:
    """Tell whether a distal latency is longer than loss of fibers makes it, and is untold."""
    value, limit = long_latency(visit)[nerve]
    least = threshold("impression.demyelinating_latency_pct")
    return nerve not in trapped(visit) and holds(100.0 * value / limit, "ge", least) is True


@once
def fibers(visit: Seen) -> tuple[Statement, ...]:
    """Say where fibers were lost, and where they conduct slowly."""
    return tuple(_fibers(visit))


def _fibers(visit: Seen) -> Iterator[Statement]:
    lost, gone = axonal(visit), silent(visit)
    if gone:
        places = [row for row in visit.absent if nerve_of(row) in gone]
        yield Statement("fibers", "absent", tuple(map(_absent_item, places)))
    kept = [nerve for nerve in lost if nerve not in gone]
    if kept:
        sizes = (
            {"kind": "amplitude", "nerve": nerve, "side": side, "value": value, "limit": limit}
            for nerve, side in kept
            for value, limit in [small(visit)[nerve, side]]
        )
        yield Statement("fibers", "axonal" if is_firm(lost, visit) else "small", tuple(sizes))
    # A nerve that lost fibers conducts a little slower too.
    said = {*lost, *map(nerve_of, unplaced(visit))}
    found = [nerve for nerve in slow(visit) if nerve not in said and not is_cold(nerve, visit)]
    if found:
        whole = len(found) > 1 and all(_is_slow_throughout(nerve, visit) for nerve in found)
        items = tuple(_slow_item(nerve, visit) for nerve in found)
        yield Statement("fibers", "diffuse" if whole else "slow", items)
    told = {*said, *trapped(visit)}
    late = tuple(
        {"kind": "latency", "nerve": nerve, "side": side, "value": value, "limit": limit}
        for (nerve, side), (value, limit) in long_latency(visit).items()
        if ((nerve, side) not in told or _is_very_late((nerve, side), visit))
        and not is_cold((nerve, side), visit)
    )
    if late:
        yield Statement("fibers", "late", late)
    yield from f_waves(visit)
    spread = dispersed(visit)
    if spread:
        yield Statement("fibers", "dispersed", tuple(nerve_items(spread)))

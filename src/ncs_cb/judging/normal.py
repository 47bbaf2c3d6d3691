"""When a study may be called normal: everything that it looked at was read, and lies within limits.

What could not be read is named with its place; a fall that no set reads as block is named too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.judging.falls import beyond_health, disputed, left_open
from ncs_cb.judging.fibers import (
    along,
    demyelinating,
    f_waves,
    is_cold,
    long_latency,
)
from ncs_cb.judging.labels import mislabeled
from ncs_cb.judging.limits import LATENCY_AT, UNSURE_ONSET, VELOCITY, Limited, is_far
from ncs_cb.judging.rows import holds_entrapment, is_absent, nerve_of
from ncs_cb.judging.seen import (
    Nerve,
    Row,
    Seen,
    cold,
    foreign,
    larger,
    place_of,
    segment_item,
    silent,
    slow,
    small,
    trapped,
)
from ncs_cb.judging.statements import dispersed, explained, fallen, too_small
from ncs_cb.judging.unplaced import unplaced
from ncs_cb.judging.validity import REFUTED
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.wording.impression import Statement

# Flags that say why something is not known, beside what was never written down.
_WHY = (
    *UNSURE_ONSET,
    "clipped",
    "response_begun_before_sweep",
    "non_finite_samples",
    "flat_trace",
    "stimulus_outside_trace",
    "sweep_cut",
    "distance_implausible",
    "length_implausible",
    "velocity_implausible",
)
_CROSSED = ("martin_gruber", "velocity_implausible")
_KINDS = {"onset_latency_ms": "latency", "negative_peak_amplitude_mv": "amplitude"}


def is_clear(visit: Seen) -> bool:
    """Tell whether nothing that was read is abnormal, and enough of it was read."""
    looked = any(row["conduction_block"] == "none" for row in visit.verdicts) and visit.marks
    return bool(looked) and not (
        visit.graded()
        or visit.traps
        or slow(visit)
        or small(visit)
        or silent(visit)
        or cold(visit)
        or visit.unassigned
        or visit.left_out
        or mislabeled(visit)
        or dispersed(visit)
        or too_small(visit)
        or any(row["conduction_block"] == "undetermined" for row in visit.verdicts)
        or any(one.is_outside for one in visit.marks)
        or explained(visit)
        or fallen(visit)
        or disputed(visit)
        or left_open(visit)
        or beyond_health(visit)
        or larger(visit)
        or unplaced(visit)
        or long_latency(visit)
        or any(is_far(row) and not foreign(row) for row in visit.nerves)
        or f_waves(visit)
        or not all(one.is_normal is True for one in visit.studies)
        or any(str(row["technical_validity"]) == REFUTED for row in visit.verdicts)
    )


def unread(visit: Seen, *, flagged: bool) -> Iterator[Statement]:
    """Say which values could not be read; with `flagged` only those of which it is known why."""
    items: dict[Any, Mapping[str, Any]] = {}
    told = {
        place_of(row)
        for row in visit.verdicts
        if row["conduction_block"] == "undetermined" or str(row["technical_validity"]) == REFUTED
    }
    fast = [row for row in visit.segments if _is_fast_by_crossing(row, visit)]
    if fast:
        named = tuple(segment_item("segment", row) for row in fast)
        yield Statement("technique", "fast_by_crossing", named)
    told.update(map(place_of, fast))
    for row in visit.segments:
        if flagged and row["raised"].isdisjoint(_WHY):
            continue
        if foreign(row) or place_of(row) in told:
            continue
        kind = _unread_between(row)
        if kind:
            items[*nerve_of(row), row["segment"]] = segment_item(f"unread_{kind}", row)
    for one in visit.marks:
        row, kind = one.row, _KINDS.get(one.column, "")
        if kind and not foreign(row):
            raised = row["raised"]
            unsure = kind == "latency" and raised.intersection(UNSURE_ONSET)
            if is_absent(row) or not (unsure or one.is_outside is None):
                continue
            if not flagged or raised.intersection(_WHY):
                nerve, side = nerve_of(row)
                at = row["stimulation_site"]
                items[nerve, side, at, kind] = {
                    "kind": f"unread_{kind}",
                    "nerve": nerve,
                    "side": side,
                    "distal": at,
                }
    items |= dict(_far_latencies(visit))
    if items:
        yield Statement("technique", "unread", tuple(items.values()))


def _far_latencies(visit: Seen) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Name the long distal latencies that were not measured at the distance of their limit."""
    for row in visit.nerves:
        if is_far(row) and not foreign(row) and not is_cold(nerve_of(row), visit):
            (nerve, side), at = nerve_of(row), row["distal_site"]
            yield (
                (nerve, side, at, "latency"),
                {
                    "kind": "unread_far",
                    "nerve": nerve,
                    "side": side,
                    "distal": at,
                    "value": row["distal_latency_ms"],
                    "given": row["limits"][LATENCY_AT],
                },
            )


def _is_fast_by_crossing(row: Row, visit: Seen) -> bool:
    """Tell whether crossing fibers that bypass an entrapment make a velocity too fast to be one."""
    is_crossed = row["raised"].issuperset(_CROSSED)
    return is_crossed and not foreign(row) and nerve_of(row) in trapped(visit)


def disagreeing(visit: Seen) -> Iterator[Statement]:
    """Say which values another set of limits would call otherwise, and whose limit is used."""
    titles = {one.id: (one.title, one.title_zh) for one in visit.sets}
    by_set: dict[str, dict[Any, Mapping[str, Any]]] = {}
    for one in visit.marks:
        if not one.others or not _bears_on(one, visit):
            continue
        nerve, side = nerve_of(one.row)
        for other in one.others:
            english, chinese = titles[other.set_id]
            item = {
                "kind": f"sets_{_KINDS.get(one.column, 'velocity')}",
                "nerve": nerve,
                "side": side,
                "value": as_number(one.row[one.column]),
                "limit": one.limit.value,
                "other": other.value,
                "other_set": english,
                "other_set_zh": chinese or english,
            }
            own = by_set.setdefault(one.limit.set_id, {})
            key = (nerve, side, one.column, other.set_id)
            # Of several segments the slowest, which is the one that is spoken of.
            own[key] = min(own.get(key, item), item, key=itemgetter("value"))
    for set_id, items in by_set.items():
        english, chinese = titles[set_id]
        values = {"made": english, "made_zh": chinese or english}
        yield Statement("fibers", "sets_disagree", tuple(items.values()), values)


def _bears_on(one: Limited, visit: Seen) -> bool:
    """Tell whether it matters what another set says of a value."""
    row, is_velocity = one.row, one.column == VELOCITY
    if foreign(row):
        return False
    # One limit for all ages is wrong in the legs, and one for all segments at an entrapment site.
    if anatomy().nerves[row["nerve"]].limb == "leg":
        return False
    if is_velocity and holds_entrapment(row):
        return False
    if is_velocity and (is_cold(nerve_of(row), visit) or _is_slow_by_all(nerve_of(row), visit)):
        return False
    # Where fibers were lost the velocity is not spoken of, in a slow nerve not the amplitude.
    untold = small(visit) if is_velocity else demyelinating(visit)
    return not (one.is_outside and nerve_of(row) in untold)


def _is_slow_by_all(nerve: Nerve, visit: Seen) -> bool:
    """Tell whether a nerve is slow by every set, whatever one of its segments is by another."""
    return any(
        one.is_outside and not one.others
        for one in along(nerve, visit)
        if not holds_entrapment(one.row)
    )


def _unread_between(row: Row) -> str:
    """Name what of a segment is not known: nothing, the velocity, or all of it."""
    raised = row["raised"]
    if raised.intersection(("response_absent_at_site", "complete_block")):
        return ""
    if math.isnan(as_number(row.get("amplitude_reduction_pct"))):
        return "change"
    if raised.intersection(UNSURE_ONSET):
        return "velocity"
    if not math.isnan(as_number(row.get("conduction_velocity_m_per_s"))):
        return ""
    return "unmeasured" if math.isnan(as_number(row.get("length_mm"))) else "velocity"

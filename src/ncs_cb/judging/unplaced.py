"""Changes over a segment that holds an entrapment site and more: nobody can say where they lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.judging.entrapment import sites_between
from ncs_cb.judging.rows import nerve_of
from ncs_cb.judging.seen import (
    Row,
    Seen,
    cold,
    foreign,
    once,
    place_of,
    segment_item,
    trapped,
    velocities,
)
from ncs_cb.judging.truth import holds
from ncs_cb.judging.validity import REFUTED
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.wording.impression import Statement


@once
def unplaced(visit: Seen) -> list[Row]:
    """Give the segments with a fall or slowing that reach farther than their entrapment site."""
    told = {place_of(row) for row in (*visit.graded(), *visit.open_())}
    told |= {place_of(row) for row in visit.verdicts if str(row["technical_validity"]) == REFUTED}
    return [
        row
        for row in visit.segments
        if row["trap"] is not None
        and sites_between(row["nerve"], row["segment"])
        and not foreign(row)
        and nerve_of(row) not in trapped(visit)
        and place_of(row) not in told
        and (not math.isnan(_fall(row)) or _is_slowed(row, visit))
    ]


def fallen_unplaced(visit: Seen) -> list[Row]:
    """Give those of them that fall: block may lie beside the entrapment site."""
    return [row for row in unplaced(visit) if not math.isnan(_fall(row))]


def _fall(row: Row) -> float:
    """Give a fall of the amplitude that would name an entrapment; NaN where there is none."""
    fall = as_number(row.get("amplitude_reduction_pct"))
    least = threshold("entrapment.minimum_drop_pct")
    # The legs' long segments fall by more in health.
    if anatomy().nerves[row["nerve"]].limb == "leg" or holds(fall, "gt", least) is not True:
        return math.nan
    small = "distal_response_small" in row["raised"]
    return math.nan if small else fall


def _is_slowed(row: Row, visit: Seen) -> bool:
    """Tell whether a segment is slow in a nerve and a limb that are not slow elsewhere."""
    if (nerve_of(row)[1], anatomy().nerves[row["nerve"]].limb) in cold(visit):
        return False
    slow = [place_of(one.row) for one in velocities(visit) if one.is_outside]
    return slow == [place_of(row)]


def unplaced_said(visit: Seen) -> Iterator[Statement]:
    """Name them, with what was found of each."""
    items = tuple(map(_item, unplaced(visit)))
    if items:
        yield Statement("entrapment", "unplaced", items)


def _item(row: Row) -> Mapping[str, Any]:
    fall, velocity = _fall(row), as_number(row.get("conduction_velocity_m_per_s"))
    kind = "fall" if math.isnan(velocity) else "velocity" if math.isnan(fall) else "both"
    return segment_item(f"unplaced_{kind}", row, amplitude=fall, value=velocity)


def between_step(visit: Seen) -> Iterator[Statement]:
    """Ask for the stimuli that tell the site from what lies beside it."""
    items = tuple(
        {"kind": "absent", "nerve": row["nerve"], "side": nerve_of(row)[1], "distal": site}
        for row in unplaced(visit)
        for site in sites_between(row["nerve"], row["segment"])
    )
    if items:
        yield Statement("step", "between", items)

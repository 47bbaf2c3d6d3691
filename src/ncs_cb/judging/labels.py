"""Nerves of which every recording is from a muscle that is not theirs: the label is in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ncs_cb.columns import as_number
from ncs_cb.judging.rows import nerve_of
from ncs_cb.judging.seen import Row, Seen, foreign, once, studied
from ncs_cb.judging.truth import holds
from ncs_cb.wording.impression import Statement


@once
def mislabeled(visit: Seen) -> list[Row]:
    """Give a segment of each nerve that has no recording from a muscle of its own.

    A recording of crossing fibers is none of these: it shows no more at the distal site than
    further up.
    """
    own = studied(visit)
    found = {
        nerve_of(row): row
        for row in reversed(visit.segments)
        if foreign(row)
        and nerve_of(row) not in own
        and holds(as_number(row.get("amplitude_reduction_pct")), "ge", 0.0) is True
    }
    return list(reversed(found.values()))


def mislabeled_said(visit: Seen) -> Iterator[Statement]:
    """Say that nothing is concluded of these nerves."""
    items = tuple(map(_item, mislabeled(visit)))
    if items:
        yield Statement("technique", "muscle", items)


def label_step(visit: Seen) -> Statement:
    """Ask for their labels."""
    return Statement("step", "muscle", tuple(map(_item, mislabeled(visit))))


def _item(row: Row) -> Mapping[str, Any]:
    nerve, side = nerve_of(row)
    return {"kind": "muscle", "nerve": nerve, "side": side, "muscle": row["muscle"]}

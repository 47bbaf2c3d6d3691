"""What the evidence of a segment holds, and segments ruled out by the response at one end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ncs_cb.judging.rows import nerve_of
from ncs_cb.judging.truth import holds
from ncs_cb.knowledge.anatomy import position
from ncs_cb.knowledge.thresholds import value as threshold
from ncs_cb.model import Evidence

Row = Mapping[str, Any]


def is_too_small(row: Row) -> bool:
    """Tell whether a segment is ruled out by its distal response alone."""
    return bool(row["conduction_block"] == "excluded" and row["grounds"].is_too_small)


def beyond_a_fall(small: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Give the small segments whose nerve answers well further down: among others of one visit.

    Their small response is the fall of another segment; the distal response of the nerve is not
    what keeps them from being judged.
    """
    if not small:
        return []
    places = {row["place"] for row in small}
    rest = [row for row in rows if row["place"] not in places]
    return [row for row in small if any(_feeds(one, row) for one in rest)]


def _feeds(one: Row, row: Row) -> bool:
    """Tell whether a segment lies distal of another in one nerve."""
    nerve = row["nerve"]
    return (
        nerve_of(one) == nerve_of(row)
        and one["muscle"] == row["muscle"]
        and position(nerve, one["distal_site"]) < position(nerve, row["distal_site"])
    )


def hides_fall(segments: Sequence[Row]) -> bool:
    """Tell whether a response falls across an entrapment site, where no set looks for block."""
    least = threshold("entrapment.minimum_drop_pct")
    return any(
        holds(row.get("amplitude_reduction_pct"), "gt", least) is True
        for row in segments
        if row.get("is_entrapment_site") is True
    )


def nearest_limit(row: Row) -> tuple[str, str, float, float] | None:
    """Give the clause that keeps a segment from a grade: column, operator, number and limit.

    That of the rule that fails in the fewest clauses, the weakest of them; None where a number
    is not known.
    """
    told = row["evidence"]
    asked = (
        zip((one.row for one in told.clauses), told.values, strict=True)
        if isinstance(told, Evidence)
        else ((one, one["value"]) for one in told if one["rule"] != "premise")
    )
    failed: dict[str, list[tuple[Row, Any]]] = {}
    for one, value in asked:
        if one["holds"] is False and one["grade"] is not None:
            failed.setdefault(one["rule"], []).append((one, value))
    if not failed:
        return None
    one, value = min(reversed(failed.values()), key=len)[0]
    if value is None or one["limit"] is None:
        return None
    return one["column"], one["op"], float(value), float(one["limit"])


def premise(row: Row, name: str, *, holds: bool | None) -> Row | None:
    """Give the row of evidence of a premise with that answer."""
    found: Row | None = row["premises"].get((name, holds))
    return found

"""Which values lie outside the limits of normal, by the sets that a result rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import conform
from ncs_cb.judging import sensory
from ncs_cb.judging.rows import ByStudy, Row, by_study
from ncs_cb.judging.truth import holds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import Limit, ReferenceSet, chain, first_limit
from ncs_cb.knowledge.thresholds import is_same_distance
from ncs_cb.model import Details

_ITEMS = {
    "onset_latency_ms": "distal_latency_ms",
    "negative_peak_amplitude_mv": "amplitude_mv",
    "conduction_velocity_m_per_s": "velocity_m_per_s",
}
_AT_SITES = ("onset_latency_ms", "negative_peak_amplitude_mv")
_ALONG_SEGMENTS = ("conduction_velocity_m_per_s",)


def limits_table(
    traces: pd.DataFrame,
    segments: pd.DataFrame,
    details: Mapping[str, Details],
    *,
    reference: str | Path | ReferenceSet,
) -> pd.DataFrame:
    """Give the limit of normal of every motor and sensory value that has one.

    Latency and amplitude of motor nerves are limited at the site that their limit names, or at the
    distal one: farther along the nerve they depend on distance and, in block, on what the report
    is about.

    Parameters
    ----------
    traces, segments : DataFrame
        The tables of those names, of one study or of many.
    details : mapping of study id to Details
        For limits by age, sex and height.
    reference
        As in :func:`ncs_cb.judging.verdicts.judge`.

    Returns
    -------
    DataFrame
        Table ``limits``; ``row`` counts within the study's own table.
    """
    found = limit_rows(by_study(traces), by_study(segments), details, reference=reference)
    found += sensory.limit_rows(traces, details, reference=reference)
    return conform(pd.DataFrame(found), "limits")


def limit_rows(
    traces: ByStudy,
    segments: ByStudy,
    details: Mapping[str, Details],
    *,
    reference: str | Path | ReferenceSet,
) -> list[dict[str, Any]]:
    """Give the motor part of :func:`limits_table` as rows, of rows by study."""
    sets = chain(reference)
    return [
        one
        for name, table in (("traces", traces), ("segments", segments))
        for study_id, rows in table.items()
        for one in _of_study(name, rows, details.get(study_id, Details()), sets)
    ]


def _of_study(
    table: str, rows: Sequence[Row], person: Details, sets: tuple[ReferenceSet, ...]
) -> Iterator[dict[str, Any]]:
    distal = _distal_rows(rows) if table == "traces" else set()
    columns = _AT_SITES if table == "traces" else _ALONG_SEGMENTS
    for place, row in enumerate(rows):
        if row.get("kind") == "sensory":
            continue
        for column in columns:
            if (limit := _limit(row, column, person, sets, is_distal=place in distal)) is not None:
                yield {
                    "study_id": row["study_id"],
                    "table": table,
                    "row": place,
                    "column": column,
                    "limit": limit.value,
                    "direction": limit.direction,
                    "is_outside": _is_gone(row, column) or is_outside(row[column], limit),
                    "set_id": limit.set_id,
                    "source": limit.source,
                    "verified": limit.verified,
                }


def _is_gone(row: Row, column: str) -> bool:
    """Tell whether a response was looked for and not there: below every lower limit."""
    return column == "negative_peak_amplitude_mv" and _is_absent(row)


def _is_absent(row: Row) -> bool:
    return "response_absent" in flags.names(str(row["quality_flags"] or ""))


def absent_distally(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Give the most distal motor response of each nerve that was looked for and not there.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of the table ``traces`` of one study.
    """
    used = [row for row in rows if flags.stands(row)]
    return tuple(used[place] for place in sorted(_distal_rows(used)) if _is_absent(used[place]))


def _limit(
    row: Row, column: str, person: Details, sets: tuple[ReferenceSet, ...], *, is_distal: bool
) -> Limit | None:
    """Give the limit of one value; a latency at one named site has one of its own."""
    who = (str(row["nerve"]), str(row["muscle"]))
    if column not in _AT_SITES:
        segment = row.get("segment")
        return first_limit(sets, "motor", *who, _ITEMS[column], person, segment=segment)
    if not flags.stands(row):
        return None
    site = str(row["stimulation_site"])
    found = first_limit(sets, "motor", *who, _ITEMS[column], person, site=site)
    if found is not None and (is_distal or found.site):
        return found if column != "onset_latency_ms" or _at_place(row, found) else None
    if column == "onset_latency_ms":
        found = first_limit(sets, "motor", *who, "latency_ms", person, site=site)
        return found if found is not None and found.site else None
    return None


def other_answers(
    row: Row, used: Row, person: Details, sets: tuple[ReferenceSet, ...]
) -> tuple[Limit, ...]:
    """Give the limits of other sets by which a value falls on the other side.

    Parameters
    ----------
    row : mapping
        The value's row of its own table.
    used : mapping
        Its row of the table ``limits``.
    person : Details
    sets : tuple of ReferenceSet
    """
    # A latency limit belongs to its distance: another set's speaks of something else.
    if used["column"] == "onset_latency_ms" or pd.isna(row[used["column"]]):
        return ()
    found = []
    for one in sets:
        if one.id == used["set_id"]:
            continue
        limit = _limit(row, used["column"], person, (one,), is_distal=True)
        if limit is not None and is_outside(row[used["column"]], limit) is not used["is_outside"]:
            found.append(limit)
    return tuple(found)


def _distal_rows(rows: Sequence[Row]) -> set[int]:
    """Give the row of the most distal motor response of each nerve, side and muscle."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for place, row in enumerate(rows):
        if row["kind"] == "sensory" or not flags.is_done(row):
            continue
        series = (str(row["nerve"]), str(row["side"]), str(row["muscle"]))
        known = anatomy().nerves.get(series[0])
        order = known.sites if known else ()
        site = str(row["stimulation_site"])
        at = (order.index(site) if site in order else len(order), place)
        found[series] = min(at, found.get(series, at))
    return {place for _, place in found.values()}


def _at_place(row: Row, limit: Limit) -> bool:
    same_site = not limit.site or limit.site == row.get("stimulation_site")
    if limit.distance_mm is None or not same_site:
        return same_site
    # A latency limit belongs to its distance; farther away it says nothing.
    return is_same_distance(float(row["distance_mm"]), limit.distance_mm)


def is_outside(value: Any, limit: Limit) -> bool | None:
    """Tell whether a value lies beyond its limit; None when the value is not known."""
    found = holds(value, "lt" if limit.direction == "lower" else "gt", limit.value)
    return None if found is pd.NA else bool(found)

"""Which values lie outside the limits of normal, by the sets that a result rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.judging import sensory
from ncs_cb.judging.rows import ByStudy, Row, by_study, is_absent
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
_LATENCY = "onset_latency_ms"
_AT_SITES = (_LATENCY, "negative_peak_amplitude_mv")
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
    norms = Norms(chain(reference))
    found = limit_rows(by_study(traces), by_study(segments), details, norms)
    found += sensory.limit_rows(traces, details, reference=reference)
    return conform(pd.DataFrame(found), "limits")


def limit_rows(
    traces: ByStudy, segments: ByStudy, details: Mapping[str, Details], norms: Norms
) -> list[dict[str, Any]]:
    """Give the motor part of :func:`limits_table` as rows, of rows by study."""
    return [
        {
            "study_id": rows[place]["study_id"],
            "table": name,
            "row": place,
            "column": column,
            "limit": norm.limit.value,
            "direction": norm.limit.direction,
            "is_outside": answer,
            "set_id": norm.limit.set_id,
            "source": norm.limit.source,
            "verified": norm.limit.verified,
        }
        for name, table in (("traces", traces), ("segments", segments))
        for study_id, rows in table.items()
        for place, column, norm, answer in limited(
            name, rows, details.get(study_id, Details()), norms
        )
    ]


def limited(
    table: str, rows: Sequence[Row], person: Details, norms: Norms
) -> Iterator[tuple[int, str, Norm, bool | None]]:
    """Give the motor values of one study that have a limit of normal, and their answers."""
    distal = _distal_rows(rows) if table == "traces" else set()
    columns = _AT_SITES if table == "traces" else _ALONG_SEGMENTS
    for place, row in enumerate(rows):
        if row.get("kind") == "sensory":
            continue
        for column in columns:
            norm = norms.norm(row, column, person, is_distal=place in distal)
            if norm is not None:
                yield (
                    place,
                    column,
                    norm,
                    _is_gone(row, column) or is_outside(row[column], norm.limit),
                )


def other_answers(norm: Norm, value: Any, answer: bool | None) -> tuple[Limit, ...]:
    """Give the limits of other sets by which a value falls on the other side."""
    if not norm.others or pd.isna(value):
        return ()
    return tuple(one for one in norm.others if is_outside(value, one) is not answer)


def _is_gone(row: Row, column: str) -> bool:
    """Tell whether a response was looked for and not there: below every lower limit."""
    return column == "negative_peak_amplitude_mv" and is_absent(row)


def absent_distally(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Give the most distal motor response of each nerve that was looked for and not there.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of the table ``traces`` of one study.
    """
    used = [row for row in rows if row["stands"]]
    if not any(map(is_absent, used)):
        return ()
    return tuple(used[place] for place in sorted(_distal_rows(used)) if is_absent(used[place]))


class Norm(NamedTuple):
    """The limit of a value, and those that other sets would hold it to."""

    limit: Limit
    is_anywhere: bool
    """Whether it holds at whatever distance."""
    others: tuple[Limit, ...]


class Norms:
    """Limits of motor values: each is looked up once, for all values and persons it is for.

    Parameters
    ----------
    sets : tuple of ReferenceSet
        In the order in which they answer.
    """

    def __init__(self, sets: tuple[ReferenceSet, ...]) -> None:
        self._sets = sets
        self._known: dict[tuple[Any, ...], Norm | None] = {}

    def norm(self, row: Row, column: str, person: Details, *, is_distal: bool) -> Norm | None:
        """Give the limit of one value; None where it has none."""
        at_site = column in _AT_SITES
        if at_site and not row["stands"]:
            return None
        where = row.get("stimulation_site" if at_site else "segment")
        key = (column, row["nerve"], row["muscle"], where, is_distal)
        who = (person.age_years, person.sex, person.height_cm)
        if (key, who) not in self._known:
            what = (column, str(row["nerve"]), str(row["muscle"]), str(where))
            self._known[key, who] = self._find(what, is_distal, person)
        found = self._known[key, who]
        return found if found is None or found.is_anywhere or _at_place(row, found.limit) else None

    def _find(
        self, what: tuple[str, str, str, str], is_distal: bool, person: Details
    ) -> Norm | None:
        limit, is_anywhere = _look_up(*what, is_distal, person, self._sets)
        if limit is None:
            return None
        # A latency limit belongs to its distance: another set's speaks of something else.
        rest = [one for one in self._sets if one.id != limit.set_id and what[0] != _LATENCY]
        others = (_look_up(*what, True, person, (one,))[0] for one in rest)
        return Norm(limit, is_anywhere, tuple(one for one in others if one is not None))


def _look_up(
    column: str,
    nerve: str,
    muscle: str,
    where: str,
    is_distal: bool,
    person: Details,
    sets: tuple[ReferenceSet, ...],
) -> tuple[Limit | None, bool]:
    """Give a limit, and whether it holds at any distance; a named site has one of its own."""
    asked = (sets, "motor", nerve, muscle)
    if column not in _AT_SITES:
        return first_limit(*asked, _ITEMS[column], person, segment=where), True
    found = first_limit(*asked, _ITEMS[column], person, site=where)
    if found is not None and (is_distal or found.site):
        return found, column != _LATENCY
    if column == _LATENCY:
        found = first_limit(*asked, "latency_ms", person, site=where)
        return found if found is not None and found.site else None, True
    return None, True


def _distal_rows(rows: Sequence[Row]) -> set[int]:
    """Give the row of the most distal motor response of each nerve, side and muscle."""
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for place, row in enumerate(rows):
        if row["kind"] == "sensory" or not row["is_done"]:
            continue
        series = (row["nerve"], row["side"], row["muscle"])
        at = (_order(str(row["nerve"]), str(row["stimulation_site"])), place)
        if series not in found or at < found[series]:
            found[series] = at
    return {place for _, place in found.values()}


@lru_cache(maxsize=4096)
def _order(nerve: str, site: str) -> int:
    """Give the place of a site along its nerve; one that is not known comes last."""
    known = anatomy().nerves.get(nerve)
    sites = known.sites if known else ()
    return sites.index(site) if site in sites else len(sites)


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

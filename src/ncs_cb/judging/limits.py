"""Which values lie outside the limits of normal, by the sets that a result rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncs_cb.columns import by_column, conform
from ncs_cb.judging import sensory
from ncs_cb.judging.rows import ByStudy, Row, by_study, is_absent
from ncs_cb.judging.truth import Truth, compared, holds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.clauses import PERCENT_OF
from ncs_cb.knowledge.reference import Limit, ReferenceSet, first_limit
from ncs_cb.knowledge.thresholds import is_same_distance
from ncs_cb.model import Details

_ITEMS = {
    "onset_latency_ms": "distal_latency_ms",
    "negative_peak_amplitude_mv": "amplitude_mv",
    "conduction_velocity_m_per_s": "velocity_m_per_s",
}
_LATENCY = "onset_latency_ms"
_AT_SITES = (_LATENCY, "negative_peak_amplitude_mv")
VELOCITY = "conduction_velocity_m_per_s"
_NAMES = ("study_id", "nerve", "side", "muscle", "quality_flags")
_OF_TRACES = (*_NAMES, "kind", "stimulation_site", "distance_mm", "response", *_AT_SITES)
_OF_SEGMENTS = (*_NAMES, "segment", VELOCITY)
LATENCY_AT = "distal_latency_at_mm"
_COLUMNS = {"traces": _AT_SITES, "segments": (VELOCITY,)}


def limits_table(
    traces: pd.DataFrame,
    segments: pd.DataFrame,
    details: Mapping[str, Details],
    studies: sensory.Judged,
    sets: tuple[ReferenceSet, ...],
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
    studies : list of (dict, SensoryStudy)
        As :func:`ncs_cb.judging.sensory.judged` gives them.
    sets : tuple of ReferenceSet
        In the order in which they answer.

    Returns
    -------
    DataFrame
        Table ``limits``; ``row`` counts within the study's own table.
    """
    at_sites, between = by_study(traces, _OF_TRACES), by_study(segments, _OF_SEGMENTS)
    found = limit_rows(at_sites, between, details, Norms(sets))
    return conform(by_column([*found, *sensory.limit_rows(studies)]), "limits")


def limit_rows(
    traces: ByStudy, segments: ByStudy, details: Mapping[str, Details], norms: Norms
) -> list[dict[str, Any]]:
    """Give the motor part of :func:`limits_table` as rows, of rows by study."""
    return [
        {
            "study_id": one.row["study_id"],
            "table": name,
            "row": one.place,
            "column": one.column,
            "limit": one.limit.value,
            "direction": one.limit.direction,
            "is_outside": one.is_outside,
            "set_id": one.limit.set_id,
            "source": one.limit.source,
            "verified": one.limit.verified,
        }
        for name, table in (("traces", traces), ("segments", segments))
        for own in limited(name, table, details, norms).values()
        for one in own
    ]


class Limited(NamedTuple):
    """A motor value that has a limit of normal.

    Attributes
    ----------
    row : Row
        The row that it stands in.
    place : int
        Of that row among those of its study.
    is_outside : bool or None
        Whether the value lies beyond its limit; None when it is not known.
    others : tuple of Limit
        The limits of other sets by which it falls on the other side.
    """

    row: Row
    place: int
    column: str
    limit: Limit
    is_outside: bool | None
    others: tuple[Limit, ...]


def limited(
    table: str, rows: ByStudy, details: Mapping[str, Details], norms: Norms
) -> dict[str, list[Limited]]:
    """Give the motor values of every study that have a limit of normal, all compared at once."""
    known = [
        (study_id, place, row, column, norm)
        for study_id, own in rows.items()
        for place, row, column, norm in norms.of(table, own, details.get(study_id, Details()))
    ]
    values = [row[column] for _, _, row, column, _ in known]
    answers = _outside(values, [norm.limit for *_, norm in known])
    asked = [(at, one) for at, (*_, norm) in enumerate(known) for one in norm.others]
    told = _outside([values[at] for at, _ in asked], [one for _, one in asked])
    others: dict[int, tuple[Limit, ...]] = {}
    for (at, one), answer in zip(asked, told, strict=True):
        if answer is not None and answer is not answers[at]:
            others[at] = (*others.get(at, ()), one)
    found: dict[str, list[Limited]] = {}
    for at, (study_id, place, row, column, norm) in enumerate(known):
        answer = _is_gone(row, column) or answers[at]
        found.setdefault(study_id, []).append(
            Limited(row, place, column, norm.limit, answer, others.get(at, ()))
        )
    return found


def _outside(values: Sequence[float], limits: Sequence[Limit]) -> list[bool | None]:
    """Tell of each value whether it lies beyond its limit; None when the value is not known."""
    numbers = np.array([one.value for one in limits], dtype=np.float64)
    low, high = (compared(values, op, numbers) for op in ("lt", "gt"))
    is_lower = np.array([one.direction == "lower" for one in limits], dtype=bool)
    return [None if one is pd.NA else one for one in np.where(is_lower, low, high)]


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


class NerveLimits:
    """Limits of what is known of a nerve as a whole: each is looked up once.

    Parameters
    ----------
    sets : tuple of ReferenceSet
        In the order in which they answer.
    """

    def __init__(self, sets: tuple[ReferenceSet, ...]) -> None:
        self._sets = sets
        self._known: dict[tuple[Any, ...], dict[str, float]] = {}

    def beside(self, row: Row, person: Details) -> Row:
        """Give a row of a nerve with its ``limits``, by kind of study and item; NaN for none."""
        who = (person.age_years, person.sex, person.height_cm)
        key = (row["nerve"], row["muscle"], who)
        if key not in self._known:
            found = {name: self._find(name, row, person) for name in PERCENT_OF}
            self._known[key] = found | {LATENCY_AT: self._latency_distance_mm(row, person)}
        return {**row, "limits": self._known[key]}

    def _find(self, name: str, row: Row, person: Details) -> float:
        study, _, item = name.partition(".")
        found = first_limit(self._sets, study, row["nerve"], row["muscle"] or None, item, person)
        return math.nan if found is None else found.value

    def _latency_distance_mm(self, row: Row, person: Details) -> float:
        """Give the distance to which the limit of the distal latency belongs; NaN for any."""
        asked = (self._sets, "motor", row["nerve"], row["muscle"] or None)
        found = first_limit(*asked, "distal_latency_ms", person)
        at_mm = None if found is None else found.distance_mm
        return math.nan if at_mm is None else at_mm


# Flags of a response whose time nobody knows: nothing is called late or slow by it.
UNSURE_ONSET = ("artifact_overlaps_onset", "stimulus_time_uncertain")


def is_late(row: Row) -> Truth:
    """Tell whether the distal latency of a nerve is beyond its limit.

    Unknown where it was measured farther away than its limit, at no known distance, or where its
    onset or stimulus is not sure. Nearer the muscle it is long all the more.

    Parameters
    ----------
    row : mapping
        A row of a nerve as :meth:`NerveLimits.beside` gives it.
    """
    found = holds(row["distal_latency_ms"], "gt", row["limits"]["motor.distal_latency_ms"])
    is_sure = row["distal_flags"].isdisjoint(UNSURE_ONSET)
    return pd.NA if found is True and not (is_sure and _is_near(row)) else found


def is_far(row: Row) -> bool:
    """Tell whether a distal latency is longer than its limit, but not at the distance of that."""
    value, limit = row["distal_latency_ms"], row["limits"]["motor.distal_latency_ms"]
    return holds(value, "gt", limit) is True and not _is_near(row)


def _is_near(row: Row) -> bool:
    own, given = row["distal_distance_mm"], row["limits"][LATENCY_AT]
    return math.isnan(given) or own <= given or is_same_distance(own, given)


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
        self._known: dict[tuple[Any, ...], tuple[tuple[str, Norm], ...]] = {}

    def of(
        self, table: str, rows: Sequence[Row], person: Details
    ) -> Iterator[tuple[int, Row, str, Norm]]:
        """Give the values of one study that have a limit, with place, row, column and limit."""
        distal = _distal_rows(rows) if table == "traces" else set()
        who = (person.age_years, person.sex, person.height_cm)
        at_sites = table == "traces"
        for place, row in enumerate(rows):
            if at_sites and (row["kind"] == "sensory" or not row["stands"]):
                continue
            where = row.get("stimulation_site" if at_sites else "segment")
            key = (table, row["nerve"], row["muscle"], where, place in distal, who)
            if key not in self._known:
                self._known[key] = tuple(self._all(table, row, str(where), key[4], person))
            for column, norm in self._known[key]:
                if norm.is_anywhere or _at_place(row, norm.limit):
                    yield place, row, column, norm

    def _all(
        self, table: str, row: Row, where: str, is_distal: bool, person: Details
    ) -> Iterator[tuple[str, Norm]]:
        for column in _COLUMNS[table]:
            what = (column, str(row["nerve"]), str(row["muscle"]), where)
            norm = self._find(what, is_distal, person)
            if norm is not None:
                yield column, norm

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

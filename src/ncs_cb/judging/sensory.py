"""Whether sensory conduction is normal, nerve by nerve and stretch by stretch.

The physician's own reading wins over the limits table. A stretch above the wrist is judged by
its velocity alone: limits of amplitude and latency are published for the routine study only.
What was not measured is unknown, and a routine study says nothing about the forearm.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any

import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import as_number, by_column, conform, records
from ncs_cb.judging.cold import lies_in_cold
from ncs_cb.judging.truth import Truth, holds
from ncs_cb.knowledge.anatomy import anatomy, find
from ncs_cb.knowledge.reference import Limit, ReferenceSet, first_limit
from ncs_cb.knowledge.thresholds import is_same_distance
from ncs_cb.measuring import sensory as measured
from ncs_cb.model import Details, SensoryValue

# A digit lies distal to every stimulation site of the nerve.
_BEYOND = -1
_TIMES = ("onset_latency_ms", "peak_latency_ms", "velocity_m_per_s")


@dataclass(frozen=True, slots=True)
class Compared:
    """One value beside its limit of normal; unknown where its distance is not the limit's."""

    item: str
    value: float
    limit: Limit
    is_inside: Truth

    def reason(self) -> str:
        """Give the comparison in words."""
        sign = ">=" if self.limit.direction == "lower" else "<="
        told = f"normal {sign} {self.limit.value:g}, {self.limit.set_id}"
        return f"{self.item} {self.value:.1f} ({told})"


@dataclass(frozen=True, slots=True)
class SensoryStudy:
    """One sensory study of one nerve.

    Attributes
    ----------
    nerve, side : str
        Ids; `side` is empty when it is not known.
    stretch : tuple of int, or None
        Positions along the nerve between which conduction was measured (-1: a digit); None when
        the stretch is not known.
    is_normal : bool or NA
        What is known.
    by : str
        ``reading`` (the physician's own), ``limits`` or ``unknown``.
    reason : str
        The values and limits it rests on.
    compared : tuple of Compared
        The values that have a limit of normal.
    """

    nerve: str
    side: str
    stretch: tuple[int, int] | None
    is_normal: Truth
    by: str
    reason: str
    compared: tuple[Compared, ...] = ()


def sensory_studies(
    details: Details, recordings: Sequence[Mapping[str, Any]], sets: tuple[ReferenceSet, ...]
) -> tuple[SensoryStudy, ...]:
    """Gather typed-in values and sensory recordings of one visit.

    Parameters
    ----------
    details : Details
        With the typed-in values, and age and sex for the limits.
    recordings : sequence of mapping
        Rows of the ``traces`` table whose ``kind`` is ``sensory``.
    sets : tuple of ReferenceSet
        Normal limits, in the order in which they answer.
    """
    typed = [_typed(value, details, sets) for value in details.sensory]
    read = {(one.nerve, one.side, one.stretch) for one in typed if one.by == "reading"}
    rest = [*typed, *_recorded(recordings, details, sets)]
    return tuple(
        one for one in rest if one.by == "reading" or (one.nerve, one.side, one.stretch) not in read
    )


Judged = Sequence[tuple[dict[str, Any], SensoryStudy]]
"""Sensory studies as they are shown, each with what is known of its normality."""


def judged(
    traces: pd.DataFrame, details: Mapping[str, Details], sets: tuple[ReferenceSet, ...]
) -> Judged:
    """Judge every sensory study, typed in or recorded, by itself.

    By the physician's own reading, else by the limits of normal.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; its sensory rows are taken.
    details : mapping of study id to Details
        With the typed-in values, and age and sex for the limits.
    sets : tuple of ReferenceSet
        Normal limits, in the order in which they answer.

    Returns
    -------
    list of (dict, SensoryStudy)
        Study by study, typed-in values first.
    """
    typed = [
        (_typed_row(study_id, value), _alone(replace(person, sensory=(value,)), (), sets))
        for study_id, person in details.items()
        for value in person.sensory
    ]
    recorded = []
    is_sensory = [kind == "sensory" for kind in traces["kind"].tolist()]
    if any(is_sensory):
        as_measured = traces[is_sensory]
        told = records(measured.sensory_table(as_measured))
        for row, shown in zip(records(as_measured[list(_OF_TRACES)]), told, strict=True):
            person = replace(details.get(str(row["study_id"]), Details()), sensory=())
            recorded.append((shown, _alone(person, [row], sets)))
    return sorted([*typed, *recorded], key=lambda one: str(one[0]["study_id"]))


# What of a recording a study is judged by.
_OF_TRACES = (
    "study_id",
    "nerve",
    "side",
    "muscle",
    "stimulation_site",
    "distance_mm",
    "response",
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "quality_flags",
)


def sensory_table(studies: Judged) -> pd.DataFrame:
    """Give studies as the table ``sensory``."""
    rows = [
        row | {"is_normal": one.is_normal, "judged_by": one.by, "reason": one.reason}
        for row, one in studies
    ]
    return conform(by_column(rows), "sensory")


def limit_rows(studies: Judged) -> list[dict[str, Any]]:
    """Give the limit of normal of every sensory value that was compared with one.

    As rows of the table ``limits``; ``row`` is the place in the study's own table ``sensory``.
    """
    found, places = [], Counter[str]()
    for row, one in studies:
        study_id = str(row["study_id"])
        found += [
            {
                "study_id": study_id,
                "table": "sensory",
                "row": places[study_id],
                "column": told.item,
                "limit": told.limit.value,
                "direction": told.limit.direction,
                "is_outside": told.is_inside is False,
                "set_id": told.limit.set_id,
                "source": told.limit.source,
                "verified": told.limit.verified,
            }
            for told in one.compared
            if told.is_inside is not pd.NA
        ]
        places[study_id] += 1
    return found


def _alone(
    person: Details, rows: Sequence[Mapping[Any, Any]], sets: tuple[ReferenceSet, ...]
) -> SensoryStudy:
    """Judge one study by itself."""
    unknown = SensoryStudy("", "", None, pd.NA, "unknown", "")
    return next(iter(sensory_studies(person, rows, sets)), unknown)


def _typed_row(study_id: str, value: SensoryValue) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "nerve": value.nerve,
        "side": value.side,
        "segment": value.segment,
        "origin": "typed",
        "amplitude_uv": value.amplitude_uv,
        "velocity_m_per_s": value.velocity_m_per_s,
        "onset_latency_ms": value.onset_latency_ms,
        "peak_latency_ms": value.peak_latency_ms,
    }


def _place(nerve: str, name: str) -> int | None:
    sites = anatomy().nerves[nerve].sites
    site = name if name in sites else find("sites", name)
    if site in sites:
        return sites.index(site)
    return _BEYOND if find("muscles", name) in anatomy().nerves[nerve].sensory_sites else None


def _stretch(nerve: str, segment: str | None) -> tuple[int, int] | None:
    one, _, other = (segment or "").partition("-")
    places = sorted(p for p in (_place(nerve, one), _place(nerve, other)) if p is not None)
    return (places[0], places[1]) if len(places) == 2 and places[0] < places[1] else None


def _typed(value: SensoryValue, details: Details, sets: tuple[ReferenceSet, ...]) -> SensoryStudy:
    stretch = _stretch(value.nerve, value.segment)
    names = (value.segment or "").split("-")
    nerve, side = value.nerve, value.side or ""
    if value.is_normal is not None:
        return SensoryStudy(
            nerve, side, stretch, value.is_normal, "reading", "as read by the physician"
        )
    digits = (find("muscles", name) for name in names if name)
    digit = next((m for m in digits if m in anatomy().nerves[value.nerve].sensory_sites), None)
    at_wrist = any(name in anatomy().nerves[value.nerve].routine_sites for name in names)
    routine = stretch is None or (at_wrist and digit is not None)
    measured = {
        "amplitude_uv": value.amplitude_uv,
        "velocity_m_per_s": value.velocity_m_per_s,
        "onset_latency_ms": value.onset_latency_ms,
        "peak_latency_ms": value.peak_latency_ms,
    }
    judged = _judged((nerve, side), digit, measured, routine, None, details, sets)
    return SensoryStudy(nerve, side, stretch, *judged)


def _recorded(
    recordings: Sequence[Mapping[str, Any]], details: Details, sets: tuple[ReferenceSet, ...]
) -> Iterator[SensoryStudy]:
    series: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in recordings:
        if row["nerve"] in anatomy().nerves and flags.stands(
            row.get("response"), row["quality_flags"]
        ):
            key = (row["nerve"], _text(row["side"]), _text(row["muscle"]))
            series.setdefault(key, []).append(row)
    for (nerve, side, muscle), rows in series.items():
        places = {_place(nerve, _text(row["stimulation_site"])): row for row in rows}
        known = sorted(p for p in places if p is not None and p != _BEYOND)
        for place in known:
            row = places[place]
            distance, latency = as_number(row["distance_mm"]), as_number(row["onset_latency_ms"])
            measured = {
                "amplitude_uv": 1000.0 * as_number(row["negative_peak_amplitude_mv"]),
                "velocity_m_per_s": distance / latency if latency > 0 else math.nan,
                "onset_latency_ms": latency,
                "peak_latency_ms": as_number(row["negative_peak_latency_ms"]),
            }
            routine = _text(row["stimulation_site"]) in anatomy().nerves[nerve].routine_sites
            judged = _judged((nerve, side), muscle, measured, routine, distance, details, sets)
            yield SensoryStudy(nerve, side, (_BEYOND, place), *judged)
        for low, high in pairwise(known):
            one, other = places[low], places[high]
            time = as_number(other["onset_latency_ms"]) - as_number(one["onset_latency_ms"])
            way = as_number(other["distance_mm"]) - as_number(one["distance_mm"])
            speed = {"velocity_m_per_s": way / time if time > 0 else math.nan}
            judged = _judged((nerve, side), muscle, speed, False, None, details, sets)
            yield SensoryStudy(nerve, side, (low, high), *judged)


def _judged(
    nerve: tuple[str, str],
    digit: str | None,
    measured: Mapping[str, float | None],
    routine: bool,
    distance_mm: float | None,
    details: Details,
    sets: tuple[ReferenceSet, ...],
) -> tuple[Truth, str, str, tuple[Compared, ...]]:
    """Compare values with their limits: is it normal, by what, and on which numbers."""
    sizes = ("amplitude_uv",) if routine else ()
    size = _compared(sizes, measured, None, nerve[0], digit, details, sets)
    times = _TIMES if routine else ("velocity_m_per_s",)
    # Latency and velocity of one response are the same fact: one set judges it, the first that
    # can, since the latency limit of one set and the velocity limit of another may contradict.
    time: list[Compared] = []
    for made in sets:
        time = _compared(times, measured, distance_mm, nerve[0], digit, details, (made,))
        if any(isinstance(one.is_inside, bool) for one in time):
            break
    if lies_in_cold(nerve, details):
        # A cold nerve is slow: only that it is not slow can be read.
        time = [replace(one, is_inside=pd.NA) if one.is_inside is False else one for one in time]
    told = (*size, *time)
    reason = "; ".join(one.reason() for one in told)
    if any(one.is_inside is False for one in told):
        return False, "limits", reason, told
    if any(one.is_inside is True for one in time) and (
        not routine or any(one.is_inside is True for one in size)
    ):
        return True, "limits", reason, told
    return pd.NA, "unknown", reason, told


def _compared(
    items: Iterable[str],
    measured: Mapping[str, float | None],
    distance_mm: float | None,
    nerve: str,
    digit: str | None,
    details: Details,
    sets: tuple[ReferenceSet, ...],
) -> list[Compared]:
    """Compare some of the values with the first limit that each has."""
    found = []
    for item in items:
        value = measured.get(item)
        limit = first_limit(sets, "sensory", nerve, digit, item, details)
        if value is None or not math.isfinite(value) or limit is None:
            continue
        inside = holds(value, "ge" if limit.direction == "lower" else "le", limit.value)
        # A latency belongs to its distance: at another one only one answer is safe.
        if item.endswith("latency_ms") and limit.distance_mm and distance_mm is not None:
            is_far = not is_same_distance(distance_mm, limit.distance_mm)
            if is_far and inside is bool(distance_mm < limit.distance_mm):
                inside = pd.NA
        found.append(Compared(item, value, limit, inside))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def through(studies: Iterable[SensoryStudy], nerve: str, side: str, low: int, high: int) -> Truth:
    """Tell whether sensory conduction through a stretch of a nerve is normal.

    Parameters
    ----------
    low, high : int
        Positions of the two sites along the nerve.

    Returns
    -------
    bool or NA
        False when a study that spans the stretch is abnormal, True when all that span it are
        normal, unknown when none spans it or one cannot be judged. Where the physician read one
        of them, only such readings count.
    """
    spanning = [
        one
        for one in studies
        if (one.nerve, one.side) == (nerve, side)
        and one.stretch is not None
        and one.stretch[0] <= low
        and high <= one.stretch[1]
    ]
    readings = [one for one in spanning if one.by == "reading"]
    answers = [one.is_normal for one in readings or spanning]
    return reduce(operator.and_, answers) if answers else pd.NA


def routine(studies: Iterable[SensoryStudy], nerve: str, side: str) -> Truth:
    """Tell whether the routine sensory studies of a nerve and its skin branches are normal.

    False when one of the nerve's studies is abnormal, wherever; unknown when none is routine.
    """
    known = anatomy().nerves
    mine = [
        one
        for one in studies
        if one.side == side and nerve in (one.nerve, known[one.nerve].branch_of)
    ]
    if any(one.is_normal is False for one in mine):
        return False
    answers = [
        one.is_normal
        for one in mine
        if one.nerve != nerve or (one.stretch is not None and one.stretch[0] == _BEYOND)
    ]
    return reduce(operator.and_, answers) if answers else pd.NA


def all_normal(studies: Sequence[SensoryStudy], at_least: int) -> Truth:
    """Tell whether all sensory studies are normal, in at least so many nerves.

    False when one is abnormal; unknown when one cannot be judged or too few nerves were studied.
    """
    if any(one.is_normal is False for one in studies):
        return False
    normal = {(one.nerve, one.side) for one in studies if one.is_normal is True}
    judged = {(one.nerve, one.side) for one in studies}
    return True if len(normal) >= at_least and normal == judged else pd.NA

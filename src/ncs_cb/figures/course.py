"""The time-line of serial visits: area reduction of each blocked segment, and treatment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from ncs_cb.figures import style
from ncs_cb.figures.curves import Plot
from ncs_cb.figures.drawing import FAINT, INK, SOFT, Drawing, Line, Text
from ncs_cb.model import TreatmentCourse
from ncs_cb.view import load
from ncs_cb.view.reading import is_block, read, records
from ncs_cb.view.serial import Compared, segment_name

_WIDTH, _TOP, _HEIGHT = 720.0, 66.0, 190.0
_LEFT, _RIGHT = 52.0, 500.0
_DASHES: tuple[tuple[float, ...], ...] = ((), (6.0, 3.0), (2.0, 2.5), (8.0, 3.0, 2.0, 3.0))


class _Series(NamedTuple):
    """One segment over the visits."""

    name: str
    places: tuple[float, ...]
    values: tuple[float, ...]
    grades: tuple[str, ...]


def draw(compared: Compared, labels: Mapping[str, str], *, lang: str = "en") -> Drawing | None:
    """Draw area reduction against time for the segments that ever had block.

    Visits stand at their dates, or one after the other when a date is missing; courses of
    treatment are drawn above. Without any block, all segments are drawn.
    """
    series = _series(compared, lang)
    values = [v for s in series for v in s.values if not math.isnan(v)]
    if not values:
        return None
    sheet = Drawing(_WIDTH, _TOP + _HEIGHT + 46.0, labels["timeline"])
    places = _places(compared)
    room = 0.06 * max(places[-1] - places[0], 1.0)
    plot = Plot(
        sheet,
        _LEFT,
        _TOP,
        _RIGHT - _LEFT,
        _HEIGHT,
        (places[0] - room, places[-1] + room),
        (min(0.0, *values), max(100.0, *values)),
    )
    plot.axes("", f"{labels['area_fall']}, %", has_x_ticks=False)
    _visits(plot, compared, places)
    _courses(plot, compared, labels)
    for n, one in enumerate(series):
        _curve(plot, one, _DASHES[n % len(_DASHES)], labels)
    _names(plot, series)
    return sheet


def _series(compared: Compared, lang: str) -> list[_Series]:
    r = read(compared.visits[-1].result, load(lang))
    by_visit = {
        visit.number: {
            (v["nerve"], v["side"], v["muscle"], v["segment"]): str(v["conduction_block"])
            for v in records(visit.result.verdicts)
            if v["criteria"] == r.lead
        }
        for visit in compared.visits
    }
    places = dict(zip(by_visit, _places(compared), strict=True))
    found: dict[tuple[str, ...], list[tuple[float, float, str]]] = {}
    names: dict[tuple[str, ...], str] = {}
    for row in records(compared.timeline):
        key = (row["nerve"], row["side"], row["muscle"], row["segment"])
        value = row["area_reduction_pct"]
        grade = by_visit[row["visit"]].get(key, "not_covered")
        names.setdefault(key, segment_name(r, row))
        found.setdefault(key, []).append(
            (places[row["visit"]], math.nan if value is None else float(value), grade)
        )
    series = [_Series(names[key], *zip(*points, strict=True)) for key, points in found.items()]
    blocked = [s for s in series if any(map(is_block, s.grades))]
    return blocked or series


def _places(compared: Compared) -> list[float]:
    dates = [visit.visit_date for visit in compared.visits]
    if None in dates:
        return [float(visit.number) for visit in compared.visits]
    return [float(day.toordinal()) for day in dates if day is not None]


def _visits(plot: Plot, compared: Compared, places: Sequence[float]) -> None:
    bottom = plot.top + plot.height
    for visit, place in zip(compared.visits, places, strict=True):
        x = float(plot.x(place))
        plot.sheet.segment((x, x), (plot.top, bottom), stroke="#e4e8ec", width=0.8)
        text = visit.visit_date.isoformat() if visit.visit_date else str(visit.number)
        plot.sheet.add(Text(x, bottom + 14, text, 8, "middle", SOFT))


def _courses(plot: Plot, compared: Compared, labels: Mapping[str, str]) -> None:
    """Mark courses of treatment above the plot, cut where they begin before it or outlast it."""
    if any(visit.visit_date is None for visit in compared.visits):
        return
    y = plot.top - 34.0
    for course in compared.courses:
        span = _span(plot, course)
        if span is None:
            continue
        start, end = (float(plot.x(place)) for place in span)
        drug = labels.get(f"drug_{course.drug}", course.drug)
        corners = np.array([start, end, end, start, start])
        heights = np.array([y, y, y + 7.0, y + 7.0, y])
        plot.sheet.add(Line(corners, heights, SOFT, 0.9, (), "#dfe3e8"))
        plot.sheet.segment(
            (start, start), (y, plot.top + plot.height), stroke=FAINT, width=0.8, dash=(1.5, 2.5)
        )
        plot.sheet.add(Text(start, y - 4, drug[:24], 8, "start", INK))


def _span(plot: Plot, course: TreatmentCourse) -> tuple[float, float] | None:
    """Give the days of a course within the plot; None when it has no start or lies outside."""
    if course.start is None:
        return None
    low, high = plot.x_range
    # A course without an end is drawn as the five days over which one is usually given.
    end = course.end or course.start + timedelta(days=5)
    start, stop = float(course.start.toordinal()), float(end.toordinal())
    if stop < low or start > high:
        return None
    return max(start, low), min(stop, high)


def _curve(plot: Plot, one: _Series, dash: tuple[float, ...], labels: Mapping[str, str]) -> None:
    plot.curve(np.array(one.places), np.array(one.values), INK, 1.3, dash)
    for place, value, grade in zip(one.places, one.values, one.grades, strict=True):
        if not math.isnan(value):
            letter = labels.get(f"short_{grade}", grade[:1].upper())
            x, y = float(plot.x(place)), float(plot.y(value))
            plot.sheet.add(*style.badge(x, y, letter, grade, radius=6.0))


def _names(plot: Plot, series: Sequence[_Series]) -> None:
    """Write each segment's name at the end of its curve, none upon another."""
    ends = []
    for one in series:
        known = [(p, v) for p, v in zip(one.places, one.values, strict=True) if not math.isnan(v)]
        if known:
            ends.append((float(plot.y(known[-1][1])), one.name))
    lowest = plot.top - 6.0
    for y, name in sorted(ends):
        lowest = max(y + 3.0, lowest + 11.0)
        plot.sheet.add(Text(_RIGHT + 8, lowest, name, 8.5, "start", INK))

"""Traces in memory with the markers that were measured: a look at what the numbers rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs_cb import flags
from ncs_cb.errors import ArgumentError
from ncs_cb.figures.aligned import moved_ms
from ncs_cb.figures.drawing import (
    FAINT,
    INK,
    PAPER,
    SOFT,
    Disc,
    Drawing,
    Floats,
    Line,
    Text,
    nice_step,
)
from ncs_cb.figures.room import PITCH, Room, add_trace, baselines, points_per_mv, reach, room
from ncs_cb.units import as_array

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 420.0, 84.0, 408.0, 14.0, 30.0
_MOST_ROWS = 40
_BEFORE_MS, _AFTER_MS, _WITHOUT_END_MS = 2.0, 10.0, 30.0
_TICKS = 6


def draw(
    samples_mv: ArrayLike, frame: pd.DataFrame, rate_hz: ArrayLike, stimulus: ArrayLike
) -> Drawing:
    """Draw traces above each other, the first on top, at one gain; time counts from the stimulus.

    Raises
    ------
    ArgumentError
        If there are no traces, too many, or not one row of `frame` for each.
    """
    samples = np.atleast_2d(as_array(samples_mv, "samples_mv", np.float64))
    n = len(samples)
    if len(frame) != n:
        raise ArgumentError(
            f"there are {n} traces and {len(frame)} rows of measures; give one each"
        )
    if not 0 < n <= _MOST_ROWS:
        raise ArgumentError(
            f"{n} traces; between 1 and {_MOST_ROWS} can be drawn: choose some rows"
        )
    rates = np.broadcast_to(np.asarray(rate_hz, dtype=np.float64), (n,))
    starts = np.broadcast_to(np.asarray(stimulus, dtype=np.float64), (n,))
    rows = frame.reset_index(drop=True).to_dict("records")
    times = [(np.arange(samples.shape[1]) - starts[i]) * 1000.0 / rates[i] for i in range(n)]
    above = [samples[i] - _level(rows[i]) for i in range(n)]
    times = [t - _moved(t, above[i], rows[i]) for i, t in enumerate(times)]
    window = _window(times, rows)
    tallest = max((_number(r, "negative_peak_amplitude_mv") for r in rows), default=math.nan)
    if not tallest > 0.0:
        finite = np.abs(samples[np.isfinite(samples)])
        tallest = float(finite.max()) if finite.size and finite.max() > 0.0 else 1.0
    onsets = [_number(row, "onset_latency_ms") for row in rows]
    reaches = [reach(times[i], above[i], onsets[i], window[1]) for i in range(n)]
    per_mv = points_per_mv(reaches, 0.8 * PITCH / tallest)
    rooms = [room(found, per_mv) for found in reaches]
    bases = baselines(rooms, _TOP)
    height = bases[-1] + rooms[-1].depth + _BOTTOM
    sheet = Drawing(_WIDTH, height, "Traces with their markers")
    _axis(sheet, window)
    for i, name in enumerate(frame.index):
        place = (window, per_mv, bases[i], rooms[i])
        _row(sheet, str(name), rows[i], (times[i], above[i]), place)
    _gain_bar(sheet, per_mv, tallest)
    return sheet


def _number(row: dict[Any, Any], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def _level(row: dict[Any, Any]) -> float:
    level = _number(row, "baseline_mv")
    return 0.0 if math.isnan(level) else level


def _moved(time_ms: Floats, above: Floats, row: dict[Any, Any]) -> float:
    peak = _number(row, "negative_peak_latency_ms"), _number(row, "negative_peak_amplitude_mv")
    return moved_ms(time_ms, above, *peak, str(row.get("quality_flags", "")))


def _end(row: dict[Any, Any]) -> float:
    duration = _number(row, "total_negative_duration_ms")
    if math.isnan(duration):
        duration = _number(row, "negative_peak_duration_ms")
    return _number(row, "onset_latency_ms") + duration


def _window(times: Sequence[Floats], rows: Sequence[dict[Any, Any]]) -> tuple[float, float]:
    ends = [end for row in rows if not math.isnan(end := _end(row))]
    last = max(ends) + _AFTER_MS if ends else _WITHOUT_END_MS
    start = max(-_BEFORE_MS, min(float(t[0]) for t in times))
    return start, max(min(last, max(float(t[-1]) for t in times)), start + 1.0)


def _x(time_ms: Floats | float, window: tuple[float, float]) -> Floats:
    share = (np.asarray(time_ms) - window[0]) / (window[1] - window[0])
    return np.asarray(_LEFT + share * (_RIGHT - _LEFT))


def _axis(sheet: Drawing, window: tuple[float, float]) -> None:
    step = nice_step((window[1] - window[0]) / _TICKS)
    bottom = sheet.height - _BOTTOM + 4
    for tick in np.arange(math.ceil(window[0] / step) * step, window[1] + 1e-9, step):
        x = float(_x(float(tick), window))
        color = SOFT if abs(tick) < 1e-9 else "#e4e8ec"
        sheet.segment((x, x), (_TOP, bottom), stroke=color, width=0.7)
        sheet.add(Text(x, bottom + 11, f"{tick:g}", 8, "middle", SOFT))
    sheet.add(Text(_RIGHT, bottom + 22, "ms from the stimulus", 8, "end", SOFT))


def _row(
    sheet: Drawing,
    name: str,
    row: dict[Any, Any],
    trace: tuple[Floats, Floats],
    place: tuple[tuple[float, float], float, float, Room],
) -> None:
    (time_ms, above), (window, per_mv, base, own) = trace, place
    inside = (time_ms >= window[0]) & (time_ms <= window[1])
    sheet.segment((_LEFT, _RIGHT), (base, base), stroke=FAINT, width=0.6)
    shown = np.where(np.isfinite(above), above, np.nan)[inside] * per_mv
    add_trace(sheet, _x(time_ms[inside], window), shown, base, own, stroke=INK, width=1.2)
    sheet.add(Text(_LEFT - 10, base - 2, name[:14], 9, "end", INK, is_bold=True))
    onset, peak, end = (
        _number(row, "onset_latency_ms"),
        _number(row, "negative_peak_latency_ms"),
        _end(row),
    )
    if math.isnan(onset):
        why = next(iter(flags.split(str(row.get("quality_flags", "")))), "not measured")
        sheet.add(Text(_RIGHT - 4, base - 6, why.replace("_", " "), 8, "end", SOFT))
        return
    x = float(_x(onset, window))
    corners = np.array([x, x - 3.2, x + 3.2])
    heights = base + np.array([1.5, 7.5, 7.5])
    sheet.add(Line(corners, heights, "none", 0.0, (), INK))
    if not math.isnan(peak):
        height = base - _number(row, "negative_peak_amplitude_mv") * per_mv
        sheet.add(Disc(float(_x(peak, window)), height, 2.6, INK, PAPER, 0.8))
    if not math.isnan(end) and end <= window[1]:
        x = float(_x(end, window))
        sheet.segment((x, x), (base - 5.0, base + 5.0), stroke=INK, width=1.5)


def _gain_bar(sheet: Drawing, per_mv: float, tallest_mv: float) -> None:
    tall = nice_step(0.7 * tallest_mv)
    bottom = sheet.height - _BOTTOM
    top = bottom - tall * per_mv
    sheet.segment((12.0, 12.0), (bottom, top), stroke=SOFT, width=1.4)
    sheet.add(Text(16.0, (top + bottom) / 2 + 3, f"{tall:g} mV", 8, "start", SOFT))

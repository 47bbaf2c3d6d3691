"""The stacked responses of one nerve: distal at the bottom, one gain, aligned at the stimulus."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ncs_cb import columns, flags
from ncs_cb.figures import style
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
    Shape,
    Text,
    nice_step,
    span,
)
from ncs_cb.figures.room import (
    PITCH,
    Reach,
    Room,
    add_trace,
    baselines,
    points_per_mv,
    reach,
    room,
)
from ncs_cb.model import Result, Trace
from ncs_cb.view import NerveView, SegmentView, SiteView, View

# Two nerves stand side by side on a page.
WIDTH = 372.0
_LEFT, _RIGHT = 96.0, 262.0
_TOP, _BOTTOM = 24.0, 26.0
_BEFORE_MS, _AFTER_MS, _WITHOUT_END_MS = 1.0, 8.0, 30.0
_MOST_POINTS = 500
_UNDER_BAR = 14.0
# The bars of the scale stand below the deepest point of the lowest row.
_BELOW = _UNDER_BAR + 4.0
# An amplifier is looked at for its limit this near to the stimulus, as in the measuring.
_RAIL_MS = 12.0
# What is drawn of a response besides its waveform.
_VALUES = (
    "quality_flags",
    "baseline_mv",
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "negative_peak_duration_ms",
    "total_negative_duration_ms",
)


class _Row(NamedTuple):
    """One response ready to be drawn; times from the stimulus, voltages from baseline."""

    site: SiteView
    time_ms: Floats
    samples_mv: Floats
    onset_ms: float
    peak_ms: float
    peak_mv: float
    end_ms: float
    has_trace: bool
    rail_ms: tuple[float, float]


class _Scale(NamedTuple):
    """From ms and mV to points."""

    start_ms: float
    points_per_ms: float
    points_per_mv: float

    def x(self, time_ms: Floats | float) -> Floats:
        return np.asarray(_LEFT + (np.asarray(time_ms) - self.start_ms) * self.points_per_ms)


class _Place(NamedTuple):
    """Where the row of one site stands."""

    base: float
    room: Room


def draw(result: Result, view: View, nerve: NerveView) -> Drawing | None:
    """Draw one nerve; None when it has no waveform at all."""
    values = columns.records(result.traces[list(_VALUES)])
    used = [site for site in nerve.responses if flags.is_used(values[site.row]["quality_flags"])]
    rows = [_row(response_of(result, site), site, values[site.row]) for site in used]
    if not any(row.has_trace for row in rows):
        return None
    scale, reaches = _scale(rows)
    rooms = [room(found, scale.points_per_mv) for found in reversed(reaches)]
    bases_down = baselines(rooms, _TOP)
    height = bases_down[-1] + rooms[-1].depth + _bar_mv(scale) * scale.points_per_mv + _BELOW
    sheet = Drawing(WIDTH, height, nerve.title)
    places = [_Place(*place) for place in zip(bases_down, rooms, strict=True)][::-1]
    bases = {row.site.site: place.base for row, place in zip(rows, places, strict=True)}
    _stimulus_line(sheet, view, scale)
    for (distal, proximal), place in zip(pairwise(rows), places[1:], strict=True):
        _ghost(sheet, scale, distal, proximal, place)
    for row, place in zip(rows, places, strict=True):
        _response(sheet, view, scale, row, place)
    for segment in nerve.segments:
        _verdict(sheet, segment, bases)
    _scale_bars(sheet, scale)
    return sheet


def response_of(result: Result, site: SiteView) -> Trace | None:
    """Give the waveform of a response; None for numbers only and for a record read back."""
    return result.responses[site.row].trace if site.row < len(result.responses) else None


def _row(trace: Trace | None, site: SiteView, values: dict[str, Any]) -> _Row:
    time_ms, samples_mv = _samples(trace, _number(values["baseline_mv"]))
    names = ("negative_peak_latency_ms", "negative_peak_amplitude_mv")
    peak = _number(values[names[0]]), _number(values[names[1]])
    time_ms = time_ms - moved_ms(time_ms, samples_mv, *peak, str(values["quality_flags"]))
    onset_ms = _number(values["onset_latency_ms"])
    duration_ms = _number(values["total_negative_duration_ms"])
    if math.isnan(duration_ms):
        duration_ms = _number(values["negative_peak_duration_ms"])
    return _Row(
        site,
        time_ms,
        samples_mv,
        onset_ms,
        *peak,
        onset_ms + duration_ms,
        trace is not None,
        _rail(time_ms, samples_mv, str(values["quality_flags"])),
    )


def _rail(time_ms: Floats, samples_mv: Floats, found: str) -> tuple[float, float]:
    """Where the artefact stands on the limit of the amplifier; NaN where nothing says it does."""
    if "artifact_clipped" not in flags.names(found):
        return math.nan, math.nan
    near = np.flatnonzero((time_ms >= -_RAIL_MS) & (time_ms <= _RAIL_MS))
    breaks = np.flatnonzero(np.diff(samples_mv[near]) != 0.0) + 1
    far = 0.5 * np.nanmax(np.abs(samples_mv[near]))
    held = [run for run in np.split(near, breaks) if abs(samples_mv[run[0]]) >= far]
    longest = max(held, key=len)
    return float(time_ms[longest[0]]), float(time_ms[longest[-1]])


def _number(value: object) -> float:
    return float(value) if isinstance(value, float) else math.nan


def _samples(trace: Trace | None, baseline_mv: float) -> tuple[Floats, Floats]:
    if trace is None:
        return np.empty(0), np.empty(0)
    samples = np.asarray(trace.samples_mv, dtype=np.float64)
    step_ms = 1e3 / trace.sampling_rate_hz
    time_ms = (np.arange(len(samples), dtype=np.float64) - trace.stimulus_index) * step_ms
    samples = np.where(np.isfinite(samples), samples, np.nan)
    return time_ms, samples - (0.0 if math.isnan(baseline_mv) else baseline_mv)


def _scale(rows: list[_Row]) -> tuple[_Scale, list[Reach]]:
    """Give the scale of the sheet, and how far each row goes with the ghost that lies in it."""
    ends = [row.end_ms for row in rows if not math.isnan(row.end_ms)]
    sweep_ends = [float(row.time_ms[-1]) for row in rows if len(row.time_ms)]
    stop = min(max(sweep_ends), max(ends) + _AFTER_MS if ends else _WITHOUT_END_MS)
    start = max(-_BEFORE_MS, min(float(row.time_ms[0]) for row in rows if len(row.time_ms)))
    peaks = [abs(row.peak_mv) for row in rows if not math.isnan(row.peak_mv)]
    tallest = max(peaks, default=0.0) or 1.0
    own = [reach(row.time_ms, row.samples_mv, row.onset_ms, stop) for row in rows]
    pairs = zip(pairwise(rows), pairwise(own), strict=True)
    reaches = own[:1] + [
        near.joined(far) if _has_ghost(distal, proximal) else near
        for (distal, proximal), (far, near) in pairs
    ]
    per_ms = (_RIGHT - _LEFT) / max(stop - start, 1.0)
    per_mv = points_per_mv(reaches, 0.92 * PITCH / tallest)
    return _Scale(start, per_ms, per_mv), reaches


def _visible(row: _Row, scale: _Scale, shift_ms: float = 0.0) -> tuple[Floats, Floats]:
    """Cut to the window and thin to what the eye can tell, keeping extremes."""
    x = scale.x(row.time_ms + shift_ms)
    inside = (x >= _LEFT - 0.01) & (x <= _RIGHT + 0.01)
    x, samples = x[inside], row.samples_mv[inside]
    if len(x) <= _MOST_POINTS:
        return x, samples
    per_bin = 2 * math.ceil(len(x) / _MOST_POINTS)
    whole = len(x) - len(x) % per_bin
    if np.isnan(samples).any():
        step = per_bin // 2
        return x[::step], samples[::step]
    binned = samples[:whole].reshape(-1, per_bin)
    first = np.arange(len(binned)) * per_bin
    ends = np.sort(np.stack([binned.argmin(axis=1), binned.argmax(axis=1)], axis=1), axis=1)
    keep = (first[:, None] + ends).ravel()
    return x[keep], samples[keep]


def _stimulus_line(sheet: Drawing, view: View, scale: _Scale) -> None:
    x = float(scale.x(0.0))
    sheet.segment(
        (x, x), (_TOP - 10, sheet.height - _BOTTOM + 4), stroke=FAINT, width=0.8, dash=(2.0, 2.0)
    )
    sheet.add(Text(x, _TOP - 14, view.labels["stimulus"], 7.5, "middle", SOFT))


def _has_ghost(distal: _Row, proximal: _Row) -> bool:
    is_timed = not math.isnan(proximal.onset_ms - distal.onset_ms)
    return distal.has_trace and proximal.has_trace and is_timed


def _ghost(sheet: Drawing, scale: _Scale, distal: _Row, proximal: _Row, place: _Place) -> None:
    if not _has_ghost(distal, proximal):
        return
    x, samples = _visible(distal, scale, proximal.onset_ms - distal.onset_ms)
    from_onset = x >= float(scale.x(proximal.onset_ms)) - 2.0
    height = samples[from_onset] * scale.points_per_mv
    add_trace(sheet, x[from_onset], height, place.base, place.room, stroke=FAINT, width=1.6)


def _response(sheet: Drawing, view: View, scale: _Scale, row: _Row, place: _Place) -> None:
    base = place.base
    sheet.add(Text(_LEFT - 12, base - 1, row.site.label, 10, "end", INK, is_bold=True))
    if not row.has_trace:
        sheet.segment((_LEFT, _RIGHT), (base, base), stroke=FAINT, width=0.8, dash=(3.0, 3.0))
        sheet.add(Text(_LEFT + 60, base - 5, view.labels["no_waveform"], 8.5, "start", SOFT))
    else:
        sheet.segment((_LEFT, _RIGHT), (base, base), stroke="#e4e8ec", width=0.7)
        _shade_rail(sheet, scale, row, base)
        x, samples = _visible(row, scale)
        height = samples * scale.points_per_mv
        add_trace(sheet, x, height, base, place.room, stroke=INK, width=1.3)
    if math.isnan(row.onset_ms):
        if row.has_trace:
            sheet.add(Text(_RIGHT - 4, base - 6, view.labels["no_response"], 8.5, "end", SOFT))
        return
    sheet.add(Text(_LEFT - 12, base + 11, row.site.caption, 8, "end", SOFT))
    if row.has_trace:
        sheet.add(*_markers(scale, row, base))


def _shade_rail(sheet: Drawing, scale: _Scale, row: _Row, base: float) -> None:
    if math.isnan(row.rail_ms[0]):
        return
    left, right = np.clip(scale.x(np.array(row.rail_ms)), _LEFT, _RIGHT)
    x = np.array([left, right, right, left])
    top, bottom = base - 0.7 * PITCH, base + 0.25 * PITCH
    sheet.add(Line(x, np.array([top, top, bottom, bottom]), "none", 0.0, (), FAINT))


def _markers(scale: _Scale, row: _Row, base: float) -> list[Shape]:
    onset = float(scale.x(row.onset_ms))
    corners = np.array([onset, onset - 3.2, onset + 3.2])
    heights = np.array([base + 1.5, base + 7.5, base + 7.5])
    triangle = Line(corners, heights, "none", 0.0, (), INK)
    shapes: list[Shape] = [triangle]
    if not math.isnan(row.peak_ms):
        peak = float(scale.x(row.peak_ms)), base - row.peak_mv * scale.points_per_mv
        shapes.append(Disc(*peak, 2.6, INK, PAPER, 0.8))
    if not math.isnan(row.end_ms):
        end = float(scale.x(row.end_ms))
        shapes.append(Line(np.array([end, end]), np.array([base - 5.0, base + 5.0]), INK, 1.5))
    return shapes


# Half ems of a grade, and of a line of numbers, that fit beside the traces at full size.
_WIDEST_WORD = 16
_WIDEST_NUMBERS = 21
_COMMA = re.compile(r"(?<=,) |(?<=，)")


def _verdict(sheet: Drawing, segment: SegmentView, bases: dict[str, float]) -> None:
    """Write the verdict between the two traces it is about."""
    if segment.distal_site not in bases or segment.proximal_site not in bases:
        return
    low, high = bases[segment.distal_site] - 8.0, bases[segment.proximal_site] + 8.0
    x, middle = _RIGHT + 12.0, (low + high) / 2
    if segment.is_silent:
        return
    looks = style.look(segment.grade)
    sheet.add(*style.stroke(np.array([x, x]), np.array([low, high]), looks))
    sheet.add(*style.badge(x, middle, segment.short, segment.grade))
    size = 9.0 * min(1.0, _WIDEST_WORD / max(1, span(segment.word)))
    sheet.add(Text(x + 11, middle - 9, segment.word, size, "start", INK, is_bold=True))
    for n, part in enumerate(_wrapped(segment.numbers)):
        sheet.add(Text(x + 11, middle + 1 + 9 * n, part, 7.8, "start", SOFT))


def _wrapped(text: str) -> list[str]:
    """Break after commas; the full-width comma of Chinese has no space after it."""
    lines = [""]
    for part in _COMMA.split(text):
        gap = " " if lines[-1].endswith(",") else ""
        joined = lines[-1] + gap + part
        if lines[-1] and span(joined.removesuffix(",")) > _WIDEST_NUMBERS:
            lines.append(part)
        else:
            lines[-1] = joined
    return lines


def _bar_mv(scale: _Scale) -> float:
    return nice_step(0.62 * PITCH / scale.points_per_mv)


def _scale_bars(sheet: Drawing, scale: _Scale) -> None:
    wide = nice_step(60.0 / scale.points_per_ms)
    tall = _bar_mv(scale)
    right, bottom = _RIGHT - 2.0, sheet.height - _UNDER_BAR
    left, top = right - wide * scale.points_per_ms, bottom - tall * scale.points_per_mv
    sheet.segment((left, right, right), (bottom, bottom, top), stroke=SOFT, width=1.4)
    sheet.add(Text((left + right) / 2, bottom + 10, f"{wide:g} ms", 8, "middle", SOFT))
    sheet.add(Text(right + 4, (top + bottom) / 2 + 3, f"{tall:g} mV", 8, "start", SOFT))

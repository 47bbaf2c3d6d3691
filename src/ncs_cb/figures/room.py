"""The room of a row: a response is drawn whole; an artefact that leaves its row is cut, visibly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ncs_cb.figures.drawing import INK, Drawing, Floats, Line

PITCH = 56.0
"""From baseline to baseline of rows that need no more, in points."""

_LEAST_RISE, _LEAST_DEPTH, _GAP = 0.6 * PITCH, 0.2 * PITCH, 3.0
# A response that is deeper still makes the gain of its sheet smaller, not the sheet longer.
_TALLEST_ROW = 2.2 * PITCH
# Nobody marked a response here: the room for what may be one, and how long it may be an artefact.
_UNMARKED_RISE, _UNMARKED_DEPTH, _ARTEFACT_MS = 1.4 * PITCH, 0.8 * PITCH, 3.0
_MARK = 3.2


class Reach(NamedTuple):
    """How far a trace goes from its baseline once the artefact is over, in mV."""

    lowest_mv: float
    highest_mv: float
    is_response: bool

    def joined(self, other: Reach) -> Reach:
        """Give the reach of two traces in one row."""
        low, high = min(self.lowest_mv, other.lowest_mv), max(self.highest_mv, other.highest_mv)
        return Reach(low, high, self.is_response or other.is_response)


class Room(NamedTuple):
    """What a row holds above and below its baseline, in points."""

    rise: float
    depth: float


def reach(time_ms: Floats, samples_mv: Floats, onset_ms: float, stop_ms: float) -> Reach:
    """Measure a trace, voltages from baseline, from the onset to the end of the window."""
    is_response = not math.isnan(onset_ms)
    start_ms = onset_ms if is_response else _ARTEFACT_MS
    shown = samples_mv[(time_ms >= start_ms) & (time_ms <= stop_ms) & np.isfinite(samples_mv)]
    return Reach(
        float(shown.min(initial=0.0)),
        float(shown.max(initial=0.0)),
        is_response,
    )


def points_per_mv(reaches: Sequence[Reach], wanted: float) -> float:
    """Give the wanted gain, or the largest at which every response fits into a row."""
    most_mv = max((r.highest_mv - r.lowest_mv for r in reaches if r.is_response), default=0.0)
    return min(wanted, _TALLEST_ROW / most_mv) if most_mv > 0.0 else wanted


def room(found: Reach, per_mv: float) -> Room:
    """Give the room of one row at a gain."""
    rise, depth = found.highest_mv * per_mv, -found.lowest_mv * per_mv
    if not found.is_response:
        rise, depth = min(rise, _UNMARKED_RISE), min(depth, _UNMARKED_DEPTH)
    return Room(max(rise, _LEAST_RISE), max(depth, _LEAST_DEPTH))


def baselines(rooms: Sequence[Room], top: float) -> list[float]:
    """Place rows from the top down so that none runs into its neighbor."""
    bases = [top + rooms[0].rise]
    for above, below in pairwise(rooms):
        bases.append(bases[-1] + max(PITCH, above.depth + below.rise + _GAP))
    return bases


def add_trace(
    sheet: Drawing, x: Floats, height: Floats, base: float, own: Room, *, stroke: str, width: float
) -> None:
    """Draw a trace in its row; where it leaves the row the line stops, and arrowheads say so.

    `height` counts upward from the baseline; everything is in points.
    """
    if not len(x):
        return
    x, height = _with_crossings(x, height, own)
    with np.errstate(invalid="ignore"):
        is_out = (height > own.rise) | (height < -own.depth)
        is_edge = (height == own.rise) | (height == -own.depth)
    sheet.add(Line(x, np.where(is_out, np.nan, base - height), stroke, width))
    beside = np.append(is_out[1:], False) | np.insert(is_out[:-1], 0, False)
    for n in np.flatnonzero(is_edge & beside):
        way = -1.0 if height[n] > 0.0 else 1.0
        tip = base - float(height[n])
        wings = (tip - way * _MARK, tip, tip - way * _MARK)
        sheet.segment((x[n] - _MARK, x[n], x[n] + _MARK), wings, stroke=INK, width=0.8)


def _with_crossings(x: Floats, height: Floats, own: Room) -> tuple[Floats, Floats]:
    """Add the points at which the line crosses an edge of its row."""
    places, heights = [np.arange(len(x), dtype=np.float64)], [height]
    for edge in (own.rise, -own.depth):
        before, after = height[:-1] - edge, height[1:] - edge
        with np.errstate(invalid="ignore"):
            at = np.flatnonzero(before * after < 0.0)
        places.append(at + before[at] / (before[at] - after[at]))
        heights.append(np.full(len(at), edge))
    if len(places[1]) + len(places[2]) == 0:
        return x, height
    place = np.concatenate(places)
    order = np.argsort(place, kind="stable")
    return np.interp(place[order], places[0], x), np.concatenate(heights)[order]

"""What lies between given markers: latency, amplitude, duration and area of one response.

The definitions are those of :mod:`ncs_cb.columns` and the trace is the kernel's own, less baseline,
artefact and hum. What a marker changes is added to or taken from what the kernel measured: a marker
that stands where the program put it changes nothing, to the last bit. All phases together are the
first one and what lies above baseline from its end to the end of the response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_cb import _kernels
from ncs_cb.columns import MEASURES
from ncs_cb.model import Trace
from ncs_cb.vocabulary import TOLERANCE

Floats = NDArray[np.float64]

NAN = float("nan")
NUMBERS = tuple(c.name for c in MEASURES if c.dtype == "float64")
"""What is measured of a response."""
# As in the kernel: where a phase is over, and how far behind it the positive peak may lie.
_RETURN_SHARE = 0.005
_TROUGH_WITHIN_MS = 15.0
# A baseline marker takes the mean over half a millisecond.
_HALF_LEVEL_MS = 0.25
_SMOOTH_MS = 0.25
# A dip below baseline that is shorter than this parts no two phases: it is noise.
_SHORTEST_DIP_MS = 0.5
_TOP_SHARE = 0.03
_HALF_TOP_MS = 0.3
_LONGEST_MS = 30.0


@dataclass(frozen=True, slots=True)
class Markers:
    """Where a response begins, peaks and ends, in ms from the stimulus; None: not given."""

    onset_ms: float | None = None
    peak_ms: float | None = None
    end_ms: float | None = None
    baseline_ms: float | None = None


@dataclass(frozen=True, slots=True)
class _Curve:
    """Samples above baseline, and the time of each sample."""

    z: Floats
    step: float
    stimulus: int

    def at(self, time_ms: float) -> float:
        """Fractional sample of a time, within the trace."""
        return min(max(self.stimulus + time_ms / self.step, 0.0), len(self.z) - 1.0)

    def time(self, sample: float) -> float:
        return (sample - self.stimulus) * self.step


def corrected(trace: Trace) -> tuple[Floats, int]:
    """Give a trace as the kernel measured it, and the sample from which its latencies count.

    Returns
    -------
    ndarray of shape (n_samples,) [mV]
        Less baseline, artefact and hum. NaN where the trace has none because it cannot be measured.
    int
        The sample of the stimulus, or of its artefact where that lies beside the marker.
    """
    samples = np.asarray(trace.samples_mv)
    if samples.dtype not in (np.float32, np.float64):
        samples = samples.astype(np.float64)
    return _kernels.corrected_row(
        np.ascontiguousarray(samples),
        int(np.clip(trace.stimulus_index, -_kernels.FAR_BEFORE, len(samples))),
        trace.range_mv or (-np.inf, np.inf),
        trace.stimulus.duration_ms or NAN,
        _kernels.scale_of(float(trace.sampling_rate_hz), len(samples)),
    )


def _level_at(curve: _Curve, time_ms: float) -> float:
    """Give the mean within 0.25 ms of a time, in mV."""
    middle, half = curve.at(time_ms), _HALF_LEVEL_MS / curve.step
    low = min(max(int(np.ceil(middle - half)), 0), len(curve.z) - 1)
    high = min(max(int(np.floor(middle + half)) + 1, low + 1), len(curve.z))
    return float(np.mean(curve.z[low:high]))


def measure_between(
    trace: Trace, automatic: Mapping[str, float], given: Markers
) -> dict[str, float]:
    """Measure one response between markers that a person set.

    Parameters
    ----------
    trace : Trace
    automatic : mapping
        The numbers of ``measure_traces`` for this trace; a marker that is not given stays where
        it stands there, and what depends on no given marker stays as it is.
    given : Markers

    Returns
    -------
    dict
        The same numbers between the new markers. What cannot be measured is NaN: no end, no
        duration and no area.

    Notes
    -----
    The first phase ends where the program found its end while the program found later phases, or
    where the trace stays below baseline for 0.5 ms behind it; else with the whole response.
    """
    found = dict(automatic)
    samples, zero = corrected(trace)
    own = _Curve(samples, 1000.0 / trace.sampling_rate_hz, zero)
    curve, level = own, automatic["baseline_mv"]
    if given.baseline_ms is not None:
        # A person's baseline is level: what the program took for a slope or a tail may be none.
        raw = replace(own, z=np.asarray(trace.samples_mv, dtype=np.float64))
        level = _level_at(raw, given.baseline_ms)
        curve = replace(own, z=raw.z - level)
    moved_mv = automatic["baseline_mv"] - level
    found["baseline_mv"] = level
    onset, end = _onset(automatic, given), _end(automatic, given)
    found["onset_latency_ms"] = onset
    if np.isnan(onset):
        return found
    _peak(found, curve, automatic, given, (onset, end), moved_mv)
    peak = found["negative_peak_latency_ms"]
    if end <= onset:
        # What was set in the other order, for the undo of a step between, has no duration.
        end = NAN
    if given.end_ms is None and (np.isnan(automatic["onset_latency_ms"]) or end <= peak):
        end = curve.time(_return(curve, curve.at(peak), found["negative_peak_amplitude_mv"]))
    _phases(found, (curve, own), automatic, (onset, peak, end))
    _trough(found, curve, automatic, (onset, end), moved_mv)
    return found


def _onset(automatic: Mapping[str, float], given: Markers) -> float:
    return automatic["onset_latency_ms"] if given.onset_ms is None else given.onset_ms


def automatic_end(automatic: Mapping[str, float]) -> float:
    """Give where the last phase ends, in ms from the stimulus; NaN where the sweep cuts it."""
    return automatic["onset_latency_ms"] + automatic["total_negative_duration_ms"]


def _end(automatic: Mapping[str, float], given: Markers) -> float:
    return automatic_end(automatic) if given.end_ms is None else given.end_ms


def _peak(
    found: dict[str, float],
    curve: _Curve,
    automatic: Mapping[str, float],
    given: Markers,
    span: tuple[float, float],
    moved_mv: float,
) -> None:
    """Keep the program's peak where it lies between the markers; else take the highest there."""
    onset, end = span
    last = onset + _LONGEST_MS if np.isnan(end) else end
    peak = automatic["negative_peak_latency_ms"]
    if given.peak_ms is not None and given.peak_ms != peak:
        peak, height = given.peak_ms, _height_at(curve, given.peak_ms)
    elif onset <= peak <= last:
        height = automatic["negative_peak_amplitude_mv"] + moved_mv
    else:
        peak, height = _highest(curve, onset, last)
    found["negative_peak_latency_ms"] = peak
    found["negative_peak_amplitude_mv"] = height


def _highest(curve: _Curve, onset: float, last: float) -> tuple[float, float]:
    """Vertex of the parabola through the top between two times."""
    low, high = int(np.ceil(curve.at(onset))), int(np.floor(curve.at(last))) + 1
    if high <= low:
        return NAN, NAN
    top = low + int(np.argmax(curve.z[low:high]))
    least = (1.0 - _TOP_SHARE) * curve.z[top]
    a = b = top
    while a > low and curve.z[a - 1] >= least:
        a -= 1
    while b < high - 1 and curve.z[b + 1] >= least:
        b += 1
    if b - a < 4:
        return curve.time(top), float(curve.z[top])
    bend, slope, height = np.polyfit(np.arange(a - top, b + 1 - top), curve.z[a : b + 1], 2)
    place = -0.5 * slope / bend if bend < 0.0 else 0.0
    if bend >= 0.0 or not a <= top + place <= b:
        return curve.time(top), float(curve.z[top])
    return curve.time(top + place), float(height + 0.5 * slope * place)


def _height_at(curve: _Curve, time_ms: float) -> float:
    """Height of a parabola through the samples about a time, at that time."""
    place = curve.at(time_ms)
    half = max(int(_HALF_TOP_MS / curve.step), 2)
    a, b = max(round(place) - half, 0), min(round(place) + half + 1, len(curve.z))
    if b - a < 5:
        return float(np.interp(place, np.arange(len(curve.z)), curve.z))
    return float(np.polyval(np.polyfit(np.arange(a, b) - place, curve.z[a:b], 2), 0.0))


def _smoothed(curve: _Curve) -> Floats:
    width = 2 * int(0.5 * _SMOOTH_MS / curve.step) + 1
    padded = np.pad(curve.z, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def _return(curve: _Curve, peak: float, height: float) -> float:
    """Fractional sample at which the trace is back at 0.5 % of the peak; NaN when it is not."""
    if np.isnan(peak) or np.isnan(height):
        return NAN
    level = _RETURN_SHARE * height
    smooth = _smoothed(curve)
    first = int(np.ceil(peak))
    below = np.flatnonzero(smooth[first:] < level)
    if below.size == 0:
        return NAN
    i = first + int(below[0])
    if i == first:
        return float(i)
    return i - 1 + float((smooth[i - 1] - level) / (smooth[i - 1] - smooth[i]))


def _phases(
    found: dict[str, float],
    curves: tuple[_Curve, _Curve],
    automatic: Mapping[str, float],
    markers: tuple[float, float, float],
) -> None:
    """Take what the markers add to the durations and areas that the kernel measured."""
    (curve, own), (onset, _, end) = curves, markers
    first = _first_end(curve, automatic, markers, found["negative_peak_amplitude_mv"])
    onset_0, end_0 = automatic["onset_latency_ms"], automatic_end(automatic)
    first_0 = onset_0 + automatic["negative_peak_duration_ms"]
    area, area_0 = _area(curve, onset, first), _area(own, onset_0, first_0)
    later, later_0 = _above(curve, first, end), _above(own, first_0, end_0)
    for name, now, before in (
        ("negative_peak_duration_ms", first - onset, first_0 - onset_0),
        ("total_negative_duration_ms", end - onset, end_0 - onset_0),
    ):
        found[name] = automatic[name] if now == before else now
    for name, now, before in (
        ("negative_peak_area_mv_ms", area, area_0),
        ("total_negative_area_mv_ms", area + later, area_0 + later_0),
    ):
        is_known = not np.isnan(automatic[name] + before)
        found[name] = automatic[name] + (now - before) if is_known else now


def _area(curve: _Curve, start: float, stop: float) -> float:
    if np.isnan(start) or np.isnan(stop):
        return NAN
    return area_between(curve.z, curve.at(start), curve.at(stop)) * curve.step


def _above(curve: _Curve, start: float, stop: float) -> float:
    if np.isnan(start) or np.isnan(stop):
        return NAN
    above = np.maximum(curve.z, 0.0)
    return area_between(above, curve.at(start), curve.at(stop)) * curve.step


def _first_end(
    curve: _Curve,
    automatic: Mapping[str, float],
    markers: tuple[float, float, float],
    height: float,
) -> float:
    onset, peak, end = markers
    first = automatic["onset_latency_ms"] + automatic["negative_peak_duration_ms"]
    is_found = first > onset
    if not is_found:
        first = curve.time(_return(curve, curve.at(peak), height))
    if first >= end or np.isnan(first):
        return end
    if np.isnan(end) or (is_found and automatic_end(automatic) > first + TOLERANCE):
        return first
    below = _smoothed(curve)[int(curve.at(first)) : int(curve.at(end)) + 1] < 0.0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], below, [False]]).astype(np.int8)))
    longest = (edges[1::2] - edges[::2]).max() if edges.size else 0
    return first if longest * curve.step >= _SHORTEST_DIP_MS else end


def area_between(z: Floats, start: float, end: float) -> float:
    """Integral of samples from one fractional sample to another by trapezoids."""
    if not end > start:
        return 0.0
    inner = np.arange(int(start) + 1, int(np.ceil(end)))
    places = np.concatenate([[start], inner, [end]])
    return float(np.trapezoid(np.interp(places, np.arange(len(z)), z), places))


def _trough(
    found: dict[str, float],
    curve: _Curve,
    automatic: Mapping[str, float],
    span: tuple[float, float],
    moved_mv: float,
) -> None:
    """Peak to peak: the program's positive peak, or the lowest up to 15 ms behind the response."""
    depth = (
        automatic["peak_to_peak_amplitude_mv"] - automatic["negative_peak_amplitude_mv"] - moved_mv
    )
    if np.isnan(depth):
        onset, end = span
        last = onset + _LONGEST_MS if np.isnan(end) else end + _TROUGH_WITHIN_MS
        part = curve.z[int(curve.at(onset)) : int(curve.at(last)) + 1]
        depth = -float(part.min()) if part.size else NAN
    amplitude = found["negative_peak_amplitude_mv"]
    found["peak_to_peak_amplitude_mv"] = amplitude + max(depth, 0.0)


def marker_times(row: Any) -> dict[str, float]:
    """Give the markers of a row of ``traces``, in ms from the stimulus; NaN where there is none."""
    numbers = {name: float(row[name]) for name in NUMBERS}
    return {
        "onset": numbers["onset_latency_ms"],
        "peak": numbers["negative_peak_latency_ms"],
        "end": automatic_end(numbers),
    }

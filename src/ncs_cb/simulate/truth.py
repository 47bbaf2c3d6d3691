"""The truth that goes with simulated traces: markers of the noise-free trace, and what was done."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ncs_cb.simulate.recording import Amplifier

Floats = NDArray[np.float64]

# Contract, section 2: a negative phase is significant when its peak reaches 5 % of the highest.
_SIGNIFICANT = 0.05
_ONSET = 0.01
# A unit's negative phase is over 4 ms after it began, or little later.
_RISE_MS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Markers:
    """Markers of noise-free traces, one value per trace; NaN where there is none.

    Attributes
    ----------
    onset_latency_ms : ndarray of shape (n,)
        First time the trace exceeds 1 % of its highest negative peak.
    negative_peak_latency_ms, negative_peak_amplitude_mv : ndarray
        Highest negative peak (parabola through three samples).
    peak_to_peak_amplitude_mv : ndarray
        Highest negative to lowest positive peak.
    negative_peak_duration_ms, negative_peak_area_mv_ms : ndarray
        From the onset to the first return to zero.
    total_negative_duration_ms : ndarray
        From the onset to the last return to zero of a phase that reaches 5 % of the highest.
    total_negative_area_mv_ms : ndarray
        Sum of the areas of those phases.
    """

    onset_latency_ms: Floats
    negative_peak_latency_ms: Floats
    negative_peak_amplitude_mv: Floats
    peak_to_peak_amplitude_mv: Floats
    negative_peak_duration_ms: Floats
    negative_peak_area_mv_ms: Floats
    total_negative_duration_ms: Floats
    total_negative_area_mv_ms: Floats

    def row(self, index: int) -> dict[str, float]:
        """The markers of one trace by name."""
        return {f.name: float(getattr(self, f.name)[index]) for f in fields(self)}


def markers(
    samples_mv: Floats, setting: Amplifier, *, last_arrival_ms: Floats | None = None
) -> Markers:
    """Read the markers of noise-free traces straight from their definitions.

    Parameters
    ----------
    samples_mv : ndarray of shape (n, n_samples) [mV]
        Noise-free, baseline zero, negative up.
    setting : Amplifier
        Gives rate and stimulus.
    last_arrival_ms : ndarray of shape (n,), optional
        When the last unit of each response begins to answer. A negative phase that rises more
        than 4 ms later is the overshoot of the amplifier's high-pass and not a response.

    Returns
    -------
    Markers
        A phase that the end of the sweep cuts off has neither duration nor area (NaN), and a
        trace without a negative sample has no markers at all.
    """
    traces = np.atleast_2d(samples_mv)
    last = np.full(len(traces), np.inf) if last_arrival_ms is None else last_arrival_ms
    rows = [_row(trace, setting, float(end)) for trace, end in zip(traces, last, strict=True)]
    return Markers(*np.array(rows, dtype=np.float64).reshape(len(rows), 8).T)


def _row(trace: Floats, setting: Amplifier, last_arrival_ms: float) -> tuple[float, ...]:
    step_ms = 1e3 / setting.sampling_rate_hz
    latest = setting.stimulus_index + (last_arrival_ms + _RISE_MS) / step_ms
    top = int(np.argmax(trace))
    if not trace[top] > 0.0:
        return (np.nan,) * 8
    peak_at, peak = _vertex(trace, top)
    low = int(np.argmin(trace))
    trough = _vertex(-trace, low)[1]
    onset = _crossing(trace, int(np.argmax(trace > _ONSET * peak)), _ONSET * peak)
    is_up = trace > 0.0
    edges = np.flatnonzero(np.diff(is_up.astype(np.int8)))
    starts = np.r_[0 if is_up[0] else [], edges[~is_up[edges]] + 1].astype(int)
    ends = np.r_[edges[is_up[edges]] + 1, [len(trace)] if is_up[-1] else []].astype(int)
    phases = [
        (start, end)
        for start, end in zip(starts, ends, strict=True)
        if trace[start:end].max() >= _SIGNIFICANT * peak and (start <= latest or end > top >= start)
    ]
    areas = [_area(trace, start, end) * step_ms for start, end in phases]
    returns = [_crossing(trace, end, 0.0) if end < len(trace) else np.nan for _, end in phases]
    return (
        (onset - setting.stimulus_index) * step_ms,
        (peak_at - setting.stimulus_index) * step_ms,
        peak,
        peak + max(trough, 0.0),
        (returns[0] - onset) * step_ms,
        areas[0] if np.isfinite(returns[0]) else np.nan,
        (returns[-1] - onset) * step_ms,
        float(np.sum(areas)) if np.isfinite(returns[-1]) else np.nan,
    )


def _vertex(trace: Floats, top: int) -> tuple[float, float]:
    """Place and height of the parabola through a sample and its neighbors."""
    if not 0 < top < len(trace) - 1:
        return float(top), float(trace[top])
    before, here, after = (float(v) for v in trace[top - 1 : top + 2])
    bend = before - 2.0 * here + after
    if bend == 0.0:
        return float(top), here
    shift = 0.5 * (before - after) / bend
    return top + shift, here - 0.25 * (before - after) * shift


def _crossing(trace: Floats, index: int, level: float) -> float:
    """Where the line between the samples before and at `index` meets `level`."""
    if index == 0:
        return 0.0
    before, here = float(trace[index - 1]), float(trace[index])
    return index if here == before else index - 1 + (level - before) / (here - before)


def _area(trace: Floats, start: int, end: int) -> float:
    """Trapezoids above zero from the rising to the falling crossing, in samples."""
    inner = float(np.trapezoid(trace[start:end]))
    if start > 0:
        inner += 0.5 * float(trace[start]) * (start - _crossing(trace, start, 0.0))
    if end < len(trace):
        inner += 0.5 * float(trace[end - 1]) * (_crossing(trace, end, 0.0) - (end - 1))
    return inner


@dataclass(frozen=True, slots=True)
class SegmentTruth:
    """What is true of one segment between neighboring stimulated sites.

    All shares are of the signal that the distal stimulus sends to the muscle.

    Attributes
    ----------
    nerve, side, muscle, kind, distal_site, proximal_site : str
    length_mm : float
    blocked_fraction, blocked_units_fraction : float
        Share of the signal, and of the units, whose fibers are blocked between the sites.
    not_excited_fraction : float
        Share that the proximal stimulus missed because it was too weak.
    crossing_fraction : float
        Share that runs in another nerve at the proximal site (an anastomosis).
    failing_fraction : float
        Share whose impulses fail now and then between the sites, times how often.
    added_dispersion_ms, delay_ms : float [ms]
        Standard deviation and mean, weighted by size, of the conduction time of the segment;
        NaN when nothing passes.
    longest_delay_ms : float [ms]
        Scale of demyelinating delays between the sites, 0 without any.
    co_stimulation : bool
        Whether a neighbor's response was added at either site.
    """

    nerve: str
    side: str
    muscle: str
    kind: str
    distal_site: str
    proximal_site: str
    length_mm: float
    blocked_fraction: float
    blocked_units_fraction: float
    not_excited_fraction: float
    crossing_fraction: float
    failing_fraction: float
    added_dispersion_ms: float
    delay_ms: float
    longest_delay_ms: float
    co_stimulation: bool


@dataclass(frozen=True, slots=True, eq=False)
class StudyTruth:
    """What is true of a simulated study.

    Attributes
    ----------
    markers : Markers
        Of the noise-free traces, one value per trace of the study, in order.
    noise_free_mv : tuple of ndarray [mV]
        The traces before noise, artefact and quantization.
    f_latency_ms : ndarray of shape (n_traces,) [ms]
        Onset of the F wave; NaN where there is none.
    segments : tuple of SegmentTruth
        Motor and sensory segments of the routine studies.
    """

    markers: Markers
    noise_free_mv: tuple[Floats, ...]
    f_latency_ms: Floats
    segments: tuple[SegmentTruth, ...]

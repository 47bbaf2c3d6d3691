"""Whether sweeps that are called repeats of one stimulus look like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ncs_cb.knowledge import thresholds
from ncs_cb.model import Trace
from ncs_cb.vocabulary import TOLERANCE

Floats = NDArray[np.float64]


def difference(sweeps: Sequence[Trace], samples_mv: Floats, stimulus_index: int) -> str:
    """Say why sweeps called repeats are none; empty where they are.

    One outlier among many is left out of the average; a rising series, two sizes, two latencies
    or two shapes are not the answers to one stimulus.

    Parameters
    ----------
    sweeps : sequence of Trace
    samples_mv : ndarray of shape (n_sweeps, n_samples)
        The same sweeps with their stimuli aligned, in mV.
    stimulus_index : int
        Sample of the stimulus in each row.
    """
    sizes = np.array([_size_mv(trace) for trace in sweeps])
    floors = np.array([_floor_mv(trace) for trace in sweeps])
    share = thresholds.value("sweeps.repeat_amplitude_share")
    spare = len(sizes) // 4
    # The few that lie farthest from the middle may be outliers; the others must agree.
    near = np.argsort(np.abs(sizes - np.median(sizes)), kind="stable")
    kept = sizes[near[: len(sizes) - spare]]
    if np.ptp(kept) > max(share * float(np.max(kept)), float(np.max(floors))):
        return f"{sizes.min():.2g} to {sizes.max():.2g} mV from peak to peak"
    if float(np.min(sizes)) <= 3.0 * float(np.max(floors)):
        return ""  # too small beside the noise for latency and shape
    return _other_shape(sweeps, samples_mv, stimulus_index, spare)


def _other_shape(
    sweeps: Sequence[Trace], samples_mv: Floats, stimulus_index: int, spare: int
) -> str:
    """Say whether more than `spare` sweeps come later than the others, or in another shape."""
    rate = sweeps[0].sampling_rate_hz
    window = round(thresholds.value("sweeps.artifact_window_ms") * rate / 1e3)
    begin = max(stimulus_index + window + 1, 0)
    step = max(1, int(rate // 10_000))
    rows = samples_mv[:, begin::step]
    rows = rows - np.median(rows, axis=1, keepdims=True)
    middle = np.median(rows, axis=0)
    # The sweep most like the middle one speaks for all: a mean of two latencies has neither.
    against = rows[int(np.argmax(rows @ middle / np.maximum(_norms(rows), 1e-30)))]
    lags_ms, odd, turned = [], 0, 0
    for row in rows:
        alike = np.correlate(row, against, mode="full") / (_norms(row) * _norms(against))
        best = int(alike.argmax())
        least = thresholds.value("sweeps.repeat_shape_correlation")
        turned += bool(-alike.min() > least and -alike.min() > alike[best])
        odd += bool(alike[best] < least)
        lags_ms.append((best - (len(row) - 1)) * step * 1e3 / rate)
    late = _apart(np.array(lags_ms), thresholds.value("sweeps.repeat_latency_ms"), spare)
    if turned > spare:
        return f"{turned} of {len(rows)} are upside down beside the others"
    if odd > spare:
        return f"{odd} of {len(rows)} have another shape than the others"
    return f"{late} of {len(rows)} come at another latency than the others" if late > spare else ""


def _apart(lags_ms: Floats, most: float, spare: int) -> int:
    """Count the sweeps that come too far from the middle; all if the rest lie too far apart."""
    far = np.abs(lags_ms - np.median(lags_ms))
    kept = lags_ms[np.argsort(far, kind="stable")[: len(lags_ms) - spare]]
    if np.ptp(kept) > most + TOLERANCE:
        return max(int((far > most / 2).sum()), spare + 1)
    return 0


def jitter(samples_mv: Floats, stimulus_index: int, rate: float) -> tuple[Floats, float]:
    """Move repeats that come at slightly different times over one another.

    Parameters
    ----------
    samples_mv : ndarray of shape (n_sweeps, n_samples)
        Repeats with their stimuli aligned, in mV.
    stimulus_index : int
        Sample of the stimulus in each row.
    rate : float
        Samples per second.

    Returns
    -------
    ndarray of shape (n_sweeps, n_samples)
        The rows, each moved to the middle latency where they lie too far apart to be averaged as
        they are; the samples as they were where not.
    float
        How far apart they came, in ms; 0 where nothing was moved.
    """
    window = round(thresholds.value("sweeps.artifact_window_ms") * rate / 1e3)
    after = samples_mv[:, max(stimulus_index + window + 1, 0) :]
    after = after - np.median(after, axis=1, keepdims=True)
    reach = int(thresholds.value("sweeps.repeat_latency_ms") * rate / 1e3)
    steps = np.median(np.abs(np.diff(after, axis=1)), axis=1) if after.shape[1] > 1 else 0.0
    if after.shape[1] <= 4 * reach or (np.ptp(after, axis=1) <= 100.0 * steps).any():
        return samples_mv, 0.0  # noise alone would move them
    middle = np.median(after, axis=0)[reach : after.shape[1] - reach]
    shifts = np.arange(-reach, reach + 1)
    n = len(middle)
    alike = np.stack([after[:, reach + s : reach + s + n] @ middle for s in shifts], axis=1)
    lags = shifts[alike.argmax(axis=1)]
    lags = lags - round(float(np.median(lags)))
    apart_ms = float(np.ptp(lags)) * 1e3 / rate
    if apart_ms < thresholds.value("sweeps.jitter_ms"):
        return samples_mv, 0.0
    place = np.arange(samples_mv.shape[1]) + lags[:, np.newaxis]
    place = np.clip(place, 0, samples_mv.shape[1] - 1)
    return np.take_along_axis(samples_mv, place, axis=1), apart_ms


def is_one_shape(one: Trace, other: Trace) -> bool:
    """Tell whether two sweeps hold one response, whatever its size and the time it comes at."""
    step = max(1, int(one.sampling_rate_hz // 10_000))
    rows = [_after(trace)[::step] for trace in (one, other)]
    first, second = (row - np.median(row) for row in rows)
    alike = np.correlate(first, second, mode="full") / (_norms(first) * _norms(second))
    return bool(alike.max() >= thresholds.value("sweeps.repeat_shape_correlation"))


def _norms(rows: Floats) -> Floats:
    norms: Floats = np.sqrt((rows * rows).sum(axis=-1))
    return norms


def _after(trace: Trace) -> Floats:
    window = round(thresholds.value("sweeps.artifact_window_ms") * trace.sampling_rate_hz / 1000.0)
    begin = max(trace.stimulus_index + window + 1, 0)
    after: Floats = np.asarray(trace.samples_mv[begin:], np.float64)
    return after


def _size_mv(trace: Trace) -> float:
    after = _after(trace)
    return float(np.ptp(after)) if after.size else 0.0


def _floor_mv(trace: Trace) -> float:
    """Difference in size that noise alone makes."""
    after = _after(trace)
    return 10.0 * float(np.median(np.abs(np.diff(after)))) if after.size > 1 else 0.0

"""Compare the shapes of two responses, apart from delay, dispersion and loss.

A delayed, dispersed and partly blocked response is the distal one convolved with a non-negative
distribution of delays. What no such distribution can reproduce is a change of shape: a shifted
electrode or a second nerve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncs_cb import _kernels
from ncs_cb.knowledge import thresholds
from ncs_cb.model import Trace

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Bins of 0.2 ms hold everything of a surface response (below 1 kHz); delays in steps of two bins.
_BIN_MS = 0.2
_STEP = 2
_BEFORE = 8  # bins before the onset that are compared: 1.6 ms
_ITERATIONS = 150


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A response and what was measured of it."""

    trace: Trace
    onset_latency_ms: float
    baseline_mv: float
    noise_mv: float


def correlations(pairs: Sequence[tuple[Measured, Measured] | None]) -> Floats:
    """Correlate each proximal response with the best delayed and dispersed copy of the distal one.

    Both are averaged in bins of 0.2 ms about their onset, from the measured baseline; the
    distribution of delays that fits best is found by non-negative least squares; the energy of
    the noise is taken off the residual. ``sqrt(1 - unexplained energy / energy)``.

    Parameters
    ----------
    pairs : sequence of (distal, proximal) or None
        Responses whose onset is known.

    Returns
    -------
    ndarray of shape (n_pairs,)
        1 for the same shape; NaN for None, for responses whose sweeps end too early to compare,
        and where the proximal response does not stand clear of the noise.
    """
    out = np.full(len(pairs), np.nan)
    places: dict[int, int] = {}
    responses: list[Measured] = []
    asked = []
    for row, pair in enumerate(pairs):
        if pair is None:
            continue
        asked.append(row)
        # Most responses are the distal one of a pair and the proximal one of another.
        for one in pair:
            place = places.setdefault(id(one.trace), len(responses))
            if place == len(responses):
                responses.append(one)
            asked.append(place)
    if asked:
        rows, near, far = np.array(asked, dtype=np.int64).reshape(-1, 3).T
        out[rows] = _correlate(responses, near, far)
    return out


def _lags() -> _kernels.Lags:
    n_lags = round(thresholds.value("shape.longest_delay_ms") / _BIN_MS)
    n_bins = _BEFORE + round(thresholds.value("shape.compared_ms") / _BIN_MS)
    # The distal response reaches back by the longest delay; before its onset there is nothing.
    return _kernels.Lags(_BIN_MS, n_lags, n_bins, n_lags - _BEFORE // 2, _STEP, _ITERATIONS)


def _correlate(responses: Sequence[Measured], near: Integers, far: Integers) -> Floats:
    lags = _lags()
    numbers = [
        (
            one.onset_latency_ms,
            one.baseline_mv,
            one.noise_mv,
            1e3 / one.trace.sampling_rate_hz,
            one.trace.stimulus_index,
            one.trace.samples_mv.size,
        )
        for one in responses
    ]
    onset, baseline, noise, step, stimulus, size = np.array(numbers, dtype=np.float64).T
    end_ms = (size - 1.0 - stimulus) * step - onset
    last = np.minimum(end_ms[near] / _BIN_MS - _BEFORE, end_ms[far] / _BIN_MS)
    compared = np.clip(np.trunc(last) + _BEFORE, 0, lags.n_bins).astype(np.int64)
    # A sample stands for the step around it, so that the first edge lies half a step earlier.
    first = (onset - (lags.n_lags + _BEFORE) * _BIN_MS) / step + stimulus + 0.5
    samples = [one.trace.samples_mv for one in responses]
    binned = _kernels.bins(samples, baseline, step, first, lags)
    left, shared, energy = _kernels.correlate(binned, lags, near, far, compared).T
    variance = noise**2 / np.maximum(_BIN_MS / step, 1.0)
    noise_energy = compared * (variance[far] + variance[near] * shared)
    unexplained = np.maximum(left - noise_energy, 0.0)
    share = np.divide(unexplained, energy, out=np.ones_like(energy), where=energy > 0.0)
    is_long = np.trunc(last) * _BIN_MS >= thresholds.value("shape.shortest_compared_ms")
    clear = energy > thresholds.value("shape.minimum_energy_ratio") * noise_energy
    correlation = np.sqrt(1.0 - np.minimum(share, 1.0))
    return np.where(is_long & clear & (energy > 0.0), correlation, np.nan)

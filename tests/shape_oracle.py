"""The oracle of ``_kernels/shape.c``: the same comparison in numpy, many pairs together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ncs_cb.knowledge import thresholds
from ncs_cb.quality.shape import Measured

Floats = NDArray[np.float64]

# Bins of 0.2 ms hold everything of a surface response (below 1 kHz); delays in steps of two bins.
_BIN_MS = 0.2
_STEP = 2
_BEFORE = 8  # bins before the onset that are compared: 1.6 ms
_ITERATIONS = 150
_TOGETHER = 32  # as many pairs at once as the processor's cache holds


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
    binned: dict[int, Floats] = {}
    found = {
        row: bins
        for row, pair in enumerate(pairs)
        if pair is not None and (bins := _compare(*pair, binned)) is not None
    }
    rows = list(found)
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        parts = zip(*(found[row] for row in some), strict=True)
        out[some] = _correlate(*map(np.stack, parts))
    return out


def _compare(
    distal: Measured, proximal: Measured, binned: dict[int, Floats]
) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Bins of both responses, the weight of each bin, and the noise of a bin (distal, proximal).

    Most responses are the distal one of a pair and the proximal one of another; `binned` holds
    the bins of those already seen.
    """
    n_lags = round(thresholds.value("shape.longest_delay_ms") / _BIN_MS)
    n_bins = _BEFORE + round(thresholds.value("shape.compared_ms") / _BIN_MS)
    ends = [_end_after_onset_ms(one) for one in (distal, proximal)]
    last = int(min(ends[0] / _BIN_MS - _BEFORE, ends[1] / _BIN_MS))
    if last * _BIN_MS < thresholds.value("shape.shortest_compared_ms"):
        return None
    weight = (np.arange(n_bins) < _BEFORE + last).astype(np.float64)
    # The distal response reaches back by the longest delay; before its onset there is nothing.
    for one in (distal, proximal):
        if id(one.trace) not in binned:
            binned[id(one.trace)] = _bins(one, -n_lags, n_bins)
    near, far = (binned[id(one.trace)] for one in (distal, proximal))
    near = near.copy()
    near[: n_lags + _BEFORE // 2 - _BEFORE] = 0.0
    noise = np.array(
        [
            one.noise_mv / np.sqrt(max(_BIN_MS * one.trace.sampling_rate_hz / 1e3, 1.0))
            for one in (distal, proximal)
        ]
    )
    return near, far[n_lags:] * weight, weight, noise


def _end_after_onset_ms(one: Measured) -> float:
    samples_after = one.trace.samples_mv.size - 1 - one.trace.stimulus_index
    return samples_after * 1e3 / one.trace.sampling_rate_hz - one.onset_latency_ms


def _bins(one: Measured, first: int, n_bins: int) -> Floats:
    """Means over bins that begin `first` bins (less the lead) after the onset; 0 off the sweep."""
    step_ms = 1e3 / one.trace.sampling_rate_hz
    samples = one.trace.samples_mv.astype(np.float64) - one.baseline_mv
    integral = np.concatenate([[0.0], np.cumsum(samples) * step_ms])
    edges_ms = np.arange(first - _BEFORE, n_bins - _BEFORE + 1) * _BIN_MS + one.onset_latency_ms
    # A sample stands for the step around it, so that the first edge lies half a step earlier.
    position = edges_ms / step_ms + one.trace.stimulus_index + 0.5
    bins: Floats = np.diff(np.interp(position, np.arange(integral.size), integral)) / _BIN_MS
    return bins


def _correlate(distal: Floats, proximal: Floats, weight: Floats, noise: Floats) -> Floats:
    n_bins = proximal.shape[1]
    shifted = np.lib.stride_tricks.sliding_window_view(distal, n_bins, axis=1)[:, ::-_STEP]
    # Delays from -0.4 ms (a distal onset marked late) upward.
    early = np.roll(shifted[:, :1], -_STEP, axis=2)
    design = np.concatenate([early, shifted], axis=1) * weight[:, None, :]
    target = proximal
    shares = _non_negative_fit(design, target)
    residual = target - np.einsum("nl,nlk->nk", shares, design)
    n_compared = weight.sum(axis=1)
    noise_energy = n_compared * (
        noise[:, 1] ** 2 + noise[:, 0] ** 2 * np.square(shares).sum(axis=1)
    )
    energy = np.square(target).sum(axis=1)
    unexplained = np.maximum(np.square(residual).sum(axis=1) - noise_energy, 0.0)
    share = np.divide(unexplained, energy, out=np.ones_like(energy), where=energy > 0.0)
    clear = energy > thresholds.value("shape.minimum_energy_ratio") * noise_energy
    correlation: Floats = np.sqrt(1.0 - np.minimum(share, 1.0))
    return np.where(clear & (energy > 0.0), correlation, np.nan)


def _non_negative_fit(design: Floats, target: Floats) -> Floats:
    """Non-negative least squares of many small problems at once (accelerated projected gradient).

    References
    ----------
    Beck A, Teboulle M. SIAM J Imaging Sci 2009;2:183-202, doi:10.1137/080716542.
    """
    gram = np.einsum("nlk,nmk->nlm", design, design, optimize=True)
    gain = np.einsum("nlk,nk->nl", design, target)
    bound = np.abs(gram).sum(axis=2).max(axis=1)[:, None]  # an upper bound of the curvature
    step = 1.0 / np.where(bound > 0.0, bound, 1.0)
    # A step down the slope is one product: ahead - step * (gram @ ahead - gain).
    descend = np.eye(gram.shape[1]) - step[:, :, None] * gram
    toward = (step * gain)[:, :, None]
    shares: Floats = np.zeros_like(toward)
    ahead, momentum = shares, 1.0
    for _ in range(_ITERATIONS):
        moved = np.maximum(descend @ ahead + toward, 0.0)
        next_momentum = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum**2))
        ahead = moved + (momentum - 1.0) / next_momentum * (moved - shares)
        shares, momentum = moved, next_momentum
    return np.asarray(shares[:, :, 0])

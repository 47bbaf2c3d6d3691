"""Where the stimulus of a drawn trace lies: at the artefact its latencies are counted from."""

from __future__ import annotations

import math

import numpy as np

from ncs_cb import flags
from ncs_cb.figures.drawing import Floats

# Latencies are counted from an artefact at most this far from the marker of the file.
_FARTHEST_MS = 1.5
# What a sample lies beside an interpolated peak is no shift.
_LEAST_MS = 0.2


def moved_ms(
    time_ms: Floats, samples_mv: Floats, peak_ms: float, peak_mv: float, found: str
) -> float:
    """Give how much later than its marker the stimulus of a trace lies, as its numbers count it.

    The peak of a response stands at its latency; where the trace has it elsewhere, the latency is
    counted from the artefact and not from the marker.

    Parameters
    ----------
    time_ms, samples_mv : ndarray of shape (n,) [ms, mV]
        From the marker, and from the baseline.
    peak_ms, peak_mv : float
        As measured; NaN where nothing was.
    found : str
        The quality flags of the trace.

    Returns
    -------
    float
        In ms; 0 where latencies are counted from the marker.
    """
    if "stimulus_realigned" not in flags.names(found) or math.isnan(peak_ms):
        return 0.0
    near = np.flatnonzero(np.abs(time_ms - peak_ms) <= _FARTHEST_MS)
    near = near[(near > 0) & (near < len(samples_mv) - 1)]
    tops = near[
        (samples_mv[near] >= samples_mv[near - 1]) & (samples_mv[near] > samples_mv[near + 1])
    ]
    if not len(tops):
        return 0.0
    best = tops[int(np.argmin(np.abs(samples_mv[tops] - peak_mv)))]
    moved = float(time_ms[best]) - peak_ms
    return moved if abs(moved) >= _LEAST_MS else 0.0

"""Tables that stand in for exponentials and cosines: computed once per sampling rate."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ncs_cb._kernels.facts import (
    BLANK_MS,
    BLOCK_MS,
    HUM_HZ,
    LONGEST_DECAY_MS,
    N_DECAYS,
    N_TABLE,
    SHORTEST_DECAY_MS,
)


@lru_cache(maxsize=16)
def decay_tables(rate_hz: float) -> tuple[int, int, Any, Any, Any, Any, Any, Any]:
    """Give block size, first usable block after the stimulus, and tables of decays.

    The tables are block means of exponentials, their running sums and sums of squares from
    the first usable block on (and, as the first entries of a fourth one, the cosine and sine
    by which 50 and 60 Hz turn from block to block), the decay from one sample to the next,
    and the ratio of the first sample of a block to its mean.
    """
    step = 1000.0 / rate_hz
    size = max(1, round(BLOCK_MS / step))
    first = int(np.ceil(BLANK_MS / (size * step) - 1e-9))
    n = N_TABLE
    taus = np.geomspace(SHORTEST_DECAY_MS, LONGEST_DECAY_MS, N_DECAYS)
    t = np.arange(n * size) * step
    e = np.exp(-t[:, None] / taus).reshape(n, size, N_DECAYS)
    means = e.mean(axis=1)
    fitted = means.copy()
    fitted[:first] = 0.0
    sums = np.zeros((n + 1, N_DECAYS))
    squares = np.zeros((n + 1, N_DECAYS))
    np.cumsum(fitted, axis=0, out=sums[1:])
    np.cumsum(fitted**2, axis=0, out=squares[1:])
    ratio = np.exp(-step / taus)
    head = e[0, 0] / means[0]
    turn = 2e-3 * np.pi * size * step * np.array(HUM_HZ)
    hum = np.column_stack([np.cos(turn), np.sin(turn)]).ravel()
    return size, first, means.ravel(), sums.ravel(), squares.ravel(), hum, ratio, head

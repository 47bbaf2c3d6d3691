"""Tables that stand in for exponentials and cosines: computed once per sampling rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels.facts import (
    BLANK_MS,
    BLOCK_MS,
    HUM_HZ,
    LONGEST_DECAY_MS,
    N_DECAYS,
    N_TABLE,
    SHORTEST_DECAY_MS,
)

_Numbers = NDArray[np.float64]

_LARGEST_BLOCK = 2**40
_AT_ONCE = 2**16


@dataclass(frozen=True, slots=True)
class Scale:
    """What one sampling rate means to the kernel.

    Parameters
    ----------
    step_ms : float
        From one sample to the next.
    size : int
        Samples in a block.
    first : int
        First usable block after the stimulus.
    means : ndarray
        Block means of decays.
    courses : ndarray
        The same, one decay after the other.
    sums, squares : ndarray
        Their running sums, and those of their squares, from the first usable block on.
    turns : ndarray
        Cosine and sine by which 50 and 60 Hz turn from block to block.
    ratio : ndarray
        Each decay from one sample to the next.
    head : ndarray
        The first sample of a block over its mean, for each decay.
    addresses : tuple of int
        Where the tables begin, in the order in which the kernel takes them.
    """

    step_ms: float
    size: int
    first: int
    means: _Numbers
    courses: _Numbers
    sums: _Numbers
    squares: _Numbers
    turns: _Numbers
    ratio: _Numbers
    head: _Numbers
    addresses: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Look once where the tables begin: as long as the scale holds them they stay there."""
        tables = [self.means, self.courses, self.sums, self.squares]
        tables += [self.turns, self.ratio, self.head]
        where = tuple(int(table.__array_interface__["data"][0]) for table in tables)
        object.__setattr__(self, "addresses", where)


def scale_of(rate_hz: float, n_samples: int) -> Scale:
    """Give the scale of a rate; of one at which not even a block fits into a trace, no tables."""
    step = 1000.0 / rate_hz
    size = min(max(1, round(BLOCK_MS / step)), _LARGEST_BLOCK)
    return _scale(rate_hz, size) if size <= n_samples else _without_tables(step, size)


def _first_block(step: float, size: int) -> int:
    return min(max(1, int(np.ceil(BLANK_MS / (size * step) - 1e-9))), N_TABLE // 2)


def _without_tables(step: float, size: int) -> Scale:
    nothing = np.zeros(0)
    return Scale(step, size, _first_block(step, size), *[nothing] * 7)


@lru_cache(maxsize=16)
def _scale(rate_hz: float, size: int) -> Scale:
    step = 1000.0 / rate_hz
    first = _first_block(step, size)
    taus = np.geomspace(SHORTEST_DECAY_MS, LONGEST_DECAY_MS, N_DECAYS)
    means = np.empty((N_TABLE, N_DECAYS))
    # Some blocks at a time: at high rates a block is long.
    blocks = max(1, _AT_ONCE // size)
    for b in range(0, N_TABLE, blocks):
        n = min(blocks, N_TABLE - b)
        t = np.arange(b * size, (b + n) * size) * step
        means[b : b + n] = np.exp(-t[:, None] / taus).reshape(n, size, N_DECAYS).mean(axis=1)
    fitted = means.copy()
    fitted[:first] = 0.0
    sums = np.zeros((N_TABLE + 1, N_DECAYS))
    squares = np.zeros((N_TABLE + 1, N_DECAYS))
    np.cumsum(fitted, axis=0, out=sums[1:])
    np.cumsum(fitted**2, axis=0, out=squares[1:])
    turn = 2e-3 * np.pi * size * step * np.array(HUM_HZ)
    turns = np.column_stack([np.cos(turn), np.sin(turn)])
    tables = (means, means.T, sums, squares, turns, np.exp(-step / taus), 1.0 / means[0])
    return Scale(step, size, first, *(np.ascontiguousarray(a).ravel() for a in tables))

"""From recorded sweeps to spectra: blocks, baseline, artefact, onset, windows, noise.

Everything runs over many traces that share a :class:`Grid`: rate, length and stimulus. Each row
is computed by itself, so that order and batch size change no bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from ncs_cb import _kernels
from ncs_cb.dispersion.deconvolution import FREQUENCY_HZ, N_FREQUENCIES, STEP_HZ, Spectra

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

# The fit looks at nothing above 350 Hz: means over blocks of this length hold all of it.
BLOCK_MS = 0.1
# Of the time before the stimulus, only this much is used: what lies farther off may drift.
BEFORE_MS = 5.0
# The grid's period is 100 ms; a delayed response must not wrap around.
AFTER_MS = 80.0
# The proximal window ends this long after its onset: 16 ms of delays and a whole response fit in,
# while F waves and stray movement mostly stay out. Whatever is cut is cut from the model too.
LONGEST_RESPONSE_MS = 36.0
BLANKED_MS = 0.7
LONGEST_PULSE_MS = 2.2
EARLIEST_ONSET_MS = 1.6
# How far before its onset a response is taken to begin: the foot below the detection limit.
FOOT_MS = 0.8
RISE_MS = 0.6
FALL_MS = 5.0
_SMOOTH_MS = 0.4
_SUSTAINED_MS = 0.8
_TAILS_MS = np.array([0.2, 0.4, 0.8])
_ROUNDING = 1e-10
# What is left at the end of the sweep tells how far the baseline wanders (heart, 1/f, hum): over
# this long, as noise that stays alike for about this long.
WANDER_MS = 10.0
_ALIKE_MS = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The blocks of traces of one rate, length and stimulus.

    ``size`` samples make a block, the first of which begins at sample ``first``; ``time_ms``
    (n_blocks,) is the middle of each, from the stimulus; ``step_ms`` their distance.
    """

    rate_hz: float
    size: int
    first: int
    time_ms: Floats
    step_ms: float


@lru_cache(maxsize=64)
def grid_of(n_samples: int, rate_hz: float, stimulus_index: int) -> Grid:
    """Give the grid of traces of one kind; blocks are counted from the stimulus."""
    size = max(1, round(BLOCK_MS * 1e-3 * rate_hz))
    before = min(stimulus_index, round(BEFORE_MS * 1e-3 * rate_hz)) // size
    after = min(n_samples - stimulus_index, round(AFTER_MS * 1e-3 * rate_hz) + 1) // size
    step = size / rate_hz * 1e3
    time = np.arange(-before, after, dtype=np.float64) * step + 0.5 * (size - 1) / rate_hz * 1e3
    return Grid(rate_hz, size, stimulus_index - before * size, time, step)


def holds_a_response(grid: Grid) -> bool:
    """Tell whether a departure that lasts can be told on a grid, and a mean moved over it."""
    least = max(_blocks_in(_SMOOTH_MS, grid), _blocks_in(_SUSTAINED_MS, grid) + 2)
    return grid.time_ms.size >= least


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """One trace as recorded, in mV, negative phase up, and the range of its converter."""

    samples_mv: Floats
    sampling_rate_hz: float
    stimulus_index: int
    range_mv: tuple[float, float] | None = None

    @property
    def kind(self) -> tuple[int, float, int]:
        """What traces share that can be computed together: length, rate, stimulus."""
        return self.samples_mv.size, self.sampling_rate_hz, self.stimulus_index

    @property
    def grid(self) -> Grid:
        """The blocks of traces of this kind."""
        return grid_of(*self.kind)

    @property
    def time_ms(self) -> Floats:
        """Time of each sample from the stimulus."""
        step = 1e3 / self.sampling_rate_hz
        return np.asarray((np.arange(self.samples_mv.size) - self.stimulus_index) * step)


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Traces without baseline and artefact, (n, n_blocks), and what was found in each, (n,).

    ``level_mv``, ``tail_mv``, ``drift_mv`` and ``tail_ms`` are what was taken away:
    ``level + (tail + drift * t) * exp(-t / tail_ms)``. ``noise_mv`` is the standard deviation of
    the quiet stretch, ``baseline_sd_mv`` that of the baseline itself; ``peak_mv`` is the negative
    peak, ``size_mv`` the largest size of either sign, ``end_mv`` the mean size of the last
    millisecond, ``wander_mv`` the smooth deviation over the last 10 ms;
    ``is_present`` says whether a response stands clear of the noise.
    """

    grid: Grid
    samples_mv: Floats
    level_mv: Floats
    tail_mv: Floats
    drift_mv: Floats
    tail_ms: Floats
    noise_mv: Floats
    baseline_sd_mv: Floats
    onset_ms: Floats
    peak_mv: Floats
    size_mv: Floats
    end_mv: Floats
    wander_mv: Floats
    is_present: Truths

    def take(self, rows: Integers) -> Responses:
        """Give some of them, in their order."""
        if rows.size == len(self.samples_mv):
            return self
        names = self.__slots__[1:]
        return Responses(self.grid, *(getattr(self, name)[rows] for name in names))

    def clean(self, row: int, samples_mv: Floats, time_ms: Floats) -> Floats:
        """Take baseline and artefact of one trace from its samples."""
        late = np.maximum(time_ms, 0.0)
        tail = np.where(time_ms > 0, np.exp(-late / self.tail_ms[row]), 0.0)
        artifact = (self.tail_mv[row] + self.drift_mv[row] * late) * tail
        return np.asarray(samples_mv - self.level_mv[row] - artifact)


# ------------------------------------------------------------------ baseline and artefact


@lru_cache(maxsize=64)
def _block_grid(grid: Grid) -> _kernels.BlockGrid:
    """Give the tables of a grid: quiet blocks, tails on them, and their normal equations.

    The term in ``t exp(-t / tail_ms)`` makes up for the coarse grid of tails.
    """
    time = grid.time_ms
    quiet = ((time < -0.15) | (time >= BLANKED_MS)).astype(np.float64)
    late = np.maximum(time, 0.0)
    tail = np.where(time > 0, np.exp(-late / _TAILS_MS[:, None]), 0.0)
    tails = np.stack((tail, tail * late), axis=1)
    one, other = tails.swapaxes(0, 1) * quiet
    basis = np.concatenate((quiet[None], one, other, np.zeros((1, time.size)))).T
    products = np.stack((one, other, one * one, one * other, other * other), axis=1)
    normal = np.zeros((time.size + 1, 1 + products.shape[0] * products.shape[1]))
    normal[1:, 0] = np.cumsum(quiet)
    normal[1:, 1:] = np.cumsum(products.reshape(-1, time.size), axis=1).T
    wholes = np.array([grid.size, grid.first, time.size, *_spans(grid)], dtype=np.int64)
    return _kernels.BlockGrid(wholes, time, basis.copy(), normal, tails, BLANKED_MS)


def _spans(grid: Grid) -> tuple[int, ...]:
    """Give the blocks over which ``clean.c`` looks, in the order of its grid."""
    about = grid.time_ms[1:-1]

    def until(ms: float, side: Literal["left", "right"] = "left") -> int:
        return int(np.searchsorted(about, ms, side=side))

    last, wander = (min(max(2, _blocks_in(ms, grid)), grid.time_ms.size) for ms in (1.0, WANDER_MS))
    end = until(LONGEST_PULSE_MS)
    return (
        _blocks_in(_SMOOTH_MS, grid),
        _blocks_in(_SUSTAINED_MS, grid),
        int(np.searchsorted(grid.time_ms, BLANKED_MS)),
        until(BLANKED_MS - 0.2, "right"),
        end,
        until(-0.3, "right"),
        end,
        until(LONGEST_PULSE_MS + 0.5),
        last,
        wander,
    )


def _blocks_in(span_ms: float, grid: Grid) -> int:
    return max(1, round(span_ms / grid.step_ms))


def clean(rows: _kernels.Rows, grid: Grid, after_ms: Floats) -> Responses:
    """Remove baseline and artefact and find the response of each trace after its `after_ms`.

    The steps are those of ``_kernels/clean.c``: what a long pulse leaves is covered; a level and,
    where it is significant, a decaying tail are fitted to the quiet stretch, which is lengthened
    to the foot of the response that is found without them.
    """
    cleaned, found = _kernels.clean(rows, _block_grid(grid), after_ms)
    level, tail, drift, place, noise, level_sd, onset, peak, size, end, wander, is_there = found.T
    return Responses(
        grid,
        cleaned,
        level,
        tail,
        drift,
        _TAILS_MS[place.astype(np.int64)],
        noise,
        level_sd,
        onset,
        peak,
        size,
        end,
        wander,
        is_there == 1.0,
    )


# ------------------------------------------------------------------ spectra


@lru_cache(maxsize=32)
def _waves(grid: Grid) -> _kernels.Waves:
    """Give cosines and negative sines at 71 frequencies, interleaved, and two zeros."""
    count = 2 * N_FREQUENCIES - 1
    time = np.append(grid.time_ms, grid.time_ms[-1] + grid.step_ms)
    angle = 2e-3 * np.pi * STEP_HZ * np.arange(count)
    # The mean over a block has lost a little at high frequency.
    turn = np.pi * STEP_HZ * np.arange(count) / grid.rate_hz
    lost = np.ones(count)
    lost[1:] = np.sin(grid.size * turn[1:]) / (grid.size * np.sin(turn[1:]))
    waves = np.exp(-1j * time[:, None] * angle) * (grid.step_ms / lost)
    # What lies between two blocks is a geometric series.
    sums = np.zeros(count, dtype=np.complex128)
    sums[1:] = 1.0 / (1.0 - np.exp(-1j * grid.step_ms * angle[1:]))
    turns = np.arange(grid.time_ms.size // 2 + 1)[:, None] * grid.step_ms * angle[:N_FREQUENCIES]
    return _kernels.Waves(
        np.pad(waves.view(np.float64), ((0, 0), (0, 2))),
        np.pad(sums.view(np.float64), (0, 2)),
        np.concatenate((np.cos(turns), np.sin(turns)), axis=1),
    )


# Of noise that stays alike for a while, the share at each frequency.
_SLOW: Floats = 1.0 / (1.0 + (2e-3 * np.pi * FREQUENCY_HZ * _ALIKE_MS) ** 2)


_WINDOWS = _kernels.Windows(
    np.array(
        [FOOT_MS, RISE_MS, FALL_MS, LONGEST_RESPONSE_MS, _ALIKE_MS, _ROUNDING, STEP_HZ * 1e-3]
    ),
    _SLOW,
)


def _side(of: Responses) -> _kernels.Side:
    found = np.stack((of.onset_ms, of.noise_mv, of.baseline_sd_mv, of.wander_mv))
    grid = of.grid
    return _kernels.Side(grid.step_ms, grid.time_ms, _waves(grid), of.samples_mv, found)


def spectra(distal: Responses, proximal: Responses) -> Spectra:
    """Window the responses of many pairs and give them on the frequency grid, with their noise."""
    found = _kernels.spectra(_side(distal), _side(proximal), _WINDOWS)
    near, aligned, far, cut = (one.view(np.complex128) for one in (*found[:3], found[5]))
    return Spectra(near, aligned, far, found[3], found[4], cut, found[6])

"""The functions of the kernel that estimate block from pairs of responses.

Their tables and settings are made in :mod:`ncs_cb.dispersion`; arrays lead with the pair, real and
imaginary parts alternate. Every pair is computed by itself, and every build gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels import facts
from ncs_cb._kernels.library import Given, address, call

Numbers = NDArray[np.float64]
Wholes = NDArray[np.int64]

# Real and imaginary parts alternate; a window is cut off at twice as many frequencies, less one.
_PARTS = 2 * facts.FREQUENCIES
_CUT = 2 * _PARTS - 2
_REAL = np.dtype(np.float32), np.dtype(np.float64)


def _numbers(array: Numbers, size: int) -> Given:
    return np.ascontiguousarray(array), np.float64, size


def _wholes(array: Wholes, size: int) -> Given:
    return np.ascontiguousarray(array), np.int64, size


@dataclass(frozen=True, slots=True, eq=False)
class BlockGrid:
    """What traces of one rate, length and stimulus share, as ``clean.c`` takes it.

    ``wholes`` are the thirteen whole numbers of its ``BlockGrid``, in order; ``time_ms`` (n,),
    ``basis`` (n, 8), ``normal`` (n + 1, 16) and ``tails`` (3, 2, n) its tables.
    """

    wholes: Wholes
    time_ms: Numbers
    basis: Numbers
    normal: Numbers
    tails: Numbers
    blanked_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Traces of one length, read where they lie: ``held`` keeps them there."""

    held: Sequence[NDArray[Any]]
    places: Wholes
    doubles: Wholes
    n_samples: int

    def take(self, rows: Wholes) -> Rows:
        """Give some of them."""
        return Rows(self.held, self.places[rows], self.doubles[rows], self.n_samples)

    @property
    def given(self) -> tuple[Given, Given, Given]:
        """Their number, where each lies, and of which kind it is."""
        n = len(self.places)
        return n, _wholes(self.places, n), _wholes(self.doubles, n)


def rows_of(samples: Iterable[NDArray[Any]]) -> Rows:
    """Give traces of one length as rows for the kernel."""
    held, places, doubles = _where(samples, fewest=0)
    size = held[0].size
    if any(one.size != size for one in held):
        raise ValueError("rows are traces of one length")
    return Rows(held, places, doubles, size)


def _where(
    samples: Iterable[NDArray[Any]], *, fewest: int
) -> tuple[list[NDArray[Any]], Wholes, Wholes]:
    """Give traces in one piece each, where they lie, and which of them are float64.

    Those that are neither float32 nor float64 are copied.
    """
    held = [
        np.ascontiguousarray(one if one.dtype in _REAL else one.astype(np.float64))
        for one in samples
    ]
    doubles = [one.dtype == _REAL[1] for one in held]
    places = [
        address(one, np.float64 if wide else np.float32, fewest)
        for one, wide in zip(held, doubles, strict=True)
    ]
    return held, np.array(places, dtype=np.int64), np.array(doubles, dtype=np.int64)


def look(rows: Rows, first: int, which: str = "") -> Numbers:
    """Look at traces (``clean.c``).

    Returns
    -------
    ndarray of shape (n, 4)
        Lowest and highest sample from `first` on, the more often of both, and whether all samples
        are finite; where they are not, or none is left, the others are 0.
    """
    found, work = np.empty((len(rows.places), 4)), np.empty(rows.n_samples)
    call(
        "look",
        which,
        *rows.given,
        rows.n_samples,
        first,
        _numbers(work, work.size),
        _numbers(found, found.size),
    )
    return found


def clean(
    rows: Rows, grid: BlockGrid, after_ms: Numbers, which: str = ""
) -> tuple[Numbers, Numbers]:
    """Take baseline and artefact from traces and find where each responds (``clean.c``).

    Parameters
    ----------
    rows : Rows
        Finite traces [mV].
    grid : BlockGrid
    after_ms : ndarray of shape (n,)
        No response begins before.
    which : str, optional
        The build to use.

    Returns
    -------
    tuple of ndarray
        Blocks (n, n_blocks), and what was found (n, 12): level, tail, drift, place of the tail,
        noise, standard deviation of the level, onset, peak, size, end, wander, whether there is a
        response.
    """
    n, (size, first, blocks, width, sustained) = len(rows.places), grid.wholes[:5].tolist()
    if blocks < width or blocks < sustained + 2 or first < 0:
        raise ValueError(f"{blocks} blocks are too few to clean a trace")
    if first + size * blocks > rows.n_samples:
        raise ValueError(f"{blocks} blocks of {size} do not fit into {rows.n_samples} samples")
    cleaned, found, work = np.empty((n, blocks)), np.empty((n, facts.FOUND)), np.empty(2 * blocks)
    call(
        "clean",
        which,
        *rows.given,
        _wholes(grid.wholes, 13),
        _numbers(grid.time_ms, blocks),
        _numbers(grid.basis, 8 * blocks),
        _numbers(grid.normal, 16 * (blocks + 1)),
        _numbers(grid.tails, 6 * blocks),
        float(grid.blanked_ms),
        _numbers(after_ms, n),
        _numbers(work, work.size),
        _numbers(cleaned, cleaned.size),
        _numbers(found, found.size),
    )
    return cleaned, found


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """Waves of 71 frequencies on the n blocks of a grid, as ``spectra.c`` takes them.

    ``waves`` (n + 1, 144) are cosines and negative sines, times the distance of blocks; ``sums``
    (144,) turns the difference of two of them into the sum of those between; ``turns``
    (n / 2 + 1, 72) are cosines and sines, at 36 frequencies, of as many blocks.
    """

    waves: Numbers
    sums: Numbers
    turns: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Responses of one grid, as ``spectra.c`` takes them.

    Distance and middle of the n blocks, waves on them, blocks ``samples`` of every response, and
    ``found`` (4, n_pairs): onset, noise, standard deviation of the level, wander.
    """

    step_ms: float
    time_ms: Numbers
    waves: Waves
    samples: Numbers
    found: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """How windows begin and end, and what noise is made of: seven numbers, and (36,) shares."""

    numbers: Numbers
    slow: Numbers


def spectra(near: Side, far: Side, windows: Windows, which: str = "") -> tuple[Numbers, ...]:
    """Window the responses of pairs and give them on the frequency grid (``spectra.c``).

    Parameters
    ----------
    near, far : Side
        Distal and proximal responses.
    windows : Windows
    which : str, optional
        The build to use.

    Returns
    -------
    tuple of ndarray
        Distal, aligned distal and proximal spectra (n, 72), noise of both (n, 36), transform of
        the window of the proximal one (n, 142), and evidence (n,).
    """
    n = len(near.samples)
    sizes = [_PARTS] * 3 + [facts.FREQUENCIES] * 2 + [_CUT]
    out = (*(np.empty((n, size)) for size in sizes), np.empty(n))
    work = np.empty(3 * max(near.time_ms.size, far.time_ms.size) + 2)
    sides: list[Given] = []
    for one in (near, far):
        blocks = one.time_ms.size
        sides += [
            blocks,
            float(one.step_ms),
            _numbers(one.time_ms, blocks),
            _numbers(one.waves.waves, (blocks + 1) * 2 * _PARTS),
            _numbers(one.waves.sums, 2 * _PARTS),
            _numbers(one.waves.turns, (blocks // 2 + 1) * _PARTS),
            _numbers(one.samples, n * blocks),
            _numbers(one.found, 4 * n),
        ]
    call(
        "spectra",
        which,
        n,
        *sides,
        _numbers(windows.numbers, 7),
        _numbers(windows.slow, facts.FREQUENCIES),
        _numbers(work, work.size),
        *(_numbers(one, one.size) for one in out),
    )
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """A library of trial distributions, as ``screen.c`` takes them.

    ``centered`` (n / 4, 18, 2, 4) and ``power`` (n / 4, 18, 4) of n trials, four of them side by
    side; ``edges`` bound the kinds; ``low`` (16, n_coarse) is what agrees at each coarse delay,
    filled up to a multiple of 4;
    ``coarse`` (n_coarse, 18, 2) turns back by each delay, ``fine`` (2, 18, 8) are cosines and
    sines of those beyond the middle one; ``tied`` (18,) is the error that ``grain``, a square,
    allows; no more than ``most`` arrives.
    """

    centered: Numbers
    power: Numbers
    edges: Wholes
    low: Numbers
    coarse: Numbers
    fine: Numbers
    tied: Numbers
    grain: float
    most: float


def screen(
    spectra: Sequence[Numbers], trials: Trials, which: str = ""
) -> tuple[Wholes, Numbers, Wholes, Wholes]:
    """Find the cheapest trial of each kind (``screen.c``).

    Parameters
    ----------
    spectra : five arrays of float64
        Distal, aligned distal and proximal spectra (n, 72), noise of both (n, 36).
    trials : Trials
    which : str, optional
        The build to use.

    Returns
    -------
    tuple of ndarray
        For each kind (n, n_kinds) the trial and the mass that suits it; the coarse delay (n,);
        and for each kind the fine one (n, n_kinds).
    """
    n, kinds = len(spectra[0]), len(trials.edges) - 1
    count, coarse = facts.LANES * len(trials.power), len(trials.coarse)
    edges = trials.edges
    if count > facts.MOST_TRIALS or edges[0] < 0 or edges[-1] > count or (np.diff(edges) < 1).any():
        raise ValueError(f"{count} trials, bounded by {edges.tolist()}, cannot be screened")
    pick, fine = np.zeros((2, n, kinds), dtype=np.int64)
    at, mass = np.zeros(n, dtype=np.int64), np.zeros((n, kinds))
    sizes = [n * _PARTS] * 3 + [n * facts.FREQUENCIES] * 2
    call(
        "screen",
        which,
        n,
        *map(_numbers, spectra, sizes),
        count,
        _numbers(trials.centered, count * facts.TRIED * 2),
        _numbers(trials.power, count * facts.TRIED),
        kinds,
        _wholes(edges, kinds + 1),
        coarse,
        _numbers(trials.low, 2 * facts.LOW_BAND * (coarse + -coarse % facts.LANES)),
        _numbers(trials.coarse, coarse * facts.TRIED * 2),
        _numbers(trials.fine, facts.DELAYS // 2 * facts.TRIED * 2),
        _numbers(trials.tied, facts.TRIED),
        float(trials.grain),
        float(trials.most),
        _wholes(pick, n * kinds),
        _numbers(mass, n * kinds),
        _wholes(at, n),
        _wholes(fine, n * kinds),
    )
    return pick, mass, at, fine


def refine(
    kinds: Sequence[NDArray[Any]],
    spectra: Sequence[NDArray[np.float64]],
    setting: Sequence[NDArray[np.float64]],
    rounds: int,
    which: str = "",
) -> tuple[NDArray[Any], ...]:
    """Refine the delay distributions of pairs of responses (``refine.c``).

    Parameters
    ----------
    kinds : three arrays
        Parameters (n, k, 6), shape (n, k) as int64, what is not fitted (n, k, 6) as bool.
    spectra : six arrays of float64
        Distal and proximal spectra (n, 72), their noise (n, 36), transform of the window of the
        proximal one (n, 142), evidence (n,); real and imaginary parts alternate.
    setting : seven arrays of float64
        Radians per ms (36,), limits, priors (6,), squares of grains (3,), tied errors (3, 36).
    rounds : int
        Steps before the worst kinds are dropped, and after.
    which : str, optional
        The build to use.

    Returns
    -------
    tuple of ndarray
        Parameters (n, 4, 6) and places among the kinds (n, 4) of the best; for every grain
        (n, 3, 4) evidence, pivot of the mass, misfit; and what each leaves of the proximal
        spectrum (n, 4, 72).
    """
    n, k, _ = kinds[0].shape
    if not facts.KEPT_KINDS <= k <= facts.MOST_KINDS:
        raise ValueError(f"{k} kinds; from {facts.KEPT_KINDS} to {facts.MOST_KINDS} can be refined")
    theta, shape, fixed = kinds
    parameters, grains, left = facts.PARAMETERS, facts.GRAINS, facts.KEPT_KINDS
    of_pair = [_PARTS, _PARTS, facts.FREQUENCIES, facts.FREQUENCIES, _CUT, 1]
    of_all = [facts.FREQUENCIES, *[parameters] * 4, grains, grains * facts.FREQUENCIES]
    kept, place = np.zeros((n, left, parameters)), np.zeros((n, left), dtype=np.int64)
    weighed, error = np.zeros((3, n, grains, left)), np.zeros((n, left, _PARTS))
    call(
        "refine",
        which,
        n,
        k,
        _numbers(theta, n * k * parameters),
        _wholes(shape, n * k),
        (np.ascontiguousarray(fixed), np.bool_, n * k * parameters),
        *(_numbers(one, n * size) for one, size in zip(spectra, of_pair, strict=True)),
        *map(_numbers, setting, of_all),
        rounds,
        _numbers(kept, kept.size),
        _wholes(place, place.size),
        *(_numbers(one, one.size) for one in weighed),
        _numbers(error, error.size),
    )
    return kept, place, *weighed, error


@dataclass(frozen=True, slots=True)
class Lags:
    """How responses are binned and delayed for their shapes (``shape.c``).

    ``n_bins`` of ``width_ms`` are compared, over delays of up to ``n_lags`` bins in steps of
    ``step``; before the bin ``quiet`` there is no response; the fit takes so many ``rounds``.
    """

    width_ms: float
    n_lags: int
    n_bins: int
    quiet: int
    step: int
    rounds: int

    @property
    def filled(self) -> int:
        """Lags, filled up to what is summed side by side."""
        lags = self.n_lags // self.step + 2
        return lags + -lags % facts.LAGS_FILLED


def bins(
    samples: Sequence[NDArray[Any]],
    baseline_mv: Numbers,
    step_ms: Numbers,
    first: Numbers,
    lags: Lags,
    which: str = "",
) -> Numbers:
    """Give means over the bins of a shape, (n, n_lags + n_bins); 0 off the sweep.

    Parameters
    ----------
    samples : sequence of ndarray [mV]
        Each of its own length.
    baseline_mv, step_ms, first : ndarray of shape (n,)
        What is taken off; from one sample to the next; where the first bin begins, in samples,
        which need not be whole.
    lags : Lags
    which : str, optional
        The build to use.
    """
    n, length = len(samples), lags.n_lags + lags.n_bins
    held, places, doubles = _where(samples, fewest=1)
    sizes = np.array([one.size for one in held], dtype=np.int64)
    found, work = np.empty((n, length)), np.empty(int(sizes.max(initial=0)) + 1)
    call(
        "bins",
        which,
        n,
        _wholes(places, n),
        _wholes(doubles, n),
        _wholes(sizes, n),
        _numbers(baseline_mv, n),
        _numbers(step_ms, n),
        _numbers(first, n),
        float(lags.width_ms),
        length,
        _numbers(work, work.size),
        _numbers(found, found.size),
    )
    return found


def correlate(
    binned: Numbers, lags: Lags, near: Wholes, far: Wholes, compared: Wholes, which: str = ""
) -> Numbers:
    """Fit delayed copies of responses to others (``shape.c``).

    Parameters
    ----------
    binned : ndarray of shape (n_responses, n_lags + n_bins)
    lags : Lags
    near, far, compared : ndarray of int64, shape (n,)
        Rows of `binned`: what is delayed, and what it is fitted to; over so many bins.
    which : str, optional
        The build to use.

    Returns
    -------
    ndarray of shape (n, 3)
        Squares of what is left, of the shares, and of what was fitted.
    """
    n, filled, length = len(near), lags.filled, lags.n_lags + lags.n_bins
    for rows in (near, far):
        if n and not 0 <= rows.min() <= rows.max() < len(binned):
            raise IndexError("a row is named that was not binned")
    if n and not 0 <= compared.min() <= compared.max() <= lags.n_bins:
        raise ValueError(f"at most {lags.n_bins} bins can be compared")
    cells = (filled + 2 * lags.step + 4) * filled
    work = np.empty(cells + length + 2 * lags.n_bins + lags.rounds)
    found = np.empty((n, 3))
    call(
        "correlate",
        which,
        n,
        _numbers(binned, len(binned) * length),
        lags.n_lags,
        lags.n_bins,
        lags.quiet,
        lags.step,
        filled,
        lags.rounds,
        _wholes(near, n),
        _wholes(far, n),
        _wholes(compared, n),
        _numbers(work, work.size),
        _wholes(np.empty(filled, dtype=np.int64), filled),
        _numbers(found, found.size),
    )
    return found

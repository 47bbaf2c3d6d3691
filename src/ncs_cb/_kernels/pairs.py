"""The functions of the kernel that estimate block from pairs of responses.

Their tables and settings are made in :mod:`ncs_cb.dispersion`; arrays lead with the pair, real and
imaginary parts alternate. Every pair is computed by itself, and every build gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels.library import Given, call

Numbers = NDArray[np.float64]
Wholes = NDArray[np.int64]

_FREQUENCIES, _PARTS = 36, 72
_TRIED, _FINE, _MOST_TRIALS = 18, 17, 512
_KEPT_KINDS, _MOST_KINDS, _GRAINS = 4, 16, 3


def _numbers(array: Numbers, size: int) -> Given:
    return np.ascontiguousarray(array), np.float64, size


def _wholes(array: Wholes, size: int) -> Given:
    return np.ascontiguousarray(array), np.int64, size


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """A library of trial distributions, as ``screen.c`` takes them.

    ``centered`` (n / 4, 18, 2, 4) and ``power`` (n / 4, 18, 4) of n trials, four of them side by
    side; ``edges`` bound the kinds; ``low`` (16, n_coarse) is what agrees at each coarse delay,
    filled up to a multiple of 4;
    ``coarse`` (n_coarse, 18, 2) and ``fine`` (17, 18, 2) turn back by each delay; ``tied`` (18,)
    is the error that ``grain``, a square, allows; no more than ``most`` arrives.
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
    count, coarse = 4 * len(trials.power), len(trials.coarse)
    edges = trials.edges
    if count > _MOST_TRIALS or edges[0] < 0 or edges[-1] > count or (np.diff(edges) < 1).any():
        raise ValueError(f"{count} trials, bounded by {edges.tolist()}, cannot be screened")
    pick, fine = np.zeros((2, n, kinds), dtype=np.int64)
    at, mass = np.zeros(n, dtype=np.int64), np.zeros((n, kinds))
    sizes = [n * _PARTS] * 3 + [n * _FREQUENCIES] * 2
    call(
        "screen",
        which,
        n,
        *map(_numbers, spectra, sizes),
        count,
        _numbers(trials.centered, count * _TRIED * 2),
        _numbers(trials.power, count * _TRIED),
        kinds,
        _wholes(edges, kinds + 1),
        coarse,
        _numbers(trials.low, 16 * (coarse + -coarse % 4)),
        _numbers(trials.coarse, coarse * _TRIED * 2),
        _numbers(trials.fine, _FINE * _TRIED * 2),
        _numbers(trials.tied, _TRIED),
        trials.grain,
        trials.most,
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
    if not _KEPT_KINDS <= k <= _MOST_KINDS:
        raise ValueError(f"{k} kinds; from {_KEPT_KINDS} to {_MOST_KINDS} can be refined")
    theta, shape, fixed = kinds
    of_pair = [_PARTS, _PARTS, _FREQUENCIES, _FREQUENCIES, 2 * (_PARTS - 1), 1]
    of_all = [_FREQUENCIES, 6, 6, 6, 6, _GRAINS, _GRAINS * _FREQUENCIES]
    kept, place = np.zeros((n, _KEPT_KINDS, 6)), np.zeros((n, _KEPT_KINDS), dtype=np.int64)
    weighed = np.zeros((3, n, _GRAINS, _KEPT_KINDS))
    error = np.zeros((n, _KEPT_KINDS, _PARTS))
    call(
        "refine",
        which,
        n,
        k,
        _numbers(theta, n * k * 6),
        _wholes(shape, n * k),
        (np.ascontiguousarray(fixed), np.bool_, n * k * 6),
        *(_numbers(one, n * size) for one, size in zip(spectra, of_pair, strict=True)),
        *map(_numbers, setting, of_all),
        rounds,
        _numbers(kept, kept.size),
        _wholes(place, place.size),
        *(_numbers(one, one.size) for one in weighed),
        _numbers(error, error.size),
    )
    return kept, place, *weighed, error

"""Where to begin: a coarse library of delay distributions, tried on every pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb import _kernels
from ncs_cb._kernels import facts
from ncs_cb.dispersion.deconvolution import (
    BLUR,
    DELAY,
    EXPONENTIAL,
    GAP,
    LATE,
    SCALE,
    UNIFORM,
    WIDTH,
    Complexes,
    Floats,
    Integers,
    Kinds,
    Spectra,
    moments,
    tied,
    transfer,
    turned,
)

TRIED = slice(0, None, 2)
"""Every other frequency: the trials differ smoothly."""
LOW_BAND = slice(0, facts.LOW_BAND)
"""Tells about which delay to look."""
COARSE_MS = np.arange(0.0, 45.0, 0.2)
FINE_MS = np.arange(-4.0, 4.01, 0.5)
"""Delays that are tried: of all, then about the best of them, as far before it as after."""
GRAIN, MOST = 0.1, 1.3
"""Ripple of a pool, and the mass that counts at most for how sure a spectrum is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Library:
    """Trial distributions around their mean, sorted by kind, and what the kernel needs of them."""

    theta: Floats
    shape: Integers
    mean_ms: Floats
    trials: _kernels.Trials


def _trials() -> list[tuple[float, float, float, float, int, int]]:
    """List blur, late, gap, width, shape and kind of the trial distributions."""
    rows: list[tuple[float, float, float, float, int, int]] = [
        (blur, 0.0, 0.0, 1.0, UNIFORM, 0) for blur in (0.0, 0.02, 0.06, 0.15, 0.3, 0.6, 1.0, 1.6)
    ]
    gaps = (1.0, 1.6, 2.3, 3.0, 4.0, 5.2, 6.8, 8.6, 11.0, 14.0)
    for blur in (0.0, 0.4):
        for late in (0.2, 0.4, 0.6, 0.8, 1.0):
            kind = 1 if late < 0.5 else 2
            for width in (1.0, 2.0, 3.5, 5.5, 8.0, 11.0, 15.0):
                rows.append((blur, late, 0.0, width, UNIFORM, kind))
                rows.append((blur, late, 0.0, width / 3.0, EXPONENTIAL, kind + 2))
        for late in (0.15, 0.35, 0.55, 0.8):
            for gap in gaps:
                kind = 5 + int(np.searchsorted((2.2, 4.6, 8.5), gap))
                rows.append((blur, late, gap, 0.16 * gap + 0.3, UNIFORM, kind))
    return sorted(rows, key=lambda row: row[-1])


def _parts(waves: Complexes) -> Floats:
    return np.stack((waves.real, waves.imag), axis=-1)


def _side_by_side(values: Floats) -> Floats:
    """Put what belongs to four trials side by side, (n / 4, ..., 4)."""
    return np.moveaxis(values.reshape(-1, facts.LANES, *values.shape[1:]), 1, -1).copy()


def trials() -> tuple[Floats, Integers, Floats, Integers]:
    """Give the trial distributions, sorted by kind.

    Returns
    -------
    tuple of ndarray
        Parameters (n_trials, 6) and shape of each; its mean delay [ms]; where each kind begins,
        and the end.
    """
    table = np.array(_trials())
    theta = np.zeros((len(table), 6))
    theta[:, SCALE] = 1.0
    theta[:, [BLUR, LATE, GAP, WIDTH]] = table[:, :4]
    shape = table[:, 4].astype(np.int64)
    starts = np.flatnonzero(np.diff(table[:, 5], prepend=-1.0))
    return theta, shape, moments(theta, shape)[0], np.append(starts, len(table))


@cache
def _library() -> _Library:
    """Give the trial distributions, made once: coarse, because the best are refined."""
    theta, shape, mean, edges = trials()
    centered = (transfer(theta, shape) * np.conj(turned(mean)))[:, TRIED]
    back = np.conj(turned(COARSE_MS))
    more = np.conj(turned(FINE_MS[FINE_MS > 0.0]))[:, TRIED].T
    low = _parts(back[:, LOW_BAND]) * (1.0, -1.0)
    given = _kernels.Trials(
        _side_by_side(_parts(centered)),
        _side_by_side(np.abs(centered) ** 2),
        edges,
        np.pad(low.reshape(len(low), -1).T, ((0, 0), (0, -len(low) % facts.LANES))),
        _parts(back[:, TRIED]),
        np.stack((more.real, more.imag)),
        tied(GRAIN**2)[TRIED].copy(),
        GRAIN**2,
        MOST,
    )
    return _Library(theta, shape, mean, given)


def screen(pair: Spectra, limits: tuple[Floats, Floats]) -> Kinds:
    """Give the best trial distributions of each pair, one of a kind, with own scale and delay.

    The steps are those of ``_kernels/screen.c``: the low band of the cross spectrum tells about
    which delay to look, and each trial is given the mass and delay that suit it best.
    """
    library = _library()
    spectra = [one.view(np.float64) for one in (pair.distal, pair.aligned, pair.proximal)]
    pick, mass, coarse, fine = _kernels.screen(
        [*spectra, pair.distal_noise, pair.proximal_noise], library.trials
    )
    theta = library.theta[pick]
    theta[..., SCALE] = mass
    theta[..., DELAY] = COARSE_MS[coarse, None] + FINE_MS[fine] - library.mean_ms[pick]
    fixed = np.zeros(theta.shape, dtype=bool)
    fixed[..., GAP] = theta[..., GAP] == 0.0
    fixed[..., LATE] = fixed[..., WIDTH] = theta[..., LATE] == 0.0
    return Kinds(np.clip(theta, *limits), library.shape[pick], fixed)

"""Where to begin: a coarse library of delay distributions, tried on every pair at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb.dispersion.deconvolution import (
    BLUR,
    DELAY,
    EXPONENTIAL,
    GAP,
    LATE,
    SCALE,
    STEEP,
    UNIFORM,
    WIDTH,
    Complexes,
    Floats,
    Integers,
    Kinds,
    Spectra,
    expected,
    moments,
    transfer,
    turned,
)

# Every other frequency: the trials differ smoothly.
_TRIED = slice(0, None, 2)
_LOW_BAND = slice(0, 8)
_COARSE_MS = np.arange(0.0, 45.0, 0.2)
_FINE_MS = np.arange(-4.0, 4.01, 0.5)
_GRAIN = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Library:
    """Trial distributions around their mean, sorted by kind; ``edges`` bound the kinds.

    ``centered`` (n_trials, n_frequencies, 2) holds real and imaginary parts.
    """

    theta: Floats
    shape: Integers
    mean_ms: Floats
    centered: Floats
    power: Floats
    edges: Integers


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


@cache
def _library() -> _Library:
    """Give the trial distributions, made once: coarse, because the best are refined."""
    table = np.array(_trials())
    theta = np.zeros((len(table), 6))
    theta[:, SCALE] = 1.0
    theta[:, [BLUR, LATE, GAP, WIDTH]] = table[:, :4]
    shape = table[:, 4].astype(np.int64)
    mean, _ = moments(theta, shape)
    centered = (transfer(theta, shape) * np.conj(turned(mean)))[:, _TRIED]
    starts = np.flatnonzero(np.diff(table[:, 5], prepend=-1.0))
    edges = np.append(starts, len(table))
    parts = np.stack((centered.real, centered.imag), axis=2)
    return _Library(theta, shape, mean, parts, np.abs(centered) ** 2, edges)


def _delays(cross: Complexes) -> Floats:
    """Give the delays to try, (n, n_delays): about the one at which the low band agrees best."""
    waves = _low_waves()
    low = np.ascontiguousarray(cross[:, None, _LOW_BAND]).view(np.float64)
    score = (low @ waves)[:, 0]
    return np.asarray(_COARSE_MS[score.argmax(axis=1)][:, None] + _FINE_MS)


@cache
def _low_waves() -> Floats:
    wave = np.conj(turned(_COARSE_MS))[:, _LOW_BAND]
    return np.stack((wave.real, -wave.imag), axis=2).reshape(len(wave), -1).T.copy()


def screen(pair: Spectra, limits: tuple[Floats, Floats]) -> Kinds:
    """Give the best trial distributions of each pair, one of a kind, with own scale and delay."""
    trial = _library()
    cross = np.conj(pair.aligned) * pair.proximal
    power, sent = np.abs(pair.aligned) ** 2, np.abs(pair.proximal) ** 2
    delays = _delays(cross)
    scale = np.sqrt(sent[:, _LOW_BAND].sum(axis=1) / power[:, _LOW_BAND].sum(axis=1))
    tried = _only_tried(pair)
    deviation = expected(np.minimum(scale, 1.3)[:, None], trial.power, _GRAIN, tried, STEEP[_TRIED])
    certainty = 1.0 / deviation
    weighted = (trial.centered * certainty[..., None]).reshape(*certainty.shape[:2], -1)
    turns = (np.conj(turned(delays)) * cross[:, None])[:, :, _TRIED]
    match = weighted @ np.ascontiguousarray(turns).view(np.float64).swapaxes(1, 2)
    best = match.argmax(axis=2)
    top = np.maximum(np.take_along_axis(match, best[..., None], axis=2)[..., 0], 0.0)
    size = ((trial.power * certainty) @ power[:, _TRIED, None])[..., 0]
    rest = (certainty @ sent[:, _TRIED, None])[..., 0]
    cost = rest - top**2 / size - np.log(certainty).sum(axis=2)
    return _starts(trial, cost, top / size, np.take_along_axis(delays, best, axis=1), limits)


def _only_tried(pair: Spectra) -> Spectra:
    return Spectra(
        pair.distal[:, _TRIED],
        pair.aligned[:, _TRIED],
        pair.proximal[:, _TRIED],
        pair.distal_noise[:, _TRIED],
        pair.proximal_noise[:, _TRIED],
        pair.cut,
        pair.evidence,
    )


def _starts(
    trial: _Library, cost: Floats, scale: Floats, delay: Floats, limits: tuple[Floats, Floats]
) -> Kinds:
    """Give the cheapest trial of each kind."""
    bounds = zip(trial.edges[:-1], trial.edges[1:], strict=True)
    pick = np.stack([low + cost[:, low:high].argmin(axis=1) for low, high in bounds], axis=1)
    theta = trial.theta[pick]
    theta[..., SCALE] = np.take_along_axis(scale, pick, axis=1)
    theta[..., DELAY] = np.take_along_axis(delay, pick, axis=1) - trial.mean_ms[pick]
    fixed = np.zeros(theta.shape, dtype=bool)
    fixed[..., GAP] = theta[..., GAP] == 0.0
    fixed[..., LATE] = fixed[..., WIDTH] = theta[..., LATE] == 0.0
    return Kinds(np.clip(theta, *limits), trial.shape[pick], fixed)

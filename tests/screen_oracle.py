"""Where to begin: a coarse library of delay distributions, tried on every pair at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb.dispersion.deconvolution import (
    DELAY,
    GAP,
    LATE,
    SCALE,
    STEEP,
    WIDTH,
    Complexes,
    Floats,
    Integers,
    Kinds,
    Spectra,
    transfer,
    turned,
)
from ncs_cb.dispersion.screening import (
    COARSE_MS,
    FINE_MS,
    GRAIN,
    LOW_BAND,
    MOST,
    TRIED,
    trials,
)
from refine_oracle import expected


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


@cache
def _library() -> _Library:
    theta, shape, mean, edges = trials()
    centered = (transfer(theta, shape) * np.conj(turned(mean)))[:, TRIED]
    parts = np.stack((centered.real, centered.imag), axis=2)
    return _Library(theta, shape, mean, parts, np.abs(centered) ** 2, edges)


def _delays(cross: Complexes) -> Floats:
    """Give the delays to try, (n, n_delays): about the one at which the low band agrees best."""
    waves = _low_waves()
    low = np.ascontiguousarray(cross[:, None, LOW_BAND]).view(np.float64)
    score = (low @ waves)[:, 0]
    return np.asarray(COARSE_MS[score.argmax(axis=1)][:, None] + FINE_MS)


@cache
def _low_waves() -> Floats:
    wave = np.conj(turned(COARSE_MS))[:, LOW_BAND]
    return np.stack((wave.real, -wave.imag), axis=2).reshape(len(wave), -1).T.copy()


def screen(pair: Spectra, limits: tuple[Floats, Floats]) -> Kinds:
    """Give the best trial distributions of each pair, one of a kind, with own scale and delay."""
    trial = _library()
    cross = np.conj(pair.aligned) * pair.proximal
    power, sent = np.abs(pair.aligned) ** 2, np.abs(pair.proximal) ** 2
    delays = _delays(cross)
    scale = np.sqrt(sent[:, LOW_BAND].sum(axis=1) / power[:, LOW_BAND].sum(axis=1))
    tried = _only_tried(pair)
    deviation = expected(np.minimum(scale, MOST)[:, None], trial.power, GRAIN, tried, STEEP[TRIED])
    certainty = 1.0 / deviation
    weighted = (trial.centered * certainty[..., None]).reshape(*certainty.shape[:2], -1)
    turns = (np.conj(turned(delays)) * cross[:, None])[:, :, TRIED]
    match = weighted @ np.ascontiguousarray(turns).view(np.float64).swapaxes(1, 2)
    best = match.argmax(axis=2)
    top = np.maximum(np.take_along_axis(match, best[..., None], axis=2)[..., 0], 0.0)
    size = ((trial.power * certainty) @ power[:, TRIED, None])[..., 0]
    rest = (certainty @ sent[:, TRIED, None])[..., 0]
    cost = rest - top**2 / size - np.log(certainty).sum(axis=2)
    return _starts(trial, cost, top / size, np.take_along_axis(delays, best, axis=1), limits)


def _only_tried(pair: Spectra) -> Spectra:
    return Spectra(
        pair.distal[:, TRIED],
        pair.aligned[:, TRIED],
        pair.proximal[:, TRIED],
        pair.distal_noise[:, TRIED],
        pair.proximal_noise[:, TRIED],
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

"""The oracle of ``_kernels/refine.c``: the same steps in numpy, many pairs together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ncs_cb.dispersion.deconvolution import (
    BLUR,
    DELAY,
    FLOOR,
    GAP,
    GRAINS,
    LATE,
    RADIANS_PER_MS,
    SCALE,
    STEEP,
    TILT,
    UNIFORM,
    WIDTH,
    Complexes,
    Fit,
    Floats,
    Integers,
    Kinds,
    Spectra,
    Truths,
    late_group,
    turned,
)

_LOW = np.array([0.0, -0.15, 0.0, 0.0, 0.05, 0.0])
_HIGH = np.array([3.0, 6.0, 1.0, 18.0, 20.0, 40.0])
LIMITS = (_LOW, _HIGH)
# Wide normal priors: they decide only what the traces leave open.
_MEAN = np.array([0.5, 0.2, 0.5, 4.0, 4.0, 10.0])
_PRECISION = 1.0 / np.array([0.6, 0.8, 0.6, 6.0, 6.0, 20.0]) ** 2
_PRIOR = np.diag(_PRECISION)
# Neighboring frequencies share one deviation, so that their evidence counts for less than one.
EVIDENCE = 0.5
# After the first rounds it shows which kinds can explain the response; those go on.
_FIRST_ROUNDS, _LAST_ROUNDS = 2, 2
_KINDS_THAT_GO_ON = 4


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Parameters (n, k, 6) and what they give.

    ``path`` (n, k, f) is the delayed distal spectrum without scale and late group, ``held`` and
    ``slope`` (n, k, f) the late group and its derivative; ``power`` (n, k, f) is ``|h|**2``;
    ``error`` (n, k, 2 f) what the windowed model leaves of the proximal spectrum.
    """

    theta: Floats
    path: Complexes
    held: Complexes
    slope: Complexes
    power: Floats
    error: Floats


Held = TypeVar("Held", Kinds, _State)


def window(pair: Spectra) -> Floats:
    """Give matrices (n, 2 f, 2 f) that cut off spectra as the proximal trace was.

    Real and imaginary parts alternate.
    """
    both = np.concatenate((np.conj(pair.cut[:, :0:-1]), pair.cut), axis=1)
    center = pair.cut.shape[1] - 1
    index = np.arange(RADIANS_PER_MS.size)
    direct = both[:, center + index[None, :] - index[:, None]]
    mirror = both[:, center + index[None, :] + index[:, None]]
    # The mean value is its own mirror image and must not count twice.
    mirror[:, 0] = 0.0
    turned = np.stack((direct + mirror, 1j * (direct - mirror)), axis=2)
    return turned.reshape(len(both), 2 * index.size, index.size).view(np.float64)


def _windowed(spectra: Complexes, pair: Spectra) -> Floats:
    """Cut spectra (n, m, f) off as the proximal trace was; real and imaginary parts alternate."""
    return np.asarray(spectra.view(np.float64) @ window(pair))


def _state(theta: Floats, shape: Integers, pair: Spectra) -> _State:
    late, width = theta[..., LATE, None], theta[..., WIDTH, None]
    fall, gap = turned(theta[..., WIDTH]), turned(theta[..., GAP])
    group = late_group(theta, shape, RADIANS_PER_MS, fall)
    by_width = np.where(
        shape[..., None] == UNIFORM, (fall - group) / width, -1j * RADIANS_PER_MS * group * group
    )
    slope, held = by_width * gap, group * gap
    mixed = 1.0 - late + late * held
    blur = np.exp(-0.5 * RADIANS_PER_MS**2 * theta[..., BLUR, None])
    path = blur * turned(theta[..., DELAY]) * pair.distal[:, None]
    model = theta[..., SCALE, None] * path * mixed
    error = pair.proximal.view(np.float64)[:, None] - _windowed(model, pair)
    power = blur**2 * (mixed.real**2 + mixed.imag**2)
    return _State(theta, path, held, slope, power, error)


def _jacobian(state: _State, fixed: Truths, pair: Spectra) -> Floats:
    """Give the windowed derivatives by each parameter, (n, k, 6, 2 f); zero where it is fixed."""
    theta, w = state.theta, 1j * RADIANS_PER_MS
    scale, late = theta[..., SCALE, None], theta[..., LATE, None]
    unit = state.path * (1.0 - late + late * state.held)
    rows = np.empty((*theta.shape, RADIANS_PER_MS.size), dtype=np.complex128)
    scaled = scale * state.path
    rows[..., SCALE, :] = unit
    rows[..., BLUR, :] = -0.5 * RADIANS_PER_MS**2 * scale * unit
    rows[..., LATE, :] = scaled * (state.held - 1.0)
    rows[..., GAP, :] = -w * scaled * late * state.held
    rows[..., WIDTH, :] = scaled * late * state.slope
    rows[..., DELAY, :] = -w * scale * unit
    rows[fixed] = 0.0
    n, k, p, f = rows.shape
    return _windowed(rows.reshape(n, k * p, f), pair).reshape(n, k, p, 2 * f)


def _normal(jacobian: Floats, certainty: Floats) -> Floats:
    """Give the normal matrices with the priors, (n, k, 6, 6)."""
    weighted = jacobian * np.repeat(certainty, 2, axis=-1)[:, :, None]
    return np.asarray(weighted @ jacobian.swapaxes(2, 3) + _PRIOR)


def _squares(error: Floats) -> Floats:
    """Give squared sizes (n, k, f) of spectra whose real and imaginary parts alternate."""
    pairs = error.reshape(*error.shape[:2], -1, 2)
    return np.asarray(pairs[..., 0] ** 2 + pairs[..., 1] ** 2)


def _prior_cost(theta: Floats, fixed: Truths) -> Floats:
    return np.asarray(0.5 * np.sum(np.where(fixed, 0.0, theta - _MEAN) ** 2 * _PRECISION, axis=2))


def _cost(state: _State, certainty: Floats, fixed: Truths) -> Floats:
    misfit = 0.5 * np.sum(certainty * _squares(state.error), axis=2)
    return np.asarray(misfit + _prior_cost(state.theta, fixed))


def expected(
    scale: Floats, power: Floats, grain: float, pair: Spectra, steep: Floats = STEEP
) -> Floats:
    """Give the expected squared deviation of the proximal spectra.

    For scale (n, k) and unit-mass power (n, k, n_frequencies).
    """
    a = scale[..., None]
    signal = np.abs(pair.distal)[:, None] ** 2
    tied = FLOOR**2 + TILT * grain**2 * steep
    ripple = grain**2 * a * signal * np.maximum(1.0 - power, 0.0)
    arrived = a * a * (pair.distal_noise[:, None] + signal * tied)
    return np.asarray(pair.proximal_noise[:, None] + ripple + arrived * power)


def _grains(state: _State, pair: Spectra) -> Floats:
    """Give the expected squared deviation for every grain, (n, grain, k, f)."""
    scale = state.theta[..., SCALE]
    return np.stack([expected(scale, state.power, grain, pair) for grain in GRAINS], axis=1)


def _best_grain(state: _State, pair: Spectra) -> Floats:
    """Give the expected deviation (n, k, f) under the grain that suits each distribution best."""
    deviation = _grains(state, pair)
    square = _squares(state.error)[:, None]
    pick = np.sum(square / deviation + np.log(deviation), axis=3).argmin(axis=1)
    chosen = np.take_along_axis(deviation, pick[:, None, :, None], axis=1)
    return np.asarray(chosen[:, 0])


def _step(kinds: Kinds, state: _State, certainty: Floats, damping: Floats, pair: Spectra) -> Floats:
    """Give one damped Gauss-Newton step; parameters held fixed or at a bound stay."""
    theta = state.theta
    jacobian = _jacobian(state, kinds.fixed, pair)
    normal = _normal(jacobian, certainty)
    miss = (state.error * np.repeat(certainty, 2, axis=-1))[..., None]
    right = (jacobian @ miss)[..., 0] - (theta - _MEAN) * _PRECISION
    stays = kinds.fixed | ((theta <= _LOW) & (right < 0)) | ((theta >= _HIGH) & (right > 0))
    free = ~stays
    system = np.where(free[..., :, None] & free[..., None, :], normal, 0.0)
    index = np.arange(theta.shape[-1])
    own = normal[..., index, index] * damping[..., None]
    system[..., index, index] += np.where(free, own, 1.0)
    step = np.linalg.solve(system, np.where(free, right, 0.0)[..., None])[..., 0]
    return np.clip(theta + step, _LOW, _HIGH)


def _chosen(better: Truths, one: _State, other: _State) -> _State:
    """Take `one` where it is better, else `other`."""
    if better.all():
        return one
    pairs = ((getattr(one, name), getattr(other, name)) for name in _State.__slots__)
    return _State(*(np.where(better[..., None], a, b) for a, b in pairs))


def refine(kinds: Kinds, pair: Spectra) -> Fit:
    """Improve all starting points together by damped Gauss-Newton steps, then weigh them."""
    evidence = (2.0 * EVIDENCE * pair.evidence)[:, None, None]
    state = _state(kinds.theta, kinds.shape, pair)
    damping = np.full(kinds.shape.shape, 1e-2)
    certainty = evidence / _best_grain(state, pair)
    state, damping = _improve(kinds, state, certainty, damping, _FIRST_ROUNDS, pair)
    certainty = evidence / _best_grain(state, pair)
    cost = _cost(state, certainty, kinds.fixed) - 0.5 * evidence[:, 0] * np.sum(
        np.log(certainty), axis=2
    )
    best = np.sort(cost.argsort(axis=1, kind="stable")[:, :_KINDS_THAT_GO_ON], axis=1)
    kinds, state = _some(kinds, best), _some(state, best)
    certainty, damping = _rows(certainty, best), _rows(damping, best)
    state, _ = _improve(kinds, state, certainty, damping, _LAST_ROUNDS, pair)
    return _weigh(kinds, state, evidence, pair)


def _improve(
    kinds: Kinds, state: _State, certainty: Floats, damping: Floats, rounds: int, pair: Spectra
) -> tuple[_State, Floats]:
    """Take some steps; one that does not lower the cost is taken back, and damped more."""
    cost = _cost(state, certainty, kinds.fixed)
    for _ in range(rounds):
        trial = _state(_step(kinds, state, certainty, damping, pair), kinds.shape, pair)
        reached = _cost(trial, certainty, kinds.fixed)
        better = reached <= cost
        damping = np.where(better, damping * 0.2, damping * 10.0)
        state, cost = _chosen(better, trial, state), np.where(better, reached, cost)
    return state, damping


def _rows(values: Any, best: Integers) -> Any:
    """Give the chosen distributions' part of an array (n, k, ...)."""
    return values[np.arange(len(best))[:, None], best]


def _some(held: Held, best: Integers) -> Held:
    """Give the chosen distributions of :class:`Kinds` or a :class:`_State`."""
    return type(held)(*(_rows(getattr(held, name), best) for name in held.__slots__))


def _weigh(kinds: Kinds, state: _State, evidence: Floats, pair: Spectra) -> Fit:
    """Weigh the refined distributions over all grains by their Laplace evidence."""
    deviation = _grains(state, pair)
    square, evidence = _squares(state.error), evidence[..., 0]
    jacobian = _jacobian(state, kinds.fixed, pair)
    # The mass comes last, so that its variance is the last pivot's alone.
    normal = np.stack(
        [_normal(jacobian, evidence[..., None] / deviation[:, g]) for g in range(len(GRAINS))],
        axis=1,
    )[..., ::-1, ::-1]
    pivots = np.diagonal(np.linalg.cholesky(normal), axis1=-2, axis2=-1)
    ratio = square[:, None] / deviation
    log = -0.5 * evidence[..., None] * np.sum(ratio + np.log(deviation), axis=3)
    log = log - _prior_cost(state.theta, kinds.fixed)[:, None] - np.log(pivots).sum(axis=3)
    n, grains, k = log.shape
    flat = log.reshape(n, grains * k)
    best = flat.argmax(axis=1)
    weight = np.exp(flat - flat.max(axis=1, keepdims=True))
    weight = weight / weight.sum(axis=1, keepdims=True)
    scales = np.tile(state.theta[..., SCALE], (1, grains))
    mean = np.sum(weight * scales, axis=1)
    spread = (scales - mean[:, None]) ** 2 + pivots[..., -1].reshape(n, -1) ** -2
    index = np.arange(n)
    received = np.sum(np.abs(pair.proximal) ** 2, axis=1)
    share = weight.reshape(n, grains, k).sum(axis=1)
    left = np.sum(share[..., None] * state.error, axis=1)
    return Fit(
        state.theta,
        kinds.shape,
        share,
        mean,
        np.sqrt(np.sum(weight * spread, axis=1)),
        np.sqrt(square.sum(axis=2)[index, best % k] / received),
        ratio.mean(axis=3).reshape(n, -1)[index, best],
        left.view(np.complex128),
    )

"""Fit the proximal response as a delayed part of the distal one, in the frequency domain.

The physics: every unit that still conducts arrives later by its own delay, so that
``proximal(t) = integral of h(d) * distal(t - d)`` with ``h >= 0`` and total mass
``1 - blocked``. In the frequency domain that is a product; the unit waveform and the amplifier
drop out, and the mass is the limit of the ratio toward low frequency.

The delays are a mixture: a share ``1 - late`` keeps the segment's ordinary delay, a share
``late`` is held up by an amount spread evenly over ``[gap, gap + width]`` or exponentially
beyond ``gap``; all of it is blurred by a normal kernel of variance ``blur``. One-group, skewed
and two-group distributions are members. ``blur`` may fall a little below zero: when block takes
the fastest units, the survivors are less spread than the pool was.

What a finite pool of units cannot promise is weighed as noise: the response of a few units with
random delays strays from its expectation by a share ``grain**2 * (1 - |h|**2)`` of its power.
That term vanishes toward low frequency, where the mass is read, and keeps the fit from chasing
the ripple of one particular pool. It is averaged over several sizes of ``grain``.

Every pair is computed by itself with arrays of fixed shape, so that order and batch size cannot
change a bit. This is our own method; it shares the model, not the algorithm, with Cummins,
Dorfman and Perkel (Electroencephalogr Clin Neurophysiol 1979;46:634-646 and 647-658).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

# The grid's period (1 / step = 100 ms) must exceed a sweep plus the delays, else late parts
# wrap around.
STEP_HZ = 10.0
N_FREQUENCIES = 36
"""Frequencies 0, 10, ... 350 Hz. Above, a surface CMAP has little power and the ripple rules."""
FREQUENCY_HZ: Floats = np.arange(N_FREQUENCIES, dtype=np.float64) * STEP_HZ
# The nudge off zero keeps the uniform group's quotient finite there.
OMEGA: Complexes = 2j * np.pi * np.maximum(FREQUENCY_HZ, 1e-3) * 1e-3
"""Derivative operator on the grid, per ms."""
_LOW_BAND = slice(0, 8)

GRAINS = (0.02, 0.05, 0.1)
# Widths, sizes and latencies of units are tied to velocity in ways the mixture does not know;
# the error of the ratio is FLOOR at any frequency, and TILT grains above TILT_HZ.
FLOOR = 0.006
TILT_HZ = 200.0
TILT = 0.1
# Neighboring frequencies share one deviation, so that their evidence counts for less than one.
EVIDENCE = 0.5

# Parameters: scale, blur (ms^2), late, gap (ms), width (ms), delay (ms).
SCALE, BLUR, LATE, GAP, WIDTH, DELAY = range(6)
_LOW = np.array([0.0, -0.15, 0.0, 0.0, 0.05, 0.0])
_HIGH = np.array([3.0, 6.0, 1.0, 18.0, 20.0, 40.0])
# Wide normal priors: they decide only what the traces leave open.
_MEAN = np.array([0.5, 0.2, 0.5, 4.0, 4.0, 10.0])
_PRECISION = 1.0 / np.array([0.6, 0.8, 0.6, 6.0, 6.0, 20.0]) ** 2
UNIFORM, EXPONENTIAL = 0, 1
_ROUNDS = 4
_PIECE = 50


@dataclass(frozen=True, slots=True)
class Spectra:
    """One pair on the frequency grid.

    ``distal`` is cut off only where the proximal window no longer looks; ``aligned`` is cut at
    the same distance from the response as ``proximal``, for the screening. ``direct`` and
    ``mirror`` apply the proximal window: ``window(x) = x @ direct + conj(x) @ mirror``.
    ``evidence`` is the number of independent values per frequency.
    """

    distal: Complexes
    aligned: Complexes
    proximal: Complexes
    distal_noise: Floats
    proximal_noise: Floats
    direct: Complexes
    mirror: Complexes
    evidence: float

    def window(self, spectrum: Complexes) -> Complexes:
        """Cut `spectrum` off where the proximal trace was cut off."""
        return np.asarray(spectrum @ self.direct + np.conj(spectrum) @ self.mirror)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Delay distributions, one a row: parameters (n, 6), shape (n,), parameters not fitted."""

    theta: Floats
    shape: Integers
    fixed: Truths


@dataclass(frozen=True, slots=True)
class Fit:
    """The posterior: a mixture over fitted distributions.

    ``theta`` (n, 6), ``shape`` (n,), ``weight`` (n,) summing to 1, ``scale_sd`` (n,);
    ``residual`` is the share of the proximal response that the best one leaves unexplained,
    ``misfit`` its mean squared error against the expected one.
    """

    theta: Floats
    shape: Integers
    weight: Floats
    scale_sd: Floats
    residual: float
    misfit: float


@dataclass(frozen=True, slots=True)
class _Library:
    """Trial distributions around their mean, sorted by kind; ``edges`` bound the kinds."""

    theta: Floats
    shape: Integers
    mean_ms: Floats
    centered: Complexes
    power: Floats
    edges: Integers


@dataclass(frozen=True, slots=True)
class _State:
    """A model spectrum before windowing (n, f), ``|h|**2`` (n, f), derivatives (n, 6, f)."""

    full: Complexes
    power: Floats
    rows: Complexes


def transfer(theta: Floats, shape: Integers, omega: Complexes) -> Complexes:
    """Give the unit-mass transfer function of every distribution, (n, n_frequencies)."""
    late, turn = theta[:, LATE, None], omega * theta[:, WIDTH, None]
    even = shape[:, None] == UNIFORM
    group = np.where(even, (1.0 - np.exp(-turn)) / turn, 1.0 / (1.0 + turn))
    held = np.exp(-omega * theta[:, GAP, None]) * group
    blur = np.exp(0.5 * omega**2 * theta[:, BLUR, None] - omega * theta[:, DELAY, None])
    return np.asarray(blur * (1.0 - late + late * held))


def moments(theta: Floats, shape: Integers) -> tuple[Floats, Floats]:
    """Give the mean delay (ms) and its variance (ms^2) of every distribution."""
    late, gap, width = theta[:, LATE], theta[:, GAP], theta[:, WIDTH]
    even = shape == UNIFORM
    center = gap + np.where(even, 0.5 * width, width)
    spread = np.where(even, width**2 / 12.0, width**2)
    variance = theta[:, BLUR] + late * spread + late * (1.0 - late) * center**2
    return theta[:, DELAY] + late * center, np.maximum(variance, 0.0)


def _trials() -> list[tuple[float, float, float, float, int, int]]:
    """List blur, late, gap, width, shape and kind of the trial distributions."""
    rows: list[tuple[float, float, float, float, int, int]] = [
        (blur, 0.0, 0.0, 1.0, UNIFORM, 0) for blur in (0.0, 0.02, 0.06, 0.15, 0.3, 0.6, 1.0, 1.6)
    ]
    gaps = (1.0, 1.5, 2.0, 2.5, 3.0, 3.6, 4.3, 5.0, 6.0, 7.0, 8.0, 9.5, 11.0, 13.0, 15.0)
    for blur in (0.0, 0.1, 0.4, 1.0):
        for late in (0.2, 0.4, 0.6, 0.8, 1.0):
            kind = 1 if late < 0.5 else 2
            for width in (1.0, 2.0, 3.0, 4.0, 5.5, 7.0, 9.0, 11.0, 13.5, 16.0):
                rows.append((blur, late, 0.0, width, UNIFORM, kind))
                rows.append((blur, late, 0.0, width / 3.0, EXPONENTIAL, kind + 2))
        for late in (0.12, 0.25, 0.4, 0.55, 0.7, 0.85):
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
    centered = transfer(theta, shape, OMEGA) * np.exp(OMEGA * mean[:, None])
    starts = np.flatnonzero(np.diff(table[:, 5], prepend=-1.0))
    edges = np.append(starts, len(table))
    return _Library(theta, shape, mean, centered, np.abs(centered) ** 2, edges)


def _expected(scale: Floats, power: Floats, grain: Floats, pair: Spectra) -> Floats:
    """Give the expected squared deviation of the proximal spectrum, (n, n_frequencies)."""
    a, grains = scale[:, None], grain[:, None] ** 2
    steep = (FREQUENCY_HZ / TILT_HZ) ** 4
    tied = a * a * power * (FLOOR**2 + TILT * grains * steep / (1.0 + steep))
    ripple = a * grains * np.maximum(1.0 - power, 0.0)
    noise = pair.proximal_noise + a * a * power * pair.distal_noise
    return np.asarray(noise + np.abs(pair.distal) ** 2 * (ripple + tied) + 1e-30)


def _product(left: Complexes, right: Complexes) -> Complexes:
    """Multiply in pieces too small for BLAS to wake its threads: see ``recordings``."""
    pieces = np.split(left, range(_PIECE, len(left), _PIECE))
    return np.concatenate([piece @ right for piece in pieces])


def screen(pair: Spectra) -> Kinds:
    """Give the best trial distribution of each kind, with its own scale and delay, (n, 6)."""
    trial = _library()
    cross, power = np.conj(pair.aligned) * pair.proximal, np.abs(pair.aligned) ** 2
    coarse = np.arange(0.0, 45.0, 0.2)
    score = np.real(np.exp(coarse[:, None] * OMEGA[_LOW_BAND]) @ cross[_LOW_BAND])
    delays = coarse[score.argmax()] + np.arange(-4.0, 4.01, 0.25)
    received = np.sum(np.abs(pair.proximal[_LOW_BAND]) ** 2)
    scale = np.sqrt(received / np.sum(power[_LOW_BAND]))
    ones = np.ones(len(trial.shape))
    variance = _expected(np.minimum(scale, 1.3) * ones, trial.power, 0.1 * ones, pair)
    turned = np.exp(OMEGA[:, None] * delays) * cross[:, None]
    match = np.real(_product(np.asarray(np.conj(trial.centered) / variance), turned))
    best = match.argmax(axis=1)
    top = np.maximum(match[np.arange(best.size), best], 0.0)
    size = np.sum(trial.power / variance * power, axis=1)
    cost = np.sum(np.abs(pair.proximal) ** 2 / variance, axis=1) - top**2 / size
    cost = cost + np.log(variance).sum(axis=1)
    bounds = zip(trial.edges[:-1], trial.edges[1:], strict=True)
    pick = np.array([low + cost[low:high].argmin() for low, high in bounds])
    theta = trial.theta[pick]
    theta[:, SCALE] = (top / size)[pick]
    theta[:, DELAY] = delays[best[pick]] - trial.mean_ms[pick]
    fixed = np.zeros(theta.shape, dtype=bool)
    fixed[:, GAP] = theta[:, GAP] == 0.0
    fixed[:, LATE] = fixed[:, WIDTH] = theta[:, LATE] == 0.0
    return Kinds(np.clip(theta, _LOW, _HIGH), trial.shape[pick], fixed)


def _model(theta: Floats, shape: Integers, pair: Spectra) -> _State:
    """Give the model spectra and their derivatives, before windowing."""
    w, late, width = OMEGA, theta[:, LATE, None], theta[:, WIDTH, None]
    turn = w * width
    fall, even = np.exp(-turn), shape[:, None] == UNIFORM
    group = np.where(even, (1.0 - fall) / turn, 1.0 / (1.0 + turn))
    slope = np.where(even, (fall - group) / width, -w * group * group)
    gap = np.exp(-w * theta[:, GAP, None])
    held = gap * group
    mixed = 1.0 - late + late * held
    blurred = np.exp(0.5 * w * w * theta[:, BLUR, None])
    path = blurred * np.exp(-w * theta[:, DELAY, None]) * pair.distal
    unit, scaled = path * mixed, theta[:, SCALE, None] * path
    full = theta[:, SCALE, None] * unit
    rows = np.stack(
        [unit, 0.5 * w * w * full, scaled * (held - 1.0), -w * scaled * late * held,
         scaled * late * gap * slope, -w * full], axis=1)  # fmt: skip
    return _State(full, np.abs(blurred * mixed) ** 2, rows)


def _normal(jacobian: Complexes, root: Floats, fixed: Truths) -> tuple[Floats, Floats]:
    """Give the real weighted derivatives (n, 6, 2 f) and the normal matrix with the priors."""
    scaled = np.where(fixed[:, :, None], 0.0, jacobian * root[:, None, :])
    flat = np.concatenate((scaled.real, scaled.imag), axis=2)
    return flat, flat @ np.swapaxes(flat, 1, 2) + np.diag(_PRECISION)


def _step(kinds: Kinds, theta: Floats, state: _State, error: Complexes, root: Floats,
          damping: Floats, pair: Spectra) -> Floats:  # fmt: skip
    """Give one damped Gauss-Newton step; parameters held fixed or at a bound stay."""
    flat, normal = _normal(pair.window(state.rows), root, kinds.fixed)
    miss = error * root
    miss_flat = np.concatenate((miss.real, miss.imag), axis=1)[:, :, None]
    right = (flat @ miss_flat)[:, :, 0] - (theta - _MEAN) * _PRECISION
    held = kinds.fixed | ((theta <= _LOW) & (right < 0)) | ((theta >= _HIGH) & (right > 0))
    free = ~held
    system = np.where(free[:, :, None] & free[:, None, :], normal, 0.0)
    index = np.arange(theta.shape[1])
    extra = np.where(free, normal[:, index, index] * damping[:, None], 1.0)
    system[:, index, index] += extra
    step = np.linalg.solve(system, np.where(free, right, 0.0)[:, :, None])[:, :, 0]
    return np.clip(theta + step, _LOW, _HIGH)


def _prior_cost(theta: Floats, fixed: Truths) -> Floats:
    return np.asarray(0.5 * np.sum(np.where(fixed, 0.0, theta - _MEAN) ** 2 * _PRECISION, axis=1))


def _best_grain(theta: Floats, state: _State, square: Floats, pair: Spectra) -> Floats:
    """Give the expected deviation (n, f) under the grain that suits each row best."""
    count = len(theta)
    grains = [np.full(count, grain) for grain in GRAINS]
    expected = np.stack([_expected(theta[:, SCALE], state.power, g, pair) for g in grains])
    pick = np.sum(square / expected + np.log(expected), axis=2).argmin(axis=0)
    return np.asarray(expected[pick, np.arange(count)])


def refine(kinds: Kinds, pair: Spectra) -> Fit:
    """Improve all starting points together by damped Gauss-Newton steps, then weigh them."""
    theta = kinds.theta
    evidence = 2.0 * EVIDENCE * pair.evidence
    damping = np.full(len(theta), 1e-2)
    state = _model(theta, kinds.shape, pair)
    error = pair.proximal - pair.window(state.full)
    for turn in range(_ROUNDS):
        if turn in (0, 2):
            weight = evidence / _best_grain(theta, state, np.abs(error) ** 2, pair)
        cost = 0.5 * np.sum(weight * np.abs(error) ** 2, axis=1) + _prior_cost(theta, kinds.fixed)
        trial = _step(kinds, theta, state, error, np.sqrt(weight), damping, pair)
        there = _model(trial, kinds.shape, pair)
        error_there = pair.proximal - pair.window(there.full)
        cost_there = 0.5 * np.sum(weight * np.abs(error_there) ** 2, axis=1)
        better = cost_there + _prior_cost(trial, kinds.fixed) <= cost
        damping = np.where(better, damping * 0.2, damping * 10.0)
        theta = np.where(better[:, None], trial, theta)
        error = np.where(better[:, None], error_there, error)
        state = _State(
            np.where(better[:, None], there.full, state.full),
            np.where(better[:, None], there.power, state.power),
            np.where(better[:, None, None], there.rows, state.rows),
        )
    return _weigh(Kinds(theta, kinds.shape, kinds.fixed), state, error, pair)


def _weigh(kinds: Kinds, state: _State, error: Complexes, pair: Spectra) -> Fit:
    """Weigh the refined distributions over all grains by their Laplace evidence."""
    theta, count = kinds.theta, len(kinds.theta)
    square, evidence = np.abs(error) ** 2, 2.0 * EVIDENCE * pair.evidence
    jacobian = pair.window(state.rows)
    logs, spreads, misfits = [], [], []
    for grain in GRAINS:
        expected = _expected(theta[:, SCALE], state.power, np.full(count, grain), pair)
        _, normal = _normal(jacobian, np.sqrt(evidence / expected), kinds.fixed)
        spreads.append(np.sqrt(np.linalg.inv(normal)[:, SCALE, SCALE]))
        log = -0.5 * evidence * np.sum(square / expected + np.log(expected), axis=1)
        log = log - _prior_cost(theta, kinds.fixed) - 0.5 * np.linalg.slogdet(normal)[1]
        logs.append(log)
        misfits.append(np.mean(square / expected, axis=1))
    total = np.concatenate(logs)
    weight = np.exp(total - total.max())
    best = int(total.argmax())
    received = np.sum(np.abs(pair.proximal) ** 2)
    return Fit(
        np.tile(theta, (len(GRAINS), 1)),
        np.tile(kinds.shape, len(GRAINS)),
        weight / weight.sum(),
        np.concatenate(spreads),
        float(np.sqrt(square[best % count].sum() / received)),
        float(np.concatenate(misfits)[best]),
    )


def density(fit: Fit, delays_ms: Floats) -> Floats:
    """Give the delay distribution per ms on an even grid from 0; it integrates to the mass.

    A kernel of 0.1 ms keeps sharp groups drawable.
    """
    step = float(delays_ms[1] - delays_ms[0])
    count = 2 * delays_ms.size
    omega = 2j * np.pi * np.maximum(np.fft.rfftfreq(count, step), 1e-6)
    theta = fit.theta.copy()
    theta[:, BLUR] = np.maximum(theta[:, BLUR], 0.0) + 0.01
    mass = (fit.weight * theta[:, SCALE])[:, None]
    spectrum = np.sum(mass * transfer(theta, fit.shape, omega), axis=0)
    drawn = np.maximum(np.fft.irfft(spectrum, count)[: delays_ms.size], 0.0) / step
    total = float(np.sum(fit.weight * theta[:, SCALE]))
    return np.asarray(drawn * (total / (drawn.sum() * step)))

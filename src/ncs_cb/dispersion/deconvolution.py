"""The proximal response as a delayed part of the distal one, in the frequency domain.

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

Arrays lead with the pair, and each pair is computed by itself with arrays of fixed shape, so that
order and batch size cannot change a bit. This is our own method; it shares the model, not the
algorithm, with Cummins, Dorfman and Perkel (Electroencephalogr Clin Neurophysiol
1979;46:634-646 and 647-658).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ncs_cb._kernels import facts

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

# The grid's period (1 / step = 100 ms) must exceed a sweep plus the delays, else late parts
# wrap around.
STEP_HZ = 10.0
N_FREQUENCIES = facts.FREQUENCIES
"""Frequencies 0, 10, ... 350 Hz. Above, a surface CMAP has little power and the ripple rules."""
FREQUENCY_HZ: Floats = np.arange(N_FREQUENCIES, dtype=np.float64) * STEP_HZ
STEP_PER_MS = 2e-3 * np.pi * STEP_HZ
RADIANS_PER_MS: Floats = np.arange(N_FREQUENCIES, dtype=np.float64) * STEP_PER_MS

GRAINS = (0.02, 0.05, 0.1)
# Widths, sizes and latencies of units are tied to velocity in ways the mixture does not know;
# the error of the ratio is FLOOR at any frequency, and TILT grains above TILT_HZ.
FLOOR = 0.006
TILT_HZ = 200.0
TILT = 0.1
STEEP: Floats = (FREQUENCY_HZ / TILT_HZ) ** 4 / (1.0 + (FREQUENCY_HZ / TILT_HZ) ** 4)

# Parameters: scale, blur (ms^2), late, gap (ms), width (ms), delay (ms).
SCALE, BLUR, LATE, GAP, WIDTH, DELAY = range(6)
UNIFORM, EXPONENTIAL = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Pairs on the frequency grid, (n, n_frequencies).

    ``distal`` is cut off only where the proximal window no longer looks; ``aligned`` is cut at
    the same distance from the response as ``proximal``, for the screening. ``cut``
    (n, 2 f - 1) is the transform of what the proximal trace was cut off with, at twice as many
    frequencies. ``evidence`` (n,) is the number of independent values per frequency.
    """

    distal: Complexes
    aligned: Complexes
    proximal: Complexes
    distal_noise: Floats
    proximal_noise: Floats
    cut: Complexes
    evidence: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Delay distributions of every pair: parameters (n, k, 6), shape (n, k), what is not fitted."""

    theta: Floats
    shape: Integers
    fixed: Truths


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The posterior of every pair: a mixture over fitted distributions.

    ``theta`` (n, k, 6), ``shape`` (n, k), ``weight`` (n, k) summing to 1; ``scale`` and
    ``scale_sd`` (n,) are mean and standard deviation of the mass that arrives; ``residual`` (n,)
    is the share of the proximal response that the best one leaves unexplained, ``misfit`` (n,)
    its mean squared error against the expected one; ``remainder`` (n, n_frequencies) is what the
    mixture leaves of the proximal spectrum.
    """

    theta: Floats
    shape: Integers
    weight: Floats
    scale: Floats
    scale_sd: Floats
    residual: Floats
    misfit: Floats
    remainder: Complexes


def turned(
    delay_ms: Floats, count: int = N_FREQUENCIES, step_per_ms: float = STEP_PER_MS
) -> Complexes:
    """Give ``exp(-i w delay)`` at w = 0, 1, 2 ... steps, one more axis than `delay_ms`."""
    waves = np.empty((*delay_ms.shape, count), dtype=np.complex128)
    waves[..., 0] = 1.0
    waves.real[..., 1] = np.cos(delay_ms * step_per_ms)
    waves.imag[..., 1] = -np.sin(delay_ms * step_per_ms)
    done = 2
    while done < count:
        # Powers of one number: those up to twice as high are products of known ones.
        more = min(done, count - done)
        highest = waves[..., done - 1, None] * waves[..., 1, None]
        np.multiply(waves[..., :more], highest, out=waves[..., done : done + more])
        done += more
    return waves


def tied(square: float | Floats) -> Floats:
    """Give the squared error of the ratio at every frequency, for the square of a grain.

    Several squares need one more axis at their end.
    """
    return np.asarray(FLOOR**2 + TILT * square * STEEP)


def late_group(
    theta: Floats, shape: Integers, radians_per_ms: Floats, fall: Complexes
) -> Complexes:
    """Give the transfer function of the late group about its gap; `fall` is turned by its width."""
    turn = 1j * radians_per_ms * theta[..., WIDTH, None]
    even = np.ones_like(turn)
    np.divide(1.0 - fall, turn, out=even, where=radians_per_ms > 0.0)
    return np.where(shape[..., None] == UNIFORM, even, 1.0 / (1.0 + turn))


def transfer(
    theta: Floats, shape: Integers, count: int = N_FREQUENCIES, step_per_ms: float = STEP_PER_MS
) -> Complexes:
    """Give the unit-mass transfer function of every distribution, (..., count)."""
    grid = count, step_per_ms
    radians = np.arange(count, dtype=np.float64) * step_per_ms
    late = theta[..., LATE, None]
    group = late_group(theta, shape, radians, turned(theta[..., WIDTH], *grid))
    held = turned(theta[..., GAP], *grid) * group
    blur = np.exp(-0.5 * radians**2 * theta[..., BLUR, None])
    path = blur * turned(theta[..., DELAY], *grid)
    return np.asarray(path * (1.0 - late + late * held))


def moments(theta: Floats, shape: Integers) -> tuple[Floats, Floats]:
    """Give the mean delay (ms) and its variance (ms^2) of every distribution."""
    late, gap, width = theta[..., LATE], theta[..., GAP], theta[..., WIDTH]
    even = shape == UNIFORM
    center = gap + np.where(even, 0.5 * width, width)
    spread = np.where(even, width**2 / 12.0, width**2)
    variance = theta[..., BLUR] + late * spread + late * (1.0 - late) * center**2
    return theta[..., DELAY] + late * center, np.maximum(variance, 0.0)


def density(fit: Fit, row: int, delays_ms: Floats) -> Floats:
    """Give one pair's delay distribution per ms on an even grid from 0; it integrates to the mass.

    A kernel of 0.1 ms keeps sharp groups drawable.
    """
    step = float(delays_ms[1] - delays_ms[0])
    count = 2 * delays_ms.size
    grid = delays_ms.size + 1, 2.0 * np.pi / (count * step)
    theta = fit.theta[row].copy()
    theta[:, BLUR] = np.maximum(theta[:, BLUR], 0.0) + 0.01
    mass = fit.weight[row] * theta[:, SCALE]
    spectrum = np.sum(mass[:, None] * transfer(theta, fit.shape[row], *grid), axis=0)
    drawn = np.maximum(np.fft.irfft(spectrum, count)[: delays_ms.size], 0.0) / step
    total = float(drawn.sum()) * step
    # Where nothing of the distal response arrives there is no delay to draw.
    return np.asarray(drawn if total <= 0.0 else drawn * (float(mass.sum()) / total))

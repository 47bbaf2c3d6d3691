"""Pools of motor units: how many, how large, how fast, when they answer.

Every number stands beside its source; "design reference" is ``reference/clinical.md``, section 7.
All arrays have one row per pool and one column per unit, so that thousands of pools are drawn,
lesioned and summed together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs_cb.simulate.recording import Amplifier
from ncs_cb.simulate.synthesis import synthesize
from ncs_cb.simulate.waveforms import MEAN_AFTERWAVE, MEAN_POSITIVE, Shapes, UnitKind

Floats = NDArray[np.float64]

# Log-normal sizes (design reference 7.2, recalled: medium). A standard deviation of 0.8 lies
# between the 0.7 of the project's toy simulation (7.3) and the 1.0 that spans the 0.015 to 5.3 %
# of the maximal area that Doherty's thesis reports for thenar units.
SIZE_LOG_SD = 0.8
# Faster axons have larger units (scilit f30d7961, cd724589: direction); 0.4 as in 7.3.
SIZE_VELOCITY_CORRELATION = 0.4
# How far the slowest unit lies below the fastest. Sources disagree: 9 to 15 % (collision, Muscle
# Nerve 1991, mus.880140708) against 30 to 40 % (Thomas, Sears and Gilliatt 1959). 7.3 spans 28 %
# (46 to 65 m/s). The rise of 0.13 % per year is that of the collision study.
VELOCITY_SPREAD_AT_45 = 0.28
VELOCITY_SPREAD_PER_YEAR = 0.0013
# Where most units lie between fastest (0) and slowest (1): with these beta parameters the mean is
# 12.5 % and the standard deviation 5.5 % below the fastest, as in 7.3 (56 +- 3.5 of 64 m/s).
_SPREAD_BETA = (2.5, 3.0)
# The slow tail of thenar axons reaches 34 m/s where the fastest have 66 (7.2). Its share is set by
# the area that healthy responses lose with distance: 4.0 and 8.1 % of the median from wrist to
# elbow and axilla (Kimura 1986), 7.4 % of the ulnar to above the elbow (Olney 1987). A larger
# share would cost more amplitude than published (Mesin 2007: 10 points where area has 4).
_TAIL_SHARE = 0.15
_TAIL_END = 1.85
# Ulnar maximum velocity 64.42 - 0.05 age (collision, same study): 0.08 % per year.
VELOCITY_PER_YEAR = 0.0008
# Units 288 when young, 139 when old (Doherty); about 40 % fewer by 71, survivors about 50 % larger
# (PMC4889636), so that the response shrinks less than the count. Loss sets in after 35 here.
_UNITS_LOST_PER_YEAR_AFTER_35 = 0.011
_AMPLITUDE_LOST_PER_YEAR_AFTER_35 = 0.005
# Width of unit potentials, log-normal (7.3).
WIDTH_LOG_SD = 0.12
# Terminal branches, end plates: spread of the delay between units [ms] (project choice; with it
# the wrist response lasts 5 to 6 ms, as published).
TERMINAL_SD_MS = 0.35
# Second branch to a muscle: half-normal extra delay; persons differ in the width of all their
# units (project choices; they give the variety of shapes of a laboratory's archive).
_BRANCH_SD_MS = 0.8
_MUSCLE_WIDTH_LOG_SD = 0.08
# A laboratory's velocity by onset latency is a little below that of the fastest unit, because a
# single unit does not lift the response above 1 % of its peak (computed, docs/simulator.md).
ONSET_TO_FASTEST = 1.07
# A unit's velocity differs a little from stretch to stretch (project choice).
STRETCH_SD = 0.012
_POSITIVITY_PER_MM = 0.02
# A second muscle of the same nerve, seen through the first: wider, first positive, a little earlier
# or later (project choices; the neighbor of a co-stimulated nerve looks alike).
SECOND_WIDTH, SECOND_POSITIVITY = 1.25, 0.35
_SECOND_DELAY_MS = (-0.8, 1.2)
_SENSORY_SIZE_LOG_SD = 0.6
_SENSORY_VELOCITY_SPREAD = 0.30


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Many pools of units.

    Attributes
    ----------
    size : ndarray of shape (n, n_units)
        Area of each unit's negative phase, in arbitrary units until calibrated; 0 is no unit.
    slowness : ndarray of shape (n, n_units)
        Conduction time relative to that of the fastest unit, at least 1.
    terminal_ms : ndarray of shape (n, n_units) [ms]
        Delay of terminal branch and end plate, relative to the pool's mean.
    shapes : Shapes
        Width and phases of each unit's surface potential.
    excitability : ndarray of shape (n, n_units)
        Standard normal: how hard the axon is to reach with a stimulus.
    place_mm : ndarray of shape (n, n_units) [mm]
        Where the unit lies relative to the recording electrode.
    shift_ms : ndarray of shape (n, 1) [ms]
        Added to every arrival: sets the distal latency.
    kind : {"motor", "sensory"}
    """

    size: Floats
    slowness: Floats
    terminal_ms: Floats
    shapes: Shapes
    excitability: Floats
    place_mm: Floats
    shift_ms: Floats
    kind: UnitKind = "motor"

    @property
    def n_pools(self) -> int:
        """Number of pools."""
        return len(self.size)


def draw_pools(
    rng: np.random.Generator,
    n: int,
    *,
    n_units: ArrayLike = 230,
    age_years: ArrayLike = 45.0,
    kind: UnitKind = "motor",
    size_log_sd: float | None = None,
    size_velocity_correlation: float = SIZE_VELOCITY_CORRELATION,
    velocity_spread: ArrayLike | None = None,
    terminal_sd_ms: float | None = None,
    width_log_sd: float = WIDTH_LOG_SD,
    width_velocity_correlation: float = 0.0,
    unit_width: ArrayLike = 1.0,
    second_muscle: ArrayLike = 0.0,
) -> Pool:
    """Draw pools of units from the published distributions.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Number of pools.
    n_units : int or array of shape (n,)
        Units in each pool.
    age_years : float or array of shape (n,)
        Widens the spread of velocities; count and size are the caller's (:func:`aged_units`).
    kind : {"motor", "sensory"}
    size_log_sd : float, optional
        Standard deviation of the logarithm of the sizes.
    size_velocity_correlation : float
        Of the normal scores of size and velocity.
    velocity_spread : float or array of shape (n,), optional
        Share by which the slowest of most units lies below the fastest; by age when not given.
        A tail of 15 % of motor units is slower, down to 1.85 times that.
    terminal_sd_ms : float, optional
        Spread of terminal delays.
    width_log_sd : float
        Spread of the logarithm of the widths.
    width_velocity_correlation : float
        Correlation of width and slowness: a unit shape tied to velocity.
    unit_width : float or array of shape (n,)
        Mean width relative to a hand muscle's.
    second_muscle : float or array of shape (n,)
        Share of the units that lie in another muscle of the same nerve, farther from the
        electrode: blocked and delayed like the rest.

    Returns
    -------
    Pool
        ``size`` sums to 1 in each row.
    """
    counts = np.broadcast_to(np.asarray(n_units, dtype=np.intp), (n,))
    scores = rng.standard_normal((6, n, int(counts.max())))
    speed, own_size, terminal, own_width, excitability, place = scores
    motor = kind == "motor"
    if size_log_sd is None:
        size_log_sd = SIZE_LOG_SD if motor else _SENSORY_SIZE_LOG_SD
    if terminal_sd_ms is None:
        terminal_sd_ms = TERMINAL_SD_MS if motor else 0.03
    size = np.exp(size_log_sd * _correlated(speed, own_size, size_velocity_correlation))
    size = np.where(np.arange(size.shape[1]) < counts[:, None], size, 0.0)
    width = _correlated(-speed, own_width, width_velocity_correlation)
    spread = _spread(kind, age_years) if velocity_spread is None else velocity_spread
    below = np.reshape(np.asarray(spread, dtype=np.float64), (-1, 1)) * _between(
        speed, _TAIL_SHARE * motor
    )
    pool = Pool(
        size=size / size.sum(axis=1, keepdims=True),
        slowness=1.0 / (1.0 - below),
        terminal_ms=_terminal_delays(rng, terminal, terminal_sd_ms, motor),
        shapes=_draw_shapes(rng, n, kind, width_log_sd * width, unit_width),
        excitability=excitability,
        place_mm=12.0 * place,
        shift_ms=np.zeros((n, 1)),
        kind=kind,
    )
    return _with_second_muscle(pool, rng.spawn(1)[0], second_muscle)


def _with_second_muscle(pool: Pool, rng: np.random.Generator, share: ArrayLike) -> Pool:
    part = np.reshape(np.asarray(share, dtype=np.float64), (-1, 1))
    if not np.any(part):
        return pool
    is_other = rng.random(pool.size.shape) < part
    later = rng.uniform(*_SECOND_DELAY_MS, (pool.n_pools, 1))
    shapes = pool.shapes
    return replace(
        pool,
        terminal_ms=pool.terminal_ms + later * is_other,
        shapes=replace(
            shapes,
            log_width=shapes.log_width + np.log(SECOND_WIDTH) * is_other,
            initial=shapes.initial + SECOND_POSITIVITY * is_other,
        ),
    )


def _terminal_delays(rng: np.random.Generator, score: Floats, sd_ms: float, motor: bool) -> Floats:
    delay: Floats = sd_ms * np.clip(score, -2.5, 2.5)
    if not motor:
        return delay
    # A muscle is reached by more than one branch: part of the units answers a little later, which
    # gives responses their shoulders and double peaks.
    later = np.abs(_BRANCH_SD_MS * rng.standard_normal((len(score), 1)))
    share = rng.uniform(0.0, 0.6, (len(score), 1))
    delay += later * (rng.random(score.shape) < share)
    return delay


def _draw_shapes(
    rng: np.random.Generator, n: int, kind: UnitKind, log_width: Floats, unit_width: ArrayLike
) -> Shapes:
    muscle = np.log(np.reshape(np.asarray(unit_width, dtype=np.float64), (-1, 1)))
    width, positive, afterwave = rng.standard_normal((3, n, 1))
    return Shapes(
        log_width=log_width + muscle + _MUSCLE_WIDTH_LOG_SD * width,
        positive=MEAN_POSITIVE[kind] * np.exp(0.15 * np.clip(positive, -2.0, 2.0)),
        afterwave=MEAN_AFTERWAVE[kind] * np.exp(0.3 * np.clip(afterwave, -2.0, 2.0)),
        initial=np.zeros((1, 1)),
    )


def _spread(kind: UnitKind, age_years: ArrayLike) -> Floats:
    if kind == "sensory":
        return np.array(_SENSORY_VELOCITY_SPREAD)
    age = np.asarray(age_years, dtype=np.float64)
    return np.asarray(VELOCITY_SPREAD_AT_45 + VELOCITY_SPREAD_PER_YEAR * (age - 45.0))


def _correlated(shared: Floats, own: Floats, correlation: float) -> Floats:
    mixed: Floats = correlation * shared + np.sqrt(1.0 - correlation**2) * own
    return mixed


def _between(speed: Floats, tail: float) -> Floats:
    """Place between fastest (0) and slowest (1) for a standard normal score of speed.

    The share `tail` of the units lies beyond the slowest.
    """
    import scipy.special

    # The inverse of the beta distribution is slow; a fine table of it is good to 1e-5.
    score = np.linspace(-5.0, 5.0, 4001)
    rank = scipy.special.ndtr(-score) / (1.0 - tail)
    place = scipy.special.betaincinv(*_SPREAD_BETA, np.minimum(rank, 1.0))
    if tail:
        place += (_TAIL_END - 1.0) * np.maximum(rank - 1.0, 0.0) * (1.0 - tail) / tail
    return np.interp(speed, score, place)


def aged_units(mean_at_25: ArrayLike, age_years: ArrayLike) -> Floats:
    """Number of motor units at an age: about 40 % fewer by 71."""
    lost = _UNITS_LOST_PER_YEAR_AFTER_35 * np.maximum(np.asarray(age_years) - 35.0, 0.0)
    return np.asarray(mean_at_25) * np.maximum(1.0 - lost, 0.3)


def aged_amplitude(mean: ArrayLike, age_years: ArrayLike) -> Floats:
    """Response amplitude at an age; `mean` belongs to 45, as the published series do."""
    age = np.asarray(age_years, dtype=np.float64)
    lost = _AMPLITUDE_LOST_PER_YEAR_AFTER_35 * (np.maximum(age - 35.0, 0.0) - 10.0)
    return np.asarray(mean) * np.maximum(1.0 - lost, 0.3)


def aged_velocity(mean: ArrayLike, age_years: ArrayLike) -> Floats:
    """Velocity of the fastest units at an age; `mean` belongs to 45."""
    return np.asarray(mean) * (1.0 - VELOCITY_PER_YEAR * (np.asarray(age_years) - 45.0))


def conduct(pool: Pool, rng: np.random.Generator, stretches_ms: Floats) -> Floats:
    """Conduction time of every unit through every stretch of nerve.

    Parameters
    ----------
    pool : Pool
    rng : numpy.random.Generator
    stretches_ms : ndarray of shape (n or 1, n_stretches) [ms]
        Conduction time by onset latency, as a laboratory measures it.

    Returns
    -------
    ndarray of shape (n, n_units, n_stretches) [ms]
    """
    n_stretches = stretches_ms.shape[-1]
    own = 1.0 + STRETCH_SD * rng.standard_normal((*pool.size.shape, n_stretches))
    fastest_ms = stretches_ms[:, None, :] / ONSET_TO_FASTEST
    time: Floats = fastest_ms * pool.slowness[:, :, None] * own
    return time


def respond(
    pool: Pool,
    conduction_ms: Floats,
    *,
    setting: Amplifier,
    fires: NDArray[np.bool_] | Floats | None = None,
    electrode_shift_mm: ArrayLike = 0.0,
    width_factor: ArrayLike = 1.0,
) -> Floats:
    """Give the noise-free responses of pools.

    Parameters
    ----------
    pool : Pool
    conduction_ms : ndarray of shape (n, n_units) [ms]
        From the stimulus to the end of each axon, lesion delays included.
    setting : Amplifier
    fires : ndarray of shape (n, n_units), optional
        Which units answer; all when not given.
    electrode_shift_mm : float or array of shape (n,) [mm]
        How far the recording electrode was moved since the calibration.
    width_factor : float or array of shape (n,)
        Widening of unit potentials, as in the cold.

    Returns
    -------
    ndarray of shape (n, n_samples)
        In mV once the pool is calibrated.
    """
    shift = np.reshape(np.asarray(electrode_shift_mm, dtype=np.float64), (-1, 1))
    weight = pool.size if fires is None else pool.size * fires
    shapes = pool.shapes
    if np.any(shift):
        weight = weight * _lead_change(pool.place_mm, shift)
        # Off the end plates the wave front comes towards the electrode before it passes.
        shapes = replace(shapes, initial=shapes.initial + _POSITIVITY_PER_MM * np.abs(shift))
    widening = np.log(np.reshape(np.asarray(width_factor, dtype=np.float64), (-1, 1)))
    return synthesize(
        conduction_ms + pool.terminal_ms + pool.shift_ms,
        weight,
        setting=setting,
        kind=pool.kind,
        shapes=replace(shapes, log_width=shapes.log_width + widening),
    )


def last_arrival_ms(
    pool: Pool, conduction_ms: Floats, fires: NDArray[np.bool_] | Floats | None = None
) -> Floats:
    """When the last unit of each response begins to answer; minus infinity when none does.

    Returns
    -------
    ndarray of shape (n,) [ms]
    """
    there = (pool.size > 0.0) if fires is None else (pool.size * fires > 0.0)
    arrival = conduction_ms + pool.terminal_ms + pool.shift_ms
    last: Floats = np.where(there, arrival, -np.inf).max(axis=1)
    return last


def _lead_change(place_mm: Floats, shift_mm: Floats) -> Floats:
    """Gain of each unit after the electrode moved, relative to before.

    The lead field is a bell of 16 mm; moving by 10 mm changes a response by 10 to 35 %
    (Muscle Nerve 1994;17:1286: the ratio of amplitudes changes by up to 32 % per cm).
    """
    exponent = (np.square(place_mm) - np.square(place_mm - shift_mm)) / (2.0 * 16.0**2)
    gain: Floats = np.exp(np.clip(exponent, -3.0, 1.0))
    return gain


def calibrate(
    pool: Pool,
    conduction_ms: Floats,
    *,
    setting: Amplifier,
    amplitude_mv: ArrayLike,
    latency_ms: ArrayLike,
) -> Pool:
    """Scale and shift pools so that their intact distal response has this amplitude and latency.

    The latency is where the response exceeds 1 % of its negative peak.

    Parameters
    ----------
    pool : Pool
    conduction_ms : ndarray of shape (n, n_units) [ms]
        From the distal site to the muscle.
    setting : Amplifier
        Its filters; sweep and rate are chosen here.
    amplitude_mv, latency_ms : float or array of shape (n,)

    Returns
    -------
    Pool
    """
    from ncs_cb.simulate.truth import markers

    probe = Amplifier(20_000.0, 500, 20, setting.high_pass_hz, setting.low_pass_hz)
    start = -conduction_ms.min(axis=1, keepdims=True) + 3.0
    intact = respond(replace(pool, shift_ms=start), conduction_ms, setting=probe)
    found = markers(intact, probe)
    amplitude = np.broadcast_to(np.asarray(amplitude_mv, dtype=np.float64), (pool.n_pools,))
    latency = np.broadcast_to(np.asarray(latency_ms, dtype=np.float64), (pool.n_pools,))
    return replace(
        pool,
        size=pool.size * (amplitude / found.negative_peak_amplitude_mv)[:, None],
        shift_ms=start + (latency - found.onset_latency_ms)[:, None],
    )

"""Drawing many calibrated pools at once, with the nerve between two stimuli."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ncs_cb.simulate.lesions import lose_axons
from ncs_cb.simulate.pool import Pool, calibrate, conduct, draw_pools
from ncs_cb.simulate.recording import Amplifier

Floats = NDArray[np.float64]
Range = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the pools of a cohort are drawn; a range ``(low, high)`` is drawn evenly per pool.

    Attributes
    ----------
    n_units : int or (int, int)
        Units before axon loss.
    age_years : float or (float, float)
    amplitude_mv : float or (float, float)
        Amplitude of the intact distal response.
    distal_latency_ms : float or (float, float)
    distal_mm, length_mm : float or (float, float)
        From electrode to distal site, and length of the segment.
    velocity_m_per_s : float or (float, float)
        Of the segment, by onset latency.
    size_log_sd, velocity_spread, terminal_sd_ms : float, optional
        See :func:`ncs_cb.simulate.pool.draw_pools`.
    size_velocity_correlation, width_log_sd, width_velocity_correlation : float
        See there.
    axon_loss : float or (float, float)
        Share of units lost.
    reinnervation : float
        Share of the lost signal that survivors take over.
    second_muscle : float or (float, float)
        Share of the units that lie in another muscle of the same nerve.
    """

    n_units: Range = (100, 350)
    age_years: Range = (20.0, 75.0)
    amplitude_mv: Range = (5.0, 14.0)
    distal_latency_ms: Range = (2.6, 4.2)
    distal_mm: Range = 80.0
    length_mm: Range = (90.0, 300.0)
    velocity_m_per_s: Range = (50.0, 66.0)
    size_log_sd: float | None = None
    velocity_spread: float | None = None
    terminal_sd_ms: float | None = None
    size_velocity_correlation: float = 0.4
    width_log_sd: float = 0.12
    width_velocity_correlation: float = 0.0
    axon_loss: Range = 0.0
    reinnervation: float = 0.0
    second_muscle: Range = 0.0


def draw(rng: np.random.Generator, value: Range, n: int) -> Floats:
    """Give one value per pool: the value itself, or evenly from a range ``(low, high)``."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return rng.uniform(low, high, n)


def rows_of(pool: Pool, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Pool:
    """Give some of the pools."""

    def take(values: Floats) -> Floats:
        return values if len(values) == 1 else values[rows]

    shapes = pool.shapes
    return Pool(
        pool.size[rows],
        pool.slowness[rows],
        pool.terminal_ms[rows],
        replace(
            shapes,
            log_width=take(shapes.log_width),
            positive=take(shapes.positive),
            afterwave=take(shapes.afterwave),
            initial=take(shapes.initial),
        ),
        pool.excitability[rows],
        pool.place_mm[rows],
        pool.shift_ms[rows],
        pool.kind,
    )


def draw_segment(
    rng: np.random.Generator, n: int, settings: PoolSettings, setting: Amplifier
) -> tuple[Pool, Floats, Floats]:
    """Draw calibrated pools, and their units' times to the distal site and along the segment."""
    pool = draw_pools(
        rng,
        n,
        n_units=np.rint(draw(rng, settings.n_units, n)).astype(np.intp),
        age_years=draw(rng, settings.age_years, n),
        size_log_sd=settings.size_log_sd,
        size_velocity_correlation=settings.size_velocity_correlation,
        velocity_spread=settings.velocity_spread,
        terminal_sd_ms=settings.terminal_sd_ms,
        width_log_sd=settings.width_log_sd,
        width_velocity_correlation=settings.width_velocity_correlation,
        second_muscle=draw(rng, settings.second_muscle, n),
    )
    velocity = draw(rng, settings.velocity_m_per_s, n)
    # Distal to the wrist fibers are thinner: 0.8 of the forearm's velocity, as in simulator.toml.
    distal_ms = draw(rng, settings.distal_mm, n) / (0.8 * velocity)
    segment_ms = draw(rng, settings.length_mm, n) / velocity
    times = conduct(pool, rng, np.column_stack([distal_ms, segment_ms]))
    to_distal, segment = times[..., 0], times[..., 1]
    pool = calibrate(
        pool,
        to_distal,
        setting=setting,
        amplitude_mv=draw(rng, settings.amplitude_mv, n),
        latency_ms=draw(rng, settings.distal_latency_ms, n),
    )
    loss = draw(rng, settings.axon_loss, n)
    if np.any(loss):
        pool = lose_axons(pool, rng, loss, reinnervation=settings.reinnervation)
    return pool, to_distal, segment

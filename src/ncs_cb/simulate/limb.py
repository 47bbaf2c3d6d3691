"""One nerve of one person: a calibrated pool, its lesions, and what it answers to a stimulus."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ncs_cb.knowledge.anatomy import nerve_of_muscle
from ncs_cb.simulate.geometry import NervePath, path
from ncs_cb.simulate.lesions import choose_units, draw_delays, lose_axons
from ncs_cb.simulate.plans import AnastomosisPlan, LesionPlan, NervePlan, draw_span
from ncs_cb.simulate.pool import (
    Pool,
    aged_amplitude,
    aged_units,
    aged_velocity,
    calibrate,
    conduct,
    draw_pools,
)
from ncs_cb.simulate.recording import Amplifier

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

# Design reference, section 9: velocity 1.5 to 2.5 m/s per degree (about 3.3 %), distal latency
# 0.2 ms per degree; cold widens the unit potentials (4 % per degree, project choice). Amplitude
# stays: the sources disagree.
_WARM_C = 33.5
_VELOCITY_PER_C = 0.033
_LATENCY_MS_PER_C = 0.2
_WIDTH_PER_C = 0.04
# Normal persons differ in velocity by 5 of 57 m/s (Chen 2016); the height is taken out already.
_VELOCITY_SD = 0.08


@dataclass(frozen=True, slots=True)
class Person:
    """Who is examined."""

    age_years: float
    height_cm: float


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """A lesion as drawn: where it lies and what it does to each unit (arrays of n_units)."""

    start_mm: float
    end_mm: float
    at_mm: float
    blocked: Truths
    delay_ms: Floats
    longest_delay_ms: float
    slowing: float
    failure: float


@dataclass(frozen=True, slots=True, eq=False)
class Limb:
    """One nerve to one electrode.

    Attributes
    ----------
    home : NervePath
        Path of the nerve that supplies the muscle.
    pool : Pool
        One calibrated pool (a single row).
    stretches_ms : ndarray of shape (n_units, n_stretches) [ms]
        Conduction time of each unit through each whole stretch.
    crossing : ndarray of bool of shape (n_units,)
        Units that run in the nerve `via` above the forearm.
    via : str or None
    lesions : tuple of Lesion
    widening : float
        Factor of the width of unit potentials in the cold.
    n_units_intact : int
        Before axon loss.
    """

    home: NervePath
    pool: Pool
    stretches_ms: Floats
    crossing: Truths
    via: str | None
    lesions: tuple[Lesion, ...]
    widening: float
    n_units_intact: int

    def conduction_ms(self, position_mm: float) -> Floats:
        """Time of each unit from a stimulus at `position_mm` to the muscle, shape (n_units,)."""
        time = self._free_ms(position_mm)
        for lesion in self.lesions:
            if position_mm > lesion.at_mm:
                time = time + lesion.delay_ms
            end = min(lesion.end_mm, position_mm)
            if lesion.slowing < 1.0 and end > lesion.start_mm:
                inside = self._free_ms(end) - self._free_ms(lesion.start_mm)
                time = time + (1.0 / lesion.slowing - 1.0) * inside
        return time

    def _free_ms(self, position_mm: float) -> Floats:
        lengths = np.diff(self.home.breaks_mm)
        share = np.clip(position_mm - self.home.breaks_mm[:-1], 0.0, lengths) / lengths
        time: Floats = self.stretches_ms @ share
        return time

    def blocked(self, position_mm: float) -> Truths:
        """Units whose impulse does not pass the lesions below `position_mm`."""
        out = np.zeros(self.pool.size.shape[1], dtype=bool)
        for lesion in self.lesions:
            if position_mm > lesion.at_mm:
                out |= lesion.blocked
        return out

    def fails(self, position_mm: float, rng: np.random.Generator) -> Truths:
        """Units whose impulse happens to fail at a lesion this time."""
        out = np.zeros(self.pool.size.shape[1], dtype=bool)
        for lesion in self.lesions:
            if lesion.failure > 0.0 and position_mm > lesion.at_mm:
                out |= rng.random(len(out)) < lesion.failure
        return out

    def in_nerve(self, nerve: str, position_mm: float) -> Truths:
        """Units that run in `nerve` at `position_mm`."""
        above = position_mm > self.crossing_mm
        crossed = self.crossing & above
        return crossed if nerve != self.home.nerve else ~crossed

    @property
    def crossing_mm(self) -> float:
        """Where an anastomosis joins: in the middle of the forearm."""
        return self.home.positions_mm.get("forearm", np.inf)


def limb_rng(seed: int, study: int, *words: str) -> np.random.Generator:
    """A generator that depends on the seed, the study and what it is for, not on any order."""
    return np.random.default_rng([seed, study, zlib.crc32("/".join(words).encode())])


def make_limb(
    plan: NervePlan,
    person: Person,
    rng: np.random.Generator,
    *,
    temperature_c: float | None = None,
    anastomoses: tuple[AnastomosisPlan, ...] = (),
) -> Limb:
    """Draw one nerve of one person."""
    owner = nerve_of_muscle(plan.target) if plan.kind == "motor" else plan.nerve
    home = path(owner or plan.nerve, plan.target, kind=plan.kind, height_cm=person.height_cm)
    cold = 0.0 if temperature_c is None else _WARM_C - temperature_c
    pool, stretches = _healthy(plan, home, person, rng, cold)
    intact = int((pool.size > 0.0).sum())
    loss = draw_span(rng, plan.axon_loss)
    pool = lose_axons(
        pool,
        rng,
        loss,
        choice=plan.axon_loss_choice,
        reinnervation=draw_span(rng, plan.reinnervation),
    )
    lesions = tuple(_lesion(item, home, pool, rng) for item in plan.lesions)
    crossing = np.zeros(pool.size.shape[1], dtype=bool)
    via = None
    for item in anastomoses:
        if item.muscle == plan.target and item.side == plan.side:
            via = item.via
            crossing |= choose_units(pool, rng, draw_span(rng, item.share))[0]
    return Limb(home, pool, stretches, crossing, via, lesions, 1.0 + _WIDTH_PER_C * cold, intact)


def _healthy(
    plan: NervePlan, home: NervePath, person: Person, rng: np.random.Generator, cold: float
) -> tuple[Pool, Floats]:
    motor = plan.kind == "motor"
    score = np.clip(rng.standard_normal(4), -2.0, 2.0)
    units = home.n_units[0] + home.n_units[1] * score[0]
    n_units = float(aged_units(units, person.age_years)) if motor else units
    amplitude = float(aged_amplitude(home.amplitude_mv[0], person.age_years))
    amplitude += home.amplitude_mv[1] * score[1]
    latency = home.distal_latency_ms[0] + home.distal_latency_ms[1] * score[2]
    if plan.n_units is not None:
        n_units = draw_span(rng, plan.n_units)
    if plan.amplitude_mv is not None:
        amplitude = draw_span(rng, plan.amplitude_mv)
    if plan.distal_latency_ms is not None:
        latency = draw_span(rng, plan.distal_latency_ms)
    pool = draw_pools(
        rng,
        1,
        n_units=max(1, round(n_units)),
        age_years=person.age_years,
        kind=plan.kind,
        velocity_spread=plan.velocity_spread and draw_span(rng, plan.velocity_spread),
        unit_width=home.unit_width,
        second_muscle=draw_span(rng, plan.second_muscle),
    )
    height = pool.shapes.initial + draw_span(rng, plan.initial_positivity)
    pool = replace(pool, shapes=replace(pool.shapes, initial=height))
    factor = float(aged_velocity(1.0, person.age_years)) * (1.0 + _VELOCITY_SD * score[3])
    factor *= draw_span(rng, plan.velocity_factor) * max(0.3, 1.0 - _VELOCITY_PER_C * cold)
    whole = np.diff(home.breaks_mm) / (home.velocity_m_per_s * factor)
    stretches = conduct(pool, rng, whole[None])[0]
    distal = home.positions_mm[home.distal_site]
    share = np.clip(distal - home.breaks_mm[:-1], 0.0, np.diff(home.breaks_mm))
    pool = calibrate(
        pool,
        (stretches @ (share / np.diff(home.breaks_mm)))[None],
        setting=_calibration_setting(plan),
        amplitude_mv=amplitude,
        latency_ms=latency + _LATENCY_MS_PER_C * cold,
    )
    return pool, stretches


def _calibration_setting(plan: NervePlan) -> Amplifier:
    return Amplifier(
        high_pass_hz=plan.recording.high_pass_hz[0], low_pass_hz=plan.recording.low_pass_hz[0]
    )


def _lesion(item: LesionPlan, home: NervePath, pool: Pool, rng: np.random.Generator) -> Lesion:
    start, end = home.position_mm(item.distal_site), home.position_mm(item.proximal_site)
    longest = draw_span(rng, item.delay_ms)
    return Lesion(
        start,
        end,
        start + draw_span(rng, item.at) * (end - start),
        choose_units(pool, rng, draw_span(rng, item.block), choice=item.choice, of=item.block_of)[
            0
        ],
        draw_delays(
            pool,
            rng,
            shape=item.delay_shape,
            delay_ms=longest,
            share=draw_span(rng, item.delay_share),
        )[0],
        longest,
        draw_span(rng, item.velocity_factor),
        draw_span(rng, item.failure),
    )


def repeat_pool(pool: Pool, n: int) -> Pool:
    """The same pool once per stimulus."""

    def rows(values: Floats) -> Floats:
        return values if len(values) == 1 and values.shape[1] == 1 else np.repeat(values, n, axis=0)

    shapes = pool.shapes
    return replace(
        pool,
        size=rows(pool.size),
        slowness=rows(pool.slowness),
        terminal_ms=rows(pool.terminal_ms),
        excitability=rows(pool.excitability),
        place_mm=rows(pool.place_mm),
        shapes=replace(shapes, log_width=rows(shapes.log_width), initial=rows(shapes.initial)),
    )

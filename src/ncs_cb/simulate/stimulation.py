"""Stimuli and the responses of one nerve to them: routine, inching, intensity series, F waves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.simulate.geometry import path
from ncs_cb.simulate.limb import Limb, repeat_pool
from ncs_cb.simulate.plans import NervePlan, StimulusPlan, draw_span
from ncs_cb.simulate.pool import (
    SECOND_POSITIVITY,
    SECOND_WIDTH,
    last_arrival_ms,
    respond,
)
from ncs_cb.simulate.recording import Amplifier
from ncs_cb.simulate.truth import SegmentTruth

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

# Current that excites half of the fibers [mA], by depth of the nerve at the site, and the spread
# of thresholds (log-normal). With them 15 to 25 mA are supramaximal at the wrist and 45 to 70 mA
# at Erb's point, as in daily work (project choice).
_HALF_MA = {"palm": 9.0, "wrist": 8.0, "ankle": 10.0, "forearm": 9.0, "axilla": 15.0, "erb": 25.0}
_HALF_MA_ELSEWHERE = 11.0
_THRESHOLD_LOG_SD = 0.22
_SUPRAMAXIMAL = 1.3
# From one sweep to the next thresholds vary by about 2 %.
_THRESHOLD_JITTER = 0.02
# Turn-around of an antidromic impulse at the motor neuron (design reference, 8.3).
_TURN_AROUND_MS = 1.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One stimulus.

    Attributes
    ----------
    site : str
    position_mm : float
        Along the path to the muscle.
    current_ma : float
    graded : bool
        Whether the current decides which fibers answer (an intensity series).
    plan : StimulusPlan
    group : str or None
        Repeats of one setting share it.
    """

    site: str
    position_mm: float
    current_ma: float
    graded: bool
    plan: StimulusPlan
    group: str | None = None


def position_of(limb: Limb, nerve: str, site: str, height_cm: float) -> float:
    """Place of a site along the way to the muscle, also in another nerve (an anastomosis)."""
    if nerve == limb.home.nerve:
        return limb.home.position_mm(site)
    other = path(nerve, anatomy().nerves[nerve].muscles[0], height_cm=height_cm)
    offset = limb.home.positions_mm[limb.home.distal_site] - other.positions_mm[other.distal_site]
    return other.position_mm(site) + offset


def half_ma(site: str) -> float:
    """Current that excites half of a nerve's fibers at a site."""
    return _HALF_MA.get(site, _HALF_MA_ELSEWHERE)


def routine_current_ma(site: str, excited: float) -> float:
    """Current an examiner would use: past the plateau, or too weak for all fibers."""
    import scipy.special

    if excited >= 1.0:
        return float(round(half_ma(site) * np.exp(3.0 * _THRESHOLD_LOG_SD) * _SUPRAMAXIMAL, 1))
    score = float(scipy.special.ndtri(np.clip(excited, 0.01, 0.99)))
    return float(round(half_ma(site) * np.exp(_THRESHOLD_LOG_SD * score), 1))


def routine_shots(
    plan: NervePlan, limb: Limb, rng: np.random.Generator, height_cm: float
) -> list[Shot]:
    """The stimuli of a routine study: every site, each as often as the recipe asks."""
    shots = []
    for site in plan.sites or (limb.home.distal_site,):
        special = plan.stimuli.get(site, StimulusPlan(site))
        share = draw_span(rng, special.excited)
        special = replace(special, excited=(share, share))
        # How far past the plateau an examiner goes differs; a weak current is what it is.
        beyond = 0.12 * float(np.clip(rng.standard_normal(), -1.5, 1.5))
        reach = 1.0 + (beyond if share >= 1.0 else 0.0)
        current = (
            round(reach * routine_current_ma(site, share), 1)
            if special.intensity_ma is None
            else round(draw_span(rng, special.intensity_ma), 1)
        )
        shot = Shot(
            site,
            position_of(limb, plan.nerve, site, height_cm),
            current,
            False,
            special,
            site if plan.repeats > 1 else None,
        )
        shots += [shot] * plan.repeats
    return shots


def inching_shots(plan: NervePlan, limb: Limb, rng: np.random.Generator) -> list[Shot]:
    """Closely spaced stimuli; each carries the id of the nearest named site."""
    assert plan.inching is not None
    start = limb.home.position_mm(plan.inching.from_site)
    end = limb.home.position_mm(plan.inching.to_site)
    places = np.arange(start, end + 1.0, draw_span(rng, plan.inching.step_mm))
    named = {
        site: mm for site, mm in limb.home.positions_mm.items() if start - 1.0 <= mm <= end + 1.0
    }
    shots = []
    for place in places:
        site = min(named, key=lambda name: abs(named[name] - place))
        shots.append(
            Shot(site, float(place), routine_current_ma(site, 1.0), False, StimulusPlan(site))
        )
    return shots


def intensity_shots(
    plan: NervePlan, limb: Limb, rng: np.random.Generator, height_cm: float
) -> list[Shot]:
    """Rising currents at one site."""
    series = plan.intensity_series
    assert series is not None
    position = position_of(limb, plan.nerve, series.site, height_cm)
    ends = draw_span(rng, series.from_ma), draw_span(rng, series.to_ma)
    special = plan.stimuli.get(series.site, StimulusPlan(series.site))
    return [
        Shot(
            series.site,
            position,
            round(float(current), 1),
            True,
            special,
            f"{current:.1f} mA" if series.repeats > 1 else None,
        )
        for current in np.linspace(*ends, series.steps)
        for _ in range(series.repeats)
    ]


def answering(
    limb: Limb,
    nerve: str,
    shots: list[Shot],
    rng_for: Callable[..., np.random.Generator],
) -> Truths:
    """Which units the stimuli excite and which of those impulses reach the muscle.

    Returns
    -------
    ndarray of bool of shape (n_shots, n_units)
    """
    luck = rng_for("luck")
    rows = [
        excited(limb, nerve, shot, rng_for, luck)
        & ~limb.blocked(shot.position_mm)
        & ~limb.fails(shot.position_mm, luck)
        for shot in shots
    ]
    return np.array(rows)


def excited(
    limb: Limb,
    nerve: str,
    shot: Shot,
    rng_for: Callable[..., np.random.Generator],
    luck: np.random.Generator | None = None,
) -> Truths:
    """Units that one stimulus excites, shape (n_units,)."""
    there: Truths = limb.in_nerve(nerve, shot.position_mm) & (limb.pool.size[0] > 0.0)
    share = shot.plan.excited[0]
    if not shot.graded and share >= 1.0:
        return there
    # Depth in the nerve differs from site to site: half of what makes an axon easy is new there.
    own = rng_for("reach", shot.site).standard_normal(len(there))
    reach = (limb.pool.excitability[0] + own) / np.sqrt(2.0)
    if shot.graded:
        jitter = 0.0 if luck is None else _THRESHOLD_JITTER * luck.standard_normal(len(there))
        threshold = half_ma(shot.site) * np.exp(_THRESHOLD_LOG_SD * np.clip(reach, -3.0, 3.0))
        answers: Truths = there & (threshold * (1.0 + jitter) <= shot.current_ma)
        return answers
    order = np.argsort(reach)
    size = np.where(there, limb.pool.size[0], 0.0)[order]
    reached = np.cumsum(size) - 0.5 * size
    out = np.zeros(len(there), dtype=bool)
    out[order] = reached < share * size.sum()
    return np.asarray(out & there)


def own_response(
    limb: Limb,
    nerve: str,
    shots: list[Shot],
    setting: Amplifier,
    rng_for: Callable[..., np.random.Generator],
) -> tuple[Floats, Floats]:
    """Noise-free responses of the muscle itself, and when their last units answer.

    Returns
    -------
    ndarray of shape (n_shots, n_samples) [mV], ndarray of shape (n_shots,) [ms]
    """
    arrivals = np.array([limb.conduction_ms(shot.position_mm) for shot in shots])
    shift = [draw_span(rng_for("shift", s.site), s.plan.electrode_shift_mm) for s in shots]
    pool, fires = repeat_pool(limb.pool, len(shots)), answering(limb, nerve, shots, rng_for)
    response = respond(
        pool,
        arrivals,
        setting=setting,
        fires=fires,
        electrode_shift_mm=shift,
        width_factor=limb.widening,
    )
    return response, last_arrival_ms(pool, arrivals, fires)


def neighbor_response(
    neighbor: Limb,
    shots: list[Shot],
    setting: Amplifier,
    rng_for: Callable[..., np.random.Generator],
) -> tuple[Floats, Floats]:
    """What a co-stimulated neighbor adds: flatter, wider, first positive, by volume conduction.

    With collision the neighbor is also stimulated at its wrist: that volley meets the proximal
    one, and only the early response to the wrist stimulus remains.
    """
    far = neighbor.pool.shapes
    shapes = replace(
        far,
        initial=np.full((1, 1), SECOND_POSITIVITY),
        log_width=far.log_width + np.log(SECOND_WIDTH),
    )
    pool = repeat_pool(replace(neighbor.pool, shapes=shapes), len(shots))
    share = np.array([[draw_span(rng_for("spread", s.site), s.plan.co_stimulation)] for s in shots])
    distal = neighbor.home.positions_mm[neighbor.home.distal_site]
    places = [
        distal if s.plan.collision else neighbor.home.positions_mm.get(s.site, s.position_mm)
        for s in shots
    ]
    arrivals = np.array([neighbor.conduction_ms(mm) for mm in places])
    fires = share * np.array([~neighbor.blocked(mm) for mm in places])
    response = respond(pool, arrivals, setting=setting, fires=fires, width_factor=neighbor.widening)
    return response, last_arrival_ms(pool, arrivals, fires)


def f_response(
    limb: Limb,
    shot: Shot,
    n: int,
    persistence: float,
    setting: Amplifier,
    rng: np.random.Generator,
) -> Floats:
    """Late responses of `n` stimuli: a few motor neurons answer the antidromic volley.

    Returns
    -------
    ndarray of shape (n, n_samples) [mV]
        Zero in the sweeps without an F wave.
    """
    root = float(limb.home.breaks_mm[-1])
    to_root = limb.conduction_ms(root)
    arrival = 2.0 * to_root - limb.conduction_ms(shot.position_mm) + _TURN_AROUND_MS
    # Large motor neurons answer more often (project choice: in proportion to their size).
    chance = limb.pool.size[0] * ~limb.blocked(root)
    fires = np.zeros((n, len(arrival)), dtype=bool)
    for row in fires:
        how_many = min(1 + rng.poisson(2.0), int((chance > 0.0).sum()))
        if rng.random() < persistence and how_many:
            chosen = rng.choice(len(chance), how_many, replace=False, p=chance / chance.sum())
            row[chosen] = True
    return respond(
        repeat_pool(limb.pool, n),
        np.repeat(arrival[None], n, axis=0),
        setting=setting,
        fires=fires,
        width_factor=limb.widening,
    )


def segment_truth(
    plan: NervePlan, limb: Limb, shots: list[Shot], rng_for: Callable[..., np.random.Generator]
) -> list[SegmentTruth]:
    """What is true between neighboring stimulated sites, distal first."""
    once = {shot.site: shot for shot in shots}
    ordered = sorted(once.values(), key=lambda shot: shot.position_mm)
    return [
        _between_sites(plan, limb, distal, proximal, rng_for)
        for distal, proximal in pairwise(ordered)
    ]


def _between_sites(
    plan: NervePlan,
    limb: Limb,
    distal: Shot,
    proximal: Shot,
    rng_for: Callable[..., np.random.Generator],
) -> SegmentTruth:
    size = limb.pool.size[0]
    sent = excited(limb, plan.nerve, distal, rng_for) & ~limb.blocked(distal.position_mm)
    there = limb.in_nerve(plan.nerve, proximal.position_mm)
    reached = excited(limb, plan.nerve, proximal, rng_for)
    blocked = sent & there & limb.blocked(proximal.position_mm)
    arriving = size * (sent & reached & ~blocked)
    total = float(np.sum(size * sent))
    between = [
        item for item in limb.lesions if distal.position_mm <= item.at_mm < proximal.position_mm
    ]
    passing = np.prod([1.0 - item.failure for item in between])

    def share(units: Truths) -> float:
        return float(np.sum(size * (sent & units))) / total if total > 0.0 else np.nan

    time = limb.conduction_ms(proximal.position_mm) - limb.conduction_ms(distal.position_mm)
    mean, spread = _weighted(time, arriving)
    return SegmentTruth(
        plan.nerve,
        plan.side,
        plan.target,
        plan.kind,
        distal.site,
        proximal.site,
        proximal.position_mm - distal.position_mm,
        share(blocked),
        float(blocked.sum()) / max(int(sent.sum()), 1),
        share(there & ~reached),
        share(~there),
        float(1.0 - passing),
        spread,
        mean,
        max((item.longest_delay_ms for item in between), default=0.0),
        any(s.plan.co_stimulation[1] > 0.0 for s in (distal, proximal)),
    )


def _weighted(values: Floats, weight: Floats) -> tuple[float, float]:
    total = float(weight.sum())
    if total <= 0.0:
        return np.nan, np.nan
    mean = float(np.sum(weight * values)) / total
    return mean, float(np.sqrt(np.sum(weight * np.square(values - mean)) / total))

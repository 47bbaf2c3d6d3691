"""From a recipe to a study whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle
from ncs_cb.model import Details, Kind, MachineValues, Site, Stimulus, Study, Trace
from ncs_cb.simulate import recipes
from ncs_cb.simulate.details import make_details
from ncs_cb.simulate.limb import Limb, Person, limb_rng, make_limb
from ncs_cb.simulate.plans import NervePlan, Recipe, RecordingPlan, StimulusPlan, draw_span
from ncs_cb.simulate.recording import Amplifier, Disturbance, disturb, quantize
from ncs_cb.simulate.stimulation import (
    Shot,
    f_response,
    inching_shots,
    intensity_shots,
    neighbor_response,
    own_response,
    position_of,
    routine_shots,
    segment_truth,
)
from ncs_cb.simulate.truth import Markers, SegmentTruth, StudyTruth, markers

Floats = NDArray[np.float64]
# An adult nobody described.
_AGE_YEARS, _HEIGHT_CM = 45.0, 172.0
_F_SWEEP_MS = {"arm": 60.0, "leg": 100.0}


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A simulated visit and what is true of it."""

    study: Study
    truth: StudyTruth


@dataclass(frozen=True, slots=True, eq=False)
class _Visit:
    """What all nerves of one simulated visit share."""

    recipe: Recipe
    seed: int
    index: int
    person: Person
    temperature_c: dict[str, float]

    def rng(self, *words: str) -> np.random.Generator:
        return limb_rng(self.seed, self.index, *words)

    def limb(self, plan: NervePlan) -> Limb:
        """The nerve that `plan` records from; one draw per muscle, side and kind."""
        owner = nerve_of_muscle(plan.target) if plan.kind == "motor" else plan.nerve
        own = [
            p
            for p in self.recipe.nerves
            if (p.nerve, p.target, p.side, p.kind) == (owner, plan.target, plan.side, plan.kind)
        ]
        words = (plan.kind, str(owner), plan.target, plan.side)
        warmth = self.temperature_c.get(f"{plan.side}_{anatomy().nerves[plan.nerve].limb}")
        return make_limb(
            own[0] if own else replace(plan, lesions=()),
            self.person,
            self.rng(*words),
            temperature_c=warmth,
            anastomoses=self.recipe.anastomoses,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Sweeps:
    """Traces of one recording with their noise-free samples."""

    traces: list[Trace]
    clean: list[Floats]
    markers: list[Markers]
    f_latency_ms: list[float]


def recipe(id_or_path: str | Path, *, seed: int | None = None, n: int = 1) -> list[Simulated]:
    """Simulate visits from a recipe.

    Parameters
    ----------
    id_or_path : str or Path
        A shipped recipe (see :func:`ncs_cb.simulate.available`) or a file of your own.
    seed : int, optional
        The recipe's own when not given. The same seed gives the same bits.
    n : int
        Number of visits; each draws its own person, pools and ranges.

    Returns
    -------
    list of Simulated
        ``study`` and ``truth`` of each. With `n` above 1 the study ids end in ``-0001`` and so on.

    Raises
    ------
    TableError
        If the recipe is unknown or malformed.

    Examples
    --------
    >>> visit = recipe("healthy_arm")[0]
    >>> visit.study.study_id
    'healthy_arm'
    """
    plan = recipes.load(id_or_path)
    start = plan.seed if seed is None else seed
    ids = [plan.study_id] if n == 1 else [f"{plan.study_id}-{i + 1:04d}" for i in range(n)]
    return [_visit(plan, start, index, name) for index, name in enumerate(ids)]


def _visit(plan: Recipe, seed: int, index: int, study_id: str) -> Simulated:
    rng = limb_rng(seed, index, "person")
    age = None if plan.age_years is None else round(draw_span(rng, plan.age_years))
    height = None if plan.height_cm is None else round(draw_span(rng, plan.height_cm))
    warmth = {
        limb: round(draw_span(rng, span), 1) for limb, span in plan.limb_temperature_c.items()
    }
    person = Person(_AGE_YEARS if age is None else age, _HEIGHT_CM if height is None else height)
    visit = _Visit(plan, seed, index, person, warmth)
    parts: list[_Sweeps] = []
    segments: list[SegmentTruth] = []
    for nerve_plan in plan.nerves:
        limb = visit.limb(nerve_plan)
        made, found = _nerve(visit, nerve_plan, limb)
        parts += made
        segments += found
    details: Details = make_details(plan, age, height, warmth)
    study = Study(study_id, traces=tuple(t for part in parts for t in part.traces), details=details)
    truth = StudyTruth(
        markers=_stack([m for part in parts for m in part.markers]),
        noise_free_mv=tuple(c for part in parts for c in part.clean),
        f_latency_ms=np.array([f for part in parts for f in part.f_latency_ms]),
        segments=tuple(segments),
    )
    return Simulated(study, truth)


def _stack(parts: list[Markers]) -> Markers:
    names = Markers.__dataclass_fields__
    return Markers(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _nerve(visit: _Visit, plan: NervePlan, limb: Limb) -> tuple[list[_Sweeps], list[SegmentTruth]]:
    words = (plan.kind, plan.nerve, plan.target, plan.side)
    rng_for = partial(visit.rng, *words)
    height = visit.person.height_cm
    name = f"{plan.nerve}_{plan.side}_{plan.target}"
    parts = []
    segments: list[SegmentTruth] = []
    if plan.sites:
        shots = routine_shots(plan, limb, rng_for("shots"), height)
        parts.append(_recorded(visit, plan, limb, shots, name, rng_for))
        segments = segment_truth(plan, limb, shots, rng_for)
    if plan.intensity_series is not None:
        shots = intensity_shots(plan, limb, rng_for("intensity"), height)
        parts.append(_recorded(visit, plan, limb, shots, f"{name}_intensity", rng_for))
    if plan.inching is not None:
        shots = inching_shots(plan, limb, rng_for("inching"))
        parts.append(_recorded(visit, plan, limb, shots, f"{name}_inching", rng_for))
    if plan.f_waves is not None:
        parts.append(_f_waves(visit, plan, limb, f"{name}_f", rng_for))
    return parts, segments


def _amplifier(
    plan: RecordingPlan, rng: np.random.Generator, sweep_ms: float | None = None
) -> Amplifier:
    rate = draw_span(rng, plan.sampling_rate_hz)
    before = round(draw_span(rng, plan.baseline_ms) * rate / 1e3)
    length = draw_span(rng, plan.sweep_ms) if sweep_ms is None else sweep_ms
    return Amplifier(
        rate,
        round(length * rate / 1e3),
        before,
        draw_span(rng, plan.high_pass_hz),
        draw_span(rng, plan.low_pass_hz),
    )


def _recorded(
    visit: _Visit,
    plan: NervePlan,
    limb: Limb,
    shots: list[Shot],
    name: str,
    rng_for: Callable[..., np.random.Generator],
) -> _Sweeps:
    common = _amplifier(plan.recording, rng_for("amplifier"))
    out = _Sweeps([], [], [], [])
    # Sites may have been recorded with other filters: a mistake that is worth simulating.
    for shot_group in _by_filters(shots):
        special = shot_group[0].plan
        setting = replace(
            common,
            high_pass_hz=special.high_pass_hz or common.high_pass_hz,
            low_pass_hz=special.low_pass_hz or common.low_pass_hz,
        )
        clean, last = own_response(limb, plan.nerve, shot_group, setting, rng_for)
        for other in {s.plan.co_stimulates for s in shot_group} - {None}:
            added, end = _co_stimulated(visit, plan, str(other), shot_group, setting, rng_for)
            clean, last = clean + added, np.maximum(last, end)
        _finish(visit, plan, shot_group, setting, clean, last, name, rng_for, out)
    return out


def _by_filters(shots: list[Shot]) -> list[list[Shot]]:
    groups: list[list[Shot]] = []
    for shot in shots:
        key = (shot.plan.high_pass_hz, shot.plan.low_pass_hz)
        if groups and (groups[-1][0].plan.high_pass_hz, groups[-1][0].plan.low_pass_hz) == key:
            groups[-1].append(shot)
        else:
            groups.append([shot])
    return groups


def _co_stimulated(
    visit: _Visit,
    plan: NervePlan,
    other: str,
    shots: list[Shot],
    setting: Amplifier,
    rng_for: Callable[..., np.random.Generator],
) -> tuple[Floats, Floats]:
    target = anatomy().nerves[other].muscles[0]
    neighbor = visit.limb(NervePlan(other, target, plan.side, "motor", ()))
    own = [
        s
        if s.plan.co_stimulates == other
        else replace(s, plan=replace(s.plan, co_stimulation=(0.0, 0.0)))
        for s in shots
    ]
    return neighbor_response(neighbor, own, setting, rng_for)


def _finish(
    visit: _Visit,
    plan: NervePlan,
    shots: list[Shot],
    setting: Amplifier,
    clean: Floats,
    last_ms: Floats,
    name: str,
    rng_for: Callable[..., np.random.Generator],
    out: _Sweeps,
    kind: Kind | None = None,
) -> None:
    """Add what the surroundings add, quantize, and make traces."""
    first = len(out.traces)
    rng = rng_for("noise", name, str(first))
    range_mv, bits = draw_span(rng, plan.recording.range_mv), round(plan.recording.bits[0])
    samples = quantize(
        disturb(clean, setting, disturbance(plan.recording, rng), rng), range_mv=range_mv, bits=bits
    )
    truth = markers(clean, setting, last_arrival_ms=last_ms)
    prints = visit.recipe.machine_values and plan.kind == "motor" and kind is None
    machine = _machine(shots, truth) if prints else [MachineValues()] * len(shots)
    for index, shot in enumerate(shots):
        trace_samples = samples[index].copy()
        trace_samples.setflags(write=False)
        row = truth.row(index)
        out.traces.append(
            Trace(
                trace_samples,
                setting.sampling_rate_hz,
                setting.stimulus_index,
                Site(plan.nerve, plan.side, plan.target, shot.site),
                name,
                kind or plan.kind,
                _stimulus(plan, shot),
                setting.high_pass_hz,
                setting.low_pass_hz,
                first + index,
                shot.group,
                (-range_mv, range_mv),
                2.0 * range_mv / 2**bits,
                machine[index],
            )
        )
        out.clean.append(clean[index])
        out.markers.append(Markers(**{key: np.array([value]) for key, value in row.items()}))
        out.f_latency_ms.append(np.nan)


def disturbance(plan: RecordingPlan, rng: np.random.Generator) -> Disturbance:
    """What a recording plan adds to its responses."""
    return Disturbance(
        noise_mv=draw_span(rng, plan.noise_uv) / 1e3,
        hum_mv=draw_span(rng, plan.hum_uv) / 1e3,
        hum_hz=draw_span(rng, plan.hum_hz),
        drift_mv=draw_span(rng, plan.drift_uv) / 1e3,
        offset_mv=draw_span(rng, plan.offset_uv) / 1e3,
        artefact_mv=draw_span(rng, plan.artefact_mv),
        artefact_decay_ms=draw_span(rng, plan.artefact_decay_ms),
        artefact_pulse_ms=draw_span(rng, plan.artefact_pulse_ms),
        one_over_f_mv=draw_span(rng, plan.one_over_f_uv) / 1e3,
        hum_harmonics=draw_span(rng, plan.hum_harmonics),
        recovery_mv=draw_span(rng, plan.recovery_uv) / 1e3,
        recovery_ms=draw_span(rng, plan.recovery_ms),
    )


def _stimulus(plan: NervePlan, shot: Shot) -> Stimulus:
    attested = plan.supramaximal if shot.plan.supramaximal is None else shot.plan.supramaximal
    if shot.graded or (shot.plan.excited[0] < 1.0 and shot.plan.supramaximal is None):
        attested = None
    width = 0.2 if shot.site != "erb" else 0.5
    return Stimulus(shot.position_mm, shot.current_ma, width, attested, shot.plan.collision)


def _machine(shots: list[Shot], truth: Markers) -> list[MachineValues]:
    """What a machine would print beside each response: one decimal, and the velocity."""
    values = []
    latency, height = truth.onset_latency_ms, truth.negative_peak_amplitude_mv
    for index, shot in enumerate(shots):
        if not np.isfinite(latency[index]) or height[index] < 0.05:
            values.append(MachineValues())
            continue
        before = [i for i in range(index) if shots[i].position_mm < shot.position_mm]
        velocity = None
        if before and latency[index] > latency[before[-1]]:
            length = shot.position_mm - shots[before[-1]].position_mm
            velocity = round(float(length / (latency[index] - latency[before[-1]])), 1)
        values.append(
            MachineValues(round(float(latency[index]), 1), round(float(height[index]), 1), velocity)
        )
    return values


def _f_waves(
    visit: _Visit,
    plan: NervePlan,
    limb: Limb,
    name: str,
    rng_for: Callable[..., np.random.Generator],
) -> _Sweeps:
    series = plan.f_waves
    assert series is not None
    rng = rng_for("f_waves")
    sweep_ms = _F_SWEEP_MS[anatomy().nerves[plan.nerve].limb]
    setting = _amplifier(plan.recording, rng, sweep_ms)
    special = plan.stimuli.get(series.site, StimulusPlan(series.site))
    position = position_of(limb, plan.nerve, series.site, visit.person.height_cm)
    current = round(draw_span(rng, (16.0, 26.0)), 1)
    shot = Shot(series.site, position, current, False, special)
    shots = [shot] * series.n_stimuli
    late = f_response(limb, shot, len(shots), draw_span(rng, series.persistence), setting, rng)
    direct, last = own_response(limb, plan.nerve, shots, setting, rng_for)
    out = _Sweeps([], [], [], [])
    _finish(visit, plan, shots, setting, direct + late, last, name, rng_for, out, kind="f_wave")
    out.f_latency_ms[:] = markers(late, setting).onset_latency_ms.tolist()
    return out

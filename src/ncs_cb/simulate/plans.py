"""What a recipe asks for, once it is read: recordings, nerves, lesions, stimuli, series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """How the sweeps of one nerve are recorded; the keys of ``[recording]``."""

    sampling_rate_hz: Span = (20_000.0, 20_000.0)
    sweep_ms: Span = (50.0, 50.0)
    baseline_ms: Span = (1.0, 1.0)
    high_pass_hz: Span = (2.0, 2.0)
    low_pass_hz: Span = (10_000.0, 10_000.0)
    noise_uv: Span = (5.0, 5.0)
    hum_uv: Span = (0.0, 0.0)
    hum_hz: Span = (50.0, 50.0)
    drift_uv: Span = (0.0, 0.0)
    offset_uv: Span = (0.0, 0.0)
    artefact_mv: Span = (1.0, 1.0)
    artefact_decay_ms: Span = (0.25, 0.25)
    artefact_pulse_ms: Span = (0.2, 0.2)
    one_over_f_uv: Span = (0.0, 0.0)
    hum_harmonics: Span = (0.0, 0.0)
    recovery_uv: Span = (0.0, 0.0)
    recovery_ms: Span = (8.0, 8.0)
    # 16 bits over this range make steps of exactly 1 uV.
    range_mv: Span = (32.768, 32.768)
    bits: Span = (16.0, 16.0)


# Sensory studies are averages at a higher gain; 20 Hz to 3 kHz is the example of formats.md.
SENSORY_PLAN = RecordingPlan(
    sweep_ms=(20.0, 20.0),
    high_pass_hz=(20.0, 20.0),
    low_pass_hz=(3000.0, 3000.0),
    noise_uv=(0.3, 0.3),
    artefact_mv=(0.02, 0.02),
    artefact_decay_ms=(0.2, 0.2),
    range_mv=(3.2768, 3.2768),
)


MOTOR_PLAN = RecordingPlan()


@dataclass(frozen=True, slots=True)
class LesionPlan:
    """One lesion; the keys of ``[[nerve.lesion]]``."""

    distal_site: str
    proximal_site: str
    at: Span = (0.5, 0.5)
    block: Span = (0.0, 0.0)
    block_of: Literal["signal", "units"] = "signal"
    choice: Any = "random"
    delay_ms: Span = (0.0, 0.0)
    delay_shape: Any = "uniform"
    delay_share: Span = (1.0, 1.0)
    velocity_factor: Span = (1.0, 1.0)
    failure: Span = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StimulusPlan:
    """What is special about one site's stimulus; the keys of ``[[nerve.stimulus]]``."""

    site: str
    excited: Span = (1.0, 1.0)
    intensity_ma: Span | None = None
    electrode_shift_mm: Span = (0.0, 0.0)
    co_stimulates: str | None = None
    co_stimulation: Span = (0.0, 0.0)
    collision: bool | None = None
    supramaximal: bool | None = None
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None


@dataclass(frozen=True, slots=True)
class IntensityPlan:
    """A series of rising currents at one site; ``[nerve.intensity_series]``."""

    site: str
    steps: int = 10
    repeats: int = 1
    from_ma: Span = (6.0, 6.0)
    to_ma: Span = (30.0, 30.0)


@dataclass(frozen=True, slots=True)
class InchingPlan:
    """Closely spaced stimuli; ``[nerve.inching]``."""

    from_site: str
    to_site: str
    step_mm: Span = (20.0, 20.0)


@dataclass(frozen=True, slots=True)
class FWavePlan:
    """Raw sweeps for late responses; ``[nerve.f_waves]``."""

    site: str
    n_stimuli: int = 20
    persistence: Span = (0.85, 0.85)


@dataclass(frozen=True, slots=True)
class NervePlan:
    """One nerve, side and recording electrode; the keys of ``[[nerve]]``."""

    nerve: str
    target: str
    side: Any
    kind: Any
    sites: tuple[str, ...]
    n_units: Span | None = None
    amplitude_mv: Span | None = None
    distal_latency_ms: Span | None = None
    velocity_factor: Span = (1.0, 1.0)
    velocity_spread: Span | None = None
    axon_loss: Span = (0.0, 0.0)
    axon_loss_choice: Any = "random"
    reinnervation: Span = (0.0, 0.0)
    initial_positivity: Span = (0.0, 0.0)
    second_muscle: Span = (0.0, 0.0)
    repeats: int = 1
    supramaximal: bool | None = True
    lesions: tuple[LesionPlan, ...] = ()
    stimuli: Mapping[str, StimulusPlan] = field(default_factory=dict)
    intensity_series: IntensityPlan | None = None
    inching: InchingPlan | None = None
    f_waves: FWavePlan | None = None
    recording: RecordingPlan = MOTOR_PLAN


@dataclass(frozen=True, slots=True)
class AnastomosisPlan:
    """Fibers that cross in the forearm; the keys of ``[[anastomosis]]``."""

    side: Any
    muscle: str
    via: str
    share: Span = (0.4, 0.4)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe."""

    id: str
    title: str
    seed: int
    study_id: str
    visit_date: date | None
    symptom_onset_date: date | None
    age_years: Span | None
    height_cm: Span | None
    sex: Any
    limb_temperature_c: Mapping[str, Span]
    machine_values: bool
    nerves: tuple[NervePlan, ...]
    anastomoses: tuple[AnastomosisPlan, ...]
    details: Mapping[str, Any]
    source: str


def draw_span(rng: np.random.Generator, span: Span) -> float:
    """A number from a span; the number itself when both ends are equal."""
    return span[0] if span[0] == span[1] else float(rng.uniform(*span))

"""What ``study.toml`` and ``lab.toml`` say: of patient, visit, recordings, laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Side = Literal["left", "right"]
Polarity = Literal["negative_up", "negative_down", "auto"]


@dataclass(frozen=True, slots=True)
class ResponseOverride:
    """What ``study.toml`` says of the response of one site.

    ``onset_latency_ms`` and ``end_latency_ms`` are markers set by hand; the automatic ones are
    kept beside them. Nothing before ``ignore_until_ms`` is response.
    """

    supramaximal: bool | None = None
    exclude: bool | None = None
    ignore_until_ms: float | None = None
    onset_latency_ms: float | None = None
    end_latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingOverride:
    """What ``study.toml`` says of one recording: what the file does not say, or says wrongly.

    Attributes
    ----------
    nerve, side, muscle, polarity : str or None
    supramaximal, collision_used : bool or None
        Attested for every site of the recording.
    unit : str or None
        Where the file names none.
    stimulus_delay_ms : float or None
        The pulse came so long after the file's trigger.
    sites : mapping of str to str
        From annotation text or trigger code to stimulation site.
    distances_mm : mapping of str to float
        By site, from the recording electrode.
    segment_lengths_mm : mapping of str to float
        By segment (``wrist-below_elbow``).
    responses : mapping of str to ResponseOverride
        By site.
    """

    nerve: str | None = None
    side: Side | None = None
    muscle: str | None = None
    polarity: Polarity | None = None
    supramaximal: bool | None = None
    collision_used: bool | None = None
    unit: str | None = None
    stimulus_delay_ms: float | None = None
    sites: Mapping[str, str] = field(default_factory=dict)
    distances_mm: Mapping[str, float] = field(default_factory=dict)
    segment_lengths_mm: Mapping[str, float] = field(default_factory=dict)
    responses: Mapping[str, ResponseOverride] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TreatmentCourse:
    """One course of treatment."""

    drug: str
    start: date | None = None
    end: date | None = None
    dose_g_per_kg: float | None = None

    def is_given_between(self, earlier: date, later: date) -> bool:
        """Tell whether some of it was given after one day and not after another."""
        if self.start is None or self.start > later:
            return False
        return self.start > earlier or (self.end is not None and self.end > earlier)


@dataclass(frozen=True, slots=True)
class SensoryValue:
    """One typed-in sensory value; the physician's own reading is ``is_normal``."""

    nerve: str
    side: Side
    segment: str | None = None
    amplitude_uv: float | None = None
    velocity_m_per_s: float | None = None
    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    is_normal: bool | None = None


@dataclass(frozen=True, slots=True)
class FWaveValue:
    """One typed-in F-wave study."""

    nerve: str
    side: Side
    muscle: str | None = None
    minimum_latency_ms: float | None = None
    mean_latency_ms: float | None = None
    maximum_latency_ms: float | None = None
    persistence_pct: float | None = None
    n_stimuli: int | None = None


@dataclass(frozen=True, slots=True)
class StrengthValue:
    """Strength of one movement as examined: an MRC grade (0 to 5), a force in newton, or both."""

    movement: str
    side: Side
    mrc: float | None = None
    force_n: float | None = None


@dataclass(frozen=True, slots=True)
class NeedleValue:
    """What the needle found in one muscle; ``None`` and ``unknown`` are not "normal"."""

    muscle: str
    side: Side
    fibrillations: bool | None = None
    motor_unit_changes: Literal["none", "acute", "chronic", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class Details:
    """What ``study.toml`` says about the patient and the visit. Absent is unknown.

    ``findings`` maps ``"<table>.<key>"`` of ``study.toml`` (for example
    ``"clinical.upper_motor_neuron_signs"`` or ``"laboratory.csf_protein_g_per_l"``) to a bool or
    a number; the names are those of ``tables/findings.toml``. ``limb_temperature_c`` maps
    ``right_arm``, ``left_arm``, ``right_leg``, ``left_leg`` to degrees Celsius.
    """

    visit_date: date | None = None
    symptom_onset_date: date | None = None
    age_years: float | None = None
    sex: Literal["female", "male"] | None = None
    height_cm: float | None = None
    limb_temperature_c: Mapping[str, float] = field(default_factory=dict)
    recordings: Mapping[str, RecordingOverride] = field(default_factory=dict)
    findings: Mapping[str, bool | float] = field(default_factory=dict)
    courses: tuple[TreatmentCourse, ...] = ()
    sensory: tuple[SensoryValue, ...] = ()
    f_waves: tuple[FWaveValue, ...] = ()
    strength: tuple[StrengthValue, ...] = ()
    needle_emg: tuple[NeedleValue, ...] = ()
    clinical_question: str | None = None


@dataclass(frozen=True, slots=True)
class Lab:
    """What ``lab.toml`` says of the laboratory.

    Attributes
    ----------
    sha256, name : str
        Of the file.
    letterhead : mapping of str to str
        ``name``, ``address``, ``physician``, ``logo``, ``phone``, ``email``.
    defaults : mapping
        ``criteria``, ``reference``, ``language``, ``supramaximal``, ``collision_used``.
    words : mapping
        By kind and id, the laboratory's own words, as written.
    """

    sha256: str
    name: str = "lab.toml"
    letterhead: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

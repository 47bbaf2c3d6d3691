"""What came in and what was found: frozen objects that hold and never compute.

Objects carry what came in (:class:`Study` and its parts); tables carry what was found
(:class:`Result`). Voltages are in mV with the negative phase positive, times in ms,
distances in mm, currents in mA, rates and filters in Hz. ``None`` means unknown, never normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ncs_cb.model.details import (
    Details,
    FWaveValue,
    Lab,
    NeedleValue,
    Polarity,
    RecordingOverride,
    ResponseOverride,
    SensoryValue,
    Side,
    StrengthValue,
    TreatmentCourse,
)
from ncs_cb.model.evidence import Evidence, Said
from ncs_cb.model.words import SetWords, Wording

__all__ = [
    "BlockFit",
    "Correction",
    "DataFile",
    "Decision",
    "Details",
    "Evidence",
    "FWaveValue",
    "Kind",
    "Lab",
    "MachineValues",
    "NeedleValue",
    "Polarity",
    "PrintedSegment",
    "Provenance",
    "RecordingOverride",
    "Response",
    "ResponseOverride",
    "ResponseStatus",
    "Result",
    "Said",
    "Sayer",
    "SensoryValue",
    "SetWords",
    "Side",
    "Site",
    "Source",
    "Stimulus",
    "StrengthValue",
    "Study",
    "Trace",
    "TreatmentCourse",
    "TypedResponse",
    "UnassignedStimulus",
    "Wording",
]

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from matplotlib.figure import Figure

    Floats = npt.NDArray[np.float64]

_NOTHING_KNOWN = Details()
Kind = Literal["motor", "sensory", "f_wave"]
Sayer = Literal["file", "table", "study.toml", "lab.toml", "call", "review", "plateau"]
"""Who attested or denied something."""
ResponseStatus = Literal["present", "absent", "not_done", "not_measurable"]
"""Four different things; a fifth is None, unknown."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a nerve was stimulated and where the answer was recorded, as ids of the anatomy."""

    nerve: str
    side: Side
    muscle: str
    stimulation_site: str


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What is known of one stimulus.

    Attributes
    ----------
    distance_mm : float or None
        From the recording electrode to the stimulus.
    intensity_ma, duration_ms : float or None
        Current and pulse width.
    is_supramaximal : bool or None
        Attested by the recording or by ``study.toml``; None when nobody said.
    collision_used : bool or None
        Whether a collision technique was used.
    supramaximal_by, collision_by : str or None
        Who said so (see :data:`Sayer`); None when nobody did.
    """

    distance_mm: float | None = None
    intensity_ma: float | None = None
    duration_ms: float | None = None
    is_supramaximal: bool | None = None
    collision_used: bool | None = None
    supramaximal_by: Sayer | None = None
    collision_by: Sayer | None = None


@dataclass(frozen=True, slots=True)
class MachineValues:
    """The recording machine's own values for a response, kept beside ours as a cross-check."""

    onset_latency_ms: float | None = None
    amplitude_mv: float | None = None
    conduction_velocity_m_per_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One sweep: the answer to one stimulus.

    Attributes
    ----------
    samples_mv : ndarray of shape (n_samples,) [mV]
        float32 or float64, read-only, negative phase positive.
    sampling_rate_hz : float
    stimulus_index : int
        Sample at which the stimulus was given.
    site : Site
    recording : str
        The file or object it came from, as the user named it (a name, not a path).
    kind : str
        ``motor``, ``sensory`` or ``f_wave`` (a raw sweep recorded for late responses).
    stimulus : Stimulus
    high_pass_hz, low_pass_hz : float or None
        Amplifier filter.
    sweep : int
        Number of the sweep within its recording, from 0, in recording order.
    repeat_group : str or None
        Sweeps of one recording and site with the same group are repeats of one stimulus
        setting and may be averaged; None when nothing marks it as a repeat.
    range_mv : tuple of float or None
        Physical limits of the converter, for recognizing a clipped trace.
    resolution_mv : float or None
        Size of one bit.
    machine : MachineValues
    flags : tuple of str
        Trace flags that only the reader can raise (for example ``polarity_uncertain``).
    """

    samples_mv: np.ndarray
    sampling_rate_hz: float
    stimulus_index: int
    site: Site
    recording: str
    kind: Kind = "motor"
    stimulus: Stimulus = Stimulus()
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    sweep: int = 0
    repeat_group: str | None = None
    range_mv: tuple[float, float] | None = None
    resolution_mv: float | None = None
    machine: MachineValues = MachineValues()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypedResponse:
    """One row of a site table: numbers from a machine that exports no waveform.

    ``values`` maps columns of ``measure_traces`` to numbers; a missing one is unknown.
    ``response`` says whether there was one; None when the table does not say. ``flags`` are
    those that only the reader can raise.
    """

    site: Site
    recording: str
    values: Mapping[str, float]
    kind: Kind = "motor"
    stimulus: Stimulus = Stimulus()
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    sampling_rate_hz: float | None = None
    response: ResponseStatus | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """The answer of one site, measured or printed alike: what stands behind a row of ``traces``.

    Attributes
    ----------
    site : Site
    recording : str
        The file or object it came from.
    kind : str
        ``motor`` or ``sensory``.
    stimulus : Stimulus
        With what was attested of it, and by whom; a printed row counts as a waveform does.
    status : str or None
        ``present``, ``absent`` (looked for, nothing seen), ``not_done`` or ``not_measurable``;
        None when nobody said.
    machine : MachineValues
        What the recording machine printed beside its waveform.
    trace : Trace or None
        The waveform that was measured; None for a printed row, and in a result read back.
    """

    site: Site
    recording: str
    kind: Kind = "motor"
    stimulus: Stimulus = Stimulus()
    status: ResponseStatus | None = None
    machine: MachineValues = MachineValues()
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class PrintedSegment:
    """What a machine printed of one segment; used where the distances of its sites are unknown.

    Attributes
    ----------
    nerve, side, muscle : str
    distal_site, proximal_site : str
    length_mm : float or None
    velocity_m_per_s : float or None
    """

    nerve: str
    side: Side
    muscle: str
    distal_site: str
    proximal_site: str
    length_mm: float | None = None
    velocity_m_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class UnassignedStimulus:
    """A stretch of signal whose annotation or trigger names no stimulation site.

    Attributes
    ----------
    recording : str
        The recording it stands in.
    text : str
        The annotation or trigger code; words that may name a person are left out.
    sweep : int
        Number of the data record, epoch or column it lies in, from 0.
    time_s : float or None
        When it was given, from the start of the recording.
    """

    recording: str
    text: str
    sweep: int
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One input file: its name (never its folder), its SHA-256 and the reader that took it."""

    name: str
    sha256: str
    reader: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing a step settled that the input did not say outright.

    Attributes
    ----------
    source : str
        Recording it concerns.
    topic : str
        ``polarity``, ``unit``, ``filter``, ``average``, ``site``, ``choice``, ...
    choice : str
        What was decided.
    reason : str
        Why, in words.
    """

    source: str
    topic: str
    choice: str
    reason: str


@dataclass(frozen=True, slots=True)
class Correction:
    """One event of a review: who corrected what, when, from what to what, and why.

    Attributes
    ----------
    id, at, who : str
        The event's own id, the time (UTC, ISO 8601) and the person.
    action : str
        ``move``, ``reset``, ``exclude``, ``choose``, ``set``, ``accept`` or ``undo``.
    recording, site : str
    sweep : int or None
        The response it concerns: number of its first sweep; None for a recording as a whole.
    samples : str
        Digest of that response's samples, by which a recording that has changed is noticed.
    text : str
        The annotation of an unassigned stimulus that is given a site; else empty.
    marker : str or None
        ``onset``, ``peak``, ``end`` or ``baseline``.
    key : str or None
        What is set: ``site``, ``side``, ``distance_mm``, ``polarity``, ``supramaximal``,
        ``collision_used``.
    from_value, to_value : str, float, bool or None
        Before and after; markers in ms from the stimulus.
    from_by : str
        ``auto``, or who had set the value before.
    why : str
    undoes : str or None
        Id of the event that is taken back.
    version : str
        Version of ncs_cb that wrote it.
    """

    id: str
    at: str
    who: str
    action: str
    recording: str = ""
    sweep: int | None = None
    site: str | None = None
    samples: str = ""
    text: str = ""
    marker: str | None = None
    key: str | None = None
    from_value: str | float | bool | None = None
    to_value: str | float | bool | None = None
    from_by: str = ""
    why: str = ""
    undoes: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """One patient visit as read: responses, typed-in values, details and reader decisions."""

    study_id: str
    traces: tuple[Trace, ...] = ()
    typed_responses: tuple[TypedResponse, ...] = ()
    details: Details = _NOTHING_KNOWN
    sources: tuple[Source, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    """Free annotations of the recordings that no grammar understood, kept as text."""
    unassigned: tuple[UnassignedStimulus, ...] = ()
    """Stimuli whose site nobody named; they stand in no table."""
    printed_segments: tuple[PrintedSegment, ...] = ()
    """Lengths and velocities as printed, for sites whose distances are unknown."""
    lab: Lab | None = None
    corrections: tuple[Correction, ...] = ()
    """The events of the review, in the order in which they were made, those taken back too."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A shipped or user-supplied table that a result rests on."""

    id: str
    revision: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result rests on, so that it explains itself. No clock, no host name."""

    version: str
    criteria: tuple[DataFile, ...] = ()
    reference: tuple[DataFile, ...] = ()
    sources: tuple[Source, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BlockFit:
    """The estimate of one pair of responses with the curves behind it.

    Attributes
    ----------
    estimate : mapping
        The row of the ``estimates`` table.
    time_ms, distal_mv, proximal_mv : ndarray of shape (n,) and (n,), (m,)
        Time from the stimulus; the two responses without baseline and artefact.
    fitted_mv : ndarray of shape (n,)
        The delayed part of the distal response that fits the proximal one; NaN without estimate.
    delays_ms, delay_density_per_ms : ndarray of shape (k,)
        Distribution of the segment's delays; its integral is ``1 - blocked_fraction``.
    """

    estimate: Mapping[str, float | str]
    time_ms: Floats
    distal_mv: Floats
    proximal_time_ms: Floats
    proximal_mv: Floats
    fitted_mv: Floats
    delays_ms: Floats
    delay_density_per_ms: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A study, what was found in it, what that means, and what it rests on.

    All tables are pandas DataFrames with the columns of :mod:`ncs_cb.columns`: ``traces``,
    ``segments``, ``verdicts`` and ``diagnosis`` are the four of the public contract; ``checks``
    says for every quality check of a segment whether it was raised, cleared or not examined;
    ``f_waves``, ``recruitment`` and ``inching`` are empty unless such recordings are there.

    ``statements`` is the impression, line by line and in every language; :attr:`impression` gives
    it in English. ``features`` lists what speaks for and against MMN, ``differential`` the same
    for other diseases; ``sensory`` every sensory study with its reading; ``limits`` the limit of
    normal of each motor value that has one, and whether the value lies outside; ``asks`` what
    would settle what is unknown; ``reasons`` what explains each row of ``diagnosis``.

    ``responses`` holds, for each row of ``traces``, the :class:`Response` behind it, so that
    figures draw what the numbers were taken from; ``fits`` the curves
    behind the block estimate of each segment, by nerve, side, muscle and segment; ``sets`` the
    words of every criteria and reference set. A result read back from its record has everything
    but the waveforms and the curves.
    """

    study: Study
    traces: pd.DataFrame
    segments: pd.DataFrame
    verdicts: pd.DataFrame
    diagnosis: pd.DataFrame
    checks: pd.DataFrame
    f_waves: pd.DataFrame
    recruitment: pd.DataFrame
    inching: pd.DataFrame
    statements: pd.DataFrame
    features: pd.DataFrame
    differential: pd.DataFrame
    sensory: pd.DataFrame
    limits: pd.DataFrame
    asks: pd.DataFrame
    reasons: pd.DataFrame
    responses: tuple[Response, ...]
    provenance: Provenance
    sets: tuple[SetWords, ...] = ()
    fits: Mapping[tuple[str, str, str, str], BlockFit] = field(default_factory=dict)

    @property
    def impression(self) -> tuple[str, ...]:
        """What a clinical neurophysiologist would dictate, line by line, in English."""
        return tuple(self.statements["text"])

    if TYPE_CHECKING:
        # Display lies above the science: ``ncs_cb.display`` hooks it on.
        def _repr_html_(self) -> str: ...

        def plot(self, nerve: str, side: Side, *, muscle: str | None = None) -> Figure:
            """Draw the stacked traces of one nerve."""

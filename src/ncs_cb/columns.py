"""The registry of columns: every quantity defined once.

CSV headers, the JSON Schema, report headings and the documentation are generated from here.
A column's unit is read from its name's suffix, so that the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncs_cb.units import unit_of

if TYPE_CHECKING:
    import pandas as pd

Dtype = Literal["string", "float64", "boolean", "Int64", "object"]

# Stalberg et al. 2019 is the IFCN standard for quantifying nerve conduction studies and EMG.
_STALBERG = (
    "Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729, doi:10.1016/j.clinph.2019.05.008"
)
# Simulation evidence for counting every negative phase: reference/clinical.md section 7.4.
_ALL_PHASES = (
    "Van den Bergh PYK et al. Eur J Neurol 2021;28:3556-3583, doi:10.1111/ene.14959 "
    "(distal CMAP duration: first onset to the return of the last negative peak)"
)
_CONTRACT = "ncs_cb, public contract"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes
    ----------
    name : str
        Lower snake case; a quantity ends in its unit.
    table : str
        The table it belongs to.
    dtype : str
        pandas dtype: ``string``, ``float64``, ``boolean``, ``Int64``, or ``object`` for lists.
    label : str
        Short English heading.
    description : str
        What it is, in one sentence.
    definition : str
        The formula or rule, word for word.
    source : str
        Where the definition comes from.
    """

    name: str
    table: str
    dtype: Dtype
    label: str
    description: str
    definition: str = ""
    source: str = ""

    @property
    def unit(self) -> str:
        """The unit read from the name's suffix; empty when it has none."""
        return unit_of(self.name)


def _text(table: str, name: str, label: str, description: str) -> Column:
    return Column(name, table, "string", label, description)


def _number(
    table: str, name: str, label: str, description: str, definition: str = "", source: str = ""
) -> Column:
    return Column(name, table, "float64", label, description, definition, source)


def _truth(table: str, name: str, label: str, description: str, definition: str = "") -> Column:
    return Column(name, table, "boolean", label, description, definition)


def _flags(table: str) -> Column:
    return _text(
        table, "quality_flags", "Quality flags",
        "Names of the quality flags raised, joined by ';', empty when none.",
    )  # fmt: skip


def _series(table: str) -> tuple[Column, ...]:
    """The columns that name one nerve, side and muscle of one study."""
    return (
        _text(table, "study_id", "Study", "The study's id: one patient visit."),
        _text(table, "nerve", "Nerve", "Nerve stimulated, as an id of the anatomy table."),
        _text(table, "side", "Side", "'left' or 'right'."),
        _text(table, "muscle", "Muscle", "Muscle (or skin area) recorded from, as an id."),
    )


MEASURES: tuple[Column, ...] = (
    _number(
        "traces", "onset_latency_ms", "Onset latency",
        "Time from the stimulus to the start of the negative deflection.",
        "from the stimulus to the first departure from baseline into the first significant "
        "negative phase; an initial positivity is flagged and the latency is still that of the "
        "negative deflection", _STALBERG),
    _number(
        "traces", "negative_peak_latency_ms", "Peak latency",
        "Time from the stimulus to the highest negative peak.",
        "from the stimulus to the highest negative peak", _STALBERG),
    _number(
        "traces", "negative_peak_amplitude_mv", "Amplitude",
        "Height of the highest negative peak above baseline.",
        "baseline to the highest negative peak", _STALBERG),
    _number(
        "traces", "peak_to_peak_amplitude_mv", "Peak-to-peak amplitude",
        "Height from the lowest positive to the highest negative peak of the response.",
        "highest negative to lowest positive peak of the response", _STALBERG),
    _number(
        "traces", "negative_peak_duration_ms", "First-phase duration",
        "Duration of the first negative phase.",
        "onset to the first return to baseline", _STALBERG),
    _number(
        "traces", "negative_peak_area_mv_ms", "First-phase area",
        "Area of the first negative phase.",
        "area above baseline from onset to the first return", _STALBERG),
    _number(
        "traces", "total_negative_duration_ms", "Duration",
        "Duration over all significant negative phases.",
        "onset to the last return to baseline over all significant negative phases", _ALL_PHASES),
    _number(
        "traces", "total_negative_area_mv_ms", "Area",
        "Area of all significant negative phases.",
        "sum of the areas of all significant negative phases", _CONTRACT),
    _number(
        "traces", "baseline_mv", "Baseline",
        "What was subtracted from the trace, the stimulus artefact's tail apart.",
        "level of the quiet stretch before the stimulus or, where there is none, between the "
        "artefact and the response", _STALBERG),
    _number(
        "traces", "baseline_noise_mv", "Baseline noise",
        "Standard deviation of the baseline.",
        "standard deviation about the baseline over the stretch it was taken from", _CONTRACT),
    _number(
        "traces", "late_response_latency_ms", "Late response",
        "Latency of a separate later component: an A wave, a satellite or an F wave.",
        "onset of the first negative component that follows a rest at baseline of 2 ms (below "
        "15 % of the highest peak) or 4 ms; part of no area and no duration"),
    _flags("traces"),
)  # fmt: skip
"""The columns of ``measure_traces``. A negative phase is significant when its peak reaches 5 %
of the highest negative peak and stands clear of the noise."""

_TRACES: tuple[Column, ...] = (
    _series("traces")[0],
    _text("traces", "recording", "Recording", "The file or object it came from, as named."),
    *_series("traces")[1:],
    _text("traces", "kind", "Kind", "'motor' or 'sensory'."),
    _text("traces", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    _number("traces", "distance_mm", "Distance", "From the recording electrode to the stimulus."),
    _number("traces", "stimulus_ma", "Current", "Stimulus current."),
    _number("traces", "sampling_rate_hz", "Sampling rate", "Samples per second."),
    _number("traces", "high_pass_hz", "High-pass", "Low-frequency filter of the amplifier."),
    _number("traces", "low_pass_hz", "Low-pass", "High-frequency filter of the amplifier."),
    *MEASURES,
)

_SEGMENT_KEYS = ("study_id", "nerve", "side", "muscle", "segment")


def _segment_name(table: str) -> Column:
    return _text(table, "segment", "Segment", "Distal site, a hyphen, proximal site.")


def _change(name: str, label: str, of: str, increase: bool = False) -> Column:
    formula = "100 * (proximal / distal - 1)" if increase else "100 * (1 - proximal / distal)"
    word = "Rise" if increase else "Fall"
    return _number(
        "segments", name, label,
        f"{word} of {of} from the distal to the proximal site, relative to distal.",
        formula, _CONTRACT,
    )  # fmt: skip


_ESTIMATE: tuple[Column, ...] = (
    _number("estimates", "blocked_fraction", "Blocked share",
            "Share of the distal signal lost to block, 0 to 1 (research, no published criterion)."),
    _number("estimates", "blocked_fraction_low", "Blocked share, low",
            "Lower end of the 90 % interval."),
    _number("estimates", "blocked_fraction_high", "Blocked share, high",
            "Upper end of the 90 % interval."),
    _number("estimates", "added_dispersion_ms", "Added dispersion",
            "Spread of the extra delays along the segment, standard deviation."),
    _number("estimates", "delay_ms", "Segment delay", "Mean conduction time of the segment."),
    _number("estimates", "residual_pct", "Residual",
            "Unexplained share of the proximal response."),
    _flags("estimates"),
)  # fmt: skip

_SEGMENTS: tuple[Column, ...] = (
    *_series("segments"),
    _segment_name("segments"),
    _truth("segments", "is_adjacent", "Adjacent",
           "The two sites are neighbors among the stimulated sites of the nerve."),
    _text("segments", "distal_site", "Distal site", "The site nearer to the muscle."),
    _text("segments", "proximal_site", "Proximal site", "The site farther from the muscle."),
    _number("segments", "length_mm", "Length", "Length of nerve between the two sites.",
            "proximal distance_mm - distal distance_mm"),
    _truth("segments", "is_entrapment_site", "Entrapment site",
           "The segment contains a common entrapment or compression site."),
    _number("segments", "distal_amplitude_mv", "Distal amplitude",
            "Negative-peak amplitude at the distal site."),
    _change("amplitude_reduction_pct", "Amplitude reduction", "negative-peak amplitude"),
    _change("peak_to_peak_reduction_pct", "Peak-to-peak reduction", "peak-to-peak amplitude"),
    _change("area_reduction_pct", "First-phase area reduction", "first-phase area"),
    _change("total_area_reduction_pct", "Area reduction", "the area of all negative phases"),
    _change("duration_increase_pct", "First-phase duration increase", "first-phase duration",
            increase=True),
    _change("total_duration_increase_pct", "Duration increase",
            "the duration over all negative phases", increase=True),
    _number("segments", "conduction_velocity_m_per_s", "Velocity",
            "Conduction velocity along the segment.",
            "length_mm / (proximal onset_latency_ms - distal onset_latency_ms)", _STALBERG),
    *(
        Column(c.name, "segments", c.dtype, c.label, c.description, c.definition, c.source)
        for c in _ESTIMATE
        if c.name.startswith("blocked_fraction") or c.name == "added_dispersion_ms"
    ),
    _flags("segments"),
)  # fmt: skip

_VERDICTS: tuple[Column, ...] = (
    *_series("verdicts"),
    _segment_name("verdicts"),
    _text("verdicts", "distal_site", "Distal site", "The site nearer to the muscle."),
    _text("verdicts", "proximal_site", "Proximal site", "The site farther from the muscle."),
    _text("verdicts", "criteria", "Criteria set", "Id of the criteria set."),
    _text("verdicts", "conduction_block", "Conduction block",
          "definite, probable, possible, none, excluded, undetermined or not_covered."),
    _text("verdicts", "not_excluded", "Not excluded",
          "The strongest grade that missing values leave open."),
    _truth("verdicts", "temporal_dispersion", "Temporal dispersion",
           "Duration increase beyond the set's own limit; NA when the set has none."),
    _truth("verdicts", "extrapolated", "Extrapolated",
           "The published rule does not name this nerve or segment."),
    Column("evidence", "verdicts", "object", "Evidence",
           "Each clause with its measured value, limit and source."),
)  # fmt: skip

_DIAGNOSIS: tuple[Column, ...] = (
    _text("diagnosis", "study_id", "Study", "The study's id: one patient visit."),
    _text("diagnosis", "criteria", "Criteria set", "Id of the criteria set."),
    _text("diagnosis", "category", "Category",
          "definite, probable, possible, not_met or undetermined, in the set's own sense."),
    _text("diagnosis", "not_excluded", "Not excluded",
          "The strongest category that missing evidence leaves open."),
    Column("met", "diagnosis", "object", "Met", "Ids of the clauses that hold."),
    Column("not_met", "diagnosis", "object", "Not met", "Ids of the clauses that do not hold."),
    Column("missing", "diagnosis", "object", "Missing", "Ids of the clauses that are unknown."),
    _text("diagnosis", "explanation", "Explanation", "Why this category, in plain words."),
)  # fmt: skip

_CHECKS: tuple[Column, ...] = (
    *_series("checks"),
    _segment_name("checks"),
    _text("checks", "flag", "Flag", "Id of the quality flag that was looked for."),
    _text("checks", "state", "State", "raised, cleared or not_examined."),
    _text("checks", "arithmetic", "Arithmetic",
          "The numbers the state rests on, or what was missing."),
    _text("checks", "case", "Case",
          "Which sentence of the check applies, for wording it in another language."),
    Column("numbers", "checks", "object", "Numbers", "The numbers of that sentence, by name."),
)  # fmt: skip

_F_WAVES: tuple[Column, ...] = (
    *_series("f_waves"),
    _text("f_waves", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    Column("n_stimuli", "f_waves", "Int64", "Stimuli", "Number of stimuli given."),
    Column("n_responses", "f_waves", "Int64", "Responses", "Number of F waves seen."),
    _number("f_waves", "minimum_latency_ms", "F minimum", "Shortest F-wave latency."),
    _number("f_waves", "mean_latency_ms", "F mean", "Mean F-wave latency."),
    _number("f_waves", "maximum_latency_ms", "F maximum", "Longest F-wave latency."),
    _number("f_waves", "chronodispersion_ms", "Chronodispersion",
            "Spread of F-wave latencies.", "maximum_latency_ms - minimum_latency_ms", _STALBERG),
    _number("f_waves", "persistence_pct", "Persistence",
            "Share of stimuli that gave an F wave.", "100 * n_responses / n_stimuli", _STALBERG),
    _flags("f_waves"),
)  # fmt: skip

_RECRUITMENT: tuple[Column, ...] = (
    *_series("recruitment"),
    _text("recruitment", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    _number("recruitment", "stimulus_ma", "Current", "Stimulus current of this step."),
    Column("n_sweeps", "recruitment", "Int64", "Sweeps", "Number of sweeps at this current."),
    _number("recruitment", "negative_peak_amplitude_mv", "Amplitude", "Amplitude at this current."),
    _number("recruitment", "relative_amplitude_pct", "Relative amplitude",
            "Amplitude relative to the largest of the series.",
            "100 * amplitude / largest amplitude"),
    _truth("recruitment", "is_supramaximal", "Supramaximal",
           "The series reaches a plateau: its last 20 % of intensity adds at most 5 %."),
)  # fmt: skip

_INCHING: tuple[Column, ...] = (
    *_series("inching"),
    Column("step", "inching", "Int64", "Step", "Number of the step, distal first."),
    _text("inching", "distal_site", "Distal site", "The step's nearer stimulus."),
    _text("inching", "proximal_site", "Proximal site", "The step's farther stimulus."),
    _number("inching", "distal_distance_mm", "Distal distance",
            "From the recording electrode to the step's nearer stimulus."),
    _number("inching", "proximal_distance_mm", "Proximal distance",
            "From the recording electrode to the step's farther stimulus."),
    _number("inching", "length_mm", "Length", "Length of the step."),
    _number("inching", "latency_change_ms", "Latency change", "Onset latency added by the step."),
    _number("inching", "amplitude_reduction_pct", "Amplitude reduction",
            "Fall of amplitude over the step.", "100 * (1 - proximal / distal)"),
    _number("inching", "total_area_reduction_pct", "Area reduction",
            "Fall of the area of all negative phases over the step.",
            "100 * (1 - proximal / distal)"),
    _truth("inching", "is_focal", "Focal step",
           "The step with the largest abrupt change of the series."),
)  # fmt: skip

_SENSORY: tuple[Column, ...] = (
    *_series("sensory")[:3],
    _text("sensory", "recording_site", "Recording site", "Skin area recorded from, as an id."),
    _text("sensory", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    _number("sensory", "amplitude_uv", "Amplitude", "Height of the negative peak above baseline.",
            "baseline to the highest negative peak", _STALBERG),
    _number("sensory", "peak_to_peak_amplitude_uv", "Peak-to-peak amplitude",
            "Height from the lowest positive to the highest negative peak of the response.",
            "highest negative to lowest positive peak of the response", _STALBERG),
    _number("sensory", "onset_latency_ms", "Onset latency",
            "Time from the stimulus to the start of the negative deflection.", "", _STALBERG),
    _number("sensory", "peak_latency_ms", "Peak latency",
            "Time from the stimulus to the highest negative peak.", "", _STALBERG),
    _number("sensory", "duration_ms", "Duration", "Duration of the first negative phase.",
            "onset to the first return to baseline", _STALBERG),
    _number("sensory", "distance_mm", "Distance",
            "From the recording electrode to the stimulus."),
    _number("sensory", "velocity_m_per_s", "Velocity",
            "Conduction velocity from the stimulus to the recording electrode.",
            "distance_mm / onset_latency_ms", _STALBERG),
    _flags("sensory"),
)  # fmt: skip


def _two_visits(name: str, label: str, description: str) -> tuple[Column, Column]:
    """A quantity at the earlier and at the later of two visits."""
    return (
        _number("changes", f"earlier_{name}", f"{label}, earlier", f"{description} (earlier)"),
        _number("changes", f"later_{name}", f"{label}, later", f"{description} (later)"),
    )


def _relative(name: str, label: str, of: str) -> Column:
    return _number("changes", name, label, f"Change of {of} between the visits.",
                   "100 * (later / earlier - 1)", _CONTRACT)  # fmt: skip


_SEGMENT_OF_VISITS = ("nerve", "side", "muscle", "segment", "distal_site", "proximal_site")


def _segment_columns(table: str) -> tuple[Column, ...]:
    """The columns that name a segment across visits."""
    return tuple(
        _text(table, c.name, c.label, c.description)
        for c in _SEGMENTS
        if c.name in _SEGMENT_OF_VISITS
    )


_TIMELINE: tuple[Column, ...] = (
    Column("visit", "timeline", "Int64", "Visit", "Number of the visit, 1 for the first."),
    _text("timeline", "study_id", "Study", "The study's id: one patient visit."),
    _text("timeline", "visit_date", "Date", "Date of the visit, year-month-day."),
    *_segment_columns("timeline"),
    *(
        _number("timeline", f"{end}_{name}", f"{end.capitalize()} {label}",
                f"{description} at the {end} site.")
        for end in ("distal", "proximal")
        for name, label, description in (
            ("amplitude_mv", "amplitude", "Negative-peak amplitude"),
            ("area_mv_ms", "area", "Area of the negative phases"),
        )
    ),
    _truth("timeline", "is_first_phase", "First phase only",
           "The areas are those of the first negative phase."),
    _number("timeline", "amplitude_reduction_pct", "Amplitude reduction",
            "Fall of the amplitude.", "100 * (1 - proximal / distal)", _CONTRACT),
    _number("timeline", "area_reduction_pct", "Area reduction", "Fall of the area.",
            "100 * (1 - proximal / distal)", _CONTRACT),
    _number("timeline", "blocked_fraction", "Blocked share",
            "Share of the distal signal lost to block, 0 to 1 (research)."),
    _number("timeline", "blocked_fraction_low", "Blocked share, low",
            "Lower end of the 90 % interval."),
    _number("timeline", "blocked_fraction_high", "Blocked share, high",
            "Upper end of the 90 % interval."),
)  # fmt: skip

_CHANGES: tuple[Column, ...] = (
    *_segment_columns("changes"),
    _text("changes", "criteria", "Criteria set", "Id of the criteria set."),
    Column("earlier_visit", "changes", "Int64", "Earlier visit", "Number of the earlier visit."),
    Column("later_visit", "changes", "Int64", "Later visit", "Number of the later visit."),
    _text("changes", "earlier_study_id", "Earlier study", "Its study id."),
    _text("changes", "later_study_id", "Later study", "Its study id."),
    _text("changes", "earlier_date", "Earlier date", "Date of the earlier visit."),
    _text("changes", "later_date", "Later date", "Date of the later visit."),
    _truth("changes", "is_consecutive", "Consecutive", "No visit lies between the two."),
    _text("changes", "treatment_between", "Treatment between",
          "Drugs of the courses given between the two visits, joined by ';'."),
    _text("changes", "earlier_conduction_block", "Block, earlier", "Grade at the earlier visit."),
    _text("changes", "later_conduction_block", "Block, later", "Grade at the later visit."),
    _text("changes", "block_course", "Course of the block",
          "persistent, new, resolved, unchanged or undetermined."),
    _truth("changes", "is_changed", "Changed",
           "The grade changes and the change exceeds repeatability."),
    *_two_visits("distal_amplitude_mv", "Distal amplitude", "Amplitude at the distal site"),
    _relative("distal_amplitude_change_pct", "Distal amplitude change", "the distal amplitude"),
    *_two_visits("proximal_amplitude_mv", "Proximal amplitude", "Amplitude at the proximal site"),
    _relative("proximal_amplitude_change_pct", "Proximal amplitude change",
              "the proximal amplitude"),
    *_two_visits("distal_area_mv_ms", "Distal area", "Area at the distal site"),
    _relative("distal_area_change_pct", "Distal area change", "the distal area"),
    *_two_visits("proximal_area_mv_ms", "Proximal area", "Area at the proximal site"),
    _relative("proximal_area_change_pct", "Proximal area change", "the proximal area"),
    _truth("changes", "is_first_phase", "First phase only",
           "The areas are those of the first negative phase."),
    *_two_visits("amplitude_reduction_pct", "Amplitude reduction", "Fall of the amplitude"),
    _number("changes", "amplitude_reduction_change_pct", "Amplitude reduction change",
            "Change of the amplitude reduction, in percentage points.", "later - earlier"),
    *_two_visits("area_reduction_pct", "Area reduction", "Fall of the area"),
    _number("changes", "area_reduction_change_pct", "Area reduction change",
            "Change of the area reduction, in percentage points.", "later - earlier"),
    *_two_visits("blocked_fraction", "Blocked share", "Share lost to block (research)"),
    _number("changes", "blocked_fraction_change", "Blocked share change",
            "Change of the blocked share.", "later - earlier"),
    _text("changes", "distal_event", "Distal response",
          "rise, fall, within_repeatability or undetermined."),
    _text("changes", "proximal_event", "Proximal response",
          "rise, fall, within_repeatability or undetermined."),
    _text("changes", "segment_event", "Share conducted",
          "The ratio of proximal to distal area: rise, fall, within_repeatability or "
          "undetermined."),
    _text("changes", "interpretation", "Interpretation",
          "reinnervation, axonal_loss, unblocking, more_block; joined by ';', empty when none."),
)  # fmt: skip

# The archive's list of studies, for questions by age or date; no result of one study holds it.
_STUDIES: tuple[Column, ...] = (
    _text("studies", "study_id", "Study", "The study's id: one patient visit."),
    _text("studies", "visit_date", "Date", "Date of the visit, year-month-day."),
    _number("studies", "age_years", "Age", "Age at the visit."),
    _text("studies", "sex", "Sex", "'female' or 'male'."),
    _number("studies", "height_cm", "Height", "Height of the person."),
    Column("n_responses", "studies", "Int64", "Responses",
           "Number of responses recorded or typed in."),
)  # fmt: skip

COLUMNS: tuple[Column, ...] = (
    *_TRACES, *_SEGMENTS, *_VERDICTS, *_DIAGNOSIS,
    *_ESTIMATE, *_CHECKS, *_F_WAVES, *_RECRUITMENT, *_INCHING, *_SENSORY,
    *_TIMELINE, *_CHANGES, *_STUDIES,
)  # fmt: skip
"""Every column of every table, in table order."""

SEGMENT_KEYS = _SEGMENT_KEYS
"""The columns that name one segment of one study."""


def table_columns(table: str) -> tuple[Column, ...]:
    """Give the columns of `table` in order.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    found = tuple(c for c in COLUMNS if c.table == table)
    if not found:
        known = ", ".join(dict.fromkeys(c.table for c in COLUMNS))
        raise ValueError(f"no table '{table}'; known: {known}")
    return found


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Give `frame` with the declared columns of `table`, in order and dtype.

    Every step ends with this. Columns that `frame` lacks are added as unknown.

    Raises
    ------
    ValueError
        If `frame` has a column that is not declared.
    """
    declared = table_columns(table)
    names = [c.name for c in declared]
    extra = [name for name in frame.columns if name not in names]
    if extra:
        raise ValueError(f"undeclared columns of table '{table}': {', '.join(map(str, extra))}")
    ordered = frame.reindex(columns=names).reset_index(drop=True)
    if "quality_flags" in names:
        ordered["quality_flags"] = ordered["quality_flags"].astype("string").fillna("")
    return ordered.astype({c.name: c.dtype for c in declared})

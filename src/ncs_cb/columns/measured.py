"""What is measured and judged: traces, segments, verdicts, categories, and special recordings."""

from __future__ import annotations

from ncs_cb.columns._declare import (
    ALL_PHASES,
    CONTRACT,
    STALBERG,
    Column,
    flags,
    number,
    segment_name,
    series,
    text,
    truth,
)

MEASURES: tuple[Column, ...] = (
    number(
        "traces",
        "onset_latency_ms",
        "Onset latency",
        "Time from the stimulus to the start of the negative deflection.",
        "from the stimulus to the first departure from baseline into the first significant "
        "negative phase; an initial positivity is flagged and the latency is still that of the "
        "negative deflection",
        STALBERG,
    ),
    number(
        "traces",
        "negative_peak_latency_ms",
        "Peak latency",
        "Time from the stimulus to the highest negative peak.",
        "from the stimulus to the highest negative peak",
        STALBERG,
    ),
    number(
        "traces",
        "negative_peak_amplitude_mv",
        "Amplitude",
        "Height of the highest negative peak above baseline.",
        "baseline to the highest negative peak",
        STALBERG,
    ),
    number(
        "traces",
        "peak_to_peak_amplitude_mv",
        "Peak-to-peak amplitude",
        "Height from the lowest positive to the highest negative peak of the response.",
        "highest negative to lowest positive peak of the response",
        STALBERG,
    ),
    number(
        "traces",
        "negative_peak_duration_ms",
        "First-phase duration",
        "Duration of the first negative phase.",
        "onset to the first return to baseline",
        STALBERG,
    ),
    number(
        "traces",
        "negative_peak_area_mv_ms",
        "First-phase area",
        "Area of the first negative phase.",
        "area above baseline from onset to the first return",
        STALBERG,
    ),
    number(
        "traces",
        "total_negative_duration_ms",
        "Duration",
        "Duration over all significant negative phases.",
        "onset to the last return to baseline over all significant negative phases",
        ALL_PHASES,
    ),
    number(
        "traces",
        "total_negative_area_mv_ms",
        "Area",
        "Area of all significant negative phases.",
        "sum of the areas of all significant negative phases",
        CONTRACT,
    ),
    number(
        "traces",
        "baseline_mv",
        "Baseline",
        "What was subtracted from the trace, the stimulus artefact's tail apart.",
        "level of the quiet stretch before the stimulus or, where there is none, between the "
        "artefact and the response",
        STALBERG,
    ),
    number(
        "traces",
        "baseline_noise_mv",
        "Baseline noise",
        "Standard deviation of the baseline.",
        "standard deviation about the baseline over the stretch it was taken from",
        CONTRACT,
    ),
    number(
        "traces",
        "late_response_latency_ms",
        "Late response",
        "Latency of a separate later component: an A wave, a satellite or an F wave.",
        "begin of the first negative component that follows a rest at baseline of 2 ms (below "
        "15 % of the highest peak) or 4 ms; part of no area and no duration",
    ),
    flags("traces"),
)
"""The columns of ``measure_traces``. A negative phase is significant when its peak reaches 5 %
of the highest negative peak and stands clear of the noise."""

_AUTOMATIC = tuple(
    number(
        "traces",
        f"automatic_{c.name}",
        f"{c.label}, automatic",
        f"{c.description} As the program found it, before a person corrected the response; "
        "unknown where nobody did.",
        c.definition,
        c.source,
    )
    for c in MEASURES
    if c.dtype == "float64" and c.name != "baseline_noise_mv"
)

TRACES: tuple[Column, ...] = (
    series("traces")[0],
    text("traces", "recording", "Recording", "The file or object it came from, as named."),
    *series("traces")[1:],
    text("traces", "kind", "Kind", "'motor' or 'sensory'."),
    text("traces", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    number("traces", "distance_mm", "Distance", "From the recording electrode to the stimulus."),
    number("traces", "stimulus_ma", "Current", "Stimulus current."),
    number("traces", "sampling_rate_hz", "Sampling rate", "Samples per second."),
    number("traces", "high_pass_hz", "High-pass", "Low-frequency filter of the amplifier."),
    number("traces", "low_pass_hz", "Low-pass", "High-frequency filter of the amplifier."),
    text(
        "traces",
        "response",
        "Response",
        "present, absent, not_done or not_measurable; NA when nobody said.",
    ),
    *MEASURES,
    *_AUTOMATIC,
)


def _change(name: str, label: str, of: str, increase: bool = False) -> Column:
    formula = "100 * (proximal / distal - 1)" if increase else "100 * (1 - proximal / distal)"
    word = "Rise" if increase else "Fall"
    return number(
        "segments",
        name,
        label,
        f"{word} of {of} from the distal to the proximal site, relative to distal.",
        formula,
        CONTRACT,
    )


ESTIMATE: tuple[Column, ...] = (
    number(
        "estimates",
        "blocked_fraction",
        "Blocked share",
        "Share of the distal signal lost to block, 0 to 1 (research, no published criterion).",
    ),
    number(
        "estimates",
        "blocked_fraction_low",
        "Blocked share, low",
        "Lower end of the 90 % interval; 0 unless the proximal stimulus is attested supramaximal.",
    ),
    number(
        "estimates",
        "blocked_fraction_high",
        "Blocked share, high",
        "Upper end of the 90 % interval.",
    ),
    number(
        "estimates",
        "added_dispersion_ms",
        "Added dispersion",
        "Spread of the extra delays along the segment, standard deviation.",
    ),
    number("estimates", "delay_ms", "Segment delay", "Mean conduction time of the segment."),
    number("estimates", "residual_pct", "Residual", "Unexplained share of the proximal response."),
    flags("estimates"),
)

SEGMENTS: tuple[Column, ...] = (
    *series("segments"),
    segment_name("segments"),
    truth(
        "segments",
        "is_adjacent",
        "Adjacent",
        "The two sites are neighbors among the stimulated sites of the nerve.",
    ),
    text("segments", "distal_site", "Distal site", "The site nearer to the muscle."),
    text("segments", "proximal_site", "Proximal site", "The site farther from the muscle."),
    number(
        "segments",
        "length_mm",
        "Length",
        "Length of nerve between the two sites.",
        "proximal distance_mm - distal distance_mm",
    ),
    truth(
        "segments",
        "is_entrapment_site",
        "Entrapment site",
        "The segment contains a common entrapment or compression site.",
    ),
    number(
        "segments",
        "distal_amplitude_mv",
        "Distal amplitude",
        "Negative-peak amplitude at the distal site.",
    ),
    _change("amplitude_reduction_pct", "Amplitude reduction", "negative-peak amplitude"),
    _change("peak_to_peak_reduction_pct", "Peak-to-peak reduction", "peak-to-peak amplitude"),
    _change("area_reduction_pct", "First-phase area reduction", "first-phase area"),
    _change("total_area_reduction_pct", "Area reduction", "the area of all negative phases"),
    _change(
        "duration_increase_pct",
        "First-phase duration increase",
        "first-phase duration",
        increase=True,
    ),
    _change(
        "total_duration_increase_pct",
        "Duration increase",
        "the duration over all negative phases",
        increase=True,
    ),
    number(
        "segments",
        "conduction_velocity_m_per_s",
        "Velocity",
        "Conduction velocity along the segment.",
        "length_mm / (proximal onset_latency_ms - distal onset_latency_ms)",
        STALBERG,
    ),
    *(
        Column(c.name, "segments", c.dtype, c.label, c.description, c.definition, c.source)
        for c in ESTIMATE
        if c.name.startswith("blocked_fraction") or c.name == "added_dispersion_ms"
    ),
    flags("segments"),
)

VERDICTS: tuple[Column, ...] = (
    *series("verdicts"),
    segment_name("verdicts"),
    text("verdicts", "distal_site", "Distal site", "The site nearer to the muscle."),
    text("verdicts", "proximal_site", "Proximal site", "The site farther from the muscle."),
    text("verdicts", "criteria", "Criteria set", "Id of the criteria set."),
    text(
        "verdicts",
        "conduction_block",
        "Conduction block",
        "definite, probable, possible, none, excluded, undetermined or not_covered.",
    ),
    text(
        "verdicts",
        "grade_by_numbers",
        "Grade by numbers",
        "What the published numbers alone give, before the technical premises are asked.",
    ),
    text(
        "verdicts",
        "technical_validity",
        "Technical validity",
        "attested, not_attested or refuted: whether the change may be read as block at all.",
    ),
    text(
        "verdicts",
        "not_excluded",
        "Not excluded",
        "The strongest grade that missing values leave open.",
    ),
    truth(
        "verdicts",
        "temporal_dispersion",
        "Temporal dispersion",
        "Duration increase beyond the set's own limit; NA when the set has none.",
    ),
    truth(
        "verdicts",
        "extrapolated",
        "Extrapolated",
        "The published rule does not name this nerve or segment.",
    ),
    Column(
        "evidence",
        "verdicts",
        "object",
        "Evidence",
        "Each clause with its measured value, limit and source.",
    ),
)

DIAGNOSIS: tuple[Column, ...] = (
    text("diagnosis", "study_id", "Study", "The study's id: one patient visit."),
    text("diagnosis", "criteria", "Criteria set", "Id of the criteria set."),
    text(
        "diagnosis",
        "category",
        "Category",
        "definite, probable, possible, not_met or undetermined, in the set's own sense.",
    ),
    text(
        "diagnosis",
        "not_excluded",
        "Not excluded",
        "The strongest category that missing evidence leaves open.",
    ),
    Column("met", "diagnosis", "object", "Met", "Ids of the clauses that hold."),
    Column("not_met", "diagnosis", "object", "Not met", "Ids of the clauses that do not hold."),
    Column("missing", "diagnosis", "object", "Missing", "Ids of the clauses that are unknown."),
    text("diagnosis", "explanation", "Explanation", "Why this category, in plain words."),
)

CHECKS: tuple[Column, ...] = (
    *series("checks"),
    segment_name("checks"),
    text("checks", "flag", "Flag", "Id of the quality flag that was looked for."),
    text("checks", "state", "State", "raised, cleared or not_examined."),
    text(
        "checks", "arithmetic", "Arithmetic", "The numbers the state rests on, or what was missing."
    ),
    text(
        "checks",
        "case",
        "Case",
        "Which sentence of the check applies, for wording it in another language.",
    ),
    Column("numbers", "checks", "object", "Numbers", "The numbers of that sentence, by name."),
)

F_WAVES: tuple[Column, ...] = (
    *series("f_waves"),
    text("f_waves", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    Column("n_stimuli", "f_waves", "Int64", "Stimuli", "Number of stimuli given."),
    Column("n_responses", "f_waves", "Int64", "Responses", "Number of F waves seen."),
    number("f_waves", "minimum_latency_ms", "F minimum", "Shortest F-wave latency."),
    number("f_waves", "mean_latency_ms", "F mean", "Mean F-wave latency."),
    number("f_waves", "maximum_latency_ms", "F maximum", "Longest F-wave latency."),
    number(
        "f_waves",
        "chronodispersion_ms",
        "Chronodispersion",
        "Spread of F-wave latencies.",
        "maximum_latency_ms - minimum_latency_ms",
        STALBERG,
    ),
    number(
        "f_waves",
        "persistence_pct",
        "Persistence",
        "Share of stimuli that gave an F wave.",
        "100 * n_responses / n_stimuli",
        STALBERG,
    ),
    flags("f_waves"),
)

RECRUITMENT: tuple[Column, ...] = (
    *series("recruitment"),
    text("recruitment", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    number("recruitment", "stimulus_ma", "Current", "Stimulus current of this step."),
    Column("n_sweeps", "recruitment", "Int64", "Sweeps", "Number of sweeps at this current."),
    number("recruitment", "negative_peak_amplitude_mv", "Amplitude", "Amplitude at this current."),
    number(
        "recruitment",
        "relative_amplitude_pct",
        "Relative amplitude",
        "Amplitude relative to the largest of the series.",
        "100 * amplitude / largest amplitude",
    ),
    truth(
        "recruitment",
        "is_supramaximal",
        "Supramaximal",
        "The series reaches a plateau: its last 20 % of intensity adds at most 5 %.",
    ),
)

INCHING: tuple[Column, ...] = (
    *series("inching"),
    Column("step", "inching", "Int64", "Step", "Number of the step, distal first."),
    text("inching", "distal_site", "Distal site", "The step's nearer stimulus."),
    text("inching", "proximal_site", "Proximal site", "The step's farther stimulus."),
    number(
        "inching",
        "distal_distance_mm",
        "Distal distance",
        "From the recording electrode to the step's nearer stimulus.",
    ),
    number(
        "inching",
        "proximal_distance_mm",
        "Proximal distance",
        "From the recording electrode to the step's farther stimulus.",
    ),
    number("inching", "length_mm", "Length", "Length of the step."),
    number("inching", "latency_change_ms", "Latency change", "Onset latency added by the step."),
    number(
        "inching",
        "amplitude_reduction_pct",
        "Amplitude reduction",
        "Fall of amplitude over the step.",
        "100 * (1 - proximal / distal)",
    ),
    number(
        "inching",
        "total_area_reduction_pct",
        "Area reduction",
        "Fall of the area of all negative phases over the step.",
        "100 * (1 - proximal / distal)",
    ),
    truth(
        "inching",
        "is_focal",
        "Focal step",
        "The step with the largest abrupt change of the series.",
    ),
)

"""What the numbers mean: features, other diseases, sensory studies, limits of normal, reasons."""

from __future__ import annotations

from ncs_cb.columns._declare import STALBERG, Column, flags, number, series, text, truth

SENSORY: tuple[Column, ...] = (
    *series("sensory")[:3],
    text(
        "sensory",
        "segment",
        "Segment",
        "Recording and stimulation site joined by a hyphen, or as typed in.",
    ),
    text("sensory", "origin", "Origin", "'typed' (a number of study.toml) or 'recorded'."),
    text("sensory", "recording_site", "Recording site", "Skin area recorded from, as an id."),
    text("sensory", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    number(
        "sensory",
        "amplitude_uv",
        "Amplitude",
        "Height of the negative peak above baseline.",
        "baseline to the highest negative peak",
        STALBERG,
    ),
    number(
        "sensory",
        "peak_to_peak_amplitude_uv",
        "Peak-to-peak amplitude",
        "Height from the lowest positive to the highest negative peak of the response.",
        "highest negative to lowest positive peak of the response",
        STALBERG,
    ),
    number(
        "sensory",
        "onset_latency_ms",
        "Onset latency",
        "Time from the stimulus to the start of the negative deflection.",
        "",
        STALBERG,
    ),
    number(
        "sensory",
        "peak_latency_ms",
        "Peak latency",
        "Time from the stimulus to the highest negative peak.",
        "",
        STALBERG,
    ),
    number(
        "sensory",
        "duration_ms",
        "Duration",
        "Duration of the first negative phase.",
        "onset to the first return to baseline",
        STALBERG,
    ),
    number("sensory", "distance_mm", "Distance", "From the recording electrode to the stimulus."),
    number(
        "sensory",
        "velocity_m_per_s",
        "Velocity",
        "Conduction velocity from the stimulus to the recording electrode.",
        "distance_mm / onset_latency_ms",
        STALBERG,
    ),
    truth(
        "sensory",
        "is_normal",
        "Normal",
        "What is known: the physician's own reading, else the limits of normal.",
    ),
    text("sensory", "judged_by", "Judged by", "'reading', 'limits' or 'unknown'."),
    text("sensory", "reason", "Reason", "The values and limits the judgement rests on."),
    flags("sensory"),
)

LIMITS: tuple[Column, ...] = (
    series("limits")[0],
    text("limits", "table", "Table", "'traces', 'segments' or 'sensory'."),
    Column("row", "limits", "Int64", "Row", "Place of the value's row in that table, from 0."),
    text("limits", "column", "Column", "Name of the limited column."),
    number("limits", "limit", "Limit", "The limit of normal, in the unit of the column."),
    text(
        "limits",
        "direction",
        "Direction",
        "'lower': values below are outside; 'upper': values above are.",
    ),
    truth("limits", "is_outside", "Outside", "Whether the value lies beyond its limit."),
    text("limits", "set_id", "Reference set", "Id of the set the limit comes from."),
    text("limits", "source", "Source", "Table or page of the publication."),
    text("limits", "verified", "Verified", "How sure the limit is."),
)


def _bearing(table: str) -> tuple[Column, ...]:
    return (
        text(table, "feature", "Feature", "Id of the feature."),
        truth(table, "observed", "Observed", "Present, absent, or unknown."),
        text(table, "bearing", "Bearing", "supportive, against, neutral or unknown."),
    )


def _said(table: str, *names: str) -> tuple[Column, ...]:
    """Texts in English and Chinese."""
    return tuple(
        text(table, f"{name}{suffix}", f"{label}{tongue}", f"{description}{tongue}.")
        for name, label, description in (
            ("entity_text", "Disease", "Name of the disease"),
            ("text", "Text", "What was observed, in words"),
            ("frequency", "Frequency", "How often it is seen"),
        )
        if name in names
        for suffix, tongue in (("", ""), ("_zh", ", Chinese"))
    )


def _origin(table: str) -> tuple[Column, ...]:
    return (
        text(table, "source", "Source", "Who says so."),
        text(table, "verified", "Verified", "How sure that is."),
    )


FEATURES: tuple[Column, ...] = (
    series("features")[0],
    *_bearing("features"),
    Column("value", "features", "object", "Value", "The number or truth that says so."),
    *_said("features", "text", "frequency"),
    *_origin("features"),
)

DIFFERENTIAL: tuple[Column, ...] = (
    series("differential")[0],
    text("differential", "entity", "Disease", "Id of the disease."),
    *_said("differential", "entity_text"),
    *_bearing("differential"),
    *_said("differential", "text"),
    *_origin("differential"),
)

ASKS: tuple[Column, ...] = (
    series("asks")[0],
    text("asks", "criteria", "Criteria set", "Id of the criteria set that asks."),
    text(
        "asks",
        "kind",
        "Kind",
        "clause, sensory or segment (a stretch of nerve), step (a technical premise), motor or "
        "more.",
    ),
    text("asks", "clause", "Clause", "Id of the clause it would settle, for kind clause."),
    *series("asks")[1:3],
    text("asks", "distal_site", "Distal site", "The site nearer to the muscle."),
    text("asks", "proximal_site", "Proximal site", "The site farther from the muscle."),
    Column("unknown", "asks", "object", "Unknown", "Names of the columns that are missing."),
    text("asks", "text", "Text", "What to do, for kind step."),
    text("asks", "text_zh", "Text, Chinese", "What to do, for kind step, Chinese."),
)

STATEMENTS: tuple[Column, ...] = (
    series("statements")[0],
    Column("line", "statements", "Int64", "Line", "Place of the line, from 1, at most 8."),
    text(
        "statements",
        "topic",
        "Topic",
        "normal, technique, block, entrapment, fibers, sensory, disease or step.",
    ),
    text("statements", "case", "Case", "Which sentence of the topic applies."),
    *_said("statements", "text"),
)

REASONS: tuple[Column, ...] = (
    series("reasons")[0],
    text("reasons", "criteria", "Criteria set", "Id of the criteria set."),
    Column(
        "relevant",
        "reasons",
        "object",
        "Relevant",
        "Ids of the clauses that explain the category and the stronger ones.",
    ),
    truth(
        "reasons",
        "block_found",
        "Block found",
        "Whether any segment has block by this set; NA when none could be judged.",
    ),
    truth(
        "reasons",
        "is_suspected",
        "Suspected",
        "Whether anything found, or any complaint, points to the disease.",
    ),
    Column(
        "unexamined",
        "reasons",
        "object",
        "Unexamined",
        "Where block was not looked for: nerve, side, and from which site on.",
    ),
    Column(
        "exempt",
        "reasons",
        "object",
        "Exempt",
        "Legs' nerves whose block counts without sensory conduction through it: `nerve side`.",
    ),
)

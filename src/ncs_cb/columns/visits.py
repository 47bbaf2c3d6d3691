"""Serial visits side by side, and the list of studies of an archive."""

from __future__ import annotations

from ncs_cb.columns._declare import CONTRACT, Column, number, text, truth
from ncs_cb.columns.measured import SEGMENTS


def _two_visits(name: str, label: str, description: str) -> tuple[Column, Column]:
    """A quantity at the earlier and at the later of two visits."""
    return (
        number("changes", f"earlier_{name}", f"{label}, earlier", f"{description} (earlier)"),
        number("changes", f"later_{name}", f"{label}, later", f"{description} (later)"),
    )


def _relative(name: str, label: str, of: str) -> Column:
    return number(
        "changes",
        name,
        label,
        f"Change of {of} between the visits.",
        "100 * (later / earlier - 1)",
        CONTRACT,
    )


_SEGMENT_OF_VISITS = ("nerve", "side", "muscle", "segment", "distal_site", "proximal_site")


def _segment_columns(table: str) -> tuple[Column, ...]:
    """The columns that name a segment across visits."""
    return tuple(
        text(table, c.name, c.label, c.description)
        for c in SEGMENTS
        if c.name in _SEGMENT_OF_VISITS
    )


TIMELINE: tuple[Column, ...] = (
    Column("visit", "timeline", "Int64", "Visit", "Number of the visit, 1 for the first."),
    text("timeline", "study_id", "Study", "The study's id: one patient visit."),
    text("timeline", "visit_date", "Date", "Date of the visit, year-month-day."),
    *_segment_columns("timeline"),
    *(
        number(
            "timeline",
            f"{end}_{name}",
            f"{end.capitalize()} {label}",
            f"{description} at the {end} site.",
        )
        for end in ("distal", "proximal")
        for name, label, description in (
            ("amplitude_mv", "amplitude", "Negative-peak amplitude"),
            ("area_mv_ms", "area", "Area of the negative phases"),
        )
    ),
    truth(
        "timeline",
        "is_first_phase",
        "First phase only",
        "The areas are those of the first negative phase.",
    ),
    number(
        "timeline",
        "amplitude_reduction_pct",
        "Amplitude reduction",
        "Fall of the amplitude.",
        "100 * (1 - proximal / distal)",
        CONTRACT,
    ),
    number(
        "timeline",
        "area_reduction_pct",
        "Area reduction",
        "Fall of the area.",
        "100 * (1 - proximal / distal)",
        CONTRACT,
    ),
    number(
        "timeline",
        "blocked_fraction",
        "Blocked share",
        "Share of the distal signal lost to block, 0 to 1 (research).",
    ),
    number(
        "timeline", "blocked_fraction_low", "Blocked share, low", "Lower end of the 90 % interval."
    ),
    number(
        "timeline",
        "blocked_fraction_high",
        "Blocked share, high",
        "Upper end of the 90 % interval.",
    ),
)

CHANGES: tuple[Column, ...] = (
    *_segment_columns("changes"),
    text("changes", "criteria", "Criteria set", "Id of the criteria set."),
    Column("earlier_visit", "changes", "Int64", "Earlier visit", "Number of the earlier visit."),
    Column("later_visit", "changes", "Int64", "Later visit", "Number of the later visit."),
    text("changes", "earlier_study_id", "Earlier study", "Its study id."),
    text("changes", "later_study_id", "Later study", "Its study id."),
    text("changes", "earlier_date", "Earlier date", "Date of the earlier visit."),
    text("changes", "later_date", "Later date", "Date of the later visit."),
    truth("changes", "is_consecutive", "Consecutive", "No visit lies between the two."),
    text(
        "changes",
        "treatment_between",
        "Treatment between",
        "Drugs of the courses given between the two visits, joined by ';'.",
    ),
    text("changes", "earlier_conduction_block", "Block, earlier", "Grade at the earlier visit."),
    text("changes", "later_conduction_block", "Block, later", "Grade at the later visit."),
    text(
        "changes",
        "block_course",
        "Course of the block",
        "persistent, new, resolved, unchanged or undetermined.",
    ),
    truth(
        "changes",
        "is_changed",
        "Changed",
        "The grade changes, or partial block becomes complete or complete block partial, and the "
        "change exceeds repeatability.",
    ),
    *_two_visits("distal_amplitude_mv", "Distal amplitude", "Amplitude at the distal site"),
    _relative("distal_amplitude_change_pct", "Distal amplitude change", "the distal amplitude"),
    *_two_visits("proximal_amplitude_mv", "Proximal amplitude", "Amplitude at the proximal site"),
    _relative(
        "proximal_amplitude_change_pct", "Proximal amplitude change", "the proximal amplitude"
    ),
    *_two_visits("distal_area_mv_ms", "Distal area", "Area at the distal site"),
    _relative("distal_area_change_pct", "Distal area change", "the distal area"),
    *_two_visits("proximal_area_mv_ms", "Proximal area", "Area at the proximal site"),
    _relative("proximal_area_change_pct", "Proximal area change", "the proximal area"),
    truth(
        "changes",
        "is_first_phase",
        "First phase only",
        "The areas are those of the first negative phase.",
    ),
    *_two_visits("amplitude_reduction_pct", "Amplitude reduction", "Fall of the amplitude"),
    number(
        "changes",
        "amplitude_reduction_change_pct",
        "Amplitude reduction change",
        "Change of the amplitude reduction, in percentage points.",
        "later - earlier",
    ),
    *_two_visits("area_reduction_pct", "Area reduction", "Fall of the area"),
    number(
        "changes",
        "area_reduction_change_pct",
        "Area reduction change",
        "Change of the area reduction, in percentage points.",
        "later - earlier",
    ),
    *_two_visits("blocked_fraction", "Blocked share", "Share lost to block (research)"),
    number(
        "changes",
        "blocked_fraction_change",
        "Blocked share change",
        "Change of the blocked share.",
        "later - earlier",
    ),
    text(
        "changes",
        "distal_event",
        "Distal response",
        "rise, fall, within_repeatability or undetermined.",
    ),
    text(
        "changes",
        "proximal_event",
        "Proximal response",
        "rise, fall, within_repeatability or undetermined.",
    ),
    text(
        "changes",
        "segment_event",
        "Share conducted",
        "The ratio of proximal to distal area: rise, fall, within_repeatability or undetermined.",
    ),
    text(
        "changes",
        "interpretation",
        "Interpretation",
        "reinnervation, axonal_loss, unblocking, more_block; joined by ';', empty when none.",
    ),
)

# The archive's list of studies, for questions by age or date; no result of one study holds it.
STUDIES: tuple[Column, ...] = (
    text("studies", "study_id", "Study", "The study's id: one patient visit."),
    text("studies", "visit_date", "Date", "Date of the visit, year-month-day."),
    number("studies", "age_years", "Age", "Age at the visit."),
    text("studies", "sex", "Sex", "'female' or 'male'."),
    number("studies", "height_cm", "Height", "Height of the person."),
    Column(
        "n_responses", "studies", "Int64", "Responses", "Number of responses recorded or typed in."
    ),
    text("studies", "impression", "Impression", "What is said first, a line each."),
    text("studies", "impression_zh", "Impression, Chinese", "The same in Chinese."),
)

# Of an archive: what was corrected, by whom and by how much, so that a laboratory sees how well it
# agrees with the automatic markers.
REVIEWS: tuple[Column, ...] = (
    text("reviews", "study_id", "Study", "The study's id: one patient visit."),
    text("reviews", "event", "Event", "Id of the event in the study's review.jsonl."),
    text("reviews", "at", "Time", "When it was made, UTC."),
    text("reviews", "who", "Reviewer", "Who made it."),
    text("reviews", "action", "Action", "move, reset, exclude, choose, set, accept or undo."),
    text("reviews", "state", "State", "applied, undone or refused."),
    text("reviews", "recording", "Recording", "The file or object it came from, as named."),
    text("reviews", "stimulation_site", "Site", "Where the nerve was stimulated, as an id."),
    text("reviews", "marker", "Marker", "onset, peak, end or baseline, of a move."),
    text("reviews", "key", "Setting", "The setting that was set."),
    text("reviews", "set_from", "Set from", "The setting before, as text."),
    text("reviews", "set_to", "Set to", "The setting after, as text."),
    number("reviews", "from_ms", "Marker before", "Where the marker was, from the stimulus."),
    number("reviews", "to_ms", "Marker after", "Where the marker is, from the stimulus."),
    number("reviews", "moved_ms", "Moved by", "How far the marker was moved.", "to_ms - from_ms"),
    text("reviews", "from_by", "Set before by", "auto, or who had set the value before."),
    text("reviews", "why", "Reason", "The reason given; empty when none."),
)

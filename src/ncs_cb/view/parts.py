"""What a report shows, as plain frozen data: every number rounded, every word chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Head(NamedTuple):
    """One column heading of a table."""

    label: str
    unit: str = ""
    is_number: bool = False


class Cell(NamedTuple):
    """One cell: its text and, where it has one, a tone (a grade, ``outside``, ``minor`` ...).

    ``group`` in the first cell makes its row a heading across the table.
    """

    text: str
    tone: str = ""


class Table(NamedTuple):
    """A table ready to be laid out; without rows it is left out."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


class Fact(NamedTuple):
    """One labelled line of a header."""

    label: str
    text: str


class Letterhead(NamedTuple):
    """The laboratory as it wants to be named, or nothing; ``logo`` is an image as a data URI."""

    name: str
    lines: tuple[str, ...]
    physician: str
    logo: str


class FlagNote(NamedTuple):
    """One quality flag in words: where, what was seen, what it does and what to do next."""

    flag: str
    level: str
    heading: str
    text: str
    next: str
    arithmetic: str = ""


class SetVerdict(NamedTuple):
    """What one criteria set says of one segment, with its evidence clause by clause."""

    criteria: str
    title: str
    grade: str
    word: str
    remarks: tuple[str, ...]
    clauses: Table


class SegmentView(NamedTuple):
    """One adjacent segment: the leading set's grade, all sets' verdicts, the block estimate.

    ``is_silent``: an entrapment site at which nothing was found; there is nothing to be said.
    """

    id: str
    title: str
    distal_site: str
    proximal_site: str
    grade: str
    word: str
    short: str
    numbers: str
    is_silent: bool
    share: str
    estimate: str
    heads: tuple[Head, ...]
    sets: tuple[SetVerdict, ...]


class SiteView(NamedTuple):
    """One response of a nerve; ``row`` is its place in ``result.traces``."""

    row: int
    site: str
    label: str
    caption: str


class NerveView(NamedTuple):
    """Everything about one nerve, side and muscle; responses run from distal to proximal."""

    id: str
    title: str
    nerve: str
    side: str
    muscle: str
    grade: str
    word: str
    responses: tuple[SiteView, ...]
    sites: Table
    changes: Table
    segments: tuple[SegmentView, ...]
    flags: tuple[FlagNote, ...]
    not_examined: tuple[Fact, ...]
    recruitment: Table
    inching: Table


class DiagnosisView(NamedTuple):
    """One criteria set's category with what is met, not met and missing, in words."""

    criteria: str
    title: str
    category: str
    word: str
    not_excluded: str
    met: tuple[str, ...]
    not_met: tuple[str, ...]
    missing: tuple[str, ...]
    asks: tuple[str, ...]
    explanation: str


class FeatureList(NamedTuple):
    """A disease of the differential with what speaks for and against it."""

    heading: str
    items: tuple[Fact, ...]


class Stretch(NamedTuple):
    """One stretch of nerve on the map of the limb."""

    nerve: str
    side: str
    distal_site: str
    proximal_site: str
    grade: str
    short: str
    title: str
    anchor: str
    is_silent: bool = False


class Legend(NamedTuple):
    """One grade as the report draws it."""

    grade: str
    short: str
    word: str


@dataclass(frozen=True, slots=True)
class View:
    """A whole report in words and rounded numbers; each writer only lays it out.

    ``labels`` are the fixed words a writer needs (headings, captions), by key.
    """

    lang: str
    title: str
    study_id: str
    lead: str
    letterhead: Letterhead
    status: str
    refused: str
    header: tuple[Fact, ...]
    question: str
    technique: tuple[Fact, ...]
    impression: tuple[Fact, ...]
    finding: tuple[Fact, ...]
    finding_text: str
    motor: Table
    sides: Table
    corrections: Table
    stretches: tuple[Stretch, ...]
    legend: tuple[Legend, ...]
    nerves: tuple[NerveView, ...]
    comparison: Table
    diagnosis: tuple[DiagnosisView, ...]
    features: Table
    differential: tuple[FeatureList, ...]
    sensory: Table
    f_waves: Table
    needle_emg: Table
    strength: Table
    trace_flags: tuple[FlagNote, ...]
    data_files: Table
    verification: tuple[Fact, ...]
    sources: Table
    decisions: Table
    rests_on: tuple[Fact, ...]
    references: tuple[Fact, ...]
    notes: tuple[str, ...]
    disclaimer: str
    labels: dict[str, str]

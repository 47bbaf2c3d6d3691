"""Serial visits in words: what became of each block, what treatment lay between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import pandas as pd

from ncs_cb.model import Result, TreatmentCourse
from ncs_cb.view import examined, front, grounds, notes, tables
from ncs_cb.view.parts import Cell, Fact, Head, Table
from ncs_cb.view.reading import Reading, Row, is_silent, read, records, series_of
from ncs_cb.view.rounding import NOTHING, is_known, number, signed, with_unit
from ncs_cb.wording.catalog import capital, load

# What changed comes before what did not.
_CHANGED = ("new", "worsened", "improved", "persistent", "resolved", "faded")
_COURSES = (*_CHANGED, "undetermined", "unchanged", "not_judged")
# What a change of block that stays block is called, by what the two responses say.
_OF_PERSISTENT = {"unblocking": "improved", "more_block": "worsened"}
_ENDS = ("distal", "proximal")
_WHENS = ("earlier", "later")


class OneVisit(Protocol):
    """One visit of a comparison."""

    @property
    def number(self) -> int:
        """Its number, from 1."""

    @property
    def visit_date(self) -> date | None:
        """Its date."""

    @property
    def result(self) -> Result:
        """What was found."""


class OneRemark(Protocol):
    """One thing a reader of a comparison must know."""

    def say(self, lang: str = "en") -> str:
        """Give the sentence."""


class Compared(Protocol):
    """What ``ncs_cb.compare`` gives; the layer above this one."""

    @property
    def visits(self) -> Sequence[OneVisit]:
        """The visits, in order."""

    @property
    def timeline(self) -> pd.DataFrame:
        """One row per visit and segment."""

    @property
    def changes(self) -> pd.DataFrame:
        """One row per segment, set and pair of visits."""

    @property
    def courses(self) -> Sequence[TreatmentCourse]:
        """Every course of treatment."""

    @property
    def remarks(self) -> Sequence[OneRemark]:
        """What the comparison cannot know."""


class PairView(NamedTuple):
    """Two visits side by side."""

    title: str
    finding: str
    changes: Table
    events: Table


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """A comparison in words and rounded numbers."""

    lang: str
    title: str
    header: tuple[Fact, ...]
    pairs: tuple[PairView, ...]
    sets: Table
    corrections: Table
    remarks: tuple[str, ...]
    courses: tuple[str, ...]
    strength: Table
    needle_emg: Table
    data_files: Table
    rests_on: tuple[Fact, ...]
    disclaimer: str
    labels: dict[str, str]


def build_comparison(compared: Compared, *, lang: str = "en") -> ComparisonView:
    """Word and round a comparison of serial visits.

    Raises
    ------
    ReportError
        If there is no catalog for `lang`.
    """
    words = load(lang)
    r = read(compared.visits[-1].result, words)
    rows = records(compared.changes)
    pairs = dict.fromkeys((row["earlier_visit"], row["later_visit"]) for row in rows)
    silent = _silent(read(visit.result, words) for visit in compared.visits)
    rows = [row for row in rows if _place(row) not in silent]
    lead = [row for row in rows if row["criteria"] == r.lead]
    visits = [(_name(r, visit), visit.result.study.details) for visit in compared.visits]
    return ComparisonView(
        lang=lang,
        title=words("page.comparison_title"),
        header=tuple(_visit(r, visit) for visit in compared.visits),
        pairs=tuple(
            _pair(
                r,
                [x for x in lead if (x["earlier_visit"], x["later_visit"]) == pair],
                compared.courses,
            )
            for pair in pairs
        ),
        sets=_by_set(r, rows),
        corrections=_corrections(r, compared.visits),
        remarks=tuple(remark.say(lang) for remark in compared.remarks),
        courses=tuple(notes.course_text(r, course) for course in compared.courses),
        strength=examined.strength_over(r, visits),
        needle_emg=examined.needle_over(r, visits),
        data_files=grounds.data_files(r),
        rests_on=grounds.rests_on(r),
        disclaimer=words("page.disclaimer"),
        labels=words.section("label")
        | {"timeline_caption": words("label.timeline_caption", lead=r.set_title(r.lead))}
        | {f"drug_{c.drug}": notes.drug_word(r, c.drug) for c in compared.courses}
        | {f"short_{k}": text for k, text in words.section("grade_short").items()}
        | {"comma": words("list.comma"), "colon": words("list.colon"), "lead": r.set_title(r.lead)},
    )


def _silent(readings: Iterable[Reading]) -> set[tuple[str, ...]]:
    """Give the entrapment sites at which nothing was found at any visit that has them."""
    silent: set[tuple[str, ...]] = set()
    spoken: set[tuple[str, ...]] = set()
    for r in readings:
        for row in r.adjacent():
            (silent if is_silent(r, row) else spoken).add(_place(row))
    return silent - spoken


def _place(row: Row) -> tuple[str, ...]:
    return (*series_of(row), str(row["segment"]))


def segment_name(r: Reading, row: Row) -> str:
    """Name a segment with its nerve."""
    nerve = capital(r.nerve_short(series_of(row)))
    return r.words("phrase.place", nerve=nerve, segment=r.segment_title(row))


def _visit(r: Reading, visit: OneVisit) -> Fact:
    day = visit.visit_date.isoformat() if visit.visit_date else r.words("header.not_recorded")
    label = r.words("phrase.visit", number=visit.number)
    return Fact(label, r.words.join([day, visit.result.study.study_id], weight="comma"))


def _name(r: Reading, visit: OneVisit) -> str:
    day = visit.visit_date.isoformat() if visit.visit_date else ""
    return _when(r, {"any_visit": visit.number, "any_date": day}, "any")


def _pair(r: Reading, rows: Sequence[Row], courses: Sequence[TreatmentCourse]) -> PairView:
    first = rows[0] if rows else {}
    w = r.words
    title = w(
        "phrase.between_visits",
        earlier=_when(r, first, "earlier"),
        later=_when(r, first, "later"),
    )
    given = _given(first, courses)
    drugs = w.join((notes.course_text(r, one) for one in given), weight="heavy")
    sentences = [w("finding.treatment_between", drugs=drugs)] if drugs else []
    told = dict.fromkeys(_COURSES, "")
    for course in _COURSES:
        found = [row for row in rows if _course_of(row) == course]
        if found:
            names = w.join((_with_event(r, row) for row in found), weight="heavy")
            told[course] = w(f"finding.course_{course}", segments=names)
    changed = [told.pop(course) for course in _CHANGED]
    sentences += filter(None, [*changed, *_fibers(r, rows), *told.values()])
    return PairView(title, w.sentences(sentences), _changes(r, rows), _events(r, rows))


def _given(row: Row, courses: Sequence[TreatmentCourse]) -> list[TreatmentCourse]:
    """Give the courses between the two visits of a row; none where a date is missing."""
    days = [row.get(f"{when}_date") for when in _WHENS]
    if not all(isinstance(day, str) and day for day in days):
        return []
    earlier, later = (date.fromisoformat(str(day)) for day in days)
    return [one for one in courses if one.is_given_between(earlier, later)]


def _fibers(r: Reading, rows: Sequence[Row]) -> list[str]:
    """Say what the distal responses tell of the axons: loss, or reinnervation."""
    lines = []
    for event in ("axonal_loss", "reinnervation"):
        items = [
            r.words(
                "finding.event_distal",
                nerve=r.nerve_title(series_of(row)),
                **{
                    when: with_unit(number(row[f"{when}_distal_amplitude_mv"], "mV"), "mV")
                    for when in ("earlier", "later")
                },
            )
            for row in rows
            if event in _events_of(row)
        ]
        if items:
            lines.append(
                r.words(f"finding.event_{event}", items=r.words.join(items, weight="heavy"))
            )
    return lines


def _course_of(row: Row) -> str:
    """Tell what a missing value leaves open from what a set does not judge at all."""
    grades = {row["earlier_conduction_block"], row["later_conduction_block"]}
    if row["block_course"] == "undetermined" and grades & {"excluded", "not_covered", None}:
        return "not_judged"
    events = _events_of(row)
    if row["block_course"] == "persistent" and row["is_changed"]:
        return next((_OF_PERSISTENT[e] for e in events if e in _OF_PERSISTENT), "persistent")
    # A smaller distal response brings the ratio back too: that is loss of axons, no recovery.
    if row["block_course"] == "resolved" and "axonal_loss" in events and "unblocking" not in events:
        return "faded"
    return str(row["block_course"])


def _events_of(row: Row) -> list[str]:
    return [event for event in str(row["interpretation"] or "").split(";") if event]


def _unsaid(r: Reading, row: Row) -> list[str]:
    """Name what became of block that stays of one grade: of that no course has a word."""
    if _course_of(row) != "persistent":
        return []
    return [r.words.term("meaning", e) for e in _events_of(row) if e in _OF_PERSISTENT]


def _course_word(r: Reading, row: Row) -> str:
    """Name a course in a table, where what is not judged is undetermined."""
    course = _course_of(row)
    course = str(row["block_course"]) if course == "not_judged" else course
    return r.words.join([r.words.term("course", course), *_unsaid(r, row)], weight="comma")


def _with_event(r: Reading, row: Row) -> str:
    nerve = r.nerve_title(series_of(row))
    place = r.words("phrase.place", nerve=nerve, segment=r.segment_title(row))
    if unsaid := _unsaid(r, row):
        return r.words("finding.course_item", place=place, events=r.words.join(unsaid))
    return place


def _when(r: Reading, row: Row, which: str) -> str:
    text = r.words("phrase.visit", number=row.get(f"{which}_visit", ""))
    day = row.get(f"{which}_date")
    return r.words("phrase.dated", visit=text, date=day) if isinstance(day, str) and day else text


def _changes(r: Reading, rows: Sequence[Row]) -> Table:
    """Lay out grade, area reduction and blocked share of both visits."""
    w = r.words
    heads = [
        *tables.word_heads(r, "segment", "earlier", "later", "course"),
        Head(w.term("column", "total_area_reduction_pct"), "%", is_number=True),
        Head(w("head.change"), w("unit.points"), is_number=True),
        Head(w.term("column", "amplitude_reduction_pct"), "%", is_number=True),
        Head(w("head.change"), w("unit.points"), is_number=True),
    ]
    has_estimate = any(is_known(row[f"{when}_blocked_fraction"]) for row in rows for when in _WHENS)
    heads += [Head(w("head.blocked"), "%", is_number=True)] * has_estimate
    body = []
    for row in rows:
        cells = [Cell(segment_name(r, row))]
        cells += [_grade(r, row[f"{when}_conduction_block"]) for when in ("earlier", "later")]
        cells.append(Cell(_course_word(r, row)))
        for name in ("area", "amplitude"):
            cells.append(Cell(_two(r, row, f"{name}_reduction_pct")))
            change = number(row[f"{name}_reduction_change_pct"], "%")
            cells.append(Cell(signed(change)))
        cells += [Cell(_shares(r, row), "research")] * has_estimate
        body.append(tuple(cells))
    notes_ = [w("note.repeatability"), *[w("note.research")] * has_estimate]
    return Table(tuple(heads), tuple(body), note=w.sentences(notes_))


def _grade(r: Reading, grade: object) -> Cell:
    return tables.grade_cell(r, grade) if isinstance(grade, str) else Cell(NOTHING)


def _two(r: Reading, row: Row, name: str) -> str:
    limits = r.limits.get("%", ())
    pair = [number(row[f"{when}_{name}"], "%", limits) for when in ("earlier", "later")]
    return r.words("phrase.from_to", earlier=pair[0], later=pair[1])


def _shares(r: Reading, row: Row) -> str:
    pair = []
    for when in ("earlier", "later"):
        share = row[f"{when}_blocked_fraction"]
        pair.append(number(100.0 * share if is_known(share) else None, "%"))
    return r.words("phrase.from_to", earlier=pair[0], later=pair[1])


def _events(r: Reading, rows: Sequence[Row]) -> Table:
    """Tell the distal and the proximal response apart: they are different events."""
    w = r.words
    heads = [*tables.word_heads(r, "segment")]
    for end in _ENDS:
        heads.append(Head(w.term("column", f"{end}_event"), "mV·ms", is_number=True))
        heads.append(Head(w("head.event")))
    heads += tables.word_heads(r, "meaning")
    body = []
    for row in rows:
        cells = [Cell(segment_name(r, row))]
        for end in _ENDS:
            pair = [
                number(row[f"{when}_{end}_area_mv_ms"], "mV·ms") for when in ("earlier", "later")
            ]
            cells.append(Cell(w("phrase.from_to", earlier=pair[0], later=pair[1])))
            cells.append(Cell(w.term("event", str(row[f"{end}_event"]))))
        text = w.join((w.term("meaning", event) for event in _events_of(row)), weight="comma")
        cells.append(Cell(text or NOTHING))
        body.append(tuple(cells))
    return Table(tuple(heads), tuple(body))


def _by_set(r: Reading, rows: Sequence[Row]) -> Table:
    """Compare what each set says of each segment between the first and the last visit."""
    ends = (1, max((row["later_visit"] for row in rows), default=0))
    chosen = [row for row in rows if (row["earlier_visit"], row["later_visit"]) == ends]
    sets = list(dict.fromkeys(str(row["criteria"]) for row in chosen))
    lines: dict[str, dict[str, str]] = {}
    for row in chosen:
        found = lines.setdefault(segment_name(r, row), {})
        found[str(row["criteria"])] = _course_word(r, row)
    heads = [*tables.word_heads(r, "segment"), *(Head(r.set_title(s)) for s in sets)]
    body = [
        (Cell(name), *(Cell(found.get(s, NOTHING)) for s in sets)) for name, found in lines.items()
    ]
    return Table(tuple(heads), tuple(body))


def _corrections(r: Reading, visits: Iterable[OneVisit]) -> Table:
    """List what a person corrected at each visit, as the report of that visit does."""
    found = [(visit, front.corrections(read(visit.result, r.words))) for visit in visits]
    rows = [(Cell(_name(r, visit)), *row) for visit, table in found for row in table.rows]
    if not rows:
        return tables.empty()
    heads = next(table.heads for _, table in found if table.rows)
    return Table((*tables.word_heads(r, "visit"), *heads), tuple(rows))

"""A result laid open for wording: plain rows by nerve and segment, and the leading set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pandas as pd

from ncs_cb import columns, flags
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Result, SetWords
from ncs_cb.units import unit_of
from ncs_cb.view.rounding import is_known, number, with_unit
from ncs_cb.vocabulary import GRADES, NO_GRADE, RESULT_TABLES
from ncs_cb.wording.catalog import Words, load

Row = dict[str, Any]
Series = tuple[str, str, str]
SegmentKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a result, grouped.

    ``tables`` holds the rows of every table; those of motor nerves are numbered besides.
    ``limits`` are those its verdicts were compared with; ``normal`` holds the row of the table
    ``limits`` for each value that has a limit of normal, by table, row and column.
    """

    result: Result
    words: Words
    tables: Mapping[str, tuple[Row, ...]]
    traces: tuple[Row, ...]
    segments: tuple[Row, ...]
    verdicts: Mapping[SegmentKey, tuple[Row, ...]]
    checks: Mapping[SegmentKey, tuple[Row, ...]]
    sets: tuple[str, ...]
    lead: str
    limits: Mapping[str, tuple[float, ...]]
    normal: Mapping[tuple[str, int, str], Row]
    series: tuple[Series, ...]

    def adjacent(self, series: Series | None = None) -> list[Row]:
        """Give the segments between neighboring sites, nerve by nerve or of one nerve."""
        return [
            row
            for one in (self.series if series is None else (series,))
            for row in self.segments
            if row["is_adjacent"] is True and series_of(row) == one
        ]

    def verdict(self, row: Row, set_id: str | None = None) -> Row | None:
        """Give a set's verdict on a segment; the leading set's unless another is named."""
        wanted = set_id or self.lead
        rows = self.verdicts.get(segment_key(row), ())
        return next((v for v in rows if v["criteria"] == wanted), None)

    def grade(self, row: Row) -> str:
        """Give the leading set's grade of a segment; ``not_covered`` when it has none."""
        found = self.verdict(row)
        return str(found["conduction_block"]) if found else "not_covered"

    def value(self, row: Row, name: str, *, unit: bool = False, near: float | None = None) -> str:
        """Round one value of a row as its column and the limits ask; `near` is one more limit."""
        measure = unit_of(name)
        limits = self.limits.get(measure if measure == "%" else name, ())
        if near is not None:
            limits = (*limits, near)
        text = number(row.get(name), measure, limits, column=name)
        return with_unit(text, measure) if unit else text

    def set_title(self, set_id: str) -> str:
        """Name a criteria set in the reader's language."""
        own = self.set_words(set_id)
        if own is None:
            return self.words.set_title(set_id)
        return self.words.set_title(set_id, own.title, own.title_zh, is_shipped=own.is_shipped)

    def reference_title(self, set_id: str) -> str:
        """Name a set of limits by its own title, else by its id."""
        found = (one for one in self.result.sets if one.kind == "reference" and one.id == set_id)
        own = next(found, None)
        known = self.words.term("data_file", set_id)
        return known if own is None else self.either(own.title, own.title_zh)

    def setting(self, key: str, value: str) -> str:
        """Say what a call was made with: a set by its title, a speaker by its name."""
        if key == "reference":
            # It may have been named by its path; the sets stand in the order in which they answer.
            named = (one.id for one in self.result.sets if one.kind == "reference")
            return self.reference_title(next(named, value))
        return self.words.term("sayer", value) if key == "supramaximal" else value

    def settled(self, text: str) -> str:
        """Say in the reader's language what was settled on reading, where it has words for it."""
        return _settled(text, self.words.lang)

    def set_words(self, set_id: str) -> SetWords | None:
        """Give what a criteria set says of itself; None when the result does not hold it."""
        sets = (one for one in self.result.sets if one.kind == "criteria")
        return next((one for one in sets if one.id == set_id), None)

    def either(self, english: str, chinese: str) -> str:
        """Give the text of the reader's language; English where the other is missing."""
        return self.words.either(english, chinese)

    def source(self, text: str) -> str:
        """Name a source in the reader's language; citations stay as they were printed."""
        return text if self.words.lang == "en" else _named_source(text, self.words.lang)

    def nerve_short(self, series: Series) -> str:
        """Name a nerve for a table: ``right ulnar``."""
        w = self.words
        title = w("phrase.nerve_short", side=w.term("side", series[1]), nerve=w.nerve(series[0]))
        return self._to_muscle(series, title)

    def _to_muscle(self, series: Series, title: str) -> str:
        """Name the muscle too where one nerve was recorded from several."""
        twins = [one for one in self.series if one[:2] == series[:2]]
        if len(twins) < 2 or series not in twins:
            return title
        return self.words("phrase.to_muscle", nerve=title, muscle=self.words.muscle(series[2]))

    def nerve_title(self, series: Series) -> str:
        """Name a nerve with its side: ``right ulnar nerve``."""
        w = self.words
        title = w("phrase.nerve", side=w.term("side", series[1]), nerve=w.nerve(series[0]))
        return self._to_muscle(series, title)

    def segment_title(self, row: Row) -> str:
        """Name a segment, distal first: ``wrist to below elbow``."""
        w = self.words
        ends = {k: w.site(str(row[f"{k}_site"])) for k in ("distal", "proximal")}
        return w("phrase.segment", **ends)


def series_of(row: Row) -> Series:
    """Give the nerve, side and muscle of a row."""
    return (str(row["nerve"]), str(row["side"]), str(row["muscle"]))


def segment_key(row: Row) -> SegmentKey:
    """Give what names one segment within a study."""
    return (*series_of(row), str(row["segment"]))


def is_block(grade: str) -> bool:
    """Tell a grade of block from the four words that are none."""
    return grade not in NO_GRADE


def strength(grade: str) -> tuple[float, str]:
    """Order grades, strongest first; a user's own grades stand beside ``probable``."""
    if grade in GRADES:
        return float(GRADES.index(grade)), grade
    if is_block(grade):
        return 1.5, grade
    return 3.0 + NO_GRADE.index(grade), grade


def overall(grades: Iterable[str]) -> str:
    """Give the grade that stands for a whole nerve.

    The strongest block; else ``undetermined`` when one segment is open; ``none`` when every
    segment was looked at; ``none_where_judged`` when some segments were not.
    """
    seen = sorted(set(grades), key=strength)
    if not seen:
        return "not_covered"
    if is_block(seen[0]) or seen[0] == "undetermined" or len(seen) == 1:
        return seen[0]
    return "none_where_judged" if seen[0] == "none" else seen[0]


def read(result: Result, words: Words) -> Reading:
    """Lay a result open; nothing in it is changed."""
    tables = {name: tuple(records(getattr(result, name))) for name in RESULT_TABLES}
    traces, segments, verdicts = (tables[name] for name in ("traces", "segments", "verdicts"))
    sets = tuple(dict.fromkeys(str(v["criteria"]) for v in verdicts))
    ordered = [f.id for f in result.provenance.criteria if f.id in sets]
    motor = [row for row in traces if row["kind"] != "sensory"]
    series = dict.fromkeys(series_of(row) for row in [*motor, *segments])
    return Reading(
        result,
        words,
        tables,
        _numbered(traces),
        _numbered(segments),
        _grouped(verdicts),
        _grouped(tables["checks"]),
        sets,
        (ordered or [*sets, ""])[0],
        _limits(verdicts),
        {(str(n["table"]), int(n["row"]), str(n["column"])): n for n in tables["limits"]},
        tuple(sorted(series, key=_anatomical)),
    )


def records(table: pd.DataFrame) -> list[Row]:
    """Give a table as plain rows; NA becomes None."""
    rows = columns.records(table)
    return [{k: None if v is pd.NA else v for k, v in row.items()} for row in rows]


def _numbered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Keep each row's place in its table, by which its limits of normal are found."""
    return tuple(row | {"row": place} for place, row in enumerate(rows))


def _grouped(rows: Iterable[Row]) -> dict[SegmentKey, tuple[Row, ...]]:
    groups: dict[SegmentKey, list[Row]] = {}
    for row in rows:
        groups.setdefault(segment_key(row), []).append(row)
    return {key: tuple(group) for key, group in groups.items()}


def _limits(verdicts: Iterable[Row]) -> dict[str, tuple[float, ...]]:
    """Gather the limits by column; all percentages share theirs, so that they read alike."""
    found: dict[str, set[float]] = {}
    for verdict in verdicts:
        for clause in verdict["evidence"] or ():
            name, limit = str(clause.get("column") or ""), clause.get("limit")
            if is_known(limit):
                unit = unit_of(name)
                found.setdefault(unit if unit == "%" else name, set()).add(float(limit))
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _anatomical(series: Series) -> tuple[int, int, str]:
    nerve, side, muscle = series
    known = list(anatomy().nerves)
    place = known.index(nerve) if nerve in known else len(known)
    return (0 if side == "right" else 1, place, muscle)


def is_silent(r: Reading, row: Row) -> bool:
    """Tell whether a segment is an entrapment site at which nothing was found."""
    by_numbers = (r.verdict(row) or {}).get("grade_by_numbers")
    return r.grade(row) == "excluded" and nothing_found(row, by_numbers)


def nothing_found(segment: Row, grade_by_numbers: object) -> bool:
    """Tell whether a segment is an entrapment site without slowing and without a fall."""
    if segment["is_entrapment_site"] is not True:
        return False
    slowed = "focal_slowing" in flags.split(segment["quality_flags"] or "")
    return not slowed and not is_block(str(grade_by_numbers or "none"))


def is_normal(r: Reading) -> bool:
    """Tell whether the impression calls the whole study normal."""
    return any(
        row["topic"] == "normal" and row["case"] == "study" for row in r.tables["statements"]
    )


def is_healthy(r: Reading) -> bool:
    """Tell whether a study is normal and nobody complains: then no disease is spoken of."""
    suspected = [row["is_suspected"] is not False for row in r.tables["reasons"]]
    return is_normal(r) and bool(suspected) and not any(suspected)


def is_typed(r: Reading, series: Series) -> bool:
    """Tell whether a nerve's numbers were typed in or printed, without a waveform."""
    # A record holds no samples: its tables say as well what was sampled.
    mine = [row for row in r.traces if series_of(row) == series]
    return not any(is_known(row["sampling_rate_hz"]) for row in mine)


@cache
def _settlements() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Give the sentences of readers as patterns, those with most words of their own first."""
    told = sorted(load("en").section("settled").items(), key=lambda one: -len(one[1]))
    return tuple(
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(english))), key)
        for key, english in told
    )


def _settled(text: str, lang: str) -> str:
    words = load(lang)
    if f"polarity.{text}" in words.texts:
        return words(f"polarity.{text}")
    for pattern, key in _settlements():
        if found := pattern.fullmatch(text):
            named = {name: _told(name, one, words) for name, one in found.groupdict().items()}
            return words(f"settled.{key}", **named)
    return text


def _told(name: str, text: str, words: Words) -> str:
    """Say a part of what was settled: a place, or what a correction names."""
    if name == "what":
        return words.texts.get(f"corrected.{text}", text)
    if name in ("marker", "old", "new"):
        return words.texts.get(f"settled_value.{text}", text)
    place = text.replace(" ", "_")
    return words.site(place) if name == "place" and place in anatomy().sites else text


@lru_cache(maxsize=1024)
def _named_source(text: str, lang: str) -> str:
    """Put the phrases of a source into another language, the longest first."""
    told, words = load("en").section("source"), load(lang)
    for key, english in sorted(told.items(), key=lambda item: -len(item[1])):
        pattern = rf"(?<![\w-]){re.escape(english)}(?![\w-])"
        text = re.sub(pattern, words(f"source.{key}"), text, flags=re.IGNORECASE)
    return text

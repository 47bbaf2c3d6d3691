"""Compare serial visits: whether block persists, and what treatment did.

Nothing here measures: visits analyzed alike are laid side by side. A change is called one only
when the class of block changes and the change exceeds what repeated measurement shows in people
in whom nothing changed. A rising distal response (reinnervation) and a rising proximal response
(unblocking) are different events and are never merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb.columns import conform
from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import position
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.measuring.absence import is_absent
from ncs_cb.model import DataFile, Result, TreatmentCourse
from ncs_cb.review_file import applied
from ncs_cb.vocabulary import GRADES, TOLERANCE
from ncs_cb.wording.checks import say

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SEGMENT = ["nerve", "side", "muscle", "segment", "distal_site", "proximal_site"]
_ENDS = ("distal", "proximal")
_AMPLITUDE = "negative_peak_amplitude_mv"
_AREAS = ("total_negative_area_mv_ms", "negative_peak_area_mv_ms")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing a reader of the comparison must know; ``check_words`` says it in any language."""

    case: str
    numbers: Mapping[str, float | int | str]

    def say(self, lang: str = "en") -> str:
        """Give the sentence."""
        return say("serial_visits", self.case, self.numbers, lang=lang)


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One visit: its number, counted from 1 in order of date, and what was found."""

    number: int
    visit_date: date | None
    result: Result


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Serial visits laid side by side.

    Attributes
    ----------
    visits : tuple of Visit
        In order of date; as given when a date is missing.
    timeline : DataFrame
        Table ``timeline``: one row per visit and adjacent segment.
    changes : DataFrame
        Table ``changes``: one row per segment, criteria set and pair of visits (consecutive
        ones, and with three or more visits the first against the last).
    courses : tuple of TreatmentCourse
        Every course that any visit names, once, in order of start.
    remarks : tuple of Remark
        What the comparison cannot know, or what makes it uncertain.
    """

    visits: tuple[Visit, ...]
    timeline: pd.DataFrame
    changes: pd.DataFrame
    courses: tuple[TreatmentCourse, ...]
    remarks: tuple[Remark, ...]

    def __repr__(self) -> str:
        names = ", ".join(visit.result.study.study_id for visit in self.visits)
        return f"<Comparison of {len(self.visits)} visits ({names}): {len(self.changes)} changes>"


def compare(results: Sequence[Result]) -> Comparison:
    """Compare serial visits of one patient.

    Parameters
    ----------
    results : sequence of Result
        Two or more, analyzed together: with one version, the same criteria and limits. They are
        ordered by ``visit_date``; that they belong to one person cannot be checked.

    Returns
    -------
    Comparison
        ``block_course`` is ``persistent`` when a set grades block at both visits, ``new`` or
        ``resolved`` when the class changes and the ratio of proximal to distal area differs by
        more than the repeatability of an amplitude (43 to 55 %, relative to the mean of the two
        values), ``unchanged`` when there is no block at either visit or the difference is within
        43 %, ``undetermined`` when a visit lacks a verdict or the difference lies in between.

    Raises
    ------
    StudyError
        If there are fewer than two results, or they were made by different versions, criteria
        sets, limits or settings, so that a change of method could pass for one in the patient.
    """
    if len(results) < 2:
        raise StudyError(f"compare needs at least two visits, not {len(results)}")
    _refuse_different_methods(results)
    visits = _in_order(results)
    rows = [_visit_rows(visit) for visit in visits]
    pairs = [(a, b, True) for a, b in pairwise(range(len(visits)))]
    if len(visits) > 2:
        pairs.append((0, len(visits) - 1, False))
    changes = [_changes(visits, rows, *pair) for pair in pairs]
    timeline = pd.concat([table.drop(columns=_HIDDEN) for table in rows], ignore_index=True)
    return Comparison(
        visits,
        conform(timeline, "timeline"),
        conform(pd.concat(changes, ignore_index=True), "changes"),
        _courses(visits),
        _remarks(visits),
    )


# ------------------------------------------------------------------ may they be compared?


def _refuse_different_methods(results: Sequence[Result]) -> None:
    first = results[0].provenance
    for other in (result.provenance for result in results[1:]):
        for what, ours, theirs in (
            ("version", first.version, other.version),
            ("criteria sets", _names(first.criteria), _names(other.criteria)),
            ("limits of normal", _names(first.reference), _names(other.reference)),
            ("settings", str(dict(first.settings)), str(dict(other.settings))),
        ):
            if ours != theirs:
                raise StudyError(
                    f"the visits were analyzed with different {what}: {ours} and {theirs}.",
                    hint="Analyze all visits afresh, together, and compare those results.",
                )


def _names(files: Sequence[DataFile]) -> str:
    return ", ".join(f"{f.id} revision {f.revision} ({f.sha256[:8]})" for f in files)


def _in_order(results: Sequence[Result]) -> tuple[Visit, ...]:
    dates = [result.study.details.visit_date for result in results]
    order = list(range(len(results)))
    if None not in dates:
        order.sort(key=lambda n: dates[n] or date.min)
    return tuple(Visit(i, dates[n], results[n]) for i, n in enumerate(order, start=1))


def _reviewed(visit: Visit) -> list[Remark]:
    """Say who corrected a visit, how often, and what of it could not be applied."""
    result = visit.result
    held, refused = applied(result.study.corrections, result.provenance.decisions)
    return [
        Remark(case, {"visit": visit.number, "n": len(events), "who": ", ".join(names)})
        for case, events in (("reviewed", held), ("review_refused", refused))
        if (names := dict.fromkeys(event.who for event in events))
    ]


def _remarks(visits: Sequence[Visit]) -> tuple[Remark, ...]:
    found = [Remark("same_person", {})]
    details = [visit.result.study.details for visit in visits]
    if any(visit.visit_date is None for visit in visits):
        found.append(Remark("no_dates", {}))
    if len({d.sex for d in details} - {None}) > 1:
        found.append(Remark("sex_differs", {}))
    found += [remark for visit in visits for remark in _reviewed(visit)]
    seen: dict[frozenset[str], int] = {}
    for visit in visits:
        hashes = frozenset(source.sha256 for source in visit.result.study.sources)
        if hashes and hashes in seen:
            found.append(Remark("same_files", {"earlier": seen[hashes], "later": visit.number}))
        seen.setdefault(hashes, visit.number)
    return (*found, *_filter_remarks(visits))


def _filter_remarks(visits: Sequence[Visit]) -> list[Remark]:
    """Name the nerves that were recorded with another low-frequency filter at another visit."""
    keys = ["nerve", "side", "muscle"]
    tables = [
        visit.result.traces.loc[visit.result.traces["kind"] == "motor", [*keys, "high_pass_hz"]]
        for visit in visits
    ]
    settings = pd.concat(tables).dropna().drop_duplicates()
    differing = settings[settings.duplicated(keys)].drop_duplicates(keys)
    return [
        Remark("filters_differ", {"nerve": nerve, "side": side, "muscle": muscle})
        for nerve, side, muscle in differing[keys].itertuples(index=False, name=None)
    ]


def _courses(visits: Sequence[Visit]) -> tuple[TreatmentCourse, ...]:
    named = dict.fromkeys(c for visit in visits for c in visit.result.study.details.courses)
    return tuple(sorted(named, key=lambda course: (course.start or date.min, course.drug)))


# ------------------------------------------------------------------ one visit

# Kept for the comparison, not shown: both kinds of area, so that like is compared with like.
_HIDDEN = [f"{end}_{kind}" for end in _ENDS for kind in ("total", "first", "absent")]


def _visit_rows(visit: Visit) -> pd.DataFrame:
    """Give one row per adjacent segment of a visit, with the responses of its two sites."""
    segments = visit.result.segments
    adjacent = segments[segments["is_adjacent"].fillna(False).to_numpy(dtype=bool)]
    table = adjacent[
        [
            *_SEGMENT,
            "amplitude_reduction_pct",
            "blocked_fraction",
            "blocked_fraction_low",
            "blocked_fraction_high",
        ]
    ].reset_index(drop=True)
    for end in _ENDS:
        table = _with_response(table, visit.result.traces, end)
    is_complete = _is_complete(table["amplitude_reduction_pct"])
    is_total = _has_totals(table, is_complete)
    for end in _ENDS:
        area = table[f"{end}_total"].where(is_total, table[f"{end}_first"])
        table[f"{end}_area_mv_ms"] = area
    return table.assign(
        area_reduction_pct=_area_fall(table, "", is_complete),
        is_first_phase=(~is_total).astype("boolean").mask(table["distal_area_mv_ms"].isna()),
        visit=visit.number,
        study_id=visit.result.study.study_id,
        visit_date=visit.visit_date.isoformat() if visit.visit_date else None,
    )


def _is_complete(amplitude_reduction_pct: pd.Series) -> Bools:
    """Tell where nothing comes through, of which table ``segments`` says 100 %."""
    fall = amplitude_reduction_pct.to_numpy(dtype=np.float64, na_value=np.nan)
    return fall >= 100.0 - TOLERANCE


def _has_totals(table: pd.DataFrame, is_complete: Bools, suffix: str = "") -> pd.Series:
    """Tell where areas over all phases are known; of a response that is absent there is none."""
    distal, proximal = (table[f"{end}_total{suffix}"].notna() for end in _ENDS)
    return distal & (proximal | is_complete)


def _area_fall(table: pd.DataFrame, when: str, is_complete: Bools) -> pd.Series:
    """Fall of the area; 100 % where nothing comes through, as in table ``segments``."""
    ratio = table[f"{when}proximal_area_mv_ms"] / table[f"{when}distal_area_mv_ms"]
    return (100.0 * (1.0 - ratio)).mask(is_complete, 100.0)


def _with_response(table: pd.DataFrame, traces: pd.DataFrame, end: str) -> pd.DataFrame:
    text = traces["quality_flags"]
    is_used = (traces["kind"] == "motor") & ~text.str.contains("not_used", regex=False)
    names = {
        _AMPLITUDE: f"{end}_amplitude_mv",
        _AREAS[0]: f"{end}_total",
        _AREAS[1]: f"{end}_first",
    }
    rows = traces[is_used.fillna(False).to_numpy(dtype=bool)]
    is_gone = is_absent(rows)
    rows = rows[["nerve", "side", "muscle", "stimulation_site", *names]].rename(columns=names)
    rows[f"{end}_absent"] = is_gone
    rows = rows.rename(columns={"stimulation_site": f"{end}_site"})
    keys = ["nerve", "side", "muscle", f"{end}_site"]
    return table.merge(rows.drop_duplicates(keys), how="left", on=keys)


# ------------------------------------------------------------------ two visits


def _changes(
    visits: Sequence[Visit], rows: Sequence[pd.DataFrame], a: int, b: int, is_consecutive: bool
) -> pd.DataFrame:
    both = rows[a].merge(rows[b], how="outer", on=_SEGMENT, suffixes=("_a", "_b"), sort=False)
    both = both.iloc[_in_order_of(both, (rows[a], rows[b]))].reset_index(drop=True)
    table = both[_SEGMENT].copy()
    for when, suffix, n in (("earlier", "_a", a), ("later", "_b", b)):
        visit = visits[n]
        table[f"{when}_visit"] = visit.number
        table[f"{when}_study_id"] = visit.result.study.study_id
        table[f"{when}_date"] = visit.visit_date.isoformat() if visit.visit_date else None
        for name in ("amplitude_reduction_pct", "blocked_fraction"):
            table[f"{when}_{name}"] = both[name + suffix]
        for end in _ENDS:
            table[f"{when}_{end}_amplitude_mv"] = both[f"{end}_amplitude_mv{suffix}"]
    table["is_consecutive"] = is_consecutive
    table["treatment_between"] = _treatment_between(visits, a, b)
    _add_areas(table, both)
    _add_events(table, both)
    return _with_grades(table, visits[a].result, visits[b].result)


def _in_order_of(both: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> list[int]:
    """Keep the order of the earlier visit; what only the later one has comes behind."""
    place: dict[tuple[object, ...], int] = {}
    for table in tables:
        for key in table[_SEGMENT].itertuples(index=False, name=None):
            place.setdefault(key, len(place))
    keys = [place[key] for key in both[_SEGMENT].itertuples(index=False, name=None)]
    return [int(n) for n in np.argsort(keys, kind="stable")]


def _add_areas(table: pd.DataFrame, both: pd.DataFrame) -> None:
    """Areas over all phases where all four responses have them, else of the first phase."""
    whens = (("earlier", "_a"), ("later", "_b"))
    complete = {when: _is_complete(table[f"{when}_amplitude_reduction_pct"]) for when, _ in whens}
    has_totals = [_has_totals(both, complete[when], suffix) for when, suffix in whens]
    is_total = has_totals[0] & has_totals[1]
    for when, suffix in whens:
        for end in _ENDS:
            area = both[f"{end}_total{suffix}"].where(is_total, both[f"{end}_first{suffix}"])
            table[f"{when}_{end}_area_mv_ms"] = area
        table[f"{when}_area_reduction_pct"] = _area_fall(table, f"{when}_", complete[when])
    table["is_first_phase"] = (~is_total).astype("boolean")
    for end in _ENDS:
        for what in ("amplitude_mv", "area_mv_ms"):
            name = f"{end}_{what.split('_')[0]}_change_pct"
            table[name] = 100.0 * (
                table[f"later_{end}_{what}"] / table[f"earlier_{end}_{what}"] - 1
            )
    for name, change in (
        ("amplitude_reduction_pct", "amplitude_reduction_change_pct"),
        ("area_reduction_pct", "area_reduction_change_pct"),
        ("blocked_fraction", "blocked_fraction_change"),
    ):
        table[change] = table[f"later_{name}"] - table[f"earlier_{name}"]


def _add_events(table: pd.DataFrame, both: pd.DataFrame) -> None:
    """What became of each response, and of the share that the segment lets through."""
    areas = {
        (when, end): _effective(table[f"{when}_{end}_area_mv_ms"], both[f"{end}_absent{suffix}"])
        for when, suffix in (("earlier", "_a"), ("later", "_b"))
        for end in _ENDS
    }
    for end in _ENDS:
        table[f"{end}_event"] = _event(areas["earlier", end], areas["later", end])
    shares = [
        areas[when, "proximal"] / np.where(areas[when, "distal"] > 0, areas[when, "distal"], np.nan)
        for when in ("earlier", "later")
    ]
    table["segment_event"] = _event(*shares)
    events = (table[f"{what}_event"] for what in ("distal", "proximal", "segment"))
    table["interpretation"] = [
        _interpretation(*row) for row in zip(*events, _starts_at_the_end(table), strict=True)
    ]


def _starts_at_the_end(table: pd.DataFrame) -> list[bool]:
    """Tell whether a segment's distal site is the nerve's most distal one in this comparison."""
    place = pd.Series(
        [
            position(nerve, site)
            for nerve, site in zip(table["nerve"], table["distal_site"], strict=True)
        ],
        index=table.index,
        dtype="int64",
    )
    series = [table[name] for name in ("nerve", "side", "muscle")]
    return (place == place.groupby(series).transform("min")).tolist()


def _effective(area: pd.Series, is_absent: pd.Series) -> Floats:
    """Area for the comparison, in which a response that was looked for and is absent counts 0."""
    absent = is_absent.astype("boolean").fillna(False).to_numpy(dtype=bool)
    return np.where(absent, 0.0, area.to_numpy(dtype=np.float64, na_value=np.nan))


def _event(earlier: Floats, later: Floats) -> list[str]:
    """Rise or fall beyond repeatability; the difference is taken relative to the mean."""
    mean = 0.5 * (earlier + later)
    difference = np.divide(
        100.0 * (later - earlier), mean, out=np.zeros_like(mean), where=mean != 0.0
    )
    low, high = (limit(f"serial.repeatability_{end}_pct") for end in ("low", "high"))
    size = np.abs(difference)
    words = np.where(difference > 0.0, "rise", "fall").astype(object)
    words[~(size > high + TOLERANCE)] = "undetermined"
    words[size <= low + TOLERANCE] = "within_repeatability"
    return [str(word) for word in words]


def _interpretation(distal: str, proximal: str, segment: str, is_end: bool) -> str:
    """Name what the two ends say, each for itself; ids joined by ``;``.

    A distal response speaks of the axons only at the nerve's most distal site (`is_end`): farther
    up it also follows what happens to a block below it.
    """
    found = []
    if distal == "rise" and is_end:
        found.append("reinnervation")
    if distal == "fall" and is_end:
        found.append("axonal_loss")
    # The segment lets more or less through: it is block only when the proximal end moved so.
    if proximal == "rise" and segment == "rise":
        found.append("unblocking")
    if proximal == "fall" and segment == "fall":
        found.append("more_block")
    return ";".join(found)


def _treatment_between(visits: Sequence[Visit], a: int, b: int) -> str:
    """Drugs of the courses that were given between two visits; empty without dates."""
    start, end = visits[a].visit_date, visits[b].visit_date
    if start is None or end is None:
        return ""
    drugs = [course.drug for course in _courses(visits) if course.is_given_between(start, end)]
    return ";".join(dict.fromkeys(drugs))


# ------------------------------------------------------------------ what became of the block


def _with_grades(table: pd.DataFrame, earlier: Result, later: Result) -> pd.DataFrame:
    sets = dict.fromkeys(
        [*earlier.verdicts["criteria"].tolist(), *later.verdicts["criteria"].tolist()]
    )
    parts = []
    for criteria in sets:
        part = table.assign(criteria=criteria)
        for when, result in (("earlier", earlier), ("later", later)):
            part[f"{when}_conduction_block"] = _grades(part, result.verdicts, criteria)
        parts.append(part)
    if not parts:
        return table.iloc[:0]
    judged = pd.concat(parts, ignore_index=True)
    order = np.arange(len(judged)).reshape(len(parts), -1).T.ravel()  # segment by segment
    judged = judged.iloc[order].reset_index(drop=True)
    earlier_class, later_class = (_classes(judged, when) for when in ("earlier", "later"))
    rows = list(zip(earlier_class, later_class, judged["segment_event"], strict=True))
    judged["block_course"] = [_course(*row) for row in rows]
    judged["is_changed"] = pd.array([_is_changed(*row) for row in rows], dtype="boolean")
    return judged


def _classes(judged: pd.DataFrame, when: str) -> list[BlockClass]:
    """Give grade and extent: one grade holds partial block and complete block."""
    is_complete = _is_complete(judged[f"{when}_amplitude_reduction_pct"]).tolist()
    return list(map(BlockClass, judged[f"{when}_conduction_block"], is_complete))


def _grades(table: pd.DataFrame, verdicts: pd.DataFrame, criteria: str) -> list[str | None]:
    keys = ["nerve", "side", "muscle", "segment"]
    own = verdicts[(verdicts["criteria"] == criteria).fillna(False).to_numpy(dtype=bool)]
    found = dict(
        zip(own[keys].itertuples(index=False, name=None), own["conduction_block"], strict=True)
    )
    return [found.get(key) for key in table[keys].itertuples(index=False, name=None)]


class BlockClass(NamedTuple):
    """What block there is at a visit."""

    grade: str | None
    is_complete: bool

    @property
    def kind(self) -> str:
        """Block, none, or open: nothing else reads as "no block"."""
        if self.grade in GRADES:
            return "block"
        return "none" if self.grade == "none" else "open"


def _course(earlier: BlockClass, later: BlockClass, segment_event: str) -> str:
    before, after = earlier.kind, later.kind
    if "open" in (before, after):
        return "undetermined"
    if before == after:
        return "persistent" if before == "block" else "unchanged"
    if segment_event == "within_repeatability":
        return "unchanged"
    if after == "block":
        return "new" if segment_event == "fall" else "undetermined"
    return "resolved" if segment_event == "rise" else "undetermined"


def _is_changed(earlier: BlockClass, later: BlockClass, segment_event: str) -> bool | None:
    """The class changes and the change exceeds repeatability; None when that is open."""
    if "open" in (earlier.kind, later.kind):
        return None
    if earlier == later or segment_event == "within_repeatability":
        return False
    return True if segment_event in ("rise", "fall") else None

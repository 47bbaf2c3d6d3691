"""The one table of a report: every motor site and segment, with limits and abnormal marks."""

from __future__ import annotations

from collections.abc import Sequence

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import is_foreign
from ncs_cb.units import unit_of
from ncs_cb.view.parts import Cell, Head, Table
from ncs_cb.view.reading import Reading, Row, Series, is_block, is_silent
from ncs_cb.view.rounding import NOTHING, is_known, signed
from ncs_cb.view.tables import (
    all_phases_else_first,
    dash_note,
    grade_cell,
    limited,
    outside_note,
    word_heads,
)
from ncs_cb.wording.catalog import capital

_AT_SITES = {
    "onset_latency_ms": "latency",
    "negative_peak_amplitude_mv": "amplitude",
    "total_negative_area_mv_ms": "area",
    "total_negative_duration_ms": "duration",
}
_ALONG = {"length_mm": "length", "conduction_velocity_m_per_s": "velocity"}
_CHANGES = {
    "amplitude_reduction_pct": "amplitude_change",
    "total_area_reduction_pct": "area_change",
    "total_duration_increase_pct": "duration_change",
}
_FIRST_PHASE = {
    "total_negative_area_mv_ms": "negative_peak_area_mv_ms",
    "total_negative_duration_ms": "negative_peak_duration_ms",
}
# Said by the grade, or by the word that stands where the amplitude would.
_SILENT = ("entrapment_site", "not_used", "response_absent", "response_absent_at_site")


def motor(r: Reading, nerves: Sequence[tuple[Series, str, Sequence[Row]]]) -> Table:
    """Lay out all nerves: their responses from distal to proximal, each with its segment.

    Parameters
    ----------
    r : Reading
    nerves : sequence of (series, title, rows)
        The rows of ``traces`` that count, distal first.
    """
    columns = (*_AT_SITES, *_ALONG, *_CHANGES)
    body: list[tuple[Cell, ...]] = []
    outside: set[str] = set()
    for series, title, rows in nerves:
        if not rows:
            continue
        body.append((Cell(title, "group"), *[Cell("")] * (len(columns) + 2)))
        segments = {str(one["proximal_site"]): one for one in r.adjacent(series)}
        for row in rows:
            cells, sets = _line(r, row, segments.get(str(row["stimulation_site"])))
            body.append(cells)
            outside |= sets
    heads = [
        *word_heads(r, "site"),
        *(_head(r, n) for n in columns),
        *word_heads(r, "block", "remarks"),
    ]
    table = _without_empty(tuple(heads), body)
    parts = [r.words("note.from_above"), dash_note(r, table.rows), outside_note(r, outside)]
    bare = _without_limits(r, nerves)
    if bare:
        parts.append(r.words("note.no_limits", items=r.words.join(bare, weight="heavy")))
    return Table(table.heads, table.rows, note=r.words.sentences(filter(None, parts)))


def _without_limits(r: Reading, nerves: Sequence[tuple[Series, str, Sequence[Row]]]) -> list[str]:
    """Name the nerves for which no reference set has a limit; crossing recordings apart."""
    limited = {row for name, row, _ in r.normal if name == "traces"}
    return [
        title
        for series, title, rows in nerves
        if rows
        and not is_foreign(series[0], series[2])
        and not limited.intersection(row["row"] for row in rows)
    ]


def _head(r: Reading, name: str) -> Head:
    label = {**_AT_SITES, **_ALONG, **_CHANGES}[name]
    return Head(r.words(f"head.{label}"), unit_of(name), is_number=True)


def _without_empty(heads: tuple[Head, ...], body: Sequence[tuple[Cell, ...]]) -> Table:
    """Leave out the columns in which nothing is known."""
    lines = [row for row in body if row[0].tone != "group"]
    kept = [n for n in range(len(heads)) if any(row[n].text not in ("", NOTHING) for row in lines)]
    return Table(tuple(heads[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in body))


def _line(r: Reading, row: Row, segment: Row | None) -> tuple[tuple[Cell, ...], set[str]]:
    site = Cell(capital(r.words.site(str(row["stimulation_site"]))))
    at_site, sets = limited(r, "traces", _all_phases(row), tuple(_AT_SITES))
    status = _status(r, row)
    if status:
        at_site = [Cell(NOTHING), Cell(status, "outside"), Cell(NOTHING), Cell(NOTHING)]
    names = (*_ALONG, *_CHANGES)
    if segment is None:
        blank = [Cell("")] * (len(names) + 1)
        return (site, *at_site, *blank, Cell(_remarks(r, row))), sets
    along, more = limited(r, "segments", segment, tuple(_ALONG))
    used = segment | all_phases_else_first(segment)
    changes = [Cell(signed(r.value(used, n), falls=n.endswith("reduction_pct"))) for n in _CHANGES]
    cells = (
        site,
        *at_site,
        *along,
        *changes,
        _grade(r, segment),
        Cell(_with_printed(r, row, segment)),
    )
    return cells, sets | more


def _all_phases(row: Row) -> Row:
    """Take area and duration of the first phase where those of all phases are not known."""
    return row | {a: row[a] if is_known(row[a]) else row.get(b) for a, b in _FIRST_PHASE.items()}


def _status(r: Reading, row: Row) -> str:
    """Say that a response is absent or was not looked for; empty when there is one."""
    said = row.get("response")
    if said is None and "response_absent" in flags.split(row["quality_flags"] or ""):
        said = "absent"
    return r.words(f"response.{said}") if said in ("absent", "not_done", "not_measurable") else ""


def _grade(r: Reading, row: Row) -> Cell:
    """Give the leading set's grade; an entrapment site without a finding says nothing."""
    grade, verdict = r.grade(row), r.verdict(row) or {}
    why = _why_excluded(verdict) if grade == "excluded" else ""
    if is_silent(r, row) and why != "by_anastomosis":
        return Cell("")
    cell = grade_cell(r, grade)
    if why:
        return Cell(r.words(f"remark.{why}"), grade)
    if is_block(grade) and verdict.get("technical_validity") == "not_attested":
        return Cell(r.words("remark.if_supramaximal", grade=cell.text), grade)
    return cell


def _why_excluded(verdict: Row) -> str:
    """Name what rules a segment out: the site, an anastomosis, or the distal response."""
    failed = [one for one in verdict.get("evidence") or () if one.get("holds") is False]
    if any(one.get("clause") == "martin_gruber" for one in failed):
        return "by_anastomosis"
    if any(one.get("column") == "is_entrapment_site" for one in failed):
        return "at_entrapment"
    gates = ("distal_amplitude_mv", "distal_gate")
    small = any(one.get("column") in gates or one.get("clause") in gates for one in failed)
    return "too_small" if small else ""


def _with_printed(r: Reading, row: Row, segment: Row) -> str:
    """Give the remarks, and that a velocity is the machine's own: only that has no length."""
    told = [_remarks(r, row, segment)]
    if is_known(segment["conduction_velocity_m_per_s"]) and not is_known(segment["length_mm"]):
        told.append(r.words("remark.velocity_printed"))
    return r.words.join(filter(None, told), weight="comma")


def _remarks(r: Reading, *rows: Row) -> str:
    """Name the cautions of a response and its segment; notes stand in the appendix."""
    names = dict.fromkeys(n for row in rows for n in flags.split(row["quality_flags"] or ""))
    shown = [
        n
        for n in names
        if n not in _SILENT
        and flags.FLAGS[n].scope != "estimate"
        and (flags.FLAGS[n].level != "note" or n == "reviewed")
    ]
    return r.words.join((r.words.term("flag", n) for n in shown), weight="comma")

"""The tables of a report, laid out from a reading: sites, changes, evidence, comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ncs_cb import flags
from ncs_cb.columns import COLUMNS
from ncs_cb.units import unit_of
from ncs_cb.view.parts import Cell, Head, Table
from ncs_cb.view.reading import (
    Reading,
    Row,
    Series,
    is_block,
    is_silent,
    segment_key,
    series_of,
)
from ncs_cb.view.rounding import NOTHING, is_known, number, plain, with_unit
from ncs_cb.vocabulary import TOLERANCE
from ncs_cb.wording.catalog import capital

_OPERATORS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠"}
# On which side of its limit a normal value lies.
_NORMAL_SIDE = {"lower": "≥", "upper": "≤"}
_KNOWN_COLUMNS = frozenset(c.name for c in COLUMNS)
_SITE_COLUMNS = (
    "distance_mm",
    "stimulus_ma",
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "peak_to_peak_amplitude_mv",
    "total_negative_duration_ms",
    "negative_peak_duration_ms",
    "total_negative_area_mv_ms",
    "negative_peak_area_mv_ms",
)
_CHANGE_COLUMNS = (
    "length_mm",
    "conduction_velocity_m_per_s",
    "amplitude_reduction_pct",
    "total_area_reduction_pct",
    "area_reduction_pct",
    "total_duration_increase_pct",
    "duration_increase_pct",
)
# The column about the first phase is shown beside the one about all phases only where they differ.
_SAME_UNLESS_COMPLEX = {
    "negative_peak_duration_ms": "total_negative_duration_ms",
    "negative_peak_area_mv_ms": "total_negative_area_mv_ms",
    "area_reduction_pct": "total_area_reduction_pct",
    "duration_increase_pct": "total_duration_increase_pct",
}


def column_head(r: Reading, name: str) -> Head:
    """Give a column's heading from the registry."""
    return Head(r.words.term("column", name), unit_of(name), is_number=True)


def word_heads(r: Reading, *names: str) -> list[Head]:
    """Give headings of words."""
    return [Head(r.words(f"head.{name}")) for name in names]


def grade_cell(r: Reading, grade: str) -> Cell:
    """Give a grade as a cell that carries its tone."""
    return Cell(r.words.term("grade", grade), grade)


def empty(heads: Iterable[Head] = ()) -> Table:
    """Give a table without rows, which writers leave out."""
    return Table(tuple(heads), ())


def _columns_worth_showing(rows: Sequence[Row], names: Iterable[str]) -> list[str]:
    shown = [n for n in names if any(is_known(row.get(n)) for row in rows)]
    return [n for n in shown if n not in _SAME_UNLESS_COMPLEX or _differs(rows, n)]


def _differs(rows: Sequence[Row], name: str) -> bool:
    other = _SAME_UNLESS_COMPLEX[name]
    return any(
        is_known(row.get(name))
        and (not is_known(row.get(other)) or abs(row[name] - row[other]) > TOLERANCE)
        for row in rows
    )


def sites(r: Reading, rows: Sequence[Row]) -> Table:
    """Lay out the responses of one nerve, distal first."""
    names = _columns_worth_showing(rows, _SITE_COLUMNS)
    has_printed = any(row.get("machine") for row in rows)
    heads = [*word_heads(r, "site"), *(column_head(r, n) for n in names)]
    heads += word_heads(r, *["machine"] * has_printed, "flags")
    body, outside = [], set()
    for row in rows:
        is_minor = not flags.is_used(row["quality_flags"])
        site = Cell(r.words.site(str(row["stimulation_site"])), "minor" if is_minor else "")
        cells, sets = limited(r, "traces", row, names)
        outside |= sets
        printed = [Cell(row["machine"] or NOTHING)] * has_printed
        body.append((site, *cells, *printed, Cell(flag_names(r, row))))
        if "reviewed" in flags.split(row["quality_flags"] or ""):
            body.append(_automatic(r, row, names, has_printed))
    note = r.words.sentences(filter(None, [dash_note(r, body), outside_note(r, outside)]))
    return Table(tuple(heads), tuple(body), note=note)


def _automatic(r: Reading, row: Row, names: Sequence[str], has_printed: bool) -> tuple[Cell, ...]:
    """Lay out what the program had found before a person corrected the response above."""
    cells = [
        Cell(r.value(row, f"automatic_{name}") if f"automatic_{name}" in row else "", "minor")
        for name in names
    ]
    return Cell(r.words("phrase.automatic"), "minor"), *cells, *[Cell("")] * has_printed, Cell("")


def limited(r: Reading, table: str, row: Row, names: Sequence[str]) -> tuple[list[Cell], set[str]]:
    """Round values, each with its limit of normal; give also the sets of the limits.

    A value outside its limit carries a star in its text, so that it does in every format.
    """
    cells, sets = [], set()
    for name in names:
        normal = r.normal.get((table, row["row"], name), {})
        text, tone = r.value(row, name, near=normal.get("limit")), ""
        if normal and text != NOTHING:
            tone = "outside" if normal["is_outside"] is True else ""
            sets.add(str(normal["set_id"]))
            sign = _NORMAL_SIDE[str(normal["direction"])]
            limit = f"{sign} {plain(normal['limit'])}"
            text = r.words("phrase.limited", value=text + "*" * bool(tone), limit=limit)
        cells.append(Cell(text, tone))
    return cells, sets


def outside_note(r: Reading, sets: Iterable[str]) -> str:
    """Say what the star means and whose limits stand in parentheses."""
    names = [r.reference_title(one) for one in sorted(sets)]
    return r.words("note.outside", sets=r.words.join(names)) if names else ""


def dash_note(r: Reading, rows: Iterable[Sequence[Cell]]) -> str:
    """Explain the dash where a table has one."""
    has_dash = any(cell.text == NOTHING for row in rows for cell in row)
    return r.words("note.dash") if has_dash else ""


def flag_names(r: Reading, row: Row) -> str:
    """Name the flags of a row."""
    names = flags.split(row.get("quality_flags") or "")
    return r.words.join((r.words.term("flag", n) for n in names), weight="comma")


def changes(r: Reading, series: Series) -> Table:
    """Lay out the segments of one nerve with what every set says of them."""
    rows = [row for row in r.segments if series_of(row) == series]
    near = [row for row in rows if row["is_adjacent"] is True]
    names = _columns_worth_showing(rows, _CHANGE_COLUMNS)
    has_estimate = any(is_known(row["blocked_fraction"]) for row in rows)
    heads = [*word_heads(r, "segment"), *(column_head(r, n) for n in names)]
    heads += [Head(r.words("head.blocked"), "%", is_number=True)] * has_estimate
    heads += [Head(r.set_title(s)) for s in r.sets]
    body, outside = [], set()
    for row in [*near, *(row for row in rows if row["is_adjacent"] is not True)]:
        tone = "" if row["is_adjacent"] is True else "minor"
        values, sets = limited(r, "segments", row, names)
        outside |= sets
        cells = [Cell(r.segment_title(row), tone), *values]
        cells += [Cell(blocked_range(r, row), "research")] * has_estimate
        cells += [set_cell(r, row, s) for s in r.sets]
        body.append(tuple(cells))
    return Table(tuple(heads), tuple(body), note=_changes_note(r, body, has_estimate, outside))


def _changes_note(
    r: Reading, body: Sequence[Sequence[Cell]], has_estimate: bool, outside: set[str]
) -> str:
    parts = [dash_note(r, body), outside_note(r, outside)]
    if any(row[0].tone == "minor" for row in body):
        parts.append(r.words("note.whole_stretch"))
    if has_estimate:
        parts.append(r.words("note.research"))
    return r.words.sentences(part for part in parts if part)


def blocked_parts(row: Row) -> dict[str, str]:
    """Give the estimated blocked share and the ends of its interval, in percent."""
    names = {
        "value": "blocked_fraction",
        "low": "blocked_fraction_low",
        "high": "blocked_fraction_high",
    }
    return {
        key: number(100.0 * row[name] if is_known(row[name]) else None, "%")
        for key, name in names.items()
    }


def blocked_range(r: Reading, row: Row) -> str:
    """Give the estimated blocked share with its interval, or a dash."""
    parts = blocked_parts(row)
    return NOTHING if parts["value"] == NOTHING else r.words("phrase.interval", **parts)


def set_cell(r: Reading, row: Row, set_id: str) -> Cell:
    """Give one set's grade of one segment; segments that are not adjacent are not judged."""
    verdict = r.verdict(row, set_id)
    if verdict is None or (is_silent(r, row) and verdict["conduction_block"] == "excluded"):
        return Cell(NOTHING, "minor")
    return grade_cell(r, str(verdict["conduction_block"]))


def all_phases_else_first(row: Row) -> Row:
    """Give the area and duration changes that a verdict uses."""
    return {
        total: row[total] if is_known(row[total]) else row[first]
        for first, total in _SAME_UNLESS_COMPLEX.items()
        if total in row
    }


def comparison(r: Reading) -> Table:
    """Compare all criteria sets, segment by segment."""
    heads = [*word_heads(r, "nerve", "segment"), *(Head(r.set_title(s)) for s in r.sets)]
    body = []
    for row in r.adjacent():
        cells = [Cell(nerve_name(r, series_of(row))), Cell(r.segment_title(row))]
        for set_id in r.sets:
            verdict = r.verdict(row, set_id)
            grade = str(verdict["conduction_block"]) if verdict else "not_covered"
            if grade == "excluded" and is_silent(r, row):
                cells.append(Cell(NOTHING))
                continue
            remarks = remarks_of(r, verdict) if verdict else []
            text = r.words.join([r.words.term("grade", grade), *remarks], weight="comma")
            cells.append(Cell(text, grade))
        body.append(tuple(cells))
    return Table(tuple(heads), tuple(body))


def remarks_of(r: Reading, verdict: Row) -> list[str]:
    """Give what a verdict adds to its grade: what is open, dispersion, extrapolation."""
    grade, stronger = str(verdict["conduction_block"]), verdict["not_excluded"]
    remarks = []
    if isinstance(stronger, str) and stronger != grade and is_block(stronger) and stronger:
        word = r.words.term("grade_in_text", stronger).lower()
        remarks.append(r.words("remark.not_excluded", grade=word))
    if verdict["temporal_dispersion"] is True:
        remarks.append(r.words("remark.dispersion"))
    if verdict["extrapolated"] is True:
        remarks.append(r.words("remark.extrapolated"))
    return remarks


def evidence(r: Reading, verdict: Row) -> Table:
    """Lay out the evidence of one verdict clause by clause."""
    body = []
    for clause in verdict["evidence"] or ():
        name = str(clause.get("column") or "")
        unit = unit_of(name)
        limit, value = clause.get("limit"), clause.get("value")
        if clause.get("rule") == "premise":
            value = None  # its state is what the sentence says
        grade = str(clause.get("grade") or "")
        truth = {True: "met", False: "not_met"}.get(clause.get("holds"), "unknown")
        body.append(
            (
                Cell(_rule(r, grade, str(clause.get("rule") or ""))),
                Cell(_clause_label(r, clause)),
                Cell(_quantity(r, value, unit, limit)),
                Cell(_limit(r, clause.get("op"), limit, unit)),
                Cell(r.words(f"truth.{truth}"), truth),
                Cell(r.source(str(clause.get("source") or ""))),
                Cell(r.words.term("level", str(clause.get("verified") or "unchecked"))),
            )
        )
    return Table(evidence_heads(r), tuple(body))


def evidence_heads(r: Reading) -> tuple[Head, ...]:
    """Give the headings of every table of evidence."""
    names = ("for_grade", "clause", "measured", "limit", "result", "source", "level")
    return tuple(word_heads(r, *names))


def _rule(r: Reading, grade: str, rule: str) -> str:
    """Name the rule a clause belongs to: its grade, or the gate a segment must pass.

    A rule's id is told where it is the letter or number that the publication gives it.
    """
    if not grade:
        return r.words.term("rule", rule)
    word = r.words.term("grade", grade)
    return r.words("phrase.rule", grade=word, rule=rule) if 0 < len(rule) <= 2 else word


def _clause_label(r: Reading, clause: dict[str, Any]) -> str:
    """Name a clause by its column, else by its own text, else by its id."""
    name = str(clause.get("column") or "")
    if name in _KNOWN_COLUMNS:
        return r.words.term("column", name)
    if f"flag.{name}" in r.words.texts:
        return r.words.term("flag", name)
    own = r.words.texts.get(f"policy.{clause.get('clause')}")
    text = own or r.either(str(clause.get("text") or ""), str(clause.get("text_zh") or ""))
    return (text or str(clause.get("clause") or name)).replace("_", " ")


def _quantity(r: Reading, value: object, unit: str, limit: object) -> str:
    if isinstance(value, bool):
        return r.words("truth.yes" if value else "truth.no")
    if isinstance(value, str):
        return value
    limits = [float(limit)] if is_known(limit) else []  # type: ignore[arg-type]
    return with_unit(number(value, unit, limits), unit)


def _limit(r: Reading, operator: object, limit: object, unit: str) -> str:
    if isinstance(limit, bool):
        return r.words("truth.yes" if limit else "truth.no")
    if not is_known(limit):
        return str(limit) if limit is not None else ""
    sign = _OPERATORS.get(str(operator), str(operator or ""))
    return with_unit(f"{sign} {plain(limit)}".strip(), unit)


def yes_no(r: Reading, value: object) -> str:
    """Word a truth; unknown is a dash."""
    if value is True or value is False:
        return r.words("truth.yes" if value else "truth.no")
    return NOTHING


def nerve_name(r: Reading, series: Series) -> str:
    """Begin a row with a nerve."""
    return capital(r.nerve_short(series))


def segment_row_key(row: Row) -> str:
    """Give the anchor of a segment on the page."""
    return "-".join(segment_key(row))

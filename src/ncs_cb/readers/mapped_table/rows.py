"""Rows of a foreign table to the cells that a site table would hold, one set per site."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ncs_cb.columns import MEASURES
from ncs_cb.errors import NcsError, StudyError, TableError, UnitError
from ncs_cb.knowledge.anatomy import find
from ncs_cb.knowledge.findings import findings
from ncs_cb.knowledge.layouts import PERSON, QUANTITIES, Layout, Measure
from ncs_cb.readers._shared.grid import Cell, Grid, text_of
from ncs_cb.readers.mapped_table import header as headers
from ncs_cb.readers.mapped_table.header import Header
from ncs_cb.readers.mapped_table.values import Words, measured, personal

_SITE_KEYS = ("nerve", "side", "muscle", "stimulation_site", "kind")
_ANSWERS = frozenset(c.name for c in MEASURES if c.dtype == "float64")
_NEAR = 0.85
_DEFAULT_UNITS = {"person.age_years": "years", "person.height_cm": "cm"}


@dataclass(slots=True)
class Row:
    """What the table says of one stimulated site, or of one patient.

    Attributes
    ----------
    where : str
        Where it stands, for messages.
    cells : dict of str to str
        Text by column of a site table, in our units; also the keys of a layout that a site
        table lacks.
    patient : dict of str to object
        Values by ``<table>.<key>`` of ``study.toml``.
    problem : NcsError or None
        What is wrong with it; its visit is not read then, others are.
    """

    where: str
    cells: dict[str, str] = field(default_factory=dict)
    patient: dict[str, object] = field(default_factory=dict)
    problem: NcsError | None = None


@dataclass(slots=True)
class Found:
    """Everything one table gave.

    Attributes
    ----------
    rows : list of Row
    units : dict of str to str
        The unit of each column, by its header.
    unmapped : list of str
        Headers, or codes of a long table, that the layout does not name.
    passed_over : list of str
        Lines that belong to nothing the layout names.
    lost : list of str
        Those of them that hold values.
    """

    rows: list[Row] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def take_rows(grid: Grid, layout: Layout) -> Found:
    """Take every row of a table apart as its layout says.

    Raises
    ------
    StudyError
        If a column that the layout names is not there.
    UnitError
        If a unit is missing or unknown.
    ReadError
        If a value is no number.
    """
    header = headers.find_header(grid, layout)
    words = Words.of(layout.absent, layout.unknown, grid.decimal)
    table = _Table(grid, layout, header, words)
    if layout.wide is not None:
        table.wide()
    elif layout.long is not None:
        table.long()
    else:
        table.tall()
    found = table.found
    table.leave()
    found.unmapped += dict.fromkeys(table.rest)
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    """One column that holds a quantity: where it stands and how it becomes ours."""

    name: str
    index: int
    by: float


class _Table:
    def __init__(self, grid: Grid, layout: Layout, header: Header, words: Words) -> None:
        self.grid, self.layout, self.header, self.words = grid, layout, header, words
        self.found = Found()
        self.used: set[int] = set()
        self.rest: list[str] = []
        self.has_left = False
        self.missing: list[str] = []
        self.keys = self._indices(layout.keys)
        self.patient = self._indices(layout.patient)

    # ------------------------------------------------------------------ where columns stand

    def _indices(self, named: Mapping[str, str]) -> dict[str, int]:
        found = {}
        for key, name in named.items():
            index = self._index(name)
            if index is not None:
                found[key] = index
        return found

    def _index(self, name: str) -> int | None:
        """Find a column; one that is missing is an error, unless a machine's layout names it."""
        optional = self.layout.recognized_by and name not in self.layout.recognized_by
        index = self.header.at(name) if optional else self.header.needed(name)
        if index is not None:
            self.used.add(index)
        else:
            self.missing.append(name)
        return index

    def _columns(self) -> list[_Column]:
        made = []
        for name, source in self.layout.columns.items():
            index = self._index(source.header)
            if index is not None:
                made.append(self._column(name, index, source.unit))
        return made

    def _column(self, name: str, index: int, told: str | None) -> _Column:
        header = self.header.names[index]
        by, unit = headers.factor(name, header, told, f"column '{header[:60]}'")
        self.used.add(index)
        self.found.units[headers.bare(header)] = unit
        return _Column(name, index, by)

    def leave(self) -> None:
        """Keep the headers that nothing was taken from, before another header takes over.

        Raises
        ------
        StudyError
            If one of the first header looks like a column that the layout names.
        """
        names = self.header.names
        rest = [headers.bare(n) for i, n in enumerate(names) if n and i not in self.used]
        for name in () if self.has_left else self.missing:
            near = get_close_matches(name, rest, n=1, cutoff=_NEAR)
            if near:
                # It would be unknown in silence.
                raise StudyError(f"unknown column '{near[0][:60]}'. Did you mean '{name}'?")
        self.rest += rest
        self.has_left = True

    def _body(self) -> Iterator[tuple[int, list[Cell]]]:
        for number in range(self.header.first, len(self.grid.rows)):
            row = self.grid.rows[number]
            if any(text_of(c) for c in row):
                yield number + 1, row

    def _cell(self, row: Sequence[Cell], index: int | None) -> Cell:
        return row[index] if index is not None and index < len(row) else ""

    # ------------------------------------------------------------------ one row per site

    def tall(self) -> None:
        columns: list[_Column] | None = self._columns()
        group = self._group_above() if self.layout.group_row is not None else {}
        for number, row in self._body():
            named = self._group(row)
            if named is not None:
                group = named
                continue
            if self._is_heading(row):
                group = None if self.layout.group_row is not None else {}
                self._pass_over(number)
                continue
            if headers.refers_again(row, self.header):
                columns = self._again(number - 1)
                continue
            if columns is None or group is None:
                self._pass_over(number)
                self.found.lost.append(str(number))
                continue
            self._tall_row(number, row, columns, group)

    def _tall_row(
        self, number: int, row: list[Cell], columns: Sequence[_Column], group: Mapping[str, str]
    ) -> None:
        made = Row(f"row {number}", {**self.layout.constants, **group})
        with _blamed_on(made):
            self._take_keys(made, row)
            for column in columns:
                self._measure(made, column.name, column.by, self._cell(row, column.index))
        self.found.rows.append(made)

    def _group(self, row: Sequence[Cell]) -> dict[str, str] | None:
        """Read a line that names what follows."""
        if self.layout.group_row is None:
            return None
        text = " ".join(text_of(c) for c in row if text_of(c))
        match = self.layout.group_row.search(text)
        if match is None:
            return None
        return _named({k: v for k, v in match.groupdict().items() if v})

    def _group_above(self) -> dict[str, str] | None:
        """Read the line that names the rows behind the first header, where it stands above it.

        Remarks and empty lines may stand between; a row of several cells is of something else.
        """
        for row in reversed(self.grid.rows[: self.header.row]):
            named = self._group(row)
            if named is not None:
                return named
            if sum(bool(text_of(c)) for c in row) > 1:
                return None
        return None

    def _is_heading(self, row: Sequence[Cell]) -> bool:
        """Tell a title between the rows: a single cell that is no stimulation site."""
        filled = [i for i, c in enumerate(row) if text_of(c)]
        if len(filled) != 1:
            return False
        site = self.keys.get("stimulation_site")
        return filled[0] != site or find("sites", text_of(row[filled[0]])) is None

    def _again(self, row: int) -> list[_Column] | None:
        """Bind the columns to a second header; None where it is that of another table."""
        try:
            header = headers.header_at(self.grid, row, self.layout)
            self.leave()
            self.header, self.used = header, set()
            self.keys = self._indices(self.layout.keys)
            self.patient = self._indices(self.layout.patient)
            return self._columns()
        except NcsError:
            self._pass_over(row + 1)
            return None

    def _pass_over(self, number: int) -> None:
        self.found.passed_over.append(str(number))

    # ------------------------------------------------------------------ one row per patient

    def wide(self) -> None:
        wide = self.layout.wide
        assert wide is not None
        default = {} if wide.default_site is None else {"stimulation_site": wide.default_site}
        places = []
        for index, name in enumerate(self.header.names):
            match = wide.pattern.fullmatch(re.sub(r" \|(\(.*\))\|$", r" \1", name))
            if match is None:
                continue
            said = {k: v for k, v in match.groupdict().items() if v}
            measure = _measure_named(wide.measures, said.pop("measure", ""))
            if measure is None:
                continue
            column = self._column_of(measure, index, said.pop("unit", None))
            places.append((column, {**default, **_named(said), **measure.fixed}))
        if not places:
            raise StudyError(
                f"no header of row {self.header.row + 1} fits the pattern of layout "
                f"'{self.layout.id}'.",
                hint="The whole header must fit it.",
            )
        for number, row in self._body():
            self._wide_row(number, row, places)

    def _column_of(self, measure: Measure, index: int, unit: str | None) -> _Column:
        if measure.to not in QUANTITIES:
            self.used.add(index)
            return _Column(measure.to, index, 1.0)
        return self._column(measure.to, index, measure.unit or unit)

    def _wide_row(
        self, number: int, row: list[Cell], places: Sequence[tuple[_Column, Mapping[str, str]]]
    ) -> None:
        base = Row(f"row {number}", dict(self.layout.constants))
        with _blamed_on(base):
            self._take_keys(base, row)
        sites: dict[tuple[str, ...], Row] = {}
        for column, said in places:
            cell = self._cell(row, column.index)
            if self.words.is_unknown(cell):
                continue
            cells = {**base.cells, **said}
            key = tuple(cells.get(k, "") for k in _SITE_KEYS)
            made = sites.setdefault(key, Row(base.where, cells))
            with _blamed_on(made):
                self._measure(made, column.name, column.by, cell)
        # The patient's own values stand in a row of their own, with the id alone.
        base.cells = {k: v for k, v in base.cells.items() if k == "study_id"}
        self.found.rows.append(base)
        self.found.rows += sites.values()

    # ------------------------------------------------------------------ one row per value

    def long(self) -> None:
        long = self.layout.long
        assert long is not None
        code, value = self._index(long.parameter), self._index(long.value)
        unit = None if long.unit is None else self._index(long.unit)
        sites: dict[tuple[str, ...], Row] = {}
        strange: dict[str, None] = {}
        for number, row in self._body():
            text = text_of(self._cell(row, code))
            measure = _measure_named(long.parameters, text)
            base = Row(f"row {number}", dict(self.layout.constants))
            with _blamed_on(base):
                self._take_keys(base, row)
            if measure is None:
                strange.setdefault(text)
                continue
            cells = {**base.cells, **measure.fixed}
            key = (cells.get("study_id", ""), *(cells.get(k, "") for k in _SITE_KEYS))
            made = sites.setdefault(key, Row(base.where, cells))
            made.patient |= base.patient
            made.problem = made.problem or base.problem
            with _blamed_on(made):
                self._long_value(
                    made, measure, self._cell(row, value), text_of(self._cell(row, unit)), number
                )
        self.found.rows += sites.values()
        self.found.unmapped += [f"{long.parameter} = {text[:40]}" for text in strange]

    def _long_value(self, made: Row, measure: Measure, cell: Cell, unit: str, number: int) -> None:
        if measure.to not in QUANTITIES:
            self._measure(made, measure.to, 1.0, cell)
            return
        long = self.layout.long
        header = long.value if long is not None else ""
        where = f"row {number}, column '{header[:60]}'"
        by, found = headers.factor(measure.to, header, unit or measure.unit, where)
        self.found.units[f"{measure.to}"] = found
        made.where = f"row {number}"
        if measure.to in made.cells and made.cells[measure.to] != "":
            raise StudyError(
                f"{where}: a second value for {measure.to} of one site.",
                hint="Map a column that tells the visits apart to study_id.",
            )
        self._measure(made, measure.to, by, cell)

    # ------------------------------------------------------------------ cells

    def _take_keys(self, made: Row, row: Sequence[Cell]) -> None:
        for key, index in self.keys.items():
            cell = self._cell(row, index)
            if key == "response" and self.words.is_absent(cell):
                made.cells[key] = "absent"
            elif not self.words.is_unknown(cell):
                made.cells[key] = text_of(cell)
        for key, index in self.patient.items():
            self._personal(made, key, self._cell(row, index), self.header.names[index])

    def _personal(self, made: Row, key: str, cell: Cell, header: str) -> None:
        where = f"{made.where}, column '{header[:60]}'"
        kind, by = _kind(key), 1.0
        if key in _DEFAULT_UNITS:
            told = None if _states_unit(header) else _DEFAULT_UNITS[key]
            by = headers.factor(key.partition(".")[2], header, told, where)[0]
        value = personal(key, kind, cell, self.words, by, where)
        if value is not None:
            made.patient[key] = value

    def _measure(self, made: Row, name: str, by: float, cell: Cell) -> None:
        where = f"{made.where}, {name}"
        if name in PERSON or "." in name:
            self._personal(made, PERSON.get(name, name), cell, name)
        elif name not in QUANTITIES:
            made.cells[name] = "" if self.words.is_unknown(cell) else text_of(cell)
        elif self.words.is_absent(cell):
            # No velocity is no statement about the response.
            if name in _ANSWERS:
                made.cells.setdefault("response", "absent")
        else:
            made.cells[name] = measured(cell, self.words, by, where)


@contextmanager
def _blamed_on(row: Row) -> Iterator[None]:
    """Keep what is wrong with a row; a wrong unit is wrong with the whole table."""
    try:
        yield
    except UnitError:
        raise
    except NcsError as problem:
        row.problem = row.problem or problem


def _states_unit(header: str) -> bool:
    return re.search(r"[(\[]", header) is not None


def _kind(key: str) -> str:
    if key.endswith("_date"):
        return "date"
    if key == "person.sex":
        return "word"
    finding = findings().get(key)
    if finding is not None:
        return finding.type
    if key.partition(".")[0] in ("person", "limb_temperature_c"):
        return "number"
    known = [*findings(), *PERSON.values()]
    raise TableError(f"unknown key '{key}' of study.toml; such as {', '.join(known[:8])}.")


def _measure_named(measures: Mapping[str, Measure], text: str) -> Measure | None:
    if text in measures:
        return measures[text]
    near = [m for name, m in measures.items() if name.casefold() == text.casefold()]
    return near[0] if len(near) == 1 else None


def _named(said: Mapping[str, Any]) -> dict[str, str]:
    """Give the groups of a pattern by the names of a site table."""
    return {("stimulation_site" if k == "site" else k): str(v).strip() for k, v in said.items()}

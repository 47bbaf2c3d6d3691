"""Where a layout's columns stand in the rows of a table, and in which units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ncs_cb.errors import ReadError, StudyError, UnitError, did_you_mean
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.readers._shared.grid import Cell, Grid, text_of
from ncs_cb.units import stored_per, unit_in, unit_of, units_for

_LOOKED_AT = 60
_MOST_COLUMNS = 20_000
_UNITS_BELOW = re.compile(r"\s*\|.*\|$")
# What may stand in the line of units under a header.
_UNIT_WORDS = frozenset(
    {
        "ms",
        "mv",
        "µv",
        "μv",
        "uv",
        "mm",
        "cm",
        "m/s",
        "ma",
        "%",
        "°c",
        "c",
        "hz",
        "khz",
        "mvms",
        "mv·ms",
        "mv*ms",
        "years",
        "s",
    }
)
# A share of something is no unit of it: "Amplitude %" is another quantity than "Amplitude mV".
_UNIT_BEHIND = re.compile(r"(.+?)(?:\s*[(\[]\s*([^()\[\]]+?)\s*[)\]]|[\s,;]+(\S+))")


@dataclass(frozen=True, slots=True)
class Header:
    """One header of a table.

    Attributes
    ----------
    row : int
        Its row, from 0.
    names : tuple of str
        Text of each column; a line of units below it is added in brackets.
    first : int
        The first row of the body.
    """

    row: int
    names: tuple[str, ...]
    first: int

    def at(self, header: str) -> int | None:
        """Give the column with that header, None when there is none.

        Raises
        ------
        ReadError
            If there are two.
        """
        wanted = folded(header)
        # A header may be named without the unit that stands below or behind it.
        found = next((at[wanted] for at in _places(self.names) if wanted in at), [])
        if len(found) > 1:
            raise ReadError(
                f"row {self.row + 1}: two columns are headed '{header[:60]}'.",
                hint="Rename one of them.",
            )
        return found[0] if found else None

    def needed(self, header: str) -> int:
        """Give the column with that header.

        Raises
        ------
        StudyError
            If there is none; the message names the nearest.
        """
        found = self.at(header)
        if found is None:
            names = [n for n in self.names if n]
            raise StudyError(
                f"row {self.row + 1} has no column '{header[:60]}'; it has: "
                f"{', '.join(repr(n[:40]) for n in names[:40])}." + did_you_mean(header, names)
            )
        return found


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...]) -> tuple[dict[str, list[int]], ...]:
    """Give the columns by folded header: whole, without the unit below it, without any unit."""
    places: tuple[dict[str, list[int]], ...] = ({}, {}, {})
    for i, name in enumerate(names):
        for found, key in zip(
            places, (folded(name), folded(bare(name)), unitless(name)), strict=True
        ):
            found.setdefault(key, []).append(i)
    return places


def folded(text: str) -> str:
    """Fold case and white space, so that a header broken over lines is found."""
    return " ".join(text.split()).casefold()


def bare(name: str) -> str:
    """Give a header without the line of units below it."""
    return _UNITS_BELOW.sub("", name) if name.endswith("|") else name


def unitless(name: str) -> str:
    """Give a header, folded, without the unit at its end."""
    text = folded(bare(name))
    found = _UNIT_BEHIND.fullmatch(text)
    return found[1] if found and (found[2] or found[3]) in _UNIT_WORDS - {"%"} else text


def find_header(grid: Grid, layout: Layout) -> Header:
    """Find the header of a table: where the layout says, or the row that holds its names.

    Raises
    ------
    StudyError
        If no row holds them; the message lists the headers of the nearest row.
    """
    row = layout.shape.header_row
    if row is not None:
        if row > len(grid.rows):
            raise StudyError(f"header_row = {row}, but there are {len(grid.rows)} rows.")
        return header_at(grid, row - 1, layout)
    best = max(
        range(min(len(grid.rows), _LOOKED_AT)),
        default=None,
        key=lambda i: (_matches(grid.rows[i], layout), -i),
    )
    if best is None or not _matches(grid.rows[best], layout):
        needed = ", ".join(layout.headers[:12]) or "a header that fits its pattern"
        raise StudyError(
            f"no row of the table holds the headers of layout '{layout.id}': {needed}.",
            hint="'ncs-cb validate FILE --layout' prints a layout guessed from the file.",
        )
    return header_at(grid, best, layout)


def _matches(row: Sequence[Cell], layout: Layout) -> int:
    names = {folded(text_of(c)) for c in row if text_of(c)}
    names |= {re.sub(r"[\s,;]+\S+$|\s*[(\[].*[)\]]$", "", name) for name in names}
    count = sum(folded(h) in names for h in layout.headers)
    if layout.wide is not None:
        count += sum(layout.wide.pattern.fullmatch(text_of(c)) is not None for c in row)
    return count


def is_recognized(grid: Grid, layout: Layout) -> bool:
    """Tell whether some row holds every header that the layout is recognized by."""
    wanted = {folded(h) for h in layout.recognized_by or layout.headers}
    rows = grid.rows[:_LOOKED_AT]
    if layout.shape.header_row is not None:
        rows = rows[layout.shape.header_row - 1 : layout.shape.header_row]
    wide = layout.wide
    return any(
        wanted <= _names_of(row)
        and (wide is None or any(wide.pattern.fullmatch(text_of(c)) for c in row))
        for row in rows
    )


def _names_of(row: Sequence[Cell]) -> set[str]:
    names = {folded(text_of(c)) for c in row if text_of(c)}
    return names | {unitless(name) for name in names}


def header_at(grid: Grid, row: int, layout: Layout) -> Header:
    """Read the header in one row, counted from 0, with the line of units below it if any."""
    names = [text_of(c) for c in grid.rows[row]]
    if len(names) > _MOST_COLUMNS:
        raise ReadError(f"{len(names)} columns; at most {_MOST_COLUMNS}.")
    below, told = row + 1, layout.shape.unit_row
    units: Sequence[Cell] = []
    if told is not None and told <= len(grid.rows):
        units, below = grid.rows[told - 1], max(told, below)
    elif told is None and below < len(grid.rows) and is_units(grid.rows[below]):
        units, below = grid.rows[below], below + 1
    if units:
        texts = [text_of(c).strip("()[] ") for c in units]
        names = [f"{n} |({u})|" if u and n else n for n, u in _zip_longest(names, texts)]
    return Header(row, tuple(names), below)


def _zip_longest(names: Sequence[str], units: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, units[i] if i < len(units) else "") for i, name in enumerate(names)]


def is_units(row: Sequence[Cell]) -> bool:
    """Tell a line of units under a header."""
    texts = [text_of(c).strip("()[] ").casefold() for c in row]
    return any(texts) and all(t in _UNIT_WORDS for t in texts if t)


def refers_again(row: Sequence[Cell], header: Header) -> bool:
    """Tell a second header further down from a row of values."""
    texts = [folded(text_of(c)) for c in row if text_of(c)]
    exact, below, _ = _places(header.names)
    return len(texts) > 1 and sum(t in exact or t in below for t in texts) * 2 > len(texts)


def factor(column: str, header: str, told: str | None, where: str) -> tuple[float, str]:
    """Give the factor from a column's unit to ours, and the unit it stands in.

    Raises
    ------
    UnitError
        If no unit is stated, it is unknown, or header and layout state different ones.
    """
    own = unit_of(column)
    if not own:
        return 1.0, ""
    written = unit_in(header, column)
    unit = told or written
    allowed = ", ".join(units_for(column)) or own
    if unit is None:
        raise UnitError(
            f"{where} states no unit for {column}; known: {allowed}.",
            hint=f"Say it in the layout: unit = '{own}', or in the header: '... ({own})'.",
        )
    by = stored_per(column, unit)
    if by is None:
        raise UnitError(
            f"{where}: unknown unit '{unit[:20]}' for {column}; known: {allowed} "
            "(upper and lower case of volts matter)."
        )
    other = None if written is None else stored_per(column, written)
    if told is not None and other is not None and other != by:
        raise UnitError(
            f"{where}: the layout says '{told[:20]}', the header '{written}'.",
            hint="Correct the unit in the layout.",
        )
    return by, unit

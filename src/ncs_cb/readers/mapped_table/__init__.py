"""Tables of any laboratory or machine, read as a layout says: CSV, Excel, wide, long, grouped.

What reads them is imported where there is one: every study asks this reader, few have a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ncs_cb.apart import in_time
from ncs_cb.errors import NcsError, ReadError, StudyError
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.grid import SPREADSHEETS, Grid, is_spreadsheet, read_grid
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.tables import first_lines
from ncs_cb.readers._shared.typed import is_site_table

__all__ = ["READER", "guess", "read", "visits"]

_TEXTS = (".csv", ".tsv", ".txt")
_HEAD_BYTES = 1 << 16
_SECONDS = 30.0


@cache
def _shipped() -> tuple[Layout, ...]:
    return tuple(layouts.load(name) for name in layouts.shipped())


def _claims(source: Input) -> bool:
    """Tell a table whose layout the caller names, or that a known layout recognizes."""
    if not _is_table(source):
        return False
    if source.layout is not None:
        return True
    return _layout_or_none(source) is not None


def _is_table(source: Input) -> bool:
    suffix = source.path.suffix.lower()
    if is_spreadsheet(suffix, source.data):
        return True
    if suffix not in _TEXTS or b"\x00\x00\x00" in source.data[:512]:
        return False
    # A sweep table has samples below its times; a site table is read by its own reader.
    lines = first_lines(source.data)
    if source.layout is not None:
        return not (lines and lines[0][0].startswith("time"))
    return not any(map(is_site_table, lines))


def _layout_or_none(source: Input) -> Layout | None:
    from ncs_cb.readers.mapped_table.header import is_recognized

    known = (*source.layouts, *_shipped())
    recognizing = [one for one in known if one.recognized_by or one in source.layouts]
    for layout in recognizing:
        try:
            grid = _head(source, layout)
        except NcsError:
            continue
        with in_time(_SECONDS, f"matching the patterns of layout '{layout.id}'"):
            if is_recognized(grid, layout):
                return layout
    return None


def _head(source: Input, layout: Layout) -> Grid:
    data = source.data
    if not is_spreadsheet(source.path.suffix, data) and len(data) > _HEAD_BYTES:
        data = data[:_HEAD_BYTES].rpartition(b"\n")[0]
    return _grid(data, source.path.suffix, layout)


def _grid(data: bytes, suffix: str, layout: Layout) -> Grid:
    shape = layout.shape
    return read_grid(
        data,
        suffix,
        sheet=shape.sheet,
        encoding=shape.encoding,
        delimiter=shape.delimiter,
        decimal=shape.decimal,
    )


def visits(source: Input) -> Mapping[str, Recording | NcsError]:
    """Read every visit of a table: by study id its recording, or what is wrong with it.

    Raises
    ------
    ReadError, StudyError, UnitError
        If the table as a whole cannot be read so.
    """
    from ncs_cb.readers.mapped_table.build import recordings

    layout = source.layout or _layout_or_none(source)
    if layout is None:
        raise ReadError(
            "no layout fits this table.",
            hint="'ncs-cb validate FILE --layout' prints a guessed one.",
        )
    grid = _grid(source.data, source.path.suffix, layout)
    with in_time(_SECONDS, f"reading it by the patterns of layout '{layout.id}'"):
        return recordings(source, grid, layout)


def read(source: Input) -> Recording:
    """Read a table of one visit; see :func:`visits`.

    Raises
    ------
    StudyError
        If it holds more than one.
    """
    found = visits(source)
    if len(found) > 1:
        raise StudyError(f"the table holds {len(found)} studies.")
    (only,) = found.values()
    if isinstance(only, NcsError):
        raise only
    return only


def guess(path: Path) -> str:
    """Write a layout guessed from a table, for ``ncs-cb validate FILE --layout``.

    Raises
    ------
    ReadError
        If it is no table, or no row looks like a header.
    """
    from ncs_cb.readers.mapped_table.guessing import guess_layout

    return guess_layout(read_grid(read_regular(path), path.suffix), path.name)


_NEEDS = """\
A table of any machine or laboratory, CSV or Excel, read as a layout says: --layout ID or FILE.toml,
or [layouts] in lab.toml. 'ncs-cb validate FILE --layout' prints one guessed from the table.
"""

READER = Reader(
    "mapped_table",
    (*_TEXTS, *SPREADSHEETS),
    _claims,
    read,
    label="any laboratory's table (CSV, Excel), as a layout maps it; see the page 'tables'",
    visits=visits,
    needs=_NEEDS,
)

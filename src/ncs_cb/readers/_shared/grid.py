"""A text table or a spreadsheet as rows of cells, whatever its encoding, delimiter or decimal."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ncs_cb.apart import apart
from ncs_cb.errors import ReadError, did_you_mean
from ncs_cb.readers._shared.text import decode
from ncs_cb.readers._shared.truth import is_missing

if TYPE_CHECKING:
    import pandas as pd

Cell = str | float | bool | date
"""Text (never None; an empty cell is an empty text), a number, a truth or a day."""

SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_LARGEST_UNPACKED_BYTES = 512 * 2**20
_MOST_CELLS = 20_000_000
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DELIMITERS = (";", "\t", ",", "|")
_LONGEST_SNIFFED = 40


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of one table, row by row; rows may differ in length.

    Attributes
    ----------
    rows : list of list of Cell
    decimal : str
        Decimal mark of the numbers that stand as text.
    shape : str
        How the file was read, in words: encoding, delimiter, decimal mark or sheet.
    n_sheets_left_out : int
        Other sheets of the workbook that hold cells, when nobody said which one to read.
    """

    rows: list[list[Cell]]
    decimal: str
    shape: str
    n_sheets_left_out: int = 0


def is_spreadsheet(suffix: str, data: bytes) -> bool:
    """Tell an Excel or OpenDocument file from text, by suffix and first bytes."""
    return suffix.lower() in SPREADSHEETS and data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read_grid(
    data: bytes,
    suffix: str,
    *,
    sheet: str | int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Grid:
    """Read the cells of a file.

    Parameters
    ----------
    data : bytes
    suffix : str
        Of the file's name, with the dot.
    sheet : str or int, optional
        Name, or number counted from 1; the first sheet when not given.
    encoding, delimiter, decimal : str, optional
        As the layout says; seen from the file itself when not given.

    Raises
    ------
    ReadError
        If it cannot be read so; the message says what is there.
    """
    if is_spreadsheet(suffix, data):
        # Native code takes such files apart, which a file made for it can break.
        rows, shape, n_left_out = apart(_sheet, data, sheet)
        mark = decimal or _decimal([c for row in rows for c in row if isinstance(c, str)], ";")
        return Grid(rows, mark, shape, n_left_out)
    text, found = _decoded(data, encoding)
    mark = delimiter or _delimiter(text)
    cells: list[list[Cell]] = [[c.strip() for c in row] for row in _split(text, mark)]
    point = decimal or _decimal([c for row in cells for c in row if isinstance(c, str)], mark)
    shown = {"\t": "tab"}.get(mark, f"'{mark}'")
    return Grid(cells, point, f"{found}, delimiter {shown}, decimal '{point}'")


def of_frame(frame: pd.DataFrame) -> Grid:
    """Give the cells of a DataFrame, its column names as the first row."""
    rows: list[list[Cell]] = [[str(name) for name in frame.columns]]
    columns = [[_cell(value) for value in frame[name].tolist()] for name in frame.columns]
    rows += [list(row) for row in zip(*columns, strict=True)]
    text = [c for row in rows[1:] for c in row if isinstance(c, str)]
    return Grid(rows, _decimal(text, ";"), "a DataFrame")


def text_of(cell: Cell) -> str:
    """Give a cell as text: a whole number without its decimals, a day as 2026-03-02.

    Examples
    --------
    >>> text_of(101.0), text_of(3.5), text_of(" a "), text_of(True)
    ('101', '3.5', 'a', 'true')
    """
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    return cell.isoformat()


def _decoded(data: bytes, encoding: str | None) -> tuple[str, str]:
    marked = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if marked is None and encoding is None:
        # Only words can come out wrong, and a word that is not understood is refused.
        text, wanted = decode(data)
    else:
        wanted = marked or encoding or ""
        try:
            text = data.decode("utf-8-sig" if wanted == "utf-8" else wanted)
        except (UnicodeDecodeError, LookupError) as problem:
            at = getattr(problem, "start", 0)
            raise ReadError(f"not {wanted[:20]} text (byte {at}).") from None
    if "\x00" in text:
        raise ReadError("not a text table: it holds zero bytes.")
    return text, wanted


def _delimiter(text: str) -> str:
    """Take the mark that most of the first lines hold equally often."""
    lines = [line for line in text.splitlines()[:_LONGEST_SNIFFED] if line.strip()]
    best, score = ",", 0
    for mark in _DELIMITERS:
        counts = [line.count(mark) for line in lines]
        found = sum(c == max(counts, default=0) for c in counts) if max(counts, default=0) else 0
        weight = found * (2 if mark in ";\t" else 1)
        if weight > score:
            best, score = mark, weight
    return best


def _split(text: str, mark: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except csv.Error as problem:
        raise ReadError(f"not a text table: {problem}.") from None


_COMMA = re.compile(r"[<>]?\s*[+-]?\d+,\d+\D{0,8}")
_POINT = re.compile(r"[<>]?\s*[+-]?\d+\.\d+\D{0,8}")


def _decimal(cells: Sequence[str], delimiter: str) -> str:
    """See which mark stands in the numbers.

    Raises
    ------
    ReadError
        If both do: ``1,234`` beside ``3.4`` may be a thousand or one and a bit.
    """
    has_comma = any(_COMMA.fullmatch(c) for c in cells)
    has_point = any(_POINT.fullmatch(c) for c in cells)
    if has_comma and has_point:
        raise ReadError(
            "numbers with a decimal comma and with a decimal point stand in one table.",
            hint="Say which it is: file = { decimal = ',' } in the layout.",
        )
    return "," if has_comma else "."


def _sheet(data: bytes, wanted: str | int | None) -> tuple[list[list[Cell]], str, int]:
    """Read one sheet; its number stands for it, as its name may be that of a patient."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

    if data[:2] == b"PK":
        _refuse_bomb(data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = list(book.sheet_names)
        name = _named(names, wanted)
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        tables = [m.name for m in book.sheets_metadata if m.typ == SheetTypeEnum.WorkSheet]
        others = [n for n in tables if n != name] if wanted is None else []
        n_left_out = sum(book.get_sheet_by_name(n).height > 0 for n in others)
    except CalamineError:
        raise ReadError(
            "not a spreadsheet that can be read; it may be damaged or locked by a password."
        ) from None
    if sum(map(len, rows)) > _MOST_CELLS:
        raise ReadError(f"the sheet has more than {_MOST_CELLS} cells.")
    shape = f"sheet {names.index(name) + 1} of {len(names)}"
    return [[_cell(c) for c in row] for row in rows], shape, n_left_out


def _named(names: list[str], wanted: str | int | None) -> str:
    if not names:
        raise ReadError("the spreadsheet has no sheet.")
    if wanted is None:
        return names[0]
    if isinstance(wanted, int):
        if 1 <= wanted <= len(names):
            return names[wanted - 1]
        raise ReadError(f"sheet {wanted}: there are {len(names)}, counted from 1.")
    if wanted in names:
        return wanted
    raise ReadError(
        f"no sheet '{wanted[:60]}'; there are: {', '.join(repr(n[:60]) for n in names[:20])}."
        + did_you_mean(wanted, names)
    )


def _refuse_bomb(data: bytes) -> None:
    try:
        size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        raise ReadError("not a spreadsheet that can be read; it may be damaged.") from None
    if size > _LARGEST_UNPACKED_BYTES:
        raise ReadError(
            f"unpacks to {size / 2**20:.0f} MiB; at most "
            f"{_LARGEST_UNPACKED_BYTES // 2**20} MiB are read."
        )


def _cell(value: Any) -> Cell:
    if is_missing(value) or str(value) in ("nan", "NaT"):
        return ""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        if str(value) == "<NA>":
            return ""
        return bool(value) if type(value).__name__ in ("bool_", "bool") else float(value)
    except (TypeError, ValueError):
        return str(value)

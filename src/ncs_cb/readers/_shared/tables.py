"""Small text tables: comma, semicolon or tab, with or without a byte order mark."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncs_cb.errors import ReadError, StudyError, did_you_mean
from ncs_cb.harmless import as_key, is_deep
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.text import decode
from ncs_cb.readers._shared.truth import UNKNOWN_WORDS, truth
from ncs_cb.units import is_finite

BOM = b"\xef\xbb\xbf"
TO_FILL = "FILL IN"
"""Stands in a guessed sidecar for what nobody said yet."""

_LARGEST_SIDECAR_BYTES = 1 << 20
_MOST_CELLS = 5_000_000
_MOST_COLUMNS = 100_000
# A machine's page may have so many lines of title above the header.
_MOST_TITLES = 12
_HEAD_BYTES = 4096
FOOTNOTES = "*\u2020\u2021#\u2191\u2193"
"""Marks beside a printed number: abnormal, too high, too low."""
# "5.6 H" is a number that the machine calls high.
_LETTER = re.compile(r"([+-]?\d[\d.,]*)\s*(?:[HL!]|\([HL*]\))", re.ASCII)
_HOW = "Write a number, or leave the cell empty when it is not known; 'NR' for no response."
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")
_COMMA_NUMBER = re.compile(r"[+-]?\d[\d.]*,[\d,.]*\d([eE][+-]?\d{1,3})?", re.ASCII)
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)

# Columns and keys of laboratory exports that name a person: dropped, never an error.
_IDENTITY = re.compile(
    r"(patient|subject|hospital|medical|record|case|person)?[_\s]*"
    r"(name|first_?name|last_?name|surname|given_?name|birth.*|dob|date_of_birth|mrn|ssn"
    r"|patient.*|hospital.*|insurance.*|address|phone|email|identifier|medical_record.*|vorname|nachname|geburts.*|姓名)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A header row and the cells below it, as text, all rows of equal length.

    ``encoding`` is that of the file; ``titles`` counts the lines above the header.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    has_decimal_comma: bool
    encoding: str = "utf-8"
    titles: int = 0


Header = Callable[[list[str]], bool]


def first_cells(data: bytes) -> list[str]:
    """Give the cells of the first line, lower case; an empty list when it is not text."""
    lines = first_lines(data)
    return lines[0] if lines else []


def first_lines(data: bytes) -> list[list[str]]:
    """Give the cells of each of the first lines, lower case; nothing when it is not text."""
    head = data[:_HEAD_BYTES]
    if len(data) > _HEAD_BYTES and b"\n" in head:
        # Never through the middle of a letter: at the end of a line, and of a pair of bytes.
        cut = head.rindex(b"\n")
        head = head[: cut - cut % 2 if b"\0" in head else cut]
    try:
        text, _ = decode(head)
    except ReadError:
        return []
    if "\x00" in text:
        return []
    return [
        [cell.strip().strip('"').strip().casefold() for cell in line.split(_separator(line))]
        for line in text.splitlines()[: _MOST_TITLES + 1]
    ]


_TIME = re.compile(
    r"(?:time|t|zeit|\u65f6\u95f4)[\s_]*[(\[]?\s*(ms|s|sec|seconds|us|\u00b5s)\s*[)\]]?"
)


def time_unit(column: str) -> float | None:
    """Give how many ms the unit of a time column has: ``time_ms``, ``time_s``, ``Time [s]``.

    None when the column states no time with a unit.
    """
    found = _TIME.fullmatch(column.strip().casefold())
    if found is None:
        return None
    return {"ms": 1.0, "us": 1e-3, "\u00b5s": 1e-3}.get(found[1], 1000.0)


def begins_with_time(cells: list[str]) -> bool:
    """Tell whether a line is the header of a table of sweeps: a column of times, then others."""
    return len(cells) > 1 and time_unit(cells[0]) is not None


def _separator(line: str) -> str:
    """Give the separator of a header line; a semicolon or tab wins over a comma."""
    return next((mark for mark in (";", "\t") if mark in line), ",")


def parse_table(data: bytes, is_header: Header | None = None) -> Table:
    """Read a text table.

    Parameters
    ----------
    data : bytes
    is_header : callable, optional
        Whether the cells of a line (lower case) are the header: lines of a title above it are
        left out. Without it the first line is the header.

    Raises
    ------
    ReadError
        If it is not text, empty, malformed, has rows of unequal length, or numbers whose comma
        may mean two things.
    """
    text, encoding = decode(data)
    if "\x00" in text:
        raise ReadError("not a text table: it holds zero bytes.")
    lines = first_lines(data) if is_header else []
    titles = next((i for i, cells in enumerate(lines) if is_header and is_header(cells)), 0)
    if titles:
        text = "\n".join(text.splitlines()[titles:])
    separator = _separator(text.partition("\n")[0])
    refuse_many_cells(text, separator)
    rows = _rows(text, separator)
    if not rows:
        raise ReadError("the table is empty.")
    columns = _columns(rows[0])
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    for number, row in enumerate(body, start=2 + titles):
        if len(row) != len(columns):
            raise ReadError(
                f"row {number} has {len(row)} cells, the header has {len(columns)}.",
                hint="A decimal comma needs ';' between the cells." if separator == "," else None,
            )
    may_hold = "," in text if separator != "," else '"' in text
    comma = may_hold and _has_decimal_comma(body)
    return Table(columns, body, comma, encoding, titles)


def refuse_many_cells(text: str, separator: str) -> None:
    """Refuse a table before it is cut into cells, each of which asks for ten times its size."""
    if text.count(separator) + max(text.count("\n"), text.count("\r")) > _MOST_CELLS:
        raise ReadError(
            f"the table has more than {_MOST_CELLS} cells.",
            hint="Cut the recording to the stimulated part.",
        )


def _columns(cells: list[str]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    if len(columns) > _MOST_COLUMNS:
        raise ReadError(f"{len(columns)} columns; at most {_MOST_COLUMNS}.")
    often = Counter(columns)
    twice = sorted(name for name, count in often.items() if count > 1)[:3]
    if twice:
        raise ReadError(f"column names occur twice: {', '.join(map(repr, twice))}.")
    return columns


def _has_decimal_comma(body: list[list[str]]) -> bool:
    """Tell what a comma inside a number means; where it may mean two things, nothing is read.

    Raises
    ------
    ReadError
        If points and commas both stand in numbers, or every comma could part thousands.
    """
    commas = {c for row in body for cell in row if "," in (c := unmarked(cell))}
    commas = {c for c in commas if _COMMA_NUMBER.fullmatch(c)}
    if not commas:
        return False
    hint = "Export it again with a decimal point and nothing between thousands."
    if any("." in c for c in commas) or any(
        _POINT_NUMBER.fullmatch(unmarked(cell)) for row in body for cell in row if "." in cell
    ):
        raise ReadError(
            "some numbers have a comma and some a point: whether the comma parts thousands or is "
            "the decimal mark cannot be told.",
            hint=hint,
        )
    if all(_THOUSANDS.fullmatch(c) for c in commas):
        raise ReadError(
            "every comma in a number stands before three digits: whether it parts thousands or is "
            "the decimal mark cannot be told.",
            hint=hint,
        )
    return True


def _rows(text: str, separator: str) -> list[list[str]]:
    if '"' not in text:
        return [line.split(separator) for line in text.splitlines() if line.strip()]
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    except csv.Error as problem:
        raise ReadError(f"not a text table: {problem}.") from None


def unmarked(cell: str) -> str:
    """Take off a mark that machines print beside a number that lies outside their limits.

    Examples
    --------
    >>> unmarked("8.0*"), unmarked("* 8.0"), unmarked("5,6 H"), unmarked("NR")
    ('8.0', '8.0', '5,6', 'NR')
    """
    text = cell.strip().strip(FOOTNOTES).strip()
    found = _LETTER.fullmatch(text)
    return found[1] if found else text


def is_number(cell: str) -> bool:
    """Tell whether a cell is a plain number."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def number(cell: str, table: Table, where: str) -> float:
    """Read a cell; NaN for an empty or unknown one, infinity where it says so.

    Raises
    ------
    ReadError
        If it is no number. The cell is not quoted: it may hold a name.
    """
    text = cell.strip()
    if table.has_decimal_comma:
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.casefold() in UNKNOWN_WORDS:
        return math.nan
    if _INFINITE.fullmatch(text):
        return math.inf if text[0] != "-" else -math.inf
    raise ReadError(f"{where} is not a number.", hint=f"{_HOW}")


def is_identity(name: str) -> bool:
    """Tell whether a column or key names a person."""
    return _IDENTITY.fullmatch(re.sub(r"[\s-]+", "_", name.strip())) is not None


# --------------------------------------------------------------------------- sidecars


def load_sidecar(path: Path) -> dict[str, Any]:
    """Read a JSON sidecar.

    Raises
    ------
    ReadError
        If it is missing, too large, not JSON, or no object.
    """
    if not os.path.lexists(path):
        raise ReadError(
            f"its sidecar {path.name} is missing.",
            hint="'ncs-cb validate FILE --sidecar' prints one guessed from the table, to fill in; "
            "'ncs-cb formats sweep_table' says what it needs.",
        )
    raw = read_regular(path, at_most=_LARGEST_SIDECAR_BYTES + 1)
    if len(raw) > _LARGEST_SIDECAR_BYTES:
        raise ReadError(f"larger than {_LARGEST_SIDECAR_BYTES} bytes.", source=path.name)
    return parse_json(raw, path.name)


_STRING_OR_CONSTANT = re.compile(rb'"(?:\\.|[^"\\])*"|(-?(?:NaN|Infinity))')
_KEY_BEFORE = re.compile(rb'"((?:\\.|[^"\\])*)"\s*:\s*\[?[^"\]]*\Z')


def parse_json(raw: bytes, name: str) -> dict[str, Any]:
    """Read a JSON object; NaN, infinity and repeated keys are refused."""
    try:
        loaded = json.loads(
            raw.removeprefix(BOM).decode("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ReadError("nested too deeply.", source=name) from None
    except ValueError as problem:
        raise ReadError(f"not valid JSON: {_wrong_in_json(raw, problem)}.", source=name) from None
    if not isinstance(loaded, dict):
        raise ReadError("must be a JSON object.", source=name)
    if is_deep(loaded):
        raise ReadError("nested too deeply.", source=name)
    if _HALF_LETTER.search(raw) and not _is_text(loaded):
        raise ReadError("holds a text that is none: half of a surrogate pair.", source=name)
    return loaded


def _is_text(loaded: Any) -> bool:
    """Tell whether all texts can be written again: JSON can spell letters that are none."""
    try:
        json.dumps(loaded, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _wrong_in_json(raw: bytes, problem: ValueError) -> str:
    """Say what is wrong with a JSON text, and where."""
    if isinstance(problem, json.JSONDecodeError):
        return f"{problem.msg} (line {problem.lineno}, column {problem.colno})"
    if isinstance(problem, UnicodeDecodeError):
        return f"no UTF-8 text (byte {problem.start})"
    found = next((m for m in _STRING_OR_CONSTANT.finditer(raw) if m[1]), None)
    if found is None or str(problem) != found[1].decode():
        return "bad value or text"
    line = raw.count(b"\n", 0, found.start()) + 1
    key = _KEY_BEFORE.search(raw[: found.start()])
    of_key = f" of '{key[1].decode(errors='replace')[:40]}'" if key else ""
    return (
        f"the value {found[1].decode()}{of_key} in line {line} is none; write a number, or null "
        "where it is unknown"
    )


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


class Sidecar:
    """One object of a sidecar, read key by key with the path in every message."""

    def __init__(self, values: Mapping[str, Any], path: str, name: str) -> None:
        self.values, self.path, self.name = values, path, name

    def _at(self, key: str) -> str:
        return f"{self.path}.{as_key(key)}" if self.path else as_key(key)

    def refuse_unknown(self, known: Iterable[str]) -> list[str]:
        """Refuse a key that is not known; give those that name a person and are dropped.

        Raises
        ------
        StudyError
            With the nearest valid name.
        """
        known = list(known)
        dropped = [k for k in self.values if k not in known and is_identity(k)]
        for key in self.values:
            if key not in known and key not in dropped:
                raise StudyError(
                    f"unknown key '{self._at(key)[:80]}'; known: {', '.join(known)}."
                    + did_you_mean(key[:80], known),
                    source=self.name,
                )
        return dropped

    def text(self, key: str, allowed: Sequence[str] | None = None) -> str | None:
        """Give a text, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value.startswith(TO_FILL):
            raise StudyError(f"{self._at(key)}: is still to be filled in.", source=self.name)
        if not isinstance(value, str) or len(value) > 200:
            raise StudyError(f"{self._at(key)}: must be a short text.", source=self.name)
        if allowed is not None and value not in allowed:
            raise StudyError(
                f"{self._at(key)}: '{value[:40]}'; allowed: {', '.join(allowed)}."
                + did_you_mean(value, allowed),
                source=self.name,
            )
        return value

    def number(self, key: str, low: float, high: float) -> float | None:
        """Give a number within plausible limits, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not is_finite(value):
            raise StudyError(f"{self._at(key)}: must be a number.", source=self.name)
        if not low <= value <= high:
            raise StudyError(
                f"{self._at(key)}: {value:.6g}; plausible: {low:g} to {high:g}.", source=self.name
            )
        return float(value)

    def truth(self, key: str) -> bool | None:
        """Give true or false, None when absent or unknown."""
        try:
            return truth(self.values.get(key), self._at(key))
        except ReadError as problem:
            raise StudyError(problem.message, source=self.name, hint=problem.hint) from None

    def table(self, key: str) -> Sidecar | None:
        """Give a nested object, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise StudyError(f"{self._at(key)}: must be an object.", source=self.name)
        return Sidecar(value, self._at(key), self.name)

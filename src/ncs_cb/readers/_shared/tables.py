"""Small text tables: comma, semicolon or tab, with or without a byte order mark."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncs_cb.errors import ReadError, StudyError, did_you_mean

BOM = b"\xef\xbb\xbf"
_LARGEST_SIDECAR_BYTES = 1 << 20
_MOST_COLUMNS = 100_000
_UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
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
    """A header row and the cells below it, as text, all rows of equal length."""

    columns: tuple[str, ...]
    rows: list[list[str]]
    has_decimal_comma: bool


def first_cells(data: bytes) -> list[str]:
    """Give the cells of the first line, lower case; an empty list when it is not text."""
    line = data.removeprefix(BOM)[:4096].partition(b"\n")[0]
    try:
        text = line.decode("utf-8").strip("\r")
    except UnicodeDecodeError:
        return []
    if "\x00" in text:
        return []
    separator = _separator(text)
    return [cell.strip().strip('"').strip().casefold() for cell in text.split(separator)]


def _separator(line: str) -> str:
    """Give the separator of a header line; a semicolon or tab wins over a comma."""
    return next((mark for mark in (";", "\t") if mark in line), ",")


def parse_table(data: bytes) -> Table:
    """Read a text table.

    Raises
    ------
    ReadError
        If it is not UTF-8 text, empty, malformed, or has rows of unequal length.
    """
    try:
        text = data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ReadError(f"not UTF-8 text (byte {problem.start}).") from None
    if "\x00" in text:
        raise ReadError("not a text table: it holds zero bytes.")
    separator = _separator(text.partition("\n")[0])
    rows = _rows(text, separator)
    if not rows:
        raise ReadError("the table is empty.")
    columns = tuple(cell.strip() for cell in rows[0])
    if len(columns) > _MOST_COLUMNS:
        raise ReadError(f"{len(columns)} columns; at most {_MOST_COLUMNS}.")
    twice = sorted({name for name in columns if columns.count(name) > 1})[:3]
    if twice:
        raise ReadError(f"column names occur twice: {', '.join(twice)}.")
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    for number, row in enumerate(body, start=2):
        if len(row) != len(columns):
            raise ReadError(
                f"row {number} has {len(row)} cells, the header has {len(columns)}.",
                hint="A decimal comma needs ';' between the cells." if separator == "," else None,
            )
    comma = separator != "," and any("," in cell for row in body[:50] for cell in row)
    return Table(columns, body, comma)


def _rows(text: str, separator: str) -> list[list[str]]:
    if '"' not in text:
        return [line.split(separator) for line in text.splitlines() if line.strip()]
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    except csv.Error as problem:
        raise ReadError(f"not a text table: {problem}.") from None


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
    if text.casefold() in _UNKNOWN:
        return math.nan
    if _INFINITE.fullmatch(text):
        return math.inf if text[0] != "-" else -math.inf
    raise ReadError(f"{where} is not a number.")


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
    try:
        if path.stat().st_size > _LARGEST_SIDECAR_BYTES:
            raise ReadError(f"larger than {_LARGEST_SIDECAR_BYTES} bytes.", source=path.name)
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ReadError(
            f"its sidecar {path.name} is missing.",
            hint="Name nerve, side, muscle, unit and sites there: see docs/formats.md.",
        ) from None
    except OSError as problem:
        raise ReadError(f"cannot be read: {problem.strerror}.", source=path.name) from None
    return parse_json(raw, path.name)


def parse_json(raw: bytes, name: str) -> dict[str, Any]:
    """Read a JSON object; NaN, infinity and repeated keys are refused."""
    try:
        loaded = json.loads(
            raw.removeprefix(BOM).decode("utf-8"),
            parse_constant=_refuse_constant, object_pairs_hook=_unique,
        )  # fmt: skip
    except RecursionError:
        raise ReadError("nested too deeply.", source=name) from None
    except ValueError as problem:
        reason = problem.msg if isinstance(problem, json.JSONDecodeError) else "bad value or text"
        raise ReadError(f"not valid JSON: {reason}.", source=name) from None
    if not isinstance(loaded, dict):
        raise ReadError("must be a JSON object.", source=name)
    return loaded


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
        return f"{self.path}.{key}" if self.path else key

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
                    + did_you_mean(key[:80], known), source=self.name,
                )  # fmt: skip
        return dropped

    def text(self, key: str, allowed: Sequence[str] | None = None) -> str | None:
        """Give a text, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > 200:
            raise StudyError(f"{self._at(key)}: must be a short text.", source=self.name)
        if allowed is not None and value not in allowed:
            raise StudyError(
                f"{self._at(key)}: '{value[:40]}'; allowed: {', '.join(allowed)}."
                + did_you_mean(value, allowed), source=self.name,
            )  # fmt: skip
        return value

    def number(self, key: str, low: float, high: float) -> float | None:
        """Give a number within plausible limits, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StudyError(f"{self._at(key)}: must be a number.", source=self.name)
        if not low <= value <= high:
            raise StudyError(
                f"{self._at(key)}: {value:.6g}; plausible: {low:g} to {high:g}.", source=self.name
            )
        return float(value)

    def truth(self, key: str) -> bool | None:
        """Give true or false, None when absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise StudyError(f"{self._at(key)}: must be true or false.", source=self.name)
        return value

    def table(self, key: str) -> Sidecar | None:
        """Give a nested object, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise StudyError(f"{self._at(key)}: must be an object.", source=self.name)
        return Sidecar(value, self._at(key), self.name)

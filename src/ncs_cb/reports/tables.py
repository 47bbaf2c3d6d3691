"""Tables for other programs: CSV for spreadsheets and Parquet for archives."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import pandas as pd

from ncs_cb.columns import in_form, table_columns
from ncs_cb.harmless import no_formula, visible
from ncs_cb.model import Evidence, Result, Said
from ncs_cb.reports._shared import Writer, safe_name
from ncs_cb.vocabulary import ID_LISTS, MAIN_TABLES, SERIES_TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from ncs_cb.comparison import Comparison

_SCAN_KEYS = ["nerve", "side", "muscle", "stimulation_site"]
SCHEMA_VERSION = "1"
"""Raised whenever a column is renamed, removed or changes its meaning."""


def to_csv(table: pd.DataFrame) -> str:
    """Write one table as CSV: a header line, a comma, a point, an empty cell for unknown.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers are
    written in full and left alone. Lists and evidence are written as JSON.

    Parameters
    ----------
    table : DataFrame
        Any table of a result; it is not changed.
    """
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\r\n")
    rows.writerow(table.columns)
    rows.writerows(zip(*(_cells(column) for _, column in table.items()), strict=True))
    return buffer.getvalue()


def _cells(column: pd.Series) -> list[object]:
    cells = column.tolist()
    if isinstance(column.dtype, pd.StringDtype):
        # A column of text says a few things many times.
        safe = {cell: _safe_cell(cell) for cell in set(cells)}
        return [safe[cell] for cell in cells]
    return list(map(_safe_cell, cells))


def _safe_cell(value: object) -> object:
    """Give what is written of a cell; None where it is unknown."""
    if isinstance(value, list | dict | tuple):
        value = _IN_A_CELL.encode(value)
    if isinstance(value, str):
        return visible(no_formula(value))
    is_unknown = value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return None if is_unknown else value


def _scalar(value: object) -> object:
    return None if value is pd.NA else getattr(value, "item", lambda: str(value))()


# Made once: there is a text of evidence for every verdict.
_IN_A_CELL = json.JSONEncoder(ensure_ascii=False, default=_scalar)


def write(result: Result, *, lang: str = "en") -> dict[str, str]:
    """Give ``traces.csv``, ``segments.csv``, ``verdicts.csv`` and ``diagnosis.csv``.

    The other tables (checks, F waves, intensity series, short steps) are added where they have
    rows. Column names are those of the documentation in every language. Each intensity series is
    written a second time as two columns without a header, current (mA) and amplitude (mV), as
    programs that count motor units from a CMAP scan take it.
    """
    del lang
    names = [*MAIN_TABLES, *(name for name in SERIES_TABLES if len(getattr(result, name)))]
    files = {f"{name}.csv": to_csv(getattr(result, name)) for name in names}
    return files | _scans(result.recruitment)


def _scans(recruitment: pd.DataFrame) -> dict[str, str]:
    """Give each intensity series as two columns; steps without an amplitude are left out."""
    values = ["stimulus_ma", "negative_peak_amplitude_mv"]
    files = {}
    for key, part in recruitment.groupby(_SCAN_KEYS, sort=True, dropna=False):
        name = "_".join(safe_name(str(k)) for k in key)
        rows = part[values].dropna().sort_values(values[0], kind="stable")
        if len(rows):
            text = rows.to_csv(index=False, header=False, lineterminator="\r\n")
            files[f"scan_{name}.csv"] = text
    return files


# ---------------------------------------------------------------- Parquet


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Give the Arrow schema of a table, the same whether it has rows or not.

    The schema's metadata names the version of the layout; each field's metadata holds label,
    unit, description and definition of the column, so that a file explains itself. Lists of
    ids are lists of strings; evidence and numbers of checks are JSON text.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "float64": pa.float64(),
        "boolean": pa.bool_(),
        "Int64": pa.int64(),
    }
    fields = []
    for column in table_columns(table):
        kind = kinds.get(column.dtype)
        if kind is None:
            kind = pa.list_(pa.string()) if column.name in ID_LISTS else pa.string()
        words = {
            "label": column.label,
            "unit": column.unit,
            "description": column.description,
            "definition": column.definition,
        }
        fields.append(pa.field(column.name, kind, metadata={k: v for k, v in words.items() if v}))
    return pa.schema(
        fields, metadata={"ncs_cb.table": table, "ncs_cb.schema_version": SCHEMA_VERSION}
    )


def to_arrow(frame: pd.DataFrame, table: str) -> pa.Table:
    """Give one table of a result as Arrow, with the schema of :func:`arrow_schema`.

    Unknown and not measurable are null.

    Raises
    ------
    ValueError
        If `frame` has a column the registry does not declare.
    """
    import pyarrow as pa

    schema = arrow_schema(table)
    given = in_form(frame, table)
    columns = []
    for column, field in zip(table_columns(table), schema, strict=True):
        cells = given[column.name]
        if column.dtype != "object":
            columns.append(pa.array(cells, type=field.type, from_pandas=True))
        elif column.name in ID_LISTS:
            columns.append(pa.array(cells.tolist(), type=field.type))
        else:
            columns.append(_as_texts(cells.tolist()))
    return pa.table(columns, schema=schema)


def _as_texts(cells: Sequence[object]) -> pa.ChunkedArray:
    """Give cells as JSON text, made some at a time: all texts at once would take more memory than
    all else that is known of the studies.
    """
    import pyarrow as pa

    pieces = (cells[at : at + _TOGETHER] for at in range(0, len(cells), _TOGETHER))
    texts = (list(map(_as_json, piece)) for piece in pieces)
    return pa.chunked_array((pa.array(some, type=pa.string()) for some in texts), type=pa.string())


def _as_json(value: object) -> str | None:
    if value is None or value is pd.NA:
        return None
    if not isinstance(value, Evidence):
        return _ARCHIVED.encode(value)
    told = zip(value.words, value.values, strict=True)
    numbers = [(word, _exact(word, one)) for word, one in told if one is not None]
    return _pattern((*value.clauses, *value.remarks)) % tuple(chain.from_iterable(numbers))


# Letters that no text has, in place of a number.
_WORDS, _VALUE = "\0", "\1"


@lru_cache(maxsize=512)
def _pattern(evidence: tuple[Said, ...]) -> str:
    """Write evidence with a place for each of its numbers, in words and in full."""
    rows = [
        said.row
        if said.around is None
        else {**said.row, "text": _WORDS.join(said.around), "value": _VALUE}
        for said in evidence
    ]
    text = _ARCHIVED.encode(rows).replace("%", "%%")
    # The keys of a row are sorted: "text" stands before "value".
    words, value = _ARCHIVED.encode(_WORDS)[1:-1], _ARCHIVED.encode(_VALUE)
    return text.replace(words, "%s").replace(value, "%s")


@lru_cache(maxsize=64)
def _exact(word: str, value: float) -> str:
    """Write a number in full; every set asks of a segment for the same few.

    Its words tell -0 from 0, which are equal.
    """
    del word
    return repr(value)


_TOGETHER = 256
_ARCHIVED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_scalar)


def write_comparison(comparison: Comparison, *, lang: str = "en") -> dict[str, str]:
    """Give ``timeline.csv`` and ``changes.csv``, and what was examined and given besides.

    ``strength.csv``, ``needle_emg.csv`` and ``courses.csv`` are written where there is any.
    """
    del lang
    visits = [
        ({"visit": v.number, "visit_date": v.visit_date}, v.result.study.details)
        for v in comparison.visits
    ]
    beside = {
        "strength.csv": [visit | asdict(one) for visit, d in visits for one in d.strength],
        "needle_emg.csv": [visit | asdict(one) for visit, d in visits for one in d.needle_emg],
        "courses.csv": [asdict(one) for one in comparison.courses],
    }
    return {
        "timeline.csv": to_csv(comparison.timeline),
        "changes.csv": to_csv(comparison.changes),
    } | {name: to_csv(pd.DataFrame(rows)) for name, rows in beside.items() if rows}


WRITER = Writer("csv", "one table per file, for spreadsheets", write, write_comparison)

"""The JSON record ``ncs_cb/result/2``: a result at full precision, and back.

The record holds the study, all tables, the words of the sets and the provenance. It holds no
waveforms: those stay in the recordings, whose SHA-256 it names. A result read back is the same in
all else, but has no traces to draw. Same input, settings and version give the same bytes; there
is no clock in it. Records of version 1 lack the tables of the judgement; those stay empty.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from ncs_cb.columns import Column, conform, table_columns
from ncs_cb.discreet import discreetly
from ncs_cb.errors import NcsError, ReadError
from ncs_cb.files import read_regular
from ncs_cb.harmless import is_deep
from ncs_cb.knowledge import set_words
from ncs_cb.model import Details, Provenance, Response, Result, SetWords, Site, Stimulus, Study
from ncs_cb.reports._json import Columns, indented
from ncs_cb.reports._shared import Writer
from ncs_cb.vocabulary import ID_LISTS, JUDGEMENT_TABLES, RESULT_TABLES

if TYPE_CHECKING:
    from ncs_cb.comparison import Comparison

SCHEMA = "ncs_cb/result/2"
_FIRST_SCHEMA = "ncs_cb/result/1"
_STUDY_FIELDS = tuple(field.name for field in fields(Study) if field.name != "traces")
_RESPONSE_FIELDS = tuple(field.name for field in fields(Response) if field.name != "trace")
_AS_IT_IS = (str, bool, int, NoneType)


def to_record(result: Result) -> dict[str, Any]:
    """Give a result as plain data: lists, dicts, text, numbers, truths and None.

    Parameters
    ----------
    result : Result

    Returns
    -------
    dict
        ``{"schema", "study", <every table>, "responses", "sets", "provenance"}``. NaN and NA are
        None; numbers keep full precision. The waveforms are left out.
    """
    return _record(result, _rows)


def to_json(result: Result) -> str:
    """Give the record as JSON text, the same bytes for the same result."""
    return indented(_record(result, _columns)) + "\n"


def _record(result: Result, as_table: Callable[[pd.DataFrame], Any]) -> dict[str, Any]:
    """Give a record whose tables are held in one way or another."""
    study = {name: _plain(getattr(result.study, name)) for name in _STUDY_FIELDS}
    tables = {name: as_table(getattr(result, name)) for name in RESULT_TABLES}
    responses = [
        {name: _plain(getattr(one, name)) for name in _RESPONSE_FIELDS} for one in result.responses
    ]
    rest = {"responses": responses, "sets": _plain(result.sets)}
    rest["provenance"] = _plain(result.provenance)
    return {"schema": SCHEMA, "study": study, **tables, **rest}


def from_record(record: Mapping[str, Any]) -> Result:
    """Make a result from its record; its responses hold no traces.

    Raises
    ------
    ReadError
        If the record is of another schema or lacks a part.
    """
    schema = record.get("schema")
    if schema not in (SCHEMA, _FIRST_SCHEMA):
        raise ReadError(
            f"unknown record schema '{schema}'; known: {SCHEMA}, {_FIRST_SCHEMA}",
            hint="Write the record again with this version of ncs_cb.",
        )
    later = JUDGEMENT_TABLES if schema == _FIRST_SCHEMA else ()
    try:
        study = Study(
            **{
                name: _typed(record["study"][name], hint)
                for name, hint in get_type_hints(Study).items()
                if name in _STUDY_FIELDS and name in record["study"]
            }
        )
        provenance = _typed(record["provenance"], Provenance)
        tables: dict[str, Any] = {
            name: _frame([] if name in later else record[name], name) for name in RESULT_TABLES
        }
        if schema == _FIRST_SCHEMA:
            sets = set_words.shipped(provenance.criteria)
            responses = _responses(tables["traces"])
        else:
            sets = _typed(record["sets"], tuple[SetWords, ...])
            responses = _typed(record["responses"], tuple[Response, ...])
    except KeyError as error:
        raise ReadError(f"the record is incomplete: {error} is missing") from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError, NcsError) as error:
        # Not in the words of the error, which quote the record.
        raise ReadError(f"the record is damaged: {type(error).__name__} in its parts") from error
    return Result(study=study, **tables, responses=responses, provenance=provenance, sets=sets)


def _responses(traces: pd.DataFrame) -> tuple[Response, ...]:
    """Give what the rows of an early record say of their responses."""
    rows = [_typed_row(row) for row in traces.to_dict("records")]
    return tuple(
        Response(
            Site(row["nerve"], row["side"], row["muscle"], row["stimulation_site"]),
            row["recording"],
            row["kind"],
            Stimulus(row["distance_mm"], row["stimulus_ma"]),
        )
        for row in rows
    )


def _typed_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in row.items()}


def from_json(text: str) -> Result:
    """Make a result from the text of its record; see :func:`from_record`.

    Raises
    ------
    ReadError
        If it is not JSON, or as :func:`from_record`.
    """
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(f"not a JSON record: {error}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or no end of lists
        raise ReadError("not a JSON record: too long a number, or nested too deeply") from None
    if not isinstance(record, dict) or is_deep(record):
        raise ReadError("not a JSON record: the top is no object, or it is nested too deeply")
    return from_record(record)


def load_result(path: str | Path) -> Result:
    """Read a result back from its ``result.json``: everything but the waveforms.

    Parameters
    ----------
    path : str or Path
        A file that ``write_report(..., formats=["json"])`` wrote, of this version or the first.

    Returns
    -------
    Result
        With the same study, tables, words and provenance; no response holds a trace and ``fits``
        is empty, so that reports say that there are no waveforms.

    Raises
    ------
    ReadError
        If the file cannot be read, is no such record, or is damaged.
    """
    try:
        text = read_regular(Path(path), str(path)).decode("utf-8")
    except UnicodeDecodeError:
        raise ReadError("cannot read the record: it is not UTF-8 text", source=str(path)) from None
    with discreetly():
        return from_json(text)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    names, cells = _columns(table)
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _columns(table: pd.DataFrame) -> Columns:
    held = zip(table.to_numpy(dtype=object).T.tolist(), table.dtypes, strict=True)
    return Columns([str(name) for name in table.columns], [_plain_cells(*one) for one in held])


def _plain_cells(cells: list[Any], dtype: Any) -> list[Any]:
    """Give the cells of a column as :func:`_plain` gives each of them."""
    if isinstance(dtype, pd.StringDtype):
        return [cell if isinstance(cell, str) else None for cell in cells]
    if dtype == np.float64:
        return [cell if math.isfinite(cell) else None for cell in cells]
    return [_plain(cell) for cell in cells]


def _plain(value: Any) -> Any:
    """Give a value as JSON can hold it."""
    if isinstance(value, _AS_IT_IS):
        return value
    if value is pd.NA:
        return None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        # The order in which a file was read must not show in the bytes.
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return _plain(value.item())
    return [_plain(item) for item in value]


def _typed(value: Any, hint: Any) -> Any:
    """Give plain data the type that a field of the model declares."""
    origin, arguments = get_origin(hint), get_args(hint)
    if value is None:
        return None
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not type(None)]
        return _typed(value, kinds[0]) if len(kinds) == 1 else value
    if origin is tuple:
        kinds = list(arguments[:1]) * len(value) if arguments[1:] == (...,) else list(arguments)
        return tuple(_typed(item, kind) for item, kind in zip(value, kinds, strict=True))
    if origin is not None and isinstance(value, dict):
        return {key: _typed(item, arguments[1]) for key, item in value.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{name: _typed(item, hints[name]) for name, item in value.items()})
    return date.fromisoformat(value) if hint is date else value


def _frame(rows: list[dict[str, Any]], table: str) -> pd.DataFrame:
    names = [c.name for c in table_columns(table)]
    frame = pd.DataFrame(rows, columns=None if rows else names, dtype=object)
    numbers = [c.name for c in table_columns(table) if c.dtype == "float64" and c.name in frame]
    return conform(frame.astype(dict.fromkeys(numbers, "float64")), table)


# ---------------------------------------------------------------- JSON Schema

_TYPES: dict[str, list[str]] = {
    "string": ["string", "null"],
    "float64": ["number", "null"],
    "boolean": ["boolean", "null"],
    "Int64": ["integer", "null"],
}
_LISTS = {"type": "array", "items": {"type": "string"}}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of the record, made from the registry of columns.

    It ships as ``tables/result.schema.json``; a test compares the two.
    """
    tables = {name: _table_schema(name) for name in RESULT_TABLES}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Result of a motor nerve conduction study",
        "type": "object",
        "required": ["schema", "study", *RESULT_TABLES, "responses", "sets", "provenance"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": SCHEMA},
            "study": _object_schema(_STUDY_FIELDS),
            **tables,
            "responses": {"type": "array", "items": _object_schema(_RESPONSE_FIELDS)},
            "sets": {"type": "array", "items": _object_schema([f.name for f in fields(SetWords)])},
            "provenance": _object_schema([f.name for f in fields(Provenance)]),
        },
    }


_SET_TEXTS = (
    "id",
    "sha256",
    "title",
    "title_zh",
    "citation",
    "doi",
    "purpose",
    "why_not_enabled",
)


_OBJECTS = ("categories", "clauses", "site", "stimulus", "machine")


def _object_schema(names: Any) -> dict[str, Any]:
    """Describe one of the model's objects, whose parts are described by the model itself."""
    known: dict[str, Any] = {
        "study_id": {"type": "string"},
        "version": {"type": "string"},
        "details": {
            "type": "object",
            "required": [f.name for f in fields(Details)],
            "additionalProperties": False,
            "properties": {f.name: {} for f in fields(Details)},
        },
        "settings": {"type": "object", "additionalProperties": {"type": "string"}},
        "notes": _LISTS,
        **{name: {"type": "string"} for name in _SET_TEXTS},
        **{name: {"type": "boolean"} for name in ("is_shipped", "enabled")},
        **{name: {"type": "object"} for name in _OBJECTS},
        "lab": {"type": ["object", "null"]},
        "recording": {"type": "string"},
        "status": {"type": ["string", "null"]},
        "kind": {"enum": ["criteria", "reference", "motor", "sensory"]},
        "n_unchecked": {"type": "integer"},
    }
    objects = {"type": "array", "items": {"type": "object"}}
    return {
        "type": "object",
        "required": list(names),
        "additionalProperties": False,
        "properties": {name: known.get(name, objects) for name in names},
    }


def _table_schema(table: str) -> dict[str, Any]:
    columns = table_columns(table)
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": [c.name for c in columns],
            "additionalProperties": False,
            "properties": {c.name: _column_schema(c) for c in columns},
        },
    }


def _column_schema(column: Column) -> dict[str, Any]:
    words = {"title": column.label, "description": column.description}
    if column.unit:
        words["x-unit"] = column.unit
    if column.name == "evidence":
        clause = {"type": "object", "additionalProperties": _SCALAR}
        return words | {"type": "array", "items": clause}
    if column.name in ID_LISTS:
        return words | _LISTS
    if (column.table, column.name) == ("features", "value"):
        return words | _SCALAR
    if column.dtype == "object":
        return words | {"type": ["object", "array", "null"]}
    return words | {"type": _TYPES[column.dtype]}


def write(result: Result, *, lang: str = "en") -> dict[str, str]:
    """Give ``result.json``; the record has no language."""
    del lang
    return {"result.json": to_json(result)}


COMPARISON_SCHEMA = "ncs_cb/comparison/1"


def comparison_to_record(comparison: Comparison) -> dict[str, Any]:
    """Give a comparison of serial visits as plain data; see :func:`to_record`."""
    return {
        "schema": COMPARISON_SCHEMA,
        "visits": [
            {
                "number": visit.number,
                "visit_date": _plain(visit.visit_date),
                "study_id": visit.result.study.study_id,
                "sources": _plain(visit.result.study.sources),
                "strength": _plain(visit.result.study.details.strength),
                "needle_emg": _plain(visit.result.study.details.needle_emg),
            }
            for visit in comparison.visits
        ],
        "courses": _plain(comparison.courses),
        "timeline": _rows(comparison.timeline),
        "changes": _rows(comparison.changes),
        "remarks": [remark.say() for remark in comparison.remarks],
        "provenance": _plain(comparison.visits[-1].result.provenance),
    }


def write_comparison(comparison: Comparison, *, lang: str = "en") -> dict[str, str]:
    """Give ``comparison.json``."""
    del lang
    record = comparison_to_record(comparison)
    return {"comparison.json": indented(record) + "\n"}


WRITER = Writer(
    "json", "the whole result at full precision, readable by programs", write, write_comparison
)

"""The Parquet data sets: their schema, from the registry of columns, and their files.

Every file names its table and the version of its schema under the key ``ncs_cb.schema``
(``ncs_cb/traces/1``). Text is ``string``, numbers are ``double`` with null for what is not
measurable or unknown, truths are ``bool`` with null for unknown, lists of clause ids are
``list<string>``, and ``evidence`` is a list of structs, one per clause.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs_cb.batch.store import TABLES
from ncs_cb.columns import table_columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised when a column is renamed, removed or changes its meaning; a new column is not that."""

_EVIDENCE = {
    "rule": "string", "grade": "string", "clause": "string", "column": "string",
    "op": "string", "limit": "double", "value": "double", "holds": "bool",
    "source": "string", "verified": "string", "text": "string",
}  # fmt: skip


@cache
def schema(table: str) -> pa.Schema:
    """Give the Arrow schema of one of the four data sets."""
    import pyarrow as pa

    plain = {
        "string": pa.string(), "float64": pa.float64(), "boolean": pa.bool_(), "Int64": pa.int64()
    }  # fmt: skip
    evidence = pa.list_(
        pa.struct([(name, pa.type_for_alias(kind)) for name, kind in _EVIDENCE.items()])
    )
    fields = [
        pa.field(
            column.name,
            evidence
            if column.name == "evidence"
            else plain.get(column.dtype, pa.list_(pa.string())),
            metadata={"unit": column.unit, "description": column.description},
        )
        for column in table_columns(table)
    ]
    name = f"ncs_cb/{table}/{SCHEMA_VERSION}"
    return pa.schema(fields, metadata={"ncs_cb.schema": name})


def to_arrow(frame: pd.DataFrame, table: str) -> pa.Table:
    """Give a table of the analysis as Arrow, NaN as null.

    Parameters
    ----------
    frame : DataFrame
        Conforming to the registry; it is not changed.
    table : str
        One of the four data sets.
    """
    import pyarrow as pa

    wanted = schema(table)
    arrays = [
        _array(frame[field.name], field.name, field.type)
        for field in wanted
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=wanted)


def _array(values: pd.Series[Any], name: str, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if name == "evidence":
        cells = [[_clause(c) for c in cell] for cell in values]
        return pa.array(cells, type=kind)
    if pa.types.is_list(kind):
        return pa.array([list(cell) for cell in values], type=kind)
    if pa.types.is_floating(kind):
        return pa.array(values.to_numpy(np.float64), type=kind, from_pandas=True)
    made = pa.array(values, type=kind, from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _clause(clause: Mapping[str, Any]) -> dict[str, Any]:
    """One clause with its numbers as numbers; a finding's yes or no stands in its text."""
    made: dict[str, Any] = {name: clause.get(name) for name in _EVIDENCE}
    for name in ("limit", "value"):
        number = made[name]
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        made[name] = float(number) if is_number and np.isfinite(number) else None
    made["holds"] = None if made["holds"] is None else bool(made["holds"])
    return made


def empty(table: str) -> pa.Table:
    """Give a table without rows, so that a data set without studies still has its columns."""
    return schema(table).empty_table()


def keep(path: Path, table: str, study_ids: Collection[str]) -> pa.Table:
    """Give the rows of some studies from a file of a data set."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(path).read().cast(schema(table))
    return rows.filter(pc.is_in(rows["study_id"], pa.array(sorted(study_ids), pa.string())))


def write(rows: pa.Table, path: Path) -> None:
    """Write one file of a data set and have it on the disk.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        pq.write_table(rows, file, compression="zstd", write_statistics=True)
        file.flush()
        os.fsync(file.fileno())


__all__ = ["SCHEMA_VERSION", "TABLES", "empty", "keep", "schema", "to_arrow", "write"]

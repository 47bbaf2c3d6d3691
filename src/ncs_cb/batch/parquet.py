"""The files of the Parquet data sets; their schema is that of :mod:`ncs_cb.reports.tables`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ncs_cb.reports.tables import arrow_schema, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_schema", "empty", "keep", "to_arrow", "write"]


def empty(table: str) -> pa.Table:
    """Give a table without rows, so that a data set without studies still has its columns."""
    return arrow_schema(table).empty_table()


def keep(path: Path, table: str, study_ids: Collection[str]) -> pa.Table:
    """Give the rows of some studies from a file of a data set."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(path).read().cast(arrow_schema(table))
    return rows.filter(pc.is_in(rows["study_id"], pa.array(sorted(study_ids), pa.string())))


def write(rows: pa.Table, path: Path) -> None:
    """Write one file of a data set.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        pq.write_table(rows, file, compression="zstd")

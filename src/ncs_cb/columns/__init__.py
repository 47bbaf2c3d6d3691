"""The registry of columns: every quantity defined once.

CSV headers, the JSON Schema, report headings and the documentation are generated from here.
A column's unit is read from its name's suffix, so that the two cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ncs_cb.columns import judged, measured, visits
from ncs_cb.columns._declare import Column
from ncs_cb.columns.measured import MEASURES

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "MEASURES",
    "SEGMENT_KEYS",
    "Column",
    "as_number",
    "by_column",
    "conform",
    "in_form",
    "keys_of",
    "records",
    "table_columns",
]

COLUMNS: tuple[Column, ...] = (
    *measured.TRACES,
    *measured.SEGMENTS,
    *measured.VERDICTS,
    *measured.DIAGNOSIS,
    *measured.ESTIMATE,
    *measured.CHECKS,
    *measured.F_WAVES,
    *measured.RECRUITMENT,
    *measured.INCHING,
    *judged.FEATURES,
    *judged.DIFFERENTIAL,
    *judged.SENSORY,
    *judged.LIMITS,
    *judged.STATEMENTS,
    *judged.ASKS,
    *judged.REASONS,
    *visits.TIMELINE,
    *visits.CHANGES,
    *visits.STUDIES,
    *visits.REVIEWS,
)
"""Every column of every table, in table order."""

SEGMENT_KEYS = ("study_id", "nerve", "side", "muscle", "segment")
"""The columns that name one segment of one study."""


@cache
def table_columns(table: str) -> tuple[Column, ...]:
    """Give the columns of `table` in order.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    found = tuple(c for c in COLUMNS if c.table == table)
    if not found:
        known = ", ".join(dict.fromkeys(c.table for c in COLUMNS))
        raise ValueError(f"no table '{table}'; known: {known}")
    return found


def conform(found: pd.DataFrame | Mapping[str, Any], table: str) -> pd.DataFrame:
    """Give what was found with the declared columns of `table`, in order and dtype.

    Every step ends with this. Columns that were not found are added as unknown.

    Parameters
    ----------
    found : DataFrame, or mapping of column to list or array
        Lists take the declared dtype as they are; a frame of them would first guess another.
    table : str

    Raises
    ------
    ValueError
        If a column was found that is not declared.
    """
    import pandas as pd

    if not len(found) and not len(found.keys()):
        return _nothing(table).copy()
    cells = in_form(found, table)
    return pd.DataFrame(cells, index=pd.RangeIndex(len(next(iter(cells.values())))))


def in_form(found: pd.DataFrame | Mapping[str, Any], table: str) -> dict[str, Any]:
    """Give the cells of the declared columns of `table`, in order and dtype; see :func:`conform`.

    For whoever goes on column by column: to make a frame of them takes longer than all the rest.

    Raises
    ------
    ValueError
        If a column was found that is not declared.
    """
    import pandas as pd

    # Column by column: to reorder, complete and convert whole frames takes five times as long.
    given: dict[Any, Any] = dict(found.items())
    n_rows = len(found) if isinstance(found, pd.DataFrame) else len(next(iter(given.values()), ()))
    declared = table_columns(table)
    extra = given.keys() - {c.name for c in declared}
    if extra:
        raise ValueError(
            f"undeclared columns of table '{table}': {', '.join(sorted(map(str, extra)))}"
        )
    cells = {c.name: _cells(given.get(c.name), c.dtype, n_rows) for c in declared}
    if "quality_flags" in cells:
        cells["quality_flags"] = cells["quality_flags"].fillna("")
    return cells


@cache
def _nothing(table: str) -> pd.DataFrame:
    """Give a table without rows: most visits have no intensity series and no short steps."""
    import pandas as pd

    cells = {c.name: _cells(None, c.dtype, 0) for c in table_columns(table)}
    return pd.DataFrame(cells, index=pd.RangeIndex(0))


def _cells(given: Any, dtype: str, n_rows: int) -> Any:
    """Give a column in its dtype; unknown throughout where it was not given."""
    import pandas as pd

    wanted = _dtype(dtype)
    cells = [math.nan] * n_rows if given is None else given
    if isinstance(cells, pd.Series):
        return (cells if cells.dtype == wanted else cells.astype(wanted)).array
    if not isinstance(cells, list) and cells.dtype == wanted:
        return cells
    # An array of lists would take their cells for a second dimension.
    return pd.Series(cells, dtype=wanted).array if dtype == "object" else pd.array(cells, wanted)


@cache
def _dtype(name: str) -> Any:
    """Give the dtype itself: text with NaN for unknown also calls itself "string"."""
    import pandas as pd

    return pd.api.types.pandas_dtype(name)


def keys_of(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give some columns of text row by row; "" for what is not known, so that keys compare."""
    return zip(*(frame[name].fillna("").tolist() for name in names), strict=True)


def as_number(cell: Any) -> float:
    """Give a cell as a number, NaN for whatever is missing.

    Examples
    --------
    >>> as_number(3), as_number(None)
    (3.0, nan)
    """
    # None and pandas' NA have no float; every other missing value is NaN already.
    try:
        return float(cell)
    except TypeError:
        return math.nan


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of `frame` by the names of its columns.

    It goes through one array of the whole: value by value, text held by Arrow takes ten times as
    long, and column by column twice.
    """
    if not len(frame):
        return []
    names = [str(name) for name in frame.columns]
    rows = frame.to_numpy(dtype=object).tolist()
    return [dict(zip(names, row, strict=True)) for row in rows]


def by_column(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Give the columns of rows, NaN for what a row lacks: :func:`records` the other way round.

    Examples
    --------
    >>> by_column([{"line": 1}, {"line": 2, "text": "a"}])
    {'line': [1, 2], 'text': [nan, 'a']}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, math.nan) for row in rows] for name in names}

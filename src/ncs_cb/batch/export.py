"""The tables of an archive for other programs: CSV, or one Excel workbook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ncs_cb.batch.store import TABLES
from ncs_cb.errors import ReadError, ReportError, did_you_mean
from ncs_cb.harmless import no_formula, visible
from ncs_cb.reports import write_atomically
from ncs_cb.reports.tables import to_csv

FORMATS = ("csv", "xlsx")
_MOST_ROWS = 1_048_575
"""What one sheet of Excel holds below its header."""
_LONGEST_CELL = 32_767


def write_tables(
    archive: str | Path,
    target: str | Path,
    *,
    format: Literal["csv", "xlsx"] = "csv",
) -> list[Path]:
    """Write the tables of a batch as CSV, or as one Excel workbook with a sheet per table.

    Parameters
    ----------
    archive : str or Path
        What ``ncs-cb batch`` wrote; it is not changed.
    target : str or Path
        A folder, made if needed; files in it are replaced.
    format : str
        ``csv`` (one file per table) or ``xlsx`` (``tables.xlsx``; extra ``xlsx``).

    Returns
    -------
    list of Path
        The files written. Text that a spreadsheet would run as a formula gets an apostrophe in
        front; unknown is an empty cell.

    Raises
    ------
    ReadError
        If `archive` holds no tables.
    ReportError
        If the format is unknown, its library is not installed, or a table is too long for it.
    """
    if format not in FORMATS:
        raise ReportError(
            f"unknown format '{format}'; known: {', '.join(FORMATS)}."
            + did_you_mean(str(format), FORMATS)
        )
    source, folder = Path(archive), Path(target)
    names = [name for name in TABLES if (source / name).is_dir()]
    if not names:
        raise ReadError(
            "holds no tables.",
            source=str(archive),
            hint="ARCHIVE is the folder that 'ncs-cb batch ROOT --out ARCHIVE' wrote.",
        )
    if format == "xlsx":
        return [_workbook(source, names, folder)]
    return [write_atomically(folder / f"{name}.csv", _text(source / name)) for name in names]


def _parts(folder: Path) -> Iterator[pd.DataFrame]:
    """Give a table part by part: an archive need not fit into memory as text."""
    for path in sorted(folder.rglob("*.parquet")):
        try:
            yield pd.read_parquet(path)
        except (OSError, ValueError):
            raise ReadError("cannot be read.", source=f"{folder.name}/{path.name}") from None


def _text(folder: Path) -> str:
    texts = []
    for number, part in enumerate(_parts(folder)):
        text = to_csv(part)
        texts.append(text if number == 0 else text.partition("\r\n")[2])
    return "".join(texts)


def _workbook(source: Path, names: list[str], folder: Path) -> Path:
    try:
        from openpyxl import Workbook
    except ImportError:
        raise ReportError(
            "the format 'xlsx' needs openpyxl, which is not installed.",
            hint='Install it: pip install "ncs_cb[xlsx]", or in a clone: pip install -e ".[xlsx]".',
        ) from None
    import io

    book = Workbook(write_only=True)
    for name in names:
        sheet, n_rows = book.create_sheet(name), 0
        for number, part in enumerate(_parts(source / name)):
            n_rows += len(part)
            if n_rows > _MOST_ROWS:
                raise ReportError(
                    f"the table '{name}' has more than {_MOST_ROWS} rows, which no sheet holds.",
                    hint="Use --format csv.",
                )
            if number == 0:
                sheet.append(list(part.columns))
            for row in part.itertuples(index=False, name=None):
                sheet.append([_cell(value) for value in row])
    content = io.BytesIO()
    book.save(content)
    return write_atomically(folder / "tables.xlsx", content.getvalue())


def _cell(value: Any) -> Any:
    """Give a value as Excel holds it; unknown is an empty cell."""
    if isinstance(value, str):
        return visible(no_formula(value))[:_LONGEST_CELL]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple | dict):
        return _cell(json.dumps(value, ensure_ascii=False))
    return None if pd.isna(value) else value

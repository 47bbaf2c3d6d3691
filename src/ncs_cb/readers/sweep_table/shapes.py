"""Sweep tables as other programs write them: LabChart, AcqKnowledge, MATLAB, rows, long tables.

The sidecar says how the file is laid out; what it does not say is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ncs_cb.errors import ReadError, StudyError, did_you_mean
from ncs_cb.readers._shared.plausible import check_rate
from ncs_cb.readers._shared.tables import Sidecar, refuse_many_cells, time_unit
from ncs_cb.readers._shared.text import decode

KEYS = (
    "layout",
    "delimiter",
    "skip_rows",
    "time_column",
    "time_unit",
    "sampling_rate_hz",
    "stimulus_at_ms",
    "channels",
    "trace_column",
    "value_column",
    "variable",
)
"""Keys of a sidecar that say how the file is laid out."""

LAYOUTS = ("columns", "rows", "long", "blocks")
_UNITS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
_MOST_SKIPPED = 10_000
_LISTED = 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|nan", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Traces on one time base.

    Attributes
    ----------
    names : tuple of str
        What the sidecar's ``traces`` calls them.
    times_ms : ndarray of shape (n_samples,)
        From the stimulus.
    samples : ndarray of shape (n_traces, n_samples)
        As in the file.
    """

    names: tuple[str, ...]
    times_ms: np.ndarray
    samples: np.ndarray


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns of a file: a name and its cells, text or numbers."""

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]


def is_told(sidecar: Sidecar) -> bool:
    """Tell whether a sidecar describes a layout other than our own."""
    return any(key in sidecar.values for key in KEYS)


def read_text(data: bytes, sidecar: Sidecar) -> Sweeps:
    """Read the traces of a text file.

    Raises
    ------
    ReadError
        If a cell is no number, or rows differ in length.
    StudyError
        If the sidecar names a column that is not there, or too little to place the traces.
    """
    layout = sidecar.text("layout", LAYOUTS) or "columns"
    rows = _rows(data, sidecar)
    if layout == "rows":
        return _of_rows(rows, sidecar)
    if layout == "blocks":
        return _of_blocks(rows, sidecar)
    grid = _grid(rows)
    return _of_long(grid, sidecar) if layout == "long" else of_columns(grid, sidecar)


# --------------------------------------------------------------------------- text


def _rows(data: bytes, sidecar: Sidecar) -> list[list[str]]:
    text, _ = decode(data)
    skipped = int(sidecar.number("skip_rows", 0, _MOST_SKIPPED) or 0)
    lines = [line for line in text.splitlines()[skipped:] if line.strip()]
    if not lines:
        raise ReadError(f"no rows are left below the {skipped} that skip_rows leaves out.")
    mark = sidecar.text("delimiter") or next((m for m in ("\t", ";", ",") if m in lines[-1]), " ")
    if mark != " " and len(mark) != 1:
        raise StudyError("delimiter: must be one character.", source=sidecar.name)
    refuse_many_cells(text, mark)
    rows = [line.split() if mark == " " else line.rstrip("\t ").split(mark) for line in lines]
    rows = [_without_comment([cell.strip().strip('"') for cell in row]) for row in rows]
    numbers = [cell for row in rows[-50:] for cell in row if re.search(r"\d", cell)]
    if mark != "," and any("," in n for n in numbers):
        if any("." in n for n in numbers):
            raise ReadError("numbers with a comma and with a point stand in one table.")
        rows = [[cell.replace(",", ".") for cell in row] for row in rows]
    return rows


def _without_comment(row: list[str]) -> list[str]:
    """Leave out what LabChart writes behind a row: ``#* Comment 1``."""
    at = next((i for i, cell in enumerate(row) if i and cell.startswith("#")), len(row))
    return row[:at]


def _is_numbers(row: Sequence[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in row)


def _is_count(rows: list[list[str]]) -> bool:
    """Tell a first row of counts: nothing stands at the times, or each cell counts the others."""
    first = rows[0]
    if not first[0]:
        return _is_numbers([cell for cell in first if cell])
    return all(cell == str(len(rows) - 1) for cell in first)


def _grid(rows: list[list[str]]) -> Grid:
    """Take the first row for names where it is none of numbers; else columns count from 1."""
    names = [str(i) for i in range(1, len(rows[0]) + 1)]
    if not _is_numbers(rows[0]):
        names, rows = rows[0], rows[1:]
    if len(rows) > 1 and _is_count(rows):
        rows = rows[1:]  # AcqKnowledge counts the samples of each channel below its name
    if len(set(names)) != len(names):
        raise ReadError("two columns have one name.", hint="Rename one of them.")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ReadError(
                f"row {number} below the header has {len(row)} cells, not {len(names)}.",
                hint="skip_rows leaves lines above the table out.",
            )
    return Grid(tuple(names), tuple(np.array(c, dtype=object) for c in zip(*rows, strict=True)))


def _floats(cells: np.ndarray, what: str) -> np.ndarray:
    if cells.dtype != object:
        return np.asarray(cells, dtype=np.float64)
    bad = next((i for i, c in enumerate(cells) if not _NUMBER.fullmatch(c)), None)
    if bad is not None:
        raise ReadError(f"{what}, row {bad + 1}: not a number.")
    return cells.astype(np.float64)


# --------------------------------------------------------------------------- layouts


def of_columns(grid: Grid, sidecar: Sidecar) -> Sweeps:
    """Give one trace per column, beside a column of times if there is one."""
    at = _place(grid, "time_column", sidecar)
    chosen = _channels(grid, sidecar, without=at)
    samples = np.stack([_floats(grid.columns[i], f"column '{grid.names[i][:60]}'") for i in chosen])
    names = tuple(grid.names[i] for i in chosen)
    if at is None:
        return Sweeps(names, _told_times(samples.shape[1], sidecar), samples)
    times = _floats(grid.columns[at], "the time column")
    return Sweeps(names, _from_stimulus(times * _per_ms(grid.names[at], sidecar), sidecar), samples)


def _of_rows(rows: list[list[str]], sidecar: Sidecar) -> Sweeps:
    """Give one trace per row; a first cell that is no number names it."""
    named = [row for row in rows if not _NUMBER.fullmatch(row[0])]
    if named and len(named) < len(rows):
        raise ReadError("some rows begin with a name and some with a number.")
    names = [row[0] if named else str(i) for i, row in enumerate(rows, start=1)]
    values = [row[1:] if named else row for row in rows]
    if len({len(row) for row in values}) > 1:
        raise ReadError("the rows differ in length.")
    samples = np.stack(
        [_floats(np.array(r, dtype=object), f"row {i}") for i, r in enumerate(values, start=1)]
    )
    return Sweeps(tuple(names), _told_times(samples.shape[1], sidecar), samples)


def _of_long(grid: Grid, sidecar: Sidecar) -> Sweeps:
    """Gather the traces of a table with one sample per row."""
    trace = _needed(grid, "trace_column", sidecar)
    value = _needed(grid, "value_column", sidecar)
    at = _place(grid, "time_column", sidecar)
    labels = [str(c) for c in grid.columns[trace]]
    values = _floats(grid.columns[value], f"column '{grid.names[value][:60]}'")
    names = tuple(dict.fromkeys(labels))
    places = [np.flatnonzero(np.array(labels, dtype=object) == name) for name in names]
    if len({len(p) for p in places}) > 1:
        raise ReadError("the traces of this table have different numbers of samples.")
    samples = np.stack([values[p] for p in places])
    if at is None:
        return Sweeps(names, _told_times(samples.shape[1], sidecar), samples)
    times = _floats(grid.columns[at], "the time column") * _per_ms(grid.names[at], sidecar)
    if any(not np.allclose(times[p], times[places[0]], atol=1e-6) for p in places):
        raise ReadError("the traces of this table have different times.")
    return Sweeps(names, _from_stimulus(times[places[0]], sidecar), samples)


def _of_blocks(rows: list[list[str]], sidecar: Sidecar) -> Sweeps:
    """Gather sweeps that stand below each other, each below lines that are no numbers.

    So does LabChart write its blocks. The traces are counted from 1; one channel is taken.
    """
    blocks: list[list[list[str]]] = []
    in_block = False
    titles: list[str] = []
    for row in rows:
        if _is_numbers(row):
            blocks = blocks if in_block else [*blocks, []]
            blocks[-1].append(row)
        elif row[0].casefold().startswith(("channeltitle", "channel title")):
            titles = row[1:]
        in_block = _is_numbers(row)
    if not blocks:
        raise ReadError("no row of numbers was found.")
    found = [_block(block, titles, sidecar) for block in blocks]
    shortest = min(len(one.times_ms) for one in found)
    if any(len(one.names) != 1 for one in found):
        raise StudyError(
            f"channels: name the one that holds the responses; there are: "
            f"{', '.join(map(repr, found[0].names[:_LISTED]))}.",
            source=sidecar.name,
        )
    times = found[0].times_ms[:shortest]
    if any(not np.allclose(one.times_ms[:shortest], times, atol=1e-6) for one in found):
        raise ReadError("the blocks of this file have different times.")
    names = tuple(str(i) for i in range(1, len(found) + 1))
    return Sweeps(names, times, np.stack([one.samples[0, :shortest] for one in found]))


def _block(rows: list[list[str]], titles: list[str], sidecar: Sidecar) -> Sweeps:
    width = len(rows[0])
    names = [str(i) for i in range(1, width + 1)]
    if len(titles) == width - 1:
        names = ["time", *titles]
    elif len(titles) == width:
        names = titles
    if any(len(row) != width for row in rows):
        raise ReadError("the rows of a block differ in length.")
    columns = tuple(np.array(c, dtype=object) for c in zip(*rows, strict=True))
    return of_columns(Grid(tuple(names), columns), sidecar)


# --------------------------------------------------------------------------- what the sidecar names


def _place(grid: Grid, key: str, sidecar: Sidecar) -> int | None:
    """Give the column that a key names, by its header or counted from 1."""
    wanted = sidecar.values.get(key)
    return None if wanted is None else column_of(grid.names, wanted, key, sidecar)


def _needed(grid: Grid, key: str, sidecar: Sidecar) -> int:
    found = _place(grid, key, sidecar)
    if found is None:
        raise StudyError(
            f"the key '{key}' is missing (a header, or counted from 1).", source=sidecar.name
        )
    return found


def column_of(names: Sequence[str], wanted: object, key: str, sidecar: Sidecar) -> int:
    """Give the place, from 0, of a column named by its head or counted from 1 in a sidecar."""
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 1 <= wanted <= len(names):
        return wanted - 1
    if isinstance(wanted, str) and names.count(wanted) == 1:
        return names.index(wanted)
    raise StudyError(
        f"{key}: no one column is called '{str(wanted)[:40]}'; there are: "
        f"{', '.join(repr(n[:40]) for n in names[:_LISTED])} (by name, or counted from 1)."
        + (did_you_mean(wanted, names) if isinstance(wanted, str) else ""),
        source=sidecar.name,
    )


def _channels(grid: Grid, sidecar: Sidecar, *, without: int | None) -> list[int]:
    """Give the columns that hold responses: those named, else all but the times."""
    told = sidecar.values.get("channels")
    if told is None:
        found = [i for i in range(len(grid.names)) if i != without]
    elif isinstance(told, list) and told:
        found = [column_of(grid.names, one, "channels", sidecar) for one in told]
    else:
        raise StudyError("channels: must be a list of columns.", source=sidecar.name)
    if not found or without in found:
        raise StudyError("channels: no column of responses is left.", source=sidecar.name)
    return found


def _per_ms(name: str, sidecar: Sidecar) -> float:
    told = sidecar.text("time_unit", tuple(_UNITS))
    if told is not None:
        return _UNITS[told]
    stated = time_unit(name) or time_unit(f"time_{name}")
    if stated is None:
        raise StudyError(
            f"time_unit is missing: the column '{name[:40]}' states none; allowed: "
            f"{', '.join(_UNITS)}.",
            source=sidecar.name,
        )
    return stated


def _from_stimulus(times_ms: np.ndarray, sidecar: Sidecar) -> np.ndarray:
    """Count times from the stimulus; they do already where the sidecar says nothing."""
    return times_ms - (sidecar.number("stimulus_at_ms", -1e6, 1e6) or 0.0)


def _told_times(n_samples: int, sidecar: Sidecar) -> np.ndarray:
    """Give the times of a table without any: the sidecar states rate and stimulus."""
    rate = sidecar.number("sampling_rate_hz", 1, 1e7)
    at = sidecar.number("stimulus_at_ms", -1e6, 1e6)
    missing = [k for k, v in (("sampling_rate_hz", rate), ("stimulus_at_ms", at)) if v is None]
    if rate is None or at is None:
        raise StudyError(
            f"the table has no column of times: {' and '.join(missing)} must be said "
            "(or time_column).",
            source=sidecar.name,
        )
    return np.arange(n_samples) * (1000.0 / check_rate(rate)) - at

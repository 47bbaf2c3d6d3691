"""Sweep tables: a CSV of traces with ``time_ms`` first, and a JSON sidecar beside it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs_cb.model import Study
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.tables import first_cells, time_unit

if TYPE_CHECKING:
    from ncs_cb.readers.sweep_table.write import write_sweep_table

__all__ = ["READER", "write_sweep_table"]

_SUFFIXES = (".csv", ".tsv", ".txt", ".mat")


def __getattr__(name: str) -> Any:
    if name == "write_sweep_table":
        return import_module(f"{__name__}.write").write_sweep_table
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _claims(source: Input) -> bool:
    if source.path.suffix.lower() not in _SUFFIXES:
        return False
    if source.path.suffix.lower() == ".mat":
        return _companions(source.path)[0].is_file()
    cells = first_cells(source.data)
    if cells and time_unit(cells[0]) is not None:
        return True
    # A sidecar beside it says what it should be; the reader then says what is wrong with it.
    return "stimulation_site" not in cells and _companions(source.path)[0].is_file()


def _companions(path: Path) -> tuple[Path, ...]:
    return (path.with_suffix(".json"),)


def _read(source: Input) -> Recording:
    from ncs_cb.readers.sweep_table.read import read

    return read(source)


def _write(study: Study, folder: str | Path) -> list[Path]:
    from ncs_cb.readers.sweep_table.write import write_sweep_table as write

    return write(study, folder)


_NEEDS = """\
FILE.csv: one row per sample. First column: the time with its unit, 'time_ms', 'time_s' or
'Time [s]', 0 at the stimulus, evenly spaced; every other column is one trace.
FILE.json beside it; nerve, side, muscle and unit are needed:
  {"nerve": "ulnar", "side": "right", "muscle": "adm", "unit": "mV", "polarity": "negative_up",
   "traces": {"wrist": {"site": "wrist", "distance_mm": 70, "supramaximal": true},
              "b_elbow": {"site": "below_elbow", "distance_mm": 280}}}
'ncs-cb validate FILE.csv --sidecar' prints one guessed from the table, to fill in.
"""

READER = Reader(
    "sweep_table",
    _SUFFIXES,
    _claims,
    _read,
    _write,
    label="sweep table: CSV with time_ms first, or text and MATLAB as a JSON sidecar lays it out",
    companions=_companions,
    needs=_NEEDS,
)

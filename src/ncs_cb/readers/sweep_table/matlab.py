"""Sweeps in a MATLAB file: a matrix, or what LabChart and AcqKnowledge export."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from ncs_cb.errors import ReadError, StudyError, UnitError, did_you_mean
from ncs_cb.readers._shared.plausible import check_rate
from ncs_cb.readers._shared.tables import Sidecar
from ncs_cb.readers.sweep_table.shapes import Grid, Sweeps, column_of, of_columns

_LISTED = 20
_MOST_VALUES = 50_000_000
_PER_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001}
Arrays = Mapping[str, Any]


def load(data: bytes) -> dict[str, Any]:
    """Give the variables of a MATLAB file (version 7 and older): numbers and texts, no objects.

    Raises
    ------
    ReadError
        If it is damaged, or of version 7.3, which is HDF5.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(data), chars_as_strings=True)  # type: ignore[arg-type]
    except NotImplementedError:
        raise ReadError(
            "a MATLAB file of version 7.3.", hint="Save it as version 7: save(..., '-v7')."
        ) from None
    except Exception:  # what loadmat raises for damaged bytes is no fixed set
        raise ReadError("not a MATLAB file that can be read.") from None
    plain = {k: v for k, v in found.items() if not k.startswith("__")}
    return {k: v for k, v in plain.items() if isinstance(v, np.ndarray) and v.dtype.kind in "fiuU"}


def sweeps_of(arrays: Arrays, sidecar: Sidecar) -> tuple[Sweeps, str | None]:
    """Give the traces of a MATLAB file, and the unit that it states for them.

    Raises
    ------
    ReadError, StudyError
        If the sidecar names a variable or channel that is not there, or shapes do not fit.
    """
    if {"data", "datastart", "dataend", "samplerate"} <= set(arrays):
        return _labchart(arrays, sidecar)
    if {"data", "isi", "isi_units"} <= set(arrays) and "variable" not in sidecar.values:
        return _acqknowledge(arrays, sidecar)
    return _matrix(arrays, sidecar), None


def _matrix(arrays: Arrays, sidecar: Sidecar) -> Sweeps:
    """Take a matrix with one trace per row or column, and a variable of times if one is named."""
    values = np.atleast_2d(_variable(arrays, sidecar.text("variable"), "variable", sidecar))
    if values.ndim != 2:
        raise ReadError(f"the variable has {values.ndim} dimensions, not two.")
    told = sidecar.text("layout", ("columns", "rows"))
    if told is None:
        raise StudyError(
            "layout is missing: 'rows' for one trace per row of the matrix, else 'columns'.",
            source=sidecar.name,
        )
    columns = values if told == "columns" else values.T
    names = [str(i) for i in range(1, columns.shape[1] + 1)]
    grid = [np.asarray(c, dtype=np.float64) for c in columns.T]
    wanted = sidecar.values.get("time_column")
    if isinstance(wanted, str):
        times = np.ravel(_variable(arrays, wanted, "time_column", sidecar)).astype(np.float64)
        if len(times) != len(columns):
            raise ReadError(f"{len(times)} times, but {len(columns)} samples in each trace.")
        names, grid = [wanted, *names], [times, *grid]
    return of_columns(Grid(tuple(names), tuple(grid)), sidecar)


def _variable(arrays: Arrays, name: str | None, key: str, sidecar: Sidecar) -> np.ndarray:
    numbers = [k for k, v in arrays.items() if v.dtype.kind in "fiu"]
    if name is None and len(numbers) == 1:
        name = numbers[0]
    if name not in numbers:
        said = "is missing" if name is None else f"'{name[:40]}' is not in the file"
        raise StudyError(
            f"{key} {said}; its variables: {', '.join(map(repr, numbers[:_LISTED]))}."
            + did_you_mean(name or "", numbers),
            source=sidecar.name,
        )
    found: np.ndarray = arrays[name]
    if found.size > _MOST_VALUES:
        raise ReadError(f"more than {_MOST_VALUES} values.")
    return found


# --------------------------------------------------------------------------- programs


def _labchart(arrays: Arrays, sidecar: Sidecar) -> tuple[Sweeps, str | None]:
    """Take one channel of LabChart's export: one sweep per block."""
    data = np.ravel(arrays["data"]).astype(np.float64)
    starts, ends = np.atleast_2d(arrays["datastart"]), np.atleast_2d(arrays["dataend"])
    titles = _texts(arrays.get("titles"), len(starts))
    channel = _one_channel(titles, sidecar)
    spans = [
        (int(a) - 1, int(b))
        for a, b in zip(starts[channel], ends[channel], strict=True)
        if a > 0 and b >= a
    ]
    if not spans or min(a for a, _ in spans) < 0 or max(b for _, b in spans) > len(data):
        raise ReadError("datastart and dataend do not fit the data.")
    rates = np.atleast_2d(arrays["samplerate"])
    rates = rates[min(channel, len(rates) - 1)]
    if len({float(r) for r in rates}) > 1:
        raise ReadError("the blocks of the channel differ in sampling rate.")
    shortest = min(b - a for a, b in spans)
    samples = np.stack([data[a : a + shortest] for a, _ in spans])
    names = tuple(str(i) for i in range(1, len(spans) + 1))
    times = _times(shortest, 1000.0 / check_rate(float(rates[0])), sidecar)
    return Sweeps(names, times, samples), _labchart_unit(arrays, channel)


def _labchart_unit(arrays: Arrays, channel: int) -> str | None:
    if "unittext" not in arrays or "unittextmap" not in arrays:
        return None
    units = _texts(arrays["unittext"], 0)
    places = np.atleast_2d(arrays["unittextmap"])
    places = np.unique(places[min(channel, len(places) - 1)])
    used = [units[int(p) - 1] for p in places if 1 <= p <= len(units)]
    if len(set(used)) > 1:
        raise UnitError("the blocks of the channel differ in unit.")
    return used[0] if used else None


def _acqknowledge(arrays: Arrays, sidecar: Sidecar) -> tuple[Sweeps, str | None]:
    """Take the channels of AcqKnowledge's export: one trace each."""
    data = np.atleast_2d(arrays["data"]).astype(np.float64)
    names = _texts(arrays.get("labels"), data.shape[1])
    per_ms = _PER_MS.get(_texts(arrays["isi_units"], 1)[0])
    if per_ms is None:
        raise ReadError(f"isi_units: known: {', '.join(_PER_MS)}.")
    step = float(np.ravel(arrays["isi"])[0]) * per_ms
    units = _texts(arrays.get("units"), 0)
    told = sidecar.values.get("channels")
    chosen = told if isinstance(told, list) and told else list(range(1, len(names) + 1))
    places = [column_of(names, one, "channels", sidecar) for one in chosen]
    used = {units[p] for p in places if p < len(units)}
    if len(used) > 1:
        raise UnitError(
            f"the channels differ in unit: "
            f"{', '.join(repr(unit[:12]) for unit in sorted(used)[:_LISTED])}.",
            hint='Name those that hold responses: "channels": [...].',
        )
    check_rate(1000.0 / step if step > 0 else 0.0)
    sweeps = Sweeps(
        tuple(names[p] for p in places), _times(len(data), step, sidecar), data[:, places].T
    )
    return sweeps, next(iter(used), None)


def _times(n_samples: int, step_ms: float, sidecar: Sidecar) -> np.ndarray:
    at = sidecar.number("stimulus_at_ms", -1e6, 1e6)
    if at is None:
        raise StudyError(
            "stimulus_at_ms is missing: the file counts its samples from the start of the sweep.",
            source=sidecar.name,
        )
    return np.arange(n_samples) * step_ms - at


def _texts(value: Any, n: int) -> list[str]:
    if value is None:
        return [str(i) for i in range(1, n + 1)]
    return [str(t).strip() for t in np.ravel(value)]


def _one_channel(titles: list[str], sidecar: Sidecar) -> int:
    told = sidecar.values.get("channels")
    if told is None and len(titles) == 1:
        return 0
    if not isinstance(told, list) or len(told) != 1:
        raise StudyError(
            f"channels: name the one that holds the responses, as a list; there are: "
            f"{', '.join(map(repr, titles[:_LISTED]))}.",
            source=sidecar.name,
        )
    return column_of(titles, told[0], "channels", sidecar)

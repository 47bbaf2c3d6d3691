"""Writing sweep tables."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ncs_cb.model import Study, Trace
from ncs_cb.readers._shared.technique import technique
from ncs_cb.readers.sweep_table.read import MACHINE_KEYS
from ncs_cb.system import write_whole


def write_sweep_table(study: Study, folder: str | Path) -> list[Path]:
    """Write the waveforms of a study as sweep tables, one CSV and sidecar per recording setting.

    Samples are written in mV, negative up, with as many digits as they have: reading gives the
    same numbers to the last bit.

    Parameters
    ----------
    study : Study
    folder : str or Path
        Made when missing.

    Returns
    -------
    list of Path
        The CSV files; each has its sidecar beside it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[Any, ...], list[Trace]] = defaultdict(list)
    for trace in study.traces:
        groups[*technique(trace), trace.stimulus_index, trace.resolution_mv].append(trace)
    taken: Counter[str] = Counter()
    paths = []
    for traces in groups.values():
        site, kind = traces[0].site, traces[0].kind
        stem = f"{site.nerve}_{site.side}_{site.muscle}" + ("" if kind == "motor" else f"_{kind}")
        taken[stem] += 1
        path = folder / (stem + (f"_{taken[stem]}" if taken[stem] > 1 else "") + ".csv")
        names = _column_names(traces)
        write_whole(path, _csv_bytes(traces, names))
        write_whole(path.with_suffix(".json"), _json_bytes(traces, names))
        paths.append(path)
    return paths


def _column_names(traces: Sequence[Trace]) -> list[str]:
    total = Counter(t.site.stimulation_site for t in traces)
    seen: Counter[str] = Counter()
    names = []
    for trace in traces:
        site = trace.site.stimulation_site
        seen[site] += 1
        names.append(site if total[site] == 1 else f"{site}_{seen[site]}")
    return names


def _csv_bytes(traces: Sequence[Trace], names: Sequence[str]) -> bytes:
    rate, index = traces[0].sampling_rate_hz, traces[0].stimulus_index
    lines = [",".join(["time_ms", *names])]
    columns = [np.asarray(t.samples_mv, dtype=np.float64).tolist() for t in traces]
    for i, row in enumerate(zip(*columns, strict=True)):
        time = (i - index) * 1000.0 / rate
        lines.append(",".join([format(time, ".9g"), *map(_cell, row)]))
    return ("\n".join(lines) + "\n").encode("ascii")


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _json_bytes(traces: Sequence[Trace], names: Sequence[str]) -> bytes:
    first = traces[0]
    top = {
        "nerve": first.site.nerve,
        "side": first.site.side,
        "muscle": first.site.muscle,
        "kind": None if first.kind == "motor" else first.kind,
        "unit": "mV",
        "polarity": "negative_up",
        "high_pass_hz": first.high_pass_hz,
        "low_pass_hz": first.low_pass_hz,
        "range_mv": list(first.range_mv) if first.range_mv else None,
        "resolution_mv": first.resolution_mv,
        "traces": {name: _entry(trace) for name, trace in zip(names, traces, strict=True)},
    }
    return (json.dumps(_without_none(top), indent=1) + "\n").encode("ascii")


def _entry(trace: Trace) -> dict[str, Any]:
    told, machine = trace.stimulus, trace.machine
    values = {key: getattr(machine, key) for key in MACHINE_KEYS}
    return _without_none(
        {
            "site": trace.site.stimulation_site,
            "distance_mm": told.distance_mm,
            "stimulus_ma": told.intensity_ma,
            "stimulus_duration_ms": told.duration_ms,
            "supramaximal": told.is_supramaximal,
            "collision_used": told.collision_used,
            "repeat": trace.repeat_group,
            "machine": _without_none(values) or None,
        }
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}

"""Reading sweep tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ncs_cb.apart import apart
from ncs_cb.errors import ReadError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import find, position, resolve
from ncs_cb.model import (
    Decision,
    Kind,
    MachineValues,
    Polarity,
    RecordingOverride,
    Side,
    Site,
    Stimulus,
    Trace,
)
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import (
    LONGEST_PULSE_MS,
    STRONGEST_MA,
    check_rate,
    refuse_large,
)
from ncs_cb.readers._shared.polarity import Orientation, orient
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.stimuli import named_by
from ncs_cb.readers._shared.tables import (
    Sidecar,
    Table,
    begins_with_time,
    is_number,
    load_sidecar,
    number,
    parse_table,
    time_unit,
)
from ncs_cb.readers._shared.told import attested
from ncs_cb.readers.sweep_table import matlab, shapes
from ncs_cb.readers.sweep_table.shapes import Sweeps
from ncs_cb.units import FARTHEST_MM, is_pair, millivolts_per

_KEYS = (
    "nerve",
    "side",
    "muscle",
    "kind",
    "unit",
    "polarity",
    "high_pass_hz",
    "low_pass_hz",
    "range_mv",
    "resolution_mv",
    "traces",
)
_TRACE_KEYS = (
    "site",
    "distance_mm",
    "stimulus_ma",
    "stimulus_duration_ms",
    "supramaximal",
    "collision_used",
    "repeat",
    "machine",
)
MACHINE_KEYS = ("onset_latency_ms", "amplitude_mv", "conduction_velocity_m_per_s")
_KINDS: tuple[Kind, ...] = ("motor", "sensory", "f_wave")
_POLARITIES: tuple[Polarity, ...] = ("negative_up", "negative_down", "auto")
# Times written with few digits may be off by this share of a sample, not by more.
_LARGEST_JITTER = 0.25
_LONGEST_PLAIN = 32
# Nothing of a muscle's response has passed by then.
_SHORTEST_MS, _FEWEST_SAMPLES = 6.0, 64


@dataclass(frozen=True, slots=True)
class _Column:
    """What the sidecar says of one trace."""

    site: str
    stimulus: Stimulus
    repeat: str | None
    machine: MachineValues


def read(source: Input) -> Recording:
    """Read a sweep table with its sidecar.

    Raises
    ------
    ReadError
        If the table or its sidecar is missing, malformed, or its times are not evenly spaced.
    UnitError
        If the unit is missing or unknown, or a response is above 100 mV.
    StudyError
        If the sidecar has an unknown key, or nerve, side, muscle or site are unknown.
    """
    beside = source.path.with_suffix(".json")
    sidecar = Sidecar(load_sidecar(beside), "", beside.name)
    dropped = sidecar.refuse_unknown((*_KEYS, *shapes.KEYS))
    found, stated, above = _sweeps(source, sidecar)
    told = source.override.unit or sidecar.text("unit")
    unit = told or stated or ""
    factor = millivolts_per(unit[:12])
    nerve, side, muscle, kind = _anatomy(sidecar, source.override)
    columns = _columns(found.names, sidecar, nerve, source.override)
    times, samples = found.times_ms, found.samples
    rate, stimulus_index = _grid(times)
    _refuse_short(float(times[-1]), len(times), kind)
    samples = samples * factor
    sweeps = list(samples)
    refuse_large(sweeps, [stimulus_index] * len(sweeps), rate, unit)
    polarity = source.override.polarity or sidecar.text("polarity", _POLARITIES)
    turn = orient(
        polarity,  # type: ignore[arg-type]
        sweeps,
        sampling_rate_hz=rate,
        stimulus_indices=[stimulus_index] * len(sweeps),
    )
    turned = samples if turn.sign > 0 else -samples
    turned.setflags(write=False)
    place = Site(nerve, side, muscle, "")
    plain = Trace(turned[0], rate, stimulus_index, place, source.name, kind)
    whole = _amplified(plain, sidecar, is_certain=turn.is_certain)
    traces = tuple(_trace(whole, i, column, turned[i]) for i, column in enumerate(columns))
    why = "as the sidecar says" if told else "as the file says"
    why = "as study.toml says" if source.override.unit else why
    decisions = _decisions(source.name, turn, Decision(source.name, "unit", unit, why), dropped)
    if above:
        said = Decision(source.name, "titles", "left out", f"{above} lines above the header")
        decisions = (*decisions, said)
    return Recording(traces, decisions=decisions, companions=(beside,))


def _amplified(trace: Trace, sidecar: Sidecar, *, is_certain: bool) -> Trace:
    """Give a trace with what the sidecar says of the amplifier."""
    return replace(
        trace,
        high_pass_hz=sidecar.number("high_pass_hz", 0, 1e6),
        low_pass_hz=sidecar.number("low_pass_hz", 0, 1e7),
        range_mv=_range(sidecar),
        resolution_mv=sidecar.number("resolution_mv", 0, 100),
        flags=() if is_certain else ("polarity_uncertain",),
    )


def _trace(whole: Trace, sweep: int, column: _Column, samples_mv: np.ndarray) -> Trace:
    """Give one column's trace of what is the same for all."""
    return replace(
        whole,
        samples_mv=samples_mv,
        site=replace(whole.site, stimulation_site=column.site),
        stimulus=column.stimulus,
        sweep=sweep,
        repeat_group=column.repeat,
        machine=column.machine,
    )


def _refuse_transposed(table: Table) -> None:
    if len(table.columns) > 2 and all(is_number(name) for name in table.columns[1:]):
        raise ReadError(
            "the table looks transposed: its columns are named by numbers, as times are.",
            hint="Turn it, so that the first column holds the times and each trace is a column.",
        )


def _sweeps(source: Input, sidecar: Sidecar) -> tuple[Sweeps, str | None, int]:
    """Give the traces as the sidecar lays them out, the unit stated, and the lines of a title."""
    if source.path.suffix.lower() == ".mat":
        return *matlab.sweeps_of(apart(matlab.load, source.data), sidecar), 0
    if shapes.is_told(sidecar):
        return shapes.read_text(source.data, sidecar), None, 0
    table = parse_table(source.data, begins_with_time)
    per_ms = time_unit(table.columns[0])
    if per_ms is None:
        raise ReadError(
            "the first column must be time_ms (or time_s), with 0 at the stimulus.",
            hint="Rename the column to what it holds, or name it in the sidecar (time_column); "
            "docs/formats.md says more.",
        )
    _refuse_transposed(table)
    times, samples = _numbers(table, range(1, len(table.columns)))
    return Sweeps(table.columns[1:], times * per_ms, samples), None, table.titles


def _decisions(
    file: str, turn: Orientation, unit: Decision, dropped: Sequence[str]
) -> tuple[Decision, ...]:
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    decisions = [Decision(file, "polarity", choice, turn.reason), unit]
    if dropped:
        said = f"{len(dropped)} keys of the sidecar name a person"
        decisions.append(Decision(file, "identity", "dropped", said))
    return tuple(decisions)


# --------------------------------------------------------------------------- sidecar


def _anatomy(sidecar: Sidecar, told: RecordingOverride) -> tuple[str, Side, str, Kind]:
    """Give nerve, side, muscle and kind; ``study.toml`` wins over the sidecar."""
    said = {key: sidecar.text(key) for key in ("nerve", "side", "muscle")}
    for key, value in said.items():
        if value is None and getattr(told, key) is None:
            raise StudyError(f"the key '{key}' is missing.", source=sidecar.name)
    nerve = told.nerve or resolve("nerves", said["nerve"] or "", source=sidecar.name)
    muscle = told.muscle or resolve("muscles", said["muscle"] or "", source=sidecar.name)
    side = told.side or SIDES.get((said["side"] or "").strip().casefold())
    if side is None:
        raise StudyError("side: allowed: left, right.", source=sidecar.name)
    kind: Kind = sidecar.text("kind", _KINDS) or "motor"  # type: ignore[assignment]
    return nerve, side, muscle, kind


def _columns(
    names: tuple[str, ...], sidecar: Sidecar, nerve: str, told: RecordingOverride
) -> list[_Column]:
    if not names:
        raise StudyError("the table has no trace beside time_ms.")
    entries = sidecar.table("traces")
    given = entries.values if entries else {}
    for name in given:
        if name not in names:
            raise StudyError(
                f"traces: the table has no such column '{name[:80]}'; it has: "
                f"{', '.join(map(repr, names[:20]))}." + did_you_mean(name[:80], names),
                source=sidecar.name,
            )
    sites = named_by(told.sites, names)
    found = []
    for name in names:
        entry = entries.table(name) if entries and name in given else None
        found.append(_column(name, entry, sidecar, nerve, sites))
    repeats = Counter((c.site, c.repeat) for c in found)
    return [c if repeats[c.site, c.repeat] > 1 else replace(c, repeat=None) for c in found]


def _column(
    name: str,
    entry: Sidecar | None,
    sidecar: Sidecar,
    nerve: str,
    sites: Mapping[str, str],
) -> _Column:
    if entry is None:
        site = sites.get(name) or find("sites", name)
        if site is None:
            raise StudyError(
                f"traces: no entry for column '{name[:80]}', and it is no stimulation site.",
                source=sidecar.name,
            )
        entry = Sidecar({}, f"traces.{name}", sidecar.name)
    else:
        entry.refuse_unknown(_TRACE_KEYS)
        site = sites.get(name) or resolve("sites", entry.text("site") or name, source=sidecar.name)
    position(nerve, site)
    stimulus = Stimulus(
        entry.number("distance_mm", 0, FARTHEST_MM),
        entry.number("stimulus_ma", 0, STRONGEST_MA),
        entry.number("stimulus_duration_ms", 0, LONGEST_PULSE_MS),
    )
    stimulus = attested(
        stimulus, entry.truth("supramaximal"), entry.truth("collision_used"), by="file"
    )
    machine = entry.table("machine") or Sidecar({}, "", sidecar.name)
    machine.refuse_unknown(MACHINE_KEYS)
    values = (machine.number(key, 0, 1000) for key in MACHINE_KEYS)
    return _Column(site, stimulus, _repeat(entry), MachineValues(*values))


def _repeat(entry: Sidecar) -> str | None:
    """Read ``repeat``: true, a number or a name marks columns as repeats of one setting."""
    value = entry.values.get("repeat")
    if value is None or value is False:
        return None
    if value is True:
        return "repeat"
    if isinstance(value, str | int) and len(str(value)) <= 80:
        return str(value)
    raise StudyError(
        f"{entry.path}.repeat: must be true, or a name shared by the repeats of one setting.",
        source=entry.name,
    )


def _range(sidecar: Sidecar) -> tuple[float, float] | None:
    value = sidecar.values.get("range_mv")
    if value is None:
        return None
    if not is_pair(value):
        raise StudyError("range_mv: must be [lowest, highest] in mV.", source=sidecar.name)
    low, high = float(value[0]), float(value[1])
    if not -1e6 <= low < high <= 1e6:
        raise StudyError("range_mv: the lowest must be below the highest.", source=sidecar.name)
    return low, high


# --------------------------------------------------------------------------- numbers


def _numbers(table: Table, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Give times (n_samples,) and traces (n_traces, n_samples) as in the file."""
    if len(table.rows) < 2:
        raise ReadError("the table has fewer than two rows of samples.")
    try:
        # One conversion for the usual table of plain numbers.
        if max(len(cell) for row in table.rows for cell in row) > _LONGEST_PLAIN:
            raise ValueError  # never cut: the exponent stands at the end
        values = np.array(table.rows, dtype=f"U{_LONGEST_PLAIN}").astype(np.float64)
        if table.has_decimal_comma:
            raise ValueError
    except ValueError:
        values = np.array(
            [
                [
                    number(cell, table, f"row {r}, column '{table.columns[c][:80]}'")
                    for c, cell in enumerate(row)
                ]
                for r, row in enumerate(table.rows, start=2 + table.titles)
            ]
        )
    times = values[:, 0]
    if not np.isfinite(times).all():
        raise ReadError("time_ms holds a cell that is not a number.")
    return times, np.ascontiguousarray(values[:, list(indices)].T)


def _refuse_short(last_ms: float, n_samples: int, kind: Kind) -> None:
    if kind == "motor" and last_ms < _SHORTEST_MS and n_samples >= _FEWEST_SAMPLES:
        seconds = " The times look like seconds: name the column time_s." if last_ms < 1.0 else ""
        raise ReadError(
            f"the sweep ends {last_ms:.3g} ms after the stimulus, before any response of a muscle."
            + seconds,
            hint="Check the unit of the times, or export a longer sweep.",
        )


def _grid(times: np.ndarray) -> tuple[float, int]:
    """Give (sampling rate in Hz, index of time 0) of evenly spaced times in ms."""
    n = len(times)
    step = float(times[-1] - times[0]) / (n - 1)
    if not math.isfinite(step) or step <= 0:
        raise ReadError("time_ms must rise.")
    off = np.abs(times - (times[0] + step * np.arange(n)))
    if float(off.max()) > _LARGEST_JITTER * step:
        raise ReadError(
            f"time_ms is not evenly spaced: row {int(off.argmax()) + 2} is "
            f"{float(off.max()) / step:.2g} samples off.",
            hint="Write times with more digits, or export the sweep again.",
        )
    rate = 1000.0 / step
    # Rounded times give 9999.9999 Hz where 10 kHz was meant.
    rate = float(round(rate)) if abs(rate - round(rate)) <= 1e-4 * rate else rate
    check_rate(rate)
    return rate, round(-float(times[0]) / 1000.0 * rate)

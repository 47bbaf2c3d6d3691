"""What real amplifiers give: traces of the volume conductor with their truth, per condition.

Run ``python benchmarks/amplifier_conditions.py [n] [seed] [names...]`` to print gross errors, of
which silent ones, and the flags raised where nothing is wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import volume_conductor as vc
from measure_conditions import truth_of
from numpy.typing import NDArray

from ncs_cb import measure_traces
from ncs_cb.flags import FLAGS, split

Array = NDArray[np.float64]

PER_CONDITION = 60
# A gross error: what a reader of the trace would call wrong at first sight.
ONSET_MS, AMPLITUDE, AREA = 0.5, 0.10, 0.15
TRUTHS = (
    "onset",
    "peak",
    "amplitude",
    "peak_to_peak",
    "duration",
    "area",
    "total_duration",
    "total_area",
)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One trace, its stimulus, and what is true of it; no truth where there is no response."""

    samples_mv: Array
    rate_hz: float
    stimulus_index: int
    truth: dict[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """What one condition draws from."""

    rate_hz: float = 20_000.0
    before_ms: tuple[float, ...] = (1.0, 2.0, 5.0)
    after_ms: float = 50.0
    amplitude_mv: tuple[float, float] = (1.5, 15.0)
    distance_mm: tuple[float, float] = (60.0, 320.0)
    high_pass_hz: tuple[float, float] = (2.0, 3.0)
    white_uv: tuple[float, float] = (3.0, 6.0)
    one_over_f_uv: tuple[float, float] = (0.0, 0.0)
    hum_uv: tuple[float, float] = (0.0, 0.0)
    heart_uv: tuple[float, float] = (0.0, 0.0)
    voluntary_uv: tuple[float, float] = (0.0, 0.0)
    pulse_mv: tuple[float, float] = (0.5, 6.0)
    pulse_ms: tuple[float, ...] = (0.1, 0.2)
    biphasic: float = 0.3
    tail_ms: tuple[float, float] = (0.2, 0.6)
    recovery_share: tuple[float, float] = (0.0, 0.0)
    recovery_ms: tuple[float, float] = (4.0, 12.0)
    rail_mv: float = 0.0
    blocked_ms: tuple[float, float] = (0.0, 0.0)
    marker_ms: float = 0.0
    second_muscle: tuple[float, float] = (0.0, 0.0)
    far_field: tuple[float, float] = (0.0, 0.0)
    late_wave: tuple[float, float] = (0.0, 0.0)
    f_wave: bool = False
    absent: bool = False
    dispersed_ms: tuple[float, float] = (0.0, 0.0)
    muscle: vc.Muscle = field(default_factory=vc.Muscle)


_OTHER = vc.Muscle(depth_mm=(14.0, 22.0), active_mm=6.0)
_LATE = vc.Muscle(depth_mm=(8.0, 12.0), active_mm=4.0)


def _one(rng: np.random.Generator, pair: tuple[float, float]) -> float:
    return float(rng.uniform(*pair))


def _response(s: Setting, rng: np.random.Generator) -> tuple[Array, float, vc.Nerve]:
    """Give the whole noise-free response on the fine grid, before filters, and its size."""
    nerve = vc.draw_nerve(rng, s.muscle)
    distance = _one(rng, s.distance_mm)
    extra = rng.random(nerve.size.size) * _one(rng, s.dispersed_ms)
    main = nerve.at(distance, extra)
    main = main / main.max()
    share = _one(rng, s.second_muscle)
    if share:
        other = vc.draw_nerve(rng, _OTHER, 60, terminal_ms=float(rng.uniform(1.2, 3.2)))
        wave = other.at(distance)
        main = main + share * wave / np.abs(wave).max()
    t = np.arange(main.size) * vc.STEP_MS
    depth = _one(rng, s.far_field)
    if depth:
        # The volley passes joints on its way: a slow positivity before the muscle answers.
        onset = t[np.argmax(main > 0.01 * main.max())]
        at, width = onset - rng.uniform(0.3, 1.5), rng.uniform(0.6, 1.4)
        main = main - depth * np.exp(-0.5 * ((t - at) / width) ** 2)
    return main * _one(rng, s.amplitude_mv) / main.max(), distance, nerve


def _late(s: Setting, rng: np.random.Generator, distance: float, size: float) -> Array:
    """A waves, satellites and F waves: what is no part of the response."""
    count = round(vc.PERIOD_MS / vc.STEP_MS)
    wave = np.zeros(count)
    share = _one(rng, s.late_wave)
    if share:
        unit = vc.draw_nerve(rng, _LATE, 3)
        one = unit.at(0.0)
        shift = round(rng.uniform(13.0, 24.0) / vc.STEP_MS)
        wave += share * size * np.roll(one / one.max(), shift)
    if s.f_wave:
        unit = vc.draw_nerve(rng, _LATE, 8)
        one = unit.at(0.0)
        shift = round((32.0 - distance / 60.0 + rng.uniform(-2.0, 2.0)) / vc.STEP_MS)
        wave += rng.uniform(0.05, 0.4) * np.roll(one / one.max(), shift)
    return wave


def draw(s: Setting, rng: np.random.Generator) -> Record:
    """Draw one trace of a condition."""
    fine, distance, nerve = _response(s, rng)
    size = float(fine.max())
    late = _late(s, rng, distance, size)
    corner = _one(rng, s.high_pass_hz)
    fine_rate = 1e3 / vc.STEP_MS
    t_fine = np.arange(fine.size) * vc.STEP_MS
    clean = vc.high_pass(fine, corner, fine_rate)
    truth = {} if s.absent else dict(zip(TRUTHS, truth_of(t_fine, clean), strict=True))
    both = np.zeros(fine.size) if s.absent else clean + vc.high_pass(late, corner, fine_rate)
    before = float(rng.choice(s.before_ms))
    step = 1e3 / s.rate_hz
    index = round(before / step)
    t = (np.arange(round((before + s.after_ms) / step)) - index) * step
    y = np.interp(t, t_fine, both, left=0.0)
    y = y + _added(s, rng, t, nerve)
    width = float(rng.choice(s.pulse_ms))
    artifact = vc.pulse(
        rng,
        t,
        _one(rng, s.pulse_mv),
        width,
        rng.random() < s.biphasic,
        rng.uniform(0.05, 0.25),
        _one(rng, s.tail_ms),
    )
    share = _one(rng, s.recovery_share)
    if share:
        artifact = artifact + vc.recovery(rng, t, share * min(size, 3.0), _one(rng, s.recovery_ms))
    y = y + artifact
    blocked = _one(rng, s.blocked_ms)
    if blocked:
        level = rng.choice([-1.0, 1.0]) * s.rail_mv
        y = np.where((t >= 0.0) & (t < blocked), level, y)
    if s.rail_mv:
        y = np.clip(y, -s.rail_mv, s.rail_mv)
    return Record(y, s.rate_hz, index - round(s.marker_ms / step), truth)


def _added(s: Setting, rng: np.random.Generator, t: Array, nerve: vc.Nerve) -> Array:
    y = rng.standard_normal(t.size) * _one(rng, s.white_uv) * 1e-3
    for pair, make in (
        (s.one_over_f_uv, lambda size: vc.one_over_f(rng, t.size, s.rate_hz, size)),
        (s.hum_uv, lambda size: vc.hum(rng, t, size)),
        (s.heart_uv, lambda size: vc.heart(rng, t, size)),
        (s.voluntary_uv, lambda size: vc.voluntary(rng, t, nerve.shapes, size)),
    ):
        size = _one(rng, pair) * 1e-3
        if size:
            y = y + make(size)
    return y


_USUAL = Setting()
_NOISE: dict[str, tuple[float, float]] = {"one_over_f_uv": (10.0, 20.0)}
_CLINIC = replace(
    _USUAL,
    one_over_f_uv=(5.0, 15.0),
    hum_uv=(0.0, 10.0),
    second_muscle=(0.0, 0.3),
    far_field=(0.0, 0.03),
    tail_ms=(0.2, 1.0),
    recovery_share=(0.0, 0.03),
    pulse_ms=(0.1, 0.2, 0.3, 0.5),
    dispersed_ms=(0.0, 1.0),
)


def _none(s: Setting, **change: object) -> Setting:
    return replace(s, absent=True, **change)


CONDITIONS: dict[str, Setting] = {
    "usual": _USUAL,
    "2 kHz": replace(_USUAL, rate_hz=2_000.0),
    "100 kHz": replace(_USUAL, rate_hz=100_000.0),
    "pulse 0.05 ms": replace(_USUAL, pulse_ms=(0.05,)),
    "pulse 0.5 ms": replace(_USUAL, pulse_ms=(0.5,), biphasic=0.0),
    "pulse 0.5 ms biphasic": replace(_USUAL, pulse_ms=(0.5,), biphasic=1.0),
    "pulse 1 ms": replace(_USUAL, pulse_ms=(1.0,), biphasic=0.0),
    "pulse 1 ms biphasic": replace(_USUAL, pulse_ms=(1.0,), biphasic=1.0),
    "pulse 1 ms, 30 mV, tail 1 ms": replace(
        _USUAL, pulse_ms=(0.5, 1.0), pulse_mv=(10.0, 30.0), tail_ms=(0.6, 1.2)
    ),
    "pulse 0.5 ms at 5 kHz": replace(_USUAL, pulse_ms=(0.5,), rate_hz=5_000.0),
    "rail 1 to 3 ms": replace(
        _USUAL, rail_mv=20.0, pulse_mv=(40.0, 200.0), pulse_ms=(0.2, 0.5), tail_ms=(0.3, 1.0)
    ),
    "blocked 1 to 3 ms": replace(_USUAL, rail_mv=20.0, blocked_ms=(1.0, 3.0)),
    "slow recovery": replace(_USUAL, recovery_share=(0.05, 0.2)),
    "marker 1 ms early": replace(_USUAL, marker_ms=1.0),
    "marker 0.5 ms late": replace(_USUAL, marker_ms=-0.5),
    "1/f 10 to 20 uV": replace(_USUAL, **_NOISE),
    "hum with harmonics 10 uV": replace(_USUAL, hum_uv=(5.0, 15.0)),
    "high-pass 20 to 30 Hz": replace(_USUAL, high_pass_hz=(20.0, 30.0)),
    "far field": replace(_USUAL, far_field=(0.01, 0.05)),
    "second muscle": replace(_USUAL, second_muscle=(0.1, 0.4)),
    "off the end plate": replace(
        _USUAL, muscle=vc.Muscle(end_plate_mm=(-8.0, -3.0), depth_mm=(10.0, 16.0))
    ),
    "A wave": replace(_USUAL, late_wave=(0.06, 0.12)),
    "F wave": replace(_USUAL, f_wave=True, amplitude_mv=(1.0, 8.0)),
    "voluntary activity": replace(_USUAL, voluntary_uv=(20.0, 80.0)),
    "dispersed 8 to 16 ms": replace(_USUAL, dispersed_ms=(8.0, 16.0)),
    "clinic": _CLINIC,
    "clinic, 0.5 to 2 mV": replace(_CLINIC, amplitude_mv=(0.5, 2.0)),
    "clinic, 0.15 to 0.5 mV": replace(_CLINIC, amplitude_mv=(0.15, 0.5)),
    "none: white": _none(_USUAL),
    "none: 1/f 10 to 20 uV": _none(_USUAL, **_NOISE),
    "none: hum with harmonics": _none(_USUAL, hum_uv=(10.0, 40.0)),
    "none: heart": _none(_USUAL, heart_uv=(20.0, 150.0)),
    "none: recovery": _none(_USUAL, recovery_share=(0.02, 0.1)),
    "none: voluntary": _none(_USUAL, voluntary_uv=(10.0, 40.0)),
    "none: pulse 0.5 to 1 ms": _none(_USUAL, pulse_ms=(0.5, 1.0), pulse_mv=(3.0, 30.0)),
    "none: rail": _none(_USUAL, rail_mv=20.0, blocked_ms=(1.0, 3.0)),
    "none: clinic": _none(_CLINIC, heart_uv=(0.0, 60.0)),
}
"""Every condition of the table; those that begin with *none* hold no response."""


def records(name: str, n: int, seed: int) -> list[Record]:
    """Draw `n` traces of a condition; trace i does not depend on how many are drawn."""
    place = list(CONDITIONS).index(name)
    return [draw(CONDITIONS[name], np.random.default_rng([seed, place, i])) for i in range(n)]


def measured(drawn: list[Record]) -> pd.DataFrame:
    """Measure traces of one or several lengths."""
    groups: dict[tuple[int, float], list[int]] = {}
    for i, one in enumerate(drawn):
        groups.setdefault((one.samples_mv.size, one.rate_hz), []).append(i)
    parts = []
    for (_, rate), rows in groups.items():
        frame = measure_traces(
            np.stack([drawn[i].samples_mv for i in rows]),
            sampling_rate_hz=rate,
            stimulus_index=np.array([drawn[i].stimulus_index for i in rows]),
        )
        parts.append(frame.set_axis(rows))
    return pd.concat(parts).sort_index()


def wrong(row: pd.Series, truth: dict[str, float]) -> str:
    """Say which gross error a row holds; empty for none."""
    found = row["quality_flags"]
    if not truth:
        return "" if "response_absent" in found or "flat_trace" in found else "found"
    if np.isnan(row["negative_peak_amplitude_mv"]):
        return "missed"
    if abs(row["onset_latency_ms"] - truth["onset"]) > ONSET_MS:
        return "onset"
    if abs(row["negative_peak_amplitude_mv"] / truth["amplitude"] - 1.0) > AMPLITUDE:
        return "amplitude"
    area = row["negative_peak_area_mv_ms"]
    if abs(area / truth["area"] - 1.0) > AREA:
        return "area"
    return ""


def is_warned(text: str) -> bool:
    """Whether a flag beyond a note is raised."""
    return any(FLAGS[name].level != "note" for name in split(text))


@dataclass(slots=True)
class Tally:
    """What one condition gave: counts of traces."""

    n: int
    silent: int = 0
    warned_right: int = 0
    total_off: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)

    @property
    def gross(self) -> int:
        """Traces with a gross error."""
        return sum(self.kinds.values())


def tally(name: str, n: int, seed: int) -> Tally:
    """Count what went wrong in one condition."""
    drawn = records(name, n, seed)
    frame = measured(drawn)
    out = Tally(n)
    for i, one in enumerate(drawn):
        row = frame.loc[i]
        kind = wrong(row, one.truth)
        is_loud = is_warned(row["quality_flags"])
        out.kinds[kind] += bool(kind)
        out.silent += bool(kind) and not is_loud
        out.warned_right += not kind and is_loud
        out.flags.update(split(row["quality_flags"]))
        if one.truth and not kind:
            total = row["total_negative_area_mv_ms"]
            out.total_off += not abs(total / one.truth["total_area"] - 1.0) <= AREA
    return out


def table(seed: int) -> list[str]:
    """Give the lines of the table for ACCURACY.md."""
    lines = [
        "| condition | gross, % | silent, % | warned, % | total off, % | stimulus realigned, % |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in CONDITIONS:
        one = tally(name, PER_CONDITION, seed)
        numbers = (
            one.gross,
            one.silent,
            one.warned_right,
            one.total_off,
            one.flags["stimulus_realigned"],
        )
        words = " | ".join(f"{100.0 * number / PER_CONDITION:.1f}" for number in numbers)
        lines.append(f"| {name} | {words} |")
    return lines


def main(n: int = 40, seed: int = 1, names: list[str] | None = None) -> None:
    """Print the table."""
    print("percent: gross, silent, warned though right, total area off | kinds | flags")
    for name in names or CONDITIONS:
        one = tally(name, n, seed)
        numbers = (one.gross, one.silent, one.warned_right, one.total_off)
        words = "".join(f"{100.0 * number / n:6.1f}" for number in numbers)
        kinds = " ".join(f"{kind}:{count}" for kind, count in one.kinds.items() if count)
        flags = " ".join(f"{k}:{round(100 * v / n)}" for k, v in one.flags.items())
        print(f"{name:32s}{words} | {kinds} | {flags}", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 40, int(words[1]) if words[1:] else 1, words[2:] or None)

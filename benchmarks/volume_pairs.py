"""Pairs of responses of the volume conductor, with block, dispersion and what fools an estimate.

Run ``python benchmarks/volume_pairs.py [n] [seed] [names...]``: error, coverage, width, silent
failures and false blocks of ``estimate_block`` per condition. A failure is silent when the truth
lies more than 0.1 from the estimate, outside the interval, and no flag is raised. Both stimuli are
supramaximal, and attested to be.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import amplifier_conditions as ac
import numpy as np
import volume_conductor as vc

from ncs_cb import estimate_block
from ncs_cb.flags import split

FAR_OFF = 0.1
PER_CONDITION = 100
RATE_HZ = 20_000.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What one condition draws from; the rest is that of a single trace."""

    trace: ac.Setting = ac._USUAL
    block: tuple[float, float] = (0.0, 0.9)
    spread_ms: tuple[float, float] = (0.0, 6.0)
    length_mm: tuple[float, float] = (100.0, 300.0)
    second_muscle: tuple[float, float] = (0.0, 0.0)
    co_activation: tuple[float, float] = (0.0, 0.0)
    shift_mm: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two traces and the blocked share, by the size of the units."""

    distal_mv: np.ndarray
    proximal_mv: np.ndarray
    stimulus_index: int
    blocked: float


def _moved(nerve: vc.Nerve, muscle: vc.Muscle, shift_mm: float) -> vc.Nerve:
    """Give the nerve as an electrode sees it that moved along the muscle."""
    place = replace(muscle, active_mm=muscle.active_mm + shift_mm)
    return replace(nerve, shapes=vc.unit_shapes(place, nerve.number))


def _nerve_pair(
    rng: np.random.Generator,
    nerve: vc.Nerve,
    length: float,
    block: float,
    spread: float,
    later: vc.Nerve | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    n = nerve.size.size
    tops = np.abs(np.fft.irfft(nerve.shapes, axis=1)).max(axis=1)[nerve.which] * nerve.size
    order = rng.permutation(n)
    gone = np.zeros(n, dtype=bool)
    gone[order[np.cumsum(tops[order]) < block * tops.sum()]] = True
    extra = rng.random(n) * spread
    near = nerve.at(70.0)
    far = (later or nerve).at(70.0 + length, extra, ~gone)
    return near, far, float(tops[gone].sum() / tops.sum())


def draw(s: Setting, rng: np.random.Generator) -> Pair:
    """Draw one pair."""
    t = s.trace
    nerve = vc.draw_nerve(rng, t.muscle)
    length, block, spread = (float(rng.uniform(*p)) for p in (s.length_mm, s.block, s.spread_ms))
    later = _moved(nerve, t.muscle, float(rng.choice(s.shift_mm))) if s.shift_mm else nerve
    near, far, blocked = _nerve_pair(rng, nerve, length, block, spread, later)
    share = float(rng.uniform(*s.second_muscle))
    if share:
        # Of the same nerve: blocked alike, and under the same electrodes.
        other = vc.draw_nerve(rng, ac._OTHER, 60, terminal_ms=float(rng.uniform(1.2, 3.2)))
        more = _nerve_pair(rng, other, length, block, spread)
        scale = share * near.max() / np.abs(more[0]).max()
        near, far = near + scale * more[0], far + scale * more[1]
    size = float(rng.uniform(*t.amplitude_mv)) / near.max()
    share = float(rng.uniform(*s.co_activation))
    if share:
        # Of a neighboring nerve, by the proximal stimulus alone.
        other = vc.draw_nerve(rng, ac._OTHER, 60, terminal_ms=float(rng.uniform(1.2, 3.2)))
        wave = other.at(70.0 + length)
        far = far + share * near.max() * wave / np.abs(wave).max()
    corner = float(rng.uniform(*t.high_pass_hz))
    before = float(rng.choice(t.before_ms))
    index = round(before * RATE_HZ * 1e-3)
    time = (np.arange(index + round(t.after_ms * RATE_HZ * 1e-3)) - index) * 1e3 / RATE_HZ
    fine = np.arange(near.size) * vc.STEP_MS
    rows = []
    for clean in (near, far):
        y = np.interp(time, fine, vc.high_pass(size * clean, corner, 1e3 / vc.STEP_MS), left=0.0)
        y = y + ac._added(t, rng, time, nerve)
        width = float(rng.choice(t.pulse_ms))
        rows.append(
            y
            + vc.pulse(
                rng,
                time,
                float(rng.uniform(*t.pulse_mv)),
                width,
                rng.random() < t.biphasic,
                0.15,
                0.3,
            )
        )
    return Pair(rows[0], rows[1], index, blocked)


_BASE = replace(ac._USUAL, amplitude_mv=(3.0, 15.0))


def _with(**change: object) -> ac.Setting:
    return replace(_BASE, **change)


# Along the muscle, to either side. Farther off the end plates the response begins with a positive
# phase, which anyone sees.
_SHIFTS_MM = (-5.0, -3.0, -2.0, 2.0, 3.0, 5.0)
CONDITIONS: dict[str, Setting] = {
    "clean": Setting(_BASE),
    "healthy": Setting(_BASE, block=(0.0, 0.0), spread_ms=(0.0, 0.0)),
    "dispersion only": Setting(_BASE, block=(0.0, 0.0), spread_ms=(1.0, 12.0)),
    "1/f 10 to 20 uV": Setting(_with(one_over_f_uv=(10.0, 20.0))),
    "hum with harmonics": Setting(_with(hum_uv=(10.0, 20.0))),
    "heart 20 to 100 uV": Setting(_with(heart_uv=(20.0, 100.0))),
    "high-pass 20 to 30 Hz": Setting(_with(high_pass_hz=(20.0, 30.0))),
    "pulse 0.5 to 1 ms": Setting(_with(pulse_ms=(0.5, 1.0))),
    "second muscle": Setting(_BASE, second_muscle=(0.1, 0.4)),
    "second muscle, healthy": Setting(_BASE, (0.0, 0.0), (0.0, 0.0), second_muscle=(0.1, 0.4)),
    "co-activation 3 to 10 %": Setting(_BASE, co_activation=(0.03, 0.1)),
    "co-activation, no block": Setting(_BASE, (0.0, 0.0), co_activation=(0.03, 0.1)),
    "clinic": Setting(
        _with(one_over_f_uv=(5.0, 15.0), hum_uv=(0.0, 10.0)), second_muscle=(0.0, 0.3)
    ),
    "co-activation 10 %": Setting(_BASE, co_activation=(0.1, 0.1)),
    "co-activation 10 %, no block": Setting(_BASE, (0.0, 0.0), co_activation=(0.1, 0.1)),
    "co-activation 10 to 30 %": Setting(_BASE, co_activation=(0.1, 0.3)),
    "co-activation 10 to 30 %, no block": Setting(_BASE, (0.0, 0.0), co_activation=(0.1, 0.3)),
    "electrode shift 2 to 5 mm": Setting(_BASE, shift_mm=_SHIFTS_MM),
    "electrode shift 2 to 5 mm, no block": Setting(_BASE, (0.0, 0.0), shift_mm=_SHIFTS_MM),
}


def pairs(name: str, n: int, seed: int) -> list[Pair]:
    """Draw `n` pairs; pair i does not depend on how many are drawn."""
    place = list(CONDITIONS).index(name)
    return [draw(CONDITIONS[name], np.random.default_rng([seed, 99, place, i])) for i in range(n)]


def estimated(drawn: list[Pair]) -> list[dict[str, object]]:
    """Estimate the pairs one length at a time, in order."""
    rows: list[dict[str, object]] = [{} for _ in drawn]
    groups: dict[tuple[int, int], list[int]] = {}
    for i, one in enumerate(drawn):
        groups.setdefault((one.distal_mv.size, one.stimulus_index), []).append(i)
    for (_, index), some in groups.items():
        table = estimate_block(
            np.stack([drawn[i].distal_mv for i in some]),
            np.stack([drawn[i].proximal_mv for i in some]),
            sampling_rate_hz=RATE_HZ,
            stimulus_index=index,
            supramaximal=True,
        )
        for i, row in zip(some, table.to_dict("records"), strict=True):
            rows[i] = row
    return rows


def tally(name: str, n: int, seed: int) -> dict[str, float]:
    """Count what went wrong in one condition."""
    drawn = pairs(name, n, seed)
    error, covered, width, silent, false = [], [], [], 0, 0
    warned = 0
    for one, row in zip(drawn, estimated(drawn), strict=True):
        found, low, high = (
            float(row[k])
            for k in ("blocked_fraction", "blocked_fraction_low", "blocked_fraction_high")
        )
        if np.isnan(low):
            continue
        names = split(str(row["quality_flags"]))
        inside = low - 1e-9 <= one.blocked <= high + 1e-9
        covered.append(inside)
        width.append(high - low)
        warned += bool(names)
        false += one.blocked == 0.0 and low > FAR_OFF
        if not np.isnan(found):
            error.append(abs(found - one.blocked))
            silent += error[-1] > FAR_OFF and not inside and not names
    m = max(1, len(covered))
    return {
        "none": 100.0 * (n - len(covered)) / n,
        "error": float(np.mean(error)) if error else np.nan,
        "95th": float(np.quantile(error, 0.95)) if error else np.nan,
        "covered": 100.0 * sum(covered) / m,
        "width": float(np.median(width)) if width else np.nan,
        "silent": 100.0 * silent / n,
        "false": 100.0 * false / n,
        "warned": 100.0 * warned / n,
    }


def table(seed: int) -> str:
    """Give the table for BLOCK.md."""
    lines = [
        "| condition | no estimate, % | mean error | 95th | covered, % | width | silent, % | "
        "false block, % | warned, % |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in CONDITIONS:
        one = tally(name, PER_CONDITION, seed)
        words = (
            f"{one['none']:.0f}",
            f"{one['error']:.3f}",
            f"{one['95th']:.3f}",
            f"{one['covered']:.0f}",
            f"{one['width']:.3f}",
            f"{one['silent']:.0f}",
            f"{one['false']:.0f}",
            f"{one['warned']:.0f}",
        )
        lines.append(f"| {name} | " + " | ".join(words) + " |")
    return "\n".join(lines)


def main(n: int = 40, seed: int = 1, names: list[str] | None = None) -> None:
    """Print the table."""
    for name in names or CONDITIONS:
        row = tally(name, n, seed)
        print(f"{name:28s}" + "  ".join(f"{k} {v:.3g}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 40, int(words[1]) if words[1:] else 1, words[2:] or None)

"""Seeded traces with a known noise-free truth, one function per kind of response.

The truth is taken from the noise-free response on a fine grid, before artefact, hum, drift and
noise are added. Onset: the first time the noise-free response exceeds 1 % of its negative peak.
First return: the next time it falls to zero. Phases count when they reach 5 % of the peak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINE_MS = 0.005
"""Step of the grid on which the noise-free truth is computed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is added to the noise-free responses, and how they are sampled."""

    name: str
    shape: str = "lobes"
    amplitude_mv: tuple[float, float] = (1.0, 12.0)
    onset_ms: tuple[float, float] = (3.0, 9.0)
    noise_mv: float = 0.0
    hum_mv: float = 0.0
    hum_hz: float = 50.0
    drift_mv_per_ms: float = 0.0
    offset_mv: float = 0.0
    artifact_mv: float = 0.0
    artifact_tau_ms: tuple[float, float] = (0.35, 0.35)
    before_ms: float = 1.0
    after_ms: float = 49.0
    rate_hz: float = 20_000.0
    options: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truth:
    """The noise-free truth of each trace, in ms, mV and mV ms."""

    onset_ms: Array
    peak_latency_ms: Array
    amplitude_mv: Array
    peak_to_peak_mv: Array
    duration_ms: Array
    area_mv_ms: Array
    total_duration_ms: Array
    total_area_mv_ms: Array


@dataclass(frozen=True, slots=True)
class Made:
    """Traces of one condition and their truth."""

    condition: Condition
    samples_mv: Array
    stimulus_index: int
    truth: Truth
    clean_mv: Array


def _lobe(u: Array) -> Array:
    """Half sine to the power 1.3 on 0..1, zero outside."""
    inside = (u > 0) & (u < 1)
    return np.where(inside, np.abs(np.sin(np.pi * np.clip(u, 0, 1))) ** 1.3, 0.0)


def lobes(t: Array, onset: float, rng: np.random.Generator, options: dict[str, float]) -> Array:
    """A negative lobe, then a positive one."""
    width = rng.uniform(4.5, 8.0)
    ratio = rng.uniform(0.25, 0.6)
    after = width * rng.uniform(0.9, 1.5)
    return _lobe((t - onset) / width) - ratio * _lobe((t - onset - width) / after)


def positivity(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """A positive dip before the negative lobe."""
    width = rng.uniform(0.8, 2.0)
    depth = o.get("depth", 0.15)
    return lobes(t, onset, rng, o) - depth * _lobe((t - onset + width) / width)


def shoulder(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """A small early lobe that merges into the main one."""
    early = rng.uniform(0.12, 0.35) * _lobe((t - onset) / rng.uniform(3.0, 5.0))
    return early + lobes(t, onset + rng.uniform(0.5, 1.5), rng, o)


def notched(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """Two peaks without a return to baseline between them."""
    width = rng.uniform(4.0, 6.0)
    gap = width * rng.uniform(0.55, 0.75)
    y = _lobe((t - onset) / width) + rng.uniform(0.6, 1.0) * _lobe((t - onset - gap) / width)
    return y - 0.4 * _lobe((t - onset - gap - width) / (1.3 * width))


def afterwave(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """Lobes with a slow positive afterwave that outlasts the sweep's first 30 ms."""
    y = lobes(t, onset, rng, o)
    start = onset + 6.0
    late = np.clip(t - start, 0, None)
    tail = (1 - np.exp(-late / 4.0)) * np.exp(-late / rng.uniform(12.0, 25.0))
    return y - rng.uniform(0.05, 0.15) * tail


def _unit(u: Array) -> Array:
    return _lobe(u / 5.2) - (5.2 / 9.0) * _lobe((u - 5.2) / 9.0)


_UNIT_STEP_MS = 0.005
_UNIT_TABLE = _unit(np.arange(0, 20.0, _UNIT_STEP_MS))


def _pool(t: Array, delays: Array, sizes: Array, widths: Array) -> Array:
    y = np.zeros_like(t)
    grid = np.arange(_UNIT_TABLE.size) * _UNIT_STEP_MS
    for delay, size, width in zip(delays, sizes, widths, strict=True):
        y += size * np.interp((t - delay) / width, grid, _UNIT_TABLE, left=0.0, right=0.0)
    return y


def pool(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """Motor units of scattered velocity and size, summed (design reference, section 7.3)."""
    units = int(o.get("units", 150))
    velocity = np.clip(rng.normal(56.0, 3.5, units), 46.0, 65.0)
    distance = o.get("distance_mm", 0.0) or rng.uniform(70.0, 300.0)
    delays = distance / velocity
    delays += onset - delays.min()
    extra = o.get("spread_ms", 0.0)
    if extra:
        delays = delays + rng.uniform(0.0, extra, units)
    return _pool(t, delays, rng.lognormal(0.0, 0.7, units), rng.lognormal(0.0, 0.12, units))


def groups(t: Array, onset: float, rng: np.random.Generator, o: dict[str, float]) -> Array:
    """A pool of which a part is delayed: several negative phases."""
    units = 120
    delays = onset + rng.gamma(2.0, 0.3, units)
    late = rng.random(units) < rng.uniform(0.25, 0.5)
    delays = delays + late * rng.uniform(*(o.get("low_ms", 7.0), o.get("high_ms", 15.0)))
    return _pool(t, delays, rng.lognormal(0.0, 0.7, units), rng.lognormal(0.0, 0.12, units))


SHAPES: dict[str, Callable[[Array, float, np.random.Generator, dict[str, float]], Array]] = {
    "lobes": lobes,
    "positivity": positivity,
    "shoulder": shoulder,
    "notched": notched,
    "afterwave": afterwave,
    "pool": pool,
    "groups": groups,
}


def _up(t: Array, y: Array, i: int, level: float) -> float:
    """Time at which `y` passes `level` between samples i - 1 and i."""
    if i == 0:
        return float(t[0])
    return float(t[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (t[i] - t[i - 1]))


def truth_of(t: Array, y: Array) -> tuple[float, ...]:
    """Markers of one noise-free response on a fine grid."""
    top = int(np.argmax(y))
    peak = float(y[top])
    positive = y > 1e-9 * peak
    edges = np.flatnonzero(np.diff(positive.astype(int)))
    starts = [0, *(edges + 1)] if positive[0] else list(edges + 1)
    phases = []
    for a, b in zip(starts[0::2], [*starts[1::2], y.size], strict=False):
        if y[a:b].max() >= 0.05 * peak:
            phases.append((a, b))
    first, last = phases[0], phases[-1]
    above = first[0] + int(np.argmax(y[first[0] : first[1]] > 0.01 * peak))
    onset = _up(t, y, above, 0.01 * peak)

    def end(phase: tuple[int, int]) -> float:
        return float(t[min(phase[1], y.size - 1)])

    step = t[1] - t[0]
    areas = [float(y[a:b].sum() * step) for a, b in phases]
    return (
        onset,
        float(t[top]),
        peak,
        peak - float(y.min()),
        end(first) - onset,
        areas[0],
        end(last) - onset,
        sum(areas),
    )


def make(condition: Condition, n: int, seed: int = 0) -> Made:
    """Make `n` traces of one condition with their truth."""
    rng = np.random.default_rng(seed)
    c = condition
    fine = np.arange(0.0, c.after_ms + 40.0, FINE_MS)
    before = round(c.before_ms * c.rate_hz / 1000)
    after = round(c.after_ms * c.rate_hz / 1000)
    t = (np.arange(before + after) - before) * 1000 / c.rate_hz
    rows, clean, truths = [], [], []
    for _ in range(n):
        onset = rng.uniform(*c.onset_ms)
        y = SHAPES[c.shape](fine, onset, rng, c.options)
        y *= rng.uniform(*c.amplitude_mv) / y.max()
        truths.append(truth_of(fine, y))
        noise_free = np.interp(t, fine, y, left=0.0)
        clean.append(noise_free)
        rows.append(noise_free + _added(c, t, rng))
    columns = np.array(truths).T
    return Made(c, np.array(rows), before, Truth(*columns), np.array(clean))


def _added(c: Condition, t: Array, rng: np.random.Generator) -> Array:
    tau = rng.uniform(*c.artifact_tau_ms)
    size = rng.uniform(-c.artifact_mv, c.artifact_mv)
    y = np.where(t >= 0, size * np.exp(-np.clip(t, 0, None) / tau), 0.0)
    phase = rng.uniform(0, 2 * np.pi)
    y += np.sqrt(2) * c.hum_mv * np.sin(2 * np.pi * c.hum_hz * t / 1000 + phase)
    y += rng.uniform(-1, 1) * c.drift_mv_per_ms * t
    y += rng.uniform(-1, 1) * c.offset_mv
    return y + rng.normal(0.0, 1.0, t.size) * c.noise_mv


_USUAL = {"noise_mv": 0.010, "hum_mv": 0.010, "artifact_mv": 3.0}

CONDITIONS: tuple[Condition, ...] = (
    Condition("clean"),
    Condition("clean, 10 ms before", before_ms=10.0, after_ms=40.0),
    Condition("clean, none before", before_ms=0.0, after_ms=50.0),
    Condition("usual", **_USUAL),
    Condition("usual, 10 ms before", before_ms=10.0, after_ms=40.0, **_USUAL),
    Condition("usual, none before", before_ms=0.0, after_ms=50.0, **_USUAL),
    Condition("usual, offset 500 mV", offset_mv=500.0, **_USUAL),
    Condition(
        "artifact 5 mV, 1.5 ms", artifact_tau_ms=(1.5, 1.5), **{**_USUAL, "artifact_mv": 5.0}
    ),
    Condition(
        "artifact 5 mV, 1.5 ms, none before",
        before_ms=0.0,
        artifact_tau_ms=(1.5, 1.5),
        **{**_USUAL, "artifact_mv": 5.0},
    ),
    Condition(
        "artifact 10 mV, 0.2-2 ms", artifact_tau_ms=(0.2, 2.0), **{**_USUAL, "artifact_mv": 10.0}
    ),
    Condition(
        "short latency, artifact overlaps",
        onset_ms=(1.2, 3.0),
        artifact_tau_ms=(0.2, 2.0),
        **{**_USUAL, "artifact_mv": 5.0},
    ),
    Condition("noise 50 uV", noise_mv=0.050),
    Condition("noise 50 uV, 50 uV hum", noise_mv=0.050, hum_mv=0.05, before_ms=10.0, after_ms=40.0),
    Condition("drift 10 uV/ms", drift_mv_per_ms=0.010, **_USUAL),
    Condition("0.15-0.6 mV", amplitude_mv=(0.15, 0.6), noise_mv=0.01, hum_mv=0.01),
    Condition("0.15-0.6 mV, artifact", amplitude_mv=(0.15, 0.6), **_USUAL),
    Condition("0.15-0.6 mV, noise 50 uV", amplitude_mv=(0.15, 0.6), noise_mv=0.05),
    Condition("20 mV", amplitude_mv=(12.0, 20.0), **_USUAL),
    Condition("initial positivity", shape="positivity", **_USUAL),
    Condition("shoulder", shape="shoulder", **_USUAL),
    Condition("notched", shape="notched", **_USUAL),
    Condition("afterwave", shape="afterwave", **_USUAL),
    Condition("afterwave, none before", shape="afterwave", before_ms=0.0, **_USUAL),
    Condition("pool", shape="pool", **_USUAL),
    Condition("pool, clean", shape="pool"),
    Condition("pool, dispersed 8 ms", shape="pool", options={"spread_ms": 8.0}, **_USUAL),
    Condition("pool, dispersed 16 ms", shape="pool", options={"spread_ms": 16.0}, **_USUAL),
    Condition("pool, two groups", shape="groups", **_USUAL),
    Condition("5 kHz", rate_hz=5_000.0, **_USUAL),
    Condition("10 kHz", rate_hz=10_000.0, **_USUAL),
    Condition("50 kHz", rate_hz=50_000.0, **_USUAL),
    Condition("100 kHz", rate_hz=100_000.0, **_USUAL),
)
"""Every condition of benchmarks/ACCURACY.md."""

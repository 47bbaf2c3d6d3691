"""A compact motor-unit pool for the block benchmark, independent of ``ncs_cb.simulate``.

Two simulators that share no code make it harder to tune an estimate to one of them. Every unit
has a size, a velocity, a terminal latency, a width and a lesion delay; a trace is the sum of the
units' surface potentials through one amplifier. Numbers: design reference, clinical section 7.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

BAND_HZ = 2500.0
PERIOD_MS = 160.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What one condition draws from; a pair of numbers is a uniform range."""

    block: tuple[float, float] = (0.0, 1.0)
    block_order: tuple[str, ...] = ("random",)
    delays: tuple[str, ...] = ("uniform", "exponential", "groups", "none")
    delay_ms: tuple[float, float] = (0.5, 12.0)
    delayed_share: tuple[float, float] = (0.2, 1.0)
    units: tuple[float, float] = (80, 350)
    size_sigma: tuple[float, float] = (0.5, 0.9)
    velocity: tuple[float, float] = (50.0, 60.0)
    velocity_sd: tuple[float, float] = (2.5, 4.5)
    size_velocity: float = 0.4
    length_mm: tuple[float, float] = (100.0, 600.0)
    shapes: tuple[str, ...] = ("sine", "gauss", "gamma", "wavelet")
    width_sd: tuple[float, float] = (0.05, 0.15)
    width_velocity: float = 0.0
    amplitude_mv: tuple[float, float] = (2.0, 15.0)
    rate_hz: tuple[float, ...] = (10_000.0, 20_000.0, 48_000.0)
    sweep_ms: tuple[float, ...] = (40.0, 50.0, 60.0)
    before_ms: tuple[float, ...] = (0.0, 1.0, 5.0)
    high_pass_hz: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0, 20.0)
    high_pass_ratio: float = 1.0
    noise_uv: tuple[float, float] = (10.0, 10.0)
    hum_uv: tuple[float, float] = (0.0, 5.0)
    artefact_mv: tuple[float, float] = (0.0, 5.0)
    shift: float = 0.0
    submaximal_distal: tuple[float, float] = (0.0, 0.0)
    submaximal_proximal: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """One distal and one proximal trace and what is true of them."""

    distal_mv: np.ndarray
    proximal_mv: np.ndarray
    sampling_rate_hz: float
    stimulus_index: int
    blocked_fraction: float
    added_dispersion_ms: float
    clean_distal_mv: np.ndarray
    clean_proximal_mv: np.ndarray
    facts: Mapping[str, float | str] = field(default_factory=dict)


def unit_shape(kind: str, width_ms: float, time_ms: np.ndarray, ratio: float) -> np.ndarray:
    """Give a surface unit potential, negative phase up and first, peak 1.

    `ratio` is the area of the positive phase against the negative one.
    """
    t = time_ms
    if kind == "sine":
        lobe = np.where((t > 0) & (t < width_ms), np.sin(np.pi * t / width_ms), 0.0)
        tail_ms = 1.75 * width_ms
        late = t - width_ms
        tail = np.where((late > 0) & (late < tail_ms), np.sin(np.pi * late / tail_ms), 0.0)
        lobe, tail = np.clip(lobe, 0, 1) ** 1.3, np.clip(tail, 0, 1) ** 1.3
    elif kind == "gauss":
        lobe = np.exp(-0.5 * ((t - 0.9 * width_ms) / (0.30 * width_ms)) ** 2)
        tail = np.exp(-0.5 * ((t - 2.1 * width_ms) / (0.65 * width_ms)) ** 2)
    elif kind == "gamma":
        x = np.clip(t / (0.21 * width_ms), 0, None)
        lobe = x**2.4 * np.exp(-x)
        y = np.clip((t - 0.45 * width_ms) / (0.42 * width_ms), 0, None)
        tail = y**2.4 * np.exp(-y)
    else:  # a faster potential with a slow afterwave
        lobe = np.exp(-0.5 * ((t - 0.8 * width_ms) / (0.22 * width_ms)) ** 2)
        tail = np.exp(-0.5 * ((t - 1.5 * width_ms) / (0.30 * width_ms)) ** 2)
        slow = np.exp(-0.5 * ((t - 3.2 * width_ms) / (0.9 * width_ms)) ** 2)
        tail = tail / tail.sum() - 0.35 * slow / slow.sum()
        lobe = lobe / lobe.sum()
        shape = lobe - ratio * tail
        return np.asarray(shape / shape.max())
    shape = lobe / lobe.sum() - ratio * tail / tail.sum()
    return np.asarray(shape / shape.max())


def _delays(kind: str, top_ms: float, count: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "uniform":
        return rng.uniform(0, top_ms, count)
    if kind == "exponential":
        return np.minimum(rng.exponential(top_ms / 3, count), 1.4 * top_ms)
    if kind == "groups":
        jitter = rng.uniform(0.1, 0.15 * top_ms + 0.2)
        return np.maximum(top_ms * rng.uniform(0.4, 1.0) + jitter * rng.standard_normal(count), 0)
    return np.zeros(count)


def _blocked(
    order: str, share: float, size: np.ndarray, velocity: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Mark units as blocked until they make up `share` of the signal."""
    key = {"random": rng.random(size.size), "largest": -size, "fastest": -velocity}[order]
    row = np.argsort(key)
    before = np.concatenate(([0.0], np.cumsum(size[row])[:-1])) / size.sum()
    mark = np.zeros(size.size, dtype=bool)
    mark[row] = before + 0.5 * size[row] / size.sum() < share
    return mark


def _spectrum(
    size: np.ndarray,
    arrival_ms: np.ndarray,
    width: np.ndarray,
    shape: np.ndarray,
    step_ms: float,
    frequency: np.ndarray,
) -> np.ndarray:
    """Sum the units in the frequency domain; a unit's width scales its time axis."""
    grid = np.fft.rfft(shape)
    axis = np.fft.rfftfreq(shape.size, step_ms)
    at = frequency[None, :] * width[:, None]
    unit = np.interp(at, axis, grid.real) + 1j * np.interp(at, axis, grid.imag)
    turn = np.exp(-2j * np.pi * arrival_ms[:, None] * frequency[None, :])
    return np.asarray((size[:, None] * unit * turn * width[:, None]).sum(axis=0))


def _record(
    spectrum: np.ndarray, pair: dict[str, float], corner_hz: float, scale: float
) -> np.ndarray:
    """Turn a spectrum into samples through a one-pole high-pass, stimulus at `before_ms`."""
    from scipy.signal import bilinear, lfilter

    rate = pair["rate_hz"]
    count = round(PERIOD_MS * 1e-3 * rate)
    full = np.zeros(count // 2 + 1, dtype=complex)
    used = min(spectrum.size, full.size)
    full[:used] = spectrum[:used]
    samples = np.fft.irfft(full, count) * count
    corner = 2 * np.pi * corner_hz
    b, a = bilinear([1.0, 0.0], [1.0, corner], rate)
    samples = lfilter(b, a, samples) * scale
    before, after = round(pair["before_ms"] * 1e-3 * rate), round(pair["sweep_ms"] * 1e-3 * rate)
    return np.concatenate((np.zeros(before), samples[:after]))


def _soil(clean: np.ndarray, pair: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Add noise, hum, a stimulus artefact with a decaying tail, and an offset."""
    rate = pair["rate_hz"]
    time_ms = np.arange(clean.size) / rate * 1e3 - pair["before_ms"]
    noise = rng.standard_normal(clean.size) * pair["noise_uv"] * 1e-3
    hum = pair["hum_uv"] * 1e-3 * np.sin(2 * np.pi * 0.05 * time_ms + rng.uniform(0, 2 * np.pi))
    sign = rng.choice([-1.0, 1.0])
    spike = np.where((time_ms >= 0) & (time_ms < 0.3), 5.0, 0.0) * pair["artefact_mv"] * sign
    tail_ms = rng.uniform(0.2, 0.8)
    tail = np.where(time_ms >= 0, np.exp(-np.clip(time_ms, 0, None) / tail_ms), 0.0)
    tail = tail * pair["artefact_mv"] * rng.uniform(0.2, 1.0) * -sign
    return np.asarray(clean + noise + hum + spike + tail + 0.05 * rng.standard_normal())


def draw(setting: Setting, rng: np.random.Generator) -> Pair:
    """Draw one pair."""

    def one(bounds: tuple[float, float]) -> float:
        return float(rng.uniform(*bounds))

    count = int(one(setting.units))
    size = np.exp(one(setting.size_sigma) * (latent := rng.standard_normal(count)))
    tied = setting.size_velocity
    other = tied * latent + np.sqrt(1 - tied**2) * rng.standard_normal(count)
    mean = one(setting.velocity)
    velocity = np.clip(mean + one(setting.velocity_sd) * other, mean - 11, mean + 11)
    width = np.exp(one(setting.width_sd) * rng.standard_normal(count))
    width = width * (velocity / mean) ** -setting.width_velocity
    kind, kind_delay = str(rng.choice(setting.shapes)), str(rng.choice(setting.delays))
    length = one(setting.length_mm)
    distal = 70.0 / velocity + rng.normal(2.2, rng.uniform(0.15, 0.35), count)
    top = one(setting.delay_ms)
    late = rng.random(count) < one(setting.delayed_share)
    extra = np.where(late, _delays(kind_delay, top, count, rng), 0.0)
    proximal = distal + length / (velocity * rng.uniform(1.0, 1.12)) + extra

    share = one(setting.block)
    blocked = _blocked(str(rng.choice(setting.block_order)), share, size, velocity, rng)
    weak_distal = _blocked("random", one(setting.submaximal_distal), size, velocity, rng)
    weak_proximal = _blocked("random", one(setting.submaximal_proximal), size, velocity, rng)

    pair: dict[str, float] = {
        "rate_hz": float(rng.choice(setting.rate_hz)),
        "sweep_ms": float(rng.choice(setting.sweep_ms)),
        "before_ms": float(rng.choice(setting.before_ms)),
        "noise_uv": one(setting.noise_uv),
        "hum_uv": one(setting.hum_uv),
        "artefact_mv": one(setting.artefact_mv),
    }
    step = 0.02
    unit_ms = float(rng.uniform(4.4, 6.4)) * (1.5 if kind == "gamma" else 1.0)
    axis = np.arange(0, 120.0, step)
    ratio = float(rng.uniform(0.7, 1.0))
    shape = unit_shape(kind, unit_ms, axis, ratio)
    shape_far = shape
    if setting.shift:
        # A shifted electrode sees another waveform: other width, other ratio, other size.
        s = setting.shift
        shape_far = unit_shape(
            kind,
            unit_ms * (1 + s * rng.uniform(-0.5, 0.5)),
            axis,
            ratio * (1 + s * rng.uniform(-1, 1)),
        )
        shape_far = shape_far * (1 + s * rng.uniform(-1, 1))
    frequency = np.arange(int(BAND_HZ * PERIOD_MS * 1e-3)) / PERIOD_MS
    near, far = ~weak_distal, ~(blocked | weak_proximal)
    there = _spectrum(size[near], distal[near], width[near], shape, step, frequency)
    gone = _spectrum(size[far], proximal[far], width[far], shape_far, step, frequency)
    corner = float(rng.choice(setting.high_pass_hz))
    first = _record(there, pair, corner, 1.0)
    scale = one(setting.amplitude_mv) / first.max()
    clean_distal = first * scale
    clean_proximal = _record(gone, pair, corner * setting.high_pass_ratio, scale)
    path = (proximal - distal)[far]
    weight = size[far]
    if weight.sum() > 0:
        middle = np.average(path, weights=weight)
        spread = float(np.sqrt(np.average((path - middle) ** 2, weights=weight)))
    else:
        spread = float("nan")
    return Pair(
        _soil(clean_distal, pair, rng),
        _soil(clean_proximal, pair, rng),
        pair["rate_hz"],
        round(pair["before_ms"] * 1e-3 * pair["rate_hz"]),
        float(size[blocked].sum() / size.sum()),
        spread,
        clean_distal,
        clean_proximal,
        {
            **pair,
            "shape": kind,
            "delay": kind_delay,
            "top_ms": top,
            "length_mm": length,
            "corner_hz": corner,
            "units": count,
        },
    )


def pool(setting: Setting, count: int, seed: int) -> list[Pair]:
    """Draw `count` pairs; pair `i` does not depend on how many are drawn."""
    return [draw(setting, np.random.default_rng([seed, i])) for i in range(count)]


CONDITIONS: dict[str, Setting] = {
    "mixed": Setting(),
    "pure block": Setting(delays=("none",)),
    "dispersion only": Setting(block=(0.0, 0.0), delay_ms=(1.0, 16.0)),
    "strong dispersion": Setting(delay_ms=(8.0, 16.0), delays=("uniform", "exponential", "groups")),
    "healthy": Setting(block=(0.0, 0.0), delays=("none",)),
    "largest blocked": Setting(block_order=("largest",)),
    "fastest blocked": Setting(block_order=("fastest",)),
    "wide velocities": Setting(velocity=(48.0, 54.0), velocity_sd=(5.0, 6.0)),
    "short sweep": Setting(sweep_ms=(20.0, 25.0, 30.0)),
    "30 uV noise": Setting(noise_uv=(30.0, 30.0)),
    "small distal": Setting(amplitude_mv=(0.7, 2.0)),
    "shape tied to velocity": Setting(width_velocity=2.0),
    "few units": Setting(units=(4, 20), amplitude_mv=(1.2, 4.0)),
    "electrode shift": Setting(shift=0.3),
    "filters differ": Setting(high_pass_hz=(2.0, 3.0), high_pass_ratio=6.0),
    "submaximal distal": Setting(block=(0.0, 0.3), submaximal_distal=(0.2, 0.5)),
    "submaximal proximal": Setting(block=(0.0, 0.3), submaximal_proximal=(0.2, 0.5)),
}
"""The conditions of the report; the first is the one the targets are stated for."""

"""Responses of a muscle in a volume conductor: physics that share nothing with our simulator.

A fiber carries two sources that run from its end plate to its tendons (line source of Rosenfalck's
action potential, extinguished at the ends); the skin sees them through 1 / distance, once at the
belly and once at the reference. Units differ in depth, end plate, fiber length and velocity; a
large unit conducts fast. Nothing is a fixed pulse, so that the shape follows from the geometry.

References
----------
Rosenfalck P. Acta Physiol Scand Suppl 1969;321:1-168 (the action potential).
Farina D, Merletti R. IEEE Trans Biomed Eng 2001;48:637-646, doi:10.1109/10.923782 (generation
and extinction).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, lfilter_zi

Array = NDArray[np.float64]

STEP_MS = 0.025
PERIOD_MS = 120.0
N_UNIT_SHAPES = 40
_Z_MM = np.arange(-60.0, 60.01, 0.5)


@dataclass(frozen=True, slots=True)
class Muscle:
    """Where a muscle lies under the electrodes, in mm; ranges are uniform."""

    depth_mm: tuple[float, float] = (6.0, 14.0)
    half_length_mm: tuple[float, float] = (20.0, 32.0)
    end_plate_mm: tuple[float, float] = (-3.0, 3.0)
    active_mm: float = 0.0
    reference_mm: float = 55.0
    reference_depth_mm: float = 12.0


@lru_cache(maxsize=64)
def unit_shapes(muscle: Muscle, seed: int) -> Array:
    """Give spectra (n_shapes, n_frequencies) of unit potentials, negative up, arbitrary size."""
    rng = np.random.default_rng([seed, 77])
    t = np.arange(0.0, 40.0, STEP_MS)
    rows = []
    for _ in range(N_UNIT_SHAPES):
        depth, half, plate = (
            rng.uniform(*pair)
            for pair in (muscle.depth_mm, muscle.half_length_mm, muscle.end_plate_mm)
        )
        velocity = rng.uniform(3.2, 4.6)
        active = 1.0 / np.hypot(_Z_MM - muscle.active_mm, depth)
        far = 1.0 / np.hypot(_Z_MM - muscle.reference_mm, muscle.reference_depth_mm)
        slope = np.gradient(active - far, _Z_MM)
        wave = np.zeros(t.size)
        for sign, length in ((1.0, half * rng.uniform(0.85, 1.0)), (-1.0, half)):
            along = sign * (_Z_MM - plate)
            inside = (along >= 0.0) & (along <= length)
            behind = velocity * t[:, None] - along[None, inside]
            # The derivative of 96 z^3 exp(-z): zero ahead of the front.
            z = np.clip(behind, 0.0, None)
            source = (3.0 * z**2 - z**3) * np.exp(-z)
            wave += (source * (sign * slope[inside])).sum(axis=1)
        rows.append(wave)
    shapes = np.array(rows)
    # Negative up: the first large phase at the end plate counts as negative.
    mean = shapes.mean(axis=0)
    if abs(mean.min()) > mean.max() and mean.argmin() < mean.argmax():
        shapes = -shapes
    count = round(PERIOD_MS / STEP_MS)
    return np.asarray(np.fft.rfft(shapes, count, axis=1))


def respond(
    shapes: Array, arrival_ms: Array, size: Array, which: NDArray[np.int64], low_pass_hz: float
) -> Array:
    """Sum units: each a shape, shifted to its arrival; give samples at ``STEP_MS``."""
    count = round(PERIOD_MS / STEP_MS)
    hz = np.fft.rfftfreq(count, STEP_MS * 1e-3)
    used = hz <= 5_000.0
    total = np.zeros(hz.size, dtype=complex)
    turn = np.exp(-2e-3j * np.pi * arrival_ms[:, None] * hz[None, used])
    total[used] = (size[:, None] * turn * shapes[which][:, used]).sum(axis=0)
    ratio = 1j * hz / low_pass_hz
    return np.fft.irfft(total / (1.0 + np.sqrt(2.0) * ratio + ratio**2), count)


def high_pass(samples: Array, corner_hz: float, rate_hz: float) -> Array:
    """One pole, from rest."""
    if corner_hz <= 0.0:
        return samples
    b, a = butter(1, corner_hz, "highpass", fs=rate_hz)
    return np.asarray(lfilter(b, a, samples))


@dataclass(frozen=True, slots=True, eq=False)
class Nerve:
    """A drawn nerve: per unit the size, shape, velocity and terminal latency.

    ``number`` says which set of shapes of the muscle it has.
    """

    number: int
    shapes: Array
    which: NDArray[np.int64]
    size: Array
    velocity: Array
    terminal_ms: Array

    def at(
        self,
        distance_mm: float,
        extra_ms: Array | float = 0.0,
        kept: NDArray[np.bool_] | None = None,
        low_pass_hz: float = 3_000.0,
    ) -> Array:
        """Give the response to a stimulus so far away, noise-free."""
        arrival = self.terminal_ms + distance_mm / self.velocity + extra_ms
        size = self.size if kept is None else self.size * kept
        return respond(self.shapes, arrival, size, self.which, low_pass_hz)


def draw_nerve(
    rng: np.random.Generator,
    muscle: Muscle,
    n_units: int | None = None,
    velocity: float | None = None,
    terminal_ms: float | None = None,
) -> Nerve:
    """Draw a nerve whose large units conduct fast."""
    n = n_units or int(rng.integers(60, 240))
    number = int(rng.integers(6))
    shapes = unit_shapes(muscle, number)
    latent = rng.standard_normal(n)
    mean = velocity or rng.uniform(50.0, 62.0)
    tied = 0.5 * latent + np.sqrt(0.75) * rng.standard_normal(n)
    speed = np.clip(mean * (1.0 + 0.055 * tied), 0.82 * mean, 1.18 * mean)
    terminal = (terminal_ms or rng.uniform(1.6, 2.6)) + rng.normal(0.0, 0.22, n)
    which = rng.integers(0, len(shapes), n)
    return Nerve(number, shapes, which, np.exp(0.75 * latent), speed, terminal)


# ------------------------------------------------------------------ what the amplifier adds


def one_over_f(rng: np.random.Generator, n: int, rate_hz: float, sd: float) -> Array:
    """Noise whose power falls with frequency, of standard deviation `sd` above 2 Hz."""
    count = 2 * max(n, int(rate_hz * 0.5))
    hz = np.fft.rfftfreq(count, 1.0 / rate_hz)
    shape = np.where(hz >= 2.0, 1.0 / np.sqrt(np.maximum(hz, 2.0)), 0.0)
    wave = np.fft.irfft(shape * np.exp(2j * np.pi * rng.random(hz.size)), count)
    return np.asarray(wave[:n] * sd / wave.std())


def hum(rng: np.random.Generator, t_ms: Array, rms: float, harmonics: bool = True) -> Array:
    """Mains hum of 50 or 60 Hz with odd and even harmonics."""
    base = rng.choice([50.0, 60.0])
    wave = np.zeros(t_ms.size)
    parts = (1.0, 0.25, 0.5, 0.1, 0.3, 0.05, 0.15) if harmonics else (1.0,)
    for k, part in enumerate(parts, 1):
        share = part * rng.uniform(0.4, 1.0) if k > 1 else part
        wave += share * np.sin(2e-3 * np.pi * k * base * t_ms + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.sqrt(2.0) * rms * wave / np.sqrt(1.6))


def heart(rng: np.random.Generator, t_ms: Array, size: float) -> Array:
    """A QRS complex somewhere about the sweep."""
    at = rng.uniform(-20.0, 60.0)
    wave = np.zeros(t_ms.size)
    for height, offset, width in ((-0.15, -22.0, 7.0), (1.0, 0.0, 9.0), (-0.3, 24.0, 9.0)):
        wave += height * np.exp(-0.5 * ((t_ms - at - offset) / width) ** 2)
    return np.asarray(rng.choice([-1.0, 1.0]) * size * wave)


def voluntary(rng: np.random.Generator, t_ms: Array, shapes: Array, size: float) -> Array:
    """Some motor units that fire by themselves."""
    wave = np.zeros(t_ms.size)
    count = round(PERIOD_MS / STEP_MS)
    for _ in range(rng.integers(1, 5)):
        one = np.fft.irfft(shapes[rng.integers(len(shapes))], count)
        one = one / np.abs(one).max()
        at = rng.uniform(t_ms[0] - 10.0, t_ms[-1])
        grid = np.arange(count) * STEP_MS
        wave += rng.uniform(0.3, 1.0) * np.interp(t_ms - at, grid[:1200], one[:1200], 0.0, 0.0)
    return wave * size


def pulse(
    rng: np.random.Generator,
    t_ms: Array,
    size: float,
    width_ms: float,
    biphasic: bool,
    tail: float = 0.15,
    tail_ms: float = 0.3,
) -> Array:
    """A stimulus pulse picked up by the electrodes, and the discharge that follows it."""
    sign = rng.choice([-1.0, 1.0])
    inside = (t_ms >= 0.0) & (t_ms < width_ms)
    wave = np.where(inside, size, 0.0)
    last = 1.0
    end = width_ms
    if biphasic:
        wave = wave - np.where((t_ms >= width_ms) & (t_ms < 2 * width_ms), 0.9 * size, 0.0)
        end, last = 2 * width_ms, -0.9
    late = np.clip(t_ms - end, 0.0, None)
    wave = wave - np.where(t_ms >= end, last * tail * size * np.exp(-late / tail_ms), 0.0)
    return np.asarray(sign * wave)


def recovery(rng: np.random.Generator, t_ms: Array, size: float, slow_ms: float) -> Array:
    """An amplifier that comes back slowly after the pulse."""
    late = np.clip(t_ms, 0.0, None)
    wave = (1.0 - np.exp(-late / 0.5)) * np.exp(-late / slow_ms)
    return np.asarray(rng.choice([-1.0, 1.0]) * size * np.where(t_ms >= 0, wave, 0.0))


def settled(samples: Array, corner_hz: float, rate_hz: float) -> Array:
    """One pole, in the steady state before the first sample."""
    b, a = butter(1, corner_hz, "highpass", fs=rate_hz)
    return np.asarray(lfilter(b, a, samples, zi=lfilter_zi(b, a) * samples[0])[0])

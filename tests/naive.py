"""The oracle: slow, plain, written from the definitions of the contract, not from the kernel.

It works on samples, with NumPy and SciPy, for traces whose artefact has died away before 0.4 ms
and whose noise is small: what a ruler would give. No fitting, no thresholds beyond the
definitions. Also here: generators of responses whose shape is known in closed form.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import trapezoid

NUMBERS = (
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "peak_to_peak_amplitude_mv",
    "negative_peak_duration_ms",
    "negative_peak_area_mv_ms",
    "total_negative_duration_ms",
    "total_negative_area_mv_ms",
)


def crossing(t, v, i, level):
    """Time at which a straight line between samples i - 1 and i passes `level`."""
    return t[i - 1] + (level - v[i - 1]) / (v[i] - v[i - 1]) * (t[i] - t[i - 1])


def negative_phases(v, from_index):
    """Runs of samples above baseline, as (first, one past last)."""
    phases = []
    i = from_index
    while i < len(v):
        if v[i] > 0:
            j = i
            while j < len(v) and v[j] > 0:
                j += 1
            phases.append((i, j))
            i = j
        i += 1
    return phases


def measure(samples, rate_hz, stimulus):
    """Measure one trace by the definitions; a dict of numbers and a set of flags."""
    nothing = dict.fromkeys(NUMBERS, np.nan)
    x = np.asarray(samples, dtype=np.float64)
    if not -0.010 * rate_hz <= stimulus < len(x):
        return nothing, {"stimulus_outside_trace"}
    if not np.isfinite(x).all():
        return nothing, {"non_finite_samples"}
    if (x == x[0]).all():
        return nothing, {"flat_trace"}
    t = (np.arange(len(x)) - stimulus) * 1000.0 / rate_hz
    before = x[(t >= -10.0) & (t < -0.1)]
    # Without time before the stimulus: between artefact and response, here 0.4 to 0.8 ms.
    # A sweep that begins after the stimulus is taken from its own beginning on.
    begin = max(t[0], 0.0)
    after = x[(t >= begin + 0.4) & (t < begin + 0.8)]
    quiet = before if before.size * 1000.0 / rate_hz >= 0.35 else after
    v = x - quiet.mean()
    # "baseline to the highest negative peak"
    first = int(np.searchsorted(t, begin + 0.4))
    peak = first + int(np.argmax(v[first:]))
    amplitude = v[peak]
    # "a negative phase is significant when its peak reaches 5 % of the highest negative peak"
    significant = [p for p in negative_phases(v, first) if v[p[0] : p[1]].max() >= 0.05 * amplitude]
    # "the response": phases that follow one another within 12 ms
    chain = [significant[0]]
    for phase in significant[1:]:
        if t[phase[0]] - t[chain[-1][1] - 1] <= 12.0:
            chain.append(phase)
    # "the first departure from baseline into the first significant negative phase": 1 %
    start = chain[0][0] + int(np.argmax(v[chain[0][0] : chain[0][1]] > 0.01 * amplitude))
    onset = crossing(t, v, start, 0.01 * amplitude)
    found = dict(nothing)
    found["onset_latency_ms"] = onset
    found["negative_peak_latency_ms"] = t[peak]
    found["negative_peak_amplitude_mv"] = amplitude
    last = chain[-1][1]
    stop = min(len(v), last + int(15.0 * rate_hz / 1000))
    found["peak_to_peak_amplitude_mv"] = amplitude - min(0.0, v[start:stop].min())
    flags = {"sweep_starts_late"} if stimulus < 0 else set()
    if chain[0][1] < len(v):
        end = crossing(t, v, chain[0][1], 0.0)
        found["negative_peak_duration_ms"] = end - onset
        found["negative_peak_area_mv_ms"] = trapezoid(
            v[start : chain[0][1]], t[start : chain[0][1]]
        )
    if last < len(v):
        found["total_negative_duration_ms"] = crossing(t, v, last, 0.0) - onset
        found["total_negative_area_mv_ms"] = sum(trapezoid(v[a:b], t[a:b]) for a, b in chain)
        if found["total_negative_area_mv_ms"] > 1.1 * found["negative_peak_area_mv_ms"]:
            flags.add("late_negative_component")
    else:
        flags.add("sweep_cut")
    return found, flags


def lobe(u):
    """Half a sine to the power 1.3 on 0..1."""
    inside = (u > 0) & (u < 1)
    return np.where(inside, np.sin(np.pi * np.clip(u, 0, 1)) ** 1.3, 0.0)


def cmap(t, *, onset=4.0, width=6.0, height=5.0, positive=0.4, after=7.0):
    """A negative lobe of `height` mV from `onset` ms on, then a positive one."""
    return height * (lobe((t - onset) / width) - positive * lobe((t - onset - width) / after))


def random_cmaps(rng, n, *, n_samples=1000, rate_hz=20_000.0, stimulus=20, noise_mv=0.0):
    """Traces of one to three lobes, each with its own offset; shape (n, n_samples)."""
    t = (np.arange(n_samples) - stimulus) * 1000.0 / rate_hz
    rows = np.empty((n, n_samples))
    for i in range(n):
        shape = {
            "onset": rng.uniform(1.6, 9.0),
            "width": rng.uniform(4.0, 8.0),
            "height": rng.uniform(0.5, 15.0),
            "positive": rng.uniform(0.1, 0.6),
            "after": rng.uniform(4.0, 9.0),
        }
        rows[i] = cmap(t, **shape)
        if rng.random() < 0.3:
            # A second negative phase, after the positive lobe has ended.
            begin = shape["onset"] + shape["width"] + shape["after"] + rng.uniform(0.0, 2.0)
            height = rng.uniform(0.15, 0.9) * shape["height"]
            rows[i] += cmap(t, onset=begin, width=5.0, height=height, positive=0.2, after=6.0)
        rows[i] += rng.uniform(-5, 5) + noise_mv * rng.standard_normal(n_samples)
    return rows


def artifact(t, size, tau):
    """An exponential tail from the stimulus on."""
    return np.where(t >= 0, size * np.exp(-np.clip(t, 0, None) / tau), 0.0)

"""What readers ask of raw sweeps, written from the definitions: slow, one sweep after the other.

The compiled form is ``_kernels/sweep.c``; ``test_raw_sweeps.py`` holds one against the other.
"""

from __future__ import annotations

import numpy as np

from ncs_cb._kernels.facts import DOUBTED, LATEST_START_MS, NOT_SEEN, UNCLEAR
from ncs_cb.knowledge.thresholds import value

_FEWEST = 32
_QUIET, _LONGER = 0.3, 1.6


def pulse_in(sweep: np.ndarray, rate: float, marker: int) -> int:
    """Find the artefact of the stimulus in the samples of a sweep.

    Parameters
    ----------
    sweep : ndarray of shape (n_samples,) [mV]
        Of either polarity.
    rate : float
        Samples per second.
    marker : int
        Sample at which the file has the stimulus.
    """
    if marker < 0:
        return NOT_SEEN  # the sweep begins after its stimulus
    first = max(marker - round(value("stimulus_time.looked_before_ms") * rate / 1000.0), 0)
    # Where nothing lies before the marker, the times may count from the window's beginning.
    at_window = marker == 0
    after_ms = value("stimulus_time.looked_after_ms")
    last = marker + round((2.0 if at_window else 1.0) * after_ms * rate / 1000.0)
    samples = np.asarray(sweep[first:last], dtype=np.float64)
    if len(samples) < _FEWEST or not np.isfinite(samples).all():
        return NOT_SEEN
    near = max(value("stimulus_time.at_marker_ms") * rate / 1000.0, 1.0)
    steps = np.abs(samples[1:] - samples[:-1])
    if abs(int(steps.argmax()) + 1 + first - marker) <= near:
        return marker  # nothing in the sweep is sharper than what lies at the marker
    edges = _edges(samples, steps, rate, marker - first)
    latest_ms = after_ms if at_window else value("stimulus_time.latest_ms")
    edges = edges[(edges + first - marker) * 1000.0 / rate <= latest_ms]
    if not len(edges):
        return NOT_SEEN
    # The edges of one pulse lie close; its height is that of the highest.
    apart = round(value("stimulus_time.longest_pulse_ms") * rate / 1000.0)
    groups = np.split(edges, np.flatnonzero(np.diff(edges) > apart) + 1)
    starts = [int(group[0]) + first for group in groups]
    sizes = [float(np.ptp(samples[max(g[0] - 1, 0) : g[-1] + 2])) for g in groups]
    at_marker = [i for i, start in enumerate(starts) if abs(start - marker) <= near]
    if at_marker:
        # The trigger itself may be seen in the trace, and the pulse later.
        own = max(sizes[i] for i in at_marker)
        larger = max((s for i, s in enumerate(sizes) if i not in at_marker), default=0.0)
        if larger > value("stimulus_time.larger_pulse_ratio") * own:
            return DOUBTED
        return starts[at_marker[0]]
    return starts[0] if len(starts) == 1 else DOUBTED


def _edges(samples: np.ndarray, steps: np.ndarray, rate: float, marker: int) -> np.ndarray:
    """Give the samples, in order, at which the trace jumps as no muscle's response does."""
    median, high = float(np.median(steps)), float(np.percentile(steps, 95))
    extent = float(samples.max() - samples.min())
    usual = max(
        value("stimulus_time.sharp_ratio") * high,
        value("stimulus_time.noise_ratio") * median,
        0.05 * extent,
    )
    found = set((np.flatnonzero(steps > usual) + 1).tolist())
    noise = value("stimulus_time.jump_noise_ratio") * median
    found |= _jumps(samples, steps, rate, max(noise, 0.01 * extent))
    # A held amplifier is let go with a jump: that is the end of blanking, and no artefact.
    held = [i for i in found if i > marker and _is_held(samples[max(marker, 0) : i])]
    return np.array(sorted(found.difference(held)), dtype=np.int64)


def _jumps(samples: np.ndarray, steps: np.ndarray, rate: float, least: float) -> set[int]:
    """Give the samples of jumps out of quiet that are not the beginning of a longer rise."""
    per_ms = rate / 1000.0
    lag = max(1, round(value("stimulus_time.edge_ms") * per_ms))
    before, after = round(0.5 * per_ms), round(per_ms)
    if lag * 4 > after:
        return set()  # too few samples to tell a jump from a rise
    n = len(samples) - lag - after
    if n < 1:
        return set()
    jumps = samples[lag : lag + n] - samples[:n]
    sizes = np.abs(jumps)
    at = np.flatnonzero(sizes > least)
    # Before the first sample the trace is taken to be as it begins. A slope is told from quiet by
    # two samples; only what passes is looked at as a whole.
    for back in (before, before // 2):
        moved = np.abs(samples[at] - samples[np.maximum(at - back, 0)])
        at = at[moved < _QUIET * sizes[at]]
    if not len(at):
        return set()
    quiet = samples[np.maximum(at[:, np.newaxis] + np.arange(-before, 1), 0)]
    at = at[quiet.max(axis=1) - quiet.min(axis=1) < _QUIET * sizes[at]]
    if not len(at):
        return set()
    behind = samples[at[:, np.newaxis] + np.arange(lag, lag + after)]
    rise = ((behind - samples[at, np.newaxis]) * np.sign(jumps[at])[:, np.newaxis]).max(axis=1)
    starts = at[rise < _LONGER * sizes[at]].tolist()
    return {i + int(steps[i : i + lag].argmax()) + 1 for i in starts}


def _is_held(samples: np.ndarray) -> bool:
    return len(samples) > 4 and not np.ptp(samples[1:]) > 0.0


def is_blanked(sweep: np.ndarray, rate: float, index: int) -> bool:
    """Tell whether a response is under way when the amplifier is let go."""
    samples = np.asarray(sweep[max(index, 0) + 1 :], dtype=np.float64)
    moved = np.flatnonzero(np.diff(samples[: round(0.02 * rate)]) != 0.0)
    if not len(moved) or not np.isfinite(samples).all():
        return False
    held = int(moved[0]) + 1
    if held * 1000.0 / rate < value("blanking.shortest_ms"):
        return False
    free = samples[held:]
    away = np.abs(free - np.median(free))
    step = min(abs(float(samples[held] - samples[held - 1])), float(away[0]))
    return bool(step > value("blanking.largest_step_share") * float(away.max()))


def has_stray(sweep: np.ndarray, rate: float, index: int) -> bool:
    """Tell whether one sample alone stands out, as no muscle's response does."""
    if rate < value("stray_sample.lowest_rate_hz"):
        return False
    skip = round(value("polarity_differs.skipped_ms") * rate / 1000.0)
    part = np.asarray(sweep[max(index + skip, 0) :], dtype=np.float64)
    if len(part) < 32 or not np.isfinite(part).all():
        return False
    steps = np.diff(part)
    there, back = steps[:-1], -steps[1:]
    alone = np.where(there * back > 0.0, np.minimum(np.abs(there), np.abs(back)), 0.0)
    usual = float(np.median(np.abs(steps)))
    least = max(
        value("stray_sample.step_ratio") * usual,
        value("stray_sample.share") * float(np.ptp(part)),
    )
    return float(alone.max()) > least and usual > 0.0


def curve(sweep: np.ndarray, rate: float, index: int) -> np.ndarray | None:
    """Give the response at 10 kHz or less, without artefact and level; None where none is clear."""
    start = max(index, 0) + round(value("polarity_differs.skipped_ms") * rate / 1000.0)
    stop = max(index + round(value("polarity_differs.compared_ms") * rate / 1000.0), 0)
    part = np.asarray(sweep, dtype=np.float64)[start : stop : max(1, int(rate // 5_000))]
    if len(part) < 32 or not np.isfinite(part).all():
        return None
    part = part - np.median(part)
    noise = value("unassigned.minimum_noise_ratio") * np.median(np.abs(np.diff(part)))
    return part if float(np.abs(part).max()) > noise > 0.0 else None


def signs(sweeps: list[np.ndarray], rates: list[float], indices: list[int]) -> list[int]:
    """Hold every clear response against the largest one."""
    each = zip(sweeps, rates, indices, strict=True)
    curves = [curve(sweep, rate, index) for sweep, rate, index in each]
    clear = [c for c in curves if c is not None]
    largest = max(clear, key=lambda c: float(np.abs(c).max()), default=None)
    return [UNCLEAR if c is None else sign(largest, c) for c in curves]


def sign(one: np.ndarray, other: np.ndarray) -> int:
    """Give -1 where one curve is the mirror image of the other, 1 where it is its like, else 0."""
    size = float(np.sqrt((one @ one) * (other @ other)))
    alike = np.correlate(one, other, mode="full") / size
    like, mirror = float(alike.max()), float(-alike.min())
    if mirror > value("polarity_differs.minimum_correlation") and mirror > like + value(
        "polarity_differs.minimum_lead"
    ):
        return -1
    return 1 if like > mirror else 0


def deflection(sweep: np.ndarray, rate: float, start: int) -> tuple[float, ...] | None:
    """Give peak, largest size before it can come, noise, first value that stands out, and level.

    The noise is 0 beside a calm response that is more than 50 times as large.
    """
    begin = start + int(0.5 * rate / 1000.0) + 1
    missed = max(-begin, 0)
    begin += missed
    skip = max(1, int(0.8 * rate / 1000.0) - missed)
    after = np.asarray(sweep, dtype=np.float64)[begin:]
    if start < -LATEST_START_MS * rate / 1000.0 or len(after) < skip + 16:
        return None
    quiet = np.sort(sweep[: start - 1] if start > rate / 1000.0 else after)
    level = float(quiet[len(quiet) // 2])
    if not np.isfinite(after - level).all():
        return None
    away = after - level
    size = np.abs(away)
    peak = float(away[size[skip:].argmax() + skip])
    steps = np.sort(np.abs(np.diff(away)))
    first = float(away[(size >= 0.3 * abs(peak)).argmax()])
    before, noise = float(size[:skip].max()), 1.05 * float(steps[len(steps) // 2])
    is_calm = before < 0.3 * abs(peak) and first * peak > 0
    is_small = abs(peak) > 0 and noise / 1.05 <= abs(peak) / (1.06 * 50.0)
    return peak, before, 0.0 if is_calm and is_small else noise, first, level

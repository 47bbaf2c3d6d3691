"""Where in a sweep the stimulus was given: at the marker, beside it, or nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, Trace

# Fewer samples show no artefact.
_FEWEST = 32
# A jump comes out of quiet, and what follows it rises little farther: as shares of the jump.
_QUIET, _LONGER = 0.3, 1.6


@dataclass(frozen=True, slots=True)
class Pulse:
    """Sample at which an artefact begins, or None; and whether another one is as likely."""

    index: int | None = None
    is_doubtful: bool = False


def counted_from_pulse(traces: Sequence[Trace], decisions: list[Decision]) -> list[Trace]:
    """Count from the artefact where it is clear that it lies beside the marker.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording.
    decisions : list of Decision
        What was settled is appended.

    Returns
    -------
    list of Trace
        ``stimulus_realigned`` where the artefact was found beside the marker;
        ``stimulus_time_uncertain`` where there are two, or none although other sweeps of the
        recording show theirs beside the marker.
    """
    pulses = [find_pulse(trace) if trace.kind == "motor" else Pulse() for trace in traces]
    shifts = [_shift_ms(trace, pulse) for trace, pulse in zip(traces, pulses, strict=True)]
    beside = value("stimulus_time.at_marker_ms")
    is_late = any(shift is not None and abs(shift) > beside for shift in shifts)
    made = []
    for trace, pulse, shift in zip(traces, pulses, shifts, strict=True):
        where = f"{trace.site.stimulation_site}, sweep {trace.sweep}"
        if pulse.is_doubtful or (shift is None and is_late and trace.kind == "motor"):
            why = (
                "two sharp deflections may be the artefact"
                if pulse.is_doubtful
                else "no artefact is seen; in other sweeps it lies beside the marker"
            )
            decisions.append(Decision(trace.recording, "stimulus time", f"{where}: uncertain", why))
            made.append(replace(trace, flags=(*trace.flags, "stimulus_time_uncertain")))
        elif shift is not None and is_late and pulse.index != trace.stimulus_index:
            decisions.append(
                Decision(
                    trace.recording,
                    "stimulus time",
                    f"{where}: {shift:+.2f} ms",
                    "the artefact lies beside the marker; latencies are counted from the artefact",
                )
            )
            flags = (*trace.flags, "stimulus_realigned")
            made.append(replace(trace, stimulus_index=pulse.index or 0, flags=flags))
        else:
            made.append(trace)
    return made


def _shift_ms(trace: Trace, pulse: Pulse) -> float | None:
    if pulse.index is None:
        return None
    return (pulse.index - trace.stimulus_index) * 1000.0 / trace.sampling_rate_hz


def find_pulse(trace: Trace) -> Pulse:
    """Find the artefact of the stimulus about the marker: a jump that goes back at once."""
    return pulse_in(trace.samples_mv, trace.sampling_rate_hz, trace.stimulus_index)


def pulse_in(sweep: np.ndarray, rate: float, marker: int) -> Pulse:
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
        return Pulse()  # the sweep begins after its stimulus
    first = max(marker - round(value("stimulus_time.looked_before_ms") * rate / 1000.0), 0)
    # Where nothing lies before the marker, the times may count from the window's beginning.
    at_window = marker == 0
    after_ms = value("stimulus_time.looked_after_ms")
    last = marker + round((2.0 if at_window else 1.0) * after_ms * rate / 1000.0)
    samples = np.asarray(sweep[first:last], dtype=np.float64)
    if len(samples) < _FEWEST or not np.isfinite(samples).all():
        return Pulse()
    near = max(value("stimulus_time.at_marker_ms") * rate / 1000.0, 1.0)
    steps = np.abs(samples[1:] - samples[:-1])
    if abs(int(steps.argmax()) + 1 + first - marker) <= near:
        return Pulse(marker)  # nothing in the sweep is sharper than what lies at the marker
    edges = _edges(samples, steps, rate, marker - first)
    latest_ms = after_ms if at_window else value("stimulus_time.latest_ms")
    edges = edges[(edges + first - marker) * 1000.0 / rate <= latest_ms]
    if not len(edges):
        return Pulse()
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
            return Pulse(None, is_doubtful=True)
        return Pulse(starts[at_marker[0]])
    return Pulse(starts[0]) if len(starts) == 1 else Pulse(None, is_doubtful=True)


def _edges(samples: np.ndarray, steps: np.ndarray, rate: float, marker: int) -> np.ndarray:
    """Give the samples, in order, at which the trace jumps as no muscle's response does."""
    median, high = _median_and_high(steps)
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


def _median_and_high(steps: np.ndarray) -> tuple[float, float]:
    """Give the median and the 95th percentile, as numpy defines them, from one selection."""
    n = len(steps)
    place = 0.95 * (n - 1)
    at = int(place)
    middle = n // 2
    chosen = np.partition(steps, (middle - 1, middle, at, min(at + 1, n - 1)))
    upper = float(chosen[middle])
    median = upper if n % 2 else (float(chosen[middle - 1]) + upper) / 2.0
    low = float(chosen[at])
    return median, low + (float(chosen[min(at + 1, n - 1)]) - low) * (place - at)


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

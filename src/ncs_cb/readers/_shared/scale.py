"""Amplitudes and latencies that only another unit explains: refused, with the guess in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeVar

import numpy as np

from ncs_cb.errors import ReadError, UnitError
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Trace, TypedResponse
from ncs_cb.readers._shared.level import median

_Answer = TypeVar("_Answer", Trace, TypedResponse)
# Where the limits of each kind stand.
_LIMITS = {"motor": "scale", "sensory": "sensory_scale"}
_AMPLITUDE, _LATENCY = "negative_peak_amplitude_mv", "onset_latency_ms"


def checked_scale(
    traces: Sequence[Trace],
    reach_mv: Sequence[float],
    rows: Sequence[TypedResponse],
    name: str,
) -> tuple[tuple[Trace, ...], tuple[TypedResponse, ...]]:
    """Refuse a recording none of whose amplitudes its unit can be true of; flag a single such one.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording.
    reach_mv : sequence of float
        How far the samples of each trace reach behind what is skipped; NaN where nobody knows.
    rows : sequence of TypedResponse
        Printed values of one recording.
    name : str
        What the recording is called.

    Returns
    -------
    tuple of Trace, tuple of TypedResponse
        The same, ``amplitude_implausible`` where one response is a thousand times too small while
        nothing proves its unit wrong.

    Raises
    ------
    UnitError
        If the unit of the amplitudes cannot be true of any site.
    ReadError
        If the latencies cannot be milliseconds.
    """
    measured = _measured(traces, reach_mv)
    printed = [(i, r.kind, r.values.get(_AMPLITUDE)) for i, r in enumerate(rows)]
    latencies = [r.values[_LATENCY] for r in rows if r.kind == "motor" and r.values.get(_LATENCY)]
    if latencies and max(latencies) < value("scale.shortest_latency_ms"):
        raise ReadError(
            f"all onset latencies are at most {max(latencies):.3g} ms: they look like seconds.",
            source=name,
            hint="Give them in milliseconds: onset_latency_ms = 1000 times the seconds.",
        )
    if not (measured or printed):
        return tuple(traces), ()
    odd_traces, odd_rows = _odd(measured, name), _odd(printed, name)
    odd_traces |= _faint(traces, measured)
    return (
        tuple(_flagged(t) if i in odd_traces else t for i, t in enumerate(traces)),
        tuple(_flagged(r) if i in odd_rows else r for i, r in enumerate(rows)),
    )


def _measured(
    traces: Sequence[Trace], reach_mv: Sequence[float]
) -> list[tuple[int, str, float | None]]:
    """Give place, kind and size of the responses; none where every one is of a usual size."""
    unusual = [1 for t, reach in zip(traces, reach_mv, strict=True) if not _is_usual(t.kind, reach)]
    if not unusual:
        return []
    own = [(i, trace) for i, trace in enumerate(traces) if trace.kind in _LIMITS]
    return [(i, trace.kind, _response_mv(trace)) for i, trace in own]


def _is_usual(kind: str, reach_mv: float) -> bool:
    """Tell whether samples that reach so far can hold no response of a size to be asked about.

    What strays farthest from the median reaches over half of it at least, and over all of it at
    most.
    """
    if kind not in _LIMITS:
        return True  # an F wave is asked about nowhere
    smallest, largest = _sizes(kind)
    return 2.0 * smallest < reach_mv * (1.0 - 1e-9) and reach_mv * (1.0 + 1e-9) < largest


@cache
def _sizes(kind: str) -> tuple[float, float]:
    limits = _LIMITS[kind]
    return value(f"{limits}.smallest_response_mv"), value(f"{limits}.largest_response_mv")


def _flagged(answer: _Answer) -> _Answer:
    return replace(answer, flags=(*answer.flags, "amplitude_implausible"))


def _odd(sizes: Sequence[tuple[int, str, float | None]], name: str) -> set[int]:
    """Give the places of sizes that only another unit explains; refuse where all are such."""
    odd: set[int] = set()
    for kind, scale in _LIMITS.items():
        known = {i: size for i, of, size in sizes if of == kind and size}
        _refuse_amplitudes(list(known.values()), kind, name)
        odd |= _a_thousandth(known, value(f"{scale}.smallest_response_mv"))
    return odd


def _faint(traces: Sequence[Trace], measured: Sequence[tuple[int, str, float | None]]) -> set[int]:
    """Give the sweeps of so few steps of the converter that none is noise, a thousandth of others.

    They are too coarse to refuse a recording for.
    """
    odd: set[int] = set()
    for kind, scale in _LIMITS.items():
        known = {i: size for i, of, size in measured if of == kind and size}
        coarse = {
            i: size
            for i, of, none in measured
            if of == kind and not none and (size := _coarse_mv(traces[i]))
        }
        if known and coarse:
            smallest = value(f"{scale}.smallest_response_mv")
            odd |= _a_thousandth({**known, **coarse}, smallest) & set(coarse)
    return odd


def _a_thousandth(sizes: Mapping[int, float], smallest: float) -> set[int]:
    """Give those that are too small, alone or as a thousandth of what the others have."""
    usual = [size for size in sizes.values() if size >= smallest]
    most = value("scale.thousandth_ratio")
    return {
        i
        for i, size in sizes.items()
        if size < smallest
        and (not usual or any(1 / most <= 1000 * size / other <= most for other in usual))
    }


def _refuse_amplitudes(sizes: Sequence[float], kind: str, name: str) -> None:
    smallest = value(f"{_LIMITS[kind]}.smallest_response_mv")
    largest = value(f"{_LIMITS[kind]}.largest_response_mv")
    whose = "muscle's" if kind == "motor" else "sensory nerve's"
    hint = (
        "Correct the unit in the file or its sidecar; where it is true, say so with unit under "
        f'[recordings."{name}"] in study.toml.'
    )
    if sizes and min(sizes) > largest:
        raise UnitError(
            f"every {kind} response is above {largest:g} mV (the smallest has {min(sizes):.3g} "
            "mV): the numbers look like \u00b5V read as mV.",
            source=name,
            hint=hint,
        )
    if len(sizes) > 1 and max(sizes) < smallest:
        raise UnitError(
            f"every {kind} response is below {1000 * smallest:g} \u00b5V (the largest has "
            f"{1000 * max(sizes):.3g} \u00b5V), a thousandth of a {whose} response: the numbers "
            "look like mV read as \u00b5V, or V read as mV.",
            source=name,
            hint=hint,
        )


def _response_mv(trace: Trace) -> float | None:
    """Give the size of a response that stands far out of its noise; None where none does."""
    after = _after(trace)
    if after is None:
        return None
    size = float(np.abs(after - median(after)).max())
    noise = median(np.abs(after[1:] - after[:-1]))
    return size if size > value("scale.minimum_noise_ratio") * noise > 0.0 else None


def _coarse_mv(trace: Trace) -> float | None:
    """Give the size of a response whose samples mostly repeat: its noise is below one step."""
    after = _after(trace)
    if after is None:
        return None
    steps = np.abs(after[1:] - after[:-1])
    moved = steps[steps > 0.0]
    if not len(moved) or median(steps) > 0.0:
        return None
    size = float(np.abs(after - median(after)).max())
    # Noise that leaves most samples as they were has a deviation of less than half a step.
    least = value("scale.minimum_noise_ratio") * 0.25 * float(moved.min())
    return size if size > least else None


def _after(trace: Trace) -> np.ndarray | None:
    """Give the samples in which a response may lie; None where they are few or no numbers."""
    after = np.asarray(trace.samples_mv[_start(trace) :], dtype=np.float64)
    return after if len(after) >= 16 and np.isfinite(after).all() else None


def _start(trace: Trace) -> int:
    skipped = round(skipped_ms(trace.kind) * trace.sampling_rate_hz / 1000.0)
    return max(trace.stimulus_index, 0) + skipped


@cache
def skipped_ms(kind: str) -> float:
    """Give how much behind the stimulus is skipped before the response of a kind is looked for."""
    return value(f"{_LIMITS[kind]}.skipped_ms") if kind in _LIMITS else 0.0

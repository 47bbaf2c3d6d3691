"""Where in a sweep the stimulus was given: at the marker, beside it, or nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from ncs_cb._kernels.facts import DOUBTED, NOT_SEEN
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, Site, Trace


def counted_from_pulse(
    traces: Sequence[Trace], seen: Sequence[int], decisions: list[Decision]
) -> Sequence[Trace]:
    """Count from the artefact where it is clear that it lies beside the marker.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording.
    seen : sequence of int
        Sample at which the artefact of each begins, or ``NOT_SEEN`` or ``DOUBTED``.
    decisions : list of Decision
        What was settled is appended.

    Returns
    -------
    sequence of Trace
        The same where nothing is to be said; else ``stimulus_realigned`` where the artefact was
        found beside the marker, ``stimulus_time_uncertain`` where there are two, or none although
        other sweeps of the recording show theirs beside the marker.
    """
    pulses = [
        at if trace.kind == "motor" else NOT_SEEN for trace, at in zip(traces, seen, strict=True)
    ]
    at_markers = [trace.stimulus_index for trace in traces]
    if pulses == at_markers:
        return traces
    shifts = [_shift_ms(trace, at) for trace, at in zip(traces, pulses, strict=True)]
    beside = value("stimulus_time.at_marker_ms")
    is_late = bool([shift for shift in shifts if shift is not None and abs(shift) > beside])
    if not is_late and DOUBTED not in pulses:
        return traces
    made = []
    for trace, at, shift in zip(traces, pulses, shifts, strict=True):
        where = f"{trace.site.stimulation_site}, sweep {trace.sweep}"
        if at == DOUBTED or (shift is None and is_late and trace.kind == "motor"):
            why = (
                "two sharp deflections may be the artefact"
                if at == DOUBTED
                else "no artefact is seen; in other sweeps it lies beside the marker"
            )
            decisions.append(Decision(trace.recording, "stimulus time", f"{where}: uncertain", why))
            made.append(replace(trace, flags=(*trace.flags, "stimulus_time_uncertain")))
        elif shift is not None and is_late and at != trace.stimulus_index:
            decisions.append(
                Decision(
                    trace.recording,
                    "stimulus time",
                    f"{where}: {shift:+.2f} ms",
                    "the artefact lies beside the marker; latencies are counted from the artefact",
                )
            )
            flags = (*trace.flags, "stimulus_realigned")
            made.append(replace(trace, stimulus_index=at, flags=flags))
        else:
            made.append(trace)
    return made


def may_lie_farther(traces: Sequence[Trace], seen: Sequence[int]) -> bool:
    """Tell whether stimuli of several sites show no artefact about the marker, or not all do."""
    motor = [at for trace, at in zip(traces, seen, strict=True) if trace.kind == "motor"]
    sites = {trace.site for trace in traces if trace.kind == "motor"}
    # At the marker the steepest part of a response may lie, too, where that is no stimulus.
    return NOT_SEEN in motor and DOUBTED not in motor and len(sites) > 1


def found_far(traces: Sequence[Trace], far: Sequence[int], seen: Sequence[int]) -> Sequence[int]:
    """Give the artefacts found far from the markers, in a recording that shows those of two sites.

    A response comes later the farther away its site is stimulated; what lies at one distance from
    the markers of several sites is how late, or early, the trigger was, whatever is sharp about
    the markers.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording, stimulated at several sites.
    far, seen : sequence of int
        Sample at which the artefact of each begins, as looked for far from the marker and about it.
    """
    found: dict[Site, list[float]] = {}
    for trace, at in zip(traces, far, strict=True):
        shift = _shift_ms(trace, at) if trace.kind == "motor" else None
        if shift is not None:
            found.setdefault(trace.site, []).append(shift)
    shifts = [shift for of_site in found.values() for shift in of_site]
    within = value("stimulus_time.edge_ms")
    if len(found) > 1 and max(shifts) - min(shifts) <= within:
        return far
    # Each site may have been triggered in its own way: where the artefacts of others are seen.
    if set(seen) == {NOT_SEEN}:
        return seen
    return [
        one if at == NOT_SEEN and _is_beyond(trace, one) else at
        for trace, at, one in zip(traces, seen, far, strict=True)
    ]


def _is_beyond(trace: Trace, at: int) -> bool:
    """Tell whether an artefact lies where none is looked for about a marker."""
    before, _, latest, *_ = pulse_limits()
    shift = _shift_ms(trace, at)
    return shift is not None and not -before <= shift <= latest


def _shift_ms(trace: Trace, at: int) -> float | None:
    if at in (NOT_SEEN, DOUBTED):
        return None
    return (at - trace.stimulus_index) * 1000.0 / trace.sampling_rate_hz


@cache
def pulse_limits(*, is_far: bool = False) -> tuple[float, ...]:
    """Give the limits of a pulse in the order in which the kernel takes them."""
    names = (
        "looked_before_ms",
        "looked_after_ms",
        "latest_ms",
        "at_marker_ms",
        "sharp_ratio",
        "noise_ratio",
        "jump_noise_ratio",
        "edge_ms",
        "longest_pulse_ms",
        "larger_pulse_ratio",
    )
    before, after, latest, *others = (value(f"stimulus_time.{name}") for name in names)
    if is_far:
        before = latest = value("stimulus_time.looked_far_ms")
        after += latest
    return (before, after, latest, *others)

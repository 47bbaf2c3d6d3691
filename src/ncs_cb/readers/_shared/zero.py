"""Where in a sweep the stimulus was given: at the marker, beside it, or nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from ncs_cb._kernels.facts import DOUBTED, NOT_SEEN
from ncs_cb._kernels.sweeps import Sweeps, find_pulses, sweeps_of
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, Trace


@dataclass(frozen=True, slots=True)
class Pulse:
    """Sample at which an artefact begins, or None; and whether another one is as likely."""

    index: int | None = None
    is_doubtful: bool = False


def counted_from_pulse(
    traces: Sequence[Trace], sweeps: Sweeps, decisions: list[Decision]
) -> list[Trace]:
    """Count from the artefact where it is clear that it lies beside the marker.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording.
    sweeps : Sweeps
        Of these traces.
    decisions : list of Decision
        What was settled is appended.

    Returns
    -------
    list of Trace
        ``stimulus_realigned`` where the artefact was found beside the marker;
        ``stimulus_time_uncertain`` where there are two, or none although other sweeps of the
        recording show theirs beside the marker.
    """
    pulses = [
        pulse if trace.kind == "motor" else _PULSES[NOT_SEEN]
        for trace, pulse in zip(traces, pulses_in(sweeps), strict=True)
    ]
    shifts = [_shift_ms(trace, pulse) for trace, pulse in zip(traces, pulses, strict=True)]
    beside = value("stimulus_time.at_marker_ms")
    is_late = any(shift is not None and abs(shift) > beside for shift in shifts)
    if not is_late and not any(pulse.is_doubtful for pulse in pulses):
        return list(traces)
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


def sweeps_of_traces(traces: Sequence[Trace]) -> Sweeps:
    """Give traces as the kernel takes them."""
    return sweeps_of(
        [t.samples_mv for t in traces],
        [t.sampling_rate_hz for t in traces],
        [t.stimulus_index for t in traces],
    )


def pulses_in(sweeps: Sweeps) -> list[Pulse]:
    """Find the artefact of the stimulus in each sweep: a jump that goes back at once."""
    return [_PULSES.get(at) or Pulse(at) for at in find_pulses(sweeps, pulse_limits())]


_PULSES = {NOT_SEEN: Pulse(), DOUBTED: Pulse(None, is_doubtful=True)}


@cache
def pulse_limits() -> tuple[float, ...]:
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
    return tuple(value(f"stimulus_time.{name}") for name in names)

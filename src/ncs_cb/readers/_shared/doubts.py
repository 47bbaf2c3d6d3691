"""What the samples themselves say against a recording: twins, mirrored sites, a late pulse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from ncs_cb._kernels.facts import HELD_INTO_RESPONSE, STRAY, UNCLEAR
from ncs_cb._kernels.sweeps import Sweeps, find_odd, mirror_signs, moved
from ncs_cb.errors import StudyError
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, Trace
from ncs_cb.readers._shared.zero import counted_from_pulse, sweeps_of_traces

# So many samples of each sweep tell whether it may be the twin of another.
_COMPARED_AT_FIRST = 16


def refuse_twins(traces: Iterable[Trace]) -> None:
    """Refuse the same samples for two sites: one response is never two answers.

    Raises
    ------
    StudyError
        Naming both recordings and sites.
    """
    alike: dict[tuple[int, bytes], list[Trace]] = {}
    for trace in traces:
        samples = trace.samples_mv
        # Few of them tell nearly all sweeps apart; only the others are compared as a whole.
        few = samples[:: max(len(samples) // _COMPARED_AT_FIRST, 1)].tobytes()
        alike.setdefault((len(samples), few), []).append(trace)
    for group in alike.values():
        if len(group) > 1:
            _refuse_twins_of(group)


def _refuse_twins_of(traces: Sequence[Trace]) -> None:
    seen: dict[bytes, Trace] = {}
    for trace in traces:
        samples = np.asarray(trace.samples_mv)
        if not len(samples) or not samples.max() > samples.min():
            continue  # flat, or not a number: flagged when it is measured
        digest = hashlib.sha256(samples.tobytes()).digest()
        first = seen.setdefault(digest, trace)
        one, other = first.site, trace.site
        is_one_nerve = (one.nerve, one.side, one.muscle) == (other.nerve, other.side, other.muscle)
        if one != other and (is_one_nerve or first.recording == trace.recording):
            raise StudyError(
                f"the same samples are given for '{first.site.stimulation_site}' "
                f"({first.recording}) and '{trace.site.stimulation_site}' ({trace.recording}): "
                "one response cannot be the answer of two sites.",
                hint="Export the sites again, each with its own sweep.",
            )


def questioned(
    traces: Sequence[Trace],
    sweeps: Sweeps,
    name: str,
    *,
    delay_ms: float | None,
    is_polarity_told: bool,
) -> tuple[tuple[Trace, ...], list[Decision]]:
    """Give the traces of one recording with the time of their stimulus and their doubts.

    Parameters
    ----------
    traces : sequence of Trace
    sweeps : Sweeps
        Of these traces.
    name : str
        What the recording is called.
    delay_ms : float or None
        As ``study.toml`` says; the artefact is not looked for then.
    is_polarity_told : bool
        Whether ``study.toml`` states the polarity: nothing is doubted then.
    """
    decisions: list[Decision] = []
    made = list(traces)
    if delay_ms is not None:
        made = [_delayed(trace, delay_ms) for trace in traces]
        decisions.append(Decision(name, "stimulus time", f"{delay_ms:g} ms later", "as told"))
    else:
        made = counted_from_pulse(traces, sweeps, decisions)
    if any(one is not other for one, other in zip(made, traces, strict=True)):
        rates = [t.sampling_rate_hz for t in made]
        sweeps = moved(sweeps, rates, [t.stimulus_index for t in made])
    made = _flagged(made, sweeps)
    return tuple(made if is_polarity_told else _mirrored(made, sweeps)), decisions


def _flagged(traces: list[Trace], sweeps: Sweeps) -> list[Trace]:
    """Flag a response that an amplifier is let go into, and one with a sample that stands alone."""
    found = find_odd(sweeps, odd_limits())
    if not any(found):
        return traces
    made = []
    for trace, odd in zip(traces, found, strict=True):
        flags = trace.flags
        if odd & HELD_INTO_RESPONSE:
            flags = (*flags, "artifact_overlaps_onset")
        if odd & STRAY and trace.kind == "motor":
            flags = (*flags, "stray_sample")
        made.append(trace if flags is trace.flags else replace(trace, flags=flags))
    return made


@cache
def odd_limits() -> tuple[float, ...]:
    """Give the limits of what is odd about a sweep in the order in which the kernel takes them."""
    names = (
        "blanking.shortest_ms",
        "blanking.largest_step_share",
        "stray_sample.lowest_rate_hz",
        "polarity_differs.skipped_ms",
        "stray_sample.step_ratio",
        "stray_sample.share",
    )
    return tuple(map(value, names))


def _delayed(trace: Trace, delay_ms: float) -> Trace:
    moved = round(delay_ms * trace.sampling_rate_hz / 1000.0)
    return replace(trace, stimulus_index=trace.stimulus_index + moved)


# --------------------------------------------------------------------------- polarity


def _mirrored(traces: list[Trace], sweeps: Sweeps) -> list[Trace]:
    """Flag the sites whose responses are upside down beside the others of their nerve."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, trace in enumerate(traces):
        if trace.kind == "motor":
            site = trace.site
            groups.setdefault((site.nerve, site.side, site.muscle), []).append(i)
    made = list(traces)
    for members in groups.values():
        if len(members) < 2:
            continue
        is_all = len(members) == len(traces)
        own = sweeps if is_all else sweeps_of_traces([traces[i] for i in members])
        for i in _odd(traces, members, mirror_signs(own, mirror_limits())):
            made[i] = replace(made[i], flags=(*made[i].flags, "polarity_differs"))
    return made


@cache
def mirror_limits() -> tuple[float, ...]:
    """Give the limits of a mirror image in the order in which the kernel takes them."""
    names = (
        "polarity_differs.skipped_ms",
        "polarity_differs.compared_ms",
        "unassigned.minimum_noise_ratio",
        "polarity_differs.minimum_correlation",
        "polarity_differs.minimum_lead",
    )
    return tuple(map(value, names))


def _odd(traces: Sequence[Trace], members: Sequence[int], found: Sequence[int]) -> list[int]:
    """Give the traces whose sign differs from that of most sites; all of them where it is even."""
    if -1 not in found:
        return []
    signs = {i: s for i, s in zip(members, found, strict=True) if s != UNCLEAR}
    sites = {traces[i].site.stimulation_site for i in members}
    # Sites are counted; where there is only one, its sweeps are.
    place = {i: traces[i].site.stimulation_site if len(sites) > 1 else str(i) for i in signs}
    up = {place[i] for i, s in signs.items() if s > 0}
    down = {place[i] for i, s in signs.items() if s < 0}
    if len(up) == len(down):
        return [i for i, s in signs.items() if s]
    odd = 1 if len(up) < len(down) else -1
    return [i for i, s in signs.items() if s == odd]

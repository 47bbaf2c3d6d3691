"""What the samples themselves say against a recording: twins, mirrored sites, a late pulse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from ncs_cb._kernels.facts import HELD_INTO_RESPONSE, STRAY, UNCLEAR
from ncs_cb._kernels.sweeps import Answer, Limits, Rows, answers, rows_of
from ncs_cb.errors import StudyError
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, RecordingOverride, Trace
from ncs_cb.readers._shared.reader import Recording
from ncs_cb.readers._shared.scale import checked_scale, skipped_ms
from ncs_cb.readers._shared.stated import against_stated
from ncs_cb.readers._shared.zero import counted_from_pulse, found_far, may_lie_farther, pulse_limits

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


def asked(recording: Recording, told: RecordingOverride, name: str) -> Recording:
    """Give a recording with what its samples and sizes say against it.

    Parameters
    ----------
    recording : Recording
        As its reader gave it.
    told : RecordingOverride
        What ``study.toml`` says of it: what is told is not asked.
    name : str
        What the recording is called.
    """
    traces, rows, decisions = recording.traces, recording.typed_responses, recording.decisions
    reach_mv: list[float] = []
    if traces:
        traces, doubts, reach_mv = questioned(
            traces,
            name,
            delay_ms=told.stimulus_delay_ms,
            is_polarity_told=told.polarity in ("negative_up", "negative_down"),
        )
        traces, against = against_stated(traces, decisions, name)
        if doubts or against:
            decisions = (*decisions, *doubts, *against)
        if recording.unassigned:
            traces = tuple(replace(t, flags=(*t.flags, "unassigned_stimulus")) for t in traces)
    if told.unit is None:
        traces, rows = checked_scale(traces, reach_mv, rows, name)
    if traces is recording.traces and rows is recording.typed_responses:
        return (
            recording
            if decisions is recording.decisions
            else replace(recording, decisions=decisions)
        )
    return replace(recording, traces=traces, typed_responses=rows, decisions=decisions)


def questioned(
    traces: Sequence[Trace], name: str, *, delay_ms: float | None, is_polarity_told: bool
) -> tuple[tuple[Trace, ...], list[Decision], list[float]]:
    """Give the traces of one recording with the time of their stimulus and their doubts.

    Parameters
    ----------
    traces : sequence of Trace
    name : str
        What the recording is called.
    delay_ms : float or None
        As ``study.toml`` says; the artefact is not looked for then.
    is_polarity_told : bool
        Whether ``study.toml`` states the polarity: nothing is doubted then.

    Returns
    -------
    tuple of Trace, list of Decision, list of float
        And how far the samples of each reach behind its stimulus, in mV.
    """
    decisions: list[Decision] = []
    made = traces
    if delay_ms is not None:
        made = [_delayed(trace, delay_ms) for trace in traces]
        decisions.append(Decision(name, "stimulus time", f"{delay_ms:g} ms later", "as told"))
    groups = [-1] * len(traces) if is_polarity_told else _groups(traces)
    rows = rows_of([t.samples_mv for t in traces])
    found = _answers(rows, made, groups)
    if delay_ms is None:
        seen: Sequence[int] = [one.pulse for one in found]
        if may_lie_farther(traces, seen):
            far = _answers(rows, made, groups, is_far=True)
            seen = found_far(traces, [one.pulse for one in far], seen)
        made = counted_from_pulse(traces, seen, decisions)
        if made is not traces:
            found = _answers(rows, made, groups)
    made = _mirrored(_flagged(made, found), groups, found)
    return tuple(made), decisions, [one.reach_mv for one in found]


def _answers(
    rows: Rows, traces: Sequence[Trace], groups: Sequence[int], *, is_far: bool = False
) -> list[Answer]:
    return answers(
        rows,
        [t.sampling_rate_hz for t in traces],
        [t.stimulus_index for t in traces],
        groups,
        [skipped_ms(t.kind) for t in traces],
        limits(is_far=is_far),
    )


@cache
def limits(*, is_far: bool = False) -> Limits:
    """Give the limits by which sweeps are questioned, also for a pulse far from the marker."""
    return Limits(pulse_limits(is_far=is_far), odd_limits(), mirror_limits())


def _flagged(traces: Sequence[Trace], found: Sequence[Answer]) -> Sequence[Trace]:
    """Flag a response that an amplifier is let go into, and one with a sample that stands alone."""
    if {one.odd for one in found} <= {0}:
        return traces
    made = []
    for trace, one in zip(traces, found, strict=True):
        flags = trace.flags
        if one.odd & HELD_INTO_RESPONSE:
            flags = (*flags, "artifact_overlaps_onset")
        if one.odd & STRAY and trace.kind == "motor":
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


def _groups(traces: Sequence[Trace]) -> list[int]:
    """Give each motor response the number of its nerve and muscle: a sign is one beside others."""
    numbers: dict[tuple[str, str, str], int] = {}
    groups = []
    for trace in traces:
        site = trace.site
        key = (site.nerve, site.side, site.muscle)
        is_motor = trace.kind == "motor"
        groups.append(numbers.setdefault(key, len(numbers)) if is_motor else -1)
    return groups


def _mirrored(
    traces: Sequence[Trace], groups: Sequence[int], found: Sequence[Answer]
) -> Sequence[Trace]:
    """Flag the sites whose responses are upside down beside the others of their nerve."""
    turned = {group for group, one in zip(groups, found, strict=True) if one.sign == -1}
    if not turned:
        return traces
    made = list(traces)
    for group in turned:
        members = [i for i, of in enumerate(groups) if of == group]
        for i in _odd(traces, members, [found[i].sign for i in members]):
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

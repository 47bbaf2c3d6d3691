"""From every sweep of a study to one response per stimulation site: average, choose, attest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.knowledge import thresholds
from ncs_cb.measuring.attested import IN_GENERAL
from ncs_cb.measuring.recruitment import attest, recruitment_table, still_growing
from ncs_cb.measuring.unlike import difference, jitter
from ncs_cb.model import Decision, MachineValues, Stimulus, Study, Trace

__all__ = ["Chosen", "attest", "choose_responses", "recruitment_table", "repeats", "still_growing"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The responses of a study to measure, and what was decided on the way.

    Attributes
    ----------
    responses : tuple of Trace
        Averages and single sweeps, in the order in which their first sweep was recorded.
        F-wave sweeps take no part. Each response carries its flags in ``Trace.flags``.
    flags : tuple of tuple of str
        For each response, the flags raised here (``sweeps_rejected``, ``not_used``).
    decisions : tuple of Decision
    recruitment_groups : tuple of int or None
        For each response, the number of the intensity series it belongs to.
    sweep_counts : tuple of int
        For each response, the number of sweeps in it.
    """

    responses: tuple[Trace, ...]
    flags: tuple[tuple[str, ...], ...]
    decisions: tuple[Decision, ...]
    recruitment_groups: tuple[int | None, ...]
    sweep_counts: tuple[int, ...]


@dataclass(slots=True)
class _Response:
    trace: Trace
    n_sweeps: int = 1
    group: int | None = None
    raised: tuple[str, ...] = ()
    step: str = ""
    """Place in a series of short steps: ``end``, ``inner`` or ``only_site``; empty for none."""


def choose_responses(study: Study) -> Chosen:
    """Average the repeats of each stimulus setting and choose the response of each site.

    Sweeps of one recording, site and setting that the reader marked as repeats
    (``repeat_group``) are averaged; those that are not finite, flat, clipped or outliers are
    left out. A repeat is an outlier when its root-mean-square distance from the median sweep,
    the stimulus artefact and a constant offset apart, is more than three times the usual one
    and more than 5 % of the sweep's size (``tables/quality.toml``).

    Where several responses of one site remain, one is used and the others are kept with the
    flag ``not_used``: an attested supramaximal one, else the top of an intensity series (four or
    more currents), else the one with the highest current, else the one with the largest
    peak-to-peak amplitude. Of a series of short steps (inching: four or more stimuli at most
    30 mm apart) only the two ends stand for their sites, and only where no other response does.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Chosen
        The order of sweeps within a group changes nothing, bit for bit.
    """
    decisions: list[Decision] = []
    sweeps = [trace for trace in study.traces if trace.kind != "f_wave"]
    responses = [
        response for group in _grouped(sweeps, _setting) for response in _averaged(group, decisions)
    ]
    several = _of_long_recordings(responses)
    _number_series(several)
    _mark_steps(several)
    for group in _grouped(responses, lambda response: (response.trace.site, response.trace.kind)):
        if len(group) > 1 or group[0].step == "inner":
            _choose(group, decisions)
    return Chosen(
        tuple(_flagged(response) for response in responses),
        tuple(response.raised for response in responses),
        tuple(decisions),
        tuple(response.group for response in responses),
        tuple(response.n_sweeps for response in responses),
    )


def repeats(traces: Iterable[Trace]) -> list[list[Trace]]:
    """Give the sweeps that belong to one response together: repeats of one stimulus setting."""
    return _grouped(traces, _setting)


def _grouped(items: Iterable[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    groups: dict[Hashable, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _of_long_recordings(responses: Sequence[_Response]) -> list[_Response]:
    """Give the responses of recordings that hold enough of them for a series; most hold none."""
    sizes = Counter(response.trace.recording for response in responses)
    least = thresholds.value("sweeps.series_minimum_steps")
    return [response for response in responses if sizes[response.trace.recording] >= least]


def _flagged(response: _Response) -> Trace:
    if not response.raised:
        return response.trace
    return replace(response.trace, flags=(*response.trace.flags, *response.raised))


# ------------------------------------------------------------------ repeats


def _setting(trace: Trace) -> Hashable:
    """Sweeps with the same key may be averaged; an unmarked sweep stands alone."""
    if trace.repeat_group is None:
        return id(trace)
    return (
        trace.recording,
        trace.site,
        trace.kind,
        trace.repeat_group,
        trace.sampling_rate_hz,
        trace.high_pass_hz,
        trace.low_pass_hz,
        trace.stimulus.intensity_ma,
        trace.stimulus.distance_mm,
    )


def _averaged(sweeps: list[Trace], decisions: list[Decision]) -> list[_Response]:
    if len(sweeps) == 1:
        return [_Response(sweeps[0])]
    usable = [trace for trace in sweeps if _is_usable(trace)]
    if not usable:
        return [_Response(sweeps[0], len(sweeps))]
    samples_mv, stimulus_index = _aligned(usable)
    why = difference(usable, samples_mv, stimulus_index)
    if why:
        decisions.append(_differ_decision(usable, why))
        return [_Response(trace, raised=("repeats_differ",)) for trace in sweeps]
    reasons = _rejections(samples_mv, stimulus_index, usable)
    kept = [trace for trace, reason in zip(usable, reasons, strict=True) if not reason]
    is_kept = np.array([not reason for reason in reasons])
    counts = {"not finite or flat": len(sweeps) - len(usable)}
    for reason in filter(None, reasons):
        counts[reason] = counts.get(reason, 0) + 1
    decisions.append(
        _average_decision(sweeps[0], len(kept), len(sweeps), counts, samples_mv[is_kept])
    )
    moved_mv, apart_ms = jitter(samples_mv[is_kept], stimulus_index, kept[0].sampling_rate_hz)
    trace = _mean_trace(kept, moved_mv, stimulus_index)
    raised = ("sweeps_rejected",) if len(kept) < len(sweeps) else ()
    if apart_ms:
        decisions.append(
            Decision(
                kept[0].recording,
                "average",
                f"{_place(kept[0])}: {len(kept)} sweeps aligned",
                f"their responses come up to {apart_ms:.2g} ms apart",
            )
        )
        raised = (*raised, "repeats_aligned")
    return [_Response(trace, len(kept), raised=raised)]


def _differ_decision(sweeps: Sequence[Trace], why: str) -> Decision:
    return Decision(
        sweeps[0].recording,
        "average",
        f"{_place(sweeps[0])}: {len(sweeps)} sweeps are not averaged",
        f"called repeats, but {why}; the largest counts",
    )


def _is_usable(trace: Trace) -> bool:
    samples = trace.samples_mv
    if trace.stimulus_index >= samples.size:
        return False
    return bool(np.isfinite(samples).all() and samples.min() < samples.max())


def _aligned(sweeps: Sequence[Trace]) -> tuple[Floats, int]:
    """Stack sweeps with their stimuli aligned, over the stretch that all of them cover."""
    # Negative where a sweep begins after its stimulus.
    before = min(trace.stimulus_index for trace in sweeps)
    after = min(trace.samples_mv.size - trace.stimulus_index for trace in sweeps)
    rows = [
        trace.samples_mv[trace.stimulus_index - before : trace.stimulus_index + after]
        for trace in sweeps
    ]
    return np.stack(rows).astype(np.float64), before


def _rejections(samples_mv: Floats, stimulus_index: int, sweeps: Sequence[Trace]) -> list[str]:
    """Say for each sweep why it is left out of the average; empty when it is not."""
    is_compared = _after_artifact(samples_mv.shape[1], stimulus_index, sweeps[0].sampling_rate_hz)
    compared = samples_mv[:, is_compared]
    if compared.shape[1] == 0:
        return [""] * len(sweeps)
    is_clipped = np.array(
        [_touches(row, trace.range_mv) for row, trace in zip(compared, sweeps, strict=True)]
    )
    if is_clipped.all():  # the measurement says so; nothing better is there to average
        is_clipped[:] = False
    is_outlier = np.zeros(len(sweeps), dtype=bool)
    is_outlier[~is_clipped] = _outliers(compared[~is_clipped])
    return [
        "clipped" if clipped else "unlike the others" if outlier else ""
        for clipped, outlier in zip(is_clipped, is_outlier, strict=True)
    ]


def _after_artifact(n_samples: int, stimulus_index: int, sampling_rate_hz: float) -> Bools:
    """Mark the samples outside the first moment after the stimulus."""
    window = round(thresholds.value("sweeps.artifact_window_ms") * sampling_rate_hz / 1000.0)
    index = np.arange(n_samples)
    marked: Bools = (index < stimulus_index) | (index > stimulus_index + window)
    return marked


def _touches(samples_mv: Floats, range_mv: tuple[float, float] | None) -> bool:
    if range_mv is None:
        return False
    low, high = range_mv
    grace = 1e-6 * (high - low)
    return bool(samples_mv.min() <= low + grace or samples_mv.max() >= high - grace)


def _outliers(samples_mv: Floats) -> Bools:
    """Mark the sweeps that lie far from the median sweep; with two nobody can say which."""
    if len(samples_mv) < 3:
        return np.zeros(len(samples_mv), dtype=bool)
    center = np.median(samples_mv, axis=0)
    distance = _sizes(samples_mv - center)
    usual = np.median(distance)
    size = _sizes(center[np.newaxis])[0]
    far: Bools = (distance > thresholds.value("sweeps.outlier_distance_ratio") * usual) & (
        distance > thresholds.value("sweeps.outlier_minimum_share") * size
    )
    return far


def _sizes(rows: Floats) -> Floats:
    """Root mean square of each row about its own median: a constant offset does not count."""
    centered = rows - np.median(rows, axis=1, keepdims=True)
    sizes: Floats = np.sqrt(np.mean(centered**2, axis=1))
    return sizes


def _average_decision(
    first: Trace, n_kept: int, n_sweeps: int, counts: dict[str, int], kept_mv: Floats
) -> Decision:
    left_out = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    reason = f"left out: {left_out}" if left_out else "all repeats agree"
    if n_kept == 2:
        size = float(np.min(_sizes(kept_mv)))
        share = float(_sizes(kept_mv[:1] - kept_mv[1:])[0]) / size if size > 0.0 else 0.0
        if share > thresholds.value("sweeps.disagreement_share"):
            reason = (
                f"{reason.replace('all repeats agree', 'none left out')}; the two repeats "
                f"differ by {100 * share:.0f} % of their size, and a third would decide"
            )
    choice = f"{_place(first)}: mean of {n_kept} of {n_sweeps} sweeps"
    return Decision(first.recording, "average", choice, reason)


def _mean_trace(sweeps: Sequence[Trace], samples_mv: Floats, stimulus_index: int) -> Trace:
    first = min(sweeps, key=lambda trace: trace.sweep)
    if len(sweeps) == 1:
        return first
    # Sorted per sample, so that the order of the sweeps cannot change the last bit of the sum.
    mean_mv = np.sort(samples_mv, axis=0).mean(axis=0)
    mean_mv.flags.writeable = False
    machines = {trace.machine for trace in sweeps}
    return replace(
        first,
        samples_mv=mean_mv,
        stimulus_index=stimulus_index,
        stimulus=_common_stimulus([trace.stimulus for trace in sweeps]),
        machine=first.machine if len(machines) == 1 else MachineValues(),
        flags=tuple(flags.split(flags.join(name for trace in sweeps for name in trace.flags))),
    )


def _common_stimulus(stimuli: Sequence[Stimulus]) -> Stimulus:
    return replace(
        stimuli[0],
        is_supramaximal=_all_attest([s.is_supramaximal for s in stimuli]),
        collision_used=_all_attest([s.collision_used for s in stimuli]),
    )


def _all_attest(answers: Sequence[bool | None]) -> bool | None:
    """True when all say so, False when one denies, unknown otherwise."""
    if any(answer is False for answer in answers):
        return False
    return True if all(answers) else None


# ------------------------------------------------------------------ one response per site


def _number_series(responses: Sequence[_Response]) -> None:
    """Recognize intensity series: several currents at one site of one recording."""
    least = thresholds.value("sweeps.series_minimum_steps")
    number = 0
    for group in _grouped(responses, _run):
        currents = {r.trace.stimulus.intensity_ma for r in group} - {None}
        if len(currents) >= least:
            for response in group:
                if response.trace.stimulus.intensity_ma is not None:
                    response.group = number
            number += 1


def _run(response: _Response) -> Hashable:
    trace = response.trace
    return trace.recording, trace.site, trace.kind, trace.stimulus.distance_mm


def _mark_steps(responses: Sequence[_Response]) -> None:
    """Recognize series of short steps: stimuli along one nerve, each close to the next."""
    least = thresholds.value("sweeps.series_minimum_steps")
    for group in _grouped((r for r in responses if r.trace.kind == "motor"), _course):
        placed = sorted(
            (r for r in group if r.trace.stimulus.distance_mm is not None), key=_distance_mm
        )
        for chain in _chains(placed):
            first, last = _distance_mm(chain[0]), _distance_mm(chain[-1])
            places = {_distance_mm(r) for r in chain}
            sites = {r.trace.site for r in chain}
            # Stimuli that each bear a name of their own are the sites of an ordinary study.
            if len(places) < least or len(sites) >= len(places):
                continue
            is_one_site = chain[0].trace.site == chain[-1].trace.site
            for response in chain:
                at_end = _distance_mm(response) in (first, last)
                response.step = "only_site" if is_one_site else "end" if at_end else "inner"


def _course(response: _Response) -> Hashable:
    site = response.trace.site
    return response.trace.recording, site.nerve, site.side, site.muscle


def _distance_mm(response: _Response) -> float:
    return response.trace.stimulus.distance_mm or 0.0


def _chains(placed: Sequence[_Response]) -> list[list[_Response]]:
    """Cut responses sorted by distance wherever the next is more than one short step away."""
    longest = thresholds.value("inching.maximum_step_mm")
    chains: list[list[_Response]] = []
    for response in placed:
        if chains and _distance_mm(response) - _distance_mm(chains[-1][-1]) <= longest:
            chains[-1].append(response)
        else:
            chains.append([response])
    return chains


def _choose(group: list[_Response], decisions: list[Decision]) -> None:
    """Mark every response of one site but one as ``not_used``."""
    pool = [r for r in group if not r.step] or [r for r in group if r.step != "inner"]
    used = None
    reason = "inner steps of a series; its ends stand for their sites"
    if pool:
        candidates, reason = _candidates(pool)
        used = candidates[0]
        if len(candidates) > 1:
            used, reason = _best(candidates)
        elif len(pool) < len(group):
            reason = "the others are short steps along the nerve"
    for response in group:
        if response is not used:
            response.raised = (*response.raised, "not_used")
    decisions.append(_site_decision(group, used, reason))


def _site_decision(group: Sequence[_Response], used: _Response | None, reason: str) -> Decision:
    trace = group[0].trace if used is None else used.trace
    if used is None:
        choice = f"{_place(trace)}: none of {len(group)} responses is used, all are kept"
        return Decision(trace.recording, "site", choice, reason)
    current = trace.stimulus.intensity_ma
    setting = "" if current is None else f" at {current:g} mA"
    choice = (
        f"{_place(trace)}: sweep {trace.sweep} of {trace.recording}{setting} is used, "
        f"{len(group) - 1} other responses of this site are kept"
    )
    return Decision(trace.recording, "site", choice, reason)


def _candidates(group: list[_Response]) -> tuple[list[_Response], str]:
    """Narrow the responses of one site by what is known before measuring."""
    usable = [r for r in group if _is_usable(r.trace)] or group
    usable = [r for r in usable if "polarity_differs" not in r.trace.flags] or usable
    attested = [r for r in usable if _is_singled_out(r.trace.stimulus)]
    if attested:
        return attested, "it is attested to be supramaximal"
    series = [r for r in usable if r.group is not None]
    if series:
        top = max(r.trace.stimulus.intensity_ma or 0.0 for r in series)
        at_top = [r for r in series if r.trace.stimulus.intensity_ma == top]
        return at_top, "it is the top of an intensity series"
    open_ones = [r for r in usable if r.trace.stimulus.is_supramaximal is not False] or usable
    return open_ones, "the others are invalid or attested to be submaximal"


def _is_singled_out(stimulus: Stimulus) -> bool:
    """Tell whether this stimulus itself is attested, not just all of a laboratory or a call."""
    return bool(stimulus.is_supramaximal) and stimulus.supramaximal_by not in IN_GENERAL


def _best(candidates: list[_Response]) -> tuple[_Response, str]:
    """Choose among responses that attestation does not tell apart."""
    ordered = sorted(candidates, key=lambda r: (r.trace.recording, r.trace.sweep))
    if all(r.step == "only_site" for r in ordered):
        steps = sorted(ordered, key=_distance_mm)
        reason = f"it is the middle one of {len(steps)} short steps along the nerve"
        return steps[(len(steps) - 1) // 2], reason
    currents = [r.trace.stimulus.intensity_ma for r in ordered]
    known = [current for current in currents if current is not None]
    if len(known) == len(ordered) and known.count(max(known)) < len(known):
        ordered = [r for r in ordered if r.trace.stimulus.intensity_ma == max(known)]
        if len(ordered) == 1:
            return ordered[0], "none is marked as a repeat; its current is the highest"
    heights = [_height_mv(r.trace) for r in ordered]
    best = int(np.argmax(np.nan_to_num(heights, nan=-np.inf)))
    return ordered[best], "the currents do not tell them apart; its response is the largest"


def _height_mv(trace: Trace) -> float:
    """Peak-to-peak amplitude after the artefact window, before anything is measured."""
    if not _is_usable(trace):
        return float("nan")
    index = np.arange(trace.samples_mv.size)
    is_late = _after_artifact(index.size, trace.stimulus_index, trace.sampling_rate_hz)
    response = trace.samples_mv[is_late & (index > trace.stimulus_index)]
    return float(np.ptp(response)) if response.size else float("nan")


def _place(trace: Trace) -> str:
    site = trace.site
    return f"{site.nerve} {site.side} {site.muscle} at {site.stimulation_site}"

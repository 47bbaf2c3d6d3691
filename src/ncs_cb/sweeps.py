"""From every sweep of a study to one response per stimulation site: average, choose, attest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags, thresholds
from ncs_cb.columns import conform
from ncs_cb.model import Decision, MachineValues, Stimulus, Study, Trace

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_Item = TypeVar("_Item")

_SERIES = ["study_id", "nerve", "side", "muscle", "stimulation_site"]
_RUN = [*_SERIES, "recording", "kind", "distance_mm"]


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


def choose_responses(study: Study) -> Chosen:
    """Average the repeats of each stimulus setting and choose the response of each site.

    Sweeps of one recording, site and setting that the reader marked as repeats
    (``repeat_group``) are averaged; those that are not finite, flat, clipped or outliers are
    left out. A repeat is an outlier when its root-mean-square distance from the median sweep,
    the stimulus artefact and a constant offset apart, is more than three times the usual one
    and more than 5 % of the sweep's size (``tables/quality.toml``).

    Where several responses of one site remain, one is used and the others are kept with the
    flag ``not_used``: an attested supramaximal one, else the top of an intensity series (four or
    more currents), else the middle one of a series of short steps (four or more distances), else
    the one with the highest current, else the one with the largest peak-to-peak amplitude.

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
    _number_series(responses)
    for group in _grouped(responses, lambda response: (response.trace.site, response.trace.kind)):
        if len(group) > 1:
            _choose(group, decisions)
    return Chosen(
        tuple(_flagged(response) for response in responses),
        tuple(response.raised for response in responses),
        tuple(decisions),
        tuple(response.group for response in responses),
        tuple(response.n_sweeps for response in responses),
    )


def _grouped(items: Iterable[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    groups: dict[Hashable, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


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
        trace.recording, trace.site, trace.kind, trace.repeat_group, trace.sampling_rate_hz,
        trace.high_pass_hz, trace.low_pass_hz, trace.stimulus.intensity_ma,
        trace.stimulus.distance_mm,
    )  # fmt: skip


def _averaged(sweeps: list[Trace], decisions: list[Decision]) -> list[_Response]:
    if len(sweeps) == 1:
        return [_Response(sweeps[0])]
    usable = [trace for trace in sweeps if _is_usable(trace)]
    if not usable:
        return [_Response(sweeps[0], len(sweeps))]
    samples_mv, stimulus_index = _aligned(usable)
    reasons = _rejections(samples_mv, stimulus_index, usable)
    kept = [trace for trace, reason in zip(usable, reasons, strict=True) if not reason]
    is_kept = np.array([not reason for reason in reasons])
    counts = {"not finite or flat": len(sweeps) - len(usable)}
    for reason in filter(None, reasons):
        counts[reason] = counts.get(reason, 0) + 1
    decisions.append(
        _average_decision(sweeps[0], len(kept), len(sweeps), counts, samples_mv[is_kept])
    )
    trace = _mean_trace(kept, samples_mv[is_kept], stimulus_index)
    raised = ("sweeps_rejected",) if len(kept) < len(sweeps) else ()
    return [_Response(trace, len(kept), raised=raised)]


def _is_usable(trace: Trace) -> bool:
    samples = trace.samples_mv
    if not 0 <= trace.stimulus_index < samples.size:
        return False
    return bool(np.isfinite(samples).all() and samples.min() < samples.max())


def _aligned(sweeps: Sequence[Trace]) -> tuple[Floats, int]:
    """Stack sweeps with their stimuli aligned, over the stretch that all of them cover."""
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


def _choose(group: list[_Response], decisions: list[Decision]) -> None:
    """Mark every response of one site but one as ``not_used``."""
    candidates, reason = _candidates(group)
    used = candidates[0]
    if len(candidates) > 1:
        used, reason = _best(candidates)
    for response in group:
        if response is not used:
            response.raised = (*response.raised, "not_used")
    trace = used.trace
    current = trace.stimulus.intensity_ma
    setting = "" if current is None else f" at {current:g} mA"
    choice = (
        f"{_place(trace)}: sweep {trace.sweep} of {trace.recording}{setting} is used, "
        f"{len(group) - 1} other responses of this site are kept"
    )
    decisions.append(Decision(trace.recording, "site", choice, reason))


def _candidates(group: list[_Response]) -> tuple[list[_Response], str]:
    """Narrow the responses of one site by what is known before measuring."""
    usable = [r for r in group if _is_usable(r.trace)] or group
    attested = [r for r in usable if r.trace.stimulus.is_supramaximal]
    if attested:
        return attested, "it is attested to be supramaximal"
    series = [r for r in usable if r.group is not None]
    if series:
        top = max(r.trace.stimulus.intensity_ma or 0.0 for r in series)
        at_top = [r for r in series if r.trace.stimulus.intensity_ma == top]
        return at_top, "it is the top of an intensity series"
    open_ones = [r for r in usable if r.trace.stimulus.is_supramaximal is None] or usable
    return open_ones, "the others are invalid or attested to be submaximal"


def _best(candidates: list[_Response]) -> tuple[_Response, str]:
    """Choose among responses that attestation does not tell apart."""
    ordered = sorted(candidates, key=lambda r: (r.trace.recording, r.trace.sweep))
    distances = {r.trace.stimulus.distance_mm for r in ordered}
    least = thresholds.value("sweeps.series_minimum_steps")
    if None not in distances and len(distances) >= least:
        steps = sorted(ordered, key=lambda r: r.trace.stimulus.distance_mm or 0.0)
        reason = f"it is the middle one of {len(distances)} short steps along the nerve"
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


# ------------------------------------------------------------------ intensity series


def recruitment_table(
    traces: pd.DataFrame, sweep_counts: Sequence[int] | None = None
) -> pd.DataFrame:
    """Give one row per current of every intensity series in a ``traces`` table.

    A series is four or more different currents at one site of one recording. It reaches a
    plateau, which attests that its top is supramaximal, when the last 20 % of intensity (from
    80 % of the highest current to the highest) adds at most 5 % to the amplitude. The growth is
    the median slope (Theil and Sen) over that part, so that one odd sweep decides nothing. A
    response that is absent counts as no amplitude for this rule only.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``, with the rows flagged ``not_used``; it is not changed.
    sweep_counts : sequence of int, optional
        Sweeps averaged in each row; one each when not given.

    Returns
    -------
    DataFrame
        Table ``recruitment``, currents rising within each series. ``is_supramaximal`` is the
        same on all rows of a series and unknown when the top is not measurable or no step lies
        at or below 80 % of it.
    """
    counts = np.ones(len(traces), dtype=int) if sweep_counts is None else list(sweep_counts)
    rows = traces.assign(n_sweeps=counts)
    rows = rows[rows["stimulus_ma"].notna().to_numpy()]
    keys = [key for key in _RUN if key in rows]
    steps = rows.groupby(keys, sort=False, dropna=False)["stimulus_ma"].transform("nunique")
    rows = rows[steps >= thresholds.value("sweeps.series_minimum_steps")]
    groups = rows.groupby(keys, sort=False, dropna=False)
    tables = [_series_table(series) for _, series in groups]
    empty = conform(pd.DataFrame(columns=_SERIES), "recruitment")
    return conform(pd.concat(tables, ignore_index=True), "recruitment") if tables else empty


def _series_table(series: pd.DataFrame) -> pd.DataFrame:
    name = "negative_peak_amplitude_mv"
    amplitude = series[name].to_numpy(dtype=np.float64, na_value=np.nan)
    is_absent = series["quality_flags"].str.contains("response_absent", regex=False)
    effective = np.where(is_absent.fillna(False).to_numpy(dtype=bool), 0.0, amplitude)
    steps = (
        series.assign(effective_mv=effective)
        .groupby("stimulus_ma", sort=True)
        .agg(
            n_sweeps=("n_sweeps", "sum"),
            negative_peak_amplitude_mv=(name, "median"),
            effective_mv=("effective_mv", "median"),
        )
        .reset_index()
    )
    largest = steps[name].max()
    steps["relative_amplitude_pct"] = 100.0 * steps[name] / largest
    growth_pct = _plateau_growth_pct(
        steps["stimulus_ma"].to_numpy(dtype=np.float64),
        steps["effective_mv"].to_numpy(dtype=np.float64),
    )
    limit = thresholds.value("sweeps.plateau_growth_pct")
    steps["is_supramaximal"] = pd.array(
        [pd.NA if np.isnan(growth_pct) else growth_pct <= limit + 1e-9] * len(steps),
        dtype="boolean",
    )
    identity = series[_SERIES].iloc[[0] * len(steps)].reset_index(drop=True)
    return pd.concat([identity, steps.drop(columns="effective_mv")], axis=1)


def _plateau_growth_pct(stimulus_ma: Floats, amplitude_mv: Floats) -> float:
    """Growth over the last part of the intensity range, in percent of its start."""
    top = stimulus_ma[-1]
    is_known = np.isfinite(amplitude_mv)
    start = (1.0 - thresholds.value("sweeps.plateau_intensity_share")) * top
    grace = 1e-9 * top
    if not is_known[-1] or not (stimulus_ma[is_known] <= start + grace).any():
        return float("nan")
    current, height = stimulus_ma[is_known], amplitude_mv[is_known]
    at_start = np.interp(start, current, height)
    is_last = current > start + grace
    x, y = np.append(start, current[is_last]), np.append(at_start, height[is_last])
    first, second = np.triu_indices(len(x), k=1)
    slope = np.median((y[second] - y[first]) / (x[second] - x[first]))
    base = float(np.median(y - slope * (x - start)))
    if base <= 0.0:
        return float("inf") if y[-1] > 0.0 else float("nan")
    return float(100.0 * slope * (top - start) / base)


def attest(traces: pd.DataFrame, recruitment: pd.DataFrame) -> pd.DataFrame:
    """Give `traces` with ``supramaximality_denied`` on the top of every series that still grows.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.
    recruitment : DataFrame
        Table ``recruitment`` made from it.
    """
    is_denied = (recruitment["is_supramaximal"] == False).fillna(False)  # noqa: E712
    tops = recruitment[is_denied].groupby(_SERIES, sort=False, dropna=False)["stimulus_ma"].max()
    if tops.empty:
        return traces
    denied = {(*_key(index), current) for index, current in tops.items()}
    keys = zip(*(traces[name] for name in [*_SERIES, "stimulus_ma"]), strict=True)
    names = [
        flags.join([*flags.split(text), "supramaximality_denied"]) if _key(key) in denied else text
        for key, text in zip(keys, traces["quality_flags"], strict=True)
    ]
    return traces.assign(quality_flags=pd.array(names, dtype="string"))


def _key(values: Hashable) -> tuple[Hashable, ...]:
    """Make missing values comparable: NA is not equal to itself."""
    parts = values if isinstance(values, tuple) else (values,)
    return tuple(None if pd.isna(part) else part for part in parts)

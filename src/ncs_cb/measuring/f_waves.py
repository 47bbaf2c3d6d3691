"""F waves from raw sweeps: minimum, mean and maximum latency, persistence, chronodispersion.

An F wave is looked for sweep by sweep, after the M wave: what is left when the slow afterwave is
taken off must stand clear of the sweep's own noise. Definitions (Stalberg E et al. Clin
Neurophysiol 2019;130:1688-1729):

* latency: from the stimulus to the first deflection from baseline, of either sign;
* minimum, mean, maximum: over the sweeps in which an F wave was seen;
* persistence: 100 * F waves / stimuli;
* chronodispersion: maximum - minimum latency.

A late response of constant latency (an A wave or H reflex) is not told apart from F waves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ncs_cb import flags
from ncs_cb.columns import conform
from ncs_cb.errors import ArgumentError, UnitError
from ncs_cb.knowledge.anatomy import usual_muscle
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.model import FWaveValue, Study, Trace
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV, as_array

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Decay constants [ms] whose sum follows the tail of an M wave and its rebound in the amplifier.
_TAILS_MS = (2.0, 3.5, 6.0, 10.0, 17.0, 30.0, 60.0)
_ROUNDS = 5
# In a shorter stretch a slope would help to fit an F wave away.
_LONG_ENOUGH_FOR_A_SLOPE_MS = 45.0
# An F wave and its positive phase are over this long after the last loud moment.
_OVER_AFTER_MS = 12.0
_LEAST_WEIGHT = 0.003
_FEWEST_TO_AGREE = 4
_SMOOTH_MS = 0.4
# Noise is taken from blocks of this length; the 0.15 quantile of their size is this share of the
# standard deviation of white noise (computed).
_BLOCK_MS = 5.0
_QUIET_BLOCK = 0.8
_ON_EITHER_SIDE = 0.5


def measure_f_waves(
    samples_mv: ArrayLike,
    *,
    sampling_rate_hz: float,
    stimulus_index: int,
    search_from_ms: float | None = None,
    search_to_ms: float | None = None,
) -> pd.DataFrame:
    """Measure the F waves of a set of raw sweeps.

    Parameters
    ----------
    samples_mv : array of shape (n_sweeps, n_samples) [mV]
        One sweep per stimulus, not averaged, negative phase positive. It is not changed.
    sampling_rate_hz : float
    stimulus_index : int
        Sample at which the stimulus was given.
    search_from_ms, search_to_ms : float, optional
        Where F waves are looked for, from the stimulus. By default from the end of the M wave
        (not before 15 ms) to the end of the sweep.

    Returns
    -------
    DataFrame
        One row of table ``f_waves``, its identifying columns unknown. Latencies are NaN when no
        sweep holds an F wave. Sweeps with NaN or infinite samples are left out of the count.
        An F wave below 0.02 mV peak to peak is not counted, so that here, unlike elsewhere, the
        answer depends on the gain.

    Raises
    ------
    ArgumentError
        If the array is not two-dimensional, or stimulus or search lie outside the sweep.
    UnitError
        If a sample exceeds 100 mV after the stimulus artefact.

    Examples
    --------
    >>> quiet = measure_f_waves(np.zeros((10, 1600)), sampling_rate_hz=20_000, stimulus_index=0)
    >>> float(quiet["persistence_pct"].item())
    0.0
    """
    latencies = f_latencies_ms(
        samples_mv,
        sampling_rate_hz=sampling_rate_hz,
        stimulus_index=stimulus_index,
        search_from_ms=search_from_ms,
        search_to_ms=search_to_ms,
    )
    seen = latencies[np.isfinite(latencies)]
    n_stimuli, n_seen = len(latencies), len(seen)
    few = n_stimuli < limit("f_waves.few_stimuli")
    row = {
        "n_stimuli": n_stimuli,
        "n_responses": n_seen,
        "minimum_latency_ms": seen.min() if n_seen else np.nan,
        "mean_latency_ms": seen.mean() if n_seen else np.nan,
        "maximum_latency_ms": seen.max() if n_seen else np.nan,
        "chronodispersion_ms": np.ptp(seen) if n_seen else np.nan,
        "persistence_pct": 100.0 * n_seen / n_stimuli if n_stimuli else np.nan,
        "quality_flags": flags.join(["few_stimuli"] if few else []),
    }
    return conform(pd.DataFrame([row]), "f_waves")


def f_latencies_ms(
    samples_mv: ArrayLike,
    *,
    sampling_rate_hz: float,
    stimulus_index: int,
    search_from_ms: float | None = None,
    search_to_ms: float | None = None,
) -> Floats:
    """Give the F-wave latency of every finite sweep, NaN where none is seen.

    Parameters and errors as in :func:`measure_f_waves`.

    Returns
    -------
    ndarray of shape (n_finite_sweeps,) [ms]
    """
    sweeps = _checked(samples_mv, stimulus_index)
    step_ms = 1e3 / sampling_rate_hz
    sweeps = sweeps[np.isfinite(sweeps).all(axis=1)]
    time_ms: Floats = np.arange(-stimulus_index, sweeps.shape[1] - stimulus_index) * step_ms
    if not len(sweeps):
        return np.empty(0)
    _refuse_implausible(sweeps[:, time_ms > limit("sweeps.artifact_window_ms")])
    settled_ms = _m_wave_end_ms(sweeps, time_ms)
    start_ms = settled_ms if search_from_ms is None else search_from_ms
    end_ms = time_ms[-1] if search_to_ms is None else min(search_to_ms, time_ms[-1])
    if end_ms - start_ms < limit("f_waves.phase_gap_ms"):
        if search_from_ms is None and search_to_ms is None:
            return np.full(len(sweeps), np.nan)  # the sweep ends before any F wave
        raise ArgumentError(
            f"nothing to search between {start_ms:.1f} and {end_ms:.1f} ms; "
            f"the sweep ends at {time_ms[-1]:.1f} ms"
        )
    # The tail is learned from the whole rest of the sweep, whatever part of it is searched.
    is_late = time_ms >= min(settled_ms, start_ms)
    late_ms = time_ms[is_late]
    residual = _smoothed(_without_tail(sweeps[:, is_late], late_ms), step_ms)
    noise = _noise(residual, step_ms)
    is_searched = (late_ms >= start_ms) & (late_ms <= end_ms)
    late_ms, residual = late_ms[is_searched], residual[:, is_searched]
    return np.array(
        [_latency_ms(row, sd, late_ms) for row, sd in zip(residual, noise, strict=True)]
    )


def _checked(samples_mv: ArrayLike, stimulus_index: int) -> Floats:
    sweeps = as_array(samples_mv, "samples_mv", np.float64)
    if sweeps.ndim != 2:
        raise ArgumentError(f"samples_mv must have shape (n_sweeps, n_samples), not {sweeps.shape}")
    if not 0 <= stimulus_index < max(sweeps.shape[1], 1):
        raise ArgumentError(f"stimulus_index {stimulus_index} lies outside the sweep")
    return sweeps


def _refuse_implausible(after_artifact: Floats) -> None:
    largest = float(np.abs(after_artifact).max(initial=0.0))
    if largest > LARGEST_PLAUSIBLE_RESPONSE_MV:
        raise UnitError(
            f"a response of {largest:g} mV is implausible; is the unit mV?",
            hint="Give samples in mV.",
        )


def _m_wave_end_ms(sweeps: Floats, time_ms: Floats) -> float:
    """Find where the M wave, alike in all sweeps, has left only its slow tail.

    Slope and bend within 1.5 ms are compared with the M wave's height.
    """
    earliest = limit("f_waves.earliest_ms")
    step_ms = time_ms[1] - time_ms[0] if len(time_ms) > 1 else 1.0
    half = max(1, round(0.5 * limit("f_waves.settled_for_ms") / step_ms))
    common = np.median(sweeps, axis=0)
    is_m_wave = (time_ms > limit("sweeps.artifact_window_ms")) & (time_ms < earliest)
    after = np.flatnonzero(time_ms >= earliest)
    if not is_m_wave.any() or after.size <= 4 * half:
        return earliest
    height = np.ptp(common[is_m_wave])
    tail = common[after[0] :]
    start, middle, end = tail[: -2 * half], tail[half:-half], tail[2 * half :]
    noise = 1.4826 * np.median(np.abs(np.diff(common)))
    slope = np.abs(end - start) / max(limit("f_waves.settled_slope") * height, 5.0 * noise)
    bend = np.abs(start - 2.0 * middle + end) / max(
        limit("f_waves.settled_bend") * height, 8.0 * noise
    )
    loudness = np.maximum(slope, bend)
    # The loudest moment of the next 1.5 ms; an F wave seen in most sweeps is loud again later.
    coming = np.lib.stride_tricks.sliding_window_view(loudness, 2 * half + 1).max(axis=1)
    quiet = np.flatnonzero(coming <= 1.0)
    first = int(quiet[0]) if quiet.size else int(np.argmin(coming))
    return float(time_ms[after[0] + first])


def _without_tail(sweeps: Floats, time_ms: Floats) -> Floats:
    """Take the M wave's slow tail off each sweep, wherever no F wave stands in the way.

    The tail is alike in all sweeps but for its size. It is learned as a sum of decays from what
    the sweeps have in common, where they agree; F waves come and go, so that there they do not.
    Each sweep is then freed of its own multiple of it and of its baseline (and slope, in a long
    sweep), and samples that stand out lose their weight (Tukey's biweight) in the next round.
    """
    # A quarter of a millisecond is fine enough for a slow tail.
    stride = max(1, round(0.25 / (time_ms[1] - time_ms[0])))
    coarse, at_ms = sweeps[:, ::stride], time_ms[::stride] - time_ms[0]
    decays = np.stack([np.ones_like(at_ms), *(np.exp(-at_ms / t) for t in _TAILS_MS)], axis=1)
    weight = np.broadcast_to(_agreement(coarse), coarse.shape)
    alike = coarse
    for _ in range(_ROUNDS):
        total = weight.sum(axis=0)
        common = (weight * alike).sum(axis=0) / np.maximum(total, 1e-12)
        root = np.sqrt(total)[:, None]
        shares = np.linalg.lstsq(root * decays, root[:, 0] * common, rcond=1e-6)[0]
        columns = [decays @ shares, np.ones_like(at_ms)]
        if at_ms[-1] >= _LONG_ENOUGH_FOR_A_SLOPE_MS:
            columns.append(at_ms / at_ms[-1])
        parts = np.stack(columns, axis=1)
        fit = _weighted_fits(parts, coarse, weight)
        weight = _standing_in(coarse - fit @ parts.T, weight)
        # What is each sweep's own must not enter the common tail where other sweeps are left out.
        alike = coarse - fit @ parts.T + np.median(fit, axis=0) @ parts.T
    every = np.stack([np.interp(time_ms - time_ms[0], at_ms, part) for part in parts.T], axis=1)
    clean: Floats = sweeps - fit @ every.T
    return clean


def _agreement(sweeps: Floats) -> Floats:
    """Weight of each moment by how well the slopes of the sweeps agree around it.

    Slopes, so that a drift does not count; with few sweeps every moment counts.
    """
    n_sweeps, n_moments = sweeps.shape
    if n_sweeps < _FEWEST_TO_AGREE or n_moments < 16:
        return np.ones(n_moments)
    slopes: Floats = sweeps[:, 4:] - sweeps[:, :-4]
    slopes -= np.median(slopes, axis=1, keepdims=True)
    spread = np.median(np.abs(slopes - np.median(slopes, axis=0)), axis=0)
    # The worst disagreement within 3 ms: the top of an F wave is flat too.
    widest = np.lib.stride_tricks.sliding_window_view(np.pad(spread, 14, mode="edge"), 25).max(
        axis=1
    )
    usual = np.quantile(widest, 0.3)
    if usual <= 0.0:
        return np.ones(n_moments)
    agreement: Floats = np.square(usual / np.maximum(widest, usual))
    return agreement


def _weighted_fits(parts: Floats, sweeps: Floats, weight: Floats) -> Floats:
    gram = np.einsum("sk,ki,kj->sij", weight, parts, parts, optimize=True)
    moment = np.einsum("sk,sk,ki->si", weight, sweeps, parts, optimize=True)
    # A touch of ridge keeps the fit defined when tail and baseline are alike or weight is gone.
    ridge = 1e-9 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(parts.shape[1])
    fit: Floats = np.linalg.solve(gram + ridge + 1e-30, moment[:, :, None])[:, :, 0]
    return fit


def _standing_in(residual: Floats, weight: Floats) -> Floats:
    """Tukey's biweight of every sample and its neighbors, and nothing from an F wave to its end.

    The slow positive phase of F waves is nearly alike in all sweeps: left in, it would be learned
    as part of the tail and appear, upside down, where there is no F wave.
    """
    size = np.abs(residual)
    counted = np.where(weight > 0.25, size, np.nan)
    counted[np.isnan(counted).all(axis=1)] = 0.0
    # Not below a quarter of what the whole sweep shows: a tail that still fits badly is no F wave.
    scale = 1.4826 * np.maximum(
        np.nanmedian(counted, axis=1, keepdims=True), 0.25 * np.median(size, axis=1, keepdims=True)
    )
    far = size / np.where(scale > 0.0, 4.7 * scale, np.inf)
    widest = np.lib.stride_tricks.sliding_window_view(
        np.pad(far, ((0, 0), (4, 4)), mode="edge"), 9, axis=1
    ).max(axis=2)
    # The foot of the M wave is no F wave: only what comes after a quiet moment.
    is_loud = (widest > 2.0) & (np.cumsum(widest < 1.0, axis=1) >= 4)
    loud = np.cumsum(np.pad(is_loud, ((0, 0), (1, 0))), axis=1)
    back = np.maximum(np.arange(residual.shape[1]) + 1 - round(_OVER_AFTER_MS / 0.25), 0)
    is_after = loud[:, 1:] > loud[:, back]
    weights: Floats = np.square(np.maximum(1.0 - np.square(widest), 0.0))
    # Never quite nothing: where no sweep is free, what there is still holds the tail in place.
    return np.maximum(np.where(is_after, 0.0, weights), _LEAST_WEIGHT)


def _smoothed(sweeps: Floats, step_ms: float) -> Floats:
    """Two passes of a running mean of 0.4 ms: a triangle that moves no onset by its width."""
    width = 2 * int(0.5 * _SMOOTH_MS / step_ms) + 1
    kernel = np.convolve(np.ones(width), np.ones(width)) / width**2
    half = len(kernel) // 2
    # Reflected, so that the ends are averaged too and no noisier than the middle.
    padded = np.pad(sweeps, ((0, 0), (half, half)), mode="reflect")
    smooth: Floats = np.apply_along_axis(np.convolve, 1, padded, kernel, mode="valid")
    return smooth


def _noise(residual: Floats, step_ms: float) -> Floats:
    """Standard deviation of each sweep in its quieter blocks, so that an F wave does not count."""
    block = min(max(2, round(_BLOCK_MS / step_ms)), residual.shape[1])
    n_blocks = residual.shape[1] // block
    blocks = residual[:, : n_blocks * block].reshape(len(residual), n_blocks, -1)
    sizes = np.sqrt(np.mean(np.square(blocks), axis=2))
    own: Floats = np.quantile(sizes, 0.15, axis=1) / _QUIET_BLOCK
    # A sweep is not much quieter than the others of its set: guards a lucky quiet stretch.
    return np.maximum(own, 0.7 * np.median(own))


def _latency_ms(residual: Floats, noise: float, time_ms: Floats) -> float:
    """Find the largest deflection that stands alone, and walk back to where it begins."""
    step_ms = time_ms[1] - time_ms[0]
    gap, margin = round(limit("f_waves.phase_gap_ms") / step_ms), round(1.0 / step_ms)
    size = np.abs(residual)
    open_until = 0
    floor = max(
        limit("f_waves.minimum_noise_ratio") * noise,
        _ON_EITHER_SIDE * limit("f_waves.minimum_amplitude_mv") * 0.5,
    )
    while open_until < len(size):
        top = open_until + int(np.argmax(size[open_until:]))
        if size[top] <= floor:
            return float("nan")
        start, end = _cluster(size, top, noise, gap)
        if start < margin:  # it reaches back to the M wave: its tail, not an F wave
            open_until = end
            continue
        height = np.ptp(np.append(residual[start : end + gap], 0.0))  # the baseline counts
        steepest = _steepest(residual[start:end], round(1.5 / step_ms))
        if (
            height < limit("f_waves.minimum_amplitude_mv")
            or steepest < limit("f_waves.minimum_steepness") * size[top]
        ):
            return float("nan")
        return _onset_ms(residual, start, noise, float(size[top]), time_ms)
    return float("nan")


def _steepest(part: Floats, span: int) -> float:
    """Largest change within `span` samples."""
    if len(part) <= span:
        return float(np.ptp(part)) if len(part) else 0.0
    return float(np.abs(part[span:] - part[:-span]).max())


def _cluster(size: Floats, top: int, noise: float, gap: int) -> tuple[int, int]:
    """Give the stretch around the peak without a quiet gap longer than `gap` samples."""
    level = max(4.0 * noise, limit("f_waves.onset_share") * size[top])
    loud = np.flatnonzero(size >= level)
    at = int(np.searchsorted(loud, top))
    breaks = np.flatnonzero(np.diff(loud) > gap)
    first = loud[breaks[breaks < at][-1] + 1] if (breaks < at).any() else loud[0]
    last = loud[breaks[breaks >= at][0]] if (breaks >= at).any() else loud[-1]
    return int(first), int(last) + 1


def _onset_ms(residual: Floats, start: int, noise: float, top: float, time_ms: Floats) -> float:
    """Walk back from the first clear sample to the onset level and extrapolate to the baseline."""
    step_ms = time_ms[1] - time_ms[0]
    near, far = round(0.5 / step_ms), round(limit("f_waves.phase_gap_ms") / step_ms)
    before = residual[max(0, start - far) : max(1, start - near)]
    size = np.abs(residual - np.median(before))
    level = max(limit("f_waves.onset_noise_ratio") * noise, limit("f_waves.onset_share") * top)
    below = np.flatnonzero(size[: start + 1] < level)
    if not below.size:
        return float(time_ms[0])
    last = int(below[-1])
    ahead = min(last + max(2, round(0.3 / step_ms)), len(size) - 1)
    slope = (size[ahead] - size[last]) / (ahead - last)
    if slope <= 0.0:
        return float(time_ms[last])
    # Back to the baseline along the rise, but little: smoothing already moves the foot forward.
    back = min(size[last] / slope, 0.1 / step_ms)
    return float(time_ms[0] + (last - back) * step_ms)


# ------------------------------------------------------------------ tables


def typed_table(values: Sequence[FWaveValue]) -> pd.DataFrame:
    """Give typed-in F-wave values as rows of table ``f_waves``.

    Parameters
    ----------
    values : sequence of FWaveValue
        As ``study.toml`` holds them; what is missing there is unknown here.
    """
    rows = [
        {
            "nerve": value.nerve,
            "side": value.side,
            "muscle": value.muscle,
            "n_stimuli": value.n_stimuli,
            "minimum_latency_ms": value.minimum_latency_ms,
            "mean_latency_ms": value.mean_latency_ms,
            "maximum_latency_ms": value.maximum_latency_ms,
            "persistence_pct": value.persistence_pct,
            "chronodispersion_ms": _difference(value.maximum_latency_ms, value.minimum_latency_ms),
        }
        for value in values
    ]
    return conform(pd.DataFrame(rows), "f_waves")


def _difference(late: float | None, early: float | None) -> float | None:
    return None if late is None or early is None else late - early


def f_wave_table(traces: Sequence[Trace]) -> pd.DataFrame:
    """Measure every set of F-wave sweeps of a study.

    Sweeps of kind ``f_wave`` that share recording, nerve, side, muscle, stimulation site and
    sampling rate make one set; they are aligned at the stimulus.

    Parameters
    ----------
    traces : sequence of Trace
        Those of another kind are passed over.

    Returns
    -------
    DataFrame
        Table ``f_waves``, one row per set in the order of its first sweep; ``study_id`` is
        unknown.
    """
    groups: dict[tuple[object, ...], list[Trace]] = {}
    for trace in traces:
        if trace.kind == "f_wave":
            key = (trace.recording, trace.site, trace.sampling_rate_hz)
            groups.setdefault(key, []).append(trace)
    rows = [_set_row(group) for group in groups.values()]
    return conform(pd.concat(rows) if rows else pd.DataFrame(), "f_waves")


def _set_row(sweeps: Sequence[Trace]) -> pd.DataFrame:
    site = sweeps[0].site
    usable = [t for t in sweeps if 0 <= t.stimulus_index < t.samples_mv.size]
    before = min((t.stimulus_index for t in usable), default=0)
    after = min((t.samples_mv.size - t.stimulus_index for t in usable), default=1)
    rows = [t.samples_mv[t.stimulus_index - before : t.stimulus_index + after] for t in usable]
    row = measure_f_waves(
        np.stack(rows) if rows else np.empty((0, 1)),
        sampling_rate_hz=sweeps[0].sampling_rate_hz,
        stimulus_index=before,
    )
    return row.assign(
        nerve=site.nerve,
        side=site.side,
        muscle=site.muscle,
        stimulation_site=site.stimulation_site,
    )


def with_typed(measured: pd.DataFrame, studies: Sequence[Study]) -> pd.DataFrame:
    """Add the typed-in F waves of nerves that have no recorded ones.

    Parameters
    ----------
    measured : DataFrame
        Table ``f_waves`` of these studies, by their ids; not changed.
    studies : sequence of Study

    Returns
    -------
    DataFrame
        Table ``f_waves``. Where no muscle was typed in, it is the usual one of the nerve.
    """
    typed = [
        (study.study_id, replace(one, muscle=one.muscle or usual_muscle(one.nerve)))
        for study in studies
        for one in study.details.f_waves
    ]
    if not typed:
        return measured
    series = ["study_id", "nerve", "side", "muscle"]
    recorded = set(measured[series].itertuples(index=False, name=None))
    added = [(i, v) for i, v in typed if (i, v.nerve, v.side, v.muscle) not in recorded]
    if not added:
        return measured
    rows = typed_table([value for _, value in added]).assign(study_id=[i for i, _ in added])
    return conform(pd.concat([measured, conform(rows, "f_waves")]), "f_waves")

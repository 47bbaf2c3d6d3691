"""From distal and proximal traces to the blocked share, its interval and the delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import conform
from ncs_cb.dispersion import calibration, deconvolution
from ncs_cb.dispersion.deconvolution import Fit
from ncs_cb.dispersion.recordings import (
    EARLIEST_ONSET_MS,
    Response,
    Sweep,
    clean,
    spectra,
)
from ncs_cb.errors import UnitError
from ncs_cb.model import Trace
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV

Floats = npt.NDArray[np.float64]

# The contract's own limit: below it, too few units are left for shares to mean anything.
SMALLEST_DISTAL_MV = 1.0
_SHORTEST_SWEEP_MS = 8.0
# A coarse converter repeats a value at a flat peak for less than this.
_STANDSTILL_MS = 0.8
# A sweep that ends this much of the peak away from baseline has not seen all of the response.
_UNFINISHED = 0.05
# Ordinary pools stay below this share of the distal signal in 97 of 100 pairs.
_UNEXPLAINED = 0.02
# Signal beyond the distal one that no interval reaches: not block, but a fault of the recording.
_SURPLUS = 0.05
_CLEARLY_MISSING = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class BlockFit:
    """One pair's estimate with what a figure needs.

    Attributes
    ----------
    estimate : dict
        The row of the ``estimates`` table.
    time_ms, distal_mv, proximal_mv : ndarray of shape (n,) and (n,), (m,)
        Time from the stimulus; the two responses without baseline and artefact.
    fitted_mv : ndarray of shape (n,)
        The delayed part of the distal response that fits the proximal one; NaN without estimate.
    delays_ms, delay_density_per_ms : ndarray of shape (k,)
        Distribution of the segment's delays; its integral is ``1 - blocked_fraction``.
    """

    estimate: dict[str, float | str]
    time_ms: Floats
    distal_mv: Floats
    proximal_time_ms: Floats
    proximal_mv: Floats
    fitted_mv: Floats
    delays_ms: Floats
    delay_density_per_ms: Floats


@dataclass(frozen=True, slots=True)
class _Outcome:
    row: dict[str, float | str]
    fit: Fit | None = None
    distal: Response | None = None
    proximal: Response | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a pair beside its samples."""

    filters_differ: bool = False
    supramaximal_distal: bool | None = None
    supramaximal_proximal: bool | None = None


_NAMES = (
    "blocked_fraction", "blocked_fraction_low", "blocked_fraction_high", "added_dispersion_ms",
    "delay_ms", "residual_pct",
)  # fmt: skip


def _nothing(*names: str) -> _Outcome:
    row: dict[str, float | str] = dict.fromkeys(_NAMES, float("nan"))
    return _Outcome({**row, "quality_flags": flags.join(names)})


def _is_usable(sweep: Sweep) -> bool:
    """Tell whether there are finite samples after the stimulus that are not flat or clipped."""
    x, rate = sweep.samples_mv, sweep.sampling_rate_hz
    if not 0 <= sweep.stimulus_index < x.size or not np.isfinite(x).all():
        return False
    after = x[sweep.stimulus_index + round(EARLIEST_ONSET_MS * 1e-3 * rate) :]
    if after.size < (_SHORTEST_SWEEP_MS - EARLIEST_ONSET_MS) * 1e-3 * rate:
        return False
    top, bottom = float(after.max()), float(after.min())
    if top == bottom:
        return False
    # A clipped phase stands still far from the baseline; a quiet baseline may stand still too.
    far = 0.2 * (top - bottom)
    rest = float(np.median(after))
    run = max(4, round(_STANDSTILL_MS * 1e-3 * rate))
    return not any(
        abs(edge - rest) > far and _longest_run(after == edge) >= run for edge in (top, bottom)
    )


def _longest_run(mask: npt.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def _refuse_implausible(sweep: Sweep) -> None:
    after = sweep.samples_mv[
        max(0, sweep.stimulus_index) + round(EARLIEST_ONSET_MS * 1e-3 * sweep.sampling_rate_hz) :
    ]
    after = after[np.isfinite(after)]
    if after.size == 0:
        return
    largest = float(np.abs(after - np.median(after)).max())
    if largest > LARGEST_PLAUSIBLE_RESPONSE_MV:
        raise UnitError(
            f"a response of {largest:.4g} mV is implausible; at most "
            f"{LARGEST_PLAUSIBLE_RESPONSE_MV:g} mV is allowed.",
            hint="Check the unit: traces must be in mV.",
        )


def _weighted_median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, 0.5 * reached[-1])]])


def _estimate(distal: Sweep, proximal: Sweep, known: _Known) -> _Outcome:
    """Estimate one pair by itself."""
    for sweep in (distal, proximal):
        _refuse_implausible(sweep)
    if known.filters_differ:
        return _nothing("estimate_filters_differ")
    if not (_is_usable(distal) and _is_usable(proximal)):
        return _nothing("estimate_response_absent")
    near = clean(distal, EARLIEST_ONSET_MS)
    if not near.is_present:
        return _nothing("estimate_response_absent")
    if near.peak_mv < SMALLEST_DISTAL_MV:
        return _nothing("estimate_distal_small")
    far = clean(proximal, max(near.onset_ms, EARLIEST_ONSET_MS))
    if not far.is_present:
        return _nothing("estimate_response_absent")
    pair = spectra(near, far, (distal.sampling_rate_hz, proximal.sampling_rate_hz))
    fit = deconvolution.refine(deconvolution.screen(pair), pair)
    return _Outcome(_row(fit, far, known), fit, near, far)


def _row(fit: Fit, proximal: Response, known: _Known) -> dict[str, float | str]:
    mass, _ = calibration.scale(fit)
    half = calibration.half_width(fit, calibration.shipped())
    raised = []
    if proximal.end_mv > max(_UNFINISHED * proximal.size_mv, 4.0 * proximal.noise_mv):
        raised.append("estimate_sweep_short")
        half *= 2.0
    if calibration.unexplained(fit) > _UNEXPLAINED:
        raised.append("estimate_residual_large")
    low, high = np.clip((1.0 - mass - half, 1.0 - mass + half), 0.0, 1.0)
    if mass - 1.0 > max(_SURPLUS, half) or known.supramaximal_distal is False:
        # Part of the distal signal was never there to be compared; block may hide behind it.
        raised.append("estimate_proximal_exceeds")
        high = 1.0
    attested = known.supramaximal_distal is True and known.supramaximal_proximal is True
    if low > _CLEARLY_MISSING and not attested:
        raised.append("estimate_stimulus_unproven")
    if known.supramaximal_proximal is False:
        low = 0.0
    mean, variance = deconvolution.moments(fit.theta, fit.shape)
    return {
        "blocked_fraction": float(np.clip(1.0 - mass, 0.0, 1.0)),
        "blocked_fraction_low": float(low),
        "blocked_fraction_high": float(high),
        "added_dispersion_ms": _weighted_median(np.sqrt(variance), fit.weight),
        "delay_ms": _weighted_median(mean, fit.weight),
        "residual_pct": 100.0 * fit.residual,
        "quality_flags": flags.join(raised),
    }


def _table(rows: Sequence[dict[str, float | str]]) -> pd.DataFrame:
    names = [*_NAMES, "quality_flags"]
    return conform(pd.DataFrame(list(rows), columns=names), "estimates")


def _rows_of(samples_mv: npt.ArrayLike, name: str) -> Floats:
    rows = np.atleast_2d(np.asarray(samples_mv, dtype=np.float64))
    if rows.ndim != 2:
        raise ValueError(
            f"{name} has {rows.ndim} dimensions; give (n_pairs, n_samples) or one trace."
        )
    return rows


def _per_pair(value: npt.ArrayLike, count: int, name: str) -> npt.NDArray[np.float64]:
    values = np.asarray(value, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and values.size != count):
        raise ValueError(
            f"{name} has shape {values.shape}; give one number, or one for each of {count} pairs."
        )
    return np.broadcast_to(values, (count,))


def _sweeps(
    distal_mv: npt.ArrayLike, proximal_mv: npt.ArrayLike, sampling_rate_hz: npt.ArrayLike,
    stimulus_index: npt.ArrayLike,
) -> list[tuple[Sweep, Sweep]]:  # fmt: skip
    distal, proximal = _rows_of(distal_mv, "distal_mv"), _rows_of(proximal_mv, "proximal_mv")
    if distal.shape != proximal.shape:
        raise ValueError(
            f"distal_mv has shape {distal.shape} and proximal_mv {proximal.shape}; "
            "they must be alike, one row per pair."
        )
    rates = _per_pair(sampling_rate_hz, len(distal), "sampling_rate_hz")
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError("sampling_rate_hz must be positive and finite.")
    stimuli = _per_pair(stimulus_index, len(distal), "stimulus_index")
    if not (stimuli == np.round(stimuli)).all():
        raise ValueError("stimulus_index must be a whole number of samples.")
    return [
        (Sweep(d, float(rate), int(at)), Sweep(p, float(rate), int(at)))
        for d, p, rate, at in zip(distal, proximal, rates, stimuli, strict=True)
    ]


def estimate_block(
    distal_mv: npt.ArrayLike,
    proximal_mv: npt.ArrayLike,
    *,
    sampling_rate_hz: npt.ArrayLike,
    stimulus_index: npt.ArrayLike,
) -> pd.DataFrame:
    """Tell how much of the distal signal is lost to block, apart from temporal dispersion.

    The proximal response is fitted as the distal one with a part missing and the rest delayed by
    a non-negative distribution that may have two groups; the missing part is the block. Neither
    the unit waveform nor the amplifier needs to be known, but both traces must share them.
    Research output: no published criterion uses it.

    Parameters
    ----------
    distal_mv, proximal_mv : array_like of shape (n_pairs, n_samples) or (n_samples,) [mV]
        Responses to distal and proximal stimulation, negative phase up.
    sampling_rate_hz : float or array_like of shape (n_pairs,) [Hz]
    stimulus_index : int or array_like of shape (n_pairs,)
        Sample of the stimulus, in both traces of the pair.

    Returns
    -------
    DataFrame
        One row per pair with the columns of table ``estimates``. NaN, with the flag that says
        why, when a trace is not finite, flat, clipped or without response, or when the distal
        response is below 1 mV.

    Raises
    ------
    ValueError
        If the shapes do not fit, a rate is not positive or a stimulus index not whole.
    UnitError
        If a response is larger than 100 mV.

    Notes
    -----
    A weak proximal stimulus looks like block, a weak distal one hides it: no trace can tell.
    Every pair is computed by itself: order and batch size change no bit. A common gain changes
    rounding only, except where the distal response crosses 1 mV.

    References
    ----------
    Cummins KL, Dorfman LJ, Perkel DH. Electroencephalogr Clin Neurophysiol 1979;46:634-646 and
    647-658 (two responses and the delays between them). The algorithm is our own.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(1000) / 20.0
    >>> def bell(at, width):
    ...     return np.exp(-(((t - at) / width) ** 2))
    >>> def wave(at):
    ...     return 8 * bell(at, 1.5) - 4 * bell(at + 5, 3)
    >>> found = estimate_block(wave(8), 0.5 * wave(12), sampling_rate_hz=20_000, stimulus_index=0)
    >>> found["blocked_fraction"].round(2).tolist()
    [0.5]
    """
    pairs = _sweeps(distal_mv, proximal_mv, sampling_rate_hz, stimulus_index)
    return _table([_estimate(distal, proximal, _Known()).row for distal, proximal in pairs])


def _sweep_of(trace: Trace) -> Sweep:
    samples = np.asarray(trace.samples_mv, dtype=np.float64)
    return Sweep(samples, float(trace.sampling_rate_hz), int(trace.stimulus_index))


def _known_of(distal: Trace, proximal: Trace) -> _Known:
    corners = (
        (distal.high_pass_hz, proximal.high_pass_hz), (distal.low_pass_hz, proximal.low_pass_hz),
    )  # fmt: skip
    differ = any(a is not None and b is not None and a != b for a, b in corners)
    return _Known(differ, distal.stimulus.is_supramaximal, proximal.stimulus.is_supramaximal)


def _clipped(trace: Trace) -> bool:
    """Tell whether the response reaches the limits of its converter."""
    if trace.range_mv is None:
        return False
    first = trace.stimulus_index + round(EARLIEST_ONSET_MS * 1e-3 * trace.sampling_rate_hz)
    after = np.asarray(trace.samples_mv)[max(0, first) :]
    low, high = trace.range_mv
    return bool(((after <= low) | (after >= high)).any())


def _segment(distal: Trace | None, proximal: Trace | None) -> _Outcome:
    if distal is None or proximal is None or _clipped(distal) or _clipped(proximal):
        return _nothing("estimate_response_absent")
    return _estimate(_sweep_of(distal), _sweep_of(proximal), _known_of(distal, proximal))


def estimate_segments(pairs: Sequence[tuple[Trace | None, Trace | None]]) -> pd.DataFrame:
    """Estimate block for distal and proximal traces with what is known of them.

    As :func:`estimate_block`, and also: traces may differ in rate, length and stimulus time;
    known filters that differ give no estimate; a stimulus attested to be submaximal opens the
    interval on the side it makes uncertain; None (a typed-in row) gives no estimate.

    Returns
    -------
    DataFrame
        Table ``estimates``, one row per pair, in order.

    Raises
    ------
    UnitError
        If a response is larger than 100 mV.
    """
    return _table([_segment(distal, proximal).row for distal, proximal in pairs])


def fit_details(
    distal_mv: npt.ArrayLike,
    proximal_mv: npt.ArrayLike,
    *,
    sampling_rate_hz: float,
    stimulus_index: int,
) -> BlockFit:
    """Give one pair's estimate with the fitted response and the delay distribution, for a figure.

    Parameters and errors as :func:`estimate_block`, for one pair.
    """
    pairs = _sweeps(distal_mv, proximal_mv, sampling_rate_hz, stimulus_index)
    if len(pairs) != 1:
        raise ValueError(f"{len(pairs)} pairs were given; fit_details takes one.")
    return _details(*pairs[0], _estimate(*pairs[0], _Known()))


def fit_segment(distal: Trace, proximal: Trace) -> BlockFit:
    """Give :func:`fit_details` for two traces with what is known of them."""
    return _details(_sweep_of(distal), _sweep_of(proximal), _segment(distal, proximal))


def _details(distal: Sweep, proximal: Sweep, outcome: _Outcome) -> BlockFit:
    times = [
        (np.arange(s.samples_mv.size) - s.stimulus_index) / s.sampling_rate_hz * 1e3
        for s in (distal, proximal)
    ]
    delays, density = np.arange(0.0, 60.0, 0.05), np.zeros(1200)
    if outcome.fit is None or outcome.distal is None or outcome.proximal is None:
        return BlockFit(
            outcome.row, times[0], distal.samples_mv, times[1], proximal.samples_mv,
            np.full(times[0].size, np.nan), delays, density,
        )  # fmt: skip
    near, far = outcome.distal, outcome.proximal
    density = deconvolution.density(outcome.fit, delays)
    response = np.where(near.time_ms >= near.onset_ms - 1.0, near.samples_mv, 0.0)
    step = 1e3 / distal.sampling_rate_hz
    kernel = np.interp(np.arange(0.0, 60.0, step), delays, density) * step
    mass = density.sum() * 0.05
    kernel = kernel * (mass / kernel.sum()) if kernel.sum() > 0 else kernel
    fitted = np.convolve(response, kernel)[: response.size]
    return BlockFit(
        outcome.row, near.time_ms, near.samples_mv, far.time_ms, far.samples_mv, fitted,
        delays, density,
    )  # fmt: skip

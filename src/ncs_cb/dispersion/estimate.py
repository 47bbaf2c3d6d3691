"""From distal and proximal traces to the blocked share, its interval and the delays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ncs_cb import _kernels, flags
from ncs_cb.columns import conform
from ncs_cb.dispersion import calibration, deconvolution
from ncs_cb.dispersion.fitting import LIMITS, refine
from ncs_cb.dispersion.recordings import EARLIEST_ONSET_MS, Sweep, clean, spectra
from ncs_cb.dispersion.rows import NAMES, Known, Pairs, Row, limit, row_of, worded
from ncs_cb.dispersion.screening import screen
from ncs_cb.dispersion.usable import usable
from ncs_cb.errors import ArgumentError
from ncs_cb.knowledge import thresholds
from ncs_cb.measuring.traces import measure_study_traces, measure_traces
from ncs_cb.model import BlockFit, Trace
from ncs_cb.units import as_array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One pair with its fit, from which :func:`curves` draws the curves when they are wanted."""

    numbers: Floats
    flags: str
    distal: Sweep
    proximal: Sweep
    pairs: Pairs
    row: int

    @property
    def estimate(self) -> Row:
        """The row of the table ``estimates``."""
        return row_of(self.numbers, self.flags)


# So many pairs at once: what is made on the way is dropped before the next ones come.
_TOGETHER = 512


# ------------------------------------------------------------------ from pairs to rows


@dataclass(frozen=True, slots=True, eq=False)
class _Estimates:
    """Numbers (n, 6) and flags of all pairs, and what was fitted, some pairs at a time."""

    numbers: Floats
    flags: list[str]
    fitted: list[Pairs]


def _estimate(pairs: Sequence[tuple[Sweep, Sweep]], known: Sequence[Known]) -> _Estimates:
    """Estimate every pair by itself."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, (distal, proximal) in enumerate(pairs):
        groups.setdefault((*distal.kind, *proximal.kind), []).append(place)
    numbers = np.full((len(pairs), len(NAMES)), np.nan)
    words = ["estimate_response_absent"] * len(pairs)
    fitted = []
    for places in groups.values():
        for start in range(0, len(places), _TOGETHER):
            chosen = places[start : start + _TOGETHER]
            reasons, found = _fit([pairs[i] for i in chosen], [known[i] for i in chosen])
            for place, reason in zip(chosen, reasons, strict=True):
                words[place] = reason
            if found is None:
                continue
            fitted.append(replace(found, place=np.array(chosen)[found.place]))
            own = fitted[-1].place.tolist()
            numbers[own], raised = worded(found, [known[place] for place in own])
            for place, text in zip(own, raised, strict=True):
                words[place] = text
    return _Estimates(numbers, words, fitted)


def _fit(
    pairs: Sequence[tuple[Sweep, Sweep]], known: Sequence[Known]
) -> tuple[list[str], Pairs | None]:
    """Fit pairs of one kind; give each one's reason for no estimate, and the fit of the others."""
    near_far = list(zip(*pairs, strict=True))
    rows = [_kernels.rows_of([sweep.samples_mv for sweep in sweeps]) for sweeps in near_far]
    good = [usable(*both) for both in zip(near_far, rows, strict=True)]
    reason = np.full(len(pairs), "estimate_response_absent", dtype=object)
    differ = np.array([one.filters_differ for one in known])
    reason[differ] = "estimate_filters_differ"
    place = np.flatnonzero(good[0] & good[1] & ~differ)
    if place.size == 0:
        return reason.tolist(), None
    grids = [sweeps[0].grid for sweeps in near_far]
    near = clean(rows[0].take(place), grids[0], np.full(place.size, EARLIEST_ONSET_MS))
    small = near.is_present & (near.peak_mv < limit("smallest_distal_mv"))
    reason[place[small]] = "estimate_distal_small"
    go = np.flatnonzero(near.is_present & ~small)
    near, place = near.take(go), place[go]
    if place.size == 0:
        return reason.tolist(), None
    after = np.maximum(near.onset_ms, EARLIEST_ONSET_MS)
    far = clean(rows[1].take(place), grids[1], after)
    go = np.flatnonzero(far.is_present)
    if go.size == 0:
        return reason.tolist(), None
    near, far, place = near.take(go), far.take(go), place[go]
    pair = spectra(near, far)
    fit = refine(screen(pair, LIMITS), pair)
    hidden = calibration.hidden_mass(fit, pair)
    strange = calibration.strangeness(fit, pair)
    return reason.tolist(), Pairs(place, near, far, fit, hidden, strange)


def _table(columns: Mapping[str, Floats], words: Sequence[str]) -> pd.DataFrame:
    return conform(pd.DataFrame({**columns, "quality_flags": list(words)}), "estimates")


def _columns(numbers: Floats) -> dict[str, Floats]:
    return dict(zip(NAMES, numbers.T, strict=True))


# ------------------------------------------------------------------ arrays


def _rows_of(samples_mv: npt.ArrayLike, name: str) -> Floats:
    if isinstance(samples_mv, np.ma.MaskedArray):
        samples_mv = np.ma.filled(np.ma.asarray(samples_mv, dtype=np.float64), np.nan)
    rows = np.atleast_2d(as_array(samples_mv, name, np.float64))
    if rows.ndim != 2:
        raise ArgumentError(
            f"{name} has {rows.ndim} dimensions; give (n_pairs, n_samples) or one trace."
        )
    return rows


def _per_pair(value: npt.ArrayLike, count: int, name: str) -> npt.NDArray[np.float64]:
    values = as_array(value, name, np.float64)
    if values.ndim > 1 or (values.ndim == 1 and values.size != count):
        raise ArgumentError(
            f"{name} has shape {values.shape}; give one number, or one for each of {count} pairs."
        )
    return np.broadcast_to(values, (count,))


def _sweeps(
    distal_mv: npt.ArrayLike,
    proximal_mv: npt.ArrayLike,
    sampling_rate_hz: npt.ArrayLike,
    stimulus_index: npt.ArrayLike,
) -> list[tuple[Sweep, Sweep]]:
    distal, proximal = _rows_of(distal_mv, "distal_mv"), _rows_of(proximal_mv, "proximal_mv")
    if distal.shape != proximal.shape:
        raise ArgumentError(
            f"distal_mv has shape {distal.shape} and proximal_mv {proximal.shape}; "
            "they must be alike, one row per pair."
        )
    rates = _per_pair(sampling_rate_hz, len(distal), "sampling_rate_hz")
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ArgumentError("sampling_rate_hz must be positive and finite.")
    stimuli = _per_pair(stimulus_index, len(distal), "stimulus_index")
    if not (stimuli == np.round(stimuli)).all():
        raise ArgumentError("stimulus_index must be a whole number of samples.")
    return [
        (Sweep(d, float(rate), int(at)), Sweep(p, float(rate), int(at)))
        for d, p, rate, at in zip(distal, proximal, rates, stimuli, strict=True)
    ]


def _estimate_arrays(pairs: Sequence[tuple[Sweep, Sweep]], known: Known) -> _Estimates:
    """Estimate pairs of arrays; a response that measuring does not find is none."""
    found = _estimate(pairs, [known] * len(pairs))
    given = np.flatnonzero(~np.isnan(found.numbers[:, 0])).tolist()
    if not given:
        return found
    for place, is_seen in zip(given, _are_seen([pairs[i] for i in given]), strict=True):
        if not is_seen:
            found.numbers[place] = np.nan
            found.flags[place] = "estimate_response_absent"
    return found


def _are_seen(pairs: Sequence[tuple[Sweep, Sweep]]) -> list[bool]:
    """Tell of which pairs measuring finds both responses; none at rates that it takes for kHz."""
    sweeps = [sweep for pair in pairs for sweep in pair]
    rates = np.array([sweep.sampling_rate_hz for sweep in sweeps])
    is_fine = rates > thresholds.value("scale.largest_rate_khz")
    if not is_fine.any():
        return [False] * len(pairs)
    measured = measure_traces(
        np.stack([sweep.samples_mv for sweep in sweeps]),
        sampling_rate_hz=rates,
        stimulus_index=[sweep.stimulus_index for sweep in sweeps],
    )
    absent = list(map(_is_absent, measured["quality_flags"].tolist()))
    ends = zip(is_fine[::2].tolist(), absent[::2], absent[1::2], strict=True)
    return [fine and not (near or far) for fine, near, far in ends]


def _is_absent(quality_flags: str) -> bool:
    return "response_absent" in flags.split(quality_flags)


def estimate_block(
    distal_mv: npt.ArrayLike,
    proximal_mv: npt.ArrayLike,
    *,
    sampling_rate_hz: npt.ArrayLike,
    stimulus_index: npt.ArrayLike,
    supramaximal: bool | None = None,
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
    supramaximal : bool, optional
        Whether both stimuli of every pair were supramaximal. None, as long as nobody attested it:
        the interval then reaches down to 0, and farther up. False: from 0 to 1.

    Returns
    -------
    DataFrame
        One row per pair with the columns of table ``estimates``. NaN, with the flag that says
        why, when a trace is not finite, flat, clipped or without response, or when the distal
        response is below 1 mV.

    Raises
    ------
    ArgumentError
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
    known = Known(supramaximal_distal=supramaximal, supramaximal_proximal=supramaximal)
    found = _estimate_arrays(pairs, known)
    return _table(_columns(found.numbers), found.flags)


# ------------------------------------------------------------------ traces


def _sweep_of(trace: Trace) -> Sweep:
    samples = np.asarray(trace.samples_mv)
    return Sweep(samples, float(trace.sampling_rate_hz), int(trace.stimulus_index), trace.range_mv)


def _known_of(distal: Trace, proximal: Trace) -> Known:
    differ = _is_other(distal.high_pass_hz, proximal.high_pass_hz) or _is_other(
        distal.low_pass_hz, proximal.low_pass_hz
    )
    near, far = distal.stimulus, proximal.stimulus
    collision = far.collision_used is True
    return _known(differ, near.is_supramaximal, far.is_supramaximal, collision)


def _is_other(corner_hz: float | None, other_hz: float | None) -> bool:
    return corner_hz is not None and other_hz is not None and corner_hz != other_hz


# Of thousands of pairs few differ in what is known of them.
_known = lru_cache(maxsize=64)(Known)


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
    traces = {id(one): one for pair in pairs for one in pair if one is not None}
    if not traces:
        return _table(*fit_segments(pairs)[:2])
    texts = measure_study_traces(list(traces.values()))["quality_flags"].tolist()
    told = dict(zip(traces, texts, strict=True))

    def seen(one: Trace | None) -> Trace | None:
        return None if one is None or _is_absent(told[id(one)]) else one

    return _table(*fit_segments([(seen(near), seen(far)) for near, far in pairs])[:2])


class Fits(NamedTuple):
    """What :func:`fit_segments` finds.

    Attributes
    ----------
    columns : dict of str to ndarray
        The numbers of table ``estimates``, one of each pair.
    flags : list of str
        Its ``quality_flags``.
    fits : dict of int to Fitted
        The fit of each pair that has one, by its place.
    """

    columns: dict[str, Floats]
    flags: list[str]
    fits: dict[int, Fitted]


def fit_segments(pairs: Sequence[tuple[Trace | None, Trace | None]]) -> Fits:
    """Give the columns of :func:`estimate_segments`, and the fits behind them.

    None stands for a response that is not there, too: who calls has measured.
    """
    there = [
        (i, distal, proximal)
        for i, (distal, proximal) in enumerate(pairs)
        if distal is not None and proximal is not None
    ]
    # Most traces are the distal one of a pair and the proximal one of another.
    traces = {id(trace): trace for _, *both in there for trace in both}
    sweep = {key: _sweep_of(trace) for key, trace in traces.items()}
    sweeps = [(sweep[id(distal)], sweep[id(proximal)]) for _, distal, proximal in there]
    found = _estimate(sweeps, [_known_of(*both) for _, *both in there])
    places = [i for i, _, _ in there]
    numbers = np.full((len(pairs), len(NAMES)), np.nan)
    words = ["estimate_response_absent"] * len(pairs)
    numbers[places] = found.numbers
    for i, text in zip(places, found.flags, strict=True):
        words[i] = text
    fits = {}
    for some in found.fitted:
        for row, place in enumerate(some.place.tolist()):
            distal, proximal = sweeps[place]
            own = found.numbers[place], found.flags[place]
            fits[places[place]] = Fitted(*own, distal, proximal, some, row)
    return Fits(_columns(numbers), words, fits)


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
        raise ArgumentError(f"{len(pairs)} pairs were given; fit_details takes one.")
    found = _estimate_arrays(pairs, Known())
    distal, proximal = pairs[0]
    if not np.isnan(found.numbers[0, 0]):
        one = Fitted(found.numbers[0], found.flags[0], distal, proximal, found.fitted[0], 0)
        return curves(one)
    return BlockFit(
        row_of(found.numbers[0], found.flags[0]),
        distal.time_ms,
        distal.samples_mv,
        proximal.time_ms,
        proximal.samples_mv,
        np.full(distal.time_ms.size, np.nan),
        _DELAYS_MS,
        np.zeros(_DELAYS_MS.size),
    )


# The distribution of delays is drawn on this grid.
_DELAY_STEP_MS = 0.05
_DELAYS_MS = np.arange(0.0, 60.0, _DELAY_STEP_MS)
_DELAYS_MS.flags.writeable = False


def curves(fitted: Fitted) -> BlockFit:
    """Give the curves behind one pair's estimate."""
    found, row, distal = fitted.pairs, fitted.row, fitted.distal
    times = [sweep.time_ms for sweep in (distal, fitted.proximal)]
    near = found.distal.clean(row, distal.samples_mv, times[0])
    far = found.proximal.clean(row, fitted.proximal.samples_mv, times[1])
    density = deconvolution.density(found.fit, row, _DELAYS_MS)
    response = np.where(times[0] >= found.distal.onset_ms[row] - 1.0, near, 0.0)
    step = 1e3 / distal.sampling_rate_hz
    kernel = np.interp(np.arange(0.0, 60.0, step), _DELAYS_MS, density) * step
    mass = density.sum() * _DELAY_STEP_MS
    kernel = kernel * (mass / kernel.sum()) if kernel.sum() > 0 else kernel
    fitted_mv = np.convolve(response, kernel)[: response.size]
    return BlockFit(fitted.estimate, times[0], near, times[1], far, fitted_mv, _DELAYS_MS, density)

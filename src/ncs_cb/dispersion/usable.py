"""Which traces the estimate can use: finite, long enough, neither flat nor clipped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncs_cb import _kernels
from ncs_cb.dispersion.deconvolution import Floats, Truths
from ncs_cb.dispersion.recordings import EARLIEST_ONSET_MS, Sweep, holds_a_response
from ncs_cb.dispersion.rows import limit
from ncs_cb.errors import UnitError
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV


def usable(sweeps: Sequence[Sweep], rows: _kernels.Rows) -> Truths:
    """Tell which sweeps of one kind are finite, long enough, and neither flat nor clipped.

    Raises
    ------
    UnitError
        If a response is larger than 100 mV.
    """
    one, rate = sweeps[0], sweeps[0].sampling_rate_hz
    first = max(0, one.stimulus_index) + round(EARLIEST_ONSET_MS * 1e-3 * rate)
    bottoms, tops, ties, are_finite = _kernels.look(rows, first).T
    is_finite = are_finite == 1.0
    with np.errstate(invalid="ignore"):
        for row in np.flatnonzero(~is_finite).tolist():
            after = sweeps[row].samples_mv[first:]
            bottoms[row], tops[row] = after.min(initial=np.inf), after.max(initial=-np.inf)
        spans = tops - bottoms
    limits = np.array([sweep.range_mv or (-np.inf, np.inf) for sweep in sweeps])
    inside = ~((bottoms <= limits[:, 0]) | (tops >= limits[:, 1]))
    for row in np.flatnonzero(inside & ~(spans <= LARGEST_PLAUSIBLE_RESPONSE_MV)).tolist():
        _refuse_implausible(sweeps[row].samples_mv[first:])
    good = inside & is_finite & (spans > 0)
    least = (limit("shortest_sweep_ms") - EARLIEST_ONSET_MS) * 1e-3 * rate
    n_samples = one.samples_mv.size
    is_inside = 0 <= one.stimulus_index < n_samples
    if not is_inside or n_samples - first < least or not holds_a_response(one.grid):
        return np.zeros(len(sweeps), dtype=bool)
    run = max(4, round(limit("standstill_ms") * 1e-3 * rate))
    for row in np.flatnonzero(good & (ties >= run)).tolist():
        good[row] = not _stands_still(sweeps[row].samples_mv[first:], run)
    return np.asarray(good)


def _stands_still(after: Floats, run: int) -> bool:
    """Tell whether a phase stands still far from the baseline; a quiet baseline may."""
    top, bottom = float(after.max()), float(after.min())
    far, rest = 0.2 * (top - bottom), float(np.median(after))
    return any(
        abs(edge - rest) > far and _longest_run(after == edge) >= run for edge in (top, bottom)
    )


def _longest_run(mask: Truths) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def _refuse_implausible(after: Floats) -> None:
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

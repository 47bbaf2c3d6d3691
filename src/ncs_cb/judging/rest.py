"""What is left of a fall: without crossing fibers, or seen from further up the nerve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ncs_cb.judging.contradictions import Contradictions
from ncs_cb.judging.table import Segments

Array = np.ndarray[Any, Any]

# What is taken off a reduction when fibers cross: the column, and the share it goes by.
_BY_SHARE = {
    "amplitude_reduction_pct": "amplitude",
    "peak_to_peak_reduction_pct": "amplitude",
    "area_reduction_pct": "area",
    "total_area_reduction_pct": "area",
}


def answering(table: Segments, silent: Array) -> Segments:
    """Give the segments with a distal amplitude of 0 where neither site gave a response."""
    if not silent.any():
        return table
    known = table.number("distal_amplitude_mv")[0]
    return _with(table, distal_amplitude_mv=np.where(silent, 0.0, known))


def without_crossing(table: Segments, crossing: Array, crossing_area: Array) -> Segments | None:
    """Give the segments with the crossing fibers taken off the distal response; None if none."""
    if not np.isfinite(crossing).any():
        return None
    shares = {"amplitude": crossing, "area": crossing_area}
    given = table.columns
    changed = {
        name: reduced(given[name], shares[kind])
        for name, kind in _BY_SHARE.items()
        if name in given
    }
    if "distal_amplitude_mv" in given:
        left = np.where(np.isnan(crossing), 1.0, 1.0 - crossing)
        changed["distal_amplitude_mv"] = given["distal_amplitude_mv"] * left
    return _with(table, **changed)


def _with(table: Segments, **columns: Array) -> Segments:
    """Give the segments with some numbers changed."""
    return replace(table, columns={**table.columns, **columns}, number_cache={}, word_cache={})


def recovered(table: Segments, against: Contradictions) -> Segments | None:
    """Give the segments with the least fall that a more proximal response shows; None if none."""
    if not any(against.site):
        return None
    changed = {
        name: np.where(np.isnan(least), table.columns[name], least)
        for name, least in against.recovered.items()
    }
    return _with(table, **changed)


def reduced(reduction_pct: Array, share: Array) -> Array:
    """Give a reduction relative to what is left of the distal response.

    ``100 * (1 - proximal / (distal - crossing))``; at most as large as before, and 0 where
    nothing is left.
    """
    known = np.isfinite(share)
    left = np.where(known, 1.0 - share, 1.0)
    kept = 1.0 - reduction_pct / 100.0
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(left > 0.0, 100.0 * (1.0 - kept / left), 0.0)
    return np.where(known, rest, reduction_pct)

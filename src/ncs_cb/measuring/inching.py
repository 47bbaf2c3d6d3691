"""Inching: a nerve stimulated in short steps, and the step at which something happens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb.columns import conform, keys_of
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.measuring.absence import is_absent
from ncs_cb.vocabulary import TOLERANCE

Floats = NDArray[np.float64]

_SERIES = ["study_id", "recording", "nerve", "side", "muscle"]
_AMPLITUDE = "negative_peak_amplitude_mv"
_AREA = "total_negative_area_mv_ms"


def find_inching(traces: pd.DataFrame) -> pd.DataFrame:
    """Find series of short-step stimulation and the focal step of each.

    A series is four or more stimuli of one nerve in one recording, each at most 30 mm from the
    next. Steps share the names of sites: stimuli that each bear a name of their own are the
    sites of an ordinary study, never one series. The focal step is the one with the most abrupt
    change: its fall of amplitude or area exceeds the median of the other steps by more than 20
    points, or its latency exceeds what the other steps predict for its length by more than 0.4 ms.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``, with the rows flagged ``not_used``; it is not changed. Of several
        responses at one distance the one with the highest current counts.

    Returns
    -------
    DataFrame
        Table ``inching``: one row per step, distal first; empty when there is no series. A
        change is NaN where a response is absent or not measured, but a response that vanishes
        counts as a full fall when the focal step is looked for. ``is_focal`` is unknown where
        no step can be compared.
    """
    close = _close_rows(traces)
    if not close:
        return conform(pd.DataFrame(), "inching")
    rows = traces.iloc[close]
    tables = [
        _steps(chain)
        for _, series in rows.groupby(_SERIES, sort=False, dropna=False)
        for chain in _chains(series)
    ]
    return conform(pd.concat(tables) if tables else pd.DataFrame(), "inching")


def _close_rows(traces: pd.DataFrame) -> list[int]:
    """Give the rows of nerves with as many short steps as a series has; most nerves have none."""
    distances = traces["distance_mm"].to_numpy(dtype=np.float64, na_value=np.nan)
    is_placed = (traces["kind"] == "motor").to_numpy(dtype=bool, na_value=False)
    is_placed &= ~np.isnan(distances)
    nerves: dict[tuple[str, ...], list[int]] = {}
    for row, nerve in enumerate(keys_of(traces, _SERIES)):
        if is_placed[row]:
            nerves.setdefault(nerve, []).append(row)
    least = limit("sweeps.series_minimum_steps") - 1
    longest_mm = limit("inching.maximum_step_mm") + TOLERANCE
    close: list[int] = []
    for rows in nerves.values():
        if len(rows) <= least:
            continue
        steps = np.diff(np.sort(distances[rows]))
        if ((steps > 0.0) & (steps <= longest_mm)).sum() >= least:
            close += rows
    return sorted(close)


def _chains(series: pd.DataFrame) -> list[pd.DataFrame]:
    """Cut one nerve's responses into runs whose stimuli lie close together."""
    strongest = series.sort_values("stimulus_ma", ascending=False, kind="stable")
    ordered = strongest.drop_duplicates("distance_mm").sort_values("distance_mm", kind="stable")
    gaps = np.diff(ordered["distance_mm"].to_numpy(dtype=np.float64))
    cuts = np.flatnonzero(gaps > limit("inching.maximum_step_mm") + TOLERANCE) + 1
    bounds = [0, *cuts.tolist(), len(ordered)]
    least = limit("sweeps.series_minimum_steps")
    chains = [ordered.iloc[start:end] for start, end in pairwise(bounds) if end - start >= least]
    return [chain for chain in chains if chain["stimulation_site"].nunique() < len(chain)]


def _steps(chain: pd.DataFrame) -> pd.DataFrame:
    """Compare each stimulus of a series with the next one."""
    near, far = chain.iloc[:-1].reset_index(drop=True), chain.iloc[1:].reset_index(drop=True)
    table = near[["study_id", "nerve", "side", "muscle"]].assign(
        step=np.arange(1, len(near) + 1),
        distal_site=near["stimulation_site"],
        proximal_site=far["stimulation_site"],
        distal_distance_mm=near["distance_mm"],
        proximal_distance_mm=far["distance_mm"],
        length_mm=far["distance_mm"] - near["distance_mm"],
        latency_change_ms=far["onset_latency_ms"] - near["onset_latency_ms"],
        amplitude_reduction_pct=_fall_pct(_values(near, _AMPLITUDE), _values(far, _AMPLITUDE)),
        total_area_reduction_pct=_fall_pct(_values(near, _AREA), _values(far, _AREA)),
    )
    table["is_focal"] = _focal(table, near, far)
    return conform(table, "inching")


def _values(rows: pd.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _effective(rows: pd.DataFrame, name: str) -> Floats:
    """Sizes in which a response that was looked for and is absent counts 0."""
    return np.where(is_absent(rows), 0.0, _values(rows, name))


def _fall_pct(distal: Floats, proximal: Floats) -> Floats:
    fall: Floats = 100.0 * (1.0 - proximal / np.where(distal > 0.0, distal, np.nan))
    return fall


def _focal(table: pd.DataFrame, near: pd.DataFrame, far: pd.DataFrame) -> Any:
    """Mark the step with the most abrupt change, if it is abrupt enough."""
    falls = [_fall_pct(_effective(near, n), _effective(far, n)) for n in (_AMPLITUDE, _AREA)]
    abrupt = [_beyond_others(fall) / limit("inching.focal_fall_pct") for fall in falls]
    length_mm = table["length_mm"].to_numpy(dtype=np.float64)
    delay_ms = table["latency_change_ms"].to_numpy(dtype=np.float64)
    late_ms = _beyond_others(delay_ms / length_mm) * length_mm
    abrupt.append(late_ms / limit("inching.focal_delay_ms"))
    score = np.fmax.reduce(abrupt)
    answers = pd.array([pd.NA] * len(table), dtype="boolean")
    if np.isfinite(score).any():
        answers = pd.array([False] * len(table), dtype="boolean")
        most = int(np.nanargmax(score))
        answers[most] = bool(score[most] > 1.0 + TOLERANCE)
    return answers


def _beyond_others(values: Floats) -> Floats:
    """How far each value exceeds the median of the others; NaN where there are none."""
    out = np.full(len(values), np.nan)
    for n in range(len(values)):
        others = np.delete(values, n)
        others = others[np.isfinite(others)]
        if others.size:
            out[n] = values[n] - np.median(others)
    return out

"""Intensity series: how the response grows with the stimulus, and whether it reaches a plateau."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.columns import conform
from ncs_cb.knowledge import thresholds
from ncs_cb.measuring.absence import is_absent
from ncs_cb.vocabulary import TOLERANCE

Floats = NDArray[np.float64]

_SERIES = ["study_id", "nerve", "side", "muscle", "stimulation_site"]
_RUN = [*_SERIES, "recording", "kind", "distance_mm"]


def recruitment_table(
    traces: pd.DataFrame, sweep_counts: Sequence[int] | None = None
) -> pd.DataFrame:
    """Give one row per current of every intensity series in a ``traces`` table.

    A series is four or more different currents at one site of one recording, or three or more
    sweeps under one text without currents that rise from each to the next. It reaches a
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
    told_rows, untold_rows = _possible_series(traces)
    if not told_rows and not untold_rows:
        return conform(pd.DataFrame(), "recruitment")
    counts = np.ones(len(traces), dtype=int) if sweep_counts is None else list(sweep_counts)
    table = traces.assign(n_sweeps=counts)
    untold = _rising_series(table.iloc[untold_rows])
    rows = table.iloc[told_rows]
    if rows.empty:
        return conform(untold, "recruitment")
    keys = [key for key in _RUN if key in rows]
    series = np.asarray(rows.groupby(keys, sort=False, dropna=False).ngroup(), dtype=np.int64)
    # The rows of a series lie one after the other from here on, the currents of each rising.
    current = rows["stimulus_ma"].to_numpy(dtype=np.float64)
    order = np.lexsort((current, series))
    first, table = _step_table(rows.iloc[order], series[order], current[order])
    identity = rows[_SERIES].iloc[order[first]].reset_index(drop=True)
    told = conform(pd.concat([identity, table], axis=1), "recruitment")
    if untold.empty:
        return told
    both = pd.concat([told, conform(untold, "recruitment")], ignore_index=True)
    return conform(both, "recruitment")


def _possible_series(traces: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Give the rows of series told by their currents, and of sweeps that may be one without."""
    least = thresholds.value("sweeps.series_minimum_steps")
    currents = traces["stimulus_ma"].to_numpy(dtype=np.float64, na_value=np.nan).tolist()
    told: list[int] = []
    for rows in _runs(traces).values():
        if len(rows) < least:
            continue
        known = [row for row in rows if not math.isnan(currents[row])]
        if len({currents[row] for row in known}) >= least:
            told += known
    texts = enumerate(traces["quality_flags"].tolist())
    odd = [row for row, text in texts if isinstance(text, str) and "repeats_differ" in text]
    return sorted(told), [row for row in odd if math.isnan(currents[row])]


def _rising_series(steps: pd.DataFrame) -> pd.DataFrame:
    """Give the steps of series whose current nobody wrote down, in the order of recording.

    Sweeps under one text that are no repeats (``repeats_differ``) and rise from one to the next
    are such a series. Whether its top is supramaximal cannot be known without currents.
    """
    keys = [key for key in _RUN if key in steps]
    parts = [pd.DataFrame(columns=_SERIES)]
    share = thresholds.value("sweeps.repeat_amplitude_share")
    for _, part in steps.groupby(keys, sort=False, dropna=False):
        height = part["negative_peak_amplitude_mv"].to_numpy(dtype=np.float64, na_value=np.nan)
        known = height[np.isfinite(height)]
        if len(known) < thresholds.value("sweeps.rising_minimum_steps"):
            continue
        if np.diff(known).min() < -share * known.max():
            continue
        parts.append(
            part[_SERIES].assign(
                stimulus_ma=np.nan,
                n_sweeps=part["n_sweeps"].to_numpy(),
                negative_peak_amplitude_mv=height,
                relative_amplitude_pct=100.0 * height / known.max(),
                is_supramaximal=pd.array([pd.NA] * len(part), dtype="boolean"),
            )
        )
    return parts[0] if len(parts) == 1 else pd.concat(parts[1:], ignore_index=True)


def _step_table(
    rows: pd.DataFrame, series: NDArray[np.int64], current: Floats
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """One row per current of each series, and which of `rows` is the first of that series."""
    amplitude = rows["negative_peak_amplitude_mv"].to_numpy(dtype=np.float64, na_value=np.nan)
    effective = np.where(is_absent(rows), 0.0, amplitude)
    is_new = np.append(True, (np.diff(series) != 0) | (np.diff(current) != 0))
    starts = np.flatnonzero(is_new)
    stops = np.append(starts[1:], len(current))
    height = _medians(amplitude, starts, stops)
    known = _medians(effective, starts, stops)
    n = len(starts)
    largest, first = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    reached, is_unknown = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    limit = thresholds.value("sweeps.plateau_growth_pct") + TOLERANCE
    for number in np.unique(series):
        own = series[starts] == number
        growth_pct = _plateau_growth_pct(current[starts][own], known[own])
        reached[own], is_unknown[own] = growth_pct <= limit, np.isnan(growth_pct)
        first[own] = starts[own][0]
        measured = height[own][~np.isnan(height[own])]
        if measured.size:
            largest[own] = measured.max()
    table = pd.DataFrame(
        {
            "stimulus_ma": current[starts],
            "n_sweeps": np.add.reduceat(rows["n_sweeps"].to_numpy(dtype=np.int64), starts),
            "negative_peak_amplitude_mv": height,
            "relative_amplitude_pct": 100.0 * height / largest,
            "is_supramaximal": pd.arrays.BooleanArray(reached, is_unknown),
        }
    )
    return first, table


def _medians(values: Floats, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Floats:
    """Median of what is known in each run; NaN where nothing is."""
    found = np.full(len(starts), np.nan)
    for i, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        known = values[start:stop]
        known = known[~np.isnan(known)]
        if known.size:
            found[i] = known[0] if known.size == 1 else np.median(known)
    return found


def _plateau_growth_pct(stimulus_ma: Floats, amplitude_mv: Floats) -> float:
    """Growth over the last part of the intensity range, in percent of its start."""
    top = stimulus_ma[-1]
    is_known = np.isfinite(amplitude_mv)
    start = (1.0 - thresholds.value("sweeps.plateau_intensity_share")) * top
    grace = TOLERANCE * top
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


def still_growing(traces: pd.DataFrame) -> frozenset[tuple[Hashable, ...]]:
    """Give the sites whose last stimulus still raised the response, as far as one can see.

    Stimuli of one recording, by current or, where none is told or all are told alike, in the
    order of recording: the last response is the largest, and by more than a plateau may grow,
    or, of two, by more than repeats differ. Two told the same current are no series.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``, with the rows flagged ``not_used``.

    Returns
    -------
    frozenset of tuple
        Study, nerve, side, muscle and stimulation site; None where one is unknown.
    """
    is_motor = (traces["kind"] == "motor").to_numpy(dtype=bool, na_value=False)
    together = _runs(traces).items()
    runs = [(place, rows) for place, rows in together if len(rows) > 1 and is_motor[rows[0]]]
    if not runs:
        return frozenset()
    currents = traces["stimulus_ma"].to_numpy(dtype=np.float64, na_value=np.nan)
    sizes = traces["negative_peak_amplitude_mv"].to_numpy(dtype=np.float64, na_value=np.nan)
    sizes = np.where(is_absent(traces), 0.0, sizes)
    found = set()
    for place, rows in runs:
        current, height = currents[rows], sizes[rows]
        is_told = np.isfinite(current)
        if is_told.any() and not is_told.all():
            continue
        is_one = bool(is_told.all()) and np.ptp(current) == 0.0
        if is_told.all() and not is_one:
            order = np.argsort(current, kind="stable")
            starts = np.flatnonzero(np.append(True, np.diff(current[order]) != 0))
            height = _medians(height[order], starts, np.append(starts[1:], len(order)))
        if _ends_growing(height[~np.isnan(height)], is_one=is_one):
            found.add(place[: len(_SERIES)])
    return frozenset(found)


def _runs(traces: pd.DataFrame) -> dict[tuple[Hashable, ...], list[int]]:
    """Give the rows of each site, recording, kind and distance, unknown ones as None."""
    columns = [_or_none(traces[name]) for name in _RUN if name in traces]
    runs: dict[tuple[Hashable, ...], list[int]] = {}
    for row, place in enumerate(zip(*columns, strict=True)):
        runs.setdefault(place, []).append(row)
    return runs


def _or_none(column: pd.Series) -> list[Any]:
    """Give the values of a column, those that are missing as None."""
    return [
        None if one is pd.NA or (isinstance(one, float) and math.isnan(one)) else one
        for one in column.to_numpy(object).tolist()
    ]


def _ends_growing(height_mv: Floats, *, is_one: bool) -> bool:
    """Tell whether the last of a series of responses is still larger than all before it."""
    steps = thresholds.value("sweeps.rising_minimum_steps")
    if len(height_mv) < (steps if is_one else 2):
        return False
    most = thresholds.value("sweeps.plateau_growth_pct") / 100.0
    if len(height_mv) < steps:
        # Two that differ by less may be repeats: of the larger, as repeats are compared.
        share = thresholds.value("sweeps.repeat_amplitude_share")
        most = share / (1.0 - share)
    return bool(height_mv[-1] > (1.0 + most) * height_mv[:-1].max())


def attest(traces: pd.DataFrame, recruitment: pd.DataFrame) -> pd.DataFrame:
    """Give `traces` with ``supramaximality_denied`` on the top of every series that still grows.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.
    recruitment : DataFrame
        Table ``recruitment`` made from it.
    """
    is_denied = ~recruitment["is_supramaximal"].to_numpy(dtype=bool, na_value=True)
    if not is_denied.any():
        return traces
    tops = recruitment[is_denied].groupby(_SERIES, sort=False, dropna=False)["stimulus_ma"].max()
    denied = {(*_key(index), current) for index, current in tops.items()}
    keys = zip(*(traces[name] for name in [*_SERIES, "stimulus_ma"]), strict=True)
    names = [
        flags.added(text, "supramaximality_denied") if _key(key) in denied else text
        for key, text in zip(keys, traces["quality_flags"], strict=True)
    ]
    return traces.assign(quality_flags=pd.array(names, dtype="string"))


def _key(values: Hashable) -> tuple[Hashable, ...]:
    """Make missing values comparable: NA is not equal to itself."""
    parts = values if isinstance(values, tuple) else (values,)
    return tuple(None if pd.isna(part) else part for part in parts)

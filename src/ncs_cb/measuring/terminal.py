"""Whether the time of the stimulus fits what no nerve can do: the latency that is left over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.columns import keys_of
from ncs_cb.knowledge.thresholds import value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SERIES = ["study_id", "recording", "nerve", "side", "muscle"]


def with_doubted_times(traces: pd.DataFrame) -> pd.DataFrame:
    """Flag the series whose latencies leave no time for the nerve's end and the synapse.

    The residual latency is that of the most distal site less the time that its distance takes at
    the velocity of the next segment. A trigger that comes after the pulse makes it too short, or
    every latency shorter than any nerve's; a trigger that comes long before it, or a sweep whose
    times count from the beginning of its window, makes it too long.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.

    Returns
    -------
    DataFrame
        With ``stimulus_time_uncertain`` on all rows of such a series.
    """
    texts = traces["quality_flags"].tolist()
    distance, latency = (
        traces[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("distance_mm", "onset_latency_ms")
    )
    is_known = (traces["kind"] == "motor").to_numpy(dtype=bool, na_value=False)
    is_known &= np.fromiter(map(flags.is_used, texts), dtype=bool, count=len(texts))
    is_known &= ~np.isnan(distance) & ~np.isnan(latency)
    used = np.flatnonzero(is_known)
    keys = list(keys_of(traces, _SERIES))
    numbers: dict[tuple[str, ...], int] = {}
    series = [numbers.setdefault(keys[row], len(numbers)) for row in used.tolist()]
    told = [texts[row] for row in used.tolist()]
    found = _doubted(np.array(series, dtype=np.int64), distance[used], latency[used], told)
    doubted = {int(used[at]) for at in found}
    if not doubted:
        return traces
    names = [
        flags.added(text, "stimulus_time_uncertain") if at in doubted else text
        for at, text in enumerate(texts)
    ]
    return traces.assign(quality_flags=pd.array(names, dtype="string"))


def _doubted(series: Ints, distance: Floats, latency: Floats, texts: Sequence[str]) -> list[int]:
    """Give the places of the rows of every series whose latencies are impossible."""
    if not series.size:
        return []
    order = np.lexsort((distance, series))
    starts = np.flatnonzero(np.diff(series[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    # No nerve is so fast to any of the sites: all were counted from too late.
    spare_ms = latency - distance / value("stimulus_time.fastest_m_per_s")
    is_impossible = np.maximum.reduceat(spare_ms[order], starts) < 0.0
    residual_ms = _residual_ms(order, starts, sizes, distance, latency)
    with np.errstate(invalid="ignore"):
        is_impossible |= residual_ms < value("stimulus_time.least_residual_ms")
        is_long = residual_ms > value("stimulus_time.most_residual_ms")
        is_impossible |= residual_ms > value("stimulus_time.impossible_residual_ms")
    found: list[int] = []
    for at in np.flatnonzero(is_impossible | is_long).tolist():
        members = order[starts[at] : starts[at] + sizes[at]]
        if is_impossible[at] or _counts_from_window([texts[row] for row in members.tolist()]):
            found += members.tolist()
    return found


def _residual_ms(
    order: Ints, starts: Ints, sizes: Ints, distance: Floats, latency: Floats
) -> Floats:
    """Give the residual latency of each series; NaN where nothing usual tells it."""
    nearest, second = order[starts], order[starts + (sizes > 1)]
    far, late = distance[second] - distance[nearest], latency[second] - latency[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        velocity = far / late
        residual_ms = latency[nearest] - distance[nearest] / velocity
    low, high = value("stimulus_time.usual_low_m_per_s"), value("stimulus_time.usual_high_m_per_s")
    # Where the velocity is odd, what is wrong is not the time of the stimulus.
    is_usual = (far > 0.0) & (late > 0.0) & (low <= velocity) & (velocity <= high)
    return np.where(is_usual, residual_ms, np.nan)


def _counts_from_window(texts: list[str]) -> bool:
    """Tell whether the times of a series may count from the beginning of the sweep."""
    names = {name for text in texts for name in flags.split(text)}
    told = {"stimulus_realigned", "sweep_starts_late"}
    return "no_prestimulus_baseline" in names and not names & told

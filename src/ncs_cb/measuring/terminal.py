"""Whether the time of the stimulus fits what no nerve can do: the latency that is left over."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.knowledge.thresholds import value

_SERIES = ["study_id", "recording", "nerve", "side", "muscle"]


def with_doubted_times(traces: pd.DataFrame) -> pd.DataFrame:
    """Flag the series whose latencies leave no time for the nerve's end and the synapse.

    The residual latency is that of the most distal site less the time that its distance takes at
    the velocity of the next segment. A trigger that comes after the pulse makes it too short; a
    sweep whose times count from the beginning of its window makes it too long.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.

    Returns
    -------
    DataFrame
        With ``stimulus_time_uncertain`` on all rows of such a series.
    """
    is_known = (
        (traces["kind"] == "motor").to_numpy(dtype=bool, na_value=False)
        & traces["distance_mm"].notna().to_numpy()
        & traces["onset_latency_ms"].notna().to_numpy()
        & traces["quality_flags"].map(flags.is_used).to_numpy(dtype=bool)
    )
    doubted: set[int] = set()
    for _, part in traces[is_known].groupby(_SERIES, sort=False, dropna=False):
        if _is_impossible(part.sort_values("distance_mm")):
            doubted |= set(part.index)
    if not doubted:
        return traces
    names = [
        flags.join([*flags.split(text), "stimulus_time_uncertain"]) if at in doubted else text
        for at, text in zip(traces.index, traces["quality_flags"], strict=True)
    ]
    return traces.assign(quality_flags=pd.array(names, dtype="string"))


def _is_impossible(part: pd.DataFrame) -> bool:
    """Tell whether the two most distal sites leave a residual latency that no nerve has."""
    if len(part) < 2:
        return False
    far = part["distance_mm"].to_numpy(dtype=np.float64)[:2]
    late = part["onset_latency_ms"].to_numpy(dtype=np.float64)[:2]
    if far[1] <= far[0] or late[1] <= late[0]:
        return False
    velocity = (far[1] - far[0]) / (late[1] - late[0])
    low, high = value("stimulus_time.usual_low_m_per_s"), value("stimulus_time.usual_high_m_per_s")
    if not low <= velocity <= high:
        return False  # what is wrong there is not the time of the stimulus
    residual_ms = late[0] - far[0] / velocity
    if residual_ms < value("stimulus_time.least_residual_ms"):
        return True
    names = {name for text in part["quality_flags"] for name in flags.split(text)}
    from_window = "no_prestimulus_baseline" in names and "stimulus_realigned" not in names
    return from_window and bool(residual_ms > value("stimulus_time.most_residual_ms"))

"""Sensory potentials in the units of the field: microvolts, and a velocity from each site.

They are measured by the same kernel as motor responses; here is only what a sensory study
reports of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.units import MILLIVOLTS_PER

_FROM_TRACES = {
    "study_id": "study_id",
    "nerve": "nerve",
    "side": "side",
    "muscle": "recording_site",
    "stimulation_site": "stimulation_site",
    "onset_latency_ms": "onset_latency_ms",
    "negative_peak_latency_ms": "peak_latency_ms",
    "negative_peak_duration_ms": "duration_ms",
    "distance_mm": "distance_mm",
    "quality_flags": "quality_flags",
}
_IN_MICROVOLT = {
    "negative_peak_amplitude_mv": "amplitude_uv",
    "peak_to_peak_amplitude_mv": "peak_to_peak_amplitude_uv",
}


def sensory_table(traces: pd.DataFrame) -> pd.DataFrame:
    """Give the sensory responses of a ``traces`` table as a sensory study reports them.

    Amplitudes are in microvolts (baseline to negative peak, and peak to peak). The velocity is
    that of the fastest fibers from the stimulus to the recording electrode,
    ``distance_mm / onset_latency_ms``: a sensory response has no neuromuscular delay.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed. Rows of another kind are passed over.

    Returns
    -------
    DataFrame
        Table ``sensory``, rows in order and not judged. What was not measurable is NaN, and so is
        the velocity of a response without distance or with a latency of zero or less.

    References
    ----------
    Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729, doi:10.1016/j.clinph.2019.05.008
    """
    is_sensory = (traces["kind"] == "sensory").to_numpy(dtype=bool, na_value=False)
    rows = np.flatnonzero(is_sensory)
    table: dict[str, Any] = {
        name: traces[source].array.take(rows) for source, name in _FROM_TRACES.items()
    }
    for source, name in _IN_MICROVOLT.items():
        table[name] = traces[source].to_numpy(dtype=np.float64)[rows] / MILLIVOLTS_PER["uV"]
    latency_ms, distance_mm = (
        np.asarray(table[name], dtype=np.float64) for name in ("onset_latency_ms", "distance_mm")
    )
    later = np.where(latency_ms > 0.0, latency_ms, np.nan)
    table["velocity_m_per_s"] = np.where(distance_mm > 0.0, distance_mm, np.nan) / later
    table["segment"] = table["recording_site"] + "-" + table["stimulation_site"]
    table["origin"] = pd.array(["recorded"] * len(rows), dtype="string")
    return conform(table, "sensory")

"""Histograms of the measures, counted slot by slot, so that memory does not grow with studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BINS = 40


@dataclass(frozen=True, slots=True)
class Span:
    """Where the bins of one measure lie; what is outside counts into the outermost bins."""

    table: str
    column: str
    low: float
    high: float


# The spans cover what is met in practice; they are a window of display, not a limit of anything.
SPANS: tuple[Span, ...] = (
    Span("traces", "onset_latency_ms", 0.0, 30.0),
    Span("traces", "negative_peak_latency_ms", 0.0, 40.0),
    Span("traces", "negative_peak_amplitude_mv", 0.0, 20.0),
    Span("traces", "peak_to_peak_amplitude_mv", 0.0, 40.0),
    Span("traces", "negative_peak_duration_ms", 0.0, 20.0),
    Span("traces", "negative_peak_area_mv_ms", 0.0, 80.0),
    Span("traces", "total_negative_duration_ms", 0.0, 40.0),
    Span("traces", "total_negative_area_mv_ms", 0.0, 80.0),
    Span("traces", "baseline_noise_mv", 0.0, 0.2),
    Span("segments", "length_mm", 0.0, 600.0),
    Span("segments", "amplitude_reduction_pct", -50.0, 100.0),
    Span("segments", "peak_to_peak_reduction_pct", -50.0, 100.0),
    Span("segments", "area_reduction_pct", -50.0, 100.0),
    Span("segments", "total_area_reduction_pct", -50.0, 100.0),
    Span("segments", "duration_increase_pct", -50.0, 150.0),
    Span("segments", "total_duration_increase_pct", -50.0, 150.0),
    Span("segments", "conduction_velocity_m_per_s", 0.0, 100.0),
    Span("segments", "blocked_fraction", 0.0, 1.0),
    Span("segments", "added_dispersion_ms", 0.0, 5.0),
)


def histograms(table: str, rows: pa.Table) -> dict[str, list[int]]:
    """Count the values of each measure of `table` into its bins; unknown values are left out.

    Of ``segments`` only neighboring sites count, so that no response is counted twice over.
    """
    if table == "segments":
        rows = rows.filter(rows["is_adjacent"])
    return {
        span.column: _count(rows[span.column].to_numpy(), span)
        for span in SPANS
        if span.table == table
    }


def _count(values: np.ndarray[Any, Any], span: Span) -> list[int]:
    import numpy as np  # the process that plans knows the spans and counts nothing

    known = values[np.isfinite(values)]
    width = (span.high - span.low) / BINS
    bins = np.clip((known - span.low) // width, 0, BINS - 1).astype(np.intp)
    return [int(n) for n in np.bincount(bins, minlength=BINS)]

"""Amplitudes and latencies that only another unit explains: refused, with the guess in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncs_cb.errors import ReadError, UnitError
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Trace, TypedResponse
from ncs_cb.readers._shared.level import median

_AMPLITUDE, _LATENCY = "negative_peak_amplitude_mv", "onset_latency_ms"


def refuse_other_scale(traces: Sequence[Trace], rows: Sequence[TypedResponse], name: str) -> None:
    """Refuse a recording all of whose motor responses are a thousand times too small or large.

    Parameters
    ----------
    traces : sequence of Trace
        Of one recording.
    rows : sequence of TypedResponse
        Printed values of one recording.
    name : str
        What the recording is called.

    Raises
    ------
    UnitError
        If the unit of the amplitudes cannot be true of any site.
    ReadError
        If the latencies cannot be milliseconds.
    """
    motor = [trace for trace in traces if trace.kind == "motor"]
    sizes = [_response_mv(trace) for trace in motor]
    _refuse_amplitudes([size for size in sizes if size is not None], name)
    typed = [row for row in rows if row.kind == "motor"]
    amplitudes = [row.values[_AMPLITUDE] for row in typed if row.values.get(_AMPLITUDE)]
    _refuse_amplitudes(amplitudes, name)
    latencies = [row.values[_LATENCY] for row in typed if row.values.get(_LATENCY)]
    if latencies and max(latencies) < value("scale.shortest_latency_ms"):
        raise ReadError(
            f"all onset latencies are at most {max(latencies):.3g} ms: they look like seconds.",
            source=name,
            hint="Give them in milliseconds: onset_latency_ms = 1000 times the seconds.",
        )


def _refuse_amplitudes(sizes: Sequence[float], name: str) -> None:
    smallest, largest = value("scale.smallest_response_mv"), value("scale.largest_response_mv")
    hint = (
        "Correct the unit in the file or its sidecar; where it is true, say so with unit under "
        f'[recordings."{name}"] in study.toml.'
    )
    if sizes and min(sizes) > largest:
        raise UnitError(
            f"every response is above {largest:g} mV (the smallest has {min(sizes):.3g} mV): the "
            "numbers look like \u00b5V read as mV.",
            source=name,
            hint=hint,
        )
    if len(sizes) > 1 and max(sizes) < smallest:
        raise UnitError(
            f"every response is below {1000 * smallest:g} \u00b5V (the largest has "
            f"{1000 * max(sizes):.3g} \u00b5V), a thousandth of a muscle's response: the numbers "
            "look like mV read as \u00b5V, or V read as mV.",
            source=name,
            hint=hint,
        )


def _response_mv(trace: Trace) -> float | None:
    """Give the size of a response that stands far out of its noise; None where none does."""
    skip = round(value("polarity_differs.skipped_ms") * trace.sampling_rate_hz / 1000.0)
    after = np.asarray(trace.samples_mv[max(trace.stimulus_index, 0) + skip :], dtype=np.float64)
    if len(after) < 16 or not np.isfinite(after).all():
        return None
    size = float(np.abs(after - median(after)).max())
    noise = median(np.abs(after[1:] - after[:-1]))
    return size if size > value("scale.minimum_noise_ratio") * noise > 0.0 else None

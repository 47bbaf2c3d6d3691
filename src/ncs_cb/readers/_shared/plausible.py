"""Limits beyond which a number read from a file must be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ncs_cb.errors import ReadError, UnitError
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV

if TYPE_CHECKING:
    import numpy as np

# Nerve conduction below this rate cannot give a latency; above it the file lies.
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000.0, 10_000_000.0
STRONGEST_MA, LONGEST_PULSE_MS = 1_000.0, 100.0
# What comes this soon after the stimulus may be its artefact, of any size.
_ARTIFACT_S = 1e-3


def check_rate(rate: float) -> float:
    """Give `rate` in Hz back when a nerve conduction study can have it.

    Raises
    ------
    ReadError
        If it cannot.
    """
    if LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        return rate
    guess = " It looks like kHz, or like times in microseconds." if 1.0 <= rate <= 100.0 else ""
    if rate > HIGHEST_RATE_HZ:
        guess = " The times look like seconds: name their column time_s."
    raise ReadError(
        f"{rate:g} samples per second; a nerve conduction study has {LOWEST_RATE_HZ:g} to "
        f"{HIGHEST_RATE_HZ:g}.{guess}",
        hint="Check the unit of the times.",
    )


def refuse_large(
    sweeps: Sequence[np.ndarray] | np.ndarray,
    stimulus_indices: Sequence[int],
    rate: float,
    unit: str,
) -> None:
    """Refuse a response above 100 mV: the usual sign of a wrong unit.

    Raises
    ------
    UnitError
        If a sweep strays farther from its median, one millisecond after the stimulus or later.
    """
    import numpy as np  # only here: listing the formats must stay light

    for samples, index in zip(sweeps, stimulus_indices, strict=True):
        after = samples[max(index, 0) + round(_ARTIFACT_S * rate) :]
        # No sample strays farther from the median than from the opposite extreme.
        if len(after) and float(after.max()) - float(after.min()) <= LARGEST_PLAUSIBLE_RESPONSE_MV:
            continue
        after = after[np.isfinite(after)]
        if len(after) and float(np.abs(after - np.median(after)).max()) > (
            LARGEST_PLAUSIBLE_RESPONSE_MV
        ):
            raise UnitError(
                f"a response exceeds {LARGEST_PLAUSIBLE_RESPONSE_MV:g} mV; the unit "
                f"'{unit[:12]}' must be wrong.",
                hint="Correct the unit in the file or its sidecar.",
            )

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
        If a sweep strays farther from its median, other than within one millisecond of the
        stimulus.
    """
    for samples, index in zip(sweeps, stimulus_indices, strict=True):
        near = round(_ARTIFACT_S * rate)
        first = max(index - near, 0)
        for start, part in (
            (max(index, 0) + near, samples[max(index, 0) + near :]),
            (0, samples[:first]),
        ):
            at = _stray(part)
            if at is not None:
                raise UnitError(
                    f"a response exceeds {LARGEST_PLAUSIBLE_RESPONSE_MV:g} mV (sample "
                    f"{start + at + 1} of its sweep); the unit '{unit[:12]}' must be wrong.",
                    hint="Correct the unit in the file or its sidecar; where that sample stands in "
                    "no signal, leave its row out.",
                )


def _stray(part: np.ndarray) -> int | None:
    """Give the place of the sample that strays farthest, where that is too far."""
    import numpy as np  # only here: listing the formats must stay light

    # No sample strays farther from the median than from the opposite extreme.
    if not len(part) or float(part.max()) - float(part.min()) <= LARGEST_PLAUSIBLE_RESPONSE_MV:
        return None
    known = part[np.isfinite(part)]
    if not len(known):
        return None
    far = np.where(np.isfinite(part), np.abs(part - np.median(known)), 0.0)
    return int(far.argmax()) if float(far.max()) > LARGEST_PLAUSIBLE_RESPONSE_MV else None

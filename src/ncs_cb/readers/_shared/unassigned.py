"""Whether a response follows a moment that no site was named for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ncs_cb.knowledge.thresholds import value

MOST = 200
"""So many unassigned stimuli of one file are listed."""

# Fewer samples show no response.
_FEWEST = 16


def response_follows(tracks: Iterable[tuple[float, np.ndarray]], at_s: float, floor: float) -> bool:
    """Tell whether something much larger than the noise follows a moment, and not before it.

    Parameters
    ----------
    tracks : iterable of (float, ndarray)
        Samples per second, and the samples, of each signal.
    at_s : float
        Seconds of recorded signal before the moment.
    floor : float
        The least noise, in units of the samples: one step of the converter.
    """
    for rate, samples in tracks:
        at, reach = round(at_s * rate), round(value("unassigned.looked_at_ms") * rate / 1e3)
        before = samples[max(at - reach, 0) : max(at - 1, 0)]
        after = samples[max(at, 0) + skipped(rate) : max(at, 0) + reach]
        if len(before) < _FEWEST or not stands_out(after, floor):
            continue
        many = value("unassigned.minimum_growth_ratio")
        if float(np.ptp(after.astype(float))) > many * float(np.ptp(before.astype(float))):
            return True
    return False


def skipped(rate: float) -> int:
    """Give the samples after a moment that may hold an artefact alone."""
    return round(value("unassigned.skipped_ms") * rate / 1e3)


def stands_out(samples: np.ndarray, floor: float) -> bool:
    """Tell whether samples hold more than noise."""
    if len(samples) < _FEWEST:
        return False
    values = samples.astype(float)
    # A response changes slowly: most steps between its samples are those of the noise.
    noise = max(float(np.median(np.abs(np.diff(values)))), floor)
    return float(np.ptp(values)) > value("unassigned.minimum_noise_ratio") * noise


def apart(samples: Sequence[int], others: Sequence[int], rate: float) -> list[bool]:
    """Tell of each sample whether it is far from all of `others`, the stimuli that were named."""
    if not others or not samples:
        return [True] * len(samples)
    near = value("unassigned.near_ms") * rate / 1e3
    at, known = np.asarray(samples), np.unique(others)
    above = np.searchsorted(known, at)
    after = np.abs(known[np.minimum(above, len(known) - 1)] - at)
    before = np.abs(known[np.maximum(above - 1, 0)] - at)
    far: list[bool] = (np.minimum(after, before) > near).tolist()
    return far

"""Which way is negative: settled from all sweeps of one recording together.

EDF+ stores the physical sign, and real files disagree (design reference, formats section 6), so
the sign is told or read off the responses. A surface response begins with its negative phase and
is largest there; a small positivity may come first, and a positive phase follows. The stimulus
artefact may have either sign and be larger than the response.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb._kernels.sweeps import deflections, rows_of
from ncs_cb.model import Polarity, Trace
from ncs_cb.readers._shared.zero import pulse_limits

# A muscle's response peaks later than this even in a rat's leg; what peaks earlier is artefact.
_EARLIEST_PEAK_MS = 1.3
_ARTIFACT_MS = 0.5
# A deflection counts as large from this share of the largest one, and is looked at from that.
_LARGE, _STANDS_OUT = 0.5, 0.3
_SIGNAL_TO_NOISE = 8.0
# A response so many times its noise has its full weight.
_CLEAR = 50.0
_FITTED_SHARE = 0.6
# An artefact this many times the response leaves a remainder that may pass for a phase.
_BURIED = 8.0
_CERTAIN = 0.5
# What the kernel says of the largest deflection of a sweep.
_Found = tuple[float, ...]
# The sign does not get surer with the hundredth sweep; reading stays fast.
_MOST_SWEEPS = 64


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the samples of a recording are to be turned.

    ``sign`` is +1 when negative is already up in the file, -1 when it is down.
    """

    sign: float
    is_certain: bool
    reason: str


def orient(
    told: Polarity | None,
    sweeps: Sequence[np.ndarray] | np.ndarray,
    *,
    sampling_rate_hz: float,
    stimulus_indices: Sequence[int],
) -> Orientation:
    """Give the sign of a recording, as told or, for ``auto`` or None, from its responses.

    Parameters
    ----------
    told : str or None
        ``negative_up``, ``negative_down``, ``auto`` or None (nobody said: as ``auto``).
    sweeps : sequence of ndarray of shape (n_samples,), or ndarray (n_sweeps, n_samples) [mV]
        As in the file; a sweep with NaN has no say.
    sampling_rate_hz : float
    stimulus_indices : sequence of int
        Sample of the stimulus in each sweep.
    """
    if told in ("negative_up", "negative_down"):
        return Orientation(1.0 if told == "negative_up" else -1.0, True, "as told")
    votes = _votes(sweeps, sampling_rate_hz, stimulus_indices)
    total = balance = 0.0
    for score, weight in votes:
        total += weight
        balance += score * weight
    if total == 0.0:
        return Orientation(
            -1.0,
            False,
            "no response stands clear of the noise; taken as the physical sign of the EDF+ "
            "standard",
        )
    mean = balance / total
    sign = 1.0 if mean > 0 else -1.0
    voting = [score * sign for score, weight in votes if weight]
    agree = len([score for score in voting if score > 0])
    word = "upward" if sign > 0 else "downward"
    reason = (
        f"the first large deflection after the artefact goes {word} in {agree} of {len(voting)} "
        "sweeps with a response"
    )
    return Orientation(sign, abs(mean) >= _CERTAIN, reason)


def are_turned(traces: Sequence[Trace]) -> bool:
    """Tell whether every clear response goes down first, as one does that is upside down.

    Parameters
    ----------
    traces : sequence of Trace
        Said to be negative up.
    """
    votes = [
        _votes([trace.samples_mv], trace.sampling_rate_hz, [trace.stimulus_index])[0]
        for trace in traces
    ]
    total = sum(weight for _, weight in votes)
    if not total or any(weight and score > 0 for score, weight in votes):
        return False
    return sum(score * weight for score, weight in votes) <= -_CERTAIN * total


def _votes(
    sweeps: Sequence[np.ndarray] | np.ndarray, rate: float, indices: Sequence[int]
) -> list[tuple[float, float]]:
    """Give (score, weight) per sweep: +1 for negative up, weight 0 for no response.

    Sweeps of one length and stimulus index, the usual case, settle one another's doubts.
    """
    step = max(1, len(sweeps) // _MOST_SWEEPS)
    chosen, starts = sweeps[::step], indices[::step]
    n = len(chosen)
    # A pulse that comes beside the marker is no deflection of the response.
    found = deflections(rows_of(chosen), [rate] * n, starts, deflection_limits())
    is_block = len({one[-1] for one in found}) == 1 and (
        isinstance(chosen, np.ndarray) or len({len(samples) for samples in chosen}) == 1
    )
    if is_block:
        return _block_votes(chosen, found, rate)
    alone = [slice(i, i + 1) for i in range(n)]
    return [vote for one in alone for vote in _block_votes(chosen[one], found[one], rate)]


@cache
def deflection_limits() -> tuple[float, ...]:
    """Give the limits of a deflection in the order in which the kernel takes them."""
    return (*pulse_limits(), _ARTIFACT_MS, _EARLIEST_PEAK_MS, _STANDS_OUT, _CLEAR)


def _block_votes(
    sweeps: Sequence[np.ndarray] | np.ndarray, found: Sequence[_Found], rate: float
) -> list[tuple[float, float]]:
    votes = [(0.0, 0.0)] * len(found)
    clean: list[float] = []
    unclear = []
    for number, (peak, before, noise, first, _, _) in enumerate(found):
        top = abs(peak)
        if not top > _SIGNAL_TO_NOISE * noise:
            continue  # also where the sweep has no say
        weight = min(1.0, top / (_CLEAR * noise)) if noise > 0 else 1.0
        sign = math.copysign(1.0, peak)
        # Calm: whatever the artefact left behind is below the first deflection looked at.
        if before < _STANDS_OUT * top and first * sign > 0:
            votes[number] = sign, weight
            clean.append(sign)
        else:
            unclear.append((number, weight))
    # A sweep under an artefact is only asked when the clean ones leave it open.
    settled = len(clean) > 1 and len(set(clean)) == 1
    for number, weight in [] if settled else unclear:
        votes[number] = _phases_vote(sweeps[number], found[number], rate), weight
    return votes


def _phases_vote(samples: np.ndarray, found: _Found, rate: float) -> float:
    """Judge the order and size of the phases after the artefact."""
    _, _, noise, _, level, start = found
    after = int(start) + int(_ARTIFACT_MS * rate / 1000.0) + 1
    skip = max(1, int((_EARLIEST_PEAK_MS - _ARTIFACT_MS) * rate / 1000.0) - max(-after, 0))
    curve, floor = samples[max(after, 0) :] - level, 4.0 * noise
    size = np.abs(curve)
    begin = _artifact_end(size, rate)
    buried = False
    if begin:
        first = float(size[0])
        curve = curve - _tail(curve, size, begin, floor)
        size = np.abs(curve)
        buried = first > _BURIED * float(size[max(begin, skip) :].max())
    phases = _phases(curve[begin:], size[begin:], skip - begin, floor)
    score = _ordered_vote(phases) if phases else 0.0
    return 0.3 * score if buried else score


def _ordered_vote(phases: list[float]) -> float:
    """Judge a sequence of signed peaks, all of them worth naming."""
    heights = [abs(p) for p in phases]
    top = int(np.argmax(heights))
    first_sign = float(np.sign(phases[0]))
    if top == 0:
        return first_sign
    share = heights[0] / heights[1] if top == 1 else 1.0
    if top == 1 and share < _LARGE:
        # A small deflection, a large opposite one: an initial positivity, the surer when the
        # usual positive phase follows.
        follows = len(phases) > 2 and heights[2] >= 0.15 * heights[1]
        return -first_sign * (0.8 if follows else 0.5)
    if top == 1 and share < 0.8 and len(phases) > 2 and heights[2] >= 0.3 * heights[1]:
        return -first_sign * 0.3
    large = next(p for p in phases if abs(p) >= _LARGE * heights[top])
    return float(np.sign(large)) * 0.4


def _artifact_end(size: np.ndarray, rate: float) -> int:
    """Give the sample where a decaying artefact has reached its first trough."""
    width = max(1, int(0.15 * rate / 1000.0))
    smooth = np.convolve(size, np.ones(width) / width, mode="valid")
    rising = np.flatnonzero(smooth[1:] > smooth[:-1])
    return int(rising[0]) if len(rising) and float(size[0]) > 0.05 * float(size.max()) else 0


def _tail(curve: np.ndarray, size: np.ndarray, end: int, floor: float) -> np.ndarray:
    """Give the exponential tail of an artefact, fitted before its trough.

    Only the first part up to the trough is fitted: the rest already holds the response.
    """
    count = max(4, int(_FITTED_SHARE * end))
    head = size[:count]
    if float(head.min()) <= floor or count > len(curve):
        return np.zeros_like(curve)
    at = np.arange(count)
    logs = np.log(head)
    middle = at - at.mean()
    slope = float(middle @ (logs - logs.mean()) / (middle @ middle))
    if slope >= 0:
        return np.zeros_like(curve)
    start = float(logs.mean()) - slope * float(at.mean())
    tail: np.ndarray = np.sign(curve[0]) * np.exp(start + slope * np.arange(len(curve)))
    return tail


def _phases(curve: np.ndarray, size: np.ndarray, skip: int, floor: float) -> list[float]:
    """Give the signed peaks of the successive phases that stand out, equal neighbors merged."""
    out = np.flatnonzero(size > floor)
    if not len(out):
        return []
    up = curve[out] > 0
    turns = np.concatenate(([0], np.flatnonzero(up[1:] != up[:-1]) + 1))
    tall = np.maximum.reduceat(size[out], turns)
    found: list[tuple[float, bool]] = []
    stops = [*turns[1:].tolist(), len(out)]
    for begin, stop, peak in zip(turns.tolist(), stops, tall.tolist(), strict=True):
        # Only a phase worth naming is looked at for where it peaks: noise makes hundreds.
        if peak >= 0.1 * float(tall.max()):
            at = int(out[begin + int(size[out[begin:stop]].argmax())])
            if at >= skip:
                found.append((peak, bool(up[begin])))
    merged: list[float] = []
    least = 0.1 * max((peak for peak, _ in found), default=0.0)
    for peak, is_up in found:
        signed = peak if is_up else -peak
        if peak < least:
            continue
        if merged and merged[-1] * signed > 0:
            merged[-1] = max(merged[-1], signed, key=abs)
        else:
            merged.append(signed)
    return merged

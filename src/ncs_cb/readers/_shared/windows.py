"""Cutting a continuous recording around its stimuli."""

from __future__ import annotations

from collections.abc import Sequence

# Long enough for an F wave in the leg, and never into the next stimulus.
BEFORE_S, AFTER_S = 0.010, 0.100
# Part of the time since the last stimulus that may serve as baseline of the next one.
_BASELINE_SHARE = 0.2


def windows(
    positions: Sequence[int],
    bounds: Sequence[tuple[int, int]],
    rate: float,
    others: Sequence[int] = (),
) -> list[tuple[int, int]]:
    """Give (start, stop) in samples for each stimulus.

    Parameters
    ----------
    positions : sequence of int
        Sample of each stimulus.
    bounds : sequence of (int, int)
        The uninterrupted stretch that each stimulus lies in.
    rate : float
        Samples per second.
    others : sequence of int
        Samples of stimuli that name no site: no sweep runs into them.
    """
    before, after = round(BEFORE_S * rate), round(AFTER_S * rate)
    ordered = sorted({*positions, *others})
    rank = {position: i for i, position in enumerate(ordered)}
    cut = []
    for position, (low, high) in zip(positions, bounds, strict=True):
        at = rank[position]
        start, stop = position - before, position + after
        if at > 0:
            start = max(start, position - int(_BASELINE_SHARE * (position - ordered[at - 1])))
        if at + 1 < len(ordered):
            stop = min(stop, ordered[at + 1])
        # A stimulus outside its stretch keeps the nearest samples; the measurement flags it.
        start = min(max(start, low), max(high - 1, low))
        cut.append((start, max(min(stop, high), start + 1)))
    return cut


def way() -> str:
    """Say in words how :func:`windows` cuts."""
    return (
        f"cut from {BEFORE_S * 1e3:g} ms before to {AFTER_S * 1e3:g} ms after each stimulus, "
        "short of the next one"
    )

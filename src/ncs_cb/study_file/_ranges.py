"""Plausible ranges of what ``study.toml`` says, by key."""

from __future__ import annotations

import math
from itertools import pairwise

from ncs_cb.knowledge.datafile import Block
from ncs_cb.units import is_finite

# A slip of the keyboard is caught, a sick patient is not.
RANGES: dict[str, tuple[float, float]] = {
    "age_years": (0, 120),
    "height_cm": (30, 250),
    "limb_temperature_c": (10, 45),
    "dose_g_per_kg": (0, 20),
    "amplitude_uv": (0, 1000),
    "velocity_m_per_s": (0, 150),
    "onset_latency_ms": (0, 100),
    "peak_latency_ms": (0, 100),
    # To the cord and back: an infant's arm takes more than 10 ms; typed in seconds it is below 1.
    "minimum_latency_ms": (10, 140),
    "mean_latency_ms": (10, 200),
    "maximum_latency_ms": (10, 200),
    "persistence_pct": (0, 100),
    "n_stimuli": (0, 10_000),
    "stimulus_delay_ms": (-50, 50),
    "ignore_until_ms": (0, 100),
    "end_latency_ms": (0, 200),
    "mrc": (0, 5),
    "force_n": (0, 5_000),
}


def ranged(block: Block) -> None:
    """Refuse a number of a block outside the plausible range of its key."""
    for name in block.raw:
        within(block, name, RANGES.get(name, (-math.inf, math.inf)))


def ranged_f_wave(block: Block) -> None:
    """Refuse F-wave values that cannot be true, each by itself or beside one another.

    A persistence of 1 or less is a share: of 20 stimuli, one response is 5 %.
    """
    ranged(block)
    share = block.raw.get("persistence_pct")
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1:
        raise block.wrong(
            "persistence_pct", f"{share} is a fraction; write percent: {100 * share:g}."
        )
    names = [f"{which}_latency_ms" for which in ("minimum", "mean", "maximum")]
    known = [name for name in names if isinstance(block.raw.get(name), int | float)]
    for less, more in pairwise(known):
        if block.raw[less] > block.raw[more]:
            raise block.wrong(less, f"{block.raw[less]} is above {more}, {block.raw[more]}.")


def within(block: Block, name: str, limits: tuple[float, float]) -> None:
    """Refuse a number, if it is one, that is not finite or outside its limits."""
    value, (low, high) = block.raw[name], limits
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not is_finite(value):
        raise block.wrong(name, f"must be a finite number, not {value}.")
    if not low <= value <= high:
        raise block.wrong(name, f"{value}; plausible: {low:g} to {high:g}.")

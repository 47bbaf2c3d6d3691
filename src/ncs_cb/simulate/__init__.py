"""A motor-unit simulator: studies and cohorts of responses whose truth is known.

It knows nothing of how they will be measured. Every random number comes from a generator that
the caller passes in, or from the seed of a recipe.
"""

from __future__ import annotations

from ncs_cb.simulate.cohorts import Pairs, PairTruth, PoolSettings, Traces, pairs, traces
from ncs_cb.simulate.recording import Amplifier, Disturbance
from ncs_cb.simulate.truth import Markers, markers

__all__ = [
    "Amplifier",
    "Disturbance",
    "Markers",
    "PairTruth",
    "Pairs",
    "PoolSettings",
    "Traces",
    "markers",
    "pairs",
    "traces",
]

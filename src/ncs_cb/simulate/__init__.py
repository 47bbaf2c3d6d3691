"""A motor-unit simulator: studies and cohorts of responses whose truth is known.

It knows nothing of how they will be measured. Every random number comes from a generator that
the caller passes in, or from the seed of a recipe.
"""

from __future__ import annotations

from ncs_cb.simulate.cohorts import Pairs, PairTruth, Traces, pairs, traces
from ncs_cb.simulate.details import study_toml
from ncs_cb.simulate.recipes import available
from ncs_cb.simulate.recording import Amplifier, Disturbance
from ncs_cb.simulate.segment import PoolSettings
from ncs_cb.simulate.studies import Simulated, recipe
from ncs_cb.simulate.truth import Markers, SegmentTruth, StudyTruth, markers

__all__ = [
    "Amplifier",
    "Disturbance",
    "Markers",
    "PairTruth",
    "Pairs",
    "PoolSettings",
    "SegmentTruth",
    "Simulated",
    "StudyTruth",
    "Traces",
    "available",
    "markers",
    "pairs",
    "recipe",
    "study_toml",
    "traces",
]

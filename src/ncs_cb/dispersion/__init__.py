"""Tell conduction block from temporal dispersion: how much signal is missing, how much delayed.

Research output, never an input of a published criteria set.
"""

from __future__ import annotations

from ncs_cb.dispersion.calibration import data_file
from ncs_cb.dispersion.estimate import (
    Fitted,
    curves,
    estimate_block,
    estimate_segments,
    fit_details,
    fit_segments,
)

__all__ = [
    "Fitted",
    "curves",
    "data_file",
    "estimate_block",
    "estimate_segments",
    "fit_details",
    "fit_segments",
]

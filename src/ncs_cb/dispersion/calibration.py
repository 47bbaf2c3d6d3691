"""The 90 % interval of the block estimate, from numbers calibrated on simulated pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb.dispersion.deconvolution import Fit, Floats, Spectra
from ncs_cb.knowledge import datafile
from ncs_cb.model import DataFile

# Frequencies 40 to 110 Hz: below, the mass is fitted and a wandering baseline lies; above, two
# muscles of one nerve differ by delays of their own.
_TELLING = slice(4, 12)
_TABLE = "block_interval"


@dataclass(frozen=True, slots=True)
class Interval:
    """The calibrated factors; their meaning stands in the data file."""

    posterior: float
    counting: float
    unexplained: float
    remainder: float
    neighbor: float
    hidden: float


@cache
def shipped() -> Interval:
    """Give the calibrated factors that come with the package."""
    raw = datafile.table(_TABLE).raw
    return Interval(*(float(raw[name]["value"]) for name in Interval.__slots__))


def data_file() -> DataFile:
    """Give id, revision and SHA-256 of the calibration, for provenance."""
    read = datafile.table(_TABLE)
    return DataFile(_TABLE, int(read.raw["revision"]), read.sha256)


def neighbor_width(low: Floats, factors: Interval) -> Floats:
    """Give what a neighboring muscle may add to half the width, one per pair.

    Parameters
    ----------
    low : ndarray of shape (n,)
        Size of the distal spectrum up to 20 Hz, where the mass is read, relative to its maximum.
    factors : Interval
    """
    return np.asarray(np.minimum(factors.neighbor / np.maximum(low, 1e-12), factors.hidden))


def unexplained(fit: Fit) -> Floats:
    """Give the share of the distal signal in a remainder that noise and pool do not explain."""
    surplus = np.clip(1.0 - 1.0 / np.maximum(fit.misfit, 1e-12), 0.0, 1.0)
    return np.asarray(fit.residual * np.sqrt(surplus) * np.clip(fit.scale, 0.0, 1.5))


def strangeness(fit: Fit, pair: Spectra) -> Floats:
    """Give the share of what arrived, one per pair, that another signal at 40 to 110 Hz holds.

    Beyond noise and pool, as :func:`unexplained`; a second nerve or another filter shows there,
    a second muscle of the same nerve hardly does.
    """
    rest = fit.remainder[:, _TELLING]
    sent = np.sqrt((np.abs(pair.distal) ** 2).sum(axis=1)) * np.clip(fit.scale, 0.05, 2.0)
    surplus = np.clip(1.0 - 1.0 / np.maximum(fit.misfit, 1e-12), 0.0, 1.0)
    return np.asarray(np.sqrt(surplus * (np.abs(rest) ** 2).sum(axis=1)) / sent)


def half_width(fit: Fit, factors: Interval) -> Floats:
    """Give half the width of the 90 % interval of the blocked share, one per pair."""
    blocked = np.clip(1.0 - fit.scale, 0.0, 1.0)
    # Few units leave a misfit beyond the largest grain, and their shares differ more. The
    # estimate may sit at 0 or 1 by chance, hence the hundredth.
    share = np.maximum(blocked * (1.0 - blocked), 1e-4) * np.maximum(fit.misfit, 1.0)
    return np.asarray(
        np.sqrt(
            (factors.posterior * fit.scale_sd) ** 2
            + factors.counting**2 * share
            + (factors.unexplained * unexplained(fit)) ** 2
            + (factors.remainder * fit.residual * np.clip(fit.scale, 0.0, 1.5)) ** 2
        )
    )

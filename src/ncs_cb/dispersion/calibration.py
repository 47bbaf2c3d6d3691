"""The 90 % interval of the block estimate, from numbers calibrated on simulated pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb.dispersion.deconvolution import (
    Complexes,
    Fit,
    Floats,
    Spectra,
    Truths,
)
from ncs_cb.knowledge import datafile
from ncs_cb.model import DataFile

# Frequencies 40 to 110 Hz: below, the mass is fitted and a wandering baseline lies; above, two
# muscles of one nerve differ by delays of their own.
_TELLING = slice(4, 12)
# 40 to 230 Hz: as far up as a surface response has power.
_SHAPED = slice(4, 24)
# 0, 10 and 20 Hz: where the mass is read.
_LOWEST = slice(0, 3)
_TABLE = "block_interval"


@dataclass(frozen=True, slots=True)
class Interval:
    """The calibrated factors; their meaning stands in the data file."""

    posterior: float
    remainder: float
    moved: float
    neighbor: float
    weak: float


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """How far the blocked share may lie from the estimate, one per pair.

    ``fit`` to either side by what the two traces themselves leave open. What no trace can show
    stands in the others: ``down`` an electrode that moved and records less; ``up`` a neighbor
    that answers in the same shape, and a distal stimulus too weak, which hide block.
    """

    fit: Floats
    down: Floats
    up: Floats


@cache
def shipped() -> Interval:
    """Give the calibrated factors that come with the package."""
    raw = datafile.table(_TABLE).raw
    return Interval(*(float(raw[name]["value"]) for name in Interval.__slots__))


def data_file() -> DataFile:
    """Give id, revision and SHA-256 of the calibration, for provenance."""
    read = datafile.table(_TABLE)
    return DataFile(_TABLE, int(read.raw["revision"]), read.sha256)


def strangeness(fit: Fit, pair: Spectra) -> Floats:
    """Give the share of what arrived, one per pair, that another signal at 40 to 110 Hz holds.

    Beyond noise and pool; a second nerve or another filter shows there, a second muscle of the
    same nerve hardly does.
    """
    sent = _size(pair.distal) * np.clip(fit.scale, 0.05, 2.0)
    surplus = np.clip(1.0 - 1.0 / np.maximum(fit.misfit, 1e-12), 0.0, 1.0)
    return np.asarray(np.sqrt(surplus) * _size(fit.remainder[:, _TELLING]) / sent)


def hidden_mass(fit: Fit, pair: Spectra) -> Floats:
    """Give the mass that a signal of the size of the remainder at 40 to 230 Hz has, one per pair.

    Relative to the distal response, and to how little of it lies where the mass is read: a
    neighboring muscle, a second one, potentials tied to velocity leave so much there.
    """
    size = np.abs(pair.distal)
    low = size[:, _LOWEST].mean(axis=1) / np.maximum(size.max(axis=1), 1e-12)
    return np.asarray(
        _size(fit.remainder[:, _SHAPED]) / _size(pair.distal) / np.maximum(low, 1e-12)
    )


def _size(spectra: Complexes) -> Floats:
    return np.asarray(np.sqrt((np.abs(spectra) ** 2).sum(axis=1)))


def room(fit: Fit, hidden: Floats, collision: Truths, attested: Truths, factors: Interval) -> Room:
    """Give the room of the 90 % interval of the blocked share to either side.

    `hidden` (n,) is the :func:`hidden_mass`; where `collision` (n,) excluded it, no neighbor
    answers; where the distal stimulus is `attested` (n,), it was not too weak.
    """
    square = (factors.posterior * fit.scale_sd) ** 2 + (factors.remainder * hidden) ** 2
    # What arrived would have been larger by this much under the electrode's first place.
    arrived = np.clip(fit.scale, 0.0, 1.5)
    lost = arrived * factors.moved / (1.0 - factors.moved)
    added = np.where(collision, 0.0, factors.neighbor)
    missed = np.where(attested, 0.0, factors.weak * arrived)
    more = (np.zeros_like(lost), lost, np.hypot(added, missed))
    return Room(*(np.asarray(np.sqrt(square + each**2)) for each in more))

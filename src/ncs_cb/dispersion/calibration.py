"""The 90 % interval of the block estimate, from numbers calibrated on simulated pairs."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ncs_cb.dispersion.deconvolution import Fit
from ncs_cb.model import DataFile

_FILE = "tables/block_interval.toml"


@dataclass(frozen=True, slots=True)
class Interval:
    """The three calibrated factors; their meaning stands in the data file."""

    posterior: float
    counting: float
    unexplained: float


@cache
def _content() -> bytes:
    return files("ncs_cb").joinpath(_FILE).read_bytes()


@cache
def shipped() -> Interval:
    """Give the calibrated factors that come with the package."""
    raw = tomllib.loads(_content().decode("utf-8"))
    return Interval(*(float(raw[name]["value"]) for name in Interval.__slots__))


def data_file() -> DataFile:
    """Give id, revision and SHA-256 of the calibration, for provenance."""
    raw = tomllib.loads(_content().decode("utf-8"))
    digest = hashlib.sha256(_content()).hexdigest()
    return DataFile("block_interval", int(raw["revision"]), digest)


def scale(fit: Fit) -> tuple[float, float]:
    """Give posterior mean and standard deviation of the mass that arrives."""
    values = fit.theta[:, 0]
    mean = float(np.sum(fit.weight * values))
    variance = np.sum(fit.weight * ((values - mean) ** 2 + fit.scale_sd**2))
    return mean, float(np.sqrt(variance))


def unexplained(fit: Fit) -> float:
    """Give the share of the distal signal in a remainder that noise and pool do not explain."""
    mean, _ = scale(fit)
    surplus = np.clip(1.0 - 1.0 / max(fit.misfit, 1e-12), 0.0, 1.0)
    return float(fit.residual * np.sqrt(surplus) * np.clip(mean, 0.0, 1.5))


def half_width(fit: Fit, factors: Interval) -> float:
    """Give half the width of the 90 % interval of the blocked share."""
    mean, sd = scale(fit)
    blocked = float(np.clip(1.0 - mean, 0.0, 1.0))
    parts = (
        factors.posterior * sd,
        # Few units leave a misfit beyond the largest grain, and their shares differ more. The
        # estimate may sit at 0 or 1 by chance, hence the hundredth.
        factors.counting * np.sqrt(max(blocked * (1.0 - blocked), 1e-4) * max(fit.misfit, 1.0)),
        factors.unexplained * unexplained(fit),
    )
    return float(np.sqrt(sum(part**2 for part in parts)))

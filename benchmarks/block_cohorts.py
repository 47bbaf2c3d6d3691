"""The pairs that the block benchmark and the calibration run on, from both simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import block_pool
import numpy as np

from ncs_cb import simulate


@dataclass(frozen=True, slots=True)
class Case:
    """One pair with its truth, from either simulator."""

    distal_mv: np.ndarray
    proximal_mv: np.ndarray
    sampling_rate_hz: float
    stimulus_index: int
    blocked_fraction: float
    added_dispersion_ms: float


def pool_cases(condition: str, count: int, seed: int) -> Iterator[Case]:
    """Give pairs of ``block_pool``, where a unit's size is the peak of its potential."""
    for pair in block_pool.pool(block_pool.CONDITIONS[condition], count, seed):
        yield Case(
            pair.distal_mv,
            pair.proximal_mv,
            pair.sampling_rate_hz,
            pair.stimulus_index,
            pair.blocked_fraction,
            pair.added_dispersion_ms,
        )


def simulated_cases(settings: dict[str, Any], count: int, seed: int) -> Iterator[Case]:
    """Give pairs of ``ncs_cb.simulate``, where a unit's size is the area of its potential."""
    distal, proximal, truth = simulate.pairs(count, rng=np.random.default_rng(seed), **settings)
    for i in range(count):
        yield Case(
            distal[i],
            proximal[i],
            truth.setting.sampling_rate_hz,
            truth.setting.stimulus_index,
            float(truth.blocked_fraction[i]),
            float(truth.added_dispersion_ms[i]),
        )


def _few() -> dict[str, Any]:
    return {"pool": simulate.PoolSettings(n_units=(5, 25), amplitude_mv=(1.2, 4.0))}


def _long() -> dict[str, Any]:
    return {
        "pool": simulate.PoolSettings(length_mm=(200.0, 600.0)),
        "setting": simulate.Amplifier(high_pass_hz=20.0, n_samples=1200),
        "longest_delay_ms": (1.0, 16.0),
    }


def _noisy() -> dict[str, Any]:
    return {"disturbance": simulate.Disturbance(noise_mv=0.03, hum_mv=0.01, artefact_mv=3.0)}


def _hum(hum_mv: float) -> dict[str, Any]:
    return {"disturbance": simulate.Disturbance(noise_mv=0.01, hum_mv=hum_mv, artefact_mv=1.0)}


def _wander() -> dict[str, Any]:
    return {"disturbance": simulate.Disturbance(noise_mv=0.01, drift_mv=0.1, artefact_mv=1.0)}


SIMULATED: dict[str, Callable[[], dict[str, Any]]] = {
    "mixed": dict,
    "block and dispersion to 16 ms": lambda: {
        "scenario": "block_and_dispersion",
        "longest_delay_ms": (2.0, 16.0),
    },
    "block only": lambda: {"scenario": "block"},
    "dispersion only to 16 ms": lambda: {"scenario": "dispersion", "longest_delay_ms": (2.0, 16.0)},
    "healthy": lambda: {"scenario": "healthy"},
    "20 Hz high-pass, to 600 mm": _long,
    "30 uV noise, hum, large artefact": _noisy,
    "hum 10 uV": lambda: _hum(0.01),
    "hum 30 uV": lambda: _hum(0.03),
    "baseline wander 0.1 mV": _wander,
    "25 ms sweep": lambda: {"setting": simulate.Amplifier(n_samples=500)},
    "few units": _few,
    "electrode shift 5 mm": lambda: {"electrode_shift_mm": 5.0},
    "electrode shift 10 mm": lambda: {"electrode_shift_mm": 10.0},
    "co-stimulation": lambda: {"co_stimulation": (0.05, 0.3)},
    "proximal filter 20 Hz": lambda: {"proximal_high_pass_hz": 20.0},
    "submaximal distal": lambda: {"submaximal_distal": (0.5, 0.9)},
    "submaximal proximal": lambda: {"submaximal_proximal": (0.5, 0.9)},
}
"""Conditions of ``ncs_cb.simulate.pairs``."""

"""Find the factors of ``tables/block_interval.toml`` on calibration cohorts and print them.

Run: ``python benchmarks/block_calibrate.py``. The seeds are used nowhere else.

The factor of the posterior is found: the smallest with which the posterior spread by itself covers
88 % of pairs whose delays are long, where it rules. The other factors are chosen, and what they
were chosen on is printed: how far the estimate lies off, in units of the mass that the remainder
hides, and how often the truth lies outside the shipped interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import volume_pairs
from block_cohorts import SIMULATED, Case, pool_cases, simulated_cases

from ncs_cb.dispersion import calibration, estimate
from ncs_cb.dispersion.calibration import Interval
from ncs_cb.dispersion.deconvolution import Fit
from ncs_cb.dispersion.recordings import Sweep
from ncs_cb.dispersion.rows import Known

SEED = 90_417
CHOSEN_ON = 5_101
WANTED = 0.88
PAIRS = 120
OWN_SHAPE = (
    "clean",
    "second muscle",
    "co-activation 3 to 10 %",
    "co-activation 10 to 30 %",
    "co-activation 10 to 30 %, no block",
)
SAME_SHAPE = ("electrode shift 5 mm", "electrode shift 10 mm", "co-stimulation")


@dataclass(frozen=True)
class Fitted:
    """Fits of pairs that were computed together, and the truth of each."""

    truth: np.ndarray
    fit: Fit
    hidden: np.ndarray


def fits(cases: list[Case]) -> list[Fitted]:
    """Give truth and fit of all pairs that have an estimate."""
    pairs = [
        tuple(
            Sweep(np.asarray(samples, dtype=np.float64), case.sampling_rate_hz, case.stimulus_index)
            for samples in (case.distal_mv, case.proximal_mv)
        )
        for case in cases
    ]
    found = estimate._estimate(pairs, [Known()] * len(pairs)).fitted
    truth = np.array([case.blocked_fraction for case in cases])
    return [Fitted(truth[some.place], some.fit, some.hidden) for some in found]


def coverage(found: list[Fitted], posterior: float) -> float:
    """Give how often the posterior spread by itself covers the truth."""
    factors = Interval(posterior, 0.0, 0.0, 0.0, 0.0)
    inside = []
    for some in found:
        blocked = 1.0 - some.fit.scale
        alone = np.ones(blocked.size, dtype=bool)
        half = calibration.room(some.fit, some.hidden, alone, alone, factors).fit
        low, high = np.clip((blocked - half, blocked + half), 0.0, 1.0)
        inside.append((low <= some.truth) & (some.truth <= high))
    return float(np.mean(np.concatenate(inside)))


def find() -> None:
    """Find the factor of the posterior, and try it on pairs of both simulators."""
    cohorts = {
        "long delays": [
            *pool_cases("strong dispersion", 200, SEED),
            *pool_cases("dispersion only", 200, SEED),
        ],
        "a unit counts by its peak": list(pool_cases("mixed", 500, SEED + 1)),
        "a unit counts by its area": list(simulated_cases(SIMULATED["mixed"](), 400, SEED + 3)),
    }
    found = {name: fits(cases) for name, cases in cohorts.items()}
    for posterior in np.arange(0.6, 1.7, 0.05):
        if coverage(found["long delays"], float(posterior)) >= WANTED:
            break
    print(f"posterior {posterior:.2f}")
    for name, pairs in found.items():
        count = sum(some.truth.size for some in pairs)
        print(f"{name}: {100 * coverage(pairs, float(posterior)):.0f} % of {count}")


def show(name: str, cases: list[Case]) -> None:
    """Print how far the estimates of one condition lie off, and what lies outside the interval."""
    ratio, below, above = [], [], []
    for some in fits(cases):
        blocked = 1.0 - some.fit.scale
        ratio.append(np.abs(np.clip(blocked, 0.0, 1.0) - some.truth) / some.hidden)
        alone, attested = np.zeros(blocked.size, dtype=bool), np.ones(blocked.size, dtype=bool)
        room = calibration.room(some.fit, some.hidden, alone, attested, calibration.shipped())
        below.append(some.truth < np.clip(blocked - room.down, 0.0, 1.0))
        above.append(some.truth > np.clip(blocked + room.up, 0.0, 1.0))
    four, nine = np.quantile(np.concatenate(ratio), (0.8, 0.9))
    down, up = (100.0 * np.mean(np.concatenate(each)) for each in (below, above))
    print(
        f"{name}: error over hidden mass, 80 % below {four:.2f}, 90 % below {nine:.2f}; "
        f"truth below the interval in {down:.0f} %, above it in {up:.0f} %"
    )


def volume_cases(name: str) -> list[Case]:
    """Give pairs of the volume conductor."""
    return [
        Case(
            one.distal_mv,
            one.proximal_mv,
            volume_pairs.RATE_HZ,
            one.stimulus_index,
            one.blocked,
            float("nan"),
        )
        for one in volume_pairs.pairs(name, PAIRS, CHOSEN_ON)
    ]


def main() -> None:
    find()
    for name in OWN_SHAPE:
        show(f"volume conductor, {name}", volume_cases(name))
    for name in SAME_SHAPE:
        place = list(SIMULATED).index(name)
        show(name, list(simulated_cases(SIMULATED[name](), PAIRS, CHOSEN_ON + place)))


if __name__ == "__main__":
    main()

"""Run what a library of the kernel does with pairs of responses over random ones.

    python tests/fuzz_pairs.py LIBRARY --pairs 20000 [--seed 0]

Meant for a library built with sanitizers, as ``fuzz_kernel.py``: the estimate of block and the
comparison of shapes call it through their own modules, with arrays that the sanitizer watches.
"""

from __future__ import annotations

import argparse
import ctypes
import warnings

import numpy as np

from fuzz_kernel import random_row
from ncs_cb import errors, estimate_block, simulate
from ncs_cb._kernels import library
from ncs_cb.model import Site, Trace
from ncs_cb.quality.shape import Measured, correlations

NUMBERS = ["blocked_fraction", "added_dispersion_ms", "delay_ms", "residual_pct"]


def random_pair(rng, responses):
    """Two rows of one length: random ones, or responses that are shifted, cut, scaled, spoiled."""
    if rng.random() < 0.3:
        near, rate, stimulus, _ = random_row(rng)
        far = np.resize(random_row(rng)[0][0], near.shape[1]).astype(near.dtype)
        return near[0], far, rate, stimulus
    row, rate = rng.integers(len(responses.distal_mv)), float(rng.choice([3e3, 1e4, 2e4, 5e4, 1e6]))
    both = [one[row] for one in (responses.distal_mv, responses.proximal_mv)]
    last = int(rng.integers(60, both[0].size + 1))
    shift = int(rng.integers(-15, 300))
    made = [np.roll(one, shift)[:last] * 10.0 ** rng.uniform(-3, 1) for one in both]
    if rng.random() < 0.5:
        made[1] = made[1] + rng.lognormal(-4, 2) * rng.standard_normal(last)
    if rng.random() < 0.1:
        made[0] = np.clip(made[0], -1.0, 1.0)
    near, far = (one.astype(rng.choice([np.float32, np.float64])) for one in made)
    return near, far, rate, int(np.clip(20 + shift, 0, last))


def shapes(rng, near, far, rate, stimulus):
    """Compare two rows as shapes, from onsets that may be anywhere."""
    site = Site("ulnar", "right", "adm", "wrist")
    onsets = rng.uniform(-5.0, 40.0, 2)
    pair = tuple(
        Measured(Trace(samples, rate, stimulus, site, "r"), float(onset), 0.0, 0.01)
        for samples, onset in zip((near, far), onsets, strict=True)
    )
    return correlations([pair])


def everything(rng, near, far, rate, stimulus):
    """Give all numbers of one pair."""
    found = [shapes(rng, near, far, rate, stimulus)]
    try:
        row = estimate_block(near, far, sampling_rate_hz=rate, stimulus_index=stimulus)
    except errors.UnitError:
        return np.concatenate(found)
    return np.concatenate([*found, row[NUMBERS].to_numpy(dtype=np.float64).ravel()])


def main() -> None:
    """Run over random pairs, with every build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    loaded = ctypes.CDLL(options.library)
    library._library = lambda: loaded
    builds = ["baseline", "avx2"] if loaded.ncs_has_avx2() else ["baseline"]
    rng = np.random.default_rng(options.seed)
    responses = simulate.pairs(200, rng=rng)
    warnings.simplefilter("ignore")
    estimated = 0
    for _ in range(options.pairs):
        case, seed = random_pair(rng, responses), int(rng.integers(2**32))
        given = []
        for build in builds:
            library.best_build = lambda build=build: build
            library._pair_function.cache_clear()
            given.append(everything(np.random.default_rng(seed), *case))
        assert np.array_equal(given[0].view(np.int64), given[-1].view(np.int64)), case
        estimated += int(np.isfinite(given[0][1:]).any())
    print(f"{options.pairs} random pairs, {estimated} of them estimated: nothing wrong")


if __name__ == "__main__":
    main()

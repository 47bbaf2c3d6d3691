"""What the steps of the block estimate hand on to each other, for tests of one step."""

from __future__ import annotations

import numpy as np
import pytest

import ncs_cb
from ncs_cb import simulate
from ncs_cb.dispersion import estimate


def handed_to(step: str, n_pairs: int, *, seed: int) -> list[tuple]:
    """Give the arguments of every call of a step while some simulated pairs are estimated."""
    pairs = simulate.pairs(n_pairs, rng=np.random.default_rng(seed))
    given, plain = [], getattr(estimate, step)

    def watched(*arguments):
        given.append(arguments)
        return plain(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, step, watched)
        ncs_cb.estimate_block(
            pairs.distal_mv, pairs.proximal_mv, sampling_rate_hz=20_000, stimulus_index=20
        )
    return given

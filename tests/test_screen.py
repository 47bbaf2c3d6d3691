"""Where the fit begins: what C finds is what the oracle in numpy finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import screen_oracle
from handed_on import handed_to
from ncs_cb import _kernels
from ncs_cb.dispersion import screening
from ncs_cb.dispersion.fitting import LIMITS


@pytest.fixture(scope="module")
def spectra():
    """Spectra of some pairs, as the estimate hands them on."""
    return [pair for pair, _ in handed_to("screen", 40, seed=4)]


def test_the_best_trials_are_those_of_the_oracle(spectra):
    for pair in spectra:
        found, expected = screening.screen(pair, LIMITS), screen_oracle.screen(pair, LIMITS)
        assert np.allclose(found.theta, expected.theta, rtol=1e-9, atol=1e-9)
        assert np.array_equal(found.shape, expected.shape)
        assert np.array_equal(found.fixed, expected.fixed)


def test_every_build_screens_to_identical_bits(spectra, monkeypatch):
    best = [screening.screen(pair, LIMITS) for pair in spectra]
    plain = _kernels.screen
    monkeypatch.setattr(_kernels, "screen", lambda *a: plain(*a, which="baseline"))
    for pair, expected in zip(spectra, best, strict=True):
        assert np.array_equal(screening.screen(pair, LIMITS).theta, expected.theta)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_one_spectrum_of_nonsense_leaves_the_others_alone(spectra, bad):
    pair = spectra[0]
    spoiled = replace(pair, aligned=pair.aligned.copy())
    spoiled.aligned[0] = bad
    with np.errstate(all="ignore"):
        found, expected = screening.screen(spoiled, LIMITS), screening.screen(pair, LIMITS)
    assert np.array_equal(found.theta[1:], expected.theta[1:])


def test_bounds_that_no_library_has_are_refused(spectra, monkeypatch):
    given, plain = [], _kernels.screen
    monkeypatch.setattr(_kernels, "screen", lambda *a: given.append(a) or plain(*a))
    screening.screen(spectra[0], LIMITS)
    (parts, trials) = given[0]
    for edges in ([0, 300], [0, 5, 5], [-1, 8]):
        with pytest.raises(ValueError, match="cannot be screened"):
            plain(parts, replace(trials, edges=np.array(edges)))

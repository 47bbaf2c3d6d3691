"""Refined delay distributions: what C computes is what the oracle in numpy computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import refine_oracle
from handed_on import handed_to
from ncs_cb import _kernels
from ncs_cb.dispersion import deconvolution, fitting


@pytest.fixture(scope="module")
def fitted():
    """Starting points and spectra of some pairs, as the estimate hands them on."""
    return handed_to("refine", 24, seed=3)


def test_the_refined_distributions_are_those_of_the_oracle(fitted):
    for kinds, pair in fitted:
        found, expected = fitting.refine(kinds, pair), refine_oracle.refine(kinds, pair)
        for name in ("theta", "weight", "scale", "scale_sd", "residual", "misfit", "remainder"):
            assert np.allclose(getattr(found, name), getattr(expected, name), rtol=1e-7, atol=1e-9)
        assert np.array_equal(found.shape, expected.shape)


def test_what_is_left_is_the_proximal_spectrum_without_the_windowed_mixture(fitted):
    for kinds, pair in fitted:
        fit = fitting.refine(kinds, pair)
        mass = fit.weight * fit.theta[..., deconvolution.SCALE]
        arrives = np.sum(mass[..., None] * deconvolution.transfer(fit.theta, fit.shape), axis=1)
        # In time: one period of 100 ms, cut off by the window that has this transform.
        seen = np.fft.irfft(arrives * pair.distal, 1000) * np.fft.irfft(pair.cut, 1000) * 1000
        left = pair.proximal - np.fft.rfft(seen)[:, : deconvolution.N_FREQUENCIES]
        assert np.allclose(fit.remainder, left, atol=1e-12 * np.abs(pair.proximal).max())


def test_every_build_refines_to_identical_bits(fitted, monkeypatch):
    best = [fitting.refine(*one) for one in fitted]
    plain = _kernels.refine
    monkeypatch.setattr(_kernels, "refine", lambda *a: plain(*a, which="baseline"))
    for one, expected in zip(fitted, best, strict=True):
        found = fitting.refine(*one)
        assert np.array_equal(found.theta, expected.theta)
        assert np.array_equal(found.weight, expected.weight)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e300, 0.0])
def test_spectra_of_nonsense_end_in_numbers_of_nonsense_alone(fitted, bad):
    kinds, pair = fitted[0]
    first = np.zeros(len(pair.evidence), dtype=bool)
    first[0] = True
    spoiled = replace(pair, proximal_noise=np.where(first[:, None], bad, pair.proximal_noise))
    with np.errstate(all="ignore"):
        found, expected = fitting.refine(kinds, spoiled), fitting.refine(kinds, pair)
    assert np.array_equal(found.theta[1:], expected.theta[1:])


def test_more_kinds_than_there_is_room_for_are_refused(fitted):
    kinds, pair = fitted[0]
    many = type(kinds)(*(np.repeat(a, 9, axis=1) for a in (kinds.theta, kinds.shape, kinds.fixed)))
    with pytest.raises(ValueError, match="from 4 to 16"):
        fitting.refine(many, pair)

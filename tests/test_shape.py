"""Shapes compared: what C computes is what the oracle in numpy computes."""

from __future__ import annotations

import numpy as np
import pytest

import shape_oracle
from ncs_cb import _kernels, simulate
from ncs_cb.model import Site, Trace
from ncs_cb.quality.shape import Measured, correlations


def pairs_of(rate, dtype, last=None, seed=1):
    """Pairs of every kind of delay, with noise, an offset, and onsets between the samples."""
    rng = np.random.default_rng(seed)
    made = simulate.pairs(24, rng=rng)
    site = Site("ulnar", "right", "adm", "wrist")

    def one(samples):
        noise = rng.lognormal(-5, 1)
        noisy = samples + noise * rng.standard_normal(samples.size) + 3.0
        onset = float(np.argmax(samples > 0.05 * samples.max()) - 20) / rate * 1e3
        trace = Trace(noisy[:last].astype(dtype), rate, 20, site, "r")
        return Measured(trace, onset + rng.uniform(-0.1, 0.1), 3.0, noise)

    rows = [one(samples) for both in (made.distal_mv, made.proximal_mv) for samples in both]
    return [None, *zip(rows[:24], rows[24:], strict=True), (rows[0], rows[3]), (rows[3], rows[0])]


@pytest.mark.parametrize(
    ("rate", "dtype", "last"),
    [
        (20_000.0, np.float64, None),
        (20_000.0, np.float32, 300),
        (3_000.0, np.float64, None),
        (48_000.0, np.float32, 700),
    ],
)
def test_correlations_are_those_of_the_oracle(rate, dtype, last):
    given = pairs_of(rate, dtype, last)
    found, expected = correlations(given), shape_oracle.correlations(given)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found, expected, rtol=1e-9, equal_nan=True)
    assert np.isfinite(found).any()


def test_bins_are_means_over_pieces_of_samples():
    rng = np.random.default_rng(2)
    samples = [rng.standard_normal(n) for n in (1, 7, 300)]
    lags = _kernels.Lags(0.2, 8, 30, 4, 2, 10)
    first, step = np.array([-3.3, 2.25, 10.5]), np.array([0.05, 0.3, 0.02])
    found = _kernels.bins(samples, np.zeros(3), step, first, lags)
    for row, one in enumerate(samples):
        for k in range(38):
            edges = np.clip(first[row] + (k + np.arange(2)) * 0.2 / step[row], 0, one.size)
            # Each sample counts with the part of it that lies within the bin.
            parts = np.diff(np.clip(np.arange(one.size + 1), *edges))
            assert found[row, k] == pytest.approx(
                parts @ one * step[row] / 0.2, rel=1e-9, abs=1e-12
            )


def test_every_build_correlates_to_identical_bits(monkeypatch):
    given = pairs_of(20_000.0, np.float64)
    best = correlations(given)
    for name in ("bins", "correlate"):
        plain = getattr(_kernels, name)
        monkeypatch.setattr(_kernels, name, lambda *a, plain=plain: plain(*a, which="baseline"))
    assert np.array_equal(correlations(given), best, equal_nan=True)


def test_one_pair_alone_gives_the_same_bits_as_among_others():
    given = pairs_of(20_000.0, np.float64)
    together = correlations(given)
    assert all(
        correlations([pair])[0] == one for pair, one in zip(given[1:], together[1:], strict=True)
    )
    assert np.isnan(together[0])
    assert correlations([]).shape == (0,)


def test_rows_and_bins_that_are_not_there_are_refused():
    lags, rows = _kernels.Lags(0.2, 8, 30, 4, 2, 10), np.zeros(1, dtype=np.int64)
    binned = np.zeros((2, 38))
    with pytest.raises(IndexError, match="was not binned"):
        _kernels.correlate(binned, lags, rows, rows + 2, rows + 5)
    with pytest.raises(ValueError, match="at most 30"):
        _kernels.correlate(binned, lags, rows, rows, rows + 31)
    with pytest.raises(TypeError, match="1 values"):
        _kernels.bins([np.zeros(0)], np.zeros(1), np.ones(1), np.zeros(1), lags)

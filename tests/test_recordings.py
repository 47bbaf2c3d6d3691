"""Cleaned responses and their spectra: what C computes is what the oracle in numpy computes."""

from __future__ import annotations

import numpy as np
import pytest

import recordings_oracle
from ncs_cb import _kernels, simulate
from ncs_cb.dispersion import recordings
from ncs_cb.dispersion.recordings import EARLIEST_ONSET_MS, clean, grid_of, spectra

# Rate, stimulus and last sample: blocks of 1, 2, 4 and 5 samples; stimuli at both ends of what
# is used of the time before; a short sweep.
KINDS = [
    (20_000.0, 20, None),
    (20_000.0, 0, None),
    (20_000.0, 190, 700),
    (10_000.0, 20, None),
    (48_000.0, 31, None),
    (44_100.0, 3, 900),
]


def traces(seed, count, rate, stimulus, last):
    """Pairs with baseline, artefact, drift, noise, hum and long pulses; every one another."""
    rng = np.random.default_rng(seed)
    pairs = simulate.pairs(count, rng=rng)
    made = []
    for rows in (pairs.distal_mv, pairs.proximal_mv):
        time = np.arange(rows.shape[1]) / rate * 1e3
        after = np.clip(time - stimulus / rate * 1e3, 0.0, None)
        shape = (count, 1)
        tail = rng.normal(0, 2, shape) * np.exp(-after / rng.uniform(0.2, 1.0, shape))
        pulse = np.where(after < rng.uniform(0.0, 2.0, shape), rng.normal(0, 5, shape), 0.0)
        slow = rng.normal(0, 0.05, shape) * np.sin(0.3 * time + rng.uniform(0, 6, shape))
        noise = rng.lognormal(-5, 1, shape) * rng.standard_normal(rows.shape)
        shifted = np.roll(rows, stimulus - 20, axis=1)
        added = np.where(after > 0, tail + pulse, 0.0) + slow + noise + rng.normal(0, 10, shape)
        made.append((shifted + added)[:, :last].copy())
    return made


def cleaned(samples_mv, grid, after_ms):
    return clean(_kernels.rows_of(samples_mv), grid, after_ms)


def both_cleaned(by, given, grid):
    near = by(given[0], grid, np.full(len(given[0]), EARLIEST_ONSET_MS))
    return near, by(given[1], grid, np.maximum(near.onset_ms, EARLIEST_ONSET_MS))


def close(found, expected, names):
    for name in names:
        a, b = getattr(found, name), getattr(expected, name)
        assert np.allclose(a, b, rtol=1e-8, atol=1e-10 * np.abs(b).max()), name


@pytest.mark.parametrize("kind", KINDS)
def test_cleaned_responses_and_spectra_are_those_of_the_oracle(kind):
    given = traces(1, 40, *kind)
    grid = grid_of(given[0].shape[1], *kind[:2])
    found, expected = (both_cleaned(by, given, grid) for by in (cleaned, recordings_oracle.clean))
    for mine, other in zip(found, expected, strict=True):
        assert np.array_equal(mine.is_present, other.is_present)
        assert np.array_equal(mine.onset_ms, other.onset_ms)
        # Squares about 10 mV round so that a stretch without noise has 1e-7 mV of it.
        for name in set(recordings.Responses.__slots__[1:]) - {"is_present", "tail_ms"}:
            a, b = getattr(mine, name), getattr(other, name)
            assert np.allclose(a, b, rtol=1e-7, atol=1e-6), name
        # Without a tail it is no matter which would have been.
        has_tail = np.abs(other.tail_mv) > 1e-6
        assert np.array_equal(mine.tail_ms[has_tail], other.tail_ms[has_tail])
    names = recordings_oracle.Spectra.__slots__
    # From the same responses, so that an onset is no matter here.
    close(spectra(*expected), recordings_oracle.spectra(*expected), names)


def test_sides_of_unlike_grids_are_each_transformed_on_their_own():
    near, far = traces(2, 12, 20_000.0, 20, 800)[0], traces(3, 12, 10_000.0, 7, None)[1]
    after = np.full(12, EARLIEST_ONSET_MS)
    one = cleaned(near, grid_of(800, 20_000.0, 20), after)
    other = cleaned(far, grid_of(far.shape[1], 10_000.0, 7), one.onset_ms)
    names = recordings_oracle.Spectra.__slots__
    close(spectra(one, other), recordings_oracle.spectra(one, other), names)


def test_samples_of_either_kind_are_read_where_they_lie():
    given = traces(4, 6, 20_000.0, 20, None)[0].astype(np.float32)
    grid, after = grid_of(given.shape[1], 20_000.0, 20), np.full(6, EARLIEST_ONSET_MS)
    wide = cleaned(given.astype(np.float64), grid, after)
    mixed = [row.astype(np.float64) if i % 2 else row for i, row in enumerate(given)]
    assert np.array_equal(cleaned(mixed, grid, after).samples_mv, wide.samples_mv)


def test_every_build_cleans_and_transforms_to_identical_bits(monkeypatch):
    given = traces(5, 20, 48_000.0, 31, None)
    grid = grid_of(given[0].shape[1], 48_000.0, 31)
    best = both_cleaned(cleaned, given, grid)
    waves = spectra(*best)
    for name in ("clean", "spectra"):
        plain = getattr(_kernels, name)
        monkeypatch.setattr(_kernels, name, lambda *a, plain=plain: plain(*a, which="baseline"))
    for found, expected in zip(both_cleaned(cleaned, given, grid), best, strict=True):
        assert np.array_equal(found.samples_mv, expected.samples_mv)
        assert np.array_equal(found.onset_ms, expected.onset_ms)
    again = spectra(*best)
    for name in recordings_oracle.Spectra.__slots__:
        assert np.array_equal(getattr(again, name), getattr(waves, name))


def test_traces_too_short_for_their_grid_are_refused():
    after = np.full(1, EARLIEST_ONSET_MS)
    with pytest.raises(ValueError, match="too few"):
        cleaned(np.zeros((1, 12)), grid_of(12, 20_000.0, 2), after)
    with pytest.raises(ValueError, match="one length"):
        cleaned([np.zeros(1000), np.zeros(990)], grid_of(1000, 20_000.0, 20), np.full(2, 1.6))
    with pytest.raises(ValueError, match="do not fit"):
        cleaned(np.zeros((1, 990)), grid_of(1000, 20_000.0, 20), after)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_look_tells_the_range_after_the_artefact_and_what_is_not_finite(dtype):
    rng = np.random.default_rng(6)
    rows = np.round(rng.standard_normal((40, 257)), 1).astype(dtype)
    rows[5, 3], rows[6, 250], rows[7, 100] = np.nan, np.inf, -np.inf
    found = _kernels.look(_kernels.rows_of(rows), 40)
    finite = np.isfinite(rows).all(axis=1)
    assert np.array_equal(found[:, 3] == 1.0, finite)
    assert (found[~finite, :3] == 0.0).all()
    low, high = rows[finite, 40:].min(axis=1), rows[finite, 40:].max(axis=1)
    ties = [(rows[finite, 40:] == edge[:, None]).sum(axis=1) for edge in (low, high)]
    assert np.array_equal(found[finite, :3].T, (low, high, np.maximum(*ties)))
    assert (_kernels.look(_kernels.rows_of(rows[:1]), 257)[0] == (0.0, 0.0, 0.0, 1.0)).all()

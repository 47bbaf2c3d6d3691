"""What readers ask of raw sweeps: as defined, each as if alone, the same from every build."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
import naive_sweeps
from ncs_cb import _kernels
from ncs_cb._kernels import facts, sweeps
from ncs_cb.readers._shared import doubts, polarity

RATES = (2_500.0, 4_800.0, 10_000.0, 20_000.0, 48_000.0, 50_000.0)


def a_sweep(number):
    """One sweep of any kind, with its rate and stimulus, all a function of the number."""
    rng = np.random.default_rng(number)
    rate = float(rng.choice(RATES))
    index = round(float(rng.choice([-9.0, -2.0, 0.0, 0.4, 2.0, 9.0])) * rate / 1000.0)
    n = int(rng.choice([1, 5, 40, 200, 600, 1000, 2400]))
    t = (np.arange(n) - index) * 1000.0 / rate
    row = np.zeros(n)
    if rng.random() < 0.9:
        row += float(rng.choice([1.0, -1.0])) * naive.cmap(
            t, onset=rng.uniform(2, 9), height=10.0 ** rng.uniform(-2, 1)
        )
    for _ in range(rng.integers(0, 3)):  # pulses, beside the marker or at it, that decay
        at = float(rng.choice([0.0, 0.3, 1.5, -1.5, 3.0, 5.5]))
        size, end = rng.uniform(-8, 8), at + 0.2
        row += size * ((t >= at) & (t < end))
        row -= 0.6 * size * np.where(t >= end, np.exp(-np.clip(t - end, 0, None) / 0.4), 0)
    if rng.random() < 0.3:  # a rise out of quiet, of a jump or longer
        row += rng.uniform(-5, 5) * np.clip(
            (t - rng.uniform(0.6, 5)) / rng.uniform(0.05, 0.6), 0, 1
        )
    if rng.random() < 0.8:
        row += rng.normal(0, 10.0 ** rng.uniform(-4, -1), n)
    if rng.random() < 0.3:  # held from the stimulus on
        row[(t >= 0) & (t < rng.uniform(0.5, 6))] = float(rng.choice([0.0, 16.0]))
    if rng.random() < 0.3:
        row = np.round(row, int(rng.integers(0, 3)))
    if rng.random() < 0.3:
        row[rng.integers(n)] += rng.uniform(-5, 5)
    if rng.random() < 0.1:
        row[rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf])
    return row.astype(rng.choice([np.float32, np.float64])), rate, index


def answered(rows, rates, indices, groups=None, which=""):
    """What the kernel answers of sweeps that are given together; 3 samples are skipped."""
    skipped = [3 * 1000.0 / rate for rate in rates]
    groups = [-1] * len(rows) if groups is None else groups
    given = sweeps.rows_of(rows)
    return sweeps.answers(given, rates, indices, groups, skipped, doubts.limits(), which)


def asked(rows, rates, indices, which=""):
    """Everything the kernel says of sweeps that are given together, but of one by itself."""
    found = answered(rows, rates, indices, which=which)
    limits = polarity.deflection_limits()
    return (
        [one.pulse for one in found],
        [one.odd for one in found],
        [one.reach_mv for one in found],
        sweeps.deflections(sweeps.rows_of(rows), rates, indices, limits, which),
    )


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 10**6))
def test_a_sweep_is_seen_as_it_is_defined(number):
    row, rate, index = a_sweep(number)
    v = row.astype(np.float64)
    (pulse,), (odd,), (extent,), (deflection,) = asked([row], [rate], [index])
    assert pulse == naive_sweeps.pulse_in(v, rate, index)
    assert bool(odd & facts.HELD_INTO_RESPONSE) == naive_sweeps.is_blanked(v, rate, index)
    assert bool(odd & facts.STRAY) == naive_sweeps.has_stray(v, rate, index)
    left = v[max(index, 0) + 3 :]
    known = len(left) >= 16 and np.isfinite(left).all()
    assert np.array_equal(extent, np.ptp(left) if known else np.nan, equal_nan=True)
    start = pulse if pulse >= 0 else index
    expected = naive_sweeps.deflection(v, rate, start) or (np.nan,) * 5
    assert np.array_equal(deflection, (*expected, start), equal_nan=True)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_ragged_sweeps_together_are_seen_as_each_alone(numbers):
    rows, rates, indices = zip(*map(a_sweep, numbers), strict=True)
    together = asked(rows, rates, indices)
    each = [asked([row], [rate], [at]) for row, rate, at in zip(rows, rates, indices, strict=True)]
    for k, found in enumerate(together):
        assert np.array_equal(found, [one[k][0] for one in each], equal_nan=True)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.booleans())
def test_signs_are_those_of_the_definition(numbers, is_like):
    rows, rates, indices = map(list, zip(*map(a_sweep, numbers), strict=True))
    if is_like:  # the same response again, small, noisy or upside down
        rng = np.random.default_rng(numbers[0])
        for size in (0.5, -0.7):
            rows.append(size * rows[0] + rng.normal(0, 0.001, len(rows[0])))
            rates.append(rates[0])
            indices.append(indices[0])
    found = [one.sign for one in answered(rows, rates, indices, [0] * len(rows))]
    expected = naive_sweeps.signs([r.astype(np.float64) for r in rows], rates, indices)
    assert [s == -1 for s in found] == [s == -1 for s in expected]
    if -1 in expected:
        assert found == expected


@pytest.mark.parametrize("which", ["baseline", _kernels.best_build()])
def test_every_build_says_the_same_of_raw_sweeps(which):
    rows, rates, indices = zip(*map(a_sweep, range(300)), strict=True)
    for one, other in zip(
        asked(rows, rates, indices, which), asked(rows, rates, indices), strict=True
    ):
        assert np.array_equal(one, other, equal_nan=True)
    groups = [number % 7 - 1 for number in range(300)]
    found = [one.sign for one in answered(rows, rates, indices, groups, which)]
    assert found == [one.sign for one in answered(rows, rates, indices, groups)]
    for group in range(6):
        own = [
            (*of, 0) for *of, at in zip(rows, rates, indices, groups, strict=True) if at == group
        ]
        alone = [one.sign for one in answered(*zip(*own, strict=True), which)]
        assert alone == [sign for sign, at in zip(found, groups, strict=True) if at == group]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10**6))
def test_a_level_is_the_median_whatever_the_order_and_however_many_are_equal(number):
    rng = np.random.default_rng(number)
    n = int(rng.choice([40, 100, 1000, 5000]))
    row = np.round(rng.normal(0, 10.0 ** rng.uniform(-6, 3), n), int(rng.integers(0, 4)))
    row[rng.random(n) < rng.choice([0.0, 0.5, 0.99])] = 0.0
    row = {0: row, 1: np.sort(row), 2: np.sort(row)[::-1]}[number % 3]
    (found,) = sweeps.deflections(
        sweeps.rows_of([row]), [1000.0], [0], polarity.deflection_limits()
    )
    start = int(found[5])
    quiet, after = row[: max(start - 1, 1)] if start > 1 else row[start + 1 :], row[start + 1 :]
    if not np.isnan(found[0]):
        assert found[4] == np.sort(quiet)[len(quiet) // 2]
        steps = np.abs(np.diff(after - found[4]))
        assert found[2] in (0.0, 1.05 * np.sort(steps)[len(steps) // 2])

"""Laws of the measurement: what may not change, does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from ncs_cb.measuring import traces as measure
from ncs_cb.measuring.traces import measure_traces

TIMES = [
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_duration_ms",
    "total_negative_duration_ms",
]
HEIGHTS = [
    "negative_peak_amplitude_mv",
    "peak_to_peak_amplitude_mv",
    "negative_peak_area_mv_ms",
    "total_negative_area_mv_ms",
    "baseline_noise_mv",
]
SEEDS = st.integers(0, 2**32 - 1)


def make(seed, n=3, noise_mv=0.01):
    rng = np.random.default_rng(seed)
    rows = naive.random_cmaps(rng, n, noise_mv=noise_mv)
    t = (np.arange(1000) - 20) / 20
    return np.array(
        [row + naive.artifact(t, rng.uniform(-4, 4), rng.uniform(0.2, 2.0)) for row in rows]
    )


def measured(samples, stimulus=20, **options):
    return measure_traces(samples, sampling_rate_hz=20_000, stimulus_index=stimulus, **options)


def same(a, b):
    pd.testing.assert_frame_equal(
        a.reset_index(drop=True), b.reset_index(drop=True), check_exact=True
    )


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, power=st.integers(-12, 2))
def test_gain_by_a_power_of_two_scales_amplitudes_and_nothing_else(seed, power):
    # Powers of two scale floating point exactly, so times are equal bit for bit.
    samples, gain = make(seed), 2.0**power
    one, other = measured(samples), measured(samples * gain)
    assert one["quality_flags"].tolist() == other["quality_flags"].tolist()
    same(one[TIMES], other[TIMES])
    for name in [*HEIGHTS, "baseline_mv"]:
        assert np.array_equal(one[name] * gain, other[name], equal_nan=True), name


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, gain=st.floats(1e-3, 5.0))
def test_any_gain_scales_amplitudes_and_nothing_else(seed, gain):
    samples = make(seed)
    one, other = measured(samples), measured(samples * gain)
    assert one["quality_flags"].tolist() == other["quality_flags"].tolist()
    assert np.allclose(one[TIMES], other[TIMES], rtol=0, atol=1e-6, equal_nan=True)
    assert np.allclose(one[HEIGHTS] * gain, other[HEIGHTS], rtol=1e-6, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, offset=st.floats(-1000, 1000))
def test_a_constant_offset_moves_the_baseline_and_nothing_else(seed, offset):
    samples = make(seed)
    one, other = measured(samples), measured(samples + offset)
    assert one["quality_flags"].tolist() == other["quality_flags"].tolist()
    # Adding rounds the samples by up to 1e-13 mV; the fits pass that on.
    assert np.allclose(one[TIMES], other[TIMES], rtol=0, atol=1e-6, equal_nan=True)
    assert np.allclose(one[HEIGHTS], other[HEIGHTS], rtol=1e-6, equal_nan=True)
    assert np.allclose(one["baseline_mv"] + offset, other["baseline_mv"], atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, shift=st.integers(1, 300))
def test_samples_and_stimulus_moved_together_change_nothing(seed, shift):
    # With 10 ms before the stimulus already, more of it is not looked at.
    rng = np.random.default_rng(seed)
    samples = naive.random_cmaps(rng, 3, n_samples=1200, stimulus=220, noise_mv=0.01)
    moved = np.hstack([np.full((3, shift), 0.5), samples])
    same(measured(samples, 220), measured(moved, 220 + shift))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_order_and_batch_size_change_nothing(seed):
    samples = make(seed, n=8)
    whole = measured(samples)
    order = np.random.default_rng(seed).permutation(8)
    same(whole.iloc[order], measured(samples[order]))
    same(whole, pd.concat([measured(samples[:3]), measured(samples[3:4]), measured(samples[4:])]))


def test_layout_and_type_of_the_input_change_nothing():
    samples = make(7, n=6).astype(np.float32)
    expected = measured(samples)
    same(expected, measured(samples.astype(np.float64)))
    same(expected, measured(np.asfortranarray(samples)))
    same(expected, measured(samples.astype(">f4")))
    same(expected, measured(np.repeat(samples, 2, axis=0)[::2]))
    same(expected, measured([list(row) for row in samples.astype(float)]))
    frozen = samples.copy()
    frozen.flags.writeable = False
    same(expected, measured(frozen))


def test_the_input_is_left_alone():
    samples = make(8, n=4)
    before = samples.copy()
    measured(samples)
    assert np.array_equal(samples, before)


def test_threads_copies_and_the_size_of_a_call_change_nothing(monkeypatch):
    samples = np.vstack([make(seed, n=50) for seed in range(60)]).astype(np.float32)
    expected = pd.concat([measured(samples[i : i + 500]) for i in range(0, 3000, 500)])
    monkeypatch.setattr(measure, "_ROWS_AT_ONCE", 97)
    before = samples.copy()
    for threads in (1, 2, 5, None):
        same(expected, measured(samples, threads=threads))
    same(expected, measured(np.asfortranarray(samples)))
    assert np.array_equal(samples, before)

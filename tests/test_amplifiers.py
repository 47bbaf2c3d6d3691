"""measure_traces on what amplifiers and clinics add: far fields, pulses, recovery."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from ncs_cb.measuring.traces import measure_traces


def times(*, before_ms=2.0, after_ms=50.0, rate=20_000.0):
    """Times of the samples, and the index of the stimulus."""
    index = round(before_ms * rate / 1000)
    return (np.arange(index + round(after_ms * rate / 1000)) - index) * 1000.0 / rate, index


def noise(seed, size, sd=0.004):
    return sd * np.random.default_rng(seed).standard_normal(size)


def measured(trace, index, *, rate=20_000.0):
    return measure_traces(trace, sampling_rate_hz=rate, stimulus_index=index).iloc[0]


@pytest.mark.parametrize("at_ms", [2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("tail_mv", [0.0, -1.0, 1.5])
def test_a_far_field_that_is_over_before_the_response_is_not_its_baseline(at_ms, tail_mv):
    t, index = times()
    dip = -0.2 * np.exp(-(((t - at_ms) / 0.7) ** 2))
    trace = naive.cmap(t, onset=6.5, height=7.0) + dip + naive.artifact(t, tail_mv, 0.3)
    row = measured(trace + noise(3, t.size), index)
    clean = measured(naive.cmap(t, onset=6.5, height=7.0) + noise(3, t.size), index)
    assert row["onset_latency_ms"] == pytest.approx(clean["onset_latency_ms"], abs=0.1)
    assert row["baseline_mv"] == pytest.approx(0.0, abs=0.02)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(7.0, rel=5e-3)


@pytest.mark.parametrize("size_mv", [-0.4, 0.4])
@pytest.mark.parametrize("tau_ms", [4.0, 8.0])
def test_an_amplifier_that_recovers_is_no_far_field(size_mv, tau_ms):
    t, index = times()
    late = np.clip(t, 0.0, None)
    slow = size_mv * (1.0 - np.exp(-late / 0.3)) * np.exp(-late / tau_ms)
    row = measured(naive.cmap(t, onset=6.5, height=7.0) + slow + noise(4, t.size), index)
    assert row["onset_latency_ms"] == pytest.approx(6.7, abs=0.25)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(7.0, rel=0.03)

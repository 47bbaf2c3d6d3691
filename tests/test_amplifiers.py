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
@pytest.mark.parametrize("rise_ms", [0.3, 0.5])
def test_an_amplifier_that_recovers_is_no_far_field(size_mv, tau_ms, rise_ms):
    t, index = times()
    late = np.clip(t, 0.0, None)
    slow = size_mv * (1.0 - np.exp(-late / rise_ms)) * np.exp(-late / tau_ms)
    row = measured(naive.cmap(t, onset=6.5, height=7.0) + slow + noise(4, t.size), index)
    assert row["onset_latency_ms"] == pytest.approx(6.7, abs=0.35)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(7.0, rel=0.03)


def sharp(t, onset_ms, height_mv):
    """A response that leaves its baseline in a corner."""
    u = np.clip(t - onset_ms, 0.0, None) / 2.5
    return height_mv * u**1.6 * np.exp(1.6 * (1.0 - u))


def filtered_pulse(t, *, at_ms=0.0, size_mv=0.4, width_ms=0.2, rise_ms=0.1):
    """A pulse behind an amplifier of limited bandwidth."""

    def edge(at):
        late = np.clip(t - at, 0.0, None) / rise_ms
        return 1.0 - (1.0 + late) * np.exp(-late)

    return size_mv * (edge(at_ms) - edge(at_ms + width_ms))


@pytest.mark.parametrize("rate", [2_000.0, 4_000.0, 5_000.0])
@pytest.mark.parametrize("width_ms", [0.1, 0.5])
def test_a_pulse_of_few_samples_begins_at_its_marker(rate, width_ms):
    t, index = times(rate=rate)
    for size_mv in (-2.0, -0.5, 0.5, 2.0):
        pulse = filtered_pulse(t, size_mv=size_mv, width_ms=width_ms)
        trace = naive.cmap(t, height=7.0) + pulse + noise(5, t.size, sd=0.002)
        row = measured(trace, index, rate=rate)
        assert "stimulus_realigned" not in row["quality_flags"]
        assert row["onset_latency_ms"] == pytest.approx(4.1, abs=0.35)


@pytest.mark.parametrize("size_mv", [-0.4, 0.25, 0.4])
@pytest.mark.parametrize("width_ms", [0.1, 0.2, 0.5])
def test_a_faint_pulse_before_a_sharp_response_is_where_latencies_begin(size_mv, width_ms):
    t, index = times(before_ms=3.0)
    pulse = filtered_pulse(t, at_ms=1.0, size_mv=size_mv, width_ms=width_ms, rise_ms=0.05)
    row = measured(sharp(t, 5.0, 14.0) + pulse + noise(6, t.size, sd=0.003), index)
    assert "stimulus_realigned" in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(4.15, abs=0.2)


def test_a_response_at_the_marker_is_no_pulse():
    t, index = times(before_ms=3.0)
    for onset_ms in (0.7, 0.9, 1.1):
        row = measured(sharp(t, onset_ms, 14.0) + noise(7, t.size, sd=0.003), index)
        assert row["quality_flags"] == ""
        assert row["onset_latency_ms"] == pytest.approx(onset_ms + 0.15, abs=0.1)


@pytest.mark.parametrize("size_mv", [-0.35, 0.35])
def test_what_a_high_pass_filter_leaves_of_a_large_artefact_is_no_far_field(size_mv):
    # The trace stays away from where it was before the pulse, and comes back over 100 ms.
    t, index = times()
    late = np.clip(t, 0.0, None)
    left = np.where(t >= 0.0, size_mv * (np.exp(-late / 100.0) - 1.6 * np.exp(-late / 0.8)), 0.0)
    row = measured(sharp(t, 6.8, 7.0) + left + noise(8, t.size, sd=0.003), index)
    assert row["onset_latency_ms"] == pytest.approx(6.95, abs=0.3)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(7.0, rel=0.02)


@pytest.mark.parametrize("rail_mv", [-20.0, 20.0])
@pytest.mark.parametrize("held_ms", [0.7, 1.0, 2.5, 4.4])
@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_rail_that_shows_noise_is_named_and_left(rail_mv, held_ms, where):
    t, index = times()
    tail = rail_mv * np.exp(-np.clip(t - held_ms, 0.0, None) / 0.6)
    held = np.where((t >= 0.0) & (t < held_ms), rail_mv, np.where(t < 0.0, 0.0, tail))
    response, random = naive.cmap(t, onset=9.0, height=8.0), noise(9, t.size, sd=0.008)
    if where == "before":
        trace = np.clip(held * 1.0005 + response + random, -20.0, 20.0)
    else:
        trace = held + response + random
    row = measured(trace, index)
    assert "artifact_clipped" in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(9.1, abs=0.15)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(8.0, rel=0.02)


@pytest.mark.parametrize("width_ms", [0.5, 1.0])
@pytest.mark.parametrize("second", [0.0, 0.9])
def test_the_top_of_a_long_pulse_is_no_rail(width_ms, second):
    t, index = times()
    pulse = filtered_pulse(t, size_mv=6.0, width_ms=width_ms, rise_ms=0.03)
    pulse -= second * filtered_pulse(
        t, at_ms=width_ms, size_mv=6.0, width_ms=width_ms, rise_ms=0.03
    )
    row = measured(naive.cmap(t, onset=6.5) + pulse + noise(10, t.size), index)
    assert "artifact_clipped" not in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(6.6, abs=0.1)


@pytest.mark.parametrize("left_mv", [-0.5, 0.5])
def test_a_filter_that_moves_the_trace_behind_a_rail_leaves_the_response_whole(left_mv):
    t, index = times()
    late = np.clip(t - 0.8, 0.0, None)
    behind = left_mv * np.exp(-late / 80.0) - 12.0 * left_mv * np.exp(-late / 0.7)
    rail = -40.0 * left_mv
    moved = np.where(t < 0.0, 0.0, np.where(t < 0.8, rail, behind))
    row = measured(naive.cmap(t, onset=5.0, height=3.0) + moved + noise(11, t.size), index)
    assert row["onset_latency_ms"] == pytest.approx(5.1, abs=0.3)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("height_mv", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("rate", [5_000.0, 20_000.0, 100_000.0])
def test_a_smaller_potential_before_a_long_rest_is_not_the_onset(height_mv, rate):
    t, index = times(rate=rate)
    alone = naive.cmap(t, onset=10.2, height=8.0) + noise(12, t.size)
    both = measured(alone + height_mv * naive.lobe((t - 3.0) / 2.0), index, rate=rate)
    alone = measured(alone, index, rate=rate)
    assert both["quality_flags"] == "early_potential"
    for name in ("onset_latency_ms", "negative_peak_area_mv_ms", "total_negative_area_mv_ms"):
        assert both[name] == pytest.approx(alone[name], rel=0.02)


def test_an_early_part_of_a_dispersed_response_is_its_onset():
    # Its own positive phase leads over to the later part: there is no rest.
    t, index = times()
    early = naive.cmap(t, onset=4.0, width=3.0, height=2.0, after=6.0)
    row = measured(early + naive.cmap(t, onset=14.0, height=6.0) + noise(13, t.size), index)
    assert "early_potential" not in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(4.1, abs=0.15)


def test_noise_is_worth_a_word_where_it_moves_the_onset():
    # The same noise, some percent of the response, on a steep and on a slow edge.
    t, index = times(before_ms=5.0)
    slow = 1.5 * np.exp(-0.5 * ((t - 12.0) / 2.6) ** 2)
    hum = 0.025 * np.sin(0.3 * t) * np.sin(1.1 * t + 1.0) + noise(14, t.size, sd=0.005)
    steep = 1.5 * naive.lobe((t - 8.0) / 5.0) - 0.5 * naive.lobe((t - 13.0) / 7.0)
    assert "noisy_baseline" in measured(slow + hum, index)["quality_flags"]
    assert "noisy_baseline" not in measured(steep + hum, index)["quality_flags"]


@pytest.mark.parametrize("size_mv", [-4.0, 4.0])
@pytest.mark.parametrize("early", [0, 1, 2])
def test_the_baseline_of_a_sweep_that_begins_with_its_pulse_is_no_rail(size_mv, early):
    t, _ = times(before_ms=0.0)
    pulse = filtered_pulse(t, at_ms=-0.05 * early, size_mv=size_mv, rise_ms=0.04)
    row = measured(naive.cmap(t, onset=6.5, height=4.0) + pulse + noise(15, t.size), 0)
    assert "artifact_clipped" not in row["quality_flags"]
    assert row["negative_peak_amplitude_mv"] == pytest.approx(4.0, rel=0.02)

"""What stands about the marker in colored noise, or behind it in a blocked amplifier."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from ncs_cb.measuring.traces import measure_traces

RATE = 20_000.0
INDEX = 40
TIMES_MS = (np.arange(1040) - INDEX) * 1000.0 / RATE
N = 60


def colored(rng, rms_mv, *, below_hz=4_000.0):
    """1/f noise that a filter ends: hardly any of it is left between one sample and the next."""
    n = 1 << 15
    hz = np.fft.rfftfreq(n, 1.0 / RATE)
    share = np.where((hz >= 1.0) & (hz <= below_hz), 1.0 / np.sqrt(np.maximum(hz, 1.0)), 0.0)
    made = np.fft.irfft(share * (rng.normal(size=hz.size) + 1j * rng.normal(size=hz.size)), n)
    made *= rms_mv / made.std()
    return made[5_000 : 5_000 + TIMES_MS.size]


def pulse(at_ms, size_mv):
    """A pulse of 0.1 ms behind 3 kHz."""

    def edge(at):
        late = np.clip(TIMES_MS - at, 0.0, None) / 0.05
        return 1.0 - (1.0 + late) * np.exp(-late)

    return size_mv * (edge(at_ms) - edge(at_ms + 0.1))


def in_noise(at_ms, size_mv, below_hz):
    rows = []
    for number in range(N):
        rng = np.random.default_rng([31, number])
        response = naive.cmap(TIMES_MS, onset=rng.uniform(3.0, 9.0), height=rng.uniform(2.0, 8.0))
        noise = colored(rng, rng.uniform(0.010, 0.020), below_hz=below_hz)
        rows.append(response + noise + pulse(at_ms, size_mv))
    table = measure_traces(np.array(rows), sampling_rate_hz=RATE, stimulus_index=INDEX)
    return float(table["quality_flags"].str.contains("stimulus_realigned").mean())


@pytest.mark.parametrize("below_hz", [3_000.0, 4_000.0])
@pytest.mark.parametrize("size_mv", [0.0, 0.05])
def test_a_wiggle_of_filtered_noise_is_no_stimulus(size_mv, below_hz):
    assert in_noise(0.0, size_mv, below_hz) <= 0.02


@pytest.mark.parametrize("size_mv", [-0.4, 0.4])
def test_a_pulse_that_stands_out_of_filtered_noise_is_the_stimulus(size_mv):
    assert in_noise(1.0, size_mv, 4_000.0) >= 0.95


@pytest.mark.parametrize("step_mv", [-0.8, -0.2, 0.2, 0.8])
@pytest.mark.parametrize("tau_ms", [0.2, 0.8])
@pytest.mark.parametrize(("still_mv", "unit_mv"), [(0.0, 1e-6), (0.02, 1e-6), (0.02, 0.002)])
def test_a_blocked_amplifier_and_its_release_belong_to_the_artefact(
    step_mv, tau_ms, still_mv, unit_mv
):
    response = naive.cmap(TIMES_MS, onset=7.0, height=6.0)
    tail = step_mv * np.exp(-np.clip(TIMES_MS - 2.2, 0.0, None) / tau_ms)
    trace = np.where(TIMES_MS >= 2.2, response + tail, response)
    trace = trace + 0.003 * np.random.default_rng(5).standard_normal(TIMES_MS.size)
    trace[(TIMES_MS >= 0.2) & (TIMES_MS < 2.2)] = still_mv
    trace[(TIMES_MS >= 0.0) & (TIMES_MS < 0.2)] = 8.0
    trace = np.round(trace / unit_mv) * unit_mv
    row = measure_traces(trace, sampling_rate_hz=RATE, stimulus_index=INDEX).iloc[0]
    assert "artifact_clipped" in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(7.1, abs=0.2)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(6.0, rel=0.02)


@pytest.mark.parametrize("unit_mv", [0.002, 0.01])
def test_equal_samples_of_a_coarse_converter_are_no_blocked_amplifier(unit_mv):
    response = naive.cmap(TIMES_MS, onset=5.0, height=6.0) + pulse(0.0, 4.0)
    noise = 0.002 * np.random.default_rng(6).standard_normal(TIMES_MS.size)
    trace = np.round((response + noise) / unit_mv) * unit_mv
    row = measure_traces(trace, sampling_rate_hz=RATE, stimulus_index=INDEX).iloc[0]
    assert "artifact_clipped" not in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(5.1, abs=0.2)

"""measure_traces and measure_study_traces: shapes, definitions, flags, accuracy on known truth."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import naive
from ncs_cb.columns import MEASURES, table_columns
from ncs_cb.errors import UnitError
from ncs_cb.flags import FLAGS, split
from ncs_cb.measuring.traces import FACTS, measure_study_traces, measure_traces
from ncs_cb.model import Site, Stimulus, Trace

RATE = 20_000.0
T = (np.arange(1000) - 20) / 20
REAL = Path(__file__).parents[2] / "shared/realdata/monstim/Example_Data_3.csv"


def measured(samples, *, rate=RATE, stimulus=20):
    return measure_traces(samples, sampling_rate_hz=rate, stimulus_index=stimulus)


def flags_of(samples, **settings):
    return set(split(measured(samples, **settings).loc[0, "quality_flags"]))


def noise(seed, sd=0.01, size=1000):
    return sd * np.random.default_rng(seed).standard_normal(size)


# ---- shape and type


def test_one_row_per_trace_with_the_columns_of_the_contract():
    frame = measured([naive.cmap(T), naive.cmap(T, height=3.0)])
    assert list(frame.columns) == [c.name for c in MEASURES]
    assert [str(d) for d in frame.dtypes] == [c.dtype for c in MEASURES]
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame["negative_peak_amplitude_mv"].tolist() == pytest.approx([5.0, 3.0], rel=1e-3)


def test_a_one_dimensional_trace_is_one_row():
    pd.testing.assert_frame_equal(measured(naive.cmap(T)), measured([naive.cmap(T)]))


def test_no_traces_give_no_rows_and_empty_traces_say_why():
    assert len(measured(np.empty((0, 500)))) == 0
    frame = measured(np.empty((3, 0)))
    assert frame["quality_flags"].tolist() == ["stimulus_outside_trace"] * 3


@pytest.mark.parametrize(
    ("samples", "settings"),
    [
        (np.zeros((2, 3, 4)), {}),
        ([["a", "b"]], {}),
        (np.zeros((2, 100)), {"rate": 0.0}),
        (np.zeros((2, 100)), {"rate": np.nan}),
        (np.zeros((2, 100)), {"rate": [1e4, 1e4, 1e4]}),
        (np.zeros((2, 100)), {"stimulus": 1.5}),
        (np.zeros((2, 100)), {"stimulus": [[1, 2]]}),
    ],
)
def test_what_cannot_be_used_is_refused(samples, settings):
    with pytest.raises(ValueError, match=r"samples_mv|sampling_rate_hz|stimulus_index"):
        measured(samples, **settings)


def test_rate_and_stimulus_may_differ_from_trace_to_trace():
    slow = naive.cmap((np.arange(600) - 10) / 10)
    fast = naive.cmap((np.arange(600) - 40) / 20)
    frame = measured([slow, fast], rate=[10_000, 20_000], stimulus=[10, 40])
    for row, settings in ((0, (10_000, 10)), (1, (20_000, 40))):
        alone = measured([slow, fast][row], rate=settings[0], stimulus=settings[1])
        pd.testing.assert_frame_equal(frame.iloc[[row]].reset_index(drop=True), alone)


def test_a_response_above_100_mv_is_a_wrong_unit():
    with pytest.raises(UnitError, match=r"trace 1 .*mV"):
        measured([naive.cmap(T), naive.cmap(T, height=2000.0)])
    far = measured(naive.cmap(T) + 5000.0).loc[0, "negative_peak_amplitude_mv"]
    assert far == pytest.approx(5.0, rel=1e-3)


# ---- every fact: raised, and not raised beside it

RAISED = {
    "non_finite_samples": np.where(T == 30, np.nan, naive.cmap(T)),
    "flat_trace": np.full(T.size, 1.25),
    "clipped": np.minimum(naive.cmap(T), 4.0),
    "response_absent": noise(1),
    "initial_positivity": naive.cmap(T) - 0.8 * naive.lobe((T - 3.0) / 1.0),
    "late_negative_component": naive.cmap(T) + naive.cmap(T, onset=18.0, height=2.0),
    "sweep_cut": naive.cmap(T, onset=45.0),
    "artifact_removed": naive.cmap(T) + naive.artifact(T, 4.0, 1.5),
    "artifact_overlaps_onset": naive.cmap(T) + naive.artifact(T, 5.0, 2.0),
    "noisy_baseline": naive.cmap(T, height=1.0) + noise(2, 0.05),
    "artifact_clipped": np.where((T >= 0) & (T < 2.0), 20.0, naive.cmap(T) + noise(4, 0.002)),
    "stimulus_realigned": naive.cmap(T) + np.where((T >= 0.75) & (T < 1.0), 6.0, 0.0),
    "late_response": naive.cmap(T) + naive.cmap(T, onset=22.0, height=0.5),
    "early_potential": naive.cmap(T, onset=12.0) + 1.5 * naive.lobe((T - 3.0) / 2.0),
}


@pytest.mark.parametrize("name", RAISED)
def test_each_flag_is_raised_by_its_trace_and_by_no_clean_one(name):
    assert name in flags_of(RAISED[name])
    assert flags_of(naive.cmap(T) + noise(3, 0.002)) == set()


def test_a_rail_behind_a_biphasic_pulse_of_full_height_is_named():
    pulse = np.where((T >= 0) & (T < 0.2), -20.0, 0.0)
    rail = np.where((T >= 0.2) & (T < 1.4), 20.0, pulse)
    row = naive.cmap(T) + noise(5, 0.004)
    assert "artifact_clipped" in flags_of(np.where(rail != 0.0, rail, row))
    short = np.where((T >= 0.2) & (T < 0.5), 20.0, pulse)
    assert "artifact_clipped" not in flags_of(np.where(short != 0.0, short, row))


@pytest.mark.parametrize("held_ms", [1.0, 2.0, 2.9, 3.0, 3.2, 4.0, 5.5])
@pytest.mark.parametrize("level_mv", [-20.0, 20.0])
def test_an_amplifier_that_is_held_is_let_go_before_the_response(held_ms, level_mv):
    t = (np.arange(1040) - 40) / 20
    held = np.where((t >= 0) & (t < held_ms), level_mv, naive.cmap(t, onset=6.5))
    trace = held + np.where((t >= 0) & (t < held_ms), 0.0, noise(5, sd=0.004, size=1040))
    row = measured(trace, stimulus=40).iloc[0]
    assert row["onset_latency_ms"] == pytest.approx(6.55, abs=0.1)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(5.0, rel=0.01)
    assert row["quality_flags"] == "artifact_clipped"


@pytest.mark.parametrize("height_mv", [-0.5, -0.35, 0.35, 0.5])
def test_a_faint_biphasic_pulse_before_a_large_response_is_not_counted_from_its_middle(height_mv):
    t = (np.arange(1040) - 40) / 20
    pulse = np.where((t >= 0) & (t < 0.5), height_mv, 0) - np.where(
        (t >= 0.5) & (t < 1.0), height_mv, 0
    )
    response = naive.cmap(t, onset=4.0, width=3.0, height=16.0, after=4.0)
    row = measured(pulse + response + noise(5, sd=0.004, size=1040), stimulus=40).iloc[0]
    assert "stimulus_realigned" not in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(4.03, abs=0.1)


def test_flags_that_depend_on_the_stimulus():
    assert flags_of(naive.cmap(T), stimulus=-201) == {"stimulus_outside_trace"}
    late = {"no_prestimulus_baseline", "sweep_starts_late"}
    assert flags_of(naive.cmap(T)[30:], stimulus=-10) == late
    assert flags_of(naive.cmap(T)[120:], stimulus=-100) > {*late, "response_begun_before_sweep"}
    assert flags_of(naive.cmap(T), stimulus=1000) == {"stimulus_outside_trace"}
    assert flags_of(naive.cmap(T)[20:], stimulus=0) == {"no_prestimulus_baseline"}


def test_every_fact_of_the_kernel_is_a_registered_trace_flag_with_a_test():
    assert set(FACTS.values()) <= {name for name, flag in FLAGS.items() if flag.scope == "trace"}
    by_stimulus = {"stimulus_outside_trace", "no_prestimulus_baseline", "sweep_starts_late"}
    covered = {*RAISED, *by_stimulus, "response_begun_before_sweep"}
    assert set(FACTS.values()) == covered


@pytest.mark.parametrize("name", ["non_finite_samples", "flat_trace", "clipped", "response_absent"])
def test_what_cannot_be_measured_is_nan(name):
    row = measured(RAISED[name]).iloc[0]
    assert row[[c.name for c in MEASURES[:8]]].isna().all()


@pytest.mark.parametrize("tau", [0.2, 0.7, 2.0])
@pytest.mark.parametrize("size", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("stimulus", [0, 20, 200])
def test_an_artefact_with_noise_and_hum_is_no_response(size, tau, stimulus):
    t = (np.arange(1000) - stimulus) / 20
    rng = np.random.default_rng(4)
    for _ in range(20):
        hum = 0.014 * np.sin(2 * np.pi * 0.05 * t + rng.uniform(0, 6.3))
        row = naive.artifact(t, size, tau) + hum + 0.01 * rng.standard_normal(t.size)
        assert "response_absent" in flags_of(row, stimulus=stimulus)


@pytest.mark.parametrize("hertz", [50, 60])
@pytest.mark.parametrize("hum_mv", [0.05, 0.1, 0.2])
def test_hum_whose_crest_lies_before_a_large_response_does_not_move_its_onset(hum_mv, hertz):
    # The crest has no slope there, and 1 % of the response is no weak response.
    t = (np.arange(2000) - 400) / 20
    x = (t - 6.6) / 5.5
    response = 11 * np.where((x > 0) & (x < 1), np.sin(np.pi * np.clip(x, 0, 1)) ** 1.5, 0)
    response += naive.artifact(t, 0.3, 0.25)
    response += 0.004 * np.random.default_rng(1).standard_normal(t.size)
    phases = np.radians(np.arange(0, 360, 6))[:, None]
    rows = response + hum_mv * np.sin(2 * np.pi * hertz * t / 1000 + phases)
    onsets = measured(rows, stimulus=400)["onset_latency_ms"]
    assert (onsets - measured(response, stimulus=400)["onset_latency_ms"].iloc[0]).abs().max() < 0.2


def test_a_cut_sweep_gives_no_duration_but_keeps_what_was_seen():
    row = measured(naive.cmap(T)[: 20 + 20 * 9]).iloc[0]
    assert row["quality_flags"] == "sweep_cut"
    assert row["negative_peak_amplitude_mv"] == pytest.approx(5.0, rel=1e-3)
    assert row["onset_latency_ms"] == pytest.approx(4.055, abs=0.01)
    assert row[["negative_peak_duration_ms", "total_negative_area_mv_ms"]].isna().all()


@pytest.mark.parametrize(
    ("height_mv", "noise_mv", "width_ms", "rate"),
    [
        (0.15, 0.05, 6.0, 20_000),
        (0.3, 0.05, 6.0, 48_000),
        (0.01, 0.002, 1.5, 20_000),
        (0.01, 0.002, 1.5, 50_000),
        (1.5, 0.05, 6.0, 48_000),
    ],
)
def test_noise_does_not_lift_the_amplitude(height_mv, noise_mv, width_ms, rate):
    # A proximal response that is measured too high hides a block; a sensory one, its loss.
    t = (np.arange(rate // 20) - rate // 1000) * 1000 / rate
    noises = noise_mv * np.random.default_rng(1).standard_normal((300, t.size))
    found = measured(
        naive.cmap(t, height=height_mv, width=width_ms) + noises, rate=rate, stimulus=rate // 1000
    )
    assert found["negative_peak_amplitude_mv"].mean() == pytest.approx(height_mv, rel=0.05)


def test_noise_hardly_lifts_a_top_that_the_end_of_the_sweep_cuts_off():
    # Such a rise has no vertex; its height is a sample's, from the highest blocks only.
    rise = naive.cmap(T, onset=46.0, height=0.3)
    noises = 0.05 * np.random.default_rng(1).standard_normal((300, T.size))
    found = measured(rise + noises)["negative_peak_amplitude_mv"]
    assert found.mean() < 1.11 * rise.max()


def test_a_response_hardly_above_its_noise_is_not_taken_for_a_cut_one():
    # A response of 0.1 mV in 50 uV noise stands out of the blocks of 0.2 ms, not of the samples.
    t = (np.arange(5000) - 100) / 100
    noises = 0.05 * np.random.default_rng(1).standard_normal((200, t.size))
    found = measured(naive.cmap(t, height=0.1) + noises, rate=100_000, stimulus=100)
    assert found["quality_flags"].str.contains("sweep_cut").mean() < 0.2


def test_an_f_wave_after_a_long_quiet_stretch_is_not_part_of_the_response():
    row = measured(naive.cmap(T) + naive.cmap(T, onset=30.0, height=0.5)).iloc[0]
    assert row["quality_flags"] == "late_response"
    assert row["late_response_latency_ms"] == pytest.approx(30.0, abs=0.3)
    assert row["total_negative_duration_ms"] == row["negative_peak_duration_ms"]


def test_late_units_are_part_of_the_response():
    late = naive.cmap(T) + naive.cmap(T, onset=20.0, height=1.5, positive=0.0)
    row = measured(late).iloc[0]
    assert row["total_negative_duration_ms"] == pytest.approx(26 - 4.055, abs=0.1)
    whole = (
        np.clip(naive.cmap(T), 0, None).sum() / 20
        + np.clip(naive.cmap(T, onset=20.0, height=1.5, positive=0.0), 0, None).sum() / 20
    )
    assert row["total_negative_area_mv_ms"] == pytest.approx(whole, rel=5e-3)


def test_a_phase_below_five_percent_does_not_count():
    for share, counted in ((0.04, False), (0.06, True)):
        trace = naive.cmap(T, height=10.0) + naive.cmap(T, onset=18.0, height=10 * share)
        row = measured(trace).iloc[0]
        longer = row["total_negative_duration_ms"] > row["negative_peak_duration_ms"]
        assert longer == counted


@pytest.mark.parametrize("stays", [0.001, 0.002, 0.003])
def test_a_small_late_phase_that_ends_in_a_long_tail_is_not_cut(stays):
    # A second muscle, and what a high-pass filter leaves: 0.1 to 0.3 % of the peak for 30 ms.
    late = 0.6 * naive.lobe((T - 17.0) / 5.0)
    tail = np.where(T > 19.5, 10.0 * stays * np.exp(-np.clip(T - 19.5, 0.0, None) / 60.0), 0.0)
    trace = naive.cmap(T, height=10.0) + np.maximum(late, tail) + noise(7, sd=0.003)
    row = measured(trace).iloc[0]
    assert "sweep_cut" not in row["quality_flags"]
    assert row["total_negative_duration_ms"] == pytest.approx(22.0 - 4.05, abs=0.4)
    whole = np.clip(naive.cmap(T, height=10.0), 0, None).sum() / 20 + late.sum() / 20
    assert row["total_negative_area_mv_ms"] == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize(
    ("tail_mv", "tau"), [(-1.5, 0.2), (-0.6, 0.3), (-0.3, 0.3), (-0.3, 0.4), (1.5, 0.3)]
)
def test_a_far_field_behind_the_end_of_an_artefact_is_not_the_baseline(tail_mv, tau):
    t = (np.arange(1040) - 40) / 20
    dip = -0.12 * np.exp(-0.5 * ((t - 5.4) / 1.1) ** 2)
    trace = naive.cmap(t, onset=6.8, height=7.0) + dip + naive.artifact(t, tail_mv, tau)
    row = measured(trace + noise(3, sd=0.008, size=1040), stimulus=40).iloc[0]
    assert row["baseline_mv"] == pytest.approx(0.0, abs=0.015)
    assert row["negative_peak_amplitude_mv"] == pytest.approx(7.0, rel=5e-3)


@pytest.mark.parametrize("mv_per_ms", [-0.013, -0.008, 0.008, 0.013])
def test_a_late_phase_ends_where_it_does_whatever_slopes_before_the_response(mv_per_ms):
    # What recovers from the stimulus slopes until the response begins, and no longer.
    late = naive.lobe((T - 17.0) / 5.0)
    plain = naive.cmap(T, height=10.0) + late + noise(7, sd=0.003)
    slope = mv_per_ms * np.where(T > 0.0, np.minimum(T, 4.0) - 4.0, 0.0)
    rows = measured([plain, plain + slope])
    assert not rows["quality_flags"].str.contains("sweep_cut").any()
    assert rows["total_negative_duration_ms"].diff().iloc[1] == pytest.approx(0.0, abs=0.3)
    first, second = rows["total_negative_area_mv_ms"]
    assert second == pytest.approx(first, rel=0.02)


@pytest.mark.parametrize("tau_ms", [4.0, 6.0, 9.0])
@pytest.mark.parametrize("height_mv", [1.2, 1.5, 3.0])
def test_a_late_phase_ends_before_the_swing_of_a_high_pass_filter(tau_ms, height_mv):
    late = height_mv * naive.lobe((T - 17.0) / 4.0)
    swing = np.where(T > 19.0, 0.25 * height_mv * np.exp(-np.clip(T - 19.0, 0, None) / tau_ms), 0.0)
    trace = naive.cmap(T, height=10.0) + np.maximum(late, swing) + noise(7, sd=0.003)
    row = measured(trace).iloc[0]
    assert row["total_negative_duration_ms"] == pytest.approx(21.0 - 4.05, abs=0.8)
    whole = np.clip(naive.cmap(T, height=10.0), 0, None).sum() / 20 + late.sum() / 20
    assert row["total_negative_area_mv_ms"] == pytest.approx(whole, rel=0.02)


def test_a_late_phase_that_falls_as_an_exponential_does_is_whole():
    late = np.where(T > 17.0, 6.0 * np.exp(-(np.clip(T, 17.0, None) - 17.0) / 3.0), 0.0)
    late *= np.clip((T - 17.0) / 0.5, 0, 1)
    row = measured(naive.cmap(T, height=10.0) + late + noise(7, sd=0.003)).iloc[0]
    assert row["total_negative_duration_ms"] > 25.0


def test_the_afterwave_is_not_the_baseline():
    slow = np.where(T > 10, 0.5 * (1 - np.exp(-(T - 10) / 4)) * np.exp(-(T - 10) / 20), 0.0)
    for stimulus in (0, 20):
        trace = (naive.cmap(T) - slow)[20 - stimulus :]
        row = measured(trace, stimulus=stimulus).iloc[0]
        assert row["baseline_mv"] == pytest.approx(0.0, abs=0.003)
        assert row["negative_peak_amplitude_mv"] == pytest.approx(5.0, rel=2e-3)


# ---- accuracy; the benchmark holds the full table (benchmarks/ACCURACY.md)

USUAL = {"noise_mv": 0.01, "hum_mv": 0.01, "artifact_mv": 3.0, "tau": 0.35}
CLEAN = {"noise_mv": 0.0, "hum_mv": 0.0, "artifact_mv": 0.0, "tau": 0.35}


def errors(*, noise_mv, hum_mv, artifact_mv, tau, stimulus=20, heights=(1.0, 12.0), n=150):
    """Onset, amplitude (relative) and duration errors on responses of known truth."""
    rng = np.random.default_rng(11)
    t = (np.arange(1000) - stimulus) / 20
    rows, truth = [], []
    for _ in range(n):
        onset, width, height = rng.uniform(3, 9), rng.uniform(4.5, 8), rng.uniform(*heights)
        row = naive.cmap(t, onset=onset, width=width, height=height, positive=rng.uniform(0.2, 0.6))
        row += naive.artifact(t, rng.uniform(-1, 1) * artifact_mv, tau)
        row += 1.414 * hum_mv * np.sin(2 * np.pi * 0.05 * t + rng.uniform(0, 6.3))
        rows.append(row + noise_mv * rng.standard_normal(t.size))
        # sin(pi u) ** 1.3 = 0.01
        first = onset + width * np.arcsin(0.01 ** (1 / 1.3)) / np.pi
        truth.append((first, height, onset + width - first))
    first, height, duration = np.array(truth).T
    found = measured(rows, stimulus=stimulus)
    return (
        (found["onset_latency_ms"] - first).abs(),
        (found["negative_peak_amplitude_mv"] / height - 1).abs(),
        (found["negative_peak_duration_ms"] - duration).abs(),
    )


@pytest.mark.parametrize(
    ("settings", "onset_ms"),
    [
        (CLEAN, 0.02),
        (CLEAN | {"stimulus": 0}, 0.02),
        (USUAL, 0.03),
        (USUAL | {"stimulus": 0}, 0.03),
        (USUAL | {"stimulus": 200}, 0.03),
        (USUAL | {"artifact_mv": 5.0, "tau": 1.5}, 0.03),
        (USUAL | {"artifact_mv": 5.0, "tau": 1.5, "stimulus": 0}, 0.03),
        (CLEAN | {"noise_mv": 0.05}, 0.05),
        (USUAL | {"heights": (0.15, 0.6)}, 0.15),
    ],
    ids=str,
)
def test_the_targets_are_met_on_known_truth(settings, onset_ms):
    onset, amplitude, duration = errors(**settings)
    assert onset.mean() <= onset_ms
    assert (onset > 0.5).mean() < 0.005 + 1 / 150 * (onset_ms > 0.1)
    if onset_ms < 0.1:
        assert amplitude.mean() <= 0.005
        assert duration.mean() <= 0.10


# ---- studies


def trace(samples, **settings):
    site = Site("ulnar", "right", "adm", "wrist")
    return Trace(np.asarray(samples), RATE, 20, site, "file.edf", **settings)


def test_a_study_gives_the_traces_table_in_order():
    traces = [
        trace(naive.cmap(T), stimulus=Stimulus(distance_mm=70.0, intensity_ma=18.0)),
        trace(naive.cmap(T)[:700].astype(np.float32), flags=("polarity_uncertain",)),
        trace(naive.cmap(T, height=2.0), low_pass_hz=10_000.0, kind="sensory"),
    ]
    frame = measure_study_traces(traces)
    assert list(frame.columns) == [c.name for c in table_columns("traces")]
    assert frame["study_id"].isna().all()
    assert frame["negative_peak_amplitude_mv"].tolist() == pytest.approx([5, 5, 2], rel=1e-3)
    assert frame["quality_flags"].tolist() == ["", "polarity_uncertain", ""]
    assert frame.loc[0, ["distance_mm", "stimulus_ma"]].tolist() == [70.0, 18.0]
    assert frame["kind"].tolist() == ["motor", "motor", "sensory"]
    pd.testing.assert_series_equal(
        frame.loc[0, [c.name for c in MEASURES]],
        measured(naive.cmap(T)).iloc[0],
        check_names=False,
    )


def test_the_converter_range_tells_a_clipped_trace():
    touching = np.minimum(naive.cmap(T), 4.999)
    assert measure_study_traces([trace(touching)]).loc[0, "quality_flags"] == ""
    ranged = measure_study_traces([trace(touching, range_mv=(-4.999, 4.999))])
    assert ranged.loc[0, "quality_flags"] == "clipped"
    assert np.isnan(ranged.loc[0, "negative_peak_amplitude_mv"])


def test_no_traces_give_an_empty_table():
    assert list(measure_study_traces([]).columns) == [c.name for c in table_columns("traces")]


# ---- a real recording, never committed


@pytest.mark.skipif(not REAL.exists(), reason="the rodent recording is not on this machine")
def test_the_rodent_recording_shows_m_wave_and_reflex():
    sweeps: dict[int, list[float]] = {}
    with REAL.open() as file:
        for row in csv.DictReader(file):
            sweeps.setdefault(int(row["recording_index"]), []).append(-float(row["amplitude_mV"]))
    found = measured(np.array(list(sweeps.values())), rate=30_000.0, stimulus=30)
    strong = found.iloc[33:]
    assert strong["onset_latency_ms"].between(0.75, 1.1).all()
    assert strong["negative_peak_latency_ms"].between(1.3, 1.7).all()
    # The M wave grows with the current to a plateau.
    amplitude = found["negative_peak_amplitude_mv"]
    assert amplitude.iloc[:6].max() < 0.1 * amplitude.iloc[-6:].mean()
    assert amplitude.iloc[-20:].std() < 0.05 * amplitude.iloc[-20:].mean()
    # At middle currents the reflex is the higher one, and not taken for the onset.
    middle = found.iloc[12:25]
    assert middle["negative_peak_latency_ms"].between(2.4, 3.0).sum() >= 12
    assert middle["onset_latency_ms"].between(0.75, 1.1).all()


def test_a_sweep_that_ends_within_a_late_phase_has_no_total_duration():
    # The first phase is whole, the second is cut: all-phase values would be too small.
    time_ms = np.arange(-1.0, 13.0, 0.05)
    first = np.sin(np.pi * np.clip((time_ms - 3) / 5, 0, 1)).clip(0) ** 1.3
    late = np.where(time_ms > 10, np.sin(np.pi * np.clip((time_ms - 10) / 8, 0, 1)), 0.0)
    row = measure_traces(5.0 * first + 3.0 * late, sampling_rate_hz=20_000, stimulus_index=20).iloc[
        0
    ]
    raised = row["quality_flags"].split(";")
    assert "sweep_cut" in raised
    # Without this flag a criteria set would fall back to the first phase and see false block.
    assert "late_negative_component" in raised
    assert row["negative_peak_duration_ms"] == pytest.approx(5.0, abs=0.15)
    assert np.isnan(row["total_negative_duration_ms"])
    assert np.isnan(row["total_negative_area_mv_ms"])


def test_masked_samples_are_unknown_and_never_the_numbers_below_the_mask():
    time_ms = np.arange(1000) / 20 - 2.0
    trace = np.where((time_ms > 4) & (time_ms < 9), 8 * np.sin(np.pi * (time_ms - 4) / 5), 0.0)
    setting = {"sampling_rate_hz": 20_000, "stimulus_index": 40}
    open_ = measure_traces(np.ma.masked_array(trace, mask=False), **setting)
    assert open_["negative_peak_amplitude_mv"][0] == pytest.approx(8.0, abs=0.05)
    masked = np.ma.masked_array(trace, mask=(time_ms > 6) & (time_ms < 7))
    frame = measure_traces(masked, **setting)
    nan = measure_traces(masked.filled(np.nan), **setting)
    assert np.isnan(frame["negative_peak_amplitude_mv"][0])
    assert frame["quality_flags"][0] == nan["quality_flags"][0] != ""


def unit_potential(t, at, height):
    """A motor unit at the skin: negative for 4 ms, then shallower and longer the other way."""
    return naive.cmap(t, onset=at, width=4.0, height=height, positive=0.4, after=6.0)


def test_a_motor_unit_that_fires_by_itself_is_no_response():
    rng = np.random.default_rng(3)
    t = (np.arange(1000) - 40) / 20.0
    rows = [
        sum(unit_potential(t, at, rng.uniform(0.01, 0.05)) for at in rng.uniform(-5, 45, 3))
        + 0.004 * rng.standard_normal(t.size)
        for _ in range(60)
    ]
    found = measure_traces(rows, sampling_rate_hz=20_000, stimulus_index=40)
    absent = found["quality_flags"].str.contains("response_absent")
    assert absent.mean() >= 0.9
    assert found.loc[absent, "negative_peak_amplitude_mv"].isna().all()


def test_a_heart_beat_that_the_end_of_the_sweep_cuts_off_is_no_response():
    rng = np.random.default_rng(4)
    t = (np.arange(1000) - 40) / 20.0
    beat = 0.12 * np.exp(-0.5 * ((t - 50.0) / 9.0) ** 2)
    rows = beat + 0.004 * rng.standard_normal((20, t.size))
    found = measure_traces(rows, sampling_rate_hz=20_000, stimulus_index=40)
    assert found["quality_flags"].str.contains("response_absent").all()


@pytest.mark.parametrize("height", [0.08, 0.15, 0.5])
def test_a_small_response_is_found_where_nothing_else_is_like_it(height):
    rng = np.random.default_rng(5)
    t = (np.arange(1000) - 40) / 20.0
    rows = naive.cmap(t, onset=7.0, height=height) + 0.004 * rng.standard_normal((40, t.size))
    found = measure_traces(rows, sampling_rate_hz=20_000, stimulus_index=40)
    assert not found["quality_flags"].str.contains("response_absent").any()
    np.testing.assert_allclose(found["negative_peak_amplitude_mv"], height, rtol=0.1)


def test_a_sensory_potential_keeps_its_size_of_some_microvolts():
    rng = np.random.default_rng(6)
    t = (np.arange(800) - 20) / 20.0
    samples = naive.cmap(t, onset=4.0, width=2.6, height=0.02, after=3.0)
    noisy = samples + 0.0004 * rng.standard_normal(t.size)
    row = measure_study_traces([trace(noisy, kind="sensory")]).iloc[0]
    assert row["response"] == "present"
    assert row["negative_peak_amplitude_mv"] == pytest.approx(0.02, rel=0.05)

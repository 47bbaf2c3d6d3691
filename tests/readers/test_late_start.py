"""Sweeps that begin after their stimulus: measured where the response is whole, else left open."""

from __future__ import annotations

import json

import mne
import numpy as np
import pandas as pd
import pytest

import naive
import ncs_cb
from ncs_cb.measuring.between import corrected
from readers.handmade import ELBOW, WRIST, Edf, Signal, cmap, tal

RATE = 20_000.0
NUMBERS = [
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "negative_peak_area_mv_ms",
    "total_negative_duration_ms",
]
ONSETS = {"wrist": 6.2, "elbow": 10.4}
SIZES = {"wrist": 8.0, "elbow": 7.6}


def response(site, from_ms, length_ms=45.0, seed=0):
    time_ms = from_ms + np.arange(round(length_ms * RATE / 1000)) * 1000 / RATE
    noise = np.random.default_rng(seed).normal(0, 0.002, len(time_ms))
    return time_ms, cmap(time_ms, ONSETS[site], SIZES[site], width_ms=5.0) + noise


def measured(samples, missed_ms, rate=RATE):
    index = -round(missed_ms * rate / 1000)
    return ncs_cb.measure_traces(samples, sampling_rate_hz=rate, stimulus_index=index)


@pytest.mark.parametrize("missed_ms", [0.5, 1.5, 3.0, 5.0])
def test_what_was_recorded_late_is_measured_as_the_whole_sweep_is(missed_ms):
    rng = np.random.default_rng(11)
    whole = naive.random_cmaps(rng, 200, noise_mv=0.002)
    cut = whole[:, 20 + round(missed_ms * RATE / 1000) :]
    full = ncs_cb.measure_traces(whole, sampling_rate_hz=RATE, stimulus_index=20)
    late = measured(cut, missed_ms)
    assert late["quality_flags"].str.contains("sweep_starts_late").all()
    given = late["negative_peak_amplitude_mv"].notna()
    # Quiet for 1.5 ms before the response there is enough of it.
    assert given[full["onset_latency_ms"] > missed_ms + 1.5].all()
    assert not given[full["onset_latency_ms"] < missed_ms].any()
    for name, tolerance in zip(NUMBERS, (0.06, 0.03, 0.03, 0.3, 0.2), strict=True):
        assert (late[name] - full[name])[given].abs().max() < tolerance, name


@pytest.mark.parametrize("missed_ms", [1.0, 3.0])
def test_a_late_sweep_agrees_with_the_oracle(missed_ms):
    _, samples = response("elbow", missed_ms)
    index = -round(missed_ms * RATE / 1000)
    row = measured(samples, missed_ms).iloc[0]
    found, flags = naive.measure(samples, RATE, index)
    assert "sweep_starts_late" in flags
    for name in NUMBERS:
        assert row[name] == pytest.approx(found[name], rel=0.01, abs=0.1), name


@pytest.mark.parametrize("missed_ms", [6.0, 7.0, 8.0, 9.5])
def test_a_response_that_began_before_the_sweep_is_left_open_and_never_absent(missed_ms):
    _, samples = response("wrist", missed_ms)
    row = measured(samples, missed_ms).iloc[0]
    assert row[NUMBERS].isna().all()
    assert "response_begun_before_sweep" in row["quality_flags"].split(";")
    assert "response_absent" not in row["quality_flags"]


@pytest.mark.parametrize(
    ("missed_ms", "flag"), [(0.5, "response_absent"), (3.0, "response_begun_before_sweep")]
)
def test_a_late_sweep_without_response_is_absent_only_where_none_can_be_over(missed_ms, flag):
    noise = np.random.default_rng(2).normal(0, 0.003, 900)
    assert flag in measured(noise, missed_ms)["quality_flags"][0].split(";")


def test_a_sweep_that_begins_long_after_its_stimulus_is_not_measured():
    _, samples = response("elbow", 3.0)
    assert measured(np.empty((1, 0)), 3.0)["quality_flags"][0] == "stimulus_outside_trace"
    for missed_ms in (10.1, 1e6):
        assert measured(samples, missed_ms)["quality_flags"][0] == "stimulus_outside_trace"


def table(folder, from_ms, sites=("wrist", "elbow"), sign=1.0):
    columns = {site: sign * response(site, from_ms, seed=i)[1] for i, site in enumerate(sites)}
    time_ms = response(sites[0], from_ms)[0]
    pd.DataFrame({"time_ms": np.round(time_ms, 4), **columns}).to_csv(
        folder / "median.csv", index=False
    )
    sidecar = {
        "nerve": "median",
        "side": "right",
        "muscle": "apb",
        "unit": "mV",
        "polarity": "auto",
        "traces": {s: {"site": s, "distance_mm": 70 + 220 * (s == "elbow")} for s in sites},
    }
    (folder / "median.json").write_text(json.dumps(sidecar))
    return folder / "median.csv"


def edf(folder, from_ms):
    rows = [-response(site, from_ms)[1] for site in ("wrist", "elbow")]
    tals = [
        tal("+1", "") + tal(f"+{1 - from_ms / 1000:g}", WRIST),
        tal("+11", "") + tal(f"+{11 - from_ms / 1000:g}", ELBOW),
    ]
    signal = Signal(np.array(rows), limits=(-25, 25), digital=(-32768, 32767))
    made = Edf([signal], tals, record_s="0.045", annotation_samples=100)
    return made.write(folder / "median.edf")


def epochs(folder, from_ms):
    rows = np.array([[response(site, from_ms)[1]] for site in ("wrist", "elbow")])
    made = mne.EpochsArray(
        -rows * 1e-3,
        mne.create_info(["NC R APB"], RATE, "emg"),
        np.array([[0, 0, 1], [1000, 0, 2]]),
        from_ms / 1000,
        {"wrist": 1, "elbow": 2},
        verbose="error",
    )
    path = folder / "median-epo.fif"
    made.save(path, verbose="error")
    return path


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_polarity_of_a_late_sweep_is_told_by_its_response(tmp_path, sign):
    study = ncs_cb.read_study(table(tmp_path, 3.0, sign=sign))
    assert all(t.samples_mv.max() > 7 for t in study.traces)
    assert not any("polarity_uncertain" in t.flags for t in study.traces)


@pytest.mark.parametrize("write", [table, edf, epochs], ids=["sweep table", "EDF+D", "FIF"])
def test_every_reader_gives_a_late_sweep_its_latencies(tmp_path, write):
    if write is epochs:
        override = "nerve = 'median'\nside = 'right'\nmuscle = 'apb'\n"
        (tmp_path / "study.toml").write_text(f"[recordings.'median-epo.fif']\n{override}")
    write(tmp_path, 3.0)
    result = ncs_cb.analyze(tmp_path)
    rows = result.traces.set_index("stimulation_site")
    for site, onset in ONSETS.items():
        # 1 % of a rise of half a sine to the power 1.5 comes 0.07 ms after its begin.
        assert rows.loc[site, "onset_latency_ms"] == pytest.approx(onset + 0.07, abs=0.05)
        assert rows.loc[site, "negative_peak_amplitude_mv"] == pytest.approx(SIZES[site], rel=0.01)
        assert "sweep_starts_late" in rows.loc[site, "quality_flags"]


def test_no_block_is_concluded_where_a_response_began_before_the_sweep(tmp_path):
    result = ncs_cb.analyze(table(tmp_path, 7.0))
    rows = result.traces.set_index("stimulation_site")
    assert rows.loc["wrist", "response"] == "not_measurable"
    assert rows.loc["elbow", "response"] == "present"
    assert set(result.verdicts["conduction_block"]) <= {"undetermined", "not_covered"}


def test_what_is_seen_of_a_late_trace_counts_from_its_stimulus(tmp_path):
    trace = ncs_cb.read_study(table(tmp_path, 3.0)).traces[0]
    curve, zero = corrected(trace)
    assert (trace.stimulus_index, zero) == (-60, -60)
    assert np.isfinite(curve).all()


def test_repeats_that_begin_late_are_averaged(tmp_path):
    path = table(tmp_path, 3.0)
    rows = [response("wrist", 3.0, seed=i)[1] for i in range(4)]
    time_ms = response("wrist", 3.0)[0]
    columns = {f"r{i}": row for i, row in enumerate(rows)}
    pd.DataFrame({"time_ms": time_ms, **columns}).to_csv(path, index=False)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    sidecar["traces"] = {name: {"site": "wrist", "repeat": True} for name in columns}
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    result = ncs_cb.analyze(path)
    (row,) = result.traces.to_dict("records")
    assert row["onset_latency_ms"] == pytest.approx(6.27, abs=0.05)
    assert any("mean of 4 of 4" in d.choice for d in result.provenance.decisions)

"""Numbers that only another unit, rate or orientation explains are refused with the guess."""

from __future__ import annotations

import json

import mne
import numpy as np
import pandas as pd
import pytest

from ncs_cb import (
    NcsError,
    ReadError,
    UnitError,
    analyze,
    measure_traces,
    read_study,
    study_from_epochs,
)
from readers.handmade import cmap, median_mnc

RATE = 16_000.0
TIME_MS = np.arange(880) * 1000 / RATE - 4
COLUMNS = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv"
)


def samples(scale=1.0):
    noise = np.random.default_rng(3).normal(0, 0.002, (2, len(TIME_MS)))
    return (np.array([cmap(TIME_MS, 3.3, 6.4), cmap(TIME_MS, 7.2, 6.1)]) + noise) * scale


def sweep_table(folder, unit="mV", scale=1.0, *, time=1.0, is_turned=False):
    frame = pd.DataFrame(
        {"time_ms": TIME_MS * time, **dict(zip(("wrist", "elbow"), samples(scale), strict=True))}
    )
    if is_turned:
        frame.T.to_csv(folder / "u.csv", header=False)
    else:
        frame.to_csv(folder / "u.csv", index=False)
    said = {"nerve": "median", "side": "right", "muscle": "apb", "unit": unit}
    (folder / "u.json").write_text(json.dumps(said), "utf-8")
    return folder / "u.csv"


def site_table(folder, *rows, head=COLUMNS):
    (folder / "s.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return folder / "s.csv"


@pytest.mark.parametrize(
    ("unit", "scale", "guess"),
    [("uV", 1.0, "mV read as µV"), ("mV", 1e-3, "V read as mV"), ("mV", 9.0, "µV read as mV")],
)
def test_waveforms_a_thousand_times_off_are_refused(tmp_path, unit, scale, guess):
    with pytest.raises(UnitError, match=guess):
        read_study(sweep_table(tmp_path, unit, scale))


def test_a_unit_that_study_toml_states_is_believed(tmp_path):
    sweep_table(tmp_path, "mV", 1e-3)
    (tmp_path / "study.toml").write_text('[recordings."u.csv"]\nunit = "mV"\n', "utf-8")
    assert read_study(tmp_path).traces[0].samples_mv.max() == pytest.approx(0.0064, rel=0.01)


def test_one_small_response_beside_a_usual_one_is_read(tmp_path):
    rows = ("ulnar,right,adm,wrist,70,3,8.1", "ulnar,right,adm,below_elbow,280,6.9,0.02")
    assert len(read_study(site_table(tmp_path, *rows)).typed_responses) == 2


def test_small_responses_in_their_noise_are_read(tmp_path):
    edf = median_mnc(limits=(-1, 1), digital=(-32768, 32767))
    rng = np.random.default_rng(0)
    edf.signals[0].physical = edf.signals[0].physical / 400 + rng.normal(0, 0.001, (2, 1000))
    assert len(read_study(edf.write(tmp_path / "m.edf")).traces) == 2


def test_epochs_a_thousand_times_off_are_refused():
    info = mne.create_info(["R APB"], RATE, "emg")
    events = np.array([[0, 0, 1], [1000, 0, 2]])
    made = mne.EpochsArray(
        samples(1e-6)[:, None], info, events, -0.004, {"wrist": 1, "elbow": 2}, verbose="error"
    )
    with pytest.raises(UnitError, match="below 30 µV"):
        study_from_epochs(made, nerve="median", side="right", muscle="apb")


@pytest.mark.parametrize(
    ("rows", "error", "guess"),
    [
        (("70,3,0.0081", "280,6.7,0.0079"), UnitError, "V read as mV"),
        (("70,3,81", "280,6.7,79"), UnitError, "µV read as mV"),
        (("70,3,8100", "280,6.7,7900"), UnitError, "Check the unit"),
        (("70,0.003,8.1", "280,0.0067,7.9"), ReadError, "look like seconds"),
    ],
)
def test_printed_values_of_another_scale_are_refused(tmp_path, rows, error, guess):
    sites = ("wrist", "below_elbow")
    lines = [f"ulnar,right,adm,{site},{row}" for site, row in zip(sites, rows, strict=True)]
    with pytest.raises(error, match=guess):
        read_study(site_table(tmp_path, *lines))


@pytest.mark.parametrize(
    ("time", "guess"), [(1e-3, "name their column time_s"), (1e3, "times in microseconds")]
)
def test_times_of_another_unit_are_refused(tmp_path, time, guess):
    with pytest.raises(ReadError, match=guess):
        read_study(sweep_table(tmp_path, time=time))


def test_a_transposed_table_is_called_so(tmp_path):
    with pytest.raises(ReadError, match="looks transposed"):
        read_study(sweep_table(tmp_path, is_turned=True))
    (tmp_path / "t").mkdir()
    rows = ("side,right,left", "muscle,adm,adm", "stimulation_site,wrist,wrist")
    with pytest.raises(ReadError, match="looks transposed"):
        read_study(site_table(tmp_path / "t", *rows, head="nerve,ulnar,ulnar"))


def test_arrays_with_a_rate_in_khz_or_traces_as_columns_are_refused():
    with pytest.raises(ValueError, match="looks like kHz"):
        measure_traces(samples(), sampling_rate_hz=16, stimulus_index=64)
    with pytest.raises(ValueError, match="looks transposed"):
        measure_traces(samples().T, sampling_rate_hz=RATE, stimulus_index=64)


def test_every_refusal_says_what_to_do(tmp_path):
    with pytest.raises(NcsError) as said:
        read_study(sweep_table(tmp_path, "uV"))
    assert 'unit under [recordings."u.csv"] in study.toml' in str(said.value.hint)


def row_of(study, site):
    (row,) = [r for r in study.typed_responses if r.site.stimulation_site == site]
    return row


@pytest.mark.parametrize("amplitude", ["0.0081", "0.02"])
def test_one_site_alone_a_thousand_times_too_small_is_flagged(tmp_path, amplitude):
    study = read_study(site_table(tmp_path, f"ulnar,right,adm,wrist,70,3,{amplitude}"))
    assert "amplitude_implausible" in row_of(study, "wrist").flags


@pytest.mark.parametrize("amplitude", ["81", "8100"])
def test_one_site_alone_a_thousand_times_too_large_is_refused(tmp_path, amplitude):
    with pytest.raises(UnitError, match=r"(?i)unit|looks? like"):
        read_study(site_table(tmp_path, f"ulnar,right,adm,wrist,70,3,{amplitude}"))


def test_one_site_in_another_unit_than_its_neighbors_is_flagged_and_no_block(tmp_path):
    rows = ("ulnar,right,adm,wrist,70,3,8.1", "ulnar,right,adm,below_elbow,280,6.9,0.0079")
    path = site_table(tmp_path, *rows)
    study = read_study(path)
    assert "amplitude_implausible" in row_of(study, "below_elbow").flags
    assert "amplitude_implausible" not in row_of(study, "wrist").flags
    verdicts = analyze(path).verdicts
    assert set(verdicts["conduction_block"]) <= {"undetermined", "not_covered"}
    assert set(verdicts["technical_validity"]) == {"refuted"}


def test_a_site_of_so_few_converter_steps_that_it_has_no_noise_is_flagged(tmp_path):
    path = sweep_table(tmp_path)
    frame = pd.read_csv(path)
    frame["elbow"] = (frame["elbow"] / 1000 / 0.0002).round() * 0.0002
    frame.to_csv(path, index=False)
    wrist, elbow = read_study(path).traces
    assert "amplitude_implausible" in elbow.flags
    assert "amplitude_implausible" not in wrist.flags
    assert "unit" in " ".join(analyze(path).impression)


def test_a_flat_site_that_drifts_by_a_few_converter_steps_is_no_other_unit(tmp_path):
    path = sweep_table(tmp_path)
    frame = pd.read_csv(path)
    frame["elbow"] = np.round(np.linspace(0, 8, len(frame))) * 0.0008
    frame.to_csv(path, index=False)
    assert not any("amplitude_implausible" in t.flags for t in read_study(path).traces)


def test_a_nearly_complete_block_is_no_other_unit(tmp_path):
    rows = ("ulnar,right,adm,wrist,70,3,8.1", "ulnar,right,adm,below_elbow,280,6.9,0.06")
    study = read_study(site_table(tmp_path, *rows))
    assert not any(r.flags for r in study.typed_responses)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_waveforms_of_one_site_are_refused_flagged_or_read(tmp_path, scale):
    path = sweep_table(tmp_path, "uV" if scale < 1 else "mV", 1e3 * scale if scale < 1 else scale)
    frame = pd.read_csv(path).drop(columns="elbow")
    if scale < 1:
        frame["wrist"] /= 1e3
    frame.to_csv(path, index=False)
    if scale > 1:
        with pytest.raises(UnitError, match="must be wrong"):
            read_study(path)
        return
    (trace,) = read_study(path).traces
    assert ("amplitude_implausible" in trace.flags) == (scale < 1)


SENSORY = COLUMNS.replace("stimulation_site", "stimulation_site,kind")


@pytest.mark.parametrize(
    ("amplitudes", "outcome"),
    [
        (["0.015"], ""),
        (["0.015", "0.009"], ""),
        (["15"], "refused"),
        (["15", "9"], "refused"),
        (["0.000015"], "flagged"),
        (["0.000015", "0.000009"], "refused"),
        (["0.015", "0.000009"], "flagged"),
    ],
)
def test_sensory_values_a_thousand_times_off_are_refused_or_flagged(tmp_path, amplitudes, outcome):
    sites = ("wrist", "elbow")
    rows = [
        f"median,right,apb,{site},sensory,140,2.6,{amplitude}"
        for site, amplitude in zip(sites, amplitudes, strict=False)
    ]
    path = site_table(tmp_path, *rows, head=SENSORY)
    if outcome == "refused":
        with pytest.raises(UnitError, match="sensory response"):
            read_study(path)
        return
    found = [r for r in read_study(path).typed_responses if "amplitude_implausible" in r.flags]
    assert bool(found) == (outcome == "flagged")


def test_sensory_waveforms_named_in_millivolts_are_refused(tmp_path):
    time_ms = TIME_MS
    noise = np.random.default_rng(1).normal(0, 0.0002, len(time_ms))
    volts = cmap(time_ms, 3.0, 0.02, width_ms=1.2) + noise
    said = {"nerve": "median", "side": "right", "muscle": "apb", "unit": "mV", "kind": "sensory"}
    (tmp_path / "u.json").write_text(json.dumps(said), "utf-8")
    pd.DataFrame({"time_ms": time_ms, "wrist": 1e3 * volts}).to_csv(tmp_path / "u.csv", index=False)
    with pytest.raises(UnitError, match="sensory response"):
        read_study(tmp_path / "u.csv")
    pd.DataFrame({"time_ms": time_ms, "wrist": volts}).to_csv(tmp_path / "u.csv", index=False)
    assert not read_study(tmp_path / "u.csv").traces[0].flags

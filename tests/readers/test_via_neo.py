"""Axon ABF files through neo; the recording is synthetic and written here."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyabf.abfWriter import writeABF1

from ncs_cb import StudyError, UnitError, read_study

RATE = 20_000


def sweep(amplitude, onset_ms, artifact_ms=10.0):
    t = np.arange(2000) / RATE * 1000.0 - artifact_ms
    u = np.clip((t - onset_ms) / 5.0, 0, 1)
    tail = np.clip((t - onset_ms - 5) / 6.0, 0, 1)
    wave = amplitude * np.sin(np.pi * u) - 0.3 * amplitude * np.sin(np.pi * tail)
    return wave + 2.0 * ((t >= 0) & (t < 0.2))


def put(folder, unit="mV", **more):
    path = folder / "nerve.abf"
    writeABF1(np.array([sweep(8.0, 3.0), sweep(3.0, 7.0)]), str(path), RATE, units=unit)
    said = {
        "nerve": "ulnar",
        "side": "right",
        "muscle": "adm",
        "polarity": "negative_up",
        "events": {"at_ms": [10, 110]},
        "sites": {"1": "wrist", "2": "below elbow"},
        "distances_mm": {"wrist": 70, "below_elbow": 280},
        "supramaximal": True,
        **more,
    }
    path.with_suffix(".json").write_text(json.dumps(said))
    return path


@pytest.mark.parametrize("time", [10**400, [10, -(10**400)]])
def test_a_time_beyond_all_numbers_is_an_error_of_ours(tmp_path, time):
    with pytest.raises(StudyError, match="must be a time in ms"):
        read_study(put(tmp_path, events={"at_ms": time}))


def test_each_sweep_becomes_the_answer_of_the_site_its_number_names(tmp_path):
    study = read_study(put(tmp_path))
    assert [(t.site.stimulation_site, t.stimulus.distance_mm) for t in study.traces] == [
        ("wrist", 70.0),
        ("below_elbow", 280.0),
    ]
    wrist, below = study.traces
    assert wrist.sampling_rate_hz == RATE
    assert wrist.stimulus_index == 100
    assert wrist.samples_mv[140:].max() == pytest.approx(8.0, abs=0.01)
    assert below.samples_mv[140:].max() == pytest.approx(3.0, abs=0.01)
    assert wrist.stimulus.is_supramaximal


def test_stimuli_are_found_where_the_trigger_passes_its_level(tmp_path):
    events = {"threshold": {"level": 1.5, "edge": "rising", "refractory_ms": 50}}
    study = read_study(put(tmp_path, events=events))
    assert [t.stimulus_index for t in study.traces] == [100, 100]
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]


def test_a_stimulus_without_a_site_is_listed_and_not_read(tmp_path):
    study = read_study(put(tmp_path, sites={"1": "wrist"}))
    assert [t.site.stimulation_site for t in study.traces] == ["wrist"]
    assert [one.text for one in study.unassigned] == ["2"]
    assert study.unassigned[0].time_s is not None


def test_a_channel_that_is_no_voltage_needs_a_unit(tmp_path):
    with pytest.raises(UnitError, match="unknown voltage unit 'pA'"):
        read_study(put(tmp_path, unit="pA"))
    study = read_study(_with_unit(tmp_path))
    assert study.traces[0].samples_mv[140:].max() == pytest.approx(8.0, abs=0.01)


def _with_unit(folder):
    path = put(folder, "pA")
    said = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**said, "unit": "mV"}))
    return path


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"channel": "IN 9"}, "channel 'IN 9' is not in the file; the file has"),
        ({"events": {}}, "events: one of marker"),
        ({"events": {"marker": "Keyboard"}}, r"marker: no channel \(not shown.* there are"),
        ({"sites": {"9": "wrist"}}, "codes seen: '1', '2'"),
        ({"nerv": "ulnar"}, "unknown key 'nerv'"),
        ({"events": {"threshold": {"level": 99}}}, "no stimulus was found"),
    ],
)
def test_a_faulty_sidecar_says_what_is_there(tmp_path, said, message):
    with pytest.raises(StudyError, match=message):
        read_study(put(tmp_path, **said))

"""Axon ABF files through neo; the recording is synthetic and written here."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from pyabf.abfWriter import writeABF1

import ncs_cb
from ncs_cb import NcsError, StudyError, UnitError, read_study

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


def test_a_header_whose_times_are_no_numbers_is_an_error_of_ours(tmp_path):
    path = put(tmp_path)
    data = bytearray(path.read_bytes())
    data[130:134] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(NcsError, match="beyond all numbers"):
        read_study(tmp_path)


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
        ({"events": {"marker": "Keyboard"}}, r"marker: no channel 'Keyboard' .* there are"),
        ({"sites": {"9": "wrist"}}, "codes seen: '1', '2'"),
        ({"nerv": "ulnar"}, "Did you mean .nerve."),
        ({"events": {"threshold": {"level": 99}}}, "no stimulus was found"),
    ],
)
def test_a_faulty_sidecar_says_what_is_there(tmp_path, said, message):
    with pytest.raises(StudyError, match=message):
        read_study(put(tmp_path, **said))


@pytest.mark.parametrize(
    "said",
    [
        {"events": {"at_ms": 10}},
        {"sites": {"1": "wrist", "7": "below_elbow"}},
        {"sites": "wrist"},
        {"sites": "wrist", "distances_mm": {}, "stimulus_ma": {"below elbow": 30}},
    ],
)
def test_a_site_that_no_stimulus_answers_is_refused(tmp_path, said):
    path = put(tmp_path, **said)
    if "events" in said:
        writeABF1(np.array([sweep(8.0, 3.0)]), str(path), RATE, units="mV")
    with pytest.raises(StudyError, match=r"no stimulus at 'below_elbow'; it has: wrist\."):
        read_study(path)


def test_the_distance_of_a_site_is_found_in_any_spelling(tmp_path):
    study = read_study(put(tmp_path, distances_mm={"Wrist": 70, "B. Elbow": 280}))
    assert [t.stimulus.distance_mm for t in study.traces] == [70.0, 280.0]


# ------------------------------------------------------------------------------ Spike2 (.smr)


def spike2(path, stretches, marks):
    """Write a 32-bit Spike2 file of version 6: channels of 16-bit samples and one of key marks."""
    header = struct.pack("<h10s8shhhihhhhhidBh52s", 6, b"(C) CED 87", b"\6test  ", 1, 1, 0, 0,
                         len(stretches) + 1, 0, 0, 0, 0, 0, 1e-6, 0, 0, b"")  # fmt: skip
    heads, blocks, at = [], [], 512 + 140 * (len(stretches) + 1)
    step = 1_000_000 // RATE
    for number, (title, unit, samples) in enumerate(stretches):
        # Whole numbers times scale / 6553.6 are the values.
        scale = 6553.6 * 2.0 * np.abs(samples).max() / 65000.0
        data = np.round(samples * 6553.6 / scale).astype("<i2").tobytes()
        last = step * (len(samples) - 1)
        heads.append(_channel(title, 1, at, last) + struct.pack("<ff6sh", scale, 0.0, unit, 0))
        blocks.append(struct.pack("<iiiihh", -1, -1, 0, last, number, len(samples)) + data)
        at += len(blocks[-1])
    data = b"".join(struct.pack("<ii", int(ms * 1000), ord(key)) for ms, key in marks)
    last = int(marks[-1][0] * 1000)
    heads.append(_channel(b"\x08Keyboard", 5, at, last).ljust(140, b"\0"))
    blocks.append(struct.pack("<iiiihh", -1, -1, 0, last, len(stretches), len(marks)) + data)
    path.write_bytes(header.ljust(512, b"\0") + b"".join(heads) + b"".join(blocks))


def _channel(title, kind, at, last):
    step = 1_000_000 // RATE
    return struct.pack("<hiiihhhhhh72siih10sfBb", 0, -1, at, at, 1, 0, 0, 0, 0, 0, b"", last, step,
                       0, title, RATE, kind, 0)  # fmt: skip


@pytest.fixture
def smr(tmp_path):
    path = tmp_path / "visit" / "nerve.smr"
    path.parent.mkdir()
    emg = np.concatenate([sweep(8.0, 3.0), sweep(3.0, 7.0)])
    trigger = np.where(np.arange(emg.size) % 2000 // 20 == 10, 5.0, 0.0)
    marks = [(10.0, "w"), (60.0, "q"), (110.0, "e")]
    spike2(path, [(b"\3EMG", b"\2mV", emg), (b"\7Trigger", b"\1V", trigger)], marks)
    return path


def tell(path, **said):
    told = {"nerve": "ulnar", "side": "right", "muscle": "adm", "polarity": "negative_up"}
    told |= {"channel": "EMG", "window_ms": [-5, 40]} | said
    path.with_suffix(".json").write_text(json.dumps(told), "utf-8")
    return read_study(path.parent)


@pytest.mark.parametrize(
    ("events", "sites"),
    [
        ({"marker": "Keyboard"}, {"w": "wrist", "e": "below_elbow"}),
        (
            {"threshold": {"channel": "Trigger", "level": 2.5, "edge": "rising"}},
            {"1": "wrist", "2": "below_elbow"},
        ),
    ],
)
def test_a_spike2_file_is_cut_at_its_key_marks_or_its_trigger(smr, events, sites):
    study = tell(smr, events=events, sites=sites, distances_mm={"wrist": 70, "below_elbow": 280})
    found = ncs_cb.analyze(study).traces.set_index("stimulation_site")
    assert found["negative_peak_amplitude_mv"].to_dict() == pytest.approx(
        {"wrist": 8.0, "below_elbow": 3.0}, rel=0.02
    )
    assert found["onset_latency_ms"].to_dict() == pytest.approx(
        {"wrist": 3.0, "below_elbow": 7.0}, abs=0.15
    )
    assert set(found["sampling_rate_hz"]) == {RATE}
    # The key that names no site is told, not lost.
    assert [one.text for one in study.unassigned] == ["q"] * ("marker" in events)


def test_a_channel_of_key_marks_that_is_not_there_is_named(smr):
    with pytest.raises(StudyError, match="Keyboard"):
        tell(smr, events={"marker": "Keyboards"}, sites={"w": "wrist"})

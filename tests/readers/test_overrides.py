"""Every key of [recordings] in study.toml is applied, whatever the format of the recording."""

from __future__ import annotations

import json

import mne
import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError, read_study
from readers.handmade import Edf, Signal, cmap, tal

RATE = 10_000.0
TIME_MS = np.arange(600) * 1000 / RATE - 8
WRIST, ELBOW = (3.4, 7.6), (7.9, 7.3)
NEGATIVE_UP = np.array([cmap(TIME_MS, *WRIST), cmap(TIME_MS, *ELBOW)])
NEGATIVE_UP = NEGATIVE_UP + np.random.default_rng(5).normal(0, 0.003, NEGATIVE_UP.shape)


def edf(folder, texts, sign=1.0):
    tals = [tal(f"+{10 * i}", "") + tal(10 * i + 0.008, text) for i, text in enumerate(texts)]
    signal = Signal(sign * NEGATIVE_UP, "R APB", "mV", (-100, 100), (-32768, 32767))
    made = Edf([signal], tals, record_s="0.060", recording="Startdate X X X X")
    return made.write(folder / "m.edf").name


def continuous(texts, sign):
    gap = np.zeros(2000)
    noise = np.random.default_rng(1).normal(0, 0.003, 4 * 2000 + 1200)
    volts = np.concatenate([gap, gap, sign * NEGATIVE_UP[0], gap, gap, sign * NEGATIVE_UP[1]])
    volts = (volts + noise[: len(volts)]) * 1e-3
    made = mne.io.RawArray(
        volts[np.newaxis], mne.create_info(["R APB"], RATE, "emg"), verbose="error"
    )
    made.set_annotations(mne.Annotations([0.408, 0.868], 0.0, list(texts)))
    return made


def fif(folder, texts, sign=1.0):
    continuous(texts, sign).save(folder / "m_raw.fif", verbose="error")
    return "m_raw.fif"


def brainvision(folder, texts, sign=1.0):
    pybv = pytest.importorskip("pybv")
    made = continuous(texts, sign)
    marks = [
        {"onset": round(s * RATE), "duration": 1, "type": "Comment", "description": text}
        for s, text in zip((0.408, 0.868), texts, strict=True)
    ]
    pybv.write_brainvision(
        data=made.get_data(), sfreq=RATE, ch_names=["R APB"], fname_base="m",
        folder_out=str(folder), events=marks, unit="µV", resolution=0.1,
    )  # fmt: skip
    return "m.vhdr"


def sweeps(folder, texts, sign=1.0):
    columns = dict(zip(texts, sign * NEGATIVE_UP, strict=True))
    pd.DataFrame({"time_ms": TIME_MS, **columns}).to_csv(folder / "m.csv", index=False)
    said = {"nerve": "median", "side": "right", "muscle": "apb", "unit": "mV"}
    (folder / "m.json").write_text(json.dumps(said), "utf-8")
    return "m.csv"


def natus(folder, texts, sign=1.0):
    lines = [
        "; Viking v.22.1 - (c) 2021 Natus", "[1 - Test Info]", "Test=Motor",
        "Master Anatomy=R Abductor Pollicis Brevis", "[1.1 - Channel 1]", "Channel Number=1",
        "Sampling Frequency(kHz)=10.0", "Subsampled(kHz)=10.0", "Low(Hz)=2.0", "High(kHz)=5.0",
    ]  # fmt: skip
    for number, row in enumerate(sign * NEGATIVE_UP[:, 80:], start=1):
        shown = ",".join(f"{v:.4f}" for v in row)
        lines += [f"[1.1.{number} - LongTrace Data]", f"Sweep  Data(mV)<{len(row)}>={shown}"]
    (folder / "m.txt").write_bytes("\r\n".join(lines).encode("utf-16"))
    return "m.txt"


WAVEFORMS = {"edf": edf, "fif": fif, "brainvision": brainvision, "sweep table": sweeps}
TEXTS = ("wrist", "elbow")


def read(folder, make, told="", texts=TEXTS, sign=1.0, responses=""):
    name = make(folder, texts, sign)
    (folder / "study.toml").write_text(
        f'[recordings."{name}"]\n{told}\n' + (responses.format(name) if responses else ""), "utf-8"
    )
    return read_study(folder)


def by_site(study):
    return {t.site.stimulation_site: t for t in study.traces}


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_nerve_side_and_muscle_are_those_of_study_toml(tmp_path, kind):
    study = read(tmp_path, WAVEFORMS[kind], 'nerve = "N. ulnaris"\nside = "links"\nmuscle = "ADM"')
    assert {(t.site.nerve, t.site.side, t.site.muscle) for t in study.traces} == {
        ("ulnar", "left", "adm")
    }


@pytest.mark.parametrize("kind", WAVEFORMS)
@pytest.mark.parametrize(("polarity", "factor"), [("negative_up", 1.0), ("negative_down", -1.0)])
def test_the_polarity_is_that_of_study_toml(tmp_path, kind, polarity, factor):
    study = read(tmp_path, WAVEFORMS[kind], f'polarity = "{polarity}"')
    wrist = by_site(study)["wrist"]
    assert (factor * wrist.samples_mv).max() == pytest.approx(7.6, rel=0.02)
    # As told, and doubted where all responses go the other way.
    assert ("polarity_uncertain" in wrist.flags) is (factor < 0)


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_supramaximal_and_collision_are_attested_for_every_site_or_one(tmp_path, kind):
    study = read(
        tmp_path, WAVEFORMS[kind], "supramaximal = true\ncollision_used = false",
        responses='[recordings."{}".responses.Ellenbogen]\nsupramaximal = false\n',
    )  # fmt: skip
    stimuli = {site: t.stimulus for site, t in by_site(study).items()}
    assert stimuli["wrist"].is_supramaximal is True
    assert stimuli["elbow"].is_supramaximal is False
    assert {s.collision_used for s in stimuli.values()} == {False}
    assert {s.supramaximal_by for s in stimuli.values()} == {"study.toml"}


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_the_unit_of_study_toml_wins_and_is_said(tmp_path, kind):
    study = read(tmp_path, WAVEFORMS[kind], 'unit = "uV"')
    factor = {"edf": 1e-3, "sweep table": 1e-3, "fif": 1e-6, "brainvision": 1.0}[kind]
    largest = by_site(study)["wrist"].samples_mv.max()
    assert largest == pytest.approx(7.6 * factor, rel=0.05)
    assert any("uV" in d.choice or "uV" in d.reason for d in study.decisions)


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_a_delay_of_the_pulse_is_taken_off_every_latency(tmp_path, kind):
    plain = ncs_cb.analyze(read(tmp_path, WAVEFORMS[kind])).traces
    (tmp_path / "late").mkdir()
    late = read(tmp_path / "late", WAVEFORMS[kind], "stimulus_delay_ms = 0.8")
    moved = ncs_cb.analyze(late).traces
    difference = plain["onset_latency_ms"] - moved["onset_latency_ms"]
    assert list(difference) == pytest.approx([0.8, 0.8], abs=0.1)


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_texts_are_given_their_sites(tmp_path, kind):
    study = read(
        tmp_path, WAVEFORMS[kind], 'sites = { "Reiz  eins" = "Handgelenk", "REIZ zwei" = "Elbow" }',
        ("Reiz eins", "Reiz zwei"),
    )  # fmt: skip
    assert list(by_site(study)) == ["wrist", "elbow"]


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_a_text_that_the_recording_does_not_hold_is_refused(tmp_path, kind):
    with pytest.raises(StudyError, match="Reiz 7"):
        read(tmp_path, WAVEFORMS[kind], 'sites = { "Reiz 7" = "axilla" }')


@pytest.mark.parametrize("kind", WAVEFORMS)
@pytest.mark.parametrize(
    "told",
    [
        "distances_mm = { wrist = 66, Ellenbogen = 296 }",
        "distances_cm = { Handgelenk = 6.6, elbow = 29.6 }",
        'distances_mm = { wrist = 66 }\nsegment_lengths_mm = { "elbow-wrist" = 230 }',
    ],
)
def test_distances_are_those_of_study_toml(tmp_path, kind, told):
    found = by_site(read(tmp_path, WAVEFORMS[kind], told))
    assert [t.stimulus.distance_mm for t in found.values()] == [66.0, 296.0]


@pytest.mark.parametrize("kind", WAVEFORMS)
def test_markers_exclusion_and_what_to_ignore_reach_the_table(tmp_path, kind):
    study = read(
        tmp_path, WAVEFORMS[kind],
        responses=(
            '[recordings."{0}".responses.wrist]\nonset_latency_ms = 3.9\nend_latency_ms = 6.4\n'
            '[recordings."{0}".responses.elbow]\nignore_until_ms = 9.0\n'
        ),
    )  # fmt: skip
    rows = ncs_cb.analyze(study).traces.set_index("stimulation_site")
    assert rows.loc["wrist", "onset_latency_ms"] == pytest.approx(3.9)
    assert rows.loc["wrist", "automatic_onset_latency_ms"] == pytest.approx(3.4, abs=0.15)
    assert rows.loc["elbow", "onset_latency_ms"] >= 8.9
    (tmp_path / "out").mkdir()
    without = read(
        tmp_path / "out", WAVEFORMS[kind],
        responses='[recordings."{0}".responses.elbow]\nexclude = true\n',
    )  # fmt: skip
    result = ncs_cb.analyze(without)
    adjacent = result.segments[result.segments["is_adjacent"]]
    assert adjacent["amplitude_reduction_pct"].isna().all()


def test_printed_values_take_sites_distances_and_attestations_too(tmp_path):
    (tmp_path / "s.csv").write_text(
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv\nmedian,right,apb,Reiz A,7,3.4,7.6\n"
        "median,right,apb,Reiz B,29,7.9,7.3\n",
        "utf-8",
    )
    (tmp_path / "study.toml").write_text(
        '[recordings."s.csv"]\nside = "L"\nsupramaximal = true\n'
        'sites = { "Reiz A" = "wrist", "reiz b" = "elbow" }\n'
        "distances_mm = { wrist = 70, elbow = 290 }\n",
        "utf-8",
    )
    rows = read_study(tmp_path).typed_responses
    assert [r.site.stimulation_site for r in rows] == ["wrist", "elbow"]
    assert {r.site.side for r in rows} == {"left"}
    assert [r.stimulus.distance_mm for r in rows] == [70.0, 290.0]
    assert {r.stimulus.is_supramaximal for r in rows} == {True}


def test_a_natus_text_takes_what_study_toml_says(tmp_path):
    study = read(
        tmp_path, natus,
        'nerve = "median"\nside = "L"\npolarity = "negative_up"\nunit = "uV"\n'
        'supramaximal = true\nsites = { "1.1.1" = "wrist", "1.1.2" = "elbow" }\n'
        "distances_cm = { wrist = 7, elbow = 29 }",
    )  # fmt: skip
    found = by_site(study)
    assert [t.stimulus.distance_mm for t in found.values()] == [70.0, 290.0]
    assert {t.site.side for t in found.values()} == {"left"}
    assert found["wrist"].samples_mv.max() == pytest.approx(7.6e-3, rel=0.05)
    assert all(t.stimulus.is_supramaximal for t in found.values())

"""Stimuli whose trigger or text names no site, in every format that can hold them."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from typer.testing import CliRunner

import ncs_cb
from ncs_cb import ReadError, StudyError, UnitError, read_study, study_from_epochs
from ncs_cb.cli import app
from readers.handmade import Edf, Signal, cmap, onset_ms, tal

RATE = 10_000.0
AT_S = (0.3, 0.9, 1.5)
ONSETS = (3.1, 6.6, 8.4)
SIZES = (9.1, 2.2, 2.1)
"""Wrist, below elbow, above elbow: three quarters of the response are lost in the forearm."""
WORDS = ("wrist", "below elbow", "above elbow")
TRIGGERS = ("S  1", "S  2", "S  3")


def signal_mv(sign=-1.0):
    time_ms = np.arange(round(2.2 * RATE)) * 1000 / RATE
    noise = np.random.default_rng(7).normal(0, 0.002, len(time_ms))
    rows = zip(AT_S, ONSETS, SIZES, strict=True)
    return noise + sum(sign * cmap(time_ms, s * 1000 + on, size) for s, on, size in rows)


def raw(texts=TRIGGERS, codes=None, name="R ADM"):
    rows, kinds, names = [signal_mv() * 1e-3], ["emg"], [name]
    if codes is not None:
        trigger = np.zeros(rows[0].size)
        for start, code in zip(AT_S, codes, strict=True):
            trigger[round(start * RATE) : round((start + 0.01) * RATE)] = code
        rows, kinds, names = [*rows, trigger], [*kinds, "stim"], [*names, "STI 014"]
    made = mne.io.RawArray(np.array(rows), mne.create_info(names, RATE, kinds), verbose="error")
    if texts is not None:
        made.set_annotations(mne.Annotations(AT_S[: len(texts)], 0.0, list(texts)))
    return made


def brainvision(folder, texts=TRIGGERS, unit="µV", *, encoding="utf-8", codepage="UTF-8", stem="u"):
    kinds = ["Stimulus" if t.startswith("S ") else "Comment" for t in texts]
    samples = np.round(signal_mv() * 1000 / 0.5).astype("<i2")
    (folder / f"{stem}.eeg").write_bytes(samples.tobytes())
    head = f"[Common Infos]\nCodepage={codepage}\nDataFile={stem}.eeg\n"
    (folder / f"{stem}.vhdr").write_bytes(
        (
            "Brain Vision Data Exchange Header File Version 1.0\n\n"
            + head
            + f"MarkerFile={stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
            "NumberOfChannels=1\nSamplingInterval=100\n[Binary Infos]\nBinaryFormat=INT_16\n"
            f"[Channel Infos]\nCh1=R ADM,,0.5,{unit}\n"
        ).encode(encoding)
    )
    marks = [
        f"Mk{i}={kind},{text},{round(s * RATE) + 1},1,0"
        for i, (kind, text, s) in enumerate(zip(kinds, texts, AT_S, strict=True), start=2)
    ]
    (folder / f"{stem}.vmrk").write_bytes(
        (
            "Brain Vision Data Exchange Marker File, Version 1.0\n\n"
            + head
            + "[Marker Infos]\nMk1=New Segment,,1,1,0,20260302100000000000\n"
            + "\n".join(marks)
            + "\n"
        ).encode(encoding)
    )
    return folder / f"{stem}.vhdr"


def bdf(folder, codes):
    """A BioSemi recording: the Status signal holds codes, and bits of the amplifier above them."""
    status = np.full(round(2.2 * RATE), 1 << 20)
    for start, code in zip(AT_S, codes, strict=True):
        status[round(start * RATE) : round((start + 0.01) * RATE)] += code
    signals = [
        Signal(signal_mv()[np.newaxis], "R ADM", "mV", (-100, 100), (-8388608, 8388607)),
        Signal(
            status[np.newaxis], "Status", "Boolean", (-8388608, 8388607), (-8388608, 8388607), ""
        ),
    ]
    made = Edf(signals, [tal("+0", "")], record_s="2.2", reserved="BDF+C", sample_bytes=3)
    made.recording = "Startdate X X X X"
    return made.write(folder / "u.bdf")


def told(folder, name, sites, **more):
    listed = ", ".join(f'"{text}" = "{site}"' for text, site in sites.items())
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    (folder / "study.toml").write_text(
        f'[recordings."{name}"]\nsites = {{ {listed} }}\n{lines}', "utf-8"
    )


def assert_the_block_is_there(study):
    by_site = {t.site.stimulation_site: t for t in study.traces}
    assert list(by_site) == ["wrist", "below_elbow", "above_elbow"]
    for trace, onset, size in zip(by_site.values(), ONSETS, SIZES, strict=True):
        assert onset_ms(trace) == pytest.approx(onset, abs=0.2)
        assert trace.samples_mv.max() == pytest.approx(size, rel=0.02)


FORMATS = {
    "brainvision": brainvision,
    "fif annotations": lambda folder: save(folder, raw()),
    "fif trigger channel": lambda folder: save(folder, raw(None, (1, 2, 3))),
    "bdf status": lambda folder: bdf(folder, (1, 2, 3)),
}


def save(folder, made):
    path = folder / "u_raw.fif"
    made.save(path, verbose="error")
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_triggers_alone_are_named_and_the_way_to_assign_them(tmp_path, kind):
    path = FORMATS[kind](tmp_path)
    with pytest.raises(StudyError, match=r"no stimulus names a site: 'S 1', 'S 2', 'S 3'") as said:
        read_study(path)
    assert f'[recordings."{path.name}"] sites = {{ "S 1" = "wrist" }}' in str(said.value.hint)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("spelled", ["S {}", "S  {}", "S{}", "Stimulus/S  {}", "{}"])
def test_triggers_are_assigned_in_every_spelling(tmp_path, kind, spelled):
    path = FORMATS[kind](tmp_path)
    sites = {spelled.format(i): w for i, w in enumerate(WORDS, start=1)}
    told(tmp_path, path.name, sites)
    assert_the_block_is_there(read_study(tmp_path))
    assert read_study(tmp_path).unassigned == ()


@pytest.mark.parametrize("kind", FORMATS)
def test_one_trigger_that_nobody_named_is_told_everywhere(tmp_path, kind):
    visit = tmp_path / "visit"
    visit.mkdir()
    path = FORMATS[kind](visit)
    told(visit, path.name, {"S 1": "wrist", "S 3": "above elbow"})
    study = read_study(visit)
    assert [u.text for u in study.unassigned] == ["S 2"]
    assert study.unassigned[0].time_s == pytest.approx(AT_S[1], abs=1e-3)
    assert all("unassigned_stimulus" in t.flags for t in study.traces)
    run = CliRunner().invoke(app, ["validate", str(visit)])
    assert run.exit_code == 1
    assert "unassigned stimulus 'S 2'" in run.output
    page = CliRunner().invoke(app, ["analyze", str(visit), "--out", str(tmp_path / "out")])
    assert page.exit_code == 0
    assert "unassigned stimulus 'S 2'" in page.output
    html = next((tmp_path / "out").rglob("report.html")).read_text("utf-8")
    assert "S 2" in html
    assert '"S 2"' in next((tmp_path / "out").rglob("result.json")).read_text("utf-8")


def test_a_sweep_ends_before_a_stimulus_that_names_no_site(tmp_path):
    made = raw(None)
    made.set_annotations(mne.Annotations([AT_S[0], AT_S[0] + 0.05], 0.0, ["wrist", "S  9"]))
    study = read_study(save(tmp_path, made))
    (wrist,) = study.traces
    assert (len(wrist.samples_mv) - wrist.stimulus_index) / RATE == pytest.approx(0.05)
    assert [u.text for u in study.unassigned] == ["S 9"]


def test_a_trigger_beside_a_text_is_the_same_stimulus(tmp_path):
    made = raw([f"Stimulus right {w} 20mA" for w in WORDS], (1, 1, 1))
    study = read_study(save(tmp_path, made))
    assert_the_block_is_there(study)
    assert study.unassigned == ()


def test_a_mapping_of_a_text_that_is_not_there_is_refused(tmp_path):
    told(tmp_path, brainvision(tmp_path).name, {"S 1": "wrist", "S 7": "axilla"})
    with pytest.raises(StudyError, match="no annotation reads 'S 7'"):
        read_study(tmp_path)


def test_events_of_epochs_in_a_file_may_be_assigned(tmp_path):
    time_ms = np.arange(500) * 1000 / RATE - 5
    rows = [-cmap(time_ms, on, size) for on, size in zip(ONSETS, SIZES, strict=True)]
    events = np.array([[i * 1000, 0, i + 1] for i in range(3)])
    info = mne.create_info(["R ADM"], RATE, "emg")
    names = {f"S{i}": i for i in (1, 2, 3)}
    made = mne.EpochsArray(
        np.array(rows)[:, None] * 1e-3, info, events, -0.005, names, verbose="error"
    )
    made.save(tmp_path / "u-epo.fif", verbose="error")
    told(tmp_path, "u-epo.fif", {"S1": "wrist", "S3": "above_elbow"})
    study = read_study(tmp_path)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "above_elbow"]
    assert [(u.text, u.sweep) for u in study.unassigned] == [("S2", 1)]


def test_two_sites_at_one_instant_are_refused(tmp_path):
    made = raw(None)
    made.set_annotations(mne.Annotations([0.3, 0.3], 0.0, ["wrist", "below elbow"]))
    with pytest.raises(StudyError, match="at one instant"):
        read_study(save(tmp_path, made))


def test_both_sides_in_one_file_stay_apart(tmp_path):
    texts = ["Stimulus right wrist", "Stimulus left wrist", "Stimulus left below elbow"]
    made = raw(texts)
    other = mne.io.RawArray(
        made.get_data(), mne.create_info(["L ADM"], RATE, "emg"), verbose="error"
    )
    made.add_channels([other], force_update_info=True)
    path = save(tmp_path, made)
    places = {(t.site.side, t.site.stimulation_site) for t in read_study(path).traces}
    assert places == {("right", "wrist"), ("left", "wrist"), ("left", "below_elbow")}
    (tmp_path / "study.toml").write_text(f'[recordings."{path.name}"]\nside = "R"\n', "utf-8")
    with pytest.raises(StudyError, match="the stimuli name both sides"):
        read_study(tmp_path)


# ------------------------------------------------------------------ BrainVision as it is found


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (("Reiz Handgelenk 20mA", "below elbow 25mA", "above elbow 30mA"), "cp1252"),
        (("腕", "肘下", "肘上"), "gbk"),
    ],
)
def test_markers_that_are_not_utf8_are_understood(tmp_path, texts, encoding):
    path = brainvision(tmp_path, texts, "uV", encoding=encoding, codepage="ANSI")
    assert_the_block_is_there(read_study(path))


def test_an_ansi_header_keeps_its_micro_sign(tmp_path):
    path = brainvision(tmp_path, WORDS, "µV", encoding="cp1252", codepage="ANSI")
    study = read_study(path)
    assert_the_block_is_there(study)
    assert ("encoding", "cp1252") in {(d.topic, d.choice) for d in study.decisions}


def test_a_greek_mu_is_a_micro_sign(tmp_path):
    assert_the_block_is_there(read_study(brainvision(tmp_path, WORDS, "\u03bcV")))


def test_an_empty_unit_is_asked_for_and_taken_from_study_toml(tmp_path):
    path = brainvision(tmp_path, WORDS, "")
    with pytest.raises(UnitError, match="the voltage unit is missing") as said:
        read_study(path)
    assert 'set unit under [recordings."u.vhdr"]' in str(said.value.hint)
    (tmp_path / "study.toml").write_text('[recordings."u.vhdr"]\nunit = "uV"\n', "utf-8")
    assert_the_block_is_there(read_study(tmp_path))


def test_a_unit_that_is_wrong_in_the_file_is_set_right(tmp_path):
    path = brainvision(tmp_path, WORDS, "mV")
    with pytest.raises(UnitError, match="100 mV"):
        read_study(path)
    (tmp_path / "study.toml").write_text('[recordings."u.vhdr"]\nunit = "uV"\n', "utf-8")
    study = read_study(tmp_path)
    assert_the_block_is_there(study)
    assert any("study.toml gives it; the file says 'mV'" in d.reason for d in study.decisions)


def test_a_renamed_triple_is_read_and_said_to_be_renamed(tmp_path):
    brainvision(tmp_path, WORDS)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f"Visit 3{path.suffix}")
    study = read_study(tmp_path / "Visit 3.vhdr")
    assert_the_block_is_there(study)
    salvaged = [d for d in study.decisions if d.topic == "salvage"]
    assert len(salvaged) == 2
    assert "renamed by hand?" in salvaged[0].reason
    assert {s.name for s in study.sources} == {"Visit 3.vhdr", "Visit 3.vmrk", "Visit 3.eeg"}


def test_a_missing_data_file_is_named(tmp_path):
    path = brainvision(tmp_path, WORDS)
    (tmp_path / "u.eeg").unlink()
    with pytest.raises(ReadError, match=r"its data file is missing: .*'u\.eeg'"):
        read_study(path)


# ------------------------------------------------------------------ what MNE has not loaded yet


def test_what_is_not_loaded_yet_is_loaded(tmp_path):
    path = save(tmp_path, raw())
    lazy = mne.io.read_raw_fif(path, preload=False, verbose="error")
    sites = dict(zip(TRIGGERS, WORDS, strict=True))
    given = {"nerve": "ulnar", "side": "right", "muscle": "adm", "sites": sites}
    assert_the_block_is_there(study_from_epochs(lazy, **given))
    assert not lazy.preload
    events, ids = mne.events_from_annotations(lazy, verbose="error")
    epochs = mne.Epochs(
        lazy, events, ids, -0.005, 0.05, baseline=None, preload=False, picks="emg", verbose="error"
    )
    assert_the_block_is_there(study_from_epochs(epochs, **given))
    assert not epochs.preload


@pytest.mark.parametrize(
    "thing",
    [np.zeros((3, 400)), [np.zeros(400)], {"wrist": [0.0]}, "visit.fif", 7, None],
    ids=["array", "list of arrays", "dict", "text", "number", "nothing"],
)
def test_what_is_no_mne_object_is_refused_with_a_sentence(thing):
    with pytest.raises(StudyError, match="is no MNE object"):
        study_from_epochs(thing, nerve="ulnar", side="right", muscle="adm")


def test_the_pages_never_say_not_tested_of_a_site_that_nobody_named(tmp_path):
    path = brainvision(tmp_path)
    told(tmp_path, path.name, {"S 1": "wrist", "S 3": "above elbow"})
    result = ncs_cb.analyze(read_study(tmp_path))
    (page,) = ncs_cb.write_report(result, tmp_path / "out", formats=["html"])
    text = page.read_text("utf-8")
    assert "names no site" in text

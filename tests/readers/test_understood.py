"""Texts that are understood, texts that are not, bytes that are damaged: nothing is dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError, read_study
from ncs_cb.cli import main
from ncs_cb.readers._shared.stimuli import stimulus
from ncs_cb.readers._shared.text import decode
from readers.handmade import Edf, Signal, cmap, tal

RATE = 12_500.0
TIME_MS = np.arange(600) * 1000 / RATE - 6
SHAPES = ((3.3, 8.2), (7.1, 2.0), (9.0, 1.9))


def rows(signs=(-1, -1, -1)):
    rng = np.random.default_rng(11)
    shapes = zip(signs, SHAPES, strict=True)
    return np.array([s * cmap(TIME_MS, *one) + rng.normal(0, 0.003, 600) for s, one in shapes])


def main_status(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def written(folder, texts, samples=None):
    lists = []
    for i, text in enumerate(texts):
        raw = text if isinstance(text, bytes) else text.encode()
        stamp = f"+{10 * i}.006".encode()
        lists.append(tal(f"+{10 * i}", "") + stamp + b"\x14" + raw + b"\x14\0")
    signal = Signal(rows() if samples is None else samples, "R ADM", limits=(-30, 30))
    signal.digital = (-32768, 32767)
    made = Edf([signal], lists, record_s="0.048", recording="Startdate X X X X")
    return made.write(folder / "u.edf")


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("wrist stim", "wrist"),
        ("Wrist supra", "wrist"),
        ("02_Wrist 20mA x2", "wrist"),
        ("below elbow 25mA (supramax)", "below_elbow"),
        ("Reiz am Handgelenk rechts 18,5mA", "wrist"),
        ("unterhalb des Ellenbogens 25 mA", "below_elbow"),
        ("über dem Ellenbogen", "above_elbow"),
        ("Stim. poignet droit 20 mA", "wrist"),
        ("au-dessus du coude", "above_elbow"),
        ("刺激：腕", "wrist"),
        ("肘下 25mA", "below_elbow"),
        ("肘下刺激 25mA", "below_elbow"),
        ("腕部刺激", "wrist"),
        ("腋下刺激20mA", "axilla"),
        ("Ellenbogen unten – Reiz", "below_elbow"),
        ("Reiz Achselhöhle", "axilla"),
    ],
)
def test_a_site_is_understood_in_the_words_people_write(text, site):
    assert stimulus(text).site == site


@pytest.mark.parametrize("text", ["S 1", "Patient hustet", "2", "Epicondylus", "good 2"])
def test_other_texts_name_no_site(text):
    assert stimulus(text) is None


def test_a_text_at_an_unknown_place_is_unassigned_and_the_rest_is_read(tmp_path):
    texts = ("wrist", "Stimulation Epicondylus 25mA", "above elbow")
    study = read_study(written(tmp_path, texts))
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "above_elbow"]
    assert [u.text for u in study.unassigned] == ["Stimulation Epicondylus 25mA"]
    (tmp_path / "study.toml").write_text(
        '[recordings."u.edf"]\nsites = { "stimulation epicondylus 25mA" = "below_elbow" }\n'
    )
    whole = read_study(tmp_path)
    assert whole.unassigned == ()
    assert {t.stimulus.intensity_ma for t in whole.traces} == {None, 25.0}


@pytest.mark.parametrize(
    "text",
    ["Stimulus right below elbw", "below elbw", b"below elb\xffow 24mA", "unterhalb Elenbogen"],
)
def test_a_text_that_is_nearly_a_site_is_unassigned_and_that_site_proposed(tmp_path, text, capsys):
    path = written(tmp_path, ("wrist", text, "above elbow"))
    study = read_study(path)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "above_elbow"]
    assert len(study.unassigned) == 1
    assert main_status(["validate", str(path)]) == 1
    assert '= "below_elbow" }' in "".join(capsys.readouterr())


def test_a_file_in_which_nothing_is_understood_names_the_site_that_is_nearest(tmp_path):
    with pytest.raises(StudyError, match="Did you mean 'below_elbow'"):
        read_study(written(tmp_path, ("Stimulus below elbw", "Stimulus xyz", "Stimulus abc")))


def test_no_site_is_proposed_that_the_file_names_already(tmp_path, capsys):
    main_status(["validate", str(written(tmp_path, ("wrist", "below elbow", "P4")))])
    said = "".join(capsys.readouterr())
    hint = said[said.index('sites = { "P4"') :].splitlines()[0]
    assert "axilla" in hint
    assert "below_elbow" not in hint
    assert "wrist" not in hint


@pytest.mark.parametrize("key", ["", "sweep 1", "Sweep 1"])
def test_a_stimulus_without_a_text_can_be_assigned(tmp_path, key):
    path = written(tmp_path, ("wrist", "", "above elbow"))
    assert [(u.text, u.sweep) for u in read_study(path).unassigned] == [("", 1)]
    (tmp_path / "study.toml").write_text(
        f'[recordings."u.edf"]\nsites = {{ "{key}" = "below_elbow" }}\n'
    )
    whole = read_study(tmp_path)
    assert whole.unassigned == ()
    sites = [t.site.stimulation_site for t in whole.traces]
    assert sites == ["wrist", "below_elbow", "above_elbow"]


def test_a_hint_is_never_a_text_that_nobody_can_type(tmp_path):
    with pytest.raises(StudyError) as said:
        read_study(written(tmp_path, ("Stimulus Xaver", "Stimulus Yvette", "Stimulus Zita")))
    assert "{ (" not in str(said.value)


def test_chinese_letters_that_name_no_site_are_told_as_they_are(tmp_path):
    study = read_study(written(tmp_path, ("wrist", "一号刺激点".encode("gbk"), "above elbow")))
    assert [u.text for u in study.unassigned] == ["一号刺激点"]


def test_damaged_bytes_are_decoded_where_one_decoding_names_a_site(tmp_path):
    texts = ("wrist", "肘下 25mA".encode("gbk"), "über dem Ellenbogen".encode("latin-1"))
    study = read_study(written(tmp_path, texts))
    sites = [t.site.stimulation_site for t in study.traces]
    assert sites == ["wrist", "below_elbow", "above_elbow"]
    assert {d.choice for d in study.decisions if d.topic == "encoding"} == {"gbk", "cp1252"}


def test_western_letters_are_never_read_as_chinese():
    for text in ("Knöchel;µV;°C", "Ch1=R ADM,,0.5,µV", "nicht auslösbar"):
        assert decode(text.encode("cp1252")) == (text, "cp1252")
    assert decode("肘部刺激,腕".encode("gbk")) == ("肘部刺激,腕", "gbk")


def test_a_stray_sample_leaves_its_sweep_unmeasured_and_never_absent(tmp_path):
    path = written(tmp_path, ("wrist", "below elbow", "above elbow"))
    data = bytearray(path.read_bytes())
    header = data[:768].replace(b"-32768  ", b"-32000  ", 1).replace(b"32767   ", b"32000   ", 1)
    data[:768] = header
    at = 768 + 2 * 40
    data[at : at + 2] = (32700).to_bytes(2, "little", signed=True)
    path.write_bytes(bytes(data))
    study = read_study(path)
    assert any("outside the digital range" in d.reason for d in study.decisions)
    statuses = dict(ncs_cb.analyze(study).traces[["stimulation_site", "response"]].to_numpy())
    assert statuses == {
        "wrist": "not_measurable", "below_elbow": "present", "above_elbow": "present",
    }  # fmt: skip


def test_an_uncertain_polarity_withholds_the_verdict(tmp_path):
    path = written(tmp_path, ("wrist", "below elbow", "above elbow"), rows((-1, 1, -1)))
    result = ncs_cb.analyze(read_study(path))
    segment = result.verdicts[result.verdicts["segment"] == "wrist-below_elbow"]
    assert set(segment["conduction_block"]) == {"undetermined"}
    assert set(segment["technical_validity"]) == {"refuted"}


@pytest.mark.parametrize("spike_mv", [-2.7, 0.6])
def test_one_damaged_sample_in_a_response_is_flagged_and_a_clean_one_is_not(spike_mv):
    time_ms = np.arange(1100) / 20 - 5
    rows = np.array(
        [
            cmap(time_ms, onset, 8.0, width_ms=5.0)
            + 3.0 * np.where(time_ms >= 0, np.exp(-np.clip(time_ms, 0, None) / 0.15), 0.0)
            + np.random.default_rng(i).normal(0, 0.01, 1100)
            for i, onset in enumerate((3.2, 7.0))
        ]
    )
    rows[1, 290] += spike_mv
    labels = pd.DataFrame(
        {"nerve": "ulnar", "side": "right", "muscle": "adm", "site": ["wrist", "below_elbow"]}
    )
    study = ncs_cb.study_from_arrays(rows, labels, sampling_rate_hz=20_000, stimulus_index=100)
    assert ["stray_sample" in trace.flags for trace in study.traces] == [False, True]

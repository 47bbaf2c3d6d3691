"""Text exports of the Natus kind, written here from their structure; all values invented."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import ReadError, StudyError, UnitError, read_study
from ncs_cb.cli import main
from ncs_cb.readers.natus_text import hidden_name

RATE_KHZ = 19.2
N = 960


def wave(amplitude, onset_ms):
    t = np.arange(N) / RATE_KHZ
    u = np.clip((t - onset_ms) / 5.0, 0, 1)
    return amplitude * np.sin(np.pi * u) - 0.3 * amplitude * np.sin(
        np.pi * np.clip((t - onset_ms - 5) / 6.0, 0, 1)
    )


def row(samples, decimal=",", unit="mV", count=N, name="Sweep  Data"):
    texts = [f"{v:.4f}".replace(".", decimal) for v in samples]
    lines = [",".join(texts[i : i + 100]) for i in range(0, len(texts), 100)]
    return f"{name}({unit})<{count}>=" + "/\n".join(lines)


def export(rows, anatomy="R Abductor Digiti Minimi", decimal=","):
    text = [
        "; Viking v.22.1 - (c) 2021 Natus",
        "",
        "[1 - Test Info]",
        "Patient ID=4711",
        "First Name=Invented",
        "Visit Date=01/02/2026",
        "Test=Motor",
        f"Master Anatomy={anatomy}",
        "[1.1 - Channel 1]",
        "Channel Number=1",
        f"Sampling Frequency(kHz)=48{decimal}0",
        f"Subsampled(kHz)=19{decimal}2",
        f"Low(Hz)=2{decimal}0",
        f"High(kHz)=10{decimal}0",
    ]
    for number, one in enumerate(rows, start=1):
        text += [f"[1.1.{number} - LongTrace Data]", one]
    return "\n".join(text) + "\n"


def put(folder, text, name="export.txt", sites=True):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    if sites:
        (folder / "study.toml").write_text(
            f'[recordings."{name}"]\nnerve = "ulnar"\npolarity = "negative_up"\n'
            'sites = { "1.1.1" = "wrist", "1.1.2" = "below elbow" }\n'
        )
    return path


@pytest.mark.parametrize("decimal", [",", "."])
def test_sweeps_are_read_at_the_subsampled_rate_with_filters_and_sites(tmp_path, decimal):
    rows = [row(wave(8, 3), decimal), row(wave(7, 7), decimal)]
    study = read_study(put(tmp_path, export(rows, decimal=decimal)))
    wrist, below = study.traces
    assert wrist.sampling_rate_hz == 19_200.0
    assert (wrist.high_pass_hz, wrist.low_pass_hz) == (2.0, 10_000.0)
    assert (wrist.site.nerve, wrist.site.side, wrist.site.muscle) == ("ulnar", "right", "adm")
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]
    assert len(below.samples_mv) == N
    assert below.samples_mv.max() == pytest.approx(7.0, abs=0.01)


def test_microvolts_become_millivolts(tmp_path):
    rows = [row(wave(8000, 3), unit="µV"), row(wave(7000, 7), unit="µV")]
    assert read_study(put(tmp_path, export(rows))).traces[0].samples_mv.max() == pytest.approx(
        8.0, abs=0.01
    )


def test_a_count_that_differs_from_the_header_is_refused(tmp_path):
    rows = [row(wave(8, 3)), row(wave(7, 7)[:-1])]
    with pytest.raises(ReadError, match=r"1\.1\.2: 959 samples, but its header says 960"):
        read_study(put(tmp_path, export(rows)))


def test_a_missing_unit_is_refused(tmp_path):
    with pytest.raises(UnitError, match="state no unit"):
        read_study(put(tmp_path, export([row(wave(8, 3)).replace("(mV)", "")])))


def test_identity_is_dropped_and_a_name_that_begins_with_a_number_is_hidden(tmp_path):
    path = put(tmp_path, export([row(wave(8, 3)), row(wave(7, 7))]), "4711123_motor.txt")
    study = read_study(path)
    for secret in ("4711", "Invented"):
        assert secret not in repr((study.traces[0].recording, study.decisions, study.sources))
        assert secret not in study.study_id
    assert study.traces[0].recording.startswith("natus-")


@pytest.mark.parametrize("name", ["4711_Ulnar.txt", "123-Ulnar.txt", "P4711 Ulnar.txt"])
def test_a_number_in_a_name_stands_in_no_result_whatever_study_toml_calls_the_file(tmp_path, name):
    put(tmp_path / "visit", export([row(wave(8, 3)), row(wave(7, 7))]), name)
    result = ncs_cb.analyze(read_study(tmp_path / "visit"))
    (recording,) = set(result.traces.recording)
    assert list(result.study.details.recordings) == [recording]
    assert recording in {d.source for d in result.study.decisions}
    with pytest.raises(SystemExit):
        main(["analyze", str(tmp_path / "visit"), "--out", str(tmp_path / "out")])
    files = [p for p in (tmp_path / "out").rglob("*") if p.suffix in (".json", ".csv", ".html")]
    written = "".join(p.read_text("utf-8") for p in files)
    assert "natus-" in written
    assert not re.search(r"\b(P?4711|123)[-_ ]Ulnar", written)


def test_a_number_that_counts_and_a_day_leave_the_name_of_a_natus_text(tmp_path):
    for name in ("ulnar 2.txt", "emg_20260302.txt", "12 ulnar.txt"):
        assert hidden_name(name) == name


@pytest.mark.parametrize("head", ["", "; exported on a day\n"])
@pytest.mark.parametrize("n_keys", [0, 80])
def test_an_export_is_known_by_its_sections_where_no_comment_names_the_maker(
    tmp_path, head, n_keys
):
    text = export([row(wave(8, 3)), row(wave(7, 7))]).partition("\n")[2]
    text = text.replace("Test=Motor", "\n".join(["Test=Motor", *["Setting=a word"] * n_keys]))
    if n_keys:  # the samples begin behind what a reader is first shown
        text = text.replace("Test=Motor\n", "Test=Motor\nSubsampled(kHz)=19,2\nLow(Hz)=2\n", 1)
    study = read_study(put(tmp_path / "visit", head + text).parent)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]


@pytest.mark.parametrize("text", ["[1 - Settings]\nLow=3\n", "[Trace]\nData=4\n", "a;b\n1;2\n"])
def test_another_text_in_sections_is_no_export_of_samples(tmp_path, text):
    path = put(tmp_path / "visit", text)
    with pytest.raises(StudyError, match=r"no reader understands 'export\.txt'"):
        read_study(path.parent)


def test_a_sweep_that_names_no_site_is_an_unassigned_stimulus(tmp_path):
    study = read_study(put(tmp_path, export([row(wave(8, 3)), row(wave(7, 7)), row(wave(5, 9))])))
    assert [(one.text, one.sweep) for one in study.unassigned] == [("1.1.3", 2)]


def test_without_sites_the_message_says_what_to_write(tmp_path):
    path = put(tmp_path, export([row(wave(8, 3))]), sites=False)
    with pytest.raises(StudyError, match=r'sections with samples: 1\.1\.1.*sites = \{ "1\.1\.1"'):
        read_study(path)


def test_a_batch_without_a_key_writes_no_name_that_begins_with_a_number(tmp_path, capsys):
    root = tmp_path / "root"
    root.mkdir()
    put(root, export([row(wave(8, 3))], anatomy="4711123"), "4711123_motor.txt", sites=False)
    good = export([row(wave(8, 3))]).replace("[1.1.1 - LongTrace", "[1.1.1 - Wrist LongTrace")
    good = good.replace("Test=Motor", "Test=Motor\nNerve=Ulnar")
    put(root, good, "5822234_motor.txt", sites=False)
    with pytest.raises(SystemExit):
        main(["batch", str(root), "--out", str(tmp_path / "out"), "--workers", "1"])
    out = tmp_path / "out"
    # The folder _batch is the laboratory's own: it must know its inputs to know what is done.
    files = [p for p in out.rglob("*") if p.is_file() and p.relative_to(out).parts[0] != "_batch"]
    written = b"".join(str(p).encode() + p.read_bytes() for p in files)
    said = "".join(capsys.readouterr())
    for secret in ("4711123", "5822234"):
        assert secret.encode() not in written
        assert secret not in said
    studies = pd.read_parquet(tmp_path / "out" / "studies")
    assert studies.study_id.str.startswith("natus-").all()
    assert len(studies) == 1

"""A stimulus without a site is told of everywhere and can be assigned, whatever the format."""

from __future__ import annotations

import json

import mne
import numpy as np
import pytest
from pyabf.abfWriter import writeABF1

import ncs_cb
from ncs_cb import cli
from readers.test_overrides import NEGATIVE_UP, RATE, TIME_MS, brainvision, edf, fif, natus

OVERRIDE = 'nerve = "median"\nside = "right"\nmuscle = "apb"\n'


def epochs(folder, texts, sign=1.0):
    events = np.array([[0, 0, 1], [1000, 0, 2]])
    mne.EpochsArray(
        sign * NEGATIVE_UP[:, None] * 1e-3,
        mne.create_info(["R APB"], RATE, "emg"),
        events,
        TIME_MS[0] / 1000,
        {texts[0]: 1, texts[1]: 2},
        verbose="error",
    ).save(folder / "m-epo.fif", verbose="error")
    return "m-epo.fif"


def evoked(folder, texts, sign=1.0):
    info = mne.create_info(["R APB"], RATE, "emg")
    mne.write_evokeds(
        folder / "m-ave.fif",
        [
            mne.EvokedArray(sign * row[None] * 1e-3, info, TIME_MS[0] / 1000, comment=text)
            for row, text in zip(NEGATIVE_UP, texts, strict=True)
        ],
        verbose="error",
    )
    return "m-ave.fif"


def axon(folder, texts, sign=1.0):
    # pyabf writes no fewer samples than neo's header needs.
    rows = np.concatenate([sign * NEGATIVE_UP, np.zeros((2, 1400))], axis=1)
    writeABF1(rows, str(folder / "m.abf"), round(RATE), units="mV")
    said = {"nerve": "median", "side": "right", "muscle": "apb", "polarity": "negative_up"}
    said |= {"events": {"at_ms": [8, 208]}, "sites": {"1": "wrist"}}
    (folder / "m.json").write_text(json.dumps(said))
    return "m.abf"


def viking(folder, texts, sign=1.0):
    return natus(folder, texts, sign)


# How each format is written, and what names its second stimulus.
KINDS = {
    "EDF+D": (edf, "Reiz 2"),
    "BrainVision": (brainvision, "Reiz 2"),
    "FIF": (fif, "Reiz 2"),
    "FIF epochs": (epochs, "Reiz 2"),
    "FIF evoked": (evoked, "Reiz 2"),
    "ABF": (axon, "2"),
    "Natus": (viking, "1.1.2"),
}


def study_with(folder, kind, sites=None):
    make, text = KINDS[kind]
    name = make(folder, ("wrist", "Reiz 2"))
    told = dict(sites or {}) | ({"1.1.1": "wrist"} if kind == "Natus" else {})
    entries = ", ".join(f'"{k}" = "{v}"' for k, v in told.items())
    body = f'[recordings."{name}"]\n{OVERRIDE}' + (f"sites = {{ {entries} }}\n" if told else "")
    (folder / "study.toml").write_text(body, "utf-8")
    return text


def run(capsys, *words):
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    told = capsys.readouterr()
    return int(left.value.code or 0), " ".join(told.out.split()), " ".join(told.err.split())


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_on_the_screen_in_validate_the_report_and_the_provenance(tmp_path, kind, capsys):
    visit = tmp_path / "visit"
    visit.mkdir()
    text = study_with(visit, kind)
    code, _, err = run(capsys, "analyze", visit, "--out", tmp_path / "out", "--format", "html,json")
    assert code == 0
    assert f"unassigned stimulus '{text}'" in err
    code, out, _ = run(capsys, "validate", visit)
    assert code == 1
    assert text in out
    page = (tmp_path / "out" / "visit" / "report.html").read_text("utf-8")
    record = json.loads((tmp_path / "out" / "visit" / "result.json").read_text("utf-8"))
    assert "names no site" in page
    assert text in page
    lost = [d for d in record["provenance"]["decisions"] if d["topic"] == "unassigned stimulus"]
    assert [d["choice"] for d in lost] == [text]
    assert {row["stimulation_site"] for row in record["traces"]} == {"wrist"}
    assert all("unassigned_stimulus" in row["quality_flags"] for row in record["traces"])


@pytest.mark.parametrize("kind", KINDS)
def test_study_toml_assigns_it(tmp_path, kind):
    text = KINDS[kind][1]
    study_with(tmp_path, kind, {text: "Ellenbogen"})
    study = ncs_cb.read_study(tmp_path)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "elbow"]
    assert not study.unassigned
    assert not any("unassigned_stimulus" in t.flags for t in study.traces)

"""``lab.toml``: found near the study, applied where the study says nothing, never outside ROOT."""

from __future__ import annotations

import pytest

from ncs_cb import TableError, read_study
from ncs_cb.cli import main
from ncs_cb.knowledge import lab

SITES = (
    "nerve,side,muscle,stimulation_site,negative_peak_amplitude_mv,supramaximal\n"
    "UM,R,ADM,Handgelenk-Punkt,8.1,\nUM,R,ADM,BE,7.9,no\n"
)
LAB = """
[letterhead]
name = "EMG laboratory, invented"
[defaults]
supramaximal = true
language = "zh"
[words.nerve]
ulnar = ["UM"]
[words.stimulation_site]
wrist = ["Handgelenk-Punkt"]
"""


def visit(folder, text=LAB):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "lab.toml").write_text(text, "utf-8")
    path = folder / "a" / "b" / "sites.csv"
    path.write_text(SITES, "utf-8")
    return path


def test_words_and_defaults_of_the_folder_above_are_used_and_named_in_provenance(tmp_path):
    study = read_study(visit(tmp_path))
    assert [(r.site.nerve, r.site.stimulation_site) for r in study.typed_responses] == [
        ("ulnar", "wrist"),
        ("ulnar", "below_elbow"),
    ]
    attested = [
        (r.stimulus.is_supramaximal, r.stimulus.supramaximal_by) for r in study.typed_responses
    ]
    assert attested == [(True, "lab.toml"), (False, "table")]
    assert study.lab.letterhead["name"] == "EMG laboratory, invented"
    assert [s.name for s in study.sources if s.reader == "lab_toml"] == ["lab.toml"]


def test_nothing_above_the_root_of_a_batch_has_a_say(tmp_path):
    path = visit(tmp_path)
    assert lab.find(path.parent) == tmp_path / "lab.toml"
    assert lab.find(path.parent, root=tmp_path / "a") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[defualts]\n", "Did you mean 'defaults'"),
        ("[words.nerve]\nulnra = ['x']\n", "Did you mean 'ulnar'"),
        ("[words.nerve]\nulnar = ['median']\n", "'median' already means 'median'"),
        ("[words.nerve]\nulnar = ['x']\nmedian = ['x']\n", "'x' names 'ulnar' too"),
        ("[letterhead]\nlogo = '../x.png'\n", "PNG or SVG file beside"),
    ],
)
def test_a_faulty_file_names_the_key(tmp_path, text, message):
    path = tmp_path / "lab.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(TableError, match=message):
        lab.load(path)


def test_the_template_is_a_lab_file_and_changes_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["lab", "--template"])
    path = tmp_path / "lab.toml"
    path.write_text(capsys.readouterr().out, "utf-8")
    found = lab.load(path)
    assert not found.lab.defaults
    assert not found.lab.letterhead


@pytest.mark.parametrize(
    "command", [["criteria", "export", "efns_pns_2010"], ["reference", "export", "aanem_2016"]]
)
def test_an_exported_set_is_the_file_it_is(tmp_path, capsys, command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert not ended.value.code
    from ncs_cb.knowledge import datafile

    assert capsys.readouterr().out == datafile.text(command[0], command[2])


def test_a_table_of_two_patients_is_two_studies_of_a_batch(tmp_path, capsys):
    root = tmp_path / "root"
    root.mkdir()
    text = SITES.replace("nerve", "study_id,nerve", 1).replace("\nUM", "\np1,UM", 1)
    (root / "sites.csv").write_text(text.replace("\nUM", "\np2,UM"), "utf-8")
    (root / "lab.toml").write_text(LAB, "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(root), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert not ended.value.code
    import pandas as pd

    studies = pd.read_parquet(tmp_path / "out" / "studies")
    assert sorted(studies["study_id"]) == ["p1", "p2"]

"""``lab.toml``: found near the study, applied where the study says nothing, never outside ROOT."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from archives import N_SAMPLES, RATE_HZ, STIMULUS_MS, cmap, edf_plus_d
from ncs_cb import StudyError, TableError, read_study
from ncs_cb.cli import main
from ncs_cb.knowledge import criteria, datafile, lab, reference

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
        ("[defaults]\ncriteria = ['efns_pns_2011']\n", "Did you mean 'efns_pns_2010'"),
        ("[defaults]\ncriteria = ['mine.toml']\n", "criteria: 'mine.toml': no such file"),
        ("[defaults]\nreference = 'aanem_2061'\n", "Did you mean 'aanem_2016'"),
        ("[defaults]\nreference = 'sub/ours.toml'\n", "reference: 'sub/ours.toml': no such file"),
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
    studies = pd.read_parquet(tmp_path / "out" / "studies")
    assert sorted(studies["study_id"]) == ["p1", "p2"]


OWN_WORDS = """
[words.nerve]
ulnar = ["UM"]
[words.muscle]
adm = ["KFB"]
[words.stimulation_site]
wrist = ["HG-Punkt 1"]
below_elbow = ["HG-Punkt 2"]
"""


def test_words_of_the_laboratory_are_understood_in_annotations_and_labels_of_edf(tmp_path):
    records = [
        (0.0, "Stimulus right HG-Punkt 1 0.2ms x 12mA at 7cm from recording site", -cmap(3, 8, 6)),
        (10.0, "HG Punkt 2", -cmap(7, 3, 6)),
    ]
    field = "Startdate 02-MAR-2026 X X X MNC R UM Nerve"
    (tmp_path / "u.edf").write_bytes(edf_plus_d("R KFB", records, recording=field))
    with pytest.raises(StudyError):
        read_study(tmp_path / "u.edf")
    (tmp_path / "lab.toml").write_text(OWN_WORDS, "utf-8")
    study = read_study(tmp_path / "u.edf")
    assert [
        (t.site.nerve, t.site.side, t.site.muscle, t.site.stimulation_site) for t in study.traces
    ] == [("ulnar", "right", "adm", "wrist"), ("ulnar", "right", "adm", "below_elbow")]
    assert study.traces[0].stimulus.distance_mm == 70.0
    assert not study.unassigned


def test_what_study_toml_says_of_a_text_wins_over_the_words_of_the_laboratory(tmp_path):
    records = [(0.0, "HG-Punkt 1", -cmap(3, 8, 6)), (10.0, "HG-Punkt 2", -cmap(7, 3, 6))]
    field = "Startdate 02-MAR-2026 X X X MNC R Ulnar Nerve"
    (tmp_path / "u.edf").write_bytes(edf_plus_d("R ADM", records, recording=field))
    (tmp_path / "lab.toml").write_text(OWN_WORDS, "utf-8")
    (tmp_path / "study.toml").write_text(
        '[recordings."u.edf"]\nsites = { "HG-Punkt 2" = "axilla" }\n', "utf-8"
    )
    assert [t.site.stimulation_site for t in read_study(tmp_path).traces] == ["wrist", "axilla"]


def test_words_of_the_laboratory_are_understood_in_files_that_mne_reads(tmp_path):
    import mne

    samples = np.concatenate([cmap(3, 8, 6), cmap(7, 3, 6)]) * 1e-3
    info = mne.create_info(["R ADM"], float(RATE_HZ), "emg")
    raw = mne.io.RawArray(samples[None], info, verbose="error")
    at = [STIMULUS_MS / 1e3, N_SAMPLES / RATE_HZ + STIMULUS_MS / 1e3]
    raw.set_annotations(mne.Annotations(at, 0.0, ["HG-Punkt 1", "HG-Punkt 2"]))
    raw.save(tmp_path / "u_raw.fif", verbose="error")
    (tmp_path / "lab.toml").write_text(OWN_WORDS, "utf-8")
    (tmp_path / "study.toml").write_text(
        '[recordings."u_raw.fif"]\nnerve = "ulnar"\npolarity = "negative_up"\n', "utf-8"
    )
    study = read_study(tmp_path)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("criteria", name) for name in criteria.available()),
        *(("reference", name) for name in reference.available()),
    ],
)
def test_every_set_can_be_exported_edited_and_named_by_its_path(tmp_path, capsys, kind, name):
    with pytest.raises(SystemExit) as ended:
        main([kind, "export", name])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert text == datafile.text(kind, name)
    own = tmp_path / "own.toml"
    own.write_text(text.replace(f'id = "{name}"', 'id = "our_own"', 1), "utf-8")
    sets = {"criteria": criteria, "reference": reference}[kind]
    mine, shipped = sets.load(str(own)), sets.load(name)
    assert (mine.id, mine.revision) == ("our_own", shipped.revision)
    assert mine.sha256 != shipped.sha256
    with pytest.raises(SystemExit) as ended:
        main([kind, "show", str(own)])
    assert not ended.value.code
    assert "our_own" in capsys.readouterr().out


def test_an_edited_set_counts_by_its_path_in_analyze_batch_and_compare(tmp_path, capsys):
    text = datafile.text("criteria", "ean_pns_cidp_2021")
    own = tmp_path / "own.toml"
    text = text.replace('id = "ean_pns_cidp_2021"', 'id = "our_own"', 1)
    own.write_text(text, "utf-8")
    root = tmp_path / "root"
    for visit in ("v1", "v2"):
        (root / visit).mkdir(parents=True)
        (root / visit / "sites.csv").write_text(PLAIN, "utf-8")
        (root / visit / "study.toml").write_text(f'[study]\nid = "{visit}"\n', "utf-8")
    visits = [str(root / "v1"), str(root / "v2")]
    for command, inputs in (
        ("analyze", visits),
        ("batch", [str(root), "--workers", "1"]),
        ("compare", visits),
    ):
        out = str(tmp_path / command)
        with pytest.raises(SystemExit) as ended:
            main([command, *inputs, "--criteria", str(own), "--out", out])
        assert not ended.value.code, capsys.readouterr().err
    verdicts = pd.concat(
        [
            pd.read_csv(tmp_path / "analyze" / "v1" / "verdicts.csv"),
            pd.read_parquet(tmp_path / "batch" / "verdicts"),
            pd.read_csv(tmp_path / "compare" / "changes.csv"),
        ]
    )
    assert set(verdicts.criteria) == {"our_own"}


PLAIN = (
    "nerve,side,muscle,stimulation_site,negative_peak_amplitude_mv,supramaximal\n"
    "ulnar,R,ADM,wrist,8.1,yes\nulnar,R,ADM,below elbow,2.9,yes\n"
)

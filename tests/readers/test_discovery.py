"""What is a study and a recording in a folder: one answer for every command."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from ncs_cb import StudyError, read_study
from ncs_cb.cli import main
from ncs_cb.readers import files_below, find_studies, is_recording, problems
from readers.handmade import median_mnc
from readers.studies import arm

SITES = (
    "nerve,side,muscle,stimulation_site,onset_latency_ms,negative_peak_amplitude_mv\n"
    "ulnar,right,adm,wrist,2.8,9.1\nulnar,right,adm,below_elbow,6.4,8.8\n"
)


@pytest.fixture
def archive(tmp_path):
    """Three visits: an EDF by its suffix, one without a suffix, one by an old suffix."""
    root = tmp_path / "archive"
    for visit, name, patient in (("v1", "u.edf", "A"), ("v2", "REC001", "B"), ("v3", "u.rec", "C")):
        median_mnc(patient=f"{patient} X X X").write(root / visit / name)
    return root


def test_a_recording_without_its_suffix_makes_a_study_as_any_other(archive):
    assert [study.name for study in find_studies(archive)] == ["v1", "v2", "v3"]
    assert is_recording(archive / "v2" / "REC001")
    assert is_recording(archive / "v3" / "u.rec")


def test_batch_finds_what_analyze_and_validate_find(archive, run, tmp_path):
    status, _, err = run("batch", archive, "--out", tmp_path / "out", "--workers", 1)
    assert status == 0
    assert "3 studies: 3 analyzed now" in err
    for visit in ("v1", "v2", "v3"):
        assert run("validate", archive / visit)[0] == 0


def test_several_recordings_in_the_root_are_studies_of_their_own_in_a_batch(archive):
    for visit, name in (("v1", "u.edf"), ("v2", "REC001"), ("v3", "u.rec")):
        shutil.move(archive / visit / name, archive / f"{visit}-{name}")
    found = find_studies(archive)
    assert [study.path.name for study in found] == ["v1-u.edf", "v2-REC001", "v3-u.rec"]


def test_recordings_of_different_days_in_one_folder_are_no_single_visit(tmp_path):
    for name, day in (("a.edf", "02-MAR-2024"), ("b.edf", "09-MAY-2025"), ("c.edf", "01-JUN-2026")):
        recording = f"Startdate {day} X X X MNC_R_Median_Nerve"
        median_mnc(recording=recording).write(tmp_path / "p1" / name)
    with pytest.raises(StudyError, match="made on 3 days, 2024-03-02 to 2026-06-01: not one visit"):
        read_study(tmp_path / "p1")
    assert len(find_studies(tmp_path / "p1")) == 3
    (tmp_path / "p1" / "study.toml").write_text("[study]\nvisit_date = 2026-06-01\n")
    assert len(read_study(tmp_path / "p1").traces) == 6


def test_folders_that_hold_copies_of_one_recording_are_named_too(tmp_path, run):
    for visit, name in (("v1", "u.edf"), ("v2", "REC001"), ("v3", "u.rec")):
        median_mnc().write(tmp_path / visit / name)
    _, out, _ = run("validate", tmp_path)
    assert "taken for one visit: 3 folders hold its recordings (v1, v2, v3)" in out
    _, _, err = run("analyze", tmp_path, "--out", tmp_path / "out")
    assert "'ncs-cb batch' takes each for a study of its own" in err


def test_folders_taken_for_one_visit_are_named(archive, run):
    for visit in ("v2", "v3"):
        shutil.rmtree(archive / visit)
    (archive / "table").mkdir()
    (archive / "table" / "sites.csv").write_text(SITES)
    status, out, _ = run("validate", archive)
    assert status == 0
    assert "taken for one visit: 2 folders hold its recordings (table, v1)" in out
    (archive / "study.toml").write_text("")
    assert "taken for one visit" not in run("validate", archive)[1]


def test_folders_that_are_studies_of_their_own_are_not_made_one(archive, run, tmp_path):
    for visit in ("v1", "v3"):
        (archive / visit / "study.toml").write_text("[person]\nage_years = 50\n")
    with pytest.raises(StudyError, match=r"2 of its folders have a study\.toml.*v1, v3"):
        read_study(archive)
    status, _, err = run("analyze", archive, "--out", tmp_path / "out")
    assert status == 1
    assert "Give each of these folders, or run 'ncs-cb batch'" in err
    status, out, _ = run("validate", archive)
    assert status == 0
    assert [f"study '{v}'" in out for v in ("v1", "v2", "v3")] == [True] * 3


def test_a_study_below_another_is_not_read_into_it(archive):
    (archive / "study.toml").write_text("")
    (archive / "v2" / "study.toml").write_text("")
    study = read_study(archive)
    assert {d.source for d in study.decisions if "study of its own" in d.reason} >= {"REC001"}
    assert "REC001" not in {trace.recording for trace in study.traces}


@pytest.mark.parametrize("name", ["Study.toml", "STUDY.TOML", "study.toml.txt"])
def test_a_study_toml_by_a_name_meant_for_it_is_read_and_told(archive, run, tmp_path, name):
    (archive / "v1" / name).write_text("[person]\nage_years = 50\n")
    status, out, _ = run("validate", archive / "v1")
    assert status == 0
    assert f"{name}: warning: it is read as the study.toml; rename it" in out
    assert read_study(archive / "v1").details.age_years == 50
    assert read_study(archive / "v1" / "u.edf").details.age_years == 50
    _, _, err = run("analyze", archive / "v1", "--out", tmp_path / "out")
    assert f"{name}: warning: it is read as the study.toml" in err
    (archive / "v1" / name).write_text("[persn]\n")
    assert run("validate", archive / "v1")[0] == run("validate", archive / "v1" / name)[0] == 1


def test_of_two_study_files_the_one_left_out_is_told(archive, run):
    (archive / "v1" / "study.toml").write_text("[person]\nage_years = 50\n")
    (archive / "v1" / "study.toml.txt").write_text("[person]\nage_years = 60\n")
    status, out, _ = run("validate", archive / "v1")
    assert status == 1
    assert "study.toml.txt: warning: it is not read: study.toml is read in its place" in out
    assert read_study(archive / "v1").details.age_years == 50


@pytest.mark.parametrize(
    "name",
    [
        "u (Anna's conflicted copy 2026-03-02).edf",
        "u.sync-conflict-20260302-101112-ABCDEFG.edf",
        "u (In Konflikt stehende Kopie von PC 2026-03-02).edf",
    ],
)
def test_a_copy_that_synchronizing_left_is_no_recording_and_is_named(archive, run, name):
    median_mnc(recording="Startdate X X X X MNC_L_Median_Nerve").write(archive / "v1" / name)
    assert len(read_study(archive / "v1").traces) == 2
    status, out, _ = run("validate", archive / "v1")
    assert status == 1
    assert "it is not read: a copy that a program left which synchronizes folders" in out
    assert name not in {path.name for path in files_below(archive)}


@pytest.mark.parametrize(
    "name", [".u.edf", "._u.edf", "~$sites.csv", "__MACOSX/u.edf", "@eaDir/u.edf"]
)
def test_hidden_files_and_what_systems_leave_are_no_recordings(archive, name):
    median_mnc().write(archive / name)
    median_mnc().write(archive / "v1" / name)
    assert [study.name for study in find_studies(archive)] == ["v1", "v2", "v3"]
    assert len(read_study(archive / "v1").traces) == 2
    assert {path.name for path in files_below(archive)} == {"u.edf", "REC001", "u.rec"}


def test_anonymize_copies_every_edf_and_bdf_that_the_other_commands_read(archive, run, tmp_path):
    median_mnc().write(archive / "v1" / "._u.edf")
    (archive / "v1" / "sites.csv").write_text(SITES)
    bdf = bytearray((archive / "v1" / "u.edf").read_bytes())
    bdf[:8] = b"\xffBIOSEMI"
    (archive / "v1" / "broken.bdf").write_bytes(bdf)
    status, _, err = run("anonymize", archive, tmp_path / "copy")
    names = sorted(p.name for p in (tmp_path / "copy").rglob("*") if p.is_file())
    assert {"u.edf", "REC001", "u.rec"} <= set(names)
    assert "._u.edf" not in names
    assert "1 of them recordings of other formats" in err
    assert ("broken.bdf" in names) or (status == 1 and "broken.bdf" in err)


# ------------------------------------------------------------------------- every fault


@pytest.fixture
def faulty(tmp_path):
    folder = tmp_path / "visit"
    median_mnc().write(folder / "good.edf")
    (folder / "cut.edf").write_bytes((folder / "good.edf").read_bytes()[:700])
    (folder / "empty.edf").write_bytes(b"")
    (folder / "sites.csv").write_text(SITES.replace("below_elbow", "elbwo"))
    (folder / "study.toml").write_text('[recordings."god.edf"]\nside = "left"\n')
    return folder


def test_every_faulty_file_of_a_folder_is_named(faulty, run):
    status, out, err = run("validate", faulty)
    assert status == 1
    for name in ("cut.edf", "empty.edf", "elbwo", "god.edf"):
        assert name in err
    assert "good.edf: " not in err
    assert "problems; the study cannot be read" in err
    assert "good; study" not in out


def test_a_table_that_no_reader_claims_is_named_beside_the_other_faults(tmp_path, run):
    folder = tmp_path / "visit"
    median_mnc().write(folder / "good.edf")
    (folder / "cut.edf").write_bytes(b"0       ")
    (folder / "headings.csv").write_text("side,muscle\nleft,adm\n")
    status, _, err = run("validate", folder)
    assert status == 1
    assert err.count("headings.csv: no reader claims it") == 1
    assert "2 problems; the study cannot be read" in err


def test_faulty_files_are_named_once_each_for_every_input(faulty, run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "empty.bdf").write_bytes(b"")
    status, _, err = run("validate", faulty, other)
    assert status == 1
    assert err.count("cut.edf: ") == err.count("empty.bdf: ") == 1


def test_a_good_study_has_no_problems(archive):
    assert problems(archive / "v1") == []


def test_a_table_that_nobody_understands_is_told_of_in_a_folder(archive, run):
    (archive / "v1" / "export.csv").write_text("a;b\nx;y\n")
    status, out, _ = run("validate", archive / "v1")
    assert status == 1
    assert "export.csv: warning: no reader claims it: it is not read" in out


def test_our_own_output_in_a_study_is_passed_over_whatever_it_was_written_as(tmp_path, run):
    visits = [tmp_path / "v1", tmp_path / "v2"]
    for visit in visits:
        visit.mkdir()
        (visit / "sites.csv").write_text(SITES)
        told = "[[strength]]\nmovement = 'grip'\nside = 'right'\nmrc = 4\n"
        (visit / "study.toml").write_text(told)
    formats = ("--format", "html,csv,json,txt")
    # Into the folder of the study, into the study itself, and as csv alone.
    assert run("analyze", visits[0], "--out", visits[0], *formats)[0] == 0
    assert run("analyze", visits[0], "--out", tmp_path, "--format", "csv")[0] == 0
    assert run("compare", *visits, "--out", visits[0], *formats)[0] == 0
    assert {"traces.csv", "checks.csv", "timeline.csv", "strength.csv"} <= {
        path.name for path in visits[0].iterdir()
    }
    status, out, _ = run("validate", visits[0])
    assert status == 0
    assert "warning" not in out
    assert "good; study 'v1'" in out
    # The same name elsewhere is somebody's own table.
    (visits[1] / "segments.csv").write_text("a;b\nx;y\n")
    status, out, _ = run("validate", visits[1])
    assert status == 1
    assert "segments.csv: warning: no reader claims it" in out


def test_a_stimulus_that_names_no_site_is_exit_status_1(tmp_path, run):
    from readers.handmade import WRIST, tal

    recording = median_mnc(tals=[tal("+0", "", WRIST), tal("+10", "", "Reiz 2")])
    recording.write(tmp_path / "v" / "u.edf")
    status, out, _ = run("validate", tmp_path / "v")
    assert status == 1
    assert "unassigned stimulus 'Reiz 2'" in out


# ------------------------------------------------------------------------- sidecars


def sweep_csv(header: str, *, step: float, decimal=".", sep=",") -> str:
    trace = arm().traces[0].samples_mv
    rows = [header]
    for i in range(0, len(trace), 2):
        cells = [
            f"{(i // 2) * step:.6f}",
            *(f"{trace[i] * (1 - k / 9):.5f}" for k in range(header.count(sep))),
        ]
        rows.append(sep.join(cells).replace(".", decimal))
    return "\n".join(rows) + "\n"


def test_a_sidecar_is_guessed_and_what_is_not_said_is_left_to_fill_in(tmp_path, run):
    path = tmp_path / "Ulnaris rechts.csv"
    path.write_text(sweep_csv("Zeit [s];Handgelenk [mV];S2 [mV]", step=1e-4, decimal=",", sep=";"))
    status, out, err = run("validate", "--sidecar", path)
    assert status == 0
    guessed = json.loads(out)
    assert (guessed["nerve"], guessed["side"], guessed["unit"]) == ("ulnar", "right", "mV")
    assert guessed["muscle"].startswith("FILL IN: muscle, one of")
    first, second = guessed["traces"].values()
    assert (first["site"], first["distance_mm"], first["supramaximal"]) == ("wrist", None, None)
    assert second["site"].startswith("FILL IN: stimulation site, one of palm, wrist, ")
    assert "parted by ';', decimal comma" in err
    assert "times in s (column 'Zeit [s]'), 0.1 ms apart" in err
    assert "2 values to fill in" in err
    path.with_suffix(".json").write_text(out)
    with pytest.raises(StudyError, match="muscle: is still to be filled in"):
        read_study(path)
    guessed["muscle"] = "adm"
    guessed["traces"]["S2 [mV]"]["site"] = "below_elbow"
    path.with_suffix(".json").write_text(json.dumps(guessed))
    study = read_study(path)
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]
    assert study.traces[0].sampling_rate_hz == 10_000


def test_a_sidecar_is_guessed_below_lines_of_a_title(tmp_path, run):
    rows = "\n".join(f"{i / 20 - 5:.2f},{i % 7},{i % 5}" for i in range(1100))
    path = tmp_path / "u.csv"
    path.write_text(f"Export of a machine\n\ntime_ms,wrist,elbow\n{rows}\n", "utf-8")
    code, out, _ = run("validate", "--sidecar", path)
    assert code == 0
    assert '"site": "elbow"' in out


def test_a_unit_that_the_header_does_not_state_is_never_guessed(tmp_path, run):
    path = tmp_path / "p014.csv"
    path.write_text(sweep_csv("time,wrist,elbow", step=0.1))
    _, out, err = run("validate", "--sidecar", path)
    guessed = json.loads(out)
    for key in ("nerve", "side", "muscle", "unit"):
        assert guessed[key].startswith("FILL IN")
    assert "states no time with its unit" in err
    assert "rename it to time_ms" in err


def test_a_sidecar_is_not_guessed_from_what_is_no_table(tmp_path, run):
    path = tmp_path / "note.csv"
    path.write_text("hello\n")
    status, out, err = run("validate", "--sidecar", path)
    assert (status, out) == (1, "")
    assert "ncs-cb formats sweep_table" in err


def test_a_missing_sidecar_says_how_to_get_one(tmp_path, run):
    path = tmp_path / "u.csv"
    path.write_text(sweep_csv("time_ms,wrist", step=0.1))
    _, _, err = run("validate", path)
    assert "validate FILE --sidecar" in err
    assert "ncs-cb formats sweep_table" in err


def test_every_format_says_what_it_needs(run):
    from ncs_cb.readers import READERS

    for reader in READERS:
        status, out, _ = run("formats", reader.name)
        assert status == 0
        assert reader.needs.strip().splitlines()[-1] in out
    status, _, err = run("formats", "sweeptable")
    assert status == 2
    assert "Did you mean 'sweep_table'" in err


def test_a_table_that_no_layout_fits_is_a_failure_that_says_how_to_read_it(tmp_path, capsys):
    root = tmp_path / "root"
    (root / "p1").mkdir(parents=True)
    table = "who,what,how much\na,b,1\n"
    for name in ("sheet.csv", "p1/sheet.tsv"):
        (root / name).write_text(table.replace(",", "\t") if name[-3:] == "tsv" else table)
    (root / "README.csv").write_text(table)
    (root / "notes.txt").write_text("nothing of a study")
    with pytest.raises(SystemExit):
        main(["batch", str(root), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert "2 failed" in capsys.readouterr().err
    with (tmp_path / "out" / "failures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["p1", "sheet.csv"]
    assert all("no known layout fits" in row["message"] for row in rows)
    assert all("--layout" in row["hint"] for row in rows)

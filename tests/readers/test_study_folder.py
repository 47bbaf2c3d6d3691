"""One file or one folder is one visit: what belongs to it, what does not, who is in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

import ncs_cb
from ncs_cb import ReadError, StudyError, UnknownFormatError, plugins, read_study
from ncs_cb.readers import READERS, Reader, find_studies
from ncs_cb.readers._shared import claims
from ncs_cb.readers.sweep_table import write_sweep_table
from readers.handmade import ELBOW, WRIST, median_mnc, tal
from readers.studies import arm

SITES = "nerve,side,muscle,stimulation_site,onset_latency_ms\nulnar,right,adm,wrist,2.8\n"


def decisions(study, topic):
    return {d.source: d.reason for d in study.decisions if d.topic == topic}


@pytest.fixture
def visit(tmp_path):
    folder = tmp_path / "visit-2026-03-02"
    median_mnc().write(folder / "median.edf")
    write_sweep_table(arm(), folder / "tables")
    (folder / "sites.csv").write_text(SITES)
    return folder


def test_all_recordings_below_the_folder_are_one_visit(visit):
    study = read_study(visit)
    assert study.study_id == "visit-2026-03-02"
    assert [t.recording for t in study.traces] == ["median.edf"] * 2 + ["median_right_apb.csv"] * 3
    assert len(study.typed_responses) == 1


def test_sources_carry_name_hash_and_reader(visit):
    study = read_study(visit)
    found = {s.name: (s.sha256, s.reader) for s in study.sources}
    expected = hashlib.sha256((visit / "median.edf").read_bytes()).hexdigest()
    assert found["median.edf"] == (expected, "edf")
    assert found["median_right_apb.json"][1] == "sweep_table companion"
    assert not any("/" in name for name in found)


def test_study_toml_gives_id_details_and_overrides(visit):
    (visit / "study.toml").write_text(
        '[study]\nid = "p014"\nvisit_date = 2026-03-02\n[person]\nage_years = 44\n'
        '[recordings."median.edf"]\nnerve = "N. ulnaris"\nmuscle = "hypothenar"\n'
        'polarity = "negative_up"\nsupramaximal = true\n[[sensory]]\nnerve = "uln"\nside = "left"\n'
    )
    study = read_study(visit)
    assert study.study_id == "p014"
    assert (study.details.age_years, study.details.visit_date) == (44.0, date(2026, 3, 2))
    assert study.details.sensory[0].nerve == "ulnar"
    first = study.traces[0]
    assert (first.site.nerve, first.site.muscle) == ("ulnar", "adm")
    assert first.stimulus.is_supramaximal is True
    assert first.samples_mv.min() < -7
    assert study.traces[2].stimulus.is_supramaximal is True  # from the sidecar
    assert study.sources[0].name == "study.toml"


def test_an_override_for_no_recording_is_an_error_with_the_nearest_name(visit):
    (visit / "study.toml").write_text('[recordings."medain.edf"]\nside = "left"\n')
    with pytest.raises(StudyError, match=r"no such recording.*Did you mean 'median\.edf'"):
        read_study(visit)


def test_details_may_come_from_elsewhere(visit, tmp_path):
    other = tmp_path / "elsewhere.toml"
    other.write_text('[study]\nid = "else"\n')
    assert read_study(visit, details=other).study_id == "else"
    assert read_study(visit / "median.edf", details=other).study_id == "else"


def test_a_study_toml_beside_a_lone_file_applies_to_it(visit):
    (visit / "study.toml").write_text('[person]\nsex = "male"\n[recordings."other.edf"]\n')
    study = read_study(visit / "median.edf")
    assert study.details.sex == "male"
    assert study.study_id == "median"


def test_a_folder_with_typed_in_values_only_is_a_study(tmp_path):
    (tmp_path / "study.toml").write_text('[[sensory]]\nnerve = "ulnar"\nside = "right"\n')
    study = read_study(tmp_path)
    assert len(study.details.sensory) == 1
    assert not study.traces


def test_an_empty_folder_is_a_study_error(tmp_path):
    with pytest.raises(StudyError, match="no recording found"):
        read_study(tmp_path)


def test_unclaimed_files_are_listed_and_readmes_hidden_files_and_outputs_are_not(visit):
    for name in ("README", "README.md", "LICENSE.txt", ".hidden.edf", "report.html", "report.pdf"):
        (visit / name).write_text("x")
    (visit / ".git").mkdir()
    median_mnc().write(visit / ".git" / "old.edf")
    (visit / "letter.pdf").write_text("x")
    (visit / "notes.txt").write_text("x")
    study = read_study(visit)
    assert decisions(study, "choice") == {
        "letter.pdf": "no reader claims this file",
        "notes.txt": "no reader claims this file",
    }
    assert len(study.traces) == 5


def test_our_own_results_beside_the_recordings_do_not_count_twice(visit):
    out = visit / "out"
    out.mkdir()
    (out / "result.json").write_text('{"schema": "ncs_cb/result/1", "study": {}, "traces": []}')
    (out / "traces.csv").write_text(
        "study_id,recording,nerve,side,muscle,kind,stimulation_site\nx,y,ulnar,right,adm,motor,wrist\n"
    )
    study = read_study(visit)
    assert len(study.typed_responses) == 1
    assert set(decisions(study, "choice")) == {"result.json", "traces.csv"}


def test_a_copy_of_a_recording_is_read_once(visit):
    shutil.copy(visit / "median.edf", visit / "median copy.edf")
    study = read_study(visit)
    assert len(study.traces) == 5
    assert "a copy of" in str(decisions(study, "choice"))


def test_two_files_of_one_name_are_told_apart_by_their_path(visit):
    other = median_mnc(tals=[tal("+0", "", WRIST), tal("+20", "", ELBOW)])
    other.write(visit / "repeat" / "median.edf")
    names = {t.recording for t in read_study(visit).traces}
    assert {"median.edf", "repeat/median.edf"} <= names


def test_an_empty_recording_in_a_folder_is_a_read_error(visit):
    (visit / "lost.csv").write_text("")
    with pytest.raises(ReadError, match=r"lost\.csv: the file is empty"):
        read_study(visit)


def test_an_error_names_the_file_as_the_user_named_it(visit):
    (visit / "median.edf").write_bytes(b"0       ")
    with pytest.raises(ReadError) as caught:
        read_study(visit)
    assert str(caught.value).startswith("median.edf: truncated")


@pytest.mark.parametrize("name", ["nothing.edf", "folder/none"])
def test_a_missing_input_is_a_read_error(tmp_path, name):
    with pytest.raises(ReadError, match=r"(?i)no such file"):
        read_study(tmp_path / name)


def test_an_unknown_format_says_what_is_known(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(UnknownFormatError, match=r"\.csv.*\.edf"):
        read_study(path)


def test_edf_without_its_suffix_is_recognized_by_its_first_bytes(visit):
    (visit / "median.edf").rename(visit / "EXPORT001")
    assert read_study(visit).traces[0].recording == "EXPORT001"


# ------------------------------------------------------------------ links and odd files


def test_a_link_out_of_the_folder_is_refused(visit, tmp_path):
    outside = median_mnc().write(tmp_path / "outside.edf")
    (visit / "linked.edf").symlink_to(outside)
    with pytest.raises(ReadError, match=r"linked\.edf: the link leaves"):
        read_study(visit)


def test_a_linked_folder_outside_is_refused(visit, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (visit / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReadError, match="the link leaves"):
        read_study(visit)


def test_links_inside_the_folder_are_not_read_twice_nor_followed_round(visit):
    (visit / "again.edf").symlink_to(visit / "median.edf")
    (visit / "tables" / "up").symlink_to(visit)
    study = read_study(visit)
    assert len(study.traces) == 5
    assert set(decisions(study, "choice")) == {"again.edf", "up"}


def test_a_pipe_is_not_read(visit):
    os.mkfifo(visit / "pipe.edf")
    assert decisions(read_study(visit), "choice") == {"pipe.edf": "not a regular file"}
    with pytest.raises(ReadError, match="neither a file nor a folder"):
        read_study(visit / "pipe.edf")


def test_a_file_that_may_not_be_read_is_a_read_error(visit, monkeypatch):
    really_open = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith(".edf"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(ReadError, match=r"median\.edf: cannot be read: Permission denied"):
        read_study(visit)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.edf"
    with path.open("wb") as file:
        file.truncate(600 * 2**20)
    with pytest.raises(ReadError, match="at most 512 MiB"):
        read_study(path)


# ------------------------------------------------------------------ find_studies


def test_every_folder_with_recordings_is_a_study_and_so_is_a_lone_recording(tmp_path):
    for name in ("p1", "p2/deep", "p2"):
        median_mnc().write(tmp_path / name / "m.edf")
    median_mnc().write(tmp_path / "alone.edf")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    median_mnc().write(tmp_path / ".cache" / "m.edf")
    found = find_studies(tmp_path)
    assert [s.path.relative_to(tmp_path).as_posix() for s in found] == [
        "alone.edf",
        "p1",
        "p2",
        "p2/deep",
    ]
    assert [len(read_study(s).traces) for s in found] == [2, 2, 2, 2]
    assert found[0].name == "alone"


def test_a_folder_with_study_toml_takes_in_its_subfolders(tmp_path):
    for name in ("p1/left", "p1/right", "p1/second"):
        median_mnc(start_time=f"1{len(name)}.00.00").write(tmp_path / name / "m.edf")
    (tmp_path / "p1" / "study.toml").write_text("")
    (tmp_path / "p1" / "second" / "study.toml").write_text('[study]\nid = "p1-2"\n')
    found = find_studies(tmp_path)
    assert [s.path.relative_to(tmp_path).as_posix() for s in found] == ["p1", "p1/second"]
    first, second = map(read_study, found)
    assert (first.study_id, second.study_id) == ("p1", "p1-2")
    assert {t.recording for t in first.traces} == {"left/m.edf", "right/m.edf"}


def test_a_root_with_study_toml_is_one_study(visit):
    (visit / "study.toml").write_text("")
    assert [s.path for s in find_studies(visit)] == [visit]


def test_the_files_of_a_study_are_all_that_its_reading_depends_on(tmp_path):
    write_sweep_table(arm(), tmp_path)
    (found,) = find_studies(tmp_path)
    assert [f.suffix for f in found.files] == [".csv", ".json"]


def test_a_missing_root_is_a_read_error(tmp_path):
    with pytest.raises(ReadError):
        find_studies(tmp_path / "nothing")


# ------------------------------------------------------------------ privacy


IDENTITY = {
    "patient": "TEST-0001 F 15-APR-1950 Fictional_Person",
    "recording": "Startdate 02-MAR-2002 ADM-77 Tech_Nician Box MNC R Median Nerve",
}
SECRETS = ["TEST-0001", "1950", "Fictional", "ADM-77", "Tech", "Nician", "Box", "Anna", "Mueller"]


def identified(folder, name="m.edf", **changes):
    edf = median_mnc(
        **{**IDENTITY, **changes},
        annotation_samples=120,
        tals=[tal("+0", "", WRIST, "Anna Mueller"), tal("+10", "", ELBOW)],
    )
    return edf.write(folder / name)


def test_names_codes_and_birth_dates_are_dropped_after_the_age_was_worked_out(tmp_path):
    study = read_study(identified(tmp_path))
    assert study.details.age_years == 51.0  # a month before the birthday
    assert study.details.sex == "female"
    text = str(asdict(study))
    assert not [s for s in SECRETS if s in text]
    assert study.notes == ()
    assert "1 free annotations were not kept" in decisions(study, "notes")["m.edf"]


def test_identity_is_kept_only_when_asked_for(tmp_path):
    notes = read_study(identified(tmp_path), keep_identity=True).notes
    assert any("Fictional_Person" in note for note in notes)
    assert "Anna Mueller" in notes


def test_no_message_carries_what_a_header_or_note_says(tmp_path):
    for i, change in enumerate(
        [
            {"label": "Anna Mueller"},
            {"dimension": ""},
            {"overrides": {"n_records": 5}},
            {"recording": "Startdate X Anna Mueller Box", "label": "R D1"},
        ]
    ):
        path = identified(tmp_path, f"{i}.edf", **change)
        with pytest.raises(ncs_cb.NcsError) as caught:
            read_study(path)
        assert not [s for s in SECRETS if s in str(caught.value)]


def test_study_toml_wins_over_what_the_header_says_of_the_person(tmp_path):
    identified(tmp_path)
    (tmp_path / "study.toml").write_text("[person]\nage_years = 40\n")
    details = read_study(tmp_path).details
    assert (details.age_years, details.sex) == (40.0, "female")


def test_two_persons_in_one_folder_are_refused_without_naming_them(tmp_path):
    identified(tmp_path, "a.edf")
    identified(tmp_path, "b.edf", patient="X M 01-JAN-1960 Other")
    with pytest.raises(StudyError, match="different birth dates") as caught:
        read_study(tmp_path)
    assert "Other" not in str(caught.value)


# ------------------------------------------------------------------ the readers themselves


def test_every_reader_is_found_and_described():
    assert [r.name for r in READERS] == [
        "edf",
        "mapped_table",
        "natus_text",
        "record",
        "site_table",
        "sweep_table",
        "via_mne",
        "via_neo",
    ]
    for reader in READERS:
        assert isinstance(reader, Reader)
        assert reader.label
        assert all(s == s.lower() and s.startswith(".") for s in reader.suffixes)


def test_listing_the_readers_loads_no_numerical_library():
    code = (
        "import sys, ncs_cb.readers as r; list(r.READERS);"
        "print([m for m in ('numpy', 'pandas', 'mne', 'edfio') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_file_that_two_readers_claim_is_refused(visit, monkeypatch):
    twin = Reader("twin", (".edf",), lambda source: True, READERS[0].read)
    monkeypatch.setattr(claims, "by_suffix", lambda _: {".edf": [READERS[0], twin]})
    with pytest.raises(ReadError, match="claimed by edf and twin"):
        read_study(visit / "median.edf")


def test_a_reader_of_another_distribution_is_found(monkeypatch):
    from ncs_cb import readers

    class Point:
        name = "other"

        @staticmethod
        def load():
            return Reader("other", (".xyz",), lambda source: False, READERS[0].read)

    readers.available.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: [Point])
    try:
        assert readers.available()[-1].name == "other"
    finally:
        readers.available.cache_clear()


def failing(*_):
    raise RuntimeError("no such luck")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda: 5, "'broken' of another package .*: it is no Reader"),
        (failing, "cannot be loaded .RuntimeError: no such luck"),
        (lambda: Reader("edf", (".edf",), failing, failing), "the name 'edf' is taken"),
        (lambda: Reader("broken", (".edf",), failing, failing), "'broken' .* it failed"),
    ],
    ids=["no reader", "cannot be loaded", "taken name", "fails at a look"],
)
def test_a_broken_reader_of_another_package_disables_only_itself(visit, monkeypatch, load, message):
    from ncs_cb import readers

    point = SimpleNamespace(name="broken", load=load)
    readers.available.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    try:
        with pytest.warns(plugins.PluginWarning, match=message):
            study = read_study(visit / "median.edf")
        assert study.traces
    finally:
        readers.available.cache_clear()


def test_reading_is_deterministic_and_leaves_the_files_alone(visit):
    before = {p: p.read_bytes() for p in visit.rglob("*") if p.is_file()}
    one, other = read_study(visit), read_study(visit)
    assert one.decisions == other.decisions
    assert one.sources == other.sources
    for a, b in zip(one.traces, other.traces, strict=True):
        np.testing.assert_array_equal(a.samples_mv, b.samples_mv)
        assert a.site == b.site
    assert before == {p: p.read_bytes() for p in visit.rglob("*") if p.is_file()}


def test_samples_stay_within_the_declared_range_and_are_read_only(visit):
    for trace in read_study(visit).traces[:2]:
        low, high = trace.range_mv
        assert low <= trace.samples_mv.min() <= trace.samples_mv.max() <= high
        with pytest.raises(ValueError, match="read-only"):
            trace.samples_mv[0] = 1


# ------------------------------------------------------------------ our own records


def record(**changes):
    row = {
        "study_id": "p9",
        "recording": "a.edf",
        "nerve": "ulnar",
        "side": "right",
        "muscle": "adm",
        "kind": "motor",
        "stimulation_site": "wrist",
        "distance_mm": 70.0,
        "onset_latency_ms": 2.8,
        "negative_peak_amplitude_mv": None,
        "quality_flags": "",
    }
    made = {
        "schema": "ncs_cb/result/1",
        "study": {
            "study_id": "p9",
            "details": {"age_years": 44.0, "visit_date": "2026-03-02", "sex": None},
        },
        "traces": [row, {**row, "quality_flags": "not_used"}],
    }
    made.update(changes)
    return json.dumps(made, indent=1)


def test_a_result_is_read_back_as_numbers(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(record())
    study = read_study(path)
    assert study.study_id == "p9"
    assert study.details.age_years == 44.0
    assert study.details.visit_date == date(2026, 3, 2)
    (row,) = study.typed_responses
    assert dict(row.values) == {"onset_latency_ms": 2.8}
    assert (row.site.stimulation_site, row.stimulus.distance_mm) == ("wrist", 70.0)


@pytest.mark.parametrize(
    "text",
    [
        record(schema="ncs_cb/result/9"),
        record(traces={}),
        record(study=None),
        record(traces=[1]),
        record(traces=[{"nerve": "x"}]),
        record()[:200],
        record(study={"details": {"age_years": "old"}}),
        record(study={"details": {"agee": 1}}),
    ],
)
def test_a_damaged_or_newer_record_is_refused(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ncs_cb.NcsError):
        read_study(path)


def test_symptoms_that_begin_after_the_day_a_recording_was_made_are_refused(visit):
    assert read_study(visit).details.visit_date is not None
    (visit / "study.toml").write_text("[study]\nsymptom_onset_date = 2199-01-01\n")
    with pytest.raises(StudyError, match="2199-01-01 lies after the day of the visit") as caught:
        read_study(visit)
    assert "visit_date, which wins over the clock" in str(caught.value)

"""Inputs at which the fuzzer of benchmarks/ once found a fault, made again in small."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import ncs_cb
from ncs_cb import NcsError, ReadError, StudyError, review
from ncs_cb.readers.mapped_table import header
from readers.test_mapped_table import LONG_LAYOUT, NATUS
from review_visits import ulnar_visit

FUZZER = Path(__file__).parents[1] / "benchmarks" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("record")
    result = ncs_cb.analyze(ncs_cb.read_study(ulnar_visit(folder / "visit")))
    (path,) = ncs_cb.write_report(result, folder / "out", formats=["json"])
    return path.read_text("utf-8")


@pytest.mark.parametrize("value", [[], 7, "text", [[1]], {"": {}}, True])
@pytest.mark.parametrize("key", ["study", "provenance", "traces", "verdicts", "sets", "responses"])
def test_a_record_whose_parts_are_of_another_kind_is_damaged(record, tmp_path, key, value):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(record) | {key: value}))
    with contextlib.suppress(NcsError):
        assert len(ncs_cb.load_result(path).study.study_id) > 0


def test_half_a_letter_in_the_schema_of_a_record_can_be_said(record, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(record) | {"schema": "\ud83d"}))
    with pytest.raises(ReadError) as told:
        ncs_cb.load_result(path)
    assert str(told.value).encode("utf-8")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_a_damaged_line(tmp_path, text):
    visit = ulnar_visit(tmp_path / "visit")
    about = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    review.append(visit, who="mt", action="exclude", trace=about, why="a test")
    log = visit / "review.jsonl"
    event = json.loads(log.read_text())
    log.write_text(json.dumps(event | {"at": "when"}).replace('"when"', text) + "\n")
    with pytest.raises(StudyError, match=r"line 1: is damaged"):
        ncs_cb.read_study(visit)


def test_a_truth_that_is_a_number_beyond_all_numbers_is_no_truth(tmp_path):
    visit = ulnar_visit(tmp_path / "visit")
    sidecar = visit / "ulnar_right.json"
    told = json.loads(sidecar.read_text())
    told["traces"]["below_elbow"]["supramaximal"] = 10**400
    sidecar.write_text(json.dumps(told))
    with pytest.raises(StudyError, match="allowed: true, false"):
        ncs_cb.read_study(visit)


@pytest.mark.parametrize("cell", ["56.2-1", "1-2", "5.6.2", "e"])
def test_a_printed_velocity_that_is_no_number_names_its_row(tmp_path, cell):
    path = tmp_path / "report.txt"
    path.write_text(NATUS.replace("56.2", cell))
    with pytest.raises(NcsError, match=r"row \d|is no number|number"):
        ncs_cb.read_study(path)


def test_a_huge_value_in_the_wrong_place_is_not_quoted(tmp_path):
    (tmp_path / "t.csv").write_text("id;nerve;side;muscle;param;value\n1;ulnar;R;adm;CMAP1;8\n")
    many = ", ".join(['{ Zabcdef = "Yghijkl" }'] * 4000)
    layout = LONG_LAYOUT.partition("[long]")[0] + f"long = [{many}]\n"
    (tmp_path / "layout.toml").write_text(layout)
    with pytest.raises(NcsError) as told:
        ncs_cb.read_study(tmp_path / "t.csv", layout=tmp_path / "layout.toml")
    assert len(str(told.value)) < 4000


@pytest.mark.slow
def test_the_fuzzer_finds_nothing_in_some_inputs(tmp_path):
    command = [sys.executable, FUZZER, "--inputs", "150", "--seed", "20261128"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "150 inputs of seed 20261128, 0 faults" in run.stdout


@pytest.mark.parametrize("logo", ["a\\u0000b.png", "pipe.png", "/dev/zero", "../logo.png"])
def test_a_logo_that_is_no_file_beside_the_laboratorys_file_is_refused(tmp_path, logo):
    ulnar_visit(tmp_path / "visit")
    os.mkfifo(tmp_path / "visit" / "pipe.png")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "visit" / "lab.toml").write_text(f'[letterhead]\nlogo = "{logo}"\n')
    with pytest.raises(NcsError, match="must name a PNG or SVG file beside"):
        ncs_cb.read_study(tmp_path / "visit")


@pytest.mark.parametrize("name", ["pipe.toml", "a\\u0000b.toml", "/dev/zero/x.toml"])
@pytest.mark.parametrize("key", ["criteria", "reference"])
def test_a_set_that_is_a_pipe_or_no_file_at_all_is_an_error_of_ours(tmp_path, key, name):
    visit = ulnar_visit(tmp_path / "visit")
    os.mkfifo(visit / "pipe.toml")
    value = f'["{name}"]' if key == "criteria" else f'"{name}"'
    (visit / "lab.toml").write_text(f"[defaults]\n{key} = {value}\n")
    with pytest.raises(NcsError, match=r"cannot be read|not a regular file|no such file"):
        ncs_cb.analyze(visit)


def test_a_table_of_thousands_of_columns_folds_each_header_once(tmp_path, monkeypatch):
    folded = []
    plain = header.folded
    monkeypatch.setattr(header, "folded", lambda text: folded.append(text) or plain(text))
    names = [f"heading {i}" for i in range(5000)]
    lines = NATUS.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Nerve / Sites"))
    lines[at] += "\t" + "\t".join(names)
    (tmp_path / "t.txt").write_text("\n".join(lines))
    assert len(ncs_cb.read_study(tmp_path / "t.txt").typed_responses) == 2
    n_layouts = len(list(files("ncs_cb").joinpath("tables", "layouts").iterdir()))
    assert folded.count("heading 7") < 8 * n_layouts


@pytest.mark.parametrize("told", [{}, {"layout": "columns", "time_column": "time_ms"}])
@pytest.mark.parametrize("mark", [",", "\t"])
def test_a_table_of_millions_of_cells_is_refused_before_it_is_cut(tmp_path, told, mark):
    """Eighty megabytes of cells asked for more than three gigabytes."""
    folder = ulnar_visit(tmp_path / "visit")
    sidecar = json.loads((folder / "ulnar_right.json").read_text())
    (folder / "ulnar_right.json").write_text(json.dumps(sidecar | told))
    lines = (folder / "ulnar_right.csv").read_text().replace(",", mark).splitlines()
    lines += ["1" + f"{mark}0" * 3] * 1_300_000
    (folder / "ulnar_right.csv").write_text("\n".join(lines))
    with pytest.raises(ReadError, match="more than 5000000 cells"):
        ncs_cb.read_study(folder)

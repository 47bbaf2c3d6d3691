"""Recordings are untrusted: text stays text, names stay inside, damage ends in our own errors."""

import csv
import json
import os
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import archives
from ncs_cb.batch import Settings, run_batch
from ncs_cb.harmless import no_formula

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULA = '=HYPERLINK("http://evil","x")'


def recording(seed: int = 1, **header: str) -> bytes:
    return archives.nerve_file(archives.NERVES[2], np.random.default_rng(seed), **header)


def study(folder: Path, study_id: str | None = None, **header: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "ulnar.edf").write_bytes(recording(**header))
    if study_id is not None:
        (folder / "study.toml").write_text(f"[study]\nid = {json.dumps(study_id)}\n")
    return folder


class Tags(HTMLParser):
    """Collects what a browser would take for a tag, and every attribute's name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}


def everything_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


# --------------------------------------------------------------------------- text is text


def test_markup_in_ids_names_and_messages_is_shown_as_text(run, tmp_path):
    root, plain_root = tmp_path / "root", tmp_path / "plain"
    study(root / "x1", f"id {MARKUP}")
    study(root / "<b>bold<b>")
    (root / "<i>broken.edf").write_bytes(b"0")
    for folder in ("x1", "x2"):
        study(plain_root / folder)
    (plain_root / "broken.edf").write_bytes(b"0")
    out, plain_out = tmp_path / "out", tmp_path / "plain_out"
    assert run("batch", root, "--out", out, "--reports", "--workers", 1)[0] == 1
    run("batch", plain_root, "--out", plain_out, "--reports", "--workers", 1)
    page = Tags((out / "index.html").read_text("utf-8"))
    expected = Tags((plain_out / "index.html").read_text("utf-8"))
    assert sorted(page.tags) == sorted(expected.tags)
    assert page.attributes == expected.attributes
    assert MARKUP not in (out / "index.html").read_text("utf-8")
    assert "&lt;script&gt;" in (out / "index.html").read_text("utf-8")
    reports = sorted((out / "reports").glob("*/report.html"))
    assert len(reports) == 2
    for report in reports:
        text = report.read_text("utf-8")
        assert MARKUP not in text
        assert not {a for a in Tags(text).attributes if a.startswith("on")}


def test_markup_in_annotations_and_headers_is_no_markup(run, tmp_path):
    folder = study(tmp_path / "x", recording=f"Startdate X X X X MNC R Ulnar {MARKUP[:35]}")
    (folder / "ulnar.edf").write_bytes(recording(notes=(MARKUP[:60], FORMULA)))
    run("analyze", folder, "--out", tmp_path / "o", "--keep-identity")
    text = (tmp_path / "o/x/report.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(run, tmp_path):
    root = tmp_path / "root"
    for number, start in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "\tx")):
        study(root / f"s{number}", start)
    (root / "s0/ulnar.edf").write_bytes(b"0")
    (root / "=cmd.edf").write_bytes(b"0")
    out = tmp_path / "out"
    run("batch", root, "--out", out, "--reports", "--workers", 1)
    tables = [out / "failures.csv", *out.glob("reports/*/*.csv")]
    assert len(tables) > 4
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                for cell in row:
                    is_number = cell.lstrip("+-").replace(".", "").replace("e-", "").isdigit()
                    assert is_number or not cell.startswith(("=", "+", "-", "@", "\t")), cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_every_start_of_a_formula_is_disarmed(start):
    assert no_formula(f"{start}x") == f"'{start}x"


# --------------------------------------------------------------------------- names stay inside


def test_an_id_is_never_a_path(run, tmp_path):
    ids = ("../../escape", "/etc/passwd", "..", ".", "a/../../b", "a\\..\\b", "con", "x" * 200)
    inner = tmp_path / "inner"
    for number, study_id in enumerate(ids):
        study(inner / f"root/x{number}", study_id)
    (inner / "o").mkdir()
    before = everything_below(tmp_path) - {"inner/o"}
    # Where a file goes does not depend on what it holds, and records are written soonest.
    inputs = sorted((inner / "root").iterdir())
    run("analyze", *inputs, "--out", inner / "o", "--format", "json")
    run("batch", inner / "root", "--out", inner / "o", "--reports", "--workers", 1)
    new = everything_below(tmp_path) - before
    assert {name for name in new if not name.startswith("inner/o")} == set()
    assert len(list((inner / "o").glob("*/result.json"))) == len(ids)
    assert len(list((inner / "o/reports").glob("*/report.html"))) == len(ids)


def test_a_study_called_like_our_own_folders_harms_neither(run, tmp_path):
    root = tmp_path / "root"
    for name in ("traces", "reports", "_batch", "index.html.d"):
        study(root / name)
    out = tmp_path / "out"
    assert run("batch", root, "--out", out, "--reports", "--workers", 1)[0] == 0
    page = (out / "index.html").read_text("utf-8")
    assert "4 studies: 4 analyzed, 0 failed" in page
    assert len(list((out / "reports").glob("*/report.html"))) == 4


def test_links_are_not_followed_out_of_the_archive(run, tmp_path):
    secret = tmp_path / "secret"
    study(secret / "x")
    root = tmp_path / "root"
    study(root / "x1")
    (root / "linked").symlink_to(secret / "x", target_is_directory=True)
    (root / "x1/other.edf").symlink_to(secret / "x/ulnar.edf")
    (root / "loop").symlink_to(root, target_is_directory=True)
    run("batch", root, "--out", tmp_path / "out", "--workers", 1)
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert "1 study: 1 analyzed, 0 failed" in page
    assert "linked" not in page


def test_a_link_in_the_output_folder_is_replaced_and_not_written_through(run, tmp_path):
    victim = tmp_path / "victim.html"
    victim.write_text("mine")
    (tmp_path / "o/x").mkdir(parents=True)
    (tmp_path / "o/x/report.html").symlink_to(victim)
    (tmp_path / "o/index.html").symlink_to(victim)
    (tmp_path / "o/failures.csv").symlink_to(victim)
    study(tmp_path / "root/x")
    run("analyze", tmp_path / "root/x", "--out", tmp_path / "o")
    run("batch", tmp_path / "root", "--out", tmp_path / "o", "--workers", 1)
    assert victim.read_text() == "mine"
    assert not (tmp_path / "o/index.html").is_symlink()


def test_a_folder_link_in_the_output_folder_is_replaced_and_not_written_through(run, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "o").mkdir()
    (tmp_path / "o/x").symlink_to(victim, target_is_directory=True)
    assert run("analyze", study(tmp_path / "root/x"), "--out", tmp_path / "o")[0] == 0
    assert list(victim.iterdir()) == []
    assert (tmp_path / "o/x/report.html").is_file()


def test_a_name_that_is_no_text_is_a_name_like_any_other(run, tmp_path):
    root = tmp_path / "root"
    study(root / "x1")
    strange = os.fsdecode(b"caf\xe9")
    study(root / strange)
    (root / f"{strange}.edf").write_bytes(b"0")
    status, _, err = run("batch", root, "--out", tmp_path / "out", "--reports", "--workers", 1)
    assert status == 1
    assert "3 studies: 3 analyzed now, 0 unchanged, 1 failed" in err
    assert "Traceback" not in err
    again = run("batch", root, "--out", tmp_path / "out", "--reports", "--workers", 1)[2]
    assert "0 analyzed now, 3 unchanged" in again


# --------------------------------------------------------------------------- damage


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One of the ways in which files go wrong: flipped, cut, doubled, zeroed, edited fields."""
    made = bytearray(data)
    way = rng.randrange(6)
    if way == 0:
        for _ in range(rng.randint(1, 30)):
            made[rng.randrange(len(made))] = rng.randrange(256)
    elif way == 1:
        del made[rng.randrange(len(made)) :]
    elif way == 2:
        start = rng.randrange(len(made))
        made[start:start] = made[start : start + rng.randint(1, 2000)]
    elif way == 3:
        start = rng.randrange(len(made))
        made[start : start + 400] = bytes(400)
    elif way == 4:  # numbers of the header: sizes, rates, limits
        field = rng.choice([184, 236, 244, 252, 464, 472, 480, 488, 496, 504, 512, 688, 696])
        text = rng.choice(["-1", "0", "99999999", "1e308", "nan", "inf", "0x10", "", "1e-300"])
        made[field : field + 8] = text.ljust(8).encode()[:8]
    else:
        start = rng.randrange(768, len(made))
        made[start : start + 8] = rng.choice([b"\x14" * 8, b"\x00" * 8, b"\xff" * 8, b"<EDF_XML"])
    return bytes(made)


def test_mutated_recordings_end_in_our_own_errors_or_in_numbers(tmp_path):
    """A small corpus on every run; NCS_CB_FUZZ=5000 makes a long run of it."""
    rng = random.Random(20261120)
    count = int(os.environ.get("NCS_CB_FUZZ", "120"))
    data = recording()
    root = tmp_path / "root"
    for number in range(count):
        folder = root / f"m{number:05d}"
        folder.mkdir(parents=True)
        (folder / "ulnar.edf").write_bytes(mutated(data, rng))
    settings = Settings(time_limit_s=20.0, memory_limit_mb=1024)
    summary = run_batch(root, tmp_path / "out", workers=2, settings=settings)
    assert summary.n_studies == count
    with (tmp_path / "out/failures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ours = {"ReadError", "UnitError", "StudyError", "UnknownFormatError"}
    assert [row for row in rows if row["error"] not in ours] == []
    assert 0 < len(rows) < count


def test_a_header_that_promises_terabytes_costs_nothing(run, tmp_path):
    data = bytearray(recording())
    data[236:244] = b"99999999"  # records
    data[688:696] = b"99999999"  # samples per record
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "ulnar.edf").write_bytes(bytes(data))
    status, _, err = run("analyze", folder, "--out", tmp_path / "o")
    assert status == 1
    assert "ulnar.edf" in err


def test_deeply_nested_sidecars_end_in_our_own_error(run, tmp_path):
    folder = study(tmp_path / "x")
    (folder / "extra.json").write_text("[" * 100_000)
    (folder / "extra.csv").write_text("time_ms,a\n0,1\n")
    status, _, err = run("analyze", folder, "--out", tmp_path / "o")
    assert "Traceback" not in err
    assert "please report" not in err
    assert status in (0, 1)


def test_an_entity_bomb_in_a_note_is_text(run, tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><EDF_XMLnote>&a;&a;</EDF_XMLnote>'
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "ulnar.edf").write_bytes(recording(notes=(bomb,)))
    status, out, err = run("validate", folder)
    assert status == 0, err
    assert "aaaa" not in out


# --------------------------------------------------------------------------- what is promised


def test_every_promise_of_security_md_names_tests_that_exist():
    root = Path(__file__).parents[1]
    rows = [
        line.strip("|").rsplit("|", 1)
        for line in (root / "SECURITY.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(rows) > 10
    for promise, held in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", held)
        assert named, promise
        for place, name in named:
            assert f"def {name}(" in (root / place).read_text("utf-8"), f"{place}::{name}"

"""What a file or a folder calls itself cannot steer a terminal, a page or a spreadsheet."""

from __future__ import annotations

import csv
import doctest
import io
import unicodedata

import pandas as pd
import pytest

import archives
import identities
import ncs_cb
from ncs_cb import harmless
from ncs_cb.reports import safe_name
from ncs_cb.reports.tables import to_csv


def test_the_examples_of_the_module_hold():
    assert doctest.testmod(harmless).failed == 0


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-cmd|'x'!A0", "@SUM(A1)", "＝1+1", "＠SUM(A1)", "a;=1+1", "a;\t＝1"]
)
def test_no_cell_of_a_table_begins_a_formula_whatever_separates_the_cells(cell):
    text = to_csv(pd.DataFrame({"study_id": pd.array([cell], dtype="string")}))
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            assert not [c for c in row if c.lstrip()[:1] in "=+-@＝＋－＠" and c.strip()]


def test_hidden_letters_of_a_name_reach_no_output(tmp_path):
    archives.write_archive(tmp_path / "root", 1, n_files=1)
    folder = (tmp_path / "root" / "p00000").rename(tmp_path / "p\x1b[31m\u202e1")
    (folder / "median_right.edf").rename(folder / "m\u2066\x07.edf")
    result = ncs_cb.analyze(ncs_cb.read_study(folder))
    paths = ncs_cb.write_report(result, tmp_path / "out", formats=["html", "json", "csv", "txt"])
    for path in paths:
        for text in (path.read_text("utf-8"), str(path.relative_to(tmp_path))):
            assert not [c for c in text if c in "\x1b\x07\u202e\u2066"], path


def test_a_long_chinese_id_is_a_name_that_a_file_system_takes(tmp_path):
    archives.write_archive(tmp_path / "root", 1, n_files=1)
    folder = tmp_path / "root" / "p00000"
    long = "多灶性运动神经病" * 24
    (folder / "study.toml").write_text(f'[study]\nid = "{long}"\n', "utf-8")
    result = ncs_cb.analyze(ncs_cb.read_study(folder))
    (path,) = ncs_cb.write_report(result, tmp_path / "out", formats=["json"])
    assert ncs_cb.load_result(path).study.study_id == long
    assert safe_name(long) != safe_name(long + "二")


def test_every_letter_that_steers_is_shown_as_a_blank_and_no_other():
    letters = "".join(map(chr, range(0x3000)))
    steering = {
        letter
        for letter in letters
        if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") and letter not in "\t\n"
    }
    shown = harmless.visible(letters)
    assert len(shown) == len(letters)
    assert {a for a, b in zip(letters, shown, strict=True) if b != a} == steering
    assert {b for a, b in zip(letters, shown, strict=True) if a in steering} == {" "}


STEERING = "a\x1b[31m\u202eb\x9bc"


@pytest.mark.parametrize(
    "place",
    [
        *("review author", "review reason", "review site", "review trace", "record recording"),
        *("clinical question", "movement", "drug", "brainvision comment", "edf note"),
    ],
)
def test_no_place_of_a_file_brings_hidden_letters_into_a_report(tmp_path, place):
    (tmp_path / "s").mkdir()
    text = STEERING.replace("\x1b", "\\u001b").replace("\x9b", "\\u009b")
    is_toml = place in ("clinical question", "movement", "drug")
    (identities.PLACES | identities.TYPED)[place](tmp_path / "s", text if is_toml else STEERING)
    result = ncs_cb.analyze(ncs_cb.read_study(tmp_path / "s"))
    made = ncs_cb.write_report(result, tmp_path / "out", formats=["html", "json", "csv", "txt"])
    for path in made:
        assert not [c for c in path.read_text("utf-8") if c in "\x1b\u202e\x9b"], path
        assert r"\u001b" not in path.read_text("utf-8"), path

"""Every writer makes the same promises."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from ncs_cb import display, plugins, reports
from ncs_cb.errors import ReportError
from reports import example

NAMES = list(reports.writers())


@pytest.fixture(scope="module")
def result():
    return example.result()


def everything_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_formats_of_the_contract_are_there():
    assert {"html", "json", "csv", "pdf", "txt"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_writer_writes_only_below_the_folder_of_its_study(result, tmp_path, name):
    before = everything_below(tmp_path)
    written = reports.write_report(result, tmp_path / "out", formats=[name])
    assert set(written) == everything_below(tmp_path) - before
    assert {path.parent for path in written} == {tmp_path / "out" / "p014-2026-03"}


@pytest.mark.parametrize("name", NAMES)
def test_a_writer_leaves_the_result_alone(name):
    result = example.result()
    untouched = example.result()
    reports.writers()[name].write(result, lang="en")
    for table in ("traces", "segments", "verdicts", "diagnosis", "checks"):
        pd.testing.assert_frame_equal(getattr(result, table), getattr(untouched, table))


@pytest.mark.parametrize("name", NAMES)
def test_a_writer_has_no_clock(result, name):
    writer = reports.writers()[name]
    assert writer.write(result, lang="en") == writer.write(result, lang="en")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_writer_takes_hostile_and_empty_results(tmp_path, name, lang):
    if (name, lang) == ("pdf", "zh") and not example.has_chinese_font():
        with pytest.raises(ReportError, match="no installed font"):
            reports.write_report(example.empty_result(), tmp_path, formats=[name], lang=lang)
        return
    for n, build in enumerate((example.hostile_result, example.empty_result)):
        for path in reports.write_report(build(), tmp_path / str(n), formats=[name], lang=lang):
            assert path.stat().st_size > 0
            if name == "html":
                assert "<script" not in path.read_text("utf-8")


@pytest.mark.parametrize("name", ["html", "txt"])
def test_a_writer_says_when_a_value_is_not_measurable(result, name):
    content = next(iter(reports.writers()[name].write(result, lang="en").values()))
    assert "not measurable" in content


@pytest.mark.parametrize(
    "study_id",
    [
        "../../etc/passwd",
        "/abs/olute",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "C:\\x",
        "nul",
        "CON.txt",
        "-rf",
        "~",
        "a\x00b",
        "x" * 400,
        "尺神经",
        "tab\tand\nline",
        "a.",
        " lead",
    ],
)
def test_no_id_is_ever_a_path(result, tmp_path, study_id):
    named = replace(result, study=replace(result.study, study_id=study_id))
    out = tmp_path / "out"
    (path,) = reports.write_report(named, out, formats=["json"])
    assert path.parent.parent == out
    assert path.resolve().is_relative_to(out.resolve())
    assert everything_below(tmp_path) == {path}


def test_different_ids_keep_different_folders():
    ids = ["a/b", "a_b", "a\\b", "../a_b", "a b", ".a_b", "a_b.", "A/b"]
    assert len({reports.safe_name(i) for i in ids}) == len(ids)


def test_a_plain_id_is_its_own_folder():
    assert [reports.safe_name(i) for i in ("p014-2026-03", "尺神经", "v1.2")] == [
        "p014-2026-03",
        "尺神经",
        "v1.2",
    ]


def test_a_file_is_whole_or_not_there(result, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    reports.write_report(result, tmp_path, formats=["json"])
    path = tmp_path / "p014-2026-03" / "result.json"
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ReportError, match="No space left on device"):
        reports.write_report(result, tmp_path, formats=["json"])
    assert path.read_bytes() == before
    assert everything_below(tmp_path) == {path}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_written_file_is_readable_as_any_new_file(result, tmp_path):
    (path,) = reports.write_report(result, tmp_path, formats=["json"])
    plain = tmp_path / "plain"
    plain.write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_folder_that_cannot_be_made_is_a_clear_error(result, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ReportError, match="cannot write the report"):
        reports.write_report(result, tmp_path / "out", formats=["json"])


def test_an_unknown_format_names_the_nearest(result, tmp_path):
    with pytest.raises(ReportError, match=r"unknown report format 'htm'.*Did you mean 'html'\?"):
        reports.write_report(result, tmp_path, formats=["htm"])
    assert everything_below(tmp_path) == set()


def test_one_format_may_be_given_as_text(result, tmp_path):
    assert [p.name for p in reports.write_report(result, tmp_path, formats="json")] == [
        "result.json"
    ]


def test_files_come_in_the_order_asked_for_and_once(result, tmp_path):
    paths = reports.write_report(result, tmp_path, formats=["json", "html", "json"])
    assert [p.name for p in paths] == ["result.json", "report.html"]


def test_show_frames_the_page_so_that_no_style_touches_the_notebook(result):
    shown = reports.show(result)
    frame = shown._repr_html_()
    assert frame.startswith('<iframe srcdoc="')
    assert frame.count("<") == 2
    assert "<!doctype html>" in shown.html


def test_a_result_shows_itself_in_a_notebook(result):
    display.attach()  # as the first public name does
    card = result._repr_html_()
    assert "Definite motor conduction block: right ulnar" in card
    assert "right ulnar" in card
    assert len(card) < 20_000  # a card, not the page with its figures


def test_a_study_shows_itself_in_a_notebook_without_its_samples(result):
    display.attach()  # as the first public name does
    card = result.study._repr_html_()
    assert result.study.study_id in card
    assert "below elbow" in card
    assert len(card) < 20_000
    assert "\n" not in repr(result.study)
    assert len(repr(result.study)) < 200


def test_a_card_escapes_every_text_of_the_study(result):
    display.attach()  # as the first public name does
    named = replace(result.study, study_id="<script>x</script>")
    for shown in (named, replace(result, study=named)):
        assert "<script>" not in shown._repr_html_()


def test_an_entry_point_adds_a_format(monkeypatch):
    class Entry:
        name = "shout"

        @staticmethod
        def load():
            return reports.Writer("shout", "loud", lambda result, lang: {"shout.txt": "BLOCK"})

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()])
    reports.writers.cache_clear()
    try:
        assert reports.writers()["shout"].write(None, lang="en") == {"shout.txt": "BLOCK"}
        assert set(NAMES) < set(reports.writers())
    finally:
        reports.writers.cache_clear()


def test_a_broken_format_of_another_package_costs_only_itself(result, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no paper")

    entries = [
        SimpleNamespace(name="bad", load=fail),
        SimpleNamespace(name="half", load=lambda: reports.Writer("half", "half made", fail)),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    reports.writers.cache_clear()
    try:
        with pytest.warns(plugins.PluginWarning, match="'bad' of another package"):
            assert "html" in reports.writers()
        with pytest.raises(ReportError, match=r"'half' \(RuntimeError: no paper\)"):
            reports.write_report(result, tmp_path, formats=["half", "json"])
        assert (tmp_path / "p014-2026-03" / "result.json").is_file()
    finally:
        reports.writers.cache_clear()

"""Plain text for a patient record."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import east_asian_width

import pytest

from ncs_cb import view
from ncs_cb.reports import text
from reports import example


@pytest.fixture(scope="module", params=view.languages())
def lang(request):
    return request.param


def test_the_text_holds_the_finding_the_verdicts_and_the_disclaimer(lang):
    result = example.result()
    built = view.build(result, lang=lang)
    said = "".join(text.render(result, lang=lang).split())
    for words in (built.finding_text, built.disclaimer, built.diagnosis[0].word):
        assert "".join(words.split()) in said
    for row in built.motor.rows:
        assert "".join("".join(c.text.split()) for c in row) in said


def places(line):
    """The terminal columns of a line's letters, of which a Chinese one fills two."""
    return [p for c in line for p in ((c, "") if east_asian_width(c) in "WF" else (c,))]


def test_columns_stand_under_each_other():
    lines = text.render(example.result()).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Site  "))
    column = lines[start].index("Block")
    rows = [line for line in lines[start + 1 : start + 12] if len(line) > column]
    assert len(rows) >= 4
    assert all(row[column - 1] == " " != row[column] for row in rows)


def test_chinese_columns_count_double_width():
    lines = text.render(example.result(), lang="zh").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("部位  "))
    column = places(lines[start]).index("阻")
    rows = [places(line) for line in lines[start + 1 : start + 12]]
    rows = [row for row in rows if len(row) > column]
    assert len(rows) >= 4
    assert all(row[column - 1] == " " and row[column] not in (" ", "") for row in rows)


def test_prose_is_broken_at_the_width_of_a_page(lang):
    lines = text.render(example.result(), lang=lang).splitlines()
    prose = [line for line in lines if "  " not in line.strip()]
    assert max(len(places(line)) for line in prose) <= 94


def test_text_of_a_file_stays_on_its_line():
    result = example.result()
    study = replace(result.study, study_id="a\nFINDING\nNo block anywhere")
    lines = text.render(replace(result, study=study)).splitlines()
    assert "No block anywhere" not in lines


def test_there_is_no_markup_and_no_tab(lang):
    said = text.render(example.result(), lang=lang)
    assert "<" not in said.replace("<script>", "")
    assert "\t" not in said

"""What a reader sees is words of the reader's language: no ids of ours, no English in Chinese."""

from __future__ import annotations

import re

import pytest

import ncs_cb
from ncs_cb.reports import html, write_report
from test_golden_pages import page_words
from test_impression import VISITS, read
from test_unread_responses import WRIST, response, study

# Keys that a person is told to write into study.toml stand as they are written there.
KEYS = {"ncs_cb", "stimulus_delay_ms", "distances_cm", "distances_mm", "segment_lengths_mm"}
ID = re.compile(r"(?<![\w./-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w.]*\.\w)(?!\w)")
ENGLISH = re.compile(r"(?:\b[a-z]{2,}\b[ ,;]+){2,}\b[a-z]{2,}\b")
CITED = re.compile(r"et al|doi:|\d{4};\d|ncs_cb (?:analyze|review)")


def waveforms():
    upside_down = ("below_elbow", 285.0, 24.0, -response(6.7, 8.6))
    above = ("above_elbow", 385.0, 26.0, response(8.4, 8.5))
    return ncs_cb.analyze(study(WRIST, upside_down, above))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    chosen = ("wrist", "crossing_part", "sites_swapped", "unattested_block", "legs_only")
    root = tmp_path_factory.mktemp("visits")
    typed = ncs_cb.analyze_many([read(VISITS[name], root / name) for name in chosen])
    return [*typed, waveforms()]


def seen(result, lang, folder):
    page = page_words(html.render(result, lang=lang))
    (path,) = write_report(result, folder, formats=["txt"], lang=lang)
    text = f"{page}\n{path.read_text('utf-8')}"
    return text.replace(result.study.study_id, "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_page_shows_an_id_of_the_program(results, lang, tmp_path):
    for result in results:
        text = seen(result, lang, tmp_path / lang)
        found = {one.group() for one in ID.finditer(text)} - KEYS
        assert not found, (result.study.study_id, found)


def test_a_chinese_page_has_no_english_sentence(results, tmp_path):
    for result in results:
        for line in seen(result, "zh", tmp_path).splitlines():
            if not CITED.search(line):
                assert not ENGLISH.search(line), line

"""A site that was not stimulated: it makes no segment, and the study reads as if it were not named.

An empty cell is something else: nobody knows whether a response was there.
"""

from __future__ import annotations

import pytest

import ncs_cb
from ncs_cb.reports import write_report

HEAD = (
    "nerve,side,muscle,stimulation_site,response,distance_mm,onset_latency_ms,"
    "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal\n"
)
MEDIAN = """\
median,left,apb,wrist,,65,3.4,8.2,24.6,5.4,true
median,left,apb,elbow,,280,7.3,7.9,23.7,5.6,true
median,left,apb,axilla,,395,9.3,7.7,23.1,5.7,true
"""
BLOCKED = """\
ulnar,left,adm,wrist,,65,2.6,9.8,29.4,5.2,true
ulnar,left,adm,below_elbow,,255,5.9,9.5,28.5,5.4,true
ulnar,left,adm,axilla,,450,9.4,2.1,6.3,5.9,true
"""
TABLES = ("verdicts", "segments", "statements", "diagnosis")


def analyzed(folder, rows):
    folder.mkdir()
    (folder / "sites.csv").write_text(HEAD + rows, "utf-8")
    study = '[study]\nid = "one"\n[limb_temperature_c]\nleft_arm = 33.5\n'
    (folder / "study.toml").write_text(study, "utf-8")
    return ncs_cb.analyze(ncs_cb.read_study(folder))


@pytest.mark.parametrize(
    ("rows", "not_done"),
    [
        (MEDIAN, "ulnar,left,adm,wrist,not_done,,,,,,\nulnar,left,adm,below_elbow,未做,,,,,,\n"),
        (MEDIAN + BLOCKED, "ulnar,left,adm,above_elbow,not done,355,,,,,true\n"),
        (MEDIAN + BLOCKED, "ulnar,left,adm,erb,not_done,,,,,,\n"),
        (MEDIAN + BLOCKED, "median,left,adm,elbow,not_done,,,,,,\n"),
        (MEDIAN.partition("\n")[2] + BLOCKED, "median,left,apb,wrist,not_done,65,,,,,\n"),
    ],
)
def test_a_site_that_was_not_stimulated_reads_as_one_that_is_not_named(rows, not_done, tmp_path):
    without, named = (
        analyzed(tmp_path / name, text)
        for name, text in (("without", rows), ("named", rows + not_done))
    )
    for name in TABLES:
        assert getattr(named, name).equals(getattr(without, name)), name


def test_a_site_that_was_not_stimulated_is_listed_as_not_done(tmp_path):
    result = analyzed(tmp_path / "one", MEDIAN + "ulnar,left,adm,wrist,not_done,,,,,,\n")
    for lang, told in (("en", "left ulnar at wrist (not done)"), ("zh", "左侧尺神经腕（未做）")):
        write_report(result, tmp_path / lang, formats=["html"], lang=lang)
        (page,) = (tmp_path / lang).rglob("*.html")
        assert told in page.read_text("utf-8")


def test_an_empty_cell_is_still_unknown(tmp_path):
    rows = MEDIAN + BLOCKED.replace("450,9.4,2.1,6.3,5.9", "450,,,,")
    result = analyzed(tmp_path / "one", rows)
    assert "below_elbow-axilla" in result.segments["segment"].tolist()

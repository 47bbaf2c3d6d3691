"""Pages ask for nothing that was done, and say in the reader's language what was settled."""

from __future__ import annotations

import pytest

import ncs_cb
from ncs_cb import view
from ncs_cb.review import append
from ncs_cb.wording.catalog import load
from review_visits import ulnar_visit

HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal\n"
)
CROSSING = (
    "ulnar,left,adm,wrist,72,2.7,9.6,29.2,5.5,true\n"
    "ulnar,left,adm,below_elbow,270,6.1,5.1,15.6,5.6,true\n"
    "median,left,adm,wrist,72,,NR,,,true\n"
    "median,left,adm,elbow,290,6.9,4.5,13.7,5.5,true\n"
)


def typed(folder, rows, study=""):
    folder.mkdir()
    (folder / "sites.csv").write_text(HEAD + rows, "utf-8")
    (folder / "study.toml").write_text(study, "utf-8")
    return ncs_cb.analyze(ncs_cb.read_study(folder))


def notes(result, lang="en"):
    built = view.build(result, lang=lang)
    return {(n.title, f.flag): f for n in built.nerves for f in n.flags}


def test_a_crossing_that_was_recorded_is_not_asked_for_again(tmp_path):
    found = notes(typed(tmp_path / "v", CROSSING))
    told = [one for (_, flag), one in found.items() if flag == "martin_gruber"]
    assert told
    assert not any("Stimulate" in one.next for one in told)
    absent = [one for (_, flag), one in found.items() if flag.startswith("response_absent")]
    assert absent
    assert not any("Check the stim" in one.next for one in absent)


def test_a_response_that_should_be_there_is_still_asked_for(tmp_path):
    own = "ulnar,left,adm,below_elbow,270,6.1,5.1,15.6,5.6,true"
    rows = CROSSING.replace(own, "ulnar,left,adm,below_elbow,270,,NR,,,true")
    found = notes(typed(tmp_path / "v", rows))
    own = [
        one for (title, flag), one in found.items() if flag == "response_absent" and "lnar" in title
    ]
    assert own
    assert all("Check the stim" in one.next for one in own)


ATTESTED = '[recordings."ulnar_right.csv".responses.below_elbow]\nsupramaximal = true\n'


def test_attesting_a_stimulus_is_no_review(tmp_path):
    visit = ulnar_visit(tmp_path / "a")
    (visit / "study.toml").write_text(ATTESTED, "utf-8")
    result = ncs_cb.analyze(visit)
    assert not result.traces["quality_flags"].str.contains("reviewed").any()
    marked = ATTESTED + "onset_latency_ms = 7.6\n"
    (visit / "study.toml").write_text(marked, "utf-8")
    assert ncs_cb.analyze(visit).traces["quality_flags"].str.contains("reviewed").sum() == 1


def test_what_a_file_corrects_is_told_in_chinese(tmp_path):
    visit = ulnar_visit(tmp_path / "a")
    (visit / "study.toml").write_text(ATTESTED, "utf-8")
    cells = [
        c.text for row in view.build(ncs_cb.analyze(visit), lang="zh").decisions.rows for c in row
    ]
    assert any("超强刺激由未知改为是" in text for text in cells)
    assert "未说明理由" in cells
    assert not any("no reason" in text or "supramaximal" in text for text in cells)


@pytest.mark.parametrize(
    ("movement", "chinese"), [("Wrist extension", "伸腕"), ("finger abduction", "手指外展")]
)
def test_usual_movements_have_chinese_names(tmp_path, movement, chinese):
    study = f'[[strength]]\nmovement = "{movement}"\nside = "left"\nmrc = 4\n'
    built = view.build(typed(tmp_path / "v", CROSSING, study), lang="zh")
    assert built.strength.rows[0][0].text == f"左侧{chinese}"


def test_the_entry_is_cited_in_chinese(tmp_path):
    built = view.build(typed(tmp_path / "v", CROSSING), lang="zh")
    assert not any("encyclopedia" in fact.text for fact in built.references)


def test_no_title_says_more_signal_where_there_is_less():
    for lang in ("en", "zh"):
        assert "more signal" not in load(lang).term("flag", "estimate_proximal_exceeds")
        assert "多于" not in load(lang).term("flag", "estimate_proximal_exceeds")


def test_moved_markers_are_told_in_chinese(tmp_path):
    visit = ulnar_visit(tmp_path / "a")
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    append(visit, who="mt", action="move", trace=place, marker="onset", to_ms=7.6, why="late")
    result = ncs_cb.analyze(visit)
    cells = [c.text for row in view.build(result, lang="zh").decisions.rows for c in row]
    assert any("肘下：起点由" in text for text in cells), cells


def test_a_block_of_the_leg_says_that_it_counts_without_sensation(tmp_path):
    rows = (
        "peroneal,left,edb,ankle,84,4.6,5.4,16.1,5.5,true\n"
        "peroneal,left,edb,below_fibula,386,11.4,2.0,6.1,5.6,true\n"
    )
    result = typed(tmp_path / "v", rows)
    assert "in the arm only: left peroneal" in result.diagnosis["explanation"].iloc[0]
    page = view.build(result, lang="zh").diagnosis
    assert any("不要求感觉传导即可计入" in one.explanation for one in page), page
    arm = typed(tmp_path / "w", CROSSING)
    assert not arm.diagnosis["explanation"].str.contains("in the arm only").any()

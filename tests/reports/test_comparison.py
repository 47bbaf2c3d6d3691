"""Serial visits: the page, the record, the tables and the time-line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

from ncs_cb import analyze, figures, read_study, reports, view
from ncs_cb.comparison import compare
from ncs_cb.errors import ReportError
from ncs_cb.figures.drawing import Line, Text, plain_shapes, to_svg
from ncs_cb.view.serial import build_comparison
from reports import example


@pytest.fixture(scope="module")
def comparison():
    return compare(example.visits())


@pytest.fixture(scope="module", params=view.languages())
def lang(request):
    return request.param


def test_the_files_of_a_comparison(comparison, tmp_path):
    names = [p.name for p in reports.write_comparison(comparison, tmp_path)]
    assert names == [
        "comparison.html",
        "comparison.json",
        "timeline.csv",
        "changes.csv",
        "courses.csv",
    ]


def test_a_format_without_comparison_says_which_have_one(comparison, tmp_path, monkeypatch):
    known = reports.writers()
    alone = reports.Writer("alone", "a laboratory's own", lambda result, *, lang: {})
    monkeypatch.setattr(reports, "writers", lambda: {**known, "alone": alone})
    with pytest.raises(ReportError, match=r"'alone' writes no comparison; known: .*html"):
        reports.write_comparison(comparison, tmp_path, formats=["alone"])


def typed(folder, month, distal, proximal):
    """One left ulnar forearm typed in; an amplitude of 0 is a response that is absent."""
    head = (
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal"
    )
    folder = folder / f"{month}-{distal}-{proximal}"
    folder.mkdir()
    far = f"6.6,{proximal},{3 * proximal:.2f},5.8" if proximal else ",0,,"
    rows = (
        f"ulnar,left,adm,wrist,72,3.1,{distal},{3 * distal:.2f},5.5,true",
        f"ulnar,left,adm,below_elbow,280,{far},true",
    )
    (folder / "sites.csv").write_text("\n".join((head, *rows)) + "\n", "utf-8")
    (folder / "study.toml").write_text(f"[study]\nvisit_date = 2026-{month}-05\n", "utf-8")
    return analyze(read_study(folder))


SEGMENT = {"en": "left ulnar nerve, wrist to below elbow", "zh": "左侧尺神经腕至肘下"}


@pytest.mark.parametrize(
    ("earlier", "later", "sentence", "word", "fall"),
    [
        # definite to probable, and back: the grade changes, and the share let through
        (2.2, 6.0, {"en": "Improved block", "zh": "减轻的阻滞"}, 0, "76 → 35"),
        (6.0, 2.2, {"en": "Worsened block", "zh": "加重的阻滞"}, 1, "35 → 76"),
        # from partial to complete; both are definite
        (3.7, 0.0, {"en": "Worsened block", "zh": "加重的阻滞"}, 1, "60 → 100"),
        (0.0, 3.7, {"en": "Improved block", "zh": "减轻的阻滞"}, 0, "100 → 60"),
        # of one grade, and yet the response to treatment is not kept back
        (0.5, 3.7, {"en": "Persistent block", "zh": "持续的阻滞"}, 2, "95 → 60"),
        # within repeatability
        (2.2, 2.4, {"en": "Persistent block", "zh": "持续的阻滞"}, 3, "76 → 74"),
    ],
)
def test_what_treatment_did_to_a_block_that_stays_is_said(
    tmp_path, lang, earlier, later, sentence, word, fall
):
    visits = [typed(tmp_path, "01", 9.2, earlier), typed(tmp_path, "02", 9.2, later)]
    pair = build_comparison(compare(visits), lang=lang).pairs[0]
    words = {
        "en": ("improved", "worsened", "persistent, unblocking", "persistent"),
        "zh": ("减轻", "加重", "持续，阻滞解除", "持续"),
    }[lang]
    (row,) = pair.changes.rows
    assert [row[3].text, row[4].text] == [words[word], fall]
    beside = {"en": " (unblocking)", "zh": "（阻滞解除）"}[lang] if word == 2 else ""
    end = {"en": ": {}{}.", "zh": "：{}{}。"}[lang].format(SEGMENT[lang], beside)
    assert pair.finding == f"{sentence[lang]}{end}"


def test_a_block_that_goes_with_the_distal_response_is_not_called_resolved(tmp_path, lang):
    # The proximal response stays as it is; treated, it rises.
    results = [
        typed(tmp_path, *one) for one in (("01", 9.2, 2.9), ("02", 3.4, 3.1), ("03", 9.2, 8.4))
    ]
    lost, recovered = (
        build_comparison(compare([results[0], later]), lang=lang).pairs[0] for later in results[1:]
    )
    words = {"en": ("Resolved", "No longer graded"), "zh": ("已消失", "不再判为阻滞")}[lang]
    assert words[0] not in lost.finding
    assert words[1] in lost.finding
    assert words[0] in recovered.finding
    assert words[1] not in recovered.finding


def test_a_comparison_is_written_as_text_and_pdf_too(comparison, tmp_path, lang):
    paths = reports.write_comparison(comparison, tmp_path, formats=["txt"], lang=lang)
    said = "".join(paths[0].read_text("utf-8").split())
    for pair in build_comparison(comparison, lang=lang).pairs:
        assert "".join(pair.finding.split()) in said
        for row in pair.changes.rows:
            assert "".join("".join(cell.text.split()) for cell in row) in said
    if lang == "en" or example.has_chinese_font():
        (path,) = reports.write_comparison(comparison, tmp_path, formats=["pdf"], lang=lang)
        assert path.read_bytes().startswith(b"%PDF")


def test_treatment_is_named_in_words_not_in_codes(comparison):
    assert "IVIg" in build_comparison(comparison).pairs[0].finding
    assert "ivig" not in build_comparison(comparison, lang="zh").pairs[0].finding


def test_axonal_loss_and_reinnervation_stand_in_the_summary():
    """The most distal response falls to a third, then comes back."""
    visits = example.visits()
    traces = visits[1].traces.copy()
    at_wrist = (traces["nerve"] == "median") & (traces["stimulation_site"] == "wrist")
    at_wrist &= traces["side"] == "right"
    for name in (
        "negative_peak_amplitude_mv",
        "negative_peak_area_mv_ms",
        "total_negative_area_mv_ms",
    ):
        traces.loc[at_wrist, name] = traces.loc[at_wrist, name] / 3
    made = compare([visits[0], replace(visits[1], traces=traces), visits[2]])
    first, second, _ = build_comparison(made).pairs
    assert (
        "Axonal loss (the distal response fell): right median nerve, 10.2 mV → 3.4 mV."
        in first.finding
    )
    assert (
        "The distal response rose (reinnervation is one reason): "
        "right median nerve, 3.4 mV → 10.2 mV." in second.finding
    )


def test_block_that_goes_and_comes_back_is_said_so(comparison):
    first, second, whole = build_comparison(comparison).pairs
    assert "Resolved block: right ulnar nerve, wrist to below elbow." in first.finding
    assert "New block: right ulnar nerve, wrist to below elbow." in second.finding
    assert "Persistent block: right ulnar nerve, wrist to below elbow." in whole.finding
    assert "Treatment between the visits: IVIg, 2 g/kg, 2026-01-10." in first.finding
    assert "Treatment" not in second.finding


def test_what_was_not_judged_never_reads_as_no_block(comparison, lang):
    for pair in build_comparison(comparison, lang=lang).pairs:
        words = view.load(lang)
        sentence = words("finding.course_unchanged", segments="|").split("|")[0]
        unchanged = pair.finding.partition(sentence)[2].partition({"en": ".", "zh": "。"}[lang])[0]
        ends = {"distal": words.site("below_elbow"), "proximal": words.site("above_elbow")}
        assert sentence in pair.finding
        assert words("phrase.segment", **ends) not in unchanged


def test_distal_and_proximal_events_are_told_apart(comparison):
    first = build_comparison(comparison).pairs[0]
    ulnar = next(row for row in first.events.rows if "wrist to below elbow" in row[0].text)
    assert [c.text for c in ulnar[1:]] == [
        "34.3 → 34.3",
        "within repeatability",
        "13.4 → 33.5",
        "rise",
        "unblocking",
    ]


def test_the_page_shows_every_cell_escaped(lang):
    results = example.visits()
    courses = example.hostile_result().study.details.courses
    details = replace(results[1].study.details, courses=courses)
    hostile = replace(results[1].study, study_id=example.HOSTILE, details=details)
    results[1] = replace(results[1], study=hostile)
    made = compare(results)
    (page,) = reports.writers()["html"].write_comparison(made, lang=lang).values()
    assert "<script" not in page
    built = build_comparison(made, lang=lang)
    for table in (t for pair in built.pairs for t in (pair.changes, pair.events)):
        for row in table.rows:
            assert all(cell.text in page for cell in row)
    for remark in built.remarks:
        assert remark in page


def test_the_record_of_a_comparison_is_the_same_twice(comparison):
    writer = reports.writers()["json"].write_comparison
    assert writer(comparison, lang="en") == writer(comparison, lang="zh")
    record = json.loads(writer(comparison, lang="en")["comparison.json"])
    assert record["schema"] == "ncs_cb/comparison/1"
    assert [v["visit_date"] for v in record["visits"]] == ["2026-01-05", "2026-03-02", "2026-09-14"]
    assert len(record["changes"]) == len(comparison.changes)


def drawn(comparison, lang="en"):
    labels = build_comparison(comparison, lang=lang).labels
    return figures.course.draw(comparison, labels, lang=lang)


def test_the_time_line_stands_at_the_dates_and_marks_treatment(comparison):
    texts = {s.text: s for s in plain_shapes(drawn(comparison).shapes) if isinstance(s, Text)}
    january, march, september = (texts[d].x for d in ("2026-01-05", "2026-03-02", "2026-09-14"))
    assert (march - january) / (september - january) == pytest.approx(56 / 252)
    assert january < texts["IVIg"].x < march


def test_only_segments_that_ever_had_block_are_drawn(comparison):
    curves = [
        s for s in plain_shapes(drawn(comparison).shapes) if isinstance(s, Line) and s.width == 1.3
    ]
    assert len(curves) == 1
    letters = [
        s.text for s in plain_shapes(drawn(comparison).shapes) if isinstance(s, Text) and s.is_bold
    ]
    assert letters == ["D", "N", "D"]


def test_names_at_the_end_of_the_curves_never_overlap(comparison):
    """Without a block all segments are drawn, many of them close together."""
    calm = [
        replace(v.result, verdicts=v.result.verdicts.assign(conduction_block="none"))
        for v in comparison.visits
    ]
    sheet = drawn(compare(calm))
    names = sorted(
        s.y
        for s in plain_shapes(sheet.shapes)
        if isinstance(s, Text) and s.size == 8.5 and s.x > 500
    )
    assert len(names) == 9
    assert all(b - a >= 10.9 for a, b in pairwise(names))


def test_undated_visits_stand_one_after_the_other(comparison):
    undated = [
        replace(
            v.result,
            study=replace(v.result.study, details=replace(v.result.study.details, visit_date=None)),
        )
        for v in comparison.visits
    ]
    made = compare(undated)
    texts = {s.text: s.x for s in plain_shapes(drawn(made).shapes) if isinstance(s, Text)}
    assert texts["2"] - texts["1"] == pytest.approx(texts["3"] - texts["2"])
    assert "ivig" not in texts


def test_the_time_line_is_a_matplotlib_figure_and_an_svg(comparison, lang):
    figures.timeline_figure(comparison, lang=lang).canvas.draw()
    ET.fromstring(to_svg(drawn(comparison, lang)))


ULNAR = """nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal
ulnar,left,adm,wrist,65,2.9,{wrist},{wrist_area},5.5,true
ulnar,left,adm,below_elbow,270,6.2,{far},{far_area},5.7,true
ulnar,left,adm,above_elbow,370,7.9,{far},{far_area},5.8,true
"""  # noqa: E501 - a table as it is typed


def test_what_changed_is_said_first_and_a_normal_elbow_not_at_all(tmp_path):
    visits = []
    for month, (wrist, far) in enumerate([(9.4, 9.0), (4.1, 3.9)], start=1):
        folder = tmp_path / str(month)
        folder.mkdir()
        table = ULNAR.format(wrist=wrist, far=far, wrist_area=3.1 * wrist, far_area=3.1 * far)
        (folder / "sites.csv").write_text(table)
        (folder / "study.toml").write_text(f"[study]\nvisit_date = 2026-0{month}-03\n")
        visits.append(analyze(read_study(folder)))
    (pair,) = build_comparison(compare(visits)).pairs
    assert pair.finding.startswith("Axonal loss")
    assert "above elbow" not in pair.finding
    assert not any("above elbow" in cell.text for row in pair.changes.rows for cell in row)

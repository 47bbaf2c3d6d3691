"""What reports and comparisons tell of a review: who corrected what, and what was refused."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import ncs_cb
from ncs_cb import StudyError, analyze, read_study, view
from ncs_cb.model import RecordingOverride, ResponseOverride
from ncs_cb.reports import write_comparison
from ncs_cb.review import append
from ncs_cb.view.serial import build_comparison
from review_visits import ulnar_visit


def text_of_pdf(path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    said = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True)
    return said.stdout.decode("utf-8")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_comparison_lists_what_was_corrected_at_which_visit(tmp_path, lang):
    first, second = (ulnar_visit(tmp_path / name) for name in ("a", "b"))
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    append(first, who="dr-lin", action="move", trace=place, marker="onset", to_ms=7.6, why="late")
    append(second, who="mt", action="set", trace=place, key="distance_mm", to=300, why="tape")
    append(second, who="wu", action="accept", trace=place)
    found = ncs_cb.compare([analyze(first), analyze(second)])
    formats = ["txt", "html"] + ["pdf"] * (lang == "en")
    write_comparison(found, tmp_path / "out", formats=formats, lang=lang)
    rows = build_comparison(found, lang=lang).corrections.rows
    assert [[cell.text for cell in row][-4:-2] for row in rows] == [
        ["7.60 ms", "dr-lin"],
        ["300 mm", "mt"],
    ]
    texts = [next((tmp_path / "out").glob(f"*{end}")).read_text("utf-8") for end in ("txt", "html")]
    if lang == "en":
        texts.append(text_of_pdf(next((tmp_path / "out").glob("*.pdf"))))
    for text in texts:
        for word in ("7.02", "7.60 ms", "dr-lin", "late", "300 mm", "mt", "tape"):
            assert word in text
    assert {"en": "by mt, wu", "zh": "mt"}[lang] in texts[0].replace("\n  ", " ")


def test_a_correction_that_was_refused_is_never_told_as_made(tmp_path, run):
    visit = ulnar_visit(tmp_path / "a")
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    append(visit, who="dr-lin", action="move", trace=place, marker="onset", to_ms=7.6, why="a test")
    append(visit, who="mt", action="accept", trace={**place, "site": "wrist"})
    # The response is recorded anew; the wrist stays what it was.
    ulnar_visit(visit, heights=(10.0, 9.4, 9.0))
    built = view.build(analyze(visit))
    assert "accepted by mt" in built.status
    assert "not applied: 1, by dr-lin" in built.status
    assert not built.corrections.rows
    assert "dr-lin" not in " ".join(fact.text for fact in built.header)
    _, said, _ = run("analyze", visit, "--out", tmp_path / "out", "--format", "txt,html")
    assert "not applied: 1, by dr-lin" in said
    text = (tmp_path / "out" / "a" / "report.txt").read_text("utf-8")
    assert "not applied: 1, by dr-lin" in text.replace("\n", " ")
    remarks = [r.say() for r in ncs_cb.compare([analyze(visit)] * 2).remarks]
    assert "visit 1: corrections by mt are applied: 1" in remarks
    assert any("dr-lin could not be applied" in line for line in remarks)


def test_a_report_knows_that_an_undo_was_undone(tmp_path):
    visit = ulnar_visit(tmp_path / "a")
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    event = append(
        visit, who="mt", action="move", trace=place, marker="onset", to_ms=7.6, why="a test"
    )
    undo = append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    assert "Not reviewed" in view.build(analyze(visit)).status
    append(visit, who="mt", action="undo", undoes=undo["id"], why="a test")
    built = view.build(analyze(visit))
    assert "Reviewed by mt; corrections: 1" in built.status
    assert len(built.corrections.rows) == 1


def test_what_study_toml_corrects_is_not_told_to_be_automatic(tmp_path):
    visit = ulnar_visit(tmp_path / "a")
    told = '[recordings."ulnar_right.csv".responses.below_elbow]\nonset_latency_ms = 7.6\n'
    (visit / "study.toml").write_text(told, "utf-8")
    status = view.build(analyze(visit)).status
    assert "set by the program" not in status
    assert "study.toml" in status


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("onset_latency_ms = 90.0", "wrist.onset_latency_ms: 90 ms; the sweep allows 0 to 34.95"),
        ("end_latency_ms = 60.0", "wrist.end_latency_ms: 60 ms; the sweep allows 0 to 34.95"),
        ("onset_latency_ms = 9.2", "onset_latency_ms: 9.2 ms; onset, peak and end would not"),
        ("onset_latency_ms = 12.0", "onset_latency_ms: 12 ms; onset, peak and end would not"),
        ("end_latency_ms = 2.0", "end_latency_ms: 2 ms; onset, peak and end would not"),
    ],
)
def test_markers_that_no_response_has_are_refused_in_the_study_file_too(tmp_path, told, why):
    visit = ulnar_visit(tmp_path / "visit")
    section = '[recordings."ulnar_right.csv".responses.wrist]\n'
    (visit / "study.toml").write_text(section + told + "\n", "utf-8")
    with pytest.raises(StudyError, match=why) as caught:
        read_study(visit)
    assert "study.toml" in str(caught.value)


def test_no_duration_is_negative_whoever_made_the_study(tmp_path):
    study = read_study(ulnar_visit(tmp_path / "visit"))
    for onset_ms in np.arange(3.5, 34.0, 0.5):
        told = RecordingOverride(responses={"wrist": ResponseOverride(onset_latency_ms=onset_ms)})
        details = replace(study.details, recordings={"ulnar_right.csv": told})
        row = analyze(replace(study, details=details)).traces.set_index("stimulation_site")
        durations = row.loc["wrist", ["negative_peak_duration_ms", "total_negative_duration_ms"]]
        assert not (durations.astype(float) <= 0.0).any(), onset_ms

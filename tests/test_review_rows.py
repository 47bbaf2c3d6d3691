"""Printed rows under review, the agreement with machines, and reviewed values in serial visits."""

from __future__ import annotations

import json

import pytest

import ncs_cb
from ncs_cb import StudyError, analyze, read_study, write_report
from ncs_cb.review import agreement, append, events
from ncs_cb.review.session import Session
from review_visits import response, ulnar_visit, write_table

HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
    "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms\n"
)
ROWS = (
    "median,right,apb,wrist,70,3.4,10.0,30.0,5.5\n"
    "median,right,apb,elbow,290,7.4,3.0,9.0,5.6\n"
    "median,right,apb,axilla,420,9.6,2.9,8.8,5.7\n"
)
ELBOW = {"recording": "median.csv", "site": "elbow"}


@pytest.fixture
def visit(tmp_path):
    (tmp_path / "visit").mkdir()
    (tmp_path / "visit" / "median.csv").write_text(HEAD + ROWS)
    return tmp_path / "visit"


def row(result, site):
    (one,) = result.traces[result.traces["stimulation_site"] == site].to_dict("records")
    return one


# ------------------------------------------------------------------------- printed rows


def test_the_setting_of_a_printed_row_is_corrected_and_undone(visit):
    before = analyze(visit)
    for key, to in (("supramaximal", True), ("collision_used", True), ("distance_mm", 300)):
        append(visit, who="mt", action="set", trace=ELBOW, key=key, to=to, why="a test")
    append(visit, who="mt", action="set", trace=ELBOW, key="site", to="upper arm", why="typo")
    after = analyze(visit)
    moved = row(after, "upper_arm")
    assert moved["distance_mm"] == 300
    assert moved["negative_peak_amplitude_mv"] == 3.0
    assert "reviewed" in moved["quality_flags"]
    stimulus = next(r.stimulus for r in after.responses if r.site.stimulation_site == "upper_arm")
    assert (stimulus.is_supramaximal, stimulus.supramaximal_by) == (True, "review")
    assert any("typo" in d.reason for d in after.provenance.decisions if d.topic == "review")
    for event in events(visit):
        append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    assert analyze(visit).traces.equals(before.traces)


def test_a_printed_row_left_out_is_kept_and_used_for_nothing(visit):
    append(visit, who="mt", action="exclude", trace=ELBOW, why="electrode came off")
    after = analyze(visit)
    assert {"not_used", "reviewed"} <= set(row(after, "elbow")["quality_flags"].split(";"))
    assert set(after.segments["segment"]) == {"wrist-axilla"}
    append(visit, who="mt", action="choose", trace=ELBOW, why="a test")
    assert "wrist-elbow" in set(analyze(visit).segments["segment"])


def test_of_two_rows_of_a_site_the_chosen_one_is_used(visit):
    (visit / "again.csv").write_text(HEAD + "median,right,apb,elbow,290,7.4,9.5,28.0,5.6\n")
    append(
        visit,
        who="mt",
        action="choose",
        trace={"recording": "again.csv", "site": "elbow"},
        why="a test",
    )
    after = analyze(visit)
    segment = after.segments.set_index("segment").loc["wrist-elbow"]
    assert segment["amplitude_reduction_pct"] == pytest.approx(5.0)


def test_what_only_a_waveform_has_is_refused_of_a_printed_row(visit):
    for more in (
        {"action": "move", "marker": "onset", "to_ms": 7.0},
        {"action": "reset"},
        {"action": "set", "key": "polarity", "to": "negative_down"},
    ):
        with pytest.raises(StudyError, match="a printed row has no waveform"):
            append(visit, who="mt", trace=ELBOW, **more)
    assert not events(visit)


def test_a_correction_of_a_row_that_was_printed_anew_is_refused_and_told(visit):
    append(visit, who="mt", action="exclude", trace=ELBOW, why="a test")
    table = visit / "median.csv"
    table.write_text(table.read_text().replace("7.4,3.0", "7.4,8.9"))
    after = analyze(visit)
    assert "not_used" not in row(after, "elbow")["quality_flags"]
    told = [d for d in after.provenance.decisions if d.topic == "review"]
    assert told[0].choice.startswith("refused")


def test_study_toml_leaves_a_printed_row_out_too(visit):
    (visit / "study.toml").write_text('[recordings."median.csv".responses.elbow]\nexclude = true\n')
    assert "not_used" in row(analyze(visit), "elbow")["quality_flags"]


def test_the_page_shows_printed_rows_with_their_settings(visit):
    session = Session(visit, who="mt")
    (nerve,) = session.state()["nerves"]
    rows = {one["site"]: one for one in nerve["responses"]}
    assert not rows["elbow"]["has_curve"]
    assert set(rows["elbow"]["settings"]) == {
        "site", "side", "distance_mm", "supramaximal", "collision_used",
    }  # fmt: skip
    place = {key: rows["elbow"][key] for key in ("recording", "sweep", "site")}
    session.correct({"action": "exclude", "trace": place, "why": "came off"})
    (nerve,) = session.state()["nerves"]
    again = {one["site"]: one for one in nerve["responses"]}["elbow"]
    assert again["is_excluded"]
    assert not again["is_used"]


# ------------------------------------------------------------------------- machines


def machine_visit(folder, latency_ms, amplitude_mv):
    traces = {"wrist": (response(3.0, 10.0), 70), "below_elbow": (response(7.0, 9.5, seed=2), 290)}
    told = {
        "wrist": {"machine": {"onset_latency_ms": 3.0, "amplitude_mv": 10.0}},
        "below_elbow": {"machine": {"onset_latency_ms": latency_ms, "amplitude_mv": amplitude_mv}},
    }
    write_table(folder, "ulnar_right", traces, told=told)
    return folder


def test_the_agreement_with_the_machines_goes_over_all_visits_the_largest_first(tmp_path, run):
    machine_visit(tmp_path / "v1", 7.5, 9.5)
    machine_visit(tmp_path / "v2", 8.6, 4.0)
    machine_visit(tmp_path / "v3", 7.1, 9.2)
    frame, failed = agreement(tmp_path)
    assert failed == {}
    found = list(frame[["study_id", "measure"]].itertuples(index=False, name=None))
    assert found == [
        ("v2", "negative_peak_amplitude_mv"),
        ("v2", "onset_latency_ms"),
        ("v1", "onset_latency_ms"),
    ]
    assert frame["size"].is_monotonic_decreasing
    assert frame["difference"].iloc[2] == pytest.approx(-0.5, abs=0.1)
    status, out, err = run("review", tmp_path)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["v2", "v2", "v1"]
    assert "3 differences" in err


def test_a_visit_that_cannot_be_read_is_named_beside_the_agreement(tmp_path, run):
    machine_visit(tmp_path / "v1", 8.0, 9.5)
    machine_visit(tmp_path / "v2", 7.0, 9.5)
    (tmp_path / "v2" / "ulnar_right.json").write_text("{}")
    status, out, err = run("review", tmp_path)
    assert status == 1
    assert "v1" in out
    assert "v2: " in err


def test_a_marker_that_a_person_set_like_the_machine_is_no_difference_any_more(tmp_path):
    folder = machine_visit(tmp_path / "v1", 7.5, 9.5)
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    append(folder, who="mt", action="move", trace=place, marker="onset", to_ms=7.5, why="a test")
    assert "onset_latency_ms" not in set(agreement(folder)[0]["measure"])


# ------------------------------------------------------------------------- serial visits


def test_serial_visits_carry_reviewed_values_and_who_made_them(tmp_path, run):
    first = ulnar_visit(tmp_path / "a", heights=(10.0, 9.5, 9.0))
    second = ulnar_visit(tmp_path / "b", heights=(10.0, 3.0, 3.0))
    before = ncs_cb.compare([analyze(first), analyze(second)])
    place = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    append(second, who="dr-lin", action="exclude", trace=place, why="electrode came off")
    append(first, who="dr-lin", action="move", trace=place, marker="onset", to_ms=7.6, why="late")
    after = ncs_cb.compare([analyze(first), analyze(second)])
    assert "wrist-below_elbow" in set(before.timeline.query("visit == 2")["segment"])
    assert "wrist-below_elbow" not in set(after.timeline.query("visit == 2")["segment"])
    slower = after.timeline.query("visit == 1 and segment == 'wrist-below_elbow'")
    faster = before.timeline.query("visit == 1 and segment == 'wrist-below_elbow'")
    shorter = "proximal_area_mv_ms"
    assert slower[shorter].item() < faster[shorter].item()
    status, _, _ = run("compare", first, second, "--out", tmp_path / "out", "--format", "html,json")
    assert status == 0
    page = next((tmp_path / "out").rglob("*.html")).read_text("utf-8")
    assert "dr-lin" in page


def test_every_report_and_the_record_say_what_was_corrected_of_a_printed_row(visit, tmp_path):
    append(visit, who="dr-lin", action="set", trace=ELBOW, key="distance_mm", to=300, why="<i>&x")
    write_report(analyze(read_study(visit)), tmp_path / "out", formats=["html", "json", "txt"])
    folder = tmp_path / "out" / "visit"
    record = json.loads((folder / "result.json").read_text("utf-8"))
    assert [e["to_value"] for e in record["study"]["corrections"]] == [300]
    page = (folder / "report.html").read_text("utf-8")
    assert "dr-lin" in page
    assert "<i>&x" not in page
    texts = [path.read_text("utf-8") for path in folder.glob("*.txt")]
    assert any("dr-lin" in text for text in texts)


def test_the_page_judges_by_the_laboratory_as_analyze_does(visit):
    (visit / "lab.toml").write_text('[defaults]\ncriteria = ["partial_block_20pct"]\n')
    session = Session(visit, who="mt")
    assert set(session.result.verdicts["criteria"]) == {"partial_block_20pct"}
    asked = Session(visit, who="mt", criteria=["efns_pns_2010"])
    assert set(asked.result.verdicts["criteria"]) == {"efns_pns_2010"}

"""What a person corrected stands in every table, and an undo gives the first ones back."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ncs_cb import StudyError, analyze, measure_traces, read_study, review_file, write_report
from ncs_cb.measuring.between import Markers, area_between, corrected, measure_between
from ncs_cb.model import Site, Trace
from ncs_cb.review import append, events
from review_visits import RATE_HZ, hump, response, time_axis, ulnar_visit, write_table

TABLES = ("traces", "segments", "verdicts", "diagnosis", "checks", "recruitment", "inching")
ELBOW = {"recording": "ulnar_right.csv", "site": "below_elbow"}


@pytest.fixture
def visit(tmp_path):
    return ulnar_visit(tmp_path / "visit")


def found(visit):
    return analyze(read_study(visit))


def row(result, site):
    (one,) = result.traces[result.traces["stimulation_site"] == site].to_dict("records")
    return one


def grade(result, segment):
    is_it = (result.verdicts["segment"] == segment) & (
        result.verdicts["criteria"] == "efns_pns_2010"
    )
    return result.verdicts.loc[is_it, "conduction_block"].item()


def in_bytes(result):
    return {name: getattr(result, name).to_json(double_precision=15) for name in TABLES}


@pytest.fixture(scope="module")
def unreviewed(tmp_path_factory):
    """The tables of the visit before anybody corrected anything."""
    return in_bytes(found(ulnar_visit(tmp_path_factory.mktemp("unreviewed") / "visit")))


def review(visit, action, trace=ELBOW, **more):
    reason = {} if action == "accept" else {"why": "a test"}
    return append(visit, who="mt", action=action, trace=trace, **(reason | more))


# ------------------------------------------------------------------ the measure between markers


def automatic(samples, rate_hz=RATE_HZ, stimulus=100):
    frame = measure_traces(samples, sampling_rate_hz=rate_hz, stimulus_index=stimulus)
    return frame.drop(columns="quality_flags").iloc[0].to_dict()


def as_trace(samples):
    return Trace(samples, RATE_HZ, 100, Site("ulnar", "right", "adm", "wrist"), "a.csv")


DISTURBED = {
    "level": lambda t: 0.7 + 0.0 * t,
    "drift": lambda t: 0.02 * t,
    "tail of the artefact": lambda t: np.where(t > 0, 3.0 * np.exp(-np.abs(t) / 1.5), 0.0),
    "hum": lambda t: 0.15 * np.sin(2.0 * np.pi * 0.05 * t + 0.4),
    "late phase": lambda t: hump(t, 22.0, 4.0, 2.0),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("disturbed", DISTURBED)
@pytest.mark.parametrize("marker", ["onset_ms", "peak_ms", "end_ms", "all"])
def test_a_marker_put_where_the_program_put_it_changes_nothing_at_all(seed, disturbed, marker):
    samples = response(3.0 + seed, 8.0, seed=seed) + DISTURBED[disturbed](time_axis())
    numbers = automatic(samples)
    onset = numbers["onset_latency_ms"]
    given = {
        "onset_ms": onset,
        "peak_ms": numbers["negative_peak_latency_ms"],
        "end_ms": onset + numbers["total_negative_duration_ms"],
    }
    chosen = given if marker == "all" else {marker: given[marker]}
    assert measure_between(as_trace(samples), numbers, Markers(**chosen)) == numbers


@pytest.mark.parametrize("disturbed", DISTURBED)
def test_a_marker_moved_by_a_little_changes_little(disturbed):
    samples = response(4.0, 8.0) + DISTURBED[disturbed](time_axis())
    numbers = automatic(samples)
    end = numbers["onset_latency_ms"] + numbers["total_negative_duration_ms"]
    given = Markers(onset_ms=numbers["onset_latency_ms"] + 0.05, end_ms=end - 0.05)
    between = measure_between(as_trace(samples), numbers, given)
    for name in ("negative_peak_area_mv_ms", "total_negative_area_mv_ms"):
        assert between[name] == pytest.approx(numbers[name], rel=2e-3)
    shorter = numbers["total_negative_duration_ms"] - between["total_negative_duration_ms"]
    assert shorter == pytest.approx(0.1, abs=1e-9)


def test_markers_accepted_through_the_log_give_the_first_numbers_to_the_last_bit(visit):
    before = row(found(visit), "below_elbow")
    onset = float(before["onset_latency_ms"])
    review(visit, "move", marker="onset", to_ms=onset)
    review(visit, "move", marker="end", to_ms=onset + float(before["total_negative_duration_ms"]))
    after = row(found(visit), "below_elbow")
    for name in (
        "negative_peak_area_mv_ms",
        "total_negative_area_mv_ms",
        "total_negative_duration_ms",
        "negative_peak_amplitude_mv",
    ):
        assert after[name] == before[name] == after[f"automatic_{name}"]


def test_the_kernel_gives_the_trace_as_it_measured_it():
    samples = response(4.0, 8.0) + DISTURBED["drift"](time_axis()) + 0.7
    z, zero = corrected(as_trace(samples))
    numbers = automatic(samples)
    assert zero == as_trace(samples).stimulus_index
    assert abs(float(z[:80].mean())) < 0.01
    assert float(z.max()) == pytest.approx(numbers["negative_peak_amplitude_mv"], rel=5e-3)
    start = zero + numbers["onset_latency_ms"] / 0.05
    stop = start + numbers["negative_peak_duration_ms"] / 0.05
    area = area_between(z, start, stop) * 0.05
    assert area == pytest.approx(numbers["negative_peak_area_mv_ms"], rel=1e-4)
    flat, _ = corrected(as_trace(np.zeros(samples.size)))
    assert not np.isfinite(flat).any() or not flat.any()


def test_times_count_from_the_artefact_that_the_kernel_found():
    time_ms = time_axis()
    shock = np.where((time_ms >= 0.45) & (time_ms < 0.65), 20.0, 0.0)
    samples = response(4.0, 8.0) + shock
    numbers = automatic(samples)
    _, zero = corrected(as_trace(samples))
    late_ms = (zero - as_trace(samples).stimulus_index) * 0.05
    assert late_ms == pytest.approx(0.45, abs=0.06)
    end = numbers["onset_latency_ms"] + numbers["total_negative_duration_ms"] - 1.0
    between = measure_between(as_trace(samples), numbers, Markers(end_ms=end))
    z, _ = corrected(as_trace(samples))
    lost = area_between(np.maximum(z, 0), zero + end / 0.05, zero + (end + 1.0) / 0.05) * 0.05
    area = numbers["negative_peak_area_mv_ms"] - between["negative_peak_area_mv_ms"]
    assert area == pytest.approx(lost, rel=0.02)


def test_the_area_of_a_known_shape_between_given_markers_is_its_integral():
    samples = hump(time_axis(), 4.0, 6.0, 10.0)
    numbers = automatic(samples + np.random.default_rng(0).normal(0, 1e-4, samples.size))
    between = measure_between(as_trace(samples), numbers, Markers(onset_ms=5.0, end_ms=9.0))
    # 10 mV * 6 ms / pi * (cos(pi / 6) - cos(5 pi / 6))
    assert between["negative_peak_area_mv_ms"] == pytest.approx(
        10.0 * 6.0 / np.pi * np.sqrt(3.0), rel=1e-3
    )
    assert between["negative_peak_duration_ms"] == 4.0
    assert between["negative_peak_amplitude_mv"] == pytest.approx(10.0, rel=1e-3)


def test_a_peak_that_is_moved_gives_the_height_of_the_trace_there():
    samples = hump(time_axis(), 4.0, 6.0, 10.0)
    between = measure_between(as_trace(samples), automatic(samples), Markers(peak_ms=6.0))
    assert between["negative_peak_latency_ms"] == 6.0
    assert between["negative_peak_amplitude_mv"] == pytest.approx(
        10.0 * np.sin(np.pi / 3), rel=1e-3
    )


def test_a_baseline_taken_elsewhere_moves_heights_but_not_peak_to_peak():
    samples = response(4.0, 10.0)
    samples[:100] += 1.0
    numbers = automatic(response(4.0, 10.0))
    between = measure_between(as_trace(samples), numbers, Markers(baseline_ms=-2.0))
    assert between["baseline_mv"] == pytest.approx(1.0, abs=0.01)
    lost = numbers["negative_peak_amplitude_mv"] - between["negative_peak_amplitude_mv"]
    assert lost == pytest.approx(1.0, abs=0.01)
    assert between["peak_to_peak_amplitude_mv"] == pytest.approx(
        numbers["peak_to_peak_amplitude_mv"], abs=1e-9
    )


def test_without_an_end_there_is_no_duration_and_no_area():
    samples = hump(time_axis(), 4.0, 80.0, 10.0)
    between = measure_between(as_trace(samples), automatic(samples), Markers(onset_ms=5.0))
    assert between["onset_latency_ms"] == 5.0
    assert np.isnan(between["total_negative_duration_ms"])
    assert np.isnan(between["negative_peak_area_mv_ms"])


def test_an_end_set_between_two_phases_leaves_the_second_out():
    samples = response(4.0, 10.0) + hump(time_axis(), 16.0, 4.0, 3.0)
    numbers = automatic(samples)
    assert numbers["total_negative_duration_ms"] > 14.0
    between = measure_between(as_trace(samples), numbers, Markers(end_ms=11.0))
    assert between["total_negative_area_mv_ms"] == pytest.approx(
        numbers["negative_peak_area_mv_ms"], rel=0.02
    )
    assert between["total_negative_duration_ms"] == pytest.approx(7.0, abs=0.1)


# ------------------------------------------------------------------ the whole way


def test_a_moved_marker_stands_in_every_table_with_the_automatic_value_beside_it(visit):
    before = found(visit)
    review(visit, "move", marker="onset", to_ms=7.6, why="artefact")
    after = found(visit)
    moved, first = row(after, "below_elbow"), row(before, "below_elbow")
    assert moved["onset_latency_ms"] == 7.6
    assert moved["automatic_onset_latency_ms"] == first["onset_latency_ms"]
    assert "reviewed" in moved["quality_flags"].split(";")
    assert moved["automatic_negative_peak_area_mv_ms"] == first["negative_peak_area_mv_ms"]
    assert moved["negative_peak_area_mv_ms"] < first["negative_peak_area_mv_ms"]
    other = row(after, "wrist")
    assert np.isnan(other["automatic_onset_latency_ms"])
    assert "reviewed" not in other["quality_flags"]
    segment = after.segments.set_index("segment").loc["wrist-below_elbow"]
    delay = 7.6 - other["onset_latency_ms"]
    assert segment["conduction_velocity_m_per_s"] == pytest.approx(220.0 / delay)
    told = [d for d in after.provenance.decisions if d.topic == "review"]
    assert [d.reason for d in told] == ["artefact"]
    assert "mt" in told[0].choice
    assert "7.6 ms" in told[0].choice


@pytest.mark.parametrize(
    "edit",
    [
        {"action": "move", "marker": "onset", "to_ms": 7.6},
        {"action": "move", "marker": "end", "to_ms": 11.0},
        {"action": "move", "marker": "peak", "to_ms": 9.0},
        {"action": "move", "marker": "baseline", "to_ms": -1.0},
        {"action": "exclude"},
        {"action": "choose"},
        {"action": "accept"},
        {"action": "set", "key": "site", "to": "above_elbow"},
        {"action": "set", "key": "side", "to": "left"},
        {"action": "set", "key": "distance_mm", "to": 300},
        {"action": "set", "key": "polarity", "to": "negative_down"},
        {"action": "set", "key": "supramaximal", "to": False},
        {"action": "set", "key": "collision_used", "to": True},
    ],
    ids=lambda edit: edit.get("key") or edit.get("marker") or edit["action"],
)
def test_an_edit_and_its_undo_give_the_first_tables_back_byte_for_byte(visit, unreviewed, edit):
    event = review(visit, **edit)
    assert in_bytes(found(visit)) != unreviewed
    append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    assert in_bytes(found(visit)) == unreviewed


def test_an_undo_that_is_undone_takes_nothing_back(visit):
    event = review(visit, "move", marker="onset", to_ms=7.6)
    undo = append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    append(visit, who="mt", action="undo", undoes=undo["id"], why="a test")
    assert row(found(visit), "below_elbow")["onset_latency_ms"] == 7.6


def test_reset_gives_one_marker_or_all_back(visit):
    first = row(found(visit), "below_elbow")
    review(visit, "move", marker="onset", to_ms=7.6)
    review(visit, "move", marker="end", to_ms=11.0)
    review(visit, "reset", marker="onset")
    one = row(found(visit), "below_elbow")
    assert one["onset_latency_ms"] == first["onset_latency_ms"]
    assert one["onset_latency_ms"] + one["total_negative_duration_ms"] == pytest.approx(11.0)
    review(visit, "reset")
    assert (
        row(found(visit), "below_elbow")["total_negative_area_mv_ms"]
        == first["total_negative_area_mv_ms"]
    )


def test_an_excluded_response_is_kept_but_used_for_nothing(visit):
    review(visit, "exclude", why="electrode came off")
    after = found(visit)
    flags = row(after, "below_elbow")["quality_flags"].split(";")
    assert {"not_used", "reviewed"} <= set(flags)
    assert set(after.segments["segment"]) == {"wrist-axilla"}


def test_a_chosen_response_is_used_in_place_of_the_one_the_program_chose(tmp_path):
    traces = {"wrist": (response(3.0, 10.0), 70), "below_elbow": (response(7.0, 9.0), 290)}
    write_table(tmp_path / "v", "a", traces)
    write_table(tmp_path / "v", "b", {"below_elbow": (response(7.0, 4.0, seed=5), 290)})
    before = found(tmp_path / "v")
    used = before.traces[~before.traces["quality_flags"].str.contains("not_used")]
    assert set(used["recording"]) == {"a.csv"}
    review(tmp_path / "v", "choose", {"recording": "b.csv", "site": "below_elbow"})
    after = found(tmp_path / "v")
    reduction = after.segments["amplitude_reduction_pct"].item()
    assert reduction == pytest.approx(60.0, abs=1.0)


def test_a_site_and_a_distance_set_right_are_judged_as_such(visit):
    review(visit, "set", key="site", to="A. Elbow")
    review(visit, "set", key="distance_mm", to=360)
    after = found(visit)
    segment = after.segments.set_index("segment").loc["wrist-above_elbow"]
    assert segment["length_mm"] == 290.0


def test_a_trace_turned_over_is_measured_as_if_recorded_so(tmp_path):
    upright = ulnar_visit(tmp_path / "upright")
    turned = tmp_path / "turned"
    onsets, heights, far = (3.0, 7.0, 11.0), (10.0, 9.5, 9.0), (70, 290, 510)
    sites = ("wrist", "below_elbow", "axilla")
    traces = {
        site: ((-1.0 if site == "below_elbow" else 1.0) * response(o, h, seed=n), d)
        for n, (site, o, h, d) in enumerate(zip(sites, onsets, heights, far, strict=True))
    }
    write_table(turned, "ulnar_right", traces)
    review(turned, "set", key="polarity", to="negative_down")
    names = ["onset_latency_ms", "negative_peak_amplitude_mv", "total_negative_area_mv_ms"]
    pd.testing.assert_frame_equal(found(turned).traces[names], found(upright).traces[names])


def test_attesting_by_review_withdraws_and_gives_the_attestation(visit):
    review(visit, "set", key="supramaximal", to=False)
    flags = found(visit).segments.set_index("segment")["quality_flags"]
    assert "submaximal_proximal" in flags["wrist-below_elbow"]
    review(visit, "set", key="supramaximal", to=True)
    flags = found(visit).segments.set_index("segment")["quality_flags"]
    assert "submaximal_proximal" not in flags["wrist-below_elbow"]


def test_a_marker_can_turn_a_block_into_none_and_back(tmp_path):
    visit = ulnar_visit(tmp_path / "v", heights=(10.0, 3.0, 3.0))
    assert grade(found(visit), "wrist-below_elbow") == "definite"
    event = review(visit, "move", {"site": "wrist"}, marker="end", to_ms=4.2)
    assert grade(found(visit), "wrist-below_elbow") != "definite"
    append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    assert grade(found(visit), "wrist-below_elbow") == "definite"


def test_an_event_whose_samples_no_longer_match_is_refused_and_the_rest_holds(visit):
    review(visit, "move", marker="onset", to_ms=7.6)
    review(visit, "move", {"site": "axilla"}, marker="onset", to_ms=11.5)
    table = visit / "ulnar_right.csv"
    lines = table.read_text("utf-8").splitlines()
    cells = lines[300].split(",")
    cells[2] = f"{float(cells[2]) + 0.01:.6f}"
    lines[300] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n", "utf-8")
    after = found(visit)
    assert row(after, "below_elbow")["onset_latency_ms"] == pytest.approx(7.0, abs=0.2)
    assert "reviewed" not in row(after, "below_elbow")["quality_flags"]
    assert row(after, "axilla")["onset_latency_ms"] == 11.5
    refused = [d for d in after.provenance.decisions if d.choice.startswith("refused")]
    assert [d.reason for d in refused] == ["the samples of this response have changed since"]


def test_a_response_that_was_not_seen_can_be_given_markers(tmp_path):
    noise = np.random.default_rng(3).normal(0.0, 0.02, time_axis().size)
    small = noise + hump(time_axis(), 8.0, 6.0, 0.06)
    write_table(
        tmp_path / "v", "u", {"wrist": (response(3.0, 9.0), 70), "below_elbow": (small, 290)}
    )
    visit = tmp_path / "v"
    assert "response_absent" in row(found(visit), "below_elbow")["quality_flags"]
    place = {"site": "below_elbow"}
    review(visit, "move", place, marker="onset", to_ms=8.0)
    review(visit, "move", place, marker="end", to_ms=14.0)
    seen = row(found(visit), "below_elbow")
    assert "response_absent" not in seen["quality_flags"]
    assert seen["response"] == "present"
    assert seen["negative_peak_amplitude_mv"] == pytest.approx(0.06, abs=0.06)
    assert seen["total_negative_duration_ms"] == 6.0
    assert np.isnan(seen["automatic_onset_latency_ms"])


def test_the_record_holds_the_events_and_reads_them_back(visit, tmp_path):
    why = '<b>"artefact"</b> & more'
    review(visit, "move", marker="onset", to_ms=7.6, why=why)
    review(visit, "set", key="supramaximal", to=False)
    result = found(visit)
    write_report(result, tmp_path / "out", formats=["html", "json"])
    record = json.loads((tmp_path / "out" / "visit" / "result.json").read_text("utf-8"))
    assert [e["why"] for e in record["study"]["corrections"]] == [why, "a test"]
    assert [e["to_value"] for e in record["study"]["corrections"]] == [7.6, False]
    from ncs_cb.reports.record import from_record

    assert from_record(record).study.corrections == result.study.corrections
    page = (tmp_path / "out" / "visit" / "report.html").read_text("utf-8")
    assert "<b>&#34;artefact" not in page
    assert why not in page
    assert len(events(visit)) == 2


def test_the_order_of_steps_does_not_matter_to_other_responses(visit):
    before = found(visit)
    review(visit, "exclude", {"site": "axilla"})
    after = found(visit)
    pd.testing.assert_series_equal(
        after.segments.set_index("segment").loc["wrist-below_elbow"].drop("quality_flags"),
        before.segments.set_index("segment").loc["wrist-below_elbow"].drop("quality_flags"),
    )


def test_a_batch_redoes_the_study_whose_log_changed_and_lists_who_moved_what(tmp_path):
    from ncs_cb.batch import run_batch

    root, out = tmp_path / "root", tmp_path / "out"
    for name in ("a", "b"):
        ulnar_visit(root / name)
    recording = root / "alone.csv"
    for suffix in (".csv", ".json"):
        recording.with_suffix(suffix).write_bytes(
            (root / "a" / f"ulnar_right{suffix}").read_bytes()
        )
    run_batch(root, out, workers=1)
    assert len(pd.read_parquet(out / "reviews")) == 0
    event = review(root / "a", "move", marker="onset", to_ms=7.6, why="artefact")
    review(recording, "exclude", {"site": "axilla"})
    done = run_batch(root, out, workers=1)
    assert done.n_done == 2
    rows = pd.read_parquet(out / "reviews").set_index("study_id")
    assert set(rows.index) == {"a", "alone"}
    assert rows.loc["a", "event"] == event["id"]
    assert rows.loc["a", "moved_ms"] == pytest.approx(7.6 - event["from_ms"])
    assert (rows.loc["a", "who"], rows.loc["a", "state"]) == ("mt", "applied")
    traces = pd.read_parquet(out / "traces").set_index(["study_id", "stimulation_site"])
    assert traces.loc[("a", "below_elbow"), "onset_latency_ms"] == 7.6
    assert traces.loc[("b", "below_elbow"), "onset_latency_ms"] != 7.6


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_report_says_who_reviewed_or_that_nobody_did(visit, lang):
    from ncs_cb import view

    def told(result):
        built = view.build(result, lang=lang)
        (nerve,) = built.nerves
        return " ".join(fact.text for fact in built.header), nerve.sites.rows

    header, rows = told(found(visit))
    assert {"en": "not reviewed", "zh": "未复核"}[lang] in header
    assert len(rows) == 3
    review(visit, "move", marker="onset", to_ms=7.6)
    header, rows = told(found(visit))
    assert "mt" in header
    assert len(rows) == 4
    texts = [[cell.text for cell in line] for line in rows]
    assert any("7.6" in line for line in texts)
    assert any(
        line[0] == {"en": "automatic", "zh": "自动"}[lang] and "7.0" in line for line in texts
    )


def test_an_onset_far_behind_the_program_s_brings_baseline_peak_and_end_with_it(tmp_path):
    clean = response(7.0, 9.0, seed=4) + hump(time_axis(), 3.0, 2.0, 3.0)
    traces = {"wrist": (response(3.0, 10.0), 70), "below_elbow": (clean, 290)}
    visit = tmp_path / "v"
    write_table(visit, "ulnar_right", traces)
    wrong = row(found(visit), "below_elbow")
    assert wrong["onset_latency_ms"] < 3.5
    review(visit, "move", marker="onset", to_ms=7.0, why="a far-field bump before it")
    right, alone = row(found(visit), "below_elbow"), automatic(response(7.0, 9.0, seed=4))
    assert right["onset_latency_ms"] == 7.0
    for name in ("negative_peak_amplitude_mv", "total_negative_area_mv_ms"):
        assert right[name] == pytest.approx(alone[name], rel=0.01)
    assert right["total_negative_duration_ms"] == pytest.approx(
        alone["total_negative_duration_ms"], abs=0.1
    )
    assert right["automatic_onset_latency_ms"] == wrong["onset_latency_ms"]


def test_an_onset_may_be_set_behind_the_end_of_what_the_program_took_for_the_response(tmp_path):
    # What is smaller and this much later is named late, and is no part of the response.
    far = response(13.0, 5.0, seed=4) + hump(time_axis(), 3.0, 6.0, 3.0)
    visit = tmp_path / "v"
    write_table(visit, "u", {"wrist": (response(3.0, 10.0), 70), "axilla": (far, 430)})
    place = {"recording": "u.csv", "site": "axilla"}
    wrong = row(found(visit), "axilla")
    assert wrong["onset_latency_ms"] + wrong["total_negative_duration_ms"] < 10.0
    with pytest.raises(StudyError, match="would not follow each other"):
        review(visit, "move", place, marker="onset", to_ms=25.0)  # no response behind it
    event = review(visit, "move", place, marker="onset", to_ms=13.0, why="a bump before it")
    right, alone = row(found(visit), "axilla"), automatic(response(13.0, 5.0, seed=4))
    for name in ("negative_peak_amplitude_mv", "total_negative_area_mv_ms"):
        assert right[name] == pytest.approx(alone[name], rel=0.01)
    assert right["negative_peak_latency_ms"] == pytest.approx(16.0, abs=0.1)
    # What depended on that onset may now be set, and not before the new one.
    with pytest.raises(StudyError, match="would not follow each other"):
        review(visit, "move", place, marker="end", to_ms=12.0)
    review(visit, "move", place, marker="end", to_ms=18.5)
    assert row(found(visit), "axilla")["total_negative_duration_ms"] == pytest.approx(5.5)
    append(visit, who="mt", action="undo", undoes=event["id"], why="a test")
    assert row(found(visit), "axilla")["onset_latency_ms"] == wrong["onset_latency_ms"]


def test_markers_that_an_undo_puts_in_the_other_order_give_no_duration(visit):
    first = review(visit, "move", marker="onset", to_ms=5.0)
    review(visit, "move", marker="end", to_ms=6.5)
    append(visit, who="mt", action="undo", undoes=first["id"], why="a test")
    told = row(found(visit), "below_elbow")
    assert told["onset_latency_ms"] > 6.5
    for name in ("total_negative_duration_ms", "total_negative_area_mv_ms"):
        assert np.isnan(told[name])


def test_study_toml_corrects_a_response_as_a_review_does_and_the_review_wins(visit):
    (visit / "study.toml").write_text(
        """
        [recordings."ulnar_right.csv".responses.below_elbow]
        onset_latency_ms = 7.4
        end_latency_ms = 11.5
        supramaximal = false
        [recordings."ulnar_right.csv".responses.axilla]
        exclude = true
        """,
        "utf-8",
    )
    result = found(visit)
    told = row(result, "below_elbow")
    assert told["onset_latency_ms"] == 7.4
    assert told["total_negative_duration_ms"] == pytest.approx(4.1)
    assert told["automatic_onset_latency_ms"] == pytest.approx(7.0, abs=0.2)
    assert "reviewed" in told["quality_flags"]
    assert "not_used" in row(result, "axilla")["quality_flags"]
    assert any(d.choice.startswith("study.toml") for d in result.provenance.decisions)
    review(visit, "move", marker="onset", to_ms=7.6)
    review(visit, "choose", {"site": "axilla"})
    result = found(visit)
    assert row(result, "below_elbow")["onset_latency_ms"] == 7.6
    assert "not_used" not in row(result, "axilla")["quality_flags"]


def test_study_toml_says_until_when_nothing_is_response(tmp_path):
    bump = response(7.0, 9.0, seed=4) + hump(time_axis(), 3.0, 2.0, 3.0)
    traces = {"wrist": (response(3.0, 10.0), 70), "below_elbow": (bump, 290)}
    visit = tmp_path / "v"
    write_table(visit, "ulnar_right", traces)
    (visit / "study.toml").write_text(
        '[recordings."ulnar_right.csv".responses.below_elbow]\nignore_until_ms = 5.5\n', "utf-8"
    )
    told, alone = row(found(visit), "below_elbow"), automatic(response(7.0, 9.0, seed=4))
    for name in ("onset_latency_ms", "negative_peak_amplitude_mv", "total_negative_area_mv_ms"):
        assert told[name] == pytest.approx(alone[name], rel=0.02)
    assert told["automatic_onset_latency_ms"] < 3.5


def test_a_stimulus_that_names_no_site_gets_one_from_the_log(tmp_path):
    visit = tmp_path / "v"
    traces = {"wrist": (response(3.0, 10.0), 70), "S 3": (response(7.0, 9.0), 290)}
    path = write_table(visit, "u", traces)
    sidecar = json.loads(path.with_suffix(".json").read_text("utf-8"))
    del sidecar["traces"]["S 3"]["site"]
    path.with_suffix(".json").write_text(json.dumps(sidecar), "utf-8")
    event = {
        "id": "1",
        "at": "2026-03-02T10:11:12Z",
        "who": "mt",
        "action": "set",
        "trace": {"recording": "u.csv", "text": "S 3"},
        "key": "site",
        "from": None,
        "to": "below_elbow",
        "why": "protocol sheet",
    }
    review_file.append(visit / "review.jsonl", event)
    result = found(visit)
    assert list(result.segments["segment"]) == ["wrist-below_elbow"]
    (told,) = (d for d in result.provenance.decisions if d.topic == "review")
    assert "S 3: site from unknown to below_elbow" in told.choice


def test_a_text_that_no_unassigned_stimulus_has_is_refused(visit):
    with pytest.raises(StudyError, match="only an unassigned stimulus has a text"):
        review(
            visit, "set", {"recording": "ulnar_right.csv", "text": "S 9"}, key="site", to="axilla"
        )


def test_the_log_is_reached_from_the_package_alone():
    code = "import ncs_cb; print(ncs_cb.review.append.__name__)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "append\n"

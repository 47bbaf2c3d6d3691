"""Serial visits: persistent, new and resolved block, and which end of the segment changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from ncs_cb import comparison as serial
from ncs_cb.columns import conform
from ncs_cb.errors import StudyError
from ncs_cb.measuring import segments
from ncs_cb.model import (
    DataFile,
    Details,
    Provenance,
    Result,
    Source,
    Study,
    TreatmentCourse,
)
from ncs_cb.vocabulary import RESULT_TABLES

EFNS = DataFile("efns_pns_2010", 1, "a" * 64)
AANEM = DataFile("aanem_2016", 1, "b" * 64)
PROVENANCE = Provenance("0.1.0", (EFNS,), (AANEM,), settings={"reference": "aanem_2016"})
IVIG = TreatmentCourse("ivig", date(2026, 3, 10), None, 2.0)


def visit(
    wrist=10.0,
    elbow=3.0,
    grade="definite",
    day=date(2026, 3, 2),
    name="v1",
    *,
    first_wrist=None,
    flag="",
    high_pass_hz=2.0,
    above_elbow=None,
    **details,
):
    """One ulnar forearm with an area of three times the amplitude."""
    rows = [
        {
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "kind": "motor",
            "stimulation_site": site,
            "distance_mm": distance,
            "onset_latency_ms": latency,
            "negative_peak_amplitude_mv": size,
            "negative_peak_area_mv_ms": first,
            "total_negative_area_mv_ms": 3 * size if first_wrist is None else np.nan,
            "quality_flags": text,
            "study_id": name,
            "high_pass_hz": high_pass_hz,
        }
        for site, distance, latency, size, first, text in (
            ("wrist", 80, 3.0, wrist, 3 * wrist if first_wrist is None else first_wrist, ""),
            ("below_elbow", 280, 6.3, elbow, 3 * elbow, flag),
            ("above_elbow", 380, 8.1, above_elbow, 3 * (above_elbow or 0.0), ""),
        )
        if size is not None
    ]
    traces = conform(pd.DataFrame(rows), "traces")
    pairs = segments.pair_sites(traces).assign(
        blocked_fraction=1 - (elbow if np.isfinite(elbow) else 0.0) / wrist
    )
    verdicts = pairs[["study_id", "nerve", "side", "muscle", "segment"]].assign(
        criteria="efns_pns_2010", conduction_block=grade
    )
    empty = {
        table: conform(pd.DataFrame(), table)
        for table in RESULT_TABLES
        if table not in ("traces", "segments", "verdicts")
    }
    study = Study(name, details=Details(visit_date=day, **details))
    return Result(
        study,
        traces,
        pairs,
        conform(verdicts, "verdicts"),
        **empty,
        responses=(),
        provenance=PROVENANCE,
    )


def later(*sizes, **settings):
    return visit(*sizes, **({"day": date(2026, 4, 20), "name": "v2"} | settings))


def change(first, second):
    changes = serial.compare([first, second]).changes
    assert len(changes) == 1
    return changes.iloc[0]


# ------------------------------------------------------------------ what became of the block


@pytest.mark.parametrize(
    ("earlier", "after", "course", "changed"),
    [
        # share conducted: 0.30 to 0.32; both graded
        ((10.0, 3.0, "definite"), (10.0, 3.2, "definite"), "persistent", False),
        # 0.30 to 0.45 is 40 % of the mean: another grade, but within repeatability
        ((10.0, 3.0, "definite"), (10.0, 4.5, "probable"), "persistent", False),
        # 0.30 to 0.60 is 67 % of the mean
        ((10.0, 3.0, "definite"), (10.0, 6.0, "probable"), "persistent", True),
        ((10.0, 3.0, "definite"), (10.0, 9.0, "none"), "resolved", True),
        ((10.0, 9.0, "none"), (10.0, 4.0, "definite"), "new", True),
        # 0.72 to 0.68 crosses the limit of a rule and means nothing
        ((10.0, 7.2, "none"), (10.0, 6.8, "probable"), "unchanged", False),
        ((10.0, 9.0, "none"), (10.0, 9.5, "none"), "unchanged", False),
        # 0.40 to 0.66 is 49 % of the mean: between 43 and 55 %
        ((10.0, 4.0, "definite"), (10.0, 6.6, "none"), "undetermined", None),
        ((10.0, 3.0, "definite"), (10.0, 9.0, "undetermined"), "undetermined", None),
        ((10.0, 3.0, "excluded"), (10.0, 9.0, "none"), "undetermined", None),
        ((10.0, 3.0, "not_covered"), (10.0, 3.0, "not_covered"), "undetermined", None),
    ],
)
def test_what_became_of_the_block(earlier, after, course, changed):
    row = change(visit(*earlier), later(*after))
    assert row["block_course"] == course
    assert (None if pd.isna(row["is_changed"]) else bool(row["is_changed"])) is changed


def test_a_block_that_becomes_complete_is_another_class_than_a_partial_one():
    partial = visit(10.0, 4.0)
    complete = later(10.0, np.nan, flag="response_absent")
    row = change(partial, complete)
    assert (row["block_course"], row["interpretation"]) == ("persistent", "more_block")
    assert row["is_changed"]
    # As in table segments: a response that is known to be absent is a fall of 100 %.
    assert complete.segments["area_reduction_pct"].item() == 100.0
    assert row["later_area_reduction_pct"] == 100.0
    assert row["area_reduction_change_pct"] == pytest.approx(40.0)
    assert not row["is_first_phase"]
    timeline = serial.compare([partial, complete]).timeline
    assert timeline["area_reduction_pct"].to_list() == pytest.approx([60.0, 100.0])
    assert change(replace_day(complete, 1), replace_day(partial, 9))["is_changed"]
    assert not change(replace_day(complete, 1), replace_day(complete, 9))["is_changed"]


def replace_day(result, month):
    details = replace(result.study.details, visit_date=date(2026, month, 2))
    return replace(result, study=replace(result.study, details=details))


@pytest.mark.parametrize(
    ("ratio", "event"),
    [
        # relative to the mean: 2 (r - 1) / (r + 1)
        (1.0, "within_repeatability"),
        (1.547, "within_repeatability"),
        (1.55, "undetermined"),
        (1.75, "undetermined"),
        (1.77, "rise"),
        (3.0, "rise"),
        (1 / 1.5, "within_repeatability"),
        (1 / 1.65, "undetermined"),
        (1 / 1.77, "fall"),
    ],
)
def test_repeatability_is_43_to_55_percent_of_the_mean_up_and_down_alike(ratio, event):
    row = change(visit(10.0, 4.0), later(10.0, 4.0 * ratio))
    assert row["proximal_event"] == event


# ------------------------------------------------------------------ which end changed


@pytest.mark.parametrize(
    ("earlier", "after", "interpretation"),
    [
        # only the proximal response recovers
        ((10.0, 2.0), (10.0, 9.0), "unblocking"),
        # both grow in proportion: axons came back, the block is what it was
        ((4.0, 2.0), (10.0, 5.0), "reinnervation"),
        ((4.0, 1.0), (10.0, 9.0), "reinnervation;unblocking"),
        ((10.0, 9.0), (10.0, 3.0), "more_block"),
        ((10.0, 9.0), (3.0, 2.7), "axonal_loss"),
        # the distal response falls and the proximal one stays: the ratio rises, nothing unblocks
        ((10.0, 2.0), (3.0, 2.0), "axonal_loss"),
        # the distal response rises and the proximal one stays: the ratio falls, nothing blocks
        ((3.0, 2.0), (10.0, 2.0), "reinnervation"),
        ((10.0, 5.0), (11.0, 5.5), ""),
    ],
)
def test_distal_and_proximal_changes_are_told_apart(earlier, after, interpretation):
    assert change(visit(*earlier), later(*after))["interpretation"] == interpretation


def test_the_numbers_of_both_visits_stand_beside_their_change():
    row = change(visit(10.0, 3.0), later(8.0, 6.0, "probable"))
    assert row["earlier_area_reduction_pct"] == pytest.approx(70.0)
    assert row["later_area_reduction_pct"] == pytest.approx(25.0)
    assert row["area_reduction_change_pct"] == pytest.approx(-45.0)
    assert row["amplitude_reduction_change_pct"] == pytest.approx(-45.0)
    assert row["distal_area_change_pct"] == pytest.approx(-20.0)
    assert row["proximal_amplitude_change_pct"] == pytest.approx(100.0)
    assert row["earlier_blocked_fraction"] == pytest.approx(0.7)
    assert row["blocked_fraction_change"] == pytest.approx(-0.45)
    assert (row["earlier_date"], row["later_date"]) == ("2026-03-02", "2026-04-20")
    assert (row["earlier_conduction_block"], row["later_conduction_block"]) == (
        "definite",
        "probable",
    )


def test_a_response_that_comes_back_is_an_unblocking():
    first = visit(10.0, np.nan, "undetermined", flag="response_absent")
    row = change(first, later(10.0, 6.0, "none"))
    assert row["interpretation"] == "unblocking"
    assert np.isnan(row["earlier_proximal_amplitude_mv"])
    assert np.isnan(row["proximal_area_change_pct"])


def test_a_response_that_was_not_measurable_tells_nothing():
    first = visit(10.0, np.nan, "undetermined", flag="clipped")
    row = change(first, later(10.0, 6.0, "none"))
    assert row["interpretation"] == ""
    assert row["proximal_event"] == "undetermined"


def test_areas_of_the_first_phase_are_compared_only_with_their_like():
    row = change(visit(10.0, 3.0), later(10.0, 6.0, first_wrist=30.0))
    assert row["is_first_phase"]
    assert row["later_area_reduction_pct"] == pytest.approx(40.0)
    assert not change(visit(), later())["is_first_phase"]


# ------------------------------------------------------------------ visits


def test_visits_are_ordered_by_date():
    second, first = later(10.0, 9.0, "none"), visit()
    comparison = serial.compare([second, first])
    assert [v.result.study.study_id for v in comparison.visits] == ["v1", "v2"]
    assert comparison.changes["block_course"].item() == "resolved"


def test_without_a_date_the_given_order_stands_and_the_comparison_says_so():
    comparison = serial.compare([later(), visit(day=None)])
    assert [v.result.study.study_id for v in comparison.visits] == ["v2", "v1"]
    assert "no_dates" in [remark.case for remark in comparison.remarks]
    assert pd.isna(comparison.changes["later_date"].item())


def test_three_visits_give_each_step_and_the_whole():
    third = visit(10.0, 9.0, "none", day=date(2026, 9, 1), name="v3")
    changes = serial.compare([visit(), later(), third]).changes
    steps = changes[["earlier_visit", "later_visit", "is_consecutive", "block_course"]]
    assert steps.values.tolist() == [
        [1, 2, True, "persistent"],
        [2, 3, True, "resolved"],
        [1, 3, False, "resolved"],
    ]


def test_the_timeline_has_one_row_per_visit_and_segment():
    timeline = serial.compare([visit(), later(10.0, 9.0)]).timeline
    assert timeline["visit"].tolist() == [1, 2]
    assert timeline["proximal_area_mv_ms"].tolist() == [9.0, 27.0]
    assert timeline["area_reduction_pct"].to_list() == pytest.approx([70.0, 10.0])


def test_a_segment_missing_from_one_visit_is_undetermined():
    second = later()
    second = replace(second, segments=second.segments.iloc[:0], verdicts=second.verdicts.iloc[:0])
    row = change(visit(), second)
    assert row["block_course"] == "undetermined"
    assert pd.isna(row["later_conduction_block"])
    assert row["interpretation"] == ""


def test_treatment_between_the_visits_is_named():
    stopped = TreatmentCourse("steroids", date(2025, 1, 1), date(2026, 2, 1))
    running = TreatmentCourse("cyclophosphamide", date(2026, 1, 1), date(2026, 6, 1))
    comparison = serial.compare([visit(courses=(stopped, running)), later(courses=(IVIG, stopped))])
    assert comparison.courses == (stopped, running, IVIG)
    assert comparison.changes["treatment_between"].item() == "cyclophosphamide;ivig"


# ------------------------------------------------------------------ what is refused, what is said


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"version": "0.2.0"}, "version"),
        ({"criteria": (replace(EFNS, revision=2),)}, "criteria sets"),
        ({"criteria": (replace(EFNS, sha256="c" * 64),)}, "criteria sets"),
        ({"reference": ()}, "limits of normal"),
        ({"settings": {"reference": "preston_shapiro"}}, "settings"),
    ],
)
def test_results_of_another_method_are_refused(other, what):
    second = replace(later(), provenance=replace(PROVENANCE, **other))
    with pytest.raises(StudyError, match=f"different {what}") as error:
        serial.compare([visit(), second])
    assert "afresh" in str(error.value)


def test_one_visit_is_no_comparison():
    with pytest.raises(StudyError, match="at least two visits, not 1"):
        serial.compare([visit()])


def remarks(*results):
    return [remark.case for remark in serial.compare(results).remarks]


def test_that_nobody_can_check_the_person_is_always_said():
    (remark,) = serial.compare([visit(), later()]).remarks
    assert "nothing in the recordings says" in remark.say()
    assert remark.say("zh").startswith("记录中没有信息")


def test_signs_of_a_mistake_are_said():
    assert "sex_differs" in remarks(visit(sex="male"), later(sex="female"))
    assert "filters_differ" in remarks(visit(), later(high_pass_hz=20.0))
    source = Source("a.edf", "d" * 64, "edf")
    twice = [
        replace(result, study=replace(result.study, sources=(source,)))
        for result in (visit(), later())
    ]
    assert "same_files" in remarks(*twice)


def test_comparing_changes_no_result():
    first, second = visit(), later()
    before = [table.copy(deep=True) for table in (first.segments, first.traces, second.verdicts)]
    serial.compare([first, second])
    for copy, table in zip(before, (first.segments, first.traces, second.verdicts), strict=True):
        pd.testing.assert_frame_equal(copy, table)


def test_only_the_most_distal_response_speaks_of_the_axons():
    # Above a block that resolves every response grows: that is unblocking, not reinnervation.
    earlier, after = visit(10.0, 3.0, above_elbow=3.0), later(10.0, 9.0, above_elbow=9.0)
    changes = serial.compare([earlier, after]).changes.set_index("distal_site")
    assert changes.loc["below_elbow", "distal_event"] == "rise"
    assert changes.loc["below_elbow", "interpretation"] == ""
    assert changes.loc["wrist", "interpretation"] == "unblocking"

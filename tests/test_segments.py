"""Pairing of stimulation sites and the changes between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb.columns import conform
from ncs_cb.errors import StudyError
from ncs_cb.measuring.segments import pair_sites, used_rows
from ncs_cb.model import Study
from test_unlike import sweep


def traces(*rows: dict) -> pd.DataFrame:
    base = {"study_id": "s", "nerve": "ulnar", "side": "right", "muscle": "adm", "kind": "motor"}
    return conform(pd.DataFrame([base | row for row in rows]), "traces")


def site(name: str, amplitude: float = 10.0, **values: float) -> dict:
    return {
        "stimulation_site": name,
        "negative_peak_amplitude_mv": amplitude,
        "peak_to_peak_amplitude_mv": 1.5 * amplitude,
        "negative_peak_area_mv_ms": 3.0 * amplitude,
        "total_negative_area_mv_ms": 3.0 * amplitude,
        "negative_peak_duration_ms": 5.5,
        "total_negative_duration_ms": 5.5,
    } | values


def test_reductions_and_increases_are_relative_to_the_distal_site():
    table = pair_sites(
        traces(
            site("wrist"),
            site(
                "below_elbow", 4.0, total_negative_duration_ms=7.15, negative_peak_duration_ms=6.6
            ),
        )
    )
    row = table.iloc[0]
    assert row["segment"] == "wrist-below_elbow"
    assert row["distal_amplitude_mv"] == 10.0
    assert row["amplitude_reduction_pct"] == pytest.approx(60.0)
    assert row["total_area_reduction_pct"] == pytest.approx(60.0)
    assert row["total_duration_increase_pct"] == pytest.approx(30.0)
    assert row["duration_increase_pct"] == pytest.approx(20.0)


def test_velocity_is_length_over_latency_difference():
    # The EDF+ specification's own example: (28.5 - 6.5) cm over (7.8 - 3.8) ms is 55.0 m/s.
    table = pair_sites(
        traces(
            site("wrist", distance_mm=65, onset_latency_ms=3.8),
            site("below_elbow", distance_mm=285, onset_latency_ms=7.8),
        )
    )
    assert table["length_mm"].item() == 220.0
    assert table["conduction_velocity_m_per_s"].item() == pytest.approx(55.0)


def test_every_site_is_also_compared_with_the_most_distal_one():
    table = pair_sites(
        traces(*(site(name) for name in ("axilla", "wrist", "above_elbow", "below_elbow")))
    )
    assert table["segment"].tolist() == [
        "wrist-below_elbow",
        "below_elbow-above_elbow",
        "above_elbow-axilla",
        "wrist-above_elbow",
        "wrist-axilla",
    ]
    assert table["is_adjacent"].tolist() == [True, True, True, False, False]
    assert table["is_entrapment_site"].tolist() == [False, True, False, True, True]


def test_the_order_of_rows_changes_nothing():
    rows = [site(n, a) for n, a in (("wrist", 10.0), ("below_elbow", 8.0), ("axilla", 4.0))]
    pd.testing.assert_frame_equal(pair_sites(traces(*rows)), pair_sites(traces(*rows[::-1])))


def test_studies_nerves_sides_and_muscles_are_never_mixed():
    table = pair_sites(
        traces(
            site("wrist"),
            site("wrist") | {"study_id": "t"},
            site("wrist") | {"side": "left"},
            site("wrist") | {"muscle": "fdi"},
            site("wrist") | {"nerve": "median"},
            site("below_elbow") | {"study_id": "t"},
        )
    )
    assert table[["study_id", "segment"]].values.tolist() == [["t", "wrist-below_elbow"]]


def test_a_proximal_value_that_is_missing_is_unknown_and_not_absent():
    table = pair_sites(traces(site("wrist"), {"stimulation_site": "below_elbow"}))
    assert np.isnan(table["amplitude_reduction_pct"].item())
    assert "response_absent_at_site" not in table["quality_flags"].item().split(";")


@pytest.mark.parametrize(
    "absent", [{"quality_flags": "response_absent"}, {"negative_peak_amplitude_mv": 0.0}]
)
def test_a_proximal_response_that_is_absent_is_a_fall_of_all_and_has_no_duration(absent):
    table = pair_sites(traces(site("wrist"), {**site("below_elbow"), **absent}))
    for name in ("amplitude_reduction_pct", "area_reduction_pct", "total_area_reduction_pct"):
        assert table[name].item() == 100.0
    assert np.isnan(table["duration_increase_pct"].item())
    assert np.isnan(table["conduction_velocity_m_per_s"].item())
    assert "response_absent_at_site" in table["quality_flags"].item().split(";")


def test_first_phase_values_alone_are_flagged():
    nan = float("nan")
    table = pair_sites(traces(site("wrist"), site("below_elbow", total_negative_area_mv_ms=nan)))
    assert "first_phase_only" in table["quality_flags"].item().split(";")
    assert table["area_reduction_pct"].item() == 0.0


@pytest.mark.parametrize(("gain", "is_raised"), [(1.10, False), (1.11, True)])
def test_a_larger_proximal_response_is_flagged_above_ten_percent(gain, is_raised):
    table = pair_sites(traces(site("wrist", 10.0), site("below_elbow", 10.0 * gain)))
    assert ("proximal_larger" in table["quality_flags"].item()) is is_raised


@pytest.mark.parametrize(("first", "is_raised"), [(1.02, False), (0.95, False), (1.2, True)])
def test_a_late_phase_that_one_site_misses_makes_no_larger_response(first, is_raised):
    # The area of all phases rises by a fifth; only with the first phase was anything gained.
    near = site("wrist", 10.0)
    areas = {
        "negative_peak_area_mv_ms": first * near["negative_peak_area_mv_ms"],
        "total_negative_area_mv_ms": 1.2 * near["total_negative_area_mv_ms"],
    }
    table = pair_sites(traces(near, site("below_elbow", 10.0, **areas)))
    assert table["total_area_reduction_pct"].item() == pytest.approx(-20.0)
    assert ("proximal_larger" in table["quality_flags"].item()) is is_raised


@pytest.mark.parametrize(
    ("distance_mm", "latency_ms", "flag"),
    [
        (60, 7.0, "length_implausible"),
        (280, 3.0, "velocity_implausible"),
        (280, 5.0, "velocity_implausible"),
    ],
)
def test_impossible_geometry_gives_no_velocity_and_a_flag(distance_mm, latency_ms, flag):
    table = pair_sites(
        traces(
            site("wrist", distance_mm=70, onset_latency_ms=3.0),
            site("below_elbow", distance_mm=distance_mm, onset_latency_ms=latency_ms),
        )
    )
    assert np.isnan(table["conduction_velocity_m_per_s"].item())
    assert flag in table["quality_flags"].item().split(";")


def test_responses_kept_beside_another_and_sensory_ones_take_no_part():
    table = pair_sites(
        traces(
            site("wrist", quality_flags="not_used") | {"negative_peak_amplitude_mv": 99.0},
            site("wrist"),
            site("below_elbow"),
            site("below_elbow") | {"kind": "sensory", "muscle": "digit5"},
        )
    )
    assert table["distal_amplitude_mv"].tolist() == [10.0]


@pytest.mark.parametrize(
    "aside", [{"quality_flags": "not_used"}, {"response": "not_done"}, {"kind": "sensory"}]
)
def test_the_row_that_stands_for_a_site_may_come_after_one_that_does_not(aside):
    series = ("s", "ulnar", "right", "adm")
    table = traces(site("wrist") | aside, site("wrist"), site("below_elbow"))
    assert used_rows(table) == {(*series, "wrist"): 1, (*series, "below_elbow"): 2}


def test_the_estimate_is_that_of_the_responses_that_the_segment_compares():
    # The recording of a sensory nerve that was labelled with the muscle comes first.
    motor = (sweep(1), sweep(2, 5.0, 7.1, site="below_elbow"))
    sensory = replace(sweep(3, 0.5, 2.5), kind="sensory", recording="s.edf")
    alone, among = (ncs_cb.analyze(Study("s", own)).segments for own in (motor, (sensory, *motor)))
    assert alone["blocked_fraction"].notna().all()
    pd.testing.assert_frame_equal(among, alone)


def test_a_site_the_nerve_does_not_have_is_refused_by_name():
    with pytest.raises(StudyError, match="unknown stimulation site 'ankle' for ulnar"):
        pair_sites(traces(site("wrist"), site("ankle")))


def test_an_empty_table_gives_an_empty_table():
    table = pair_sites(traces(site("wrist")).iloc[:0])
    assert len(table) == 0
    assert table["segment"].dtype == "string"


def test_the_given_table_is_not_changed():
    given = traces(site("wrist"), site("below_elbow"))
    before = given.copy(deep=True)
    pair_sites(given)
    pd.testing.assert_frame_equal(given, before)


def test_a_printed_length_or_velocity_stands_in_where_distances_are_unknown():
    from ncs_cb.model import PrintedSegment

    frame = traces(
        site("wrist", onset_latency_ms=3.0),
        site("below_elbow", onset_latency_ms=7.0),
        site("above_elbow", onset_latency_ms=9.0),
    )
    key = ("s", "ulnar", "right", "adm")
    printed = {
        (*key, "wrist", "below_elbow"): PrintedSegment(*key[1:], "wrist", "below_elbow", 220.0),
        (*key, "below_elbow", "above_elbow"): PrintedSegment(
            *key[1:], "below_elbow", "above_elbow", None, 48.0
        ),
    }
    table = pair_sites(frame, printed)
    table = table[table["is_adjacent"]]
    assert table["length_mm"].fillna(-1).tolist() == [220.0, -1]
    assert table["conduction_velocity_m_per_s"].tolist() == [pytest.approx(55.0), 48.0]


def test_a_printed_velocity_never_replaces_a_measured_one():
    from ncs_cb.model import PrintedSegment

    frame = traces(
        site("wrist", onset_latency_ms=3.0, distance_mm=70),
        site("below_elbow", onset_latency_ms=7.0, distance_mm=290),
    )
    key = ("s", "ulnar", "right", "adm", "wrist", "below_elbow")
    table = pair_sites(frame, {key: PrintedSegment(*key[1:], 999.0, 20.0)})
    assert table["length_mm"].item() == 220.0
    assert table["conduction_velocity_m_per_s"].item() == pytest.approx(55.0)

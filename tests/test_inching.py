"""Inching: a series of short steps is recognized, and the step where something happens found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ncs_cb import simulate
from ncs_cb.columns import conform
from ncs_cb.measuring import inching, sweeps
from ncs_cb.measuring import traces as measure


def series(amplitudes, latencies=None, *, step_mm=20.0, start_mm=200.0, **other):
    """Stimuli in short steps at 50 m/s unless latencies are given."""
    distances = start_mm + step_mm * np.arange(len(amplitudes))
    amplitudes = np.asarray(amplitudes, dtype=float)
    frame = pd.DataFrame(
        {
            "study_id": "s",
            "recording": "a.edf",
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "kind": "motor",
            "distance_mm": distances,
            "stimulation_site": ["below_elbow"] * (len(distances) // 2)
            + ["above_elbow"] * (len(distances) - len(distances) // 2),
            "onset_latency_ms": 3.0 + distances / 50.0 if latencies is None else latencies,
            "negative_peak_amplitude_mv": amplitudes,
            "total_negative_area_mv_ms": 3.0 * amplitudes,
            "quality_flags": ["response_absent" if np.isnan(a) else "" for a in amplitudes],
        }
        | other
    )
    return conform(frame, "traces")


def focal(table):
    return np.flatnonzero(table["is_focal"].fillna(False)).tolist()


def test_each_step_is_compared_with_the_next():
    table = inching.find_inching(series([10.0, 9.8, 9.5, 4.0, 3.9]))
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["length_mm"].tolist() == [20.0] * 4
    assert table["distal_distance_mm"].tolist() == [200.0, 220.0, 240.0, 260.0]
    assert table["amplitude_reduction_pct"].to_list() == pytest.approx(
        [2.0, 100 * (1 - 9.5 / 9.8), 100 * (1 - 4 / 9.5), 2.5]
    )
    assert table["latency_change_ms"].to_list() == pytest.approx([0.4] * 4)
    assert table["distal_site"].tolist() == ["below_elbow"] * 2 + ["above_elbow"] * 2
    assert focal(table) == [2]


@pytest.mark.parametrize("where", range(5))
def test_the_step_with_the_block_is_focal_wherever_it_lies(where):
    amplitudes = [10.0] * (where + 1) + [5.0] * (5 - where)
    assert focal(inching.find_inching(series(amplitudes))) == [where]


def test_a_jump_of_latency_alone_is_focal():
    latencies = [7.0, 7.4, 7.8, 8.7, 9.1]  # 0.9 ms where the others take 0.4
    table = inching.find_inching(series([10.0, 9.9, 9.8, 9.7, 9.6], latencies))
    assert focal(table) == [2]


def test_the_latency_of_a_longer_step_is_no_jump():
    frame = series([10.0] * 5).assign(distance_mm=[200.0, 210.0, 220.0, 250.0, 260.0])
    table = inching.find_inching(frame.assign(onset_latency_ms=3 + frame["distance_mm"] / 50))
    assert focal(table) == []
    assert table["is_focal"].notna().all()


def test_a_slow_short_step_is_judged_by_the_time_it_adds():
    # 10 mm at 0.05 ms per mm where the others take 0.02: 0.3 ms more than expected
    frame = series([10.0] * 6).assign(distance_mm=[200.0, 220.0, 240.0, 250.0, 270.0, 290.0])
    table = inching.find_inching(frame.assign(onset_latency_ms=[7.0, 7.4, 7.8, 8.3, 8.7, 9.1]))
    assert focal(table) == []


@pytest.mark.parametrize(("last", "expected"), [(8.1, []), (8.0, []), (7.99, [3])])
def test_a_fall_of_more_than_20_points_beyond_the_others_is_focal(last, expected):
    assert focal(inching.find_inching(series([10.0, 10.0, 10.0, 10.0, last]))) == expected


def test_a_nerve_that_falls_evenly_has_no_focal_step():
    assert focal(inching.find_inching(series([10.0, 8.0, 6.4, 5.1, 4.1]))) == []


def test_noise_of_two_percent_and_a_tenth_of_a_millisecond_makes_no_focal_step():
    rng = np.random.default_rng(4)
    for _ in range(50):
        latencies = 3.0 + (200 + 20 * np.arange(8)) / 50 + 0.05 * rng.standard_normal(8)
        amplitudes = 10.0 * (1.0 + 0.02 * rng.standard_normal(8))
        assert focal(inching.find_inching(series(amplitudes, latencies))) == []


def test_a_response_that_vanishes_is_a_full_fall_but_no_number_is_invented():
    table = inching.find_inching(series([10.0, 9.9, 9.8, np.nan, np.nan]))
    assert focal(table) == [2]
    assert table["amplitude_reduction_pct"].isna().tolist() == [False, False, True, True]


def test_a_series_without_any_value_leaves_the_focal_step_open():
    frame = series([10.0] * 5).assign(
        negative_peak_amplitude_mv=np.nan, total_negative_area_mv_ms=np.nan, onset_latency_ms=np.nan
    )
    assert inching.find_inching(frame)["is_focal"].isna().all()


@pytest.mark.parametrize(
    "frame",
    [
        series([10.0, 9.0, 8.0]),
        series([10.0] * 5, step_mm=31.0),
        series([10.0] * 5, kind="sensory"),
        series([10.0] * 5).assign(distance_mm=np.nan),
        series([10.0] * 5).assign(distance_mm=200.0),
        series([10.0] * 5).iloc[:0],
    ],
    ids=["three stimuli", "far apart", "sensory", "no distances", "one distance", "nothing"],
)
def test_what_is_no_series_of_short_steps(frame):
    assert inching.find_inching(frame).empty


def test_a_step_of_30_mm_is_short():
    assert len(inching.find_inching(series([10.0] * 5, step_mm=30.0))) == 4


def test_of_two_responses_at_one_distance_the_stronger_stimulus_counts():
    frame = series([10.0] * 4, stimulus_ma=[20.0] * 4)
    weak = frame.iloc[[2]].assign(negative_peak_amplitude_mv=1.0, stimulus_ma=5.0)
    table = inching.find_inching(conform(pd.concat([weak, frame]), "traces"))
    assert len(table) == 3
    assert focal(table) == []


def test_row_order_and_other_nerves_change_nothing():
    frame = series([10.0, 9.8, 9.5, 4.0, 3.9])
    other = series([8.0] * 5).assign(nerve="median", recording="b.edf")
    both = conform(pd.concat([other, frame]).sample(frac=1, random_state=1), "traces")
    table = inching.find_inching(both)
    own = table[table["nerve"] == "ulnar"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, inching.find_inching(frame))


def test_the_traces_table_is_not_changed():
    frame = series([10.0] * 5)
    before = frame.copy(deep=True)
    inching.find_inching(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_a_simulated_focal_block_is_found_and_the_routine_study_kept():
    for one in simulate.recipe("inching", seed=3, n=3):
        chosen = sweeps.choose_responses(one.study)
        traces = measure.measure_study_traces(chosen.responses).assign(study_id="s")
        table = inching.find_inching(traces)
        (step,) = focal(table)
        assert table["amplitude_reduction_pct"].iloc[step] > 50.0
        used = traces[~traces["quality_flags"].str.contains("not_used")]
        assert not used["recording"].str.contains("inching").any()

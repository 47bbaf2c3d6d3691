"""Criteria at other limits, in other spellings, and fractions given for percent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError
from ncs_cb.knowledge import criteria

SET = "efns_pns_2010"


def table(n=40, **more):
    rng = np.random.default_rng(3)
    made = {
        "study_id": [f"p{i}" for i in range(n)],
        "nerve": "ulnar",
        "side": "right",
        "muscle": "adm",
        "segment": "wrist-below_elbow",
        "distal_amplitude_mv": 8.0,
        "area_reduction_pct": rng.uniform(0, 80, n),
        "duration_increase_pct": rng.uniform(0, 40, n),
    }
    return pd.DataFrame({**made, **more})


@pytest.mark.parametrize("limit", [20.0, 30.0, 50.0, 65.0])
def test_each_limit_gives_what_a_set_with_that_limit_gives(tmp_path, limit):
    text = open_set().replace("value = 50.0", f"value = {limit}")
    own = tmp_path / "own.toml"
    own.write_text(text, "utf-8")
    frame = table()
    varied = ncs_cb.judge(frame, SET, vary={"area_50": [10.0, limit, 90.0]})
    mine = varied[varied["varied"] == limit].reset_index(drop=True)
    expected = ncs_cb.judge(frame, own)
    for column in ("conduction_block", "grade_by_numbers", "not_excluded", "technical_validity"):
        assert mine[column].tolist() == expected[column].tolist()
    assert mine["temporal_dispersion"].fillna(value=False).tolist() == (
        expected["temporal_dispersion"].fillna(value=False).tolist()
    )


def open_set():
    from ncs_cb.knowledge import datafile

    return datafile.text("criteria", SET)


def test_a_missing_value_stays_open_at_every_limit():
    frame = table(3, area_reduction_pct=[np.nan, 40.0, 55.0])
    varied = ncs_cb.judge(frame, SET, vary={"area_50": [30.0, 60.0]})
    first = varied[varied["study_id"] == "p0"]
    assert first["conduction_block"].tolist() == ["undetermined"] * 2
    assert first["not_excluded"].tolist() == ["definite"] * 2


def test_a_thousand_limits_give_a_row_per_limit_and_segment():
    varied = ncs_cb.judge(table(20), SET, vary={"area_50": np.linspace(20, 60, 1000)})
    assert len(varied) == 20_000
    counts = (varied["conduction_block"] == "definite").groupby(varied["varied"]).sum()
    assert counts.is_monotonic_decreasing
    assert counts.iloc[0] > counts.iloc[-1]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"area_5": [1.0]}, "no clause 'area_5'.*Did you mean"),
        ({"area_50": [1.0], "area_30": [1.0]}, "names 2 clauses"),
        ({"area_50": ["high"]}, "is no limit"),
        ({"area_50": [30.0, float("nan")]}, "'nan' is no limit; it must be a finite"),
        ({"area_50": [float("inf")]}, "'inf' is no limit"),
        ({"area_50": [-np.inf]}, "'-inf' is no limit"),
        ({"area_50": [10**400]}, "is no limit"),
        ({"area_50": [True]}, "'True' is no limit"),
        ({"area_50": [None]}, "'None' is no limit"),
        ({"area_50": 50}, "'50' for 'area_50'; it takes a list of limits"),
        ({"area_50": "50"}, "it takes a list of limits"),
        ({"area_50": None}, "it takes a list of limits"),
        ({"area_50": []}, "no limit for 'area_50'; it takes one or more"),
        ({}, "names 0 clauses"),
        (["area_50"], "must name a clause and its limits"),
    ],
)
def test_a_faulty_question_is_refused(vary, message):
    with pytest.raises(StudyError, match=message):
        ncs_cb.judge(table(2), SET, vary=vary)


def test_every_spelling_of_nerve_side_and_segment_is_understood():
    plain = ncs_cb.judge(table(), SET)
    other = ncs_cb.judge(
        table(nerve="N. ulnaris", side="R", muscle="Hypothenar", segment="Wrist – B. Elbow"), SET
    )
    pd.testing.assert_frame_equal(plain, other)


def test_reductions_given_as_fractions_are_refused():
    frame = table(3, area_reduction_pct=[0.55, 0.3, 0.0])
    with pytest.raises(StudyError, match="fractions"):
        ncs_cb.judge(frame, SET)


def test_fractions_are_refused_in_a_table_that_says_which_segments_are_adjacent():
    frame = table(3, area_reduction_pct=[0.55, 0.3, 0.0]).assign(is_adjacent=True)
    with pytest.raises(StudyError, match="fractions"):
        ncs_cb.judge(frame, SET)


@pytest.mark.parametrize("length", [-210.0, 0.0, float("inf")])
def test_a_length_that_no_segment_has_is_refused(length):
    frame = table(2, length_mm=[210.0, length])
    with pytest.raises(StudyError, match=r"length_mm is .* in row 2"):
        ncs_cb.judge(frame, SET)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("area_reduction_pct", 155.0),
        ("amplitude_reduction_pct", 100.5),
        ("total_area_reduction_pct", 1e4),
        ("duration_increase_pct", -120.0),
        ("distal_amplitude_mv", -3.0),
        ("distal_amplitude_mv", 9800.0),
        ("conduction_velocity_m_per_s", -52.0),
    ],
)
def test_a_number_that_no_segment_has_is_refused(name, value):
    from ncs_cb.columns import conform

    frame = table(2, **{name: [50.0, value]})
    whole = conform(table(2, **{name: [50.0, value], "is_adjacent": [True, True]}), "segments")
    for one in (frame, whole):
        with pytest.raises(StudyError, match=rf"{name} is .* in row 2; (it is|plausible)"):
            ncs_cb.judge(one, SET)


def test_a_complete_block_and_a_larger_proximal_response_are_no_error():
    frame = table(2, area_reduction_pct=[100.0, -250.0], amplitude_reduction_pct=[100.0, -250.0])
    assert len(ncs_cb.judge(frame, SET)) == 2


def test_a_length_that_was_not_measured_is_no_error():
    frame = table(2, length_mm=[np.nan, 210.0])
    assert len(ncs_cb.judge(frame, SET)) == 2


def test_a_healthy_computed_segment_is_no_fraction():
    from ncs_cb.columns import conform

    frame = conform(table(1, area_reduction_pct=[0.4], is_adjacent=[True]), "segments")
    assert ncs_cb.judge(frame, SET)["conduction_block"].item() == "none"


def test_every_set_can_be_varied_by_each_of_its_limits():
    from ncs_cb.judging.varying import numeric_clauses

    frame = table(5)
    for name in criteria.available():
        for clause in sorted(numeric_clauses(criteria.load(name))):
            varied = ncs_cb.judge(frame, name, vary={clause: [1.0, 99.0]})
            assert len(varied) == 10

"""Judging: exact operators, three values, evidence, and tables typed in by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from ncs_cb.columns import table_columns
from ncs_cb.errors import StudyError, TableError
from ncs_cb.judging import truth
from ncs_cb.judging.grounds import grounds_of
from ncs_cb.judging.verdicts import judge, judge_in_short, side_by_side
from ncs_cb.knowledge import criteria
from ncs_cb.model import Details
from ncs_cb.reports.tables import to_arrow

# 100 * (7.15 / 5.5 - 1) is 30.000000000000004, 100 * (1 - 21 / 30) is 30.000000000000004.
NEAR_30 = 100 * (7.15 / 5.5 - 1)


def segment(**values):
    return {
        "study_id": "p",
        "nerve": "median",
        "side": "right",
        "muscle": "apb",
        "segment": "wrist-elbow",
        "distal_amplitude_mv": 10.0,
        "total_area_reduction_pct": 60.0,
        "total_duration_increase_pct": 10.0,
        **values,
    }


def grade(sets="efns_pns_2010", **values):
    verdict = judge(pd.DataFrame([segment(**values)]), sets).iloc[0]
    return verdict["conduction_block"], verdict["not_excluded"]


# ---- comparing ----


@pytest.mark.parametrize(
    ("value", "gt", "ge", "lt", "le"),
    [
        (30.0, False, True, False, True),
        (NEAR_30, False, True, False, True),
        (30.0 + 0.9e-9, False, True, False, True),
        (30.0 - 0.9e-9, False, True, False, True),
        (30.0 + 2e-9, True, True, False, False),
        (30.0 - 2e-9, False, False, True, True),
    ],
)
def test_operators_hold_exactly_with_grace_in_their_direction(value, gt, ge, lt, le):
    expected = {"gt": gt, "ge": ge, "lt": lt, "le": le}
    for op, wanted in expected.items():
        assert truth.compared([value], op, 30.0).tolist() == [wanted]
        assert truth.holds(value, op, 30.0) is wanted


def test_at_most_and_more_than_are_complementary_for_any_number():
    values = np.concatenate([30 + np.linspace(-3e-9, 3e-9, 1001), [NEAR_30, -1e9, 1e9]])
    for one, other in (("le", "gt"), ("ge", "lt")):
        assert (truth.compared(values, one, 30.0) == ~truth.compared(values, other, 30.0)).all()


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_unknown_and_never_false(missing):
    for op in ("gt", "ge", "lt", "le"):
        assert truth.compared([missing], op, 30.0).tolist() == [pd.NA]
        assert truth.compared([1.0], op, missing).tolist() == [pd.NA]
        assert truth.holds(missing, op, 30.0) is pd.NA


def test_at_least_n_is_false_only_when_the_unknown_cannot_reach_n():
    na = pd.NA
    for answers, expected in (
        ([True, True, na], True),
        ([True, na, False], na),
        ([True, False, False], False),
        ([na, na, na], na),
        ([], False),
    ):
        assert truth.count(answers, 2) is expected
    columns = [pd.array([a], dtype="boolean") for a in (True, na, False)]
    assert truth.at_least(2, columns).tolist() == [na]
    assert truth.at_least(1, columns).tolist() == [True]
    assert truth.at_least(3, columns).tolist() == [False]


def test_a_limit_between_two_numbers_leaves_the_gap_open():
    assert truth.between(np.array([20.0, 30.0, 40.0]), "gt", 27.0, 33.0).tolist() == [
        False,
        pd.NA,
        True,
    ]


# ---- grades ----


def test_grade_stays_when_a_stronger_one_is_open():
    values = {"total_area_reduction_pct": math.nan, "amplitude_reduction_pct": 40.0}
    assert grade("utrecht_2000", **values) == ("probable", "definite")


def test_missing_columns_are_unknown_and_not_normal():
    bare = pd.DataFrame({"nerve": ["median"], "segment": ["wrist-elbow"]})
    found = judge(bare)
    assert found["criteria"].tolist() == list(criteria.DEFAULT)
    assert set(found["conduction_block"]) == {"undetermined"}
    assert found["temporal_dispersion"].isna().all()


def test_only_nerve_segment_and_numbers_are_enough():
    typed = pd.DataFrame(
        {
            "nerve": ["ulnar"],
            "segment": ["wrist-below_elbow"],
            "distal_amplitude_mv": [9.0],
            "area_reduction_pct": [55.0],
            "duration_increase_pct": [12.0],
            "amplitude_reduction_pct": [60],
        }
    )
    found = judge(typed).set_index("criteria")["conduction_block"]
    assert found.to_dict() == {
        "efns_pns_2010": "definite",
        "ean_pns_cidp_2021": "probable",
        "partial_block_20pct": "probable",
    }


def test_an_unknown_muscle_leaves_a_gate_open_only_between_the_limits_of_the_nerve():
    # 20 % of 7.0 (FDI) and of 7.9 mV (ADM): 1.40 and 1.58 mV.
    def ulnar(amplitude):
        return grade(
            nerve="ulnar", muscle=None, segment="wrist-below_elbow", distal_amplitude_mv=amplitude
        )[0]

    assert (ulnar(1.40), ulnar(1.5), ulnar(1.59)) == ("excluded", "undetermined", "definite")


def test_the_gate_follows_the_age_of_the_person():
    table = pd.DataFrame([segment(distal_amplitude_mv=1.1)])
    young, old = (
        judge(table, "efns_pns_2010", details={"p": Details(age_years=age)})["conduction_block"]
        for age in (25, 65)
    )
    # 20 % of 5.9 mV is 1.18, of 3.8 mV 0.76.
    assert (young.item(), old.item()) == ("excluded", "definite")


def test_the_reference_set_of_the_call_is_used_and_named():
    table = pd.DataFrame(
        [segment(nerve="ulnar", muscle="adm", segment="wrist-below_elbow", distal_amplitude_mv=1.4)]
    )
    found = [
        judge(table, "efns_pns_2010", reference=one) for one in ("aanem_2016", "preston_shapiro")
    ]
    assert [f["conduction_block"].item() for f in found] == ["excluded", "definite"]
    texts = [row["text"] for row in found[1]["evidence"].item()]
    assert (
        "distal amplitude 1.40 mV > 1.2 mV (20 % of the lower limit 6 mV, preston_shapiro)" in texts
    )


def test_an_entrapment_site_is_known_from_the_anatomy_even_if_the_table_denies_it():
    where = {"nerve": "ulnar", "muscle": "adm", "segment": "below_elbow-above_elbow"}
    assert grade(**where, is_entrapment_site=False) == ("excluded", "excluded")
    assert grade(is_entrapment_site=True) == ("excluded", "excluded")


def test_rows_that_are_not_adjacent_get_no_verdict():
    table = pd.DataFrame(
        [segment(is_adjacent=True), segment(segment="wrist-axilla", is_adjacent=False)]
    )
    assert judge(table, "efns_pns_2010")["segment"].tolist() == ["wrist-elbow"]


def test_a_span_that_contains_a_long_segment_is_long():
    values = {"total_area_reduction_pct": 35.0}
    assert grade(segment="wrist-axilla", **values) == ("probable", "probable")
    assert grade(segment="wrist-upper_arm", **values) == ("probable", "probable")
    assert grade(segment="forearm-elbow", **values) == ("none", "none")


def test_a_flag_not_examined_is_unknown_and_a_cleared_one_is_false(tmp_path):
    path = tmp_path / "with_flag.toml"
    path.write_text(
        'id = "with_flag"\ntitle = "x"\nrevision = 1\npurpose = "block"\ngrades = ["probable"]\n'
        '[source]\ncitation = "x"\n[[rule]]\nid = "r"\ngrade = "probable"\nall = [\n'
        '{ column = "area_reduction_pct", op = "ge", value = 50, source = "x", '
        'verified = "primary" },'
        '{ flag = "martin_gruber", is = false, source = "x", verified = "primary" }]\n',
        "utf-8",
    )
    table = pd.DataFrame([segment(), segment(side="left", quality_flags="martin_gruber;cold_limb")])
    assert judge(table, path)["conduction_block"].tolist() == ["undetermined", "none"]
    checks = pd.DataFrame(
        [
            {
                "study_id": "p",
                "nerve": "median",
                "side": "right",
                "muscle": "apb",
                "segment": "wrist-elbow",
                "flag": "martin_gruber",
                "state": "cleared",
                "case": "elsewhere",
                "numbers": {},
                "arithmetic": "",
            }
        ]
    )
    assert judge(table, path, checks=checks)["conduction_block"].tolist() == ["probable", "none"]


# ---- all phases and the first one ----


def test_all_phases_win_over_the_first_and_evidence_names_the_column():
    values = {"area_reduction_pct": 80.0, "total_area_reduction_pct": 5.0}
    assert grade(**values) == ("none", "none")
    rows = judge(pd.DataFrame([segment(**values)]), "efns_pns_2010")["evidence"].item()
    assert {r["column"] for r in rows if str(r["column"]).endswith("area_reduction_pct")} == {
        "total_area_reduction_pct"
    }
    assert not [r for r in rows if r["clause"] == "first_phase_only"]


def test_the_first_phase_stands_in_and_is_flagged():
    values = {"area_reduction_pct": 80.0, "total_area_reduction_pct": math.nan}
    assert grade(**values) == ("definite", "definite")
    rows = judge(pd.DataFrame([segment(**values)]), "efns_pns_2010")["evidence"].item()
    assert len([r for r in rows if r["clause"] == "first_phase_only"]) == 1


# ---- evidence ----


def test_evidence_gives_the_arithmetic_of_every_clause():
    rows = judge(pd.DataFrame([segment(total_area_reduction_pct=62.14)]), "efns_pns_2010")[
        "evidence"
    ].item()
    keys = [
        "rule",
        "grade",
        "clause",
        "column",
        "op",
        "limit",
        "value",
        "holds",
        "source",
        "verified",
        "text",
    ]
    assert all(list(row) == keys for row in rows)
    area = next(r for r in rows if r["rule"] == "1" and r["clause"] == "area_50")
    assert area == {
        "rule": "1",
        "grade": "definite",
        "clause": "area_50",
        "column": "total_area_reduction_pct",
        "op": "ge",
        "limit": 50.0,
        "value": 62.14,
        "holds": True,
        "source": "table 2, item 1",
        "verified": "secondary",
        "text": "area reduction 62.1 % >= 50 %",
    }
    assert json.loads(json.dumps(rows)) == rows


def test_evidence_never_prints_a_number_as_its_limit_when_it_is_not():
    duration = 100 * (7.16 / 5.5 - 1)
    rows = judge(pd.DataFrame([segment(total_duration_increase_pct=duration)]), "efns_pns_2010")[
        "evidence"
    ].item()
    texts = [r["text"] for r in rows]
    assert "duration increase 30.18 % > 30 %" in texts
    assert truth.around("x_pct", "ge", 50.0, False)[:2] == ("x ", " % < 50 %")
    values, limits = np.array([49.99996, 62.14, 50.0]), np.full(3, 50.0)
    words = truth.numbers_in_words(values, limits, np.array(["50.0", "62.1", "50.0"], dtype=object))
    assert words.tolist() == ["49.99996", "62.1", "50"]
    assert words.tolist() == [truth.number(one, 50.0) for one in values]


def test_evidence_in_short_comes_to_the_same_as_in_full_and_is_archived_alike():
    """The archive and the conclusions take it in short; a result holds it row by row."""
    numbers = [{}, {"distal_amplitude_mv": 0.0}, {"total_area_reduction_pct": math.nan}]
    numbers += [{"total_area_reduction_pct": one} for one in (-0.0, 0.0, 30.02, 49.99996, 1e-7)]
    rows = [segment(**one) for one in numbers]
    rows += [segment(nerve="median", muscle="apb", segment="axilla-erb", supramaximal=False)]
    segments = pd.DataFrame(rows)
    sets = criteria.chosen(["efns_pns_2010", "utrecht_2000", "partial_block_20pct"])
    short, full = judge_in_short(segments, sets), judge(segments, sets)
    archived = [to_arrow(one, "verdicts")["evidence"].to_pylist() for one in (short, full)]
    assert archived[0] == archived[1]
    assert json.loads(archived[0][0]) == full["evidence"][0]
    grounds = [grounds_of(one["evidence"].tolist()) for one in (short, full)]
    assert grounds[0] == grounds[1]


def test_evidence_says_what_is_unknown():
    rows = judge(pd.DataFrame([segment(total_area_reduction_pct=math.nan)]), "efns_pns_2010")[
        "evidence"
    ].item()
    area = next(r for r in rows if r["clause"] == "area_50")
    assert (area["value"], area["holds"]) == (None, None)
    assert area["text"] == "first-phase area reduction unknown (asked: >= 50 %)"


@pytest.mark.parametrize(
    ("amplitude", "text"),
    [
        (1.3, "distal amplitude 1.30 mV <= 1.4 mV"),
        (1.5, "distal amplitude 1.50 mV (asked: > 1.58 mV)"),
        (1.7, "distal amplitude 1.70 mV > 1.58 mV"),
    ],
)
def test_between_two_limits_the_one_that_settles_the_question_is_shown(amplitude, text):
    row = segment(nerve="ulnar", muscle=None, segment="wrist-below_elbow")
    table = pd.DataFrame([{**row, "distal_amplitude_mv": amplitude}])
    rows = judge(table, "efns_pns_2010")["evidence"].item()
    share = next(r for r in rows if r["clause"] == "distal_amplitude_share")
    assert share["text"].startswith(text)
    assert "7 to 7.9 mV by muscle" in share["text"]


def test_excluded_segments_show_their_numbers():
    table = pd.DataFrame([segment(nerve="ulnar", muscle="adm", segment="below_elbow-above_elbow")])
    rows = judge(table, "efns_pns_2010")["evidence"].item()
    assert "entrapment site: yes" in [r["text"] for r in rows]
    assert "area reduction 60.0 % >= 50 %" in [r["text"] for r in rows]


def test_policies_of_the_project_are_named_as_such():
    rows = judge(pd.DataFrame([segment(segment="axilla-erb")]), "efns_pns_2010")["evidence"].item()
    policies = {r["clause"]: r["source"] for r in rows if r["rule"] in ("policy", "premise")}
    assert set(policies) == {"extrapolated", "erb"}
    assert all("project policy" in source for source in policies.values())


def test_a_set_that_is_not_enabled_says_so_and_shows_no_limit():
    verdict = judge(pd.DataFrame([segment()]), "aanem_1999").iloc[0]
    assert verdict["conduction_block"] == "undetermined"
    rows = verdict["evidence"]
    limits = [r["limit"] for r in rows if r["op"] in ("gt", "ge", "lt", "le")]
    assert len(limits) == 11
    assert set(limits) == {None}
    assert "not_enabled" in [r["clause"] for r in rows]


# ---- the table ----


def test_the_table_has_the_columns_of_the_contract_segment_by_segment():
    table = pd.DataFrame([segment(), segment(side="left")])
    found = judge(table)
    assert list(found.columns) == [c.name for c in table_columns("verdicts")]
    assert found["side"].tolist() == ["right"] * 3 + ["left"] * 3
    assert found["criteria"].tolist() == list(criteria.DEFAULT) * 2


def test_the_table_given_is_not_changed():
    table = pd.DataFrame([segment(), segment(side="left")], index=[7, 7])
    before = table.copy(deep=True)
    judge(table)
    pd.testing.assert_frame_equal(table, before)


def test_order_and_company_of_segments_change_nothing():
    rng = np.random.default_rng(3)
    rows = [
        segment(
            study_id=str(i),
            total_area_reduction_pct=rng.uniform(0, 80),
            total_duration_increase_pct=rng.uniform(0, 60),
            distal_amplitude_mv=rng.uniform(0.5, 9),
        )
        for i in range(30)
    ]
    together = judge(pd.DataFrame(rows), "efns_pns_2010")
    alone = [judge(pd.DataFrame([row]), "efns_pns_2010") for row in rows]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
    backward = judge(pd.DataFrame(rows[::-1]), "efns_pns_2010")
    pd.testing.assert_frame_equal(together, backward.iloc[::-1].reset_index(drop=True))


def test_an_empty_table_gives_an_empty_table():
    found = judge(pd.DataFrame({"nerve": [], "segment": []}))
    assert len(found) == 0
    assert list(found.columns) == [c.name for c in table_columns("verdicts")]


def test_none_and_na_in_a_column_are_unknown():
    for missing in (None, pd.NA, math.nan):
        values = {"total_area_reduction_pct": missing}
        assert grade(**values) == ("undetermined", "definite")


def test_sets_stand_side_by_side():
    table = pd.DataFrame([segment(amplitude_reduction_pct=10.0), segment(side=None)])
    found = side_by_side(judge(table))
    assert list(found.columns)[-3:] == list(criteria.DEFAULT)
    assert found["efns_pns_2010"].tolist() == ["definite", "definite"]
    assert found["ean_pns_cidp_2021"].tolist() == ["none", "undetermined"]
    dispersed = side_by_side(judge(table), "temporal_dispersion")
    assert dispersed["efns_pns_2010"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nerve": "medain"}, r"unknown nerve 'medain'; known: median, .*Did you mean 'median'\?"),
        ({"segment": "wrist-elbw"}, r"unknown stimulation site 'elbw' for median.*'elbow'"),
        ({"segment": "elbow-wrist"}, r"written proximal first; write 'wrist-elbow'"),
        ({"segment": "forearm"}, r"unknown segment 'forearm'.*joined by a hyphen"),
        ({"segment": None}, "names no nerve or no segment"),
        ({"distal_amplitude_mv": "10 mV"}, r"'distal_amplitude_mv'.*'10 mV' is not a number"),
        ({"amplitude_reduction": 3.0}, r"column 'amplitude_reduction'.*'amplitude_reduction_pct'"),
    ],
)
def test_a_faulty_table_says_what_is_wrong_and_what_is_meant(values, message):
    table = pd.DataFrame([segment(**values)])
    with pytest.raises(StudyError, match=message):
        judge(table, "efns_pns_2010")


def test_a_table_without_nerve_or_segment_says_which_columns_it_needs():
    with pytest.raises(StudyError, match="needs the columns 'nerve' and 'segment'"):
        judge(pd.DataFrame({"nerve": ["median"]}))


def test_sites_may_stand_in_their_own_columns():
    row = segment(distal_site="wrist", proximal_site="elbow")
    del row["segment"]
    assert judge(pd.DataFrame([row]), "efns_pns_2010")["segment"].item() == "wrist-elbow"


def test_an_unknown_set_is_an_error_and_not_an_empty_answer():
    with pytest.raises(TableError, match="unknown criteria set"):
        judge(pd.DataFrame([segment()]), ["nonsense"])

"""Laws of judging, worth more than a hundred examples: no unknown ever makes a finding stronger."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ncs_cb.judging import diagnosis
from ncs_cb.judging.examined import examined
from ncs_cb.judging.rows import gather
from ncs_cb.judging.verdicts import judge
from ncs_cb.knowledge import criteria
from ncs_cb.knowledge.reference import DEFAULT, chain
from ncs_cb.model import Details, SensoryValue
from ncs_cb.wording.conclusions import explain

SETS = [
    *map(criteria.load, criteria.available()),
    replace(criteria.load("aanem_1999", allow_doubtful=True), id="aanem_1999_allowed"),
]
SEGMENTS = [
    ("median", "apb", "wrist-elbow"),
    ("median", "apb", "axilla-erb"),
    ("ulnar", "adm", "wrist-below_elbow"),
    ("ulnar", "fdi", "below_elbow-above_elbow"),
    ("ulnar", None, "above_elbow-axilla"),
    ("radial", "edc", "forearm-elbow"),
    ("musculocutaneous", "biceps", "axilla-erb"),
    ("peroneal", "edb", "ankle-below_fibula"),
    ("tibial", "ah", "ankle-popliteal_fossa"),
    ("median", "apb", "wrist-forearm"),
]
STRENGTH = {"definite": 3, "probable": 2, "possible": 1}
# The two of each pair are blanked together: the flagged fallback from one to the other is the
# one exception to the law.
BLANKS = [
    ("distal_amplitude_mv",),
    ("amplitude_reduction_pct",),
    ("peak_to_peak_reduction_pct",),
    ("total_area_reduction_pct", "area_reduction_pct"),
    ("total_duration_increase_pct", "duration_increase_pct"),
    ("length_mm",),
    ("muscle",),
]

# Limits themselves, their neighbors, and anything in between.
EDGES = (15.0, 20.0, 23.0, 27.0, 29.0, 30.0, 32.0, 33.0, 40.0, 44.0, 50.0, 60.0, 64.0, 100.0)
PERCENT = st.one_of(
    st.sampled_from(EDGES),
    st.sampled_from(EDGES).map(lambda x: x - 1e-6),
    st.floats(-40, 100, allow_nan=False),
)
AMPLITUDE = st.one_of(st.sampled_from((0.8, 1.0, 1.4, 1.58, 2.0)), st.floats(0.05, 20))
# Failing examples are told by their assertion; shrinking tables takes minutes.
QUICK = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@st.composite
def a_segment(draw):
    nerve, muscle, segment = draw(st.sampled_from(SEGMENTS))
    return {
        "study_id": "p",
        "nerve": nerve,
        "side": draw(st.sampled_from(("left", "right"))),
        "muscle": muscle,
        "segment": segment,
        "distal_amplitude_mv": draw(AMPLITUDE),
        "length_mm": draw(st.sampled_from((20.0, 25.0, 220.0))),
        **{name: draw(PERCENT) for names in BLANKS for name in names if name.endswith("_pct")},
    }


def strength(words):
    return [STRENGTH.get(word, 0) for word in words]


def judged(rows):
    return judge(pd.DataFrame(rows), SETS)


@QUICK
@given(st.lists(a_segment(), min_size=1, max_size=20))
def test_an_unknown_value_never_strengthens_a_grade_nor_excludes_one(rows):
    blanked = [
        {**row, **{name: None if name == "muscle" else math.nan for name in names}}
        for names in BLANKS
        for row in rows
    ]
    found = judged([*rows, *blanked])
    size = len(rows) * len(SETS)
    for number in range(len(BLANKS)):
        less = found.iloc[(number + 1) * size : (number + 2) * size]
        for before, after in zip(found.iloc[:size].itertuples(), less.itertuples(), strict=True):
            said = (BLANKS[number], before, after)
            was, now = (STRENGTH.get(x.conduction_block, 0) for x in (before, after))
            assert now <= was, said
            open_was, open_now = (STRENGTH.get(x.not_excluded, 0) for x in (before, after))
            assert open_now >= open_was, said
            assert after.conduction_block != "none" or before.conduction_block == "none", said


@QUICK
@given(st.lists(a_segment(), min_size=1, max_size=20))
def test_what_is_left_open_is_never_weaker_than_the_grade(rows):
    found = judged(rows)
    for grade, left_open in zip(
        strength(found["conduction_block"]), strength(found["not_excluded"]), strict=True
    ):
        assert left_open >= grade


@QUICK
@given(st.lists(st.tuples(st.sampled_from(SEGMENTS), AMPLITUDE), min_size=1, max_size=20))
def test_a_response_that_does_not_change_is_no_block_in_any_set(pairs):
    same = dict.fromkeys((name for names in BLANKS for name in names if name.endswith("_pct")), 0.0)
    rows = [
        {
            "nerve": nerve,
            "muscle": muscle,
            "segment": segment,
            "distal_amplitude_mv": amplitude,
            "length_mm": 220.0,
            **same,
        }
        for (nerve, muscle, segment), amplitude in pairs
    ]
    found = judged(rows)
    assert not any(strength(found["conduction_block"]))
    enabled = [one.id for one in SETS if one.enabled]
    assert not any(strength(found.loc[found["criteria"].isin(enabled), "not_excluded"]))


@QUICK
@given(st.lists(a_segment(), min_size=1, max_size=12), st.floats(0.1, 50))
def test_a_larger_fall_never_weakens_a_grade(rows, more):
    names = (
        "amplitude_reduction_pct",
        "peak_to_peak_reduction_pct",
        "area_reduction_pct",
        "total_area_reduction_pct",
    )
    larger = [{**row, **{name: min(row[name] + more, 100.0) for name in names}} for row in rows]
    grades = strength(judged([*rows, *larger])["conduction_block"])
    half = len(grades) // 2
    for before, after in zip(grades[:half], grades[half:], strict=True):
        assert after >= before


# ---- diagnosis ----

FINDINGS = {
    "clinical.progressive_asymmetric_limb_weakness": True,
    "clinical.weakness_duration_months": 18.0,
    "clinical.motor_nerve_territories_involved": 2.0,
    "clinical.objective_sensory_loss": False,
    "clinical.upper_motor_neuron_signs": False,
    "clinical.marked_bulbar_involvement": False,
    "clinical.diffuse_symmetric_weakness_at_onset": False,
    "clinical.affected_limb_regions": 3.0,
    "clinical.reduced_reflexes_in_affected_limb": True,
    "clinical.predominant_upper_limb_involvement": True,
    "clinical.onset_age_years": 40.0,
    "clinical.other_neuropathy": False,
    "clinical.myopathy": False,
    "laboratory.anti_gm1_igm_raised": True,
    "laboratory.csf_protein_g_per_l": 0.5,
    "imaging.brachial_plexus_mri_abnormal": True,
    "treatment.objective_improvement_after_ivig": True,
}


@st.composite
def a_patient(draw):
    """Mostly typical, so that the strong categories are reached."""
    findings = {}
    for name, typical in FINDINGS.items():
        if draw(st.integers(0, 9)) == 0:
            other = (
                (not typical)
                if isinstance(typical, bool)
                else draw(st.sampled_from((0.3, 1.0, 70.0)))
            )
            findings[name] = other
        elif draw(st.integers(0, 9)):
            findings[name] = typical
    rows = [
        {
            "study_id": "p",
            "nerve": nerve,
            "side": side,
            "muscle": muscle,
            "segment": segment,
            "distal_amplitude_mv": 8.0,
            "amplitude_reduction_pct": fall,
            "total_area_reduction_pct": fall,
            "total_duration_increase_pct": draw(st.sampled_from((5.0, 40.0))),
        }
        for nerve, muscle, segment in (
            ("median", "apb", "wrist-elbow"),
            ("ulnar", "adm", "wrist-below_elbow"),
        )
        for side in ("right", "left")
        for fall in (draw(st.sampled_from((5.0, 35.0, 60.0, math.nan))),)
    ]
    sensory = tuple(
        SensoryValue(row["nerve"], row["side"], row["segment"], is_normal=draw(st.booleans()))
        for row in rows
        if draw(st.integers(0, 3))
    )
    return findings, rows, sensory


WITH_CATEGORIES = [one for one in SETS if one.categories]


def concluded(*patients):
    """What each patient's findings, rows and sensory studies come to, set by set; one call."""
    names = [f"p{number}" for number in range(len(patients))]
    segments = pd.DataFrame(
        [
            {**row, "study_id": name}
            for name, (_, rows, _) in zip(names, patients, strict=True)
            for row in rows
        ]
    )
    people = {
        name: Details(findings=findings, sensory=sensory)
        for name, (findings, _, sensory) in zip(names, patients, strict=True)
    }
    empty = pd.DataFrame()
    rows = gather(judge(segments, WITH_CATEGORIES), segments, empty, empty, people)
    visits = examined(rows, people, chain(DEFAULT))
    found = diagnosis.conclusions(visits, criteria=WITH_CATEGORIES)
    return [{one.criteria.id: one for of, one in found if of == name} for name in names]


@settings(QUICK, max_examples=40)
@given(a_patient(), st.data())
def test_a_missing_item_never_strengthens_a_category_nor_excludes_one(patient, data):
    findings, rows, sensory = patient
    blank = data.draw(st.sampled_from(("finding", "sensory", "segment")))
    if blank == "finding" and findings:
        gone = data.draw(st.sampled_from(sorted(findings)))
        findings = {key: value for key, value in findings.items() if key != gone}
    elif blank == "sensory" and sensory:
        gone = data.draw(st.integers(0, len(sensory) - 1))
        # The study was done and its result is not known. (One that was not done at all asks for
        # nothing: the sets want those that were done to be normal, in enough nerves.)
        sensory = tuple(
            replace(one, is_normal=None) if number == gone else one
            for number, one in enumerate(sensory)
        )
    else:
        gone = data.draw(st.integers(0, len(rows) - 1))
        rows = [
            {**row, "total_area_reduction_pct": math.nan, "amplitude_reduction_pct": math.nan}
            if number == gone
            else row
            for number, row in enumerate(rows)
        ]
    full, blanked = concluded(patient, (findings, rows, sensory))
    assert full.keys() == blanked.keys() == {one.id for one in WITH_CATEGORIES}
    for name, less in blanked.items():
        assert STRENGTH.get(less.category, 0) <= STRENGTH.get(full[name].category, 0), (name, blank)
        assert STRENGTH.get(less.not_excluded, 0) >= STRENGTH.get(full[name].not_excluded, 0)
        assert STRENGTH.get(less.not_excluded, 0) >= STRENGTH.get(less.category, 0)
        if less.category == "not_met":
            assert full[name].category == "not_met", (name, blank)


@pytest.mark.parametrize("one", WITH_CATEGORIES, ids=lambda one: one.id)
def test_a_visit_without_block_is_never_called_excluded(one):
    rows = [
        {
            "study_id": "p",
            "nerve": "median",
            "side": side,
            "muscle": "apb",
            "segment": "wrist-elbow",
            "distal_amplitude_mv": 8.0,
            "amplitude_reduction_pct": 1.0,
            "total_area_reduction_pct": 1.0,
            "total_duration_increase_pct": 1.0,
        }
        for side in ("left", "right")
    ]
    findings = {key: value for key, value in FINDINGS.items() if not key.startswith("treatment")}
    (patient,) = concluded((findings, rows, ()))
    found = patient[one.id]
    assert found.not_excluded in one.categories
    if one.purpose == "mmn":
        assert "does not exclude MMN" in explain(found)

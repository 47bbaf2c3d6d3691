"""Diagnosis: what would decide it, sensory studies, signs of nerves, features for and against."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ncs_cb.columns import table_columns
from ncs_cb.errors import ReportError
from ncs_cb.judging import diagnosis, features
from ncs_cb.judging.examined import examined
from ncs_cb.judging.rows import gather
from ncs_cb.judging.sensory import all_normal, sensory_studies, through
from ncs_cb.judging.verdicts import judge
from ncs_cb.knowledge import criteria
from ncs_cb.knowledge.reference import DEFAULT, chain
from ncs_cb.model import Details, FWaveValue, SensoryValue
from ncs_cb.wording.conclusions import explain

EMPTY = pd.DataFrame()
CORE = {
    "clinical.progressive_asymmetric_limb_weakness": True,
    "clinical.weakness_duration_months": 18,
    "clinical.motor_nerve_territories_involved": 3,
    "clinical.objective_sensory_loss": False,
    "clinical.upper_motor_neuron_signs": False,
    "clinical.marked_bulbar_involvement": False,
    "clinical.diffuse_symmetric_weakness_at_onset": False,
}
SENSORY = (SensoryValue("ulnar", "right", "wrist-below_elbow", is_normal=True),)


def segment(nerve="ulnar", side="right", area=65.0, **values):
    place = {
        "ulnar": ("adm", "wrist-below_elbow"),
        "median": ("apb", "wrist-elbow"),
        "radial": ("eip", "forearm-elbow"),
    }[nerve]
    return {
        "study_id": "p",
        "nerve": nerve,
        "side": side,
        "muscle": place[0],
        "segment": place[1],
        "distal_amplitude_mv": 9.0,
        "amplitude_reduction_pct": area,
        "total_area_reduction_pct": area,
        "total_duration_increase_pct": 8.0,
        "supramaximal": True,
        **values,
    }


def trace(nerve="median", site="wrist", **values):
    return {
        "study_id": "p",
        "nerve": nerve,
        "side": "right",
        "muscle": "apb",
        "kind": "motor",
        "stimulation_site": site,
        "distance_mm": 80.0,
        "onset_latency_ms": 3.5,
        "negative_peak_latency_ms": 5.0,
        "negative_peak_amplitude_mv": 9.0,
        "total_negative_duration_ms": 5.5,
        "high_pass_hz": 2.0,
        "quality_flags": "",
        **values,
    }


def conclude(rows, details, sets="efns_pns_2010", traces=EMPTY, f_waves=EMPTY):
    segments = pd.DataFrame(rows)
    gathered = gather(judge(segments, sets), segments, traces, f_waves, {"p": details})
    visits = examined(gathered, {"p": details}, chain(DEFAULT))
    return [one for _, one in diagnosis.conclusions(visits, criteria=sets)]


def explanation(rows, details, sets="efns_pns_2010", lang="en"):
    return explain(conclude(rows, details, sets)[0], lang)


# ---- the table ----


def test_the_table_has_one_row_per_study_and_set_with_categories():
    segments = pd.DataFrame([segment(), segment(study_id="q", area=1.0)])
    sets = ["efns_pns_2010", "aan_1991", "partial_block_20pct"]
    found = diagnosis.conclude(
        judge(segments, sets),
        segments,
        EMPTY,
        EMPTY,
        {"p": Details(findings=CORE, sensory=SENSORY), "q": Details()},
        criteria=sets,
    )
    assert list(found.columns) == [c.name for c in table_columns("diagnosis")]
    # A set for segments only defines no category, and gives no row.
    assert found[["study_id", "criteria"]].to_numpy().tolist() == [
        ["p", "efns_pns_2010"],
        ["p", "partial_block_20pct"],
        ["q", "efns_pns_2010"],
        ["q", "partial_block_20pct"],
    ]
    assert found["category"].tolist() == ["definite", "not_met", "undetermined", "not_met"]


def test_visits_that_differ_in_one_thing_are_concluded_as_each_alone():
    core = {"findings": CORE, "sensory": SENSORY}
    slow = SensoryValue("ulnar", "right", "wrist-below_elbow", is_normal=False)
    visits = {
        "whole": ({}, Details(**core)),
        "same": ({}, Details(**core)),
        "unattested": ({"supramaximal": None}, Details(**core)),
        "smaller": ({"area": 45.0}, Details(**core)),
        "left": ({"side": "left"}, Details(**core)),
        "unknown_area": ({"total_area_reduction_pct": None}, Details(**core)),
        "sensory": ({}, Details(findings=CORE, sensory=(slow,))),
        "unexamined": ({}, Details(findings=CORE)),
        "told": ({}, Details(findings={**CORE, "clinical.upper_motor_neuron_signs": True})),
    }
    sets = ["efns_pns_2010", "ean_pns_cidp_2021"]
    rows = {name: segment(study_id=name, **more) for name, (more, _) in visits.items()}
    people = {name: details for name, (_, details) in visits.items()}

    def concluded(names):
        segments = pd.DataFrame([rows[name] for name in names])
        own = {name: people[name] for name in names}
        verdicts = judge(segments, sets, details=own)
        return diagnosis.conclude(verdicts, segments, EMPTY, EMPTY, own, criteria=sets)

    together = concluded(visits)
    for name in visits:
        mine = together[together["study_id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, concluded([name]))
    texts = together[together["criteria"] == sets[0]].set_index("study_id")["explanation"]
    assert texts["same"] == texts["whole"]
    assert len(set(texts)) >= 6


def test_a_study_with_findings_alone_is_concluded_too():
    none = pd.DataFrame({"nerve": [], "segment": []})
    found = diagnosis.conclude(
        judge(none), none, EMPTY, EMPTY, {"p": Details(findings=CORE)}, criteria="efns_pns_2010"
    )
    assert found["category"].item() == "undetermined"
    assert "stimulate the motor nerves at two or more sites" in found["explanation"].item()


def test_every_clause_is_met_not_met_or_missing():
    (found,) = conclude([segment()], Details(findings=CORE))
    ids = {c.id for c in criteria.load("efns_pns_2010").category_leaves()}
    assert sorted([*found.met, *found.not_met, *found.missing]) == sorted(ids)


# ---- words ----


def test_the_explanation_names_the_sensory_study_that_would_decide_it():
    text = explanation([segment(nerve="median")], Details(findings=CORE))
    assert "measure right median sensory conduction across the forearm" in text
    assert "Definite MMN is not excluded." in text


def test_the_explanation_names_the_segment_and_the_value_that_are_missing():
    row = segment(total_duration_increase_pct=math.nan)
    text = explanation([row], Details(findings=CORE, sensory=SENSORY))
    assert "complete the right ulnar motor study across the forearm" in text
    assert "duration increase" in text


def test_a_definite_category_asks_for_nothing_more():
    text = explanation([segment()], Details(findings=CORE, sensory=SENSORY))
    assert text.startswith("Definite MMN: the criteria are met.")
    assert "What would decide it" not in text


def test_no_block_found_says_that_mmn_is_not_excluded_and_where_nobody_looked():
    text = explanation([segment(area=2.0)], Details(findings=CORE, sensory=SENSORY))
    assert "No conduction block was found in the segments that were judged." in text
    assert "This does not exclude MMN." in text
    assert "right ulnar above below elbow" in text
    assert "right median (not stimulated)" in text


def test_block_that_could_not_be_judged_is_not_called_no_block():
    text = explanation([segment(distal_amplitude_mv=0.5)], Details(findings=CORE))
    assert "could not be judged" in text
    assert "No conduction block was found" not in text


def test_cidp_levels_are_said_to_be_no_diagnosis():
    rows = [segment(), segment(nerve="median")]
    text = explanation(rows, Details(), "ean_pns_cidp_2021")
    assert "strongly supportive of demyelination" in text
    assert "no diagnosis of CIDP" in text


def test_the_explanation_says_how_many_limits_are_not_checked():
    count = len(criteria.load("efns_pns_2010").unchecked())
    assert count > 0
    assert f"{count} of this set's limits are not yet checked" in explanation(
        [segment()], Details()
    )


def test_a_set_that_is_off_says_why():
    text = explanation([segment()], Details(findings=CORE), "aanem_2003")
    assert criteria.load("aanem_2003").why_not_enabled in text


@pytest.mark.parametrize("name", [n for n in criteria.available() if criteria.load(n).categories])
@pytest.mark.parametrize("details", [Details(), Details(findings=CORE, sensory=SENSORY)])
def test_explanations_come_in_chinese_without_english_left(name, details):
    text = explanation([segment(area=1.0), segment(nerve="median")], details, name, "zh")
    for english in ("not", "the", "Met", "block", "nerve", "sensory"):
        assert f" {english} " not in text
    assert "。" in text


def test_an_unknown_language_is_refused():
    with pytest.raises(ReportError, match="no words for language 'xx'; known: en, zh"):
        explanation([segment()], Details(), lang="xx")


# ---- sensory ----


def studies(*values, recordings=(), details=None):
    return sensory_studies(details or Details(sensory=values), recordings, chain("aanem_2016"))


def digit(**values):
    return SensoryValue("ulnar", "right", "digit5-wrist", **values)


def forearm(found):
    # wrist and below_elbow are positions 1 and 3 of the ulnar nerve.
    return through(found, "ulnar", "right", 1, 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SensoryValue("ulnar", "right", "wrist-below_elbow", velocity_m_per_s=50.0), True),
        (SensoryValue("ulnar", "right", "wrist-below_elbow", velocity_m_per_s=49.9), False),
        (SensoryValue("ulnar", "right", "wrist-below_elbow", amplitude_uv=14.0), pd.NA),
        (SensoryValue("ulnar", "right", "below_elbow-wrist", velocity_m_per_s=55.0), True),
        (SensoryValue("ulnar", "right", "wrist-axilla", is_normal=True), True),
        (SensoryValue("ulnar", "right", "wrist-forearm", is_normal=True), pd.NA),
        (SensoryValue("ulnar", "right", "digit5-wrist", is_normal=True), pd.NA),
        (SensoryValue("ulnar", "right", None, is_normal=True), pd.NA),
        (SensoryValue("median", "right", "wrist-elbow", is_normal=True), pd.NA),
        (SensoryValue("ulnar", "right", "somewhere", is_normal=True), pd.NA),
    ],
)
def test_sensory_through_the_forearm_needs_a_study_that_spans_it(value, expected):
    assert forearm(studies(value)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (digit(amplitude_uv=10.0, velocity_m_per_s=50.0), True),
        (digit(amplitude_uv=9.9, velocity_m_per_s=50.0), False),
        (digit(amplitude_uv=10.0), pd.NA),
        (SensoryValue("ulnar", "right", "digit5-wrist", velocity_m_per_s=60.0), pd.NA),
        (digit(amplitude_uv=9.9, is_normal=True), True),
        (digit(amplitude_uv=30.0, is_normal=False), False),
    ],
)
def test_a_routine_study_is_normal_with_amplitude_and_time_within_limits(value, expected):
    assert all_normal(studies(value), 1) is expected


def test_the_reading_of_a_stretch_wins_over_limits_of_a_longer_one():
    read = SensoryValue("ulnar", "right", "wrist-below_elbow", is_normal=True)
    slow = SensoryValue("ulnar", "right", "wrist-axilla", velocity_m_per_s=40.0)
    assert forearm(studies(slow)) is False
    assert forearm(studies(read, slow)) is True
    assert forearm(
        studies(read, SensoryValue("ulnar", "right", "wrist-elbow", is_normal=False))
    ) is (False)


def test_one_set_judges_the_timing_of_a_response():
    # 140 mm in 2.9 ms: within the latency of AANEM 2016 (3.3 ms), below the 50 m/s of Preston.
    row = {**snap("wrist", 2.9, 140.0, 0.0238), "nerve": "median", "muscle": "digit2"}
    assert all_normal(studies(recordings=[row]), 1) is True
    late = {**row, "onset_latency_ms": 3.4}
    assert all_normal(studies(recordings=[late]), 1) is False
    preston = sensory_studies(Details(), [row], chain("preston_shapiro"))
    assert all_normal(preston, 1) is False


def test_three_nerves_are_three_different_ones():
    two = [
        SensoryValue("ulnar", "right", s, is_normal=True) for s in ("digit5-wrist", "wrist-elbow")
    ]
    more = SensoryValue("median", "right", "digit2-wrist", is_normal=True)
    assert all_normal(studies(*two), 1) is True
    assert all_normal(studies(*two), 2) is pd.NA
    assert all_normal(studies(*two, more), 2) is True
    assert all_normal(studies(*two, more, SensoryValue("radial", "left")), 2) is pd.NA
    assert all_normal(studies(), 1) is pd.NA


def snap(site, latency, distance, amplitude_mv=0.012):
    return trace(
        "ulnar",
        site,
        kind="sensory",
        muscle="digit5",
        onset_latency_ms=latency,
        negative_peak_latency_ms=latency + 0.8,
        distance_mm=distance,
        negative_peak_amplitude_mv=amplitude_mv,
    )


def test_recordings_of_kind_sensory_count_through_the_stretch_they_span():
    # 260 mm in 4.6 ms from the wrist to below the elbow: 56.5 m/s.
    normal = studies(recordings=[snap("wrist", 2.4, 140.0), snap("below_elbow", 7.0, 400.0)])
    assert forearm(normal) is True
    assert all_normal(normal, 1) is True
    slow = studies(recordings=[snap("wrist", 2.4, 140.0), snap("below_elbow", 9.4, 400.0)])
    assert forearm(slow) is False
    assert all_normal(studies(recordings=[snap("wrist", 2.4, 140.0, 0.004)]), 1) is False
    assert forearm(studies(recordings=[snap("wrist", 2.4, 140.0)])) is pd.NA


def test_a_sensory_recording_reaches_the_diagnosis():
    traces = pd.DataFrame([snap("wrist", 2.4, 140.0), snap("below_elbow", 7.0, 400.0)])
    (found,) = conclude([segment()], Details(findings=CORE), traces=traces)
    assert found.category == "definite"


# ---- signs of nerves ----


def signs(rows=(), traces=EMPTY, f_waves=EMPTY, details=None):
    base = [segment(area=1.0), segment(nerve="median", area=1.0), *rows]
    (found,) = conclude(base, details or Details(), "ean_pns_cidp_2021", traces, f_waves)
    return found


def pair(median, ulnar):
    return pd.DataFrame([trace(**median), trace("ulnar", muscle="adm", **ulnar)])


def test_long_distal_latencies_count_from_half_above_the_upper_limit():
    # Upper limits 4.5 and 3.7 ms: 6.75 and 5.55 ms.
    met = signs(traces=pair({"onset_latency_ms": 6.75}, {"onset_latency_ms": 5.55}))
    assert "long_distal_latency_in_two_nerves" in met.met
    short = signs(traces=pair({"onset_latency_ms": 6.74}, {"onset_latency_ms": 5.55}))
    assert "long_distal_latency_in_two_nerves" in short.not_met
    assert short.category == "possible"


@pytest.mark.parametrize(
    ("filter_hz", "median_limit", "ulnar_limit"),
    [(2.0, 8.4, 9.6), (5.0, 8.0, 8.6), (20.0, 7.4, 7.8)],
)
def test_distal_duration_is_held_against_the_limit_of_its_filter(
    filter_hz, median_limit, ulnar_limit
):
    def with_durations(median, ulnar):
        return signs(
            traces=pair(
                {"total_negative_duration_ms": median, "high_pass_hz": filter_hz},
                {"total_negative_duration_ms": ulnar, "high_pass_hz": filter_hz},
            )
        )

    name = "long_distal_duration_and_another_sign_elsewhere"
    assert name in with_durations(median_limit + 0.01, ulnar_limit + 0.01).met
    assert name not in with_durations(median_limit, ulnar_limit + 0.01).met
    assert with_durations(median_limit, ulnar_limit).category == "undetermined"


def test_typed_f_waves_count_with_a_stricter_limit_for_small_responses():
    # Upper limits 31 and 32 ms; 80 % of 4.1 mV is 3.28, of 7.9 mV 6.32 mV.
    waves = Details(
        f_waves=(
            FWaveValue("median", "right", minimum_latency_ms=37.2),
            FWaveValue("ulnar", "right", minimum_latency_ms=38.4),
        )
    )
    large = signs(traces=pair({}, {}), details=waves)
    assert "late_f_in_two_nerves" in large.met
    small = signs(
        traces=pair({"negative_peak_amplitude_mv": 3.0}, {"negative_peak_amplitude_mv": 6.0}),
        details=waves,
    )
    assert "late_f_in_two_nerves" in small.not_met
    unknown = signs(details=waves)
    assert "late_f_in_two_nerves" in unknown.missing


def test_the_nerve_table_takes_the_most_distal_site_and_the_slowest_free_segment():
    traces = pd.DataFrame(
        [
            trace(site="elbow", onset_latency_ms=8.0),
            trace(onset_latency_ms=3.6),
            trace(onset_latency_ms=9.9, quality_flags="not_used"),
            trace("ulnar", "wrist", kind="sensory", muscle="digit5"),
        ]
    )
    segments = pd.DataFrame(
        [
            segment("ulnar", conduction_velocity_m_per_s=55.0),
            segment(
                "ulnar",
                conduction_velocity_m_per_s=30.0,
                segment="below_elbow-above_elbow",
                is_entrapment_site=True,
            ),
            segment("ulnar", conduction_velocity_m_per_s=52.0, segment="above_elbow-axilla"),
        ]
    )
    rows = gather(EMPTY, segments, traces, EMPTY, {}).nerves["p"]
    nerves = {row["nerve"]: row for row in rows}
    assert nerves["median"]["distal_latency_ms"] == 3.6
    assert nerves["ulnar"]["slowest_velocity_m_per_s"] == 52.0
    assert math.isnan(nerves["ulnar"]["distal_latency_ms"])


# ---- features ----

FEATURES, DIFFERENTIAL = 0, 1


def bearings(*tables):
    sets = chain("aanem_2016")
    return features.features_and_differential(examined(gather(*tables), tables[-1], sets), sets)


def listed(rows, details, which=FEATURES):
    segments = pd.DataFrame(rows)
    verdicts = judge(segments, "efns_pns_2010")
    return bearings(verdicts, segments, EMPTY, EMPTY, {"p": details})[which]


def test_every_feature_has_words_in_both_languages_and_a_source():
    for one in features.catalog():
        assert one.text, one.id
        assert one.text_zh, one.id
        assert one.absent_text, one.id
        assert one.absent_text_zh, one.id
        assert one.source, one.id
        assert bool(one.frequency) == bool(one.frequency_zh), one.id


@pytest.mark.parametrize("details", [Details(), Details(sex="male")], ids=["numbers", "truths"])
def test_a_value_that_is_not_known_is_none_whatever_the_other_values_are(details):
    table = listed([segment()], details)
    unknown = table.loc[table["observed"].isna(), "value"].tolist()
    assert unknown
    assert all(value is None for value in unknown)


def test_features_bear_for_against_or_not_at_all_and_carry_no_score():
    details = Details(
        findings={
            **CORE,
            "laboratory.anti_gm1_igm_raised": False,
            "laboratory.csf_protein_g_per_l": 1.0,
        },
        sensory=SENSORY,
        sex="male",
    )
    table = listed([segment(), segment(nerve="median", area=1.0)], details).set_index("feature")
    bearing = table["bearing"].to_dict()
    assert bearing["block"] == "supportive"
    assert bearing["sensory_through_block"] == "supportive"
    assert bearing["anti_gm1"] == "neutral"
    assert bearing["csf_protein_1"] == "against"
    assert bearing["ivig"] == "unknown"
    assert bearing["male"] == "supportive"
    assert table.loc["anti_gm1", "text"] == "IgM anti-GM1 antibodies not raised"
    assert "20 to 84 %" in table.loc["anti_gm1", "frequency"]
    assert not [name for name in table.columns if "score" in name]


def test_nothing_known_is_unknown_and_never_absent():
    none = pd.DataFrame({"nerve": [], "segment": []})
    table = bearings(judge(none), none, EMPTY, EMPTY, {"p": Details()})[FEATURES]
    assert set(table["bearing"]) == {"unknown"}
    assert table["observed"].isna().all()


def test_the_differential_names_what_speaks_for_and_against():
    als = {**CORE, "clinical.upper_motor_neuron_signs": True}
    table = listed([segment(area=1.0)], Details(findings=als), DIFFERENTIAL)
    found = table.set_index(["entity", "feature"])["bearing"]
    assert found["als", "upper_motor_neuron_signs"] == "supportive"
    assert found["als", "block"] == "supportive"
    assert found["cidp", "sensory_loss"] == "against"
    assert "mmn" not in set(table["entity"])


def test_a_drop_across_the_elbow_speaks_for_entrapment():
    rows = [segment(segment="below_elbow-above_elbow", area=43.0, quality_flags="focal_slowing")]
    table = listed(rows, Details(), DIFFERENTIAL).set_index(["entity", "feature"])
    assert table.loc[("entrapment", "drop_at_entrapment_site"), "bearing"] == "supportive"
    assert table.loc[("entrapment", "slow_at_entrapment_site"), "bearing"] == "supportive"


def test_slowing_at_the_elbow_is_no_slowing_outside_the_blocks():
    rows = [
        segment(segment="below_elbow-above_elbow", area=5.0, conduction_velocity_m_per_s=30.0),
        segment(nerve="median", area=1.0, conduction_velocity_m_per_s=56.0),
    ]
    table = listed(rows, Details()).set_index("feature")
    assert table.loc["velocity_outside_block", "bearing"] == "supportive"

"""May a change be read as block: the premises between the numbers and the grades."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb.cli import main
from ncs_cb.model import Lab, Site, Stimulus, Study, Trace

CORE = """
[clinical]
progressive_asymmetric_limb_weakness = true
weakness_duration_months = 14
motor_nerve_territories_involved = 2
objective_sensory_loss = false
upper_motor_neuron_signs = false
marked_bulbar_involvement = false
diffuse_symmetric_weakness_at_onset = false
"""
FOREARM_NORMAL = """
[[sensory]]
nerve = "ulnar"
side = "left"
segment = "wrist-below_elbow"
is_normal = true
"""
HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal,collision_used\n"
)


def ulnar(wrist, forearm, supramaximal="true"):
    """Two sites of the left ulnar nerve: amplitude, area and duration of each."""
    return "".join(
        f"ulnar,left,adm,{site},{distance},{latency},{','.join(map(str, values))},{supramaximal},\n"
        for site, distance, latency, values in (
            ("wrist", 70, 2.8, wrist),
            ("below_elbow", 280, 6.4, forearm),
        )
    )


BLOCKED = ulnar((9.6, 30.0, 5.8), (3.5, 10.8, 6.1))


@pytest.fixture
def visit(tmp_path):
    """Analyze a typed visit by the EFNS/PNS set; the folder also takes other files."""

    def analyzed(rows, toml=CORE + FOREARM_NORMAL, criteria="efns_pns_2010"):
        (tmp_path / "sites.csv").write_text(HEAD + rows, "utf-8")
        (tmp_path / "study.toml").write_text(toml, "utf-8")
        return ncs_cb.analyze(ncs_cb.read_study(tmp_path), criteria=[criteria])

    return analyzed


def verdict(result, nerve="ulnar", segment="wrist-below_elbow", muscle="adm"):
    found = result.verdicts.query("nerve == @nerve and segment == @segment and muscle == @muscle")
    assert len(found) == 1
    return found.iloc[0]


def premise(row, name):
    (found,) = (one for one in row["evidence"] if one["clause"] == name)
    return found


def grades(row):
    return tuple(row[["grade_by_numbers", "conduction_block", "technical_validity"]])


@pytest.mark.parametrize(
    ("wrist_mv", "attested", "grade"),
    [(9.0, "true", "none"), (7.8, "true", "undetermined"), (8.5, "false", "undetermined")],
)
def test_a_distal_response_that_is_too_small_leaves_block_open(visit, wrist_mv, attested, grade):
    # The proximal response is 11, 28 and 18 % larger.
    rows = ulnar((wrist_mv, 3 * wrist_mv, 5.8), (10.0, 30.0, 5.8))
    rows = rows.replace("true", attested, 1)
    row = verdict(visit(rows))
    assert row["conduction_block"] == grade


def test_an_attested_drop_is_block_and_settles_the_category(visit):
    result = visit(BLOCKED)
    assert grades(verdict(result)) == ("definite", "definite", "attested")
    assert result.diagnosis["category"].item() == "definite"


def test_a_drop_that_nobody_attested_stands_but_leaves_the_category_open(visit):
    result = visit(ulnar((9.6, 30.0, 5.8), (3.5, 10.8, 6.1), supramaximal=""))
    row = verdict(result)
    assert grades(row) == ("definite", "definite", "not_attested")
    assert (
        "attest supramaximal stimulation of left ulnar" in premise(row, "supramaximal")["next_step"]
    )
    diagnosis = result.diagnosis.iloc[0]
    assert (diagnosis["category"], diagnosis["not_excluded"]) == ("undetermined", "definite")
    assert "definite_block_in_one_nerve" in diagnosis["missing"]
    assert "attest supramaximal stimulation of left ulnar" in diagnosis["explanation"]


def test_study_toml_attests_a_table(visit):
    rows = ulnar((9.6, 30.0, 5.8), (3.5, 10.8, 6.1), supramaximal="")
    attested = '\n[recordings."sites.csv"]\nsupramaximal = true\n'
    row = verdict(visit(rows, CORE + FOREARM_NORMAL + attested))
    assert grades(row) == ("definite", "definite", "attested")


def test_a_proximal_stimulus_known_to_be_weak_withholds_the_grade(visit):
    rows = BLOCKED.replace(
        "below_elbow,280,6.4,3.5,10.8,6.1,true", "below_elbow,280,6.4,3.5,10.8,6.1,false"
    )
    result = visit(rows)
    row = verdict(result)
    assert grades(row) == ("definite", "undetermined", "refuted")
    assert row["not_excluded"] == "definite"
    assert "raise the current at below elbow" in premise(row, "supramaximal")["next_step"]
    assert result.diagnosis["category"].item() == "undetermined"


def test_a_weak_distal_stimulus_may_hide_block(visit):
    rows = ulnar((9.6, 30.0, 5.8), (9.4, 29.0, 6.0)).replace("5.8,true", "5.8,false")
    row = verdict(visit(rows))
    assert grades(row) == ("none", "undetermined", "refuted")
    assert row["not_excluded"] == "definite"


CROSSING_WHOLE = (
    "median,left,adm,wrist,70,3.0,0.4,1.2,5.8,true,\n"
    "median,left,adm,elbow,290,7.0,6.2,19.5,5.9,true,\n"
)


def test_crossing_fibers_that_explain_the_drop_exclude_block(visit):
    result = visit(BLOCKED + CROSSING_WHOLE)
    row = verdict(result)
    assert grades(row) == ("definite", "excluded", "refuted")
    reason = premise(row, "martin_gruber")
    assert reason["value"] == "whole"
    assert "9.60 mV at the wrist = 3.50 mV" in reason["text"]
    assert "5.80 mV by way of median" in reason["text"]
    assert verdict(result, "median", "wrist-elbow")["conduction_block"] == "not_covered"
    diagnosis = result.diagnosis.iloc[0]
    assert diagnosis["category"] != "definite"
    assert result.features.query("feature == 'block'")["observed"].item() is not True


def test_crossing_fibers_that_explain_a_part_leave_the_rest_to_be_judged(visit):
    crossing = CROSSING_WHOLE.replace("6.2,19.5", "1.9,6.0")
    row = verdict(visit(BLOCKED + crossing))
    # 30.0 - (6.0 - 1.2) = 25.2 against 10.8: 57.1 %; amplitude 9.6 - 1.5 = 8.1 against 3.5.
    assert grades(row) == ("definite", "definite", "attested")
    text = premise(row, "martin_gruber")["text"]
    assert "amplitude 56.8 % and area 57.1 % instead of 63.5 % and 64.0 %" in text


def test_what_crosses_can_weaken_a_grade(visit):
    crossing = CROSSING_WHOLE.replace("6.2,19.5", "3.4,11.2")
    row = verdict(visit(BLOCKED + crossing))
    # 30.0 - 10.0 = 20.0 against 10.8: 46 %.
    assert grades(row) == ("definite", "probable", "attested")


def test_a_wrist_that_was_not_recorded_is_unknown_and_not_zero(visit):
    too_much = "median,left,adm,elbow,290,7.0,8.9,28.0,5.9,true,\n"
    row = verdict(visit(BLOCKED + too_much))
    # At most 8.9 of 9.6 mV cross, far more than is missing: nobody can tell what crosses.
    assert (row["conduction_block"], row["not_excluded"]) == ("undetermined", "definite")
    assert "stimulate left median at the wrist" in premise(row, "martin_gruber")["next_step"]
    part = "median,left,adm,elbow,290,7.0,1.5,4.8,5.9,true,\n"
    assert verdict(visit(BLOCKED + part))["conduction_block"] == "definite"


def complete(visit, supramaximal="true", toml=CORE + FOREARM_NORMAL, criteria="efns_pns_2010"):
    rows = ulnar((8.8, 26.0, 5.7), (0, "", ""), supramaximal).replace(",6.4,", ",,")
    return visit(rows, toml, criteria)


def test_no_response_to_a_supramaximal_stimulus_is_complete_block(visit):
    result = complete(visit)
    row = verdict(result)
    assert grades(row) == ("definite", "definite", "attested")
    assert "duration is not asked" in premise(row, "complete_block")["text"]
    segment = result.segments.iloc[0]
    assert segment["amplitude_reduction_pct"] == 100.0
    assert segment["area_reduction_pct"] == 100.0
    assert "complete_block" in segment["quality_flags"].split(";")
    assert result.diagnosis["category"].item() == "definite"


@pytest.mark.parametrize("criteria", ["efns_pns_2010", "efns_pns_cidp_2010"])
def test_no_response_to_an_unattested_stimulus_leaves_all_open(visit, criteria):
    row = verdict(complete(visit, supramaximal="", criteria=criteria))
    assert (row["conduction_block"], row["not_excluded"]) == ("undetermined", "definite")


def test_no_response_six_days_after_onset_is_no_block_yet(visit):
    recent = CORE.replace("weakness_duration_months = 14", "weakness_duration_months = 0.2")
    row = verdict(complete(visit, toml=recent + FOREARM_NORMAL))
    assert (row["conduction_block"], row["not_excluded"]) == ("undetermined", "definite")
    assert "after the tenth day" in premise(row, "complete_block")["next_step"]


def test_an_empty_cell_is_unknown_and_never_complete_block(visit):
    row = verdict(visit(ulnar((8.8, 26.0, 5.7), ("", "", ""))))
    assert (row["conduction_block"], row["not_excluded"]) == ("undetermined", "definite")
    assert not [one for one in row["evidence"] if one["clause"] == "complete_block"]


@pytest.mark.parametrize("criteria", ["partial_block_20pct", "albers_1985"])
def test_a_set_without_a_gate_borrows_one(visit, criteria):
    row = verdict(visit(ulnar((0.7, 2.2, 5.6), (0.3, 0.9, 5.9)), criteria=criteria))
    assert grades(row)[:2] == ("probable", "excluded")
    assert "must exceed 1.00 mV" in premise(row, "distal_gate")["text"]


def test_recordings_with_different_filters_withhold_the_grade(tmp_path):
    head = HEAD.replace("supramaximal", "high_pass_hz,low_pass_hz,supramaximal")
    rows = BLOCKED.replace("5.8,true", "5.8,2,10000,true").replace("6.1,true", "6.1,20,10000,true")
    (tmp_path / "sites.csv").write_text(head + rows, "utf-8")
    (tmp_path / "study.toml").write_text(CORE + FOREARM_NORMAL, "utf-8")
    result = ncs_cb.analyze(ncs_cb.read_study(tmp_path), criteria=["efns_pns_2010"])
    row = verdict(result)
    assert grades(row) == ("definite", "undetermined", "refuted")
    assert row["not_excluded"] == "definite"
    assert "one filter setting" in premise(row, "filter_mismatch")["next_step"]
    assert result.diagnosis["category"].item() == "undetermined"


def test_a_polarity_that_differs_withholds_the_grade():
    table = pd.DataFrame(
        {
            "nerve": "median",
            "muscle": "apb",
            "segment": "wrist-elbow",
            "distal_amplitude_mv": 8.0,
            "area_reduction_pct": 61.0,
            "duration_increase_pct": 7.0,
            "supramaximal": True,
            "quality_flags": ["", "polarity_differs"],
        }
    )
    verdicts = ncs_cb.judge(table, ["efns_pns_2010"])
    assert verdicts["technical_validity"].tolist() == ["attested", "refuted"]
    assert verdicts["conduction_block"].tolist() == ["definite", "undetermined"]


@pytest.mark.parametrize(
    ("again", "wanted"),
    [
        # The same current, or both supramaximal, and two sizes: the electrode moved.
        ((2.5, "true", ""), ("definite", "undetermined", "refuted")),
        # A weaker stimulus of the same site gives less, as it should.
        ((1.2, "no", ""), ("definite", "definite", "attested")),
        # Repeats that agree.
        ((3.4, "true", ""), ("definite", "definite", "attested")),
    ],
)
def test_repeats_of_one_stimulus_that_differ_prove_a_shift(visit, again, wanted):
    size, supramaximal, _ = again
    repeat = f"ulnar,left,adm,below_elbow,280,6.4,{size},{3.1 * size},6.1,{supramaximal},\n"
    row = verdict(visit(BLOCKED + repeat))
    assert grades(row) == wanted
    shift = [one for one in row["evidence"] if one["clause"] == "electrode_shift"]
    assert bool(shift) == (wanted[2] == "refuted")


def test_an_anastomosis_is_asked_for_on_forearm_drops_of_its_own_nerve_only(visit):
    median = (
        "median,left,apb,wrist,70,3.4,9.6,30.0,5.8,true,\n"
        "median,left,apb,elbow,290,7.4,3.5,10.8,6.1,true,\n"
    )
    upper = (
        "ulnar,left,adm,above_elbow,380,8.1,3.4,10.6,6.1,true,\n"
        "ulnar,left,adm,axilla,470,9.6,1.4,4.3,6.2,true,\n"
    )
    result = visit(BLOCKED + upper + median)
    found = {
        (row["nerve"], row["segment"]): next(
            (e["text"] for e in row["evidence"] if e["clause"] == "martin_gruber"), None
        )
        for _, row in result.verdicts.iterrows()
    }
    assert "left median was not stimulated" in found["ulnar", "wrist-below_elbow"]
    assert "left ulnar was not stimulated" in found["median", "wrist-elbow"]
    assert found["ulnar", "above_elbow-axilla"] is None


def test_an_entrapment_site_is_never_judged_for_block(visit):
    elbow = "ulnar,left,adm,above_elbow,380,9.6,1.1,3.4,6.2,true,\n"
    row = verdict(visit(BLOCKED + elbow), segment="below_elbow-above_elbow")
    assert grades(row)[1] == "excluded"


def test_the_partial_set_never_leads(tmp_path):
    study = read(tmp_path, BLOCKED)
    result = ncs_cb.analyze(study, criteria=["partial_block_20pct", "efns_pns_2010"])
    assert any("EFNS/PNS 2010" in line for line in result.impression)
    assert not any("Partial block, 20" in line for line in result.impression)


def test_the_tibial_nerve_is_left_to_other_sets(visit):
    rows = (
        "tibial,left,ah,ankle,80,4.1,11.0,33.0,5.6,true,\n"
        "tibial,left,ah,popliteal_fossa,470,12.3,4.4,14.0,6.2,true,\n"
    )
    row = verdict(visit(rows), "tibial", "ankle-popliteal_fossa", "ah")
    assert grades(row)[:2] == ("definite", "not_covered")


def erb(collision):
    return (
        "ulnar,left,adm,axilla,460,9.2,10.4,31.0,5.9,true,\n"
        f"ulnar,left,adm,erb,670,12.4,3.1,9.4,6.3,true,{collision}\n"
    )


@pytest.mark.parametrize(
    ("collision", "grade"), [("true", "definite"), ("false", "probable"), ("", "probable")]
)
def test_erbs_point_is_probable_at_most_without_collision(visit, collision, grade):
    row = verdict(visit(erb(collision)), segment="axilla-erb")
    assert grades(row)[:2] == ("definite", grade)
    assert row["extrapolated"]


def test_routine_sensory_studies_count_above_the_axilla(visit):
    routine = FOREARM_NORMAL.replace("wrist-below_elbow", "digit5-wrist")
    assert visit(erb("true"), CORE + routine).diagnosis["category"].item() == "definite"
    assert visit(erb("true"), CORE).diagnosis["category"].item() == "undetermined"


def test_a_typed_segments_table_may_attest_its_stimuli():
    table = pd.DataFrame(
        {
            "nerve": "median",
            "muscle": "apb",
            "segment": "wrist-elbow",
            "distal_amplitude_mv": 8.0,
            "area_reduction_pct": 61.0,
            "duration_increase_pct": 7.0,
            "supramaximal": [True, False, None],
        }
    )
    verdicts = ncs_cb.judge(table, ["efns_pns_2010"])
    assert verdicts["technical_validity"].tolist() == ["attested", "refuted", "not_attested"]
    assert verdicts["conduction_block"].tolist() == ["definite", "undetermined", "definite"]


# ---- who attested

UNSAID = ulnar((11.2, 34.0, 5.6), (4.3, 13.1, 5.9), supramaximal="")


def read(folder, rows, toml=CORE + FOREARM_NORMAL):
    (folder / "sites.csv").write_text(HEAD + rows, "utf-8")
    (folder / "study.toml").write_text(toml, "utf-8")
    return ncs_cb.read_study(folder)


def test_the_call_attests_what_nobody_spoke_of_and_the_evidence_says_so(tmp_path):
    study = read(tmp_path, UNSAID)
    row = verdict(ncs_cb.analyze(study, ["efns_pns_2010"], supramaximal=True))
    assert grades(row) == ("definite", "definite", "attested")
    said = premise(row, "supramaximal")
    assert said["supramaximal_by"] == "call"
    assert "by the caller" in said["text"]
    assert "统一注明" in said["text_zh"]
    before = verdict(ncs_cb.analyze(study, ["efns_pns_2010"]))
    assert before["technical_validity"] == "not_attested"


@pytest.mark.parametrize(
    ("first", "second", "by"),
    [("true", "", "table;call"), ("true", "true", "table")],
)
def test_the_evidence_names_each_who_attested(tmp_path, first, second, by):
    rows = UNSAID.replace("5.6,,", f"5.6,{first},").replace("5.9,,", f"5.9,{second},")
    row = verdict(ncs_cb.analyze(read(tmp_path, rows), ["efns_pns_2010"], supramaximal=True))
    assert premise(row, "supramaximal")["supramaximal_by"] == by


def test_the_call_never_overrules_a_denial(tmp_path):
    rows = UNSAID.replace("5.9,,", "5.9,no,")
    result = ncs_cb.analyze(read(tmp_path, rows), ["efns_pns_2010"], supramaximal=True)
    assert grades(verdict(result)) == ("definite", "undetermined", "refuted")


def test_the_default_of_a_laboratory_holds_for_a_study_made_by_hand(tmp_path):
    study = replace(read(tmp_path, UNSAID), lab=Lab("", "lab.toml", {}, {"supramaximal": True}))
    row = verdict(ncs_cb.analyze(study, ["efns_pns_2010"]))
    assert premise(row, "supramaximal")["supramaximal_by"] == "lab.toml"


@pytest.mark.parametrize("command", ["analyze", "compare", "batch"])
def test_every_command_attests(tmp_path, command):
    for name in ("one", "two"):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        month = "03" if name == "one" else "04"
        read(folder, UNSAID, f"[study]\nvisit_date = 2025-{month}-11\n" + CORE)
    out = tmp_path / "out"
    given = [str(tmp_path / "in" / name) for name in ("one", "two")]
    given = [str(tmp_path / "in"), "--workers", "1"] if command == "batch" else given
    with pytest.raises(SystemExit) as ended:
        main([command, *given, "--out", str(out), "--supramaximal"])
    assert not ended.value.code
    found = [pd.read_csv(file) for file in out.rglob("*verdicts*.csv")]
    found += [pd.read_parquet(file) for file in out.rglob("verdicts/*.parquet")]
    said = [
        v for frame in found if "technical_validity" in frame for v in frame["technical_validity"]
    ]
    if command == "compare":
        assert '"supramaximal": "call"' in (out / "comparison.json").read_text("utf-8")
    else:
        assert set(said) == {"attested"}


def test_a_series_that_still_grows_refutes_what_was_attested_in_general():
    steps = [
        growing(site, ma, size)
        for site, full in (("wrist", 1.0), ("below_elbow", 0.5))
        for ma, size in growth(site, full)
    ]
    study = Study("grows", tuple(replace(t, sweep=n) for n, t in enumerate(steps)))
    result = ncs_cb.analyze(study, ["efns_pns_2010"], supramaximal=True)
    used = result.traces[~result.traces["quality_flags"].str.contains("not_used")]
    assert used["stimulus_ma"].tolist() == [30.0, 30.0]
    row = verdict(result)
    assert row["technical_validity"] == "refuted"
    assert premise(row, "supramaximal")["holds"] is False


def growth(site, full):
    shares = (0.1, 0.6, 0.97, 1.0, 1.0, 1.0) if site == "wrist" else (0.1, 0.3, 0.5, 0.7, 0.85, 1)
    return [(5.0 * n, full * share) for n, share in enumerate(shares, start=1)]


def growing(site, current_ma, share):
    time_ms = np.arange(0.0, 40.0, 0.1)
    onset_ms = 3.0 if site == "wrist" else 6.8
    inside = (time_ms >= onset_ms) & (time_ms < onset_ms + 12.0)
    samples = np.where(inside, 9.0 * share * np.sin(np.pi * (time_ms - onset_ms) / 6.0), 0.0)
    samples.flags.writeable = False
    return Trace(
        samples,
        10_000.0,
        0,
        Site("ulnar", "left", "adm", site),
        "series.csv",
        stimulus=Stimulus(distance_mm=70.0 if site == "wrist" else 280.0, intensity_ma=current_ma),
    )


# ------------------------------------------------------------------ responses that contradict


def along(*sites):
    """Sites of the left ulnar nerve: site, distance, latency, amplitude and area; attested."""
    return "".join(
        f"ulnar,left,adm,{site},{distance},{latency},{amplitude},{area},5.8,true,\n"
        for site, distance, latency, amplitude, area in sites
    )


def test_a_fall_that_recovers_further_up_is_no_block(visit):
    rows = along(
        ("wrist", 80, 2.9, 9.0, 27.0),
        ("below_elbow", 280, 6.2, 3.2, 9.6),
        ("above_elbow", 380, 7.9, 8.8, 26.4),
    )
    result = visit(rows)
    row = verdict(result)
    assert grades(row) == ("definite", "undetermined", "refuted")
    assert row["not_excluded"] == "definite"
    step = premise(row, "recovery")["next_step"]
    assert "more current" in step
    assert "co-stimulation at above elbow" in step
    assert result.diagnosis["category"].item() == "undetermined"


def test_a_fall_that_stays_further_up_is_block(visit):
    rows = along(
        ("wrist", 80, 2.9, 9.0, 27.0),
        ("below_elbow", 280, 6.2, 3.2, 9.6),
        ("above_elbow", 380, 7.9, 3.6, 10.8),
    )
    assert grades(verdict(visit(rows))) == ("definite", "definite", "attested")


def test_sites_whose_latencies_are_out_of_order_are_not_judged(visit):
    rows = along(
        ("below_elbow", 280, 2.9, 9.0, 27.0),
        ("wrist", 80, 6.2, 3.2, 9.6),
        ("above_elbow", 380, 7.9, 3.1, 9.3),
    )
    result = visit(rows)
    row = verdict(result)
    assert grades(row)[1:] == ("undetermined", "refuted")
    assert "check site labels, markers and distances" in premise(row, "order")["next_step"]
    elbow = verdict(result, segment="below_elbow-above_elbow")
    assert elbow["technical_validity"] == "refuted"
    said = " ".join(result.impression)
    assert "axonal loss" not in said
    assert "neuropathy at the elbow" not in said


def test_an_early_response_leaves_the_segments_below_it_alone(visit):
    rows = along(
        ("wrist", 80, 2.9, 9.0, 27.0),
        ("below_elbow", 280, 6.2, 3.2, 9.6),
        ("axilla", 480, 2.1, 1.0, 3.0),
    )
    result = visit(rows)
    assert grades(verdict(result)) == ("definite", "definite", "attested")
    row = verdict(result, segment="below_elbow-axilla")
    assert grades(row)[1:] == ("excluded", "refuted")
    assert "axilla" in premise(row, "order")["next_step"]


def test_distances_in_centimetres_leave_the_fall_readable(visit):
    rows = along(("wrist", 8, 2.9, 9.0, 27.0), ("below_elbow", 28, 6.2, 3.2, 9.6))
    assert grades(verdict(visit(rows)))[1] == "definite"


def test_an_area_that_contradicts_the_amplitude_is_not_read_as_block(visit):
    rows = along(("wrist", 80, 2.9, 9.0, 27.0), ("below_elbow", 280, 6.2, 8.2, 2.7))
    row = verdict(visit(rows))
    assert grades(row) == ("definite", "undetermined", "refuted")
    assert "contradict each other" in premise(row, "order")["text"]

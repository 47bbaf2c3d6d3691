"""The impression: what is said first of a typed visit, case by case (tests/visits/*.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import ncs_cb
from ncs_cb.model import Decision, Study, UnassignedStimulus
from ncs_cb.reports import write_report
from ncs_cb.wording import catalog

FOLDER = Path(__file__).parent / "visits"
VISITS = {one.stem: tomllib.loads(one.read_text("utf-8")) for one in sorted(FOLDER.glob("*.toml"))}
# What Chinese readers write in Latin letters too.
NAMES = "Martin-Gruber|Lewis-Sumner|EFNS/PNS|CIDP|AANEM|Preston|Shapiro"
HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal,collision_used\n"
)


def read(visit, folder):
    folder.mkdir()
    rows = "\n".join(line.strip() for line in visit["sites"].strip().splitlines())
    (folder / "sites.csv").write_text(HEAD + rows + "\n", "utf-8")
    (folder / "study.toml").write_text(visit.get("study", ""), "utf-8")
    return ncs_cb.read_study(folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every visit, analyzed together with all others that are read by the same limits and sets."""
    root = tmp_path_factory.mktemp("visits")
    by_call = {}
    for name, visit in VISITS.items():
        call = (visit.get("reference", "aanem_2016"), tuple(visit.get("criteria", ())))
        by_call.setdefault(call, {})[name] = read(visit, root / name)
    return {
        name: result
        for (limits, sets), studies in by_call.items()
        for name, result in zip(
            studies,
            ncs_cb.analyze_many(list(studies.values()), sets or None, reference=limits),
            strict=True,
        )
    }


def in_eight_lines_at_most(result):
    """Look at what holds of every impression, in both languages."""
    assert 1 <= len(result.impression) <= 8
    assert result.statements["line"].tolist() == list(range(1, len(result.impression) + 1))
    rest = result.statements["text_zh"].str.replace(NAMES, "", regex=True)
    assert not rest.str.contains("[A-Za-z]{4,}", regex=True).any(), rest.tolist()


@pytest.mark.parametrize("name", VISITS)
def test_the_impression_says_what_an_expert_would(name, results):
    visit, result = VISITS[name], results[name]
    in_eight_lines_at_most(result)
    said = "\n".join(result.impression)
    chinese = "\n".join(result.statements["text_zh"])
    for part in visit["says"]:
        assert part in said, said
    for part in visit.get("says_not", []):
        assert part not in said, said
    for part in visit.get("says_zh", []):
        assert part in chinese, chinese
    first = result.verdicts.query("criteria == 'efns_pns_2010'")
    for segment, grade in visit.get("verdicts", {}).items():
        is_it = first["nerve"] + " " + first["segment"] == segment
        assert first.loc[is_it, "conduction_block"].tolist() == [grade]
    if "category" in visit:
        category = result.diagnosis.query("criteria == 'efns_pns_2010'")["category"]
        assert category.item() == visit["category"]


def test_no_value_left_out_of_a_normal_visit_leaves_it_normal(tmp_path):
    """Of every response in turn the distance, the latency, the amplitude or the area is unknown."""
    lines = VISITS["normal_without_complaint"]["sites"].strip().splitlines()
    cells = [(at, place) for at in range(len(lines)) for place in (4, 5, 6, 7)]
    studies = []
    for at, place in [(None, None), *cells]:
        rows = [line.split(",") for line in lines]
        if at is not None:
            rows[at][place] = ""
        folder = tmp_path / f"visit_{len(studies)}"
        folder.mkdir()
        (folder / "sites.csv").write_text(HEAD + "\n".join(map(",".join, rows)) + "\n", "utf-8")
        studies.append(ncs_cb.read_study(folder))
    whole, *damaged = ncs_cb.analyze_many(studies)
    assert whole.impression[0].startswith("Normal study")
    for cell, result in zip(cells, damaged, strict=True):
        assert not any("Normal study" in line for line in result.impression), cell


def test_a_table_that_lost_rows_is_not_called_normal(tmp_path):
    study = read(VISITS["normal_without_complaint"], tmp_path / "visit")
    lost = Decision("sheet.csv", "rows left out", "5, 6", "no nerve line above them")
    whole, cut = ncs_cb.analyze_many([study, replace(study, decisions=(*study.decisions, lost))])
    assert whole.impression[0].startswith("Normal study")
    assert "Normal study" not in "\n".join(cut.impression)
    assert "not read: 5, 6" in "\n".join(cut.impression)


def test_a_lone_response_of_uncertain_polarity_is_read_as_it_is_beside_other_visits(tmp_path):
    whole = read(VISITS["normal_arms"], tmp_path / "visit")
    (first, *_) = (one for one in whole.typed_responses if one.site.stimulation_site == "wrist")
    small = replace(
        first,
        values={**first.values, "negative_peak_amplitude_mv": 0.5},
        flags=("polarity_uncertain",),
    )
    lone = replace(whole, typed_responses=(small,))
    alone, beside = ncs_cb.analyze(lone), ncs_cb.analyze_many([lone, whole])[0]
    assert alone.impression == beside.impression
    assert not any("axonal" in line for line in alone.impression)


@pytest.mark.parametrize(("lang", "told"), [("en", "anastomosis"), ("zh", "吻合")])
def test_a_drop_at_the_elbow_that_crossing_fibers_explain_is_no_entrapment(
    lang, told, results, tmp_path
):
    result = results["crossing_high"]
    drop = result.features.query("feature == 'drop_at_entrapment_site'")
    assert drop["observed"].isna().all()
    write_report(result, tmp_path, formats=["txt"], lang=lang)
    (page,) = tmp_path.rglob("*.txt")
    rows = [
        line.split("Martin-Gruber")[0]
        for line in page.read_text("utf-8").splitlines()
        if line.startswith(("Above elbow ", "肘上 ")) and "Martin-Gruber" in line
    ]
    assert [told in row for row in rows] == [True], rows


def test_every_visit_names_its_question():
    assert len(VISITS) >= 15
    assert all(visit["question"] for visit in VISITS.values())


def test_the_statements_have_the_same_words_in_every_language():
    english, chinese = (catalog.load(lang).section("impression") for lang in ("en", "zh"))
    assert set(english) == set(chinese)


def test_stimuli_that_name_no_site_are_said_first_and_under_not_tested(tmp_path):
    rows = (
        "median,right,apb,wrist,64,3.1,9.4,30.1,5.6,true,\n"
        "median,right,apb,elbow,284,7.0,9.1,29.6,5.7,true,\n"
    )
    (tmp_path / "sites.csv").write_text(HEAD + rows, "utf-8")
    waiting = tuple(
        UnassignedStimulus("night.edf", text, n)
        for n, text in enumerate(("Mark 3", "Mark 3", "T7"))
    )
    study = replace(ncs_cb.read_study(tmp_path), unassigned=waiting)
    result = ncs_cb.analyze(study)
    assert "Stimuli that name no site: 3" in result.impression[0]
    assert not any(line.startswith("Normal study") for line in result.impression)
    files = write_report(result, tmp_path / "out", formats=["txt"])
    (page,) = (path.read_text("utf-8") for path in files if path.suffix == ".txt")
    line = " ".join(" ".join(page.split()).split("Not tested:")[1].split(".")[:2])
    assert "stimuli whose annotation names no site (3: Mark 3, T7)" in line


def test_a_study_of_nothing_but_unassigned_stimuli_says_so(tmp_path):
    study = Study("lost", (), unassigned=(UnassignedStimulus("night.edf", "Mark 3", 0),))
    said = ncs_cb.analyze(study).impression
    assert "Stimuli that name no site: 1" in said[0]


def test_a_fall_over_more_than_the_elbow_is_named_in_the_findings(results, tmp_path):
    write_report(results["fall_to_above_the_elbow_only"], tmp_path, formats=["txt"])
    (page,) = tmp_path.rglob("*.txt")
    findings = page.read_text("utf-8").split("Findings in full")[1]
    assert "wrist to above elbow" in " ".join(findings.split("\n\n")[0].split())


@pytest.mark.parametrize(("celsius", "category"), [(34.0, "probable"), (26.0, "undetermined")])
def test_slow_nerves_of_a_cold_limb_meet_no_criteria_of_cidp(celsius, category, tmp_path):
    rows = """
    median,right,apb,wrist,80,9.0,10,30,5.5,true,
    median,right,apb,elbow,300,17.0,9.9,29.8,5.6,true,
    ulnar,right,adm,wrist,80,7.5,11,33,5.5,true,
    ulnar,right,adm,below_elbow,285,15.0,10.9,32.8,5.6,true,
    """
    study = read(
        {"sites": rows, "study": f"[limb_temperature_c]\nright_arm = {celsius}\n"},
        tmp_path / "visit",
    )
    found = ncs_cb.analyze(study).diagnosis.query("criteria == 'ean_pns_cidp_2021'")
    assert found["category"].item() == category


def test_nothing_is_called_late_or_slow_by_a_response_of_unknown_time(tmp_path):
    study = read(VISITS["long_latencies_and_slow"], tmp_path / "visit")
    unsure = replace(
        study,
        typed_responses=tuple(
            replace(one, flags=("stimulus_time_uncertain",)) for one in study.typed_responses
        ),
    )
    said = "\n".join(ncs_cb.analyze(unsure).impression)
    assert "Could not be read" in said
    assert not any(word in said for word in ("Slowed", "slowing", "Long distal", "carpal")), said

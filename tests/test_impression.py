"""The impression: what is said first of a typed visit, case by case (tests/visits/*.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import ncs_cb
from ncs_cb.wording import catalog

FOLDER = Path(__file__).parent / "visits"
VISITS = {one.stem: tomllib.loads(one.read_text("utf-8")) for one in sorted(FOLDER.glob("*.toml"))}
# What Chinese readers write in Latin letters too.
NAMES = "Martin-Gruber|Lewis-Sumner|EFNS/PNS|CIDP"
HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal,collision_used\n"
)


def analyzed(visit, folder):
    rows = "\n".join(line.strip() for line in visit["sites"].strip().splitlines())
    (folder / "sites.csv").write_text(HEAD + rows + "\n", "utf-8")
    (folder / "study.toml").write_text(visit.get("study", ""), "utf-8")
    return ncs_cb.analyze(ncs_cb.read_study(folder))


@pytest.mark.parametrize("name", VISITS)
def test_the_impression_says_what_an_expert_would(name, tmp_path):
    visit = VISITS[name]
    result = analyzed(visit, tmp_path)
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


@pytest.mark.parametrize("name", VISITS)
def test_an_impression_is_at_most_eight_lines_in_both_languages(name, tmp_path):
    result = analyzed(VISITS[name], tmp_path)
    assert 1 <= len(result.impression) <= 8
    assert result.statements["line"].tolist() == list(range(1, len(result.impression) + 1))
    rest = result.statements["text_zh"].str.replace(NAMES, "", regex=True)
    assert not rest.str.contains("[A-Za-z]{4,}", regex=True).any(), rest.tolist()


def test_every_visit_names_its_question():
    assert len(VISITS) >= 15
    assert all(visit["question"] for visit in VISITS.values())


def test_the_statements_have_the_same_words_in_every_language():
    english, chinese = (catalog.load(lang).section("impression") for lang in ("en", "zh"))
    assert set(english) == set(chinese)

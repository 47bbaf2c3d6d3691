"""Worked examples by clinicians: values in, grade or category out (tests/cases/*.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from ncs_cb.judging import diagnosis
from ncs_cb.judging.verdicts import judge
from ncs_cb.knowledge import criteria
from ncs_cb.model import Details, SensoryValue

FOLDER = Path(__file__).parent / "cases"
FILES = {one.stem: tomllib.loads(one.read_text("utf-8")) for one in sorted(FOLDER.glob("*.toml"))}
CASES = [
    pytest.param(name, case, id=f"{name}-{case['id']}")
    for name, file in FILES.items()
    for case in file.get("case", [])
]

PAIRS = {
    "area": ("total_area_reduction_pct", False),
    "duration": ("total_duration_increase_pct", True),
    "first_phase_area": ("area_reduction_pct", False),
    "first_phase_duration": ("duration_increase_pct", True),
    "amplitude": ("amplitude_reduction_pct", False),
    "peak_to_peak": ("peak_to_peak_reduction_pct", False),
}
"""A [distal, proximal] pair of a case, the column it fills, and whether that is an increase."""

KEYS = {"id", "source", "expect", "lower_limit_mv", "clauses_in_evidence", *PAIRS}


def segment_of(case: dict) -> dict:
    """Turn the values of a case into a row of the segments table, by the contract's formulas."""
    row = {key: value for key, value in case.items() if key not in KEYS}
    for name, (column, is_increase) in PAIRS.items():
        if name in case:
            distal, proximal = case[name]
            change = proximal / distal
            row[column] = 100 * (change - 1) if is_increase else 100 * (1 - change)
    if "amplitude" in case:
        row.setdefault("distal_amplitude_mv", case["amplitude"][0])
    return row


LIMIT = """id = "of_the_case"
title = "The lower limit that the case names"
revision = 1
[source]
citation = "The case"
[[limit]]
study = "motor"
nerve = "{nerve}"
muscle = "{muscle}"
item = "amplitude_mv"
direction = "lower"
value = {value}
source = "the case"
verified = "primary"
"""


def reference_of(case: dict, folder: Path) -> str:
    if "lower_limit_mv" not in case:
        return "aanem_2016"
    path = folder / "limit.toml"
    path.write_text(
        LIMIT.format(nerve=case["nerve"], muscle=case["muscle"], value=case["lower_limit_mv"]),
        "utf-8",
    )
    return str(path)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_case_of_a_segment_is_graded_as_the_source_says(name, case, tmp_path):
    file = FILES[name]
    made = criteria.load(file["criteria"], allow_doubtful=file.get("unverified", False))
    frame = pd.DataFrame([segment_of(case)])
    verdict = judge(frame, made, reference=reference_of(case, tmp_path)).iloc[0]
    for column, expected in case["expect"].items():
        found = "unknown" if verdict[column] is pd.NA else verdict[column]
        assert found == expected, f"{column}: {[row['text'] for row in verdict['evidence']]}"


@pytest.mark.parametrize("name", FILES)
def test_every_case_file_names_a_set_and_every_case_its_source(name):
    file = FILES[name]
    assert file["criteria"] in criteria.available()
    ids = [case["id"] for case in (*file.get("case", []), *file.get("patient", []))]
    assert len(ids) == len(set(ids)) > 0
    assert all(case["source"] for case in (*file.get("case", []), *file.get("patient", [])))


def test_every_shipped_set_has_cases():
    assert set(FILES) == set(criteria.available())


PATIENTS = [
    pytest.param(name, case, id=f"{name}-{case['id']}")
    for name, file in FILES.items()
    for case in file.get("patient", [])
]
EMPTY = pd.DataFrame()


@pytest.mark.parametrize(("name", "case"), PATIENTS)
def test_case_of_a_patient_gets_the_category_the_source_gives(name, case):
    made = criteria.load(FILES[name]["criteria"])
    findings = {
        f"{table}.{key}": value
        for table in ("clinical", "laboratory", "imaging", "treatment")
        for key, value in case.get(table, {}).items()
    }
    sensory = tuple(SensoryValue(**value) for value in case.get("sensory", []))
    segments = pd.DataFrame(
        [segment_of(one) for one in case.get("segment", [])], columns=None
    ).assign(study_id="patient", supramaximal=True)
    if not len(segments):
        segments = pd.DataFrame({"nerve": [], "segment": []})
    found = diagnosis.conclude(
        judge(segments, made),
        segments,
        EMPTY,
        EMPTY,
        {"patient": Details(findings=findings, sensory=sensory)},
        criteria=made,
    ).iloc[0]
    expected = dict(case["expect"])
    for column in ("met", "not_met", "missing"):
        assert set(expected.pop(column, [])) <= set(found[column]), found["explanation"]
    for column, value in expected.items():
        assert found[column] == value, f"{column}: {found['explanation']}"

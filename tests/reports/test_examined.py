"""Strength, needle EMG and the clinical question, as the physician told them."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pandas as pd
import pytest

from ncs_cb import read_study, view
from ncs_cb.comparison import compare
from ncs_cb.errors import StudyError
from ncs_cb.model import NeedleValue, StrengthValue
from ncs_cb.reports import html, record, tables, text
from ncs_cb.view.serial import build_comparison
from reports import example

TOLD = {
    "strength": (
        StrengthValue("finger abduction", "right", 3.0),
        StrengthValue("grip", "left", None, 212.5),
    ),
    "needle_emg": (
        NeedleValue("fdi", "right", False, "chronic"),
        NeedleValue("deltoid", "right", True, "acute"),
        NeedleValue("apb", "left"),
    ),
    "clinical_question": "Weak <right> hand: block?",
}


def told(result, **details):
    return replace(
        result, study=replace(result.study, details=replace(result.study.details, **details))
    )


@pytest.fixture(scope="module")
def result():
    return told(example.result(), **TOLD)


def cells(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_strength_and_needle_emg_stand_in_tables_and_unknown_is_not_normal(result):
    built = view.build(result)
    assert cells(built.strength) == [
        ["Right finger abduction", "3", "–"],
        ["Left grip", "–", "212.5"],
    ]
    assert [h.unit for h in built.strength.heads] == ["", "", "N"]
    assert cells(built.needle_emg) == [
        ["Right FDI", "no", "chronic"],
        ["Right deltoid", "yes", "acute"],
        ["Left APB", "–", "not known"],
    ]


def test_the_question_stands_on_page_one_and_the_tables_before_the_signature(result):
    page, said = html.render(result), text.render(result)
    assert "Weak &lt;right&gt; hand: block?" in page
    assert page.index("Weak &lt;right") < page.index('id="impression"')
    assert page.index('id="sensory"') < page.index('id="needle-emg"') < page.index('id="strength"')
    assert page.index('id="strength"') < page.index('id="appendix"')
    assert said.index("Weak <right> hand") < said.index("IMPRESSION")
    assert said.index("Right FDI") < said.index("Left grip") < said.index("APPENDIX")


def test_a_study_without_them_shows_no_empty_heading():
    page = html.render(example.result())
    assert 'id="needle-emg"' not in page
    assert 'id="strength"' not in page
    assert "Clinical question" not in page


def test_the_record_gives_them_back(result):
    back = record.from_json(record.to_json(result)).study.details
    assert {name: getattr(back, name) for name in TOLD} == TOLD


def test_a_record_from_before_is_read_as_not_told(result):
    old = record.to_record(result)
    for name in TOLD:
        del old["study"]["details"][name]
    back = record.from_record(old).study.details
    assert (back.strength, back.needle_emg, back.clinical_question) == ((), (), None)


TYPED = """nerve,side,muscle,stimulation_site,negative_peak_amplitude_mv
ulnar,right,adm,wrist,9.8
ulnar,right,adm,below_elbow,9.5
"""


def test_spellings_of_side_and_muscle_are_settled_when_a_study_is_read(tmp_path):
    (tmp_path / "typed.csv").write_text(TYPED)
    (tmp_path / "study.toml").write_text(
        "[[strength]]\nmovement = 'grip'\nside = 'R'\nmrc = 4\n"
        "[[needle_emg]]\nmuscle = 'ADM'\nside = 'L'\n"
        "[[needle_emg]]\nmuscle = 'supraspinatus'\nside = 'left'\n"
    )
    details = read_study(tmp_path).details
    assert details.strength == (StrengthValue("grip", "right", 4.0),)
    assert [(v.muscle, v.side) for v in details.needle_emg] == [
        ("adm", "left"),
        ("supraspinatus", "left"),
    ]
    (tmp_path / "study.toml").write_text("[[strength]]\nmovement = 'grip'\nside = 'both'\n")
    with pytest.raises(StudyError, match=r"strength\.side: 'both'; allowed: left, right"):
        read_study(tmp_path)


@pytest.fixture(scope="module")
def visits():
    first, second, third = example.visits()
    return [
        told(
            first,
            strength=(StrengthValue("grip", "right", 3.0, 120.0),),
            needle_emg=(NeedleValue("fdi", "right", True, "acute"),),
        ),
        told(
            second,
            strength=(
                StrengthValue("grip", "right", 4.0, 180.0),
                StrengthValue("wrist extension", "left", 5.0),
            ),
        ),
        told(
            third,
            strength=(StrengthValue("grip", "right", 4.0),),
            needle_emg=(NeedleValue("fdi", "right", False, "chronic"),),
        ),
    ]


def test_strength_and_needle_emg_stand_side_by_side_over_the_visits(visits):
    built = build_comparison(compare(visits))
    assert [h.label for h in built.strength.heads][1:] == [
        "Visit 1 (2026-01-05)",
        "Visit 2 (2026-03-02)",
        "Visit 3 (2026-09-14)",
    ]
    assert cells(built.strength) == [
        ["Right grip", "MRC 3, 120 N", "MRC 4, 180 N", "MRC 4"],
        ["Left wrist extension", "–", "MRC 5", "–"],
    ]
    assert cells(built.needle_emg) == [
        [
            "Right FDI",
            "fibrillations, motor units: acute",
            "–",
            "no fibrillations, motor units: chronic",
        ]
    ]


@pytest.mark.parametrize("lang", view.languages())
def test_every_format_of_a_comparison_shows_them(visits, lang):
    made = compare(visits)
    page, said = (w.render_comparison(made, lang=lang) for w in (html, text))
    for row in cells(build_comparison(made, lang=lang).strength):
        assert all(cell in page and cell in said for cell in row)


def test_programs_read_strength_needle_and_doses_over_the_visits(visits):
    made = compare(visits)
    told = json.loads(record.write_comparison(made)["comparison.json"])
    assert [v["strength"][0]["force_n"] for v in told["visits"]] == [120.0, 180.0, None]
    assert told["visits"][0]["needle_emg"][0]["motor_unit_changes"] == "acute"
    files = {
        name: pd.read_csv(io.StringIO(said)) for name, said in tables.write_comparison(made).items()
    }
    grip = files["strength.csv"].query("movement == 'grip'")
    assert grip["visit"].tolist() == [1, 2, 3]
    assert grip["mrc"].tolist() == [3.0, 4.0, 4.0]
    assert files["needle_emg.csv"]["fibrillations"].tolist() == [True, False]
    assert files["courses.csv"][["drug", "dose_g_per_kg"]].values.tolist() == [["ivig", 2.0]]
    assert "strength.csv" not in tables.write_comparison(compare(example.visits()))


def test_the_dose_of_a_course_between_two_visits_is_told(visits):
    first, second, _ = build_comparison(compare(visits)).pairs
    assert "Treatment between the visits: IVIg, 2 g/kg, 2026-01-10." in first.finding
    assert "Treatment between" not in second.finding

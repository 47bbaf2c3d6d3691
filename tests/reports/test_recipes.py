"""Every recipe of the simulator becomes a report in every format and language."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest

from ncs_cb import figures, reports, simulate, view
from ncs_cb.analysis import analyze_many
from ncs_cb.reports import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results():
    studies = [one.study for name in simulate.available() for one in simulate.recipe(name)]
    return {result.study.study_id: result for result in analyze_many(studies)}


def test_every_recipe_is_written_in_every_language(results, tmp_path):
    schema = json.loads(files("ncs_cb").joinpath("tables/result.schema.json").read_text("utf-8"))
    for lang in view.languages():
        for result in results.values():
            paths = reports.write_report(
                result, tmp_path / lang, formats=["html", "json", "csv", "txt"], lang=lang
            )
            written = next(p for p in paths if p.name == "result.json")
            jsonschema.validate(json.loads(written.read_text("utf-8")), schema)


def test_every_figure_is_drawn_by_some_recipe(results):
    names = set()
    for result in results.values():
        drawn = figures.draw_all(result, view.build(result))
        groups = [drawn.study, *drawn.nerve.values(), *drawn.segment.values()]
        names |= {one.name for group in groups for one in group}
    assert names == set(figures.FIGURES)


def test_every_record_reads_back_to_the_same_report(results):
    for result in results.values():
        back = record.from_json(record.to_json(result))
        assert view.build(back).finding == view.build(result).finding
        assert view.build(back).motor == view.build(result).motor


def test_the_healthy_arm_has_no_block_and_leaves_nothing_open(results):
    text = view.build(results["healthy_arm"]).finding_text
    assert text.startswith("No block by EFNS/PNS 2010 (MMN) in: ")
    assert "exclude" not in text.lower()
    assert "conduction block" not in text


def test_a_martin_gruber_anastomosis_is_named_first_and_is_no_block(results):
    first, second, *_ = results["trap_martin_gruber"].impression
    assert first.startswith("Martin-Gruber anastomosis")
    assert "right ulnar" in first
    assert second.startswith("No conduction block in right")


def test_no_block_is_said_of_a_nerve_only_where_nothing_of_it_is_open(results):
    lines = results["trap_submaximal_proximal"].impression
    assert not [line for line in lines if line.startswith("No conduction block in right")]
    (judged,) = [line for line in lines if "that could be judged" in line]
    assert "wrist to elbow" in judged
    assert "elbow to axilla" not in judged


def test_what_would_decide_is_asked_in_both_languages(results):
    result = results["trap_martin_gruber"]
    english, chinese = (view.build(result, lang=lang).diagnosis[0] for lang in ("en", "zh"))
    assert english.asks
    assert len(english.asks) == len(chinese.asks)
    assert english.asks != chinese.asks
    assert chinese.explanation

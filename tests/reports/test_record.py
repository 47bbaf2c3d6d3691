"""The JSON record: full precision, deterministic, described by its schema, readable back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import view
from ncs_cb.errors import ReadError
from ncs_cb.reports import record
from ncs_cb.vocabulary import JUDGEMENT_TABLES, RESULT_TABLES
from reports import example


@pytest.fixture(scope="module")
def result():
    return example.result()


def test_the_shipped_schema_is_the_one_the_registry_gives():
    shipped = files("ncs_cb").joinpath("tables/result.schema.json").read_text("utf-8")
    assert json.loads(shipped) == record.json_schema(), (
        "write json.dumps(record.json_schema(), indent=1) to tables/result.schema.json"
    )


@pytest.mark.parametrize(
    "build",
    [example.result, example.empty_result, example.hostile_result],
    ids=lambda f: f.__name__,
)
def test_every_record_validates_against_the_schema(build):
    data = json.loads(record.to_json(build()))
    schema = record.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)


def test_the_schema_refuses_an_undeclared_column(result):
    data = record.to_record(result)
    data["segments"][0]["blocked"] = 1.0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, record.json_schema())


def test_a_record_begins_with_its_schema_and_holds_the_tables_of_the_contract(result):
    keys = list(record.to_record(result))
    assert keys[:6] == ["schema", "study", "traces", "segments", "verdicts", "diagnosis"]
    assert keys[-1] == "provenance"


def test_two_results_of_one_study_give_the_same_bytes():
    assert record.to_json(example.result()) == record.to_json(example.result())


def test_the_order_of_findings_does_not_show_in_the_bytes(result):
    details = result.study.details
    turned = replace(details, findings=dict(reversed(details.findings.items())))
    other = replace(result, study=replace(result.study, details=turned))
    assert record.to_json(other) == record.to_json(result)


def test_numbers_keep_every_digit(result):
    area = 100 * (7.15 / 5.5 - 1)
    changed = replace(result, segments=result.segments.assign(area_reduction_pct=area))
    text = record.to_json(changed)
    assert json.loads(text)["segments"][0]["area_reduction_pct"] == area
    assert repr(area) in text


def test_not_measurable_and_unknown_are_null(result):
    rows = record.to_record(result)["segments"]
    typed = next(row for row in rows if (row["nerve"], row["side"]) == ("ulnar", "left"))
    assert typed["total_area_reduction_pct"] is None
    assert "NaN" not in record.to_json(result)
    endless = replace(result, segments=result.segments.assign(length_mm=math.inf))
    assert record.to_record(endless)["segments"][0]["length_mm"] is None


def test_a_result_is_read_back_exactly(result):
    back = record.from_json(record.to_json(result))
    for name in RESULT_TABLES:
        pd.testing.assert_frame_equal(getattr(result, name), getattr(back, name))
    assert back.provenance == result.provenance
    assert back.study.details == result.study.details
    assert back.study.sources == result.study.sources
    assert back.study.notes == result.study.notes
    assert back.sets == result.sets
    assert record.to_json(back) == record.to_json(result)


def test_an_empty_result_is_read_back(result):
    back = record.from_json(record.to_json(example.empty_result()))
    assert [len(getattr(back, name)) for name in RESULT_TABLES] == [0] * len(RESULT_TABLES)
    assert back.traces.dtypes.equals(result.traces.dtypes)


def test_waveforms_stay_in_the_recordings(result):
    back = record.from_json(record.to_json(result))
    assert back.study.traces == ()
    assert {response.trace for response in back.responses} == {None}
    assert [one.stimulus for one in back.responses] == [one.stimulus for one in result.responses]


def test_typed_responses_are_read_back(result):
    from ncs_cb.model import Site, TypedResponse

    typed = TypedResponse(Site("ulnar", "left", "adm", "wrist"), "sites.csv", {"x_mv": 1.25})
    study = replace(result.study, typed_responses=(typed,))
    back = record.from_json(record.to_json(replace(result, study=study)))
    assert back.study.typed_responses == (typed,)


SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "mmn_ulnar_radial"


def test_a_result_is_loaded_from_its_file_as_it_was_but_for_the_waveforms(tmp_path):
    result = ncs_cb.analyze(ncs_cb.read_study(SAMPLE))
    (path,) = ncs_cb.write_report(result, tmp_path, formats=["json"])
    back = ncs_cb.load_result(path)
    for name in RESULT_TABLES:
        pd.testing.assert_frame_equal(getattr(result, name), getattr(back, name))
    assert (back.sets, back.provenance) == (result.sets, result.provenance)
    assert back.study.details == result.study.details
    assert record.to_json(back) == path.read_text("utf-8")
    for one, other in zip(back.responses, result.responses, strict=True):
        assert one.trace is None
        assert (one.site, one.stimulus, one.status) == (other.site, other.stimulus, other.status)
    for lang in ("en", "zh"):
        said, said_before = (view.build(one, lang=lang) for one in (back, result))
        assert said.finding_text == said_before.finding_text
        assert said.diagnosis == said_before.diagnosis
        assert (said.features, said.sensory) == (said_before.features, said_before.sensory)


def test_a_record_of_the_first_version_is_still_read(result):
    old = record.to_record(result) | {"schema": "ncs_cb/result/1"}
    for name in (*JUDGEMENT_TABLES, "responses", "sets"):
        del old[name]
    back = record.from_record(old)
    pd.testing.assert_frame_equal(back.verdicts, result.verdicts)
    assert [one.id for one in back.sets] == ["efns_pns_2010"], "the file of this version"
    assert back.features.empty
    assert "definite" in view.build(back).finding_text.lower()


def test_a_file_that_is_no_record_is_refused_by_name(tmp_path):
    with pytest.raises(ReadError, match=r"absent\.json: cannot be read: No such file"):
        ncs_cb.load_result(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON record"),
        ("[]", "no object"),
        (
            '{"schema": "other/1"}',
            "unknown record schema 'other/1'; known: ncs_cb/result/2, ncs_cb/result/1",
        ),
        ('{"schema": "ncs_cb/result/1"}', "incomplete: 'study' is missing"),
        ('{"schema": "ncs_cb/result/2"}', "incomplete: 'study' is missing"),
    ],
)
def test_a_damaged_record_says_what_is_wrong(text, message):
    with pytest.raises(ReadError, match=message):
        record.from_json(text)


def test_numpy_scalars_in_evidence_become_plain_numbers(result):
    verdicts = result.verdicts.copy()
    verdicts["evidence"] = [[{"value": np.float64(1.5), "holds": np.bool_(True)}]] * len(verdicts)
    rows = record.to_record(replace(result, verdicts=verdicts))["verdicts"]
    assert rows[0]["evidence"] == [{"value": 1.5, "holds": True}]
    assert type(rows[0]["evidence"][0]["value"]) is float


SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.mark.parametrize("sample", ["dispersion_only", "mmn_ulnar_radial", "trap_ulnar_elbow"])
def test_a_record_says_in_either_language_what_its_result_says(sample, tmp_path):
    result = ncs_cb.analyze(ncs_cb.read_study(SAMPLES / sample))
    (path,) = ncs_cb.write_report(result, tmp_path, formats=["json"])
    stored = ncs_cb.load_result(path)
    for lang in ("en", "zh"):
        said = [
            ncs_cb.write_report(one, tmp_path / name, formats=["txt"], lang=lang)[0].read_text(
                "utf-8"
            )
            for name, one in (("live", result), ("stored", stored))
        ]
        assert said[0] == said[1]


@pytest.mark.parametrize(
    "build",
    [example.result, example.empty_result, example.hostile_result],
    ids=lambda f: f.__name__,
)
def test_the_text_is_the_record_as_the_standard_library_lays_it_out(build):
    made = build()
    plain = record.to_record(made)
    expected = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    assert record.to_json(made) == expected

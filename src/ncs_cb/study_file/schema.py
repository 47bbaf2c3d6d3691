"""The JSON Schema of ``study.toml``."""

from __future__ import annotations

from typing import Any

from ncs_cb.knowledge import findings, records
from ncs_cb.model import (
    FWaveValue,
    NeedleValue,
    RecordingOverride,
    SensoryValue,
    StrengthValue,
    TreatmentCourse,
)
from ncs_cb.study_file._ranges import RANGES

LIMBS = ("right_arm", "left_arm", "right_leg", "left_leg")
LONGEST_ID = 200
LONGEST_QUESTION = 1_000
_DAY = {"type": "string", "format": "date"}


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of ``study.toml``, for editors that check TOML by one."""
    properties = {
        "study": _object(
            {
                "id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
                "visit_date": _DAY,
                "symptom_onset_date": _DAY,
                "clinical_question": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": LONGEST_QUESTION,
                },
            }
        ),
        "person": _object(
            {
                "age_years": _number("age_years"),
                "height_cm": _number("height_cm"),
                "sex": {"enum": ["female", "male"]},
            }
        ),
        "limb_temperature_c": _object(dict.fromkeys(LIMBS, _number("limb_temperature_c"))),
        "recordings": {"type": "object", "additionalProperties": _of(RecordingOverride)},
        **{name: _object(keys) for name, keys in _of_findings().items()},
        "sensory": {"type": "array", "items": _of(SensoryValue)},
        "f_wave": {"type": "array", "items": _of(FWaveValue)},
        "strength": {"type": "array", "items": _of(StrengthValue)},
        "needle_emg": {"type": "array", "items": _of(NeedleValue)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "study.toml of ncs_cb",
        **_object(properties),
    }


def _of(kind: type[Any]) -> dict[str, Any]:
    made = records.schema(kind)
    properties = made["properties"]
    if kind is RecordingOverride:
        properties["distances_cm"] = properties["distances_mm"]
    if "side" in properties:
        # Every spelling of a side is known to the readers, as those of nerves and sites are.
        properties["side"] = {"type": "string"}
    return made


def _of_findings() -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {name: {} for name in findings.TABLES}
    for finding in findings.findings().values():
        table, _, key = finding.id.partition(".")
        limits = {"minimum": finding.minimum, "maximum": finding.maximum}
        tables[table][key] = {
            "type": finding.type,
            "title": finding.label,
            "description": f"{finding.description} Source: {finding.source}.",
            **{k: v for k, v in limits.items() if v is not None},
        }
    tables["treatment"]["courses"] = {"type": "array", "items": _of(TreatmentCourse)}
    return tables


def _number(key: str) -> dict[str, Any]:
    low, high = RANGES[key]
    return {"type": "number", "minimum": low, "maximum": high}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}

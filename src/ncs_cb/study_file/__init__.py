"""``study.toml`` to :class:`~ncs_cb.model.Details` and back to a template; the table of findings.

The frozen dataclasses of :mod:`ncs_cb.model` are validated themselves, through pydantic, so that
there is no second set of classes. Unknown keys are refused with their path and the nearest name.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ncs_cb.errors import ReadError, StudyError, TableError
from ncs_cb.files import read_regular
from ncs_cb.model import (
    Details,
    FWaveValue,
    NeedleValue,
    RecordingOverride,
    SensoryValue,
    StrengthValue,
    TreatmentCourse,
)
from ncs_cb.study_file._checked import (
    RANGES,
    adapter,
    ranged,
    refuse_unknown,
    unknown_key,
    validate,
    worded,
)
from ncs_cb.study_file._overrides import overrides
from ncs_cb.units import is_finite

__all__ = [
    "FINDING_TABLES",
    "LIMBS",
    "Details",
    "Finding",
    "StudyFile",
    "build_findings",
    "details_from_plain",
    "findings",
    "json_schema",
    "load_study_toml",
    "parse_study_toml",
    "template",
]

_FINDINGS_FILE = "tables/findings.toml"
_TEMPLATE_FILE = "tables/study_template.toml"
_LARGEST_BYTES = 1 << 20
_DEEPEST = 6
_LONGEST_ID = 200
_LONGEST_QUESTION = 1_000

FINDING_TABLES = ("clinical", "laboratory", "imaging", "treatment")
LIMBS = ("right_arm", "left_arm", "right_leg", "left_leg")
_TABLES = (
    "study",
    "person",
    "limb_temperature_c",
    "recordings",
    *FINDING_TABLES,
    "sensory",
    "f_wave",
    "strength",
    "needle_emg",
)
_STUDY_KEYS = ("id", "visit_date", "symptom_onset_date", "clinical_question")
_PERSON_KEYS = ("age_years", "sex", "height_cm")

_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 1, 1)


class StudyFile(NamedTuple):
    """What a ``study.toml`` holds: the id (None when not given) and the details."""

    study_id: str | None
    details: Details


@dataclass(frozen=True, slots=True)
class Finding:
    """One clinical, laboratory, imaging or treatment finding.

    Attributes
    ----------
    id : str
        ``<table>.<key>``, for example ``clinical.upper_motor_neuron_signs``.
    type : str
        ``boolean`` or ``number``.
    label, label_zh, description, source : str
    minimum, maximum : float or None
        Limits of plausibility of a number.
    """

    id: str
    type: Literal["boolean", "number"]
    label: str
    label_zh: str
    description: str
    source: str
    minimum: float | None = None
    maximum: float | None = None


# --------------------------------------------------------------------------- findings


@cache
def findings() -> Mapping[str, Finding]:
    """Load every finding by id.

    Raises
    ------
    TableError
        If the file names an unknown table or key, or a finding lacks one.
    """
    return build_findings(
        tomllib.loads(files("ncs_cb").joinpath(_FINDINGS_FILE).read_text("utf-8"))
    )


def build_findings(raw: Mapping[str, Any]) -> Mapping[str, Finding]:
    """Make the findings from a parsed table; see :func:`findings`."""
    found: dict[str, Finding] = {}
    for table, entries in raw.items():
        if table not in FINDING_TABLES:
            raise TableError(unknown_key(table, FINDING_TABLES), source=_FINDINGS_FILE)
        for key, entry in entries.items():
            found[f"{table}.{key}"] = _finding(f"{table}.{key}", entry)
    return found


def _finding(name: str, entry: Mapping[str, Any]) -> Finding:
    needed = ("type", "label", "label_zh", "description", "source")
    for key in entry:
        if key not in (*needed, "min", "max"):
            message = unknown_key(f"{name}.{key}", [f"{name}.{n}" for n in (*needed, "min", "max")])
            raise TableError(message, source=_FINDINGS_FILE)
    for key in needed:
        if not entry.get(key):
            raise TableError(f"{name}: the key '{key}' is missing.", source=_FINDINGS_FILE)
    if entry["type"] not in ("boolean", "number"):
        raise TableError(
            f"{name}.type: '{entry['type']}'; allowed: boolean, number.", source=_FINDINGS_FILE
        )
    return Finding(
        name,
        entry["type"],
        entry["label"],
        entry["label_zh"],
        entry["description"],
        entry["source"],
        entry.get("min"),
        entry.get("max"),
    )


# --------------------------------------------------------------------------- study.toml


def load_study_toml(path: str | Path) -> StudyFile:
    """Read a ``study.toml``.

    Returns
    -------
    StudyFile
        ``(study_id, details)``. Names of nerves, sides, muscles and sites are as written.

    Raises
    ------
    StudyError
        If it cannot be read, is not TOML, has an unknown key, or a value of the wrong type or
        outside its plausible range. The message names file, key and what is allowed.
    """
    path = Path(path)
    try:
        data = read_regular(path, at_most=_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            raise StudyError(f"larger than {_LARGEST_BYTES} bytes.", source=path.name)
        text = data.decode("utf-8-sig")
    except ReadError as problem:
        raise StudyError(problem.message, source=str(path)) from None
    except UnicodeDecodeError:
        raise StudyError("not UTF-8 text.", source=path.name) from None
    return parse_study_toml(text, source=path.name)


def parse_study_toml(text: str, *, source: str = "study.toml") -> StudyFile:
    """Read the text of a ``study.toml``; see :func:`load_study_toml`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise StudyError(f"not valid TOML: {problem}.", source=source) from None
    except RecursionError:
        raise StudyError("nested too deeply.", source=source) from None
    except ValueError:
        raise StudyError("a number or date in it is out of range.", source=source) from None
    try:
        return _study(raw)
    except StudyError as problem:
        raise StudyError(problem.message, source=source, hint=problem.hint) from None


def build_study(raw: dict[str, Any]) -> StudyFile:
    """Make what a ``study.toml`` holds from its parsed tables; see :func:`load_study_toml`."""
    return _study(raw)


def _study(raw: dict[str, Any]) -> StudyFile:
    refuse_unknown("", raw, _TABLES)
    study, person = _table(raw, "study"), _table(raw, "person")
    refuse_unknown("study", study, _STUDY_KEYS)
    refuse_unknown("person", person, _PERSON_KEYS)
    study_id = study.get("id")
    if study_id is not None and (not isinstance(study_id, str) or not study_id.strip()):
        raise StudyError("study.id: must be text that is not empty.")
    if study_id is not None and len(study_id) > _LONGEST_ID:
        raise StudyError(f"study.id: {len(study_id)} characters; at most {_LONGEST_ID}.")
    courses = _rows(_table(raw, "treatment"), "courses", TreatmentCourse, "treatment.courses")
    details = {
        **{key: _dated(f"study.{key}", study[key]) for key in _STUDY_KEYS[1:3] if key in study},
        **{key: ranged(f"person.{key}", person[key]) for key in _PERSON_KEYS if key in person},
        "limb_temperature_c": _temperatures(_table(raw, "limb_temperature_c")),
        "recordings": overrides(_table(raw, "recordings")),
        "findings": dict(_found(raw)),
        "courses": courses,
        "sensory": _rows(raw, "sensory", SensoryValue, "sensory"),
        "f_waves": _rows(raw, "f_wave", FWaveValue, "f_wave"),
        "strength": _rows(raw, "strength", StrengthValue, "strength"),
        "needle_emg": _rows(raw, "needle_emg", NeedleValue, "needle_emg"),
        "clinical_question": _question(study.get("clinical_question")),
    }
    checked: Details = validate(Details, details, "person")
    for course in checked.courses:
        if course.start and course.end and course.end < course.start:
            raise StudyError("treatment.courses: a course ends before it starts.")
    return StudyFile(study_id, checked)


def _question(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise StudyError("study.clinical_question: must be text that is not empty.")
    if len(value) > _LONGEST_QUESTION:
        raise StudyError(
            f"study.clinical_question: {len(value)} characters; at most {_LONGEST_QUESTION}."
        )
    return value.strip()


def _table(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name, {})
    if not isinstance(value, dict):
        raise StudyError(f"{name}: must be a table, [{name}].")
    return value


def _dated(path: str, value: Any) -> Any:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise StudyError(f"{path}: must be a date such as 2026-03-02, without quotation marks.")
    if not _EARLIEST <= value <= _LATEST:
        raise StudyError(f"{path}: {value}; plausible: {_EARLIEST} to {_LATEST}.")
    return value


def _temperatures(table: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown("limb_temperature_c", table, LIMBS)
    low, high = RANGES["limb_temperature_c"]
    for limb, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StudyError(f"limb_temperature_c.{limb}: must be a number in degrees Celsius.")
        if not low <= value <= high:
            raise StudyError(f"limb_temperature_c.{limb}: {value}; plausible: {low:g} to {high:g}.")
    return table


def _rows(raw: Mapping[str, Any], key: str, kind: type[Any], path: str) -> tuple[Any, ...]:
    entries = raw.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise StudyError(f"{path}: must be a list of tables, [[{path}]].")
    made = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path}[{number}]"
        refuse_unknown(where, entry, [f.name for f in fields(kind)])
        for name, value in entry.items():
            ranged(f"{where}.{name}", value)
            if name in ("start", "end"):
                _dated(f"{where}.{name}", value)
        made.append(validate(kind, entry, where))
    return tuple(made)


def _found(raw: Mapping[str, Any]) -> Iterable[tuple[str, bool | float]]:
    """Give the findings of the four tables, each of the type its registry entry has."""
    known = findings()
    for table in FINDING_TABLES:
        keys = [name.partition(".")[2] for name in known if name.startswith(f"{table}.")]
        extra = ["courses"] if table == "treatment" else []
        entries = _table(raw, table)
        refuse_unknown(table, entries, [*keys, *extra])
        for key, value in entries.items():
            if key not in extra:
                yield f"{table}.{key}", _finding_value(known[f"{table}.{key}"], value)


def _finding_value(finding: Finding, value: Any) -> bool | float:
    if finding.type == "boolean":
        if not isinstance(value, bool):
            raise StudyError(f"{finding.id}: must be true or false; leave it out when unknown.")
        return value
    if not is_finite(value):
        raise StudyError(f"{finding.id}: must be a number; leave it out when unknown.")
    low = -math.inf if finding.minimum is None else finding.minimum
    high = math.inf if finding.maximum is None else finding.maximum
    if not low <= value <= high:
        raise StudyError(f"{finding.id}: {value}; plausible: {low:g} to {high:g}.")
    return float(value)


# --------------------------------------------------------------------------- template, schema


def template() -> str:
    """Give a commented ``study.toml`` with every key, for ``ncs-cb validate --template``.

    Every value is commented out: what is left as it is stays unknown.
    """
    return files("ncs_cb").joinpath(_TEMPLATE_FILE).read_text("utf-8")


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of ``study.toml``, for editors that check TOML by one."""
    celsius = {
        "type": "number",
        "minimum": RANGES["limb_temperature_c"][0],
        "maximum": RANGES["limb_temperature_c"][1],
    }
    day = {"type": "string", "format": "date"}
    person = {
        "age_years": _number_schema("age_years"),
        "height_cm": _number_schema("height_cm"),
        "sex": {"enum": ["female", "male"]},
    }
    properties = {
        "study": _object(
            {
                "id": {"type": "string", "minLength": 1, "maxLength": _LONGEST_ID},
                "visit_date": day,
                "symptom_onset_date": day,
                "clinical_question": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": _LONGEST_QUESTION,
                },
            }
        ),
        "person": _object(person),
        "limb_temperature_c": _object(dict.fromkeys(LIMBS, celsius)),
        "recordings": {"type": "object", "additionalProperties": _schema_of(RecordingOverride)},
        **{name: _object(keys) for name, keys in _finding_schemas().items()},
        "sensory": {"type": "array", "items": _schema_of(SensoryValue)},
        "f_wave": {"type": "array", "items": _schema_of(FWaveValue)},
        "strength": {"type": "array", "items": _schema_of(StrengthValue)},
        "needle_emg": {"type": "array", "items": _schema_of(NeedleValue)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "study.toml of ncs_cb",
        **_object(properties),
    }


def _schema_of(kind: type[Any]) -> dict[str, Any]:
    schema = adapter(kind.__name__).json_schema()
    if kind is RecordingOverride:
        properties = schema["properties"]
        properties["distances_cm"] = properties["distances_mm"]
        # Written out: a reference would point into the schema of this part alone.
        answers = {**schema.pop("$defs")["ResponseOverride"], "additionalProperties": False}
        properties["responses"] = {"type": "object", "additionalProperties": answers}
    if "side" in schema["properties"]:
        schema["properties"]["side"] = {"type": "string"}
    return {**schema, "additionalProperties": False}


def _finding_schemas() -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {name: {} for name in FINDING_TABLES}
    for finding in findings().values():
        table, _, key = finding.id.partition(".")
        limits = {"minimum": finding.minimum, "maximum": finding.maximum}
        tables[table][key] = {
            "type": finding.type,
            "title": finding.label,
            "description": f"{finding.description} Source: {finding.source}.",
            **{k: v for k, v in limits.items() if v is not None},
        }
    tables["treatment"]["courses"] = {"type": "array", "items": _schema_of(TreatmentCourse)}
    return tables


def _number_schema(key: str) -> dict[str, Any]:
    low, high = RANGES[key]
    return {"type": "number", "minimum": low, "maximum": high}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def details_from_plain(raw: Any) -> Details:
    """Make details from the plain data of a JSON record, in which dates are text.

    Raises
    ------
    StudyError
        If a key is unknown or a value has the wrong type.
    """
    from pydantic import ValidationError

    if not isinstance(raw, dict):
        raise StudyError("details: must be an object.")
    refuse_unknown("details", raw, [f.name for f in fields(Details)])
    present = {key: value for key, value in raw.items() if value is not None}
    try:
        made: Details = adapter(Details.__name__).validate_python(present)
    except ValidationError as problem:
        error = problem.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, error["loc"]))
        raise StudyError(f"details.{key}: {worded(error)}") from None
    return made

"""``study.toml`` to :class:`~ncs_cb.model.Details` and back to a template.

Unknown keys are refused with their path and the nearest name; one that is like no known key may
name a person and is not told, nor is any text of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ncs_cb.errors import ReadError, StudyError
from ncs_cb.files import read_regular
from ncs_cb.harmless import visible_values
from ncs_cb.knowledge import datafile, findings, records
from ncs_cb.knowledge.datafile import Block
from ncs_cb.knowledge.findings import Finding
from ncs_cb.model import (
    Details,
    FWaveValue,
    NeedleValue,
    SensoryValue,
    StrengthValue,
    TreatmentCourse,
)
from ncs_cb.study_file._overrides import overrides
from ncs_cb.study_file._ranges import RANGES, ranged, ranged_f_wave, within
from ncs_cb.study_file.schema import LIMBS, LONGEST_ID, LONGEST_QUESTION, json_schema

__all__ = [
    "LIMBS",
    "RANGES",
    "Details",
    "StudyFile",
    "build_study",
    "details_from_plain",
    "json_schema",
    "load_study_toml",
    "own_id",
    "parse_study_toml",
    "refuse_onset_after_visit",
    "template",
]

T = TypeVar("T")

_TEMPLATE_FILE = "tables/study_template.toml"
_LARGEST_BYTES = 1 << 20

_TABLES = (
    "study",
    "person",
    "limb_temperature_c",
    "recordings",
    *findings.TABLES,
    "sensory",
    "f_wave",
    "strength",
    "needle_emg",
)
_DATES = ("visit_date", "symptom_onset_date")
_STUDY_KEYS = ("id", *_DATES, "clinical_question")
_PERSON_KEYS = ("age_years", "sex", "height_cm")

_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 1, 1)


class StudyFile(NamedTuple):
    """What a ``study.toml`` holds: the id (None when not given) and the details."""

    study_id: str | None
    details: Details


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
    except ReadError as problem:
        raise StudyError(problem.message, source=str(path)) from None
    return _parsed(data, path.name)


def parse_study_toml(text: str, *, source: str = "study.toml") -> StudyFile:
    """Read the text of a ``study.toml``; see :func:`load_study_toml`."""
    return _parsed(text.encode("utf-8", "surrogatepass"), source)


def _parsed(content: bytes, name: str) -> StudyFile:
    raw = visible_values(datafile.parse(content, name, StudyError).raw)
    return _study(_personal(raw, name))


def build_study(raw: dict[str, Any]) -> StudyFile:
    """Make what a ``study.toml`` holds from its parsed tables; see :func:`load_study_toml`."""
    return _study(_personal(raw, ""))


def own_id(content: bytes) -> str | None:
    """Give the id that the bytes of a ``study.toml`` name, None when they do not, or wrongly."""
    try:
        found = datafile.parse(content, "study.toml", StudyError).raw.get("study", {}).get("id")
    except (StudyError, AttributeError):
        return None  # who reads the whole file says what is wrong with it
    return found if isinstance(found, str) and found.strip() else None


def _personal(raw: dict[str, Any], name: str, key: str = "") -> Block:
    return Block(raw, name, key, StudyError, is_personal=True)


def _study(top: Block) -> StudyFile:
    top.only(*_TABLES)
    study, person = top.block("study"), top.block("person")
    study.only(*_STUDY_KEYS)
    person.only(*_PERSON_KEYS)
    ranged(person)
    dates = {key: _dated(study, key) for key in _DATES if key in study.raw}
    refuse_onset_after_visit(dates.get("symptom_onset_date"), dates.get("visit_date"), top.file)
    study_id = _said(study, "id", LONGEST_ID)
    said: dict[str, Any] = {
        **dates,
        **{key: records.field_value(Details, person, key) for key in person.raw},
    }
    details = Details(
        **said,
        limb_temperature_c=_temperatures(top.block("limb_temperature_c")),
        recordings=overrides(top.block("recordings")),
        findings=dict(_found(top)),
        courses=_courses(top.block("treatment")),
        sensory=_rows(top, "sensory", SensoryValue),
        f_waves=_rows(top, "f_wave", FWaveValue, ranged_f_wave),
        strength=_rows(top, "strength", StrengthValue),
        needle_emg=_rows(top, "needle_emg", NeedleValue),
        clinical_question=_said(study, "clinical_question", LONGEST_QUESTION, strip=True),
    )
    return StudyFile(study_id, details)


def _said(block: Block, name: str, longest: int, *, strip: bool = False) -> str | None:
    """Give a text that need not be there, but says something if it is."""
    value = block.raw.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise block.wrong(name, "must be text that is not empty.")
    if len(value) > longest:
        raise block.wrong(name, f"{len(value)} characters; at most {longest}.")
    return value.strip() if strip else value


def _dated(block: Block, name: str) -> date:
    value = block.raw[name]
    if isinstance(value, datetime) or not isinstance(value, date):
        raise block.wrong(name, "must be a date such as 2026-03-02, without quotation marks.")
    if not _EARLIEST <= value <= _LATEST:
        raise block.wrong(name, f"{value}; plausible: {_EARLIEST} to {_LATEST}.")
    return value


def refuse_onset_after_visit(onset: date | None, visit: date | None, source: str = "") -> None:
    """Refuse a first symptom on a day after the visit.

    Raises
    ------
    StudyError
        Where both days are known and one of them must be wrong.
    """
    if onset is not None and visit is not None and onset > visit:
        raise StudyError(
            f"study.symptom_onset_date: {onset} lies after the day of the visit, {visit}.",
            source=source,
            hint="Correct it, or visit_date, which wins over the clock of the machine.",
        )


def _temperatures(block: Block) -> dict[str, float]:
    block.only(*LIMBS)
    for limb, value in block.raw.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise block.wrong(limb, "must be a number in degrees Celsius.")
        within(block, limb, RANGES["limb_temperature_c"])
    return {limb: float(value) for limb, value in block.raw.items()}


def _rows(
    block: Block, key: str, kind: type[T], refuse: Callable[[Block], None] = ranged
) -> tuple[T, ...]:
    made = []
    for one in block.blocks(key):
        refuse(one)
        made.append(records.make(kind, one, as_text=("side",)))
    return tuple(made)


def _courses(block: Block) -> tuple[TreatmentCourse, ...]:
    for one in block.blocks("courses"):
        for name in ("start", "end"):
            if name in one.raw:
                _dated(one, name)
    courses = _rows(block, "courses", TreatmentCourse)
    for course in courses:
        if course.start and course.end and course.end < course.start:
            raise block.wrong("courses", "a course ends before it starts.")
    return courses


def _found(top: Block) -> Iterable[tuple[str, bool | float]]:
    """Give the findings of the four tables, each of the type its registry entry has."""
    known = findings.findings()
    for table in findings.TABLES:
        keys = [name.partition(".")[2] for name in known if name.startswith(f"{table}.")]
        extra = ["courses"] if table == "treatment" else []
        block = top.block(table)
        block.only(*keys, *extra)
        for key in block.raw:
            if key not in extra:
                yield f"{table}.{key}", _finding_value(known[f"{table}.{key}"], block, key)


def _finding_value(finding: Finding, block: Block, name: str) -> bool | float:
    value = block.raw[name]
    if finding.type == "boolean":
        if not isinstance(value, bool):
            raise block.wrong(name, "must be true or false; leave it out when unknown.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise block.wrong(name, "must be a number; leave it out when unknown.")
    low = -math.inf if finding.minimum is None else finding.minimum
    high = math.inf if finding.maximum is None else finding.maximum
    within(block, name, (low, high))
    return float(value)


def template() -> str:
    """Give a commented ``study.toml`` with every key, for ``ncs-cb validate --template``.

    Every value is commented out: what is left as it is stays unknown.
    """
    return files("ncs_cb").joinpath(_TEMPLATE_FILE).read_text("utf-8")


def details_from_plain(raw: Any) -> Details:
    """Make details from the plain data of a JSON record, in which dates are text.

    Raises
    ------
    StudyError
        If a key is unknown or a value has the wrong type.
    """
    if not isinstance(raw, dict):
        raise StudyError("details: must be an object.")
    present = {key: value for key, value in raw.items() if value is not None}
    return records.make(Details, _personal(present, "", "details"), from_json=True)

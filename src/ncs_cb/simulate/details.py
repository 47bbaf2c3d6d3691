"""The details of a simulated visit: from a recipe to :class:`ncs_cb.model.Details`, and to TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from ncs_cb.errors import TableError, did_you_mean
from ncs_cb.knowledge.findings import findings
from ncs_cb.model import Details, FWaveValue, SensoryValue, Study, TreatmentCourse
from ncs_cb.simulate.plans import Recipe


def make_details(
    plan: Recipe, age_years: float | None, height_cm: float | None, warmth: Mapping[str, float]
) -> Details:
    """Give the details of one visit: what the recipe says of the patient, and what was drawn.

    Raises
    ------
    TableError
        If a finding, or a key of ``sensory``, ``f_wave`` or a treatment course, is unknown.
    """
    found: dict[str, bool | float] = {}
    courses: tuple[TreatmentCourse, ...] = ()
    for table in ("clinical", "laboratory", "imaging", "treatment"):
        for key, value in plan.details.get(table, {}).items():
            if (table, key) == ("treatment", "courses"):
                courses = tuple(_made(TreatmentCourse, item, plan, "courses") for item in value)
            else:
                found[f"{table}.{key}"] = _finding(f"{table}.{key}", value, plan)
    return Details(
        visit_date=plan.visit_date,
        symptom_onset_date=plan.symptom_onset_date,
        age_years=age_years,
        sex=plan.sex,
        height_cm=height_cm,
        limb_temperature_c=dict(warmth),
        findings=found,
        courses=courses,
        sensory=tuple(
            _made(SensoryValue, item, plan, "sensory") for item in plan.details.get("sensory", ())
        ),
        f_waves=tuple(
            _made(FWaveValue, item, plan, "f_wave") for item in plan.details.get("f_wave", ())
        ),
    )


def _finding(name: str, value: Any, plan: Recipe) -> bool | float:
    known = findings()
    if name not in known:
        raise TableError(
            f"{name}: unknown finding '{name}'." + did_you_mean(name, known), source=plan.source
        )
    is_truth = isinstance(value, bool)
    if not isinstance(value, bool | int | float) or is_truth != (known[name].type == "boolean"):
        raise TableError(f"{name}: must be a {known[name].type}, not {value!r}", source=plan.source)
    return value


def _made(kind: type[Any], item: Mapping[str, Any], plan: Recipe, key: str) -> Any:
    known = [f.name for f in fields(kind)]
    for name in item:
        if name not in known:
            raise TableError(
                f"{key}.{name}: unknown key '{name}'; known: {', '.join(known)}."
                + did_you_mean(name, known),
                source=plan.source,
            )
    return kind(**item)


def study_toml(study: Study) -> str:
    """Write the details of a study as the text of a ``study.toml``.

    Parameters
    ----------
    study : Study

    Returns
    -------
    str
        TOML in the order of the public contract, section 7. Reading it gives the same details.
    """
    details = study.details
    out = [f"[study]\nid = {_value(study.study_id)}"]
    out += _pairs(visit_date=details.visit_date, symptom_onset_date=details.symptom_onset_date)
    person = _pairs(age_years=details.age_years, sex=details.sex, height_cm=details.height_cm)
    out += ["\n[person]", *person] if person else []
    if details.limb_temperature_c:
        out += ["\n[limb_temperature_c]", *_pairs(**dict(details.limb_temperature_c))]
    for recording, told in details.recordings.items():
        out += [f"\n[recordings.{_value(recording)}]", *_pairs(**_present(told))]
    for table in ("clinical", "laboratory", "imaging", "treatment"):
        rows = [
            f"{key.partition('.')[2]} = {_value(value)}"
            for key, value in details.findings.items()
            if key.partition(".")[0] == table
        ]
        if table == "treatment" and details.courses:
            rows.append(f"courses = [{', '.join(_inline(c) for c in details.courses)}]")
        out += [f"\n[{table}]", *rows] if rows else []
    for name, items in (("sensory", details.sensory), ("f_wave", details.f_waves)):
        for item in items:
            out += [f"\n[[{name}]]", *_pairs(**_present(item))]
    return "\n".join(out) + "\n"


def _present(item: Any) -> dict[str, Any]:
    values = {f.name: getattr(item, f.name) for f in fields(item)}
    return {name: value for name, value in values.items() if value not in (None, {}, ())}


def _inline(item: Any) -> str:
    return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in _present(item).items()) + " }"


def _pairs(**values: Any) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in values.items() if value is not None]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    return '"' + "".join(_escaped(str(value))) + '"'


def _escaped(text: str) -> Iterable[str]:
    for character in text:
        if character in '"\\':
            yield "\\" + character
        elif ord(character) < 32 or ord(character) == 127:
            yield f"\\u{ord(character):04x}"
        else:
            yield character

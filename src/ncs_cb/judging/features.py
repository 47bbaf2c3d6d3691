"""What speaks for and against MMN and the diseases it is mistaken for, one by one.

Everything comes from ``tables/features.toml``: what is asked, what either answer means, how
often it is seen and who says so. Nothing is added up to a score.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from ncs_cb.judging.truth import Truth, holds
from ncs_cb.judging.visit import FACTS, Facts, facts_of_visits, multifocality
from ncs_cb.knowledge.clauses import OPERATORS, known_findings
from ncs_cb.knowledge.datafile import VERIFIED, Block
from ncs_cb.model import Details

__all__ = [
    "BEARINGS", "Feature", "catalog", "differential", "entities", "features", "multifocality",
]  # fmt: skip

_FILE = "tables/features.toml"
BEARINGS = {"for": "supportive", "against": "against", "neutral": "neutral"}
_KEYS = (
    "id", "finding", "fact", "op", "value", "text", "text_zh", "absent_text", "absent_text_zh",
    "present", "absent", "frequency", "frequency_zh", "source", "verified",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that is typical of a disease, or speaks against it.

    ``present`` and ``absent`` map an entity to ``for`` or ``against``; what they leave out is
    neutral.
    """

    id: str
    finding: str
    fact: str
    op: str
    value: float | None
    text: str
    text_zh: str
    absent_text: str
    absent_text_zh: str
    present: Mapping[str, str]
    absent: Mapping[str, str]
    frequency: str
    frequency_zh: str
    source: str
    verified: str


@cache
def entities() -> dict[str, dict[str, str]]:
    """Give the diseases of the differential with their names, MMN first."""
    raw = tomllib.loads(files("ncs_cb").joinpath(_FILE).read_text("utf-8"))
    found: dict[str, dict[str, str]] = raw["entities"]
    return found


@cache
def catalog() -> tuple[Feature, ...]:
    """Give every feature, in the order in which it is shown.

    Raises
    ------
    TableError
        If an entry has an unknown key, finding, fact or entity, or lacks its source.
    """
    raw = tomllib.loads(files("ncs_cb").joinpath(_FILE).read_text("utf-8"))
    return tuple(_feature(one) for one in Block(raw, _FILE).blocks("feature"))


def _feature(block: Block) -> Feature:
    block.only(*_KEYS)
    if ("finding" in block.raw) == ("fact" in block.raw):
        raise block.wrong("", "needs either 'finding' or 'fact'")
    finding = block.choice("finding", known_findings()) if "finding" in block.raw else ""
    fact = block.choice("fact", FACTS) if "fact" in block.raw else ""
    numeric = known_findings()[finding] == "number" if finding else FACTS[fact] == "number"
    bearings = [block.block(name) for name in ("present", "absent")]
    for one in bearings:
        one.only(*entities())
        for name in one.raw:
            one.choice(name, BEARINGS)
    return Feature(
        block.text("id"), finding, fact,
        block.choice("op", OPERATORS) if numeric else "is",
        block.number("value") if numeric else None,
        block.text("text"), block.text("text_zh"), block.text("absent_text"),
        block.text("absent_text_zh"), bearings[0].raw, bearings[1].raw,
        block.maybe_text("frequency"), block.maybe_text("frequency_zh"), block.text("source"),
        block.choice("verified", VERIFIED),
    )  # fmt: skip


def _observed(feature: Feature, facts: Facts, details: Details) -> tuple[Truth, Any]:
    """Tell whether a feature is present, and the value that says so."""
    value = details.findings.get(feature.finding) if feature.finding else facts[feature.fact]
    if value is None or value is pd.NA:
        return pd.NA, None
    if feature.op == "is":
        return bool(value), bool(value)
    return holds(float(value), feature.op, feature.value), None if math.isnan(value) else value


def features(
    verdicts: pd.DataFrame,
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    f_waves: pd.DataFrame,
    details: Mapping[str, Details],
    *,
    reference: Any = "aanem_2016",
) -> pd.DataFrame:
    """List what the literature calls typical of MMN, and whether this visit shows it.

    Parameters
    ----------
    verdicts, segments, traces, f_waves : DataFrame
        The tables of those names. Block is that of any set for MMN among the verdicts.
    details : mapping of study id to Details
        What ``study.toml`` says; absent is unknown.
    reference
        Normal limits, as in :func:`ncs_cb.judging.verdicts.judge`.

    Returns
    -------
    DataFrame
        One row per study and feature: ``study_id``, ``feature``, ``observed`` (nullable: True
        present, False absent), ``bearing`` (``supportive``, ``neutral``, ``against`` or
        ``unknown``), ``value``, ``text`` and ``text_zh`` (what was observed, in words),
        ``frequency`` and ``frequency_zh``, ``source``, ``verified``.
    """
    rows = []
    for study_id, facts in facts_of_visits(
        verdicts, segments, traces, f_waves, details, reference
    ).items():
        for feature in catalog():
            observed, value = _observed(feature, facts, details.get(study_id, Details()))
            rows.append(_row(study_id, feature, observed, value, "mmn"))
    return _table(
        rows,
        ["study_id", "feature", "observed", "bearing", "value", "text", "text_zh", "frequency",
         "frequency_zh", "source", "verified"],
    )  # fmt: skip


def differential(
    verdicts: pd.DataFrame,
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    f_waves: pd.DataFrame,
    details: Mapping[str, Details],
    *,
    reference: Any = "aanem_2016",
) -> pd.DataFrame:
    """List what speaks for and against each disease that MMN is mistaken for.

    Parameters
    ----------
    verdicts, segments, traces, f_waves, details, reference
        As in :func:`features`.

    Returns
    -------
    DataFrame
        One row per study, entity and feature that bears on it and is known: ``study_id``,
        ``entity``, ``entity_text``, ``entity_text_zh``, ``feature``, ``observed``, ``bearing``
        (``supportive`` or ``against``), ``text``, ``text_zh``, ``source``, ``verified``.
    """
    rows = []
    visits = facts_of_visits(verdicts, segments, traces, f_waves, details, reference)
    for study_id, facts in visits.items():
        for entity, names in entities().items():
            if entity == "mmn":
                continue
            for feature in catalog():
                observed, value = _observed(feature, facts, details.get(study_id, Details()))
                row = _row(study_id, feature, observed, value, entity)
                if row["bearing"] in ("supportive", "against"):
                    more = {"entity_text": names["text"], "entity_text_zh": names["text_zh"]}
                    rows.append({**row, "entity": entity, **more})
    return _table(
        rows,
        ["study_id", "entity", "entity_text", "entity_text_zh", "feature", "observed", "bearing",
         "text", "text_zh", "source", "verified"],
    )  # fmt: skip


def _row(
    study_id: str, feature: Feature, observed: Truth, value: Any, entity: str
) -> dict[str, Any]:
    if observed is pd.NA:
        bearing = "unknown"
    else:
        bearing = BEARINGS[(feature.present if observed else feature.absent).get(entity, "neutral")]
    absent = observed is False
    return {
        "study_id": study_id, "feature": feature.id, "observed": observed, "bearing": bearing,
        "value": value, "text": feature.absent_text if absent else feature.text,
        "text_zh": feature.absent_text_zh if absent else feature.text_zh,
        "frequency": feature.frequency, "frequency_zh": feature.frequency_zh,
        "source": feature.source, "verified": feature.verified,
    }  # fmt: skip


def _table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    types = {name: "object" if name == "value" else "string" for name in table.columns}
    return table.astype({**types, "observed": "boolean"})

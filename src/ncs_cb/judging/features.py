"""What speaks for and against MMN and the diseases it is mistaken for, one by one.

Everything comes from ``tables/features.toml``: what is asked, what either answer means, how
often it is seen and who says so. Nothing is added up to a score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from ncs_cb.columns import by_column, conform
from ncs_cb.judging.examined import Examined
from ncs_cb.judging.truth import Truth, holds
from ncs_cb.judging.visit import FACTS, Facts, facts_of
from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.clauses import OPERATORS
from ncs_cb.knowledge.datafile import VERIFIED, Block
from ncs_cb.knowledge.findings import findings
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.model import Details

BEARINGS = {"for": "supportive", "against": "against", "neutral": "neutral"}
_KEYS = (
    "id",
    "finding",
    "fact",
    "op",
    "value",
    "text",
    "text_zh",
    "absent_text",
    "absent_text_zh",
    "present",
    "absent",
    "frequency",
    "frequency_zh",
    "source",
    "verified",
)


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
    found: dict[str, dict[str, str]] = datafile.table("features").raw["entities"]
    return found


@cache
def catalog() -> tuple[Feature, ...]:
    """Give every feature, in the order in which it is shown.

    Raises
    ------
    TableError
        If an entry has an unknown key, finding, fact or entity, or lacks its source.
    """
    read = datafile.table("features")
    return tuple(_feature(one) for one in Block(read.raw, read.name).blocks("feature"))


def _feature(block: Block) -> Feature:
    block.only(*_KEYS)
    if ("finding" in block.raw) == ("fact" in block.raw):
        raise block.wrong("", "needs either 'finding' or 'fact'")
    finding = block.choice("finding", findings()) if "finding" in block.raw else ""
    fact = block.choice("fact", FACTS) if "fact" in block.raw else ""
    numeric = findings()[finding].type == "number" if finding else FACTS[fact] == "number"
    bearings = [block.block(name) for name in ("present", "absent")]
    for one in bearings:
        one.only(*entities())
        for name in one.raw:
            one.choice(name, BEARINGS)
    return Feature(
        block.text("id"),
        finding,
        fact,
        block.choice("op", OPERATORS) if numeric else "is",
        block.number("value") if numeric else None,
        block.text("text"),
        block.maybe_text("text_zh"),
        block.text("absent_text"),
        block.maybe_text("absent_text_zh"),
        bearings[0].raw,
        bearings[1].raw,
        block.maybe_text("frequency"),
        block.maybe_text("frequency_zh"),
        block.text("source"),
        block.choice("verified", VERIFIED),
    )


def _observed(feature: Feature, facts: Facts, details: Details) -> tuple[Truth, Any]:
    """Tell whether a feature is present, and the value that says so."""
    value = details.findings.get(feature.finding) if feature.finding else facts[feature.fact]
    if value is None or value is pd.NA:
        return pd.NA, None
    if feature.op == "is":
        return bool(value), bool(value)
    low, high = value if isinstance(value, tuple) else (value, value)
    answers = [holds(float(one), feature.op, feature.value) for one in (low, high)]
    answer = answers[0] if answers[0] is answers[1] else pd.NA
    return answer, None if math.isnan(low) else low


def features_and_differential(
    visits: Sequence[Examined], sets: tuple[ReferenceSet, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List what the literature calls typical of MMN and of the diseases it is mistaken for.

    Parameters
    ----------
    visits : sequence of Examined
        Block is that of the leading set for MMN among the verdicts.
    sets : tuple of ReferenceSet
        Limits of normal, in the order in which they answer.

    Returns
    -------
    tuple of DataFrame
        Table ``features``, one row per study and feature of MMN: ``bearing`` is ``supportive``,
        ``neutral``, ``against`` or ``unknown``. Table ``differential``, one row per study,
        disease and feature that speaks for or against it.
    """
    typical, others = [], []
    for visit in visits:
        facts = facts_of(visit, sets)
        seen = [(feature, *_observed(feature, facts, visit.details)) for feature in catalog()]
        typical += [{**_row(*one, "mmn"), "study_id": visit.study_id} for one in seen]
        for entity, names in entities().items():
            against = [] if entity == "mmn" else [_row(*one, entity) for one in seen]
            more = {
                "study_id": visit.study_id,
                "entity": entity,
                "entity_text": names["text"],
                "entity_text_zh": names["text_zh"],
            }
            others += [
                {name: value for name, value in row.items() if name not in _OF_MMN} | more
                for row in against
                if row["bearing"] in ("supportive", "against")
            ]
    return conform(by_column(typical), "features"), conform(by_column(others), "differential")


_OF_MMN = ("value", "frequency", "frequency_zh")


def _row(feature: Feature, observed: Truth, value: Any, entity: str) -> dict[str, Any]:
    if observed is pd.NA:
        bearing = "unknown"
    else:
        bearing = BEARINGS[(feature.present if observed else feature.absent).get(entity, "neutral")]
    absent = observed is False
    return {
        "feature": feature.id,
        "observed": observed,
        "bearing": bearing,
        "value": value,
        "text": feature.absent_text if absent else feature.text,
        "text_zh": feature.absent_text_zh if absent else feature.text_zh,
        "frequency": feature.frequency,
        "frequency_zh": feature.frequency_zh,
        "source": feature.source,
        "verified": feature.verified,
    }

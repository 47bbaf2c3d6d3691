"""Facts of a visit that speak for or against a disease: counts of block, velocities, sensation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ncs_cb.judging.examined import Examined
from ncs_cb.judging.leading import is_for_mmn, leading_set
from ncs_cb.judging.rows import Row, holds_entrapment, nerve_of
from ncs_cb.judging.sensory import SensoryStudy, all_normal, through
from ncs_cb.judging.validity import NOT_ATTESTED, REFUTED
from ncs_cb.knowledge.anatomy import position
from ncs_cb.knowledge.reference import ReferenceSet, first_limit
from ncs_cb.model import Details
from ncs_cb.vocabulary import GRADES

FACTS = {
    "segments_with_block": "number",
    "nerves_with_dispersion": "number",
    "sensory_through_block_is_normal": "truth",
    "sensory_studies_are_normal": "truth",
    "velocity_outside_block_pct_of_lower_limit": "number",
    "velocity_in_block_pct_of_lower_limit": "number",
    "distal_latency_pct_of_upper_limit": "number",
    "amplitude_reduction_at_entrapment_pct": "number",
    "focal_slowing_at_entrapment": "truth",
    "is_male": "truth",
}
"""What a feature may ask of the study itself. Velocities are the slowest, latencies the longest,
in percent of their limit of normal; entrapment segments enter only the entrapment facts. A number
that is not certain is a pair: the least and the most that it may be."""

Facts = dict[str, Any]
Place = tuple[str, str, str]


def facts_of(visit: Examined, sets: tuple[ReferenceSet, ...]) -> Facts:
    """Work out :data:`FACTS` for a visit; what is not known is NA or NaN."""
    person, lead = visit.details, leading_set(visit.verdicts)
    judged = [row for rows in visit.verdicts.values() for row in rows]
    leading = visit.verdicts.get(lead, ()) if is_for_mmn(lead) else ()
    latencies = (
        100.0 * row["distal_latency_ms"] / row["limits"]["motor.distal_latency_ms"]
        for row in visit.nerves
    )
    return {
        **_block_facts(judged, leading, visit.studies),
        "sensory_studies_are_normal": all_normal(visit.studies, 1),
        **_velocity_facts(leading, visit.segments, person, sets),
        "distal_latency_pct_of_upper_limit": max(
            (one for one in latencies if not math.isnan(one)), default=math.nan
        ),
        **_entrapment_facts(judged, visit.segments),
        "is_male": pd.NA if person.sex is None else person.sex == "male",
    }


def _blocked(rows: Iterable[Row], *, attested: bool = False) -> set[Place]:
    """Give the segments with block by the leading set; all of them, or those that stand."""
    return {
        (*nerve_of(row), row["segment"])
        for row in rows
        if row["conduction_block"] in GRADES
        and not (attested and str(row["technical_validity"]) == NOT_ATTESTED)
    }


def _block_facts(
    rows: Sequence[Row], judged: Sequence[Row], studies: tuple[SensoryStudy, ...]
) -> Facts:
    looked = any(row["conduction_block"] in (*GRADES, "none") for row in judged)
    blocked = _blocked(judged)
    certain = _blocked(judged, attested=True)
    answers = []
    for nerve, side, segment in certain:
        ends = (position(nerve, site) for site in segment.split("-"))
        answers.append(through(studies, nerve, side, *ends))
    known = [one for one in answers if one is not pd.NA]
    dispersed = [r for r in rows if r["conduction_block"] != "excluded"]
    told = [r for r in dispersed if r["temporal_dispersion"] is not pd.NA]
    return {
        # Block whose stimuli nobody attested may be there, or not.
        "segments_with_block": (float(len(certain)), float(len(blocked))) if looked else math.nan,
        "sensory_through_block_is_normal": all(known) if known else pd.NA,
        "nerves_with_dispersion": float(
            len({nerve_of(r) for r in told if r["temporal_dispersion"]})
        )
        if told
        else math.nan,
    }


def _velocity_facts(
    judged: Sequence[Row],
    rows: Sequence[Row],
    person: Details,
    sets: tuple[ReferenceSet, ...],
) -> Facts:
    blocked = _blocked(judged)
    shares: dict[bool, list[float]] = {True: [], False: []}
    for row in rows:
        if holds_entrapment(row):
            continue
        share = velocity_share(row, person, sets)
        if not math.isnan(share):
            shares[(*nerve_of(row), row["segment"]) in blocked].append(share)
    return {
        "velocity_in_block_pct_of_lower_limit": min(shares[True], default=math.nan),
        "velocity_outside_block_pct_of_lower_limit": min(shares[False], default=math.nan),
    }


def velocity_share(row: Row, person: Details, sets: tuple[ReferenceSet, ...]) -> float:
    """Give a segment's velocity in percent of its lower limit; NaN when either is unknown."""
    value = row.get("conduction_velocity_m_per_s")
    limit = first_limit(
        sets,
        "motor",
        row["nerve"],
        _text(row.get("muscle")),
        "velocity_m_per_s",
        person,
        segment=row["segment"],
    )
    return math.nan if value is None or limit is None else 100.0 * float(value) / limit.value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _entrapment_facts(verdict_rows: Sequence[Row], rows: Sequence[Row]) -> Facts:
    # A fall that crossing fibers explain, or that a weak stimulus made, is none at the site.
    untrue = {
        (*nerve_of(row), row["segment"])
        for row in verdict_rows
        if str(row["technical_validity"]) == REFUTED
    }
    mine = [row for row in rows if holds_entrapment(row)]
    drops = [
        float(row.get("amplitude_reduction_pct", math.nan))
        for row in mine
        if (*nerve_of(row), row["segment"]) not in untrue
    ]
    flags = [str(row.get("quality_flags", "")).split(";") for row in mine]
    slowed = any("focal_slowing" in one for one in flags)
    return {
        "amplitude_reduction_at_entrapment_pct": max(
            (one for one in drops if not math.isnan(one)), default=math.nan
        ),
        # The flag names what was raised; that it is missing does not say that it was cleared.
        "focal_slowing_at_entrapment": True if slowed else pd.NA,
    }

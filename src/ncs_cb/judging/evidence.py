"""The evidence under a verdict: each clause with its value, limit, source and sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.judging.table import FALLBACKS, Segments
from ncs_cb.judging.truth import number, sentence, words_of
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, Rule, leaves
from ncs_cb.knowledge.reference import LowerLimits

Array = np.ndarray[Any, Any]
Row = dict[str, Any]


@dataclass(slots=True)
class EvidenceBook:
    """Collects, for every segment, the clauses that one criteria set asked.

    A row is ``{"rule", "grade", "clause", "column", "op", "limit", "value", "holds", "source",
    "verified", "text"}``; unknown numbers are None, ``holds`` is True, False or None.
    """

    criteria: CriteriaSet
    table: Segments
    limits: LowerLimits
    rows: list[list[Row]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(len(self.table))]

    def add(
        self,
        rule: Rule | None,
        clause: Clause,
        mask: Array,
        holds: pd.arrays.BooleanArray,
        low: float | Array,
        high: float | Array,
    ) -> None:
        """Add one clause to the evidence of every segment in `mask`."""
        base = {
            "rule": "entry" if rule is None else rule.id,
            "grade": None if rule is None else rule.grade,
            "clause": clause.id,
            "column": clause.subject,
            "op": clause.op,
            "limit": None,
            "value": None,
            "holds": None,
            "source": clause.source,
            "verified": clause.verified,
            "text": "",
        }
        positions = np.flatnonzero(mask).tolist()
        answers: list[bool | None] = [
            None if missing else answer
            for answer, missing in zip(
                holds.to_numpy(bool, na_value=False).tolist(), holds.isna().tolist(), strict=True
            )
        ]
        if clause.op == "is":
            self._truths(base, clause, positions, answers)
        else:
            self._numbers(base, clause, positions, answers, low, high)

    def _truths(
        self, base: Row, clause: Clause, positions: list[int], answers: list[bool | None]
    ) -> None:
        words = {answer: _fact(clause, answer) for answer in (True, False, None)}
        for at in positions:
            holds = answers[at]
            value = None if holds is None else holds == clause.value
            row = base.copy()
            row["limit"], row["value"] = clause.value, value
            row["holds"], row["text"] = holds, words[holds]
            self.rows[at].append(row)

    def _numbers(
        self,
        base: Row,
        clause: Clause,
        positions: list[int],
        answers: list[bool | None],
        low: float | Array,
        high: float | Array,
    ) -> None:
        values, columns = self.table.number(clause.subject)
        size = len(values)
        numbers = values.tolist()
        edges = np.broadcast_to(np.asarray(high, dtype=np.float64), size).tolist()
        others = np.broadcast_to(np.asarray(low, dtype=np.float64), size).tolist()
        names = [columns] * size if isinstance(columns, str) else columns.tolist()
        additions = self._additions(clause, positions)
        rows, op = self.rows, clause.op
        for at in positions:
            value, holds, name = numbers[at], answers[at], names[at]
            # Between two possible limits, show the one that settles the question.
            edge = others[at] if holds is False else edges[at]
            text = (
                f"{words_of(name)[0]} not asked: the proximal response is absent"
                if math.isnan(value) and holds is not None
                else sentence(name, op, value, edge, holds, additions[at])
            )
            row = base.copy()
            row["column"], row["holds"], row["text"] = name, holds, text
            row["limit"] = None if math.isnan(edge) else edge
            row["value"] = None if math.isnan(value) else value
            rows[at].append(row)

    def _additions(self, clause: Clause, positions: list[int]) -> dict[int, str] | list[str]:
        """Give what stands in brackets behind the sentence of each segment."""
        if clause.percent_of and clause.value is not None:
            share = number(float(clause.value))
            lows, highs = self.limits.low.tolist(), self.limits.high.tolist()
            sets = self.limits.set_id
            return {at: _share(share, lows[at], highs[at], sets[at]) for at in positions}
        note = ""
        if clause.uncertain_from is not None and clause.value is not None:
            between = sorted((clause.uncertain_from, float(clause.value)))
            note = f" (published limit between {number(between[0])} and {number(between[1])})"
        return dict.fromkeys(positions, note)

    def policies(self, extrapolated: Array, covered: Array) -> None:
        """Add what the project, not the publication, decided about a segment."""
        one = self.criteria
        nerves, segments = self.table.texts["nerve"], self.table.texts["segment"]
        for at in np.flatnonzero(~covered).tolist():
            self.rows[at].append(
                _policy(
                    "not_covered",
                    f"this set has no rule for {nerves[at]} {segments[at]}",
                )
            )
        if not one.enabled:
            self._everywhere("not_enabled", one.why_not_enabled)
        for at in np.flatnonzero(extrapolated).tolist():
            self.rows[at].append(
                _policy(
                    "extrapolated",
                    f"the publication does not name {anatomy().nerves[str(nerves[at])].label} "
                    f"{segments[at]}: the same numbers are used",
                )
            )
        self._first_phase(covered)

    def _everywhere(self, clause: str, text: str) -> None:
        for row in self.rows:
            row.append(_policy(clause, text))

    def _first_phase(self, covered: Array) -> None:
        asked = {c.subject for r in self.criteria.rules for c in _leaves(r) if c.kind == "column"}
        for column in FALLBACKS:
            if column not in asked:
                continue
            values, names = self.table.number(column)
            first = covered & ~np.isnan(values) & (names == column)
            for at in np.flatnonzero(first).tolist():
                if all(row["clause"] != "first_phase_only" for row in self.rows[at]):
                    self.rows[at].append(
                        _policy(
                            "first_phase_only",
                            "area or duration over all phases is unknown: the first negative phase "
                            "is used",
                        )
                    )


def _leaves(rule: Rule) -> list[Clause]:
    return list(leaves(rule.term))


def _policy(clause: str, text: str, source: str = "ncs_cb, project policy") -> Row:
    return {
        "rule": "policy",
        "grade": None,
        "clause": clause,
        "column": None,
        "op": None,
        "limit": None,
        "value": None,
        "holds": None,
        "source": source,
        "verified": None,
        "text": text,
    }


def _fact(clause: Clause, holds: bool | None) -> str:
    words = clause.subject.removeprefix("is_").replace("_", " ")
    if holds is None:
        return f"{words}: not examined"
    return f"{words}: {'yes' if holds == clause.value else 'no'}"


def _share(share: str, low: float, high: float, set_id: str) -> str:
    if math.isnan(high):
        return ""
    if not set_id:
        return (
            f" ({share} % of {number(high)} mV, the highest lower limit of any muscle; none is "
            "published for this one)"
        )
    if low != high:
        return (
            f" ({share} % of the lower limit, {number(low)} to {number(high)} mV by muscle, "
            f"{set_id})"
        )
    return f" ({share} % of the lower limit {number(high)} mV, {set_id})"

"""The evidence under a verdict: each clause with its value, limit, source and sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncs_cb.judging.table import FALLBACKS, Segments
from ncs_cb.judging.truth import around, number, numbers_in_words, words_of
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, Rule, leaves
from ncs_cb.knowledge.reference import LowerLimits
from ncs_cb.model import Evidence, Said

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

# Answers by their code.
_ANSWERS = (False, True, None)
_NO, _UNKNOWN = 0, 2


class _Column(NamedTuple):
    """What came of one clause, a cell per segment; `mask` tells of which it was asked."""

    mask: Array
    said: Array
    values: Array
    words: Array


@dataclass(slots=True)
class EvidenceBook:
    """Collects, for every segment, the clauses that one criteria set asked.

    A row is ``{"rule", "grade", "clause", "column", "op", "limit", "value", "holds", "source",
    "verified", "text"}``; unknown numbers are None, ``holds`` is True, False or None.
    """

    criteria: CriteriaSet
    table: Segments
    limits: LowerLimits
    columns: list[_Column] = field(default_factory=list)

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
        answers = np.where(holds.isna(), _UNKNOWN, holds.to_numpy(bool, na_value=False))
        if clause.op == "is":
            said = np.array([_truth(base, clause, one) for one in _ANSWERS], dtype=object)
            nothing = np.full(len(mask), None, dtype=object)
            self.columns.append(_Column(mask, said[answers], nothing, nothing))
        else:
            self.columns.append(self._numbers(base, clause, mask, answers, low, high))

    def _numbers(
        self,
        base: Row,
        clause: Clause,
        mask: Array,
        answers: Array,
        low: float | Array,
        high: float | Array,
    ) -> _Column:
        values, names = self.table.number(clause.subject)
        # Between two possible limits, show the one that settles the question.
        edges = np.where(answers == _NO, low, high)
        lacking = np.isnan(values)
        is_wider = np.broadcast_to(names != clause.subject, mask.shape)
        # Segments of one code are told the same, but for the number: one speaks for all of them.
        code = ((self._limit_codes(clause) * 3 + answers) * 2 + lacking) * 2 + is_wider
        said = np.empty(int(code.max(initial=0)) + 1, dtype=object)
        for one in np.flatnonzero(np.bincount(code[mask])).tolist():
            at = int(np.argmax(code == one))
            name = FALLBACKS[clause.subject] if is_wider[at] else clause.subject
            row = base | {"column": name, "holds": _ANSWERS[answers[at]]}
            said[one] = _number(row, float(edges[at]), self._addition(clause, at), lacking[at])
        cells = values.astype(object)
        cells[lacking] = None
        words = numbers_in_words(values, edges, self.table.words(clause.subject))
        return _Column(mask, said[code], cells, words)

    def _limit_codes(self, clause: Clause) -> Array:
        """Number the different limits of a clause, segment by segment."""
        if not clause.percent_of:
            return np.zeros(len(self.table), dtype=np.intp)
        numbers: dict[tuple[float, float, str], int] = {}
        limits = zip(
            self.limits.low.tolist(), self.limits.high.tolist(), self.limits.set_id, strict=True
        )
        return np.array([numbers.setdefault(one, len(numbers)) for one in limits], dtype=np.intp)

    def _addition(self, clause: Clause, at: int) -> str:
        """Give what stands in brackets behind the sentence of a segment."""
        if clause.value is None:
            return ""
        if clause.percent_of:
            low, high, set_id = (one[at] for one in self.limits)
            return _share(number(float(clause.value)), float(low), float(high), set_id)
        if clause.uncertain_from is None:
            return ""
        between = sorted((clause.uncertain_from, float(clause.value)))
        return f" (published limit between {number(between[0])} and {number(between[1])})"

    def evidence(
        self, extrapolated: Array, covered: Array, premises: Sequence[Sequence[Said]]
    ) -> Array:
        """Give the :class:`Evidence` of every segment: clauses, policies, premises.

        `extrapolated` and `covered` tell of which segments the publication does not speak, and
        of which the set does.
        """
        policies = self._policies(extrapolated, covered)
        remarks = [(*own, *more) for own, more in zip(policies, premises, strict=True)]
        found: Array = np.full(len(self.table), None, dtype=object)
        for rows, asked in self._asked_alike():
            parts = (_by_row([one[part] for one in asked], rows) for part in (1, 2, 3))
            told = map(
                Evidence._make, zip(*parts, [remarks[at] for at in rows.tolist()], strict=False)
            )
            found[rows] = np.fromiter(told, dtype=object, count=len(rows))
        return found

    def _asked_alike(self) -> Iterator[tuple[Array, list[_Column]]]:
        """Give segments that are asked the same clauses, with these: their kind decides it."""
        _, of_kind = np.unique(self.table.codes, return_index=True)
        masks = [one.mask[of_kind] for one in self.columns]
        patterns = list(zip(*masks, strict=True)) if masks else [()] * len(of_kind)
        for pattern in dict.fromkeys(patterns):
            alike = np.array([one == pattern for one in patterns], dtype=bool)
            rows = np.flatnonzero(alike[self.table.codes])
            yield rows, list(compress(self.columns, pattern))

    def _policies(self, extrapolated: Array, covered: Array) -> list[tuple[Said, ...]]:
        """Say what the project, not the publication, decided about each segment."""
        nerves, segments = self.table.texts["nerve"], self.table.texts["segment"]
        _, of_kind = np.unique(self.table.codes, return_index=True)
        told = []
        for at in of_kind.tolist():
            nerve, segment = str(nerves[at]), segments[at]
            rows = []
            if not covered[at]:
                rows.append(_policy("not_covered", f"this set has no rule for {nerve} {segment}"))
            if not self.criteria.enabled:
                rows.append(_policy("not_enabled", self.criteria.why_not_enabled))
            if extrapolated[at]:
                label = anatomy().nerves[nerve].label
                rows.append(
                    _policy(
                        "extrapolated",
                        f"the publication does not name {label} {segment}: the same numbers are "
                        "used",
                    )
                )
            told.append(tuple(rows))
        first = _policy(
            "first_phase_only",
            "area or duration over all phases is unknown: the first negative phase is used",
        )
        is_first = (covered & self._first_phase()).tolist()
        codes = self.table.codes.tolist()
        return [(*told[code], *([first] * one)) for code, one in zip(codes, is_first, strict=True)]

    def _first_phase(self) -> Array:
        """Tell where a rule asks for a number that only the first phase gives."""
        found: Array = np.zeros(len(self.table), dtype=bool)
        asked = {
            c.subject for r in self.criteria.rules for c in leaves(r.term) if c.kind == "column"
        }
        for column in asked & FALLBACKS.keys():
            values, names = self.table.number(column)
            found |= ~np.isnan(values) & (names == column)
        return found


def _by_row(columns: Sequence[Array], rows: Array) -> Iterable[tuple[Any, ...]]:
    """Give the cells of some rows, row by row."""
    if not columns:
        return repeat(())
    return zip(*(cells[rows].tolist() for cells in columns), strict=True)


def in_full(evidence: Evidence) -> list[Row]:
    """Write evidence out, row by row, as a result holds it."""
    told = zip(evidence.clauses, evidence.values, evidence.words, strict=True)
    clauses = [_filled(said, value, word) for said, value, word in told]
    return [*clauses, *(dict(said.row) for said in evidence.remarks)]


def _filled(said: Said, value: float | None, word: str) -> Row:
    row = dict(said.row)
    if said.around is not None:
        before, behind = said.around
        row["value"], row["text"] = value, f"{before}{word}{behind}"
    return row


def _truth(base: Row, clause: Clause, holds: bool | None) -> Said:
    words = clause.subject.removeprefix("is_").replace("_", " ")
    if holds is None:
        return Said(base | {"limit": clause.value, "text": f"{words}: not examined"})
    value = holds == clause.value
    text = f"{words}: {'yes' if value else 'no'}"
    return Said(base | {"limit": clause.value, "value": value, "holds": holds, "text": text})


def _number(row: Row, limit: float, addition: str, lacking: bool) -> Said:
    """Say of a comparison with a limit what all numbers share that are compared with it."""
    name, holds = row["column"], row["holds"]
    row["limit"] = None if math.isnan(limit) else limit
    if lacking and holds is not None:
        row["text"] = f"{words_of(name)[0]} not asked: the proximal response is absent"
        return Said(row)
    before, behind, unknown = around(name, row["op"], limit, holds)
    if lacking:
        row["text"] = f"{unknown}{addition}"
        return Said(row)
    return Said(row, (before, f"{behind}{addition}"))


def _policy(clause: str, text: str) -> Said:
    return Said(
        {
            "rule": "policy",
            "grade": None,
            "clause": clause,
            "column": None,
            "op": None,
            "limit": None,
            "value": None,
            "holds": None,
            "source": "ncs_cb, project policy",
            "verified": None,
            "text": text,
        }
    )


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

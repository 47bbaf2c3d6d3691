"""What a visit looks like to one criteria set, without its numbers: what a conclusion rests on.

Numbers become truths here. Two visits that look the same to a set have the same conclusion, and
most visits of an archive look like others of it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncs_cb.judging.cold import lies_in_cold
from ncs_cb.judging.examined import Examined
from ncs_cb.judging.rows import Row, nerve_of
from ncs_cb.judging.sensory import SensoryStudy
from ncs_cb.judging.truth import Truth, compared, count
from ncs_cb.knowledge.clauses import NERVE_COLUMNS, OPERATORS, PERCENT_OF
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, Term, leaves
from ncs_cb.model import Details
from ncs_cb.vocabulary import DAYS_PER_MONTH, GRADES

Nerve = tuple[str, str]
Answers = tuple[tuple[str, Truth], ...]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Codes = np.ndarray[Any, np.dtype[np.int8]]


class Judged(NamedTuple):
    """What one set says of one segment, and what its grade waits for, if there is one or may be.

    Attributes
    ----------
    nerve : tuple of str
        With its side.
    validity : str
        Of the grade; empty where there is none and none is left open.
    steps : tuple of (str, str)
        Next steps of its open premises, in English and Chinese.
    unknown : tuple of str
        Columns of which clauses did not know the number.
    """

    nerve: Nerve
    distal_site: str
    proximal_site: str
    block: str
    validity: str
    not_excluded: str
    dispersion: Truth
    steps: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]


class NerveSigns(NamedTuple):
    """What the nerve rules of one set come to in one nerve, by the id of the rule."""

    nerve: Nerve
    answers: Answers


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of one visit, as one criteria set sees it.

    Attributes
    ----------
    told : tuple of (str, bool or float)
        The findings of ``study.toml``.
    months : float or None
        Since the first symptom, at most.
    sensory : tuple of SensoryStudy
        Without their values.
    trapped : frozenset of Nerve
        Nerves with an entrapment.
    signs : dict
        What each sign came to in each nerve, once it was asked for.
    """

    told: tuple[tuple[str, bool | float], ...]
    months: float | None
    verdicts: tuple[Judged, ...]
    nerves: tuple[NerveSigns, ...]
    sensory: tuple[SensoryStudy, ...]
    trapped: frozenset[Nerve]
    signs: dict[str, dict[Nerve, Truth]] = field(default_factory=dict, compare=False)

    @property
    def findings(self) -> dict[str, bool | float]:
        """Give what ``study.toml`` says, by name."""
        return dict(self.told)


def as_judged(row: Row) -> Judged:
    """Take from a verdict what a conclusion asks of it."""
    block, left_open, grounds = row["conduction_block"], row["not_excluded"], row["grounds"]
    is_waiting = block in GRADES or left_open in GRADES
    return Judged(
        row["nerve_and_side"],
        row["distal_site"],
        row["proximal_site"],
        block,
        str(row["technical_validity"]) if is_waiting else "",
        left_open,
        row["temporal_dispersion"],
        grounds.steps if is_waiting else (),
        grounds.unknown if is_waiting else (),
    )


def months_at_most(details: Details) -> float | None:
    """Give the time since the first symptom: weakness lasted no longer, perhaps less long."""
    visit, onset = details.visit_date, details.symptom_onset_date
    return None if visit is None or onset is None else (visit - onset).days / DAYS_PER_MONTH


def without_values(studies: Iterable[SensoryStudy]) -> tuple[SensoryStudy, ...]:
    """Give sensory studies without the numbers that they were judged by."""
    return tuple(replace(one, reason="", compared=()) for one in studies)


class NerveRules:
    """The nerve rules of one set, asked of all nerves of many visits at once.

    Parameters
    ----------
    made : CriteriaSet
    """

    def __init__(self, made: CriteriaSet) -> None:
        self._rules = [(rule, tuple(leaves(rule.term))) for rule in made.nerve_rules]
        clauses = [clause for _, of in self._rules for clause in of]
        self._ops = np.array([one.op for one in clauses], dtype=object)
        self._columns = [NERVE_COLUMNS.index(one.subject) for one in clauses]
        self._limits = np.array([_number(one.value) for one in clauses])
        self._is_share = np.array([bool(one.percent_of) for one in clauses], dtype=bool)
        self._shares_of = [PERCENT_OF.index(one.percent_of or PERCENT_OF[0]) for one in clauses]
        # A latency that an entrapment lengthens is no sign of a neuropathy.
        self._is_latency = np.array([one.subject in _LENGTHENED for one in clauses], dtype=bool)
        self._is_of_cold = np.array([one.subject in _SLOWED for one in clauses], dtype=bool)
        self._combined: dict[tuple[str, bytes], Answers] = {}

    def signs(self, visits: Sequence[Examined]) -> list[tuple[NerveSigns, ...]]:
        """Ask every rule of every nerve that it is for, visit by visit."""
        rows = [row for visit in visits for row in visit.nerves]
        lengthened = [is_so for visit in visits for is_so in _are_lengthened(visit)]
        truths = self._truths(rows, np.array(lengthened, dtype=bool))
        # What is late, slow or wide in a cold limb says nothing.
        chilled = [lies_in_cold(nerve_of(row), v.details) for v in visits for row in v.nerves]
        found = np.outer(np.array(chilled, dtype=bool), self._is_of_cold) & (truths == _HOLDS)
        truths[found] = _UNKNOWN
        signs = iter(
            [
                NerveSigns(nerve_of(row), self._answers(row["nerve"], own))
                for row, own in zip(rows, truths, strict=True)
            ]
        )
        return [tuple(islice(signs, len(visit.nerves))) for visit in visits]

    def _truths(self, rows: Sequence[Row], lengthened: Bools) -> Codes:
        """Answer every clause for every row, by the place of the answer in :data:`_TRUTHS`."""
        found = np.empty((len(rows), len(self._limits)), dtype=np.int8)
        if not found.size:
            return found
        values = np.array([itemgetter(*NERVE_COLUMNS)(row) for row in rows])[:, self._columns]
        normal = np.array([itemgetter(*PERCENT_OF)(row["limits"]) for row in rows])
        shares = self._limits / 100.0 * normal[:, self._shares_of]
        limits = np.where(self._is_share, shares, self._limits)
        for op in OPERATORS:
            asked = self._ops == op
            answers = compared(values[:, asked].ravel(), op, limits[:, asked].ravel())
            codes = np.where(answers.isna(), _UNKNOWN, answers.to_numpy(np.int8, na_value=0))
            found[:, asked] = codes.reshape(len(rows), -1)
        found[np.outer(lengthened, self._is_latency)] = _TRUTHS.index(False)
        return found

    def _answers(self, nerve: str, truths: Codes) -> Answers:
        """Combine the answers of the clauses of the rules that are for a nerve."""
        key = (nerve, truths.tobytes())
        if key not in self._combined:
            rest = (_TRUTHS[code] for code in truths.tolist())
            known = [(rule, {one.id: next(rest) for one in of}) for rule, of in self._rules]
            self._combined[key] = tuple(
                (rule.id, combine(rule.term, answers))
                for rule, answers in known
                if not rule.nerves or nerve in rule.nerves
            )
        return self._combined[key]


_TRUTHS: tuple[Truth, ...] = (False, True, pd.NA)
_HOLDS, _UNKNOWN = 1, 2


def _number(value: float | bool | None) -> float:
    return math.nan if value is None else float(value)


# What an entrapment at the distal site of a nerve lengthens.
_LENGTHENED = ("distal_latency_ms", "f_minimum_latency_ms")

# What cold slows, delays or widens.
_SLOWED = (*_LENGTHENED, "slowest_velocity_m_per_s", "distal_duration_ms")


def _are_lengthened(visit: Examined) -> list[bool]:
    """Tell which nerves have latencies that an entrapment at their distal site lengthens."""
    sites = {((one.nerve, one.side), one.trap.proximal_site) for one in visit.traps}
    return [(row["nerve_and_side"], row["distal_site"]) in sites for row in visit.nerves]


def combine(term: Term, answers: Mapping[str, Truth]) -> Truth:
    """Combine the answers of clauses, by their ids, as a term does."""
    if isinstance(term, Clause):
        return answers[term.id]
    parts = [combine(one, answers) for one in term.of]
    if term.how == "at_least":
        return count(parts, term.n)
    return reduce(operator.and_ if term.how == "all" else operator.or_, parts)

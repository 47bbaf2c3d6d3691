"""What a visit looks like to one criteria set, without its numbers: what a conclusion rests on.

Numbers become truths here. Two visits that look the same to a set have the same conclusion, and
most visits of an archive look like others of it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

from ncs_cb.judging.entrapment import Found
from ncs_cb.judging.rows import Row, nerve_of
from ncs_cb.judging.sensory import SensoryStudy
from ncs_cb.judging.truth import Truth, count, holds
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, Term, leaves
from ncs_cb.knowledge.reference import ReferenceSet, first_limit
from ncs_cb.model import Details
from ncs_cb.vocabulary import DAYS_PER_MONTH

Nerve = tuple[str, str]


class Judged(NamedTuple):
    """What one set says of one segment, and what its grade waits for.

    Attributes
    ----------
    nerve : tuple of str
        With its side.
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
    answers: tuple[tuple[str, Truth], ...]


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
    return Judged(
        nerve_of(row),
        row["distal_site"],
        row["proximal_site"],
        row["conduction_block"],
        str(row["technical_validity"]),
        row["not_excluded"],
        row["temporal_dispersion"],
        row["grounds"].steps,
        row["grounds"].unknown,
    )


def months_at_most(details: Details) -> float | None:
    """Give the time since the first symptom: weakness lasted no longer, perhaps less long."""
    visit, onset = details.visit_date, details.symptom_onset_date
    return None if visit is None or onset is None else (visit - onset).days / DAYS_PER_MONTH


def without_values(studies: Iterable[SensoryStudy]) -> tuple[SensoryStudy, ...]:
    """Give sensory studies without the numbers that they were judged by."""
    return tuple(replace(one, reason="", compared=()) for one in studies)


class NerveRules:
    """The nerve rules of one set, asked of nerve after nerve of many visits.

    Parameters
    ----------
    made : CriteriaSet
    sets : tuple of ReferenceSet
        Limits of normal, in the order in which they answer.
    """

    def __init__(self, made: CriteriaSet, sets: tuple[ReferenceSet, ...]) -> None:
        self._rules = [(rule, tuple(leaves(rule.term))) for rule in made.nerve_rules]
        self._sets = sets
        self._limits: dict[tuple[Any, ...], float | None] = {}
        self._combined: dict[tuple[str, tuple[Truth, ...]], Truth] = {}

    def signs(
        self, nerves: Sequence[Row], traps: Sequence[Found], details: Details
    ) -> tuple[NerveSigns, ...]:
        """Ask every rule of every nerve of a visit that it is for."""
        return tuple(
            NerveSigns(nerve_of(row), tuple(self._answers(row, _lengthened(row, traps), details)))
            for row in nerves
        )

    def _answers(
        self, row: Row, lengthened: tuple[str, ...], details: Details
    ) -> Iterator[tuple[str, Truth]]:
        for rule, clauses in self._rules:
            if rule.nerves and row["nerve"] not in rule.nerves:
                continue
            # A latency that an entrapment lengthens is no sign of a neuropathy.
            truths = tuple(
                holds(row[one.subject], one.op, self._limit(one, row, details))
                & (one.subject not in lengthened)
                for one in clauses
            )
            key = (rule.id, truths)
            if key not in self._combined:
                ids = (one.id for one in clauses)
                self._combined[key] = combine(rule.term, dict(zip(ids, truths, strict=True)))
            yield rule.id, self._combined[key]

    def _limit(self, clause: Clause, row: Row, details: Details) -> float | None:
        limit = None if clause.value is None else float(clause.value)
        if limit is None or not clause.percent_of:
            return limit
        who = (details.age_years, details.sex, details.height_cm)
        key = (clause.percent_of, row["nerve"], row["muscle"], who)
        if key not in self._limits:
            study, _, item = clause.percent_of.partition(".")
            asked = (study, row["nerve"], row["muscle"] or None, item, details)
            normal = first_limit(self._sets, *asked)
            self._limits[key] = None if normal is None else normal.value
        normal_value = self._limits[key]
        return None if normal_value is None else limit / 100.0 * normal_value


def _lengthened(row: Row, traps: Sequence[Found]) -> tuple[str, ...]:
    """Give the columns of a nerve that an entrapment at its distal site lengthens."""
    at_wrist = any(
        (one.nerve, one.side) == nerve_of(row) and one.trap.proximal_site == row["distal_site"]
        for one in traps
    )
    return ("distal_latency_ms", "f_minimum_latency_ms") if at_wrist else ()


def combine(term: Term, answers: Mapping[str, Truth]) -> Truth:
    """Combine the answers of clauses, by their ids, as a term does."""
    if isinstance(term, Clause):
        return answers[term.id]
    parts = [combine(one, answers) for one in term.of]
    if term.how == "at_least":
        return count(parts, term.n)
    return reduce(operator.and_ if term.how == "all" else operator.or_, parts)

"""One clause of a criteria set at many limits: how far a grade rests on the number."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from ncs_cb.errors import StudyError, did_you_mean
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, Group, Rule, Term, leaves


def variants(
    sets: Sequence[CriteriaSet], vary: Mapping[str, Sequence[float]]
) -> list[tuple[float, CriteriaSet]]:
    """Give each set that asks a clause once per value of that clause, value by value.

    Parameters
    ----------
    sets : sequence of CriteriaSet
    vary : mapping of str to sequence of float
        One clause, by its id, and the limits to put in its place.

    Raises
    ------
    StudyError
        If not exactly one clause is named, none of the sets asks it, or it is not given one or more
        finite limits.
    """
    if not isinstance(vary, Mapping):
        raise StudyError(
            "vary: must name a clause and its limits.",
            hint='Give for example {"area_50": [30, 40, 50]}.',
        )
    if len(vary) != 1:
        raise StudyError(f"vary names {len(vary)} clauses; it takes one.")
    ((name, values),) = vary.items()
    mine = [one for one in sets if name in numeric_clauses(one)]
    if not mine:
        known = sorted({clause for one in sets for clause in numeric_clauses(one)})
        raise StudyError(
            f"no clause '{name}' with a limit in these sets; known: {', '.join(known)}."
            + did_you_mean(name, known)
        )
    limits = _limits(name, values)
    return [(limit, _with(one, name, limit)) for limit in limits for one in mine]


def clauses_named(one: CriteriaSet, name: str) -> list[Clause]:
    """Give every clause of that id that has a limit."""
    terms = [one.entry, *(rule.term for rule in (*one.rules, *one.dispersion))]
    return [
        c for t in terms for c in leaves(t) if c.id == name and c.op != "is" and c.kind == "column"
    ]


def is_one_question(asked: Sequence[Clause]) -> bool:
    """Tell whether clauses ask the same, so that they have one answer."""
    return len({(c.subject, c.op, c.value, c.percent_of, c.uncertain_from) for c in asked}) == 1


def _limits(name: str, values: object) -> list[float]:
    """Give the limits to try; a single number, none at all, or one that is none is refused."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise StudyError(
            f"vary: {str(values)[:120]!r} for '{name}'; it takes a list of limits.",
            hint=f'Give for example {{"{name}": [30, 40, 50]}}.',
        )
    limits = [_limit(value) for value in values]
    if not limits:
        raise StudyError(
            f"vary: no limit for '{name}'; it takes one or more.",
            hint=f'Give for example {{"{name}": [30, 40, 50]}}.',
        )
    return limits


def _limit(value: object) -> float:
    # numbers.Real: also those of numpy. A truth value is one of them, and no limit.
    if isinstance(value, bool) or not isinstance(value, Real) or not _is_finite(value):
        raise StudyError(f"vary: {str(value)[:120]!r} is no limit; it must be a finite number.")
    return float(value)


def _is_finite(value: Any) -> bool:
    return bool(abs(value) <= sys.float_info.max)


def numeric_clauses(one: CriteriaSet) -> set[str]:
    """Name the clauses of a set whose limit is a number, which can be varied."""
    terms = [one.entry, *(rule.term for rule in (*one.rules, *one.dispersion))]
    return {c.id for term in terms for c in leaves(term) if c.op != "is" and c.kind == "column"}


def _with(one: CriteriaSet, name: str, limit: float) -> CriteriaSet:
    """Put the limit in; clauses that do not change stay the same objects, asked once for all."""

    def rules(given: Sequence[Rule]) -> tuple[Rule, ...]:
        return tuple(replace(rule, term=_group(rule.term, name, limit)) for rule in given)

    return replace(
        one,
        entry=_group(one.entry, name, limit),
        rules=rules(one.rules),
        dispersion=rules(one.dispersion),
    )


def _group(group: Group, name: str, limit: float) -> Group:
    return replace(group, of=tuple(_term(term, name, limit) for term in group.of))


def _term(term: Term, name: str, limit: float) -> Term:
    if isinstance(term, Clause):
        is_it = term.id == name and term.op != "is" and term.kind == "column"
        return replace(term, value=limit, uncertain_from=None) if is_it else term
    return _group(term, name, limit)

"""Judge segments by criteria sets, three-valued, with the evidence clause by clause.

Rules run over all segments at once. What is missing is unknown, and unknown never strengthens a
grade: ``not_excluded`` is the grade that would be found if every unknown clause held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.columns import SEGMENT_KEYS, conform
from ncs_cb.judging import truth
from ncs_cb.judging.evidence import EvidenceBook, in_full
from ncs_cb.judging.premises import Premises, premises, reasons
from ncs_cb.judging.rest import answering, recovered, without_crossing
from ncs_cb.judging.table import Segments, read_segments
from ncs_cb.judging.validity import Standing
from ncs_cb.judging.varying import clauses_named, is_one_question, variants
from ncs_cb.knowledge.criteria import (
    Clause,
    CriteriaSet,
    Group,
    Rule,
    Scope,
    Term,
    chosen,
    in_scope,
    leaves,
)
from ncs_cb.knowledge.reference import DEFAULT as DEFAULT_REFERENCE
from ncs_cb.knowledge.reference import LowerLimits, ReferenceSet, lower_amplitude_limits
from ncs_cb.model import Details, Said
from ncs_cb.quality import Findings

__all__ = ["evaluate", "judge", "side_by_side"]

Truths = pd.arrays.BooleanArray
_KEYS = (*SEGMENT_KEYS, "distal_site", "proximal_site")
_WORDS = (
    "criteria",
    "conduction_block",
    "grade_by_numbers",
    "technical_validity",
    "not_excluded",
)
_NOT_ASKED = ("duration_increase_pct", "total_duration_increase_pct")


def judge(
    segments: pd.DataFrame,
    criteria: Sequence[str | Path | CriteriaSet] | str | Path | CriteriaSet | None = None,
    *,
    reference: str | Path | ReferenceSet = DEFAULT_REFERENCE,
    details: Mapping[str, Details] | None = None,
    checks: pd.DataFrame | Findings | None = None,
    vary: Mapping[str, Sequence[float]] | None = None,
) -> pd.DataFrame:
    """Grade every adjacent segment by every criteria set.

    Parameters
    ----------
    segments : DataFrame
        The ``segments`` table, or one typed in: ``nerve`` and ``segment`` (such as
        ``wrist-below_elbow``, ids of the anatomy) and whatever numbers there are; also
        ``supramaximal``, whether both stimuli were. A missing column or value is unknown. Rows
        with ``is_adjacent`` false are left out.
    criteria : sequence of str, Path or CriteriaSet, optional
        Ids of shipped sets or paths of a laboratory's own; ``criteria.DEFAULT`` when not given.
    reference : str, Path or ReferenceSet
        Normal limits for gates that are a share of the lower limit; where the set has no value
        ``aanem_2016`` and then ``preston_shapiro`` answer.
    details : mapping of study id to Details, optional
        Age and sex, for limits that depend on them.
    checks : DataFrame or Findings, optional
        The ``checks`` table, or what the checks found of these segments: a flag that was looked
        for and not found counts as cleared and not as unknown, and the technical premises of a
        grade are taken from it.
    vary : mapping of str to sequence of float, optional
        One clause by its id, such as ``area_50``, and the limits to judge by in its place.

    Returns
    -------
    DataFrame
        The ``verdicts`` table: one row per segment and set, segment by segment. With `vary`, once
        per limit and for the sets that ask the clause, with a further column ``varied`` and
        without evidence.

    Raises
    ------
    TableError
        If a criteria or reference set is unknown or malformed.
    StudyError
        If a nerve, site, segment or number of the table is not understood.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"nerve": ["median"], "muscle": ["apb"], "segment": ["wrist-elbow"],
    ...     "distal_amplitude_mv": [10.0], "area_reduction_pct": [50.0],
    ...     "duration_increase_pct": [100 * (7.15 / 5.5 - 1)]})
    >>> judge(table, "efns_pns_2010")["conduction_block"].item()
    'definite'
    """
    sets = chosen(criteria)
    if vary is not None:
        facts, found = _read(segments, reference, details, checks)
        return _varied(variants(sets, vary), next(iter(vary)), facts, found)
    told = judge_in_short(segments, sets, reference=reference, details=details, checks=checks)
    return written_out(told)


def written_out(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Give verdicts with their evidence in full, as a result holds it."""
    cells = np.full(len(verdicts), None, dtype=object)
    for at, one in enumerate(verdicts["evidence"].tolist()):
        cells[at] = in_full(one)
    return verdicts.assign(evidence=cells)


def judge_in_short(
    segments: pd.DataFrame,
    sets: Sequence[CriteriaSet],
    *,
    reference: str | Path | ReferenceSet = DEFAULT_REFERENCE,
    details: Mapping[str, Details] | None = None,
    checks: pd.DataFrame | Findings | None = None,
) -> pd.DataFrame:
    """Judge as :func:`judge` does; each cell of evidence is an :class:`~ncs_cb.model.Evidence`.

    An archive has hundreds of rows of evidence per study; only of a result are they read.
    """
    facts, found = _read(segments, reference, details, checks)
    table = facts.table
    told = reasons(found, looked=checks is not None)
    judged = [_judge_by(one, facts, found, told) for one in sets]
    if not judged or not len(table):
        return conform(pd.DataFrame(columns=["criteria"]), "verdicts")
    # Segment by segment: what each set says of it stands together.
    rows = np.repeat(np.arange(len(table)), len(sets))
    columns: dict[str, Any] = {
        name: pd.array(table.texts[name], dtype="string").take(rows) for name in _KEYS
    }
    for name in judged[0]:
        cells = np.stack([one[name] for one in judged], axis=1).ravel()
        columns[name] = pd.array(cells, dtype="string") if name in _WORDS else cells
    return conform(columns, "verdicts")


def _read(
    segments: pd.DataFrame,
    reference: str | Path | ReferenceSet,
    details: Mapping[str, Details] | None,
    checks: pd.DataFrame | Findings | None,
) -> tuple[_Facts, Premises]:
    """Read what clauses ask about, and what is known of the technique."""
    table = read_segments(segments)
    limits = lower_amplitude_limits(table.texts, reference, details)
    found = premises(table, checks, segments)
    table = answering(table, found.silent)
    return _Facts(table, limits, checks, found.complete), found


def _varied(
    many: Sequence[tuple[float, CriteriaSet]], name: str, facts: _Facts, found: Premises
) -> pd.DataFrame:
    """Judge by every variant: a grade depends on a clause by its three answers alone."""
    keys = pd.DataFrame({name: pd.array(facts.table.texts[name], dtype="string") for name in _KEYS})
    if not many or not len(keys):
        return conform(pd.DataFrame(columns=["criteria"]), "verdicts").assign(varied=np.nan)
    answered: dict[str, list[dict[str, Any]]] = {}
    parts = []
    for _, one in many:
        asked = clauses_named(one, name)
        if not is_one_question(asked) or found.is_seen_twice():
            parts.append(_grades(one, facts, found))
            continue
        if one.id not in answered:
            answered[one.id] = [_forced(one, asked, to, facts, found) for to in (False, True, None)]
        answer = _compare(asked[0], facts)
        code = np.where(answer.isna(), 2, answer.to_numpy(bool, na_value=False))
        parts.append(
            {
                key: np.choose(code, [one[key] for one in answered[one.id]], mode="raise")
                for key in answered[one.id][0]
            }
        )
    n = len(keys)
    columns: dict[str, Any] = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
    columns["temporal_dispersion"] = pd.array(columns["temporal_dispersion"], dtype="boolean")
    together = pd.concat([keys] * len(many), ignore_index=True).assign(
        criteria=np.repeat([one.id for _, one in many], n),
        **columns,
        evidence=pd.Series([[] for _ in range(n * len(many))], dtype="object"),
    )
    return conform(together, "verdicts").assign(varied=np.repeat([v for v, _ in many], n))


def _forced(
    one: CriteriaSet, asked: Sequence[Clause], to: bool | None, facts: _Facts, found: Premises
) -> dict[str, Any]:
    """Give the grades if a clause held in every segment, in none, or were unknown in all."""
    answer = truth.unknown(len(facts))
    if to is not None:
        answer[:] = to
    forced = replace(facts, answers={**facts.answers, **{id(clause): answer for clause in asked}})
    return _grades(one, forced, found)


def _grades(one: CriteriaSet, facts: _Facts, found: Premises) -> dict[str, Any]:
    stands, by_numbers, _ = _standing(one, facts, found, [[] for _ in range(len(facts))])
    return {
        "conduction_block": stands.grade,
        "grade_by_numbers": by_numbers,
        "technical_validity": np.asarray(stands.technical_validity(), dtype=object),
        "not_excluded": stands.left_open,
        "temporal_dispersion": np.asarray(_dispersion(one, facts, found), dtype=object),
        "extrapolated": _extrapolated(one, facts.table),
    }


@dataclass(frozen=True, slots=True)
class _Facts:
    """What clauses about segments are evaluated on."""

    table: Segments
    limits: LowerLimits
    checks: pd.DataFrame | Findings | None
    complete: np.ndarray[Any, Any]
    answers: dict[int, Truths] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)


def evaluate(term: Term, facts: _Facts) -> Truths:
    """Evaluate a clause, or clauses combined, on every segment."""
    if isinstance(term, Clause):
        return _clause(term, facts)
    parts = [evaluate(one, facts) for one in term.of]
    if term.how == "at_least":
        return truth.at_least(term.n, parts)
    # Nothing asked of a gate is a gate that lets everything through.
    total = truth.compared(np.zeros(len(facts)), "ge", 0.0) if not parts else parts[0]
    for part in parts[1:]:
        total = total & part if term.how == "all" else total | part  # type: ignore[operator]
    return total


def _clause(clause: Clause, facts: _Facts) -> Truths:
    """Evaluate one clause, once for grade and evidence."""
    if id(clause) not in facts.answers:
        facts.answers[id(clause)] = _compare(clause, facts)
    return facts.answers[id(clause)]


def _compare(clause: Clause, facts: _Facts) -> Truths:
    if clause.kind == "flag":
        raised = facts.table.flag(clause.subject, facts.checks)
        return raised if clause.value else ~raised
    if clause.op == "is":
        known = facts.table.boolean(clause.subject)
        return known if clause.value else ~known
    values = facts.table.number(clause.subject)[0]
    low, high = limits_of(clause, facts.limits)
    answer = truth.between(values, clause.op, low, high)
    if clause.subject in _NOT_ASKED and facts.complete.any():
        # A response that is not there has no duration: complete block is graded without it.
        answer[facts.complete] = clause.op in ("lt", "le")
    return answer


def limits_of(
    clause: Clause, limits: LowerLimits
) -> tuple[float | np.ndarray[Any, Any], float | np.ndarray[Any, Any]]:
    """Give the two numbers between which the limit of a clause lies; NaN where it is unknown."""
    if clause.value is None:
        return np.nan, np.nan
    if clause.percent_of:
        share = float(clause.value) / 100.0
        return share * limits.low, share * limits.high
    other = clause.value if clause.uncertain_from is None else clause.uncertain_from
    return float(clause.value), float(other)


def _standing(
    one: CriteriaSet, facts: _Facts, found: Premises, told: Sequence[Sequence[Said]]
) -> tuple[Standing, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give what stands of the grades, the grades by numbers alone, and where the set has a rule."""
    table = facts.table
    by_numbers, left_open, covered = _by_rules(one, facts)
    stands = Standing(
        one,
        table,
        found,
        by_numbers.copy(),
        left_open,
        np.zeros(len(facts), dtype=bool),
        [list(rows) for rows in told],
    )
    rest = without_crossing(table, found.crossing, found.crossing_area)
    if rest is not None:
        stands.crossing(_by_rules(one, replace(facts, table=rest, answers={}))[:2])
    stands.gate(facts.limits)
    stands.healthy_fall()
    stands.foreign_muscle()
    stands.erb()
    back = recovered(table, found.against)
    if back is not None:
        seen = replace(facts, table=back, answers={}, complete=np.zeros(len(facts), dtype=bool))
        stands.recovery(_by_rules(one, seen)[1])
    stands.order()
    stands.technique()
    stands.larger()
    return stands, by_numbers, covered


def _judge_by(
    one: CriteriaSet, facts: _Facts, found: Premises, told: Sequence[Sequence[Said]]
) -> dict[str, np.ndarray[Any, Any]]:
    """Give the columns of one set's verdicts, a value per segment."""
    table = facts.table
    stands, by_numbers, covered = _standing(one, facts, found, told)
    extrapolated = _extrapolated(one, table)
    book = EvidenceBook(one, table, facts.limits)
    _write_rules(book, one, facts, covered)
    return {
        "criteria": np.full(len(facts), one.id, dtype=object),
        "conduction_block": stands.grade,
        "grade_by_numbers": by_numbers,
        "technical_validity": stands.technical_validity(),
        "not_excluded": stands.left_open,
        "temporal_dispersion": np.asarray(_dispersion(one, facts, found), dtype=object),
        "extrapolated": extrapolated,
        "evidence": book.evidence(extrapolated, covered, stands.rows),
    }


def _by_rules(
    one: CriteriaSet, facts: _Facts
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give grade and what is left open by the numbers alone, and where the set has a rule."""
    table = facts.table
    entry = evaluate(one.entry, facts)
    scopes = [_mask(rule.scope, one, table) for rule in one.rules]
    holds = [entry & evaluate(rule.term, facts) for rule in one.rules]
    certain = _strongest(one, scopes, [_known(both) for both in holds])
    possible = _strongest(one, scopes, [_open(both) for both in holds])
    covered = np.logical_or.reduce(scopes) if scopes else np.zeros(len(facts), dtype=bool)
    words = np.array([*one.grades, "none"], dtype=object)
    excluded = ~_open(entry)
    # A gate that is neither passed nor failed leaves open whether the segment can be judged.
    settled = (certain < len(one.grades)) | ((possible == len(one.grades)) & _known(entry))
    grade = np.where(settled, words[np.minimum(certain, len(one.grades))], "undetermined")
    left_open = words[np.minimum(possible, len(one.grades))]
    # A compression site is ruled out even where the set has no other rule for the segment.
    uncovered = ~covered & ~(excluded & _known(table.boolean("is_entrapment_site")))
    for word, mask in (("excluded", excluded), ("not_covered", uncovered)):
        grade, left_open = (np.where(mask, word, x) for x in (grade, left_open))
    return grade, left_open, covered


def _write_rules(
    book: EvidenceBook, one: CriteriaSet, facts: _Facts, covered: np.ndarray[Any, Any]
) -> None:
    _write(book, None, one.entry, covered, facts)
    for rule in one.rules:
        _write(book, rule, rule.term, _mask(rule.scope, one, facts.table), facts)


def _write(
    book: EvidenceBook, rule: Rule | None, term: Group, mask: np.ndarray[Any, Any], facts: _Facts
) -> None:
    for clause in leaves(term):
        low, high = limits_of(clause, facts.limits) if clause.op != "is" else (np.nan, np.nan)
        book.add(rule, clause, mask, _clause(clause, facts), low, high)


def _strongest(
    one: CriteriaSet, scopes: list[np.ndarray[Any, Any]], holds: list[np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    """Give the position of the strongest grade whose rule holds; the number of grades if none."""
    best = np.full(len(scopes[0]) if scopes else 0, len(one.grades))
    for rule, scope, hold in zip(one.rules, scopes, holds, strict=True):
        best = np.where(scope & hold, np.minimum(best, one.grades.index(rule.grade)), best)
    return best


def _known(term: Truths) -> np.ndarray[Any, Any]:
    """Select what is known to hold."""
    found: np.ndarray[Any, Any] = term.to_numpy(bool, na_value=False)
    return found


def _open(term: Truths) -> np.ndarray[Any, Any]:
    """Select what holds or may hold."""
    found: np.ndarray[Any, Any] = term.to_numpy(bool, na_value=True)
    return found


def _mask(scope: Scope, one: CriteriaSet, table: Segments) -> np.ndarray[Any, Any]:
    return table.of_kind(lambda *kind: in_scope(scope, one, *kind))


def _dispersion(one: CriteriaSet, facts: _Facts, found: Premises) -> Truths:
    answer = truth.unknown(len(facts))
    for rule in one.dispersion:
        mask = _mask(rule.scope, one, facts.table)
        holds = evaluate(rule.term, facts)
        answer[mask] = holds[mask]
    answer[found.incomparable | found.against.order | found.against.narrow] = pd.NA
    return answer


def _extrapolated(one: CriteriaSet, table: Segments) -> np.ndarray[Any, Any]:
    named = table.of_kind(
        lambda nerve, distal, proximal: (
            (not one.named_nerves or nerve in one.named_nerves)
            and (not one.named_segments or f"{distal}-{proximal}" in one.named_segments)
        )
    )
    extrapolated: np.ndarray[Any, Any] = ~named | table.ends_at("erb")
    return extrapolated


def side_by_side(verdicts: pd.DataFrame, column: str = "conduction_block") -> pd.DataFrame:
    """Set the criteria sets side by side: one row per segment, one column per set.

    Parameters
    ----------
    verdicts : DataFrame
        As :func:`judge` gives it.
    column : str
        What to show: ``conduction_block``, ``not_excluded``, ``temporal_dispersion`` or
        ``extrapolated``.

    Returns
    -------
    DataFrame
        The columns that name the segment, then one column per criteria set, in order.
    """
    keys = [*SEGMENT_KEYS]
    number = verdicts.groupby(keys, dropna=False, sort=False).ngroup()
    rows = verdicts.loc[~number.duplicated(), keys].reset_index(drop=True)
    for name in dict.fromkeys(verdicts["criteria"]):
        mine = verdicts["criteria"] == name
        cells = verdicts.loc[mine, column].set_axis(number[mine])
        rows[name] = cells[~cells.index.duplicated()].reindex(rows.index)
    return rows

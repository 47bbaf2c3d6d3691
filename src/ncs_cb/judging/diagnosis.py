"""From verdicts, sensory studies and clinical findings to the category of each criteria set.

Three-valued throughout: a missing item never strengthens a category, and nerves that were not
examined keep a stronger category open. "No block found" is never "MMN excluded".
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from ncs_cb.judging.conclusion_tables import Concluded, table
from ncs_cb.judging.examined import Examined, examined
from ncs_cb.judging.picture import (
    Judged,
    Nerve,
    NerveRules,
    Picture,
    as_judged,
    combine,
    months_at_most,
    without_values,
)
from ncs_cb.judging.rows import gather
from ncs_cb.judging.sensory import (
    all_normal,
    routine,
    through,
)
from ncs_cb.judging.truth import Truth, count, holds
from ncs_cb.judging.validity import ATTESTED, NOT_ATTESTED
from ncs_cb.knowledge import set_words
from ncs_cb.knowledge.anatomy import anatomy, position, routine_nerves
from ncs_cb.knowledge.criteria import Clause, CriteriaSet, chosen, leaves
from ncs_cb.knowledge.reference import DEFAULT as DEFAULT_REFERENCE
from ncs_cb.knowledge.reference import ReferenceSet, chain
from ncs_cb.model import Details
from ncs_cb.vocabulary import GRADES
from ncs_cb.wording.conclusions import Ask, Conclusion, Stretch

Criteria = Sequence[str | Path | CriteriaSet] | str | Path | CriteriaSet | None

_JUDGED = (*GRADES, "none")
_OF_BLOCK = ("block", "definite_block")
_DURATION = "clinical.weakness_duration_months"


def conclude(
    verdicts: pd.DataFrame,
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    f_waves: pd.DataFrame,
    details: Mapping[str, Details],
    *,
    criteria: Criteria = None,
    reference: str | Path | ReferenceSet = DEFAULT_REFERENCE,
) -> pd.DataFrame:
    """Give the category of every study by every criteria set that defines categories.

    Parameters
    ----------
    verdicts : DataFrame
        As :func:`ncs_cb.judging.verdicts.judge` gives it for the same criteria.
    segments, traces, f_waves : DataFrame
        The tables of those names; sensory recordings are taken from `traces`.
    details : mapping of study id to Details
        What ``study.toml`` says; absent is unknown.
    criteria, reference
        As in :func:`ncs_cb.judging.verdicts.judge`. Sets without categories give no row.

    Returns
    -------
    DataFrame
        The ``diagnosis`` table, study by study.
    """
    rows = gather(verdicts, segments, traces, f_waves, details)
    return table(conclusions(examined(rows, details, chain(reference)), criteria=criteria))


def conclusions(visits: Sequence[Examined], *, criteria: Criteria = None) -> Concluded:
    """Give what :func:`conclude` tables as objects, to be explained in any language.

    Most visits of an archive look like others to a set: these share one conclusion.
    """
    sets = [one for one in chosen(criteria) if one.categories]
    signs = [NerveRules(made).signs(visits) for made in sets]
    found: list[tuple[str, Conclusion]] = []
    known: dict[tuple[int, Picture], Conclusion] = {}
    for number, visit in enumerate(visits):
        told = tuple(visit.details.findings.items())
        months, studies = months_at_most(visit.details), without_values(visit.studies)
        trapped = frozenset((one.nerve, one.side) for one in visit.traps)
        for place, made in enumerate(sets):
            verdicts = tuple(map(as_judged, visit.verdicts.get(made.id, ())))
            nerves = signs[place][number]
            key = place, Picture(told, months, verdicts, nerves, studies, trapped)
            if key not in known:
                known[key] = _conclude_one(made, key[1])
            found.append((visit.study_id, known[key]))
    return tuple(found)


def _conclude_one(made: CriteriaSet, visit: Picture) -> Conclusion:
    answers = {c.id: _answer(c, made, visit) for c in made.category_leaves()}
    where = _unexamined(made, visit.verdicts)
    # Nerves and segments that nobody examined may carry what the examined ones do not.
    beyond = {
        c.id: pd.NA
        if answers[c.id] is False and c.kind in ("block", "signs") and where
        else answers[c.id]
        for c in made.category_leaves()
    }
    category, not_excluded = _category(made, answers, beyond)
    ids = {
        word: tuple(key for key, one in answers.items() if one is wanted)
        for word, wanted in (("met", True), ("not_met", False), ("missing", pd.NA))
    }
    grades = [row.block for row in visit.verdicts]
    seen = [grade for grade in grades if grade in _JUDGED]
    return Conclusion(
        set_words.of_criteria(made),
        category,
        not_excluded,
        ids["met"],
        ids["not_met"],
        ids["missing"],
        _relevant(made, answers, category),
        _asks(made, visit, answers, beyond, category),
        any(grade in made.grades for grade in seen) if seen else None,
        where,
        _is_suspected(made, visit),
        *_granted(made, visit, answers, not_excluded),
        exempt=_exempt(made, visit),
    )


def _granted(
    made: CriteriaSet, visit: Picture, found: Mapping[str, Truth], not_excluded: str
) -> tuple[str, tuple[str, ...]]:
    """Give the category if every stimulus were attested, and what else is lacking then."""
    answers, granted = found, visit
    if any(row.validity == NOT_ATTESTED and row.block in made.grades for row in visit.verdicts):
        rows = tuple(row._replace(validity=ATTESTED) for row in visit.verdicts)
        # Only block and its signs depend on the stimuli; the others are as they were found.
        signs = {name: seen for name, seen in visit.signs.items() if name not in _OF_BLOCK}
        granted = replace(visit, verdicts=rows, signs=signs)
        of_block = (c for c in made.category_leaves() if c.kind in ("block", "signs"))
        answers = {**found, **{c.id: _answer(c, made, granted) for c in of_block}}
    routes = [route for route in made.category_routes if route.id == not_excluded]
    wanted = [c for r in routes for c in leaves(r.term)]
    lacking = {word for c in wanted if answers[c.id] is pd.NA for word in _lacking(c, granted)}
    blocks = [c for c in wanted if c.kind == "block"]
    if blocks and all(answers[c.id] is False for c in blocks):
        # Only block elsewhere can make it the stronger category.
        lacking.add("nerves")
        if any(_is_sensory_open(replace(c, grades=made.grades), granted) for c in blocks):
            lacking.add("sensory")
    return _category(made, answers, answers)[0], tuple(sorted(lacking))


def _exempt(made: CriteriaSet, visit: Picture) -> tuple[Nerve, ...]:
    """Give the nerves of the legs whose block counts without sensory conduction through it."""
    asked = [c for c in made.category_leaves() if c.kind == "block" and c.through_block]
    blocked = [
        row.nerve
        for row in visit.verdicts
        if any(_graded(row, c.grades) is True for c in asked) and _is_leg(row)
    ]
    return tuple(dict.fromkeys(blocked))


def _is_leg(row: Judged) -> bool:
    """Tell whether a segment lies in the leg, where the sets ask for no sensory conduction."""
    return anatomy().nerves[row.nerve[0]].limb == "leg"


def _lacking(clause: Clause, visit: Picture) -> Iterator[str]:
    """Name what an unknown clause waits for."""
    if clause.kind == "finding":
        yield "clinical" if clause.subject.startswith("clinical.") else "supportive"
    elif clause.kind == "sensory" or _is_sensory_open(clause, visit):
        yield "sensory"
    elif clause.kind == "block":
        yield "segments"


def _is_sensory_open(clause: Clause, visit: Picture) -> bool:
    """Tell whether sensory conduction through a block that a clause counts is unknown."""
    return clause.through_block and any(
        _graded(row, clause.grades) is True and _sensory_through(clause, row, visit) is pd.NA
        for row in visit.verdicts
    )


def _is_suspected(made: CriteriaSet, visit: Picture) -> bool:
    """Tell whether anything found, or any complaint, points to the disease."""
    found = any(
        row.block in made.grades
        or (row.block == "undetermined" and row.not_excluded in made.grades)
        or row.dispersion is True
        for row in visit.verdicts
    )
    told = visit.findings
    weak = told.get("clinical.motor_nerve_territories_involved")
    return found or any(one is True for one in told.values()) or bool(weak)


def _relevant(made: CriteriaSet, answers: Mapping[str, Truth], category: str) -> tuple[str, ...]:
    """Give the clauses that explain a category: its own, and those of the stronger ones."""
    order = made.categories
    limit = order.index(category) if category in order else len(order)
    routes = [
        route
        for route in made.category_routes
        if order.index(route.id) < limit
        or (route.id == category and combine(route.term, answers) is True)
    ]
    return tuple(dict.fromkeys(c.id for route in routes for c in leaves(route.term)))


def _category(
    made: CriteriaSet, answers: Mapping[str, Truth], beyond: Mapping[str, Truth]
) -> tuple[str, str]:
    """Give the strongest category that is met, and the strongest that is left open."""
    met, still_open, unknown = "", "", False
    for route in sorted(made.category_routes, key=lambda one: made.categories.index(one.id)):
        answer = combine(route.term, answers)
        met = met or (route.id if answer is True else "")
        unknown = unknown or answer is pd.NA
        if not still_open and combine(route.term, beyond) is not False:
            still_open = route.id
    return met or ("undetermined" if unknown else "not_met"), still_open or "not_met"


def _answer(clause: Clause, made: CriteriaSet, visit: Picture) -> Truth:
    if clause.kind == "finding":
        value = visit.findings.get(clause.subject)
        if value is None and clause.subject == _DURATION:
            return _lasted(clause, visit.months)
        if value is None or clause.value is None:
            return pd.NA
        if clause.op == "is":
            return bool(value) == clause.value
        return holds(float(value), clause.op, float(clause.value))
    if clause.kind == "sensory":
        return all_normal(visit.sensory, clause.at_least)
    if not visit.verdicts and not visit.nerves:
        return pd.NA
    return _block(clause, visit) if clause.kind == "block" else _signs(clause, made, visit)


def _lasted(clause: Clause, months: float | None) -> Truth:
    """Compare the longest time that weakness may have lasted: it can only be too short."""
    if months is None or clause.value is None or clause.op not in ("gt", "ge"):
        return pd.NA
    return False if holds(months, clause.op, float(clause.value)) is False else pd.NA


def _block(clause: Clause, visit: Picture) -> Truth:
    """Count nerves or segments with block; unknown when no segment could be judged."""
    if not any(row.block in _JUDGED for row in visit.verdicts):
        return pd.NA
    answers: dict[Any, Truth] = {}
    for number, row in enumerate(visit.verdicts):
        key = number if clause.per == "segments" else row.nerve
        answer = _graded(row, clause.grades)
        if clause.through_block and answer is not False:
            answer = answer & _sensory_through(clause, row, visit)
        answers[key] = answers.get(key, False) | answer
    return count(answers.values(), clause.at_least)


def _graded(row: Judged, grades: tuple[str, ...]) -> Truth:
    """Tell whether a segment has block; a grade stands when its stimuli are attested."""
    if row.block in grades:
        return pd.NA if row.validity == NOT_ATTESTED else True
    return pd.NA if row.not_excluded in grades else False


def _sensory_through(clause: Clause, row: Judged, visit: Picture) -> Truth:
    """Tell whether sensory conduction through a segment is normal, where the set asks for it."""
    nerve, side = row.nerve
    if _is_leg(row):
        return True
    if row.proximal_site == "erb" and not clause.sensory_above_axilla:
        return True
    ends = (position(nerve, site) for site in (row.distal_site, row.proximal_site))
    spanned = through(visit.sensory, nerve, side, *ends)
    if spanned is pd.NA and row.proximal_site == "erb":
        # Nobody measures sensory conduction there: the routine studies count, as policy.
        return routine(visit.sensory, nerve, side)
    if (
        spanned is pd.NA
        and row.nerve not in visit.trapped
        and routine(visit.sensory, nerve, side) is False
    ):
        # Nobody looked there, but fibers of the nerve are lost or slow, and no entrapment is why.
        return False
    return spanned


def _signs(clause: Clause, made: CriteriaSet, visit: Picture) -> Truth:
    """Count nerves with signs; with ``and_elsewhere``, ask for others in another nerve."""
    here = _any_sign(clause.names, made, visit)
    if not any(isinstance(one, bool) for one in here.values()):
        return pd.NA
    enough = count(here.values(), clause.at_least)
    if not clause.others:
        return enough
    there = _any_sign(clause.others, made, visit)
    pairs = [a & b for one, a in here.items() for other, b in there.items() if one != other]
    return enough & reduce(operator.or_, pairs, False)


def _any_sign(names: Iterable[str], made: CriteriaSet, visit: Picture) -> dict[Nerve, Truth]:
    answers: dict[Nerve, Truth] = {}
    for name in names:
        if name not in visit.signs:
            visit.signs[name] = _sign(name, made, visit)
        for nerve, answer in visit.signs[name].items():
            answers[nerve] = answers.get(nerve, False) | answer
    return answers


def _sign(name: str, made: CriteriaSet, visit: Picture) -> dict[Nerve, Truth]:
    """Tell in which nerves one sign is seen."""
    answers: dict[Nerve, Truth] = {}

    def add(nerve: Nerve, answer: Truth) -> None:
        answers[nerve] = answers.get(nerve, False) | answer

    if name in _OF_BLOCK:
        grades = made.grades if name == "block" else ("definite",)
        for row in visit.verdicts:
            add(row.nerve, _graded(row, grades))
    elif name == "dispersion":
        for row in visit.verdicts:
            ruled_out = row.block == "excluded"
            add(row.nerve, False if ruled_out else row.dispersion)
    else:
        for nerve, told in visit.nerves:
            for rule, answer in told:
                if rule == name:
                    add(nerve, answer)
    return answers


def _unexamined(made: CriteriaSet, rows: Sequence[Judged]) -> tuple[Stretch, ...]:
    """Give the named nerves of both sides that were not judged all the way up."""
    reached: dict[Nerve, int] = {}
    for row in rows:
        if row.block in _JUDGED or row.block == "excluded":
            place = position(row.nerve[0], row.proximal_site)
            reached[row.nerve] = max(place, reached.get(row.nerve, 0))
    found = []
    for nerve in made.named_nerves or routine_nerves():
        sites = anatomy().nerves[nerve].sites
        for side in ("right", "left"):
            at = reached.get((nerve, side), reached.get((nerve, "")))
            if at is None:
                found.append(Stretch(nerve, side))
            elif at < len(sites) - 1:
                found.append(Stretch(nerve, side, sites[at]))
    # Nerves that were begun come first: they are the nearest to be completed.
    return tuple(sorted(found, key=lambda one: not one.above))


def _asks(
    made: CriteriaSet,
    visit: Picture,
    answers: Mapping[str, Truth],
    beyond: Mapping[str, Truth],
    category: str,
) -> tuple[Ask, ...]:
    """Give what would settle the open clauses of the categories stronger than the one found."""
    order = made.categories
    limit = order.index(category) if category in order else len(order)
    wanted = [
        c
        for route in made.category_routes
        if order.index(route.id) < limit and combine(route.term, beyond) is not False
        for c in leaves(route.term)
    ]
    asks: list[Ask] = []
    for clause in {c.id: c for c in wanted}.values():
        if clause.kind == "block" and answers[clause.id] is not True:
            asks += _block_asks(clause, visit, made)
        elif answers[clause.id] is pd.NA:
            asks.append(Ask("clause", clause.id))
    return tuple(dict.fromkeys(asks))


def _block_asks(clause: Clause, visit: Picture, made: CriteriaSet) -> list[Ask]:
    asks = []
    for row in visit.verdicts:
        answer = _graded(row, clause.grades)
        nerve, side = row.nerve
        stretch: dict[str, Any] = {
            "nerve": nerve,
            "side": side,
            "distal_site": row.distal_site,
            "proximal_site": row.proximal_site,
        }
        if answer is pd.NA and made.enabled:
            asks += _segment_asks(row, stretch)
        asked = clause.through_block and answer is not False
        if asked and _sensory_through(clause, row, visit) is pd.NA:
            asks.append(Ask("sensory", **stretch))
    if not asks:
        asks.append(Ask("more" if visit.verdicts else "motor"))
    return asks


def _segment_asks(row: Judged, stretch: dict[str, Any]) -> list[Ask]:
    """Ask for what a segment's grade waits for: technique first, then missing numbers."""
    asks = [Ask("step", text=text, text_zh=text_zh, **stretch) for text, text_zh in row.steps]
    if row.unknown and not (asks and row.block == "undetermined"):
        asks.append(Ask("segment", unknown=row.unknown, **stretch))
    return asks

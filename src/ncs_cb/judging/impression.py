"""What a clinical neurophysiologist would dictate, as facts: at most eight statements, in order.

Technical limits, block, entrapment, axonal loss and slowing, sensory conduction, how it stands
with MMN, and the step that would decide. The words stand in the catalogs; what is here only
says which statement holds, of what, and on which numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.judging.fibers import (
    axonal,
    demyelinating,
    demyelinating_somewhere,
    fibers,
    has_normal_sensation,
    is_firm,
)
from ncs_cb.judging.gates import premise
from ncs_cb.judging.leading import leading_set
from ncs_cb.judging.limits import Norms, absent_distally, limited, other_answers
from ncs_cb.judging.normal import disagreeing, is_clear, unread
from ncs_cb.judging.rows import Gathered, nerve_of, visits_of
from ncs_cb.judging.seen import Row, Seen, looked_at, nerve_items, once, silent, studied
from ncs_cb.judging.sensory import sensory_studies
from ncs_cb.judging.statements import (
    block,
    entrapment,
    fallen,
    is_crossing_open,
    larger,
    sensory,
    technical,
    unexplained,
)
from ncs_cb.judging.unplaced import between_step, unplaced, unplaced_said
from ncs_cb.judging.validity import ATTESTED, NOT_ATTESTED, REFUTED
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import DEFAULT as DEFAULT_REFERENCE
from ncs_cb.knowledge.reference import ReferenceSet, chain
from ncs_cb.model import Details
from ncs_cb.wording.conclusions import Conclusion
from ncs_cb.wording.impression import Statement, statement_words

LONGEST = 8
_WEAK = "clinical.progressive_asymmetric_limb_weakness"
_UPPER = "clinical.upper_motor_neuron_signs"


def impressions(
    rows: Gathered,
    details: Mapping[str, Details],
    concluded: Sequence[Conclusion],
    *,
    reference: str | Path | ReferenceSet = DEFAULT_REFERENCE,
    unassigned: Mapping[str, tuple[str, ...]] | None = None,
    left_out: Mapping[str, tuple[str, ...]] | None = None,
) -> pd.DataFrame:
    """Give the impression of every study.

    Parameters
    ----------
    rows : Gathered
        The rows of all tables.
    details : mapping of study id to Details
    concluded : sequence of Conclusion
        As :func:`ncs_cb.judging.diagnosis.conclusions` gives them.
    reference
        As in :func:`ncs_cb.judging.verdicts.judge`.
    unassigned : mapping of study id to tuple of str, optional
        Texts of stimuli that name no site.
    left_out : mapping of study id to tuple of str, optional
        Rows of tables that hold values and could not be read.

    Returns
    -------
    DataFrame
        Table ``statements``: at most eight lines per study, in the order in which they are said,
        in English and Chinese.
    """
    sets = chain(reference)
    norms, lines = Norms(sets), []
    by_visit = {(one.study_id, one.criteria.id): one for one in reversed(concluded)}
    for study_id in visits_of(rows, details):
        person, own = details.get(study_id, Details()), rows.verdicts.get(study_id, ())
        lead = leading_set(own)
        visit = Seen(
            person,
            tuple(row for row in own if row["criteria"] == lead),
            rows.segments.get(study_id, ()),
            rows.nerves.get(study_id, ()),
            sensory_studies(person, rows.sensory.get(study_id, ()), sets),
            sets,
            by_visit.get((study_id, lead)),
            (unassigned or {}).get(study_id, ()),
            tuple(_marks(study_id, rows, person, norms)),
            absent_distally(rows.traces.get(study_id, ())),
            left_out=(left_out or {}).get(study_id, ()),
        )
        for line, said in enumerate(statements(looked_at(visit)), start=1):
            lines.append(
                {
                    "study_id": study_id,
                    "line": line,
                    "topic": said.topic,
                    "case": said.case,
                    "text": statement_words(said, "en"),
                    "text_zh": statement_words(said, "zh"),
                }
            )
    return conform(pd.DataFrame(lines), "statements")


def _marks(study_id: str, rows: Gathered, person: Details, norms: Norms) -> Iterator[Row]:
    """Give the motor values of a visit that have a limit of normal, with where they lie."""
    for name, table in (("traces", rows.traces), ("segments", rows.segments)):
        own = table.get(study_id, ())
        for place, column, norm, answer in limited(name, own, person, norms):
            yield {
                **own[place],
                "column": column,
                "limit": norm.limit.value,
                "set_id": norm.limit.set_id,
                "is_outside": answer,
                "others": other_answers(norm, own[place][column], answer),
            }


# ------------------------------------------------------------------ the statements


def statements(visit: Seen) -> tuple[Statement, ...]:
    """Give what is to be said of a visit, in order, at most :data:`LONGEST` statements."""
    if not (visit.verdicts or visit.nerves or visit.studies or visit.unassigned):
        return (Statement("normal", "nothing"),)
    clear = is_clear(visit)
    lacking = tuple(unread(visit, flagged=not clear))
    if clear and not lacking:
        return tuple(_normal(visit))
    found = [
        *technical(visit),
        *lacking,
        *block(visit),
        *entrapment(visit),
        *unplaced_said(visit),
        *fibers(visit),
        *(_unlimited(visit) if not visit.marks else ()),
        *disagreeing(visit),
        *sensory(visit),
        *_disease(visit),
        *_step(visit, lacking),
    ]
    return tuple(found[: LONGEST - 1] + found[LONGEST - 1 :][-1:])


def _normal(visit: Seen) -> Iterator[Statement]:
    limited = {nerve_of(row) for row in visit.marks}
    told = [nerve for nerve in studied(visit) if nerve in limited]
    yield Statement("normal", "study", tuple(nerve_items(told)))
    yield from _unlimited(visit)
    yield from disagreeing(visit)
    if any(one.is_normal is True for one in visit.studies):
        yield from sensory(visit)
    yield from _category(visit, only_met=True)
    if visit.details.findings.get(_WEAK) is True:
        yield from _proximal(visit)


def _unlimited(visit: Seen) -> Iterator[Statement]:
    """Name the nerves that no reference set limits: nobody can call them normal."""
    limited = {nerve_of(row) for row in visit.marks}
    rest = [nerve for nerve in studied(visit) if nerve not in limited]
    if rest:
        yield Statement("normal", "no_limits", tuple(nerve_items(rest)))


# ---- 6 how it stands with MMN


@once
def _pattern(visit: Seen) -> str:
    """Name what the findings point to before MMN; empty when nothing does."""
    odd, slow = unexplained(visit), demyelinating(visit)
    blocked = bool(visit.graded())
    if blocked and odd and len(slow) < 2:
        return "lewis_sumner"
    if len(slow) > 1:
        return "cidp"
    if blocked and len(demyelinating_somewhere(visit)) > 1:
        return "cidp_block"
    if visit.details.findings.get(_UPPER) is True:
        return "upper"
    if not blocked and not visit.open_() and axonal(visit) and not odd:
        trapped = {(one.nerve, one.side) for one in visit.traps}
        lost = [nerve for nerve in axonal(visit) if nerve not in trapped]
        # One nerve that does not answer is a lesion of its own, or a stimulus off the nerve.
        if lost != silent(visit) and is_firm(lost, visit) and has_normal_sensation(lost, visit):
            return "motor_neuron" if len(lost) > 1 else "motor_neuron_one"
    return ""


def _disease(visit: Seen) -> Iterator[Statement]:
    pattern = _pattern(visit)
    if pattern:
        blocked = {nerve_of(row) for row in visit.graded()}
        is_one = pattern == "lewis_sumner" and blocked == set(unexplained(visit))
        case = f"{pattern}_one" if is_one and len(blocked) == 1 else pattern
        items = demyelinating_somewhere(visit) if pattern == "cidp_block" else ()
        yield Statement("disease", case, tuple(items))
    suspected = visit.graded() or visit.open_() or visit.details.findings.get(_WEAK) is True
    if suspected:
        yield from _category(visit, only_met=False)


def _category(visit: Seen, *, only_met: bool) -> Iterator[Statement]:
    found = visit.conclusion
    if found is None:
        return
    made = found.criteria
    values = {
        "criteria": made.id,
        "title": made.title,
        "title_zh": made.title_zh,
        "is_shipped": made.is_shipped,
    }
    if found.category in made.categories:
        label = made.categories[found.category]
        yield Statement(
            "disease",
            _met_case(visit, found),
            values=values
            | {
                "label": label.text,
                "label_zh": label.text_zh or label.text,
            },
        )
    elif only_met:
        return
    elif found.category == "not_met":
        yield Statement("disease", "not_met", values=values)
    elif _waits(visit) and found.if_attested in made.categories:
        label = made.categories[found.if_attested]
        yield Statement(
            "disease",
            "if_attested",
            values=values | {"label": label.text, "label_zh": label.text_zh or label.text},
        )
    else:
        yield _undecided(visit, found, values)


def _rests_on_crossing(visit: Seen) -> bool:
    """Tell whether an anastomosis that nobody looked for could explain every block."""
    return bool(visit.graded()) and all(is_crossing_open(row) for row in visit.graded())


def _met_case(visit: Seen, found: Conclusion) -> str:
    """Tell what a category that is reached rests on."""
    if _rests_on_crossing(visit):
        return "met_if_no_crossing"
    blocked = set(map(nerve_of, visit.graded()))
    return "met_leg" if blocked and blocked.issubset(found.exempt) else "met"


def _waits(visit: Seen) -> bool:
    """Tell whether a grade waits for the attestation of its stimuli."""
    return any(str(row["technical_validity"]) == NOT_ATTESTED for row in visit.graded())


def _undecided(visit: Seen, found: Conclusion, values: Mapping[str, Any]) -> Statement:
    """Say that no category can be given, which one is left open, and what it waits for."""
    if not (visit.graded() or visit.open_()):
        return Statement("disease", "unsupported", values=values)
    if found.not_excluded not in found.criteria.categories:
        return Statement("disease", "undetermined", values=values)
    label = found.criteria.categories[found.not_excluded]
    values = {**values, "label": label.text, "label_zh": label.text_zh or label.text}
    lacking = (*(("attestation",) if _waits(visit) else ()), *found.lacking)
    items = tuple({"kind": f"lacking_{one}"} for one in lacking)
    return Statement("disease", "open_for" if items else "open", items, values)


# ---- 7 the step that would decide


def _step(visit: Seen, lacking: tuple[Statement, ...]) -> Iterator[Statement]:
    """Give the one step that decides most: what spoils the technique comes first."""
    if visit.unassigned:
        yield Statement("step", "assign")
        return
    if visit.cold:
        yield Statement(
            "step",
            "warm",
            tuple(
                {"kind": "limb_only", "limb": f"{side}_{limb}"} for side, limb in sorted(visit.cold)
            ),
        )
        return
    told = _premise_step(visit, _SPOILING)
    pattern = _pattern(visit)
    if told is None and pattern:
        told = Statement("step", pattern)
    told = told or _premise_step(visit, _DOUBTING)
    yield from (told,) if told is not None else _step_of_findings(visit, lacking)


# Statements of slowing that no entrapment and no loss of fibers explains.
_SLOW = ("diffuse", "slow", "late", "f_late", "f_absent", "dispersed")


def _step_of_findings(visit: Seen, lacking: tuple[Statement, ...]) -> Iterator[Statement]:
    """Give the step that what was found asks for, where technique and pattern ask for none."""
    suspected = bool(visit.graded() or visit.open_())
    if silent(visit) and not suspected:
        yield Statement("step", "absent", tuple(nerve_items(silent(visit))))
    elif axonal(visit) and not visit.studies and not suspected:
        yield Statement("step", "sensory")
    elif visit.traps and not visit.graded():
        yield Statement("step", "entrapment")
    elif unplaced(visit):
        yield from between_step(visit)
    elif suspected and (asked := tuple(_asked(visit))):
        yield from asked
    elif visit.graded():
        yield from _step_of_block(visit)
    else:
        yield from _step_of_the_rest(visit, lacking)


def _step_of_the_rest(visit: Seen, lacking: tuple[Statement, ...]) -> Iterator[Statement]:
    """Give the step of findings that are neither block nor entrapment nor loss of fibers."""
    if rows := fallen(visit):
        weak = any(str(row["technical_validity"]) != ATTESTED for row in rows)
        items = tuple(nerve_items(map(nerve_of, rows)))
        yield Statement("step", "fallen" if weak else "compare", items)
    elif lacking:
        yield Statement("step", "unread")
    elif larger(visit):
        yield Statement("step", "larger")
    elif unexplained(visit):
        yield Statement("step", "sensory_more")
    elif any(said.case in _SLOW for said in fibers(visit)):
        yield Statement("step", "slow")
    elif visit.details.findings.get(_WEAK) is True:
        yield from _proximal(visit)


def _step_of_block(visit: Seen) -> Iterator[Statement]:
    """Give the step where block stands and its criteria set asks for nothing more."""
    blocked = set(map(nerve_of, visit.graded()))
    if len(blocked) == 1 and visit.conclusion is not None and not _is_met(visit.conclusion):
        yield Statement("step", "focal", tuple(nerve_items(blocked)))
    elif not visit.studies:
        yield Statement("step", "sensory_block")


def _is_met(found: Conclusion) -> bool:
    """Tell whether a category of its set was reached."""
    return found.category in found.criteria.categories


# What refutes or leaves open a grade, and the answers that do; then what only casts a doubt.
_SPOILING = (
    ("polarity_differs", (False,)),
    ("polarity_uncertain", (False,)),
    ("amplitude_implausible", (False,)),
    ("order", (False,)),
    ("recovery", (False,)),
    ("supramaximal", (False,)),
    ("filter_mismatch", (False,)),
    ("electrode_shift", (False,)),
    ("complete_block", (None,)),
    ("response", (None,)),
    ("supramaximal", (None,)),
    ("recent", (None,)),
)
_DOUBTING = (("complete_block", (True,)), ("martin_gruber", (False, True, None)), ("erb", (None,)))


def _premise_step(
    visit: Seen, wanted: tuple[tuple[str, tuple[bool | None, ...]], ...]
) -> Statement | None:
    """Give the next steps of the first premise that segments with block, open, or withheld have."""
    rows = [
        row
        for row in (*visit.open_(), *visit.graded(), *visit.verdicts)
        if str(row["technical_validity"]) == REFUTED
        or row in visit.graded()
        or row in visit.open_()
    ]
    for clause, answers in wanted:
        found = [premise(row, clause, holds=answer) for row in rows for answer in answers]
        steps = {one["next_step"]: one["next_step_zh"] for one in found if one is not None}
        items = tuple(
            {"kind": "said", "text": text, "text_zh": text_zh}
            for text, text_zh in steps.items()
            if text
        )
        if items:
            return Statement("step", "said", items)
    return None


def _asked(visit: Seen) -> Iterator[Statement]:
    """Give the first thing that the leading set asks for."""
    found = visit.conclusion
    if found is None:
        return
    order = {"sensory": 0, "segment": 1, "step": 1, "clause": 2}
    asks = sorted(found.asks, key=lambda one: order.get(one.kind, 3))
    if found.category != "definite" and asks:
        yield Statement("step", "asked", values={"ask": asks[0], "made": found.criteria})


def _proximal(visit: Seen) -> Iterator[Statement]:
    where = visit.conclusion.unexamined if visit.conclusion is not None else ()
    begun = {(one.nerve, one.side) for one in where if one.above}
    arms = [nerve for nerve in studied(visit) if anatomy().nerves[nerve[0]].limb == "arm"]
    if where:
        yield Statement("step", "proximal" if begun.intersection(arms) else "more")

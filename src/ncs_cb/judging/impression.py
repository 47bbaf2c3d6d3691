"""What a clinical neurophysiologist would dictate, as facts: at most eight statements, in order.

Technical limits, block, entrapment, axonal loss and slowing, sensory conduction, how it stands
with MMN, and the step that would decide. The words stand in the catalogs; what is here only
says which statement holds, of what, and on which numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.judging.conclusion_tables import Concluded
from ncs_cb.judging.entrapment import entrapments
from ncs_cb.judging.examined import Examined
from ncs_cb.judging.falls import beyond_health, disputed, falls, left_open
from ncs_cb.judging.fibers import (
    axonal,
    demyelinating,
    demyelinating_somewhere,
    f_waves,
    fibers,
    has_normal_sensation,
    is_firm,
)
from ncs_cb.judging.gates import premise
from ncs_cb.judging.labels import label_step, mislabeled, mislabeled_said
from ncs_cb.judging.leading import leading_set
from ncs_cb.judging.limits import Limited, Norms, absent_distally, limited
from ncs_cb.judging.normal import disagreeing, is_clear, unread
from ncs_cb.judging.rows import nerve_of
from ncs_cb.judging.seen import (
    Seen,
    cold,
    larger,
    nerve_items,
    once,
    segment_item,
    silent,
    studied,
    trapped,
)
from ncs_cb.judging.statements import (
    block,
    dispersed,
    entrapment,
    fallen,
    is_crossing_open,
    sensory,
    technical,
    unexplained,
    without_area,
)
from ncs_cb.judging.unplaced import between_step, fallen_unplaced, unplaced, unplaced_said
from ncs_cb.judging.validity import ATTESTED, NOT_ATTESTED, REFUTED
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.wording.conclusions import Conclusion
from ncs_cb.wording.impression import Statement, statement_words

LONGEST = 8
_WEAK = "clinical.progressive_asymmetric_limb_weakness"
_UPPER = "clinical.upper_motor_neuron_signs"


def impressions(
    visits: Sequence[Examined],
    concluded: Concluded,
    sets: tuple[ReferenceSet, ...],
    *,
    unassigned: Mapping[str, tuple[str, ...]] | None = None,
    left_out: Mapping[str, tuple[str, ...]] | None = None,
) -> pd.DataFrame:
    """Give the impression of every study.

    Parameters
    ----------
    visits : sequence of Examined
    concluded : sequence of study id and Conclusion
        As :func:`ncs_cb.judging.diagnosis.conclusions` gives them.
    sets : tuple of ReferenceSet
        Limits of normal, in the order in which they answer.
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
    by_visit = {(study_id, one.criteria.id): one for study_id, one in reversed(concluded)}
    marks, lines = _marks(visits, sets), []
    for visit in visits:
        lead = leading_set(visit.verdicts)
        own = visit.verdicts.get(lead, ())
        seen = Seen(
            visit.details,
            own,
            tuple(r for made, rows in visit.verdicts.items() if made != lead for r in rows),
            visit.segments,
            visit.nerves,
            visit.studies,
            sets,
            by_visit.get((visit.study_id, lead)),
            (unassigned or {}).get(visit.study_id, ()),
            (left_out or {}).get(visit.study_id, ()),
            marks[visit.study_id],
            absent_distally(visit.traces),
            entrapments(visit.segments, own, visit.nerves, visit.studies, visit.details),
        )
        lines += [
            (visit.study_id, line, said) for line, said in enumerate(statements(seen), start=1)
        ]
    return conform(
        {
            "study_id": [study_id for study_id, _, _ in lines],
            "line": [line for _, line, _ in lines],
            "topic": [said.topic for *_, said in lines],
            "case": [said.case for *_, said in lines],
            "text": [statement_words(said, "en") for *_, said in lines],
            "text_zh": [statement_words(said, "zh") for *_, said in lines],
        },
        "statements",
    )


def _marks(
    visits: Sequence[Examined], sets: tuple[ReferenceSet, ...]
) -> dict[str, tuple[Limited, ...]]:
    """Give the motor values of every visit that have a limit of normal."""
    norms, people = Norms(sets), {visit.study_id: visit.details for visit in visits}
    at_sites = {visit.study_id: visit.traces for visit in visits}
    between = {visit.study_id: visit.segments for visit in visits}
    sites = limited("traces", at_sites, people, norms)
    along = limited("segments", between, people, norms)
    return {key: (*sites.get(key, ()), *along.get(key, ())) for key in people}


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
        *mislabeled_said(visit),
        *technical(visit),
        *lacking,
        *block(visit),
        *falls(visit),
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
    known = {nerve_of(one.row) for one in visit.marks}
    told = [nerve for nerve in studied(visit) if nerve in known]
    between = set(map(nerve_of, visit.verdicts))
    yield Statement("normal", "study", tuple(nerve_items(n for n in told if n in between)))
    if single := [nerve for nerve in told if nerve not in between]:
        yield Statement("normal", "one_site", tuple(nerve_items(single)))
    yield from _unlimited(visit)
    yield from disagreeing(visit)
    if any(one.is_normal is True for one in visit.studies):
        yield from sensory(visit)
    yield from _category(visit, only_met=True)
    if visit.details.findings.get(_WEAK) is True:
        yield from _proximal(visit)


def _unlimited(visit: Seen) -> Iterator[Statement]:
    """Name the nerves that no reference set limits: nobody can call them normal."""
    known = {nerve_of(one.row) for one in visit.marks}
    rest = [nerve for nerve in studied(visit) if nerve not in known]
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
        lost = [nerve for nerve in axonal(visit) if nerve not in trapped(visit)]
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


def _is_doubtful(visit: Seen) -> bool:
    """Tell whether a fall stands that is no block by the leading set, and may be block."""
    return bool(
        disputed(visit) or left_open(visit) or beyond_health(visit) or fallen_unplaced(visit)
    )


def _undecided(visit: Seen, found: Conclusion, values: Mapping[str, Any]) -> Statement:
    """Say that no category can be given, which one is left open, and what it waits for."""
    if not (visit.graded() or visit.open_() or _is_doubtful(visit)):
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
    if mislabeled(visit):
        yield label_step(visit)
        return
    if cold(visit):
        yield Statement(
            "step",
            "warm",
            tuple(
                {"kind": "limb_only", "limb": f"{side}_{limb}"}
                for side, limb in sorted(cold(visit))
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
    elif without_area(visit):
        rows = tuple(segment_item("segment", row) for row in without_area(visit))
        yield Statement("step", "area", rows)
    elif suspected and (asked := tuple(_asked(visit))):
        yield from asked
    elif visit.graded():
        yield from _step_of_block(visit)
    else:
        yield from _step_of_the_rest(visit, lacking)


def _step_of_the_rest(visit: Seen, lacking: tuple[Statement, ...]) -> Iterator[Statement]:
    """Give the step of findings that are neither block nor entrapment nor loss of fibers."""
    doubtful = [*disputed(visit), *beyond_health(visit)]
    spread = dispersed(visit)
    if rows := [*fallen(visit), *(row for row in doubtful if nerve_of(row) not in spread)]:
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
        has_f = any(not math.isnan(row["f_minimum_latency_ms"]) for row in visit.nerves)
        yield Statement("step", "slow_with_f" if has_f or f_waves(visit) else "slow")
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
    ("supramaximal", (False,)),
    ("order", (False,)),
    ("recovery", (False,)),
    ("filter_mismatch", (False,)),
    ("electrode_shift", (False,)),
    ("complete_block", (None,)),
    ("response", (None,)),
    ("larger", (None,)),
    ("supramaximal", (None,)),
    ("recent", (None,)),
)
_DOUBTING = (("complete_block", (True,)), ("martin_gruber", (False, True, None)), ("erb", (None,)))


def _premise_step(
    visit: Seen, wanted: tuple[tuple[str, tuple[bool | None, ...]], ...]
) -> Statement | None:
    """Give the next steps of the first premise that segments with block, open, or withheld have."""
    refuted = (row for row in visit.verdicts if str(row["technical_validity"]) == REFUTED)
    rows = (*visit.open_(), *visit.graded(), *refuted)
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

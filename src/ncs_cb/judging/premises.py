"""What the technique of a segment lets anybody say: stimuli, anastomoses, filters, Erb's point.

Each premise is known to hold, known to be refuted, or unknown; the evidence says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.judging.answers import (
    CROSSINGS,
    REFUTING,
    Answer,
    answers_of,
    case_of,
    crossing_of,
    is_absent,
    is_balanced,
    is_incomparable,
    shares_of,
    state_of,
)
from ncs_cb.judging.contradictions import Contradictions, contradictions, none_of
from ncs_cb.judging.table import Segments
from ncs_cb.quality import Findings
from ncs_cb.wording.catalog import load as load_words
from ncs_cb.wording.checks import say
from ncs_cb.wording.conclusions import nerve_words, site_words
from ncs_cb.wording.premises import words_of

Array = np.ndarray[Any, Any]


Row = dict[str, Any]


# Endings of keys that hold the words of a language.
_ENDS = {"": "en", "_zh": "zh"}


_DENIED = ("denied", "no_plateau")


# What is left of a fall, beside the sentence that says so.
REST = ("rest_amplitude_pct", "rest_area_pct")


@dataclass(frozen=True, slots=True, eq=False)
class Premises:
    """What is known of the technique of each segment.

    Attributes
    ----------
    attested, denied_distal, denied_proximal : ndarray of bool
        Both stimuli supramaximal; the one or the other known to be submaximal.
    erb_attested : ndarray of bool
        Collision and supramaximal stimulation are attested at Erb's point.
    erb_collision : ndarray of bool
        Collision is attested there, whatever is known of the current.
    incomparable : ndarray of bool
        Filters, polarity or electrode differ between the two sites.
    complete, absent : ndarray of bool
        The proximal response is absent and counts as complete block; absent, and does not.
    silent : ndarray of bool
        Neither site gave a response.
    crossing, crossing_area : ndarray of float
        Share of the distal amplitude and area that reaches the muscle through another nerve.
    at_most, balanced : ndarray of bool
        The share is the most that may cross; distal equals proximal plus crossing.
    answers, places : list of dict
        What the checks found of each segment, and the words for where it lies.
    against : Contradictions
        What contradicts itself along each nerve.
    reasons : list of list of dict
        Evidence of each segment that is the same for every criteria set.
    """

    attested: Array
    denied_distal: Array
    denied_proximal: Array
    erb_attested: Array
    erb_collision: Array
    incomparable: Array
    complete: Array
    absent: Array
    silent: Array
    crossing: Array
    crossing_area: Array
    at_most: Array
    balanced: Array
    answers: list[dict[str, Answer]]
    places: list[dict[str, str]]
    against: Contradictions
    reasons: list[list[Row]] = field(default_factory=list)

    def is_seen_twice(self) -> bool:
        """Tell whether some segment is judged on other numbers beside its own."""
        return bool(np.isfinite(self.crossing).any()) or any(self.against.site)


def premises(
    table: Segments, checks: pd.DataFrame | Findings | None, segments: pd.DataFrame
) -> Premises:
    """Gather what is known of the technique of every segment.

    Parameters
    ----------
    table : Segments
        A typed-in table may say ``supramaximal`` itself; flags of its rows count as raised.
    checks : DataFrame, Findings or None
        What the checks found of the same segments.
    segments : DataFrame
        All segments, also those that are not adjacent.
    """
    answers = answers_of(table, checks)
    said = table.boolean("supramaximal")
    typed_no = np.asarray(said.fillna(True), dtype=bool) == False  # noqa: E712 - an array
    crossing = [crossing_of(one) for one in answers]

    def each(test: Any) -> Array:
        return np.array([test(one) for one in answers], dtype=bool)

    denied = [
        each(lambda one, n=name: case_of(one, n) in _DENIED)
        for name in ("submaximal_distal", "submaximal_proximal")
    ]
    denied[1] |= typed_no
    named = each(lambda one: state_of(one, "supramaximality_not_attested") == "cleared")
    attested = (named | np.asarray(said.fillna(False), dtype=bool)) & ~denied[0] & ~denied[1]
    collision = each(lambda one: case_of(one, "erb_without_collision") == "collision")
    apart = each(is_incomparable)
    firm = collision & attested
    unread = apart | (table.ends_at("erb") & ~firm)
    found = Premises(
        attested,
        denied[0],
        denied[1],
        firm,
        collision,
        apart,
        each(lambda one: state_of(one, "complete_block") == "raised"),
        each(is_absent),
        each(lambda one: case_of(one, "response_absent_at_site") == "absent_at_both"),
        shares_of(crossing, "crossing_share"),
        shares_of(crossing, "crossing_area_share"),
        np.array([one is not None and one.case.endswith("at_most") for one in crossing], bool),
        np.array([is_balanced(one) for one in crossing], bool),
        answers,
        places(table),
        # Like every question of technique, asked where the study was looked at, not its numbers.
        contradictions(table, answers, segments, unread) if checks is not None else none_of(table),
    )
    rows = [_reasons(*one, found, checks is not None) for one in enumerate(found.places)]
    return replace(found, reasons=rows)


def evidence_row(premise: str, state: str, holds: bool | None, numbers: Mapping[str, Any]) -> Row:
    """Write one premise as a row of evidence, with its source and next step."""
    words = words_of(premise, state, numbers)
    return {
        "rule": "premise",
        "grade": None,
        "clause": premise,
        "column": None,
        "op": None,
        "limit": None,
        "value": state,
        "holds": holds,
        "verified": None,
        **words,
    }


def places(table: Segments) -> list[dict[str, str]]:
    """Name nerve and sites of every segment, for the sentences of the premises."""
    names = ("nerve", "side", "distal_site", "proximal_site")
    columns = [["" if c is pd.NA else c for c in table.keys[name].tolist()] for name in names]
    return [
        {
            "nerve": nerve_words(nerve, side, "en"),
            "nerve_zh": nerve_words(nerve, side, "zh"),
            "distal": distal,
            "proximal": proximal,
            "side": side,
        }
        for nerve, side, distal, proximal in zip(*columns, strict=True)
    ]


def _reasons(at: int, where: dict[str, str], found: Premises, looked: bool) -> list[Row]:
    answers = found.answers[at]
    rows = list(_stimuli(at, found, where, looked))
    for name, cases in REFUTING.items():
        if state_of(answers, name) == "raised" and (not cases or case_of(answers, name) in cases):
            rows.append(evidence_row(name, "refuted", False, where))
    if found.complete[at]:
        rows.append(evidence_row("complete_block", "complete", True, where))
    elif found.absent[at]:
        one = answers["complete_block"]
        state = "recent" if one.case == "recent" else "open"
        rows.append(evidence_row("complete_block", state, None, where | arithmetic(one, answers)))
    elif looked and case_of(answers, "response_absent_at_site") == "no_amplitude":
        rows.append(_unread_row(answers["response_absent_at_site"], where))
    recent = answers.get("axonal_loss_recent")
    if recent is not None and recent.state == "raised":
        rows.append(evidence_row("recent", "note", None, where | arithmetic(recent, answers)))
    for name in CROSSINGS:
        asked = answers.get(name)
        if asked is not None and asked.state == "not_examined" and asked.case == "not_recorded":
            rows.append(evidence_row("martin_gruber", "not_examined", None, giver(asked, where)))
        elif asked is not None and asked.state == "raised" and asked.case == "pattern":
            more = giver(asked, where) | arithmetic(asked, answers)
            rows.append(evidence_row("martin_gruber", "pattern", None, more))
    return rows


def _unread_row(one: Answer, where: Mapping[str, str]) -> Row:
    """Say that a response is not known: nobody gave it, or what was recorded cannot be read."""
    numbers = {**where, "site": str(one.numbers["site"])}
    if "why" not in one.numbers:
        return evidence_row("response", "unknown", None, numbers)
    name = str(one.numbers["why"])
    why = {f"why{end}": load_words(lang).term("flag", name) for end, lang in _ENDS.items()}
    return evidence_row("response", "unread", None, numbers | why)


def giver(one: Answer, where: Mapping[str, str]) -> dict[str, Any]:
    """Give the numbers of an anastomosis with the giving nerve named by its side."""
    side = where["side"]
    nerve = str(one.numbers["giver"])
    return {
        **one.numbers,
        "giver": nerve_words(nerve, side, "en"),
        "giver_zh": nerve_words(nerve, side, "zh"),
    }


def arithmetic(one: Answer, answers: Mapping[str, Answer]) -> dict[str, str]:
    """Give the sentence of a check in both languages."""
    name = next(key for key, value in answers.items() if value is one)
    if one.case == "already":
        return dict.fromkeys(("arithmetic", "arithmetic_zh"), name.replace("_", " "))
    langs = {"arithmetic": "en", "arithmetic_zh": "zh"}
    return {key: say(name, one.case, one.numbers, lang=lang) for key, lang in langs.items()}


def _stimuli(at: int, found: Premises, where: dict[str, str], looked: bool) -> Iterator[Row]:
    if found.denied_proximal[at]:
        yield evidence_row("supramaximal", "denied_proximal", False, where)
    if found.denied_distal[at]:
        yield evidence_row("supramaximal", "denied_distal", False, where)
    if found.attested[at]:
        by = _sayers(found.answers[at])
        told = {key: _sayer_words(by, lang) for key, lang in (("by", "en"), ("by_zh", "zh"))}
        yield evidence_row("supramaximal", "attested", True, where | told) | {
            "supramaximal_by": by or None
        }
    elif looked and not (found.denied_proximal[at] or found.denied_distal[at]):
        numbers = found.answers[at].get("supramaximality_not_attested")
        one = dict(numbers.numbers) if numbers is not None else {}
        sites = [str(one[key]) for key in ("site", "distal", "proximal") if key in one]
        sites = sites or [where["distal"], where["proximal"]]
        told = {"sites": site_words(sites, "en"), "sites_zh": site_words(sites, "zh")}
        yield evidence_row("supramaximal", "not_attested", None, where | told)


def _sayers(answers: Mapping[str, Answer]) -> str:
    """Give who attested the two stimuli: one id, two with ``;`` between them, or ""."""
    one = answers.get("supramaximality_not_attested")
    if one is None or one.state != "cleared":
        return "table"  # it is the table of segments that says so
    return ";".join(filter(None, str(one.numbers["by"]).split(";")))


def _sayer_words(by: str, lang: str) -> str:
    words = load_words(lang)
    if not by:
        return ""
    return words("sayer.said", by=words.join(words.term("sayer", one) for one in by.split(";")))

"""What the technique of a segment lets anybody say: stimuli, anastomoses, filters, Erb's point.

Each premise is known to hold, known to be refuted, or unknown; the evidence says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.judging.answers import (
    CROSSINGS,
    REFUTING,
    Answer,
    Asked,
    answers_of,
    crossings,
    is_absent,
    is_balanced,
    shares_of,
)
from ncs_cb.judging.contradictions import Contradictions, contradictions, none_of
from ncs_cb.judging.table import Segments
from ncs_cb.knowledge.anatomy import is_foreign
from ncs_cb.model import Said
from ncs_cb.quality import Findings
from ncs_cb.wording.catalog import load as load_words
from ncs_cb.wording.checks import say
from ncs_cb.wording.conclusions import nerve_words, site_words
from ncs_cb.wording.premises import words_of

Array = np.ndarray[Any, Any]


# Endings of keys that hold the words of a language.
_ENDS = {"": "en", "_zh": "zh"}


_DISTAL_FIRST = ("distal", "proximal")
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
    foreign : ndarray of bool
        The muscle is that of another nerve.
    crossing, crossing_area : ndarray of float
        Share of the distal amplitude and area that reaches the muscle through another nerve.
    at_most, balanced : ndarray of bool
        The share is the most that may cross; distal equals proximal plus crossing.
    crossings : list of Answer or None
        The anastomosis whose crossing fibers were measured.
    asked : Asked
        What the checks found.
    places : list of mapping
        The words for where each segment lies.
    against : Contradictions
        What contradicts itself along each nerve.
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
    foreign: Array
    crossing: Array
    crossing_area: Array
    at_most: Array
    balanced: Array
    crossings: list[Answer | None]
    asked: Asked
    places: list[Mapping[str, str]]
    against: Contradictions

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
    asked = answers_of(table, checks)
    said = table.boolean("supramaximal")
    crossing = crossings(asked)
    distal, proximal = (asked.has_case(f"submaximal_{end}", *_DENIED) for end in _DISTAL_FIRST)
    proximal |= ~said.to_numpy(bool, na_value=True)
    named = asked.is_("supramaximality_not_attested", "cleared")
    attested = (named | said.to_numpy(bool, na_value=False)) & ~distal & ~proximal
    collision = asked.has_case("erb_without_collision", "collision")
    apart = np.logical_or.reduce([asked.refutes(name) for name in REFUTING])
    firm = collision & attested
    unread = apart | (table.ends_at("erb") & ~firm)
    return Premises(
        attested,
        distal,
        proximal,
        firm,
        collision,
        apart,
        asked.is_("complete_block", "raised"),
        is_absent(asked),
        asked.has_case("response_absent_at_site", "absent_at_both"),
        _is_foreign(table),
        shares_of(crossing, "crossing_share"),
        shares_of(crossing, "crossing_area_share"),
        np.array([one is not None and one.case.endswith("at_most") for one in crossing], bool),
        np.array([is_balanced(one) for one in crossing], bool),
        crossing,
        asked,
        places(table),
        # Like every question of technique, asked where the study was looked at, not its numbers.
        contradictions(table, asked, segments, unread) if checks is not None else none_of(table),
    )


def _is_foreign(table: Segments) -> Array:
    pairs = list(zip(table.texts["nerve"], table.texts["muscle"], strict=True))
    known = {
        (nerve, muscle): muscle is not None and is_foreign(nerve or "", muscle)
        for nerve, muscle in dict.fromkeys(pairs)
    }
    return np.array([known[pair] for pair in pairs], dtype=bool)


def evidence_row(
    premise: str, state: str, holds: bool | None, numbers: Mapping[str, Any], **more: Any
) -> Said:
    """Write one premise as a row of evidence, with its source and next step.

    `numbers` are those that its words take, `more` stands behind them in the row.
    """
    return _row(premise, state, holds, tuple(numbers.items()), tuple(more.items()))


# Most segments of an archive say the same of their stimuli.
@lru_cache(maxsize=4096)
def _row(
    premise: str,
    state: str,
    holds: bool | None,
    numbers: tuple[tuple[str, Any], ...],
    more: tuple[tuple[str, Any], ...],
) -> Said:
    row = {
        "rule": "premise",
        "grade": None,
        "clause": premise,
        "column": None,
        "op": None,
        "limit": None,
        "value": state,
        "holds": holds,
        "verified": None,
    }
    return Said(row | words_of(premise, state, dict(numbers)) | dict(more))


def places(table: Segments) -> list[Mapping[str, str]]:
    """Name nerve and sites of every segment, for the sentences of the premises."""
    names = ("nerve", "side", "distal_site", "proximal_site")
    return [
        _place(*(one or "" for one in key))
        for key in zip(*(table.texts[name] for name in names), strict=True)
    ]


@lru_cache(maxsize=4096)
def _place(nerve: str, side: str, distal: str, proximal: str) -> Mapping[str, str]:
    return {
        "nerve": nerve_words(nerve, side, "en"),
        "nerve_zh": nerve_words(nerve, side, "zh"),
        "distal": distal,
        "proximal": proximal,
        "side": side,
    }


def reasons(found: Premises, *, looked: bool) -> list[list[Said]]:
    """Give the evidence of each segment that is the same for every criteria set.

    `looked` tells whether the checks were made.
    """
    rows: list[list[Said]] = [[] for _ in found.places]

    def add(where: Array, premise: str, state: str, holds: bool | None) -> None:
        for at in np.flatnonzero(where).tolist():
            rows[at].append(evidence_row(premise, state, holds, found.places[at]))

    add(found.denied_proximal, "supramaximal", "denied_proximal", False)
    add(found.denied_distal, "supramaximal", "denied_distal", False)
    _add_stimuli(rows, found, looked)
    for name in REFUTING:
        add(found.asked.refutes(name), name, "refuted", False)
    add(found.complete, "complete_block", "complete", True)
    _add_absent(rows, found, looked)
    _add_crossings(rows, found)
    return rows


def _add_stimuli(rows: list[list[Said]], found: Premises, looked: bool) -> None:
    """Say who attested the stimuli, or which of them nobody did."""
    name = "supramaximality_not_attested"
    for at in np.flatnonzero(found.attested).tolist():
        by = _sayers(found.asked.at(name, at))
        told = {key: _sayer_words(by, lang) for key, lang in (("by", "en"), ("by_zh", "zh"))}
        numbers = {**found.places[at], **told}
        rows[at].append(
            evidence_row("supramaximal", "attested", True, numbers, supramaximal_by=by or None)
        )
    if not looked:
        return
    known = found.attested | found.denied_proximal | found.denied_distal
    for at in np.flatnonzero(~known).tolist():
        one, where = found.asked.at(name, at), found.places[at]
        asked = {} if one is None else dict(one.numbers)
        sites = [str(asked[key]) for key in ("site", "distal", "proximal") if key in asked]
        told = _named(*(sites or [where["distal"], where["proximal"]]))
        rows[at].append(evidence_row("supramaximal", "not_attested", None, {**where, **told}))


@lru_cache(maxsize=4096)
def _named(*sites: str) -> dict[str, str]:
    return {"sites": site_words(sites, "en"), "sites_zh": site_words(sites, "zh")}


def _add_absent(rows: list[list[Said]], found: Premises, looked: bool) -> None:
    """Say where a response is not there, or not known, and where axons were lost of late."""
    asked, rest = found.asked, ~found.complete
    for at in np.flatnonzero(rest & found.absent).tolist():
        one = asked.at("complete_block", at)
        assert one is not None
        state = "recent" if one.case == "recent" else "open"
        told = {**found.places[at], **arithmetic(one)}
        rows[at].append(evidence_row("complete_block", state, None, told))
    unread = asked.has_case("response_absent_at_site", "no_amplitude")
    for at in np.flatnonzero(rest & ~found.absent & unread).tolist() if looked else ():
        one = asked.at("response_absent_at_site", at)
        assert one is not None
        rows[at].append(_unread_row(one, found.places[at]))
    for at in np.flatnonzero(asked.is_("axonal_loss_recent", "raised")).tolist():
        one = asked.at("axonal_loss_recent", at)
        assert one is not None
        told = {**found.places[at], **arithmetic(one)}
        rows[at].append(evidence_row("recent", "note", None, told))


def _add_crossings(rows: list[list[Said]], found: Premises) -> None:
    """Say where an anastomosis was not looked for, and where the other nerve points to one."""
    asked = found.asked
    for name in CROSSINGS:
        open_ = asked.is_(name, "not_examined") & asked.has_case(name, "not_recorded")
        likely = asked.is_(name, "raised") & asked.has_case(name, "pattern")
        for at in np.flatnonzero(open_ | likely).tolist():
            one = asked.at(name, at)
            assert one is not None
            told = giver(one, found.places[at])
            state = "pattern" if likely[at] else "not_examined"
            told |= arithmetic(one) if likely[at] else {}
            rows[at].append(evidence_row("martin_gruber", state, None, told))


def _unread_row(one: Answer, where: Mapping[str, str]) -> Said:
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


def arithmetic(one: Answer) -> dict[str, str]:
    """Give the sentence of a check in both languages."""
    if one.case == "already":
        return dict.fromkeys(("arithmetic", "arithmetic_zh"), one.flag.replace("_", " "))
    langs = {"arithmetic": "en", "arithmetic_zh": "zh"}
    return {key: say(one.flag, one.case, one.numbers, lang=lang) for key, lang in langs.items()}


def _sayers(one: Answer | None) -> str:
    """Give who attested the two stimuli: one id, two with ``;`` between them, or ""."""
    if one is None or one.state != "cleared":
        return "table"  # it is the table of segments that says so
    return ";".join(filter(None, str(one.numbers["by"]).split(";")))


@lru_cache(maxsize=4096)
def _sayer_words(by: str, lang: str) -> str:
    words = load_words(lang)
    if not by:
        return ""
    return words("sayer.said", by=words.join(words.term("sayer", one) for one in by.split(";")))

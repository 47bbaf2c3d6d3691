"""May a change be read as block at all? The premises between the numbers and the grades.

The rules are those of the public contract, section 8: a refuted premise withholds the grade, an
unknown one leaves it open, and none ever makes a grade stronger. They are project policy; the
words and next steps stand in the catalogs, sources in ``tables/validity.toml``.
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
    is_incomparable,
    share_of,
    state_of,
)
from ncs_cb.judging.contradictions import Contradictions, contradictions, none_of
from ncs_cb.judging.rest import reduced
from ncs_cb.judging.table import Segments
from ncs_cb.knowledge import thresholds
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle
from ncs_cb.knowledge.criteria import CriteriaSet, leaves
from ncs_cb.vocabulary import TOLERANCE
from ncs_cb.wording.catalog import load as load_words
from ncs_cb.wording.checks import say
from ncs_cb.wording.conclusions import nerve_words, site_words
from ncs_cb.wording.premises import words_of

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

ATTESTED, NOT_ATTESTED, REFUTED = "attested", "not_attested", "refuted"

_DENIED = ("denied", "no_plateau")
# What is left of a fall, beside the sentence that says so.
_REST = ("rest_amplitude_pct", "rest_area_pct")


@dataclass(frozen=True, slots=True, eq=False)
class Premises:
    """What is known of the technique of each segment.

    Attributes
    ----------
    attested, denied_distal, denied_proximal : ndarray of bool
        Both stimuli supramaximal; the one or the other known to be submaximal.
    erb_attested : ndarray of bool
        Collision and supramaximal stimulation are attested at Erb's point.
    incomparable : ndarray of bool
        Filters, polarity or electrode differ between the two sites.
    complete, absent : ndarray of bool
        The proximal response is absent and counts as complete block; absent, and does not.
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
    incomparable: Array
    complete: Array
    absent: Array
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


def _is_absent(answers: Mapping[str, Answer]) -> bool:
    """Tell whether the proximal response is absent without counting as complete block."""
    case = case_of(answers, "complete_block")
    is_open = state_of(answers, "complete_block") == "not_examined"
    return is_open and case not in ("no_rows", "no_amplitude")


def _is_balanced(one: Answer | None) -> bool:
    """Tell whether the distal response equals the proximal one plus the crossing fibers."""
    return one is not None and one.case.startswith("explains") and "part" not in one.case


def premises(table: Segments, checks: pd.DataFrame | None, segments: pd.DataFrame) -> Premises:
    """Gather what is known of the technique of every segment.

    Parameters
    ----------
    table : Segments
        A typed-in table may say ``supramaximal`` itself; flags of its rows count as raised.
    checks : DataFrame or None
        The ``checks`` table of the same segments.
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
    shares = [_shares(crossing, name) for name in ("crossing_share", "crossing_area_share")]
    apart = each(is_incomparable)
    unread = apart | _is_doubtful_erb(table, collision & attested)
    found = Premises(
        attested,
        denied[0],
        denied[1],
        collision & attested,
        apart,
        each(lambda one: state_of(one, "complete_block") == "raised"),
        each(_is_absent),
        shares[0],
        shares[1],
        np.array([one is not None and one.case.endswith("at_most") for one in crossing], bool),
        np.array([_is_balanced(one) for one in crossing], bool),
        answers,
        places(table),
        # Like every question of technique, asked where the study was looked at, not its numbers.
        contradictions(table, answers, segments, unread) if checks is not None else none_of(table),
    )
    reasons = [
        _reasons(at, where, found, checks is not None) for at, where in enumerate(found.places)
    ]
    return replace(found, reasons=reasons)


def _shares(crossing: list[Answer | None], name: str) -> Array:
    return np.array([share_of(one, name) for one in crossing], dtype=np.float64)


def _is_doubtful_erb(table: Segments, attested: Array) -> Array:
    """Tell where a segment ends at Erb's point and little is known of the stimulus there."""
    return table.ends_at("erb") & ~attested


# ------------------------------------------------------------------ evidence of the technique


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
        rows.append(evidence_row("complete_block", state, None, where | _arithmetic(one, answers)))
    elif looked and _is_proximal_unknown(answers, where):
        rows.append(evidence_row("response", "unknown", None, where))
    recent = answers.get("axonal_loss_recent")
    if recent is not None and recent.state == "raised":
        rows.append(evidence_row("recent", "note", None, where | _arithmetic(recent, answers)))
    for name in CROSSINGS:
        asked = answers.get(name)
        if asked is not None and asked.state == "not_examined" and asked.case == "not_recorded":
            rows.append(evidence_row("martin_gruber", "not_examined", None, _giver(asked, where)))
    return rows


def _is_proximal_unknown(answers: Mapping[str, Answer], where: Mapping[str, str]) -> bool:
    """Tell whether it is the proximal amplitude that is missing."""
    one = answers.get("complete_block", Answer("", "", {}))
    return one.case == "no_amplitude" and one.numbers.get("site") == where["proximal"]


def _giver(one: Answer, where: Mapping[str, str]) -> dict[str, Any]:
    """Give the numbers of an anastomosis with the giving nerve named by its side."""
    side = where["side"]
    nerve = str(one.numbers["giver"])
    return {
        **one.numbers,
        "giver": nerve_words(nerve, side, "en"),
        "giver_zh": nerve_words(nerve, side, "zh"),
    }


def _arithmetic(one: Answer, answers: Mapping[str, Answer]) -> dict[str, str]:
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


# ------------------------------------------------------------------ what stands


@dataclass(slots=True)
class Standing:
    """The grades of one set that stand, and why; changed premise by premise."""

    made: CriteriaSet
    table: Segments
    found: Premises
    grade: Array
    left_open: Array
    refuted: Array
    rows: list[list[Row]]

    def _graded(self, words: Array) -> Array:
        return np.isin(words.astype(str), self.made.grades)

    def put(self, mask: Array, grade: Any, left_open: Any) -> None:
        """Set grade and what is left open where `mask` holds."""
        self.grade = np.where(mask, grade, self.grade)
        self.left_open = np.where(mask, left_open, self.left_open)

    def say(self, at: int, premise: str, state: str, holds: bool | None, **more: Any) -> None:
        """Add a premise to the evidence of one segment."""
        numbers = self.found.places[at] | more
        self.rows[at].append(evidence_row(premise, state, holds, numbers))

    def crossing(self, rest: tuple[Array, Array]) -> None:
        """Judge ulnar (or median) forearm segments on what is left without crossing fibers."""
        found, concerned = self.found, np.isfinite(self.found.crossing)
        concerned &= self._graded(self.left_open)
        left = self._graded(rest[1])
        whole = concerned & ~left & (~found.at_most | found.balanced)
        exact = concerned & ~whole & ~found.at_most
        between = concerned & ~whole & found.at_most
        before = self.grade
        self.put(whole, "excluded", "excluded")
        self.refuted = self.refuted | whole
        self.put(exact, rest[0], rest[1])
        self.put(between, self._weaker(before, rest[0]), self.left_open)
        for at in np.flatnonzero(concerned).tolist():
            state = "whole" if whole[at] else "part"
            state += "_at_most" if found.at_most[at] else ""
            one = crossing_of(found.answers[at])
            assert one is not None
            more = (
                _giver(one, self.found.places[at])
                | _arithmetic(one, found.answers[at])
                | self._rests(at)
            )
            self.say(at, "martin_gruber", state, not whole[at], **more)
            if not whole[at]:
                self.rows[at][-1] |= {key: more[key] for key in _REST}

    def _rests(self, at: int) -> dict[str, float]:
        area = float(self.table.number("area_reduction_pct")[0][at])
        amplitude = float(self.table.number("amplitude_reduction_pct")[0][at])
        shares = (self.found.crossing[[at]], self.found.crossing_area[[at]])
        rests = [
            float(reduced(np.array([value]), share)[0])
            for value, share in zip((amplitude, area), shares, strict=True)
        ]
        return {
            "amplitude_pct": amplitude,
            "area_pct": area,
            "rest_amplitude_pct": rests[0],
            "rest_area_pct": rests[1],
        }

    def _weaker(self, one: Array, other: Array) -> Array:
        order = {grade: n for n, grade in enumerate(self.made.grades)}
        last = len(order)
        ranks = np.array(
            [max(order.get(a, last), order.get(b, last)) for a, b in zip(one, other, strict=True)]
        )
        weaker: Array = np.array([*self.made.grades, "undetermined"], dtype=object)[ranks]
        return weaker

    def gate(self, limits: pd.DataFrame) -> None:
        """Ask for the distal response that EFNS/PNS 2010 asks for, where the set does not."""
        if _has_gate(self.made):
            return
        given = self.table.values.columns  # noqa: PD011 - a field of ours, not of pandas
        if "distal_amplitude_mv" not in given:
            for at in np.flatnonzero(self._graded(self.grade)).tolist():
                self.say(at, "distal_gate", "not_given", None)
            return
        size = self.table.number("distal_amplitude_mv")[0]
        least = thresholds.value("distal_response_small.minimum_mv")
        share = thresholds.value("distal_response_small.minimum_share_of_limit")
        low, high = (share * limits[name].to_numpy(np.float64) for name in ("low", "high"))
        grace = TOLERANCE
        below = (size <= least + grace) | (size <= low + grace)
        unknown = ~below & ~(size > high + grace)
        judged = np.isin(self.grade.astype(str), (*self.made.grades, "none", "undetermined"))
        for at in np.flatnonzero(judged & below).tolist():
            edge = least if size[at] <= least + grace else float(low[at])
            self.say(at, "distal_gate", "below", False, amplitude_mv=size[at], limit_mv=edge)
        open_ = judged & unknown & (self._graded(self.grade) | (self.grade == "none"))
        for at in np.flatnonzero(open_).tolist():
            self.say(at, "distal_gate", "unknown", None)
        self.put(judged & below, "excluded", "excluded")
        self.put(open_, "undetermined", self.left_open)

    def healthy_fall(self) -> None:
        """Leave out nerves that the publication does not name and that fall as much in health."""
        if self.made.purpose == "cidp":
            return
        nerves = self.table.keys["nerve"].tolist()
        for at, nerve in enumerate(nerves):
            known = anatomy().nerves[nerve]
            if known.large_healthy_fall and nerve not in self.made.named_nerves:
                self.grade[at] = self.left_open[at] = "not_covered"
                self.say(
                    at,
                    "healthy_fall",
                    "not_covered",
                    None,
                    nerve=nerve,
                    nerve_zh=nerve,
                    source=known.large_healthy_fall,
                )

    def foreign_muscle(self) -> None:
        """Leave out recordings from a muscle of another nerve: they show crossing fibers."""
        pairs = zip(*(self.table.keys[n].tolist() for n in ("nerve", "muscle")), strict=True)
        for at, (nerve, muscle) in enumerate(pairs):
            owner = None if muscle is pd.NA else nerve_of_muscle(muscle)
            if owner not in (None, nerve):
                self.grade[at] = self.left_open[at] = "not_covered"
                self.say(at, "foreign_muscle", "not_covered", None, muscle=muscle, owner=owner)

    def erb(self) -> None:
        """Cap segments that end at Erb's point, unless collision and stimulus are attested."""
        cap = self.made.erb_at_most
        if not cap:
            return
        at_erb = self.table.ends_at("erb")
        stronger = self.made.grades[: self.made.grades.index(cap)]
        capped = at_erb & ~self.found.erb_attested
        concerned = at_erb & self._graded(self.left_open)
        for at in np.flatnonzero(concerned).tolist():
            if capped[at]:
                self.say(
                    at,
                    "erb",
                    "at_most",
                    None,
                    grade=cap,
                    grade_zh=load_words("zh").term("grade", cap),
                )
            else:
                self.say(at, "erb", "attested", True)
        self.put(capped & np.isin(self.grade.astype(str), stronger), cap, self.left_open)
        open_ = capped & np.isin(self.left_open.astype(str), stronger)
        self.left_open = np.where(open_, cap, self.left_open)

    def technique(self) -> None:
        """Withhold grades whose stimuli or recordings cannot be compared."""
        found = self.found
        judged = np.isin(self.grade.astype(str), (*self.made.grades, "none", "undetermined"))
        strongest = self.made.grades[0]
        is_open = self._graded(self.left_open)
        self.put(
            judged & is_open & (found.denied_proximal | found.absent),
            "undetermined",
            self.left_open,
        )
        hidden = found.denied_distal | found.incomparable
        self.put(judged & hidden, "undetermined", strongest)
        self.refuted = self.refuted | found.denied_proximal | hidden

    def order(self) -> None:
        """Withhold what rests on responses that contradict each other."""
        against = self.found.against
        narrow = against.narrow & self._graded(self.left_open) & ~against.order
        judged = np.isin(self.grade.astype(str), (*self.made.grades, "none", "undetermined"))
        for at in np.flatnonzero(against.order | narrow).tolist():
            self.say(at, "order", "refuted" if against.order[at] else "narrow", False)
        self.put(judged & against.order, "undetermined", self.made.grades[0])
        self.put(judged & narrow, "undetermined", self.left_open)
        self.refuted = self.refuted | against.order | narrow

    def recovery(self, rest: Array) -> None:
        """Withhold a fall that a more proximal response does not show: block does not recover.

        `rest` holds the grades of the more proximal response against the distal one.
        """
        sites = self.found.against.site
        back = np.array([bool(site) for site in sites]) & self._graded(self.left_open)
        back &= ~self._graded(rest)
        for at in np.flatnonzero(back).tolist():
            self.say(at, "recovery", "refuted", False, further=sites[at])
        self.put(back, "undetermined", self.left_open)
        self.refuted = self.refuted | back

    def technical_validity(self) -> Array:
        """Give ``attested``, ``not_attested`` or ``refuted`` for every segment."""
        return np.where(
            self.refuted, REFUTED, np.where(self.found.attested, ATTESTED, NOT_ATTESTED)
        )


def _has_gate(made: CriteriaSet) -> bool:
    """Tell whether a set asks for the size of the distal response itself."""
    terms = [made.entry, *(rule.term for rule in made.rules)]
    return any(c.subject == "distal_amplitude_mv" for term in terms for c in leaves(term))

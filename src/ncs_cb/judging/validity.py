"""May a change be read as block at all? The premises between the numbers and the grades.

The rules are those of the public contract, section 8: a refuted premise withholds the grade, an
unknown one leaves it open, and none ever makes a grade stronger. They are project policy; the
words and next steps stand in the catalogs, sources in ``tables/validity.toml``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ncs_cb.judging.answers import CROSSINGS
from ncs_cb.judging.premises import REST, Array, Premises, arithmetic, evidence_row, giver
from ncs_cb.judging.rest import reduced
from ncs_cb.judging.table import Segments
from ncs_cb.knowledge import thresholds
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle
from ncs_cb.knowledge.criteria import CriteriaSet, leaves
from ncs_cb.knowledge.reference import LowerLimits
from ncs_cb.model import Said
from ncs_cb.vocabulary import TOLERANCE
from ncs_cb.wording.catalog import load as load_words

ATTESTED, NOT_ATTESTED, REFUTED = "attested", "not_attested", "refuted"


@dataclass(slots=True)
class Standing:
    """The grades of one set that stand, and why; changed premise by premise."""

    made: CriteriaSet
    table: Segments
    found: Premises
    grade: Array
    left_open: Array
    refuted: Array
    rows: list[list[Said]]

    def _graded(self, words: Array) -> Array:
        return _is_one_of(words, self.made.grades)

    def _judged(self) -> Array:
        """Tell which segments have an answer that a premise can withhold."""
        return _is_one_of(self.grade, (*self.made.grades, "none", "undetermined"))

    def put(self, mask: Array, grade: Any, left_open: Any) -> None:
        """Set grade and what is left open where `mask` holds."""
        self.grade = np.where(mask, grade, self.grade)
        self.left_open = np.where(mask, left_open, self.left_open)

    def say(self, at: int, premise: str, state: str, holds: bool | None, **more: Any) -> None:
        """Add a premise to the evidence of one segment."""
        numbers = {**self.found.places[at], **more}
        self.rows[at].append(evidence_row(premise, state, holds, numbers))

    def crossing(self, rest: tuple[Array, Array]) -> None:
        """Judge ulnar (or median) forearm segments on what is left without crossing fibers."""
        found, measured = self.found, np.isfinite(self.found.crossing)
        # Of a response that a weak stimulus made, nothing can be taken off.
        measured &= ~(found.denied_distal | found.denied_proximal)
        trapped = measured & self._falls_at_trap()
        concerned = trapped | (measured & self._graded(self.left_open))
        left = np.where(trapped, self._falls_at_trap(without_crossing=True), self._graded(rest[1]))
        whole = concerned & ~left & (~found.at_most | found.balanced)
        exact = concerned & ~whole & ~found.at_most
        between = concerned & ~whole & found.at_most
        before = self.grade
        rest = tuple(np.where(trapped, "excluded", one) for one in rest)  # type: ignore[assignment]
        self.put(whole, "excluded", "excluded")
        self.refuted = self.refuted | whole
        self.put(exact, rest[0], rest[1])
        self.put(between & ~trapped, self._weaker(before, rest[0]), self.left_open)
        for at in np.flatnonzero(concerned).tolist():
            state = "whole" if whole[at] else "part"
            state += "_at_most" if found.at_most[at] else ""
            one = found.crossings[at]
            assert one is not None
            where = found.places[at]
            numbers = {**where, **giver(one, where), **arithmetic(one), **self._rests(at)}
            said = evidence_row("martin_gruber", state, not whole[at], numbers)
            beside = {} if whole[at] else {key: numbers[key] for key in REST}
            self.rows[at].append(Said({**said.row, **beside}))

    def _falls_at_trap(self, *, without_crossing: bool = False) -> Array:
        """Tell where a segment with an entrapment site falls by more than names the entrapment."""
        fall = self.table.number("amplitude_reduction_pct")[0]
        if without_crossing:
            fall = reduced(fall, self.found.crossing)
        is_trap = self.table.boolean("is_entrapment_site").fillna(False).to_numpy(dtype=bool)
        falls: Array = is_trap & (
            fall > thresholds.value("entrapment.minimum_drop_pct") + TOLERANCE
        )
        return falls

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

    def gate(self, limits: LowerLimits) -> None:
        """Ask for the distal response that EFNS/PNS 2010 asks for, where the set does not."""
        if _has_gate(self.made):
            return
        if "distal_amplitude_mv" not in self.table.columns:
            for at in np.flatnonzero(self._graded(self.grade)).tolist():
                self.say(at, "distal_gate", "not_given", None)
            return
        size = self.table.number("distal_amplitude_mv")[0]
        least = thresholds.value("distal_response_small.minimum_mv")
        share = thresholds.value("distal_response_small.minimum_share_of_limit")
        low, high = share * limits.low, share * limits.high
        grace = TOLERANCE
        below = (size <= least + grace) | (size <= low + grace)
        unknown = ~below & ~(size > high + grace)
        judged = self._judged()
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
        nerves = anatomy().nerves
        falls = self.table.of_kind(
            lambda nerve, *_: (
                bool(nerves[nerve].large_healthy_fall) and nerve not in self.made.named_nerves
            )
        )
        for at in np.flatnonzero(falls).tolist():
            nerve = self.table.kinds[self.table.codes[at]][0]
            source = nerves[nerve].large_healthy_fall
            self.grade[at] = self.left_open[at] = "not_covered"
            told = {"nerve": nerve, "nerve_zh": nerve, "source": source}
            self.say(at, "healthy_fall", "not_covered", None, **told)

    def foreign_muscle(self) -> None:
        """Leave out recordings from a muscle of another nerve: they show crossing fibers."""
        for at in np.flatnonzero(self.found.foreign).tolist():
            muscle = str(self.table.texts["muscle"][at])
            owner = nerve_of_muscle(muscle)
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
                    "at_most_collision" if self.found.erb_collision[at] else "at_most",
                    None,
                    grade=cap,
                    grade_zh=load_words("zh").term("grade", cap),
                )
            else:
                self.say(at, "erb", "attested", True)
        self.put(capped & _is_one_of(self.grade, stronger), cap, self.left_open)
        open_ = capped & _is_one_of(self.left_open, stronger)
        self.left_open = np.where(open_, cap, self.left_open)

    def technique(self) -> None:
        """Withhold grades whose stimuli or recordings cannot be compared."""
        found, judged = self.found, self._judged()
        strongest = self.made.grades[0]
        is_open = self._graded(self.left_open)
        self.put(
            judged & ((is_open & found.absent) | found.denied_proximal),
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
        judged = self._judged()
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

    def larger(self) -> None:
        """Leave open what a response larger than the distal one may hide.

        Far larger: healthy responses vary, too. Where crossing fibers make it larger the distal
        stimulus was not too weak.
        """
        asked = self.found.asked
        gain_pct = -self.table.number("amplitude_reduction_pct")[0]
        is_far = gain_pct > thresholds.value("proximal_larger.hiding_gain_pct") + TOLERANCE
        larger = asked.is_("proximal_larger", "raised") & (self.grade == "none") & is_far
        for name in CROSSINGS:
            larger &= ~asked.is_(name, "raised")
        for at in np.flatnonzero(larger).tolist():
            self.say(at, "larger", "hidden", None)
        self.put(larger, "undetermined", self.made.grades[0])

    def technical_validity(self) -> Array:
        """Give ``attested``, ``not_attested`` or ``refuted`` for every segment."""
        return np.where(
            self.refuted, REFUTED, np.where(self.found.attested, ATTESTED, NOT_ATTESTED)
        )


def _is_one_of(words: Array, some: Sequence[str]) -> Array:
    # To look for words in numpy takes longer: it sorts them.
    found: Array = np.array([one in some for one in words.tolist()], dtype=bool)
    return found


def _has_gate(made: CriteriaSet) -> bool:
    """Tell whether a set asks for the size of the distal response itself."""
    terms = [made.entry, *(rule.term for rule in made.rules)]
    return any(c.subject == "distal_amplitude_mv" for term in terms for c in leaves(term))

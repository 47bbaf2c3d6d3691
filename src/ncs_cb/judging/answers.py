"""What the checks answered of each segment, where it bears on whether a change may be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncs_cb.columns import SEGMENT_KEYS
from ncs_cb.judging.table import Segments
from ncs_cb.quality import Findings

Array = np.ndarray[Any, Any]

CROSSINGS = ("martin_gruber", "reverse_martin_gruber")
# Flags that refute the comparison of the two responses, with the cases that do (all, if empty).
REFUTING: dict[str, tuple[str, ...]] = {
    "filter_mismatch": (),
    "polarity_differs": (),
    "polarity_uncertain": (),
    "amplitude_implausible": (),
    "electrode_shift": ("proven",),
}
_ASKED = (
    "submaximal_proximal",
    "submaximal_distal",
    "supramaximality_not_attested",
    "complete_block",
    "response_absent_at_site",
    "erb_without_collision",
    "axonal_loss_recent",
    "velocity_implausible",
    "length_implausible",
    "proximal_larger",
    *CROSSINGS,
    *REFUTING,
)
_NOTHING: Mapping[str, Any] = {}


class Answer(NamedTuple):
    """What one check found of one segment."""

    flag: str
    state: str
    case: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the checks found of all segments, flag by flag.

    Attributes
    ----------
    states, cases : mapping of flag to ndarray of str
        "" where a check was not made.
    numbers : callable
        Gives the numbers of every answer of one flag; few of them are ever asked for.
    """

    states: Mapping[str, Array]
    cases: Mapping[str, Array]
    numbers: Callable[[str], Sequence[Mapping[str, Any]]]

    def is_(self, flag: str, state: str) -> Array:
        """Tell which segments have that state."""
        found: Array = self.states[flag] == state
        return found

    def has_case(self, flag: str, *cases: str) -> Array:
        """Tell which segments have one of these cases."""
        found: Array = np.zeros(len(self.cases[flag]), dtype=bool)
        for case in cases:
            found |= self.cases[flag] == case
        return found

    def refutes(self, flag: str) -> Array:
        """Tell which segments a flag of :data:`REFUTING` refutes."""
        cases = REFUTING[flag]
        raised = self.is_(flag, "raised")
        return raised & self.has_case(flag, *cases) if cases else raised

    def at(self, flag: str, row: int) -> Answer | None:
        """Give one answer; None where the check was not made."""
        if not self.states[flag][row]:
            return None
        numbers = self.numbers(flag)[row]
        return Answer(flag, self.states[flag][row], self.cases[flag][row], numbers)


def answers_of(table: Segments, checks: pd.DataFrame | Findings | None) -> Asked:
    """Give the answers of each segment by flag; a flag that its row names counts as raised."""
    if isinstance(checks, Findings):
        return _of_findings(table, checks)
    words = {flag: _already(table, flag) for flag in _ASKED}
    numbers: dict[str, list[Mapping[str, Any]]] = {f: [_NOTHING] * len(table) for f in _ASKED}
    if checks is not None and len(checks):
        own_keys = zip(*(map(_text, table.texts[name]) for name in SEGMENT_KEYS), strict=True)
        place = {key: at for at, key in enumerate(own_keys)}
        is_asked = [flag in words for flag in checks["flag"].tolist()]
        cells = (checks[name].tolist() for name in ("flag", "state", "case", "numbers"))
        for key, flag, state, case, own in compress(
            zip(_keys(checks), *cells, strict=True), is_asked
        ):
            if (at := place.get(key)) is not None:
                words[flag][0][at], words[flag][1][at], numbers[flag][at] = state, case, own
    return Asked(
        {flag: one[0] for flag, one in words.items()},
        {flag: one[1] for flag, one in words.items()},
        numbers.__getitem__,
    )


def _of_findings(table: Segments, findings: Findings) -> Asked:
    """Take what the checks found of the very segments of a table."""
    states, cases = {}, {}
    for flag in _ASKED:
        one = findings.answers.get(flag)
        states[flag], cases[flag] = _already(table, flag) if one is None else one.words()

    @cache
    def numbers(flag: str) -> list[Mapping[str, Any]]:
        found = [_NOTHING] * len(table)
        if flag in findings.answers:
            for rows, _, _, own in findings.answers[flag].given():
                for at, one in zip(rows, own, strict=True):
                    found[at] = one
        return found

    return Asked(states, cases, numbers)


def _already(table: Segments, flag: str) -> tuple[Array, Array]:
    """Give states and cases of a flag by what the rows of the table name."""
    raised = table.raised(flag)
    states, cases = (np.where(raised, one, "").astype(object) for one in ("raised", "already"))
    return states, cases


def _keys(frame: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    # By columns: going through text held by Arrow value by value takes ten times as long.
    return zip(*(map(_text, frame[name].tolist()) for name in SEGMENT_KEYS), strict=True)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""


def crossings(asked: Asked) -> list[Answer | None]:
    """Give the anastomosis of each segment whose crossing fibers were measured, if any."""
    found: list[Answer | None] = [None] * len(asked.states[CROSSINGS[0]])
    for flag in CROSSINGS:
        for at in np.flatnonzero(asked.is_(flag, "raised")).tolist():
            one = asked.at(flag, at)
            if found[at] is None and one is not None and "crossing_share" in one.numbers:
                found[at] = one
    return found


def shares_of(crossing: Sequence[Answer | None], name: str) -> Array:
    """Give a measured share of crossing fibers of every segment, NaN where none were found."""
    shares = [np.nan if one is None else float(one.numbers[name]) for one in crossing]
    return np.array(shares, dtype=np.float64)


def is_absent(asked: Asked) -> Array:
    """Tell where the proximal response is absent without counting as complete block."""
    unread = asked.has_case("complete_block", "no_rows", "no_amplitude")
    return asked.is_("complete_block", "not_examined") & ~unread


def is_balanced(one: Answer | None) -> bool:
    """Tell whether the distal response equals the proximal one plus the crossing fibers."""
    return one is not None and "explains" in one.case and "part" not in one.case

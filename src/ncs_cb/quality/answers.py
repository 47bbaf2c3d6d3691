"""What checks answer: for every segment a state, the case that words it, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb.columns import SEGMENT_KEYS, conform
from ncs_cb.wording.checks import say

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

State = Literal["raised", "cleared", "not_examined"]
Cells = NDArray[Any] | float | int | str
"""A number of every segment, or one that all have in common; ids count as numbers."""

_OPEN = -1


class _Case(NamedTuple):
    """One case of a check; its numbers are columns over all segments, read where it is given."""

    state: State
    name: str
    numbers: Mapping[str, Cells]

    def rows(self, at: Ints) -> list[dict[str, Any]]:
        """Give the numbers of some segments, each as a dict."""
        if not self.numbers:
            return [{} for _ in range(at.size)]
        columns = [
            cells[at].tolist() if isinstance(cells, np.ndarray) else [cells] * at.size
            for cells in self.numbers.values()
        ]
        return [dict(zip(self.numbers, row, strict=True)) for row in zip(*columns, strict=True)]


class Answers:
    """What one check answers of every segment.

    A check goes through its cases as it would for one segment: the first that holds is the
    answer, and what comes later leaves that segment alone. The numbers of a case are columns, and
    only those of its own segments are ever read.
    """

    __slots__ = ("_case", "_cases", "_n_open")

    def __init__(self, n_segments: int) -> None:
        self._case: Ints = np.full(n_segments, _OPEN, dtype=np.intp)
        self._cases: list[_Case] = []
        self._n_open = n_segments

    def raised(self, case: str, where: Bools | None = None, /, **numbers: Cells) -> None:
        """The doubt holds (of all segments that are still open, if not told where)."""
        self._give("raised", case, where, numbers)

    def cleared(self, case: str, where: Bools | None = None, /, **numbers: Cells) -> None:
        """The doubt was looked into and does not hold."""
        self._give("cleared", case, where, numbers)

    def unexamined(self, case: str, where: Bools | None = None, /, **numbers: Cells) -> None:
        """Something is missing; the doubt stays open."""
        self._give("not_examined", case, where, numbers)

    def _give(
        self, state: State, case: str, where: Bools | None, numbers: Mapping[str, Cells]
    ) -> None:
        if self._n_open == 0:
            return
        here = self.is_open if where is None else where & self.is_open
        found = int(np.count_nonzero(here))
        if found == 0:
            return
        self._n_open -= found
        self._case[here] = len(self._cases)
        self._cases.append(_Case(state, case, numbers))

    def stay_raised(self, where: Bools) -> None:
        """Let a flag that a segment has already stay raised, whatever the check says."""
        lost = where & ~self.is_raised
        if np.count_nonzero(lost):
            self._case[lost] = len(self._cases)
            self._cases.append(_Case("raised", "already", {}))

    @property
    def are_complete(self) -> bool:
        """Whether every segment has an answer."""
        return self._n_open == 0

    @property
    def is_open(self) -> Bools:
        """Which segments have no answer yet."""
        is_open: Bools = self._case == _OPEN
        return is_open

    @property
    def is_raised(self) -> Bools:
        """Which segments the doubt holds of."""
        return self._has_state("raised")

    @property
    def is_cleared(self) -> Bools:
        """Which segments it was looked for in and does not hold of."""
        return self._has_state("cleared")

    def _has_state(self, state: State) -> Bools:
        found: Bools = np.array([case.state == state for case in self._cases], dtype=bool)
        return found[self._case]

    def words(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Give state and name of the case of every answer."""
        states, cases = (
            np.array([getattr(case, name) for case in self._cases], dtype=object)[self._case]
            for name in ("state", "name")
        )
        return states, cases

    def number(self, name: str) -> Floats:
        """Give one number of every answer; NaN where it rests on no such number."""
        found = np.full(self._case.size, np.nan)
        for place, case in enumerate(self._cases):
            if name in case.numbers:
                here = self._case == place
                cells = case.numbers[name]
                found[here] = cells[here] if isinstance(cells, np.ndarray) else cells
        return found

    def given(self) -> Iterator[tuple[list[int], State, str, list[dict[str, Any]]]]:
        """Give each case that holds of some segments: these, its state, name, and their numbers."""
        for place, case in enumerate(self._cases):
            at = np.flatnonzero(self._case == place)
            if at.size:
                yield at.tolist(), case.state, case.name, case.rows(at)


class Findings(NamedTuple):
    """What every check answers of every adjacent segment.

    Attributes
    ----------
    segments : DataFrame
        The table that was asked about.
    is_adjacent : ndarray of bool
        Its rows that were.
    answers : mapping of flag to Answers
        In the order of the registry.
    """

    segments: pd.DataFrame
    is_adjacent: Bools
    answers: Mapping[str, Answers]

    def cleared(self, name: str) -> Bools:
        """Tell which segments a flag was looked for in and not found."""
        asked = self.answers.get(name)
        return np.zeros(self.is_adjacent.sum(), bool) if asked is None else asked.is_cleared

    def table(self) -> pd.DataFrame:
        """Give table ``checks``, a row per segment and flag, each answer with its sentence."""
        at, n_flags = np.flatnonzero(self.is_adjacent), len(self.answers)
        row = np.repeat(at, n_flags)
        made: dict[str, Any] = {name: self.segments[name].array.take(row) for name in SEGMENT_KEYS}
        made["flag"] = pd.array([*self.answers] * at.size, dtype="string")
        numbers = np.empty((at.size, n_flags), dtype=object)
        names = ("state", "case", "arithmetic")
        words = {name: np.empty_like(numbers) for name in names}
        for place, (flag, one) in enumerate(self.answers.items()):
            for rows, state, case, own in one.given():
                # All segments without numbers share one sentence.
                said = [say(flag, case, of) for of in own] if own[0] else [say(flag, case, {})]
                for name, cells in zip(names, (state, case, said), strict=True):
                    words[name][rows, place] = cells
                numbers[rows, place] = own
        made |= {name: pd.array(cells.ravel(), dtype="string") for name, cells in words.items()}
        made["numbers"] = numbers.ravel()
        return conform(pd.DataFrame(made), "checks")

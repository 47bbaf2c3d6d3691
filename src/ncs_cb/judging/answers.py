"""What the checks answered of each segment, where it bears on whether a change may be judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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
_ASKED = frozenset(
    {
        "submaximal_proximal",
        "submaximal_distal",
        "supramaximality_not_attested",
        "complete_block",
        "response_absent_at_site",
        "erb_without_collision",
        "axonal_loss_recent",
        "velocity_implausible",
        "length_implausible",
        *CROSSINGS,
        *REFUTING,
    }
)


class Answer(NamedTuple):
    """What one check found of one segment."""

    state: str
    case: str
    numbers: Mapping[str, Any]


def answers_of(
    table: Segments, checks: pd.DataFrame | Findings | None, asked: frozenset[str] = _ASKED
) -> list[dict[str, Answer]]:
    """Give the answers of each segment by flag; a flag that its row names counts as raised."""
    found: list[dict[str, Answer]] = [
        {name: Answer("raised", "already", {}) for name in flags.intersection(asked)}
        for flags in table.flags
    ]
    if isinstance(checks, Findings):
        for name in asked & checks.answers.keys():
            for segments, state, case, numbers in checks.answers[name].given():
                for at, one in zip(segments, numbers, strict=True):
                    found[at][name] = Answer(state, case, one)
        return found
    if checks is None or not len(checks):
        return found
    place = {key: at for at, key in enumerate(_keys(table.keys))}
    is_asked = [name in asked for name in checks["flag"].tolist()]
    names = ("flag", "state", "case", "numbers")
    rows = zip(_keys(checks), *(checks[name].tolist() for name in names), strict=True)
    for key, name, *answer in compress(rows, is_asked):
        if key in place:
            found[place[key]][name] = Answer(*answer)
    return found


def _keys(frame: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    # By columns: going through text held by Arrow value by value takes ten times as long.
    return zip(*(frame[name].fillna("").tolist() for name in SEGMENT_KEYS), strict=True)


def state_of(answers: Mapping[str, Answer], name: str) -> str:
    """Give what a check came to, "" where it was not made."""
    return answers[name].state if name in answers else ""


def case_of(answers: Mapping[str, Answer], name: str) -> str:
    """Give the case of a check, "" where it was not made."""
    return answers[name].case if name in answers else ""


def is_incomparable(answers: Mapping[str, Answer]) -> bool:
    """Tell whether filters, polarity or electrode differ between the two sites."""
    return any(
        state_of(answers, name) == "raised" and (not cases or case_of(answers, name) in cases)
        for name, cases in REFUTING.items()
    )


def crossing_of(answers: Mapping[str, Answer]) -> Answer | None:
    """Give the anastomosis whose crossing fibers were measured, if any."""
    for name in CROSSINGS:
        if state_of(answers, name) == "raised" and "crossing_share" in answers[name].numbers:
            return answers[name]
    return None


def share_of(one: Answer | None, name: str) -> float:
    """Give one measured share of crossing fibers, NaN where none were found."""
    return math.nan if one is None else float(one.numbers[name])


def shares_of(crossing: list[Answer | None], name: str) -> Array:
    """Give the shares of crossing fibers of every segment."""
    return np.array([share_of(one, name) for one in crossing], dtype=np.float64)


def is_absent(answers: Mapping[str, Answer]) -> bool:
    """Tell whether the proximal response is absent without counting as complete block."""
    case = case_of(answers, "complete_block")
    is_open = state_of(answers, "complete_block") == "not_examined"
    return is_open and case not in ("no_rows", "no_amplitude")


def is_balanced(one: Answer | None) -> bool:
    """Tell whether the distal response equals the proximal one plus the crossing fibers."""
    return one is not None and "explains" in one.case and "part" not in one.case

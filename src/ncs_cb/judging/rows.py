"""The tables of many visits as rows by visit, gathered once for all that is concluded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ncs_cb.columns import records
from ncs_cb.judging.nerves import Row, nerve_rows
from ncs_cb.knowledge.anatomy import entrapment_between
from ncs_cb.model import Details

__all__ = [
    "Gathered",
    "Row",
    "by_study",
    "gather",
    "holds_entrapment",
    "nerve_of",
    "visits_of",
]

ByStudy = Mapping[str, tuple[Row, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Rows by study id; an absent id is empty text.

    ``nerves`` holds what is known of each motor nerve as a whole, ``sensory`` the sensory rows
    of ``traces``.
    """

    verdicts: ByStudy
    segments: ByStudy
    traces: ByStudy
    nerves: ByStudy
    sensory: ByStudy


def gather(
    verdicts: pd.DataFrame,
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    f_waves: pd.DataFrame,
    details: Mapping[str, Details],
) -> Gathered:
    """Take the tables of those names apart, once for everything that is concluded from them."""
    measured, recorded = by_study(segments), by_study(traces)
    sensory = {
        study_id: tuple(row for row in rows if row["kind"] == "sensory")
        for study_id, rows in recorded.items()
    }
    return Gathered(
        by_study(verdicts),
        measured,
        recorded,
        nerve_rows(measured, recorded, by_study(f_waves), details),
        {study_id: rows for study_id, rows in sensory.items() if rows},
    )


def visits_of(rows: Gathered, details: Mapping[str, Details]) -> list[str]:
    """Give the ids of all visits of which anything is known."""
    known = (details, rows.verdicts, rows.segments, rows.nerves, rows.sensory)
    return list(dict.fromkeys(study_id for table in known for study_id in table))


def by_study(frame: pd.DataFrame) -> dict[str, tuple[Row, ...]]:
    """Give the rows of a table by study id; an absent id is empty text."""
    groups: dict[str, list[Row]] = {}
    for row in records(frame):
        study_id = row.get("study_id")
        groups.setdefault(study_id if isinstance(study_id, str) else "", []).append(row)
    return {key: tuple(rows) for key, rows in groups.items()}


def nerve_of(row: Row) -> tuple[str, str]:
    """Give nerve and side of a row; an unknown side is empty text."""
    side = row.get("side")
    return row["nerve"], side if isinstance(side, str) else ""


def holds_entrapment(row: Row) -> bool:
    """Tell whether a segment lies across an entrapment site of its nerve."""
    return entrapment_between(row["nerve"], *row["segment"].split("-")) is not None

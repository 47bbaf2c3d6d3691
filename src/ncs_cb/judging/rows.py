"""The tables of many visits as rows by visit, gathered once for all that is concluded from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.columns import SEGMENT_KEYS
from ncs_cb.judging.grounds import grounds_of
from ncs_cb.judging.nerves import Row, nerve_rows
from ncs_cb.judging.table import is_adjacent
from ncs_cb.knowledge.anatomy import Entrapment, entrapment_between, is_foreign
from ncs_cb.model import Details

__all__ = [
    "Gathered",
    "Row",
    "by_study",
    "gather",
    "holds_entrapment",
    "is_absent",
    "nerve_of",
    "visits_of",
]

ByStudy = Mapping[str, tuple[Row, ...]]
Places = NDArray[np.intp]

# What may be concluded from of a response and of a segment: an archive has a million cells more.
_OF_TRACES = (
    "study_id",
    "nerve",
    "side",
    "muscle",
    "kind",
    "stimulation_site",
    "distance_mm",
    "high_pass_hz",
    "response",
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "total_negative_duration_ms",
    "quality_flags",
)
_PLACE = (*SEGMENT_KEYS, "distal_site", "proximal_site")
_OF_SEGMENTS = (
    *_PLACE,
    "length_mm",
    "is_entrapment_site",
    "amplitude_reduction_pct",
    "area_reduction_pct",
    "total_area_reduction_pct",
    "conduction_velocity_m_per_s",
    "quality_flags",
)
_OF_VERDICTS = (
    *_PLACE,
    "criteria",
    "conduction_block",
    "grade_by_numbers",
    "technical_validity",
    "not_excluded",
    "temporal_dispersion",
    "evidence",
)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Rows by study id; an absent id is empty text. Of segments it holds those judged.

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
    recorded = by_study(traces, _OF_TRACES)
    measured = by_study(segments, _OF_SEGMENTS, np.flatnonzero(is_adjacent(segments)))
    sensory = {
        study_id: tuple(row for row in rows if row["kind"] == "sensory")
        for study_id, rows in recorded.items()
    }
    return Gathered(
        by_study(verdicts, _OF_VERDICTS),
        measured,
        recorded,
        nerve_rows(measured, recorded, by_study(f_waves), details),
        {study_id: rows for study_id, rows in sensory.items() if rows},
    )


def visits_of(rows: Gathered, details: Mapping[str, Details]) -> list[str]:
    """Give the ids of all visits of which anything is known."""
    known = (details, rows.verdicts, rows.segments, rows.nerves, rows.sensory)
    return list(dict.fromkeys(study_id for table in known for study_id in table))


def by_study(
    frame: pd.DataFrame, names: Sequence[str] | None = None, places: Places | None = None
) -> dict[str, tuple[Row, ...]]:
    """Give the rows of a table, or those at some places, by study id; an absent id is empty text.

    Beside its own cells, or those of some columns, each row holds what is asked of it again and
    again: :func:`_facts`.
    """
    given = frame.columns if names is None else [name for name in names if name in frame]
    if places is not None:
        frame = frame.loc[:, given].iloc[places]
    columns = {str(name): frame[name].tolist() for name in given}
    keys = _texts(columns["study_id"]) if "study_id" in columns else repeat("", len(frame))
    columns |= _facts(columns)
    groups: dict[str, list[Row]] = {}
    for key, row in zip(keys, zip(*columns.values(), strict=True), strict=True):
        groups.setdefault(key, []).append(dict(zip(columns, row, strict=True)))
    return {key: tuple(rows) for key, rows in groups.items()}


def _facts(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Give facts of rows as columns; those of which the table holds nothing are left out.

    ``nerve_and_side`` and ``place`` (with muscle and segment) name a row, with "" for what is not
    known; ``is_foreign`` tells a recording from a muscle of another nerve, ``trap`` is the
    entrapment site within a segment, ``raised`` the set of its flags, ``grounds`` what its
    evidence comes to, ``premises`` the premises among them. ``is_done`` and ``stands`` say of a
    response what :mod:`ncs_cb.flags` means by it.
    """
    if "nerve" not in columns:
        return {}
    unknown = [""] * len(columns["nerve"])
    side, muscle = (_texts(columns.get(name, unknown)) for name in ("side", "muscle"))
    own = list(zip(columns["nerve"], side, strict=True))
    found: dict[str, list[Any]] = {"nerve_and_side": own}
    found["is_foreign"] = list(map(is_foreign, _texts(columns["nerve"]), muscle))
    if "segment" in columns:
        segments = columns["segment"]
        pairs = zip(own, muscle, segments, strict=True)
        found["place"] = [(*nerve, which, segment) for nerve, which, segment in pairs]
        found["trap"] = list(map(trap_within, columns["nerve"], segments))
    texts = columns.get("quality_flags", unknown)
    found["raised"] = list(map(flags.names, _texts(texts)))
    if "kind" in columns:
        responses = columns.get("response", unknown)
        found["is_done"] = list(map(flags.is_done, responses))
        found["stands"] = list(map(flags.stands, responses, texts))
    if "evidence" in columns:
        found["grounds"] = grounds_of(columns["evidence"])
        found["premises"] = [one.premises for one in found["grounds"]]
    return found


def _texts(cells: Sequence[Any]) -> list[str]:
    return [cell if isinstance(cell, str) else "" for cell in cells]


@lru_cache(maxsize=4096)
def trap_within(nerve: str, segment: str) -> Entrapment | None:
    """Give the entrapment site that lies within a segment, or None."""
    return entrapment_between(nerve, *segment.split("-"))


def nerve_of(row: Row) -> tuple[str, str]:
    """Give nerve and side of a row; an unknown side is empty text."""
    nerve: tuple[str, str] = row["nerve_and_side"]
    return nerve


def is_absent(row: Row) -> bool:
    """Tell whether a response was looked for and not there."""
    return "response_absent" in row["raised"]


def holds_entrapment(row: Row) -> bool:
    """Tell whether a segment lies across an entrapment site of its nerve."""
    return row["trap"] is not None

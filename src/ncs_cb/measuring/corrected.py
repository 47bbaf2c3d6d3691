"""The corrections of many studies as one table: who, what, how far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.measuring.edits import Review, replay
from ncs_cb.model import Correction, Study


def reviews_table(studies: Sequence[Study]) -> pd.DataFrame:
    """Give one row per event of the reviews of some studies: the table ``reviews``.

    Parameters
    ----------
    studies : sequence of Study

    Returns
    -------
    DataFrame
        In order of studies and events; events that were taken back or refused say so in
        ``state``.
    """
    rows = []
    for study in studies:
        if not study.corrections:
            continue
        review = replay(study)
        names = {one.recording for one in study.traces}
        names |= {one.recording for one in study.typed_responses}
        rows += [
            {"study_id": study.study_id, **_place(event, names), **_row(event, review)}
            for event in study.corrections
        ]
    return conform(pd.DataFrame(rows), "reviews")


def _place(event: Correction, names: Collection[str]) -> dict[str, object]:
    """Say which response it concerns; a text that names none of the study may name a person."""
    return {
        "recording": event.recording if event.recording in names else None,
        "stimulation_site": event.site if event.site in anatomy().sites else None,
    }


def _row(event: Correction, review: Review) -> dict[str, object]:
    is_move, is_set = event.action == "move", event.action == "set"
    before, after = event.from_value, event.to_value
    is_known = is_move and isinstance(before, float) and isinstance(after, float)
    refused = {one.id for one, _ in review.refused}
    state = "undone" if event.id in review.undone else "applied"
    return {
        "event": event.id,
        "at": event.at if _is_time(event.at) else None,
        "who": event.who,
        "action": event.action,
        "state": "refused" if event.id in refused else state,
        "marker": event.marker,
        "key": event.key,
        "set_from": _text(before) if is_set else None,
        "set_to": _text(after) if is_set else None,
        "from_ms": before if is_move else None,
        "to_ms": after if is_move else None,
        "moved_ms": after - before if is_known else None,  # type: ignore[operator]
        "from_by": event.from_by or None,
        "why": event.why,
    }


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _text(value: object) -> str:
    return "unknown" if value is None else str(value).lower()

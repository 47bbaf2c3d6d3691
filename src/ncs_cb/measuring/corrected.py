"""The corrections of many studies as one table: who, what, how far."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ncs_cb.columns import conform
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
        rows += [_row(study.study_id, event, review) for event in study.corrections]
    return conform(pd.DataFrame(rows), "reviews")


def _row(study_id: str, event: Correction, review: Review) -> dict[str, object]:
    is_move, is_set = event.action == "move", event.action == "set"
    before, after = event.from_value, event.to_value
    is_known = is_move and isinstance(before, float) and isinstance(after, float)
    refused = {one.id for one, _ in review.refused}
    state = "undone" if event.id in review.undone else "applied"
    return {
        "study_id": study_id,
        "event": event.id,
        "at": event.at,
        "who": event.who,
        "action": event.action,
        "state": "refused" if event.id in refused else state,
        "recording": event.recording or None,
        "stimulation_site": event.site,
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


def _text(value: object) -> str:
    return "unknown" if value is None else str(value).lower()

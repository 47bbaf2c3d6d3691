"""Conclusions as tables: the categories, what would settle them, and what explains them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.wording.conclusions import Conclusion, explain


def table(found: Sequence[Conclusion]) -> pd.DataFrame:
    """Give conclusions as the ``diagnosis`` table."""
    return conform(
        pd.DataFrame(
            {
                "study_id": [one.study_id for one in found],
                "criteria": [one.criteria.id for one in found],
                "category": [one.category for one in found],
                "not_excluded": [one.not_excluded for one in found],
                "met": [list(one.met) for one in found],
                "not_met": [list(one.not_met) for one in found],
                "missing": [list(one.missing) for one in found],
                "explanation": [explain(one) for one in found],
            }
        ),
        "diagnosis",
    )


def asks(found: Sequence[Conclusion]) -> pd.DataFrame:
    """Give what would settle the unknown clauses of conclusions, as the table ``asks``."""
    rows = [
        {
            "study_id": one.study_id,
            "criteria": one.criteria.id,
            "kind": ask.kind,
            "clause": ask.clause,
            "nerve": ask.nerve,
            "side": ask.side,
            "distal_site": ask.distal_site,
            "proximal_site": ask.proximal_site,
            "unknown": list(ask.unknown),
            "text": ask.text,
            "text_zh": ask.text_zh,
        }
        for one in found
        for ask in one.asks
    ]
    return conform(pd.DataFrame(rows), "asks")


def reasons(found: Sequence[Conclusion]) -> pd.DataFrame:
    """Give what explains the categories of conclusions, as the table ``reasons``."""
    rows = [
        {
            "study_id": one.study_id,
            "criteria": one.criteria.id,
            "relevant": list(one.relevant),
            "block_found": one.block_found,
            "is_suspected": one.is_suspected,
            "unexamined": [
                {"nerve": part.nerve, "side": part.side, "above": part.above}
                for part in one.unexamined
            ],
            "exempt": [" ".join(nerve) for nerve in one.exempt],
        }
        for one in found
    ]
    return conform(pd.DataFrame(rows), "reasons")

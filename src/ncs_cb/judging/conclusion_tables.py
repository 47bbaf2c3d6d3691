"""Conclusions as tables: the categories, what would settle them, and what explains them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ncs_cb.columns import conform
from ncs_cb.wording.conclusions import Conclusion, explain

Concluded = Sequence[tuple[str, Conclusion]]
"""Conclusions with the study that each is of; one may be of many."""


def table(found: Concluded) -> pd.DataFrame:
    """Give conclusions as the ``diagnosis`` table."""
    said = {one: explain(one) for one in dict.fromkeys(one for _, one in found)}
    return conform(
        {
            "study_id": [study_id for study_id, _ in found],
            "criteria": [one.criteria.id for _, one in found],
            "category": [one.category for _, one in found],
            "not_excluded": [one.not_excluded for _, one in found],
            "met": [list(one.met) for _, one in found],
            "not_met": [list(one.not_met) for _, one in found],
            "missing": [list(one.missing) for _, one in found],
            "explanation": [said[one] for _, one in found],
        },
        "diagnosis",
    )


def asks(found: Concluded) -> pd.DataFrame:
    """Give what would settle the unknown clauses of conclusions, as the table ``asks``."""
    rows = [(study_id, one.criteria.id, ask) for study_id, one in found for ask in one.asks]
    return conform(
        {
            "study_id": [study_id for study_id, _, _ in rows],
            "criteria": [criteria for _, criteria, _ in rows],
            "kind": [ask.kind for _, _, ask in rows],
            "clause": [ask.clause for _, _, ask in rows],
            "nerve": [ask.nerve for _, _, ask in rows],
            "side": [ask.side for _, _, ask in rows],
            "distal_site": [ask.distal_site for _, _, ask in rows],
            "proximal_site": [ask.proximal_site for _, _, ask in rows],
            "unknown": [list(ask.unknown) for _, _, ask in rows],
            "text": [ask.text for _, _, ask in rows],
            "text_zh": [ask.text_zh for _, _, ask in rows],
        },
        "asks",
    )


def reasons(found: Concluded) -> pd.DataFrame:
    """Give what explains the categories of conclusions, as the table ``reasons``."""
    return conform(
        {
            "study_id": [study_id for study_id, _ in found],
            "criteria": [one.criteria.id for _, one in found],
            "relevant": [list(one.relevant) for _, one in found],
            "block_found": [one.block_found for _, one in found],
            "is_suspected": [one.is_suspected for _, one in found],
            "unexamined": [
                [{"nerve": p.nerve, "side": p.side, "above": p.above} for p in one.unexamined]
                for _, one in found
            ],
            "exempt": [[" ".join(nerve) for nerve in one.exempt] for _, one in found],
        },
        "reasons",
    )

"""The words that many rooms share, each written once: names of tables, kinds of their rows."""

from __future__ import annotations

MAIN_TABLES = ("traces", "segments", "verdicts", "diagnosis")
"""The tables of a result that every visit has."""

SERIES_TABLES = ("checks", "f_waves", "recruitment", "inching")
"""What was looked for, and what special recordings give; empty without such recordings."""

JUDGEMENT_TABLES = (
    "statements", "features", "differential", "sensory", "limits", "asks", "reasons",
)  # fmt: skip
"""What the numbers mean, so that whoever shows a result need not judge it again."""

RESULT_TABLES = (*MAIN_TABLES, *SERIES_TABLES, *JUDGEMENT_TABLES)
"""Every table of a result, in the order of its record."""

ID_LISTS = ("met", "not_met", "missing", "relevant", "unknown")
"""Columns whose cells are lists of ids."""

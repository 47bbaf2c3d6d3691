"""The words that many rooms share, each written once: grades, names of tables, the tolerance."""

from __future__ import annotations

TOLERANCE = 1e-9
"""Grace of every comparison, in the direction of the written operator (public contract)."""

DAYS_PER_MONTH = 30.44
"""Mean length of a month."""

GRADES = ("definite", "probable", "possible")
"""Grades of block and of categories, strongest first; a set may use its own as well."""

NO_GRADE = ("undetermined", "none", "excluded", "not_covered")
"""Words that are no grades of block; only ``none`` may read as "no block"."""

SHOWN_GRADES = (*GRADES, "none", "none_where_judged", "excluded", "undetermined", "not_covered")
"""What a report may show as a grade, strongest first; each has a look of its own."""

MAIN_TABLES = ("traces", "segments", "verdicts", "diagnosis")
"""The tables of a result that every visit has."""

SERIES_TABLES = ("checks", "f_waves", "recruitment", "inching")
"""What was looked for, and what special recordings give; empty without such recordings."""

JUDGEMENT_TABLES = (
    "statements",
    "features",
    "differential",
    "sensory",
    "limits",
    "asks",
    "reasons",
)
"""What the numbers mean, so that whoever shows a result need not judge it again."""

RESULT_TABLES = (*MAIN_TABLES, *SERIES_TABLES, *JUDGEMENT_TABLES)
"""Every table of a result, in the order of its record."""

ID_LISTS = ("met", "not_met", "missing", "relevant", "unknown", "exempt")
"""Columns whose cells are lists of ids."""

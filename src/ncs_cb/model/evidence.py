"""Evidence in short: what many verdicts say alike stands once, beside their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """One row of evidence, shared by all verdicts in which it differs by a number alone.

    Attributes
    ----------
    row : mapping
        The row; ``value`` and ``text`` in it are filled in where there is a number.
    around : tuple of (str, str) or None
        What stands before and behind the number in ``text``; None where the row has no number.
    """

    row: Mapping[str, Any]
    around: tuple[str, str] | None = None


class Evidence(NamedTuple):
    """The evidence of one verdict.

    Attributes
    ----------
    clauses : tuple of Said
        What the criteria set asked, and what came of it.
    values : tuple of float or None
        The number of each of them, unrounded; None where it has none.
    words : tuple of str
        These numbers as the sentences write them.
    remarks : tuple of Said
        Policies and technical premises, which have no number.
    """

    clauses: tuple[Said, ...]
    values: tuple[float | None, ...]
    words: tuple[str, ...]
    remarks: tuple[Said, ...]

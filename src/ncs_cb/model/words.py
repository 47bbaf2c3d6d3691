"""What criteria and reference sets say of themselves, carried by a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Wording:
    """One thing that a set names, in words: what it is, and what to do where it is unknown."""

    text: str = ""
    text_zh: str = ""
    ask: str = ""
    ask_zh: str = ""


@dataclass(frozen=True, slots=True)
class SetWords:
    """What a criteria or reference set says of itself, shipped or a laboratory's own.

    Attributes
    ----------
    id, sha256 : str
        As provenance names the file.
    kind : str
        ``criteria`` or ``reference``.
    is_shipped : bool
        Whether it is the file of this version, whose title may stand in the catalogs too.
    title, title_zh, citation, doi : str
    purpose : str
        ``mmn``, ``cidp``, ``block`` or ``screening``; empty for reference sets.
    enabled : bool
        False while the limits of a criteria set wait for the publication.
    why_not_enabled : str
    n_unchecked : int
        Number of limits in use that were not checked against the publication.
    categories, clauses : mapping of id to Wording
        The categories of the diagnosis, and the clauses they are made of.
    """

    id: str
    sha256: str
    kind: Literal["criteria", "reference"]
    is_shipped: bool
    title: str
    title_zh: str = ""
    citation: str = ""
    doi: str = ""
    purpose: str = ""
    enabled: bool = True
    why_not_enabled: str = ""
    n_unchecked: int = 0
    categories: Mapping[str, Wording] = field(default_factory=dict)
    clauses: Mapping[str, Wording] = field(default_factory=dict)

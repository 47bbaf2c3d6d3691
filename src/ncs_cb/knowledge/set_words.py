"""What a criteria or reference set says of itself, as plain data that a result can carry."""

from __future__ import annotations

from functools import cache

from ncs_cb.knowledge import criteria, reference
from ncs_cb.knowledge.criteria import CriteriaSet
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.model import DataFile, SetWords, Wording


@cache
def of_criteria(made: CriteriaSet) -> SetWords:
    """Give the words of a criteria set: its title, its categories, and the clauses of those."""
    categories: dict[str, Wording] = {}
    for route in made.category_routes:
        categories.setdefault(route.id, Wording(route.label, route.label_zh))
    return SetWords(
        id=made.id,
        sha256=made.sha256,
        kind="criteria",
        is_shipped=made.id in criteria.available() and criteria.load(made.id).sha256 == made.sha256,
        title=made.title,
        title_zh=made.title_zh,
        citation=made.citation,
        doi=made.doi,
        purpose=made.purpose,
        enabled=made.enabled,
        why_not_enabled=made.why_not_enabled,
        n_unchecked=len(made.unchecked()),
        categories=categories,
        clauses={c.id: Wording(c.text, c.text_zh, c.ask, c.ask_zh) for c in made.category_leaves()},
    )


def of_reference(made: ReferenceSet) -> SetWords:
    """Give the words of a set of normal limits."""
    return SetWords(
        id=made.id,
        sha256=made.sha256,
        kind="reference",
        is_shipped=made.id in reference.available()
        and reference.load(made.id).sha256 == made.sha256,
        title=made.title,
        title_zh=made.title_zh,
        citation=made.citation,
        doi=made.doi,
    )


def shipped(files: tuple[DataFile, ...]) -> tuple[SetWords, ...]:
    """Give the words of those criteria sets among `files` that are the files of this version."""
    known = criteria.available()
    found = (of_criteria(criteria.load(file.id)) for file in files if file.id in known)
    hashes = {file.sha256 for file in files}
    return tuple(one for one in found if one.sha256 in hashes)

"""Criteria sets: published rules as data, loaded, checked, and never executed as code.

A set is one TOML file in ``tables/criteria`` or a laboratory's own. It holds the gate a segment
must pass (``entry``), graded rules over columns of the segments table, its limit of temporal
dispersion, and the categories of the diagnosis. Every threshold has a source and a verification
level. docs/criteria.md describes the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from ncs_cb.knowledge.anatomy import anatomy, position
from ncs_cb.knowledge.clauses import (
    CATEGORIES,
    LIMBS,
    Clause,
    Group,
    Reader,
    Term,
    leaves,
)
from ncs_cb.knowledge.datafile import Block, DataText, is_path, read, shipped
from ncs_cb.vocabulary import GRADES

__all__ = [
    "CATEGORIES",
    "DEFAULT",
    "Category",
    "Clause",
    "CriteriaSet",
    "Group",
    "NerveRule",
    "Rule",
    "Scope",
    "Term",
    "available",
    "chosen",
    "leaves",
    "load",
]

DEFAULT = ("efns_pns_2010", "ean_pns_cidp_2021", "partial_block_20pct")
"""The documented default list."""

_TOP = (
    "id",
    "title",
    "title_zh",
    "revision",
    "purpose",
    "leads",
    "enabled",
    "why_not_enabled",
    "grades",
    "categories",
    "text",
    "text_zh",
    "rules_from",
    "source",
    "coverage",
    "long_segments",
    "entry",
    "rule",
    "dispersion",
    "clause",
    "nerve_rule",
    "category",
)
_SCOPE = ("nerves", "limb", "segments", "proximal_sites", "long", "ends_at_erb")
_TERM = ("all", "any", "at_least")


class Scope(NamedTuple):
    """Which segments a rule speaks about; an empty condition holds for all.

    Attributes
    ----------
    nerves : tuple of str
        Nerves the rule is for.
    limb : str
        ``arm`` or ``leg``.
    segments, proximal_sites : tuple of str
        Segments, or sites at which a segment ends.
    long : bool or None
        Only long segments (True) or only others (False).
    ends_at_erb : bool or None
        Only segments that end at Erb's point (True) or only others (False).
    """

    nerves: tuple[str, ...] = ()
    limb: str = ""
    segments: tuple[str, ...] = ()
    proximal_sites: tuple[str, ...] = ()
    long: bool | None = None
    ends_at_erb: bool | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One graded rule: segments in its scope get its grade when its term holds."""

    id: str
    grade: str
    scope: Scope
    term: Group
    text: str = ""
    text_zh: str = ""


class NerveRule(NamedTuple):
    """One sign of a nerve as a whole (slow velocity, late F wave), for the categories."""

    id: str
    nerves: tuple[str, ...]
    term: Group
    text: str
    text_zh: str


class Category(NamedTuple):
    """One way to reach one category; a category with several routes needs one of them."""

    id: str
    route: str
    label: str
    label_zh: str
    term: Group


@dataclass(frozen=True, slots=True, eq=False)
class CriteriaSet:
    """One criteria set, as loaded.

    Attributes
    ----------
    id, title, revision, sha256
        What a result quotes; the hash covers the file and the file its rules come from.
    purpose : str
        ``mmn``, ``cidp``, ``block`` (segments only) or ``screening``.
    leads : bool
        False for a set that is shown beside others and never leads a conclusion.
    enabled : bool
        False while the set's table has not been checked against the publication. Then limits
        that are not ``primary`` or ``secondary`` are not used, and what rests on them is unknown.
    grades, categories : tuple of str
        Strongest first.
    named_nerves, named_segments : tuple of str
        What the publication names; anything else is judged by the same numbers, ``extrapolated``.
    erb_at_most : str
        Strongest grade of a segment that ends at Erb's point; empty for no such limit.
    long_segments : tuple of (nerve, distal site, proximal site)
        Segments that contain one of these are long.
    """

    id: str
    title: str
    title_zh: str
    revision: int
    sha256: str
    purpose: str
    leads: bool
    enabled: bool
    why_not_enabled: str
    grades: tuple[str, ...]
    categories: tuple[str, ...]
    text: str
    text_zh: str
    citation: str
    doi: str
    read_in: str
    named_nerves: tuple[str, ...]
    named_segments: tuple[str, ...]
    erb_at_most: str
    erb_source: str
    long_segments: tuple[tuple[str, str, str], ...]
    entry: Group
    rules: tuple[Rule, ...]
    dispersion: tuple[Rule, ...]
    nerve_rules: tuple[NerveRule, ...]
    category_routes: tuple[Category, ...]

    def clause(self, id_: str) -> Clause:
        """Give the clause of the categories with that id: its words, and what would decide it.

        Raises
        ------
        KeyError
            If the set has no such clause.
        """
        return _category_leaves(self)[id_]

    def category_leaves(self) -> tuple[Clause, ...]:
        """Give the clauses of all categories, each once, in the order in which they are read."""
        return tuple(_category_leaves(self).values())

    def thresholds(self) -> Iterator[Clause]:
        """Give every clause of the set, with its source and verification level."""
        yield from leaves(self.entry)
        terms = [one.term for one in (*self.rules, *self.dispersion)]
        for term in (*terms, *(one.term for one in self.nerve_rules)):
            yield from leaves(term)
        yield from self.category_leaves()

    def unchecked(self) -> tuple[Clause, ...]:
        """Give the clauses in use whose number was not checked against the publication."""
        return _unchecked(self)


# Sets are immutable and asked the same for every study of a batch.
@cache
def _category_leaves(made: CriteriaSet) -> dict[str, Clause]:
    return {c.id: c for route in made.category_routes for c in leaves(route.term)}


@cache
def _unchecked(made: CriteriaSet) -> tuple[Clause, ...]:
    loose = ("unchecked", "doubtful")
    return tuple(c for c in made.thresholds() if c.is_usable and c.verified in loose)


def available() -> list[str]:
    """Give the ids of the shipped criteria sets."""
    return shipped("criteria")


def load(id_or_path: str | Path | CriteriaSet, *, allow_doubtful: bool = False) -> CriteriaSet:
    """Load a shipped set by its id, or a laboratory's own by its path.

    Parameters
    ----------
    id_or_path : str, Path or CriteriaSet
        A loaded set is given back as it is.
    allow_doubtful : bool
        Also use limits marked ``doubtful``, and the limits of a set that is not enabled. What is
        ``unset`` stays unknown.

    Raises
    ------
    TableError
        If there is no such set, or the file is malformed; the message names file, key, reason
        and the nearest valid name.
    """
    if isinstance(id_or_path, CriteriaSet):
        return id_or_path
    if is_path(id_or_path):
        return _build(read("criteria", id_or_path), allow_doubtful)
    return _shipped(str(id_or_path), allow_doubtful)


def chosen(
    criteria: object | None,
) -> tuple[CriteriaSet, ...]:
    """Load the sets a caller named (one or several), or the default list; each once."""
    if criteria is None:
        criteria = DEFAULT
    named = [criteria] if isinstance(criteria, str | Path | CriteriaSet) else list(criteria)  # type: ignore[call-overload]
    return tuple({one.id: one for one in map(load, named)}.values())


@cache
def _shipped(id_: str, allow_doubtful: bool) -> CriteriaSet:
    return _build(read("criteria", id_), allow_doubtful)


def _build(data: DataText, allow_doubtful: bool) -> CriteriaSet:
    top = Block(data.raw, data.name)
    top.only(*_TOP)
    origin = top.block("source")
    origin.only("citation", "doi", "read_in")
    coverage = top.block("coverage")
    coverage.only("nerves", "segments", "erb_at_most", "erb_source")
    grades = _ordered(top, "grades", GRADES)
    enabled = bool(top.truth("enabled", True))
    reader = Reader(enabled or allow_doubtful, allow_doubtful, grades)
    erb = coverage.choice("erb_at_most", grades) if "erb_at_most" in coverage.raw else ""
    made = CriteriaSet(
        id=top.text("id"),
        title=top.text("title"),
        title_zh=top.maybe_text("title_zh"),
        revision=top.whole("revision"),
        sha256=data.sha256,
        purpose=_purpose(top),
        leads=bool(top.truth("leads", True)),
        enabled=enabled,
        why_not_enabled="" if enabled else top.text("why_not_enabled"),
        grades=grades,
        categories=_ordered(top, "categories", CATEGORIES),
        text=top.maybe_text("text"),
        text_zh=top.maybe_text("text_zh"),
        citation=origin.text("citation"),
        doi=origin.maybe_text("doi"),
        read_in=origin.maybe_text("read_in"),
        named_nerves=coverage.names("nerves", anatomy().nerves),
        named_segments=coverage.names("segments"),
        erb_at_most=erb,
        erb_source=coverage.text("erb_source") if erb else "",
        long_segments=_long_segments(top.block("long_segments")),
        entry=_gate(top, reader),
        rules=tuple(_rule(b, reader, grades) for b in top.blocks("rule")),
        dispersion=tuple(_dispersion(b, reader) for b in top.blocks("dispersion")),
        nerve_rules=(),
        category_routes=(),
    )
    made = _with_rules_of_another(top, made, allow_doubtful)
    return _with_categories(top, made, reader)


def _gate(top: Block, reader: Reader) -> Group:
    """Give what a segment must hold to be judged at all; nothing where the set asks nothing."""
    if "entry" not in top.raw:
        return Group("entry", "all", 0, ())
    return reader.group(top.block("entry"), "entry", "segments")


def _purpose(top: Block) -> str:
    """Give what a set is for; one with categories that does not say so is taken to be for MMN."""
    if "purpose" in top.raw:
        return top.choice("purpose", ("mmn", "cidp", "block", "screening"))
    return "mmn" if top.raw.get("categories") else "block"


def _ordered(top: Block, name: str, order: tuple[str, ...]) -> tuple[str, ...]:
    given = top.names(name, order)
    if list(given) != [one for one in order if one in given]:
        raise top.wrong(name, f"must be listed once each, strongest first: {', '.join(order)}")
    return given


def _scope(block: Block) -> Scope:
    nerves = block.names("nerves", anatomy().nerves)
    limb = block.choice("limb", LIMBS) if "limb" in block.raw else ""
    segments = block.names("segments")
    for one in segments:
        _sites_of(block, "segments", one, nerves or tuple(anatomy().nerves))
    sites = block.names("proximal_sites", anatomy().sites)
    return Scope(nerves, limb, segments, sites, block.truth("long"), block.truth("ends_at_erb"))


def _sites_of(block: Block, key: str, segment: str, nerves: tuple[str, ...]) -> tuple[str, str]:
    distal, _, proximal = segment.partition("-")
    for nerve in nerves:
        sites = anatomy().nerves[nerve].sites
        if distal in sites and proximal in sites and sites.index(distal) < sites.index(proximal):
            return distal, proximal
    raise block.wrong(
        key,
        f"unknown segment '{segment}'; write two sites of {' or '.join(nerves)}, distal "
        "first, joined by a hyphen, such as 'wrist-elbow'",
    )


def _long_segments(block: Block) -> tuple[tuple[str, str, str], ...]:
    block.only("source", "verified", *anatomy().nerves)
    if block.raw:
        block.text("source")
        block.text("verified")
    return tuple(
        (nerve, *_sites_of(block, nerve, segment, (nerve,)))
        for nerve in anatomy().nerves
        for segment in block.names(nerve)
    )


def _rule(block: Block, reader: Reader, grades: tuple[str, ...]) -> Rule:
    block.only("id", "grade", "text", "text_zh", *_SCOPE, *_TERM)
    id_ = block.text("id")
    return Rule(
        id_,
        block.choice("grade", grades),
        _scope(block),
        reader.group(block, id_, "segments"),
        block.maybe_text("text"),
        block.maybe_text("text_zh"),
    )


def _dispersion(block: Block, reader: Reader) -> Rule:
    block.only("id", *_SCOPE, *_TERM)
    id_ = block.text("id")
    return Rule(id_, "", _scope(block), reader.group(block, id_, "segments"))


def _with_rules_of_another(top: Block, made: CriteriaSet, allow_doubtful: bool) -> CriteriaSet:
    """Take gate, rules and coverage from another shipped set, as AANEM 2003 does from 1999."""
    if "rules_from" not in top.raw:
        if not made.rules:
            raise top.wrong("rule", "missing key 'rule' (a list of tables), or 'rules_from'")
        return made
    other_id = top.choice("rules_from", [one for one in available() if one != made.id])
    other = load(other_id, allow_doubtful=allow_doubtful)
    both = sha256(f"{made.sha256} {other.sha256}".encode()).hexdigest()
    return replace(
        made,
        sha256=both,
        rules=other.rules,
        entry=other.entry,
        dispersion=other.dispersion,
        named_nerves=made.named_nerves or other.named_nerves,
        grades=other.grades,
        named_segments=made.named_segments or other.named_segments,
        erb_at_most=other.erb_at_most,
        erb_source=other.erb_source,
        long_segments=other.long_segments,
        enabled=made.enabled and other.enabled,
        why_not_enabled=made.why_not_enabled or other.why_not_enabled,
    )


def _with_categories(top: Block, made: CriteriaSet, reader: Reader) -> CriteriaSet:
    reader = replace(reader, grades=made.grades)
    nerve_rules = tuple(_nerve_rule(b, reader) for b in top.blocks("nerve_rule"))
    signs = ("block", "definite_block", "dispersion", *(one.id for one in nerve_rules))
    reader = replace(reader, signs=signs)
    named: dict[str, Term] = {}
    for block in top.blocks("clause"):
        term = replace(reader, named=named).term(block, "study")
        if term.id in named:
            raise block.wrong("id", f"'{term.id}' stands there twice")
        named[term.id] = term
    reader = replace(reader, named=named)
    routes = tuple(_category(b, reader, made.categories) for b in top.blocks("category"))
    missing = [one for one in made.categories if one not in {route.id for route in routes}]
    if missing:
        raise top.wrong("category", f"no [[category]] with id '{missing[0]}'")
    return replace(made, nerve_rules=nerve_rules, category_routes=routes)


def _nerve_rule(block: Block, reader: Reader) -> NerveRule:
    block.only("id", "nerves", "text", "text_zh", *_TERM)
    id_ = block.text("id")
    return NerveRule(
        id_,
        block.names("nerves", anatomy().nerves),
        reader.group(block, id_, "nerves"),
        block.text("text"),
        block.maybe_text("text_zh"),
    )


def _category(block: Block, reader: Reader, categories: tuple[str, ...]) -> Category:
    block.only("id", "route", "label", "label_zh", *_TERM)
    id_ = block.choice("id", categories)
    route = block.maybe_text("route")
    return Category(
        id_,
        route,
        block.maybe_text("label") or id_,
        block.maybe_text("label_zh"),
        reader.group(block, f"{id_}{'_' if route else ''}{route}", "study"),
    )


def is_long(made: CriteriaSet, nerve: str, distal_site: str, proximal_site: str) -> bool:
    """Tell whether a segment contains one that the set calls long."""
    low, high = position(nerve, distal_site), position(nerve, proximal_site)
    return any(
        low <= position(nerve, start) and position(nerve, end) <= high
        for owner, start, end in made.long_segments
        if owner == nerve
    )


def in_scope(
    scope: Scope, made: CriteriaSet, nerve: str, distal_site: str, proximal_site: str
) -> bool:
    """Tell whether a rule speaks about this segment."""
    segment = f"{distal_site}-{proximal_site}"
    limb: Literal["arm", "leg"] = anatomy().nerves[nerve].limb
    return (
        (not scope.nerves or nerve in scope.nerves)
        and (not scope.limb or limb == scope.limb)
        and (not scope.segments or segment in scope.segments)
        and (not scope.proximal_sites or proximal_site in scope.proximal_sites)
        and (scope.ends_at_erb is None or scope.ends_at_erb == (proximal_site == "erb"))
        and (scope.long is None or scope.long == is_long(made, nerve, distal_site, proximal_site))
    )

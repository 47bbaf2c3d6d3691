"""What a report rests on: sets and limits, their verification, files, citations, decisions."""

from __future__ import annotations

from collections import Counter

from ncs_cb.view import tables
from ncs_cb.view.parts import Cell, Fact, Table
from ncs_cb.view.reading import (
    Reading,
)

_LEVELS = ("primary", "secondary", "unchecked", "doubtful")


def verification(r: Reading) -> tuple[Fact, ...]:
    """Say how well each set's limits are verified, and name those that are not."""
    seen: dict[str, dict[tuple[str, str], str]] = {}
    for group in r.verdicts.values():
        for verdict in group:
            for clause in verdict["evidence"] or ():
                key = (str(clause.get("clause")), str(clause.get("limit")))
                level = str(clause.get("verified") or "unchecked")
                seen.setdefault(str(verdict["criteria"]), {})[key] = level
    facts = []
    for set_id, clauses in seen.items():
        counts = Counter(clauses.values())
        parts = [
            r.words("phrase.count", word=r.words.term("level", level), n=counts[level])
            for level in _LEVELS
            if counts[level]
        ]
        facts.append(Fact(r.set_title(set_id), r.words.join(parts, weight="comma")))
    return tuple(facts)


def data_files(r: Reading) -> Table:
    """List the criteria and reference sets with revision and SHA-256."""
    provenance = r.result.provenance
    heads = tables.word_heads(r, "kind", "set", "revision", "sha256")
    rows = [
        (
            Cell(r.words(f"kind.{kind}")),
            Cell(r.set_title(f.id) if kind == "criteria" else r.reference_title(f.id)),
            Cell(str(f.revision)),
            Cell(f.sha256, "hash"),
        )
        for kind, group in (("criteria", provenance.criteria), ("reference", provenance.reference))
        for f in group
    ]
    return Table(tuple(heads), tuple(rows))


def rests_on(r: Reading) -> tuple[Fact, ...]:
    """Give the version and the settings."""
    provenance = r.result.provenance
    settings = [
        Fact(r.words.term("setting", key), r.setting(key, str(value)))
        for key, value in sorted(provenance.settings.items())
    ]
    return (Fact(r.words("label.version"), provenance.version), *settings)


def references(r: Reading) -> tuple[Fact, ...]:
    """Give the publication behind each criteria set."""
    facts = []
    for item in r.result.provenance.criteria:
        found = r.set_words(item.id)
        if found is not None and found.citation:
            doi = f" doi:{found.doi}" if found.doi else ""
            facts.append(Fact(r.set_title(item.id), f"{r.source(found.citation)}{doi}"))
    return tuple(facts)


def sources(r: Reading) -> Table:
    """List the input files with the reader that took them and their SHA-256."""
    heads = tables.word_heads(r, "file", "reader", "sha256")
    rows = [
        (Cell(s.name), Cell(r.words.term("reader", s.reader)), Cell(s.sha256, "hash"))
        for s in r.result.provenance.sources
    ]
    return Table(tuple(heads), tuple(rows))


def decisions(r: Reading) -> Table:
    """List what the reader and later steps decided, and why."""
    heads = tables.word_heads(r, "file", "topic", "choice", "reason")
    found = dict.fromkeys(r.result.provenance.decisions)
    told = ((d.source, r.words.term("topic", d.topic), d.choice, d.reason) for d in found)
    rows = tuple(tuple(Cell(r.settled(text)) for text in one) for one in told)
    return Table(tuple(heads), rows)

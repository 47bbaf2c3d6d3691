"""What each criteria set concludes, and what speaks for and against, in words."""

from __future__ import annotations

from collections.abc import Iterable

from ncs_cb.knowledge.findings import findings
from ncs_cb.view import tables
from ncs_cb.view.parts import Cell, DiagnosisView, Fact, FeatureList, Table
from ncs_cb.view.reading import (
    Reading,
    Row,
    is_healthy,
    is_normal,
)
from ncs_cb.wording.conclusions import Ask, Conclusion, Stretch, ask_text, explain


def diagnosis(r: Reading) -> tuple[DiagnosisView, ...]:
    """Word what each criteria set concludes, with what explains it and what would decide it."""
    views: list[DiagnosisView] = []
    if is_healthy(r):
        return ()
    for row in r.tables["diagnosis"]:
        set_id, category, stronger = (
            str(row["criteria"]),
            str(row["category"]),
            row["not_excluded"],
        )
        is_open = isinstance(stronger, str) and stronger not in ("", category, "not_met")
        is_open = is_open and not is_normal(r)
        found = _conclusion(r, row)
        asks: tuple[str, ...] = ()
        explanation = "" if r.words.lang != "en" else str(row["explanation"] or "")
        if found is not None:
            explanation = explain(found, r.words.lang)
            asks = tuple(
                dict.fromkeys(ask_text(ask, found.criteria, r.words.lang) for ask in found.asks)
            )
        if is_normal(r):
            asks, explanation = (), ""
        views.append(
            DiagnosisView(
                set_id,
                r.set_title(set_id),
                category,
                category_word(r, set_id, category),
                category_word(r, set_id, str(stronger)) if is_open else "",
                tuple(clause_word(r, set_id, c) for c in _list(row["met"])),
                tuple(clause_word(r, set_id, c) for c in _list(row["not_met"])),
                tuple(clause_word(r, set_id, c, ask=not asks) for c in _list(row["missing"])),
                asks,
                explanation,
            )
        )
    return tuple(views)


def _conclusion(r: Reading, row: Row) -> Conclusion | None:
    """Put a conclusion together from the tables; None where the record holds no reasons."""
    own = r.set_words(str(row["criteria"]))
    reasons = [one for one in r.tables["reasons"] if one["criteria"] == row["criteria"]]
    if own is None or not reasons:
        return None
    asks = (one for one in r.tables["asks"] if one["criteria"] == row["criteria"])
    return Conclusion(
        own,
        str(row["category"]),
        str(row["not_excluded"] or ""),
        tuple(_list(row["met"])),
        tuple(_list(row["not_met"])),
        tuple(_list(row["missing"])),
        relevant=tuple(_list(reasons[0]["relevant"])),
        asks=tuple(
            Ask(**{name: one[name] for name in _ASK_TEXTS}, unknown=tuple(one["unknown"]))
            for one in asks
        ),
        block_found=reasons[0]["block_found"],
        unexamined=tuple(Stretch(**one) for one in reasons[0]["unexamined"]),
        is_suspected=reasons[0]["is_suspected"] is not False,
        exempt=tuple((nerve, side) for nerve, _, side in map(_parted, _list(reasons[0]["exempt"]))),
    )


def _parted(text: str) -> tuple[str, str, str]:
    return text.partition(" ")


_ASK_TEXTS = (
    "kind",
    "clause",
    "nerve",
    "side",
    "distal_site",
    "proximal_site",
    "text",
    "text_zh",
)


def _list(value: object) -> list[str]:
    """Read a cell of clause ids; an empty or unknown cell holds none."""
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, Iterable) else []


def category_word(r: Reading, set_id: str, category: str) -> str:
    """Name a category in its set's own words."""
    own = r.set_words(set_id)
    word = own.categories.get(category) if own else None
    return r.either(word.text, word.text_zh) if word else r.words.term("category", category)


def clause_word(r: Reading, set_id: str, clause: str, *, ask: bool = False) -> str:
    """Word a clause id, with `ask` also what would decide it; an unknown id stands as it is."""
    own = r.set_words(set_id)
    found = own.clauses.get(clause) if own else None
    if found is not None and found.text:
        text, question = r.either(found.text, found.text_zh), r.either(found.ask, found.ask_zh)
        return r.words("phrase.ask", clause=text, ask=question) if ask and question else text
    finding = findings().get(clause)
    if finding is not None:
        return r.either(finding.label, finding.label_zh)
    section = "flag" if f"flag.{clause}" in r.words.texts else "column"
    return r.words.term(section, clause)


def features(r: Reading) -> tuple[Table, tuple[FeatureList, ...]]:
    """List what speaks for and against MMN, one by one, and what else fits; never a score.

    Returns
    -------
    tuple of Table and FeatureList
        The features of MMN with their published frequency; per other disease what speaks for
        and against it.
    """
    if is_healthy(r):
        return tables.empty(), ()
    order = {bearing: n for n, bearing in enumerate(_BEARINGS)}
    own = sorted(r.tables["features"], key=lambda row: order[str(row["bearing"])])
    heads = tables.word_heads(r, "bearing", "feature", "frequency", "source", "level")
    rows = tuple(_feature(r, row) for row in own if row["bearing"] != "unknown")
    unknown = [_own_words(r, row, "text") for row in own if row["bearing"] == "unknown"]
    names = r.words.join(unknown, weight="heavy")
    others: dict[str, list[Fact]] = {}
    for row in r.tables["differential"]:
        entity = r.words("features.other", entity=_own_words(r, row, "entity_text"))
        others.setdefault(entity, []).append(_for_or_against(r, row))
    lists = tuple(FeatureList(name, tuple(found)) for name, found in others.items())
    note = r.words("note.unknown", items=names) if unknown else ""
    return Table(tuple(heads), rows, note=note), lists


_BEARINGS = ("supportive", "against", "neutral", "unknown")


def _own_words(r: Reading, row: Row, name: str) -> str:
    return r.either(str(row[name] or ""), str(row[f"{name}_zh"] or ""))


def _feature(r: Reading, row: Row) -> tuple[Cell, ...]:
    bearing = str(row["bearing"])
    return (
        Cell(r.words(f"features.{bearing}"), bearing),
        Cell(_own_words(r, row, "text")),
        Cell(_own_words(r, row, "frequency")),
        Cell(r.source(str(row["source"]))),
        Cell(r.words.term("level", str(row["verified"]))),
    )


def _for_or_against(r: Reading, row: Row) -> Fact:
    key = "features.for" if row["bearing"] == "supportive" else "features.contra"
    return Fact(r.words(key), _own_words(r, row, "text"))

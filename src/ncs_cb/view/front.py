"""What stands at the head and the foot of a report: who, in which state, and the impression."""

from __future__ import annotations

from typing import Any

from ncs_cb.model import Correction
from ncs_cb.view.finding import sentences
from ncs_cb.view.parts import Cell, Fact, Letterhead, Table
from ncs_cb.view.reading import Reading, Row, records
from ncs_cb.view.rounding import NOTHING, is_known, plain, with_unit
from ncs_cb.view.tables import empty, word_heads


def impression(r: Reading) -> tuple[Fact, ...]:
    """Give the impression line by line; what was found is labelled ``block``, all else not."""
    statements = getattr(r.result, "statements", None)
    rows = [] if statements is None else records(statements)
    if not rows:
        return sentences(r)
    return tuple(
        Fact(_label(row), r.either(str(row["text"] or ""), str(row["text_zh"] or "")))
        for row in rows
    )


def _label(row: Row) -> str:
    is_found = row["topic"] in ("block", "entrapment") and not str(row["case"]).startswith("no")
    return "block" if is_found or row["case"] in _FOUND else "plain"


_FOUND = ("lewis_sumner", "lewis_sumner_one", "cidp", "upper", "cold", "submaximal")


def letterhead(r: Reading) -> Letterhead:
    """Give the laboratory's name, address and logo; empty where no laboratory is known."""
    lab: Any = getattr(r.result.study, "lab", None)
    said = dict(lab.letterhead) if lab is not None else {}
    lines = [*str(said.get("address") or "").splitlines(), said.get("phone"), said.get("email")]
    return Letterhead(
        str(said.get("name", "")),
        tuple(str(line) for line in lines if line),
        str(said.get("physician", "")),
        str(said.get("logo_data", "")),
    )


def standing(r: Reading) -> tuple[Correction, ...]:
    """Give the corrections that were not taken back, and the acceptances."""
    events = r.result.study.corrections
    undone = {str(event.undoes) for event in events if event.undoes}
    return tuple(e for e in events if e.action != "undo" and e.id not in undone)


def status(r: Reading) -> str:
    """Say whether a person has looked at the markers, who, and how much was corrected."""
    events = standing(r)
    if not events:
        return r.words("status.automatic")
    who = r.words.join(event.who for event in events)
    changed = sum(event.action != "accept" for event in events)
    key = "status.corrected" if changed else "status.accepted"
    return r.words(key, who=who, n=changed)


def corrections(r: Reading) -> Table:
    """List what a person corrected: both values, who, when and why."""
    rows = [e for e in standing(r) if e.action != "accept"]
    if not rows:
        return empty()
    heads = word_heads(r, "file", "site", "corrected", "before", "after", "who", "when", "reason")
    body = tuple(
        (
            Cell(e.recording),
            Cell(r.words.site(e.site) if e.site else NOTHING),
            Cell(_what(r, e)),
            Cell(_value(r, e, e.from_value)),
            Cell(_value(r, e, e.to_value)),
            Cell(e.who),
            Cell(e.at[:10]),
            Cell(e.why or NOTHING),
        )
        for e in rows
    )
    return Table(tuple(heads), body)


def _what(r: Reading, event: Correction) -> str:
    """Name what an event changed: a marker, a key, or the response as a whole."""
    if event.marker:
        return r.words.term("marker", event.marker)
    return r.words.term("corrected", event.key or event.action)


def _value(r: Reading, event: Correction, value: object) -> str:
    if isinstance(value, bool):
        return r.words("truth.yes" if value else "truth.no")
    if is_known(value):
        unit = "ms" if event.marker and event.marker != "baseline" else ""
        return with_unit(plain(value), unit)
    if event.key == "site" and isinstance(value, str):
        return r.words.site(value)
    return str(value) if value is not None else NOTHING

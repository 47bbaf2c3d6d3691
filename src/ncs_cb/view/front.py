"""What stands at the head and the foot of a report: who, in which state, and the impression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ncs_cb import flags, review_file
from ncs_cb.model import Correction
from ncs_cb.view.finding import sentences
from ncs_cb.view.parts import Cell, Fact, Letterhead, Table
from ncs_cb.view.reading import Reading, Row
from ncs_cb.view.rounding import NOTHING, is_known, plain, with_unit
from ncs_cb.view.tables import empty, word_heads


def impression(r: Reading) -> tuple[Fact, ...]:
    """Give the impression line by line; what was found is labelled ``block``, all else not."""
    rows = r.tables["statements"]
    if not rows:
        return sentences(r)
    return tuple(
        Fact(_label(row), r.either(str(row["text"] or ""), str(row["text_zh"] or "")))
        for row in rows
    )


def _label(row: Row) -> str:
    is_found = row["topic"] in ("block", "entrapment") and not str(row["case"]).startswith("no")
    return "block" if is_found or row["case"] in _FOUND else "plain"


_FOUND = ("lewis_sumner", "lewis_sumner_one", "cidp", "cidp_block", "upper", "cold", "submaximal")


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


def applied(r: Reading) -> tuple[list[Correction], list[Correction]]:
    """Give the corrections and acceptances that hold, and those that were refused."""
    return review_file.applied(r.result.study.corrections, r.result.provenance.decisions)


def status(r: Reading) -> str:
    """Say whether a person has looked at the markers, who, how much was corrected or refused."""
    return r.words.sentences(filter(None, [_reviewed(r), refused(r)]))


def refused(r: Reading) -> str:
    """Say how many corrections could not be applied; empty where all could."""
    _, events = applied(r)
    if not events:
        return ""
    return r.words("status.refused", who=_authors(r, events), n=len(events))


def _reviewed(r: Reading) -> str:
    events, _ = applied(r)
    if not events:
        n = sum("reviewed" in flags.split(row["quality_flags"] or "") for row in r.traces)
        return r.words("status.by_file", n=n) if n else r.words("status.automatic")
    changed = sum(event.action != "accept" for event in events)
    key = "status.corrected" if changed else "status.accepted"
    return r.words(key, who=_authors(r, events), n=changed)


def _authors(r: Reading, events: Iterable[Correction]) -> str:
    return r.words.join(dict.fromkeys(event.who for event in events))


def corrections(r: Reading) -> Table:
    """List what a person corrected: both values, who, when and why."""
    rows = [e for e in applied(r)[0] if e.action != "accept"]
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
    if event.marker and is_known(value):
        # A marker moves in steps of 0.05 ms.
        return with_unit(f"{value:.2f}", "ms")
    if is_known(value):
        return with_unit(plain(value), "mm" if event.key == "distance_mm" else "")
    if event.key == "site" and isinstance(value, str):
        return r.words.site(value)
    return str(value) if value is not None else NOTHING

"""Plain text for pasting into a patient record: the impression, the numbers, the verdicts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ncs_cb import view
from ncs_cb.model import Result
from ncs_cb.reports._shared import Writer, named
from ncs_cb.view import Fact, Table, View
from ncs_cb.view.serial import ComparisonView, build_comparison

if TYPE_CHECKING:
    from ncs_cb.comparison import Comparison

_WIDTH = 92


def render(result: Result, *, lang: str = "en") -> str:
    """Give the report as plain text with aligned columns and without any markup.

    Parameters
    ----------
    result : Result
    lang : str
    """
    v = view.build(result, lang=lang)
    return "\n".join(_lines(v)).rstrip() + "\n"


def _lines(v: View) -> Iterator[str]:
    yield from _front(v)
    yield from _studies(v)
    yield from ("", v.labels["appendix"].upper(), "-" * _width(v.labels["appendix"]))
    yield from _appendix(v)


def _front(v: View) -> Iterator[str]:
    """Give what is signed first: who, the impression, how it was recorded."""
    labels = v.labels
    if v.letterhead.name:
        yield from map(_one_line, (v.letterhead.name, *v.letterhead.lines, ""))
    yield from (_one_line(v.title), "=" * _width(_one_line(v.title)))
    for label in (labels["patient"], labels["patient_id"], labels["born"]):
        yield f"{label}{labels['colon']}".rstrip() + " " + "_" * 24
    yield from _facts(v.header, labels)
    yield from _items(labels["question"], [v.question] if v.question else [], labels)
    yield from ("", labels["impression"].upper())
    for number, line in enumerate(v.impression, start=1):
        yield from _wrap(f"{number}. {line.text}", indent="   ")
    yield from ("", *_wrap(v.status), "")
    yield from _facts(v.technique, labels)
    for d in v.diagnosis:
        yield from _wrap(f"{d.title}{labels['colon']}{d.word}", indent="  ")


def _studies(v: View) -> Iterator[str]:
    """Give the numbers: motor, sensory, F waves, both sides, and the line for the signature."""
    labels = v.labels
    tables = {
        "motor": v.motor,
        "corrections": v.corrections,
        "sensory": v.sensory,
        "f_waves": v.f_waves,
        "needle_emg": v.needle_emg,
        "strength": v.strength,
        "sides": v.sides,
    }
    for key, table in tables.items():
        yield from _section(labels[key], table)
    yield ""
    for label, name in ((labels["signature"], v.letterhead.physician), (labels["signed_on"], "")):
        yield f"{label}{labels['colon']}".rstrip() + " " + (_one_line(name) or "_" * 24)
    yield from ("", *_wrap(v.disclaimer))


def _appendix(v: View) -> Iterator[str]:
    """Give how each number was judged."""
    labels = v.labels
    yield from ("", labels["finding"], *_wrap(v.finding_text))
    for d in v.diagnosis:
        yield from ("", f"{_one_line(d.title)}{labels['colon']}{_one_line(d.word)}")
        pairs = (
            (labels["not_excluded"], (d.not_excluded,)),
            (labels["asks"], d.asks),
            (labels["missing"], d.missing),
            (labels["met"], d.met),
            (labels["not_met"], d.not_met),
        )
        for label, items in pairs:
            yield from _items(label, [item for item in items if item], labels)
    for disease in v.differential:
        yield from ("", _one_line(f"{labels['differential']}{labels['colon']}{disease.heading}"))
        for item in disease.items:
            yield from _wrap(f"- {item.label}{labels['colon']}{item.text}", indent="  ")
    yield from _section(labels["comparison"], v.comparison)
    yield from _section(labels["features"], _without_sources(v.features))
    for nerve in v.nerves:
        yield from _section(nerve.title, nerve.sites)
        for flag in nerve.flags:
            yield from _wrap(f"- {flag.heading} {flag.text} {flag.next}", indent="  ")
        for check in nerve.not_examined:
            text = f"{check.label}{labels['colon']}{check.text}"
            yield from _items(labels["not_examined"], [text], labels)
    yield ""
    yield from _facts(v.rests_on, labels)
    yield from _section(labels["data_files"], v.data_files)


def _section(heading: str, table: Table) -> Iterator[str]:
    if table.rows:
        yield from ("", _one_line(heading), *_aligned(table))
        if table.note:
            yield from _wrap(table.note)


def _without_sources(table: Table) -> Table:
    """Keep bearing and feature; frequencies and sources stand in the full report."""
    return Table(table.heads[:2], tuple(row[:2] for row in table.rows))


def _facts(facts: Iterable[Fact], labels: dict[str, str]) -> Iterator[str]:
    for fact in facts:
        yield from _wrap(f"{fact.label}{labels['colon']}{fact.text}", indent="  ")


def _items(label: str, items: Sequence[str], labels: dict[str, str]) -> Iterator[str]:
    if items:
        yield from _wrap(f"{label}{labels['colon']}{'; '.join(items)}", indent="  ")


def _aligned(table: Table) -> Iterator[str]:
    """Set a table in columns; numbers stand right, words left, a heading across alone."""
    heads = [f"{h.label} [{h.unit}]" if h.unit else h.label for h in table.heads]
    lines = [heads, *([_one_line(c.text) for c in row] for row in table.rows)]
    is_group = [False, *(row[0].tone == "group" for row in table.rows)]
    plain = [line for line, alone in zip(lines, is_group, strict=True) if not alone]
    widths = [max(_width(line[n]) for line in plain) for n in range(len(heads))]
    for line, alone in zip(lines, is_group, strict=True):
        cells = [
            _pad(text, widths[n], is_right=table.heads[n].is_number) for n, text in enumerate(line)
        ]
        yield line[0] if alone else "  ".join(cells).rstrip()


def _pad(text: str, width: int, *, is_right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if is_right else text + blank


def _width(text: str) -> int:
    """Count columns; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _one_line(text: str) -> str:
    """Keep text of a file on its line, so that it cannot pass for a line of the report."""
    return " ".join(text.split())


# What may not be parted at a line's end: a word, a number and its percent sign, a Chinese
# character and the punctuation behind it.
_PIECE = re.compile(
    r"[\u2e80-\uffff][，。；：）、”]*|[^\s\u2e80-\uffff]+(?: %)?[，。；：）、”]*\s*|\s+"
)


def _wrap(text: str, *, indent: str = "") -> list[str]:
    """Break a line at the width of a page, counted as it is seen."""
    lines = [""]
    for piece in _PIECE.findall(_one_line(text)):
        if _width(lines[-1]) + _width(piece.rstrip()) > _WIDTH and lines[-1].strip():
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def render_comparison(comparison: Comparison, *, lang: str = "en") -> str:
    """Give a comparison of serial visits as plain text; see :func:`render`."""
    return "\n".join(_compared(build_comparison(comparison, lang=lang))).rstrip() + "\n"


def _compared(v: ComparisonView) -> Iterator[str]:
    labels = v.labels
    yield from (_one_line(v.title), "=" * _width(_one_line(v.title)))
    yield from _facts(v.header, labels)
    for pair in v.pairs:
        yield from ("", _one_line(pair.title), *_wrap(pair.finding))
    for course in v.courses:
        yield from _items(labels["courses"], [course], labels)
    yield from _section(labels["strength_over"], v.strength)
    yield from _section(labels["needle_over"], v.needle_emg)
    for pair in v.pairs:
        yield from _section(pair.title, pair.changes)
        yield from _section(f"{pair.title}{labels['colon']}{labels['events']}", pair.events)
    yield from _section(labels["by_set"], v.sets)
    yield from _section(labels["corrections"], v.corrections)
    yield from ("", labels["remarks"])
    for remark in v.remarks:
        yield from _wrap(f"- {remark}", indent="  ")
    yield ""
    yield from _facts(v.rests_on, labels)
    yield from _section(labels["data_files"], v.data_files)
    yield from ("", *_wrap(v.disclaimer))


def write_comparison(comparison: Comparison, *, lang: str = "en") -> dict[str, str]:
    """Give ``comparison.txt``, named for its language as :func:`write` does."""
    return {named("comparison.txt", lang): render_comparison(comparison, lang=lang)}


def write(result: Result, *, lang: str = "en") -> dict[str, str]:
    """Give ``report.txt``; in another language than English ``report.<lang>.txt``."""
    return {named("report.txt", lang): render(result, lang=lang)}


WRITER = Writer("txt", "plain text for pasting into a record", write, write_comparison)

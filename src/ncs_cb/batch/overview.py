"""What a person opens first: ``failures.csv`` and ``index.html``, made from the slots' records.

Both are written anew at the end of each run, piece by piece, so that memory does not grow with
the number of studies. They hold no clock: the same archive gives the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ncs_cb.batch.measures import BINS, SPANS, Span
from ncs_cb.batch.set_names import Texts, shipped_categories
from ncs_cb.batch.store import TABLES, Entry, Failure, Store
from ncs_cb.columns import table_columns
from ncs_cb.harmless import no_formula, visible
from ncs_cb.reports import named
from ncs_cb.vocabulary import GRADES, NO_GRADE
from ncs_cb.wording.catalog import load

if TYPE_CHECKING:
    from jinja2 import Template

# More rows than this no browser sorts at ease; the Parquet files answer for the rest.
MOST_ROWS = 20_000
# So many are laid out when the page opens; a filter or a button shows the others.
SHOWN_FIRST = 300
_FIRST_LINES = 2
_LANGUAGES = ("en", "zh")

_ORDER = (*GRADES, *NO_GRADE)


@dataclass(slots=True)
class _Totals:
    """What the head of the page shows."""

    studies: int = 0
    analyzed: int = 0
    failed: int = 0
    has_reports: bool = False
    categories: dict[str, Counter[str]] = field(default_factory=dict)
    histograms: dict[str, list[int]] = field(default_factory=dict)
    titles: dict[str, Texts] = field(default_factory=dict)
    own_words: dict[str, dict[str, Texts]] = field(default_factory=dict)
    reports: set[str] = field(default_factory=set)
    first_keys: list[tuple[str, int]] = field(default_factory=list)

    def in_order(self) -> list[int]:
        """Give the slots by their studies: an archive that grew numbers them otherwise."""
        return [slot for _, slot in sorted(self.first_keys)]


def write(store: Store) -> int:
    """Write both overviews, and remove what no study of this archive owns any more.

    Returns
    -------
    int
        Number of studies that failed.
    """
    totals = _totals(store)
    store.keep_reports(totals.reports)
    for table in TABLES:
        _never_without_columns(store, table)
    store.publish("failures.csv", _csv(_failures(store, totals)))
    store.publish("index.html", _page(store, totals))
    return totals.failed


def _totals(store: Store) -> _Totals:
    totals = _Totals()
    for record in store.records():
        totals.first_keys += [(entry.input, record.slot) for entry in record.entries[:1]]
        for name, counts in record.histograms.items():
            before = totals.histograms.get(name, [0] * BINS)
            totals.histograms[name] = [a + b for a, b in zip(before, counts, strict=True)]
        for entry in record.entries:
            totals.studies += 1
            totals.analyzed += bool(entry.summary)
            totals.failed += entry.failure is not None
            if entry.report:
                totals.reports.add(entry.report)
            totals.titles |= entry.summary.get("titles", {})
            totals.own_words |= entry.summary.get("category_words", {})
            for criteria, category in entry.summary.get("categories", {}).items():
                totals.categories.setdefault(criteria, Counter())[category] += 1
    return totals


def _never_without_columns(store: Store, table: str) -> None:
    """An archive without a single good study still has its tables, with no rows."""
    place = store.part(table, 0)
    place.parent.mkdir(exist_ok=True)
    if any(place.parent.glob("part-*.parquet")):
        return
    from ncs_cb.batch import parquet

    beside = store.staging / f"{table}.parquet"
    parquet.write(parquet.empty(table), beside)
    beside.replace(place)


def _failures(store: Store, totals: _Totals) -> Iterator[Failure]:
    if not totals.failed:
        return
    for record in store.records(totals.in_order()):
        for entry in record.entries:
            if entry.failure is not None:
                yield entry.failure


def _csv(failures: Iterable[Failure]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(f.name for f in fields(Failure))
    for failure in failures:
        writer.writerow(visible(no_formula(cell)) for cell in astuple(failure))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def get_ready() -> None:
    """Load what the page is made with, which otherwise :func:`write` does."""
    _template()
    for lang in _LANGUAGES:
        load(lang)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape

    def both(texts: Mapping[str, str]) -> Markup:
        spans = (f'<span lang="{lang}">{escape(texts[lang])}</span>' for lang in _LANGUAGES)
        return Markup("".join(spans))

    source = files("ncs_cb").joinpath("batch/index.html.j2").read_text("utf-8")
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Not a macro: seven of them per study take as long as all else on the page.
    page.globals["both"] = both
    return page.from_string(source)


def _page(store: Store, totals: _Totals) -> Iterator[str]:
    criteria = sorted(totals.categories)
    named_by_set = {name: _category_words(totals, name) for name in criteria}
    return _template().generate(
        totals=totals,
        criteria=criteria,
        titles={
            name: totals.titles.get(name)
            or {lang: load(lang).set_title(name) for lang in _LANGUAGES}
            for name in criteria
        },
        words={lang: load(lang).section("archive") for lang in _LANGUAGES},
        category_words={
            category: {lang: load(lang).term("category", category) for lang in _LANGUAGES}
            for category in _categories(totals.categories)
        },
        named_by_set=named_by_set,
        shown_first=SHOWN_FIRST,
        categories=_categories(totals.categories),
        rows=_rows(store, totals, named_by_set),
        not_listed=max(totals.studies - MOST_ROWS, 0),
        measures=[_measure(span, totals.histograms.get(span.column, [])) for span in SPANS],
    )


def _categories(counted: Mapping[str, Counter[str]]) -> list[str]:
    known = [*GRADES, "undetermined", "not_met"]
    found = {name for counts in counted.values() for name in counts}
    return [n for n in known if n in found] + sorted(found - set(known))


def _category_words(totals: _Totals, name: str) -> dict[str, Texts]:
    """Name the categories of a set in its own words, as reports do."""
    own = totals.own_words.get(name) or shipped_categories(name)
    return {
        category: own.get(category)
        or {lang: load(lang).term("category", category) for lang in _LANGUAGES}
        for category in totals.categories[name]
    }


def _rows(
    store: Store, totals: _Totals, criteria: Mapping[str, Mapping[str, Texts]]
) -> Iterator[dict[str, Any]]:
    left = MOST_ROWS
    for record in store.records(totals.in_order()):
        for entry in record.entries:
            if left == 0:
                return
            left -= 1
            yield _row(entry, criteria)


def _row(entry: Entry, criteria: Mapping[str, Mapping[str, Texts]]) -> dict[str, Any]:
    summary = entry.summary
    return {
        "study_id": entry.study_id,
        "href": (
            f"reports/{quote(entry.report)}/{named('report.html', entry.lang)}"
            if entry.report
            else ""
        ),
        "input": entry.input,
        "impression": {
            lang: (" " if lang == "en" else "").join(summary.get(key, ())[:_FIRST_LINES])
            for lang, key in (("en", "impression"), ("zh", "impression_zh"))
        },
        "traces": summary.get("traces", ""),
        "segments": summary.get("segments", ""),
        "flagged": summary.get("flagged", ""),
        "verdicts": [
            (
                category := summary.get("categories", {}).get(name, ""),
                # Of a healthy person without complaint a report speaks of no disease.
                {
                    lang: "" if summary.get("is_healthy") or not category else told[category][lang]
                    for lang in _LANGUAGES
                },
                {lang: _grades(summary, name, lang) for lang in _LANGUAGES},
            )
            for name, told in criteria.items()
        ],
        "failure": entry.failure,
    }


def _grades(summary: Mapping[str, Any], criteria: str, lang: str) -> str:
    """Word the grades of a study's segments, as its report does: '2 definite block'."""
    grades, words = summary.get("grades", {}).get(criteria, {}), load(lang)
    ordered = [g for g in _ORDER if g in grades] + sorted(set(grades) - set(_ORDER))
    told = (f"{grades[grade]} {words.term('grade', grade)}" for grade in ordered)
    return words.join(told, weight="comma")


def _measure(span: Span, counts: list[int]) -> dict[str, Any]:
    """What one histogram shows: bars as percent of the highest, and its scale."""
    (column,) = (c for c in table_columns(span.table) if c.name == span.column)
    highest = max(counts, default=0)
    return {
        "label": {lang: load(lang).term("column", span.column) for lang in _LANGUAGES},
        "unit": column.unit,
        "column": span.column,
        "table": span.table,
        "n": sum(counts),
        "low": f"{span.low:g}",
        "high": f"{span.high:g}",
        "highest": highest,
        "bars": [
            {
                "n": n,
                "height": f"{100 * n / highest:.2f}",
                "from": f"{span.low + (span.high - span.low) * i / BINS:g}",
                "to": f"{span.low + (span.high - span.low) * (i + 1) / BINS:g}",
            }
            for i, n in enumerate(counts)
            if n
        ],
        "places": [i for i, n in enumerate(counts) if n],
    }

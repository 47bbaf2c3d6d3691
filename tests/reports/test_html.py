"""The page: self-contained, escaped, every number the view's, fast."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict
from html.parser import HTMLParser

import pytest

from ncs_cb import view
from ncs_cb.reports import html
from reports import example

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects elements, ids, links and visible text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def result():
    return example.result()


@pytest.fixture(scope="module", params=view.languages())
def lang(request):
    return request.param


@pytest.fixture(scope="module")
def page(result, lang):
    return html.render(result, lang=lang)


def test_the_page_is_well_formed_and_says_its_language(page, lang):
    tags = Page(page).tags
    assert dict(tags)["html"] == {"lang": lang}
    assert page.startswith("<!doctype html>")


def test_the_page_fetches_nothing_and_runs_nothing(page):
    tags = Page(page).tags
    assert not {"script", "link", "iframe", "object", "embed", "img"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_has_its_anchor_and_every_anchor_is_one(page):
    tags = Page(page).tags
    anchors = [a["id"] for _, a in tags if a.get("id")]
    links = {a["href"][1:] for tag, a in tags if tag == "a"}
    assert len(anchors) == len(set(anchors))
    assert links <= set(anchors)
    assert {"ulnar-right-adm", "ulnar-right-adm-wrist-below_elbow"} <= links


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\u2212?\d+(?:\.\d+)?", text))


def test_every_number_on_the_page_is_the_views(result, page, lang):
    built = view.build(result, lang=lang)
    known = numbers(str(asdict(built)))
    # Scale bars, ticks of axes and numbers of steps belong to the drawings.
    text = re.sub(r"<svg.*?</svg>", " ", page, flags=re.DOTALL)
    assert numbers(Page(text).text) <= known


def test_numbers_in_the_traces_are_the_views(result, page, lang):
    built = view.build(result, lang=lang)
    known = numbers(str(asdict(built)))
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    traces = [f for f in figures if any(n.title in f for n in built.nerves)]
    assert len(traces) == 4
    for figure in traces:
        words = [t.text or "" for t in ET.fromstring(figure).iter() if t.tag.endswith("text")]
        bars = {w for w in words if re.fullmatch(r"[\d.]+ m[sV]", w)}
        assert len(bars) == 2
        assert numbers(" ".join(set(words) - bars)) <= known


def test_every_cell_of_the_view_is_on_the_page(result, page, lang):
    built = view.build(result, lang=lang)
    text = Page(page).text
    tables = [
        built.motor,
        built.sides,
        built.comparison,
        built.data_files,
        built.decisions,
        built.sensory,
    ]
    for nerve in built.nerves:
        tables += [nerve.sites, nerve.changes, nerve.inching, nerve.recruitment]
        tables += [s.clauses for segment in nerve.segments for s in segment.sets]
    for table in tables:
        for row in table.rows:
            for cell in row:
                assert " ".join(cell.text.split()) in text


def test_the_page_carries_the_parts_a_reader_looks_for(result, page, lang):
    built = view.build(result, lang=lang)
    text = Page(page).text
    for words in (built.title, built.disclaimer, *(s.text for s in built.finding)):
        assert words in text
    for nerve in built.nerves:
        assert nerve.title in text
        for flag in nerve.flags:
            assert flag.heading in text
            assert flag.next in text
        for check in nerve.not_examined:
            assert check.text in text
        for segment in nerve.segments:
            assert segment.estimate in text


def test_markup_in_any_field_is_shown_as_text(lang):
    page = html.render(example.hostile_result(), lang=lang)
    assert "<script" not in page
    assert "alert(" in Page(page).text
    assert not [tag for tag, _ in Page(page).tags if tag == "script"]


def test_a_hostile_grade_becomes_no_class_and_no_anchor_escapes(lang):
    for _, attributes in Page(html.render(example.hostile_result(), lang=lang)).tags:
        assert not re.search(r"[<>\"]", attributes.get("class") or "")
        assert "script" not in (attributes.get("class") or "")


def test_an_empty_study_gives_a_page_that_says_so(lang):
    page = html.render(example.empty_result(), lang=lang)
    assert view.load(lang)("finding.nothing") in Page(page).text


def test_two_renderings_are_the_same_bytes(result, page, lang):
    assert html.render(result, lang=lang) == page


def test_style_stays_inside_the_report(page):
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    rules = re.sub(r"@media[^{]*\{|@page[^{]*\{[^}]*\}", "", style)
    for selectors in re.findall(r"([^{}]+)\{", rules):
        for selector in selectors.split(","):
            assert selector.strip().startswith(".ncs"), selector


def test_color_is_never_the_only_sign_of_a_grade(page, result, lang):
    """Every chip carries its letter and its word."""
    chips = re.findall(
        r'<span class="chip g-\w+"><b class="dot">(.)</b><span>([^<]+)</span></span>', page
    )
    assert len(chips) == page.count('class="chip ')
    assert all(letter.strip() and word.strip() for letter, word in chips)

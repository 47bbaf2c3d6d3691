"""What a reader sees on the page of every shipped sample; ``--regold`` rewrites it for review.

The words are kept, one line per block of the page, in both languages; curves are left out, since
their last digits may differ between processors.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ncs_cb
from ncs_cb.reports import html

REPOSITORY = Path(__file__).parents[1]
SAMPLES = sorted(path.parent for path in (REPOSITORY / "data" / "samples").glob("*/study.toml"))
GOLDEN = Path(__file__).parent / "golden" / "pages"

INLINE = {"a", "abbr", "b", "code", "em", "i", "small", "span", "strong", "sub", "sup", "tspan"}
UNSEEN = {"style", "script"}


class Words(HTMLParser):
    """Collects the text of a page, one line per block element, table cells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.unseen = 0

    def handle_starttag(self, tag, attrs):
        self.unseen += tag in UNSEEN
        if tag in ("td", "th"):
            self.lines[-1] += " | "
        elif tag not in INLINE:
            self.lines.append("")

    def handle_endtag(self, tag):
        self.unseen -= tag in UNSEEN
        if tag not in INLINE | {"td", "th"}:
            self.lines.append("")

    def handle_data(self, data):
        if not self.unseen:
            self.lines[-1] += data


def page_words(page: str) -> str:
    parser = Words()
    parser.feed(page)
    lines = (re.sub(r"\s+", " ", line).strip() for line in parser.lines)
    return "\n".join(line for line in lines if line) + "\n"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("folder", SAMPLES, ids=lambda path: path.name)
def test_pages_of_samples_keep_their_words(folder, lang, request):
    result = ncs_cb.analyze(ncs_cb.read_study(folder))
    found = page_words(html.render(result, lang=lang))
    # Version and hashes of data files stand on every page and change with every release.
    found = found.replace(ncs_cb.__version__, "VERSION")
    found = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", found)
    path = GOLDEN / f"{folder.name}.{lang}.txt"
    if request.config.getoption("--regold"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")

"""Check a built site: every link, picture and anchor is there, and nothing comes from a network.

``python docs/_make/check_links.py build/site``
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class _Page(HTMLParser):
    """What one page names and what it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.needs: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors.update(found[key] for key in ("id", "name") if key in found)
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag == "link" and "href" in found and found.get("rel") != "canonical":
            self.needs.add(found["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in found:
            self.needs.add(found["src"])


@cache
def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text("utf-8"))
    return page


def faults(site: Path) -> list[str]:
    """Name every link that leads nowhere and everything that a network would have to give."""
    found = []
    for path in sorted(p for p in site.rglob("*.html") if "_static" not in p.parts):
        page = _read(path)
        for target in sorted(page.links | page.needs):
            fault = _fault(path, target, is_needed=target in page.needs)
            if fault:
                found.append(f"{path.relative_to(site)}: {target}: {fault}")
    return found


def _fault(path: Path, target: str, *, is_needed: bool) -> str:
    where, anchor = urldefrag(target)
    if urlsplit(where).scheme or where.startswith("//"):
        is_outside = not where.startswith("data:")
        return "must not come from a network" if is_needed and is_outside else ""
    file = (path.parent / unquote(urlsplit(where).path)) if where else path
    if not file.is_file():
        return "no such file"
    if anchor and file.suffix == ".html" and unquote(anchor) not in _read(file.resolve()).anchors:
        return "no such anchor"
    return ""


if __name__ == "__main__":
    problems = faults(Path(sys.argv[1]))
    sys.exit("\n".join(problems) if problems else 0)

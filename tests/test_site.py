"""The documentation: its first pages are followed word for word, its lists are those in use."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ncs_cb import cli
from ncs_cb.columns import COLUMNS
from ncs_cb.flags import FLAGS
from ncs_cb.knowledge import criteria

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(DOCS / "_make"))
    yield import_module("pages")
    sys.path.remove(str(DOCS / "_make"))


def blocks(page: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run_line(line: str) -> int:
    words = shlex.split(line)
    assert words[0] == "ncs-cb"
    with pytest.raises(SystemExit) as left:
        cli.main(words[1:])
    return int(left.value.code or 0)


@pytest.mark.parametrize("page", ["technician", "researcher", "engineer"])
def test_the_first_pages_work_word_for_word(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    done = 0
    for language, code in blocks(f"start/{page}.md"):
        if language == "py":
            exec(compile(code, page, "exec"), names)
            done += 1
            continue
        for line in code.splitlines():
            if "review" in line or "D:\\" in line:  # a page in a browser; a folder of the reader's
                continue
            assert run_line(line) == 0, line
            done += 1
    assert done
    written = {"technician": "out/mmn_ulnar_radial/report.html", "researcher": "archive/index.html"}
    assert (tmp_path / written.get(page, "out/mmn_ulnar_radial/result.json")).is_file()


@pytest.mark.parametrize("set_id", criteria.available())
def test_a_set_is_shown_with_how_sure_its_numbers_are(pages, set_id, tmp_path, monkeypatch):
    found = pages.levels(set_id)
    assert sum(found.values()) > 0
    assert set(found) <= {"primary", "secondary", "unchecked", "doubtful"}
    text = pages.shown("criteria", "show", set_id)
    for level in found:
        assert re.search(rf"\b{level}\b", text), level


def test_every_flag_column_and_command_is_looked_up_in_its_registry(pages):
    assert not [name for name in FLAGS if f"`{name}`" not in pages.flags_page()]
    columns = pages.columns_page()
    assert not [c.name for c in COLUMNS if f"`{c.name}`" not in columns]
    assert "## ncs-cb analyze\n" in pages.commands_page()
    assert "--supramaximal" in pages.commands_page()


def test_links_of_copied_documents_lead_to_pages_of_the_site(pages):
    text = "[a](ACCURACY.md) [b](../docs/scale.md) [c](https://example.org/x.md)"
    moved = pages.relinked(text, Path("benchmarks"), Path("generated/benchmarks"))
    assert moved == (
        "[a](../../generated/benchmarks/accuracy.md) [b](../../scale.md) [c](https://example.org/x.md)"
    )


def test_every_page_stands_in_the_table_of_contents(pages):
    listed = "\n".join(path.read_text("utf-8") for path in DOCS.rglob("*.md"))
    own = [p for p in DOCS.rglob("*.md") if "generated" not in p.parts and p.stem != "index"]
    missing = [
        p.stem for p in own if not re.search(rf"^(.*[</])?{p.stem}>?$", listed, re.MULTILINE)
    ]
    assert not missing


def test_a_dead_link_of_a_built_site_is_found(tmp_path):
    sys.path.insert(0, str(DOCS / "_make"))
    checker = import_module("check_links")
    sys.path.remove(str(DOCS / "_make"))
    (tmp_path / "a.html").write_text('<h1 id="x"></h1><a href="b.html#y">b</a><a href="#x">x</a>')
    (tmp_path / "b.html").write_text('<script src="https://cdn.example/x.js"></script>')
    found = checker.faults(tmp_path)
    assert found == [
        "a.html: b.html#y: no such anchor",
        "b.html: https://cdn.example/x.js: must not come from a network",
    ]

"""What the documents say is true: examples run, links lead somewhere, lists are complete."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ncs_cb.knowledge import criteria

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
PAGES = sorted(
    path
    for folder in (".", "docs", "data/samples", "benchmarks")
    for path in (REPOSITORY / folder).glob("*.md")
)


def code_blocks(text: str, language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [code for name, code in blocks if name == language]


def test_the_readme_examples_run(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = code_blocks(README, "python")
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(names["results"]) == 60
    grades = names["verdicts"].groupby("nerve").conduction_block.value_counts()
    assert grades["ulnar", "definite"] > 0
    assert ("median", "definite") not in grades
    assert len(names["frame"]) == len(names["block"]) == 4
    assert (tmp_path / "out" / "mmn_ulnar_radial" / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
    # Pages made when the site is built are looked for there (docs/_make/check_links.py).
    kept = [target for target in targets if not target.startswith("generated/")]
    missing = [target for target in kept if not (page.parent / target).exists()]
    assert not missing


def test_the_readme_names_every_criteria_set():
    assert not [name for name in criteria.available() if f"`{name}`" not in README]


def test_the_readme_names_every_command():
    cli = pytest.importorskip("typer.main").get_command(__import__("ncs_cb.cli").cli.app)
    listed = "\n".join(code_blocks(README, ""))
    missing = [
        name for name in cli.commands if not re.search(rf"ncs-cb [a-z |]*\b{name}\b", listed)
    ]
    assert not missing


@pytest.mark.parametrize("marker", ["run line", "test line"])
def test_set_up_is_one_line(marker):
    block = README.split(f"<!-- {marker} -->")[1].split("```")[1].strip()
    assert block.startswith("python3 -m venv .venv && ")
    assert "\n" not in block


def test_the_engineer_page_knows_every_exit_status_of_the_readme():
    stated = re.search(r"Exit status: (.*?)\)\.", README, flags=re.DOTALL)[1]
    page = (REPOSITORY / "docs" / "start" / "engineer.md").read_text("utf-8")
    told = page.split("Exit status ", 1)[1].split("\n*", 1)[0]
    for status in re.findall(r"(?:^|, )(\d) ", stated):
        assert re.search(rf"\b{status}\b", told), status

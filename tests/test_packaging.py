"""What is published about the package agrees with the package."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import ncs_cb

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
# Packages that conda-forge splits or names otherwise.
CONDA = {"matplotlib": "matplotlib-base", "mne": "mne-base"}


def text(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def test_the_conda_recipe_asks_for_the_dependencies_of_the_package():
    run = text("recipe/meta.yaml").split("  run:\n")[1].split("  run_constrained:")[0]
    listed = set(re.findall(r"- ([\w-]+) >=([\d.]+)", run)) - {("python", "3.11")}
    asked = {tuple(one.split(">=")) for one in PROJECT["dependencies"]}
    assert listed == {(CONDA.get(name, name), floor) for name, floor in asked}


def test_one_version_stands_everywhere():
    version = ncs_cb.__version__
    assert f'version = "{version}"' in text("recipe/meta.yaml")
    assert f"version: {version}\n" in text("CITATION.cff")
    assert json.loads(text("codemeta.json"))["version"] == version
    assert f"## {version}\n" in text("CHANGELOG.md")


def test_the_paper_cites_only_what_its_list_holds():
    paper, held = (
        text("paper/paper.md"),
        set(re.findall(r"^@\w+\{(\w+),", text("paper/paper.bib"), re.M)),
    )
    cited = set(re.findall(r"@(\w+)", paper.split("---", 2)[2]))
    assert cited
    assert cited <= held
    assert held <= cited


def test_no_address_is_invented():
    for name in ("pyproject.toml", "recipe/meta.yaml", "CITATION.cff", "codemeta.json"):
        hosts = set(re.findall(r"https?://([\w.]+)", text(name)))
        assert hosts <= {"doi.org", "spdx.org"}, name

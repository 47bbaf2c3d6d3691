"""Every fact of the documents the project grew from has a home that exists."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from ncs_cb.columns import COLUMNS
from ncs_cb.flags import FLAGS
from ncs_cb.judging import features
from ncs_cb.knowledge import criteria, findings, reference
from ncs_cb.knowledge.anatomy import anatomy

SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.md"))
FACT = re.compile(r"^- (?P<fact>.+) -> (?P<places>.+)$")

KNOWN = {
    "column": lambda name: name in {c.name for c in COLUMNS},
    "flag": lambda name: name in FLAGS,
    "nerve": lambda name: name in anatomy().nerves,
    "criteria": lambda name: name in criteria.available(),
    "reference": lambda name: name in reference.available(),
    "feature": lambda name: name in {feature.id for feature in features.catalog()},
    "finding": lambda name: name in findings.findings(),
    "module": lambda name: find_spec(f"ncs_cb.{name}") is not None,
}


def facts(path: Path) -> list[tuple[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("- ")]
    found = [FACT.match(line) for line in lines]
    assert all(found), [line for line, hit in zip(lines, found, strict=True) if not hit]
    return [(hit["fact"], hit["places"]) for hit in found]


def is_home(place: str) -> bool:
    kind, _, name = place.partition(":")
    return kind in KNOWN and KNOWN[kind](name)


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_every_fact_has_a_home(path):
    homeless = [
        (fact, place)
        for fact, places in facts(path)
        if not places.startswith("not for software: ")
        for place in places.split(", ")
        if not is_home(place)
    ]
    assert not homeless


def test_there_is_one_page_per_seed_document():
    assert [path.stem for path in SEEDS] == ["000_7c4ae48fe8812d28", "003_3dc4a11ad38e7a7b"]


@pytest.mark.parametrize("place", ["column:area", "module:nowhere", "finding:x", "hope:yes", ""])
def test_a_place_that_does_not_exist_is_no_home(place):
    assert not is_home(place)

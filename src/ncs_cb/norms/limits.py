"""The settings of the method: ``tables/norms.toml``, each with its source."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from ncs_cb.knowledge.thresholds import Threshold, build

_FILE = "tables/norms.toml"


@cache
def table() -> dict[str, Threshold]:
    """Load and validate every setting, by id."""
    text = files("ncs_cb").joinpath(_FILE).read_text("utf-8")
    return build(tomllib.loads(text), source=_FILE)


def value(key: str) -> float:
    """Give the setting with this id."""
    return table()[key].value

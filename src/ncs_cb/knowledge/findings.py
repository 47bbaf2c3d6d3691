"""Findings: what may be known of a patient, from ``tables/findings.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.datafile import Block

TABLES = ("clinical", "laboratory", "imaging", "treatment")
"""The tables of ``study.toml`` that hold findings."""

_TYPES: tuple[Literal["boolean", "number"], ...] = ("boolean", "number")
_TEXTS = ("label", "description", "source")


class Finding(NamedTuple):
    """One clinical, laboratory, imaging or treatment finding.

    Attributes
    ----------
    id : str
        ``<table>.<key>``, for example ``clinical.upper_motor_neuron_signs``.
    type : str
        ``boolean`` or ``number``.
    label, label_zh, description, source : str
    minimum, maximum : float or None
        Limits of plausibility of a number.
    """

    id: str
    type: Literal["boolean", "number"]
    label: str
    label_zh: str
    description: str
    source: str
    minimum: float | None = None
    maximum: float | None = None


@cache
def findings() -> Mapping[str, Finding]:
    """Load every finding by id.

    Raises
    ------
    TableError
        If the file names an unknown table or key, or a finding lacks one.
    """
    read = datafile.table("findings")
    return build(read.raw, read.name)


def build(raw: dict[str, Any], name: str = "findings.toml") -> Mapping[str, Finding]:
    """Make the findings from a parsed table; see :func:`findings`."""
    top = Block(raw, name)
    top.only(*TABLES)
    return {
        f"{table}.{key}": _finding(f"{table}.{key}", one)
        for table, entries in top.tables()
        for key, one in entries.tables()
    }


def _finding(name: str, block: Block) -> Finding:
    block.only("type", *_TEXTS, "label_zh", "min", "max")
    block.choice("type", _TYPES)
    texts = {key: block.text(key) for key in _TEXTS}
    limits = [block.number(key, needed=False) for key in ("min", "max")]
    chinese = block.maybe_text("label_zh") or texts["label"]
    return Finding(
        name, block.raw["type"], **texts, label_zh=chinese, minimum=limits[0], maximum=limits[1]
    )

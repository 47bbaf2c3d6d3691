"""The limits of the checks that are not criteria: ``tables/quality.toml``, each with its source.

Published criteria live in ``tables/criteria``, normal limits in ``tables/reference``. What is
here decides when a sweep is an outlier, when a shape has changed, when a visit differs from the
one before. A number is added or corrected there, never in code.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from ncs_cb.errors import TableError, did_you_mean
from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.datafile import VERIFIED
from ncs_cb.model import DataFile

_FILE = "tables/quality.toml"
_KEYS = frozenset({"value", "meaning", "source", "verified"})
LEVELS = (*VERIFIED, "project")
"""How sure a number is; ``project`` marks a figure of our own, never a published one."""


class Threshold(NamedTuple):
    """One limit of one check.

    Attributes
    ----------
    id : str
        Check and limit, joined by a dot: ``cold_limb.minimum_arm_c``.
    value : float
        In the unit that ends the id; a ratio where there is none.
    meaning : str
        What it decides, in words.
    source : str
        Where it comes from.
    verified : str
        One of :data:`LEVELS`.
    """

    id: str
    value: float
    meaning: str
    source: str
    verified: str


@cache
def table() -> dict[str, Threshold]:
    """Load and validate every limit, by id.

    Raises
    ------
    TableError
        If an entry lacks a key, has an unknown one, a value that is no number, or a
        verification level that is not one of :data:`LEVELS`.
    """
    return build(datafile.table("quality").raw)


def build(raw: dict[str, Any], *, source: str = _FILE) -> dict[str, Threshold]:
    """Make the limits from a parsed table; see :func:`table`."""
    sections = {name: entries for name, entries in raw.items() if name != "revision"}
    found: dict[str, Threshold] = {}
    for check, entries in sections.items():
        for name, entry in entries.items():
            found[f"{check}.{name}"] = _threshold(f"{check}.{name}", entry, source)
    return found


def _threshold(key: str, entry: Any, source: str) -> Threshold:
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise TableError(f"{key}: needs exactly {', '.join(sorted(_KEYS))}", source=source)
    if isinstance(entry["value"], bool) or not isinstance(entry["value"], int | float):
        raise TableError(f"{key}.value: '{entry['value']}' is not a number", source=source)
    if entry["verified"] not in LEVELS:
        level = entry["verified"]
        raise TableError(
            f"{key}.verified: unknown level '{level}'; known: {', '.join(LEVELS)}."
            + did_you_mean(str(level), LEVELS),
            source=source,
        )
    return Threshold(
        key, float(entry["value"]), entry["meaning"], entry["source"], entry["verified"]
    )


def value(key: str) -> float:
    """Give the limit with this id.

    Raises
    ------
    TableError
        If the table has no such limit.

    Examples
    --------
    >>> value("cold_limb.minimum_arm_c")
    32.0
    """
    known = table()
    if key not in known:
        raise TableError(f"no limit '{key}'.{did_you_mean(key, known)}", source=_FILE)
    return known[key].value


def is_same_distance(one_mm: float, other_mm: float) -> bool:
    """Tell whether latencies over two distances may be held against each other."""
    return abs(one_mm - other_mm) <= value("normal_limits.same_distance_mm")


@cache
def data_file() -> DataFile:
    """Give id, revision and SHA-256 of the table, for provenance."""
    read = datafile.table("quality")
    return DataFile("quality", read.raw["revision"], read.sha256)

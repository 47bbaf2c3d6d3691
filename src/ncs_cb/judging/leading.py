"""Which of the criteria sets of a visit leads its conclusion."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ncs_cb.knowledge.criteria import load
from ncs_cb.knowledge.datafile import is_path, shipped


@cache
def is_for_mmn(criteria: str) -> bool:
    """Tell whether a set is one for MMN; a laboratory's own is not known by its id, and counts."""
    known = not is_path(criteria) and criteria in shipped("criteria")
    return not known or load(criteria).purpose == "mmn"


@cache
def _leads(criteria: str) -> bool:
    known = not is_path(criteria) and criteria in shipped("criteria")
    return not known or (load(criteria).leads and load(criteria).enabled)


def leading_set(ids: Iterable[str]) -> str:
    """Give the id of the set that leads: the first for MMN, and never one that must not lead.

    Where there is no such set, the first for MMN, then the first at all; empty where none judged.
    """
    return _leader(tuple(ids))


@cache
def _leader(ids: tuple[str, ...]) -> str:
    for able in (
        [one for one in ids if is_for_mmn(one) and _leads(one)],
        [one for one in ids if is_for_mmn(one)],
        ids,
    ):
        if able:
            return able[0]
    return ""

"""Codes of a long table: which nerve, side, muscle and site their parts name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ncs_cb.knowledge.anatomy import find
from ncs_cb.readers._shared.names import SIDES

_PLACES = (("nerve", "nerves"), ("muscle", "muscles"), ("stimulation_site", "sites"))
_MOST_WORDS = 4
_INITIALS = {"u": "ulnar", "m": "median", "p": "peroneal", "t": "tibial"}


def place_of(code: str) -> dict[str, str]:
    """Give nerve, side, muscle and site that the parts of a code name: ``UR_ADM_BE_AMP``."""
    found: dict[str, str] = {}
    parts = [p for p in re.split(r"[\s_.-]+", code) if p]
    at = 0
    while at < len(parts):
        # The longest name wins: an elbow stands in "below elbow".
        length, key, named = _longest_name(parts[at:])
        if length:
            found.setdefault(key, named)
            at += length
            continue
        part = parts[at]
        at += 1
        if part.casefold() == "w":
            found.setdefault("stimulation_site", "wrist")
        if part.casefold() in SIDES:
            found.setdefault("side", SIDES[part.casefold()])
        glued = re.fullmatch(r"([umpt])([rl])|([rl])([umpt])", part.casefold())
        if glued:
            found.setdefault("nerve", _INITIALS[glued[1] or glued[4]])
            found.setdefault("side", SIDES[glued[2] or glued[3]])
    return found


def _longest_name(parts: Sequence[str]) -> tuple[int, str, str]:
    """Give how many parts name a nerve, muscle or site together, which, and its id."""
    for length in range(min(len(parts), _MOST_WORDS), 0, -1):
        text = " ".join(parts[:length])
        for key, what in _PLACES:
            if (named := find(what, text)) is not None:  # type: ignore[arg-type]
                return length, key, named
    return 0, "", ""

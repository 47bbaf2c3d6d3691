"""Names of nerves, sites and muscles, in every spelling that we or the laboratory know."""

from __future__ import annotations

from typing import Literal

from ncs_cb.knowledge.anatomy import normalize, resolve
from ncs_cb.readers._shared.reader import Input


def named(what: Literal["sites", "muscles", "nerves"], text: str, source: Input) -> str:
    """Give the id that `text` names: the laboratory's own words first.

    Raises
    ------
    StudyError
        If nobody knows the name.
    """
    own = source.words.get(what, {}).get(normalize(text))
    return own if own is not None else resolve(what, text[:80])

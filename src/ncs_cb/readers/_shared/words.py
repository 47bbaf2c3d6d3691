"""Names of nerves, sites and muscles, in every spelling that we or the laboratory know."""

from __future__ import annotations

from typing import Literal

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import normalize, resolve
from ncs_cb.readers._shared.reader import Input

_IN_LAB = {
    "sites": ("stimulation_site", "below_elbow"),
    "muscles": ("muscle", "adm"),
    "nerves": ("nerve", "ulnar"),
}


def named(what: Literal["sites", "muscles", "nerves"], text: str, source: Input) -> str:
    """Give the id that `text` names: the laboratory's own words first.

    Raises
    ------
    StudyError
        If nobody knows the name; the message says how a laboratory teaches its own.
    """
    own = source.words.get(what, {}).get(normalize(text))
    if own is not None:
        return own
    try:
        return resolve(what, text[:80])
    except StudyError as problem:
        kind, example = _IN_LAB[what]
        hint = f'A name of your own stands in lab.toml: [words.{kind}] {example} = ["..."].'
        raise StudyError(
            problem.message, source=problem.source, hint=problem.hint or hint
        ) from None

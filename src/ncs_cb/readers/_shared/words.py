"""Names of nerves, sites and muscles, in every spelling that we or the laboratory know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy, normalize, resolve
from ncs_cb.readers._shared.reader import Input

_MOST_WORDS = 6
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


def translated(text: str, words: Mapping[str, Mapping[str, str]]) -> str:
    """Put the usual names of nerves, sites and muscles for a laboratory's own words in a text.

    What is no word of the laboratory stays as it is; a longer word wins over a part of it.

    Parameters
    ----------
    text : str
        An annotation, a label or a field of a header.
    words : mapping
        As an :class:`Input` carries them.

    Examples
    --------
    >>> translated("Reiz Ort II re 8 mA", {"sites": {"ortii": "below_elbow"}})
    'Reiz below elbow re 8 mA'
    """
    known = [(what, words[what]) for what in _IN_LAB if words.get(what)] if words else []
    if not known:
        return text
    parts, made, at = text.split(), list[str](), 0
    while at < len(parts):
        n, label = _longest(parts[at : at + _MOST_WORDS], known)
        made.append(label or parts[at])
        at += n or 1
    return " ".join(made) if made != parts else text


def _longest(parts: list[str], known: list[tuple[str, Mapping[str, str]]]) -> tuple[int, str]:
    for n in range(len(parts), 0, -1):
        folded = normalize(" ".join(parts[:n]))
        for what, words in known:
            if folded in words:
                return n, getattr(anatomy(), what)[words[folded]].label
    return 0, ""

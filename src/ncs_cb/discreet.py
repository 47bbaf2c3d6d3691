"""Messages about a file that quote it only where what is quoted can be no person's name.

A message says where a fault stands, and what was there when that is a slip for a word of ours. A
text unlike every word that we know may be a name that stands in the wrong place: it is not told.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

from ncs_cb.errors import NcsError
from ncs_cb.harmless import visible

HIDDEN = "(not shown: it may name a person)"
"""What stands in place of a text that is not told."""

_TEMPLATES = ("study_template.toml", "lab_template.toml", "nerves.toml")
# Keys of sidecars and of a result, which no template lists, and the words of our commands.
_KEYS = (
    "damaged truncated traces site repeat machine range_mv resolution_mv channel gain window_ms "
    "events at_ms threshold level edge rising falling refractory marker study details segments "
    "provenance schema kind motor sensory f_wave polarity negative_up negative_down both "
    "bilateral auto trace action move reset exclude choose set accept undo onset peak end "
    "baseline present absent not_done not_measurable nanovolt uvolt microvolt millivolt volt "
    "strength needle emg values sweeps time samples source settings status choice reason title "
    "parameters wide long delimiter decimal format group item tables layouts phone true false "
    "pattern rule rules file files validate sidecar analyze batch anonymize review compare "
    "criteria reference simulate norms export email intensity description shape variable notes "
    "keyboard digmark textmark trigger "
    "row features findings categories skip printed recognized constants basis verified direction "
    "revision category clause coverage enabled entry least leads purpose primary unchecked "
    "doubtful patient boolean integer frequency brainvision eeglab natus mapped "
    "position current voltage"
)
# Quotes around a text, not an apostrophe inside it; the last may have been cut off.
_QUOTED = re.compile(r"(?<!\w)'(.*?)(?:'(?!\w)|\Z)|(?<!\w)\"(.*?)(?:\"(?!\w)|\Z)", re.DOTALL)
# The place in a tree, whatever stands in its keys: traces.Maria Muster
_PLACE = re.compile(r"\w+[.\[]")
_MARK = re.compile(r"(?<!\w)['\"]|['\"](?!\w)")
# What else our messages say from their first quotation mark to their last one.
_AROUND = (
    "allowed already also answer attribute belongs call cannot case cells characters check clone "
    "comparison counted detected documentation does each else empty ending enters epochs estimate "
    "expression field fill give given gives guessed here holds host hyphen implausible install "
    "installed instant joined lies list lists matrix matter missing more must needs none only "
    "openpyxl path prints published regular replace research said says seen several shows stand "
    "stands such texts than that these this twice understood what where which worker would writes "
    "written wrong wrote"
)
# A heading that we were told to read, or understood, is no secret.
_HEADING = re.compile(r"(?:rows? \d+, column|has no column) $")
_WORD = re.compile(r"[^\W\d_]+")
# A date, or more digits than a measured number has.
_NUMBER = re.compile(r"\d{5,}|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
# Keys and values of a TOML file, not the remarks in it.
_NAMED = re.compile(r'([\w.]+)\s*=|"([^"\n]*)"|^\[+([^\]\n]*)\]', re.MULTILINE)
_LONGEST, _LONGEST_QUOTE = 2500, 120
_SHORT = 3
_LIKENESS = 0.8


def discreet(error: NcsError, names: Collection[str] = ()) -> NcsError:
    """Give the error with every quoted text hidden that may name a person.

    Parameters
    ----------
    error : NcsError
    names : collection of str
        What the user called files and folders: no secret from the user.
    """
    error.message = without_quotes(error.message, names)
    error.args = (error.message, *error.args[1:])
    if error.hint:
        error.hint = without_quotes(error.hint, {*names, *_openly(error.message)})
    return error


@contextmanager
def discreetly(names: Collection[str] = ()) -> Iterator[None]:
    """Have every error of ours that leaves the block be discreet."""
    try:
        yield
    except NcsError as problem:
        raise discreet(problem, names) from problem.__cause__


def is_telling(text: str) -> bool:
    """Tell whether a text may be a name: it holds a word or number that is none of ours.

    Examples
    --------
    >>> is_telling("elbw"), is_telling("mV"), is_telling("Maria Muster"), is_telling("4711002")
    (False, False, True, True)
    """
    if len(text) > _LONGEST_QUOTE or _NUMBER.search(text):
        return True
    return any(not _is_ours(word) for word in _WORD.findall(text.casefold()))


def without_quotes(message: str, names: Collection[str] = ()) -> str:
    """Give a message with every quoted text hidden that may name a person."""

    def shown(found: re.Match[str]) -> str:
        text = found[1] if found[1] is not None else found[2]
        if text in names or _HEADING.search(found.string[: found.start()]):
            return found[0]
        return HIDDEN if is_telling(text) else found[0]

    message = _cut(visible(message))
    where, colon, rest = message.partition(": ")
    if colon and (_PLACE.match(where) or not re.search(r"[\s']", where)):
        # As it should be: traces.wrist.distance_mm
        parts = re.split(r"([.\[\]])", where)
        where = "".join("..." if is_telling(part) else part for part in parts)
        return _cut(f"{where}{colon}{_QUOTED.sub(shown, _without_torn(rest, names))}")
    return _cut(_QUOTED.sub(shown, _without_torn(message, names)))


def _without_torn(message: str, names: Collection[str]) -> str:
    """Hide all from the first mark to the last where a quoted text holds marks itself.

    ``unknown nerve 'Maria' Muster'`` seems to say Muster in our own words. Between the marks of
    our messages stand few words, so that a foreign one betrays it.
    """
    marks = list(_MARK.finditer(message))
    if not marks:
        return message
    start, end = marks[0].start(), marks[-1].end()
    around = _QUOTED.sub(" ", message[start:end])
    for name in sorted(filter(None, names), key=len, reverse=True):
        around = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", around)
    usual = frozenset(_AROUND.split())
    foreign = any(w not in usual and not _is_ours(w) for w in _WORD.findall(around.casefold()))
    return (
        f"{message[:start]}{HIDDEN}{message[end:]}"
        if foreign or _NUMBER.search(around)
        else message
    )


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."


def _openly(message: str) -> set[str]:
    """Give what a message says without quotes too, such as the sections that it lists."""
    return set(re.findall(r"(?<=\s)[^\s,;'\"]+?(?=[,;.]?(?:\s|$))", _QUOTED.sub(" ", message)))


def _is_ours(word: str) -> bool:
    if len(word) <= _SHORT and word.isascii():
        return True
    known = _words()
    return word in known or bool(difflib.get_close_matches(word, known, n=1, cutoff=_LIKENESS))


@cache
def _words() -> frozenset[str]:
    """Give every word of our templates, tables of names and columns."""
    from ncs_cb.columns import table_columns

    texts = [files("ncs_cb").joinpath("tables", name).read_text("utf-8") for name in _TEMPLATES]
    named = [word for text in texts for found in _NAMED.findall(text) for word in found]
    columns = [c.name for table in ("traces", "segments", "verdicts") for c in table_columns(table)]
    return frozenset(
        _WORD.findall(" ".join((*named, *columns, _KEYS)).casefold().replace("_", " "))
    )

"""Messages about a file that quote it only where what is quoted can be no person's name.

A message says where a fault stands, and what was there when that is a slip for a word of ours. A
text unlike every word that we know may be a name that stands in the wrong place: it is not told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from ncs_cb.errors import NcsError
from ncs_cb.harmless import visible

HIDDEN = "(not shown: it may name a person)"
"""What stands in place of a text that is not told."""
_NO_GUESS = f" Did you mean {HIDDEN}?"

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
    "position current voltage text known via mne neo csv edf bdf fif json toml xlsx lab ncs khz "
    "msec eeg vhdr vmrk dat female none acute rows measure"
)
# Quotes around a text, not an apostrophe inside it; the last may have been cut off.
_QUOTED = re.compile(r"(?<!\w)'(.*?)(?:'(?!\w)|\Z)|(?<!\w)\"(.*?)(?:\"(?!\w)|\Z)", re.DOTALL)
# The place in a tree, whatever stands in its keys: traces.Maria Muster, traces."Muster: Maria"
_PLACE = re.compile(r"\w+[.\[]")
# What was matched once is not tried in pieces: a long text would take for ever.
_STEP = re.compile(r'"((?:[^"\\]|\\.)*+)"|[^\s."\[\]:\']++')
_PLACE_WITH_QUOTES = re.compile(rf"((?:{_STEP.pattern}|[.\[\]])+): ")
_MARK = re.compile(r"(?<!\w)['\"]|['\"](?!\w)")
# What else our messages say from their first quotation mark to their last one.
_AROUND = (
    "allowed already also answer attribute belongs call cannot case cells characters check clone "
    "comparison counted detected documentation does each else empty ending enters epochs estimate "
    "expression field fill give given gives guessed here holds host hyphen implausible install "
    "installed instant joined lies list lists make matrix matter means missing more must needs "
    "none only openpyxl path prints published regular replace research said says seen several "
    "shows stand stands such texts than that these this twice understood what where which worker "
    "would writes written wrong wrote"
)
# A heading that we were told to read, or understood, is no secret.
_HEADING = re.compile(r"(?:rows? \d+, column|has no column) $")
_WORD = re.compile(r"[^\W\d_]+")
# A date, also with the month as a word, or digits in groups, or more of them than a measured
# number has.
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
"""Pattern of a month as a word, in small letters."""
_PART = rf"(?:\d{{1,4}}|{MONTH})"
_NUMBER = re.compile(
    rf"\d{{5,}}|(?<![a-z\d.]){_PART}[-./, ]{{1,2}}{_PART}[-./, ]{{1,2}}\d{{1,5}}(?![\d.])", re.I
)
# A value of which a message says that it cannot be true: it may be a number of another kind, such
# as a hospital's. Its size is told, by which a wrong unit is seen; that names nobody.
_IMPLAUSIBLE = re.compile(
    r"(?<![\d.])(?=\d{5}|[\d.]++e)\d[\d.]*+(?:e[+-]?\d++)?"
    r"(?= ?\w{0,4}; plausible:| \w{2} at \S{1,99} is implausible)"
)
# Keys and values of a TOML file, not the remarks in it.
_NAMED = re.compile(r'([\w.]+)\s*=|"([^"\n]*)"|^\[+([^\]\n]*)\]', re.MULTILINE)
_LONGEST, _LONGEST_QUOTE = 2500, 120
# A unit or an initial has two letters; names of three are many, and so are those that differ from
# a short word of ours, or begin otherwise than a long one, by one letter.
_SHORT, _SHORT_IN_OUR_TEXT, _LONG, _LIKENESS = 2, 3, 6, 0.8


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
    >>> is_telling("wirst"), is_telling("mV"), is_telling("Maria Muster"), is_telling("4711002")
    (False, False, True, True)
    """
    if len(text) > _LONGEST_QUOTE or _NUMBER.search(text):
        return True
    return any(not _is_ours(word) for word in _words_of(text))


def is_usual(text: str) -> bool:
    """Tell whether a text is, letter for letter, a word that our own sentences use.

    Examples
    --------
    >>> is_usual("empty"), is_usual("unit"), is_usual("Unit"), is_usual("muster")
    (True, True, False, False)
    """
    return text in _words() or text in _AROUND.split()


def without_quotes(message: str, names: Collection[str] = ()) -> str:
    """Give a message with every quoted text hidden that may name a person."""
    told = {*names, *_keys_in(message)}

    def shown(found: re.Match[str]) -> str:
        text = found[1] if found[1] is not None else found[2]
        if _HEADING.search(found.string[: found.start()]):
            told.add(text)
        is_open = text in told or not is_telling(text) or _is_slip_of(text, told)
        return found[0] if is_open else HIDDEN

    return _quoted_by(shown, _IMPLAUSIBLE.sub(_size, _cut(visible(message))), names).replace(
        _NO_GUESS, ""
    )


def _size(found: re.Match[str]) -> str:
    """Give a number to two digits.

    Examples
    --------
    >>> [_IMPLAUSIBLE.sub(_size, f"{n}; plausible: 0 to 100.")[:12] for n in (10000, 50069)]
    ['10000; plaus', 'about 50000;']
    """
    try:
        rounded = float(f"{float(found[0]):.1e}")
    except ValueError:
        return "..."
    text = f"{rounded:.12g}"
    return text if rounded == float(found[0]) else f"about {text}"


def _keys_in(message: str) -> set[str]:
    """Give the keys of ours that a message lists: what is one slip from such a key is no name."""
    return {one for one in _openly(message) if "_" in one and not is_telling(one)}


def _is_slip_of(text: str, told: Collection[str]) -> bool:
    """Tell whether a text is one slip from a name of a file, a heading or key that is no secret."""
    if len(text) > _LONGEST_QUOTE:
        return False
    table, _, key = text.rpartition(".")
    return any(
        abs(len(one) - len(own)) <= 1 and not _slips(own).isdisjoint(_slips(one))
        for own in ((text,) if is_telling(table) else (text, key))
        for one in told
    )


def _quoted_by(shown: Callable[[re.Match[str]], str], message: str, names: Collection[str]) -> str:
    """Give a message with what `shown` gives for each quoted text, and for the place it names."""
    if found := _PLACE_WITH_QUOTES.match(message):
        # As it should be: traces.wrist.distance_mm, or recordings."s.csv".side
        where = _STEP.sub(lambda step: _step(step, names), found[1])
        rest = message[found.end() :]
        return _cut(f"{where}: {_QUOTED.sub(shown, _without_torn(rest, names))}")
    where, colon, rest = message.partition(": ")
    if colon and '"' not in where and _PLACE.match(where):
        parts = re.split(r"([.\[\]])", where)
        where = "".join("..." if is_telling(part) else part for part in parts)
        return _cut(f"{where}{colon}{_QUOTED.sub(shown, _without_torn(rest, names))}")
    return _cut(_QUOTED.sub(shown, _without_torn(message, names)))


def _step(step: re.Match[str], names: Collection[str]) -> str:
    name = step[0] if step[1] is None else step[1]
    return "..." if name not in names and is_telling(name) else step[0]


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
    foreign = any(word not in usual and not _resembles_ours(word) for word in _words_of(around))
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


def _words_of(text: str) -> list[str]:
    """Give the words of a text in small letters; an accent of its own parts no word in two."""
    composed = unicodedata.normalize("NFKC", text.casefold())
    return _WORD.findall("".join(c for c in composed if not unicodedata.combining(c)))


def _is_ours(word: str) -> bool:
    """Tell whether a word is one of ours, or such a word with one slip behind its first letter."""
    if len(word) <= _SHORT and word.isascii():
        return True
    return word in _words() or (len(word) >= _LONG - 1 and not _slips_of().isdisjoint(_slips(word)))


def _resembles_ours(word: str) -> bool:
    """Tell whether a word outside of quotes may be one of ours, of which no list is whole."""
    if len(word) <= _SHORT_IN_OUR_TEXT and word.isascii():
        return True
    return word in _words() or bool(get_close_matches(word, _words(), n=1, cutoff=_LIKENESS))


def _slips(word: str) -> set[str]:
    """Give what a word has in common with any that is one slip apart, by its length.

    Two long words share what is left of them without one letter; in a shorter one two neighbors
    may have changed places. Any may have an s more.
    """
    if len(word) >= _LONG:
        return {word, *(word[:i] + word[i + 1 :] for i in range(1, len(word)))}
    swapped = (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1))
    return {word, f"{word}s", *(f"~{one}" for one in (word, *swapped))}


@cache
def _slips_of() -> frozenset[str]:
    return frozenset(slip for word in _words() if len(word) >= _LONG - 1 for slip in _slips(word))


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

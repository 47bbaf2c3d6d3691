"""Pseudonyms: the same name gives the same hash, and only the laboratory's key can tell which.

A keyed hash (HMAC-SHA256) is used because a plain one is no protection: hospital numbers and
names are few enough to be tried one after the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ncs_cb.discreet import is_telling, is_usual, without_quotes
from ncs_cb.errors import NcsError
from ncs_cb.model import Correction, Decision, Source, Study
from ncs_cb.readers import available

# Shorter secrets can be guessed.
_SHORTEST_KEY = 16
_LONGEST_KEY = 1 << 16
# 80 bits: among ten million studies two share a pseudonym with a chance below 1e-10.
_LETTERS = 16
_PSEUDONYM = re.compile(r"x[a-z2-7]{16}(\.\w+)?(/x[a-z2-7]{16}(\.\w+)?)*")
# Topics of decisions whose reason lists what stands in a file, or what a person wrote.
_RAW = frozenset({"column", "unit", "signal", "review"})
# What this program itself writes into an event; all other texts of it are a person's.
_EVENT_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_OWN_FORMS = {
    "id": _EVENT_ID,
    "undoes": _EVENT_ID,
    "at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "samples": re.compile(r"sha256:[0-9a-f]{64}"),
    "version": re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}"),
    "who": re.compile(r"study\.toml"),
    "from_by": re.compile(r"auto|study\.toml"),
}
_BESIDE = frozenset({".json", ".jsonl", ".toml", ".eeg", ".vmrk"})
_NOT_HIDDEN = frozenset({"", ".", "..", "/", "study.toml"})

Value = TypeVar("Value")


class Pseudonyms:
    """Keyed hashes of names.

    Parameters
    ----------
    key : bytes
        The laboratory's secret, at least 16 bytes.

    Raises
    ------
    NcsError
        If the key is too short.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < _SHORTEST_KEY:
            raise NcsError(
                f"the key holds {len(key)} bytes; at least {_SHORTEST_KEY} are needed.",
                hint="Make one with: python -c 'import secrets; print(secrets.token_hex(32))'",
            )
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> Pseudonyms:
        """Take the key from a file, blanks and line ends at both ends apart.

        A pipe is welcome, as a keeper of passwords offers one; a device has no end.
        """
        with path.open("rb") as file:
            key = file.read(_LONGEST_KEY + 1)
        if len(key) > _LONGEST_KEY:
            raise NcsError(f"the key is larger than {_LONGEST_KEY} bytes.")
        return cls(key.strip())

    def of(self, name: str) -> str:
        """Give the pseudonym of `name`: ``x`` and 16 lower-case letters or digits.

        Examples
        --------
        >>> Pseudonyms(b"0123456789abcdef").of("Jane Doe") == "Jane Doe"
        False
        """
        folded = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
        digest = hmac.new(self._key, folded, hashlib.sha256).digest()
        return "x" + base64.b32encode(digest).decode("ascii")[:_LETTERS].lower()

    def check(self) -> str:
        """Give a word by which the same key is known again, and from which it cannot be found."""
        return self.of("\0which key\0")

    def of_file(self, name: str) -> str:
        """Give the pseudonym of a file's name; a suffix that tells a format is kept.

        What stands behind the last point of any other name is part of the name: ``Dr. Muster``.
        """
        path = Path(name)
        suffix = path.suffix.lower()
        return self.of(path.stem) + suffix if suffix in _suffixes() else self.of(name)


@cache
def _suffixes() -> frozenset[str]:
    """Give the suffixes of all readers, and of what lies beside recordings."""
    return frozenset(s for reader in available() for s in reader.suffixes) | _BESIDE


def names_of(pseudonyms: Pseudonyms, key: str, files: tuple[str, ...]) -> dict[str, str]:
    """Give what to write in place of each name by which a study's files could be known.

    Parameters
    ----------
    pseudonyms : Pseudonyms
    key : str
        The study's path below ROOT.
    files : tuple of str
        Paths of its files.
    """
    hidden = {}
    for path in (key, *files):
        for part in Path(path).parts:
            hidden[part] = pseudonyms.of_file(part)
            hidden[Path(part).stem] = pseudonyms.of(Path(part).stem)
        # A study names a file of a subfolder by its path.
        hidden[path] = "/".join(pseudonyms.of_file(part) for part in Path(path).parts)
    return {name: new for name, new in hidden.items() if name not in _NOT_HIDDEN}


def scrub(text: str, names: Mapping[str, str]) -> str:
    """Put pseudonyms in place of every known name in `text`, longest names first.

    A name that is a word of our sentences too is one only where it stands as a name does.
    """
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    whole = rf"(?<!\w)(?:{'|'.join(map(_as_named, longest_first))})(?!\w)"
    return re.sub(whole, lambda found: names[found[0]], text)


def _as_named(name: str) -> str:
    """Give the pattern of a name: of a usual word in quotes, in a path, or before a colon."""
    pattern = re.escape(name)
    if not is_usual(name):
        return pattern
    return rf"(?:(?<=['\"/]){pattern}|\A{pattern}(?=:)|{pattern}(?=['\"/]))"


def pseudonymize(study: Study, study_id: str, names: Mapping[str, str]) -> Study:
    """Give the study under another id, with its file names replaced and free notes dropped.

    Parameters
    ----------
    study : Study
    study_id : str
        The id to carry from now on.
    names : mapping of str to str
        What to write for each file name; a name that is not in it is not written at all.
        Empty when names are to stay as they are.
    """
    if not names:
        return study if study.study_id == study_id else replace(study, study_id=study_id)

    def hidden(name: str) -> str:
        return names.get(name, "unnamed")

    blur = _Blur()
    return replace(
        study,
        study_id=study_id,
        traces=tuple(replace(t, recording=hidden(t.recording)) for t in study.traces),
        typed_responses=tuple(
            replace(t, recording=hidden(t.recording)) for t in study.typed_responses
        ),
        details=blur.of(
            replace(
                study.details,
                recordings={hidden(name): o for name, o in study.details.recordings.items()},
            )
        ),
        # A plain hash of a small file gives its content away to whoever tries them all.
        sources=tuple(Source(hidden(s.name), "", s.reader) for s in study.sources),
        decisions=tuple(
            Decision(
                hidden(d.source),
                d.topic,
                blur.of(scrub(d.choice, names)),
                blur.reason(d.topic, scrub(d.reason, names)),
            )
            for d in study.decisions
        ),
        notes=(),
        unassigned=tuple(
            replace(u, recording=hidden(u.recording), text=blur.of(u.text))
            for u in study.unassigned
        ),
        corrections=tuple(
            replace(_blurred(c, blur), recording=hidden(c.recording)) for c in study.corrections
        ),
    )


def _blurred(event: Correction, blur: _Blur) -> Correction:
    """Give a correction without its reason, and with every text hidden that is not our own.

    Its line in the log may have been written by any program, or by hand: what has not the form
    in which we write it is hidden like any other text.
    """
    told = blur.of(replace(event, why=""))
    # Even initials are those of a person.
    told = replace(told, who=blur.person(event.who), from_by=blur.person(event.from_by))
    ours: dict[str, Any] = {
        name: value
        for name, form in _OWN_FORMS.items()
        if isinstance(value := getattr(event, name), str) and form.fullmatch(value)
    }
    return replace(told, **ours)


class _Blur:
    """Puts a number in place of every text that may name a person, the same for the same text."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, value: Value) -> Value:
        """Give plain data or an object of the model with such texts hidden, however deep."""
        return self._of(value)  # type: ignore[no-any-return]

    def reason(self, topic: str, text: str) -> str:
        """Give a reason: our own words with quotes, unless it is what a file or person says."""
        return self._text(text) if topic in _RAW else without_quotes(text)

    def _of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, tuple | list):
            return type(value)(self._of(one) for one in value)
        if isinstance(value, Mapping):
            return {self._of(key): self._of(one) for key, one in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            told = {f.name: self._of(getattr(value, f.name)) for f in fields(value) if f.init}
            return replace(value, **told)
        return value

    def person(self, name: str) -> str:
        """Give the number of a person, however short the name is; empty where nobody is named."""
        return name and self._numbered(name)

    def _text(self, text: str) -> str:
        if _PSEUDONYM.fullmatch(text) or not is_telling(text):
            return text
        return self._numbered(text)

    def _numbered(self, text: str) -> str:
        return self._seen.setdefault(text, f"hidden {len(self._seen) + 1}")

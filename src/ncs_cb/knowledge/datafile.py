"""The one door through which a TOML file enters, shipped or a user's own.

Every complaint names the file as the user named it, the key, the value, what is allowed and the
nearest valid name. What stands in a file about a person is told only where it is a slip of a word
that is allowed, or a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ncs_cb.errors import NcsError, ReadError, TableError, did_you_mean
from ncs_cb.files import read_regular
from ncs_cb.harmless import as_key, is_deep
from ncs_cb.units import is_finite

VERIFIED = ("primary", "secondary", "unchecked", "doubtful")
"""How sure a number is: read in the publication, read in a work that cites it, well known but
not yet checked against the publication, doubtful."""

UNSET = "unset"
"""What stands in the place of a number that is not known."""

# Keys that nest without end: the parser notes the beginnings of each, and so needs the square of
# their length. Nothing is tried twice, so that no file keeps this busy either.
_MANY = 50
_KEY_OF_MANY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MANY}}}"""
)
_WORDED = ("nerves", "findings", "features", "criteria", "reference")
_TEXTS = ("text", "label", "title", "ask", "absent_text", "frequency", "neuropathy", "name")


class DataText(NamedTuple):
    """The text of one data file: its name for messages, its bytes' SHA-256, and what it says."""

    name: str
    sha256: str
    raw: dict[str, Any]


def shipped(folder: str) -> list[str]:
    """Give the ids of the files shipped in ``tables/<folder>``, sorted."""
    found = files("ncs_cb").joinpath("tables", folder).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in found if f.name.endswith(".toml"))


def is_path(id_or_path: str | Path) -> bool:
    """Tell whether the caller named a file of their own rather than a shipped id."""
    text = str(id_or_path)
    return isinstance(id_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text


def read(folder: str, id_or_path: str | Path) -> DataText:
    """Read the shipped file with that id, or the user's own file.

    Raises
    ------
    TableError
        If there is no such id or file, or the file is not TOML in UTF-8.
    """
    name, content = _content(folder, id_or_path)
    return _in_two_languages(parse(content, name)) if folder in _WORDED else parse(content, name)


@cache
def table(name: str) -> DataText:
    """Read ``tables/<name>.toml`` of the package."""
    path = f"tables/{name}.toml"
    read = parse(files("ncs_cb").joinpath(path).read_bytes(), path)
    return _in_two_languages(read) if name in _WORDED else read


@cache
def words(lang: str) -> dict[str, Any]:
    """Read the catalog of one language."""
    return read("words", lang).raw


def translated(lang: str) -> dict[str, str]:
    """Give each English text of a nerve, finding, feature or set in another language."""
    found: dict[str, str] = words(lang).get("knowledge", {})
    return found


def chinese() -> dict[str, str]:
    """Give the Chinese of each English text of a nerve, finding, feature or set."""
    return translated("zh")


def _in_two_languages(data: DataText) -> DataText:
    """Put ``<key>_zh`` beside each English text of a file that the catalog has the Chinese of.

    So a set of one's own keeps the words it shares with a shipped one, and may bring its own.
    """
    known = chinese()

    def woven(value: Any) -> Any:
        if isinstance(value, list):
            return [woven(one) for one in value]
        if not isinstance(value, dict):
            return value
        more = {
            f"{key}_zh": known[value[key]]
            for key in _TEXTS
            if isinstance(value.get(key), str) and f"{key}_zh" not in value and value[key] in known
        }
        return {key: woven(one) for key, one in value.items()} | more

    return data._replace(raw=woven(data.raw))


def parse(content: bytes, name: str, error: type[NcsError] = TableError) -> DataText:
    """Read the bytes of a TOML file, with or without a byte order mark.

    Raises
    ------
    NcsError
        Of the kind given: if it is not TOML in UTF-8, or its tables are nested without end.
    """
    import tomllib
    from hashlib import sha256

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error("not UTF-8 text.", source=name) from None
    # Only where a line has the points for it: to search a whole catalog takes as long as a page.
    if any(line.count(".") >= _MANY and _KEY_OF_MANY.search(line) for line in text.split("\n")):
        raise error("nested too deeply.", source=name)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise error(f"not valid TOML: {problem}.", source=name) from None
    except RecursionError:
        raise error("nested too deeply.", source=name) from None
    except ValueError:  # a number of thousands of digits, the 30th of February
        raise error("a number or date in it is out of range.", source=name) from None
    if is_deep(raw):
        raise error("nested too deeply.", source=name)
    return DataText(name, sha256(content).hexdigest(), raw)


def text(folder: str, id_or_path: str | Path) -> str:
    """Give a data file as it is written, to edit; see :func:`read`."""
    return _content(folder, id_or_path)[1].decode("utf-8")


def _content(folder: str, id_or_path: str | Path) -> tuple[str, bytes]:
    name = str(id_or_path)
    if is_path(id_or_path):
        try:
            content = read_regular(Path(id_or_path))
        except ReadError as problem:
            raise TableError(f"the file {problem.message}", source=name) from None
    else:
        known = shipped(folder)
        if name not in known:
            raise TableError(
                f"unknown {folder} set '{name}'; known: {', '.join(known)}."
                + did_you_mean(name, known)
                + " A file of your own is named by its path, ending in .toml."
            )
        name = f"tables/{folder}/{name}.toml"
        content = files("ncs_cb").joinpath(name).read_bytes()
    return name, content


def unknown_key(
    path: str, known: Iterable[str], *, name: str | None = None, is_personal: bool = True
) -> str:
    """Word the complaint; one unlike every known key may name a person: it is not told."""
    known, key = list(known), (name or path)[:120]
    nearest = did_you_mean(key, known)
    above = path.rpartition(".")[0]
    is_slip = not is_personal or bool(nearest) or any(key in one for one in known)
    shown = f"'{path[:120]}'" if is_slip else f"in '{above}'" if above else "at the top"
    return f"unknown key {shown}; known: {', '.join(known)}.{nearest}"


class Block(NamedTuple):
    """One TOML table with the words to blame it by.

    Attributes
    ----------
    raw : dict
        What the table holds.
    file : str
        The file as the user named it; empty when it came from none.
    key : str
        Where the table stands in the file, for example ``rule[2].all[0]``; empty at the top.
    error : type
        What is raised when it is wrong.
    is_personal : bool
        Whether it is about a person: then no text of it is told in a message.
    """

    raw: dict[str, Any]
    file: str
    key: str = ""
    error: type[NcsError] = TableError
    is_personal: bool = False

    def at(self, name: str) -> str:
        """Give the path of key `name` of this table."""
        return ".".join(part for part in (self.key, as_key(name)) if part)

    def wrong(self, name: str, reason: str) -> NcsError:
        """Give the error for key `name` of this table."""
        return self.error(f"{self.at(name)}: {reason}", source=self.file or None)

    def below(self, raw: dict[str, Any], key: str) -> Block:
        """Give a table of this one as a block, named by its whole path."""
        return self._replace(raw=raw, key=key)

    def shown(self, value: Any) -> str:
        """Give a value as a message may tell it."""
        if not self.is_personal or isinstance(value, bool | int | float):
            return repr(value)
        kinds = ((str, "text"), (dict, "a table"), (list, "a list"))
        return next((word for kind, word in kinds if isinstance(value, kind)), "a date or time")

    def only(self, *known: str) -> None:
        """Refuse every key but these."""
        for name in self.raw:
            if name not in known:
                if self.is_personal:
                    message = unknown_key(self.at(name), known, name=name)
                    raise self.error(message, source=self.file or None)
                raise self.wrong(name, unknown_key(name, known, is_personal=False))

    def _get(self, name: str, kind: type | tuple[type, ...], what: str, *, needed: bool) -> Any:
        if name not in self.raw:
            if needed:
                raise self.wrong(name, f"missing key '{name}' ({what})")
            return None
        value = self.raw[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, f"must be {what}, not {self.shown(value)}")
        return value

    def text(self, name: str) -> str:
        """Give a text that must be there and not be blank."""
        value: str = self._get(name, str, "a text", needed=True)
        if not value.strip():
            raise self.wrong(name, "must not be blank")
        return value

    def maybe_text(self, name: str) -> str:
        """Give a text, or an empty one."""
        value: str | None = self._get(name, str, "a text", needed=False)
        return value or ""

    def truth(self, name: str, default: bool | None = None) -> bool | None:
        """Give true, false, or the default."""
        value: bool | None = self._get(name, bool, "true or false", needed=False)
        return default if value is None else value

    def whole(self, name: str, default: int | None = None) -> int:
        """Give a whole number of at least 1."""
        value: int | None = self._get(name, int, "a whole number", needed=default is None)
        number = default if value is None else value
        if number is None or number < 1:
            raise self.wrong(name, f"must be at least 1, not {number!r}")
        return number

    def number(self, name: str, *, needed: bool = True) -> float | None:
        """Give a finite number; None for ``"unset"``, and for an absent one if not `needed`."""
        if self.raw.get(name) == UNSET:
            return None
        what = f'a number, or "{UNSET}" where it is not known'
        value = self._get(name, (int, float), what, needed=needed)
        if value is None:
            return None
        if not is_finite(value):
            raise self.wrong(name, f"must be {what}, not {self.shown(value)}")
        return float(value)

    def names(self, name: str, known: Iterable[str] | None = None) -> tuple[str, ...]:
        """Give a list of names, each one of `known`; empty when absent."""
        values = self._get(name, list, "a list of names", needed=False) or []
        for value in values:
            if not isinstance(value, str):
                raise self.wrong(name, f"must be a list of names, not {self.shown(value)}")
            if known is not None:
                self.one_of(name, value, known)
        return tuple(values)

    def one_of(self, name: str, value: str, known: Iterable[str]) -> str:
        """Give `value` if it is known, else say which are and which is nearest."""
        allowed: Collection[str] = list(known)
        if value not in allowed:
            told = "" if self.is_personal else f" '{value}'"
            raise self.wrong(
                name,
                f"unknown name{told}; known: {', '.join(allowed)}." + did_you_mean(value, allowed),
            )
        return value

    def choice(self, name: str, known: Iterable[str]) -> str:
        """Give a text that must be one of `known`."""
        return self.one_of(name, self.text(name), known)

    def block(self, name: str) -> Block:
        """Give the table below this one; an empty one when absent."""
        value = self._get(name, dict, f"a table, [{self.at(name)}]", needed=False) or {}
        return self.below(value, self.at(name))

    def blocks(self, name: str) -> list[Block]:
        """Give the array of tables below this one, numbered from 1."""
        at = self.at(name)
        values = self._get(name, list, f"a list of tables, [[{at}]]", needed=False) or []
        for number, value in enumerate(values, start=1):
            if not isinstance(value, dict):
                what = f"must be a table, not {self.shown(value)}"
                raise self.wrong(f"{name}[{number}]", what)
        return [self.below(v, f"{at}[{n}]") for n, v in enumerate(values, start=1)]

    def tables(self) -> list[tuple[str, Block]]:
        """Give every entry of this table, each of which must be a table, by its name."""
        return [(name, self.block(name)) for name in self.raw]

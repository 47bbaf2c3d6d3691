"""Read a shipped or user-supplied TOML table, and say file, key and reason when it is wrong.

Criteria sets and reference sets are both TOML files that a laboratory may write itself, so
every complaint names the file as the user named it, the key, what is allowed and the nearest
valid name.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ncs_cb.errors import TableError, did_you_mean
from ncs_cb.units import is_finite

VERIFIED = ("primary", "secondary", "unchecked", "doubtful")
"""How sure a number is: read in the publication, read in a work that cites it, well known but
not yet checked against the publication, doubtful."""

UNSET = "unset"
"""What stands in the place of a number that is not known."""


@dataclass(frozen=True, slots=True)
class DataText:
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
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except ValueError as problem:  # no TOML, no UTF-8, or a number of thousands of digits
        raise TableError(f"not a TOML file in UTF-8: {problem}", source=name) from None
    return DataText(name, hashlib.sha256(content).hexdigest(), raw)


def text(folder: str, id_or_path: str | Path) -> str:
    """Give a data file as it is written, to edit; see :func:`read`."""
    return _content(folder, id_or_path)[1].decode("utf-8")


def _content(folder: str, id_or_path: str | Path) -> tuple[str, bytes]:
    name = str(id_or_path)
    if is_path(id_or_path):
        try:
            content = Path(id_or_path).read_bytes()
        except OSError as problem:
            raise TableError(f"the file cannot be read: {problem.strerror}", source=name) from None
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


@dataclass(frozen=True, slots=True)
class Block:
    """One TOML table with the words to blame it by.

    Attributes
    ----------
    raw : dict
        What the table holds.
    file : str
        The file as the user named it.
    key : str
        Where the table stands in the file, for example ``rule[2].all[0]``; empty at the top.
    """

    raw: dict[str, Any]
    file: str
    key: str = ""

    def wrong(self, name: str, reason: str) -> TableError:
        """Give the error for key `name` of this table."""
        at = ".".join(part for part in (self.key, name) if part)
        return TableError(f"{at}: {reason}", source=self.file)

    def only(self, *known: str) -> None:
        """Refuse every key but these."""
        for name in self.raw:
            if name not in known:
                raise self.wrong(
                    name,
                    f"unknown key '{name}'; known: {', '.join(known)}." + did_you_mean(name, known),
                )

    def _get(self, name: str, kind: type | tuple[type, ...], what: str, *, needed: bool) -> Any:
        if name not in self.raw:
            if needed:
                raise self.wrong(name, f"missing key '{name}' ({what})")
            return None
        value = self.raw[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, f"must be {what}, not {value!r}")
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
            raise self.wrong(name, f"must be {what}, not {value!r}")
        return float(value)

    def names(self, name: str, known: Iterable[str] | None = None) -> tuple[str, ...]:
        """Give a list of names, each one of `known`; empty when absent."""
        values = self._get(name, list, "a list of names", needed=False) or []
        for value in values:
            if not isinstance(value, str):
                raise self.wrong(name, f"must be a list of names, not {value!r}")
            if known is not None:
                self.one_of(name, value, known)
        return tuple(values)

    def one_of(self, name: str, value: str, known: Iterable[str]) -> str:
        """Give `value` if it is known, else say which are and which is nearest."""
        allowed: Collection[str] = list(known)
        if value not in allowed:
            raise self.wrong(
                name,
                f"unknown name '{value}'; known: {', '.join(allowed)}."
                + did_you_mean(value, allowed),
            )
        return value

    def choice(self, name: str, known: Iterable[str]) -> str:
        """Give a text that must be one of `known`."""
        return self.one_of(name, self.text(name), known)

    def block(self, name: str) -> Block:
        """Give the table below this one; an empty one when absent."""
        value = self._get(name, dict, "a table", needed=False) or {}
        return Block(value, self.file, f"{self.key}.{name}" if self.key else name)

    def blocks(self, name: str) -> list[Block]:
        """Give the array of tables below this one, numbered from 1."""
        values = self._get(name, list, "a list of tables", needed=False) or []
        at = f"{self.key}.{name}" if self.key else name
        for number, value in enumerate(values, start=1):
            if not isinstance(value, dict):
                raise self.wrong(f"{name}[{number}]", f"must be a table, not {value!r}")
        return [Block(v, self.file, f"{at}[{n}]") for n, v in enumerate(values, start=1)]

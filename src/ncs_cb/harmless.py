"""Text from outside, made fit to be shown: no hidden letters, no formula, no endless name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# Letters that steer a terminal or a page instead of being read: ESC and its kin, marks that turn
# the direction of writing, halves of letters, separators of lines and paragraphs.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class _Shown(dict[int, str]):
    """What stands for each letter on paper, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        is_steering = unicodedata.category(letter) in _STEERING and letter not in "\t\n"
        return self.setdefault(code, " " if is_steering else letter)


_SHOWN = _Shown()

# Also with the number of one of several tables, as we write it ourselves.
_PLAIN_KEY = re.compile(r"[\w-]*(?:\[\d+\])?")

_DEEPEST = 50

# Spreadsheets take a cell that begins with one of these for a formula, also in full width.
_FORMULA = re.compile(r"\A[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# Where a semicolon or a tab separates cells, what follows it begins one. A number may be negative.
_LATER_FORMULA = re.compile(
    r"(?<=[;\t])(\s*)(?=[=+@\uff1d\uff0b\uff20]|[-\uff0d](?!\s?\d+([.,]\d+)?([\s%;]|\Z)))"
)


def visible(text: str) -> str:
    r"""Give `text` with a blank in place of every letter that steers instead of being read.

    Examples
    --------
    >>> visible("a\x1b[2Jb\u202ec")
    'a [2Jb c'
    """
    # What can be printed, in any script, steers nothing; to look letter by letter takes long.
    if text.isprintable():
        return text
    return text.translate(_SHOWN)


def visible_values(tree: Any) -> Any:
    r"""Give plain data with every text in it made visible, however deep; keys stay.

    Examples
    --------
    >>> visible_values({"a": ["b\x1bc", 1]})
    {'a': ['b c', 1]}
    """
    if isinstance(tree, str):
        return visible(tree)
    if isinstance(tree, Mapping):
        return {key: visible_values(value) for key, value in tree.items()}
    return [visible_values(value) for value in tree] if isinstance(tree, list) else tree


def is_deep(tree: dict[str, Any] | list[Any]) -> bool:
    """Tell whether plain data are nested deeper than any file of ours: who walks them would fail.

    Examples
    --------
    >>> is_deep({"a": [{"b": 1}]})
    False
    """
    level = [tree]
    for _ in range(_DEEPEST):
        inner = (
            value
            for one in level
            for value in (one.values() if isinstance(one, dict) else one)
            if isinstance(value, dict | list)
        )
        if not (level := list(inner)):
            return False
    return True


def no_formula(text: str) -> str:
    """Give a cell that no spreadsheet runs as a formula: an apostrophe stands before it.

    Examples
    --------
    >>> no_formula("=1+1"), no_formula("p014"), no_formula("a;=1+1"), no_formula("a; -3 %")
    ("'=1+1", 'p014', "a;'=1+1", 'a; -3 %')
    """
    if _FORMULA.match(text):
        text = f"'{text}"
    if ";" not in text and "\t" not in text:
        return text
    return _LATER_FORMULA.sub(r"\1'", text)


def as_key(name: str) -> str:
    """Give a key as a place in a file names it: in quotes where it is no plain word.

    Examples
    --------
    >>> as_key("below_elbow"), as_key("28.06.1981"), as_key("rule[2]")
    ('below_elbow', '"28.06.1981"', 'rule[2]')
    """
    if _PLAIN_KEY.fullmatch(name):
        return name
    import json

    return json.dumps(name, ensure_ascii=False)


def shortened(name: str, n_bytes: int) -> str:
    """Give the beginning of a name that fits into so many bytes of UTF-8, letters whole.

    Examples
    --------
    >>> shortened("正中神经", 7)
    '正中'
    """
    return name.encode("utf-8", "replace")[:n_bytes].decode("utf-8", "ignore")

"""Frozen dataclasses made of what a file says, held against their own annotations.

So there is no second set of classes, and no second list of what is allowed: types, words and
defaults stand in :mod:`ncs_cb.model`, and the JSON Schema of a file is made of the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ncs_cb.errors import did_you_mean
from ncs_cb.knowledge.datafile import Block
from ncs_cb.units import is_finite

T = TypeVar("T")

_PLAIN: dict[Any, tuple[Any, str, dict[str, Any]]] = {
    bool: (bool, "true or false", {"type": "boolean"}),
    int: (int, "a whole number", {"type": "integer"}),
    float: ((int, float), "a number", {"type": "number"}),
    str: (str, "text", {"type": "string"}),
    date: (date, "a date", {"format": "date", "type": "string"}),
}


_hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def make(
    kind: type[T], block: Block, *, as_text: Collection[str] = (), from_json: bool = False
) -> T:
    """Make a dataclass of a block: no text for a number, no number for a truth.

    Parameters
    ----------
    kind : type
    block : Block
    as_text : collection of str
        Fields taken as any text: their spellings are known elsewhere.
    from_json : bool
        Whether dates are written as text.

    Raises
    ------
    NcsError
        Of the block's kind; it names key, value, what is allowed, and the nearest word.
    """
    block.only(*(one.name for one in fields(kind)))  # type: ignore[arg-type]
    hints = _hints(kind)
    made = {
        name: value
        if name in as_text and isinstance(value, str)
        else _checked(hints[name], value, block, name, from_json)
        for name, value in block.raw.items()
    }
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name not in made and one.default is one.default_factory is MISSING:
            raise block.wrong("", f"the key '{one.name}' is missing.")
    return kind(**made)


def field_value(kind: type[Any], block: Block, name: str) -> Any:
    """Give one value of a block, held against the annotation of that field of `kind`."""
    return _checked(_hints(kind)[name], block.raw[name], block, name, False)


def _checked(hint: Any, value: Any, block: Block, name: str, from_json: bool) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _any_of(inner, value, block, name, from_json)
    if origin is Literal:
        return _word(inner, value, block, name)
    if is_dataclass(hint):
        below = Block({name: value}, block.file, block.key, block.error, block.is_personal)
        return make(hint, below.block(name), from_json=from_json)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, list):
            raise block.wrong(name, f"must be a list, not {block.shown(value)}.")
        around = block.below({f"{name}[{n}]": one for n, one in enumerate(value, 1)}, block.key)
        return tuple(
            _checked(inner[0], one, around, key, from_json) for key, one in around.raw.items()
        )
    if origin is not None:  # a mapping from text
        if not isinstance(value, dict):
            raise block.wrong(name, f"must be a table, not {block.shown(value)}.")
        around = block.below(value, block.at(name))
        return {key: _checked(inner[1], one, around, key, from_json) for key, one in value.items()}
    return _plain(hint, value, block, name, from_json)


def _any_of(kinds: Any, value: Any, block: Block, name: str, from_json: bool) -> Any:
    if value is None and NoneType in kinds:
        return None
    real = [kind for kind in kinds if kind is not NoneType]
    if len(real) > 1 and isinstance(value, bool) and bool in real:
        return value
    return _checked(real[-1], value, block, name, from_json)


def _word(allowed: tuple[str, ...], value: Any, block: Block, name: str) -> str:
    if value in allowed and isinstance(value, str):
        return value
    shown = [f"'{one}'" for one in allowed]
    listed = ", ".join(shown[:-1]) + f" or {shown[-1]}"
    nearest = did_you_mean(value, allowed) if isinstance(value, str) else ""
    raise block.wrong(name, f"allowed: {listed}.{nearest}")


def _plain(hint: Any, value: Any, block: Block, name: str, from_json: bool) -> Any:
    if hint is date and from_json and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise block.wrong(name, "must be a date such as 2026-03-02.") from None
    kind, what, _ = _PLAIN[hint]
    is_right = isinstance(value, kind) and not isinstance(value, datetime)
    if not is_right or (isinstance(value, bool) and hint is not bool):
        raise block.wrong(name, f"must be {what}, not {block.shown(value)}.")
    if hint is not float:
        return value
    if not is_finite(value):
        raise block.wrong(name, f"must be a finite number, not {value}.")
    return float(value)


def schema(kind: type[Any]) -> dict[str, Any]:
    """Give the JSON Schema of a dataclass, of which no other key is allowed."""
    hints = _hints(kind)
    properties = {}
    needed = []
    for one in fields(kind):
        described = {"title": one.name.replace("_", " ").title(), **_schema_of(hints[one.name])}
        if one.default is not MISSING:
            described["default"] = one.default
        elif one.default_factory is MISSING:
            needed.append(one.name)
        properties[one.name] = described
    return {
        "title": kind.__name__,
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "properties": properties,
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def _schema_of(hint: Any) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema_of(one) for one in inner]}
    if origin is Literal:
        return {"enum": list(inner), "type": "string"}
    if is_dataclass(hint):
        return schema(hint)  # type: ignore[arg-type]
    if origin is tuple:
        return {"type": "array", "items": _schema_of(inner[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(inner[1])}
    return {"type": "null"} if hint is NoneType else dict(_PLAIN[hint][2])

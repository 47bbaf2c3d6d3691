"""JSON with one line for each value, as a person can read it and as it is quick to write.

The compiled encoder of the standard library writes on one line only; with lines, it goes value by
value in Python. But no text in JSON holds a line break, so that the compiled one may be given a
line break to put between two values.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

_NESTED = (dict, list)


class Columns(NamedTuple):
    """A table of plain data by the names of its columns, to be written row by row."""

    names: list[str]
    cells: list[list[Any]]


def indented(value: Any, depth: int = 0) -> str:
    """Write plain data as ``json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)``.

    Parameters
    ----------
    value : dict, list, str, int, float, bool or None
        A `Columns` in it is written as the list of its rows.
    depth : int
        How many lists and objects it stands in.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    if isinstance(value, Columns):
        return _listed(_rows(value, depth + 1), depth)
    if not isinstance(value, _NESTED) or not value:
        return _encoder(",").encode(value)
    for one in value if isinstance(value, list) else value.values():
        if isinstance(one, (*_NESTED, Columns)):
            break
    else:
        line = "\n" + " " * (depth + 1)
        text = _encoder("," + line).encode(value)
        return f"{text[0]}{line}{text[1:-1]}{line[:-1]}{text[-1]}"
    if isinstance(value, list):
        return _listed([indented(one, depth + 1) for one in value], depth)
    named = [f"{_encoder(',').encode(name)}: {indented(value[name], depth + 1)}" for name in value]
    return f"{{{_listed(named, depth)[1:-1]}}}"


def _listed(texts: list[str], depth: int) -> str:
    if not texts:
        return "[]"
    line = "\n" + " " * (depth + 1)
    return f"[{line}{f',{line}'.join(texts)}{line[:-1]}]"


def _rows(table: Columns, depth: int) -> list[str]:
    """Give the text of each row of a table."""
    line = "\n" + " " * (depth + 1)
    names = [_encoder(",").encode(name).replace("%", "%%") for name in table.names]
    row = f"{{{line}{f',{line}'.join(f'{name}: %s' for name in names)}{line[:-1]}}}"
    texts = [_texts(cells, depth + 1) for cells in table.cells]
    return [row % values for values in zip(*texts, strict=True)]


def _texts(cells: list[Any], depth: int) -> list[str]:
    """Give the text of each cell of a column."""
    if not cells:
        return []
    if any(isinstance(cell, _NESTED) for cell in cells):
        return [indented(cell, depth) for cell in cells]
    return _encoder("\n").encode(cells)[1:-1].split("\n")


@cache
def _encoder(separator: str) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(separator, ": "))

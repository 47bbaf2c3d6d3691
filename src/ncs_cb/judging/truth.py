"""True, false, unknown: every comparison of a rule, and the sentence that shows it.

NaN becomes unknown in one place, :func:`compared`. Numbers are compared unrounded, with a grace of
1e-9 in the direction of the written operator, so that "at most 30" and "more than 30" can never
both hold, and 100 * (7.15 / 5.5 - 1) counts as 30.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ncs_cb.columns import COLUMNS
from ncs_cb.units import unit_of
from ncs_cb.vocabulary import TOLERANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

SYMBOLS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_OPPOSITE = {"gt": "<=", "ge": "<", "lt": ">=", "le": ">"}
_LABELS = {c.name: c.label.lower() for c in COLUMNS if c.table == "segments"}
# Within this distance of the limit one more decimal is shown, so that 30.2 never reads as 30.
_NEAR = 1.0


# One rule for a number and for a column of them.
_HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": lambda number, limit: number > limit + TOLERANCE,
    "ge": lambda number, limit: number >= limit - TOLERANCE,
    "lt": lambda number, limit: number < limit - TOLERANCE,
    "le": lambda number, limit: number <= limit + TOLERANCE,
}


def compared(
    values: Sequence[float] | Numbers | pd.Series[float], op: str, limit: float | Numbers
) -> pd.arrays.BooleanArray:
    """Compare, giving unknown where a value or a limit is unknown.

    Parameters
    ----------
    values : array-like of float
        NaN and infinite values are unknown.
    op : str
        ``gt``, ``ge``, ``lt`` or ``le``; exactly that, with 1e-9 of grace in its direction.
    limit : float or array of float
        One limit, or one per value.

    Returns
    -------
    BooleanArray
        Nullable, so that ``&``, ``|`` and ``~`` follow Kleene.

    Examples
    --------
    >>> compared([50.0, float("nan"), 100 * (7.15 / 5.5 - 1)], "le", 30.0).tolist()
    [False, <NA>, True]
    """
    numbers = np.asarray(values, dtype=np.float64)
    limits = np.broadcast_to(np.asarray(limit, dtype=np.float64), numbers.shape)
    unknown = ~np.isfinite(numbers) | ~np.isfinite(limits)
    with np.errstate(invalid="ignore"):
        holds = _HOLDS[op](numbers, limits)
    return pd.arrays.BooleanArray(np.where(unknown, False, holds), unknown)


Truth = Any
"""True, False or ``pandas.NA``: one truth, which ``&`` and ``|`` combine by Kleene."""


def holds(value: float | None, op: str, limit: float | None) -> Truth:
    """Compare one number, as :func:`compared` does.

    Examples
    --------
    >>> holds(30.0, "gt", 30.0), holds(None, "gt", 30.0)
    (False, <NA>)
    """
    if value is None or limit is None or not math.isfinite(value) or not math.isfinite(limit):
        return pd.NA
    return _HOLDS[op](float(value), float(limit))


def count(answers: Iterable[Truth], at_least: int) -> Truth:
    """Tell whether at least so many hold: false only when the unknown cannot reach that many."""
    known = list(answers)
    if sum(one is True for one in known) >= at_least:
        return True
    return pd.NA if sum(one is not False for one in known) >= at_least else False


def between(
    values: Numbers, op: str, one: float | Numbers, other: float | Numbers
) -> pd.arrays.BooleanArray:
    """Compare with a limit that lies somewhere between two numbers: known where both agree."""
    if isinstance(one, float) and one == other:
        return compared(values, op, one)
    first, second = compared(values, op, one), compared(values, op, other)
    holds, also = (one.to_numpy(bool, na_value=False) for one in (first, second))
    known = ~(np.asarray(first.isna()) | np.asarray(second.isna()))
    return pd.arrays.BooleanArray(holds, ~known | (holds != also))


def unknown(length: int) -> pd.arrays.BooleanArray:
    """Give `length` unknowns."""
    return pd.arrays.BooleanArray(np.zeros(length, dtype=bool), np.ones(length, dtype=bool))


def at_least(n: int, terms: Sequence[pd.arrays.BooleanArray]) -> pd.arrays.BooleanArray:
    """Give whether at least `n` of the terms hold: false only when the unknown cannot reach `n`."""
    certain, possible = (
        np.sum([term.to_numpy(bool, na_value=guess) for term in terms], axis=0)
        for guess in (False, True)
    )
    return pd.arrays.BooleanArray(certain >= n, (certain < n) & (possible >= n))


def number(value: float, limit: float | None = None) -> str:
    """Write a number with one decimal, or with as many as tell it from a limit close by.

    Examples
    --------
    >>> number(62.14, 50.0), number(30.18, 30.0), number(29.9996, 30.0), number(4.0)
    ('62.1', '30.18', '29.9996', '4')
    """
    # Most numbers lie far from their limit; an unknown one is near to none.
    distance = math.nan if limit is None else abs(value - limit)
    if distance >= _NEAR:
        return f"{value:.1f}"
    if limit is None or not distance > TOLERANCE:
        return f"{value:.1f}".removesuffix(".0")
    decimals = 2
    while round(value, decimals) == round(limit, decimals) and decimals < 9:
        decimals += 1
    return f"{value:.{decimals}f}"


def numbers_in_words(values: Numbers, limits: Numbers, plain: NDArray[Any]) -> NDArray[Any]:
    """Write numbers as :func:`number` does, each beside its limit.

    `plain` holds them with one decimal, as all are written that lie far from their limit.
    """
    near = np.flatnonzero(~(np.abs(values - limits) >= _NEAR))
    words = plain.copy()
    for at in near.tolist():
        limit = float(limits[at])
        words[at] = number(float(values[at]), limit if math.isfinite(limit) else None)
    return words


@cache
def words_of(column: str) -> tuple[str, str]:
    """Give the words for a column in lower case, and its unit with a blank before it."""
    unit = unit_of(column)
    plain = column.rpartition("_")[0].replace("_", " ") or column
    return _LABELS.get(column, plain), f" {unit}" if unit else ""


def around(column: str, op: str, limit: float, holds: bool | None) -> tuple[str, str, str]:
    """Give the arithmetic of a comparison as a true statement without its number.

    Returns
    -------
    tuple of str
        What stands before the number and behind it, and the whole where it is unknown.

    Examples
    --------
    >>> around("total_area_reduction_pct", "ge", 50.0, True)[:2]
    ('area reduction ', ' % >= 50 %')
    >>> around("total_area_reduction_pct", "ge", 50.0, False)[:2]
    ('area reduction ', ' % < 50 %')
    >>> around("total_area_reduction_pct", "ge", 50.0, None)[2]
    'area reduction unknown (asked: >= 50 %)'
    """
    label, unit = words_of(column)
    asked = _comparison(op, limit, holds, unit)
    return f"{label} ", f"{unit}{asked}", f"{label} unknown{asked}"


def _comparison(op: str, limit: float, holds: bool | None, unit: str) -> str:
    if not math.isfinite(limit):
        return ", limit not known or not enabled"
    edge = f"{limit:.4f}".rstrip("0").rstrip(".") + unit
    if holds is None:
        return f" (asked: {SYMBOLS[op]} {edge})"
    return f" {SYMBOLS[op] if holds else _OPPOSITE[op]} {edge}"

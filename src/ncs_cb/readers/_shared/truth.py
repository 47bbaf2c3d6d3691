"""Values from outside to true, false or unknown: one function for every reader.

``bool()`` is never asked: it takes the words "no" and "False", and NaN, for true.
"""

from __future__ import annotations

import math
from typing import Any

from ncs_cb.errors import ReadError

_TRUE = frozenset(
    {"true", "yes", "y", "1", "1.0", "x", "ja", "j", "oui", "si", "是", "有", "t", "wahr", "vrai"}
)
_FALSE = frozenset(
    {"false", "no", "n", "0", "0.0", "nein", "non", "否", "无", "f", "falsch", "faux"}
)
UNKNOWN_WORDS = frozenset(
    {
        "",
        "na",
        "n/a",
        "nan",
        "null",
        "none",
        "<na>",
        "nat",
        "-",
        "--",
        "?",
        ".",
        "unknown",
        "unbekannt",
        "未知",
    }
)


def is_missing(value: Any) -> bool:
    """Tell whether a value of a table in memory says nothing, of whatever library it is.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing(0.0)
    (True, True, False)
    """
    # What a mask covers is a number all the same, of NumPy's masked arrays: zero.
    is_empty = type(value).__name__ in ("NAType", "NaTType", "MaskedConstant")
    return value is None or is_empty or (isinstance(value, float) and math.isnan(value))


def truth(value: Any, where: str) -> bool | None:
    """Give true, false, or None for unknown.

    Parameters
    ----------
    value : object
        A truth, 0 or 1, a word, a missing value of any kind.
    where : str
        Row and column, or key, for the message.

    Raises
    ------
    ReadError
        If it is anything else. The value is not quoted: it may hold a name.

    Examples
    --------
    >>> truth("no", "x"), truth("TRUE", "x"), truth(float("nan"), "x"), truth(1, "x")
    (False, True, None, True)
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in UNKNOWN_WORDS:
            return None
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif not hasattr(value, "__len__"):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = -1.0
        if math.isnan(number):
            return None
        if number in (0.0, 1.0):
            return number == 1.0
    raise ReadError(
        f"{where}: allowed: true, false (also yes, no, 1, 0), or empty for unknown.",
        hint="Write 'true' only where stimulation was seen to be so.",
    )

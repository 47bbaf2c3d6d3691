"""How numbers are rounded for the reader; nothing else rounds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

from ncs_cb.vocabulary import TOLERANCE

NOTHING = "\u2013"
_MINUS = "\u2212"

# What the instrument resolves and a physician reads: finer digits are noise
# (between-visit variation of latencies is 4 to 10 %, of amplitudes 16 to 20 %).
_DECIMALS = {"mV": 1, "ms": 1, "mV·ms": 1, "mA": 1, "µV": 1, "°C": 1, "g/L": 2, "g/kg": 1}
# Over two centimeters the nerve takes a third of a millisecond.
_FINER = {"latency_change_ms": 2, "added_dispersion_ms": 2}


def is_known(value: object) -> bool:
    """Tell a number from None, NA and NaN."""
    # Nearly all are one of these two, and the question to Real takes five times as long.
    if value is None or isinstance(value, float):
        return value is not None and not math.isnan(value)
    return isinstance(value, Real) and not math.isnan(value)


def number(value: object, unit: str = "", limits: Iterable[float] = (), *, column: str = "") -> str:
    """Round one value for reading, without its unit.

    A value within one unit of the last printed place of a limit gets one more decimal, and as
    many as it takes until the printed number lies on the same side of the limit as the value:
    30.18 against a limit of 30 is printed ``30.2``, never ``30``.

    Parameters
    ----------
    value : float or None
        NaN, NA and None give a dash.
    unit : str
        Decides the number of decimals.
    limits : iterable of float
        The limits that the value is compared with.
    column : str
        Name of the quantity, for the few that need finer steps than their unit.
    """
    if not is_known(value):
        return NOTHING
    exact = float(value)  # type: ignore[arg-type]
    if math.isinf(exact):
        return ("" if exact > 0 else _MINUS) + "∞"
    decimals = _FINER.get(column, _DECIMALS.get(unit, 0))
    if unit == "mV" and abs(exact) < 1.0:
        decimals = 2
    near = [x for x in limits if is_known(x) and abs(exact - x) <= 10.0**-decimals + TOLERANCE]
    decimals += bool(near)
    while decimals < 12 and any(_side(round(exact, decimals), x) != _side(exact, x) for x in near):
        decimals += 1
    text = f"{abs(round(exact, decimals)):.{decimals}f}"
    return (_MINUS if exact < 0 and float(text) != 0.0 else "") + text


def signed(text: str, *, falls: bool = False) -> str:
    """Write a rounded change with its sign; `falls` when a positive number is a fall.

    Examples
    --------
    >>> signed("61", falls=True), signed("8")
    ('\u221261', '+8')
    """
    if text == NOTHING or float(text.replace(_MINUS, "-")) == 0.0:
        return text
    is_negative = text.startswith(_MINUS)
    return (_MINUS if is_negative != falls else "+") + text.removeprefix(_MINUS)


def _side(value: float, limit: float) -> int:
    if abs(value - limit) <= TOLERANCE:
        return 0
    return 1 if value > limit else -1


def plain(value: object) -> str:
    """Write a limit or a setting with as many digits as it was given, up to six."""
    if not is_known(value):
        return NOTHING
    return f"{float(value):.6g}".replace("-", _MINUS)  # type: ignore[arg-type]


def with_unit(text: str, unit: str) -> str:
    """Set a unit behind a number; a dash stands alone."""
    return text if text == NOTHING or not unit else f"{text} {unit}"

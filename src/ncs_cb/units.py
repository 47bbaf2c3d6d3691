"""Storage units: unit text to factor, and column suffix to unit.

Everything inside ``ncs_cb`` is in mV, ms, mm, mA, Hz, m/s, percent and degrees Celsius.
Conversion happens here and nowhere else. Unknown text is an error, never an assumption.
"""

from __future__ import annotations

import math
import re

from ncs_cb.errors import UnitError

# Spelling is exact on purpose: "mv" or "MV" could be milli- or megavolt, so they are refused.
# U+00B5 is the micro sign, U+03BC the Greek letter mu; both occur in EDF+ and BrainVision files.
MILLIVOLTS_PER: dict[str, float] = {
    "V": 1e3,
    "mV": 1.0,
    "uV": 1e-3,
    "\u00b5V": 1e-3,
    "\u03bcV": 1e-3,
    "nV": 1e-6,
}

# A surface response above this is a wrong unit, not a muscle (design/contract.md, section 6).
LARGEST_PLAUSIBLE_RESPONSE_MV = 100.0

# Longest suffix first, so that "_mv_ms" is not read as "_ms".
_SUFFIX_UNITS: tuple[tuple[str, str], ...] = (
    ("_m_per_s", "m/s"),
    ("_g_per_kg", "g/kg"),
    ("_g_per_l", "g/L"),
    ("_u_per_l", "U/L"),
    ("_mv_ms", "mV\u00b7ms"),
    ("_years", "years"),
    ("_months", "months"),
    ("_mv", "mV"),
    ("_uv", "\u00b5V"),
    ("_ms", "ms"),
    ("_mm", "mm"),
    ("_cm", "cm"),
    ("_ma", "mA"),
    ("_hz", "Hz"),
    ("_pct", "%"),
    ("_c", "\u00b0C"),
)


def is_finite(value: object) -> bool:
    """Tell whether a value from outside is a number that fits a float; true and false are none.

    Examples
    --------
    >>> is_finite(3), is_finite(10**400), is_finite(float("nan")), is_finite(True)
    (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def millivolts_per(unit: str, *, source: str | None = None) -> float:
    """Give the factor that turns a value in `unit` into mV.

    Parameters
    ----------
    unit : str
        ``V``, ``mV``, ``uV`` (also with a micro sign or Greek mu) or ``nV``, spelled exactly so.
    source : str, optional
        The input to name in the message.

    Raises
    ------
    UnitError
        If `unit` is blank or not one of these.
    """
    text = unit.strip()
    if text in MILLIVOLTS_PER:
        return MILLIVOLTS_PER[text]
    allowed = ", ".join(k for k in MILLIVOLTS_PER if k.isascii())
    what = "the voltage unit is missing" if not text else f"unknown voltage unit '{text}'"
    raise UnitError(
        f"{what}; known: {allowed} (upper and lower case matter).",
        source=source,
        hint="Export the recording with its unit, or correct the unit in the file or its sidecar.",
    )


_FREQUENCY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(k?)hz\s*$", re.IGNORECASE)


def hertz(text: str) -> float | None:
    """Read a frequency such as ``3Hz`` or ``20kHz`` in Hz; None when it is not one.

    Examples
    --------
    >>> hertz("20kHz")
    20000.0
    """
    found = _FREQUENCY.match(text)
    if found is None:
        return None
    return float(found[1]) * (1000.0 if found[2] else 1.0)


def unit_of(column: str) -> str:
    """Give the unit that a column's name ends in, or an empty string.

    Examples
    --------
    >>> unit_of("negative_peak_area_mv_ms"), unit_of("onset_latency_ms"), unit_of("nerve")
    ('mV·ms', 'ms', '')
    """
    for suffix, unit in _SUFFIX_UNITS:
        if column.endswith(suffix):
            return unit
    return ""

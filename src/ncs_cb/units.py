"""Storage units: unit text to factor, and column suffix to unit.

Everything inside ``ncs_cb`` is in mV, ms, mm, mA, Hz, m/s, percent and degrees Celsius.
Conversion happens here and nowhere else. Unknown text is an error, never an assumption.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ncs_cb.errors import ArgumentError, UnitError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

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

FARTHEST_MM = 2_000.0
"""No stimulus is farther from its recording electrode, and no two stimuli from each other."""
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


def as_array(values: ArrayLike, name: str, dtype: type | None = None) -> np.ndarray[Any, Any]:
    """Give samples as an array, without a copy where possible.

    Raises
    ------
    ArgumentError
        If rows differ in length, or something is no number; `name` says of which argument.
    """
    import numpy as np  # only here: listing the formats must stay light

    try:
        return np.asarray(values, dtype=dtype)
    except (ValueError, TypeError):
        pass
    try:
        lengths = {len(row) for row in values}  # type: ignore[union-attr, arg-type]
    except TypeError:
        lengths = set()
    if len(lengths) > 1:
        raise ArgumentError(
            f"{name} has rows of {min(lengths)} to {max(lengths)} samples; the rows of an array "
            "are of one length.",
            hint="Give rows of another length in a call of their own.",
        )
    raise ArgumentError(f"{name} holds what is no number; give an array of numbers.")


def is_pair(value: object) -> bool:
    """Tell whether a value from outside is a list of two numbers that fit a float.

    Examples
    --------
    >>> is_pair([-5, 50]), is_pair([1]), is_pair([0, 10**400]), is_pair("ab")
    (True, False, False, False)
    """
    return isinstance(value, list) and len(value) == 2 and all(map(is_finite, value))


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


_PER_STORED: dict[str, dict[str, float]] = {
    "mV": MILLIVOLTS_PER,
    "mV\u00b7ms": {
        "mVms": 1.0,
        "mVs": 1e3,
        "uVms": 1e-3,
        "uVs": 1.0,
        "\u00b5Vms": 1e-3,
        "\u00b5Vs": 1.0,
        "\u03bcVms": 1e-3,
        "\u03bcVs": 1.0,
        "msmV": 1.0,
        "Vs": 1e6,
        "nVs": 1e-3,
    },
    "ms": {"ms": 1.0, "msec": 1.0, "s": 1e3, "sec": 1e3, "us": 1e-3, "\u00b5s": 1e-3},
    "mm": {"mm": 1.0, "cm": 10.0, "m": 1e3},
    "mA": {"mA": 1.0, "A": 1e3, "uA": 1e-3, "\u00b5A": 1e-3},
    "Hz": {"Hz": 1.0, "kHz": 1e3},
    "m/s": {"m/s": 1.0, "m/sec": 1.0, "ms^-1": 1.0, "ms-1": 1.0, "cm/s": 0.01},
    "%": {"%": 1.0, "pct": 1.0},
    "\u00b0C": {"\u00b0C": 1.0, "C": 1.0, "degC": 1.0},
    "cm": {"cm": 1.0, "mm": 0.1, "m": 100.0},
    "years": {
        "years": 1.0,
        "year": 1.0,
        "y": 1.0,
        "yr": 1.0,
        "yrs": 1.0,
        "a": 1.0,
        "Jahre": 1.0,
        "months": 1 / 12,
    },
    "months": {"months": 1.0, "month": 1.0, "mo": 1.0, "Monate": 1.0, "years": 12.0},
}


def stored_per(column: str, unit: str) -> float | None:
    """Give the factor that turns a value in `unit` into the unit of a column; None if unknown.

    Voltages are spelled exactly (``mv`` may be milli- or megavolt); elsewhere case is ignored.

    Examples
    --------
    >>> stored_per("distance_mm", "cm"), stored_per("negative_peak_amplitude_mv", "mv")
    (10.0, None)
    """
    stored = unit_of(column)
    known = _PER_STORED.get(stored, {})
    text = re.sub(r"[\s\u00b7\u22c5\u00d7*x]+", "", unit) if "V" in unit else unit.strip()
    if text in known or "V" in stored or stored == "mA":
        return known.get(text)
    return {name.casefold(): factor for name, factor in known.items()}.get(text.casefold())


def units_for(column: str) -> list[str]:
    """Give the units that a column may be given in, in ASCII."""
    return [name for name in _PER_STORED.get(unit_of(column), {}) if name.isascii()]


def unit_in(header: str, column: str) -> str | None:
    """Find the unit that the header of a column states, None when it states none.

    Examples
    --------
    >>> unit_in("O-P Amp (mV)", "negative_peak_amplitude_mv"), unit_in("Onset Lat ms", "x_ms")
    ('mV', 'ms')
    >>> unit_in("onset_latency_ms", "onset_latency_ms"), unit_in("Amplitude", "x_mv")
    ('ms', None)
    """
    bracketed: list[str] = re.findall(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]", header)
    named = [text for text in bracketed if stored_per(column, text) is not None]
    if bracketed:
        return named[-1] if named else bracketed[-1]
    if (own := unit_of(header)) and own == unit_of(column):
        return own
    last: str = re.split(r"[\s,;/_]+(?!s\b|sec\b)", header.strip())[-1]
    found = last != header.strip() and stored_per(column, last) is not None
    return last if found else None


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

"""What the keys of ``study.toml`` are held against: names, types, plausible ranges."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from ncs_cb.errors import StudyError, did_you_mean
from ncs_cb.model import (
    Details,
    FWaveValue,
    NeedleValue,
    RecordingOverride,
    ResponseOverride,
    SensoryValue,
    StrengthValue,
    TreatmentCourse,
)
from ncs_cb.units import is_finite

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Limits of plausibility by key: a slip of the keyboard is caught, a sick patient is not.
RANGES: dict[str, tuple[float, float]] = {
    "age_years": (0, 120),
    "height_cm": (30, 250),
    "limb_temperature_c": (10, 45),
    "dose_g_per_kg": (0, 20),
    "amplitude_uv": (0, 1000),
    "velocity_m_per_s": (0, 150),
    "onset_latency_ms": (0, 100),
    "peak_latency_ms": (0, 100),
    "minimum_latency_ms": (0, 200),
    "mean_latency_ms": (0, 200),
    "maximum_latency_ms": (0, 200),
    "persistence_pct": (0, 100),
    "n_stimuli": (0, 10_000),
    "stimulus_delay_ms": (-50, 50),
    "ignore_until_ms": (0, 100),
    "end_latency_ms": (0, 200),
    "mrc": (0, 5),
    "force_n": (0, 5_000),
}


def refuse_unknown(path: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a key that is not known; the message lists those that are."""
    known = list(known)
    for key in given:
        if key not in known:
            raise StudyError(unknown_key(f"{path}.{key}" if path else key, known, name=key))


def unknown_key(path: str, known: Iterable[str], *, name: str | None = None) -> str:
    """Word the complaint; one unlike every known key may name a person: it is not told."""
    known, key = list(known), (name or path)[:120]
    nearest = did_you_mean(key, known)
    table = path.rpartition(".")[0]
    is_slip = bool(nearest) or any(key in one for one in known)
    shown = f"'{path[:120]}'" if is_slip else f"in '{table}'" if table else "at the top"
    return f"unknown key {shown}; known: {', '.join(known)}.{nearest}"


def ranged(path: str, value: Any) -> Any:
    """Refuse a number outside the plausible range of its key."""
    key = path.rpartition(".")[2]
    low, high = RANGES.get(key, (-math.inf, math.inf))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not is_finite(value):
            raise StudyError(f"{path}: must be a finite number.")
        if not low <= value <= high:
            raise StudyError(f"{path}: {value}; plausible: {low:g} to {high:g}.")
    return value


_VALIDATED = {
    kind.__name__: kind
    for kind in (
        Details,
        FWaveValue,
        NeedleValue,
        RecordingOverride,
        ResponseOverride,
        SensoryValue,
        StrengthValue,
        TreatmentCourse,
    )
}


@cache
def adapter(name: str) -> TypeAdapter[Any]:
    """Give the validator of one of the dataclasses, by its name: a class is no plain cache key."""
    from pydantic import TypeAdapter

    return TypeAdapter(_VALIDATED[name])


@cache
def _field_adapters(name: str) -> dict[str, TypeAdapter[Any]]:
    from pydantic import TypeAdapter

    return {key: TypeAdapter(hint) for key, hint in get_type_hints(_VALIDATED[name]).items()}


def validate(kind: type[Any], values: Mapping[str, Any], path: str) -> Any:
    """Validate strictly (no text for a number, no number for a truth) into a dataclass.

    Field by field: as a whole, a dataclass is strict about being one already.
    """
    from pydantic import ValidationError

    adapters = _field_adapters(kind.__name__)
    checked = {}
    for key, value in values.items():
        if key == "side" and isinstance(value, str):
            # Every spelling of a side is known to the readers, as those of nerves and sites are.
            checked[key] = value
            continue
        try:
            checked[key] = adapters[key].validate_python(value, strict=True)
        except ValidationError as problem:
            error = problem.errors(include_url=False, include_input=False)[0]
            nearest = _nearest(error, value)
            raise StudyError(f"{path}.{key}: {worded(error)}{nearest}") from None
    needed = [f.name for f in fields(kind) if f.default is f.default_factory is MISSING]
    for key in needed:
        if key not in checked:
            raise StudyError(f"{path}: the key '{key}' is missing.")
    return kind(**checked)


def _nearest(error: Any, value: Any) -> str:
    """Name the allowed word nearest to the one given, where words are what is allowed."""
    words = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    return did_you_mean(value, words) if isinstance(value, str) else ""


def worded(error: Any) -> str:
    expected = error.get("ctx", {}).get("expected")
    if expected:
        return f"allowed: {expected}."
    message: str = error["msg"]
    return message[:1].lower() + message[1:] + "."

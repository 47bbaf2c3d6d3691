"""One row of printed values to the typed response of one site, whatever the table looked like."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ncs_cb.columns import MEASURES
from ncs_cb.errors import ReadError, StudyError, UnitError
from ncs_cb.knowledge.anatomy import position
from ncs_cb.model import Kind, Side, Site, Stimulus, TypedResponse
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import (
    FARTHEST_MM,
    HIGHEST_RATE_HZ,
    LONGEST_PULSE_MS,
    STRONGEST_MA,
)
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers._shared.tables import Table, number
from ncs_cb.readers._shared.words import named
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV

NEEDED = ("nerve", "side", "muscle", "stimulation_site")
_VALUES = tuple(c.name for c in MEASURES if c.dtype == "float64")
# Lowest and highest plausible value; a response above 100 mV is a wrong unit.
_LIMITS: dict[str, tuple[float, float]] = {
    "distance_mm": (0, FARTHEST_MM),
    "stimulus_ma": (0, STRONGEST_MA),
    "stimulus_duration_ms": (0, LONGEST_PULSE_MS),
    "high_pass_hz": (0, 1e6),
    "low_pass_hz": (0, 1e7),
    "sampling_rate_hz": (1, HIGHEST_RATE_HZ),
}
_TEXTS = (*NEEDED, "kind", "study_id", "recording", "quality_flags")
_TRUTHS = ("supramaximal", "collision_used")
KNOWN = (*_TEXTS, *_LIMITS, *_TRUTHS, *_VALUES)
_KINDS: dict[str, Kind] = {"": "motor", "motor": "motor", "sensory": "sensory"}
_YES_NO = {"": None, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def typed_response(
    cells: Mapping[str, str], table: Table, row: str, source: Input
) -> TypedResponse:
    """Make the response of one site from the cells of its row, by column of ours.

    Parameters
    ----------
    cells : mapping of str to str
        Text of each cell; columns of ours, in our units.
    table : Table
        How its numbers are written.
    row : str
        Where the row stands, for messages.
    source : Input
        The file, with what ``study.toml`` says of it.

    Raises
    ------
    ReadError
        If a value is no number, or no plausible one.
    UnitError
        If an amplitude is above 100 mV.
    StudyError
        If a nerve, side, muscle or site is unknown.
    """
    told = source.override
    site = _site(cells, row, source)
    kind = _KINDS.get(cells.get("kind", "").strip().casefold())
    if kind is None:
        raise StudyError(f"{row}, column 'kind': allowed: motor, sensory.")
    context = {n: _limited(cells, n, low, high, table, row) for n, (low, high) in _LIMITS.items()}
    attested, collision = (_truth(cells, name, row) for name in _TRUTHS)
    stimulus = Stimulus(
        context["distance_mm"], context["stimulus_ma"], context["stimulus_duration_ms"],
        told.supramaximal if told.supramaximal is not None else attested,
        told.collision_used if told.collision_used is not None else collision,
    )  # fmt: skip
    values = {
        name: value for name in _VALUES
        if (value := _limited(cells, name, *_value_limits(name), table, row)) is not None
    }  # fmt: skip
    return TypedResponse(
        site, source.name, values, kind, stimulus, context["high_pass_hz"],
        context["low_pass_hz"], context["sampling_rate_hz"],
    )  # fmt: skip


def _value_limits(name: str) -> tuple[float, float]:
    if name == "baseline_mv":
        return -1e3, 1e3
    if name.endswith("_mv"):
        return 0, LARGEST_PLAUSIBLE_RESPONSE_MV * (2 if name.startswith("peak_to_peak") else 1)
    return (0, 1e4) if name.endswith("_mv_ms") else (0, 1e3)


def _limited(
    cells: Mapping[str, str], name: str, low: float, high: float, table: Table, row: str
) -> float | None:
    """Give a value, None when missing or empty."""
    where = f"{row}, column '{name}'"
    value = number(cells.get(name, ""), table, where)
    if math.isnan(value):
        return None
    if not low <= value <= high:
        kind = UnitError if name.endswith("_mv") and value > high else ReadError
        raise kind(f"{where}: {value:.6g}; plausible: {low:g} to {high:g}.",
                   hint="Check the unit: it is the last part of the column's name.")  # fmt: skip
    return value


def _site(cells: Mapping[str, str], row: str, source: Input) -> Site:
    told = source.override
    texts = {name: cells.get(name, "").strip() for name in NEEDED}
    nerve = told.nerve or named("nerves", texts["nerve"], source)
    muscle = told.muscle or named("muscles", texts["muscle"], source)
    side: Side | None = told.side or SIDES.get(texts["side"].casefold())
    if side is None:
        raise StudyError(f"{row}, column 'side': allowed: left, right.")
    site = named("sites", texts["stimulation_site"], source)
    position(nerve, site)
    return Site(nerve, side, muscle, site)


def _truth(cells: Mapping[str, str], name: str, row: str) -> bool | None:
    text = cells.get(name, "").strip().casefold()
    if text not in _YES_NO:
        raise ReadError(f"{row}, column '{name}': allowed: true, false or empty.")
    return _YES_NO[text]

"""Site tables: machines that print numbers but export no waveform."""

from __future__ import annotations

import math

from ncs_cb.columns import MEASURES
from ncs_cb.errors import ReadError, StudyError, UnitError, did_you_mean
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.model import Decision, Kind, RecordingOverride, Side, Site, Stimulus, TypedResponse
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import (
    FARTHEST_MM,
    HIGHEST_RATE_HZ,
    LONGEST_PULSE_MS,
    STRONGEST_MA,
)
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.tables import Table, first_cells, is_identity, number, parse_table
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV

_SUFFIXES = (".csv", ".tsv", ".txt")
_NEEDED = ("nerve", "side", "muscle", "stimulation_site")
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
_TEXTS = (*_NEEDED, "kind", "study_id", "recording", "quality_flags")
_TRUTHS = ("supramaximal", "collision_used")
_KNOWN = (*_TEXTS, *_LIMITS, *_TRUTHS, *_VALUES)
_KINDS: dict[str, Kind] = {"": "motor", "motor": "motor", "sensory": "sensory"}
_YES_NO = {"": None, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _claims(source: Input) -> bool:
    if source.path.suffix.lower() not in _SUFFIXES:
        return False
    cells = first_cells(source.data)
    return "nerve" in cells and "stimulation_site" in cells


def read(source: Input) -> Recording:
    """Read a site table: one row per stimulated site, one column per value.

    Raises
    ------
    ReadError
        If the table is malformed, has rows of unequal length, or a value is no number.
    UnitError
        If an amplitude is above 100 mV.
    StudyError
        If a column, nerve, side, muscle or site is unknown.
    """
    table = parse_table(source.data)
    names = [name.casefold() for name in table.columns]
    dropped = [name for name in names if name not in _KNOWN and is_identity(name)]
    for name in names:
        if name not in _KNOWN and name not in dropped:
            raise StudyError(
                f"unknown column '{name[:80]}'; known: {', '.join(_KNOWN)}."
                + did_you_mean(name[:80], _KNOWN)
            )
    missing = [n for n in _NEEDED if n not in names and getattr(source.override, n, None) is None]
    if missing:
        raise StudyError(f"missing column: {', '.join(missing)}.")
    if not table.rows:
        raise ReadError("the table has no row.")
    cells = [dict(zip(names, row, strict=True)) for row in table.rows]
    if len({c.get("study_id", "").strip() for c in cells}) > 1:
        raise StudyError(
            "the rows name more than one study; a site table holds one visit.",
            hint="Split it by study_id, one file per visit.",
        )
    rows = tuple(
        _response(c, table, f"row {number_}", source) for number_, c in enumerate(cells, start=2)
    )
    decisions = [Decision(source.name, "unit", "mV, ms, mm", "as the column names say")]
    if dropped:
        decisions.append(Decision(source.name, "identity", "dropped",
                                  f"{len(dropped)} columns name a person"))  # fmt: skip
    return Recording(typed_responses=rows, decisions=tuple(decisions))


def _response(cells: dict[str, str], table: Table, row: str, source: Input) -> TypedResponse:
    told = source.override
    site = _site(cells, row, told)
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
    cells: dict[str, str], name: str, low: float, high: float, table: Table, row: str
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


def _site(cells: dict[str, str], row: str, told: RecordingOverride) -> Site:
    texts = {name: cells.get(name, "").strip() for name in _NEEDED}
    nerve = told.nerve or resolve("nerves", texts["nerve"][:80])
    muscle = told.muscle or resolve("muscles", texts["muscle"][:80])
    side: Side | None = told.side or SIDES.get(texts["side"].casefold())
    if side is None:
        raise StudyError(f"{row}, column 'side': allowed: left, right.")
    site = resolve("sites", texts["stimulation_site"][:80])
    position(nerve, site)
    return Site(nerve, side, muscle, site)


def _truth(cells: dict[str, str], name: str, row: str) -> bool | None:
    text = cells.get(name, "").strip().casefold()
    if text not in _YES_NO:
        raise ReadError(f"{row}, column '{name}': allowed: true, false or empty.")
    return _YES_NO[text]


READER = Reader(
    "site_table", _SUFFIXES, _claims, read,
    label="site table: CSV of printed values, one row per stimulated site",
)  # fmt: skip

"""One row of printed values to the typed response of one site, whatever the table looked like."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache

from ncs_cb.columns import MEASURES
from ncs_cb.errors import ReadError, StudyError, UnitError
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.anatomy import position
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import (
    Decision,
    Kind,
    ResponseStatus,
    Side,
    Site,
    Stimulus,
    TypedResponse,
)
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import HIGHEST_RATE_HZ, LONGEST_PULSE_MS, STRONGEST_MA
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers._shared.stimuli import plain
from ncs_cb.readers._shared.tables import Table, number, unmarked
from ncs_cb.readers._shared.told import attested
from ncs_cb.readers._shared.truth import UNKNOWN_WORDS, truth
from ncs_cb.readers._shared.words import named
from ncs_cb.units import FARTHEST_MM, LARGEST_PLAUSIBLE_RESPONSE_MV

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
# What a column's name ends in, and its unit in letters: the longer end first.
_UNITS = {"_mv_ms": "mvms", "_mv": "mv", "_ms": "ms", "_mm": "mm", "_ma": "ma", "_hz": "hz"}
_OTHER_UNITS = frozenset({"uv", "nv", "v", "uvms", "s", "us", "cm", "m", "in", "a", "khz"})
_WITH_UNIT = re.compile(
    r"([+-]?\d[\d.,]*)\s*([A-Za-z\u00b5\u03bc][A-Za-z\u00b5\u03bc*\u00b7. ]{0,6})"
)
_TEXTS = (*NEEDED, "response", "kind", "study_id", "recording", "quality_flags")
_TRUTHS = ("supramaximal", "collision_used")
KNOWN = (*_TEXTS, *_LIMITS, *_TRUTHS, *_VALUES)
_KINDS: dict[str, Kind] = {"": "motor", "motor": "motor", "sensory": "sensory"}
# What the column `response` may hold. "ND" is refused: not done, or not detected?
_STATUS: dict[str, ResponseStatus] = {
    "present": "present",
    "yes": "present",
    "absent": "absent",
    "nr": "absent",
    "no response": "absent",
    "none": "absent",
    "no": "absent",
    "not recordable": "absent",
    "nicht ausl\u00f6sbar": "absent",
    "\u672a\u5f15\u51fa": "absent",
    "not_done": "not_done",
    "not done": "not_done",
    "not tested": "not_done",
    "not performed": "not_done",
    "nicht untersucht": "not_done",
    "\u672a\u505a": "not_done",
    "not_measurable": "not_measurable",
    "not measurable": "not_measurable",
}
# The same words in a measured cell; there "no" and "none" say nothing of the response.
_NO_RESPONSE = frozenset(w for w, s in _STATUS.items() if s == "absent") - {"no", "none"}
_NOT_DONE = frozenset(w for w, s in _STATUS.items() if s == "not_done")
_BOUND = re.compile(r"[<>\u2264\u2265]\s*\d.*", re.ASCII)
MOST_ROWS = 20_000
"""A visit has some dozen responses; an intensity series in steps of the machine, some hundreds."""
_AMPLITUDES = ("negative_peak_amplitude_mv", "peak_to_peak_amplitude_mv")


@dataclass(slots=True)
class Notes:
    """What was understood of cells that are no plain number, counted."""

    marks: int = 0
    bounds: int = 0

    def decisions(self, name: str) -> list[Decision]:
        made = []
        if self.marks:
            why = f"{self.marks} numbers have a mark behind them, such as '*'"
            made.append(Decision(name, "marks", "left out", why))
        if self.bounds:
            why = (
                f"{self.bounds} cells give a bound, such as '<0.1', not a value: unknown; "
                "write NR there if there was no response, else the measured number"
            )
            made.append(Decision(name, "salvage", "unknown", why))
        return made


def typed_response(
    cells: Mapping[str, str], table: Table, row: str, source: Input, notes: Notes | None = None
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
    notes : Notes, optional
        Counts what was understood of cells that are no plain number.

    Raises
    ------
    ReadError
        If a value is no number, or no plausible one.
    UnitError
        If an amplitude is above 100 mV.
    StudyError
        If a nerve, side, muscle or site is unknown, or the row contradicts itself.
    """
    notes = notes or Notes()
    site = _site(cells, row, source)
    kind = _KINDS.get(cells.get("kind", "").strip().casefold())
    if kind is None:
        raise StudyError(f"{row}, column 'kind': allowed: motor, sensory.")
    context = {
        name: limited(cells, name, *limits, table, row, notes) for name, limits in _LIMITS.items()
    }
    stimulus = Stimulus(
        context["distance_mm"], context["stimulus_ma"], context["stimulus_duration_ms"]
    )
    supramaximal, collision = (
        truth(cells.get(name, ""), f"{row}, column '{name}'") for name in _TRUTHS
    )
    stimulus = attested(stimulus, supramaximal, collision, by="table")
    measured = [name for name in _VALUES if name in cells]
    status = _status(cells, measured, row)
    values = {
        name: value
        for name in measured
        if (value := limited(cells, name, *_value_limits(name), table, row, notes)) is not None
    }
    status, values = _agreed(status, values, row)
    return TypedResponse(
        site,
        source.name,
        values,
        kind,
        stimulus,
        context["high_pass_hz"],
        context["low_pass_hz"],
        context["sampling_rate_hz"],
        status,
        ("response_absent",) if status == "absent" else (),
    )


def _status(cells: Mapping[str, str], measured: list[str], row: str) -> ResponseStatus | None:
    """Give what the column ``response`` says, or a word such as ``NR`` in a measured cell."""
    word = cells.get("response", "").strip().casefold()
    status = _STATUS.get(word)
    if status is None and word not in UNKNOWN_WORDS:
        raise ReadError(
            f"{row}, column 'response': allowed: present, absent (also NR), not_done, "
            "not_measurable, or empty for unknown.",
            hint="'ND' may mean not done or not detected: write which.",
        )
    words = {cells[name].strip().casefold() for name in measured}
    found: set[ResponseStatus] = set()
    found |= {"absent"} if words & _NO_RESPONSE else set()
    found |= {"not_done"} if words & _NOT_DONE else set()
    found |= {status} if status else set()
    if len(found) > 1:
        raise StudyError(f"{row}: says both {' and '.join(sorted(found))}; keep one of them.")
    return next(iter(found), None)


def _agreed(
    status: ResponseStatus | None, values: dict[str, float], row: str
) -> tuple[ResponseStatus | None, dict[str, float]]:
    """Hold the status against the values: an amplitude of 0 is an absent response.

    Machines print the cursors of a flat trace too: times beside an amplitude of 0 are of nothing.
    """
    sizes = [values[name] for name in _AMPLITUDES if name in values]
    is_zero = bool(sizes) and max(sizes) == 0.0
    if is_zero and status in (None, "absent"):
        status = "absent"
        values = {n: v for n, v in values.items() if not n.endswith("_ms") or n.endswith("_mv_ms")}
    if status is None and sizes:
        status = "present"
    if status == "present" or status is None:
        return status, values
    if any(value != 0.0 for value in values.values()):
        raise StudyError(
            f"{row}: the response is {status}, but the row holds values of one.",
            hint="Leave the measured cells empty, or correct the column 'response'.",
        )
    return status, {}


def refuse_many(n_rows: int) -> None:
    """Refuse more rows than one visit can have, before memory is asked for each of them.

    Raises
    ------
    StudyError
        If there are more than twenty thousand.
    """
    if n_rows > MOST_ROWS:
        raise StudyError(
            f"more than {MOST_ROWS} rows of one visit.",
            hint="If the table holds several visits, say which column is their study_id.",
        )


def one_per_site(
    rows: list[TypedResponse], name: str
) -> tuple[list[TypedResponse], list[Decision]]:
    """Keep one row of a site listed twice and flag the others.

    The attested supramaximal one counts, else that with the highest current, else the largest.
    """
    groups: dict[tuple[Site, Kind], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((row.site, row.kind), []).append(i)
    decisions = []
    for (site, _), members in groups.items():
        if len(members) == 1:
            continue
        used = max(members, key=lambda i: _rank(rows[i]))
        differ = _differ([rows[i] for i in members])
        for i in members:
            differs = ("repeats_differ",) if differ else ()
            unused = () if i == used else ("not_used",)
            rows[i] = replace(rows[i], flags=(*rows[i].flags, *differs, *unused))
        decisions.append(
            Decision(
                name,
                "site",
                f"{site.stimulation_site}: one of {len(members)} rows is used",
                "the site is listed more than once; the supramaximal, strongest or largest one "
                "counts",
            )
        )
    return rows, decisions


def _rank(row: TypedResponse) -> tuple[bool, float, float]:
    current = row.stimulus.intensity_ma
    size = row.values.get(_AMPLITUDES[0], -1.0)
    return row.stimulus.is_supramaximal is True, -1.0 if current is None else current, size


def _differ(rows: list[TypedResponse]) -> bool:
    """Tell whether rows of one site disagree by more than repeats of one response do."""
    sizes = [row.values[_AMPLITUDES[0]] for row in rows if _AMPLITUDES[0] in row.values]
    largest = value("sweeps.repeat_amplitude_share")
    is_spread = len(sizes) > 1 and max(sizes) - min(sizes) > largest * max(sizes)
    return is_spread or len({row.response for row in rows}) > 1


def _value_limits(name: str) -> tuple[float, float]:
    if name == "baseline_mv":
        return -1e3, 1e3
    if name.endswith("_mv"):
        return 0, LARGEST_PLAUSIBLE_RESPONSE_MV * (2 if name.startswith("peak_to_peak") else 1)
    return (0, 1e4) if name.endswith("_mv_ms") else (0, 1e3)


def limited(
    cells: Mapping[str, str],
    name: str,
    low: float,
    high: float,
    table: Table,
    row: str,
    notes: Notes,
) -> float | None:
    """Give a value; None when missing, empty, a word for no response, or only a bound.

    Raises
    ------
    ReadError
        If it is no number, or lies outside `low` to `high`.
    UnitError
        If it is a voltage above `high`.
    """
    where = f"{row}, column '{name}'"
    text = cells.get(name, "").strip()
    if name in _VALUES and text.casefold() in _NO_RESPONSE | _NOT_DONE:
        return None
    if _BOUND.fullmatch(text):
        notes.bounds += 1
        return None
    plain_text = unmarked(text)
    if plain_text and plain_text != text:
        notes.marks += 1
        text = plain_text
    text = _without_unit(text, name, where)
    found = number(text, table, where)
    if math.isnan(found):
        return None
    if not low <= found <= high:
        kind = UnitError if name.endswith("_mv") and found > high else ReadError
        raise kind(
            f"{where}: {found:.6g}; plausible: {low:g} to {high:g}.",
            hint="Check the unit: it is the last part of the column's name.",
        )
    return found


def _without_unit(text: str, name: str, where: str) -> str:
    """Take off the column's own unit behind a number.

    Raises
    ------
    UnitError
        If the cell states another unit than its column.
    """
    found = _WITH_UNIT.fullmatch(text)
    if found is None:
        return text
    stated = re.sub(
        r"[^a-z]", "", found[2].casefold().replace("\u00b5", "u").replace("\u03bc", "u")
    )
    own = next((u for suffix, u in _UNITS.items() if name.endswith(suffix)), "")
    if stated == own:
        return found[1]
    if stated in _OTHER_UNITS or stated in _UNITS.values():
        raise UnitError(
            f"{where}: the cell is in {found[2].strip()}, its column in {own or 'no unit'}.",
            hint="Give the numbers in the unit of the column; its name ends in it.",
        )
    return text


def _site(cells: Mapping[str, str], row: str, source: Input) -> Site:
    told = source.override
    texts = {name: cells.get(name, "").strip() for name in NEEDED}
    nerve = told.nerve or named("nerves", texts["nerve"], source)
    muscle = told.muscle or named("muscles", texts["muscle"], source)
    side: Side | None = told.side or SIDES.get(texts["side"].casefold())
    if side is None:
        raise StudyError(f"{row}, column 'side': allowed: left, right.")
    place = {plain(text): site for text, site in told.sites.items()}
    text = texts["stimulation_site"]
    site = place.get(plain(text)) or named("sites", text, source)
    position(nerve, site)
    return Site(nerve, side, muscle, site)


@cache
def _only_in_layout() -> frozenset[str]:
    return frozenset(map(str.casefold, layouts.load("plain").headers)) - {*KNOWN}


def is_site_table(cells: Collection[str]) -> bool:
    """Tell the header of a site table by its lower-case cells.

    With columns of ours that a site table has not (age, printed velocity, findings of the visit),
    it is one for the layout ``plain``, as it would be in a spreadsheet.
    """
    return {"nerve", "stimulation_site"} <= set(cells) and not _only_in_layout() & set(cells)

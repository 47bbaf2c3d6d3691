"""A sidecar guessed from a sweep table, for a person to check and fill in.

What the table and its name do not say stands as ``FILL IN``, which no reader takes for an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncs_cb.errors import ReadError
from ncs_cb.knowledge.anatomy import anatomy, find, normalize
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.names import SIDES, words
from ncs_cb.readers._shared.tables import (
    TO_FILL,
    Table,
    begins_with_time,
    number,
    parse_table,
    time_unit,
)
from ncs_cb.units import MILLIVOLTS_PER

_UNIT_BEHIND = re.compile(r"[\s_]*[(\[]\s*([^)\]]{1,4})\s*[)\]]\s*$|_([munµμ]?[vV])$")
_COUNT_BEHIND = re.compile(r"[\s_#.-]*\d{1,2}$")
_SHORTEST_NAME = 2
# A sweep is some 10 to 200 ms long: in another unit its end is a thousand times off.
_SHORTEST_MS, _LONGEST_MS = 5.0, 2000.0


@dataclass(frozen=True, slots=True)
class Guess:
    """A sidecar, and what was seen and cannot stand in it."""

    text: str
    remarks: tuple[str, ...]


def guess_sidecar(path: str | Path) -> Guess:
    """Guess the sidecar of a sweep table from its header, its first rows and its name.

    Parameters
    ----------
    path : str or Path
        A text table: a time first, then one column per trace.

    Returns
    -------
    Guess
        ``text`` is JSON. A unit is taken only where every header states the same; a site where
        the column's name is one; nerve, side and muscle where the file's name says one of them.
        Distances, currents and attestations are null, which is unknown.

    Raises
    ------
    ReadError
        If it is no text table, or holds no column of a trace.
    """
    path = Path(path)
    data = read_regular(path)
    table = parse_table(data, begins_with_time)
    if len(table.columns) < 2 or not table.rows:
        raise ReadError(
            "no table of samples: it needs a column of times and one for each trace.",
            source=path.name,
            hint="'ncs-cb formats sweep_table' says what it needs.",
        )
    named = _from_name(path.stem)
    units = {_unit(name) for name in table.columns[1:]}
    unit = units.pop() if len(units) == 1 else None
    made: dict[str, Any] = {
        "nerve": named["nerve"] or _asking("nerve", anatomy().nerves),
        "side": named["side"] or _asking("side", ("left", "right")),
        "muscle": named["muscle"] or _asking("muscle", anatomy().muscles),
        "kind": "motor",
        "unit": unit or _asking("unit of the samples", ("mV", "uV", "V")),
        "polarity": "auto",
        "high_pass_hz": None,
        "low_pass_hz": None,
        "traces": {name: _trace(name, named["nerve"]) for name in table.columns[1:]},
    }
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    return Guess(text, tuple(_remarks(table, data, text.count(TO_FILL))))


def _asking(what: str, known: Any) -> str:
    return f"{TO_FILL}: {what}, one of {', '.join(known)}"


def _from_name(stem: str) -> dict[str, str | None]:
    """Give what the file's name says of nerve, side and muscle; None unless it says one thing."""
    parts = words(stem)
    runs = [" ".join(parts[i : i + n]) for n in (2, 1) for i in range(len(parts) - n + 1)]
    long = [run for run in runs if len(normalize(run)) > _SHORTEST_NAME]

    def only(look: Callable[[str], str | None], texts: list[str]) -> str | None:
        found = {name for text in texts if (name := look(text)) is not None}
        return found.pop() if len(found) == 1 else None

    return {
        "nerve": only(lambda text: find("nerves", text), long),
        "side": only(lambda text: SIDES.get(text.casefold()), parts),
        "muscle": only(lambda text: find("muscles", text), long),
    }


def _unit(column: str) -> str | None:
    found = _UNIT_BEHIND.search(column.strip())
    text = (found[1] or found[2]) if found else ""
    return text if text in MILLIVOLTS_PER else None


def _trace(column: str, nerve: str | None) -> dict[str, Any]:
    site = _site(column)
    known = anatomy().nerves[nerve].sites if nerve else anatomy().sites
    return {
        "site": site or _asking("stimulation site", known),
        "distance_mm": None,
        "stimulus_ma": None,
        "supramaximal": None,
        "collision_used": None,
    }


def _site(column: str) -> str | None:
    """Give the site that a column's name is, without a unit or a count behind it."""
    bare = _UNIT_BEHIND.sub("", column).strip()
    tried = (bare, _COUNT_BEHIND.sub("", bare))
    return next((site for text in tried if (site := find("sites", text)) is not None), None)


def _remarks(table: Table, data: bytes, to_fill: int) -> list[str]:
    """Say what was seen of delimiter, decimal mark and times, and what is left to do."""
    header = data[:4096].replace(b"\0", b"")
    mark = next((name for sign, name in ((b";", "';'"), (b"\t", "tab")) if sign in header), "','")
    decimal = "comma" if table.has_decimal_comma else "point"
    said = [f"cells parted by {mark}, decimal {decimal}, text in {table.encoding}"]
    said += _times(table)
    if to_fill:
        said.append(f"{to_fill} values to fill in: search for '{TO_FILL}'")
    return [*said, "distances, currents and attestations are null: unknown until you write them"]


def _times(table: Table) -> list[str]:
    name, per_ms = table.columns[0], time_unit(table.columns[0])
    first, second, last = (
        number(table.rows[i][0], table, f"row {i % len(table.rows) + 2}, column '{name[:80]}'")
        for i in (0, min(1, len(table.rows) - 1), -1)
    )
    if per_ms is None:
        guess = "ms" if abs(last) >= _SHORTEST_MS else "s"
        return [
            f"the first column '{name[:80]}' states no time with its unit; it goes from {first:g} "
            f"to {last:g}, which looks like {guess}: if so, rename it to time_{guess}"
        ]
    unit = {1.0: "ms", 1000.0: "s"}.get(per_ms, "us")
    said = [f"times in {unit} (column '{name[:80]}'), {(second - first) * per_ms:g} ms apart"]
    if not _SHORTEST_MS <= last * per_ms <= _LONGEST_MS:
        said.append(f"the sweep ends {last * per_ms:g} ms after the stimulus: check the time unit")
    return said

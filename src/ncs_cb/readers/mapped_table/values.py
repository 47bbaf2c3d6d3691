"""One cell of a foreign table to the text that a site table would hold, in our units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ncs_cb.errors import ReadError, StudyError
from ncs_cb.readers._shared.grid import Cell, text_of
from ncs_cb.readers._shared.tables import FOOTNOTES
from ncs_cb.readers._shared.truth import truth

_ABSENT = ("nr", "n.r.", "no response", "absent", "no resp", "keine antwort")
_UNKNOWN = ("", "na", "n/a", "nan", "null", "none", "-", "--", ".", "?")
# What a site table understands by itself in a measured cell.
_NOT_DONE = frozenset({"not done", "not tested", "not performed", "nicht untersucht", "未做"})
_MARKED = re.compile(
    r"(?P<less>[<>]\s*)?(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(?P<mark>\s*\D*)",
    re.ASCII,
)
# Letters behind a number, other than those of a mark (high, low).
_WORD = re.compile(r"(?!\(?[HL]\)?$)[A-Za-z\u00b5\u03bc].*", re.DOTALL)
_SEXES = {
    "f": "female",
    "female": "female",
    "w": "female",
    "weiblich": "female",
    "woman": "female",
    "女": "female",
    "m": "male",
    "male": "male",
    "männlich": "male",
    "man": "male",
    "男": "male",
}


@dataclass(frozen=True, slots=True)
class Words:
    """How a table writes what is no number.

    Attributes
    ----------
    absent, unknown : frozenset of str
        Folded words of a cell.
    decimal : str
    """

    absent: frozenset[str]
    unknown: frozenset[str]
    decimal: str

    @classmethod
    def of(cls, absent: Sequence[str], unknown: Sequence[str], decimal: str) -> Words:
        """Take the layout's own words and the usual ones; the layout's win."""
        own_absent = {w.strip().casefold() for w in absent}
        own_unknown = {w.strip().casefold() for w in unknown}
        return cls(
            frozenset(own_absent | (set(_ABSENT) - own_unknown)),
            frozenset(own_unknown | (set(_UNKNOWN) - own_absent)),
            decimal,
        )

    def is_absent(self, cell: Cell) -> bool:
        """Tell whether a cell says: stimulated, nothing seen."""
        return isinstance(cell, str) and cell.strip().casefold() in self.absent

    def is_unknown(self, cell: Cell) -> bool:
        """Tell whether a cell says nothing."""
        return isinstance(cell, str) and cell.strip().casefold() in self.unknown


def measured(cell: Cell, words: Words, by: float, where: str) -> str:
    """Give a number in our unit as text, with the ``<`` or ``*`` that stood beside it.

    Raises
    ------
    ReadError
        If it is no number; the cell is not quoted, it may hold a name.
    """
    if words.is_unknown(cell):
        return ""
    if isinstance(cell, bool | date):
        raise ReadError(
            f"{where} is not a number.", hint="A spreadsheet may have made a date of it."
        )
    if isinstance(cell, float):
        return _scaled(cell, by)
    text = cell.strip().lstrip(FOOTNOTES).strip()
    if text.casefold() in _NOT_DONE:
        return text
    if words.decimal == ",":
        if re.search(r"\d\.\d", text):
            raise ReadError(f"{where} holds a point, but the decimal mark is ','.")
        text = text.replace(",", ".")
    elif re.search(r"\d,\d", text):
        raise ReadError(
            f"{where} holds a comma, but the decimal mark is '.'.",
            hint="Say file = { decimal = ',' } in the layout.",
        )
    found = _MARKED.fullmatch(text)
    if found is None:
        raise ReadError(
            f"{where} is not a number.",
            hint="A word that means 'no response' belongs to 'absent' of the layout, "
            "one that means 'not known' to 'unknown'.",
        )
    less, mark = (found["less"] or "").strip(), found["mark"].strip()
    if by != 1.0 and _WORD.fullmatch(mark):
        raise ReadError(
            f"{where}: the cell states a unit of its own beside that of its column.",
            hint="Give the numbers alone, or name the unit of the cells in the layout.",
        )
    return f"{less}{_scaled(float(found['number']), by)}{mark}"


def _scaled(value: float, by: float) -> str:
    """Scale without the last digit that binary numbers add: 28.7 cm are 287 mm."""
    return repr(value if by == 1.0 else round(value * by, 10))


def personal(key: str, kind: str, cell: Cell, words: Words, by: float, where: str) -> object:
    """Give a value as ``study.toml`` would hold it; None when unknown.

    Raises
    ------
    StudyError
        If it is not what the key takes.
    """
    if words.is_unknown(cell):
        return None
    if kind == "boolean":
        return _truth(key, cell, where)
    if kind == "number":
        try:
            return float(measured(cell, words, by, where))
        except ValueError:
            raise StudyError(f"{where}: {key} must be a number.") from None
    if kind == "date":
        return _day(key, cell, where)
    found = _SEXES.get(text_of(cell).casefold())
    if found is None:
        raise StudyError(f"{where}: {key}: allowed: female, male (f, m, w, 女, 男).")
    return found


def _truth(key: str, cell: Cell, where: str) -> bool:
    try:
        found = truth(text_of(cell), where)
    except ReadError:
        found = None
    if found is None:
        raise StudyError(f"{where}: {key} must be true or false (yes, no, 1, 0), or empty.")
    return found


def _day(key: str, cell: Cell, where: str) -> date:
    if isinstance(cell, date):
        return cell
    text = text_of(cell)
    named = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?", text)
    german = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
    try:
        if named is not None:
            return date(int(named[1]), int(named[2]), int(named[3]))
        if german is not None:
            return date(int(german[3]), int(german[2]), int(german[1]))
    except ValueError:
        pass
    raise StudyError(
        f"{where}: {key} must be a day written 2026-03-02 (or 02.03.2026).",
        hint="03/02/2026 may be February or March, so it is not read.",
    )

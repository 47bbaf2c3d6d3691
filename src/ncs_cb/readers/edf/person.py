"""Age, sex and date from the EDF+ identification fields; everything else in them is dropped."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from ncs_cb.model import Decision, Details
from ncs_cb.readers.edf.header import Header

_MONTH_NAMES = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_OLDEST_YEARS = 120
_NOTHING_SAID = Details()
_STARTDATE = re.compile(r"Startdate\s+(\S+)")
_LONG_DAY = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", re.ASCII)
_SHORT_DAY = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Person:
    """What is kept of the identification fields."""

    details: Details
    birth_key: str | None
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]


def person_of(header: Header, name: str, *, keep_identity: bool) -> Person:
    """Work out the age, keep sex and date, and drop names, codes and birth dates.

    Parameters
    ----------
    header : Header
    name : str
        What the recording is called.
    keep_identity : bool
        Whether the two raw fields become notes.
    """
    recorded, disagree = recording_date(header.recording, header.start_date, is_plus=header.is_plus)
    born, sex, named = None, None, False
    if header.is_plus:
        parts = header.patient.split()
        sex = {"F": "female", "M": "male"}.get(parts[1]) if len(parts) > 1 else None
        born = day(parts[2]) if len(parts) > 2 else None
        named = not {*parts[:1], *parts[2:]} <= {"X"}
    age = _age(born, recorded)
    decisions = []
    if disagree:
        decisions.append(
            Decision(
                name,
                "date",
                "recording field",
                "the two start dates of the header disagree; the one with four digits is taken",
            )
        )
    if named and not keep_identity:
        kept = " and ".join(w for w, v in (("age", age), ("sex", sex)) if v is not None)
        decisions.append(
            Decision(
                name,
                "identity",
                "dropped",
                "name, code and birth date of the header were dropped"
                + (f"; {kept} kept" if kept else ""),
            )
        )
    notes = (header.patient, header.recording) if keep_identity else ()
    return Person(
        Details(visit_date=recorded, age_years=age, sex=sex)  # type: ignore[arg-type]
        if recorded or sex
        else _NOTHING_SAID,  # there is no age without a date
        hashlib.sha256(born.isoformat().encode()).hexdigest() if born else None,
        tuple(decisions),
        tuple(note for note in notes if note),
    )


@lru_cache(maxsize=64)
def recording_date(recording: str, start_date: str, *, is_plus: bool) -> tuple[date | None, bool]:
    """Give the recording date, and whether the header's two dates disagree."""
    found = _STARTDATE.match(recording)
    long = day(found[1]) if found and is_plus else None
    short = _short_day(start_date)
    if long is None:
        return short, False
    return long, short is not None and short != long


def day(text: str) -> date | None:
    """Read ``dd-MMM-yyyy`` with English months; None for ``X`` and anything else.

    Examples
    --------
    >>> day("02-MAR-2002")
    datetime.date(2002, 3, 2)
    """
    found = _LONG_DAY.fullmatch(text)
    if found is None or found[2].upper() not in _MONTHS:
        return None
    return _date(int(found[3]), _MONTHS[found[2].upper()], int(found[1]))


def _short_day(text: str) -> date | None:
    """Read ``dd.mm.yy``; 85 to 99 are 1985 to 1999 (EDF+ 2.1.3). 01.01.85 stands for unknown."""
    found = _SHORT_DAY.fullmatch(text.strip())
    if found is None or found[0] == "01.01.85":
        return None
    year = int(found[3])
    return _date(year + (1900 if year >= 85 else 2000), int(found[2]), int(found[1]))


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _age(born: date | None, recorded: date | None) -> float | None:
    """Give full years: a finer age beside a visit date would give the birth date away."""
    if born is None or recorded is None:
        return None
    years = recorded.year - born.year - ((recorded.month, recorded.day) < (born.month, born.day))
    return float(years) if 0 <= years <= _OLDEST_YEARS else None

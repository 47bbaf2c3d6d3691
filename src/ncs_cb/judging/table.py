"""Read a segments table, computed or typed in, for judging: what is missing is unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import SEGMENT_KEYS, table_columns
from ncs_cb.errors import StudyError, did_you_mean
from ncs_cb.judging.truth import unknown
from ncs_cb.knowledge.anatomy import SIDES, anatomy, entrapment_between, find, position
from ncs_cb.quality import Findings
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV
from ncs_cb.vocabulary import TOLERANCE

FALLBACKS = {
    "area_reduction_pct": "total_area_reduction_pct",
    "duration_increase_pct": "total_duration_increase_pct",
}
"""First-phase column to the one over all phases, which is used where both sites have it."""

_NUMBERS = tuple(c.name for c in table_columns("segments") if c.dtype == "float64")
_NAMES = tuple(c.name for c in table_columns("segments"))

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments ready to be judged, as columns.

    Attributes
    ----------
    texts : dict of str to list
        What names a segment, ``distal_site`` and ``proximal_site`` too; None when unknown.
    columns : dict of str to ndarray
        The numbers and truths of the table that it has.
    kinds : list of (nerve, distal site, proximal site)
        The different kinds of segment.
    codes : ndarray of int
        Kind of each row.
    flags : list of set
        Names of the flags raised for each row.
    number_cache, word_cache : dict
        What :meth:`number` and :meth:`words` have worked out.
    """

    texts: dict[str, list[str | None]]
    columns: dict[str, Any]
    kinds: list[tuple[str, str, str]]
    codes: Array
    flags: list[frozenset[str]]
    number_cache: dict[str, tuple[Array, Array | str]] = field(default_factory=dict)
    word_cache: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    def number(self, column: str) -> tuple[Array, Array | str]:
        """Give the numbers a clause compares and the column they are taken from.

        Areas and durations are those over all phases where both sites have them, else those of
        the first phase; but never the first phase where a late component is known to follow,
        since counting the first phase alone would then invent block (design reference, 7.4).
        """
        if column not in self.number_cache:
            self.number_cache[column] = self._number(column)
        return self.number_cache[column]

    def _number(self, column: str) -> tuple[Array, Array | str]:
        first = self._column(column)
        wider = FALLBACKS.get(column)
        if wider is None:
            return first, column
        total = self._column(wider)
        late = self.raised("late_negative_component")
        lacking = np.isnan(total)
        used = np.where(lacking, np.where(late, np.nan, first), total)
        return used, np.where(lacking, column, wider)

    def words(self, column: str) -> Array:
        """Give the numbers of :meth:`number` with one decimal: many clauses ask for them."""
        if column not in self.word_cache:
            words = [f"{one:.1f}" for one in self.number(column)[0].tolist()]
            self.word_cache[column] = np.array(words, dtype=object)
        return self.word_cache[column]

    def _column(self, name: str) -> Array:
        found: Array | None = self.columns.get(name)
        return np.full(len(self), np.nan) if found is None else found

    def raised(self, flag: str) -> Array:
        """Tell which rows name a flag."""
        return np.array([flag in raised for raised in self.flags], dtype=bool)

    def of_kind(self, fact: Callable[[str, str, str], bool]) -> Array:
        """Tell of which segments something holds that nerve and sites decide."""
        found: Array = np.array([fact(*kind) for kind in self.kinds], dtype=bool)[self.codes]
        return found

    def ends_at(self, site: str) -> Array:
        """Tell which segments have `site` as their proximal one."""
        return self.of_kind(lambda _nerve, _distal, proximal: proximal == site)

    def boolean(self, column: str) -> pd.arrays.BooleanArray:
        """Give a column of truths; whether a segment is an entrapment site anatomy also knows."""
        given: Any = self.columns.get(column)
        if given is None:
            given = unknown(len(self))
        if column != "is_entrapment_site":
            return given  # type: ignore[no-any-return]
        known = self.of_kind(lambda *kind: entrapment_between(*kind) is not None)
        anatomical = pd.arrays.BooleanArray(known, np.zeros(len(self), dtype=bool))
        return given.fillna(False) | anatomical  # type: ignore[no-any-return]

    def flag(self, name: str, checks: pd.DataFrame | Findings | None) -> pd.arrays.BooleanArray:
        """Give whether a flag is raised: unknown where nobody looked for it."""
        if name == "entrapment_site":
            return self.boolean("is_entrapment_site")
        raised = self.raised(name)
        cleared = np.zeros(len(raised), dtype=bool)
        if isinstance(checks, Findings):
            cleared = checks.cleared(name)
        elif checks is not None and len(checks):
            mine = checks.loc[(checks["flag"] == name) & (checks["state"] == "cleared")]
            known = set(zip(*(texts_of(mine[one]) for one in SEGMENT_KEYS), strict=True))
            keys = zip(*(self.texts[one] for one in SEGMENT_KEYS), strict=True)
            cleared = np.array([key in known for key in keys], dtype=bool)
        return pd.arrays.BooleanArray(raised, ~raised & ~cleared)


def texts_of(cells: pd.Series) -> list[str | None]:
    """Give a column of texts; None when unknown."""
    text = cells if isinstance(cells.dtype, pd.StringDtype) else cells.astype("string")
    return [one if isinstance(one, str) else None for one in text.tolist()]


def read_segments(segments: pd.DataFrame) -> Segments:
    """Check a segments table and make it ready; the table given is not changed.

    Raises
    ------
    StudyError
        If a needed column is missing, or a nerve, site, segment or number is not understood.
    """
    if not {*_NAMES}.issubset(segments):  # typed in; our own tables hold what was measured
        _refuse_misspelled(segments)
        _refuse_fractions(segments)
        _refuse_lengths(segments)
    adjacent = is_adjacent(segments)
    names = [*SEGMENT_KEYS, "quality_flags", "distal_site", "proximal_site"]
    nothing: list[str | None] = [None] * int(adjacent.sum())
    texts = {
        name: list(compress(texts_of(segments[name]), adjacent)) if name in segments else nothing
        for name in names
    }
    if "segment" not in segments:
        ends = zip(texts["distal_site"], texts["proximal_site"], strict=True)
        texts["segment"] = [f"{d}-{p}" if d and p else None for d, p in ends]
    for name, read in _READERS.items():
        texts[name] = _in_our_names(texts[name], read)
    pairs = list(zip(texts["nerve"], texts["segment"], strict=True))
    different = {pair: code for code, pair in enumerate(dict.fromkeys(pairs))}
    codes = np.array([different[pair] for pair in pairs], dtype=np.intp)
    kinds = [_kind(*pair) for pair in different]
    for place, name in ((1, "distal_site"), (2, "proximal_site")):
        texts[name] = [kinds[code][place] for code in codes.tolist()]
    raised = [flags.names(text or "") for text in texts.pop("quality_flags")]
    return Segments(texts, _columns(segments, adjacent), kinds, codes, raised)


def _refuse_misspelled(segments: pd.DataFrame) -> None:
    if "nerve" not in segments or not (
        "segment" in segments or {"distal_site", "proximal_site"} <= set(segments.columns)
    ):
        raise StudyError(
            "a segments table needs the columns 'nerve' and 'segment' (such as 'median' and "
            f"'wrist-elbow'); it has: {', '.join(map(str, segments.columns)) or 'none'}."
        )
    for name in map(str, segments.columns):
        # A misspelled column would silently be unknown; a column of one's own is welcome.
        absent = [n for n in _NAMES if n not in segments]
        near = [] if name in _NAMES else get_close_matches(name, absent, n=1, cutoff=0.8)
        if near:
            raise StudyError(
                f"unknown column '{name}' of a segments table. Did you mean '{near[0]}'?"
            )


def _in_our_names(texts: list[str | None], read: Callable[[str], str | None]) -> list[str | None]:
    """Put ids in place of every spelling of a nerve, side, muscle or segment."""
    known = {text: text and (read(text) or text) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]


def _segment_named(text: str) -> str | None:
    """Read two sites joined by a dash, whatever they are called."""
    for at, letter in enumerate(text):
        if letter in "-\u2013\u2014":
            distal, proximal = find("sites", text[:at]), find("sites", text[at + 1 :])
            if distal and proximal:
                return f"{distal}-{proximal}"
    return None


_READERS: dict[str, Callable[[str], str | None]] = {
    "nerve": lambda text: find("nerves", text),
    "muscle": lambda text: find("muscles", text),
    "side": lambda text: SIDES.get(text.strip().casefold()),
    "segment": _segment_named,
}


def _refuse_fractions(segments: pd.DataFrame) -> None:
    """Refuse reductions of a typed-in table that all lie between 0 and 1: half is 50, not 0.5."""
    names = [n for n in segments if str(n).endswith("_reduction_pct")]
    if not names:
        return
    columns = [pd.to_numeric(segments[name], errors="coerce") for name in names]
    values = np.concatenate([one.to_numpy(dtype=float, na_value=np.nan) for one in columns])
    values = values[np.isfinite(values)]
    # A reduction of exactly 1 may be one percent; beside a true fraction it is all of it.
    is_share = (values > 0) & (values < 1)
    if is_share.any() and ((values >= 0) & (values <= 1)).all():
        raise StudyError(
            f"all values of {', '.join(map(str, names))} lie between 0 and 1: these are fractions.",
            hint="The columns hold percent: multiply by 100.",
        )


def _refuse_lengths(segments: pd.DataFrame) -> None:
    """Refuse lengths of a typed-in table that no segment has."""
    if "length_mm" not in segments:
        return
    lengths = pd.to_numeric(segments["length_mm"], errors="coerce").to_numpy(dtype=float)
    for row, length in enumerate(lengths.tolist(), start=1):
        if not (np.isnan(length) or 0 < length < np.inf):
            raise StudyError(
                f"length_mm is {length:g} in row {row}; a segment's length is above 0 mm.",
                hint="Leave the cell empty where the distance was not measured.",
            )


# A response cannot lose more than all of itself. Lowest and highest, and the same in words.
_POSSIBLE = {
    "_reduction_pct": (-np.inf, 100.0, "it is at most 100 %"),
    "_increase_pct": (-100.0, np.inf, "it is at least -100 %"),
    "distal_amplitude_mv": (
        0.0,
        LARGEST_PLAUSIBLE_RESPONSE_MV,
        f"plausible: 0 to {LARGEST_PLAUSIBLE_RESPONSE_MV:g}",
    ),
    "conduction_velocity_m_per_s": (0.0, np.inf, "it is above 0 m/s"),
}


def _refuse_impossible(name: str, values: Array, rows: Array) -> None:
    """Refuse a number that no two responses give, such as a fall of 155 %."""
    limits = next((of for end, of in _POSSIBLE.items() if name.endswith(end)), None)
    if limits is None:
        return
    low, high, told = limits
    wrong = (values < low - TOLERANCE) | (values > high + TOLERANCE)
    for at in np.flatnonzero(wrong & np.isfinite(values))[:1].tolist():
        raise StudyError(
            f"{name} is {values[at]:g} in row {np.flatnonzero(rows)[at] + 1}; {told}.",
            hint="Correct the cell, or leave it empty where the value is not known.",
        )


def _kind(nerve: str | None, segment: str | None) -> tuple[str, str, str]:
    if nerve is None or segment is None:
        raise StudyError("a row of the segments table names no nerve or no segment")
    known = anatomy().nerves
    if nerve not in known:
        meant = find("nerves", nerve)
        hint = f" Write '{meant}'." if meant else did_you_mean(nerve, known)
        raise StudyError(f"unknown nerve '{nerve}'; known: {', '.join(known)}.{hint}")
    distal, dash, proximal = segment.partition("-")
    if not dash:
        raise StudyError(
            f"unknown segment '{segment}' of the {nerve} nerve; write two sites, distal first, "
            "joined by a hyphen, such as 'wrist-below_elbow'."
        )
    low, high = (position(nerve, _site(nerve, one)) for one in (distal, proximal))
    if low >= high:
        raise StudyError(
            f"segment '{segment}' of the {nerve} nerve is written proximal first; "
            f"write '{proximal}-{distal}'."
        )
    return nerve, distal, proximal


def _site(nerve: str, site: str) -> str:
    sites = anatomy().nerves[nerve].sites
    meant = find("sites", site)
    if site not in sites and meant in sites:
        raise StudyError(
            f"unknown stimulation site '{site}' for {nerve}; known: {', '.join(sites)}. "
            f"Write '{meant}'."
        )
    return site


def is_adjacent(segments: pd.DataFrame) -> Array:
    """Tell which rows join neighboring sites; a table that does not say so holds no others."""
    if "is_adjacent" not in segments:
        return np.ones(len(segments), dtype=bool)
    told = segments["is_adjacent"].astype("boolean")
    found: Array = told.to_numpy(dtype=bool, na_value=True)
    return found


def _columns(table: pd.DataFrame, adjacent: Array) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in table.columns:
        if name in _NUMBERS:
            plain = _plain(table[name], adjacent)
            _refuse_impossible(name, plain, adjacent)
            columns[name] = np.where(np.isfinite(plain), plain, np.nan)
        elif name in ("is_entrapment_site", "supramaximal"):
            columns[name] = table[name].astype("boolean").array[adjacent]
    return columns


def _plain(cells: pd.Series, rows: Array) -> Array:
    """Give some rows of a column of numbers; unknown is NaN."""
    if cells.dtype == np.float64:
        return cells.to_numpy()[rows]
    cells = cells[rows]
    try:
        numbers = pd.to_numeric(cells).astype("Float64")
    except (ValueError, TypeError):
        bad = next(v for v in cells if not _is_number(v))
        raise StudyError(
            f"column '{cells.name}' of the segments table: {bad!r} is not a number"
        ) from None
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return value is None or value is pd.NA
    return True

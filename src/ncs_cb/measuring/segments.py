"""Pair the stimulated sites of each nerve into segments and compare them, distal to proximal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.columns import conform, keys_of
from ncs_cb.knowledge import thresholds
from ncs_cb.knowledge.anatomy import anatomy, entrapment_between, position
from ncs_cb.measuring.absence import is_absent
from ncs_cb.model import PrintedSegment
from ncs_cb.vocabulary import TOLERANCE

_SERIES = ["study_id", "nerve", "side", "muscle"]

_REDUCTIONS = {
    "amplitude_reduction_pct": "negative_peak_amplitude_mv",
    "peak_to_peak_reduction_pct": "peak_to_peak_amplitude_mv",
    "area_reduction_pct": "negative_peak_area_mv_ms",
    "total_area_reduction_pct": "total_negative_area_mv_ms",
}
_INCREASES = {
    "duration_increase_pct": "negative_peak_duration_ms",
    "total_duration_increase_pct": "total_negative_duration_ms",
}

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Columns = dict[str, Any]
"""A table that is being made, by the names of its columns."""
_BY_PHASE = ("area_reduction_pct", "duration_increase_pct")


Printed = Mapping[tuple[str, str, str, str, str, str], PrintedSegment]
"""What machines printed of segments, by study id, nerve, side, muscle and both sites."""


Used = Mapping[tuple[str, ...], int]
"""The row that stands for each site of each series: study, nerve, side, muscle, site."""


def pair_sites(
    traces: pd.DataFrame, printed: Printed | None = None, *, used: Used | None = None
) -> pd.DataFrame:
    """Give one row per pair of stimulated sites, from a ``traces`` table of any number of studies.

    Neighboring sites of one study, nerve, side and muscle make an adjacent segment; in addition
    every farther site is compared with the most distal one (``is_adjacent`` is false there).
    Sensory responses, those flagged ``not_used`` and sites that were not stimulated (``not_done``)
    take no part. Studies, nerves and sides keep
    the order of their first row; the order of rows within them does not matter.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.
    printed : mapping, optional
        Lengths and velocities as machines printed them, where the distances are unknown.
    used : mapping, optional
        :func:`used_rows` of `traces`, where it is known already.

    Returns
    -------
    DataFrame
        Table ``segments``; the columns of the block estimate are still unknown.
        ``reduction_pct = 100 * (1 - proximal / distal)``,
        ``increase_pct = 100 * (proximal / distal - 1)``,
        velocity = length / latency difference. NaN in, NaN out; a distal value of zero or less
        gives NaN. A proximal response that is known to be absent is a reduction of 100 %.

    Raises
    ------
    StudyError
        If a row names a site that its nerve does not have.
    """
    ends = _Ends(traces)
    distal, proximal, is_adjacent = _pairs(used_rows(traces) if used is None else used)
    near, far = ends.at(distal), ends.at(proximal)
    table: Columns = {name: traces[name].array.take(distal) for name in _SERIES}
    sites = traces["stimulation_site"].to_numpy(dtype=object)
    table["distal_site"], table["proximal_site"] = sites[distal], sites[proximal]
    table["segment"] = table["distal_site"] + "-" + table["proximal_site"]
    table["is_adjacent"] = is_adjacent
    table["is_entrapment_site"] = _entrapment(table)
    table["distal_amplitude_mv"] = near.number("negative_peak_amplitude_mv")
    gone = far.is_absent & (near.number("negative_peak_amplitude_mv") > 0.0)
    for name, measure in _REDUCTIONS.items():
        reduction = 100.0 * (1.0 - _ratio(near, far, measure))
        # Nothing is left of any measure of a response that is not there.
        table[name] = np.where(gone, 100.0, reduction)
    for name, measure in _INCREASES.items():
        table[name] = np.where(gone, np.nan, 100.0 * (_ratio(near, far, measure) - 1.0))
    lengths = far.number("distance_mm") - near.number("distance_mm")
    found = _found_printed(table, printed) if printed else None
    table["length_mm"] = lengths
    if found:
        table["length_mm"] = np.where(np.isnan(lengths), _told(found, "length_mm"), lengths)
    table["conduction_velocity_m_per_s"], doubts = _velocity(table, near, far)
    if found:
        table["conduction_velocity_m_per_s"] = _stand_in(table, found)
    table["quality_flags"] = _flags(table, near, far, doubts)
    for name in ("segment", "distal_site", "proximal_site", "quality_flags"):
        table[name] = pd.array(table[name], dtype="string")
    return conform(table, "segments")


class _Ends:
    """Responses at one end of every segment: rows of table ``traces``."""

    def __init__(
        self, traces: pd.DataFrame, rows: Ints | None = None, absent: Bools | None = None
    ) -> None:
        self._traces = traces
        self._rows = np.arange(len(traces)) if rows is None else rows
        self._absent = is_absent(traces) if absent is None else absent

    def at(self, rows: Ints) -> _Ends:
        """Give other rows of the same table."""
        return _Ends(self._traces, rows, self._absent)

    def number(self, name: str) -> Floats:
        """Values of a column; NaN when unknown."""
        values: Floats = self._traces[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return values[self._rows]

    @property
    def is_absent(self) -> Bools:
        """Which responses were looked for and not there."""
        return self._absent[self._rows]


def _found_printed(table: Columns, printed: Printed) -> list[PrintedSegment | None]:
    names = [*_SERIES, "distal_site", "proximal_site"]
    return [printed.get(key) for key in zip(*(table[name].tolist() for name in names), strict=True)]


def _told(found: Sequence[PrintedSegment | None], name: str) -> Floats:
    """Give a printed number of every segment, NaN where none was printed."""
    values = [None if one is None else getattr(one, name) for one in found]
    return np.array(values, dtype=np.float64)


def _stand_in(table: Columns, found: Sequence[PrintedSegment | None]) -> Floats:
    """Take the printed velocity of a segment whose length nobody knows, if it is plausible."""
    told = _told(found, "velocity_m_per_s")
    low, high = (
        thresholds.value(f"velocity_implausible.{end}_m_per_s") for end in ("minimum", "maximum")
    )
    own = table["conduction_velocity_m_per_s"]
    is_used = np.isnan(own) & np.isnan(table["length_mm"]) & (told >= low) & (told <= high)
    return np.where(is_used, told, own)


def used_rows(traces: pd.DataFrame) -> Used:
    """Give :data:`Used` rows: the first response of each site that somebody stimulated."""
    keys = keys_of(traces, (*_SERIES, "stimulation_site"))
    # Where nobody stimulated there is no end of a segment; its neighbors are each other's.
    told = traces["response"].tolist() if "response" in traces else [None] * len(traces)
    kinds = traces["kind"].fillna("").tolist()
    stands = map(flags.stands, told, traces["quality_flags"].tolist())
    found: dict[tuple[str, ...], int] = {}
    for row, (key, kind, is_answer) in enumerate(zip(keys, kinds, stands, strict=True)):
        if is_answer and kind == "motor":
            found.setdefault(key, row)
    return found


def _pairs(used: Used) -> tuple[Ints, Ints, Bools]:
    """Give the rows of both ends of each pair, distal ones first within each series."""
    numbers: dict[tuple[str, ...], int] = {}
    series = np.array([numbers.setdefault(key[:-1], len(numbers)) for key in used], dtype=np.intp)
    place = np.array([position(key[1], key[-1]) for key in used], dtype=np.intp)
    order = np.lexsort((place, series))
    rows, series = np.array(list(used.values()), dtype=np.intp)[order], series[order]
    first = np.searchsorted(series, series, side="left")
    index = np.arange(len(series))
    neighbors, farther = index[index > first], index[index - first >= 2]
    distal = np.concatenate([neighbors - 1, first[farther]])
    proximal = np.concatenate([neighbors, farther])
    is_adjacent = np.arange(len(proximal)) < len(neighbors)
    tidy = np.lexsort((proximal, ~is_adjacent, series[proximal]))
    return rows[distal[tidy]], rows[proximal[tidy]], is_adjacent[tidy]


def _entrapment(table: Columns) -> Bools:
    names = ("nerve", "distal_site", "proximal_site")
    keys = list(zip(*(table[name].tolist() for name in names), strict=True))
    found = {key: entrapment_between(*key) is not None for key in set(keys)}
    return np.array([found[key] for key in keys], dtype=bool)


def _ratio(near: _Ends, far: _Ends, measure: str) -> Floats:
    distal = near.number(measure)
    return far.number(measure) / np.where(distal > 0.0, distal, np.nan)


def _velocity(table: Columns, near: _Ends, far: _Ends) -> tuple[Floats, Doubts]:
    """Give the velocity of each segment where nothing speaks against it, and what does."""
    delay_ms = far.number("onset_latency_ms") - near.number("onset_latency_ms")
    delay_ms = np.where(near.is_absent | far.is_absent, np.nan, delay_ms)
    length_mm = table["length_mm"]
    positive_mm = np.where(length_mm > 0.0, length_mm, np.nan)
    velocity = positive_mm / np.where(delay_ms > 0.0, delay_ms, np.nan)
    is_implausible = (
        (delay_ms <= 0.0)
        | (velocity > thresholds.value("velocity_implausible.maximum_m_per_s"))
        | (velocity < thresholds.value("velocity_implausible.minimum_m_per_s"))
    )
    limbs = {name: nerve.limb for name, nerve in anatomy().nerves.items()}
    is_leg = np.array([limbs.get(name) == "leg" for name in table["nerve"].tolist()], dtype=bool)
    guess = guess_distances(near.number("distance_mm"), far.number("distance_mm"), delay_ms, is_leg)
    doubts = Doubts(is_implausible, guess > 0)
    return np.where(is_implausible | (guess > 0), np.nan, velocity), doubts


class Doubts(NamedTuple):
    """What speaks against the velocity of each segment."""

    is_velocity_implausible: Bools
    is_distance_implausible: Bools


CENTIMETRES, SEGMENT_LENGTHS = 1, 2
"""What distances that cannot be right look like; 0 where they can."""


def guess_distances(
    distal_mm: Floats, proximal_mm: Floats, delay_ms: Floats, is_leg: Bools
) -> NDArray[np.int8]:
    """Guess whether distances are in centimetres, or lengths of segments.

    They are when the velocity is that of no healthy nerve as they stand, and that of one as
    centimetres or as lengths (``tables/quality.toml``).

    Parameters
    ----------
    distal_mm, proximal_mm : ndarray of shape (n,) [mm]
        As stated for the two sites of each segment; NaN where unknown.
    delay_ms : ndarray of shape (n,) [ms]
        Between their onsets.
    is_leg : ndarray of bool of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        0, :data:`CENTIMETRES` or :data:`SEGMENT_LENGTHS`.
    """
    limit = thresholds.value
    delay_ms = np.where(delay_ms > 0.0, delay_ms, np.nan)
    length_mm = proximal_mm - distal_mm
    usual = np.where(
        is_leg,
        limit("distance_implausible.usual_leg_m_per_s"),
        limit("distance_implausible.usual_arm_m_per_s"),
    )
    fastest = limit("velocity_implausible.maximum_m_per_s")
    slowest = limit("velocity_implausible.minimum_m_per_s")

    def is_usual(length: Floats) -> Bools:
        velocity = length / delay_ms
        usual_ones: Bools = (velocity >= usual) & (velocity <= 0.8 * fastest)
        return usual_ones

    is_cm = (length_mm > 0.0) & (length_mm / delay_ms < slowest)
    tenfold = 10.0 * length_mm / delay_ms
    is_cm &= (tenfold >= slowest) & (tenfold <= fastest)
    is_cm &= proximal_mm < limit("distance_implausible.largest_cm")
    shortest = np.where(
        is_leg,
        limit("distance_implausible.shortest_leg_mm"),
        limit("distance_implausible.shortest_arm_mm"),
    )
    # Further up, lengths taken for distances would not grow: a short slow segment there is slow.
    is_length = (length_mm < shortest) & (proximal_mm >= shortest) & (distal_mm < shortest)
    is_length &= (length_mm / delay_ms < usual) & is_usual(proximal_mm)
    return np.where(is_cm, CENTIMETRES, np.where(is_length, SEGMENT_LENGTHS, 0)).astype(np.int8)


def agreed_gain_pct(first: Floats | float, total: Floats | float) -> Floats:
    """Give the gain of area that the first phase and all phases agree on, in percent.

    A late phase that just reaches the limit at one site and just misses it at the other moves
    the area of all phases by a tenth and more where nothing was gained. Losses, and gains of
    which one is unknown, are those of all phases.
    """
    first, total = np.asarray(first, dtype=np.float64), np.asarray(total, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        less = (total > 0.0) & (first < total)
    return np.where(less, np.maximum(first, 0.0), total)


def _flags(table: Columns, near: _Ends, far: _Ends, doubts: Doubts) -> list[str]:
    first, over_all = (
        [np.isnan(table[f"{prefix}{name}"]) for name in _BY_PHASE] for prefix in ("", "total_")
    )
    most = thresholds.value("proximal_larger.maximum_gain_pct")
    gains = (
        -table["amplitude_reduction_pct"],
        agreed_gain_pct(-table["area_reduction_pct"], -table["total_area_reduction_pct"]),
    )
    raised = {
        "first_phase_only": (~first[0] & over_all[0]) | (~first[1] & over_all[1]),
        "response_absent_at_site": near.is_absent | far.is_absent,
        "entrapment_site": table["is_entrapment_site"],
        "proximal_larger": np.logical_or(*(gain > most + TOLERANCE for gain in gains)),
        "length_implausible": table["length_mm"] <= 0.0,
        "velocity_implausible": doubts.is_velocity_implausible,
        "distance_implausible": doubts.is_distance_implausible,
    }
    bits = sum(mask.astype(np.int64) << bit for bit, mask in enumerate(raised.values()))
    words = {
        pattern: flags.join(name for bit, name in enumerate(raised) if pattern >> bit & 1)
        for pattern in np.unique(np.asarray(bits)).tolist()
    }
    return [words[pattern] for pattern in np.asarray(bits).tolist()]

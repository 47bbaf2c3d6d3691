"""Responses of one nerve that contradict each other: no change between them is read as block.

Two rules of project policy. A more proximal response must come later; where it does not, labels,
markers or distances are wrong, and the sites are doubted that the order of the others does not
settle. And a real block does not recover: a fall that a still more proximal stimulus does not
show was a weak stimulus in between, or co-stimulation further up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, compress, pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import SEGMENT_KEYS
from ncs_cb.judging.answers import Asked, answers_of
from ncs_cb.judging.table import Segments, is_adjacent, read_segments, texts_of
from ncs_cb.knowledge import thresholds
from ncs_cb.quality import Findings

Array = np.ndarray[Any, Any]
Key = tuple[str, str, str, str]

_NERVE = ("study_id", "nerve", "side", "muscle")
REDUCTIONS = (
    "amplitude_reduction_pct",
    "peak_to_peak_reduction_pct",
    "area_reduction_pct",
    "total_area_reduction_pct",
)
_UNREADABLE = ("polarity_uncertain",)
_SEGMENT_NUMBERS = (
    *REDUCTIONS,
    "duration_increase_pct",
    "total_duration_increase_pct",
    "conduction_velocity_m_per_s",
    "distal_amplitude_mv",
)
_TRACE_NUMBERS = (
    "onset_latency_ms",
    "negative_peak_amplitude_mv",
    "negative_peak_area_mv_ms",
    "negative_peak_duration_ms",
    "total_negative_duration_ms",
)


@dataclass(frozen=True, slots=True, eq=False)
class Contradictions:
    """What contradicts itself along each nerve.

    Attributes
    ----------
    order : ndarray of bool
        The latency of one of the two sites contradicts that of another.
    narrow : ndarray of bool
        Area and amplitude contradict each other: the proximal response would be far narrower.
    recovered : dict of str to ndarray of float
        Least reduction, in percent, of a more proximal response against the distal one; NaN
        where none recovers.
    site : list of str
        Where the response recovers, "" where none does.
    """

    order: Array
    narrow: Array
    recovered: dict[str, Array]
    site: list[str]


def contradictions(
    table: Segments, asked: Asked, segments: pd.DataFrame, unread: Array
) -> Contradictions:
    """Find what contradicts itself.

    Parameters
    ----------
    table : Segments
    asked : Asked
        What the checks found.
    segments : DataFrame
        All of them, also those that are not adjacent.
    unread : ndarray of bool
        The proximal response cannot be compared for other reasons.
    """
    ends = _Ends.of(table.texts)
    doubted = _doubted_sites(ends, asked)
    order = np.zeros(len(table), dtype=bool)
    for at, (key, sites) in enumerate(zip(*ends, strict=True) if doubted else ()):
        order[at] = not doubted.get(key, frozenset()).isdisjoint(sites)
    amplitude = table.number("amplitude_reduction_pct")[0]
    area = table.number("area_reduction_pct")[0]
    least = thresholds.value("response_contradictory.minimum_area_share")
    with np.errstate(divide="ignore", invalid="ignore"):
        narrow = (100.0 - area) / (100.0 - amplitude) < least
    narrow &= area > amplitude
    recovered, site = _recovery(table, ends, segments, unread | order)
    return Contradictions(order, narrow, recovered, site)


def none_of(table: Segments) -> Contradictions:
    """Give what is known of numbers alone: nothing."""
    n = len(table)
    return Contradictions(np.zeros(n, bool), np.zeros(n, bool), {}, [""] * n)


Texts = Mapping[str, Sequence[str | None]]


def _nerves(texts: Texts) -> list[Key]:
    """Name study, nerve, side and muscle of each row; "" for what is not known."""
    columns = ([one or "" for one in texts[name]] for name in _NERVE)
    return list(zip(*columns, strict=True))


class _Ends(NamedTuple):
    """The nerve of each segment, and its distal and proximal site."""

    nerves: list[Key]
    sites: list[tuple[str, str]]

    @classmethod
    def of(cls, texts: Texts) -> _Ends:
        """Take them from the columns of text of a table; "" for what is not known."""
        columns = ([one or "" for one in texts[name]] for name in ("distal_site", "proximal_site"))
        return cls(_nerves(texts), list(zip(*columns, strict=True)))


def _followers(ends: _Ends) -> list[int]:
    """Give the adjacent segment of its nerve that begins where each ends; -1 where none does."""
    begins: dict[tuple[Key, str], int] = {}
    for at, (key, (distal, _)) in enumerate(zip(*ends, strict=True)):
        begins.setdefault((key, distal), at)
    return [begins.get((key, proximal), -1) for key, (_, proximal) in zip(*ends, strict=True)]


def _chains(ends: _Ends) -> Iterator[tuple[Key, list[int]]]:
    """Give the adjacent segments of each nerve that follow one another, from distal on."""
    nerves, follows = ends.nerves, _followers(ends)
    inner = set(follows)
    for first in (at for at in range(len(follows)) if at not in inner):
        chain = [first]
        while follows[chain[-1]] >= 0:
            chain.append(follows[chain[-1]])
        yield nerves[first], chain


# ------------------------------------------------------------------ order of the latencies


def _doubted_sites(ends: _Ends, asked: Asked) -> dict[Key, frozenset[str]]:
    """Give the sites of each nerve whose latency contradicts that of another site.

    A site is not doubted where it belongs to every largest group of sites whose latencies rise
    from distal to proximal.
    """
    if not asked.has_case("velocity_implausible", "not_later").any():
        return {}
    found: dict[Key, frozenset[str]] = {}
    sites = ends.sites
    for key, chain in _chains(ends):
        latency: dict[str, float] = {sites[chain[0]][0]: 0.0}
        for at in chain:
            distal, proximal = sites[at]
            latency[proximal] = latency[distal] + _delay(asked, at)
        known = [(site, ms) for site, ms in latency.items() if not math.isnan(ms)]
        found[key] = found.get(key, frozenset()) | _out_of_order(known)
    return found


def _delay(asked: Asked, at: int) -> float:
    """Give by how much the proximal latency is longer, in ms; NaN when unknown."""
    one, length = (asked.at(f"{name}_implausible", at) for name in ("velocity", "length"))
    if one is None:
        return math.nan
    if "delay_ms" in one.numbers:
        return float(one.numbers["delay_ms"])
    speed = one.numbers.get("velocity_m_per_s")
    if speed is None or length is None or "length_mm" not in length.numbers:
        return math.nan
    return float(length.numbers["length_mm"]) / float(speed)


def _out_of_order(known: Sequence[tuple[str, float]]) -> frozenset[str]:
    everything = frozenset(site for site, _ in known)
    for size in range(len(known), 0, -1):
        rising = [
            frozenset(site for site, _ in some)
            for some in combinations(known, size)
            if all(one[1] < other[1] for one, other in pairwise(some))
        ]
        if rising:
            return everything - frozenset.intersection(*rising)
    return frozenset()


# ------------------------------------------------------------------ recovery further up


def _recovery(
    table: Segments, ends: _Ends, segments: pd.DataFrame, unread: Array
) -> tuple[dict[str, Array], list[str]]:
    names = [name for name in REDUCTIONS if name in table.columns]
    where = [""] * len(table)
    falls = np.array([table.columns[name] for name in names], dtype=np.float64)
    left = 1.0 - falls.reshape(len(names), len(table)) / 100.0
    found = np.full(left.shape, np.nan)
    spans = _Spans.of(segments, names)
    nerves, sites = ends
    follows = np.array(_followers(ends), dtype=np.intp)
    gain = 1.0 + thresholds.value("proximal_larger.maximum_gain_pct") / 100.0
    # All segments look one segment further up, then two, until there is none or it is unread.
    at, further, there = np.arange(len(table)), follows, left
    while True:
        goes_on = (further >= 0) & ~unread[further]
        at, further, there = at[goes_on], further[goes_on], there[:, goes_on]
        if not at.size:
            break
        apart = [(nerves[a], sites[a][0], sites[b][1]) for a, b in zip(at, further, strict=True)]
        whole = spans.left(apart)
        there = np.where(np.isnan(whole), there * left[:, further], whole)
        here = left[:, at]
        unknown = np.isnan(there - here)
        with np.errstate(invalid="ignore"):
            back = ((there > gain * here) | unknown).all(axis=0) & ~unknown.all(axis=0)
        found[:, at[back]] = np.fmin(found[:, at[back]], 100.0 * (1.0 - there[:, back]))
        for one, upper in zip(at[back].tolist(), further[back].tolist(), strict=True):
            where[one] = where[one] or sites[upper][1]
        further = follows[further]
    return dict(zip(names, found, strict=True)), where


@dataclass(frozen=True, slots=True, eq=False)
class _Spans:
    """What is left of the response over sites that are not adjacent, measure by measure."""

    rows: dict[tuple[Key, str, str], int]
    shares: Array
    """One column more than `rows`: that of a span of which nothing is known."""

    @classmethod
    def of(cls, segments: pd.DataFrame, names: Sequence[str]) -> _Spans:
        """Take the rows between sites that are not adjacent from a table of segments."""
        nothing = np.full((len(names), 1), np.nan)
        if not {*SEGMENT_KEYS, "is_adjacent", "distal_site", "proximal_site"} <= {
            *segments.columns
        }:
            return cls({}, nothing)
        apart = ~is_adjacent(segments)
        if not apart.any():
            return cls({}, nothing)
        given = (*_NERVE, "distal_site", "proximal_site")
        texts = {name: list(compress(texts_of(segments[name]), apart)) for name in given}
        ends = ((key, *sites) for key, sites in zip(*_Ends.of(texts), strict=True))
        told = (segments[name][apart] for name in names)
        columns = [pd.to_numeric(one, errors="coerce").to_numpy(float) for one in told]
        falls = np.array(columns, dtype=np.float64).reshape(len(names), int(apart.sum()))
        shares = 1.0 - falls / 100.0
        return cls({key: row for row, key in enumerate(ends)}, np.hstack([shares, nothing]))

    def left(self, ends: Sequence[tuple[Key, str, str]]) -> Array:
        """Give the shares that are left between some sites."""
        found: Array = self.shares[:, [self.rows.get(key, -1) for key in ends]]
        return found


# ------------------------------------------------------------------ what may be concluded from


def readable(
    segments: pd.DataFrame, traces: pd.DataFrame, checks: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the tables without the numbers that nothing may be concluded from.

    Those of responses whose polarity is not certain or whose latency contradicts that of
    another site are unknown, and so is a velocity that no nerve has.
    """
    hidden, touched = (_raised(frame, _UNREADABLE) for frame in (traces, segments))
    fast = _raised(segments, ("velocity_implausible",))
    table = read_segments(segments) if fast.any() else None
    doubted = (
        {} if table is None else _doubted_sites(_Ends.of(table.texts), answers_of(table, checks))
    )
    if hidden.any() or doubted:
        names = (*_NERVE, "distal_site", "proximal_site", "stimulation_site")
        told = {name: texts_of(traces[name]) for name in names if name in traces}
        places = list(zip(_nerves(told), told["stimulation_site"], strict=True))
        hidden |= np.array([site in doubted.get(key, ()) for key, site in places], dtype=bool)
        gone = {place for place, is_gone in zip(places, hidden, strict=True) if is_gone}
        ends = {name: texts_of(segments[name]) for name in names if name in segments}
        rows = zip(*_Ends.of(ends), strict=True)
        is_at_end = (any((key, site) in gone for site in both) for key, both in rows)
        touched |= np.fromiter(is_at_end, dtype=bool, count=len(segments))
    if not (hidden.any() or fast.any() or touched.any()):
        return segments, traces
    pairs = _without(segments, _SEGMENT_NUMBERS, touched)
    return (
        _without(pairs, ("conduction_velocity_m_per_s",), fast),
        _without(traces, _TRACE_NUMBERS, hidden),
    )


def _raised(frame: pd.DataFrame, names: Iterable[str]) -> Array:
    """Tell which rows have one of these flags; few cells differ."""
    wanted, texts = frozenset(names), texts_of(frame["quality_flags"])
    known = {text: not wanted.isdisjoint(flags.names(text or "")) for text in dict.fromkeys(texts)}
    return np.array([known[text] for text in texts], dtype=bool)


def _without(frame: pd.DataFrame, names: Iterable[str], mask: Array) -> pd.DataFrame:
    if not mask.any():
        return frame
    return frame.assign(**{n: frame[n].mask(mask) for n in names if n in frame})

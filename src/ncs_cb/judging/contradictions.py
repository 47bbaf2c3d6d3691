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
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.columns import SEGMENT_KEYS
from ncs_cb.judging.answers import Answer, answers_of, case_of
from ncs_cb.judging.table import Segments, read_segments
from ncs_cb.knowledge import thresholds
from ncs_cb.quality import Findings

Array = np.ndarray[Any, Any]
Key = tuple[str, str, str, str]
Answers = Mapping[str, Answer]

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
    table: Segments, answers: Sequence[Answers], segments: pd.DataFrame, unread: Array
) -> Contradictions:
    """Find what contradicts itself.

    Parameters
    ----------
    table : Segments
    answers : sequence of mapping
        What the checks found of each segment.
    segments : DataFrame
        All of them, also those that are not adjacent.
    unread : ndarray of bool
        The proximal response cannot be compared for other reasons.
    """
    doubted = doubted_sites(table.keys, answers)
    ends = list(zip(_nerves(table.keys), _sites(table.keys), strict=True))
    order = np.array(
        [any(site in doubted.get(key, ()) for site in sites) for key, sites in ends], dtype=bool
    )
    amplitude = table.number("amplitude_reduction_pct")[0]
    area = table.number("area_reduction_pct")[0]
    least = thresholds.value("response_contradictory.minimum_area_share")
    with np.errstate(divide="ignore", invalid="ignore"):
        narrow = (100.0 - area) / (100.0 - amplitude) < least
    narrow &= area > amplitude
    recovered, site = _recovery(table, segments, unread | order)
    return Contradictions(order, narrow, recovered, site)


def none_of(table: Segments) -> Contradictions:
    """Give what is known of numbers alone: nothing."""
    n = len(table.keys)
    return Contradictions(np.zeros(n, bool), np.zeros(n, bool), {}, [""] * n)


def _nerves(keys: pd.DataFrame) -> list[Key]:
    return list(zip(*(keys[name].fillna("").tolist() for name in _NERVE), strict=True))


def _sites(keys: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(keys["distal_site"].tolist(), keys["proximal_site"].tolist(), strict=True))


def _chains(keys: pd.DataFrame) -> Iterator[tuple[Key, list[int]]]:
    """Give the adjacent segments of each nerve that follow one another, from distal on."""
    begins: dict[tuple[Key, str], int] = {}
    sites, nerves = _sites(keys), _nerves(keys)
    for at, (key, (distal, _)) in enumerate(zip(nerves, sites, strict=True)):
        begins.setdefault((key, distal), at)
    follows = {
        at: begins.get((key, proximal))
        for at, (key, (_, proximal)) in enumerate(zip(nerves, sites, strict=True))
    }
    inner = {at for at in follows.values() if at is not None}
    for first in (at for at in follows if at not in inner):
        chain: list[int] = []
        place: int | None = first
        while place is not None:
            chain.append(place)
            place = follows[place]
        yield nerves[first], chain


# ------------------------------------------------------------------ order of the latencies


# The checks whose numbers say how much later the proximal response comes.
_OF_LATENCY = frozenset({"velocity_implausible", "length_implausible"})


def doubted_sites(keys: pd.DataFrame, answers: Sequence[Answers]) -> dict[Key, frozenset[str]]:
    """Give the sites of each nerve whose latency contradicts that of another site.

    A site is not doubted where it belongs to every largest group of sites whose latencies rise
    from distal to proximal.
    """
    if not any(case_of(one, "velocity_implausible") == "not_later" for one in answers):
        return {}
    found: dict[Key, frozenset[str]] = {}
    sites = _sites(keys)
    for key, chain in _chains(keys):
        latency: dict[str, float] = {sites[chain[0]][0]: 0.0}
        for at in chain:
            distal, proximal = sites[at]
            latency[proximal] = latency[distal] + _delay(answers[at])
        known = [(site, ms) for site, ms in latency.items() if not math.isnan(ms)]
        found[key] = found.get(key, frozenset()) | _out_of_order(known)
    return found


def _delay(answers: Answers) -> float:
    """Give by how much the proximal latency is longer, in ms; NaN when unknown."""
    one = answers.get("velocity_implausible")
    if one is None:
        return math.nan
    if "delay_ms" in one.numbers:
        return float(one.numbers["delay_ms"])
    speed, length = one.numbers.get("velocity_m_per_s"), answers.get("length_implausible")
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
    table: Segments, segments: pd.DataFrame, unread: Array
) -> tuple[dict[str, Array], list[str]]:
    n = len(table.keys)
    given = table.values.columns  # noqa: PD011 - a field of ours, not of pandas
    names = [name for name in REDUCTIONS if name in given]
    found = {name: np.full(n, np.nan) for name in names}
    where = [""] * n
    values = table.values  # noqa: PD011 - a field of ours, not of pandas
    columns = {name: values[name].to_numpy(np.float64) for name in names}
    direct = _spans(segments, names)
    sites = _sites(table.keys)
    gain = 1.0 + thresholds.value("proximal_larger.maximum_gain_pct") / 100.0
    for key, chain in _chains(table.keys):
        for start, at in enumerate(chain[:-1]):
            here = {name: 1.0 - columns[name][at] / 100.0 for name in names}
            there = dict(here)
            for further in chain[start + 1 :]:
                if unread[further]:
                    break
                whole = direct.get((key, sites[at][0], sites[further][1]), {})
                there = {
                    name: whole.get(name, there[name] * (1.0 - columns[name][further] / 100.0))
                    for name in names
                }
                more = [
                    there[name] > gain * here[name]
                    for name in names
                    if not math.isnan(there[name] - here[name])
                ]
                if not more or not all(more):
                    continue
                where[at] = where[at] or sites[further][1]
                for name in names:
                    rest = 100.0 * (1.0 - there[name])
                    found[name][at] = np.fmin(found[name][at], rest)
    return found, where


def _spans(
    segments: pd.DataFrame, names: Sequence[str]
) -> dict[tuple[Key, str, str], dict[str, float]]:
    """Give what is known of the reductions between sites that are not adjacent."""
    if not {*SEGMENT_KEYS, "is_adjacent", "distal_site", "proximal_site"} <= {*segments.columns}:
        return {}
    adjacent = segments["is_adjacent"].astype("boolean").fillna(True).to_numpy(dtype=bool)
    apart = segments.loc[~adjacent]
    rows = apart[[*names]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    return {
        (key, *ends): {
            name: 1.0 - value / 100.0
            for name, value in zip(names, row, strict=True)
            if not math.isnan(value)
        }
        for key, ends, row in zip(_nerves(apart), _sites(apart), rows, strict=True)
    }


# ------------------------------------------------------------------ what may be concluded from


def readable(
    segments: pd.DataFrame, traces: pd.DataFrame, checks: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the tables without the numbers that nothing may be concluded from.

    Those of responses whose polarity is not certain or whose latency contradicts that of
    another site are unknown, and so is a velocity that no nerve has.
    """
    if not len(segments):
        return segments, traces
    table = read_segments(segments)
    doubted = doubted_sites(table.keys, answers_of(table, checks, _OF_LATENCY))
    sites = list(zip(_nerves(traces), traces["stimulation_site"].tolist(), strict=True))
    hidden = _raised(traces, _UNREADABLE) | np.array(
        [site in doubted.get(key, ()) for key, site in sites], dtype=bool
    )
    fast = _raised(segments, ("velocity_implausible",))
    ends = list(zip(_nerves(segments), _sites(segments), strict=True))
    gone = {place for place, is_gone in zip(sites, hidden, strict=True) if is_gone}
    touched = np.array(
        [any((key, site) in gone for site in both) for key, both in ends], dtype=bool
    ) | _raised(segments, _UNREADABLE)
    if not (hidden.any() or fast.any() or touched.any()):
        return segments, traces
    pairs = _without(segments, _SEGMENT_NUMBERS, touched)
    return (
        _without(pairs, ("conduction_velocity_m_per_s",), fast),
        _without(traces, _TRACE_NUMBERS, hidden),
    )


def _raised(frame: pd.DataFrame, names: Iterable[str]) -> Array:
    texts = frame["quality_flags"].fillna("").tolist()
    return np.array([any(name in flags.names(text) for name in names) for text in texts], bool)


def _without(frame: pd.DataFrame, names: Iterable[str], mask: Array) -> pd.DataFrame:
    if not mask.any():
        return frame
    return frame.assign(**{n: frame[n].mask(mask) for n in names if n in frame})

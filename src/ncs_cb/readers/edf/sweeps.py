"""From a timeline and its stimuli to sweeps: which samples belong to which stimulus."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared import windows
from ncs_cb.readers._shared.cues import Cue, Heard, refuse_shared_instants
from ncs_cb.readers._shared.stimuli import looks_given
from ncs_cb.readers._shared.unassigned import apart
from ncs_cb.readers.edf.header import Header
from ncs_cb.readers.edf.tal import Timeline, breaks

# A stretch or record up to this long that holds one stimulus is a sweep as it stands.
_LONGEST_SWEEP_S = 1.0
_LEAST_AFTER_S = 0.015
# A fifth of each sweep may be shared with the one before (windows.py); beyond this it is no study.
_MOST_SHARED = 8


class Span(NamedTuple):
    """Samples ``start`` to ``stop`` of a signal, and the stimulus counted from ``start``."""

    start: int
    stop: int
    stimulus_index: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a signal is cut: one span per stimulus, and the way it was done in words."""

    spans: tuple[Span, ...]
    way: str
    unused_records: tuple[int, ...]


def plan_sweeps(
    header: Header,
    times: Timeline,
    heard: Heard,
    *,
    rate: float,
    n_samples: int,
) -> Plan:
    """Give for each stimulus the samples of its sweep.

    Parameters
    ----------
    header : Header
    times : Timeline
    heard : Heard
        Its stimuli, and the texts that name no site: no sweep runs into a stimulus of these.
    rate : float
        Samples per second of the signal.
    n_samples : int
        Samples of the signal in one data record.
    """
    cues: Sequence[Cue] = heard.cues
    if not cues:
        return Plan((), "no stimulus names a site", tuple(range(1, header.n_records + 1)))
    ends = [0, *breaks(header, times, rate), header.n_records]
    stretches = list(itertools.pairwise(ends))
    cues, records = _placed(cues, times, header)
    held = set(records)
    n_records = header.n_records
    is_whole = len(held) == n_records
    unused = () if is_whole else tuple([r + 1 for r in range(n_records) if r not in held])
    home = _stretch_of(stretches, header.n_records)

    def position(onset_s: float, record: int) -> int:
        first = stretches[home[record]][0]
        return first * n_samples + round((onset_s - times.onsets_s[first]) * rate)

    positions = [position(c.onset_s, r) for c, r in zip(cues, records, strict=True)]
    others: list[int] = []
    if heard.free:
        given = [position(a.onset_s, a.record) for a in heard.free if looks_given(a.text)]
        others = [p for p, far in zip(given, apart(given, positions, rate), strict=True) if far]
    refuse_shared_instants(cues, positions, rate)
    homes = [home[r] for r in records]
    gaps = "" if header.is_interrupted or len(stretches) == 1 else " (the records leave gaps)"
    longest = max([stretches[h][1] - stretches[h][0] for h in homes]) * header.record_s
    is_alone = len(set(homes)) == len(homes) and not _held(others, stretches, n_samples, homes)
    if is_alone and longest <= _LONGEST_SWEEP_S:
        edges = [(stretches[h][0] * n_samples, stretches[h][1] * n_samples) for h in homes]
        way = f"one stimulus in each uninterrupted stretch{gaps}"
    elif _records_are_sweeps(header, cues, records, times, rate):
        edges = [(r * n_samples, (r + 1) * n_samples) for r in records]
        way = "one stimulus in each data record"
    else:
        bounds = [(stretches[h][0] * n_samples, stretches[h][1] * n_samples) for h in homes]
        edges = windows.windows(positions, bounds, rate, others)
        way = windows.way() + gaps
        unused = ()
    _refuse_overlaps(edges, header.n_records * n_samples)
    spans = [Span(a, b, p - a) for (a, b), p in zip(edges, positions, strict=True)]
    return Plan(tuple(spans), way, unused)


def _held(
    others: Sequence[int],
    stretches: Sequence[tuple[int, int]],
    n_samples: int,
    homes: Sequence[int],
) -> bool:
    """Tell whether a stimulus that names no site lies in a stretch of one that does."""
    if not others:
        return False
    edges = [(stretches[h][0] * n_samples, stretches[h][1] * n_samples) for h in set(homes)]
    return any(a <= other < b for other in others for a, b in edges)


def _placed(cues: Sequence[Cue], times: Timeline, header: Header) -> tuple[list[Cue], list[int]]:
    """Give each stimulus its time from the start of the file, and its record.

    Stamps count from the start of the file (EDF+ 2.2.4). Where that would give several sites
    the samples of one record, and counted from the start of its own record each stimulus gets
    samples of its own, the writer meant the latter.
    """
    records = [_record_of(cue, times, header) for cue in cues]
    if len(set(records)) == len(records):
        return list(cues), records
    own = [cue.record for cue in cues]
    moments = {(r, round(c.onset_s * 1e6)) for r, c in zip(records, cues, strict=True)}
    if (
        len(moments) < len(cues)
        and all(0 <= c.onset_s < header.record_s for c in cues)
        and len(set(own)) == len(own)
    ):
        moved = [c._replace(onset_s=times.onsets_s[c.record] + c.onset_s) for c in cues]
        return moved, own
    return list(cues), records


def _refuse_overlaps(edges: Sequence[tuple[int, int]], n_held: int) -> None:
    """Refuse sweeps that share their samples: a small file could ask for any memory so."""
    asked = sum([stop - start for start, stop in edges])
    if asked > _MOST_SHARED * n_held:
        raise ReadError(
            f"its {len(edges)} stimuli lie in one another: their sweeps would be "
            f"{asked / n_held:.0f} times as long as the signal.",
            hint="Each stimulus needs samples of its own; look at the annotations' times.",
        )


def _record_of(cue: Cue, times: Timeline, header: Header) -> int:
    """Give the record that a stimulus belongs to.

    It is the one the annotation stands in (EDF+ 2.2.4), unless its time lies outside that
    record and inside another one: some writers put all annotations wherever there is room.
    """
    begin = times.onsets_s[cue.record]
    if begin <= cue.onset_s < begin + header.record_s or len(times.onsets_s) == 1:
        return cue.record
    onsets = np.asarray(times.onsets_s)
    inside = np.flatnonzero((onsets <= cue.onset_s) & (cue.onset_s < onsets + header.record_s))
    return int(inside[0]) if len(inside) == 1 else cue.record


def _stretch_of(stretches: list[tuple[int, int]], n_records: int) -> list[int]:
    home = [0] * n_records
    for number, (a, b) in enumerate(stretches):
        home[a:b] = [number] * (b - a)
    return home


def _records_are_sweeps(
    header: Header, cues: Sequence[Cue], records: list[int], times: Timeline, rate: float
) -> bool:
    """Tell whether each data record is one sweep, as EDF+ prescribes for motor conduction."""
    alone = len(set(records)) == len(records) and 2 * len(records) >= header.n_records
    if header.record_s > _LONGEST_SWEEP_S or not alone:
        return False
    if header.is_interrupted:
        return True
    offsets = [c.onset_s - times.onsets_s[r] for c, r in zip(cues, records, strict=True)]
    steady = max(offsets) - min(offsets) <= 1.5 / rate
    return steady and len(cues) > 1 and header.record_s - max(offsets) >= _LEAST_AFTER_S

"""Stretches of signal whose annotation names no site: never dropped, never guessed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from ncs_cb.model import UnassignedStimulus
from ncs_cb.readers._shared.cues import Annotation, Heard
from ncs_cb.readers._shared.notes import is_note
from ncs_cb.readers._shared.stimuli import looks_given, plain
from ncs_cb.readers._shared.text import shown, words_of
from ncs_cb.readers._shared.unassigned import (
    MOST,
    apart,
    response_follows,
    skipped,
    stands_out,
)
from ncs_cb.readers.edf.header import Header
from ncs_cb.readers.edf.sweeps import Plan
from ncs_cb.readers.edf.tal import Timeline

# Samples are numbers of the converter here: the least noise is one step.
_STEP = 1.0
Track = tuple[float, int, np.ndarray]
"""Sampling rate, samples per record, and all samples of a signal."""


def find_unassigned(
    header: Header,
    times: Timeline,
    heard: Heard,
    plan: Plan,
    signals: Sequence[tuple[float, int, Callable[[], np.ndarray]]],
    name: str,
) -> tuple[UnassignedStimulus, ...]:
    """List the stimuli of one file that no site was named for.

    In a file of one stimulus per record that is every record with signal and a text, but
    without a stimulus that was understood; elsewhere every text away from the stimuli that
    were, if it speaks of one or a response follows it.

    Parameters
    ----------
    header, times, heard, plan
        The file, its time keeping, what was understood, and how its first signal is cut.
    signals : sequence of (float, int, callable)
        Rate and samples per record of every signal with responses, and what gives its samples:
        those of an hour are large, and mostly nobody asks.
    name : str
        What the file is called.
    """
    waiting = [a for a in heard.free if not is_note(a.text)]
    told = {a.record for a in times.annotations}
    if not waiting and len(told) == header.n_records:
        return ()
    found = []
    rate, per_record, _ = signals[0]
    in_records = _one_per_record(header, plan, per_record)
    held = {span.start // per_record for span in plan.spans}
    named = [span.start + span.stimulus_index for span in plan.spans]
    asks_silent = in_records and header.is_interrupted
    silent = sorted(set(range(header.n_records)) - told - held) if asks_silent else []
    if not (waiting or silent):
        return ()
    tracks = [(of_signal, n, samples()) for of_signal, n, samples in signals]
    names = words_of(header.patient) - {"x"}
    moving = [(of_signal, samples) for of_signal, _, samples in tracks]
    places = [_position(a, times, rate, per_record) for a in waiting]
    spans = sorted((span.start, span.stop) for span in plan.spans)
    starts = [start for start, _ in spans]
    reached = list(accumulate((stop for _, stop in spans), max))
    last = header.n_records * per_record
    for annotation, at, far in zip(waiting, places, apart(places, named, rate), strict=True):
        if in_records:
            is_lost = annotation.record not in held and _holds_signal(tracks, annotation.record)
        else:
            place = min(max(at, 0), last)
            before = bisect_right(starts, place)
            is_free = not (before and reached[before - 1] > place)
            is_lost = (looks_given(annotation.text) and far) or (
                is_free and response_follows(moving, at / rate, _STEP)
            )
        if is_lost:
            text = shown(annotation.text, names)
            found.append(
                UnassignedStimulus(name, text, annotation.record, round(annotation.onset_s, 9))
            )
    for record in silent:
        if _response_in(tracks, record):
            found.append(UnassignedStimulus(name, "", record, round(times.onsets_s[record], 9)))
    return tuple(found[:MOST])


def with_silent(times: Timeline, header: Header, sites: Mapping[str, str]) -> Timeline:
    """Give the records that hold no text the one by which ``study.toml`` names their site.

    Parameters
    ----------
    times : Timeline
    header : Header
    sites : mapping of str to str
        As ``study.toml`` says: ``sweep 2`` is one such record, an empty text all of them.
    """
    told = {plain(text) for text in sites}
    if not told or not header.is_interrupted:
        return times
    said = {a.record for a in times.annotations}
    more = []
    for record in set(range(header.n_records)) - said:
        text = next((t for t in (f"sweep {record}", "") if plain(t) in told), None)
        if text is not None:
            more.append(Annotation(record, times.onsets_s[record], text))
    both = sorted((*times.annotations, *more), key=lambda a: a.record)
    return replace(times, annotations=tuple(both))


def _one_per_record(header: Header, plan: Plan, per_record: int) -> bool:
    """Tell whether each record is a sweep: so cut, or so written where nothing was understood."""
    if not plan.spans:
        return header.is_interrupted
    return header.is_interrupted and all(
        span.stop - span.start == per_record and span.start % per_record == 0 for span in plan.spans
    )


def _position(annotation: Annotation, times: Timeline, rate: float, per_record: int) -> int:
    begin = times.onsets_s[annotation.record]
    return annotation.record * per_record + round((annotation.onset_s - begin) * rate)


def _holds_signal(tracks: Sequence[Track], record: int) -> bool:
    """Tell whether any signal of a record is more than a flat line."""
    parts = (x[record * n : (record + 1) * n] for _, n, x in tracks)
    return any(len(part) > 1 and int(part.max()) > int(part.min()) for part in parts)


def _response_in(tracks: Sequence[Track], record: int) -> bool:
    return any(
        stands_out(x[record * n + skipped(rate) : (record + 1) * n], _STEP) for rate, n, x in tracks
    )

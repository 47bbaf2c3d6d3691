"""Stretches of signal whose annotation names no site: never dropped, never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncs_cb.model import UnassignedStimulus
from ncs_cb.readers._shared.stimuli import is_note, looks_given
from ncs_cb.readers._shared.text import shown
from ncs_cb.readers.edf.cues import Heard
from ncs_cb.readers.edf.header import Header
from ncs_cb.readers.edf.sweeps import Plan
from ncs_cb.readers.edf.tal import Annotation, Timeline

# What is looked at behind an annotation, and how far a response must stand out there.
_FROM_S, _TO_S = 1e-3, 0.060
_CLEAR = 20.0
_MOST = 200

Track = tuple[float, int, np.ndarray]
"""Sampling rate, samples per record, and all samples of a signal."""


def find_unassigned(
    header: Header,
    times: Timeline,
    heard: Heard,
    plan: Plan,
    tracks: Sequence[Track],
    name: str,
    names: frozenset[str],
) -> tuple[UnassignedStimulus, ...]:
    """List the stimuli of one file that no site was named for.

    In a file of one stimulus per record that is every record with signal and a text, but
    without a stimulus that was understood; elsewhere every text away from the stimuli that
    were, if it speaks of one or a response follows it.

    Parameters
    ----------
    header, times, heard, plan
        The file, its time keeping, what was understood, and how its first signal is cut.
    tracks : sequence of (float, int, ndarray)
        Rate, samples per record and samples of every signal with responses.
    name : str
        What the file is called.
    names : frozenset of str
        Words that name the patient; they are never shown.
    """
    found = []
    _, per_record, _ = tracks[0]
    in_records = _one_per_record(header, plan, per_record)
    held = {span.start // per_record for span in plan.spans}
    rate = tracks[0][0]
    for annotation in heard.free:
        if is_note(annotation.text):
            continue
        at = _position(annotation, times, rate, per_record)
        if in_records:
            is_lost = annotation.record not in held and _holds_signal(tracks, annotation.record)
        else:
            is_free = not any(span.start <= at < span.stop for span in plan.spans)
            is_lost = is_free and (
                looks_given(annotation.text) or _response_follows(tracks, at / rate)
            )
        if is_lost:
            text = shown(annotation.text, names)
            found.append(
                UnassignedStimulus(name, text, annotation.record, round(annotation.onset_s, 9))
            )
    if in_records and header.is_interrupted:
        said = {a.record for a in times.annotations}
        for record in range(header.n_records):
            if record in held or record in said or not _response_in(tracks, record):
                continue
            found.append(UnassignedStimulus(name, "", record, round(times.onsets_s[record], 9)))
    return tuple(found[:_MOST])


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
        _stands_out(x[record * n + round(_FROM_S * rate) : (record + 1) * n])
        for rate, n, x in tracks
    )


def _response_follows(tracks: Sequence[Track], at_s: float) -> bool:
    """Tell whether something much larger than the noise follows a moment, and not before it."""
    for rate, _, samples in tracks:
        at = round(at_s * rate)
        before = samples[max(at - round(_TO_S * rate), 0) : max(at - 1, 0)]
        after = samples[max(at, 0) + round(_FROM_S * rate) : max(at, 0) + round(_TO_S * rate)]
        if len(before) < 16 or not _stands_out(after):
            continue
        if float(np.ptp(after.astype(float))) > 4.0 * float(np.ptp(before.astype(float))):
            return True
    return False


def _stands_out(samples: np.ndarray) -> bool:
    if len(samples) < 16:
        return False
    values = samples.astype(float)
    # A response changes slowly: most steps between its samples are those of the noise.
    noise = max(float(np.median(np.abs(np.diff(values)))), 1.0)
    return float(np.ptp(values)) > _CLEAR * noise

"""A continuous MNE recording to sweeps: cut around its stimuli, never across a break."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ncs_cb.model import UnassignedStimulus
from ncs_cb.readers._shared import windows
from ncs_cb.readers._shared.cues import Annotation, hear, refuse_shared_instants
from ncs_cb.readers._shared.names import from_label
from ncs_cb.readers._shared.notes import is_note
from ncs_cb.readers._shared.stimuli import looks_given, unmarked
from ncs_cb.readers._shared.text import shown, words_of
from ncs_cb.readers._shared.triggers import codes, is_trigger
from ncs_cb.readers._shared.unassigned import MOST, apart, response_follows
from ncs_cb.readers.via_mne.sweeps import Found, Sweep

_BREAK = re.compile(r"(bad|edge)[ _]?(boundary|acq_skip)|new segment|^boundary", re.IGNORECASE)
# A tenth of a microvolt: the least noise of any amplifier.
_LEAST_NOISE_V = 1e-7
# Neuromag writes each bit of the trigger by itself and all of them together here.
_COMPOSITES = ("STI 014", "STI014", "STI101", "STI 101")


def found_in_raw(raw: Any, sites: Mapping[str, str], name: str) -> Found:
    """Give the sweeps of a continuous recording, and the stimuli whose site nobody names.

    Raises
    ------
    StudyError
        If `sites` names a text that the recording does not have, two sites stand at one
        instant, or a text is nearly the name of a site.
    """
    rate, length = float(raw.info["sfreq"]), len(raw.times)
    at = _texts(raw)
    breaks = sorted({0, length, *(p for p, text in at if _BREAK.search(text) and 0 < p < length)})
    at = [(p, text) for p, text in at if not _BREAK.search(text)]
    at += _triggers(raw, [p for p, _ in at], rate)
    heard = hear([Annotation(0, p / rate, unmarked(text)) for p, text in sorted(at)], sites)
    positions = [round(cue.onset_s * rate) for cue in heard.cues]
    refuse_shared_instants(heard.cues, positions, rate)
    waiting = [a for a in heard.free if not is_note(a.text)]
    given = [round(a.onset_s * rate) for a in waiting if looks_given(a.text)]
    given = [p for p, far in zip(given, apart(given, positions, rate), strict=True) if far]
    bounds = [_stretch(breaks, position) for position in positions]
    edges = windows.windows(positions, bounds, rate, given)
    volts = raw.get_data()
    sweeps = [
        Sweep(volts[:, a:b], position - a, cue.spoken, cue.machine)
        for (a, b), position, cue in zip(edges, positions, heard.cues, strict=True)
    ]
    is_cut = np.zeros(length, dtype=bool)
    for start, stop in edges:
        is_cut[start:stop] = True
    lost = _lost(waiting, set(given), is_cut, [(rate, v) for v in _moving(raw, volts)], name, raw)
    return Found(sweeps, tuple(a.text for a in heard.free), lost, windows.way())


def _texts(raw: Any) -> list[tuple[int, str]]:
    """Give (sample, text) of every annotation."""
    import mne

    texts = list(dict.fromkeys(str(d) for d in raw.annotations.description))
    if not texts:
        return []
    events, _ = mne.events_from_annotations(
        raw, event_id={text: i for i, text in enumerate(texts)}, regexp=None, verbose="error"
    )
    return [(int(sample) - raw.first_samp, texts[code]) for sample, _, code in events]


def _triggers(raw: Any, known: Sequence[int], rate: float) -> list[tuple[int, str]]:
    """Give (sample, text) of the trigger channels, where no annotation stands at that moment."""
    types = raw.get_channel_types()
    names = [n for n, kind in zip(raw.ch_names, types, strict=True) if kind == "stim"]
    names = names or [n for n in raw.ch_names if is_trigger(n)]
    composite = [n for n in names if n in _COMPOSITES]
    found: dict[int, str] = {}
    for channel in composite[:1] or names:
        told = codes(raw.get_data(picks=[channel])[0])
        far = apart([sample for sample, _ in told], known, rate)
        for (sample, text), is_apart in zip(told, far, strict=True):
            if is_apart:
                found.setdefault(sample, text)
    return sorted(found.items())


def _stretch(breaks: Sequence[int], position: int) -> tuple[int, int]:
    """Give the uninterrupted stretch that a sample lies in."""
    for low, high in itertools.pairwise(breaks):
        if low <= position < high:
            return low, high
    return breaks[-2], breaks[-1]


def _moving(raw: Any, volts: np.ndarray) -> list[np.ndarray]:
    """Give the signals that may hold responses: those named after a muscle, else all of them."""
    named = [i for i, n in enumerate(raw.ch_names) if from_label(n).is_response]
    others = [i for i, n in enumerate(raw.ch_names) if not is_trigger(n)]
    return [volts[i] for i in named or others]


def _lost(
    waiting: Sequence[Annotation],
    given: set[int],
    is_cut: np.ndarray,
    moving: Sequence[tuple[float, np.ndarray]],
    name: str,
    raw: Any,
) -> tuple[UnassignedStimulus, ...]:
    """List the texts that speak of a stimulus, or that a response follows, away from all sweeps."""
    found: list[UnassignedStimulus] = []
    names, rate = _person(raw), float(raw.info["sfreq"])
    for number, annotation in enumerate(waiting):
        at = round(annotation.onset_s * rate)
        is_free = not (0 <= at < len(is_cut) and is_cut[at])
        if at in given or (
            is_free and response_follows(moving, annotation.onset_s, _LEAST_NOISE_V)
        ):
            text = shown(annotation.text, names)
            found.append(UnassignedStimulus(name, text, number, round(annotation.onset_s, 9)))
        if len(found) == MOST:
            break
    return tuple(found)


def _person(raw: Any) -> frozenset[str]:
    """Give the words that name the patient; they are never shown."""
    subject = raw.info.get("subject_info") or {}
    keys = ("last_name", "first_name", "middle_name", "his_id")
    return words_of(*(str(subject.get(key) or "") for key in keys))

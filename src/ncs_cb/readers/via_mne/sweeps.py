"""MNE objects to sweeps, and sweeps to traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ncs_cb.errors import ReadError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.model import (
    Decision,
    Kind,
    MachineValues,
    RecordingOverride,
    Site,
    Trace,
    UnassignedStimulus,
)
from ncs_cb.readers._shared.cues import NO_VALUES, refuse_absent_texts, repeats, stimulus_of
from ncs_cb.readers._shared.plausible import STRONGEST_MA, check_rate, refuse_large
from ncs_cb.readers._shared.polarity import orient
from ncs_cb.readers._shared.stimuli import Spoken, assigned, plain, unmarked
from ncs_cb.readers._shared.stimuli import stimulus as parsed
from ncs_cb.readers._shared.text import shown
from ncs_cb.readers._shared.truth import is_missing, truth
from ncs_cb.readers._shared.unassigned import MOST
from ncs_cb.units import FARTHEST_MM


@dataclass(frozen=True, slots=True)
class Sweep:
    """One stimulus: all channels in V, shape (n_channels, n_samples), and what is said of it."""

    volts: np.ndarray
    stimulus_index: int
    spoken: Spoken
    machine: MachineValues = NO_VALUES


@dataclass(frozen=True, slots=True)
class Found:
    """What one MNE object holds: sweeps, texts that are no stimulus, stimuli without a site."""

    sweeps: list[Sweep]
    free: tuple[str, ...] = ()
    unassigned: tuple[UnassignedStimulus, ...] = ()
    way: str = "one sweep in each epoch"


@dataclass(frozen=True, slots=True)
class Channels:
    """Names, sampling rate and filters of what MNE opened, and its description."""

    names: tuple[str, ...]
    rate: float
    high_pass_hz: float | None
    low_pass_hz: float | None
    description: str


def described(info: Any) -> Channels:
    """Keep of an MNE info what a trace needs; subject and experimenter are never looked at."""
    rate = float(info["sfreq"])
    if abs(rate - round(rate)) < 1e-6 * rate:
        rate = float(round(rate))
    check_rate(rate)
    high, low = info["highpass"], info["lowpass"]
    # MNE reports half the sampling rate where the low-pass is unknown or above it.
    return Channels(
        tuple(info["ch_names"]),
        rate,
        float(high) if high else None,
        float(low) if low and low < 0.499 * rate else None,
        str(info["description"] or ""),
    )


def epoch_sweeps(epochs: Any, sites: Mapping[str, str] | None) -> list[Sweep]:
    """Give one sweep per epoch; sites by event name or from the metadata.

    Raises
    ------
    StudyError
        If an epoch names no site.
    """
    return [
        Sweep(block, index, spoken_of(name, row, sites))
        for block, index, name, row in _epochs(epochs)
    ]


def found_in_epochs(epochs: Any, sites: Mapping[str, str], name: str) -> Found:
    """Give the sweeps of epochs of a file; those that name no site are unassigned."""
    refuse_absent_texts(sites, epochs.event_id, "no event is called")
    found = [
        (block, index, text, _named(text, row, sites))
        for block, index, text, row in _epochs(epochs)
    ]
    return _sorted_out(found, name)


def found_in_evoked(listed: Sequence[Any], sites: Mapping[str, str], name: str) -> Found:
    """Give the sweeps of the evoked responses of a file; those without site are unassigned."""
    comments = [str(evoked.comment or "") for evoked in listed]
    refuse_absent_texts(sites, comments, "no event is called")
    found = [
        (np.array(evoked.data), _index(evoked), text, _named(text, {}, sites))
        for evoked, text in zip(listed, comments, strict=True)
    ]
    return _sorted_out(found, name)


_Piece = tuple[np.ndarray, int, str, Spoken | None]


def _sorted_out(pieces: Sequence[_Piece], name: str) -> Found:
    sweeps = [Sweep(block, index, said) for block, index, _, said in pieces if said is not None]
    lost = tuple(
        UnassignedStimulus(name, shown(text), number)
        for number, (block, _, text, said) in enumerate(pieces)
        if said is None and block.size and float(np.ptp(block)) > 0.0
    )
    return Found(sweeps, (), lost[:MOST])


def _epochs(epochs: Any) -> Iterator[tuple[np.ndarray, int, str, Mapping[Any, Any]]]:
    names = {code: name for name, code in epochs.event_id.items()}
    metadata = epochs.metadata
    rows = metadata.to_dict("records") if metadata is not None else [{}] * len(epochs)
    volts = epochs.get_data(copy=True)
    for block, code, row in zip(volts, epochs.events[:, 2], rows, strict=True):
        yield block, _index(epochs), names[int(code)], row


def _index(made: Any) -> int:
    return round(-float(made.times[0]) * float(made.info["sfreq"]))


def evoked_sweep(evoked: Any, sites: Mapping[str, str] | None) -> Sweep:
    """Give the sweep of one evoked response; its site by comment."""
    comment = str(evoked.comment or "")
    return Sweep(np.array(evoked.data), _index(evoked), spoken_of(comment, {}, sites))


def spoken_of(name: str, row: Mapping[Any, Any], sites: Mapping[str, str] | None) -> Spoken:
    """Say what is known of one epoch: the mapping wins, then metadata, then the event's name.

    Raises
    ------
    StudyError
        If that names no site.
    """
    told = row.get("site", row.get("stimulation_site")) if sites is None else sites.get(name)
    if sites is not None and told is None:
        raise StudyError(
            f"sites: no entry for event '{name[:80]}'; given: {', '.join(map(repr, sites))}."
            + did_you_mean(name[:80], sites)
        )
    text = str(told if told is not None else name)[:200]
    said = parsed(text)
    if said is None or said.site is None:
        resolve("sites", text[:80])
        raise StudyError("an epoch names no stimulation site.")
    return _with_row(said, row)


def _named(text: str, row: Mapping[Any, Any], sites: Mapping[str, str]) -> Spoken | None:
    """Say what is known of one epoch of a file; None when nothing names its site."""
    told = {plain(key): site for key, site in sites.items()}.get(plain(text))
    if told is not None:
        return _with_row(assigned(text, told), row)
    place = row.get("site", row.get("stimulation_site"))
    said = parsed(str(place)[:200]) if isinstance(place, str) else parsed(unmarked(text))
    return _with_row(said, row) if said is not None and said.site is not None else None


def _with_row(said: Spoken, row: Mapping[Any, Any]) -> Spoken:
    is_attested = _truth(row, "supramaximal")
    collision = _truth(row, "collision_used")
    return replace(
        said,
        distance_mm=_number(row, "distance_mm", said.distance_mm),
        intensity_ma=_number(row, "stimulus_ma", said.intensity_ma),
        supramaximal=said.supramaximal if is_attested is None else is_attested,
        collision_used=said.collision_used if collision is None else collision,
    )


def _truth(row: Mapping[Any, Any], column: str) -> bool | None:
    try:
        return truth(row.get(column), f"metadata column '{column}'")
    except ReadError as problem:
        raise StudyError(problem.message, hint=problem.hint) from None


def _number(row: Mapping[Any, Any], column: str, otherwise: float | None) -> float | None:
    value = row.get(column)
    if is_missing(value):
        return otherwise
    return plausible(value, f"metadata column '{column}'", _HIGHEST[column], otherwise)


_HIGHEST = {"distance_mm": FARTHEST_MM, "stimulus_ma": STRONGEST_MA}


def plausible(value: Any, where: str, most: float, otherwise: float | None = None) -> float | None:
    """Give a number from 0 to `most`; NaN is unknown.

    Raises
    ------
    StudyError
        If it is no number, negative, infinite or larger.
    """
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise StudyError(f"{where}: must be a number, or empty for unknown.") from None
    if np.isnan(found):
        return otherwise
    if not 0 <= found <= most:
        raise StudyError(f"{where}: {found:g}; plausible: 0 to {most:g}.")
    return found


@dataclass(frozen=True, slots=True)
class Lead:
    """A channel of an object, and what its recording is called."""

    index: int
    name: str
    factor: float = 1e3
    """From what MNE gives to mV."""


def traces_of(
    sweeps: Sequence[Sweep],
    numbers: Sequence[int],
    lead: Lead,
    channels: Channels,
    places: Sequence[Site],
    kind: Kind,
    told: RecordingOverride,
) -> tuple[list[Trace], list[Decision]]:
    """Make the traces of one channel, negative up, and say what was settled.

    Parameters
    ----------
    sweeps : sequence of Sweep
    numbers : sequence of int
        The number of each in its recording.
    lead : Lead
    channels : Channels
    places : sequence of Site
        Of each sweep.
    kind : str
    told : RecordingOverride
    """
    blocks = [sweep.volts[lead.index] * lead.factor for sweep in sweeps]
    indices = [sweep.stimulus_index for sweep in sweeps]
    refuse_large(blocks, indices, channels.rate, told.unit or "V")
    turn = orient(told.polarity, blocks, sampling_rate_hz=channels.rate, stimulus_indices=indices)
    often = repeats([sweep.spoken for sweep in sweeps])
    traces = []
    for block, sweep, number, site, repeat in zip(
        blocks, sweeps, numbers, places, often, strict=True
    ):
        position(site.nerve, site.stimulation_site)
        samples = block * turn.sign
        samples.setflags(write=False)
        traces.append(
            Trace(
                samples,
                channels.rate,
                sweep.stimulus_index,
                site,
                lead.name,
                kind,
                stimulus_of(sweep.spoken),
                channels.high_pass_hz,
                channels.low_pass_hz,
                number,
                repeat,
                machine=sweep.machine,
                flags=() if turn.is_certain else ("polarity_uncertain",),
            )
        )
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    doubt = "" if turn.is_certain else "; ambiguous"
    return traces, [Decision(lead.name, "polarity", choice, turn.reason + doubt)]

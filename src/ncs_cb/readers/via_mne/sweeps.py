"""MNE objects to sweeps, and sweeps to traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ncs_cb.errors import ReadError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.model import Decision, Kind, RecordingOverride, Side, Site, Stimulus, Trace
from ncs_cb.readers._shared import windows
from ncs_cb.readers._shared.plausible import FARTHEST_MM, STRONGEST_MA, check_rate, refuse_large
from ncs_cb.readers._shared.polarity import orient
from ncs_cb.readers._shared.stimuli import Spoken
from ncs_cb.readers._shared.stimuli import stimulus as parsed
from ncs_cb.readers._shared.told import attested
from ncs_cb.readers._shared.truth import truth


@dataclass(frozen=True, slots=True)
class Sweep:
    """One stimulus: all channels in V, shape (n_channels, n_samples), and what is said of it."""

    volts: np.ndarray
    stimulus_index: int
    spoken: Spoken


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
    """Give one sweep per epoch; sites by event name or from the metadata."""
    names = {code: name for name, code in epochs.event_id.items()}
    metadata = epochs.metadata
    rows = metadata.to_dict("records") if metadata is not None else [{}] * len(epochs)
    index = round(-float(epochs.times[0]) * float(epochs.info["sfreq"]))
    volts = epochs.get_data(copy=True)
    return [
        Sweep(block, index, _spoken(names[int(code)], row, sites))
        for block, code, row in zip(volts, epochs.events[:, 2], rows, strict=True)
    ]


def evoked_sweep(evoked: Any, sites: Mapping[str, str] | None) -> Sweep:
    """Give the sweep of one evoked response; its site by comment."""
    index = round(-float(evoked.times[0]) * float(evoked.info["sfreq"]))
    return Sweep(np.array(evoked.data), index, _spoken(str(evoked.comment or ""), {}, sites))


def _spoken(name: str, row: Mapping[Any, Any], sites: Mapping[str, str] | None) -> Spoken:
    """Say what is known of one epoch: the mapping wins, then metadata, then the event's name."""
    told = row.get("site", row.get("stimulation_site")) if sites is None else sites.get(name)
    if sites is not None and told is None:
        raise StudyError(
            f"sites: no entry for event '{name[:80]}'; given: {', '.join(map(repr, sites))}."
            + did_you_mean(name[:80], sites)
        )
    said = parsed(str(told if told is not None else name)[:200])
    if said is None or said.site is None:
        resolve("sites", str(told if told is not None else name)[:80])
        raise StudyError("an epoch names no stimulation site.")
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
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
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
    except (TypeError, ValueError):
        raise StudyError(f"{where}: must be a number, or empty for unknown.") from None
    if np.isnan(found):
        return otherwise
    if not 0 <= found <= most:
        raise StudyError(f"{where}: {found:g}; plausible: 0 to {most:g}.")
    return found


def traces_of(
    sweeps: Sequence[Sweep],
    channel: int,
    channels: Channels,
    where: tuple[str, Side, str, Kind],
    name: str,
    told: RecordingOverride,
) -> tuple[list[Trace], list[Decision]]:
    """Make the traces of one channel, negative up, and say what was settled."""
    nerve, side, muscle, kind = where
    blocks = [sweep.volts[channel] * 1e3 for sweep in sweeps]
    indices = [sweep.stimulus_index for sweep in sweeps]
    refuse_large(blocks, indices, channels.rate, "V")
    turn = orient(told.polarity, blocks, sampling_rate_hz=channels.rate, stimulus_indices=indices)
    repeats = Counter(sweep.spoken.key for sweep in sweeps)
    traces = []
    for number, (block, sweep) in enumerate(zip(blocks, sweeps, strict=True)):
        said = sweep.spoken
        position(nerve, said.site or "")
        samples = block * turn.sign
        samples.setflags(write=False)
        stimulus = Stimulus(said.distance_mm, said.intensity_ma, said.duration_ms)
        traces.append(
            Trace(
                samples,
                channels.rate,
                sweep.stimulus_index,
                Site(nerve, side, muscle, said.site or ""),
                name,
                kind,
                attested(stimulus, said.supramaximal, said.collision_used, by="file"),
                channels.high_pass_hz,
                channels.low_pass_hz,
                number,
                said.key if repeats[said.key] > 1 else None,
                flags=() if turn.is_certain else ("polarity_uncertain",),
            )
        )
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    return traces, [
        Decision(name, "polarity", choice, turn.reason),
        Decision(name, "sweeps", str(len(sweeps)), windows.way()),
    ]

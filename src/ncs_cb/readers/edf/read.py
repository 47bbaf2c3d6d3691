"""EDF, EDF+C, EDF+D and BDF+ to traces, record by record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from ncs_cb.errors import ReadError, StudyError, UnitError, did_you_mean
from ncs_cb.knowledge.anatomy import anatomy, normalize
from ncs_cb.model import (
    Decision,
    Side,
    Site,
    Trace,
)
from ncs_cb.readers._shared.cues import (
    NO_VALUES,
    Cue,
    Heard,
    hear,
    known_sites,
    repeats,
    stimulus_of,
)
from ncs_cb.readers._shared.names import Named, from_label, from_recording_field
from ncs_cb.readers._shared.plausible import (
    refuse_large,
)
from ncs_cb.readers._shared.polarity import Orientation, orient
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.stimuli import plain
from ncs_cb.readers._shared.where import Where, where_of
from ncs_cb.readers._shared.words import translated
from ncs_cb.readers.edf.header import Header, Scale, Signal, parse_header, sampling_rate, scale_of
from ncs_cb.readers.edf.person import person_of
from ncs_cb.readers.edf.samples import cut, digital, with_triggers
from ncs_cb.readers.edf.sweeps import Plan, plan_sweeps
from ncs_cb.readers.edf.tal import Timeline, timeline
from ncs_cb.readers.edf.unassigned import find_unassigned, with_silent
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV, hertz, millivolts_per

# A few samples beyond the digital range are spikes of a converter, not another scale.
_MOST_STRAY = 1e-3
_CELSIUS = ("degC", "degree C", "C", "\xb0C")
FILTER = re.compile(r"(HP|LP|N)\s*:\s*([\d.]+\s*k?Hz)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Amplifier:
    """How the numbers of a signal become mV, what one bit is worth, and the filter.

    ``range_mv`` are the physical limits, ascending, sign as in the file.
    """

    scale: Scale
    factor: float
    range_mv: tuple[float, float]
    resolution_mv: float
    filters: tuple[float | None, float | None]
    text: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A signal that holds responses, with everything needed to scale and name it."""

    signal: Signal
    muscle: str
    side: Side | None
    amplifier: Amplifier
    rate: float


def read(source: Input) -> Recording:
    """Read one EDF or BDF file.

    Raises
    ------
    ReadError
        If the file is truncated, lies about itself or does not keep time.
    UnitError
        If the dimension of a response signal is missing or unknown, or a response exceeds
        100 mV.
    StudyError
        If there is no stimulus, or nerve, side, muscle or site are unknown or contradict.
    """
    header = parse_header(source.data)
    times = _in_usual_words(timeline(header, source.data), source)
    person = person_of(header, source.name, keep_identity=source.keep_identity)
    field = from_recording_field(translated(header.recording, source.words))
    decisions = [*person.decisions, *_salvaged(header, source.name)]
    channels = _channels(header, field, source, decisions)
    times = with_silent(with_triggers(times, header, source.data), header, source.override.sites)
    heard = hear(times.annotations, source.override.sites)
    plans = [
        plan_sweeps(header, times, heard, rate=one.rate, n_samples=one.signal.n_samples)
        for one in channels
    ]
    traces: list[Trace] = []
    if heard.cues:
        where = where_of(field, channels, [cue.spoken for cue in heard.cues], source, decisions)
        alone = len(channels) == 1
        for channel, plan in zip(channels, plans, strict=True):
            traces += _traces(
                channel, header, heard.cues, where, source, decisions, plan, has_machine=alone
            )
    signals = [
        (c.rate, c.signal.n_samples, partial(digital, header, c.signal, source.data))
        for c in channels
    ]
    unassigned = find_unassigned(header, times, heard, plans[0], signals, source.name)
    if not heard.cues and not unassigned:
        raise _no_stimulus(len(heard.free))
    _note_decisions(heard, times, source, decisions)
    free = tuple(a.text for a in heard.free)
    return Recording(
        tuple(traces),
        decisions=tuple(decisions),
        details=person.details,
        notes=(*person.notes, *free) if source.keep_identity else (),
        birth_key=person.birth_key,
        unassigned=unassigned,
    )


def _salvaged(header: Header, file: str) -> list[Decision]:
    return [Decision(file, "salvage", "read nevertheless", why) for why in header.salvaged]


def _no_stimulus(n_annotations: int) -> StudyError:
    return StudyError(
        f"no stimulus: none of {n_annotations} annotations is a stimulus or a site name.",
        hint="Expected 'Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site', or "
        f"one of: {known_sites()}. 'ncs-cb formats edf' says what is needed.",
    )


def _in_usual_words(times: Timeline, source: Input) -> Timeline:
    """Put the usual names for a laboratory's own words; ``study.toml`` has its say before."""
    told = {plain(text) for text in source.override.sites}
    if not source.words:
        return times
    return replace(
        times,
        annotations=tuple(
            a if plain(a.text) in told else a._replace(text=translated(a.text, source.words))
            for a in times.annotations
        ),
    )


def _note_decisions(
    heard: Heard, times: Timeline, source: Input, decisions: list[Decision]
) -> None:
    for encoding in sorted(times.encodings):
        why = "an annotation is not UTF-8 text, as the standard asks"
        decisions.append(Decision(source.name, "encoding", encoding, why))
    if heard.free and not source.keep_identity:
        decisions.append(
            Decision(
                source.name,
                "notes",
                "dropped",
                f"{len(heard.free)} free annotations were not kept: free text may hold a name",
            )
        )
    if heard.temperature_c is not None:
        decisions.append(
            Decision(
                source.name,
                "temperature",
                f"{heard.temperature_c:g} degree C",
                "noted in the recording; study.toml states the limb temperature",
            )
        )


# --------------------------------------------------------------------------- which signals


def _channels(
    header: Header, field: Named, source: Input, decisions: list[Decision]
) -> list[Channel]:
    """Choose the signals that hold responses: those whose label names a muscle, or NC or EMG."""
    ordinary = header.ordinary
    if not ordinary:
        raise StudyError("the file holds annotations but no signal.")
    named = [(s, from_label(translated(s.label, source.words))) for s in ordinary]
    chosen = [(s, n) for s, n in named if n.muscle is not None]
    told = source.override.muscle
    if told is not None and len(chosen) > 1:
        chosen = [(s, n) for s, n in chosen if n.muscle == told]
    chosen = chosen or [(s, n) for s, n in named if n.is_response]
    if not chosen and len(ordinary) == 1:
        chosen = named
    if not chosen:
        raise StudyError(
            f"none of {len(ordinary)} signals is labeled with a known muscle; known: "
            f"{', '.join(anatomy().muscles)}." + _nearest_muscle(ordinary),
            hint="Labels such as 'R APB' or 'NC L_ADM' are understood.",
        )
    decisions += _temperatures(ordinary, header, source)
    ignored = len(ordinary) - len(chosen)
    if ignored:
        decisions.append(
            Decision(
                source.name,
                "signals",
                f"{len(chosen)} of {len(ordinary)}",
                f"{ignored} signals are not labeled as muscle responses and were left out",
            )
        )
    return [_channel(s, n, header, field, source, decisions, len(chosen)) for s, n in chosen]


def _temperatures(signals: Sequence[Signal], header: Header, source: Input) -> Iterator[Decision]:
    """Note what a temperature signal shows; where it was taken only ``study.toml`` can say."""
    for signal in signals:
        if signal.label.split(" ")[0].casefold() != "temp" or signal.dimension not in _CELSIUS:
            continue
        scale = scale_of(signal, header.sample_bytes)
        mean = float(digital(header, signal, source.data).mean())
        value = (mean - scale.digital_min) * scale.gain + scale.physical_min
        yield Decision(
            source.name,
            "temperature",
            f"{value:.1f} degree C",
            "mean of the temperature signal; study.toml states the limb temperature",
        )


def _channel(
    signal: Signal,
    named: Named,
    header: Header,
    field: Named,
    source: Input,
    decisions: list[Decision],
    n_chosen: int,
) -> Channel:
    amplifier = _amplifier(signal, header.sample_bytes, source.override.unit)
    rate = sampling_rate(header, signal)
    told = source.override.muscle if n_chosen == 1 else None
    muscle = told or named.muscle or field.muscle
    if muscle is None:
        raise StudyError(
            f"the label names no known muscle; known: {', '.join(anatomy().muscles)}."
            + _nearest_muscle([signal]),
            hint=f'Set muscle under [recordings."{source.name}"] in study.toml.',
        )
    decisions.append(Decision(source.name, "signal", muscle, amplifier.text))
    return Channel(signal, muscle, named.side, amplifier, rate)


# As the signal headers themselves, the same in file after file.
@lru_cache(maxsize=512)
def _amplifier(signal: Signal, sample_bytes: int, told: str | None) -> Amplifier:
    factor = millivolts_per(told) if told else _factor(signal)
    scale = scale_of(signal, sample_bytes)
    resolution = abs(scale.gain) * factor
    filters = " ".join(found[0] for found in FILTER.finditer(signal.prefilter)) or "not stated"
    # By the very arithmetic that scales the samples, so that a clipped one equals its limit.
    low, high = sorted(
        ((end - scale.digital_min) * scale.gain + scale.physical_min) * factor
        for end in (float(scale.digital_min), float(scale.digital_max))
    )
    return Amplifier(
        scale,
        factor,
        (low, high),
        resolution,
        _filters(signal.prefilter),
        f"dimension {_dimension(signal, told)}, {resolution * 1e3:.4g} uV per bit, "
        f"filter {filters}" + (", negative gain" if scale.gain < 0 else ""),
    )


def _dimension(signal: Signal, told: str | None) -> str:
    if told is None or told == signal.dimension:
        return signal.dimension
    said = f"the file says {signal.dimension[:4]}" if signal.dimension else "the file names none"
    return f"{told} as study.toml says ({said})"


def _factor(signal: Signal) -> float:
    """Give mV per physical unit. EDF+ 2.1.3: a blank dimension is an uncalibrated signal."""
    if not signal.dimension:
        raise UnitError(
            "the voltage unit is missing: the signal is uncalibrated.",
            hint="Export the recording with its unit (mV or uV).",
        )
    known = signal.dimension if len(signal.dimension) <= 4 else signal.dimension[:4] + "..."
    return millivolts_per(known)


def _nearest_muscle(signals: Sequence[Signal]) -> str:
    """Name the muscle that a label resembles; the label itself is never quoted."""
    known = {normalize(n): m.id for m in anatomy().muscles.values() for n in (m.id, *m.aliases)}
    for signal in signals:
        plain = normalize(re.sub(r"^\s*(NC|EMG|EP)?\s*[RL]?[\s_]", "", signal.label))
        nearest = did_you_mean(plain, known) if plain else ""
        alias = nearest.removeprefix(" Did you mean '").removesuffix("'?")
        if nearest:
            return f" Did you mean '{known[alias]}'?"
    return ""


# --------------------------------------------------------------------------- samples


def _stray(n_samples: int, file: str) -> list[Decision]:
    if not n_samples:
        return []
    why = (
        f"{n_samples} samples lie outside the digital range of the header; they are unknown, and a "
        "sweep that holds one is not measured"
    )
    return [Decision(file, "salvage", "read nevertheless", why)]


def _of_channel(channel: Channel, where: Where) -> list[int]:
    """Give the stimuli whose answers this channel recorded."""
    if len(set(where.sides)) == 1:
        return list(range(len(where.sides)))
    return [i for i, side in enumerate(where.sides) if channel.side in (None, side)]


def _traces(
    channel: Channel,
    header: Header,
    cues: Sequence[Cue],
    where: Where,
    source: Input,
    decisions: list[Decision],
    plan: Plan,
    *,
    has_machine: bool,
) -> list[Trace]:
    mine = _of_channel(channel, where)
    if not mine:
        return []
    if len(mine) < len(cues):
        cues = [cues[i] for i in mine]
        plan = replace(plan, spans=tuple(plan.spans[i] for i in mine))
    places = [(where.nerves[i], where.sides[i]) for i in mine]
    blocks, stray = _in_millivolts(channel, header, source.data, plan)
    decisions += _stray(stray, source.name)
    indices = [span.stimulus_index for span in plan.spans]
    turn = orient(
        source.override.polarity, blocks, sampling_rate_hz=channel.rate, stimulus_indices=indices
    )
    amplifier = channel.amplifier
    low, high = amplifier.range_mv
    if max(abs(low), abs(high)) > LARGEST_PLAUSIBLE_RESPONSE_MV / 2:
        refuse_large(blocks, indices, channel.rate, channel.signal.dimension)
    decisions += [_polarity_decision(source.name, turn), _sweep_decision(source.name, plan)]
    often = repeats([cue.spoken for cue in cues])
    limits = (low, high) if turn.sign > 0 else (-high, -low)
    rows = zip(mine, _turned(blocks, turn.sign), indices, cues, often, places, strict=True)
    return [
        Trace(
            samples,
            channel.rate,
            index,
            _site(*place, channel.muscle, cue.spoken.site or ""),
            source.name,
            where.kind,
            stimulus_of(cue.spoken),
            *amplifier.filters,
            sweep,
            repeat,
            limits,
            amplifier.resolution_mv,
            cue.machine if has_machine else NO_VALUES,
            () if turn.is_certain else ("polarity_uncertain",),
        )
        for sweep, samples, index, cue, repeat, place in rows
    ]


# A nerve is stimulated at the same few sites in file after file.
@lru_cache(maxsize=1024)
def _site(nerve: str, side: Side, muscle: str, stimulated: str) -> Site:
    return Site(nerve, side, muscle, stimulated)


def _in_millivolts(
    channel: Channel, header: Header, data: bytes, plan: Plan
) -> tuple[np.ndarray | list[np.ndarray], int]:
    """Cut the signal and scale it to mV, sign as in the file; count what no scale holds for."""
    scale = channel.amplifier.scale
    cuts = cut(header, channel.signal, data, [(span.start, span.stop) for span in plan.spans])
    stray = _beyond(cuts, scale, header.sample_bytes)
    blocks = [_scaled(cut, channel.amplifier, stray > 0) for cut in cuts]
    return (blocks[0] if blocks[0].ndim == 2 else blocks), stray


def _beyond(cuts: list[np.ndarray], scale: Scale, sample_bytes: int) -> int:
    """Count the samples outside the digital range; many of them are refused.

    Raises
    ------
    ReadError
        If they are more than spikes of a converter.
    """
    # Nothing lies beyond the least or the greatest number that there is.
    least, most = 1 - 2 ** (8 * sample_bytes - 1), 2 ** (8 * sample_bytes - 1) - 2
    is_within = [
        (scale.digital_min < least or scale.digital_min <= c.item(c.argmin()))
        and (scale.digital_max > most or c.item(c.argmax()) <= scale.digital_max)
        for c in cuts
        if c.size
    ]
    if all(is_within):
        return 0
    beyond = sum(
        int(((c < scale.digital_min) | (c > scale.digital_max)).sum()) for c in cuts if c.size
    )
    if beyond > max(_MOST_STRAY * sum(c.size for c in cuts), 1):
        low, high = min(int(c.min()) for c in cuts), max(int(c.max()) for c in cuts)
        raise ReadError(
            f"{beyond} samples from {low} to {high} lie outside the digital range "
            f"{scale.digital_min} to {scale.digital_max} of the header."
        )
    return beyond


def _scaled(digital: np.ndarray, amplifier: Amplifier, has_stray: bool) -> np.ndarray:
    scale = amplifier.scale
    physical: np.ndarray = digital.astype(np.float64)
    if has_stray:
        physical[(digital < scale.digital_min) | (digital > scale.digital_max)] = np.nan
    physical -= float(scale.digital_min)
    physical *= scale.gain
    physical += scale.physical_min
    if amplifier.factor != 1.0:
        physical *= amplifier.factor
    return physical


def _turned(blocks: np.ndarray | list[np.ndarray], sign: float) -> list[np.ndarray]:
    """Turn negative up and make the samples read-only."""
    if isinstance(blocks, list):
        return [row for block in blocks for row in _turned(block[np.newaxis], sign)]
    if sign < 0:
        np.negative(blocks, out=blocks)
    blocks.setflags(write=False)
    return list(blocks)


def _filters(prefilter: str) -> tuple[float | None, float | None]:
    """Give (high-pass, low-pass) in Hz.

    Examples
    --------
    >>> _filters("HP:3Hz LP:20kHz")
    (3.0, 20000.0)
    """
    found = {name.upper(): hertz(value) for name, value in FILTER.findall(prefilter)}
    return found.get("HP"), found.get("LP")


def _polarity_decision(name: str, turn: Orientation) -> Decision:
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    doubt = "" if turn.is_certain else "; ambiguous"
    return Decision(name, "polarity", choice, turn.reason + doubt)


def _sweep_decision(name: str, plan: Plan) -> Decision:
    unused = ""
    if plan.unused_records:
        listed = ", ".join(map(str, plan.unused_records[:8]))
        more = ", ..." if len(plan.unused_records) > 8 else ""
        unused = f"; no stimulus in records {listed}{more}"
    return Decision(name, "sweeps", str(len(plan.spans)), plan.way + unused)

"""A file that neo reads, and its sidecar, to sweeps around each stimulus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ncs_cb.apart import apart
from ncs_cb.errors import StudyError, UnitError, did_you_mean
from ncs_cb.knowledge.anatomy import position
from ncs_cb.model import Decision, Kind, Side, Site, Stimulus, Trace, UnassignedStimulus
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import STRONGEST_MA, check_rate, refuse_large
from ncs_cb.readers._shared.polarity import Orientation, orient
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.stimuli import plain
from ncs_cb.readers._shared.tables import Sidecar, load_sidecar
from ncs_cb.readers._shared.text import shown
from ncs_cb.readers._shared.told import attested
from ncs_cb.readers._shared.unassigned import MOST
from ncs_cb.readers._shared.words import named
from ncs_cb.readers.via_neo.formats import FORMATS
from ncs_cb.readers.via_neo.signals import Signal, Stretch, load
from ncs_cb.units import FARTHEST_MM, is_finite, is_pair, millivolts_per

_MOST_DIGITS = 18
_KEYS = (
    "nerve",
    "side",
    "muscle",
    "kind",
    "channel",
    "unit",
    "gain",
    "polarity",
    "window_ms",
    "events",
    "sites",
    "distances_mm",
    "stimulus_ma",
    "supramaximal",
    "collision_used",
    "high_pass_hz",
    "low_pass_hz",
)
_BY_SITE = ("distances_mm", "stimulus_ma")
_EVENTS = ("marker", "threshold", "at_ms")
_THRESHOLD = ("channel", "level", "edge", "refractory_ms")
_KINDS = ("motor", "sensory", "f_wave")
_POLARITIES = ("negative_up", "negative_down", "auto")
# Below the first letter a code is a count or a digital input, not a key.
_LAST_COUNTED = 64
_WINDOW_MS = (-5.0, 50.0)
_REFRACTORY_MS = 5.0
_LISTED = 20


@dataclass(frozen=True, slots=True)
class _Pulse:
    """One stimulus: the stretch it lies in, when, and what names it."""

    stretch: int
    time_s: float
    code: str


def read(source: Input) -> Recording:
    """Read the sweeps that a sidecar tells of.

    Raises
    ------
    ReadError
        If neo or the sidecar cannot be read, or neo is not installed.
    UnitError
        If the channel's unit is no voltage and the sidecar states none.
    StudyError
        If a key, channel, nerve, side, muscle or site is unknown, or no stimulus is found.
    """
    beside = source.path.with_suffix(".json")
    sidecar = Sidecar(load_sidecar(beside), "", beside.name)
    dropped = sidecar.refuse_unknown(_KEYS)
    reader = FORMATS[source.path.suffix.lower()]
    stretches: list[Stretch] = apart(load, str(source.path), reader)
    signals = [_signal(stretch, sidecar.values.get("channel"), sidecar) for stretch in stretches]
    factor, unit, why = _scaled(signals[0], sidecar, source.override.unit)
    pulses = _pulses(stretches, signals, sidecar)
    nerve, side, muscle, kind = _anatomy(sidecar, source)
    placed, lost = _placed(pulses, sidecar, source)
    rate = check_rate(signals[0].rate_hz)
    cuts = [_cut(signals[p.stretch], p, sidecar) for p, _ in placed]
    samples, starts = [one * factor for one, _ in cuts], [start for _, start in cuts]
    refuse_large(samples, starts, rate, unit)
    stated = source.override.polarity or sidecar.text("polarity", _POLARITIES)
    turn = orient(stated, samples, sampling_rate_hz=rate, stimulus_indices=starts)  # type: ignore[arg-type]
    whole = Trace(
        samples[0],
        rate,
        starts[0],
        Site(nerve, side, muscle, ""),
        source.name,
        kind,
        high_pass_hz=sidecar.number("high_pass_hz", 0, 1e6),
        low_pass_hz=sidecar.number("low_pass_hz", 0, 1e7),
        flags=() if turn.is_certain else ("polarity_uncertain",),
    )
    cut = zip(placed, samples, starts, strict=True)
    traces = tuple(
        _trace(whole, order, row * turn.sign, start, _stimulus(sidecar, site, source), site)
        for order, ((_, site), row, start) in enumerate(cut)
    )
    unassigned = tuple(
        UnassignedStimulus(source.name, shown(_as_seen(p.code, source)), p.stretch, p.time_s)
        for p in lost[:MOST]
    )
    told = _decisions(source.name, turn, Decision(source.name, "unit", unit, why), dropped)
    way = Decision(source.name, "stimulus", f"{len(placed)} stimuli", _words(sidecar))
    decisions = (*told, way)
    return Recording(traces, decisions=decisions, companions=(beside,), unassigned=unassigned)


def _scaled(signal: Signal, sidecar: Sidecar, told: str | None) -> tuple[float, str, str]:
    """Give what makes mV of the signal, its unit, and who says so; a gain is divided out."""
    factor, unit, why = _unit(signal, sidecar, told)
    gain = sidecar.number("gain", 1e-6, 1e9)
    if gain is None:
        return factor, unit, why
    return factor / gain, unit, f"{why}; divided by the gain of {gain:g} that it names"


def _trace(
    whole: Trace, order: int, samples_mv: np.ndarray, start: int, stimulus: Stimulus, site: str
) -> Trace:
    """Give one sweep of what is the same for all."""
    position(whole.site.nerve, site)
    turned = np.ascontiguousarray(samples_mv)
    turned.setflags(write=False)
    return replace(
        whole,
        samples_mv=turned,
        stimulus_index=start,
        site=replace(whole.site, stimulation_site=site),
        stimulus=stimulus,
        sweep=order,
    )


def _decisions(
    name: str, turn: Orientation, unit: Decision, dropped: Sequence[str]
) -> list[Decision]:
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    decisions = [unit, Decision(name, "polarity", choice, turn.reason)]
    if dropped:
        why = f"{len(dropped)} keys of the sidecar name a person"
        decisions.append(Decision(name, "identity", "dropped", why))
    return decisions


# --------------------------------------------------------------------------- channel and unit


def _signal(stretch: Stretch, wanted: object, sidecar: Sidecar) -> Signal:
    names = [signal.name for signal in stretch.signals]
    if wanted is None and len(names) == 1:
        return stretch.signals[0]
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 1 <= wanted <= len(names):
        return stretch.signals[wanted - 1]
    if isinstance(wanted, str) and names.count(wanted) == 1:
        return stretch.signals[names.index(wanted)]
    said = "is missing" if wanted is None else f"'{str(wanted)[:40]}' is not in the file"
    raise StudyError(
        f"channel {said}; the file has: {', '.join(map(repr, names[:_LISTED]))} "
        "(by name, or counted from 1)."
        + (did_you_mean(wanted, names) if isinstance(wanted, str) else ""),
        source=sidecar.name,
    )


def _unit(signal: Signal, sidecar: Sidecar, by_person: str | None) -> tuple[float, str, str]:
    """Give the factor to mV. A unit of the sidecar wins: amplifiers often state none, or volts."""
    if by_person is not None:
        return millivolts_per(by_person, source="study.toml"), by_person, "as study.toml says"
    told = sidecar.text("unit")
    if told is not None:
        return millivolts_per(told, source=sidecar.name), told, "as the sidecar says"
    try:
        return millivolts_per(signal.unit), signal.unit, "as the file says"
    except UnitError as problem:
        raise UnitError(
            f"channel '{signal.name[:40]}': {problem.message}",
            hint='Say it in the sidecar: "unit": "mV".',
        ) from None


# --------------------------------------------------------------------------- stimuli


def _pulses(
    stretches: Sequence[Stretch], signals: Sequence[Signal], sidecar: Sidecar
) -> list[_Pulse]:
    events = sidecar.table("events") or Sidecar({}, "events", sidecar.name)
    events.refuse_unknown(_EVENTS)
    given = [name for name in _EVENTS if name in events.values]
    if len(given) != 1:
        raise StudyError(
            "events: one of marker (a channel of events), threshold (level, edge, refractory_ms), "
            "at_ms (the time of each stimulus in its sweep) must be given.",
            source=sidecar.name,
        )
    if given[0] == "marker":
        found = _markers(stretches, events)
    elif given[0] == "threshold":
        found = _crossings(stretches, signals, events)
    else:
        found = _told_times(signals, events)
    if not found:
        raise StudyError(
            "no stimulus was found.",
            source=sidecar.name,
            hint="Check marker, or level and edge of the threshold.",
        )
    return found


def _told_times(signals: Sequence[Signal], events: Sidecar) -> list[_Pulse]:
    """Give the stimuli at the times told, one or several in each sweep."""
    value = events.values["at_ms"]
    times = value if isinstance(value, list) else [value]
    if not all(is_finite(t) for t in times):
        raise StudyError(
            "events.at_ms: must be a time in ms, or a list of them.", source=events.name
        )
    pulses = [(i, signal.start_s + t / 1000.0) for i, signal in enumerate(signals) for t in times]
    return [_Pulse(i, time, str(n)) for n, (i, time) in enumerate(pulses, start=1)]


def _markers(stretches: Sequence[Stretch], events: Sidecar) -> list[_Pulse]:
    wanted = events.text("marker") or ""
    known = list(dict.fromkeys(name for s in stretches for name, _, _ in s.events))
    if wanted not in known:
        raise StudyError(
            f"events.marker: no channel '{wanted[:40]}' holds events; there are: "
            f"{', '.join(map(repr, known[:_LISTED])) or 'none'}." + did_you_mean(wanted, known),
            source=events.name,
        )
    mine = [
        (i, time, label)
        for i, s in enumerate(stretches)
        for name, label, time in s.events
        if name == wanted
    ]
    return [_Pulse(i, time, label or str(n)) for n, (i, time, label) in enumerate(mine, start=1)]


def _crossings(
    stretches: Sequence[Stretch], signals: Sequence[Signal], events: Sidecar
) -> list[_Pulse]:
    """Find where the trigger channel passes a level, in its own unit."""
    told = events.table("threshold") or Sidecar({}, "events.threshold", events.name)
    told.refuse_unknown(_THRESHOLD)
    level = told.number("level", -1e9, 1e9)
    if level is None:
        raise StudyError("events.threshold.level is missing.", source=events.name)
    edge = told.text("edge", ("rising", "falling")) or "rising"
    refractory = told.number("refractory_ms", 0, 1e6)
    quiet_s = (_REFRACTORY_MS if refractory is None else refractory) / 1000.0
    found: list[_Pulse] = []
    for index, (stretch, main) in enumerate(zip(stretches, signals, strict=True)):
        wanted = told.values.get("channel")
        trigger = main if wanted is None else _signal(stretch, wanted, told)
        above = trigger.samples >= level if edge == "rising" else trigger.samples <= level
        last = -np.inf
        for at in np.flatnonzero(above[1:] & ~above[:-1]) + 1:
            time = trigger.start_s + float(at) / trigger.rate_hz
            if time - last >= quiet_s:
                found.append(_Pulse(index, time, str(len(found) + 1)))
                last = time
    return found


def _placed(
    pulses: Sequence[_Pulse], sidecar: Sidecar, source: Input
) -> tuple[list[tuple[_Pulse, str]], list[_Pulse]]:
    """Give the site of each stimulus by its code; those without one are listed, never guessed."""
    everywhere = sidecar.text("sites") if isinstance(sidecar.values.get("sites"), str) else None
    table = None if everywhere else sidecar.table("sites")
    codes = {} if table is None else {str(k): v for k, v in table.values.items()}
    codes |= source.override.sites
    folded = {plain(text): site for text, site in codes.items()}
    placed, lost = [], []
    for pulse in pulses:
        said = everywhere or codes.get(pulse.code) or codes.get(_letter(pulse.code))
        said = said or folded.get(plain(pulse.code))
        if isinstance(said, str):
            placed.append((pulse, named("sites", said, source)))
        else:
            lost.append(pulse)
    if not placed:
        codes_seen = list(dict.fromkeys(_as_seen(p.code, source) for p in lost))[:_LISTED]
        raise StudyError(
            f"sites: no stimulus has one; codes seen: {', '.join(map(repr, codes_seen))}.",
            source=sidecar.name,
            hint=f'Write "sites": {{"{codes_seen[0]}": "wrist"}}.',
        )
    _refuse_unanswered(sidecar, {site for _, site in placed}, source, with_lost=bool(lost))
    return placed, lost


def _refuse_unanswered(sidecar: Sidecar, held: set[str], source: Input, *, with_lost: bool) -> None:
    """Refuse a site that no stimulus answers: it would be missing in silence.

    A stimulus that no site was named for may be the one whose distance is told.
    """
    said = [(f"sites.{code}", site) for code, site in _object(sidecar, "sites").items()]
    if not with_lost:
        said += [(key, site) for key in _BY_SITE for site in _object(sidecar, key)]
    for where, text in said:
        if isinstance(text, str) and (site := named("sites", text, source)) not in held:
            raise StudyError(
                f"{where[:80]}: the recording has no stimulus at '{site}'; it has: "
                f"{', '.join(sorted(held))}.",
                source=sidecar.name,
                hint="Take the site out of the sidecar, or correct its code or the events.",
            )


def _object(sidecar: Sidecar, key: str) -> Mapping[str, object]:
    value = sidecar.values.get(key)
    return value if isinstance(value, dict) else {}


def _letter(code: str) -> str:
    """Give the letter that Spike2 keeps as a number in the lowest byte of a marker."""
    is_number = code.isascii() and code.isdigit() and len(code) <= _MOST_DIGITS
    return chr(int(code) & 0xFF) if is_number else code


def _as_seen(code: str, source: Input) -> str:
    """Give the key that was pressed where Spike2 kept its number; the code itself else."""
    letter = _letter(code)
    is_key = source.path.suffix.lower() == ".smr" and letter.isprintable() and letter != code
    return letter if is_key and int(code) > _LAST_COUNTED else code


def _cut(signal: Signal, pulse: _Pulse, sidecar: Sidecar) -> tuple[np.ndarray, int]:
    """Give the samples around a stimulus, and the place of the stimulus among them."""
    low, high = _window(sidecar)
    place = (pulse.time_s - signal.start_s) * signal.rate_hz
    if not is_finite(float(place)):
        raise StudyError("a time or rate in it is beyond all numbers.", source=sidecar.name)
    at = round(place)
    first = max(at + round(low / 1000.0 * signal.rate_hz), 0)
    last = min(at + round(high / 1000.0 * signal.rate_hz), len(signal.samples))
    if last - first < 2:
        raise StudyError("a stimulus lies outside the recorded signal.", source=sidecar.name)
    return np.array(signal.samples[first:last], dtype=np.float64), at - first


def _window(sidecar: Sidecar) -> tuple[float, float]:
    value = sidecar.values.get("window_ms")
    if value is None:
        return _WINDOW_MS
    if not is_pair(value):
        raise StudyError(
            "window_ms: must be [first, last] around the stimulus, such as [-5, 50].",
            source=sidecar.name,
        )
    low, high = float(value[0]), float(value[1])
    if not -1000 <= low < high <= 1000:
        raise StudyError(
            "window_ms: plausible: -1000 to 1000, the first before the last.", source=sidecar.name
        )
    return low, high


# --------------------------------------------------------------------------- what else it says


def _anatomy(sidecar: Sidecar, source: Input) -> tuple[str, Side, str, Kind]:
    told = source.override
    said = {key: sidecar.text(key) for key in ("nerve", "side", "muscle")}
    for key, value in said.items():
        if value is None and getattr(told, key) is None:
            raise StudyError(f"the key '{key}' is missing.", source=sidecar.name)
    nerve = told.nerve or named("nerves", said["nerve"] or "", source)
    muscle = told.muscle or named("muscles", said["muscle"] or "", source)
    side = told.side or SIDES.get((said["side"] or "").strip().casefold())
    if side is None:
        raise StudyError("side: allowed: left, right.", source=sidecar.name)
    kind: Kind = sidecar.text("kind", _KINDS) or "motor"  # type: ignore[assignment]
    return nerve, side, muscle, kind


def _stimulus(sidecar: Sidecar, site: str, source: Input) -> Stimulus:
    def of(key: str, highest: float) -> float | None:
        table = sidecar.table(key)
        if table is None:
            return None
        names = (name for name in table.values if named("sites", name, source) == site)
        return table.number(next(names, site), 0, highest)

    stimulus = Stimulus(of("distances_mm", FARTHEST_MM), of("stimulus_ma", STRONGEST_MA))
    return attested(
        stimulus, sidecar.truth("supramaximal"), sidecar.truth("collision_used"), by="file"
    )


def _words(sidecar: Sidecar) -> str:
    events = sidecar.values.get("events")
    kind = next(iter(events), "") if isinstance(events, dict) else ""
    return {
        "marker": "by the marker channel",
        "threshold": "where the trigger passes its level",
        "at_ms": "one per sweep, at the time told",
    }.get(kind, "")

"""From annotations to stimuli: which text is a stimulus, where it stands, what it says."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import MachineValues, Stimulus
from ncs_cb.readers._shared.notes import Note, is_note, note
from ncs_cb.readers._shared.plausible import LONGEST_PULSE_MS, STRONGEST_MA
from ncs_cb.readers._shared.stimuli import (
    Spoken,
    assigned,
    attribute,
    completed,
    plain,
    resembles_site,
    response,
    setting,
    stimulus,
    with_attribute,
)
from ncs_cb.readers._shared.told import attested
from ncs_cb.units import FARTHEST_MM

# Two texts about one stimulus, such as a sentence and a plain site name, stand this close.
_SAME_MOMENT_S = 1e-3
# Two stimuli nearer than this are one; collision stimuli lie farther apart.
_SAME_INSTANT_S = 0.5e-3

_LOOKED_BACK = 8
NO_VALUES = MachineValues()
_HINT = (
    'Correct the text, or name its site in study.toml: [recordings."..."] '
    'sites = { "the text" = "wrist" }.'
)
Late = MachineValues | Spoken | tuple[str, bool]


class Annotation(NamedTuple):
    """One text, the record it stands in and its onset in seconds from the start of the file."""

    record: int
    onset_s: float
    text: str


class Cue(NamedTuple):
    """One stimulus: the record it stands in, its time, what is said of it and of the response."""

    record: int
    onset_s: float
    spoken: Spoken
    machine: MachineValues = NO_VALUES


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything understood in the annotations of one file, and the texts that were not."""

    cues: tuple[Cue, ...]
    free: tuple[Annotation, ...]
    temperature_c: float | None = None


def hear(annotations: Sequence[Annotation], sites: Mapping[str, str]) -> Heard:
    """Sort the annotations of a file into stimuli, values of the machine and free text.

    Parameters
    ----------
    annotations : sequence of Annotation
        In file order.
    sites : mapping of str to str
        From annotation text to site, as ``study.toml`` says.

    Raises
    ------
    StudyError
        If a stimulus is at a site that the anatomy table does not know, or `sites` names a text
        that the file does not have.
    """
    noted = [a for a in annotations if "<" in a.text and is_note(a.text)]
    notes = {a: parsed for a in noted if (parsed := note(a.text))}
    defined = _definitions(notes) if notes else {}
    if sites:
        refuse_absent_texts(sites, [a.text for a in annotations], "no annotation reads")
    told = {plain(text): site for text, site in sites.items()}
    cues = _Cues()
    late: list[tuple[Annotation, Late]] = []
    free: list[Annotation] = []
    unknown: list[tuple[Annotation, Spoken]] = []
    for annotation in annotations:
        if notes and annotation in notes:
            if (machine := notes[annotation].machine) is not None:
                late.append((annotation, machine))
            continue
        spoken = _spoken(annotation, told, defined)
        if spoken is not None and spoken.site is None:
            unknown.append((annotation, spoken))
        elif spoken is not None:
            cues.add(Cue(annotation.record, annotation.onset_s, spoken))
        elif (said := _said_beside(annotation.text)) is not None:
            late.append((annotation, said))
        else:
            free.append(annotation)
    spoken_keys = {a.text.strip().casefold() for a in annotations} if notes else set()
    for annotation, parsed in notes.items():
        for tag, spoken in parsed.stimuli:
            if tag.casefold() not in spoken_keys:
                cues.add(Cue(annotation.record, annotation.onset_s, spoken))
    _settle_unknown(cues.listed, unknown, free)
    found = cues.listed
    if late:
        held = {cue.record for cue in found}
        # A setting without a stimulus in its record is a stimulus whose site nobody names.
        free += [a for a, said in late if isinstance(said, Spoken) and a.record not in held]
        found = _attach(found, late)
    warm = [n.temperature_c for n in notes.values() if n.temperature_c is not None]
    return Heard(tuple(found), tuple(free), warm[0] if warm else None)


def _settle_unknown(
    cues: list[Cue], unknown: Sequence[tuple[Annotation, Spoken]], free: list[Annotation]
) -> None:
    """Add stimuli at unknown places to the free texts where others of the file are understood.

    Each is a stimulus that names no site, then, also where it is nearly the name of one
    (misspelt, damaged). One that contradicts another text at its moment, or stands in an XML
    note, is refused, as are all of them where no site is known.
    """
    known = [cue for cue in cues if cue.spoken.site]
    if known and len(known) == len(cues) and not unknown:
        return
    moments = {(cue.record, round(cue.onset_s / _SAME_MOMENT_S)) for cue in known}
    lost = [Cue(a.record, a.onset_s, said) for a, said in unknown]
    beside = [c for c in lost if (c.record, round(c.onset_s / _SAME_MOMENT_S)) in moments]
    noted = [cue for cue in cues if not cue.spoken.site]
    wrong = [*noted, *beside] if known else [*noted, *lost]
    _refuse_unknown_sites([*wrong, *known], free)
    free += [annotation for annotation, _ in unknown]


def _spoken(
    annotation: Annotation, told: Mapping[str, str], defined: dict[tuple[int, str], Spoken]
) -> Spoken | None:
    site = told.get(plain(annotation.text)) if told else None
    if site is not None:
        return assigned(annotation.text, site)
    spoken = _defined(annotation, defined) if defined else None
    return spoken or stimulus(annotation.text)


def _said_beside(text: str) -> Late | None:
    return attribute(text) or response(text) or setting(text)


def refuse_absent_texts(told: Mapping[str, str], texts: Iterable[str], nothing: str) -> None:
    """Refuse a correction of ``sites`` for a text that no annotation or event of the file has."""
    held = {plain(text) for text in texts} if told else set()
    for text in told:
        if plain(text) not in held:
            raise StudyError(
                f"sites: {nothing} '{text[:60]}'.",
                source="study.toml",
                hint="'ncs-cb validate' lists the texts that name no site.",
            )


def _definitions(notes: dict[Annotation, Note]) -> dict[tuple[int, str], Spoken]:
    """Give stimuli by (record, tag), and by (-1, tag) for the first of the whole file."""
    defined: dict[tuple[int, str], Spoken] = {}
    for annotation, parsed in notes.items():
        for tag, spoken in parsed.stimuli:
            defined.setdefault((annotation.record, tag.casefold()), spoken)
            defined.setdefault((-1, tag.casefold()), spoken)
    return defined


def _defined(annotation: Annotation, defined: dict[tuple[int, str], Spoken]) -> Spoken | None:
    key = annotation.text.strip().casefold()
    return defined.get((annotation.record, key)) or defined.get((-1, key))


class _Cues:
    """Stimuli in order; a text about one that is known already is joined to it."""

    def __init__(self) -> None:
        self.listed: list[Cue] = []
        # Where the last ones of a record, site and side stand.
        self._at: dict[tuple[int, str | None, str | None], deque[int]] = {}

    def add(self, cue: Cue) -> None:
        """Append a stimulus, or join it to the one that another text already told of."""
        spoken = cue.spoken
        own = (cue.record, spoken.site, spoken.side)
        keys = (own, (cue.record, spoken.site, None)) if spoken.side else (own,)
        beside = [i for key in keys if key in self._at for i in reversed(self._at[key])]
        # The latest ones first: texts about one stimulus stand beside each other.
        for i in beside:
            known = self.listed[i]
            if abs(known.onset_s - cue.onset_s) < _SAME_MOMENT_S:
                self.listed[i] = known._replace(spoken=completed(known.spoken, spoken))
                return
        self._at.setdefault(own, deque(maxlen=_LOOKED_BACK)).append(len(self.listed))
        self.listed.append(cue)


def _attach(cues: list[Cue], late: Iterable[tuple[Annotation, Late]]) -> list[Cue]:
    """Give each value to the stimulus of its record, or to the last one before it."""
    by_record: dict[int, list[int]] = {}
    for i, cue in enumerate(cues):
        by_record.setdefault(cue.record, []).append(i)
    ordered = sorted(range(len(cues)), key=lambda i: cues[i].onset_s)
    onsets = [cues[i].onset_s for i in ordered]
    for annotation, said in late:
        here = by_record.get(annotation.record, [])
        if len(here) != 1:
            until = annotation.onset_s + _SAME_MOMENT_S
            if here:
                before = [i for i in here if cues[i].onset_s <= until]
                here = sorted(before, key=lambda i: cues[i].onset_s)[-1:]
            elif not isinstance(said, Spoken):
                here = ordered[: bisect_right(onsets, until)][-1:]
        for i in here:
            cues[i] = _with(cues[i], said)
    return cues


def _with(cue: Cue, said: Late) -> Cue:
    if isinstance(said, MachineValues):
        return cue._replace(machine=said) if cue.machine == NO_VALUES else cue
    if isinstance(said, Spoken):
        return cue._replace(spoken=completed(cue.spoken, said))
    return cue._replace(spoken=with_attribute(cue.spoken, said))


def _refuse_unknown_sites(cues: list[Cue], free: list[Annotation]) -> None:
    for cue in cues:
        if cue.spoken.site is None:
            raise StudyError(
                f"unknown stimulation site '{cue.spoken.site_text}'; known: {known_sites()}."
                + resembles_site(cue.spoken.site_text),
                hint=_HINT,
            )
    if cues:
        return
    # Where nothing was understood, one of the texts may be a misspelt site. It may hold a name
    # too, so that it is not quoted; only the known name it resembles is.
    texts = dict.fromkeys(a.text for a in free)
    nearly = next((near for text in texts if (near := resembles_site(text))), "")
    if nearly:
        raise StudyError(
            f"an annotation is nearly the name of a site; known: {known_sites()}.{nearly}",
            hint=_HINT,
        )


def known_sites() -> str:
    """List the ids of all stimulation sites."""
    return ", ".join(anatomy().sites)


def refuse_shared_instants(cues: Sequence[Cue], positions: Sequence[int], rate: float) -> None:
    """Refuse two sites at one instant: one response would be the answer of both.

    Parameters
    ----------
    cues : sequence of Cue
    positions : sequence of int
        Sample of each.
    rate : float
        Samples per second.

    Raises
    ------
    StudyError
        Naming the two sites.
    """
    near = max(1, round(_SAME_INSTANT_S * rate))
    placed = sorted(positions)
    if not [a for a, b in itertools.pairwise(placed) if b - a <= near]:
        return
    order = sorted(range(len(cues)), key=lambda i: positions[i])
    for one, other in itertools.pairwise(order):
        a, b = cues[one].spoken, cues[other].spoken
        sides = {a.side, b.side} - {None}
        if positions[other] - positions[one] <= near and (a.site != b.site or len(sides) > 1):
            raise StudyError(
                f"the stimuli '{a.site}' and '{b.site}' stand at one instant: one response cannot "
                "be the answer of two sites.",
                hint="Correct the times of the annotations, or export the sites as sweeps of "
                "their own.",
            )


def repeats(spoken: Sequence[Spoken]) -> list[str | None]:
    """Give for each stimulus the words it shares with others of the file; None when alone."""
    if len({one.site_text for one in spoken}) == len(spoken):
        return [None] * len(spoken)
    both = len({one.side for one in spoken} - {None}) > 1
    keys = [f"{one.side} {one.key}" if both else one.key for one in spoken]
    often = Counter(keys)
    return [key if often[key] > 1 else None for key in keys]


def stimulus_of(spoken: Spoken) -> Stimulus:
    """Give the setting of a stimulus as its text says it.

    Raises
    ------
    StudyError
        If a number of it is implausible.
    """
    limits = (
        (spoken.distance_mm, FARTHEST_MM, "mm"),
        (spoken.intensity_ma, STRONGEST_MA, "mA"),
        (spoken.duration_ms, LONGEST_PULSE_MS, "ms"),
    )
    for value, most, unit in limits:
        if value is not None and not 0.0 <= value <= most:
            raise StudyError(
                f"a stimulus of {value:g} {unit} at '{spoken.site}' is implausible; 0 to "
                f"{most:g} {unit}."
            )
    stimulus = Stimulus(spoken.distance_mm, spoken.intensity_ma, spoken.duration_ms)
    return attested(stimulus, spoken.supramaximal, spoken.collision_used, by="file")

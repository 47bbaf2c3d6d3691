"""From annotations to stimuli: which text is a stimulus, where it stands, what it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import MachineValues
from ncs_cb.readers._shared.stimuli import (
    Note,
    Spoken,
    attribute,
    completed,
    is_note,
    note,
    resembles_site,
    response,
    stimulus,
    with_attribute,
)
from ncs_cb.readers.edf.tal import Annotation, Timeline

# Two texts about one stimulus, such as a sentence and a plain site name, stand this close.
_SAME_MOMENT_S = 1e-3


NO_VALUES = MachineValues()


@dataclass(frozen=True, slots=True)
class Cue:
    """One stimulus: the record it stands in, its time, what is said of it and of the response."""

    record: int
    onset_s: float
    spoken: Spoken
    machine: MachineValues = NO_VALUES


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything understood in the annotations of one file."""

    cues: tuple[Cue, ...]
    free: tuple[str, ...]
    temperature_c: float | None = None


def hear(times: Timeline) -> Heard:
    """Sort the annotations of a file into stimuli, values of the machine and free text.

    Raises
    ------
    StudyError
        If a stimulus is at a site that the anatomy table does not know, or there is none.
    """
    notes = {a: parsed for a in times.annotations if is_note(a.text) and (parsed := note(a.text))}
    defined = _definitions(notes) if notes else {}
    cues: list[Cue] = []
    late: list[tuple[Annotation, MachineValues | tuple[str, bool]]] = []
    free: list[Annotation] = []
    for annotation in times.annotations:
        if notes and annotation in notes:
            if (machine := notes[annotation].machine) is not None:
                late.append((annotation, machine))
            continue
        spoken = _defined(annotation, defined) if defined else None
        spoken = spoken or stimulus(annotation.text)
        if spoken is not None:
            _add(cues, Cue(annotation.record, annotation.onset_s, spoken))
        elif (said := attribute(annotation.text) or response(annotation.text)) is not None:
            late.append((annotation, said))
        else:
            free.append(annotation)
    spoken_keys = {a.text.strip().casefold() for a in times.annotations} if notes else set()
    for annotation, parsed in notes.items():
        for tag, spoken in parsed.stimuli:
            if tag.casefold() not in spoken_keys:
                _add(cues, Cue(annotation.record, annotation.onset_s, spoken))
    _refuse_unknown_sites(cues, free)
    cues = _attach(cues, late)
    warm = [n.temperature_c for n in notes.values() if n.temperature_c is not None]
    return Heard(tuple(cues), tuple(a.text for a in free), warm[0] if warm else None)


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


def _add(cues: list[Cue], cue: Cue) -> None:
    """Append a stimulus, or join it to the one that another text already told of."""
    for i, known in enumerate(cues):
        if (
            known.record == cue.record
            and known.spoken.site == cue.spoken.site
            and abs(known.onset_s - cue.onset_s) < _SAME_MOMENT_S
        ):
            told, more = known.spoken, cue.spoken
            cues[i] = replace(known, spoken=completed(told, more))
            return
    cues.append(cue)


def _attach(
    cues: list[Cue], late: Iterable[tuple[Annotation, MachineValues | tuple[str, bool]]]
) -> list[Cue]:
    """Give each value to the stimulus of its record, or to the last one before it."""
    for annotation, said in late:
        here = [i for i, c in enumerate(cues) if c.record == annotation.record]
        if len(here) != 1:
            pool = here or range(len(cues))
            before = [i for i in pool if cues[i].onset_s <= annotation.onset_s + _SAME_MOMENT_S]
            here = sorted(before, key=lambda i: cues[i].onset_s)[-1:]
        for i in here:
            if isinstance(said, MachineValues):
                if cues[i].machine == NO_VALUES:
                    cues[i] = replace(cues[i], machine=said)
            else:
                cues[i] = replace(cues[i], spoken=with_attribute(cues[i].spoken, said))
    return cues


def _refuse_unknown_sites(cues: list[Cue], free: list[Annotation]) -> None:
    for cue in cues:
        if cue.spoken.site is None:
            raise StudyError(
                f"unknown stimulation site '{cue.spoken.site_text}'; known: {_known_sites()}."
                + resembles_site(cue.spoken.site_text)
            )
    # A remark beside a stimulus is a remark; alone in its record it may be a misspelt site.
    # Free text may hold a name, so it is never quoted; only the known name it resembles is.
    held = {cue.record for cue in cues}
    alone = [a.text for a in free if a.record not in held]
    nearly = [near for text in alone if (near := resembles_site(text))]
    if nearly:
        raise StudyError(
            f"an annotation is nearly the name of a site; known: {_known_sites()}.{nearly[0]}"
        )
    if not cues:
        raise StudyError(
            f"no stimulus: none of {len(free)} annotations is a stimulus or a site name.",
            hint="Expected 'Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site', or "
            f"one of: {_known_sites()}.",
        )


def _known_sites() -> str:
    return ", ".join(anatomy().sites)

"""XML notes in annotations: stimuli by tag, the machine's values, a temperature."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from xml.etree import ElementTree

from ncs_cb.knowledge.anatomy import find
from ncs_cb.model import MachineValues
from ncs_cb.readers._shared.names import take_side
from ncs_cb.readers._shared.stimuli import LEAD, NUMBER, Spoken, as_number, stimulus

_LONGEST_NOTE = 8192
_NOTE_WORDS = frozenset(
    {
        "mv",
        "uv",
        "ms",
        "us",
        "cm",
        "mm",
        "ma",
        "m/s",
        "c",
        "degc",
        "degree",
        "current",
        "voltage",
        "stimulus",
        "recording",
        "to",
        "baseline",
        "peak",
        "segmental",
        "left",
        "right",
        "hand",
        "arm",
        "foot",
        "leg",
        "room",
    }
)
_NOTE_TAGS = frozenset(
    {
        "edf_xmlnote",
        "duration",
        "intensity",
        "position",
        "distance",
        "measurements",
        "latency",
        "amplitude",
        "velocity",
        "temperature",
        "recording",
        "unit",
        "mode",
    }
)


def numeric_note(text: str) -> bool:
    """Tell whether an XML note holds only numbers, units and places: nothing of a person."""
    if note(text) is None:
        return False
    root = ElementTree.fromstring(text)
    return all(
        _is_plain_tag(part.tag)
        and all(_is_plain(word) for word in (part.text or "", part.tail or ""))
        and all(_is_plain_tag(k) and _is_plain(v) for k, v in part.attrib.items())
        for part in root.iter()
    )


def _is_plain(text: str) -> bool:
    """Tell whether a text is a number, a place, or made of known words."""
    text = text.strip()
    if not text or re.fullmatch(r"-?" + NUMBER, text):
        return True
    _, parts = take_side(text.split())
    if parts and find("sites", " ".join(parts)) is not None:
        return True
    return all(word.casefold() in _NOTE_WORDS for word in text.split())


def _is_plain_tag(tag: str) -> bool:
    if tag.casefold() in _NOTE_TAGS:
        return True
    named = re.fullmatch(r"Stim(?:ulus)?_?([A-Za-z0-9]|\w+)", tag)
    return named is not None and (len(named[1]) == 1 or find("sites", named[1]) is not None)


@dataclass(frozen=True, slots=True)
class Note:
    """What an ``EDF_XMLnote`` says: stimuli by tag, and the machine's values."""

    stimuli: tuple[tuple[str, Spoken], ...] = ()
    machine: MachineValues | None = None
    temperature_c: float | None = None


def is_note(text: str) -> bool:
    """Tell whether an annotation is an XML note."""
    return text.lstrip()[:12].casefold() == "<edf_xmlnote"


@lru_cache(maxsize=1024)
def note(text: str) -> Note | None:
    """Read an XML note; None when it is too long, not well-formed or declares anything.

    A declaration (``<!DOCTYPE``, ``<!ENTITY``) or processing instruction is refused before any
    parser sees it, so entities cannot expand.
    """
    if len(text) > _LONGEST_NOTE or "<!" in text or "<?" in text:
        return None
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    stimuli, machine, temperature = [], MachineValues(), None
    for part in root:
        if part.find("position") is not None or part.find("distance") is not None:
            spoken = _stimulus_from(part)
            if spoken is not None:
                stimuli.append((part.tag, spoken))
        if part.tag == "measurements":
            machine = _machine_from(part)
        if part.tag == "temperature":
            temperature = _quantity(part, {"degree c": 1.0, "degc": 1.0, "c": 1.0})
    return Note(tuple(stimuli), machine if machine != MachineValues() else None, temperature)


def _stimulus_from(part: ElementTree.Element) -> Spoken | None:
    place = (part.findtext("position") or part.tag).strip()
    spoken = stimulus(place if LEAD.match(place) else f"Stimulus {place}")
    if spoken is None:
        return None
    distance = _quantity(part.find("distance"), {"cm": 10.0, "mm": 1.0})
    return replace(
        spoken,
        duration_ms=_quantity(part.find("duration"), {"ms": 1.0, "us": 1e-3}),
        intensity_ma=_quantity(part.find("intensity"), {"ma": 1.0}),
        distance_mm=None if distance is None else round(distance, 6),
    )


def _machine_from(part: ElementTree.Element) -> MachineValues:
    return MachineValues(
        _quantity(part.find("latency"), {"ms": 1.0}),
        _quantity(part.find("amplitude"), {"mv": 1.0, "uv": 1e-3}),
        _quantity(part.find("velocity"), {"m/s": 1.0}),
    )


def _quantity(part: ElementTree.Element | None, factors: dict[str, float]) -> float | None:
    """Give the number of an element whose unit is known; None for anything else."""
    if part is None or not re.fullmatch(r"\s*-?" + NUMBER + r"\s*", part.text or ""):
        return None
    factor = factors.get(part.get("unit", "").strip().casefold())
    return None if factor is None else as_number((part.text or "").strip()) * factor

"""Nerve, side, muscle and kind of study from signal labels and recording fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ncs_cb.knowledge.anatomy import SIDES, find, normalize
from ncs_cb.model import Kind, Side

__all__ = [
    "LABEL_TYPES",
    "SIDES",
    "Named",
    "from_label",
    "from_recording_field",
    "take_nerve",
    "take_side",
    "words",
]

# The standard label types of EDF+ (design reference, formats section 6).
LABEL_TYPES = frozenset(
    {
        "EEG",
        "EOG",
        "EMG",
        "ECG",
        "ERG",
        "NC",
        "MEG",
        "MCG",
        "EP",
        "Temp",
        "Resp",
        "SaO2",
        "Light",
        "Sound",
        "Event",
        "Freq",
    }
)
_RESPONSE_TYPES = frozenset({"nc", "emg", "ep"})

_MOTOR_WORDS = frozenset({"mnc", "mncs", "mcs", "mncv", "mcv"})
_SENSORY_WORDS = frozenset({"snc", "sncs", "scs", "sncv", "scv"})
_F_WAVE = re.compile(r"\bf[\s_-]?waves?\b", re.IGNORECASE)

# Shorter names (Med, Per, MC) could be a technician's initials when no MNC or SNC leads them.
_SHORTEST_BARE_NERVE = 5


@dataclass(frozen=True, slots=True)
class Named:
    """What a text says of the recording; None where it says nothing."""

    nerve: str | None = None
    side: Side | None = None
    muscle: str | None = None
    kind: Kind | None = None
    is_response: bool = False


def words(text: str) -> list[str]:
    """Split at blanks, underscores, hyphens and punctuation.

    Examples
    --------
    >>> words("MNC_L_Median_Nerve, room 2.")
    ['MNC', 'L', 'Median', 'Nerve', 'room', '2']
    """
    return [word for word in re.split(r"[\s_.,;:/()\[\]|-]+", text) if word]


def take_side(parts: Sequence[str]) -> tuple[Side | None, list[str]]:
    """Take a leading or trailing side off a list of words.

    Examples
    --------
    >>> take_side(["R", "APB"]), take_side(["wrist", "left"]), take_side(["RAbdPolBrev"])
    (('right', ['APB']), ('left', ['wrist']), ('right', ['AbdPolBrev']))
    """
    parts = list(parts)
    if not parts:
        return None, parts
    for end in (0, -1):
        side = SIDES.get(parts[end].casefold())
        if side is not None and len(parts) > 1:
            del parts[end]
            return side, parts
    glued = re.fullmatch(r"([RL])([A-Z][A-Za-z0-9]+)|([右左])(.+)", parts[0])
    if glued is not None and (glued[3] or find("muscles", parts[0]) is None):
        side = SIDES[(glued[1] or glued[3]).casefold()]
        return side, [glued[2] or glued[4], *parts[1:]]
    return None, parts


@lru_cache(maxsize=4096)
def from_label(label: str) -> Named:
    """Read a signal label such as ``R APB``, ``NC L_APB`` or ``EMG RAbdPolBrev``.

    Examples
    --------
    >>> from_label("EMG L_Biceps_Bra").muscle, from_label("EMG L_Biceps_Bra").side
    ('biceps', 'left')
    """
    parts = words(label)
    is_response = False
    if parts and parts[0].casefold() in {name.casefold() for name in LABEL_TYPES}:
        is_response = parts[0].casefold() in _RESPONSE_TYPES
        if not is_response:
            return Named()
        parts = parts[1:]
    side, parts = take_side(parts)
    muscle = find("muscles", " ".join(parts)) if parts else None
    if muscle is None:
        muscle = _only(
            {
                m
                for part in _runs(parts)
                if len(normalize(part)) > 2 and (m := find("muscles", part))
            }
        )
    return Named(side=side, muscle=muscle, is_response=is_response or muscle is not None)


def take_nerve(parts: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take a nerve's name off the beginning or end of a list of words.

    Examples
    --------
    >>> take_nerve(["ulnar", "below", "elbow"]), take_nerve(["wrist"])
    (('ulnar', ['below', 'elbow']), (None, ['wrist']))
    """
    parts = list(parts)
    for size in range(min(3, len(parts) - 1), 0, -1):
        for piece, rest in ((parts[:size], parts[size:]), (parts[-size:], parts[:-size])):
            name = " ".join(piece)
            nerve = find("nerves", name) if len(normalize(name)) > 3 else None
            if nerve is not None:
                return nerve, rest
    return None, parts


def _runs(parts: Sequence[str], longest: int = 3) -> list[str]:
    """Give every run of neighboring words, longest first."""
    return [
        " ".join(parts[start : start + size])
        for size in range(min(longest, len(parts)), 0, -1)
        for start in range(len(parts) - size + 1)
    ]


def _only(found: set[str]) -> str | None:
    return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=4096)
def from_recording_field(text: str) -> Named:
    """Read an EDF+ recording field such as ``... MNC R Median Nerve.``.

    Words before ``MNC`` or ``SNC`` (date, codes, technician, equipment) are never looked at.
    Without such a word only a spelled-out nerve name and a side right beside it count.

    Examples
    --------
    >>> from_recording_field("Startdate X X X X SNC_L_Median_Nerve")
    Named(nerve='median', side='left', muscle=None, kind='sensory', is_response=False)
    """
    parts = words(text)
    folded = [part.casefold() for part in parts]
    marks = [i for i, word in enumerate(folded) if word in _MOTOR_WORDS | _SENSORY_WORDS]
    late = _F_WAVE.search(text) is not None
    if marks:
        kind: Kind = "sensory" if folded[marks[-1]] in _SENSORY_WORDS else "motor"
        side, rest = take_side(parts[marks[-1] + 1 :])
        nerve, side = _nerve_and_side(rest, side, shortest=1)
        muscle = _only({m for run in _runs(rest) if len(run) > 2 and (m := find("muscles", run))})
        return Named(nerve, side, muscle, "f_wave" if late else kind)
    nerve, side = _nerve_and_side(parts, None, shortest=_SHORTEST_BARE_NERVE)
    return Named(nerve, side, None, "f_wave" if late and nerve else None)


def _nerve_and_side(
    parts: Sequence[str], side: Side | None, *, shortest: int
) -> tuple[str | None, Side | None]:
    """Find the longest run of words that names a nerve, and a side beside it."""
    for size in range(min(3, len(parts)), 0, -1):
        for start in range(len(parts) - size + 1):
            run = " ".join(parts[start : start + size])
            if len(normalize(run)) < shortest:
                continue
            nerve = find("nerves", run)
            if nerve is None:
                continue
            beside = [*parts[max(start - 1, 0) : start], *parts[start + size : start + size + 1]]
            for word in beside:
                side = side or SIDES.get(word.casefold())
            return nerve, side
    return None, side

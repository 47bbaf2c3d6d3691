"""Which nerve and side each stimulus of a file belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle, position
from ncs_cb.model import Decision, Kind, Side
from ncs_cb.readers._shared.names import Named
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers.edf.cues import Cue


class Labeled(Protocol):
    """A signal as its label names it."""

    @property
    def muscle(self) -> str:
        """The muscle recorded from."""

    @property
    def side(self) -> Side | None:
        """The side, where the label names one."""


@dataclass(frozen=True, slots=True)
class Where:
    """Nerve and side of each stimulus, and the kind of the recording as a whole."""

    nerves: tuple[str, ...]
    sides: tuple[Side, ...]
    kind: Kind


def where_of(
    field: Named,
    channels: Sequence[Labeled],
    cues: Sequence[Cue],
    source: Input,
    decisions: list[Decision],
) -> Where:
    """Give nerve and side of each stimulus, and the kind of the recording.

    Raises
    ------
    StudyError
        If they are not stated, or what is stated contradicts itself.
    """
    told = source.override
    named = [told.nerve or cue.spoken.nerve or field.nerve for cue in cues]
    if None in named:
        owners = {nerve_of_muscle(c.muscle) for c in channels}
        nerve = owners.pop() if len(owners) == 1 else None
        if nerve is None:
            raise StudyError(
                f"the nerve is not stated; known: {', '.join(anatomy().nerves)}.",
                hint=f'Set nerve under [recordings."{source.name}"] in study.toml.',
            )
        reason = "the recording field names no nerve; taken from the muscle"
        decisions.append(Decision(source.name, "nerve", nerve, reason))
        named = [name or nerve for name in named]
    sides = _sides(field, channels, cues, source)
    nerves = tuple(name for name in named if name is not None)
    for nerve, cue in zip(nerves, cues, strict=True):
        position(nerve, cue.spoken.site or "")
    return Where(nerves, sides, field.kind or "motor")


def _sides(
    field: Named, channels: Sequence[Labeled], cues: Sequence[Cue], source: Input
) -> tuple[Side, ...]:
    """Give the side of each stimulus: both may stand in one file, each with its channel.

    Raises
    ------
    StudyError
        If it is not stated, or what is stated contradicts itself or ``study.toml``.
    """
    told = source.override.side
    spoken = {cue.spoken.side for cue in cues} - {None}
    labeled = {channel.side for channel in channels} - {None}
    both = len(spoken) == 2
    if both and told is not None:
        raise StudyError(
            f"recordings.\"{source.name}\".side: '{told}', but the stimuli name both sides.",
            hint="Leave 'side' out: each stimulus names its own.",
        )
    if told is not None:
        return (told,) * len(cues)
    hint = f'Set side under [recordings."{source.name}"] in study.toml.'
    if (
        both
        and None not in {cue.spoken.side for cue in cues}
        and field.side is None
        and (len(labeled) != 1)
    ):
        return tuple(cue.spoken.side for cue in cues)  # type: ignore[misc]
    said = {field.side} | labeled | spoken
    said -= {None}
    if len(said) > 1:
        raise StudyError(
            "recording field, label and stimuli contradict each other on the side.",
            hint="Correct the annotations, or split the file by side." if both else hint,
        )
    if not said:
        raise StudyError("the side is not stated; known: left, right.", hint=hint)
    side: Side = said.pop()  # type: ignore[assignment]
    return (side,) * len(cues)

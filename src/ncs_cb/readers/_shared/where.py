"""Which nerve and side each stimulus of a file belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle, position
from ncs_cb.model import Decision, Kind, Side
from ncs_cb.readers._shared.names import Named
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers._shared.stimuli import Spoken


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
    spoken: Sequence[Spoken],
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
    voiced = {one.nerve for one in spoken} - {None}
    if told.nerve is not None and len(voiced) > 1:
        raise StudyError(
            f"recordings.\"{source.name}\".nerve: '{told.nerve}', but the stimuli name several: "
            f"{', '.join(sorted(filter(None, voiced)))}.",
            hint="Leave 'nerve' out: each stimulus names its own.",
        )
    if told.nerve is not None:
        _note_overruled(told.nerve, voiced | {field.nerve}, "nerve", source.name, decisions)
    named = [told.nerve or one.nerve or field.nerve for one in spoken]
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
    sides = _sides(field, channels, spoken, source)
    if told.side is not None:
        said = {field.side, *(c.side for c in channels), *(one.side for one in spoken)}
        _note_overruled(told.side, said, "side", source.name, decisions)
    nerves = tuple(name for name in named if name is not None)
    for nerve, one in zip(nerves, spoken, strict=True):
        position(nerve, one.site or "")
    return Where(nerves, sides, field.kind or "motor")


def _note_overruled(
    told: str, said: Iterable[str | None], what: str, name: str, decisions: list[Decision]
) -> None:
    """Say where ``study.toml`` wins over what the file says."""
    others = sorted({word for word in said if word is not None and word != told})
    if others:
        reason = f"as study.toml says; the file itself says {', '.join(others)}"
        decisions.append(Decision(name, "overruled", f"{what} {told}", reason))


def _sides(
    field: Named, channels: Sequence[Labeled], spoken: Sequence[Spoken], source: Input
) -> tuple[Side, ...]:
    """Give the side of each stimulus: both may stand in one file, each with its channel.

    Raises
    ------
    StudyError
        If it is not stated, or what is stated contradicts itself or ``study.toml``.
    """
    told = source.override.side
    voiced = {one.side for one in spoken} - {None}
    labeled = {channel.side for channel in channels} - {None}
    both = len(voiced) == 2
    if both and told is not None:
        raise StudyError(
            f"recordings.\"{source.name}\".side: '{told}', but the stimuli name both sides.",
            hint="Leave 'side' out: each stimulus names its own.",
        )
    if told is not None:
        return (told,) * len(spoken)
    hint = f'Set side under [recordings."{source.name}"] in study.toml.'
    if (
        both
        and None not in {one.side for one in spoken}
        and field.side is None
        and (len(labeled) != 1)
    ):
        return tuple(one.side for one in spoken)  # type: ignore[misc]
    said = {field.side} | labeled | voiced
    said -= {None}
    if len(said) > 1:
        raise StudyError(
            f"{_sides_said(field.side, labeled, voiced)} contradict each other on the side.",
            hint="Correct or split the file: a side in study.toml holds for all stimuli."
            if both
            else hint,
        )
    if not said:
        raise StudyError("the side is not stated; known: left, right.", hint=hint)
    side: Side = said.pop()  # type: ignore[assignment]
    return (side,) * len(spoken)


def _sides_said(field: Side | None, labeled: set[Side | None], voiced: set[Side | None]) -> str:
    """Name what says which side: ``label (right) and stimuli (left and right)``."""
    told = (("recording field", {field} - {None}), ("label", labeled), ("stimuli", voiced))
    said = [f"{who} ({' and '.join(sorted(map(str, sides)))})" for who, sides in told if sides]
    return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))

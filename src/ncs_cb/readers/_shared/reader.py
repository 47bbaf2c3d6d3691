"""The type of a reader, what it is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ncs_cb.errors import NcsError
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import (
    Decision,
    Details,
    PrintedSegment,
    RecordingOverride,
    Trace,
    TypedResponse,
    UnassignedStimulus,
)
from ncs_cb.readers._shared.shown import open_name

_NOTHING_TOLD = RecordingOverride()
_NOTHING_KNOWN = Details()


@dataclass(frozen=True, slots=True)
class Input:
    """One file as a reader gets it.

    Attributes
    ----------
    path : Path
        Where the file lies; companions are looked for beside it.
    name : str
        What the file is called in messages, tables and provenance.
    data : bytes
        The whole content; only its beginning while readers are asked for their claim on a
        file whose suffix no reader knows.
    override : RecordingOverride
        What ``study.toml`` says of this recording.
    keep_identity : bool
        Whether free annotations and header identity are kept as notes.
    layout : Layout or None
        The layout that the caller named for tables.
    layouts : tuple of Layout
        The laboratory's own, tried on a table that nobody named one for.
    words : mapping
        The laboratory's words: by ``nerves``, ``sites`` or ``muscles``, folded text to id.
    """

    path: Path
    name: str
    data: bytes
    override: RecordingOverride = _NOTHING_TOLD
    keep_identity: bool = False
    layout: Layout | None = None
    layouts: tuple[Layout, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a reader found in one file.

    Attributes
    ----------
    traces : tuple of Trace
    typed_responses : tuple of TypedResponse
    decisions : tuple of Decision
        Everything the file did not say outright, identity never.
    notes : tuple of str
        Free text, only when identity is kept.
    details : Details
        Age, sex and visit date where the file states them; ``study.toml`` wins.
    birth_key : str or None
        Digest of the birth date, held in memory to notice two persons in one folder.
    study_id : str or None
        The id, where the format carries one.
    companions : tuple of Path
        Further files that were read (a sidecar), for their hash.
    unassigned : tuple of UnassignedStimulus
        Stretches of signal whose annotation or trigger names no site.
    printed_segments : tuple of PrintedSegment
        What a table prints of segments and no single site can hold.
    """

    traces: tuple[Trace, ...] = ()
    typed_responses: tuple[TypedResponse, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    details: Details = _NOTHING_KNOWN
    birth_key: str | None = None
    study_id: str | None = None
    companions: tuple[Path, ...] = ()
    printed_segments: tuple[PrintedSegment, ...] = ()
    unassigned: tuple[UnassignedStimulus, ...] = ()


def no_companions(path: Path) -> tuple[Path, ...]:
    """Give the companions of a format that keeps everything in one file: none."""
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """One file format, both ways where it can be written.

    Attributes
    ----------
    name : str
        Id that stands in provenance.
    suffixes : tuple of str
        Lower-case file suffixes, with the dot.
    claims : callable
        Whether an :class:`Input` is of this format; looks at suffix and first bytes, cheaply.
        Exactly one reader may claim an input.
    read : callable
        Gives the :class:`Recording` of a claimed input, or raises an ``NcsError``.
    write : callable, optional
        ``write(study, folder, ...)`` gives the paths written.
    label : str
        One line for ``ncs-cb formats``.
    needs : str
        What a file must say, for ``ncs-cb formats NAME``: a few lines, with an example.
    companions : callable
        Files that belong to a recording and are no recordings themselves.
    shown : callable
        Gives the name under which a file is shown; one that looks like a number is not.
    visits : callable, optional
        Gives every visit of an input by study id, where one file may hold several: the
        recording, or what is wrong with it. The id is empty where the file names none.
    """

    name: str
    suffixes: tuple[str, ...]
    claims: Callable[[Input], bool]
    read: Callable[[Input], Recording]
    write: Callable[..., list[Path]] | None = None
    label: str = ""
    companions: Callable[[Path], tuple[Path, ...]] = no_companions
    shown: Callable[[str], str] = open_name
    visits: Callable[[Input], Mapping[str, Recording | NcsError]] | None = None
    needs: str = ""

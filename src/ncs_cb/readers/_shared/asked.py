"""What the caller says about how to read, and the laboratory's file that lies nearest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ncs_cb.discreet import discreetly
from ncs_cb.errors import NcsError, StudyError, did_you_mean
from ncs_cb.knowledge import lab as labs
from ncs_cb.knowledge.lab import LabFile
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.measuring.attested import attest_in_general
from ncs_cb.model import Source, Study
from ncs_cb.readers._shared.claims import claimants
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.folders import StudyInput
from ncs_cb.readers._shared.grid import SPREADSHEETS
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.shown import open_name

_TABLES = (".csv", ".tsv", ".txt", *SPREADSHEETS)
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller says about how to read.

    Attributes
    ----------
    layout : Layout or None
        For tables.
    lab : LabFile or None
        For every study; the nearest ``lab.toml`` when not given.
    root : Path or None
        Above it no ``lab.toml`` is looked for.
    keep_identity : bool
    """

    layout: Layout | None = None
    lab: LabFile | None = None
    root: Path | None = None
    keep_identity: bool = False

    def lab_for(self, path: Path) -> LabFile | None:
        """Give the laboratory's file for a study: the one named, or the nearest one."""
        if self.lab is not None:
            return self.lab
        folder = path if path.is_dir() else path.parent
        root = None if self.root is None else self.root if self.root.is_dir() else folder
        own = labs.find(folder, root=root)
        return None if own is None else _loaded(own, own.stat().st_mtime_ns)

    def put_to(self, source: Input, lab: LabFile | None) -> Input:
        """Give an input with what was said about reading it."""
        if lab is None:
            if (source.layout, source.keep_identity) == (self.layout, self.keep_identity):
                return source
            return replace(source, layout=self.layout, keep_identity=self.keep_identity)
        return replace(
            source,
            layout=self.layout,
            keep_identity=self.keep_identity,
            layouts=tuple(lab.layouts.values()),
            words=lab.words,
        )


@cache
def _loaded(path: Path, changed: int) -> LabFile:
    with discreetly():  # it lies beside recordings
        return labs.load(path)


def sources_of(lab: LabFile | None) -> tuple[Source, ...]:
    """Give the laboratory's file as a source, for provenance."""
    return () if lab is None else (Source(lab.lab.name, lab.lab.sha256, "lab_toml"),)


def with_lab(study: Study, lab: LabFile) -> Study:
    """Give a study what its laboratory says, where the study itself says nothing."""
    return attest_in_general(
        replace(study, lab=lab.lab, sources=(*study.sources, *sources_of(lab)))
    )


def each_visit(found: StudyInput, asked: Asked) -> list[StudyInput]:
    """Give one study per visit of a table that is alone in its study; else the study as it is."""
    tables = [f for f in found.files if f.suffix.lower() in _TABLES]
    if not found.path.is_dir():
        tables = [f for f in tables if f == found.path]
    if found.part or len(tables) != 1:
        return [found]
    try:
        path = tables[0]
        source = asked.put_to(Input(path, path.name, read_regular(path)), asked.lab_for(found.path))
        readers = claimants(source)
        shown = readers[0].shown(path.name) if len(readers) == 1 else path.name
        # The reader of a format whose files are called by a number always hides it.
        if shown not in (path.name, open_name(path.name)):
            lone = not found.path.is_dir()
            return [replace(found, name=Path(shown).stem) if lone else found]
        if len(readers) == 1 and readers[0].visits is not None:
            names = list(visits(source, readers[0]))
            if len(names) > 1:
                return [replace(found, name=name, part=name) for name in names]
    except NcsError:
        pass  # reading it says what is wrong
    return [found]


_last: dict[tuple[Any, ...], Mapping[str, Recording | NcsError]] = {}


def visits(source: Input, reader: Reader) -> Mapping[str, Recording | NcsError]:
    """Read all visits of a table; the last table is kept: its visits are asked for in turn."""
    assert reader.visits is not None
    key = (
        hashlib.sha256(source.data).digest(),
        source.name,
        reader.name,
        repr(source.layout),
        repr(source.override),
        repr(source.words),
        repr(source.layouts),
    )
    if key not in _last:
        found = reader.visits(source)
        _last.clear()
        _last[key] = found
    return _last[key]


def one_visit(source: Input, reader: Reader, part: str) -> Recording:
    """Read one visit of a table.

    Raises
    ------
    StudyError
        If the table holds several and none is named, or not the one named.
    NcsError
        What is wrong with that visit.
    """
    found = visits(source, reader)
    if not part and len(found) > 1:
        raise StudyError(
            f"the table holds {len(found)} studies (study_id); this reads one.",
            hint="ncs_cb.studies_from_table(path), 'ncs-cb analyze' and 'ncs-cb batch' read all.",
        )
    if part and part not in found and "" not in found:
        known = list(found)
        raise StudyError(
            f"the table holds no study '{part[:60]}'; it holds: "
            f"{', '.join(map(repr, known[:_LISTED]))}." + did_you_mean(part, known)
        )
    chosen = found.get(part) or next(iter(found.values()))
    if isinstance(chosen, NcsError):
        raise chosen
    return chosen

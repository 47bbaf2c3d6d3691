"""Recordings to a :class:`~ncs_cb.model.Study`: one file, or the folder of one visit.

Each format is one module or package of this folder that ends in ``READER``; other distributions
add readers through the entry point group ``ncs_cb.readers``. Exactly one reader may claim a file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from ncs_cb.discreet import discreet, discreetly
from ncs_cb.errors import NcsError, ReadError, StudyError
from ncs_cb.harmless import visible
from ncs_cb.knowledge.lab import LabFile
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Decision, Details, RecordingOverride, Source, Study
from ncs_cb.readers._shared import folders
from ncs_cb.readers._shared import told as told_of
from ncs_cb.readers._shared.asked import Asked, each_visit, one_visit, with_lab
from ncs_cb.readers._shared.claims import available
from ncs_cb.readers._shared.discovery import (
    asked_for,
    files_below,
    find_studies,
    is_recording,
    iter_studies,
    studies_of,
)
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.folders import STUDY_FILE, StudyInput, is_study_file
from ncs_cb.readers._shared.opened import (
    claim_all,
    collected,
    left_unread,
    nothing_found,
    open_all,
)
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.reviewed import with_assigned, with_review
from ncs_cb.readers._shared.shown import open_name
from ncs_cb.readers._shared.stimuli import nearly_site
from ncs_cb.review_file import Log, log_path
from ncs_cb.review_file import load as load_log

__all__ = [
    "READERS",
    "Input",
    "Reader",
    "Recording",
    "StudyInput",
    "available",
    "files_below",
    "find_studies",
    "is_recording",
    "is_study_file",
    "iter_studies",
    "nearly_site",
    "problems",
    "read_studies",
    "read_study",
    "studies_of",
]

_NOTHING_TOLD = Details()
_COPY = "a copy of"
_NUMBERED = (
    "the study is called by what looks like the number of a patient or a date of birth; its id is "
    "a hash of that. Give it an id in study.toml, and a batch a key: who tries all numbers finds it"
)


def __getattr__(name: str) -> Any:
    if name == "READERS":
        return available()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def read_study(
    path: str | Path | StudyInput,
    *,
    details: str | Path | None = None,
    keep_identity: bool = False,
    layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
    root: Path | None = None,
) -> Study:
    """Read one patient visit from one file, or from a folder with all recordings below it.

    Parameters
    ----------
    path : str, Path or StudyInput
        A recording, a folder, or what :func:`find_studies` found.
    details : str or Path, optional
        A ``study.toml``; by default the one in the folder, or beside the file.
    keep_identity : bool
        Keep free annotations and header identity as notes. By default names, birth dates and
        hospital numbers are dropped, after the age has been worked out.
    layout : Layout, str or Path, optional
        How a table is to be read: one loaded, its id (shipped, or of ``lab.toml``) or its file.
    lab : LabFile, str or Path, optional
        The laboratory's file; by default the nearest ``lab.toml`` in the folder or above it.
    root : Path, optional
        Above this folder no ``lab.toml`` is looked for.

    Returns
    -------
    Study
        Traces in mV, negative phase positive, in order of file name and recording.

    Raises
    ------
    ReadError
        If a file is unreadable, truncated, lying or empty, or a link leaves the folder.
    UnknownFormatError
        If no reader claims the input.
    UnitError
        If a voltage unit is missing or unknown, or a response is above 100 mV.
    StudyError
        If there is no stimulus, a nerve or site is unknown, or ``study.toml`` is faulty.
    """
    found = path if isinstance(path, StudyInput) else _as_input(Path(path))
    try:
        return _read(found, *asked_for(found.path, layout, lab, root, keep_identity), details)
    except NcsError as problem:
        names = found.names | _as_called(details, layout, lab)
        raise discreet(problem, names) from problem.__cause__


def read_studies(
    path: str | Path,
    *,
    details: str | Path | None = None,
    keep_identity: bool = False,
    layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
) -> dict[str, Study | NcsError]:
    """Read every visit of one input: one, unless it is a table with several study ids.

    Returns
    -------
    dict of str to Study or NcsError
        By study id, what was read or what is wrong with it.

    Raises
    ------
    NcsError
        If the input as a whole cannot be read; see :func:`read_study`.
    """
    found = _as_input(Path(path))
    with discreetly(found.names | _as_called(details, layout, lab)):
        asked, lab_file = asked_for(found.path, layout, lab, None, keep_identity)
        each = each_visit(found, asked)
        if len(each) == 1:
            study = _read(found, asked, lab_file, details)
            return {study.study_id: study}
        made: dict[str, Study | NcsError] = {}
        for one in each:
            try:
                made[one.name] = _read(one, asked, lab_file, details)
            except NcsError as problem:
                made[one.name] = discreet(problem, one.names)
        return made


def _read(
    found: StudyInput, asked: Asked, lab: LabFile | None, details: str | Path | None
) -> Study:
    folders.refuse_unlisted(found)
    lone = not found.path.is_dir()
    if details is not None:
        found = replace(found, study_file=Path(details))
    toml = found.study_file
    study_id, told = open_name(found.name), _NOTHING_TOLD
    sources: tuple[Source, ...] = ()
    if toml is not None:
        study_id, told, sources = _read_details(toml, study_id)
    log_file = log_path(found.path)
    log = load_log(log_file)
    told = with_assigned(told, found, log)
    if found.part:
        _refuse_one_for_all(told)
        study_id = found.part
    inputs, decisions = open_all(found, asked.keep_identity)
    inputs = [asked.put_to(source, lab) for source in inputs]
    recordings, ignored, told = _read_all(inputs, told, lone=lone, part=found.part)
    if toml is None and not lone:
        copies = [d.source for d in ignored if d.reason.startswith(_COPY)]
        names = {source.name for source, _ in recordings} | set(copies)
        ignored += _taken_together(found, [i.path for i in inputs if i.name in names])
    if lone and study_id == open_name(found.name) and recordings and not found.part:
        study_id = _id_of(found, recordings[0][0].name)
    if study_id != found.name and study_id == open_name(found.name):
        ignored.append(Decision(study_id, "identity", "hidden", _NUMBERED))
    study = _assemble(study_id, told, sources, recordings, (*decisions, *ignored))
    study = study if lab is None else with_lab(study, lab)
    return study if found.part else with_review(study, found, log_file, log)


def _taken_together(found: StudyInput, recordings: Sequence[Path]) -> list[Decision]:
    """Say so where several folders with recordings were taken for one visit."""
    if len({os.path.dirname(path) for path in recordings}) < 2:
        return []
    homes = {path.parent for path in recordings}
    shown = sorted(open_name(visible(home.relative_to(found.path).as_posix())) for home in homes)
    why = (
        f"{len(homes)} folders hold its recordings ({', '.join(shown[:12])}"
        f"{', ...' if len(shown) > 12 else ''}); 'ncs-cb batch' takes each for a study of its own, "
        "unless a study.toml in this folder makes them one"
    )
    return [Decision(visible(found.name), "visits", "taken for one visit", why)]


def problems(
    path: str | Path,
    *,
    layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
) -> list[NcsError]:
    """Give everything that is wrong with the files of one study, not only what stops first.

    Parameters
    ----------
    path, layout, lab
        As in :func:`read_study`.

    Returns
    -------
    list of NcsError
        One per faulty file, in order; empty where :func:`read_study` reads the study.

    Raises
    ------
    ReadError
        If there is no such file or folder.
    """
    found = _as_input(Path(path))
    names = found.names | _as_called(layout, lab)
    with discreetly(names):
        asked, lab_file = asked_for(found.path, layout, lab, None, False)
    failed: list[NcsError] = []
    study_id, told = found.name, _NOTHING_TOLD
    with collected(failed):
        if found.study_file is not None:
            study_id, told, _ = _read_details(found.study_file, found.name)
    log_file, log = log_path(found.path), Log()
    with collected(failed):
        log = load_log(log_file)
        told = with_assigned(told, found, log)
    inputs, _ = open_all(found, False, failed)
    inputs = [asked.put_to(source, lab_file) for source in inputs]
    lone = not found.path.is_dir()
    read, ignored, told = _read_all(inputs, told, lone=lone, part=found.part, failed=failed)
    if not failed:
        with collected(failed):
            with_review(_assemble(study_id, told, (), read, ()), found, log_file, log)
    if failed:
        failed += left_unread(ignored)
    return [discreet(problem, names) for problem in failed]


def _id_of(found: StudyInput, shown: str) -> str:
    """Give the id of a lone file: its name, unless that is not to be shown."""
    return open_name(found.name) if shown == found.path.name else Path(shown).stem


def _refuse_one_for_all(told: Details) -> None:
    if replace(told, recordings={}) != _NOTHING_TOLD:
        raise StudyError(
            "describes one visit, but the table holds several.",
            source=STUDY_FILE,
            hint="Put what it says into columns of the table; [recordings] may stay.",
        )


def _as_input(path: Path) -> StudyInput:
    try:
        return folders.describe(path)
    except OSError as problem:
        raise ReadError(
            f"cannot be read: {problem.strerror or 'no such file'}.", source=str(path)
        ) from None


def _as_called(*said: object) -> frozenset[str]:
    """Give what the user typed to name files and layouts: no secret from the user."""
    paths = [Path(one) for one in said if isinstance(one, str | Path)]
    return frozenset(name for path in paths for name in (str(path), path.name, path.stem))


def check_study_file(path: str | Path) -> None:
    """Read a ``study.toml`` by itself, every name of an anatomy in it too.

    Raises
    ------
    StudyError
        If a key, a value or a name is wrong.
    """
    with discreetly(_as_called(path)):
        _read_details(Path(path), "")


def _read_details(path: Path, default_id: str) -> tuple[str, Details, tuple[Source, ...]]:
    from ncs_cb.study_file import load_study_toml

    study_id, details = load_study_toml(path)
    details = told_of.settle(details)
    source = Source(path.name, hashlib.sha256(read_regular(path)).hexdigest(), "study_toml")
    return study_id or default_id, details, (source,)


# --------------------------------------------------------------------------- inputs to a study

_Read = tuple[Source, Recording]


def _read_all(
    inputs: Sequence[Input],
    told: Details,
    *,
    lone: bool,
    part: str = "",
    failed: list[NcsError] | None = None,
) -> tuple[list[_Read], list[Decision], Details]:
    """Let the one reader that claims each input read it; what was told gets the names shown."""
    claimed, decisions = claim_all(inputs, lone=lone, failed=failed)
    overrides: Mapping[str, RecordingOverride] = {}
    sources = [source for source, _ in claimed]
    if told.recordings:
        with collected(failed):
            read_paths = {source.path for source in sources}
            unread = [one for one in inputs if one.path not in read_paths]
            overrides = told_of.by_recording(told.recordings, sources, unread, lone=lone)
    claimed = [(_shown(source, reader, overrides), reader) for source, reader in claimed]
    if told.recordings:
        shown = {before.name: now.name for before, (now, _) in zip(sources, claimed, strict=True)}
        told = _told_openly(told, {**{s.path.name: s.name for s, _ in claimed}, **shown})
    seen: dict[str, str] = {}
    read: list[_Read] = []
    for source, reader in claimed:
        digest = hashlib.sha256(source.data).hexdigest()
        # With a sidecar, equal samples may be told apart by what the sidecar says.
        if digest in seen and not reader.companions(source.path):
            same = f"{_COPY} '{seen[digest]}'"
            decisions.append(Decision(source.name, "choice", "ignored", same))
            continue
        seen[digest] = source.name
        with collected(failed):
            recording = told_of.apply(_read_one(source, reader, part), source.override, source.name)
            read.append((Source(source.name, digest, reader.name), recording))
    return read, decisions, told


def _shown(source: Input, reader: Reader, overrides: Mapping[str, RecordingOverride]) -> Input:
    """Give an input what was told of it, and the name under which it may be shown."""
    override, name = overrides.get(source.name, source.override), reader.shown(source.name)
    if name == source.name and override is source.override:
        return source
    return replace(source, name=name, override=override)


def _told_openly(told: Details, shown: Mapping[str, str]) -> Details:
    """Call the recordings in what was told of them as they are shown: by no patient's number."""
    recordings = {shown.get(name, open_name(name)): one for name, one in told.recordings.items()}
    return replace(told, recordings=recordings)


def _read_one(source: Input, reader: Reader, part: str) -> Recording:
    try:
        if reader.visits is not None:
            return one_visit(source, reader, part)
        return reader.read(source)
    except NcsError as problem:
        if problem.source is not None:
            raise
        raise type(problem)(problem.message, source=source.name, hint=problem.hint) from None
    except RecursionError:
        raise ReadError("nested too deeply.", source=source.name) from None
    except OSError as problem:
        raise ReadError(f"cannot be read: {problem.strerror}.", source=source.name) from None


def _assemble(
    study_id: str,
    told: Details,
    sources: tuple[Source, ...],
    read: Sequence[_Read],
    decisions: tuple[Decision, ...],
) -> Study:
    recorded = [recording for _, recording in read]
    if len({r.birth_key for r in recorded if r.birth_key}) > 1:
        raise StudyError(
            "the recordings of this folder state different birth dates: not one patient visit.",
            hint="Put the recordings of each patient in a folder of their own.",
        )
    _refuse_several_days(told, [r.details.visit_date for r in recorded])
    if not read and told == _NOTHING_TOLD:
        raise nothing_found(study_id, decisions)
    unassigned = tuple(u for r in recorded for u in r.unassigned)
    traces = tuple(trace for r in recorded for trace in r.traces)
    typed = tuple(row for r in recorded for row in r.typed_responses)
    if unassigned and not traces and not typed:
        raise told_of.nothing_assigned(unassigned)
    if traces:
        from ncs_cb.readers._shared.doubts import refuse_twins  # numpy: only for samples

        refuse_twins(traces)
    ids = [r.study_id for r in recorded if r.study_id]
    return _with_possible_markers(
        Study(
            visible(ids[0] if len(read) == 1 and ids and not sources else study_id),
            traces,
            typed,
            _merged(told, [r.details for r in recorded]),
            (*sources, *_sources(read)),
            tuple(
                _openly(d)
                for d in (
                    *decisions,
                    *(d for r in recorded for d in r.decisions),
                    *told_of.left_unassigned(unassigned),
                )
            ),
            tuple(visible(note) for r in recorded for note in r.notes),
            printed_segments=tuple(s for r in recorded for s in r.printed_segments),
            unassigned=unassigned,
        )
    )


def _openly(decision: Decision) -> Decision:
    name, reason = open_name(decision.source), visible(decision.reason)
    if name == decision.source and reason == decision.reason:
        return decision
    return replace(decision, source=name, reason=reason)


def _with_possible_markers(study: Study) -> Study:
    """Give a study as it is, unless study.toml sets a marker where none can stand."""
    if study.traces and any(told.responses for told in study.details.recordings.values()):
        from ncs_cb.measuring.told_markers import refuse_impossible  # numpy: only for samples

        refuse_impossible(study)
    return study


def _refuse_several_days(told: Details, dates: Sequence[date | None]) -> None:
    """Refuse recordings of several visits; a recording of the next morning is of the same."""
    known = sorted({day for day in dates if day is not None})
    if told.visit_date is None and known and (known[-1] - known[0]).days > 1:
        raise StudyError(
            f"the recordings of this folder were made on {len(known)} days, {known[0]} to "
            f"{known[-1]}: not one visit.",
            hint="Put the recordings of each visit in a folder of their own, or give visit_date "
            "in study.toml where the clock of the machine was wrong.",
        )


def _sources(read: Sequence[_Read]) -> list[Source]:
    sources = []
    for source, recording in read:
        sources.append(source)
        for companion in recording.companions:
            digest = hashlib.sha256(read_regular(companion)).hexdigest()
            name = open_name(companion.name)
            sources.append(Source(name, digest, f"{source.reader} companion"))
    return sources


def _merged(told: Details, stated: Sequence[Details]) -> Details:
    """Fill in from the recordings what ``study.toml`` leaves open; agreeing values only."""
    if told == _NOTHING_TOLD and len(stated) == 1:
        return stated[0]
    filled: dict[str, Any] = {}
    for field in ("age_years", "sex", "visit_date"):
        if getattr(told, field) is not None:
            continue
        values = {v for d in stated if (v := getattr(d, field)) is not None}
        if len(values) == 1 or (values and field != "sex"):
            filled[field] = min(values)
    if told.symptom_onset_date and "visit_date" in filled:
        from ncs_cb.study_file import refuse_onset_after_visit

        refuse_onset_after_visit(told.symptom_onset_date, filled["visit_date"])
    return replace(told, **filled) if filled else told

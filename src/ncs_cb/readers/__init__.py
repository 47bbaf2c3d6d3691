"""Recordings to a :class:`~ncs_cb.model.Study`: one file, or the folder of one visit.

Each format is one module or package of this folder that ends in ``READER``; other distributions
add readers through the entry point group ``ncs_cb.readers``. Exactly one reader may claim a file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ncs_cb.errors import NcsError, ReadError, StudyError, UnknownFormatError
from ncs_cb.harmless import visible
from ncs_cb.knowledge import lab as labs
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.lab import LabFile
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Decision, Details, RecordingOverride, Source, Study
from ncs_cb.readers._shared import folders
from ncs_cb.readers._shared import told as told_of
from ncs_cb.readers._shared.asked import Asked, each_visit, one_visit, with_lab
from ncs_cb.readers._shared.claims import available, by_suffix, claimants, head
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.folders import STUDY_FILE, StudyInput
from ncs_cb.readers._shared.grid import SPREADSHEETS
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.reviewed import with_assigned, with_review
from ncs_cb.review_file import is_log

__all__ = [
    "READERS",
    "Input",
    "Reader",
    "Recording",
    "StudyInput",
    "available",
    "find_studies",
    "iter_studies",
    "read_studies",
    "read_study",
]

# Files with these suffixes may be notes or settings; an empty one is no lost recording.
_ALSO_NOTES = (".txt", ".json")
_TABLE_SUFFIXES = (".csv", ".tsv", ".txt", *SPREADSHEETS)
_NOTHING_TOLD = Details()


def __getattr__(name: str) -> Any:
    if name == "READERS":
        return available()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def find_studies(
    root: str | Path, *, layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
) -> list[StudyInput]:  # fmt: skip
    """List the studies under `root`, in order of path, without reading them.

    Every folder below `root` that directly holds recordings or a ``study.toml`` is one study; a
    recording lying directly in `root` is a study of its own. A folder with a ``study.toml``
    takes in its subfolders (up to one with a ``study.toml`` of its own), and so does `root`
    itself when it holds one. Links are not followed.

    Parameters
    ----------
    root : str or Path
        A folder, or one recording.
    layout : Layout, str or Path, optional
        How tables are to be read; see :func:`read_study`.
    lab : LabFile, str or Path, optional
        The laboratory's file for all of them; by default the nearest ``lab.toml``.

    Returns
    -------
    list of StudyInput
        Each may be given to :func:`read_study`; ``files`` lists every file that belongs to it.

    Raises
    ------
    ReadError
        If `root` does not exist or cannot be listed.
    """
    found = iter_studies(root, layout=layout, lab=lab)
    return sorted(found, key=lambda study: (study.path, study.part))


def iter_studies(
    root: str | Path, *, layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
) -> Iterator[StudyInput]:  # fmt: skip
    """Give the studies of :func:`find_studies` one by one, as the tree is walked.

    An archive of many thousand studies need not be held in memory so. A table that holds several
    visits gives one study each.

    Raises
    ------
    ReadError
        If `root` does not exist or a folder cannot be listed.
    """
    suffixes = tuple({s for reader in available() for s in reader.suffixes})
    try:
        asked = _asked(Path(root), layout, lab, Path(root), False)[0]
        for found in folders.find(Path(root), suffixes, partial(_is_recording, asked)):
            yield from each_visit(found, asked)
    except OSError as problem:
        raise ReadError(f"cannot be listed: {problem.strerror}.", source=str(root)) from None


def _is_recording(asked: Asked, path: Path) -> bool:
    """Tell by suffix, or by a look at the beginning where several formats share the suffix."""
    owners = by_suffix(available()).get(path.suffix.lower(), [])
    if len(owners) == 1 and owners[0].name == "edf":
        return True
    if not owners:
        return False
    start = read_regular(path) if path.suffix.lower() in SPREADSHEETS else head(path)
    lab = asked.lab_for(path) if path.suffix.lower() in _TABLE_SUFFIXES else None
    return bool(claimants(asked.put_to(Input(path, path.name, start), lab)))


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
    return _read(found, *_asked(found.path, layout, lab, root, keep_identity), details)


def _asked(
    path: Path, layout: Layout | str | Path | None, lab: LabFile | str | Path | None,
    root: Path | None, keep_identity: bool,
) -> tuple[Asked, LabFile | None]:  # fmt: skip
    """Load what the caller names by id or path."""
    own = lab if isinstance(lab, LabFile) or lab is None else labs.load(lab)
    lab_file = Asked(None, own, root).lab_for(path)
    if layout is not None and not isinstance(layout, Layout):
        layout = layouts.resolve(layout, {} if lab_file is None else lab_file.layouts)
    return Asked(layout, own, root, keep_identity), lab_file


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
    asked, lab_file = _asked(found.path, layout, lab, None, keep_identity)
    each = each_visit(found, asked)
    if len(each) == 1:
        study = _read(found, asked, lab_file, details)
        return {study.study_id: study}
    made: dict[str, Study | NcsError] = {}
    for one in each:
        try:
            made[one.name] = _read(one, asked, lab_file, details)
        except NcsError as problem:
            made[one.name] = problem
    return made


def _read(
    found: StudyInput, asked: Asked, lab: LabFile | None, details: str | Path | None
) -> Study:
    lone = not found.path.is_dir()
    toml = Path(details) if details is not None else found.study_file
    study_id, told = found.name, _NOTHING_TOLD
    sources: tuple[Source, ...] = ()
    if toml is not None:
        study_id, told, sources = _read_details(toml, found.name)
    told = with_assigned(told, found)
    if found.part:
        _refuse_one_for_all(told)
        study_id = found.part
    inputs, decisions = _open_all(found, asked.keep_identity)
    inputs = [asked.put_to(source, lab) for source in inputs]
    recordings, ignored = _read_all(inputs, told, lone=lone, part=found.part)
    if lone and study_id == found.name and recordings and not found.part:
        study_id = _id_of(found, recordings[0][0].name)
    study = _assemble(study_id, told, sources, recordings, (*decisions, *ignored))
    study = study if lab is None else with_lab(study, lab)
    return study if found.part else with_review(study, found)


def _id_of(found: StudyInput, shown: str) -> str:
    """Give the id of a lone file: its name, unless that is not to be shown."""
    return found.name if shown == found.path.name else Path(shown).stem


def _refuse_one_for_all(told: Details) -> None:
    if replace(told, recordings={}) != _NOTHING_TOLD:
        raise StudyError(
            "describes one visit, but the table holds several.", source=STUDY_FILE,
            hint="Put what it says into columns of the table; [recordings] may stay.",
        )  # fmt: skip


def _as_input(path: Path) -> StudyInput:
    try:
        return folders.describe(path)
    except OSError as problem:
        raise ReadError(
            f"cannot be read: {problem.strerror or 'no such file'}.", source=str(path)
        ) from None


def check_study_file(path: str | Path) -> None:
    """Read a ``study.toml`` by itself, every name of an anatomy in it too.

    Raises
    ------
    StudyError
        If a key, a value or a name is wrong.
    """
    _read_details(Path(path), "")


def _read_details(path: Path, default_id: str) -> tuple[str, Details, tuple[Source, ...]]:
    from ncs_cb.study_file import load_study_toml

    study_id, details = load_study_toml(path)
    details = told_of.settle(details)
    source = Source(path.name, hashlib.sha256(read_regular(path)).hexdigest(), "study_toml")
    return study_id or default_id, details, (source,)


# --------------------------------------------------------------------------- files to inputs


def _open_all(found: StudyInput, keep_identity: bool) -> tuple[list[Input], list[Decision]]:
    """Read every file that could be a recording; list the others as decisions."""
    known = by_suffix(available())
    inputs: list[Input] = []
    decisions: list[Decision] = []
    if found.path in found.files:
        # A file given by itself: what lies beside it is a companion or no concern of ours.
        name = visible(found.path.name)
        data = read_regular(found.path, name)
        return [Input(found.path, name, data, keep_identity=keep_identity)], decisions
    for path, name in folders.unique_names(found):
        if path.name == STUDY_FILE or is_log(path):
            continue
        if path.suffix.lower() in known:
            inputs.append(Input(path, name, read_regular(path, name), keep_identity=keep_identity))
            continue
        start = Input(path, name, head(path), keep_identity=keep_identity)
        if claimants(start):
            inputs.append(replace(start, data=read_regular(path, name)))
        elif not folders.is_plain_text_about(path):
            decisions.append(Decision(name, "choice", "ignored", "no reader claims this file"))
    for path, reason in found.skipped:
        decisions.append(Decision(path.name, "choice", "ignored", reason))
    return inputs, decisions


# --------------------------------------------------------------------------- inputs to a study

_Read = tuple[Source, Recording]


def _read_all(
    inputs: Sequence[Input], told: Details, *, lone: bool, part: str = ""
) -> tuple[list[_Read], list[Decision]]:
    """Let the one reader that claims each input read it."""
    claimed, decisions = _claim_all(inputs, lone=lone)
    overrides = told_of.by_recording(told.recordings, [source for source, _ in claimed], lone=lone)
    claimed = [(_shown(source, reader, overrides), reader) for source, reader in claimed]
    seen: dict[str, str] = {}
    read: list[_Read] = []
    for source, reader in claimed:
        digest = hashlib.sha256(source.data).hexdigest()
        # With a sidecar, equal samples may be told apart by what the sidecar says.
        if digest in seen and not reader.companions(source.path):
            same = f"a copy of '{seen[digest]}'"
            decisions.append(Decision(source.name, "choice", "ignored", same))
            continue
        seen[digest] = source.name
        recording = told_of.apply(_read_one(source, reader, part), source.override, source.name)
        read.append((Source(source.name, digest, reader.name), recording))
    return read, decisions


def _shown(source: Input, reader: Reader, overrides: Mapping[str, RecordingOverride]) -> Input:
    """Give an input what was told of it, and the name under which it may be shown."""
    override = overrides.get(source.name, source.override)
    return replace(source, name=reader.shown(source.name), override=override)


def _claim_all(
    inputs: Sequence[Input], *, lone: bool
) -> tuple[list[tuple[Input, Reader]], list[Decision]]:
    claimed, decisions = [], []
    companions: set[Path] = set()
    unclaimed = []
    for source in inputs:
        readers = claimants(source)
        if len(readers) > 1:
            raise ReadError(
                f"claimed by {' and '.join(r.name for r in readers)}; exactly one reader may.",
                source=source.name,
            )
        if not readers:
            unclaimed.append(source)
            continue
        claimed.append((source, readers[0]))
        companions.update(readers[0].companions(source.path))
    if not lone:
        claimed, outputs = _without_outputs(claimed)
        decisions += outputs
    for source in unclaimed:
        if source.path in companions:
            continue
        if lone:
            raise _unknown_format(source)
        if not source.data and source.path.suffix.lower() not in _ALSO_NOTES:
            raise ReadError("the file is empty.", source=source.name)
        if folders.is_plain_text_about(source.path):
            continue
        decisions.append(
            Decision(source.name, "choice", "ignored", "no reader claims this file"))  # fmt: skip
    return [(s, r) for s, r in claimed if s.path not in companions], decisions


def _without_outputs(
    claimed: list[tuple[Input, Reader]],
) -> tuple[list[tuple[Input, Reader]], list[Decision]]:
    """Leave our own results out when there is anything else: they would count twice."""
    ours = [
        (s, r) for s, r in claimed
        if r.name == "record" or (r.name == "site_table" and folders.is_own_table(s.data))
    ]  # fmt: skip
    others = [pair for pair in claimed if pair not in ours]
    if not others:
        return claimed, []
    return others, [
        Decision(s.name, "choice", "ignored", "a result of ncs_cb, not a recording")
        for s, _ in ours
    ]


def _unknown_format(source: Input) -> ReadError:
    if not source.data:
        return ReadError("the file is empty.", source=source.name)
    known = ", ".join(sorted({s for reader in available() for s in reader.suffixes}))
    if source.path.suffix.lower() in _TABLE_SUFFIXES:
        return UnknownFormatError(
            "no reader and no known layout fits this table.", source=source.name,
            hint="'ncs-cb validate FILE --layout' prints a layout guessed from it, to check and "
            "use with --layout; the page 'tables' of the documentation explains.",
        )  # fmt: skip
    return UnknownFormatError(
        "no reader claims this file.", source=source.name,
        hint=f"Known suffixes: {known}; 'ncs-cb formats' lists what each format needs.",
    )  # fmt: skip


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
    if not read and told == _NOTHING_TOLD:
        raise StudyError(
            "no recording found.", source=study_id,
            hint="'ncs-cb formats' lists the files that are understood.",
        )  # fmt: skip
    unassigned = tuple(u for r in recorded for u in r.unassigned)
    traces = tuple(trace for r in recorded for trace in r.traces)
    typed = tuple(row for r in recorded for row in r.typed_responses)
    if unassigned and not traces and not typed:
        raise told_of.nothing_assigned(unassigned)
    if traces:
        from ncs_cb.readers._shared.doubts import refuse_twins  # numpy: only for samples

        refuse_twins(traces)
    ids = [r.study_id for r in recorded if r.study_id]
    return Study(
        visible(ids[0] if len(read) == 1 and ids and not sources else study_id),
        traces,
        typed,
        _merged(told, [r.details for r in recorded]),
        (*sources, *_sources(read)),
        (*decisions, *(d for r in recorded for d in r.decisions)),
        tuple(visible(note) for r in recorded for note in r.notes),
        printed_segments=tuple(s for r in recorded for s in r.printed_segments),
        unassigned=unassigned,
    )


def _sources(read: Sequence[_Read]) -> list[Source]:
    sources = []
    for source, recording in read:
        sources.append(source)
        for companion in recording.companions:
            digest = hashlib.sha256(read_regular(companion)).hexdigest()
            sources.append(Source(companion.name, digest, f"{source.reader} companion"))
    return sources


def _merged(told: Details, stated: Sequence[Details]) -> Details:
    """Fill in from the recordings what ``study.toml`` leaves open; agreeing values only."""
    if told == _NOTHING_TOLD and len(stated) == 1:
        return stated[0]
    filled: dict[str, Any] = {}
    for field in ("age_years", "sex", "visit_date"):
        if getattr(told, field) is not None:
            continue
        values = Counter(v for d in stated if (v := getattr(d, field)) is not None)
        if len(values) == 1 or (values and field != "sex"):
            filled[field] = min(values)
    return replace(told, **filled)

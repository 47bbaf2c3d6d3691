"""Which recordings and studies there are below a folder: one answer for every command."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ncs_cb.errors import NcsError, ReadError
from ncs_cb.harmless import visible
from ncs_cb.knowledge import lab as labs
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.lab import LabFile
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Decision
from ncs_cb.readers._shared import folders
from ncs_cb.readers._shared.asked import Asked, each_visit
from ncs_cb.readers._shared.claims import available, by_suffix, claimants
from ncs_cb.readers._shared.files import head, read_regular
from ncs_cb.readers._shared.folders import STUDY_FILE, StudyInput
from ncs_cb.readers._shared.grid import SPREADSHEETS
from ncs_cb.readers._shared.reader import Input

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", *SPREADSHEETS)


def find_studies(
    root: str | Path,
    *,
    layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
) -> list[StudyInput]:
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
    root: str | Path,
    *,
    layout: Layout | str | Path | None = None,
    lab: LabFile | str | Path | None = None,
    with_unread: bool = False,
) -> Iterator[StudyInput]:
    """Give the studies of :func:`find_studies` one by one, as the tree is walked.

    An archive of many thousand studies need not be held in memory so. A table that holds several
    visits gives one study each. With `with_unread`, a table that no layout fits is one too: reading
    it says what to do.

    Raises
    ------
    ReadError
        If `root` does not exist or a folder cannot be listed.
    """
    try:
        asked = asked_for(Path(root), layout, lab, Path(root), False)[0]
        counts = partial(_is_recording_or_table if with_unread else _is_recording, asked)
        for found in folders.find(Path(root), counts):
            yield from each_visit(found, asked)
    except OSError as problem:
        raise ReadError(f"cannot be listed: {problem.strerror}.", source=str(root)) from None


def studies_of(path: str | Path) -> list[Path]:
    """Give the studies of a folder whose subfolders say by a ``study.toml`` that they are studies.

    Any other folder, and a file, is one study.
    """
    root = Path(path)
    if not root.is_dir() or folders.holds_study_file(root):
        return [root]
    found = find_studies(root)
    apart = any(study.study_file for study in found)
    return list(dict.fromkeys(study.path for study in found)) if apart else [root]


def is_recording(path: str | Path) -> bool:
    """Tell whether a file is a recording: by its suffix, or by a look at its beginning.

    What :func:`find_studies` and every command go by.
    """
    return _is_recording(Asked(), Path(path))


def files_below(root: str | Path) -> Iterator[Path]:
    """Give the files below a folder that may be of a study, in order.

    Hidden ones, those that systems and programs that synchronize folders leave, our own pages and
    links are passed over.

    Raises
    ------
    ReadError
        If a folder cannot be listed.
    """
    try:
        yield from (
            path for path in folders.walk(Path(root)) if not folders.is_sync_copy(path.name)
        )
    except OSError as problem:
        raise ReadError(f"cannot be listed: {problem.strerror}.", source=str(root)) from None


def _is_recording(asked: Asked, path: Path) -> bool:
    owners = by_suffix(available()).get(path.suffix.lower(), [])
    if len(owners) == 1 and owners[0].name == "edf":
        return True
    if not owners and (folders.is_study_file(path) or folders.is_plain_text_about(path)):
        return False
    try:
        start = read_regular(path) if path.suffix.lower() in SPREADSHEETS else head(path)
        lab = asked.lab_for(path) if path.suffix.lower() in TABLE_SUFFIXES else None
        return bool(claimants(asked.put_to(Input(path, path.name, start), lab)))
    except NcsError:
        return bool(owners)  # reading it says what is wrong, and with this study alone


def _is_recording_or_table(asked: Asked, path: Path) -> bool:
    if _is_recording(asked, path):
        return True
    is_table = path.suffix.lower() in TABLE_SUFFIXES and path.suffix.lower() != ".txt"
    return is_table and not folders.is_plain_text_about(path) and not folders.is_own(path)


def asked_for(
    path: Path,
    layout: Layout | str | Path | None,
    lab: LabFile | str | Path | None,
    root: Path | None,
    keep_identity: bool,
) -> tuple[Asked, LabFile | None]:
    """Load what the caller names by id or path."""
    own = lab if isinstance(lab, LabFile) or lab is None else labs.load(lab)
    lab_file = Asked(None, own, root).lab_for(path)
    if layout is not None and not isinstance(layout, Layout):
        layout = layouts.resolve(layout, {} if lab_file is None else lab_file.layouts)
    return Asked(layout, own, root, keep_identity), lab_file


def left_out(found: StudyInput) -> Iterator[Decision]:
    """Say which files were passed over, and aloud where somebody may have counted on one."""
    toml = found.study_file
    if toml is not None and folders.is_study_file(toml) and toml.name != STUDY_FILE:
        yield Decision(
            visible(toml.name),
            "salvage",
            "read",
            f"it is read as the {STUDY_FILE}; rename it to that",
        )
    for path, reason in found.skipped:
        is_missed = folders.is_study_file(path) or folders.is_sync_copy(path.name)
        topic = "salvage" if is_missed else "choice"
        yield Decision(
            visible(path.name),
            topic,
            "ignored",
            f"it is not read: {reason}" if is_missed else reason,
        )

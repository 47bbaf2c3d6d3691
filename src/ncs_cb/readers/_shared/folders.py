"""Which files of a folder belong to a study; our own outputs, links and leftovers."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ncs_cb.errors import ReadError, StudyError
from ncs_cb.harmless import visible
from ncs_cb.readers._shared.files import head
from ncs_cb.review_file import log_path
from ncs_cb.vocabulary import RESULT_TABLES

STUDY_FILE = "study.toml"
# Windows hides a last suffix and ignores case: these are meant to be a study.toml.
_MISNAMED = frozenset({STUDY_FILE, f"{STUDY_FILE}.txt"})
# What programs that synchronize folders leave beside a file that two machines changed.
_SYNC_COPY = re.compile(
    r"\.sync-conflict-\d|\(.*\bconflict(ed copy)?\b.*\)|_conflict-\d|\[conflict.*\]"
    r"|\((.* )?(conflicto|in konflikt|冲突).*\)",
    re.IGNORECASE,
)
_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_FOLDERS_OF_SYSTEMS = frozenset(
    {"__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
)
_ABOUT = ("readme", "license", "licence", "notice", "changelog", "copying")
# What reports and comparisons write as tables, and how the one begins that each comparison has.
_OWN_TABLES = frozenset(
    {*RESULT_TABLES, "timeline", "changes", "courses", "strength", "needle_emg"}
)
_COMPARISON = b'"ncs_cb/comparison/'
_TIMELINE = b"visit,study_id,visit_date,nerve,"
# A report in another language than English carries that in its name.
_OWN_PAGES = re.compile(r"report(\.[a-z]{2})?\.(html|pdf)|index\.html|failures\.csv")


@dataclass(frozen=True, slots=True)
class StudyInput:
    """One study as found on disk, not yet read.

    Attributes
    ----------
    path : Path
        The file or folder.
    name : str
        The folder's or file's name: the study's id when ``study.toml`` gives none.
    files : tuple of Path
        Every file that belongs to it, sorted, ``study.toml`` included.
    study_file : Path or None
        Its ``study.toml``.
    skipped : tuple of (Path, str)
        Files left out, and why.
    """

    path: Path
    name: str
    files: tuple[Path, ...]
    study_file: Path | None = None
    skipped: tuple[tuple[Path, str], ...] = ()
    part: str = ""
    """The study id of one visit among several in one table; empty otherwise."""

    @property
    def names(self) -> frozenset[str]:
        """What the user calls the study and its files."""
        paths = (self.path, *self.files)
        return frozenset((self.name, self.part, *(n for p in paths for n in (p.name, p.stem))))


def is_study_file(path: Path) -> bool:
    """Tell whether a file is a ``study.toml``, also by a name that was meant to be that."""
    return path.name.casefold() in _MISNAMED


def is_passed_over(name: str) -> bool:
    """Tell whether a file is hidden, one of our own pages, or what a system leaves behind."""
    is_ours = _OWN_PAGES.fullmatch(name) is not None
    return name.startswith((".", "~$")) or is_ours or name.casefold() in _LEFT_BY_SYSTEMS


def is_folder_passed_over(name: str) -> bool:
    """Tell whether a folder is hidden or belongs to a system."""
    return name.startswith(".") or name.casefold() in _FOLDERS_OF_SYSTEMS


def is_sync_copy(name: str) -> bool:
    """Tell whether a file is a copy that a program made which synchronizes folders."""
    return _SYNC_COPY.search(name) is not None


def walk(root: Path) -> Iterator[Path]:
    """Give the regular files below `root` that may be of a study, in order; no link is followed.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    for folder, names, found in os.walk(root, onerror=_raise):
        names[:] = sorted(n for n in names if not is_folder_passed_over(n))
        for name in sorted(found):
            path = Path(folder, name)
            if not is_passed_over(name) and stat.S_ISREG(path.lstat().st_mode):
                yield path


def describe(path: Path) -> StudyInput:
    """Describe one file, or a folder with everything below it.

    Raises
    ------
    OSError
        If it does not exist.
    ReadError
        If it is neither file nor folder, or a link leaves the folder.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        toml, _ = _study_file([p for p in sorted(path.parent.iterdir()) if is_study_file(p)])
        beside = [p for p in sorted(path.parent.glob(glob.escape(path.stem) + ".*")) if p != path]
        files = (path, *(p for p in beside if p.is_file()))
        return StudyInput(path, path.stem or path.name, files, toml)
    if not stat.S_ISDIR(mode):
        raise ReadError("is neither a file nor a folder.", source=str(path))
    below, skipped = _walk(path)
    tomls = [f for f in below if is_study_file(f)]
    nested = [f for f in tomls if f.parent != path]
    if nested and len(nested) == len(tomls):
        _refuse_several(path, nested)
    return _study(path, _real_name(path) or "study", below, skipped)


def _real_name(folder: Path) -> str:
    """Give the name of a folder itself: of what a link or ``.`` leads to."""
    # Windows knows one folder by several names.
    is_own = os.name != "nt" and folder.name not in ("", "..") and not folder.is_symlink()
    return folder.name if is_own else folder.resolve().name


def _refuse_several(path: Path, nested: Sequence[Path]) -> None:
    """Refuse to make one visit of folders each of which says that it is a visit.

    Raises
    ------
    StudyError
        With their names.
    """
    names = list(dict.fromkeys(visible(f.parent.relative_to(path).as_posix()) for f in nested))
    raise StudyError(
        f"is no study: {len(names)} of its folders have a study.toml and are studies of their "
        f"own: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}.",
        source=visible(path.name or "study"),
        hint="Give each of these folders, or run 'ncs-cb batch' on this one.",
    )


def _study(
    path: Path, name: str, files: Sequence[Path], skipped: Sequence[tuple[Path, str]]
) -> StudyInput:
    tomls = [f for f in files if is_study_file(f)]
    own, seconds = _study_file([f for f in tomls if f.parent == path])
    homes = {f.parent for f in tomls if f.parent != path}
    nested = [f for f in files if homes & {f.parent, *f.parent.parents}] if homes else []
    left_out = [
        *((f, f"{own.name} is read in its place") for f in seconds if own),
        *((f, "of a folder with a study.toml, a study of its own") for f in nested),
        *((f, _SYNCED) for f in files if is_sync_copy(f.name)),
    ]
    out = {f for f, _ in left_out}
    kept = tuple(f for f in files if f not in out)
    return StudyInput(path, name, kept, own, (*skipped, *left_out))


_SYNCED = "a copy that a program left which synchronizes folders"


def _study_file(found: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """Give the one that is read, the right name first, and those that are not."""
    usable = sorted((f for f in found if f.is_file()), key=lambda f: (f.name != STUDY_FILE, f.name))
    return (usable[0], usable[1:]) if usable else (None, [])


def _walk(root: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """List the regular files below `root`, sorted, hidden ones and our own outputs apart."""
    files: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    waiting = [root]
    while waiting:
        here = waiting.pop()
        with os.scandir(here) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        below: list[Path] = []
        folders = {e.name: e for e in listed if _is_folder(e)}
        for name, entry in folders.items():
            if is_folder_passed_over(name):
                continue
            path = here / name
            if entry.is_symlink():
                _refuse_leaving(path, root)
                skipped.append((path, "a link to a folder of this study"))
            else:
                below.append(path)
        waiting += reversed(below)
        for entry in listed:
            if entry.name in folders or is_passed_over(entry.name):
                continue
            path = here / entry.name
            if entry.is_symlink():
                _refuse_leaving(path, root)
                skipped.append((path, "a link to a file of this study"))
            elif entry.is_file(follow_symlinks=False):
                files.append(path)
            else:
                skipped.append((path, "not a regular file"))
    return files, skipped


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # such as a link that leads to itself


def _raise(problem: OSError) -> None:
    raise problem


def _refuse_leaving(path: Path, root: Path) -> None:
    inside = os.path.realpath(root)
    target = os.path.realpath(path)
    if target != inside and not target.startswith(inside + os.sep):
        raise ReadError(
            "the link leaves the study's folder and is not followed.",
            source=path.name,
            hint="Copy the recording into the folder.",
        )


def unique_names(found: StudyInput) -> list[tuple[Path, str]]:
    """Name each file: its own name, or its path below the study where two share a name."""
    names = [path.name for path in found.files]
    counts = Counter(names)
    return [
        (path, visible(name if counts[name] == 1 else path.relative_to(found.path).as_posix()))
        for path, name in zip(found.files, names, strict=True)
    ]


def is_plain_text_about(path: Path) -> bool:
    """Tell whether a file is a README, license or note that is expected beside recordings."""
    return path.name.casefold().startswith(_ABOUT) or path.suffix.lower() == ".md"


def is_own_table(data: bytes) -> bool:
    """Tell whether a table begins like the ``traces.csv`` that ncs_cb writes."""
    return data.removeprefix(b"\xef\xbb\xbf")[:19] == b"study_id,recording,"


def is_own(path: Path) -> bool:
    """Tell whether a file is called like a table that a report writes, and lies beside our own.

    Each report as tables has a ``traces.csv``, each comparison a ``timeline.csv``.
    """
    if path.stem not in _OWN_TABLES and not path.stem.startswith("scan_"):
        return False
    return (
        path.with_name("result.json").is_file()
        or is_own_table(head(path.with_name("traces.csv")))
        or head(path.with_name("timeline.csv")).startswith(_TIMELINE)
    )


def is_own_comparison(path: Path) -> bool:
    """Tell whether a file is a comparison of ours as text, or lies beside one and is called so."""
    is_called_so = path.name.partition(".")[0] == "comparison"
    return is_called_so and _COMPARISON in head(path.with_name("comparison.json"))


def find(root: Path, is_recording: Callable[[Path], bool]) -> Iterator[StudyInput]:
    """Give the studies under `root` one by one; see :func:`ncs_cb.readers.find_studies`."""
    if not root.is_dir() or holds_study_file(root):
        yield describe(root)
        return
    yield from _collect(root, is_recording, is_root=True)


def holds_study_file(folder: Path) -> bool:
    """Tell whether a folder has a ``study.toml`` of its own."""
    try:
        return _study_file([f for f in folder.iterdir() if is_study_file(f)])[0] is not None
    except OSError:
        return False  # whoever lists it says that this cannot be done


def _collect(
    folder: Path, is_recording: Callable[[Path], bool], *, is_root: bool
) -> Iterator[StudyInput]:
    try:
        files, links, below = _listed(folder)
    except OSError as problem:
        if is_root:
            raise
        # One folder that nobody may look into is one study that fails.
        yield StudyInput(folder, folder.name, (), None, ((folder, _unlisted(problem)),))
        return
    if any(is_study_file(f) for f in files) and not is_root:
        own, nested, hidden = _own_files(folder)
        yield _study(folder, folder.name, own, [*links, *hidden])
        for inner in nested:
            yield from _collect(inner, is_recording, is_root=False)
        return
    recordings = (f for f in files if not is_sync_copy(f.name) and is_recording(f))
    if is_root:
        yield from [_alone(f, files) for f in recordings]
    elif any(recordings):
        # One recording makes a study; the others need not be looked at for that.
        yield _study(folder, folder.name, files, links)
    for name in below:
        yield from _collect(folder / name, is_recording, is_root=False)


_UNLISTED = "the folder cannot be listed"


def _unlisted(problem: OSError) -> str:
    return f"{_UNLISTED}: {problem.strerror}"


def refuse_unlisted(found: StudyInput) -> None:
    """Refuse a study of which a folder cannot be listed: nobody knows what is missing.

    Raises
    ------
    ReadError
        With the system's reason.
    """
    for path, reason in found.skipped:
        if reason.startswith(_UNLISTED):
            below = path != found.path and found.path in path.parents
            raise ReadError(
                f"{reason}.",
                source=path.relative_to(found.path).as_posix() if below else None,
                hint="Give the right to read and enter it, or move it out of the archive.",
            )


def _listed(folder: Path) -> tuple[list[Path], list[tuple[Path, str]], list[str]]:
    """Give files, links and names of subfolders; hidden ones and our own outputs apart."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    visible = [e for e in listed if not is_passed_over(e.name)]
    files = [folder / e.name for e in visible if e.is_file(follow_symlinks=False)]
    links = [(Path(e.path), "a link is not followed") for e in visible if e.is_symlink()]
    below = [e.name for e in visible if e.is_dir(follow_symlinks=False)]
    return files, links, [name for name in below if not is_folder_passed_over(name)]


def _alone(recording: Path, files: Sequence[Path]) -> StudyInput:
    """Describe a recording in the root, with the files that share its stem."""
    log = log_path(recording)
    beside = [f for f in files if (f.stem == recording.stem or f == log) and f != recording]
    copies = [f for f in files if is_sync_copy(f.name) and f.name.startswith(recording.stem)]
    skipped = tuple((f, _SYNCED) for f in copies)
    return StudyInput(recording, recording.stem, (recording, *beside), skipped=skipped)


def _own_files(folder: Path) -> tuple[list[Path], list[Path], list[tuple[Path, str]]]:
    """Give the files below a folder with a ``study.toml``, the folders that have their own, and
    those that cannot be listed.
    """
    own: list[Path] = []
    nested: list[Path] = []
    hidden: list[tuple[Path, str]] = []

    def note(problem: OSError) -> None:
        hidden.append((Path(os.fsdecode(problem.filename or folder)), _unlisted(problem)))

    for here, names, found in os.walk(folder, onerror=note):
        names[:] = sorted(n for n in names if not is_folder_passed_over(n))
        for name in [*names]:
            inner = Path(here) / name
            if inner.is_symlink() or holds_study_file(inner):
                names.remove(name)
                if not inner.is_symlink():
                    nested.append(inner)
        paths = (Path(here) / n for n in sorted(found) if not is_passed_over(n))
        own += [path for path in paths if not path.is_symlink()]
    return own, nested, hidden

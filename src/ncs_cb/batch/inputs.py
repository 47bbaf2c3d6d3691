"""What there is to do: the studies below ROOT, their ids and the hashes of their content."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ncs_cb.batch.identity import Pseudonyms, names_of
from ncs_cb.errors import NcsError
from ncs_cb.harmless import visible
from ncs_cb.knowledge.lab import find as nearest_lab
from ncs_cb.readers._shared.shown import open_name
from ncs_cb.study_file import own_id as id_in

if TYPE_CHECKING:
    from ncs_cb.readers import StudyInput

_BLOCK = 2**20
# Half a SHA-256 tells apart more studies than there are, in half the memory.
_DIGITS = 32
_LOOKED_AT_TOGETHER = 64
# Time of the clock over time of work; a busy machine makes it two or three, a disk a hundred.
_SLOW_STORAGE = 10.0
_NO_NAMES: dict[str, str] = {}
# Files beyond this are refused by every reader; their beginning and size will do as a hash.
_LARGEST_HASHED = 2**30


@dataclass(frozen=True, slots=True)
class Found:
    """One study as found on disk, in as few bytes as will do: an archive holds many.

    Attributes
    ----------
    key : str
        Path below ROOT, with ``/``.
    path : str
        The file or folder.
    name : str
        The folder's or file's name.
    files : tuple of str
        Every file that belongs to it, relative to the folder it lies in.
    study_file : str
        Its ``study.toml`` among them; empty when there is none.
    skipped : tuple of (str, str)
        Files left out, and why.
    part : str
        Study id of one visit among several in one table; empty otherwise.
    lab : str
        The nearest ``lab.toml`` up to ROOT; empty when there is none.
    """

    key: str
    path: str
    name: str
    files: tuple[str, ...]
    study_file: str
    skipped: tuple[tuple[str, str], ...]
    part: str = ""
    lab: str = ""

    @classmethod
    def of(cls, found: StudyInput, root: Path) -> Found:
        """Keep what matters of what the readers found."""
        path = str(found.path)
        base = _base(path)
        key = found.path.relative_to(root).as_posix() if found.path != root else "."
        return cls(
            f"{key}/{found.part}" if found.part else key,
            path,
            found.name,
            tuple(sys.intern(_below(base, f)) for f in found.files),
            _below(base, found.study_file) if found.study_file else "",
            tuple((_below(base, p), sys.intern(reason)) for p, reason in found.skipped),
            found.part,
            str(nearest_lab(Path(base), root=root) or ""),
        )

    def to_read(self) -> StudyInput:
        """Give it back as the readers know it."""
        from ncs_cb.readers import StudyInput

        base = Path(_base(self.path))
        return StudyInput(
            Path(self.path),
            self.name,
            tuple(base / f for f in self.files),
            base / self.study_file if self.study_file else None,
            tuple((base / f, reason) for f, reason in self.skipped),
            self.part,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One study to be done.

    Attributes
    ----------
    found : Found
    study_id : str
        The id it is given.
    shown : str
        The input as it is named in the output.
    fingerprint : str
        Hash of its content, its id, the settings and the program.
    names : dict
        What to write for each name of a file or folder; empty without a key.
    refused : str
        Why it is not to be read at all; empty when it is.
    """

    found: Found
    study_id: str
    shown: str
    fingerprint: str
    names: dict[str, str]
    refused: str = ""

    @property
    def written(self) -> dict[str, str]:
        """What to write for each name in a message: also where numbers alone are hidden."""
        paths = (self.found.key, *self.found.files)
        parts = {
            one for path in paths for part in Path(path).parts for one in (part, Path(part).stem)
        }
        return self.names or {part: open_name(part) for part in parts if open_name(part) != part}

    @property
    def key(self) -> str:
        """Path below ROOT, with ``/``."""
        return self.found.key


@dataclass(frozen=True, slots=True)
class Content:
    """What one look at a study's files tells: their hash, and the id in ``study.toml``."""

    sha256: str
    own_id: str | None


Look = Callable[[Sequence[Found]], list[Content]]


def find_inputs(
    root: Path,
    out: Path,
    settings: str,
    key: Pseudonyms | None,
    look: Look,
    *,
    layout: str | None = None,
    lab: str | None = None,
) -> list[Task]:
    """Give every study below `root`, in order of its path.

    Parameters
    ----------
    root : Path
    out : Path
        The output folder; what lies in it is never taken for a recording.
    settings : str
        Digest of everything besides the content that a result depends on.
    key : Pseudonyms or None
    look : callable
        Gives the :class:`Content` of many studies.
    layout, lab : str or None
        How tables are read, and the laboratory's file, as the caller named them.
    """
    from ncs_cb.readers import iter_studies

    # Below ROOT no link is followed, so that the real ROOT tells where each study really is.
    real_root, inside = os.path.realpath(root), os.path.realpath(out) + os.sep
    studies = sorted(
        (
            Found.of(study, root)
            for study in iter_studies(root, layout=layout, lab=lab, with_unread=True)
            if not os.path.join(real_root, _below(str(root), study.path), "").startswith(inside)
        ),
        key=lambda found: found.key,
    )
    contents = look(studies)
    given = _study_ids(studies, contents)
    return [
        _task(found, content, settings, key, *ids)
        for found, content, ids in zip(studies, contents, given, strict=True)
    ]


def look_here(studies: Sequence[Found]) -> list[Content]:
    """Look at studies in this process; with several threads as soon as the storage is slow.

    Threads that need not wait for the storage only get in each other's way.
    """
    starts = range(0, len(studies), _LOOKED_AT_TOGETHER)
    pieces = iter([studies[i : i + _LOOKED_AT_TOGETHER] for i in starts])
    contents: list[Content] = []
    for piece in pieces:
        began, worked = time.perf_counter(), time.thread_time()
        contents += look_at(piece)
        took, worked = time.perf_counter() - began, time.thread_time() - worked
        if took > _SLOW_STORAGE * worked:
            break
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [*contents, *(one for piece in pool.map(look_at, pieces) for one in piece)]


def look_at(studies: Sequence[Found]) -> list[Content]:
    """Look at some studies, one after the other."""
    return [content(found) for found in studies]


def content(found: Found) -> Content:
    """Hash the files of one study.

    Equal files give equal hashes wherever and whenever they were written. A file that cannot be
    opened counts as such, so that it is tried again once it can.
    """
    base = _base(found.path)
    total = hashlib.sha256()
    own_id = None
    for name in found.files:
        digest, start = _hash_file(os.path.join(base, name))
        total.update(f"{name}\0{digest}\0".encode("utf-8", "surrogateescape"))
        if name == found.study_file:
            own_id = id_in(start)
    if found.lab:
        total.update(f"lab.toml\0{_hash_file(found.lab)[0]}\0".encode())
    for name, reason in found.skipped:
        total.update(f"{name}\0{reason}\0".encode("utf-8", "surrogateescape"))
    return Content(total.hexdigest()[:_DIGITS], own_id)


def _base(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _below(folder: str, path: Path) -> str:
    """Give a path that lies below `folder` relative to it, as :func:`os.path.relpath` does.

    Paths below the current folder are written without it, so that ``.`` is no part of them.
    """
    text = str(path)
    if folder == ".":
        return text
    return text[len(folder) :].lstrip(os.sep) or "."


def _hash_file(path: str) -> tuple[str, bytes]:
    try:
        size = _size(path)
        # A named pipe or a device would block or never end: only regular files are opened.
        if size is None:
            return "not a regular file", b""
        with open(path, "rb", buffering=0) as file:
            # One byte more than there should be: nearly all files are read whole by one call.
            start = block = file.read(min(size + 1, _BLOCK))
            digest, done = hashlib.sha256(block), len(block)
            while block and done != size and done < _LARGEST_HASHED:
                block = file.read(_BLOCK)
                digest.update(block)
                done += len(block)
        digest.update(b"%d" % size)
    except OSError as error:
        return f"unreadable: {error.errno}", b""
    return digest.hexdigest(), start


def _size(path: str) -> int | None:
    """Give the size of a regular file, and None for anything else."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _study_ids(studies: Sequence[Found], contents: Sequence[Content]) -> list[tuple[str, str]]:
    """Give every study an id of its own: a function of the tree alone, not of any order.

    The id in study.toml comes first, then the folder's or file's name. Where several studies
    share that name, each takes its whole path below ROOT. Two that claim one id in their
    study.toml cannot both have it: the first path keeps it, the other is refused.

    Returns
    -------
    list of (str, str)
        The id, and the key of the study that has it already (empty when there is none).
    """
    wanted = [c.own_id or f.name for f, c in zip(studies, contents, strict=True)]
    often = Counter(w.casefold() for w in wanted)
    owner: dict[str, str] = {}
    given: list[tuple[str, str]] = []
    for found, one, name in zip(studies, contents, wanted, strict=True):
        is_shared = often[name.casefold()] > 1 and one.own_id is None
        study_id = "_".join((*found.key.split("/")[:-1], found.name)) if is_shared else name
        first = owner.setdefault(study_id.casefold(), found.key)
        given.append((study_id, first if first != found.key else ""))
    return given


def _task(
    found: Found, seen: Content, settings: str, key: Pseudonyms | None, own: str, refused: str
) -> Task:
    names = _hidden(found) if key is None else names_of(key, found.key, found.files)
    is_given = seen.own_id is not None or bool(found.part)
    study_id = key.of(own) if key else _readable(own if is_given else open_name(own))
    shown = _shown(found.key, names)
    because = ""
    if refused:
        other = _shown(refused, names_of(key, refused, ()) if key else {})
        because = f"the study id '{study_id}' is already used by {other}."
    text = "\0".join((settings, seen.sha256, study_id, shown, because))
    fingerprint = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
    return Task(found, study_id, shown, fingerprint, names, because)


def _hidden(found: Found) -> dict[str, str]:
    """Give what to write for a file whose reader hides its name: it tends to begin with a number
    of the patient. Nothing for other studies.
    """
    file = os.path.basename(found.path)
    stem, suffix = os.path.splitext(file)
    if found.part or found.name == stem or found.key.rpartition("/")[2] != file:
        return _NO_NAMES
    return {file: found.name + suffix, stem: found.name} if not os.path.isdir(found.path) else {}


def _shown(key: str, names: dict[str, str]) -> str:
    return _readable("/".join(names.get(part, open_name(part)) for part in key.split("/")))


def _readable(name: str) -> str:
    """Put a mark in place of bytes that are no text: a file name need not be valid UTF-8."""
    return visible(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def check_places(root: Path, out: Path) -> None:
    """Refuse an output folder that would mix with the recordings.

    Raises
    ------
    NcsError
        If `root` is not a folder, or `out` is `root` itself or a folder above it.
    """
    if not root.is_dir():
        raise NcsError("is not a folder.", source=str(root))
    real_root, real_out = root.resolve(), out.resolve()
    if real_root == real_out:
        raise NcsError(
            "the output folder is the folder of the recordings.",
            source=str(out),
            hint="Choose another --out folder.",
        )
    if real_out in real_root.parents:
        raise NcsError(
            "the folder of the recordings lies inside the output folder.",
            source=str(out),
            hint="Choose an --out folder beside the recordings.",
        )


@cache
def program_digest() -> str:
    """Give the hash of the package's own code and tables.

    A version number alone would not tell two states of a development version apart, and rows
    of different programs must not stand in one table.
    """
    total = hashlib.sha256()
    for path in sorted(_package_files(Path(str(files("ncs_cb"))))):
        total.update(path.read_bytes())
    return total.hexdigest()


def _package_files(folder: Path) -> Iterable[Path]:
    return (p for p in folder.rglob("*") if p.suffix in (".py", ".toml", ".j2", ".css"))

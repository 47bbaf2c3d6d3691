"""The output folder: what stands in it is whole, whatever happens while it is written.

A study belongs to one *slot*. A slot is one Parquet file per table, the reports of its studies
and one record (JSON) that says which inputs it was made from. A slot is written like this::

    _batch/staging/<token>/     a worker writes all files of the slot here
                                they, and the record, are had on the disk
    _batch/ready/<slot>/        one rename: from here on the slot is done
    traces/part-00007.parquet   each file is renamed into its place

Killed before the rename, nothing has happened; killed after it, the next start finishes the
renames. A reader of the data sets sees, for every study, its old rows or its new ones, never
half a file and never both.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ncs_cb.errors import NcsError, StoppedError
from ncs_cb.reports import named

LAYOUT = "ncs_cb/batch/1"
"""Name and version of the folder's layout and of its records."""
TABLES = ("traces", "segments", "verdicts", "diagnosis", "studies", "reviews", "f_waves")
"""The Parquet data sets, one folder each: those of a result, studies, corrections, F waves."""

_PART = re.compile(r"part-(\d{5,})\.parquet")
_SLOT = re.compile(r"\d{5,}")
_HIDDEN = "_batch"
_MOVED_DATA = "data"
_MOVED_REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of ``failures.csv``."""

    study_id: str
    input: str
    stage: str
    error: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one study.

    Attributes
    ----------
    key : str
        The input's path below ROOT, with ``/``.
    fingerprint : str
        Hash of the content, the settings and the program.
    study_id : str
    input : str
        The input as it is named in the output (a pseudonym when there is a key).
    report : str
        Name of its folder below ``reports/``; empty when no report was written.
    lang : str
        Language of the report.
    limits : str
        Under which limits it failed, when it failed of them.
    failure : Failure or None
    summary : dict
        What the index page shows: counts, grades and categories; empty when the study could
        not be analyzed, and has no rows.
    """

    key: str
    fingerprint: str
    study_id: str
    input: str
    report: str = ""
    lang: str = ""
    limits: str = ""
    failure: Failure | None = None
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """What one slot was made from.

    Attributes
    ----------
    slot : int
    entries : tuple of Entry
        Its studies, in order of their keys.
    histograms : dict
        Counts per bin of each measure; the bins are those of the index page.
    sizes : dict
        Bytes of the slot's file of each table, by which a damaged file is noticed.
    """

    slot: int
    entries: tuple[Entry, ...]
    histograms: dict[str, list[int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Give the record as JSON, the same bytes for the same record."""
        # Not asdict: it would copy all that stands in the summaries.
        return json.dumps({"layout": LAYOUT, **_fields(self)}, sort_keys=True, default=_fields)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read a record back.

        Raises
        ------
        NcsError
            If it was written by a version with another layout.
        """
        raw = json.loads(text)
        if raw.pop("layout", None) != LAYOUT:
            raise NcsError(
                "the output folder was written by another version of ncs-cb.",
                hint="Choose a new --out folder.",
            )
        entries = tuple(
            Entry(**(e | {"failure": Failure(**e["failure"]) if e["failure"] else None}))
            for e in raw["entries"]
        )
        return cls(raw["slot"], entries, raw["histograms"], raw["sizes"])


def _fields(one: Record | Entry | Failure) -> dict[str, Any]:
    """Give the fields of a part of a record by their names."""
    return {known.name: getattr(one, known.name) for known in fields(one)}


class Store:
    """The output folder of one batch, locked while it is open.

    Parameters
    ----------
    folder : Path
        Made when it is missing.

    Raises
    ------
    NcsError
        If another run writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hidden = folder / _HIDDEN
        self._refuse_links()
        self._refuse_others()
        for part in ("staging", "ready", "slots"):
            (self._hidden / part).mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._hidden / "lock", folder)

    def _refuse_links(self) -> None:
        """Refuse folders of ours that lead elsewhere: what lies there is not ours to change."""
        parts = (self._hidden / name for name in ("", "lock", "staging", "ready", "slots"))
        tables = (self.folder / name for name in (*TABLES, _MOVED_REPORTS))
        for place in (*parts, *tables):
            if place.is_symlink():
                raise NcsError(
                    f"holds a link where a batch keeps its own: {place.relative_to(self.folder)}.",
                    source=str(self.folder),
                    hint="Nothing was changed. Remove the link, or choose another --out folder.",
                )

    def _refuse_others(self) -> None:
        """Refuse what others keep where a batch writes, in a folder no batch has written to."""
        if self._hidden.exists():
            return
        parts = (path for table in TABLES for path in (self.folder / table).glob("part-*.parquet"))
        reports = (path for path in (self.folder / _MOVED_REPORTS).glob("*") if path.is_dir())
        for place in (*parts, *reports):
            raise NcsError(
                f"no batch has written to it, and '{place.parent.name}' in it holds files that "
                "a batch would replace.",
                source=str(self.folder),
                hint="Nothing was changed. Choose another --out folder.",
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        # A worker that was lost leaves what it had begun.
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(exist_ok=True)
        # The lock goes with the file, also when the process is killed: there is no stale lock.
        os.close(self._lock)

    @property
    def staging(self) -> Path:
        """Where workers write, one folder of their own each."""
        return self._hidden / "staging"

    def part(self, table: str, slot: int) -> Path:
        """Give the place of one slot's file in the data set `table`."""
        return part_path(self.folder, table, slot)

    def recover(self) -> None:
        """Finish what was done and forget what was not; called once after opening."""
        for ready in sorted((self._hidden / "ready").iterdir()):
            # What a file manager or a synchronizing program leaves here is not ours.
            if _SLOT.fullmatch(ready.name) and ready.is_dir() and not ready.is_symlink():
                self._settle(ready)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(exist_ok=True)
        slots = set(self.slots())
        for table in TABLES:
            for path in (self.folder / table).glob("part-*.parquet"):
                found = _PART.fullmatch(path.name)
                if found and int(found[1]) not in slots:
                    path.unlink()

    def slots(self) -> list[int]:
        """Give the numbers of all slots that are done."""
        found = (self._hidden / "slots").glob("*.json")
        return sorted(int(path.stem) for path in found if _SLOT.fullmatch(path.stem))

    def records(self, order: Iterable[int] | None = None) -> Iterator[Record]:
        """Give the record of every slot that is done and whose files are as they were written.

        A slot of which someone has removed or cut a file counts as not done. `order` names
        the slots to give; all of them by number when it is left out.
        """
        for slot in self.slots() if order is None else order:
            try:
                record = Record.from_json(self._record(slot).read_text("utf-8"))
            except (ValueError, KeyError, TypeError):
                self.remove(slot)
                continue
            # An older program knew fewer tables, but never none.
            there = {name: _size(self.part(name, slot)) for name in record.sizes}
            if there and record.sizes == there:
                yield record
            else:
                self.remove(slot)

    def commit(self, staged: Path, record: Record) -> None:
        """Take a slot over from a worker: from here on it is done.

        Raises
        ------
        OSError
            If the disk is full; then the slot is as it was before.
        """
        parts = {table: staged_part(staged, table) for table in TABLES}
        sizes = {table: _size(part) for table, part in parts.items()}
        place = staged / _MOVED_DATA / f"{record.slot:05d}.json"
        _write(place, [replace(record, sizes=sizes).to_json()])
        # Here and not by the worker, which would wait for the disk in place of doing the next slot.
        for path in (*parts.values(), place.parent):
            _sync(path)
        ready = self._hidden / "ready" / f"{record.slot:05d}"
        staged.rename(ready)
        _sync(ready.parent)
        self._settle(ready)

    def remove(self, slot: int) -> None:
        """Forget a slot none of whose inputs is left."""
        self._record(slot).unlink(missing_ok=True)
        for table in TABLES:
            self.part(table, slot).unlink(missing_ok=True)

    def publish(self, name: str, pieces: Iterable[str]) -> None:
        """Write a text file of the output folder that is either whole or as it was before."""
        beside = self.staging / name
        _write(beside, pieces)
        os.replace(beside, self.folder / name)

    def has_report(self, name: str, lang: str) -> bool:
        """Tell whether the report in the folder of that name is there in that language."""
        page = self.folder / _MOVED_REPORTS / name / named("report.html", lang)
        return bool(name) and page.is_file()

    def keep_reports(self, names: Container[str]) -> None:
        """Remove the reports of studies that are gone, failed or changed their id."""
        for folder in (self.folder / _MOVED_REPORTS).glob("*"):
            if folder.name not in names and any(folder.glob("report*.html")):
                _clear(folder)

    def _record(self, slot: int) -> Path:
        return self._hidden / "slots" / f"{slot:05d}.json"

    def _settle(self, ready: Path) -> None:
        """Rename every file of a slot that is done into its place; may be begun again."""
        slot = int(ready.name)
        for staged in sorted((ready / _MOVED_REPORTS).glob("*")):
            place = self.folder / _MOVED_REPORTS / staged.name
            _clear(place)
            place.parent.mkdir(exist_ok=True)
            staged.rename(place)
        for table in TABLES:
            staged = staged_part(ready, table)
            if staged.exists():
                place = self.part(table, slot)
                place.parent.mkdir(exist_ok=True)
                os.replace(staged, place)
        record = ready / _MOVED_DATA / f"{slot:05d}.json"
        if record.exists():
            os.replace(record, self._record(slot))
        shutil.rmtree(ready)


def _clear(place: Path) -> None:
    """Make room for a folder; a link that stands there goes, what it leads to stays."""
    if place.is_symlink() or place.is_file():
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)


def part_path(folder: Path, table: str, slot: int) -> Path:
    """Give the place of one slot's file in the data set `table`."""
    return folder / table / f"part-{slot:05d}.parquet"


def staged_part(staged: Path, table: str) -> Path:
    """Give the place where a worker writes the file of one table."""
    return staged / _MOVED_DATA / f"{table}.parquet"


def staged_reports(staged: Path) -> Path:
    """Give the folder in which a worker writes reports, one folder per study."""
    return staged / _MOVED_REPORTS


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _write(path: Path, pieces: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk, where the system offers it."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or the one behind it, says that there is no room left."""
    behind = error.__cause__ or error.__context__
    return any(
        isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT)
        for one in (error, behind)
    )


def _lock(path: Path, folder: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.name == "nt":  # pragma: no cover
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoppedError(
            "another batch is writing to this folder.",
            source=str(folder),
            hint="Wait until it is done, or choose another --out folder.",
        ) from None
    return handle

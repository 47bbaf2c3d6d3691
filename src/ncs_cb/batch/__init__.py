"""Many studies: in parallel, restartable, private, and one bad file never stops the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ncs_cb.batch import engine
from ncs_cb.batch.identity import Pseudonyms
from ncs_cb.batch.inputs import Task, check_places, find_inputs, look_here, program_digest
from ncs_cb.batch.order import Chunk, Done, Settings
from ncs_cb.batch.store import Entry, Record, Store, is_disk_full
from ncs_cb.errors import NcsError, StoppedError, missing_extra
from ncs_cb.files import read_regular
from ncs_cb.knowledge import criteria, reference

if TYPE_CHECKING:
    from ncs_cb.batch.engine import Team

__all__ = ["Settings", "Summary", "run_batch"]

Progress = Callable[[int, int, int], None]

# The size of a slot depends on the number of studies alone, never on workers, so that the same
# archive gives the same files everywhere. Large enough for the vectorized pass, small enough for
# memory, and that little is lost when the machine is switched off.
_LARGEST_SLOT = 100
_LARGEST_SLOT_WITH_REPORTS = 16
_FEWEST_SLOTS_WITH_REPORTS = 8
# The vectorized pass takes a tenth of a second beside what its studies take, as long as ten of
# them: a small archive is cut into few slots, and into an even number, for two workers.
_FEWEST_SLOTS, _FEW_SLOTS, _ENOUGH_IN_A_SLOT = 2, 4, 20
# Beyond this many slots they grow instead: a data set of 100 000 files is slow to open.
_MOST_SLOTS = 8192
_LARGEST_SLOT_OF_ALL = 1024


@dataclass(frozen=True, slots=True)
class Summary:
    """What a batch came to.

    Attributes
    ----------
    n_studies : int
        Studies found below ROOT.
    n_done : int
        Of these, how many had to be done this time.
    n_failed : int
        How many stand in ``failures.csv``, from this time or an earlier one.
    """

    n_studies: int
    n_done: int
    n_failed: int

    def sentence(self, out: Path) -> str:
        """Word the summary for the person who started the batch."""
        same = self.n_studies - self.n_done
        noun = "study" if self.n_studies == 1 else "studies"
        text = f"{self.n_studies} {noun}: {self.n_done} analyzed now, {same} unchanged, "
        text += f"{self.n_failed} failed"
        if self.n_failed:
            text += f" (see {out / 'failures.csv'})"
        return f"{text}; open {out / 'index.html'}"


def _no_progress(done: int, total: int, failed: int) -> None:
    """Say nothing."""


def run_batch(
    root: str | Path,
    out: str | Path,
    *,
    settings: Settings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    key: str | Path | None = None,
    allow_empty: bool = False,
    progress: Progress = _no_progress,
) -> Summary:
    """Analyze every study below `root` that is missing in `out` or has changed.

    Parameters
    ----------
    root : str or Path
        Every folder below it that directly holds recordings or a ``study.toml`` is one study; a
        recording lying directly in it is a study of its own.
    out : str or Path
        Gets ``traces/``, ``segments/``, ``verdicts/``, ``diagnosis/`` and ``studies/`` (Parquet),
        ``failures.csv``, ``index.html`` and, if asked, ``reports/``.
    settings : Settings, optional
    workers : int, optional
        Worker processes on this machine; by default one per core.
    scheduler : str, optional
        Address of a running Dask scheduler, in place of `workers`. All its machines must see
        `root` and `out` under the same paths.
    key : str or Path, optional
        File with the laboratory's secret; with it, names of folders and files become hashes.
    allow_empty : bool
        Whether a `root` without a study may empty the tables of an `out` that has some. It may
        be a disk that is not mounted, so that the default is no.
    progress : callable, optional
        Called with the numbers of studies done, found and failed.

    Returns
    -------
    Summary

    Raises
    ------
    StoppedError
        If another batch writes to `out`, workers are lost again and again, or the disk is full.
        What was done until then is kept, and the next start goes on from there.
    NcsError
        If `root` holds no study, a criteria or reference set is faulty, or the cluster cannot be
        reached.
    """
    settings = settings or Settings()
    root, out = Path(root), Path(out)
    _refuse_without_parquet()
    check_places(root, out)
    pseudonyms = None if key is None else Pseudonyms.from_file(Path(key))
    digest = _settings_digest(settings, pseudonyms)
    try:
        with Store(out) as store:
            store.recover()
            run = _Run(store, root, settings, progress, allow_empty=allow_empty)
            if scheduler is not None:
                return _run_there(run, root, out, digest, pseudonyms, scheduler)
            with engine.when_needed(workers) as (begin, end):
                if not store.slots():
                    begin()  # there is work: the workers get ready while it is looked at
                run.do(
                    find_inputs(
                        root,
                        out,
                        digest,
                        pseudonyms,
                        look_here,
                        layout=settings.layout,
                        lab=settings.lab,
                    ),
                    lambda: begin().result(),
                )
                end()
                return run.finish()
    except OSError as error:
        raise _stopped(error, out) from None


def _stopped(error: OSError, out: Path) -> OSError | StoppedError:
    """Say what keeps a batch from writing; an error elsewhere stays what it is."""
    if is_disk_full(error):
        return StoppedError(
            "the disk is full.",
            source=str(out),
            hint="What is done is kept; make room and start the same command again.",
        )
    if not Path(str(error.filename)).is_relative_to(out):
        return error
    return StoppedError(
        f"it cannot be written to: {error.strerror}.",
        source=str(out),
        hint="What is done is kept. Choose an --out folder that you may write to.",
    )


def _refuse_without_parquet() -> None:
    """Say before any work is done that an archive cannot be written here."""
    try:
        is_there = find_spec("pyarrow") is not None
    except ImportError:
        is_there = False
    if not is_there:
        raise missing_extra("a batch", "pyarrow", "archive")


def _run_there(
    run: _Run, root: Path, out: Path, digest: str, key: Pseudonyms | None, scheduler: str
) -> Summary:
    with engine.connected(scheduler) as team:
        tasks = find_inputs(
            root.resolve(),
            out,
            digest,
            key,
            team.look_there,
            layout=run.settings.layout,
            lab=run.settings.lab,
        )
        run.do(tasks, lambda: team)
    return run.finish()


def _settings_digest(settings: Settings, key: Pseudonyms | None) -> str:
    """Give the hash of everything besides the content that the rows depend on.

    The tables that are no choice of the user belong to the program.
    """
    sets = [(one.id, one.revision, one.sha256) for one in criteria.chosen(settings.criteria)]
    limits = [(one.id, one.revision, one.sha256) for one in reference.chain(settings.reference)]
    parts = [
        program_digest(),
        sets,
        limits,
        settings.keep_identity,
        settings.supramaximal,
        key.check() if key else None,
        *_files_told(settings),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _files_told(settings: Settings) -> list[str]:
    """Give the hashes of layout and laboratory's file that the caller named."""
    told = []
    if settings.lab is not None:
        told.append(hashlib.sha256(read_regular(Path(settings.lab))).hexdigest())
    if settings.layout is not None:
        path = Path(settings.layout)
        # A layout of lab.toml changes with that file, a shipped one with the program.
        told.append(
            hashlib.sha256(read_regular(path)).hexdigest() if path.is_file() else settings.layout
        )
    return told


class _Run:
    """One run over an open store: what is known, what is to do, and how far it is."""

    def __init__(
        self, store: Store, root: Path, settings: Settings, progress: Progress, *, allow_empty: bool
    ) -> None:
        self._root, self._allow_empty = root, allow_empty
        self._store = store
        self.settings = settings
        self._progress = progress
        self._done = self._total = self._failed = self._to_do = 0

    def do(self, tasks: Sequence[Task], team: Callable[[], Team]) -> None:
        """Do what is missing and drop what is gone.

        Raises
        ------
        NcsError
            If there is no study at all, and nobody said that this is meant.
        """
        if not tasks and not self._allow_empty:
            self._refuse_empty()
        chunks = self._plan(tasks)
        self._to_do = sum(len(chunk.tasks) for chunk in chunks)
        self._total, self._done = len(tasks), len(tasks) - self._to_do
        self._progress(self._done, self._total, self._failed)
        if chunks:
            from ncs_cb.batch import overview

            overview.get_ready()  # while the workers load, not when they are done
            engine.run(team(), chunks, self._take)

    def _refuse_empty(self) -> None:
        n_before = sum(len(record.entries) for record in self._store.records())
        if not n_before:
            raise NcsError(
                "no study was found: no folder below it holds a recording or a study.toml.",
                source=str(self._root),
                hint="'ncs-cb formats' lists what can be read.",
            )
        raise NcsError(
            f"no study was found, but the output holds {n_before} from before; nothing was "
            "changed. A disk that is not mounted looks empty.",
            source=str(self._root),
            hint="Where the recordings are really gone, say so with --allow-empty.",
        )

    def finish(self) -> Summary:
        """Write the overviews."""
        from ncs_cb.batch import overview

        return Summary(self._total, self._to_do, overview.write(self._store))

    def _plan(self, tasks: Sequence[Task]) -> list[Chunk]:
        """Give the chunks to do; slots of which nothing is left are removed at once.

        New studies take the lowest numbers that are free: where a run was killed after a later
        slot and before an earlier one, the earlier one gets its own number and studies again.
        """
        new = {task.key: task for task in tasks}
        chunks: list[Chunk] = []
        taken: set[int] = set()
        for record in self._store.records():
            there = [(e, new.pop(e.key)) for e in record.entries if e.key in new]
            kept = [e for e, task in there if self._is_good(e, task)]
            redo = [task for e, task in there if not self._is_good(e, task)]
            self._failed += sum(e.failure is not None for e in kept)
            if not there:
                self._store.remove(record.slot)
                continue
            taken.add(record.slot)
            if redo or len(there) < len(record.entries):
                chunks.append(self._chunk(record.slot, redo, kept))
        fresh = sorted(new.values(), key=lambda task: task.shown)
        size = _slot_size(len(tasks), self.settings.reports)
        free = (number for number in count() if number not in taken)
        for start, number in zip(range(0, len(fresh), size), free, strict=False):
            chunks.append(self._chunk(number, fresh[start : start + size], []))
        return chunks

    def _is_good(self, entry: Entry, task: Task) -> bool:
        """Tell whether a study needs nothing: same content, same settings, report there."""
        if entry.fingerprint != task.fingerprint:
            return False
        if entry.failure is not None and entry.failure.error in _LIMIT_ERRORS:
            return entry.limits == self.settings.limits
        if not self.settings.reports or not entry.summary:
            return True
        return entry.lang == self.settings.lang and self._store.has_report(entry.report, entry.lang)

    def _chunk(self, slot: int, tasks: Sequence[Task], kept: Sequence[Entry]) -> Chunk:
        out = str(self._store.folder.resolve())
        return Chunk(slot, tuple(tasks), tuple(kept), out, self.settings, program_digest())

    def _take(self, done: Done) -> None:
        record = Record(done.slot, done.entries, done.histograms)
        self._store.commit(Path(done.staged), record)
        fresh = [entry for entry in done.entries if entry.key in done.fresh]
        self._done += len(fresh)
        self._failed += sum(entry.failure is not None for entry in fresh)
        self._progress(self._done, self._total, self._failed)


# What a study failed of when other limits may let it pass.
_LIMIT_ERRORS = frozenset({"MemoryError", "TimeoutError", "ProcessDied"})


def _slot_size(n_studies: int, reports: bool) -> int:
    if reports:
        usual = min(-(-n_studies // _FEWEST_SLOTS_WITH_REPORTS), _LARGEST_SLOT_WITH_REPORTS)
    else:
        is_small = n_studies <= _FEWEST_SLOTS * _ENOUGH_IN_A_SLOT
        pairs = -(-n_studies // (2 * _LARGEST_SLOT))
        n_slots = max(2 * pairs, _FEWEST_SLOTS if is_small else _FEW_SLOTS)
        usual = -(-n_studies // n_slots)
    return min(max(usual, -(-n_studies // _MOST_SLOTS), 1), _LARGEST_SLOT_OF_ALL)

"""What a worker does: read a chunk of studies, analyze them together, write one slot's files."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from ncs_cb.batch import parquet
from ncs_cb.batch.identity import pseudonymize, scrub
from ncs_cb.batch.inputs import Task, program_digest
from ncs_cb.batch.limits import limited
from ncs_cb.batch.order import Chunk, Done, Settings
from ncs_cb.batch.set_names import own_names
from ncs_cb.batch.store import (
    TABLES,
    Entry,
    Failure,
    is_disk_full,
    part_path,
    staged_part,
    staged_reports,
)
from ncs_cb.errors import NcsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from ncs_cb.analysis import Tables
    from ncs_cb.model import Result, Study

Value = TypeVar("Value")

# The limits belong to a process, so that two chunks must not run in one at the same time.
_ONE_AT_A_TIME = Lock()

REPORT_FORMATS = ("html", "json", "csv")


@dataclass(slots=True)
class Found:
    """What became of some studies: rows per table, entries and failures by key."""

    rows: dict[str, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    summaries: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take over what was found in further studies."""
        for table, rows in other.rows.items():
            self.rows[table].extend(rows)
        self.summaries |= other.summaries
        self.failures |= other.failures
        self.reported |= other.reported


def process(chunk: Chunk) -> Done:
    """Do one chunk in this process.

    Parameters
    ----------
    chunk : Chunk

    Raises
    ------
    NcsError
        If this process runs another program than the one that planned the work.
    OSError
        If there is no room to write; nothing is left behind then.
    """
    return carry_out(chunk, examine)


def carry_out(chunk: Chunk, look: Callable[[Sequence[Task], Settings, Path], Found]) -> Done:
    """Do one chunk with a given way to look at its studies; see :func:`process`."""
    if chunk.program != program_digest():
        raise NcsError(
            "a worker runs another version of ncs_cb than the one that plans the work.",
            hint="Install the same version on every machine of the cluster.",
        )
    # Another name for each attempt: a cluster that loses a worker gives its chunk to another one.
    staged = Path(chunk.out, "_batch", "staging", f"{chunk.slot:05d}-{uuid.uuid4().hex}")
    with _ONE_AT_A_TIME:
        try:
            staged_part(staged, "").parent.mkdir(parents=True)
            found = look(chunk.tasks, chunk.settings, staged_reports(staged))
            return _write(chunk, found, staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise


def examine(
    tasks: Sequence[Task],
    settings: Settings,
    reports: Path,
    watch: Callable[[str], None] = lambda stage: None,
) -> Found:
    """Read and analyze studies in this process.

    Parameters
    ----------
    tasks : sequence of Task
    settings : Settings
    reports : Path
        Folder for reports; made when there are any.
    watch : callable
        Told the name of each stage as it begins, for the case that it never ends.
    """
    return _Examination(settings, reports, watch).run(tasks)


@dataclass(frozen=True, slots=True)
class _Examination:
    settings: Settings
    reports: Path
    watch: Callable[[str], None]
    found: Found = field(default_factory=Found)

    def run(self, tasks: Sequence[Task]) -> Found:
        studies: list[tuple[Task, Study]] = []
        for task in tasks:
            study = self.attempt(task, "read", partial(_read, task, self.settings))
            if study is not None:
                studies.append((task, study))
        self.analyze(studies)
        return self.found

    def analyze(self, studies: Sequence[tuple[Task, Study]]) -> None:
        """Analyze studies together; where that fails, halve them until the culprit is alone."""
        if not studies:
            return
        first = studies[0][0]
        found = self.attempt(
            first, "analyze", lambda: _tables(studies, self.settings), times=len(studies)
        )
        if found is not None:
            self.found.add(found[0])
            if self.settings.reports:
                self.report(studies, found[1])
            return
        if len(studies) > 1:
            del self.found.failures[first.key]
            middle = len(studies) // 2
            self.analyze(studies[:middle])
            self.analyze(studies[middle:])

    def report(self, studies: Sequence[tuple[Task, Study]], tables: Tables) -> None:
        """Write each study's report; one that cannot be written leaves its tables in place."""
        from ncs_cb.analysis import results

        own = self.settings
        made = results(
            tables,
            [s for _, s in studies],
            own.criteria,
            reference=own.reference,
            supramaximal=own.supramaximal,
        )
        self.reports.mkdir(exist_ok=True)
        for (task, _), result in zip(studies, made, strict=True):
            written = self.attempt(task, "report", partial(self.write_report, result))
            if written is not None:
                self.found.reported[task.key] = written

    def write_report(self, result: Result) -> str:
        """Write one report and give the name of its folder."""
        from ncs_cb.reports import write_report

        lang = self.settings.lang
        paths = write_report(result, self.reports, formats=REPORT_FORMATS, lang=lang)
        return Path(paths[0]).parent.name

    def attempt(
        self, task: Task, stage: str, step: Callable[[], Value], *, times: int = 1
    ) -> Value | None:
        """Run one step within the limits; a failure becomes the study's row, and None."""
        seconds = self.settings.time_limit_s * times
        self.watch(stage)
        try:
            with limited(seconds=seconds, megabytes=self.settings.memory_limit_mb):
                return step()
        except Exception as error:  # the one place: a study's failure becomes a row
            if is_disk_full(error):
                # Not the study's fault: the whole run stops, and says so. The error of a report
                # would not tell what is behind it where it comes from another process.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            self.found.failures[task.key] = failure(task, stage, error, self.settings)
            return None


def _read(task: Task, settings: Settings) -> Study:
    from ncs_cb.readers import read_study

    if task.refused:
        raise NcsError(task.refused, hint="Give each visit its own id in its study.toml.")
    study = read_study(
        task.found.to_read(),
        keep_identity=settings.keep_identity,
        layout=settings.layout,
        lab=settings.lab or task.found.lab or None,
        root=Path(task.found.path).parent,
    )
    return pseudonymize(study, task.study_id, task.names)


def failure(task: Task, stage: str, error: Exception, settings: Settings) -> Failure:
    """Word a study's failure; no name that is to be hidden stays in it."""
    named, hint = task.shown, ""
    if isinstance(error, NcsError):
        message, hint = error.message, error.hint or ""
        named = _named_input(task, error.source)
    elif isinstance(error, MemoryError):
        message = f"needs more than {settings.memory_limit_mb} MB of memory."
        hint = "If the recording is sound, raise --memory-limit."
    elif isinstance(error, OSError):
        message = error.strerror or "cannot be read."
    else:
        # The text of an unforeseen error may quote what a recording says of a person.
        message = "unexpected error, a fault of ncs-cb."
        hint = "Please report it with the version and, if it holds no identity, the input."
    return Failure(
        task.study_id,
        named,
        stage,
        type(error).__name__,
        scrub(message, task.written),
        scrub(hint, task.written),
    )


def _named_input(task: Task, source: str | None) -> str:
    """Name the file that an error names, below the study; else the study."""
    if not source or Path(source).name in ("", Path(task.found.path).name, task.found.name):
        return task.shown
    file = source if not Path(source).is_absolute() else Path(source).name
    if file not in task.found.files:
        return task.shown
    return f"{task.shown}/{task.written.get(file, file)}"


def _tables(studies: Sequence[tuple[Task, Study]], settings: Settings) -> tuple[Found, Tables]:
    from ncs_cb.analysis import analyze_together
    from ncs_cb.measuring.corrected import reviews_table
    from ncs_cb.measuring.f_waves import with_typed

    tables = analyze_together(
        [study for _, study in studies],
        settings.criteria,
        reference=settings.reference,
        supramaximal=settings.supramaximal,
    )
    found = Found()
    ids = [task.study_id for task, _ in studies]
    frames = {name: _named(tables.frames[name], ids) for name in TABLES if name in tables.frames}
    summaries = _summaries(tables.frames, ids)
    own = own_names(settings.criteria)
    for one in summaries.values():
        one.update(own)
    frames["studies"] = _studies([study for _, study in studies], [summaries[i] for i in ids])
    frames["f_waves"] = with_typed(frames["f_waves"], [study for _, study in studies])
    frames["reviews"] = reviews_table([study for _, study in studies])
    for table, frame in frames.items():
        found.rows[table].append(parquet.to_arrow(frame, table))
    found.summaries = {task.key: summaries[task.study_id] for task, _ in studies}
    return found, tables


def _studies(studies: Sequence[Study], summaries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give what the archive may be asked for first: the impression, when, how old, how tall."""
    import pandas as pd

    from ncs_cb.columns import conform

    details = [study.details for study in studies]
    columns = {
        "study_id": [study.study_id for study in studies],
        "visit_date": [d.visit_date and d.visit_date.isoformat() for d in details],
        "age_years": [d.age_years for d in details],
        "sex": [d.sex for d in details],
        "height_cm": [d.height_cm for d in details],
        "n_responses": [len(s.traces) + len(s.typed_responses) for s in studies],
        "impression": ["\n".join(one["impression"]) for one in summaries],
        "impression_zh": ["\n".join(one["impression_zh"]) for one in summaries],
    }
    return conform(pd.DataFrame(columns), "studies")


def _named(frame: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Put the studies' ids in place of their running numbers."""
    import pandas as pd

    names = pd.array(ids, dtype="string")
    return frame.assign(study_id=names.take(_numbers(frame)))


def _numbers(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Give the running number of the study of each row."""
    import numpy as np

    numbers: np.ndarray[Any, Any] = frame["study_id"].to_numpy().astype(np.intp)
    return numbers


def _summaries(frames: Mapping[str, pd.DataFrame], ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give, per study, what the index page shows."""
    import numpy as np

    numbers = {name: _numbers(frame) for name, frame in frames.items()}
    flagged = (frames["segments"]["quality_flags"] != "").to_numpy(bool)
    counts = (
        np.bincount(rows, minlength=len(ids)).tolist()
        for rows in (numbers["traces"], numbers["segments"], numbers["segments"][flagged])
    )
    made: list[dict[str, Any]] = [
        {
            "traces": n_traces,
            "segments": n_segments,
            "flagged": n_flagged,
            "categories": {},
            "grades": {},
            "impression": [],
            "impression_zh": [],
            "is_healthy": False,
        }
        for n_traces, n_segments, n_flagged in zip(*counts, strict=True)
    ]

    def rows(table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        cells = (frames[table][name].tolist() for name in columns)
        return zip(numbers[table].tolist(), *cells, strict=True)

    for number, text, chinese in rows("statements", "text", "text_zh"):
        made[number]["impression"].append(text)
        made[number]["impression_zh"].append(chinese)
    for number in _healthy(frames, numbers):
        made[number]["is_healthy"] = True
    for number, criteria, category in rows("diagnosis", "criteria", "category"):
        made[number]["categories"][criteria] = category
    judged = rows("verdicts", *_KEYS, "criteria", "conduction_block", "grade_by_numbers")
    for number, criteria, grade in _grades(judged, rows("segments", *_KEYS, *_OF_A_SITE)):
        grades = made[number]["grades"].setdefault(criteria, {})
        grades[grade] = grades.get(grade, 0) + 1
    return dict(zip(ids, made, strict=True))


def _healthy(
    frames: Mapping[str, pd.DataFrame], numbers: Mapping[str, np.ndarray[Any, Any]]
) -> set[int]:
    """Give the studies of which it is said that all is normal, and nothing that is suspected."""
    said, suspected = frames["statements"], frames["reasons"]["is_suspected"]
    normal = ((said["topic"] == "normal") & (said["case"] == "study")).to_numpy(bool)
    found: set[int] = set(numbers["statements"][normal].tolist())
    return found - set(numbers["reasons"][suspected.fillna(True).to_numpy(bool)].tolist())


_KEYS = ("nerve", "side", "muscle", "segment")
_OF_A_SITE = ("is_entrapment_site", "quality_flags", "amplitude_reduction_pct")


def _grades(
    judged: Iterable[tuple[Any, ...]], segments: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[int, str, str]]:
    """Give study, set and grade of every verdict that a report shows.

    Of an entrapment site at which nothing was found a report says nothing.
    """
    from ncs_cb.view.reading import nothing_found

    sites = {
        tuple(map(str, key)): dict(zip(_OF_A_SITE, (site, told, fall), strict=True))
        for *key, site, told, fall in segments
        if site is True
    }
    for *key, criteria, grade, by_numbers in judged:
        if grade == "excluded":
            site = sites.get(tuple(map(str, key)))
            if site is not None and nothing_found(site, by_numbers):
                continue
        yield key[0], criteria, grade


def _write(chunk: Chunk, found: Found, staged: Path) -> Done:
    import pyarrow as pa

    from ncs_cb.batch.measures import histograms

    kept_ids = {entry.study_id for entry in chunk.kept if entry.summary}
    counted: dict[str, list[int]] = {}
    for table in TABLES:
        rows = found.rows[table] or [parquet.empty(table)]
        if kept_ids:
            old = part_path(Path(chunk.out), table, chunk.slot)
            rows = [*rows, parquet.keep(old, table, kept_ids)]
        whole = rows[0] if len(rows) == 1 else pa.concat_tables(rows)
        parquet.write(whole, staged_part(staged, table))
        counted |= histograms(table, whole)
    fresh = (_entry(task, found, chunk.settings) for task in chunk.tasks)
    # By the name that is shown: the order of hidden names would tell them from each other.
    entries = sorted((*fresh, *chunk.kept), key=lambda entry: entry.input)
    keys = frozenset(task.key for task in chunk.tasks)
    return Done(chunk.slot, str(staged), tuple(entries), keys, counted)


def _entry(task: Task, found: Found, settings: Settings) -> Entry:
    report = found.reported.get(task.key, "")
    failed = found.failures.get(task.key)
    return Entry(
        task.key,
        task.fingerprint,
        task.study_id,
        task.shown,
        report,
        lang=settings.lang if report else "",
        limits=settings.limits if failed else "",
        failure=failed,
        summary=found.summaries.get(task.key, {}),
    )

"""One open review: the study in memory, the log on disk, and what follows from both."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ncs_cb import review_file, view
from ncs_cb.analysis import analyze, judged_by
from ncs_cb.errors import NcsError, StudyError
from ncs_cb.model import Result, Source, Study
from ncs_cb.readers import read_study
from ncs_cb.review import log, reasons
from ncs_cb.review.state import describe, grades_of, samples_of

_EVENT_KEYS = ("action", "trace", "marker", "to_ms", "key", "to", "undoes", "why")


class Session:
    """A study under review; every browser that looks at it sees the same.

    Parameters
    ----------
    path : Path
        The study's folder, or a single recording.
    who : str
        The person who reviews.
    read_only : bool
    criteria, reference
        As in ``analyze``.
    """

    def __init__(
        self,
        path: Path,
        *,
        who: str,
        read_only: bool = False,
        criteria: list[str] | None = None,
        reference: str | None = None,
    ) -> None:
        self.who, self.read_only = who, read_only
        self._path, self._log = path, review_file.log_path(path)
        self._asked = (criteria, reference)
        self._lock = threading.RLock()
        self._study: Study = read_study(path)
        self._read = review_file.load(self._log)
        self._result: Result = self._analyzed(self._study)
        self._before: dict[tuple[str, ...], str] = {}
        self.version = 1

    def _analyzed(self, study: Study) -> Result:
        # The same habits of a laboratory as in ``analyze``, so that page and report agree.
        sets, limits = judged_by(study, *self._asked)
        return analyze(study, sets, reference=limits)

    @property
    def result(self) -> Result:
        """What is found in the study with its corrections."""
        with self._lock:
            self._refresh()
            return self._result

    def _refresh(self) -> None:
        """Take in what another writer has appended."""
        found = review_file.load(self._log)
        if found.sha256 != self._read.sha256:
            self._take(found, self._analyzed(self._with(found.corrections)))

    def _with(self, corrections: Any) -> Study:
        return replace(self._study, corrections=tuple(corrections))

    def _take(self, found: review_file.Log, result: Result) -> None:
        """Make this the state: the log as it is on disk is one of the study's sources."""
        own = (Source(self._log.name, found.sha256, "review"),) if found.sha256 else ()
        others = tuple(s for s in result.study.sources if s.reader != "review")
        study = replace(result.study, sources=(*others, *own))
        provenance = replace(result.provenance, sources=study.sources)
        self._before = grades_of(self._result)
        self._read, self._study = found, study
        self._result = replace(result, study=study, provenance=provenance)
        self.version += 1

    def state(self, lang: str = "en", since: str = "") -> dict[str, Any]:
        """Give what the page shows; only the version where that is the one shown already."""
        with self._lock:
            self._refresh()
            if since == str(self.version):
                return {"version": self.version}
            return {
                "version": self.version,
                "who": self.who,
                "read_only": self.read_only,
                **describe(self._result, self._read.corrections, self._before, lang),
            }

    def samples(self) -> dict[str, Any]:
        """Give the curves of every response, by its place in ``traces``."""
        with self._lock:
            return {"version": self.version, "curves": samples_of(self._result)}

    def correct(self, asked: Mapping[str, Any], lang: str = "en") -> None:
        """Write one correction, and let everything follow.

        Raises
        ------
        NeedsReasonError
            If a grade or category changes and there is no reason; nothing is written.
        StudyError
            If the review is read-only, or the correction is not possible.
        """
        if self.read_only:
            raise StudyError("this review is open for reading only.")
        unknown = set(asked) - set(_EVENT_KEYS)
        if unknown:
            raise StudyError(
                f"unknown key '{min(unknown)[:120]}'; known: {', '.join(_EVENT_KEYS)}."
            )
        trace = asked.get("trace") or {}
        if not isinstance(trace, Mapping):
            raise StudyError("trace: must be an object with recording, site and sweep.")
        # Whatever may fail in the answer fails before anything is written.
        view.load(lang)
        with self._lock:
            self._refresh()
            told = {"action": None, "why": "", **asked}
            if told["action"] == "undo" and not told.get("undoes"):
                told["undoes"] = self._last()
            undone = told.get("undoes")
            if trace.get("text") or reasons.is_of_assignment(undone, self._read.corrections):
                self._assign(told)
                return
            event = log.prepare(self._study, who=self.who, **told)
            correction = review_file.to_correction(event)
            result = self._analyzed(self._with((*self._study.corrections, correction)))
            reasons.demand(told["why"], self._result, result, lang)
            review_file.append(self._log, event)
            self._take(review_file.load(self._log), result)

    def _assign(self, told: Mapping[str, Any]) -> None:
        """Give an unassigned stimulus its site: the recordings are read again with it."""
        reasons.demand_of_assignment(told["why"])
        event = log.prepare(self._study, who=self.who, **told)
        review_file.append(self._log, event)
        try:
            study = read_study(self._path)
            result = self._analyzed(study)
        except NcsError:
            back = log.prepare(
                None,
                who=self.who,
                action="undo",
                undoes=event["id"],
                why="the study cannot be read with it",
            )
            review_file.append(self._log, back)
            self._refresh()
            raise
        self._take(review_file.load(self._log), result)

    def _last(self) -> str:
        """Give the last event that was not taken back."""
        standing, _ = review_file.still_standing(self._read.corrections)
        if not standing:
            raise StudyError("there is nothing to undo.")
        return standing[-1].id

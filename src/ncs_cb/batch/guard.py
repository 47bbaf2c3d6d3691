"""The careful way: each study in a process of its own, which may hang, swell or die.

A chunk is done this way only after a worker was lost over it. The child process is kept from
study to study; when one of them ends it, that study fails and the next one gets a new child.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ncs_cb.apart import Child, hold_on, receive, send, silence
from ncs_cb.batch import preload
from ncs_cb.batch.inputs import Task
from ncs_cb.batch.order import Chunk, Done, Settings
from ncs_cb.batch.store import Failure
from ncs_cb.batch.work import Found, carry_out, examine

# The child ends itself when its time is up; this is for one that cannot even do that.
_GRACE_S = 30.0
_STEPS = 3


def process_guarded(chunk: Chunk) -> Done:
    """Do one chunk, study by study, in a child process; see :func:`ncs_cb.batch.work.process`."""
    return carry_out(chunk, _examine_guarded)


def _examine_guarded(tasks: Sequence[Task], settings: Settings, reports: Path) -> Found:
    found = Found()
    with closing(_Careful(settings, reports)) as careful:
        for task in tasks:
            one = careful.examine(task)
            if isinstance(one, Found):
                found.add(one)
            else:
                found.failures[task.key] = one
    return found


class _Careful:
    """Studies one after the other in a child, which is made anew where one of them ends it."""

    def __init__(self, settings: Settings, reports: Path) -> None:
        self._settings, self._reports = settings, reports
        self._child: Child | None = None

    def examine(self, task: Task) -> Found | Failure:
        """Give what was found, or the failure that ended the child."""
        child = self._child = self._child or Child("ncs_cb.batch.guard:serve")
        stage, began = "read", time.monotonic()

        def hear(word: str) -> None:
            nonlocal stage, began
            stage, began = word, time.monotonic()

        answer = child.ask(
            (task, self._settings, self._reports),
            seconds=self._settings.time_limit_s * _STEPS + _GRACE_S,
            hear=hear,
        )
        if isinstance(answer, Found):
            return answer
        if isinstance(answer, OSError):
            raise answer
        return self._obituary(task, stage, time.monotonic() - began, self.close())

    def _obituary(self, task: Task, stage: str, took: float, code: int) -> Failure:
        if took >= self._settings.time_limit_s:
            return Failure(
                task.study_id,
                task.shown,
                stage,
                "TimeoutError",
                f"takes longer than {self._settings.time_limit_s:g} s.",
                "If the recording is sound, raise --time-limit.",
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Failure(
            task.study_id,
            task.shown,
            stage,
            "ProcessDied",
            f"ended the process that handled it ({how}).",
            "The recording is damaged or needs too much memory; look at it alone.",
        )

    def close(self) -> int:
        """End the child, if there is one; give its exit status."""
        child, self._child = self._child, None
        return child.close() if child is not None else 0


def serve(line: int | None = None) -> None:
    """Examine studies one after the other until the parent is gone; runs in the child."""
    hold_on(line)
    answers = os.fdopen(os.dup(1), "wb")
    silence()
    preload.load()  # before the clock of the first study runs
    while (asked := receive(sys.stdin.buffer)) is not None:
        task, settings, reports = asked
        try:
            send(answers, examine([task], settings, reports, lambda s: send(answers, s)))
        except OSError as error:
            send(answers, error)

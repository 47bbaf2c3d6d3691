"""The careful way: each study in a process of its own, which may hang, swell or die.

A chunk is done this way only after a worker was lost over it. The child process is kept from
study to study; when one of them ends it, that study fails and the next one gets a new child.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncs_cb.batch.frames import receive, send
from ncs_cb.batch.inputs import Task
from ncs_cb.batch.order import Chunk, Done, Settings
from ncs_cb.batch.store import Failure
from ncs_cb.batch.work import Found, carry_out, examine

# The child ends itself when its time is up; this is for one that cannot even do that.
_GRACE_S = 30.0
_STEPS = 3


def process_guarded(chunk: Chunk, token: str) -> Done:
    """Do one chunk, study by study, in a child process; see :func:`ncs_cb.batch.work.process`."""
    return carry_out(chunk, token, _examine_guarded)


def _examine_guarded(tasks: Sequence[Task], settings: Settings, reports: Path) -> Found:
    found = Found()
    child: _Child | None = None
    try:
        for task in tasks:
            child = child or _Child()
            one = child.examine(task, settings, reports)
            if isinstance(one, Found):
                found.add(one)
            else:
                found.failures[task.key] = one
                child.close()
                child = None
    finally:
        if child is not None:
            child.close()
    return found


class _Child:
    """A process that examines one study at a time and may be lost."""

    def __init__(self) -> None:
        # -c and not -m: a module that is both imported and run would exist twice.
        command = [sys.executable, "-c", "from ncs_cb.batch.guard import serve; serve()"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._answers: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while (answer := receive(self._process.stdout)) is not None:
            self._answers.put(answer)
        self._answers.put(None)

    def examine(self, task: Task, settings: Settings, reports: Path) -> Found | Failure:
        """Give what was found, or the failure that ended the child."""
        assert self._process.stdin is not None
        longest = settings.time_limit_s * _STEPS + _GRACE_S
        stage, began = "read", time.monotonic()
        deadline = began + longest
        try:
            send(self._process.stdin, (task, settings, reports))
            while time.monotonic() < deadline:
                answer = self._answers.get(timeout=max(deadline - time.monotonic(), 0.01))
                if not isinstance(answer, str):
                    break
                stage, began = answer, time.monotonic()
            else:
                answer = None
        except (BrokenPipeError, queue.Empty):
            answer = None
        if isinstance(answer, Found):
            return answer
        if isinstance(answer, OSError):
            raise answer
        return self._obituary(task, stage, time.monotonic() - began, settings)

    def _obituary(self, task: Task, stage: str, took: float, settings: Settings) -> Failure:
        self.close()
        if took >= settings.time_limit_s:
            return Failure(
                task.study_id,
                task.shown,
                stage,
                "TimeoutError",
                f"takes longer than {settings.time_limit_s:g} s.",
                "If the recording is sound, raise --time-limit.",
            )
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Failure(
            task.study_id,
            task.shown,
            stage,
            "ProcessDied",
            f"ended the process that handled it ({how}).",
            "The recording is damaged or needs too much memory; look at it alone.",
        )

    def close(self) -> None:
        """End the child and whatever it started."""
        if os.name == "nt":  # pragma: no cover
            self._process.kill()
        elif self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def serve() -> None:
    """Examine studies one after the other until the parent is gone; runs in the child."""
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not mix with the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while (asked := receive(sys.stdin.buffer)) is not None:
        task, settings, reports = asked
        try:
            send(answers, examine([task], settings, reports, lambda s: send(answers, s)))
        except OSError as error:
            send(answers, error)

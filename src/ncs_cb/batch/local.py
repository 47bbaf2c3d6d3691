"""Worker processes of this machine: one chunk at a time each, from the standard library alone.

On Linux they are forked from one process that has loaded the libraries, so that the loading is
paid once and its memory shared; elsewhere, where a library may not survive a fork, each loads by
itself. A worker ends when this process does.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ncs_cb.apart import LifeLine, hold_on, receive, send, silence
from ncs_cb.batch.order import Chunk, Done
from ncs_cb.errors import StoppedError

_ENVIRONMENT = {
    # One chunk runs per process: no threads below it.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # One chunk needs as much memory as the next: what it frees is kept for that.
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    # Arrow keeps what it frees from all others, unless it takes it where they do.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
FORKS = sys.platform == "linux"
"""Whether workers are forked from a process that is ready."""
# Losses of one worker after the other, without anything done between, that are no accident.
_MOST_LOSSES = 8


@dataclass(slots=True)
class _Line:
    """What goes to a worker, and what comes back."""

    to: IO[bytes]
    back: IO[bytes]

    def close(self) -> None:
        for end in (self.to, self.back):
            try:
                end.close()
            except OSError:
                continue


class LocalTeam:
    """So many workers; begins at once, and ends with :meth:`close`."""

    def __init__(self, n_workers: int) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lines: list[_Line] = []
        self._life = LifeLine()
        self._ending = False
        self._adding = threading.Lock()
        self._n_workers = n_workers
        if FORKS:
            self._add(n_workers)
        else:
            for _ in range(n_workers):
                self._add(1)

    def _add(self, n: int) -> list[_Line]:
        """Start a process from which `n` workers are forked, or which is the one worker."""
        with self._adding:
            if self._ending:
                return []
            lines = []
            ends: list[socket.socket] = []
            if FORKS:
                for _ in range(n):
                    own, other = socket.socketpair()
                    ends.append(other)
                    lines.append(_Line(own.makefile("wb"), own.makefile("rb")))
                    own.close()
            # -c and not -m: a module that is both imported and run would exist twice.
            numbers = [end.fileno() for end in ends]
            life = next(iter(self._life.to_pass), None)
            code = f"from ncs_cb.batch.local import serve; serve({numbers}, {life})"
            command = [sys.executable, "-c", code]
            pipe = None if FORKS else subprocess.PIPE
            process = subprocess.Popen(
                command,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ENVIRONMENT,
                pass_fds=[*numbers, *self._life.to_pass],
                start_new_session=True,
            )
            for end in ends:
                end.close()
            if process.stdin is not None and process.stdout is not None:
                lines.append(_Line(process.stdin, process.stdout))
            self._processes.append(process)
            self._lines += lines
            return lines

    def results(self, chunks: Sequence[Chunk], way: str) -> Iterator[tuple[Chunk, Done | None]]:
        """Do all chunks; give each with what it came to, None where its worker was lost.

        Parameters
        ----------
        chunks : sequence of Chunk
        way : str
            ``process``, or ``process_guarded`` for one study after the other.
        """
        waiting: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        for chunk in chunks:
            waiting.put(chunk)
        answers: queue.SimpleQueue[tuple[Chunk, Any]] = queue.SimpleQueue()
        for line in [line for line in self._lines if not line.to.closed]:
            threading.Thread(
                target=self._feed, args=(line, waiting, answers, way), daemon=True
            ).start()
        losses = 0
        for _ in chunks:
            chunk, answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            losses = losses + 1 if answer is None else 0
            if losses > _MOST_LOSSES * self._n_workers:
                raise StoppedError(
                    "workers were lost again and again.",
                    hint="Look at the memory of the machine; start again to do what is missing.",
                )
            yield chunk, answer

    def _feed(
        self,
        line: _Line,
        waiting: queue.SimpleQueue[Chunk],
        answers: queue.SimpleQueue[tuple[Chunk, Any]],
        way: str,
    ) -> None:
        """Hand one chunk after the other to one worker, and to another one where it is lost."""
        while True:
            try:
                chunk = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                send(line.to, (way, chunk))
                answer = receive(line.back)
            except (OSError, ValueError):  # lost, or closed because all is over
                answer = None
            if answer is None:
                line.close()
                more = self._add(1)
                if more:
                    line = more[0]
            answers.put((chunk, answer))

    def close(self) -> None:
        """End all workers, whatever they do."""
        with self._adding:
            self._ending = True
            self._life.close()
        for process in self._processes:
            if os.name == "nt":  # pragma: no cover
                process.kill()
            else:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        for process in self._processes:
            process.wait()
        for line in self._lines:
            line.close()


def serve(numbers: Sequence[int], life: int | None) -> None:
    """Be ready, and do chunks until the process that asked is gone; runs in the child.

    Parameters
    ----------
    numbers : sequence of int
        Sockets, one for each worker to fork; none for one worker on standard input and output.
    life : int or None
        The life line of the process that asked.
    """
    from ncs_cb.batch import preload

    preload.load()
    if not numbers:
        hold_on(life)
        back = os.fdopen(os.dup(1), "wb")
        silence()
        _work(_Line(back, sys.stdin.buffer))
        return
    for number in numbers:
        if os.fork() == 0:
            for other in numbers:
                if other != number:
                    os.close(other)
            hold_on(life)
            end = socket.socket(fileno=number)
            _work(_Line(end.makefile("wb"), end.makefile("rb")))
            os._exit(0)
    for number in numbers:
        os.close(number)
    for _ in numbers:
        os.wait()


def _work(line: _Line) -> None:
    from ncs_cb.batch import guard, work

    ways = {"process": work.process, "process_guarded": guard.process_guarded}
    while (asked := receive(line.back)) is not None:
        way, chunk = asked
        answer: object
        try:
            answer = ways[way](chunk)
        except Exception as error:
            answer = error
        try:
            send(line.to, answer)
        except OSError:  # the process that asked is gone
            return
        gc.collect()  # here, where little is held: within a slot it is hardly ever due

"""Work in a process of its own: what dies, hangs or swells there ends one input only.

Some formats are read by libraries that are native code, or that follow what a file claims. A file
made to break such a library would take the interpreter with it, and every other input of the call.
A child ends when the process that asked is gone, whatever it was about to do.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any

from ncs_cb.errors import NcsError, ReadError

SECONDS = 60.0
"""How long a call apart may take."""
MEGABYTES = 2048
"""How much address space a call apart may use, where the system enforces it."""

_HEADER = struct.Struct("<Q")
_HINT = "The file is damaged or made to harm; export it again, or convert it to EDF+."
# The parent ends a child that is late; the child does so itself where there is no parent left.
_GRACE_S = 5.0


def send(pipe: IO[bytes], what: Any) -> None:
    """Write one object. Both ends of a pipe are this program."""
    frame = pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_HEADER.pack(len(frame)))
    pipe.write(frame)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Give the next object, or None at the end."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack(header)
    frame = pipe.read(size)
    return pickle.loads(frame) if len(frame) == size else None


class LifeLine:
    """A pipe that nothing is ever written to: it ends when the process that holds it does."""

    def __init__(self) -> None:
        self._ends: list[int] = list(os.pipe()) if os.name == "posix" else []

    @property
    def to_pass(self) -> Sequence[int]:
        """The end that a child must inherit; empty where the system cannot hand it over."""
        return self._ends[:1]

    def close(self) -> None:
        """Let go: children that hold on to it end."""
        while self._ends:
            os.close(self._ends.pop())


def hold_on(line: int | None) -> None:
    """End this process as soon as the one at the other end of a life line is gone."""
    if line is None:
        return

    def wait() -> None:
        os.read(line, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Child:
    """A process that answers one request after the other, and may be lost.

    Parameters
    ----------
    serve : str
        Module and function that serves, ``module:function``. It is called with the number of
        its life line, or None.
    """

    def __init__(self, serve: str) -> None:
        module, _, function = serve.partition(":")
        self._life = LifeLine()
        line = next(iter(self._life.to_pass), None)
        # -c and not -m: a module that is both imported and run would exist twice.
        code = f"from {module} import {function}; {function}({line})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=self._life.to_pass,
        )

    def ask(
        self, what: Any, *, seconds: float, hear: Callable[[str], None] = lambda word: None
    ) -> Any:
        """Give the answer, or None where the child was lost or took too long.

        Parameters
        ----------
        what : object
        seconds : float
            After so long the child is ended.
        hear : callable
            Told each word that comes before the answer.
        """
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        watch = threading.Timer(seconds, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            send(to, what)
            while isinstance(answer := receive(back), str):
                hear(answer)
        except OSError:
            return None
        finally:
            watch.cancel()
        return answer

    def close(self) -> int:
        """End the child, whatever it does; give its exit status, negative for a signal."""
        self._life.close()
        if self._process.poll() is None:
            with suppress(OSError):
                self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return status


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a module in a process of its own, and give what it gives.

    Parameters
    ----------
    function : callable
        Of the top level of a module; its arguments and what it gives must be picklable.

    Raises
    ------
    NcsError
        What the function raised of our own errors.
    ReadError
        If the process died, took longer than a minute, or asked for too much memory.
    """
    began = time.monotonic()
    child = Child("ncs_cb.apart:serve")
    try:
        answer = child.ask((function.__module__, function.__name__, arguments), seconds=SECONDS)
    finally:
        child.close()
    if answer is None and time.monotonic() - began >= SECONDS:
        raise ReadError(f"reading it takes longer than {SECONDS:g} s.", hint=_HINT)
    if answer is None:
        raise ReadError("the program that reads this format broke on it.", hint=_HINT)
    kind, value = answer
    if kind == "error":
        raise value
    return value


class _Late(BaseException):
    """Time is up: no handler of our own errors within the block may keep it."""


@contextmanager
def in_time(seconds: float, what: str) -> Iterator[None]:
    """Bound the processor time of a block in which a pattern of the user's is matched.

    A pattern can be written, or slip, so that a short text keeps it busy for ever. A signal ends
    it, which only the main thread gets, and no thread on Windows.

    Raises
    ------
    ReadError
        If the block takes longer; `what` names it.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and hasattr(signal, "setitimer")):
        yield
        return

    def late(*_: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    except _Late:
        raise ReadError(f"{what} takes longer than {seconds:g} s.") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def serve(line: int | None = None) -> None:
    """Answer one call; runs in the child."""
    hold_on(line)
    back = os.fdopen(os.dup(1), "wb")
    silence()
    module, name, arguments = receive(sys.stdin.buffer)
    _limit(MEGABYTES, SECONDS + _GRACE_S)
    try:
        answer = ("value", getattr(import_module(module), name)(*arguments))
    except NcsError as problem:
        answer = ("error", problem)
    except MemoryError:
        answer = ("error", ReadError(f"needs more than {MEGABYTES} MB of memory.", hint=_HINT))
    send(back, answer)


def silence() -> None:
    """Have whatever a library prints go nowhere: it must not mix with the answers."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _limit(megabytes: int, seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows offers no such limits; the parent's clock holds there too
        return
    # The alarm's own effect is to end the process, whatever it hangs in.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = megabytes * 2**20
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))

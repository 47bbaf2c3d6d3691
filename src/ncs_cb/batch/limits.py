"""Time and memory limits around the work on one study.

A study that hangs takes its process with it when its time is up, whatever it hangs in: the
timer runs outside the interpreter, so that not even a loop in C that never lets go of it stays
alive. A study that asks for too much memory is refused it by the
operating system and gets a ``MemoryError``.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import TextIOWrapper

try:
    import resource
except ImportError:  # pragma: no cover
    resource = None  # type: ignore[assignment]


@cache
def _nowhere() -> TextIOWrapper:
    return open(os.devnull, "w")  # the traceback of a hang may hold names of files


@contextmanager
def limited(*, seconds: float, megabytes: int) -> Iterator[None]:
    """End this process after `seconds`; refuse it more than `megabytes` of new memory.

    Memory is limited where the system can do it (Linux). One limit at a time per process.
    """
    stop_timer = _start_timer(seconds)
    before = _limit_memory(megabytes)
    try:
        yield
    finally:
        if before is not None:
            resource.setrlimit(resource.RLIMIT_AS, before)
        stop_timer()


def _start_timer(seconds: float) -> Callable[[], object]:
    """Have this process ended after `seconds`; give what calls that off."""
    if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
        # The alarm's own effect is to end the process. It costs a system call, whereas the
        # thread of faulthandler costs as much as reading the study when all cores are busy.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return lambda: signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.dump_traceback_later(seconds, exit=True, file=_nowhere())
    return faulthandler.cancel_dump_traceback_later


def _limit_memory(megabytes: int) -> tuple[int, int] | None:
    used = _address_space()
    if used is None:
        return None
    soft, hard = before = resource.getrlimit(resource.RLIMIT_AS)
    wanted = used + megabytes * 2**20
    ceilings = [c for c in (soft, hard) if c != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *ceilings]), hard))
    return before


def _address_space() -> int | None:
    """Bytes of address space in use, or None where the system does not say."""
    if resource is None:
        return None
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None

"""Work in a process of its own: a parser that dies, hangs or swells ends one input only.

Some formats are read by libraries that are native code, or that follow what a file claims. A file
made to break such a library would take the interpreter with it, and every other input of the call.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ncs_cb.errors import NcsError, ReadError

_SECONDS = 60.0
_MEGABYTES = 2048
_CODE = "from ncs_cb.readers._shared.apart import serve; serve()"


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
    asked = pickle.dumps((function.__module__, function.__name__, arguments))
    try:
        run = subprocess.run(
            [sys.executable, "-c", _CODE],
            input=asked,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReadError(f"reading it takes longer than {_SECONDS:g} s.", hint=_HINT) from None
    if run.returncode != 0 or not run.stdout:
        raise ReadError("the program that reads this format broke on it.", hint=_HINT)
    # The child is this program, and what it read is data by now.
    kind, answer = pickle.loads(run.stdout)
    if kind == "error":
        raise answer
    return answer


_HINT = "The file is damaged or made to harm; export it again, or convert it to EDF+."


def serve() -> None:
    """Answer one call; runs in the child."""
    answers = sys.stdout.buffer
    # What a library prints must not mix with the answer.
    sys.stdout = sys.stderr
    module, name, arguments = pickle.loads(sys.stdin.buffer.read())
    _limit_memory()
    try:
        answer = ("value", getattr(import_module(module), name)(*arguments))
    except NcsError as problem:
        answer = ("error", problem)
    except MemoryError:
        answer = ("error", ReadError(f"needs more than {_MEGABYTES} MB of memory.", hint=_HINT))
    answers.write(pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))
    answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows offers no such limit; the time limit holds there too
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _MEGABYTES * 2**20
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))

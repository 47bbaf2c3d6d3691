"""Options of the test run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

# Workers of the run and children of the tests share few cores: threads of the linear algebra
# would only wait for each other. Set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from ncs_cb.cli import main

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run started in the background of a script ignores interrupts, and so would every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--regold``, which rewrites tests/golden for review."""
    parser.addoption("--regold", action="store_true", help="rewrite tests/golden for review")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Give what runs a command in this process: ``status, stdout, stderr``."""

    def command(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return command

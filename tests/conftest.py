"""Options of the test run."""

from __future__ import annotations

import os
import signal

# Workers of the run and children of the tests share few cores: threads of the linear algebra
# would only wait for each other. Set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run started in the background of a script ignores interrupts, and so would every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--regold``, which rewrites tests/golden for review."""
    parser.addoption("--regold", action="store_true", help="rewrite tests/golden for review")

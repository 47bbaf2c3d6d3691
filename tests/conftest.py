"""Options of the test run."""

from __future__ import annotations

import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run started in the background of a script ignores interrupts, and so would every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--regold``, which rewrites tests/golden for review."""
    parser.addoption("--regold", action="store_true", help="rewrite tests/golden for review")

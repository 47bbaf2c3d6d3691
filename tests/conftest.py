"""Options of the test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--regold``, which rewrites tests/golden for review."""
    parser.addoption("--regold", action="store_true", help="rewrite tests/golden for review")

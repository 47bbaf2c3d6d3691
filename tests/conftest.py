"""Options of the test run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two workers of Dask and their scheduler; what is lost of them is started again.

    The tests that take them are one group, so that a run starts them once.
    """
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
    ) as workers:
        yield workers

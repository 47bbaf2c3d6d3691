"""Processes that are killed at any moment: the run goes on or is completed, with the same bytes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import archives
from ncs_cb.batch import Settings, engine, parquet, run_batch
from ncs_cb.batch.inputs import Task
from ncs_cb.batch.order import Chunk, Done
from ncs_cb.batch.work import Found, carry_out

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes of Linux"),
]
HARNESS = Path(__file__).parents[1] / "benchmarks" / "kill_batch.py"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> tuple[Path, Path]:
    """Some studies, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("lost")
    archives.write_archive(folder / "root", 24, n_files=1)
    run_batch(folder / "root", folder / "whole", workers=1)
    return folder / "root", folder / "whole"


def content(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "_batch" not in path.parts
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers of Dask and their scheduler; what is lost of them is started again."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
    ) as workers:
        yield workers


@contextlib.contextmanager
def killing(nannies: list, pauses_s: Sequence[float]) -> Iterator[list[int]]:
    """Kill a worker after each pause while the block runs; give those that were killed."""
    killed: list[int] = []
    over = threading.Event()

    def go_on() -> None:
        for number, pause_s in enumerate(pauses_s):
            if over.wait(pause_s):
                return
            pid = nannies[number % len(nannies)].pid
            if pid and pid not in killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


class Killed(BaseException):
    """Stands for SIGKILL of the batch: nothing catches it."""


class InThisProcess:
    """A worker that does some parts of the work, in a given order, before the batch is killed.

    Without an order it does all of them, and nothing is killed.
    """

    def __init__(self, order: Sequence[int] = ()) -> None:
        self._order = order

    def results(self, chunks: Sequence[Chunk], way: str) -> Iterator[tuple[Chunk, Done]]:
        assert way == "process"
        for place in self._order or range(len(chunks)):
            yield chunks[place], carry_out(chunks[place], self._look)
        if self._order:
            raise Killed

    @staticmethod
    def _look(tasks: Sequence[Task], settings: Settings, reports: Path) -> Found:
        """Give one row per study; what is in it does not matter here."""
        found, schema = Found(), parquet.arrow_schema("traces")
        empty = {name: [None] * len(tasks) for name in schema.names}
        ids = {"study_id": [task.study_id for task in tasks]}
        found.rows["traces"].append(pa.table(empty | ids, schema=schema))
        return found

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture(scope="module")
def short_archive(tmp_path_factory) -> tuple[Path, Path]:
    """Four parts, the last of which is shorter, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("short")
    archives.write_archive(folder / "root", 42, n_files=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "LocalTeam", lambda _: InThisProcess())
        run_batch(folder / "root", folder / "whole", workers=1)
    return folder / "root", folder / "whole"


@pytest.mark.parametrize(
    "orders", [[(1,)], [(3,)], [(3, 0), (1,)]], ids=["second", "last and short", "twice"]
)
def test_a_batch_killed_when_a_later_part_is_done_first_gives_the_same_bytes(
    short_archive, tmp_path, monkeypatch, orders
):
    root, whole = short_archive
    out = tmp_path / "out"
    for order in orders:
        monkeypatch.setattr(engine, "LocalTeam", lambda _, order=order: InThisProcess(order))
        with pytest.raises(Killed):
            run_batch(root, out, workers=2)
    n_done = len(list((out / "traces").glob("part-*.parquet")))
    assert n_done == sum(map(len, orders)), "the batch was killed between its parts"
    monkeypatch.setattr(engine, "LocalTeam", lambda _: InThisProcess())
    run_batch(root, out, workers=2)
    assert content(out) == content(whole)


def test_a_scheduler_gives_the_same_bytes_as_local_workers(archive, tmp_path, cluster):
    root, whole = archive
    run_batch(root, tmp_path / "out", scheduler=cluster.scheduler_address)
    assert content(tmp_path / "out") == content(whole)


def test_a_scheduler_that_loses_workers_in_every_phase_gives_the_same_bytes(
    archive, tmp_path, cluster
):
    root, whole = archive
    with killing(list(cluster.workers.values()), (0.3, 0.3, 0.7, 1.5)) as killed:
        run_batch(root, tmp_path / "out", scheduler=cluster.scheduler_address)
    assert killed
    assert content(tmp_path / "out") == content(whole)
    assert list((tmp_path / "out/_batch/staging").iterdir()) == []


def test_a_batch_killed_at_random_moments_is_completed_with_the_same_bytes(tmp_path):
    # Two kills prove the harness; the hundred that prove the batch are a benchmark.
    command = [sys.executable, HARNESS, "--kills", "2", "--studies", "4", "--seed", "3"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 kills" in run.stdout
    assert "the same bytes, nothing left running" in run.stdout


def test_a_child_ends_with_the_process_that_asked(tmp_path):
    code = (
        "import sys, threading\n"
        "from ncs_cb.apart import Child\n"
        "child = Child('time:sleep')\n"
        "print(child._process.pid, flush=True)\n"
        "threading.Event().wait()\n"
    ).replace("time:sleep", "apart_helper:serve")
    (tmp_path / "apart_helper.py").write_text(
        "import time\nfrom ncs_cb.apart import hold_on\n"
        "def serve(line):\n    hold_on(line)\n    time.sleep(600)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1)
        assert Path(f"/proc/{child}").exists()
        parent.kill()
        parent.wait()
        until = time.monotonic() + 30
        while _runs(child) and time.monotonic() < until:
            time.sleep(0.05)
        assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

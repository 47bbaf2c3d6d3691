"""Where the chunks run: Dask, on a local cluster that fits the machine or on a real one.

The order in which chunks come back, and who did them, changes nothing in what is written. A
chunk over which a worker was lost is done again study by study, each in a process of its own.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future as Beside
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import islice
from multiprocessing import forkserver
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ncs_cb.batch.inputs import Content, Found, look_at
from ncs_cb.batch.order import Chunk, Done
from ncs_cb.errors import NcsError, StoppedError

if TYPE_CHECKING:
    from distributed import Client, Future

# A guarded chunk is lost only when its machine is: three times in a row is no accident.
_MOST_ATTEMPTS = 3
_LOOKED_AT_TOGETHER = 256
_SECONDS_TO_CONNECT = 30
_ENVIRONMENT = {
    # One chunk runs per process: no threads below it.
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # One chunk needs as much memory as the next: what it frees is kept for that. Dask would have
    # it given back after every array, which costs a tenth of the time.
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
}


@contextmanager
def when_needed(
    workers: int | None,
) -> Iterator[tuple[Callable[[], Beside[Client]], Callable[[], object]]]:
    """Give what begins a local cluster when first called, and what ends it.

    Both go on beside what this process does.
    """
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=1) as pool:
        begin = cache(lambda: pool.submit(stack.enter_context, cluster(workers, None)))
        yield begin, lambda: pool.submit(stack.close)


@contextmanager
def cluster(workers: int | None, scheduler: str | None) -> Iterator[Client]:
    """Give a client of a local cluster, or of the scheduler at an address.

    Parameters
    ----------
    workers : int or None
        Worker processes of the local cluster; by default one per core that may be used.
    scheduler : str or None
        For example ``tcp://host:8786``.

    Raises
    ------
    NcsError
        If there is no scheduler at that address, or it has no worker.
    """
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield client
        return
    with _ready_process() as method, _local(workers or usable_cores(), method) as client:
        yield client


@contextmanager
def _local(n_workers: int, method: str) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster, utils

    # Dask would load pandas in this process, to have it loaded by the one that has it already.
    utils._forkserver_preload_set = True
    quiet = {
        "distributed.worker.multiprocessing-method": method,
        "distributed.nanny.pre-spawn-environ": _ENVIRONMENT,
        # No second try of a chunk over which a worker was lost.
        "distributed.scheduler.allowed-failures": 0,
        # A long read holds the interpreter; that is no reason to give a worker up.
        "distributed.comm.timeouts.connect": "60s",
        "distributed.admin.tick.limit": "1h",
        # No web pages: what runs here is nobody else's business.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.nanny.http.routes": [],
    }
    with (
        dask.config.set(quiet),
        _without_script(),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True,
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        ) as local,
        closing(Client(local)) as client,
    ):  # fmt: skip
        yield client


@contextmanager
def _ready_process() -> Iterator[str]:
    """Have a process load what workers need, from which they are forked; give dask's word for it.

    It loads while this process still looks for studies, and once instead of once per worker. A
    process that is there already belongs to someone else: it is used as it is.
    """
    if sys.platform != "linux":  # elsewhere a library may not survive a fork
        yield "spawn"
        return
    server: Any = forkserver._forkserver
    is_ours = server._forkserver_alive_fd is None
    if is_ours:
        with _environment(_ENVIRONMENT):
            forkserver.set_forkserver_preload(["ncs_cb.batch.preload"])
            forkserver.ensure_running()
    try:
        yield "forkserver"
    finally:
        # Left alone, it would stay with all its libraries as long as this process.
        if is_ours:
            server._stop()


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script that called: a worker needs nothing of it, and would run it once more."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a process that is started within."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError, TimeoutError) as problem:
        raise NcsError(
            f"no Dask scheduler answers at '{scheduler}': {problem}.",
            hint="Start one with 'dask scheduler' and give its address, tcp://host:8786.",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
        except TimeoutError:
            raise NcsError(
                f"the scheduler at '{scheduler}' has no worker.",
                hint="Start workers with 'dask worker ADDRESS --nworkers auto --nthreads 1'.",
            ) from None
        yield client


def usable_cores() -> int:
    """Give the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def look_there(client: Client, studies: Sequence[Found]) -> list[Content]:
    """Look at the studies' files on the workers, which lie nearer to a big archive."""
    starts = range(0, len(studies), _LOOKED_AT_TOGETHER)
    pieces = [studies[i : i + _LOOKED_AT_TOGETHER] for i in starts]
    looked = client.gather(client.map(look_at, pieces, pure=False))
    return [one for piece in looked for one in piece]


def run(client: Client, chunks: Sequence[Chunk], take: Callable[[Done], None]) -> None:
    """Do all chunks, and hand each over as soon as it is done.

    Chunks over which a worker was lost come last, when no other chunk can take a worker with it.

    Parameters
    ----------
    client : Client
    chunks : sequence of Chunk
    take : callable
        Called in this process, one chunk at a time.

    Raises
    ------
    OSError
        If there is no room to write.
    NcsError
        If a chunk cannot be done because its workers are lost again and again.
    """
    lost = _run_once(client, chunks, _process, take)
    for _ in range(_MOST_ATTEMPTS):
        if not lost:
            return
        lost = _run_once(client, lost, _process_guarded, take)
    if lost:
        raise StoppedError(
            f"workers were lost again and again over {len(lost)} parts of the work.",
            hint="Look at the memory of the machine; start again to do what is missing.",
        )


# Imported where they run: the process that plans needs neither pandas nor Arrow.


def _process(chunk: Chunk, token: str) -> Done:
    from ncs_cb.batch.work import process

    return process(chunk, token)


def _process_guarded(chunk: Chunk, token: str) -> Done:
    from ncs_cb.batch.guard import process_guarded

    return process_guarded(chunk, token)


def _run_once(
    client: Client,
    chunks: Sequence[Chunk],
    way: Callable[[Chunk, str], Done],
    take: Callable[[Done], None],
) -> list[Chunk]:
    """Do all chunks in one way; give those over which a worker was lost."""
    from distributed import as_completed

    waiting = iter(chunks)
    running: dict[Any, Chunk] = {}
    pool = as_completed([])
    lost: list[Chunk] = []

    def submit(some: Iterable[Chunk]) -> None:
        for chunk in some:
            token = f"{chunk.slot:05d}-{uuid.uuid4().hex}"
            future = client.submit(way, chunk, token, pure=False)
            running[future.key] = chunk
            pool.add(future)

    # One chunk per worker and no queue: what waits at a worker that dies would die with it.
    submit(islice(waiting, _n_workers(client)))
    for future in pool:
        chunk = running.pop(future.key)
        if future.status == "finished":
            # At once: asking how many workers there are takes a while, and this one is idle.
            submit(islice(waiting, 1))
        done = _result(future)
        future.release()
        if done is None:
            lost.append(chunk)
        else:
            take(done)
        submit(islice(waiting, max(_n_workers(client) - len(running), 0)))
    return lost


def _n_workers(client: Client) -> int:
    """Workers there are now: a cluster may grow and shrink while it works."""
    return max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)


def _result(future: Future) -> Done | None:
    """Give what a chunk came to, or None when its worker was lost over it."""
    from distributed import KilledWorker

    if future.status == "finished":
        done: Done = future.result()
        return done
    error = future.exception() if future.status == "error" else None
    if error is None or isinstance(error, KilledWorker):
        return None
    raise error

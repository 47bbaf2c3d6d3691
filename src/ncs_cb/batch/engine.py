"""Where the chunks run: on workers of this machine, or on a Dask cluster at an address.

The order in which chunks come back, and who did them, changes nothing in what is written. A
chunk over which a worker was lost is done again study by study, each in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future as Beside
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ncs_cb.batch.inputs import Content, Found, look_at
from ncs_cb.batch.local import LocalTeam
from ncs_cb.batch.order import Chunk, Done
from ncs_cb.errors import NcsError, StoppedError, missing_extra
from ncs_cb.system import usable_cores

if TYPE_CHECKING:
    from distributed import Client, Future

# A guarded chunk is lost only when its machine is: three times in a row is no accident.
_MOST_ATTEMPTS = 3
_LOOKED_AT_TOGETHER = 256
_SECONDS_TO_CONNECT = 30


class Team(Protocol):
    """Workers that do chunks."""

    def results(self, chunks: Sequence[Chunk], way: str) -> Iterator[tuple[Chunk, Done | None]]:
        """Do all chunks; give each with what it came to, None where its worker was lost."""


@contextmanager
def when_needed(
    workers: int | None,
) -> Iterator[tuple[Callable[[], Beside[LocalTeam]], Callable[[], object]]]:
    """Give what begins local workers when first called, and what ends them.

    Both go on beside what this process does. There is one worker per core that may be used,
    unless `workers` says otherwise.
    """
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=1) as pool:

        def team() -> LocalTeam:
            return stack.enter_context(closing(LocalTeam(workers or usable_cores())))

        yield cache(lambda: pool.submit(team)), lambda: pool.submit(stack.close)


@contextmanager
def connected(scheduler: str) -> Iterator[DaskTeam]:
    """Give the workers of the scheduler at an address.

    Parameters
    ----------
    scheduler : str
        For example ``tcp://host:8786``.

    Raises
    ------
    NcsError
        If there is no scheduler at that address, or it has no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise missing_extra("a batch on a scheduler", "dask", "archive") from None

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
        yield DaskTeam(client)


def run(team: Team, chunks: Sequence[Chunk], take: Callable[[Done], None]) -> None:
    """Do all chunks, and hand each over as soon as it is done.

    Chunks over which a worker was lost come last, when no other chunk can take a worker with it.

    Parameters
    ----------
    team : Team
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
    lost = _run_once(team, chunks, "process", take)
    for _ in range(_MOST_ATTEMPTS):
        if not lost:
            return
        lost = _run_once(team, lost, "process_guarded", take)
    if lost:
        raise StoppedError(
            f"workers were lost again and again over {len(lost)} parts of the work.",
            hint="Look at the memory of the machine; start again to do what is missing.",
        )


def _run_once(
    team: Team, chunks: Sequence[Chunk], way: str, take: Callable[[Done], None]
) -> list[Chunk]:
    """Do all chunks in one way; give those over which a worker was lost."""
    lost = []
    for chunk, done in team.results(chunks, way):
        if done is None:
            lost.append(chunk)
        else:
            take(done)
    return lost


# Imported where they run: the process that plans needs neither pandas nor Arrow.


def _process(chunk: Chunk) -> Done:
    from ncs_cb.batch.work import process

    return process(chunk)


def _process_guarded(chunk: Chunk) -> Done:
    from ncs_cb.batch.guard import process_guarded

    return process_guarded(chunk)


_WAYS = {"process": _process, "process_guarded": _process_guarded}


class DaskTeam:
    """The workers of a Dask cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look_there(self, studies: Sequence[Found]) -> list[Content]:
        """Look at the studies' files on the workers, which lie nearer to a big archive."""
        starts = range(0, len(studies), _LOOKED_AT_TOGETHER)
        pieces = [studies[i : i + _LOOKED_AT_TOGETHER] for i in starts]
        futures = self._client.map(look_at, pieces, pure=False)
        looked = self._client.gather(futures, errors="skip")
        if len(looked) < len(pieces):  # workers were lost: what they looked at is looked at here
            return look_at(studies)
        return [one for piece in looked for one in piece]

    def results(self, chunks: Sequence[Chunk], way: str) -> Iterator[tuple[Chunk, Done | None]]:
        """Do all chunks; give each with what it came to, None where its worker was lost."""
        from distributed import as_completed

        client, waiting, pool = self._client, iter(chunks), as_completed([])
        running: dict[Any, Chunk] = {}

        def submit(some: Iterable[Chunk]) -> None:
            for chunk in some:
                future = client.submit(_WAYS[way], chunk, pure=False)
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
            yield chunk, done
            submit(islice(waiting, max(_n_workers(client) - len(running), 0)))


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

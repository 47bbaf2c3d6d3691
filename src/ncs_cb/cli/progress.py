"""How far a batch has come, on standard error: a bar for a person, lines for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ncs_cb.cli.console import err, note

Report = Callable[[int, int, int], None]
"""Called with the number of studies done, the number of all, and the number that failed."""

_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def showing(*, every_s: float = _SECONDS_BETWEEN_LINES) -> Iterator[Report]:
    """Give a function to call with ``(done, total, failed)`` as often as one likes."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield lines(note, time.monotonic, every_s=every_s)


def lines(say: Callable[[str], None], now: Callable[[], float], *, every_s: float) -> Report:
    """Give a report that says a line at most every `every_s` seconds, and one at the end."""
    started = now()
    last = started
    begun_with: int | None = None

    def report(done: int, total: int, failed: int) -> None:
        nonlocal last, begun_with
        begun_with = done if begun_with is None else begun_with
        moment = now()
        if moment - last < every_s and (done < total or done == begun_with):
            return
        last = moment
        say(sentence(done, total, failed, done - begun_with, moment - started))

    return report


def sentence(done: int, total: int, failed: int, fresh: int, seconds: float) -> str:
    """Word one log line: how many, how fast, how long still.

    Examples
    --------
    >>> sentence(150, 300, 2, 100, 10.0)
    '150 of 300 studies (50 %), 2 failed, 10.0 per second, 15 s left'
    """
    percent = 100 * done // total if total else 100
    text = f"{done} of {total} studies ({percent} %), {failed} failed"
    if fresh > 0 and seconds > 0:
        rate = fresh / seconds
        text += f", {rate:.1f} per second"
        if done < total:
            text += f", {duration((total - done) / rate)} left"
    return text


def duration(seconds: float) -> str:
    """Word a duration with two units at most.

    Examples
    --------
    >>> duration(15), duration(75), duration(7320)
    ('15 s', '1 min 15 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("studies"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=err()) as progress:
        task = progress.add_task("studies", total=None, failed=0, rate="")
        begun_with: int | None = None

        def report(done: int, total: int, failed: int) -> None:
            nonlocal begun_with
            begun_with = done if begun_with is None else begun_with
            rate = (done - begun_with) / max(time.monotonic() - started, 1e-9)
            progress.update(
                task, completed=done, total=total, failed=failed, rate=f"{rate:.1f} per second"
            )

        yield report

"""Where words go and how a command fails: one line on standard error, never a traceback."""

from __future__ import annotations

import os
import stat
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import typer

from ncs_cb.errors import NcsError, NcsWarning, StoppedError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ncs_cb.cli.folding import Glued

SOME_FAILED = 1
WRONG_USAGE = 2
STOPPED = 3

# No table is folded in a file or a pipe, where a line is for a program or for grep.
_WIDTH_OF_A_PIPE = 100_000

Command = TypeVar("Command", bound=Callable[..., None])


VOICE: ContextVar[Literal["quiet", "usual", "verbose"]] = ContextVar("VOICE", default="usual")
"""How much this run of the command line says; set once, where the options are read."""


def never_fail_to_print() -> None:
    """Let a console that cannot show a letter show a question mark; a report is never lost to it.

    A Windows console may hold only 256 letters, and sites, names and reports hold any. What goes
    into a file (``> mine.toml``) is UTF-8 on every system, as every file that is read again.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            if _is_file(stream):
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="replace")


def _is_file(stream: TextIOWrapper) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # no file behind it
        return False


def document(text: str) -> None:
    """Print a whole file on standard output as UTF-8, whatever the console shows."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)


def tell_warnings() -> None:
    """Say our own warnings in one line each, where Python would add a path and a line of code."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, NcsWarning):
            tell(f"warning: {message}")
        else:
            usual(message, category, *place, **more)

    warnings.showwarning = show


def out() -> Console:
    """Give the console of standard output; without color or folding when it is not a terminal."""
    return _console(stderr=False)


def err() -> Console:
    """Give the console of standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_A_PIPE
    return Console(
        stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False
    )


def tell(message: str) -> None:
    """Print one message on standard error; only a terminal folds it, at blanks."""
    line = plain(message)
    if sys.stderr.isatty():
        from rich.text import Text

        from ncs_cb.cli.folding import fold

        line = fold(Text(line), err().width).plain
    typer.echo(line, err=True)


def say(console: Console, line: Text | str) -> None:
    """Print one line; only a terminal folds it, at blanks."""
    from rich.text import Text

    from ncs_cb.cli.folding import fold

    text = line if isinstance(line, Text) else Text(plain(line))
    console.print(fold(text, console.width) if console.is_terminal else text, soft_wrap=True)


def is_quiet() -> bool:
    """Tell whether only what went wrong is to be said."""
    return VOICE.get() == "quiet"


def note(message: str) -> None:
    """Tell of progress; ``--quiet`` leaves it out."""
    if not is_quiet():
        tell(message)


def detail(message: str) -> None:
    """Tell what a step decided; only ``--verbose`` shows it."""
    if VOICE.get() == "verbose":
        tell(message)


def plain(text: object) -> str:
    """Give `text` on one line, without control characters, fit for a terminal.

    An escape sequence hidden in a recording must not reach the terminal as a command.
    """
    return "".join(c if c.isprintable() else " " for c in str(text))


def explain(error: Exception) -> str:
    """Say in one line what went wrong; an unforeseen error asks to be reported."""
    if isinstance(error, NcsError):
        return plain(error)
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return plain(f"{name}{error.strerror}")
    # Its own words could quote a recording, and with it a person.
    return plain(
        f"unexpected {type(error).__name__} at {_place(error)} "
        "(this is a fault of ncs-cb; please report it with the command and the version)"
    )


def _place(error: Exception) -> str:
    """Name the line of ours at which an error arose."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [s for s in steps if "ncs_cb" in Path(s.filename).parts] or steps
    if not own:
        return "an unknown line"
    parts = Path(own[-1].filename).parts
    after = len(parts) - parts[::-1].index("ncs_cb") if "ncs_cb" in parts else -1
    return f"{'/'.join(parts[after:])}:{own[-1].lineno}"


def wrong_usage(message: str) -> NoReturn:
    """Say what is wrong with the command and leave with status 2."""
    tell(f"ncs-cb: {message}")
    raise typer.Exit(WRONG_USAGE)


def friendly(command: Command) -> Command:
    """Turn every exception that leaves `command` into one line and an exit status."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            # The reader of our output has left (``| head``): nothing to say, nobody to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(SOME_FAILED) from None
        except StoppedError as error:
            tell(f"ncs-cb: {explain(error)}")
            raise typer.Exit(STOPPED) from None
        except Exception as error:
            tell(f"ncs-cb: {explain(error)}")
            raise typer.Exit(SOME_FAILED) from None

    return guarded  # type: ignore[return-value]


_GAP = 2


def table(
    headings: Iterable[str],
    rows: Iterable[Iterable[object]],
    *,
    title: str = "",
    width: int | None = None,
) -> Glued:
    """Lay out a plain table; every cell is text, never markup.

    Where `width` (by default that of the terminal) does not hold every column's longest word, the
    rows stand one below the other, a line for each cell: no word is broken.
    """
    from rich.table import Table
    from rich.text import Text

    from ncs_cb.cli.folding import Glued, glued

    heads = list(headings)
    cells = [[glued(c if isinstance(c, Text) else Text(plain(c))) for c in row] for row in rows]
    made = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        header_style="bold",
        title_style="bold",
        show_header=_fits(heads, cells, out().width if width is None else width),
    )
    if not made.show_header:
        for row in cells:
            for n, (heading, cell) in enumerate(zip(heads, row, strict=True)):
                label = f"{'  ' if n else ''}{heading}: " if heading else "  " if n else ""
                made.add_row(Text(label) + cell)
        return Glued(made)
    for n, heading in enumerate(heads):
        column = [row[n].plain for row in cells]
        made.add_column(Text(heading), overflow="fold", min_width=_longest_word([heading, *column]))
    for row in cells:
        made.add_row(*row)
    return Glued(made)


def _fits(heads: list[str], cells: list[list[Text]], width: int) -> bool:
    """Tell whether every column can hold its longest word."""
    columns = ([head, *(row[n].plain for row in cells)] for n, head in enumerate(heads))
    return sum(_longest_word(column) + _GAP for column in columns) - _GAP <= width


def _longest_word(texts: list[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(word) for text in texts for word in text.split()), default=0)

"""The exceptions raised on purpose; catch :class:`NcsError` to catch them all.

A message says what was wrong, the value, what is allowed and what to do. It is the one
positional argument, so that an exception survives the way back from a worker process.
Nothing read from inside a recording that could identify a person enters a message.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NcsError(Exception):
    """Base of every exception that ``ncs_cb`` raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, the value, what is allowed, what to do.
    source : str, optional
        The input as the user named it.
    hint : str, optional
        What to do next, for the ``hint`` column of ``failures.csv``.
    """

    def __init__(self, message: str, *, source: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.source}: {self.message}" if self.source else self.message
        return f"{text} {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.source, self.hint))


def _rebuild(kind: type[NcsError], message: str, source: str | None, hint: str | None) -> NcsError:
    return kind(message, source=source, hint=hint)


class ReadError(NcsError):
    """The file cannot be read: missing, truncated, lying or empty."""


class UnknownFormatError(ReadError):
    """No reader claims the file."""


class UnitError(ReadError):
    """A unit is missing or not understood, or a value is implausible in its unit."""


class StudyError(NcsError):
    """Read, but not a usable study: no stimulus, unknown nerve or site, faulty ``study.toml``."""


class ArgumentError(NcsError, ValueError):
    """What a call in Python was given cannot be used: a shape, a rate, a word that is not known."""


class NcsWarning(UserWarning):
    """What whoever started the program should know although the work goes on."""


class TableError(NcsError):
    """A nerves, findings, reference, criteria or recipe file is malformed."""


class StoppedError(NcsError):
    """A batch could not go on: disk full, folder in use, workers lost. What is done is kept."""


class ReportError(NcsError):
    """The output cannot be made; the message says what to install or change."""


class MissingExtraError(ReportError):
    """A library of an extra is not installed; :func:`missing_extra` words it."""


class KernelError(NcsError):
    """The compiled kernel is missing or was made of other sources; the message says what to do."""


def missing_extra(what: str, library: str, extra: str) -> MissingExtraError:
    """Give the error of something that needs a library which is not installed.

    Examples
    --------
    >>> missing_extra("the format 'pdf'", "typst", "pdf").message
    "the format 'pdf' needs typst, which is not installed."
    """
    return MissingExtraError(
        f"{what} needs {library}, which is not installed.",
        hint=f'Install it: pip install "ncs_cb[{extra}]", '
        f'or in a clone: pip install -e ".[{extra}]".',
    )


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Give ``" Did you mean 'x'?"`` for the nearest known name, or an empty string.

    Examples
    --------
    >>> did_you_mean("elbw", ["wrist", "elbow"])
    " Did you mean 'elbow'?"
    """
    nearest = difflib.get_close_matches(value, list(known), n=1)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""

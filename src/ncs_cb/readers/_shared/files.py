"""Opening files that are not trusted, and writing files whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

from ncs_cb.errors import ReadError
from ncs_cb.files import LARGEST_FILE_BYTES, read_regular

__all__ = ["LARGEST_FILE_BYTES", "head", "inside", "read_regular"]

# Enough for every magic number and the first line of a table.
_HEAD_BYTES = 4096


def head(path: Path) -> bytes:
    """Give the first bytes of a file; none when it cannot be opened, or is a pipe or a device."""
    try:
        return read_regular(path, at_most=_HEAD_BYTES)
    except ReadError:
        return b""


def inside(path: Path, folder: Path, *, said_by: str) -> Path:
    """Give a companion that a file names, when it lies in the folder of the visit.

    Parameters
    ----------
    path : Path
        Where the companion would lie.
    folder : Path
        The folder that holds the file.
    said_by : str
        What names it, for the message.

    Raises
    ------
    ReadError
        If it lies elsewhere, or is no regular file: another patient's data, a pipe, a device.
        The name is not quoted: it may hold that of a person.
    """
    home = folder.resolve()
    try:
        real = path.resolve()
        is_regular = stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError, ValueError):
        raise ReadError(f"the file that {said_by} names is not there.") from None
    if home not in real.parents:
        raise ReadError(
            f"{said_by} names a file outside of this visit's folder; it is not opened.",
            hint="Put the recording and its companion files into one folder.",
        )
    if not is_regular:
        raise ReadError(f"what {said_by} names is not a regular file.")
    return real

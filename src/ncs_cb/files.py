"""The one opener of files that are not trusted: regular ones, of bounded size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ncs_cb.errors import ReadError

LARGEST_FILE_BYTES = 512 * 2**20
"""A larger file is refused: a nerve conduction study has kilobytes, and readers hold it whole."""


def read_regular(path: Path, name: str | None = None, *, at_most: int | None = None) -> bytes:
    """Read a regular file: never a pipe, which waits for ever, nor a device, which never ends.

    Parameters
    ----------
    path : Path
    name : str, optional
        What the file is called in messages; its own name when not given.
    at_most : int, optional
        Read only so many bytes from the beginning; a larger file is then no error.

    Raises
    ------
    ReadError
        If it cannot be opened, is no regular file, or is larger than 512 MiB.
    """
    shown = path.name if name is None else name
    try:
        # Without waiting: opening a pipe would last until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        try:
            found = os.fstat(handle)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(found.st_mode):
                raise ReadError("is not a regular file.", source=shown)
            if at_most is not None:
                return os.read(handle, at_most)
            if found.st_size <= LARGEST_FILE_BYTES:
                # As much room is made as is asked for: the size, not the limit of all files.
                return os.read(handle, found.st_size)
        finally:
            os.close(handle)
    except OSError as problem:
        raise ReadError(f"cannot be read: {problem.strerror}.", source=shown) from None
    except ValueError:  # a zero letter in it
        raise ReadError("cannot be read: this is no name of a file.", source=shown) from None
    raise ReadError(
        f"the file has {found.st_size / 2**20:.0f} MiB; at most "
        f"{LARGEST_FILE_BYTES // 2**20} MiB are read.",
        source=shown,
        hint="Cut the recording to the stimulated part.",
    )


_BINARY = getattr(os, "O_BINARY", 0)

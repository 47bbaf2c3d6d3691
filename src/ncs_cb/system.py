"""What the system is asked for: cores, memory, and files that are whole or absent."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# Beyond so many new objects some may be garbage that keeps itself alive.
_WORTH_A_LOOK = 100_000


def look_for_garbage_seldom() -> None:
    """Let a program that loads and makes a lot, hardly any of it garbage, rarely look for some.

    After every 700 objects, as Python does by itself, it takes a tenth of the time of one study.
    """
    gc.set_threshold(_WORTH_A_LOOK)


def usable_cores() -> int:
    """Give the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_whole(path: Path, data: bytes, *, through: bool = True) -> None:
    """Write a file beside its place and move it there, with the rights of any new file.

    Parameters
    ----------
    path : Path
    data : bytes
    through : bool
        Whether it must have reached the disk: for what cannot be made again.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind.
    """
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if through:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Read the mask for new files; the system offers no other way than to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

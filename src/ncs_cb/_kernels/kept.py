"""Compiled kernels kept between processes: one file per version and machine, never changed.

numba's own disk cache is not used, because processes that share it overwrite each other's
index (numba issue 4807). Here one file holds one kernel; its name is a digest of everything the
kernel depends on; it is written beside its place and moved there in one step; nothing is ever
written into it again. A reader finds the whole file or none. What cannot be read or written is
compiled afresh.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

_DIGEST = 32


def place(dtype: str) -> Path | None:
    """Give the file for the kernel of `dtype`; None where the folder is not ours alone."""
    # numba is not asked, so that looking costs nothing where nothing is kept.
    parts = [sys.version, sys.platform, dtype, _processor()]
    parts += [importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy")]
    digest = hashlib.sha256("\n".join(parts).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "ncs_cb"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    # The file is executed: nobody else may have written it.
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder / f"{digest.hexdigest()[:40]}.kernel"


def _processor() -> str:
    """What the machine's processor can do."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    except OSError:
        import platform

        return platform.processor()
    return "\n".join(line for line in text.splitlines() if line.startswith(("model", "flags")))


def load(path: Path | None) -> Any:
    """Give what was kept in `path`, or None."""
    try:
        held = path.read_bytes() if path else b""
    except OSError:
        return None
    body = held[_DIGEST:]
    if len(held) <= _DIGEST or hashlib.sha256(body).digest() != held[:_DIGEST]:
        return None
    try:
        return pickle.loads(body)
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError, KeyError):
        return None


def keep(path: Path | None, body: bytes) -> None:
    """Put `body` into `path` in one step; where that fails, nothing is kept."""
    if path is None:
        return
    try:
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return

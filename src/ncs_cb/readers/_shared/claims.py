"""Which readers there are, and which of them claims a file."""

from __future__ import annotations

import os
import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared.reader import LARGEST_FILE_BYTES, Input, Reader

_PACKAGE = "ncs_cb.readers"
_GROUP = "ncs_cb.readers"
# Enough for every magic number and the first line of a table.
_HEAD_BYTES = 4096


@cache
def available() -> tuple[Reader, ...]:
    """Give every reader: those of this folder by name, then those of entry points.

    Raises
    ------
    ReadError
        If an entry point cannot be loaded or is no :class:`Reader`.
    """
    names = sorted(
        m.name for m in pkgutil.iter_modules([str(files(_PACKAGE))]) if not m.name.startswith("_")
    )
    found = [import_module(f"{_PACKAGE}.{name}").READER for name in names]
    for point in sorted(entry_points(group=_GROUP), key=lambda p: p.name):
        try:
            reader = point.load()
        except (ImportError, AttributeError) as problem:
            raise ReadError(
                f"the reader '{point.name}' of another package cannot be loaded: {problem}."
            ) from None
        if not isinstance(reader, Reader):
            raise ReadError(f"the entry point '{point.name}' of group {_GROUP} is no Reader.")
        found.append(reader)
    return tuple(found)


def content(path: Path, name: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= LARGEST_FILE_BYTES:
                return file.read()
    except OSError as problem:
        raise ReadError(f"cannot be read: {problem.strerror}.", source=name) from None
    raise ReadError(
        f"the file has {size / 2**20:.0f} MiB; at most {LARGEST_FILE_BYTES // 2**20} MiB are read.",
        source=name, hint="Cut the recording to the stimulated part.",
    )  # fmt: skip


def head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def claimants(source: Input) -> list[Reader]:
    """Ask the readers of the file's suffix; all of them when none of these wants it."""
    if source.layout is not None:
        mapping = [r for r in available() if r.name == "mapped_table" and r.claims(source)]
        if mapping:
            return mapping
    near = [reader for reader in by_suffix(available()).get(source.path.suffix.lower(), ())
            if reader.claims(source)]  # fmt: skip
    return near or [reader for reader in available() if reader.claims(source)]


@cache
def by_suffix(readers: tuple[Reader, ...]) -> dict[str, list[Reader]]:
    owners: dict[str, list[Reader]] = {}
    for reader in readers:
        for suffix in reader.suffixes:
            owners.setdefault(suffix, []).append(reader)
    return owners

"""Which readers there are, and which of them claims a file."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.resources import files

from ncs_cb import plugins
from ncs_cb.readers._shared.reader import Input, Reader

_PACKAGE = "ncs_cb.readers"
_GROUP = "ncs_cb.readers"


@cache
def available() -> tuple[Reader, ...]:
    """Give every reader: those of this folder by name, then those of entry points.

    A reader of another package that is broken is left out with a
    :class:`ncs_cb.plugins.PluginWarning` that names it.
    """
    own = pkgutil.iter_modules([str(files(_PACKAGE))])
    names = sorted(m.name for m in own if not m.name.startswith("_"))
    found = [import_module(f"{_PACKAGE}.{name}").READER for name in names]
    others = plugins.load(_GROUP, Reader, [reader.name for reader in found])
    safe = (replace(r, claims=plugins.guarded(_GROUP, r.name, r.claims, False)) for r in others)
    return (*found, *safe)


def claimants(source: Input) -> list[Reader]:
    """Ask the readers of the file's suffix; all of them when none of these wants it."""
    if source.layout is not None:
        mapping = [r for r in available() if r.name == "mapped_table" and r.claims(source)]
        if mapping:
            return mapping
    near = [
        reader
        for reader in by_suffix(available()).get(source.path.suffix.lower(), ())
        if reader.claims(source)
    ]
    return near or [reader for reader in available() if reader.claims(source)]


@cache
def by_suffix(readers: tuple[Reader, ...]) -> dict[str, list[Reader]]:
    """Give the readers of each suffix."""
    owners: dict[str, list[Reader]] = {}
    for reader in readers:
        for suffix in reader.suffixes:
            owners.setdefault(suffix, []).append(reader)
    return owners

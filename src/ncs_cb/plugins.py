"""Parts that other packages add by entry points: a broken one disables only itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from typing import TypeVar

from ncs_cb.errors import NcsWarning

Part = TypeVar("Part")


class PluginWarning(NcsWarning):
    """A part of another package was left out; the message names it and says why."""


def load(group: str, kind: type[Part], taken: Collection[str]) -> list[Part]:
    """Give the parts that other packages add to a group, in order of name.

    Parameters
    ----------
    group : str
        Of entry points, for example ``ncs_cb.readers``.
    kind : type
        What an entry point must name; its ``name`` must be new.
    taken : collection of str
        Names that are there already.

    Warns
    -----
    PluginWarning
        For each part that cannot be loaded or is none; the others are given all the same.
    """
    found: list[Part] = []
    names = set(taken)
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        try:
            part = point.load()
        except Exception as problem:  # whatever another package does wrong is its own fault
            leave_out(group, point.name, f"it cannot be loaded ({_words(problem)})")
            continue
        if not isinstance(part, kind):
            leave_out(group, point.name, f"it is no {kind.__name__}")
        elif (name := str(getattr(part, "name", ""))) in names:
            leave_out(group, point.name, f"the name '{name}' is taken")
        else:
            names.add(name)
            found.append(part)
    return found


def guarded(group: str, name: str, call: Callable[..., Part], instead: Part) -> Callable[..., Part]:
    """Give a function of another package that answers `instead` where it fails, and says so."""

    def guard(*arguments: object) -> Part:
        try:
            return call(*arguments)
        except Exception as problem:  # see load()
            leave_out(group, name, f"it failed ({_words(problem)})")
            return instead

    return guard


def leave_out(group: str, name: str, why: str) -> None:
    """Warn that a part is not used."""
    message = f"'{name}' of another package ({group}) is left out: {why}."
    warnings.warn(message, PluginWarning, stacklevel=3)


def _words(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__

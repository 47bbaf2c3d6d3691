"""RESULTS.md, of which each benchmark writes the part between its own marks."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

PATH = Path(__file__).with_name("RESULTS.md")


def put(begin: str, end: str, text: str) -> None:
    """Replace the part between two marks, or add it at the end."""
    old, part = PATH.read_text("utf-8"), f"{begin}\n{text.rstrip()}\n{end}"
    if begin in old:
        new = re.sub(f"{begin}.*{end}", lambda _: part, old, flags=re.DOTALL)
    else:
        new = f"{old.rstrip()}\n\n{part}\n"
    PATH.write_text(new, "utf-8")


@cache
def _earlier() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("earlier.toml").read_text("utf-8"))


def earlier(part: str, what: str) -> str:
    """Give the figure of version 0.2.0 (``earlier.toml``), empty where none was measured."""
    return _earlier()[part].get(what, "")

"""What a writer is made of, and the names of the folders it writes into."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ncs_cb.harmless import shortened

Content = str | bytes


@dataclass(frozen=True, slots=True)
class Writer:
    """One report format.

    Attributes
    ----------
    name : str
        As in ``formats=["html"]``.
    description : str
        One line for ``ncs-cb formats``.
    write : callable
        Takes a result and, by keyword, the language; gives file names with their content.
    write_comparison : callable, optional
        The same for a comparison of visits.
    """

    name: str
    description: str
    write: Callable[..., Mapping[str, Content]]
    write_comparison: Callable[..., Mapping[str, Content]] | None = None


def named(name: str, lang: str) -> str:
    """Name a file for its language, so that a translation stands beside the English report.

    Examples
    --------
    >>> named("report.html", "en"), named("report.html", "zh")
    ('report.html', 'report.zh.html')
    """
    stem, _, suffix = name.rpartition(".")
    return name if lang == "en" else f"{stem}.{lang}.{suffix}"


# Names that mean something else than a file to some operating system.
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
# Bytes; a file system takes 255, and files in the making and their suffixes need some.
_LONGEST_NAME = 180


def safe_name(text: str) -> str:
    """Make a folder name of an id: no separators, no dots in front, never empty.

    Letters and digits of every script are kept; two ids that would meet in one name are told
    apart by a short hash.

    Examples
    --------
    >>> safe_name("p014-2026-03"), safe_name("../../etc").startswith("etc-")
    ('p014-2026-03', True)
    """
    kept = re.sub(r"[^\w.\-]+", "_", text, flags=re.UNICODE).strip("._-")
    kept = shortened(kept, _LONGEST_NAME).rstrip("._-")
    if kept and kept == text and not _RESERVED.match(text):
        return text
    from hashlib import sha256

    prefix = "_" if _RESERVED.match(kept) else ""
    return (
        f"{prefix}{kept or 'study'}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    )

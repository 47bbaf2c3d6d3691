"""The options that several commands share, worded once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncs_cb.cli._console import wrong_usage
from ncs_cb.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Format(StrEnum):
    """What ``--format`` may name."""

    html = "html"
    json = "json"
    csv = "csv"
    pdf = "pdf"
    txt = "txt"


class Language(StrEnum):
    """What ``--lang`` may name."""

    en = "en"
    zh = "zh"


Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT", help="One study each: a recording, or a folder of them."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")]
Criteria = Annotated[
    list[str] | None,
    typer.Option(
        "--criteria",
        metavar="ID",
        help="Criteria set, or the path of your own .toml; may be given several times. "
        "'ncs-cb criteria list' names them.",
    ),
]
Reference = Annotated[
    str, typer.Option("--reference", metavar="ID", help="Set of normal limits, or a .toml path.")
]
Lang = Annotated[Language, typer.Option("--lang", help="Language of reports and tables.")]
KeepIdentity = Annotated[
    bool,
    typer.Option("--keep-identity", help="Keep names, numbers and birth dates found in the files."),
]
DEFAULT_REFERENCE = "aanem_2016"


def known_sets(criteria: Sequence[str] | None, reference: str) -> list[str] | None:
    """Load the criteria and reference sets once, so that a wrong name stops before any work."""
    from ncs_cb.knowledge import criteria as criteria_sets
    from ncs_cb.knowledge import reference as reference_sets

    try:
        for name in criteria or ():
            criteria_sets.load(name)
        reference_sets.load(reference)
    except TableError as error:
        wrong_usage(str(error))
    return list(criteria) if criteria else None

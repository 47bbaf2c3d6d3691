"""The options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncs_cb.cli.console import wrong_usage
from ncs_cb.errors import TableError, did_you_mean
from ncs_cb.knowledge.datafile import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncs_cb.knowledge.lab import LabFile


DEFAULT_REFERENCE = "aanem_2016"


_LANGUAGES = shipped("words")


def _known_language(lang: str | None) -> str | None:
    if lang is not None and lang not in _LANGUAGES:
        known = ", ".join(_LANGUAGES)
        wrong_usage(
            f"--lang: no words for '{lang}'; known: {known}.{did_you_mean(lang, _LANGUAGES)}"
        )
    return lang


Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="What to write: html, json, csv, pdf, txt, or what another package adds; several "
        "times or separated by commas. html, json and csv when not given.",
    ),
]
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
LabReference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="ID",
        help=f"Set of normal limits, or a .toml path; that of lab.toml, else {DEFAULT_REFERENCE}.",
    ),
]
LabLang = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="|".join(_LANGUAGES),
        callback=_known_language,
        help="Language of reports and tables; that of lab.toml, else en.",
    ),
]
KeepIdentity = Annotated[
    bool,
    typer.Option("--keep-identity", help="Keep names, numbers and birth dates found in the files."),
]
Supramaximal = Annotated[
    bool,
    typer.Option(
        "--supramaximal",
        help="Attest that stimulation was supramaximal wherever a recording does not say "
        "otherwise.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="ID",
        help="How a table is to be read: a shipped layout, one of lab.toml, or a .toml path. "
        "'ncs-cb validate FILE --layout' prints a guessed one.",
    ),
]
LabOption = Annotated[
    Path | None,
    typer.Option(
        "--lab",
        metavar="lab.toml",
        help="Your laboratory's file; by default the nearest lab.toml beside or above an input.",
    ),
]


def known_lab(path: Path | None) -> LabFile | None:
    """Load the laboratory's file once; a faulty one is wrong usage."""
    from ncs_cb.knowledge import lab

    if path is None:
        return None
    try:
        return lab.load(path)
    except TableError as error:
        wrong_usage(str(error))


def habits(path: Path | None, root: Path) -> Mapping[str, Any]:
    """Give the defaults of the laboratory's file: the one named, or the one in `root`."""
    own = path or (root / "lab.toml" if (root / "lab.toml").is_file() else None)
    found = known_lab(own)
    return {} if found is None else found.lab.defaults


def known_formats(given: Sequence[str] | None) -> list[str]:
    """Give the formats asked for, each once; an unknown one is wrong usage."""
    if given is None:
        return ["html", "json", "csv"]
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    from ncs_cb.reports import writers

    for name in names:
        if name not in writers():
            wrong_usage(
                f"--format {name}: unknown; known: {', '.join(writers())}."
                + did_you_mean(name, writers())
            )
    return list(dict.fromkeys(names))


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

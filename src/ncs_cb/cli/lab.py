"""``ncs-cb lab | reference``: what is a laboratory's own, and the sets it may start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ncs_cb.cli.console import WRONG_USAGE, document, friendly, out, say, table, wrong_usage
from ncs_cb.errors import TableError

reference = typer.Typer(
    help="List the sets of normal limits, show or export one.", rich_markup_mode=None
)


@friendly
def lab(
    given: Annotated[
        Path | None, typer.Argument(metavar="lab.toml", help="A file to check and show.")
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a lab.toml with every key explained.")
    ] = False,
) -> None:
    """Print a template of lab.toml, or check and show one."""
    from ncs_cb.knowledge import lab as labs

    if template:
        document(labs.template())
        return
    if given is None:
        wrong_usage("lab needs a lab.toml, or --template")
    found = labs.load(given)
    rows = [
        *(("letterhead", k, v) for k, v in found.lab.letterhead.items() if k != "logo_data"),
        *(
            ("default", k, v if isinstance(v, str | bool) else ", ".join(v))
            for k, v in found.lab.defaults.items()
        ),
        *(("word", text, key) for words in found.words.values() for text, key in words.items()),
        *(("layout", name, one.title) for name, one in found.layouts.items()),
    ]
    out().print(table(("what", "name", "says"), rows))


@reference.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(WRONG_USAGE)


_Name = Annotated[str, typer.Argument(metavar="ID", help="Id of a set, or the path of a .toml.")]


@reference.command("list", short_help="List the sets of normal limits.")
@friendly
def list_reference() -> None:
    """List the sets of normal limits that ship with the package."""
    from ncs_cb.knowledge import datafile
    from ncs_cb.knowledge import reference as sets

    rows = []
    for name in datafile.shipped("reference"):
        found = sets.load(name)
        default = "default" if name == sets.DEFAULT else ""
        rows.append((found.id, found.revision, default, found.title))
    out().print(table(("id", "revision", "", "title"), rows))


@reference.command("show", short_help="Show one set: limits, sources, verification.")
@friendly
def show_reference(name: _Name) -> None:
    """Show one set of normal limits as it is written, with source and verification."""
    for line in _text(name).splitlines():
        say(out(), line)


@reference.command("export", short_help="Print one set as the file it is.")
@friendly
def export_reference(name: _Name) -> None:
    """Print one set as the file it is, to edit and name by --reference."""
    document(_text(name))


def _text(name: str) -> str:
    from ncs_cb.knowledge import datafile
    from ncs_cb.knowledge import reference as sets

    try:
        sets.load(name)
    except TableError as error:
        wrong_usage(str(error))
    return datafile.text("reference", name)

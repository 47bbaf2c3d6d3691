"""The command line: arguments in, exit status out; everything else is called, not done here.

Exit status: 0 all inputs done, 1 some inputs failed (the rest are done), 2 wrong usage, 3 a batch
had to stop (disk full, output in use, workers lost; what is done is kept).
Results go to standard output or to files; progress and messages go to standard error.
Only typer is imported here; each command imports what it needs when it runs, so that
``ncs-cb --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ncs_cb import __version__
from ncs_cb.cli import (
    archive,
    console,
    criteria,
    lab,
    lists,
    norms,
    review,
    shelf,
    simulate,
    study,
    validate,
)

app = typer.Typer(
    name="ncs-cb",
    help=(
        "Measure motor nerve conduction studies, tell conduction block from temporal dispersion, "
        "and apply the published criteria for multifocal motor neuropathy. Describes findings "
        "against published criteria; it does not replace the physician's diagnosis."
    ),
    epilog="Exit status: 0 all inputs done, 1 some inputs failed, 2 wrong usage, "
    "3 a batch had to stop before its end.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        console.out().print(f"ncs-cb {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say also what the readers decided.")
    ] = False,
) -> None:
    if quiet and verbose:
        console.wrong_usage("--quiet and --verbose ask for opposite things; give one")
    console.VOICE.set("quiet" if quiet else "verbose" if verbose else "usual")
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(console.WRONG_USAGE)


_COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "analyze": (study.analyze, "Measure and judge studies; write their reports."),
    "batch": (archive.batch, "Analyze an archive; do only what is missing or changed."),
    "compare": (study.compare, "Compare serial visits of one patient."),
    "review": (review.review, "Correct markers and settings on a page."),
    "formats": (lists.formats, "List the file formats."),
    "nerves": (lists.nerves, "List nerves, sites, muscles, entrapment sites."),
    "flags": (lists.flags, "List the quality flags and what to do about them."),
    "simulate": (simulate.simulate, "Make recordings with a known truth."),
    "validate": (validate.validate, "Check inputs, or print a study.toml template."),
    "anonymize": (archive.anonymize, "Copy EDF+ files without identities."),
    "norms": (norms.norms, "Propose limits of normal from an archive."),
    "tables": (norms.tables, "Write the tables of an archive as CSV or Excel."),
    "lab": (lab.lab, "Print a lab.toml template, or check one."),
    "samples": (shelf.samples, "Copy sample visits and notebooks to a folder."),
    "doctor": (shelf.doctor, "Show versions, extras, fonts: for a report of a fault."),
}
for _name, (_command, _help) in _COMMANDS.items():
    app.command(_name, short_help=_help)(_command)
app.add_typer(
    criteria.criteria, name="criteria", short_help="List, show or export the criteria sets."
)
app.add_typer(
    lab.reference, name="reference", short_help="List, show or export sets of normal limits."
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the entry point of ``ncs-cb``.

    Parameters
    ----------
    arguments : list of str, optional
        In place of the process's own.

    Raises
    ------
    SystemExit
        Always, with the exit status.
    """
    console.never_fail_to_print()
    console.tell_warnings()
    app(args=arguments, prog_name="ncs-cb")

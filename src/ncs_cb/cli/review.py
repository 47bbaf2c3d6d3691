"""``ncs-cb review``: one page on the loopback address, until it is closed."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ncs_cb.cli.console import SOME_FAILED, friendly, note, out, table, tell
from ncs_cb.cli.options import DEFAULT_REFERENCE, Criteria, LabReference, known_sets


@friendly
def review(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            help="A study's folder, or a single recording; a folder of several visits is only "
            "compared with the machines' own values.",
        ),
    ],
    who: Annotated[
        str | None,
        typer.Option("--who", metavar="ID", help="Who reviews; the computer's user if not given."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the page; a free one if 0.")
    ] = 0,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show the review; nothing can be corrected.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, open no browser.")
    ] = False,
    criteria: Criteria = None,
    reference: LabReference = None,
) -> None:
    """Correct markers and settings on a page in the browser; everything follows at once.

    Prints the page's address with its token on the first line of standard output and ends on
    Ctrl-C or when the page is closed for good. Corrections are kept in review.jsonl.

    For a folder of several visits no page is opened: where machine and program differ by more than
    0.3 ms or 10 % is listed, the largest difference first.
    """
    from ncs_cb.review.machines import visits_of

    if visits_of(study):
        _list_differences(study)
        return
    sets = known_sets(criteria, reference or DEFAULT_REFERENCE)
    from ncs_cb.review.server import Server
    from ncs_cb.review.serving import user_name
    from ncs_cb.review.session import Session

    session = Session(
        study, who=who or user_name(), read_only=read_only, criteria=sets, reference=reference
    )
    server = Server(session, port)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    if not no_browser:
        webbrowser.open(server.url)
    tell("The page is open until you close it there or press Ctrl-C here.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        tell("closed; every correction is in the log")
    finally:
        server.server_close()


def _list_differences(folder: Path) -> None:
    """Show where machine and program differ over all visits, the largest difference first."""
    from ncs_cb.review.machines import agreement
    from ncs_cb.units import unit_of

    frame, failed = agreement(folder)
    rows = [
        (
            row["study_id"],
            row["recording"],
            f"{row['side']} {row['nerve']}, {row['muscle']}",
            row["stimulation_site"],
            row["measure"],
            f"{row['program']:.3g}",
            f"{row['machine']:.3g}",
            f"{row['difference']:+.3g} {unit_of(row['measure'])}",
            "reviewed" if row["is_reviewed"] else "",
        )
        for row in frame.to_dict("records")
    ]
    heads = ("visit", "recording", "nerve", "site", "measure", "program", "machine", "apart", "")
    out().print(table(heads, rows))
    note(
        f"{len(rows)} differences; 'ncs-cb review VISIT' opens the page of one visit (a study.toml "
        "in the folder makes it one)"
    )
    for name, why in failed.items():
        tell(f"{name}: {why}")
    if failed:
        raise typer.Exit(SOME_FAILED)

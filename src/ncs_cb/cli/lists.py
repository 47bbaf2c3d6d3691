"""``ncs-cb formats | nerves | flags``: what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs_cb.cli.console import friendly, out, say, table, wrong_usage
from ncs_cb.errors import did_you_mean

if TYPE_CHECKING:
    from ncs_cb.readers import Reader


@friendly
def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="FORMAT", help="Say what this one needs.")
    ] = None,
) -> None:
    """List the file formats that can be read and written, or say what one of them needs."""
    from ncs_cb.readers import READERS

    if name is not None:
        known = [reader.name for reader in READERS]
        if name not in known:
            wrong_usage(
                f"formats {name}: no such format; known: {', '.join(known)}."
                + did_you_mean(name, known)
            )
        _say_needs(READERS[known.index(name)])
        return
    rows = [
        (reader.name, " ".join(reader.suffixes), "read, write" if reader.write else "read")
        for reader in READERS
    ]
    out().print(table(("format", "files", "can"), rows))


def _say_needs(reader: Reader) -> None:
    console = out()
    for line in (f"{reader.name}: {reader.label}", " ".join(reader.suffixes), ""):
        say(console, line)
    needs = reader.needs or "The page 'formats' of the documentation says more."
    for line in needs.strip("\n").splitlines():
        say(console, line)


@friendly
def nerves() -> None:
    """List the nerves with their stimulation sites, muscles and entrapment sites."""
    from ncs_cb.knowledge.anatomy import anatomy

    rows = [
        (
            nerve.id,
            nerve.label_zh,
            " ".join(nerve.sites),
            " ".join(nerve.muscles),
            "; ".join(f"{e.name} ({e.distal_site}-{e.proximal_site})" for e in nerve.entrapments),
        )
        for nerve in anatomy().nerves.values()
    ]
    out().print(
        table(("nerve", "中文", "sites, distal first", "muscles", "entrapment sites"), rows)
    )


@friendly
def flags() -> None:
    """List the quality flags: what was seen, what it does to the numbers, what to do."""
    from ncs_cb.flags import FLAGS
    from ncs_cb.wording.catalog import load

    words = load("en")
    said = ("flag_meaning", "flag_effect", "flag_action")
    rows = [
        (f.name, f.scope, f.level, " ".join(words(f"{section}.{f.name}") for section in said))
        for f in FLAGS.values()
    ]
    out().print(table(("flag", "about", "level", "meaning, effect, what to do"), rows))

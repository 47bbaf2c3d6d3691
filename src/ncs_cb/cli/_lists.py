"""``ncs-cb formats | nerves | flags``: what is there."""

from __future__ import annotations

from ncs_cb.cli._console import friendly, out, table


@friendly
def formats() -> None:
    """List the file formats that can be read and written."""
    from ncs_cb.readers import READERS

    rows = [
        (reader.name, " ".join(reader.suffixes), "read, write" if reader.write else "read")
        for reader in READERS
    ]
    out().print(table(("format", "files", "can"), rows))


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

"""``ncs-cb criteria | formats | nerves | flags``: what is there."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from ncs_cb.cli._console import WRONG_USAGE, friendly, out, table, wrong_usage
from ncs_cb.errors import TableError

criteria = typer.Typer(
    help="List the criteria sets, or show one with its numbers and sources.",
    rich_markup_mode=None,
)


@criteria.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(WRONG_USAGE)


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@criteria.command("list", short_help="List the criteria sets.")
@friendly
def list_criteria() -> None:
    """List the criteria sets that ship with the package."""
    from ncs_cb import criteria as sets

    rows = []
    for name in sets.available():
        found = sets.load(name)
        default = "default" if name in sets.DEFAULT else ""
        rows.append((found.id, found.revision, default, found.title))
    out().print(table(("id", "revision", "", "title"), rows))


@criteria.command("show", short_help="Show one set: numbers, sources, verification.")
@friendly
def show_criteria(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a set, or the path of a .toml file.")
    ],
) -> None:
    """Show one criteria set: every number with its source and how well it is verified."""
    from ncs_cb import criteria as sets

    try:
        found = sets.load(name)
    except TableError as error:
        wrong_usage(str(error))
    screen = out()
    for line in _head(found):
        screen.print(line, soft_wrap=True)
    for line in _body(_raw(found.id, name)):
        screen.print(line, soft_wrap=True)


def _head(found: Any) -> Iterator[str]:
    yield f"{found.id} (revision {found.revision}): {found.title}"
    yield f"sha256 {found.sha256}"


def _raw(set_id: str, name: str) -> dict[str, Any]:
    """The set's own file: shown as it was written, already validated by loading it."""
    shipped = files("ncs_cb").joinpath(f"tables/criteria/{set_id}.toml")
    text = Path(name).read_text("utf-8") if name.endswith(".toml") else shipped.read_text("utf-8")
    return tomllib.loads(text)


def _body(raw: dict[str, Any]) -> Iterator[str]:
    source = raw.get("source", {})
    if isinstance(source, dict):
        yield " ".join(str(source[key]) for key in ("citation", "doi", "url") if key in source)
    for key in ("grades", "categories"):
        if key in raw:
            yield f"{key}, strongest first: {', '.join(raw[key])}"
    if "entry" in raw:
        yield ""
        yield "entry (where this fails the segment is excluded)"
        yield from _clauses(raw["entry"], 1)
    for kind in ("rule", "category"):
        for item in raw.get(kind, []):
            yield ""
            yield _heading(kind, item)
            yield from _clauses(item, 1)


def _heading(kind: str, item: dict[str, Any]) -> str:
    parts = [f"{kind} {item.get('id', '')}".strip()]
    if "grade" in item:
        parts.append(f"gives {item['grade']}")
    for key in ("nerves", "segments", "sites"):
        if key in item:
            parts.append(f"{key} {', '.join(map(str, item[key]))}")
    return "; ".join(parts)


def _clauses(item: dict[str, Any], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for word, clauses in (("all of", item.get("all")), ("any of", item.get("any"))):
        if clauses is not None:
            yield f"{pad}{word}"
            for clause in clauses:
                yield from _clause(clause, depth + 1)
    counted = item.get("at_least")
    if isinstance(counted, dict):
        yield f"{pad}at least {counted.get('n')} of"
        for clause in counted.get("of", []):
            yield from _clause(clause, depth + 1)


def _clause(clause: dict[str, Any], depth: int) -> Iterator[str]:
    if {"all", "any"} & set(clause) or isinstance(clause.get("at_least"), dict):
        yield from _clauses(clause, depth)
        return
    cited = [str(clause[key]) for key in ("source", "verified") if key in clause]
    said = {k: v for k, v in clause.items() if k not in ("source", "verified", "id", "text")}
    column, op = said.pop("column", None), said.pop("op", None)
    limit = said.pop("value", None)
    parts = [] if column is None else [f"{column} {_SIGNS.get(str(op), op)} {limit}"]
    parts += [f"{key} {_words(value)}" for key, value in said.items()]
    yield f"{'  ' * depth}- {' '.join(parts)}" + (f"   [{'; '.join(cited)}]" if cited else "")


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


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
    from ncs_cb.nerves import anatomy

    rows = [
        (
            nerve.id, nerve.label_zh, " ".join(nerve.sites), " ".join(nerve.muscles),
            "; ".join(f"{e.name} ({e.distal_site}-{e.proximal_site})" for e in nerve.entrapments),
        )
        for nerve in anatomy().nerves.values()
    ]  # fmt: skip
    out().print(
        table(("nerve", "中文", "sites, distal first", "muscles", "entrapment sites"), rows)
    )


@friendly
def flags() -> None:
    """List the quality flags: what was seen, what it does to the numbers, what to do."""
    from ncs_cb.flags import FLAGS

    rows = [
        (f.name, f.scope, f.level, f"{f.meaning} {f.effect} {f.action}") for f in FLAGS.values()
    ]
    out().print(table(("flag", "about", "level", "meaning, effect, what to do"), rows))

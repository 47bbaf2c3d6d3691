"""``ncs-cb criteria list | show``: the published sets, every number with its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ncs_cb.cli.console import WRONG_USAGE, document, friendly, out, say, table, wrong_usage
from ncs_cb.errors import TableError

criteria = typer.Typer(
    help="List the criteria sets, or show one with its numbers and sources.",
    rich_markup_mode=None,
)

_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SUBJECTS = ("column", "finding", "flag")
_GROUPS = {"all": "all of", "any": "any of"}
# Shown in other words, or words for a report in another language.
_NOT_SHOWN = frozenset({"id", "op", "value", "is", "source", "verified", "text", "ask", "label"})
_BLOCKS = ("rule", "dispersion", "clause", "category")


@criteria.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(WRONG_USAGE)


@criteria.command("list", short_help="List the criteria sets.")
@friendly
def list_criteria() -> None:
    """List the criteria sets that ship with the package."""
    from ncs_cb.knowledge import criteria as sets

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
    from ncs_cb.knowledge import criteria as sets
    from ncs_cb.knowledge import datafile

    try:
        found = sets.load(name)
    except TableError as error:
        wrong_usage(str(error))
    raw = datafile.read("criteria", name).raw
    screen = out()
    for line in (
        f"{found.id} (revision {found.revision}): {found.title}",
        f"sha256 {found.sha256}",
        *_source(raw.get("source", {})),
        *_body(raw),
    ):
        say(screen, line)


@criteria.command("export", short_help="Print one set as the file it is.")
@friendly
def export_criteria(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a set, or the path of a .toml file.")
    ],
) -> None:
    """Print one set as the file it is, to edit and name by --criteria."""
    from ncs_cb.knowledge import criteria as sets
    from ncs_cb.knowledge import datafile

    try:
        sets.load(name)
    except TableError as error:
        wrong_usage(str(error))
    document(datafile.text("criteria", name))


def _source(source: dict[str, Any]) -> Iterator[str]:
    yield " ".join(str(source[key]) for key in ("citation", "doi", "url") if key in source)
    if "read_in" in source:
        yield f"read in: {source['read_in']}"


def _body(raw: dict[str, Any]) -> Iterator[str]:
    """Every table of the file in its order, whatever it is called."""
    for key, value in raw.items():
        if key in ("id", "title", "revision", "source") or key.endswith("_zh"):
            continue
        if key in _BLOCKS:
            for item in value:
                yield ""
                yield _heading(key, item)
                yield from _inside(item, 1)
        elif isinstance(value, dict):
            yield ""
            yield from _table(key, value)
        else:
            yield f"{key}: {_words(value)}"


def _table(key: str, value: dict[str, Any]) -> Iterator[str]:
    if _GROUPS.keys() & value.keys():
        yield f"{key} (where this fails the segment is excluded)" if key == "entry" else key
        yield from _inside(value, 1)
        return
    yield key
    for name, item in value.items():
        if not name.endswith("_zh"):
            yield f"  {name}: {_words(item)}"


def _heading(kind: str, item: dict[str, Any]) -> str:
    said = f": {item['text']}" if "text" in item else ""
    given = f" gives {item['grade']}" if "grade" in item else ""
    return f"{kind} {item.get('id', '')}{given}{said}"


def _inside(item: dict[str, Any], depth: int) -> Iterator[str]:
    """What one rule, clause or category asks for."""
    pad = "  " * depth
    own = _said({k: v for k, v in item.items() if k != "grade"})
    if own:
        yield f"{pad}{own}"
    for key, word in _GROUPS.items():
        if key in item:
            yield f"{pad}{word}"
            for clause in item[key]:
                if isinstance(clause, str):
                    yield f"{pad}  - {clause}"
                elif _GROUPS.keys() & clause.keys():
                    yield from _inside(clause, depth + 1)
                else:
                    yield f"{pad}  - {_said(clause)}"


def _said(clause: dict[str, Any]) -> str:
    """One clause on one line: subject, limit, conditions, source and verification."""
    first = [str(clause[key]) for key in _SUBJECTS if key in clause]
    if "op" in clause and "value" in clause:
        first.append(f"{_SIGNS.get(clause['op'], clause['op'])} {_words(clause['value'])}")
    if "is" in clause:
        first.append(f"is {_words(clause['is'])}")
    parts = [" ".join(first)] if first else []
    parts += [
        f"{key} {_words(value)}"
        for key, value in clause.items()
        if key not in _NOT_SHOWN
        and key not in _SUBJECTS
        and key not in _GROUPS
        and not key.endswith("_zh")
    ]
    cited = [str(clause[key]) for key in ("source", "verified") if key in clause]
    return ", ".join(parts) + (f"   [{'; '.join(cited)}]" if cited else "")


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(_words(v) for v in value)
    if isinstance(value, dict):
        return "; ".join(f"{k} {_words(v)}" for k, v in value.items() if not k.endswith("_zh"))
    return str(value)

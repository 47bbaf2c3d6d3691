"""The pages of the documentation that a registry already knows: written, never typed."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir, redirect_stdout, suppress
from importlib import import_module
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import ncs_cb
from ncs_cb.columns import COLUMNS
from ncs_cb.flags import FLAGS
from ncs_cb.knowledge import criteria, reference
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.wording.catalog import load

HERE = Path(__file__).parents[1]
REPOSITORY = HERE.parent

# Documents that stand outside docs/, with the page that they become.
COPIED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/ACCURACY.md": "benchmarks/accuracy.md",
    "benchmarks/BLOCK.md": "benchmarks/block.md",
    "benchmarks/CRITERIA.md": "benchmarks/criteria.md",
    "benchmarks/FLAGS.md": "benchmarks/flags.md",
    "benchmarks/RESULTS.md": "benchmarks/results.md",
}
# What a public module offers beside the names of ``ncs_cb`` itself.
MODULES = {
    "ncs_cb.review": "Corrections of markers and settings",
    "ncs_cb.batch": "Archives",
    "ncs_cb.simulate": "Recordings with a known truth",
    "ncs_cb.dispersion": "The block estimate, piece by piece (research)",
    "ncs_cb.figures": "Figures",
    "ncs_cb.reports": "Writers of reports",
}
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def write_all(target: Path) -> None:
    """Write every generated page and figure below `target`, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    for folder in ("benchmarks", "criteria", "reference", "figures"):
        (target / folder).mkdir(parents=True)
    _copy_documents(target)
    _copy_notebooks(target)
    _write_sets(target / "criteria")
    _write_limits(target / "reference")
    pages = {
        "columns.md": columns_page(),
        "flags.md": flags_page(),
        "nerves.md": nerves_page(),
        "commands.md": commands_page(),
        "schema.md": schema_page(),
        "api.md": api_page(),
    }
    for name, text in pages.items():
        (target / name).write_text(text, "utf-8")
    _draw(target)


def _copy_documents(target: Path) -> None:
    shutil.copy(REPOSITORY / "benchmarks/measure.svg", target / "benchmarks/measure.svg")
    for source, name in COPIED.items():
        text = (REPOSITORY / source).read_text("utf-8")
        place = (target / name).relative_to(HERE).parent
        (target / name).write_text(relinked(text, Path(source).parent, place), "utf-8")


def relinked(text: str, folder: Path, place: Path) -> str:
    """Lead the links of a document of `folder` to the pages of the site, seen from `place`."""
    return _LINK.sub(lambda link: f"]({_moved(link[1], folder, place)}", text)


def _moved(link: str, folder: Path, place: Path) -> str:
    """Say where a link of a copied document leads from its new place."""
    led = (REPOSITORY / folder / link).resolve().relative_to(REPOSITORY.resolve()).as_posix()
    up = "../" * len(place.parts)
    if led in COPIED:
        return f"{up}generated/{COPIED[led]}"
    if led.startswith("docs/"):
        return up + led.removeprefix("docs/")
    return link


def _copy_notebooks(target: Path) -> None:
    shutil.copytree(REPOSITORY / "notebooks", target / "notebooks")
    for name in ("samples", "tables"):
        shutil.copytree(
            REPOSITORY / "data" / name,
            target / "data" / name,
            ignore=shutil.ignore_patterns("*.md"),
        )


def shown(*arguments: str) -> str:
    """Give what ``ncs-cb`` prints."""
    from ncs_cb.cli import main

    screen = StringIO()
    with redirect_stdout(screen), suppress(SystemExit):
        main(list(arguments))
    return screen.getvalue().rstrip()


def table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Lay out a Markdown table."""
    lines = [tuple(headings), *rows]
    text = [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    ]
    text.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(text) + "\n"


def _literal(text: str, language: str = "text") -> str:
    return f"````{language}\n{text}\n````\n"


def levels(set_id: str) -> Counter[str]:
    """Count how well the numbers of a criteria set are verified."""
    raw = tomllib.loads(
        files("ncs_cb").joinpath(f"tables/criteria/{set_id}.toml").read_text("utf-8")
    )
    return Counter(_verified(raw))


def _verified(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "verified" in value:
            yield value["verified"]
        for item in value.values():
            yield from _verified(item)
    elif isinstance(value, list):
        for item in value:
            yield from _verified(item)


def _write_sets(folder: Path) -> None:
    rows = []
    for name in criteria.available():
        found, sure = criteria.load(name), levels(name)
        default = "yes" if name in criteria.DEFAULT else ""
        said = ", ".join(
            f"{sure[level]} {level}"
            for level in ("primary", "secondary", "unchecked", "doubtful")
            if sure[level]
        )
        rows.append((f"[`{name}`]({name}.md)", found.title, found.revision, default, said))
        (folder / f"{name}.md").write_text(
            f"# {name}\n\n{found.title}.\n\n"
            f"How sure its numbers are: {said}. [What these words mean](index.md). "
            f"`ncs-cb criteria show {name}`:\n\n{_literal(shown('criteria', 'show', name))}",
            "utf-8",
        )
    heads = ("id", "title", "revision", "used by default", "how sure its numbers are")
    (folder / "index.md").write_text(
        "# Criteria sets, word for word\n\n"
        "Each page is what `ncs-cb criteria show ID` prints: every rule, limit and source of the "
        "set, as the program applies it. How a set is written and what a verdict says: "
        "[criteria](../../criteria.md). `primary`: read in the publication; `secondary`: read in "
        "a work that cites it; `unchecked`: well known, wording not yet checked, and the report "
        "says so; `doubtful`: never used unless asked for.\n\n"
        f"{table(heads, rows)}\n{_contents(criteria.available())}",
        "utf-8",
    )


def _write_limits(folder: Path) -> None:
    names = reference.available()
    rows = []
    for name in names:
        found = reference.load(name)
        default = "yes" if name == reference.DEFAULT else ""
        rows.append((f"[`{name}`]({name}.md)", found.title, found.revision, default))
        (folder / f"{name}.md").write_text(
            f"# {name}\n\n{found.title}. `ncs-cb reference show {name}`:\n\n"
            f"{_literal(shown('reference', 'show', name), 'toml')}",
            "utf-8",
        )
    (folder / "index.md").write_text(
        "# Normal limits, word for word\n\n"
        "Your own limits: [my limits and my criteria](../../howto/limits.md).\n\n"
        f"{table(('id', 'title', 'revision', 'default'), rows)}\n{_contents(names)}",
        "utf-8",
    )


def _contents(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def definitions_table() -> str:
    """Give the measures of one response as the registry defines them."""
    rows = [
        (f"`{c.name}`", c.unit, c.definition or c.description, c.source)
        for c in COLUMNS
        if c.table == "traces" and c.dtype == "float64" and c.definition
    ]
    return table(("column", "unit", "definition", "source"), rows)


def columns_page() -> str:
    """Every column of every table."""
    parts = [
        "# Tables and columns\n\nEvery table of a result, an archive or a comparison, column by "
        "column, from the registry that the program itself reads.\n"
    ]
    for name in dict.fromkeys(c.table for c in COLUMNS):
        rows = [
            (f"`{c.name}`", c.unit, c.dtype, " ".join(filter(None, (c.description, c.definition))))
            for c in COLUMNS
            if c.table == name
        ]
        parts.append(f"## {name}\n\n{table(('column', 'unit', 'type', 'what it is'), rows)}")
    return "\n".join(parts)


def flags_page() -> str:
    """Every quality flag."""
    words = load("en")
    said = ("flag_meaning", "flag_effect", "flag_action")
    rows = [
        (f"`{f.name}`", f.scope, f.level, *(words(f"{section}.{f.name}") for section in said))
        for f in FLAGS.values()
    ]
    heads = ("flag", "about", "level", "what was seen", "what it does", "what to do")
    return (
        "# Quality flags\n\nWhat else could look like block, or spoil a number. Each check answers "
        f"raised, cleared or not examined.\n\n{table(heads, rows)}"
    )


def nerves_page() -> str:
    """Every nerve, site and muscle with the spellings that are understood."""
    known = anatomy()
    nerves = [
        (
            f"`{n.id}`",
            " ".join(n.sites),
            " ".join(n.muscles),
            "; ".join(e.name for e in n.entrapments),
        )
        for n in known.nerves.values()
    ]
    spellings = [
        (f"`{item.id}`", ", ".join((item.label, item.label_zh, *item.aliases)))
        for group in (known.nerves, known.sites, known.muscles)
        for item in group.values()
    ]
    return (
        "# Nerves, sites, muscles\n\nA site or a nerve of your own is a few lines: "
        "[contributing](contributing.md). Words of your laboratory: "
        "[lab.toml](../tables.md).\n\n"
        + table(("nerve", "sites, distal first", "muscles", "entrapment sites"), nerves)
        + "\n## Spellings\n\n"
        + table(("id", "understood"), spellings)
    )


def commands_page() -> str:
    """The help of every command."""
    from typer.main import get_command

    from ncs_cb.cli import app

    parts = ["# Commands\n", _literal(shown("--help"))]
    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        parts.append(f"## ncs-cb {name}\n\n{_literal(shown(name, '--help'))}")
        for inner in sorted(getattr(command, "commands", {})):
            parts.append(f"### ncs-cb {name} {inner}\n\n{_literal(shown(name, inner, '--help'))}")
    return "\n".join(parts)


def schema_page() -> str:
    """The files a user may write or read, whole."""

    def whole(name: str, language: str) -> str:
        return _literal(files("ncs_cb").joinpath(f"tables/{name}").read_text("utf-8"), language)

    return (
        "# Schemas\n\nThe files that people and other programs write and read.\n\n"
        "## study.toml\n\nWhat recordings cannot say. Every key may be left out; left out is "
        f"unknown. `ncs-cb validate --template` prints it:\n\n"
        f"{whole('study_template.toml', 'toml')}\n"
        "## lab.toml\n\nWhat is the same for a laboratory. `ncs-cb lab --template` prints it:\n\n"
        f"{whole('lab_template.toml', 'toml')}\n"
        "## Layout of a table\n\nEvery key: [any laboratory's table](../tables.md).\n\n"
        "## Criteria set\n\nEvery key: [criteria](../criteria.md).\n\n"
        "## review.jsonl\n\nEvery action: [review](../review.md).\n\n"
        "## result.json\n\nEvery file written validates against this JSON Schema, which stands in "
        "the package as `tables/result.schema.json`. Columns of its tables: "
        f"[tables and columns](columns.md).\n\n{whole('result.schema.json', 'json')}"
    )


def api_page() -> str:
    """List every public name, for autosummary to fill in from the docstrings."""
    parts = [
        "# Python interface\n",
        "Everything below is public: [what changes, and how you learn of it](../policy.md).\n",
        _summary("ncs_cb", (n for n in ncs_cb.__all__ if n not in ("__version__", "simulate"))),
    ]
    for module, title in MODULES.items():
        names = import_module(module).__all__
        parts.append(f"## {title}\n\n`{module}`\n\n{_summary(module, names)}")
    return "\n".join(parts)


def _summary(module: str, names: Iterable[str]) -> str:
    lines = "\n".join(names)
    return (
        f"```{{eval-rst}}\n.. currentmodule:: {module}\n\n.. autosummary::\n"
        "   :toctree: api\n\n" + "".join(f"   {name}\n" for name in lines.split()) + "```\n"
    )


def _draw(target: Path) -> None:
    import figures

    folder = target / "figures"
    figures.draw_markers(folder / "markers.svg")
    figures.draw_reductions(folder / "reductions.svg")
    with chdir(target / "data"):
        drawn = figures.draw_gallery(folder)
    parts = [
        "# Gallery\n\nEvery figure is drawn by the lines under it, when this documentation is "
        "built. The samples come from `ncs-cb samples .`; figures are Matplotlib's, so "
        '`figure.savefig("ulnar.pdf")` keeps one.\n\n```python\nimport ncs_cb\n```\n'
    ]
    for title, words, code, name in drawn:
        parts.append(
            f"## {title}\n\n{words}\n\n![{title}](figures/{name})\n\n```python\n{code}```\n"
        )
    (target / "gallery.md").write_text("\n".join(parts), "utf-8")
    (target / "definitions_table.md").write_text(definitions_table(), "utf-8")

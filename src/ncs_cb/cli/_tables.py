"""The short tables in the terminal: the view laid out, in color only where a person looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ncs_cb.cli._console import plain, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from ncs_cb.compare import Comparison
    from ncs_cb.model import Result
    from ncs_cb.view.parts import Cell, Table

# A grade is always also a word, so that color adds and never carries the meaning.
_STYLES = {
    "definite": "bold red",
    "probable": "red",
    "possible": "yellow",
    "none": "green",
    "not_met": "green",
    "undetermined": "magenta",
    "excluded": "dim",
    "not_covered": "dim",
    "outside": "yellow",
    "new": "bold red",
    "persistent": "red",
    "resolved": "green",
}


def print_result(console: Console, result: Result, *, lang: str) -> None:
    """Print one table per nerve with its verdicts, then the category per criteria set."""
    from ncs_cb import view

    shown = view.build(result, lang=lang)
    console.print(Text(plain(shown.study_id), style="bold"))
    for nerve in shown.nerves:
        console.print(Text(plain(nerve.title), style="bold"))
        console.print(_laid_out(nerve.changes))
    for conclusion in shown.diagnosis:
        line = Text(f"{plain(conclusion.title)}: ")
        line.append(plain(conclusion.word), style=_STYLES.get(conclusion.category, ""))
        console.print(line, soft_wrap=True)
    console.print()


_CHANGES = (
    "nerve", "side", "muscle", "segment", "criteria", "earlier_visit", "later_visit",
    "earlier_conduction_block", "later_conduction_block", "block_course",
)  # fmt: skip


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print what became of each segment between visits, as each criteria set grades it."""
    changes = comparison.changes
    rows = (
        [Text(plain(cell), style=_STYLES.get(str(cell), "")) for cell in row]
        for row in changes[list(_CHANGES)].itertuples(index=False, name=None)
    )
    console.print(table([name.replace("_", " ") for name in _CHANGES], rows))


def _laid_out(made: Table) -> Any:
    headings = [f"{h.label} ({h.unit})" if h.unit else h.label for h in made.heads]
    laid = table(headings, (_cells(row) for row in made.rows))
    for column, head in zip(laid.columns, made.heads, strict=True):
        column.justify = "right" if head.is_number else "left"
    return laid


def _cells(row: Iterable[Cell]) -> list[Text]:
    return [Text(plain(cell.text), style=_STYLES.get(cell.tone, "")) for cell in row]

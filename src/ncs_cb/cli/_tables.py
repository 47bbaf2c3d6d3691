"""The short tables in the terminal: the view laid out, in color only where a person looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from ncs_cb.cli._console import plain, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from ncs_cb.comparison import Comparison
    from ncs_cb.model import Result
    from ncs_cb.view.parts import NerveView, View

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
    """Print the impression, one table per nerve with its doubts, and the category per set."""
    from ncs_cb import view

    shown = view.build(result, lang=lang)
    console.print(Text(plain(shown.study_id), style="bold"))
    for number, said in enumerate(shown.impression, start=1):
        console.print(Text(plain(f"{number}. {said.text}")), soft_wrap=True)
    for nerve in shown.nerves:
        console.print(Text(plain(nerve.title), style="bold"))
        console.print(_verdicts(nerve, shown))
        for flag in nerve.flags:
            console.print(Text(plain(f"! {flag.heading}"), style="yellow"), soft_wrap=True)
    for conclusion in shown.diagnosis:
        line = Text(f"{plain(conclusion.title)}: ")
        line.append(plain(conclusion.word), style=_STYLES.get(conclusion.category, ""))
        console.print(line, soft_wrap=True)
    console.print()


def _verdicts(nerve: NerveView, shown: View) -> RichTable:
    """Lay out the adjacent segments of one nerve: its numbers, and what each set says."""
    segment, change = nerve.changes.heads[0].label, shown.labels["change"]
    titles = [plain(one.title) for one in nerve.segments[0].sets] if nerve.segments else []
    rows = (
        [
            Text(plain(one.title)),
            Text(plain(one.numbers)),
            *(
                Text("" if one.is_silent else plain(v.word), style=_STYLES.get(v.grade, ""))
                for v in one.sets
            ),
        ]
        for one in nerve.segments
    )
    return table([segment, change, *titles], rows)


_CHANGES = (
    "nerve",
    "side",
    "muscle",
    "segment",
    "criteria",
    "earlier_visit",
    "later_visit",
    "earlier_conduction_block",
    "later_conduction_block",
    "block_course",
)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print what became of each segment between visits, as each criteria set grades it."""
    changes = comparison.changes
    rows = (
        [Text(plain(cell), style=_STYLES.get(str(cell), "")) for cell in row]
        for row in changes[list(_CHANGES)].itertuples(index=False, name=None)
    )
    console.print(table([name.replace("_", " ") for name in _CHANGES], rows))

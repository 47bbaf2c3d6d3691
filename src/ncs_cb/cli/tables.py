"""The short tables in the terminal: the view laid out, in color only where a person looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from ncs_cb.cli.console import plain, say, table

if TYPE_CHECKING:
    from rich.console import Console

    from ncs_cb.cli.folding import Glued
    from ncs_cb.comparison import Comparison
    from ncs_cb.model import Result
    from ncs_cb.view.parts import NerveView, Table, View

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
    "worsened": "bold red",
    "improved": "green",
    "resolved": "green",
}


def print_result(console: Console, result: Result, *, lang: str) -> None:
    """Print the impression, one table per nerve with its doubts, and the category per set."""
    from ncs_cb import view

    shown = view.build(result, lang=lang)
    console.print(Text(plain(shown.study_id), style="bold"))
    if shown.refused:
        say(console, Text(plain(f"! {shown.refused}"), style="yellow"))
    for number, said in enumerate(shown.impression, start=1):
        say(console, Text(plain(f"{number}. {said.text}")))
    for nerve in shown.nerves:
        console.print(Text(plain(nerve.title), style="bold"))
        if nerve.segments:
            console.print(_verdicts(nerve, shown))
        else:  # one site alone: there is nothing to compare it with
            for one in nerve.responses:
                say(console, plain(f"{one.label}{shown.labels['colon']}{one.caption}"))
        for flag in nerve.flags:
            say(console, Text(plain(f"! {flag.heading}"), style="yellow"))
    for conclusion in shown.diagnosis:
        line = Text(f"{plain(conclusion.title)}: ")
        line.append(plain(conclusion.word), style=_STYLES.get(conclusion.category, ""))
        say(console, line)
    console.print()


def _verdicts(nerve: NerveView, shown: View) -> Glued:
    """Lay out the adjacent segments of one nerve: its numbers, and what each set says."""
    segment, change = nerve.changes.heads[0].label, shown.labels["change"]
    titles = [plain(one.title) for one in nerve.segments[0].sets]
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


def print_comparison(console: Console, comparison: Comparison, *, lang: str) -> None:
    """Print what became of each segment between visits, in words, by the leading set."""
    from ncs_cb.view.serial import build_comparison

    shown = build_comparison(comparison, lang=lang)
    for pair in shown.pairs:
        console.print(Text(plain(pair.title), style="bold"))
        say(console, pair.finding)
        console.print(_laid_out(pair.changes))
        console.print()
    for remark in shown.remarks:
        say(console, Text(plain(f"! {remark}"), style="yellow"))


def _laid_out(made: Table) -> Glued:
    """Lay out a table of the view; a grade keeps its color."""
    heads = [f"{head.label} [{head.unit}]" if head.unit else head.label for head in made.heads]
    rows = ([Text(plain(c.text), style=_STYLES.get(c.tone, "")) for c in row] for row in made.rows)
    return table(heads, rows)

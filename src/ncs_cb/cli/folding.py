"""Where a line of a terminal may end: at a blank, never inside a word or before a unit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

# Chinese has no blanks: a line may end behind any letter, but no mark stands first or last there.
_WIDE = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_OPENING, _CLOSING = "（《“", "，。；：、）！？》”"
_GLUE = r"(?<=\d) (?=(?:%|°C|m/s|mm|cm|ms|s|[mµu]?V|mA|k?Hz)(?!\w))"
_WORD = rf" *[{_OPENING}]*(?:(?:(?!{_WIDE})\S|{_GLUE})+|{_WIDE})[{_CLOSING}]*"
_HANGING = 2
# Stands for a blank where rich would break a cell of a table; no font shows it, and no text has it.
_GLUED = "\ue000"


def fold(text: Text, width: int) -> Text:
    """Break a line so that it fits into `width` cells; what follows stands indented.

    A word that is wider than that (a path) stays whole.
    """
    told = text.plain
    indent = len(told) - len(told.lstrip(" ")) + _HANGING
    cuts, used = [], 0
    # Compiled at its first use, and kept by `re`: a file or a pipe has no width.
    for word in re.finditer(_WORD, told, re.IGNORECASE):
        wide = cell_len(word.group())
        if used and used + wide > width:
            cuts.append(word.start())
            used = indent + cell_len(word.group().lstrip(" "))
        else:
            used += wide
    first, *rest = text.divide(cuts)
    lines = (line[len(line.plain) - len(line.plain.lstrip(" ")) :] for line in rest)
    return Text("\n" + " " * indent).join([first, *lines])


def glued(text: Text) -> Text:
    """Give a cell in which no unit leaves its number; to be shown by :class:`Glued`."""
    made = text.copy()
    made.plain = re.sub(_GLUE, _GLUED, text.plain)
    return made


class Glued:
    """A table of glued cells, shown with blanks in their places."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for text, style, control in console.render(self.table, options):
            yield Segment(text.replace(_GLUED, " "), style, control)

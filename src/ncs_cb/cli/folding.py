"""Where a line of a terminal may end: at a blank, never inside a word or before a unit."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.text import Text

# Chinese has no blanks: a line may end behind any letter, but no mark stands first or last there.
_WIDE = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_OPENING, _CLOSING = "（《“", "，。；：、）！？》”"
_GLUE = r"(?<=\d) (?=(?:%|°C|m/s|mm|cm|ms|s|[mµu]?V|mA|k?Hz)(?!\w))"
_WORD = re.compile(
    rf" *[{_OPENING}]*(?:(?:(?!{_WIDE})\S|{_GLUE})+|{_WIDE})[{_CLOSING}]*", re.IGNORECASE
)
_HANGING = 2


def fold(text: Text, width: int) -> Text:
    """Break a line so that it fits into `width` cells; what follows stands indented.

    A word that is wider than that (a path) stays whole.
    """
    told = text.plain
    indent = len(told) - len(told.lstrip(" ")) + _HANGING
    cuts, used = [], 0
    for word in _WORD.finditer(told):
        wide = cell_len(word.group())
        if used and used + wide > width:
            cuts.append(word.start())
            used = indent + cell_len(word.group().lstrip(" "))
        else:
            used += wide
    first, *rest = text.divide(cuts)
    lines = (line[len(line.plain) - len(line.plain.lstrip(" ")) :] for line in rest)
    return Text("\n" + " " * indent).join([first, *lines])

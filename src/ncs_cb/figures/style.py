"""How a grade looks: colored, and told apart without color by stroke, width and letter.

The colors are ordered in lightness as the grades are in strength and follow Okabe and Ito's
palette for color-blind readers; in gray the stroke pattern and the letter remain.
"""

from __future__ import annotations

from typing import NamedTuple

from ncs_cb.figures.drawing import INK, PAPER, Disc, Floats, Line, Shape, Text


class Look(NamedTuple):
    """Color, stroke and dash of one grade; ``core`` is a second, thinner stroke on top."""

    color: str
    ink: str
    width: float
    dash: tuple[float, ...] = ()
    core: str = ""


_LOOKS = {
    "definite": Look("#9e1b1b", PAPER, 6.5),
    "probable": Look("#d55e00", PAPER, 6.5, (6.0, 1.6)),
    "possible": Look("#e6a51e", INK, 6.5, (2.2, 1.6)),
    "none": Look("#2a6f97", PAPER, 2.6),
    "none_where_judged": Look("#2a6f97", PAPER, 2.6),
    "excluded": Look("#6b7682", PAPER, 2.6, (5.0, 3.0)),
    "undetermined": Look("#6b7682", INK, 5.0, (), PAPER),
    "not_covered": Look("#9aa4ae", INK, 2.0, (1.2, 2.6)),
}
NOT_TESTED = Look("#d3d8de", INK, 1.2)


def look(grade: str) -> Look:
    """Give the look of a grade; a set's own grade looks like ``probable``."""
    return _LOOKS.get(grade, _LOOKS["probable"])


def stroke(x: Floats, y: Floats, style: Look) -> list[Line]:
    """Draw a stretch of nerve in a look."""
    lines = [Line(x, y, style.color, style.width, style.dash)]
    if style.core:
        lines.append(Line(x, y, style.core, style.width - 2.4))
    return lines


def badge(x: float, y: float, letter: str, grade: str, *, radius: float = 6.5) -> list[Shape]:
    """Draw a grade's letter in a disc."""
    style = look(grade)
    hollow = grade in ("undetermined", "not_covered")
    return [
        Disc(x, y, radius, PAPER if hollow else style.color, style.color if hollow else PAPER, 1.2),
        Text(
            x,
            y + 0.36 * radius * 1.05,
            letter,
            radius * 1.25,
            "middle",
            style.color if hollow else style.ink,
            is_bold=True,
        ),
    ]

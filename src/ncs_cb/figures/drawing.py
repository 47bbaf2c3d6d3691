"""A drawing as plain shapes, painted either as SVG or by matplotlib.

The page and the notebook paint the same shapes, so that they cannot disagree. Coordinates are
points (1/72 inch), x to the right, y downward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Anchor = Literal["start", "middle", "end"]

INK = "#1b2530"
SOFT = "#5c6773"
FAINT = "#b9c0c8"
PAPER = "#ffffff"
_FONT = "'Helvetica Neue', Arial, 'Liberation Sans', 'Noto Sans CJK SC', 'PingFang SC', sans-serif"


class Line(NamedTuple):
    """A polyline, or a polygon when it has a fill; NaN breaks it."""

    x: Floats
    y: Floats
    stroke: str = INK
    width: float = 1.0
    dash: tuple[float, ...] = ()
    fill: str = "none"


class Disc(NamedTuple):
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str = INK
    stroke: str = "none"
    width: float = 1.0


class Text(NamedTuple):
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float = 9.0
    anchor: Anchor = "start"
    color: str = INK
    is_bold: bool = False


class Link(NamedTuple):
    """Shapes that lead to an anchor of the page and speak their title."""

    shapes: tuple[Line | Disc | Text, ...]
    title: str
    target: str


Shape = Line | Disc | Text | Link


@dataclass(slots=True)
class Drawing:
    """Shapes on a sheet of a given size, with a title for those who cannot see it."""

    width: float
    height: float
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Put shapes on top."""
        self.shapes.extend(shapes)

    def segment(self, x: Iterable[float], y: Iterable[float], **style: object) -> None:
        """Put one plain polyline on top."""
        self.add(Line(np.asarray(list(x), float), np.asarray(list(y), float), **style))  # type: ignore[arg-type]


def nice_step(value: float) -> float:
    """Give the largest of 1, 2, 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= value * (1 + 1e-9))


def span(text: str) -> int:
    """Measure a line in half ems: a Chinese character and its punctuation are twice a letter."""
    return sum(2 if ord(letter) >= _FIRST_WIDE else 1 for letter in text)


_FIRST_WIDE = 0x2E80


def plain_shapes(shapes: Iterable[Shape]) -> Iterator[Line | Disc | Text]:
    """Give the shapes without their links."""
    for shape in shapes:
        if isinstance(shape, Link):
            yield from shape.shapes
        else:
            yield shape


# ---------------------------------------------------------------- SVG


def to_svg(drawing: Drawing, *, css_class: str = "figure") -> str:
    """Paint a drawing as one SVG element, self-contained, with a title for screen readers."""
    body = "".join(map(_svg_shape, drawing.shapes))
    return (
        f'<svg class="{css_class}" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {_n(drawing.width)} {_n(drawing.height)}" '
        f'width="{_n(drawing.width)}pt" height="{_n(drawing.height)}pt" '
        f'font-family="{_FONT}"><title>{escape(drawing.title)}</title>{body}</svg>'
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _svg_shape(shape: Shape) -> str:
    if isinstance(shape, Line):
        return _svg_line(shape)
    if isinstance(shape, Disc):
        ring = f' stroke="{shape.stroke}" stroke-width="{_n(shape.width)}"'
        return (
            f'<circle cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}" '
            f'fill="{shape.fill}"{ring if shape.stroke != "none" else ""}/>'
        )
    if isinstance(shape, Text):
        bold = ' font-weight="600"' if shape.is_bold else ""
        anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
        return (
            f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}" '
            f'fill="{shape.color}"{anchor}{bold}>{escape(shape.text)}</text>'
        )
    inner = "".join(map(_svg_shape, shape.shapes))
    return f'<a href="#{escape(shape.target)}"><title>{escape(shape.title)}</title>{inner}</a>'


def _svg_line(line: Line) -> str:
    dash = f' stroke-dasharray="{" ".join(map(_n, line.dash))}"' if line.dash else ""
    cap = "" if line.dash else ' stroke-linecap="round"'
    stroke = (
        f' stroke="{line.stroke}" stroke-width="{line.width:g}" stroke-linejoin="round"{cap}{dash}'
        if line.stroke != "none"
        else ""
    )
    return f'<path d="{_path(line.x, line.y)}" fill="{line.fill}"{stroke}/>'


def _path(x: Floats, y: Floats) -> str:
    """Write a path in steps of a tenth of a point; relative steps keep it short."""
    parts = []
    tenths = np.rint(np.array([x, y]).T * 10.0)
    for start, stop in _runs(np.isnan(x + y)):
        steps = tenths[start:stop].astype(np.int64)
        moves = steps[1:] - steps[:-1]
        # Most of the shapes are tiny, and a page has hundreds: no call of numpy more than needed.
        moves = moves[(moves[:, 0] | moves[:, 1]) != 0]
        relative = " ".join(map(_TENTHS.__getitem__, moves.ravel().tolist()))
        first = f"M{_TENTHS[int(steps[0, 0])]} {_TENTHS[int(steps[0, 1])]}"
        parts.append(f"{first}l{relative}" if relative else f"{first}l0 0")
    return "".join(parts)


class _Tenths(dict[int, str]):
    """The text of a number of tenths: the same few stand in every path, and are kept."""

    def __missing__(self, value: int) -> str:
        self[value] = text = f"{value / 10:g}"
        return text


_TENTHS = _Tenths()


def _runs(is_gap: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give the stretches without a gap."""
    if not is_gap.any():
        return [(0, len(is_gap))] if len(is_gap) else []
    edges = np.flatnonzero(np.diff(np.concatenate([[True], is_gap, [True]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


# ---------------------------------------------------------------- matplotlib


def to_matplotlib(drawing: Drawing) -> Figure:
    """Paint a drawing as a matplotlib figure, without touching pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(drawing.width / 72.0, drawing.height / 72.0), facecolor=PAPER)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0.0, drawing.width)
    axes.set_ylim(drawing.height, 0.0)
    families = _font_families(drawing)
    for depth, shape in enumerate(plain_shapes(drawing.shapes)):
        _paint(axes, shape, depth, families)
    return figure


def _paint(axes: Axes, shape: Line | Disc | Text, depth: int, families: list[str]) -> None:
    if isinstance(shape, Text):
        axes.text(
            shape.x,
            shape.y,
            shape.text.replace("$", r"\$"),
            fontsize=shape.size,
            color=shape.color,
            zorder=depth,
            family=families,
            va="baseline",
            ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
            weight="bold" if shape.is_bold else "normal",
        )
    elif isinstance(shape, Disc) or shape.fill != "none":
        _paint_area(axes, shape, depth)
    else:
        _paint_line(axes, shape, depth)


def _paint_area(axes: Axes, shape: Line | Disc, depth: int) -> None:
    from matplotlib.patches import Circle, Polygon

    style: dict[str, Any] = {
        "facecolor": shape.fill,
        "edgecolor": shape.stroke,
        "linewidth": shape.width,
        "zorder": depth,
    }
    if isinstance(shape, Disc):
        axes.add_patch(Circle((shape.x, shape.y), shape.radius, **style))
    else:
        axes.add_patch(Polygon(np.column_stack([shape.x, shape.y]), closed=True, **style))


def _paint_line(axes: Axes, shape: Line, depth: int) -> None:
    from matplotlib.lines import Line2D

    line = Line2D(
        shape.x,
        shape.y,
        color=shape.stroke,
        linewidth=shape.width,
        zorder=depth,
        solid_joinstyle="round",
    )
    if shape.dash:
        # SVG counts dashes in points, matplotlib in line widths.
        line.set_linestyle((0.0, tuple(d / shape.width for d in shape.dash)))
    axes.add_line(line)


def _font_families(drawing: Drawing) -> list[str]:
    """Name the fonts to use; Chinese text needs one that holds it."""
    texts = [s.text for s in plain_shapes(drawing.shapes) if isinstance(s, Text)]
    families = ["DejaVu Sans"]
    if any(ord(letter) >= _FIRST_WIDE for text in texts for letter in text):
        families += chinese_fonts()[:1]
    return families


CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Noto Serif CJK SC",
)
"""Fonts that hold Chinese, the best first."""


def chinese_fonts() -> list[str]:
    """Give the installed fonts that hold Chinese, the best first."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CHINESE_FONTS if name in installed]

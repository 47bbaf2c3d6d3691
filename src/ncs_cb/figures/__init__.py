"""Waveforms and diagrams: one function per figure, painted alike for page and notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ncs_cb import view as views
from ncs_cb.figures import arm, curves, traces
from ncs_cb.figures.drawing import Drawing, to_matplotlib, to_svg
from ncs_cb.model import Result, Side

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = [
    "FIGURES", "Drawing", "Drawn", "FigureKind", "arm_map", "draw_all", "figure", "nerve_figure",
    "to_svg",
]  # fmt: skip

Per = Literal["study", "nerve", "segment"]
_PER: tuple[Per, ...] = ("study", "nerve", "segment")


@dataclass(frozen=True, slots=True)
class FigureKind:
    """One figure a report may ask for: `draw` gives its shapes, or None without data."""

    name: str
    per: Per
    title: str
    caption: str
    draw: Callable[..., Drawing | None]


FIGURES: dict[str, FigureKind] = {}
"""Every figure by name, in the order in which a report shows them."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure ready for a page: its SVG escapes every text it holds."""

    name: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class AllDrawn:
    """The figures of one report: of the study, and of nerves and segments by their id."""

    study: tuple[Drawn, ...]
    nerve: dict[str, tuple[Drawn, ...]]
    segment: dict[str, tuple[Drawn, ...]]


def draw_all(result: Result, view: views.View) -> AllDrawn:
    """Draw everything the registry offers for this result."""
    kinds = {per: [k for k in FIGURES.values() if k.per == per] for per in _PER}
    return AllDrawn(
        _drawn(kinds["study"], view, result),
        {n.id: _drawn(kinds["nerve"], view, result, n) for n in view.nerves},
        {s.id: _drawn(kinds["segment"], view, result, n, s)
         for n in view.nerves for s in n.segments},
    )  # fmt: skip


def _drawn(
    kinds: list[FigureKind], view: views.View, result: Result, *about: object
) -> tuple[Drawn, ...]:
    found = []
    for kind in kinds:
        drawing = kind.draw(result, view, *about)
        if drawing is not None:
            caption = view.labels[kind.caption] if kind.caption else ""
            found.append(Drawn(kind.name, view.labels[kind.title], caption, to_svg(drawing)))
    return tuple(found)


def figure(*, per: Per, title: str, caption: str = "") -> Callable[[Any], Any]:
    """Register a figure; `title` and `caption` are keys of the view's labels.

    The function gets ``(result, view)``, for ``per="nerve"`` also the nerve, and for
    ``per="segment"`` also the nerve and the segment.
    """

    def register(draw: Callable[..., Drawing | None]) -> Callable[..., Drawing | None]:
        FIGURES[draw.__name__] = FigureKind(draw.__name__, per, title, caption, draw)
        return draw

    return register


@figure(per="study", title="map")
def limb_map(result: Result, view: views.View) -> Drawing | None:
    """Draw the limbs with each segment colored and patterned by its verdict."""
    return arm.draw(view) if len(result.segments) else None


@figure(per="nerve", title="traces", caption="traces_caption")
def stacked_traces(result: Result, view: views.View, nerve: views.NerveView) -> Drawing | None:
    """Draw the responses of one nerve, distal at the bottom."""
    return traces.draw(result, view, nerve)


@figure(per="nerve", title="recruitment", caption="recruitment_caption")
def intensity_series(result: Result, view: views.View, nerve: views.NerveView) -> Drawing | None:
    """Draw amplitude against stimulus current."""
    return curves.recruitment(_rows(result.recruitment, nerve), view.labels)


@figure(per="nerve", title="inching", caption="inching_caption")
def short_steps(result: Result, view: views.View, nerve: views.NerveView) -> Drawing | None:
    """Draw the fall of amplitude over each short step."""
    return curves.inching(_rows(result.inching, nerve), view.labels)


def _rows(table: pd.DataFrame, nerve: views.NerveView) -> list[dict[str, Any]]:
    if table.empty:
        return []
    own = (
        (table["nerve"] == nerve.nerve)
        & (table["side"] == nerve.side)
        & (table["muscle"] == nerve.muscle)
    )
    rows: list[dict[str, Any]] = table[own.fillna(False)].to_dict("records")  # type: ignore[assignment]
    return rows


def nerve_figure(
    result: Result, nerve: str, side: Side, *, muscle: str | None = None, lang: str = "en"
) -> MatplotlibFigure:
    """Draw the stacked traces of one nerve: distal at the bottom, negative up, one gain.

    Parameters
    ----------
    result : Result
    nerve, side : str
        As ids, for example ``"ulnar", "right"``.
    muscle : str, optional
        Needed only when the nerve was recorded from several muscles.
    lang : str
        Language of the words.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's global state; save it with ``figure.savefig("ulnar.pdf")``.

    Raises
    ------
    ValueError
        If the result holds no such nerve, side and muscle, or no waveform of it; the message
        names those it holds.
    """
    view = views.build(result, lang=lang)
    found = [
        n for n in view.nerves if (n.nerve, n.side) == (nerve, side) and muscle in (None, n.muscle)
    ]
    for item in found:
        drawing = traces.draw(result, view, item)
        if drawing is not None:
            return to_matplotlib(drawing)
    held = ", ".join(f"{n.side} {n.nerve} ({n.muscle})" for n in view.nerves) or "none"
    what = "no waveform of" if found else "no"
    wanted = f"{side} {nerve}" + (f" ({muscle})" if muscle else "")
    raise ValueError(f"the result holds {what} {wanted}; it holds: {held}")


def arm_map(result: Result, *, lang: str = "en") -> MatplotlibFigure:
    """Draw the limbs with each segment colored and patterned by the leading set's verdict."""
    return to_matplotlib(arm.draw(views.build(result, lang=lang)))

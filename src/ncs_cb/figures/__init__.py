"""Waveforms and diagrams: one function per figure, painted alike for page and notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ncs_cb import view as views
from ncs_cb.errors import ArgumentError
from ncs_cb.figures import arm, course, curves, measured, traces
from ncs_cb.figures.drawing import Drawing, to_matplotlib, to_svg
from ncs_cb.model import Result, Side
from ncs_cb.view.serial import Compared, build_comparison

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure
    from numpy.typing import ArrayLike

__all__ = [
    "FIGURES",
    "Drawing",
    "Drawn",
    "FigureKind",
    "arm_map",
    "draw_all",
    "estimate_figure",
    "figure",
    "inching_figure",
    "nerve_figure",
    "plot_traces",
    "recruitment_figure",
    "timeline_figure",
    "to_svg",
]

Per = Literal["study", "nerve", "segment"]
_PER: tuple[Per, ...] = ("study", "nerve", "segment")


class FigureKind(NamedTuple):
    """One figure a report may ask for: `draw` gives its shapes, or None without data."""

    name: str
    per: Per
    title: str
    caption: str
    draw: Callable[..., Drawing | None]


FIGURES: dict[str, FigureKind] = {}
"""Every figure by name, in the order in which a report shows them."""


class Drawn(NamedTuple):
    """One figure ready for a page: its SVG escapes every text it holds."""

    name: str
    title: str
    caption: str
    svg: str


class AllDrawn(NamedTuple):
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
        {
            s.id: _drawn(kinds["segment"], view, result, n, s)
            for n in view.nerves
            for s in n.segments
        },
    )


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


@figure(per="study", title="map", caption="map_caption")
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


@figure(per="segment", title="estimate", caption="estimate_caption")
def block_estimate(
    result: Result, view: views.View, nerve: views.NerveView, segment: views.SegmentView
) -> Drawing | None:
    """Draw the fit behind the block estimate, where any criteria set sees block."""
    if not segment.estimate or not any(views.is_block(s.grade) for s in segment.sets):
        return None
    return _fit(result, view, nerve, segment)


def _fit(
    result: Result, view: views.View, nerve: views.NerveView, segment: views.SegmentView
) -> Drawing | None:
    place = f"{segment.distal_site}-{segment.proximal_site}"
    found = result.fits.get((nerve.nerve, nerve.side, nerve.muscle, place))
    return None if found is None else curves.fit(found, view.labels, segment.share)


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
    ArgumentError
        If the result holds no such nerve, side and muscle, or no waveform of it; the message
        names those it holds.
    """
    return _of_nerve("stacked_traces", result, nerve, side, muscle, lang)


def recruitment_figure(
    result: Result, nerve: str, side: Side, *, muscle: str | None = None, lang: str = "en"
) -> MatplotlibFigure:
    """Draw amplitude against stimulus current; arguments and errors as :func:`nerve_figure`."""
    return _of_nerve("intensity_series", result, nerve, side, muscle, lang)


def inching_figure(
    result: Result, nerve: str, side: Side, *, muscle: str | None = None, lang: str = "en"
) -> MatplotlibFigure:
    """Draw a short-step series; arguments and errors as :func:`nerve_figure`."""
    return _of_nerve("short_steps", result, nerve, side, muscle, lang)


def estimate_figure(
    result: Result,
    nerve: str,
    side: Side,
    segment: str,
    *,
    muscle: str | None = None,
    lang: str = "en",
) -> MatplotlibFigure:
    """Draw the fit behind the block estimate of one segment, for example ``wrist-below_elbow``.

    Other arguments and errors as :func:`nerve_figure`. The estimate is research output.
    """
    view = views.build(result, lang=lang)
    for item in _matching(view, nerve, side, muscle):
        for part in item.segments:
            if f"{part.distal_site}-{part.proximal_site}" == segment:
                drawing = _fit(result, view, item, part)
                if drawing is not None:
                    return to_matplotlib(drawing)
    raise ArgumentError(
        f"the result holds no block estimate of {side} {nerve} {segment}; it holds: {_held(view)}"
    )


def arm_map(result: Result, *, lang: str = "en") -> MatplotlibFigure:
    """Draw the limbs with each segment colored and patterned by the leading set's verdict."""
    return to_matplotlib(arm.draw(views.build(result, lang=lang)))


def timeline_figure(compared: Compared, *, lang: str = "en") -> MatplotlibFigure:
    """Draw the course of every blocked segment over serial visits, with treatment.

    Parameters
    ----------
    compared : Comparison
        As :func:`ncs_cb.compare` gives it.
    lang : str

    Raises
    ------
    ArgumentError
        If no visit has a segment that could be measured.
    """
    drawing = course.draw(compared, build_comparison(compared, lang=lang).labels, lang=lang)
    if drawing is None:
        raise ArgumentError("no visit has a segment that could be measured")
    return to_matplotlib(drawing)


def plot_traces(
    samples_mv: ArrayLike,
    frame: pd.DataFrame,
    *,
    sampling_rate_hz: ArrayLike | None = None,
    stimulus_index: ArrayLike | None = None,
) -> MatplotlibFigure:
    """Draw traces with their markers: onset (triangle), peak (disc), end of the response (bar).

    Parameters
    ----------
    samples_mv : array_like of shape (n_traces, n_samples) or (n_samples,) [mV]
        Up to 40 traces; the first is drawn on top.
    frame : DataFrame
        What :func:`ncs_cb.measure_traces` gave for them, row by row.
    sampling_rate_hz, stimulus_index : optional
        As they were given to ``measure_traces``, whose table remembers them; needed for a table
        that came from elsewhere.

    Returns
    -------
    matplotlib Figure
        A row whose response was not measured says the first flag instead of markers.
        Responses are drawn whole; arrowheads say where an artefact that leaves its row is cut.

    Raises
    ------
    ArgumentError
        If the numbers do not fit each other, or rate and stimulus are not known.
    """
    told: dict[str, Any] = {"sampling_rate_hz": sampling_rate_hz, "stimulus_index": stimulus_index}
    for name, value in told.items():
        known = frame.attrs.get(name) if value is None else value
        if known is None or (isinstance(known, tuple) and len(known) != len(frame)):
            raise ArgumentError(
                f"{name} is not known of this table; give it as it was measured with"
            )
        told[name] = known
    return to_matplotlib(measured.draw(samples_mv, frame, *told.values()))


def _of_nerve(
    name: str, result: Result, nerve: str, side: str, muscle: str | None, lang: str
) -> MatplotlibFigure:
    view = views.build(result, lang=lang)
    for item in _matching(view, nerve, side, muscle):
        drawing = FIGURES[name].draw(result, view, item)
        if drawing is not None:
            return to_matplotlib(drawing)
    wanted = f"{side} {nerve}" + (f" ({muscle})" if muscle else "")
    raise ArgumentError(
        f"the result holds no {_DRAWN_FROM[name]} of {wanted}; it holds: {_held(view)}"
    )


_DRAWN_FROM = {
    "stacked_traces": "waveform",
    "intensity_series": "intensity series",
    "short_steps": "short-step series",
}


def _matching(view: views.View, nerve: str, side: str, muscle: str | None) -> list[views.NerveView]:
    return [
        n for n in view.nerves if (n.nerve, n.side) == (nerve, side) and muscle in (None, n.muscle)
    ]


def _held(view: views.View) -> str:
    return ", ".join(f"{n.side} {n.nerve} ({n.muscle})" for n in view.nerves) or "nothing"

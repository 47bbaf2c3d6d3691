"""How results show themselves in a notebook, hooked onto the objects from above.

The model holds and does nothing; ``ncs_cb`` attaches these when a public name is first used.
Nothing heavy is loaded before something is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncs_cb.model import Result, Side, Study, Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attach() -> None:
    """Give ``Result`` its page and its figure, and what holds samples a one-line text."""
    Result._repr_html_ = _page  # type: ignore[method-assign]
    Result.plot = _plot  # type: ignore[method-assign]
    Result.__repr__ = _result_line  # type: ignore[method-assign, assignment]
    Study.__repr__ = _study_line  # type: ignore[method-assign, assignment]
    Trace.__repr__ = _trace_line  # type: ignore[method-assign, assignment]


def _page(self: Result) -> str:
    from ncs_cb.reports.html import render

    return render(self)


def _plot(self: Result, nerve: str, side: Side, *, muscle: str | None = None) -> Figure:
    """Draw the stacked traces of one nerve, distal at the bottom, negative up.

    Raises
    ------
    ValueError
        If the result holds no such nerve and side; the message names those it holds.
    """
    from ncs_cb.figures import nerve_figure

    return nerve_figure(self, nerve, side, muscle=muscle)


def _result_line(self: Result) -> str:
    parts = (
        f"{len(self.traces)} responses",
        f"{len(self.segments)} segments",
        "criteria " + ", ".join(file.id for file in self.provenance.criteria),
    )
    return f"<Result of {self.study.study_id}: {', '.join(parts)}>"


def _study_line(self: Study) -> str:
    parts = (f"{len(self.traces)} sweeps", f"{len(self.typed_responses)} printed responses")
    return f"<Study {self.study_id}: {', '.join(parts)}>"


def _trace_line(self: Trace) -> str:
    site = self.site
    return (
        f"<Trace of {self.recording}, sweep {self.sweep}: {site.side} {site.nerve} to "
        f"{site.muscle}, {site.stimulation_site}, {len(self.samples_mv)} samples at "
        f"{self.sampling_rate_hz:g} Hz>"
    )

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
    """Give what holds samples a one-line text, a study and a result a card, a result its figure."""
    Result._repr_html_ = _result_card  # type: ignore[method-assign]
    Study._repr_html_ = _study_card  # type: ignore[attr-defined]
    Result.plot = _plot  # type: ignore[method-assign]
    Result.__repr__ = _result_line  # type: ignore[method-assign, assignment]
    Study.__repr__ = _study_line  # type: ignore[method-assign, assignment]
    Trace.__repr__ = _trace_line  # type: ignore[method-assign, assignment]


def _result_card(self: Result) -> str:
    from ncs_cb.reports.html import card

    return card(self)


def _study_card(self: Study) -> str:
    from ncs_cb.reports.html import study_card

    return study_card(self)


def _plot(self: Result, nerve: str, side: Side, *, muscle: str | None = None) -> Figure:
    """Draw the stacked traces of one nerve, distal at the bottom, negative up.

    Raises
    ------
    ArgumentError
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

"""A stated polarity beside the responses: where all of them go the other way, it is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ncs_cb.knowledge.anatomy import is_foreign
from ncs_cb.model import Decision, Trace
from ncs_cb.readers._shared.polarity import are_turned


def against_stated(
    traces: Sequence[Trace], decisions: Iterable[Decision], name: str
) -> tuple[tuple[Trace, ...], list[Decision]]:
    """Flag the responses of a recording whose stated polarity all of them contradict.

    They stay as stated: which way is right nobody here can say. A muscle of another nerve is not
    asked, since its response may begin with a positivity.

    Parameters
    ----------
    traces : sequence of Trace
        Turned as stated.
    decisions : iterable of Decision
        Those of the reader; where it read the polarity off the responses nothing is asked.
    name : str
        What the recording is called.
    """
    told = next((d for d in decisions if d.topic == "polarity" and d.reason == "as told"), None)
    if told is None:
        return tuple(traces), []
    own = [
        i
        for i, trace in enumerate(traces)
        if trace.kind == "motor" and not is_foreign(trace.site.nerve, trace.site.muscle)
    ]
    if not own or not are_turned([traces[i] for i in own]):
        return tuple(traces), []
    made = list(traces)
    for i in own:
        made[i] = replace(made[i], flags=(*made[i].flags, "polarity_uncertain"))
    said = Decision(
        name, "polarity", "in doubt", f"{told.choice} was told; all responses begin the other way"
    )
    return tuple(made), [said]

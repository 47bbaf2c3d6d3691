"""What a laboratory or a caller attests of all stimuli at once, where nobody said otherwise."""

from __future__ import annotations

from dataclasses import replace

from ncs_cb.model import Sayer, Stimulus, Study, Trace, TypedResponse

IN_GENERAL: frozenset[Sayer] = frozenset({"lab.toml", "call"})
"""Who speaks of all stimuli and so cannot tell one sweep of a site from another."""


def attest_in_general(study: Study, *, supramaximal: bool = False) -> Study:
    """Give a study with what its laboratory and the call attest of every motor stimulus.

    What a recording, a table, ``study.toml`` or a review says stands; of those that say nothing
    the laboratory's defaults hold first, then the call's.

    Parameters
    ----------
    study : Study
        It is not changed; ``study.lab`` may bring defaults.
    supramaximal : bool
        Whether the call attests that stimulation was supramaximal.
    """
    said = {} if study.lab is None else study.lab.defaults
    study = _attested(study, said.get("supramaximal"), said.get("collision_used"), "lab.toml")
    return _attested(study, True, None, "call") if supramaximal else study


def _attested(study: Study, supramaximal: bool | None, collision: bool | None, by: Sayer) -> Study:
    if supramaximal is None and collision is None:
        return study

    def told(answer: Trace | TypedResponse) -> Stimulus:
        stimulus, own = answer.stimulus, study.details.recordings.get(answer.recording)
        if answer.kind != "motor":
            return stimulus
        said = (None, None) if own is None else (own.supramaximal, own.collision_used)
        if supramaximal is not None and stimulus.is_supramaximal is None and said[0] is None:
            stimulus = replace(stimulus, is_supramaximal=supramaximal, supramaximal_by=by)
        if collision is not None and stimulus.collision_used is None and said[1] is None:
            stimulus = replace(stimulus, collision_used=collision, collision_by=by)
        return stimulus

    return replace(
        study,
        traces=tuple(replace(t, stimulus=told(t)) for t in study.traces),
        typed_responses=tuple(replace(t, stimulus=told(t)) for t in study.typed_responses),
    )

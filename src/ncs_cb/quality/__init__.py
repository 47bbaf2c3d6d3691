"""What else could look like block: one check per flag, each in three values.

A check raises its flag, clears it, or says that it was not examined and what was missing, of all
segments at once. Adding one takes a row in ``flags.py``, a function of the same name in this
package, its sentences in the catalogs and its limits in ``tables/quality.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.knowledge import reference
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.knowledge.thresholds import data_file
from ncs_cb.measuring import sweeps
from ncs_cb.model import Details, Stimulus, Trace
from ncs_cb.quality import anastomosis, mimics, technique
from ncs_cb.quality.answers import Answers, Findings
from ncs_cb.quality.pairs import Pairs, Site, known
from ncs_cb.quality.responses import pair_up

__all__ = ["CHECKS", "Findings", "ask", "data_file", "with_flags"]

Check = Callable[[Pairs], Answers]
"""A check looks at all segments and answers; its function bears the name of its flag."""

# Said of a segment by a flag of its own.
_HAS_TWIN = frozenset({"response_absent", "supramaximality_denied"})
_INVALID = tuple(f.name for f in flags.FLAGS.values() if f.level == "invalid")


def _of_trace(name: str) -> Check:
    """Make the check that carries a caution about either response over to the segment."""

    def check(pairs: Pairs) -> Answers:
        answers = pairs.answers_of_both()
        _carry(answers, pairs, name)
        return answers

    check.__name__ = name
    return check


def _carry(answers: Answers, pairs: Pairs, name: str) -> None:
    distal, proximal = pairs.ends
    near, far = (end.response.has(name) for end in pairs.ends)
    answers.raised("at_both", near & far, distal=distal.name, proximal=proximal.name)
    answers.raised("at_one", near, site=distal.name)
    answers.raised("at_one", far, site=proximal.name)
    for end in pairs.ends:
        _cannot_show(answers, end, name)
    answers.cleared("at_none")


def _cannot_show(answers: Answers, end: Site, name: str) -> None:
    """Leave unexamined where this flag could not have been raised, and say why."""
    response, site = end.response, end.name
    answers.unexamined("no_waveform", ~response.has_waveform, site=site)
    if name == "differs_from_machine":
        answers.unexamined("nothing_printed", ~response.has_machine_values, site=site)
    else:
        answers.unexamined("not_measured", response.has(*_INVALID), site=site)


def late_negative_component(pairs: Pairs) -> Answers:
    """Late phases are said of a segment only where its numbers leave them out."""
    answers = pairs.answers_of_both()
    name = "late_negative_component"
    counted = known(
        *(pairs.number(f"total_{of}_pct") for of in ("area_reduction", "duration_increase"))
    )
    here = pairs.distal.has(name) | pairs.proximal.has(name)
    answers.cleared("counted", here & counted)
    _carry(answers, pairs, name)
    return answers


def _collect(*modules: ModuleType) -> dict[str, Check]:
    """Find the check of every flag of a segment, and of what a response carries over to it."""
    found: dict[str, Check] = {}
    for name, flag in flags.FLAGS.items():
        if flag.scope == "segment":
            found[name] = next(getattr(m, name) for m in modules if hasattr(m, name))
        elif flag.scope == "trace" and flag.level == "caution" and name not in _HAS_TWIN:
            found[name] = _of_trace(name)
        elif name == "late_negative_component":
            # A description of the response, but verdicts must not count its first phase alone.
            found[name] = late_negative_component
    return found


CHECKS: dict[str, Check] = _collect(technique, mimics, anastomosis)
"""Every check by the name of its flag, in the order of the registry."""


def ask(
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    details: Mapping[str, Details] | None = None,
    responses: Sequence[Trace | None] | None = None,
    *,
    stimuli: Sequence[Stimulus | None] | None = None,
    reference: str | ReferenceSet = reference.DEFAULT,
    recruitment: pd.DataFrame | None = None,
) -> Findings:
    """Ask every check of all adjacent segments; sentences are made with the table of the answers.

    Parameters
    ----------
    segments : DataFrame
        Table ``segments``; flags already raised there stay raised.
    traces : DataFrame
        Table ``traces`` of the same studies, typed-in rows included.
    details : mapping of study id to Details, optional
        What is absent leaves a check unexamined.
    responses : sequence of Trace or None, optional
        For each row of `traces`, the trace that was measured.
    stimuli : sequence of Stimulus or None, optional
        What is known of the stimulus of each row of `traces`, typed in or recorded; by default
        that of its trace.
    reference : str or ReferenceSet
        Set of normal limits, for the size of the distal response.
    recruitment : DataFrame, optional
        Table ``recruitment`` of `traces`; made from them when it is not given.

    Returns
    -------
    Findings
        Of every flag, the answers of all adjacent segments: ``raised``, ``cleared`` or
        ``not_examined``, with case and numbers; :meth:`Findings.table` gives table ``checks``
        with their words. Nothing given is changed.
    """
    is_adjacent = segments["is_adjacent"].to_numpy(dtype=bool, na_value=False)
    waveforms = responses or [None] * len(traces)
    pairs = pair_up(
        segments,
        is_adjacent,
        traces,
        details or {},
        waveforms,
        stimuli or [None if one is None else one.stimulus for one in waveforms],
        sweeps.recruitment_table(traces) if recruitment is None else recruitment,
        reference,
    )
    # What is unknown is NaN, and no comparison with it holds.
    with np.errstate(all="ignore"):
        answers = {name: _answered(name, check, pairs) for name, check in CHECKS.items()}
    return Findings(segments, is_adjacent, answers)


def _answered(name: str, check: Check, pairs: Pairs) -> Answers:
    """Ask one check; a flag that a segment has already stays raised."""
    answers = check(pairs)
    if not answers.are_complete:
        raise ValueError(
            f"check '{name}' leaves segments without an answer: what if no case holds?"
        )
    answers.stay_raised(pairs.has(name))
    return answers


def with_flags(segments: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Give `segments` with the flags that the checks raised joined in.

    Parameters
    ----------
    segments : DataFrame
        The table that was asked about; it is not changed.
    findings : Findings
        What :func:`ask` found.
    """
    texts = segments["quality_flags"].tolist()
    names = list(findings.answers)
    raised = np.array([one.is_raised for one in findings.answers.values()], dtype=bool).T
    for row, found in zip(np.flatnonzero(findings.is_adjacent).tolist(), raised, strict=True):
        more = [names[at] for at in np.flatnonzero(found).tolist()]
        texts[row] = flags.added(texts[row], *more)
    return segments.assign(quality_flags=pd.array(texts, dtype="string"))

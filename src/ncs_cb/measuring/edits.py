"""Corrections of a person, applied in one place: settings before choosing, markers after measuring.

They come from the log of a review (``Study.corrections``) and from the responses of
``study.toml``; an event whose samples are no longer those of the trace is refused and told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.measuring import printed as printed_rows
from ncs_cb.measuring import sweeps
from ncs_cb.measuring.between import NUMBERS, Markers, measure_between
from ncs_cb.measuring.traces import FACTS, measure_study_traces, response_status
from ncs_cb.model import Correction, Decision, Study, Trace, TypedResponse
from ncs_cb.review_file import REFUSED, said, still_standing

_KEPT = tuple(name for name in NUMBERS if name != "baseline_noise_mv")
_NOT_MEASURABLE = (
    "non_finite_samples",
    "flat_trace",
    "stimulus_outside_trace",
    "response_begun_before_sweep",
    "clipped",
)
_BY_FILE = "study.toml"
# An onset set so much later than the program's says that what the program saw is no response; a
# shorter way is a finer reading of the same response.
_OTHER_RESPONSE_MS = 1.0
Key = tuple[str, int]


@dataclass(slots=True)
class Edit:
    """What was corrected of one response: the last event of each kind that still holds."""

    markers: dict[str, Correction] = field(default_factory=dict)
    settings: dict[str, Correction] = field(default_factory=dict)
    is_excluded: bool = False
    is_chosen: bool = False
    events: list[Correction] = field(default_factory=list)
    ignore_until_ms: float | None = None

    @property
    def is_reviewed(self) -> bool:
        """Whether anybody looked at it: what a file only attests of its stimulus is no review."""
        return any(e.id or e.key not in ("supramaximal", "collision_used") for e in self.events)


@dataclass(frozen=True, slots=True)
class Review:
    """The corrections of one study as they stand.

    Attributes
    ----------
    edits : mapping of (recording, sweep) to Edit
        By the first sweep of each response, as recorded.
    firsts : mapping of (recording, sweep) to (recording, sweep)
        For each sweep, the first one of its response.
    refused : tuple of (Correction, str)
        Events that could not be applied, and why.
    undone : frozenset of str
        Ids of the events that were taken back.
    """

    edits: Mapping[Key, Edit]
    firsts: Mapping[Key, Key]
    refused: tuple[tuple[Correction, str], ...] = ()
    undone: frozenset[str] = frozenset()

    def of(self, trace: Trace) -> Edit | None:
        """Give what was corrected of a response; None when nothing was."""
        first = self.firsts.get((trace.recording, trace.sweep))
        return None if first is None else self.edits.get(first)


def digest(traces: Iterable[Trace]) -> str:
    """Give the digest by which a response is known again: samples, rate and stimulus.

    Of all its sweeps together, up to their sign: turning a trace over leaves its markers valid.
    """
    total = hashlib.sha256()
    for trace in sorted(traces, key=lambda t: t.sweep):
        samples = np.asarray(trace.samples_mv, dtype="<f8")
        finite = np.where(np.isfinite(samples), samples, 0.0)
        sign = -1.0 if finite.size and finite[np.argmax(np.abs(finite))] < 0.0 else 1.0
        head = f"{trace.sampling_rate_hz!r} {trace.stimulus_index} {samples.size}\0"
        # Adding zero makes one zero of the two.
        total.update(head.encode() + (sign * samples + 0.0).astype("<f8").tobytes())
    return f"sha256:{total.hexdigest()}"


def responses_of(study: Study) -> dict[Key, list[Trace]]:
    """Give the sweeps of each response as recorded, by recording and first sweep."""
    recorded = [trace for trace in study.traces if trace.kind != "f_wave"]
    groups = sweeps.repeats(recorded)
    return {(g[0].recording, min(t.sweep for t in g)): g for g in groups}


def replay(study: Study) -> Review:
    """Run through the corrections of a study, in order, and give what holds at the end."""
    told = _told_by_file(study)
    if not study.corrections and not told:
        return Review({}, {})
    responses = responses_of(study)
    firsts = {(t.recording, t.sweep): key for key, group in responses.items() for t in group}
    digests: dict[Key, str] = {}
    edits: dict[Key, Edit] = {}
    refused = []
    for key, edit in told:
        edits[key] = edit
    printed = printed_rows.rows_of(study)
    firsts |= {key: key for key in printed}
    standing, undone = still_standing(study.corrections)
    for event in standing:
        if event.text:
            continue  # a site for an unassigned stimulus: the reader has heard of it
        first = firsts.get((event.recording, -1 if event.sweep is None else event.sweep))
        problem = "there is no such response in the recordings"
        if first is not None:
            row = printed.get(first)
            if first not in digests:
                digests[first] = (
                    digest(responses[first]) if row is None else printed_rows.digest(row)
                )
            problem = _why_not(event, digests[first], row or responses[first][0])
            if row is not None:
                problem = problem or printed_rows.why_not(event)
        if first is None or problem:
            refused.append((event, problem))
            continue
        _take(edits.setdefault(first, Edit()), event)
    return Review(edits, firsts, tuple(refused), undone)


def allowed_ms(trace: Trace, marker: str | None) -> tuple[float, float]:
    """Give the times, from the stimulus, at which a marker may stand: within the sweep."""
    step = 1000.0 / trace.sampling_rate_hz
    first = -trace.stimulus_index * step
    return first if marker == "baseline" else 0.0, first + (len(trace.samples_mv) - 1) * step


def _why_not(event: Correction, samples: str, answer: Trace | TypedResponse) -> str:
    if event.samples != samples:
        return "the samples of this response have changed since"
    if event.action == "move" and isinstance(answer, Trace):
        low, high = allowed_ms(answer, event.marker)
        if not low <= float(event.to_value or 0.0) <= high:
            return f"the sweep allows {low:.4g} to {high:.4g} ms for '{event.marker}'"
    if event.key == "site":
        try:
            position(answer.site.nerve, resolve("sites", str(event.to_value)))
        except StudyError as problem:
            return problem.message.rstrip(".")
    return ""


def _take(edit: Edit, event: Correction) -> None:
    edit.events.append(event)
    if event.action == "move":
        edit.markers[str(event.marker)] = event
    elif event.action == "reset":
        for marker in [event.marker] if event.marker else list(edit.markers):
            edit.markers.pop(str(marker), None)
    elif event.action == "set":
        edit.settings[str(event.key)] = event
    elif event.action == "exclude":
        edit.is_excluded, edit.is_chosen = True, False
    elif event.action == "choose":
        edit.is_excluded, edit.is_chosen = False, True


def _told_by_file(study: Study) -> list[tuple[Key, Edit]]:
    """Give what ``study.toml`` says of single responses as if somebody had reviewed them."""
    told = {
        (name, site): said
        for name, recording in study.details.recordings.items()
        for site, said in getattr(recording, "responses", {}).items()
    }
    if not told:
        return []
    answers: dict[Key, Trace | TypedResponse] = {
        **{key: group[0] for key, group in responses_of(study).items()},
        **printed_rows.rows_of(study),
    }
    found = []
    for key, answer in answers.items():
        said = told.get((key[0], answer.site.stimulation_site))
        if said is not None:
            found.append((key, _as_edit(said, answer, key[1])))
    return found


def _as_edit(said: Any, answer: Trace | TypedResponse, sweep: int) -> Edit:
    edit = Edit(ignore_until_ms=said.ignore_until_ms)

    def event(action: str, **values: Any) -> Correction:
        return Correction(
            id="",
            at="",
            who=_BY_FILE,
            action=action,
            recording=answer.recording,
            sweep=sweep,
            site=answer.site.stimulation_site,
            from_by="auto",
            **values,
        )

    for marker, value in (("onset", said.onset_latency_ms), ("end", said.end_latency_ms)):
        if value is not None and isinstance(answer, Trace):
            _take(edit, event("move", marker=marker, to_value=float(value)))
    if said.supramaximal is not None:
        _take(edit, event("set", key="supramaximal", to_value=said.supramaximal))
    if said.exclude:
        _take(edit, event("exclude"))
    if edit.ignore_until_ms is not None:
        edit.events.append(event("ignore", to_value=float(edit.ignore_until_ms)))
    return edit


# ------------------------------------------------------------------ before choosing


def choose_responses(study: Study) -> sweeps.Chosen:
    """Choose the responses of a study as :func:`sweeps.choose_responses`, after its corrections.

    Settings are corrected first. A response that a person excluded is measured and kept, but
    used for nothing; where a person chose one, no other of its site is used.
    """
    review = replay(study)
    if not review.edits:
        return sweeps.choose_responses(study)
    traces = [_corrected(trace, review.of(trace)) for trace in study.traces]
    chosen_sites = _chosen_places(study, review)
    used: list[Trace] = []
    aside: list[Trace] = []
    for trace in traces:
        edit = review.of(trace)
        is_left_out = _place(trace) in chosen_sites and not (edit and edit.is_chosen)
        is_out = trace.kind != "f_wave" and (is_left_out or (edit is not None and edit.is_excluded))
        (aside if is_out else used).append(trace)
    chosen = sweeps.choose_responses(replace(study, traces=tuple(used)))
    if not aside:
        return chosen
    rest = sweeps.choose_responses(replace(study, traces=tuple(aside)))
    return _together(chosen, rest, traces)


def _chosen_places(study: Study, review: Review) -> set[printed_rows.Place]:
    """Give the sites for which a person chose an answer, as they are called after correction."""
    waveforms = {
        _place(_corrected(t, edit))
        for t in study.traces
        if (edit := review.of(t)) is not None and edit.is_chosen
    }
    rows = {
        _place(printed_rows.corrected_row(row, edit.settings))
        for key, row in printed_rows.rows_of(study).items()
        if (edit := review.edits.get(key)) is not None and edit.is_chosen
    }
    return waveforms | rows


def choose_rows(study: Study) -> tuple[TypedResponse, ...]:
    """Give the printed rows of a study after its corrections; those left out are flagged."""
    review = replay(study)
    if not review.edits:
        return study.typed_responses
    nothing = Edit()
    told = []
    for key, row in printed_rows.rows_of(study).items():
        edit = review.edits.get(key, nothing)
        made = printed_rows.corrected_row(row, edit.settings)
        told.append((made, edit.is_reviewed, edit.is_excluded, edit.is_chosen))
    return printed_rows.flagged(told, _chosen_places(study, review))


def _place(answer: Trace | TypedResponse) -> printed_rows.Place:
    return answer.site, answer.kind


def _together(used: sweeps.Chosen, aside: sweeps.Chosen, traces: Sequence[Trace]) -> sweeps.Chosen:
    """Put the responses that are not used among the others, in recording order."""
    number = {(t.recording, t.sweep): n for n, t in enumerate(traces)}
    rows = [
        (number.get((trace.recording, trace.sweep), len(number)), trace, raised, group, count)
        for chosen, mark in ((used, ()), (aside, ("not_used",)))
        for trace, raised, group, count in zip(
            (_unused(t) if mark else t for t in chosen.responses),
            ((*f, *mark) for f in chosen.flags),
            chosen.recruitment_groups if not mark else [None] * len(chosen.responses),
            chosen.sweep_counts,
            strict=True,
        )
    ]
    rows.sort(key=lambda row: row[0])
    averages = tuple(d for d in aside.decisions if d.topic == "average")
    return sweeps.Chosen(
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        (*used.decisions, *averages),
        tuple(row[3] for row in rows),
        tuple(row[4] for row in rows),
    )


def _unused(trace: Trace) -> Trace:
    return replace(trace, flags=(*dict.fromkeys((*trace.flags, "not_used")),))


def _corrected(trace: Trace, edit: Edit | None) -> Trace:
    """Give a sweep with the settings that a person corrected."""
    if edit is None or not edit.settings:
        return trace
    said = {key: event.to_value for key, event in edit.settings.items()}
    changed: dict[str, Any] = {}
    if "site" in said or "side" in said:
        changed["site"] = printed_rows.site_as_said(trace.site, said)
        if trace.repeat_group is not None:
            # Not to be averaged with those that have been there before.
            changed["repeat_group"] = f"{trace.repeat_group}; was {trace.site.stimulation_site}"
    changed["stimulus"] = printed_rows.stimulus_as_said(trace.stimulus, said)
    if "polarity" in said:
        changed["flags"] = tuple(f for f in trace.flags if f != "polarity_uncertain")
        if said["polarity"] == "negative_down":
            turned = -np.asarray(trace.samples_mv)
            turned.flags.writeable = False
            changed["samples_mv"] = turned
            if trace.range_mv is not None:
                changed["range_mv"] = (-trace.range_mv[1], -trace.range_mv[0])
    return replace(trace, **changed)


# ------------------------------------------------------------------ after measuring


def set_markers(
    traces: pd.DataFrame, responses: Sequence[Trace | None], studies: Sequence[Study]
) -> tuple[pd.DataFrame, list[tuple[Decision, ...]]]:
    """Put the markers that a person set in place of the automatic ones.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``, whose ``study_id`` is the running number of the study; not changed.
    responses : sequence of Trace or None
        For each row, the trace that was measured.
    studies : sequence of Study

    Returns
    -------
    DataFrame
        `traces` with the values between the corrected markers, the automatic ones in
        ``automatic_<column>``, and the flag ``reviewed``.
    list of tuple of Decision
        For each study, every event: what it did, who, when and why; or why it was refused.
    """
    reviews = {number: replay(study) for number, study in enumerate(studies)}
    reviewed = {n for n, review in reviews.items() if review.edits}
    told = [_decisions(study, reviews[number]) for number, study in enumerate(studies)]
    if not reviewed:
        return traces, told
    changed: dict[int, dict[str, Any]] = {}
    numbers = traces["study_id"].astype("int64").to_numpy()
    for place, trace in enumerate(responses):
        if trace is None or int(numbers[place]) not in reviewed:
            continue
        edit = reviews[int(numbers[place])].of(trace)
        if edit is not None and edit.is_reviewed:
            changed[place] = measured_after(trace, traces.iloc[place], edit)
    return _with_rows(traces, changed), told


def _with_rows(traces: pd.DataFrame, changed: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    columns = {}
    for name in dict.fromkeys(name for row in changed.values() for name in row):
        column = traces[name].copy()
        for place, row in changed.items():
            if name in row:
                column.iloc[place] = row[name]
        columns[name] = column
    return traces.assign(**columns)


def measured_after(trace: Trace, row: pd.Series, edit: Edit) -> dict[str, Any]:
    """Give what a correction changes in a row of ``traces`` of automatic values."""
    automatic = {name: float(row[name]) for name in NUMBERS}
    raised = flags.split(row["quality_flags"])
    found = dict(automatic)
    until_ms = _ignore_until(edit, automatic)
    if until_ms is not None:
        blanked, again, names = _ignoring(trace, until_ms)
        if edit.ignore_until_ms is not None or not np.isnan(again["onset_latency_ms"]):
            trace, found, raised = (
                blanked,
                again,
                [*names, *(f for f in raised if f not in FACTS.values())],
            )
    if edit.markers and not set(raised) & set(_NOT_MEASURABLE):
        is_used = "not_used" not in raised
        moved = {
            f"{name}_ms": float(event.to_value)  # type: ignore[arg-type]
            for name, event in edit.markers.items()
            if is_used or event.who != _BY_FILE or event.id
        }
        found = measure_between(trace, found, Markers(**moved))
        raised = _flags_after(raised, found)
    kept = {f"automatic_{name}": automatic[name] for name in _KEPT}
    told = flags.join([*raised, "reviewed"])
    return {**found, **kept, "quality_flags": told, "response": response_status(told)}


def _ignore_until(edit: Edit, automatic: Mapping[str, float]) -> float | None:
    """Give the time before which nothing is response; None where nobody said so."""
    said = [] if edit.ignore_until_ms is None else [edit.ignore_until_ms]
    onset = edit.markers.get("onset")
    if onset is not None:
        onset_ms = float(onset.to_value or 0.0)
        if onset_ms - automatic["onset_latency_ms"] > _OTHER_RESPONSE_MS:
            said.append(onset_ms - _OTHER_RESPONSE_MS)
    return max(said, default=None)


def _flags_after(raised: Sequence[str], found: Mapping[str, float]) -> list[str]:
    """Take back what a person has settled: that there is no response, no end, no late phase."""
    settled = {"late_negative_component"}
    if not np.isnan(found["negative_peak_amplitude_mv"]):
        settled.add("response_absent")
    if not np.isnan(found["total_negative_duration_ms"]):
        settled.add("sweep_cut")
    # As the kernel says it: more than a tenth of the area lies behind the first phase.
    late = found["total_negative_area_mv_ms"] > 1.1 * found["negative_peak_area_mv_ms"]
    return [f for f in raised if f not in settled] + ["late_negative_component"] * bool(late)


def _ignoring(trace: Trace, until_ms: float) -> tuple[Trace, dict[str, float], list[str]]:
    """Measure a trace again as if nothing had been recorded between stimulus and `until_ms`."""
    samples = np.array(trace.samples_mv, dtype=np.float64)
    start = max(trace.stimulus_index, 0)
    until = trace.stimulus_index + round(until_ms * trace.sampling_rate_hz / 1000.0)
    stop = max(min(until, samples.size - 1), start)
    wide = max(round(0.0002 * trace.sampling_rate_hz), 1)
    after = float(np.mean(samples[stop : stop + wide]))
    before = float(np.mean(samples[:start])) if start >= wide else after
    samples[start:stop] = np.linspace(before, after, stop - start)
    blanked = replace(trace, samples_mv=samples)
    row = measure_study_traces([blanked]).iloc[0]
    found = {name: float(row[name]) for name in NUMBERS}
    names = flags.split(row["quality_flags"])
    if found["onset_latency_ms"] < until_ms - 1000.0 / trace.sampling_rate_hz:
        # The response is under way by then: it begins, as far as it counts, where it may.
        found = measure_between(trace, found, Markers(onset_ms=until_ms))
        names = [*names, "artifact_overlaps_onset"]
    return blanked, found, list(dict.fromkeys(names))


# ------------------------------------------------------------------ in words


def _decisions(study: Study, review: Review) -> tuple[Decision, ...]:
    refused = {event.id: why for event, why in review.refused}
    made = []
    for edit in review.edits.values():
        made += [_decision(e, "") for e in edit.events if not e.id]
    for event in study.corrections:
        problem = refused.get(event.id, "")
        undone = "; taken back" if event.id in review.undone else ""
        made.append(_decision(event, problem, undone))
    return tuple(made)


def _decision(event: Correction, problem: str, undone: str = "") -> Decision:
    choice = said(event)
    if problem:
        return Decision(event.recording, "review", f"{REFUSED}{choice}", problem)
    return Decision(event.recording, "review", choice + undone, event.why or "no reason given")

"""The only place that knows the order of the steps: measure, pair, question, judge, conclude.

One study is the batch with n = 1: :func:`analyze` is ``analyze_many([study])[0]``, and the batch
engine takes the same tables before they are split, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ncs_cb
from ncs_cb import dispersion, flags, quality
from ncs_cb.columns import SEGMENT_KEYS, conform, keys_of
from ncs_cb.judging import (
    conclusion_tables,
    contradictions,
    diagnosis,
    features,
    impression,
    limits,
    sensory,
)
from ncs_cb.judging.examined import Examined, examined
from ncs_cb.judging.rows import gather
from ncs_cb.judging.verdicts import judge_in_short, written_out
from ncs_cb.knowledge import criteria as criteria_sets
from ncs_cb.knowledge import reference as reference_sets
from ncs_cb.knowledge import set_words, thresholds
from ncs_cb.knowledge.datafile import is_path
from ncs_cb.measuring import edits, f_waves, inching, machine, segments, stand_in, sweeps
from ncs_cb.measuring import traces as measuring
from ncs_cb.measuring.attested import attest_in_general
from ncs_cb.measuring.terminal import with_doubted_times
from ncs_cb.model import (
    BlockFit,
    DataFile,
    Decision,
    Details,
    Provenance,
    Response,
    ResponseStatus,
    Result,
    SetWords,
    Study,
    Trace,
    TypedResponse,
)
from ncs_cb.vocabulary import RESULT_TABLES

_SERIES = ["study_id", "nerve", "side", "muscle"]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What was found in many studies together, before it is split study by study.

    ``frames`` maps names of tables to DataFrames whose ``study_id`` is the running number of the
    study as text, since two studies may carry the same id, and whose evidence is in short
    (:class:`ncs_cb.model.Evidence`); ``checks`` holds what the checks found of each adjacent
    segment, ``responses`` the response behind each row of ``traces``, ``fits`` the fit of each
    row of ``segments`` that has one, ``decisions`` one tuple per study. ``visits`` holds what may
    be concluded from, by study: their segments and traces lack the numbers that nothing may be
    concluded from.
    """

    frames: Mapping[str, pd.DataFrame]
    checks: quality.Findings
    visits: tuple[Examined, ...]
    responses: tuple[Response, ...]
    fits: Mapping[int, dispersion.Fitted]
    decisions: tuple[tuple[Decision, ...], ...]


def analyze(
    study: Study,
    criteria: Sequence[str] | None = None,
    *,
    reference: str = reference_sets.DEFAULT,
    supramaximal: bool = False,
) -> Result:
    """Measure, compare and judge one study.

    Parameters
    ----------
    study : Study
        As :func:`ncs_cb.read_study` gives it; it is not changed.
    criteria : sequence of str, optional
        Ids of criteria sets, or paths of a laboratory's own; by default
        ``ncs_cb.knowledge.criteria.DEFAULT``.
    reference : str
        Id or path of the set of normal limits.
    supramaximal : bool
        Attest every motor stimulus of which neither the recording nor ``study.toml``, a review or
        the laboratory says whether it was supramaximal.

    Returns
    -------
    Result
        The study, its tables and what they rest on. What cannot be measured is NaN with a flag.

    Raises
    ------
    TableError
        If a criteria or reference set is unknown or malformed.
    """
    return analyze_many([study], criteria, reference=reference, supramaximal=supramaximal)[0]


def analyze_many(
    studies: Sequence[Study],
    criteria: Sequence[str] | None = None,
    *,
    reference: str = reference_sets.DEFAULT,
    supramaximal: bool = False,
) -> list[Result]:
    """Measure, compare and judge many studies in one vectorized pass; see :func:`analyze`.

    Returns
    -------
    list of Result
        One per study, in order; the same as analyzing each study alone.
    """
    tables = analyze_together(studies, criteria, reference=reference, supramaximal=supramaximal)
    return results(tables, studies, criteria, reference=reference, supramaximal=supramaximal)


def judged_by(
    study: Study, criteria: Sequence[str] | None = None, reference: str | None = None
) -> tuple[list[str] | None, str]:
    """Give the sets a study is judged by: the caller's, else its laboratory's, else the default."""
    said = {} if study.lab is None else study.lab.defaults
    sets = list(criteria) if criteria is not None else list(said.get("criteria", ())) or None
    return sets, reference or str(said.get("reference", reference_sets.DEFAULT))


def analyze_together(
    studies: Sequence[Study],
    criteria: Sequence[str] | None = None,
    *,
    reference: str = reference_sets.DEFAULT,
    supramaximal: bool = False,
) -> Tables:
    """Run every step on all studies at once and give the tables of all of them together.

    What only a report of one study shows (features, sensory readings, limits of normal) is left
    to :func:`results`.
    """
    studies = [attest_in_general(study, supramaximal=supramaximal) for study in studies]
    by_key = {_key(number): study for number, study in enumerate(studies)}
    details = {key: study.details for key, study in by_key.items()}
    chosen = [edits.choose_responses(study) for study in studies]
    traces, responses, sweep_counts = _measure(studies, chosen)
    waveforms = [response.trace for response in responses]
    traces, corrected = edits.set_markers(traces, waveforms, studies)
    recruitment = sweeps.recruitment_table(traces, sweep_counts)
    traces = with_doubted_times(sweeps.attest(traces, recruitment))
    traces, printed = machine.set_beside(traces, waveforms)
    used = segments.used_rows(traces)
    pairs = segments.pair_sites(traces, stand_in.printed_by_place(by_key), used=used)
    pairs, fits = _estimate(pairs, used, traces, waveforms)
    checks = _checks(pairs, traces, details, responses, reference, recruitment)
    pairs = quality.with_flags(pairs, checks)
    sets = criteria_sets.chosen(criteria)
    verdicts = judge_in_short(pairs, sets, reference=reference, details=details, checks=checks)
    frames = {
        "traces": traces,
        "segments": pairs,
        "verdicts": verdicts,
        "f_waves": _f_waves(studies),
        "recruitment": recruitment,
        "inching": inching.find_inching(traces),
    }
    readable = contradictions.readable(pairs, traces, checks)
    rows = gather(verdicts, *readable, frames["f_waves"], details)
    visits = examined(rows, details, reference_sets.chain(reference))
    frames |= _concluded(visits, studies, criteria, reference)
    stood_in = stand_in.decisions(by_key, pairs)
    decisions = tuple(
        (*study.decisions, *stood_in.get(key, ()), *marks, *choice.decisions, *printed.get(key, ()))
        for (key, study), marks, choice in zip(by_key.items(), corrected, chosen, strict=True)
    )
    return Tables(frames, checks, visits, responses, fits, decisions)


def _checks(
    pairs: pd.DataFrame,
    traces: pd.DataFrame,
    details: Mapping[str, Details],
    responses: Sequence[Response],
    reference: str,
    recruitment: pd.DataFrame,
) -> quality.Findings:
    return quality.ask(
        pairs,
        traces,
        details,
        [response.trace for response in responses],
        stimuli=[response.stimulus for response in responses],
        reference=reference,
        recruitment=recruitment,
    )


def _concluded(
    visits: Sequence[Examined],
    studies: Sequence[Study],
    criteria: Sequence[str] | None,
    reference: str,
) -> dict[str, pd.DataFrame]:
    """Give the tables that say what the numbers come to."""
    made = diagnosis.conclusions(visits, criteria=criteria)
    said = impression.impressions(
        visits,
        made,
        reference_sets.chain(reference),
        unassigned=_unassigned(studies),
        left_out=_left_out(studies),
    )
    return {
        "diagnosis": conclusion_tables.table(made),
        "statements": said,
        "asks": conclusion_tables.asks(made),
        "reasons": conclusion_tables.reasons(made),
    }


def _key(number: int) -> str:
    return f"{number:09d}"


def _details(studies: Sequence[Study]) -> dict[str, Details]:
    return {_key(number): study.details for number, study in enumerate(studies)}


def _unassigned(studies: Sequence[Study]) -> dict[str, tuple[str, ...]]:
    """Give the texts of the stimuli that name no site, by study."""
    return {
        _key(number): tuple(one.text for one in study.unassigned)
        for number, study in enumerate(studies)
        if study.unassigned
    }


def _left_out(studies: Sequence[Study]) -> dict[str, tuple[str, ...]]:
    """Give the rows of tables that hold values and could not be read, by study."""
    found = {}
    for number, study in enumerate(studies):
        rows = tuple(d.choice for d in study.decisions if d.topic == "rows left out")
        if rows:
            found[_key(number)] = rows
    return found


def _measure(
    studies: Sequence[Study], chosen: Sequence[sweeps.Chosen]
) -> tuple[pd.DataFrame, tuple[Response, ...], list[int]]:
    """Measure all responses in one pass and put the typed-in rows behind those of their study."""
    counts = [count for choice in chosen for count in choice.sweep_counts]
    waveforms = [trace for choice in chosen for trace in choice.responses]
    measured = measuring.measure_study_traces(waveforms)
    keys = [_key(number) for number, choice in enumerate(chosen) for _ in choice.responses]
    measured["study_id"] = pd.array(keys, dtype="string")
    printed = [edits.choose_rows(study) for study in studies]
    typed = [
        {"study_id": _key(number), **_typed_row(row)}
        for number, rows in enumerate(printed)
        for row in rows
    ]
    responses = [
        _of_trace(trace, status)
        for trace, status in zip(waveforms, measured["response"].tolist(), strict=True)
    ]
    if not typed:
        return measured, tuple(responses), counts
    responses += [_of_row(row) for rows in printed for row in rows]
    both = pd.concat([measured, conform(pd.DataFrame(typed), "traces")], ignore_index=True)
    order = np.argsort(both["study_id"].to_numpy(dtype=str), kind="stable")
    counts += [1] * len(typed)
    traces = conform(both.iloc[order], "traces")
    places = order.tolist()
    return traces, tuple(responses[i] for i in places), [counts[i] for i in places]


def _of_trace(trace: Trace, status: ResponseStatus) -> Response:
    return Response(
        trace.site, trace.recording, trace.kind, trace.stimulus, status, trace.machine, trace
    )


def _of_row(row: TypedResponse) -> Response:
    return Response(row.site, row.recording, row.kind, row.stimulus, row.response)


def _typed_row(row: TypedResponse) -> dict[str, object]:
    return {
        "recording": row.recording,
        "nerve": row.site.nerve,
        "side": row.site.side,
        "muscle": row.site.muscle,
        "kind": row.kind,
        "stimulation_site": row.site.stimulation_site,
        "distance_mm": row.stimulus.distance_mm,
        "stimulus_ma": row.stimulus.intensity_ma,
        "sampling_rate_hz": row.sampling_rate_hz,
        "high_pass_hz": row.high_pass_hz,
        "low_pass_hz": row.low_pass_hz,
        "response": row.response,
        "quality_flags": flags.join(row.flags),
        **row.values,  # noqa: PD011 - a field of ours, not of pandas
    }


def _estimate(
    pairs: pd.DataFrame,
    used: segments.Used,
    traces: pd.DataFrame,
    responses: Sequence[Trace | None],
) -> tuple[pd.DataFrame, dict[int, dispersion.Fitted]]:
    """Add the block estimate of each adjacent segment; it enters no published criterion."""
    said = traces["response"].tolist()
    found = {  # of a response that is absent none: noise fits, too
        place: None if str(said[row]) == "absent" else responses[row] for place, row in used.items()
    }
    adjacent = pairs["is_adjacent"].to_numpy(dtype=bool)
    ends = compress(keys_of(pairs, [*_SERIES, "distal_site", "proximal_site"]), adjacent)
    wanted = [
        (found[(*series, distal)], found[(*series, proximal)]) for *series, distal, proximal in ends
    ]
    estimates, words, fits = dispersion.fit_segments(wanted)
    rows = np.flatnonzero(adjacent).tolist()
    columns: dict[str, Any] = {}
    for name in estimates.keys() & {*pairs}:
        columns[name] = np.full(len(pairs), np.nan)
        columns[name][adjacent] = estimates[name]
    texts = pairs["quality_flags"].tolist()
    for row, more in zip(rows, words, strict=True):
        if more:
            texts[row] = flags.added(texts[row], *flags.split(more))
    table = pairs.assign(**columns, quality_flags=pd.array(texts, dtype="string"))
    return table, {rows[place]: fit for place, fit in fits.items()}


def _f_waves(studies: Sequence[Study]) -> pd.DataFrame:
    frames = []
    for number, study in enumerate(studies):
        sweeps_of_study = [trace for trace in study.traces if trace.kind == "f_wave"]
        if sweeps_of_study:
            frame = f_waves.f_wave_table(sweeps_of_study)
            frames.append(frame.assign(study_id=_key(number)))
    if not frames:
        return conform(pd.DataFrame(), "f_waves")
    return conform(pd.concat(frames, ignore_index=True), "f_waves")


# ------------------------------------------------------------------ from tables to results


def results(
    tables: Tables,
    studies: Sequence[Study],
    criteria: Sequence[str] | None = None,
    *,
    reference: str = reference_sets.DEFAULT,
    supramaximal: bool = False,
) -> list[Result]:
    """Say what the numbers mean and cut the tables of many studies into one result per study.

    Parameters
    ----------
    tables : Tables
        As :func:`analyze_together` gives them for the same studies and settings.
    studies : sequence of Study
    criteria, reference, supramaximal
        As in :func:`analyze`.

    Returns
    -------
    list of Result
        One per study, in order.
    """
    frames = {**tables.frames, **_judgement(tables, _details(studies), reference)}
    names = {_key(number): study.study_id for number, study in enumerate(studies)}
    parts = {name: _cut(frames[name], names) for name in RESULT_TABLES}
    responses, fits = _responses_by_study(tables), _fits_by_study(tables)
    files, sets = _data_files(criteria, reference), _set_words(criteria, reference)
    studies = [attest_in_general(study, supramaximal=supramaximal) for study in studies]
    # A file by its name: the same input gives the same bytes in another folder.
    named = Path(reference).name if is_path(reference) else reference
    settings = {"reference": named} | ({"supramaximal": "call"} if supramaximal else {})
    made = []
    for number, study in enumerate(studies):
        key = _key(number)
        own: dict[str, Any] = {name: part[key] for name, part in parts.items()}
        provenance = Provenance(
            version=ncs_cb.__version__,
            **files,
            sources=study.sources,
            settings=settings,
            decisions=tables.decisions[number],
        )
        made.append(
            Result(
                study=study,
                **own,
                responses=responses.get(key, ()),
                provenance=provenance,
                sets=sets,
                fits=fits.get(key, {}),
            )
        )
    return made


def _judgement(
    tables: Tables, details: Mapping[str, Details], reference: str
) -> dict[str, pd.DataFrame]:
    """Say what the numbers mean for whoever reads the report of one study."""
    traces, pairs = tables.frames["traces"], tables.frames["segments"]
    sets = reference_sets.chain(reference)
    typical, others = features.features_and_differential(tables.visits, sets)
    studies = sensory.judged(traces, details, sets)
    return {
        "verdicts": written_out(tables.frames["verdicts"]),
        "checks": tables.checks.table(),
        "features": typical,
        "differential": others,
        "sensory": sensory.sensory_table(studies),
        "limits": limits.limits_table(traces, pairs, details, studies, sets),
    }


def _data_files(criteria: Sequence[str] | None, reference: str) -> dict[str, tuple[DataFile, ...]]:
    """Give id, revision and SHA-256 of every data file that these settings use."""
    sets, chain = criteria_sets.chosen(criteria), reference_sets.chain(reference)
    return {
        "criteria": tuple(DataFile(s.id, s.revision, s.sha256) for s in sets),
        "reference": (
            *(DataFile(s.id, s.revision, s.sha256) for s in chain),
            thresholds.data_file(),
            dispersion.data_file(),
        ),
    }


def _set_words(criteria: Sequence[str] | None, reference: str) -> tuple[SetWords, ...]:
    return (
        *map(set_words.of_criteria, criteria_sets.chosen(criteria)),
        *map(set_words.of_reference, reference_sets.chain(reference)),
    )


def _fits_by_study(tables: Tables) -> dict[str, dict[tuple[str, str, str, str], BlockFit]]:
    """Give the curves of each fit, by study and segment."""
    columns = [tables.frames["segments"][name].tolist() for name in SEGMENT_KEYS]
    found: dict[str, dict[tuple[str, str, str, str], BlockFit]] = {}
    for row, fitted in tables.fits.items():
        study, nerve, side, muscle, segment = (str(column[row]) for column in columns)
        found.setdefault(study, {})[nerve, side, muscle, segment] = dispersion.curves(fitted)
    return found


def _cut(frame: pd.DataFrame, names: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Cut a table study by study, in the order of `names`: of keys, and the ids put for them."""
    keys = frame["study_id"].to_numpy(dtype=str)
    order = np.argsort(keys, kind="stable")
    # All rows are put in order at once, where they are not; a study is a stretch of them.
    whole = frame if np.all(order[1:] > order[:-1]) else frame.iloc[order]
    own = [names[key] for key in keys[order].tolist()]
    whole = whole.assign(study_id=pd.array(own, dtype="string"))
    ends = np.searchsorted(keys[order], [*names], side="right").tolist()
    parts = {}
    for key, start, end in zip(names, [0, *ends], ends, strict=False):
        parts[key] = whole.iloc[start:end]
        parts[key].index = pd.RangeIndex(end - start)
    return parts


def _responses_by_study(tables: Tables) -> dict[str, tuple[Response, ...]]:
    found: dict[str, list[Response]] = {}
    keys = tables.frames["traces"]["study_id"].tolist()
    for key, response in zip(keys, tables.responses, strict=True):
        found.setdefault(key, []).append(response)
    return {key: tuple(items) for key, items in found.items()}

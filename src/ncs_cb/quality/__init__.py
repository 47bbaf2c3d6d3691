"""What else could look like block: one check per flag, each in three values.

A check raises its flag, clears it, or says that it was not examined and what was missing.
Adding one takes a row in ``flags.py``, a function of the same name in this package, its
sentences in the catalogs and its limits in ``tables/quality.toml``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.columns import SEGMENT_KEYS, conform, records
from ncs_cb.knowledge import reference, thresholds
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.knowledge.thresholds import data_file
from ncs_cb.measuring import sweeps
from ncs_cb.measuring.segments import guess_distances
from ncs_cb.measuring.unlike import is_one_shape
from ncs_cb.model import Details, Stimulus, Trace
from ncs_cb.quality import mimics, shape, technique
from ncs_cb.quality.pair import (
    Check,
    Finding,
    Pair,
    Response,
    Visit,
    cleared,
    known,
    no_rows,
    raised,
    unexamined,
)
from ncs_cb.wording.checks import say

__all__ = ["CHECKS", "ask", "data_file", "examine", "with_flags", "with_sentences"]

# Said of a segment by a flag of its own.
_HAS_TWIN = frozenset({"response_absent", "supramaximality_denied"})
_SERIES = ["study_id", "nerve", "side", "muscle"]


def _of_trace(name: str) -> Check:
    """Make the check that carries a caution about either response over to the segment."""

    def check(pair: Pair) -> Finding:
        both = pair.both()
        if both is None:
            return no_rows(pair)
        at = [s for s, r in zip(pair.sites, both, strict=True) if name in r.flags]
        if len(at) == 2:
            return raised("at_both", distal=at[0], proximal=at[1])
        if at:
            return raised("at_one", site=at[0])
        for site, response in zip(pair.sites, both, strict=True):
            case = _cannot_show(name, response)
            if case:
                return unexamined(case, site=site)
        return cleared("at_none")

    check.__name__ = name
    return check


def _where_it_is_left_out(carried: Check) -> Check:
    """Let late phases be said of a segment only where its numbers leave them out."""

    def check(pair: Pair) -> Finding:
        finding = carried(pair)
        counted = ("total_area_reduction_pct", "total_duration_increase_pct")
        if finding.state == "raised" and known(*map(pair.number, counted)):
            return cleared("counted")
        return finding

    check.__name__ = carried.__name__
    return check


def _cannot_show(name: str, response: Response) -> str:
    """Say why this flag could not have been raised; empty where it could."""
    if response.trace is None:
        return "no_waveform"
    if name == "differs_from_machine":
        machine = response.trace.machine
        has_values = machine.onset_latency_ms is not None or machine.amplitude_mv is not None
        return "" if has_values else "nothing_printed"
    return "not_measured" if response.flags & _INVALID else ""


_INVALID = frozenset(f.name for f in flags.FLAGS.values() if f.level == "invalid")


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
            found[name] = _where_it_is_left_out(_of_trace(name))
    return found


CHECKS: dict[str, Check] = _collect(technique, mimics)
"""Every check by the name of its flag, in the order of the registry."""

# Cautions of a response that need nothing but its waveform.
_PLAIN = frozenset(
    name for name in CHECKS if flags.FLAGS[name].scope == "trace" and name != "differs_from_machine"
)


def examine(
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    details: Mapping[str, Details] | None = None,
    responses: Sequence[Trace | None] | None = None,
    *,
    stimuli: Sequence[Stimulus | None] | None = None,
    reference: str | ReferenceSet = reference.DEFAULT,
    recruitment: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Ask every check of every adjacent segment, and word what each found; see :func:`ask`."""
    found = ask(
        segments,
        traces,
        details,
        responses,
        stimuli=stimuli,
        reference=reference,
        recruitment=recruitment,
    )
    return with_sentences(found)


def with_sentences(checks: pd.DataFrame) -> pd.DataFrame:
    """Give table ``checks`` with the arithmetic of each answer in words; `checks` is unchanged."""
    answers = zip(*(checks[name].tolist() for name in ("flag", "case", "numbers")), strict=True)
    return checks.assign(arithmetic=pd.array([say(*one) for one in answers], dtype="string"))


def ask(
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    details: Mapping[str, Details] | None = None,
    responses: Sequence[Trace | None] | None = None,
    *,
    stimuli: Sequence[Stimulus | None] | None = None,
    reference: str | ReferenceSet = reference.DEFAULT,
    recruitment: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Ask every check of every adjacent segment; sentences are for who reads them.

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
    DataFrame
        Table ``checks``: one row per adjacent segment and flag, with ``state`` (``raised``,
        ``cleared``, ``not_examined``), case and numbers; ``arithmetic`` is left unknown, see
        :func:`with_sentences`. Nothing given is changed.
    """
    adjacent = segments[segments["is_adjacent"].fillna(False).to_numpy(dtype=bool)]
    traced = responses or [None] * len(traces)
    visits = _visits(
        traces,
        details or {},
        traced,
        stimuli or [None if one is None else one.stimulus for one in traced],
        sweeps.recruitment_table(traces) if recruitment is None else recruitment,
    )
    pairs = _pairs(adjacent, visits, details or {}, reference)
    names = list(CHECKS)
    findings = [finding for pair in pairs for finding in _findings(pair)]
    keys = adjacent[list(SEGMENT_KEYS)].loc[adjacent.index.repeat(len(names))]
    table = keys.reset_index(drop=True).assign(
        flag=names * len(pairs),
        state=[finding.state for finding in findings],
        case=[finding.case for finding in findings],
        numbers=pd.Series([dict(finding.numbers) for finding in findings], dtype=object),
    )
    return conform(table, "checks")


def _findings(pair: Pair) -> list[Finding]:
    """Ask every check of one segment; a flag that it has already stays raised."""
    already, carried = pair.flags, _carried(pair)
    found = []
    for name, check in CHECKS.items():
        finding = check(pair) if carried is None or name not in carried else _AT_NONE
        is_new = name in already and finding.state != "raised"
        found.append(raised("already") if is_new else finding)
    return found


_AT_NONE = cleared("at_none")


def _carried(pair: Pair) -> frozenset[str] | None:
    """Give the cautions that neither response has, where both could have been raised."""
    both = pair.both()
    if both is None or any(one.trace is None or one.flags & _INVALID for one in both):
        return None
    return _PLAIN - both[0].flags - both[1].flags


def with_flags(segments: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Give `segments` with the flags that the checks raised joined in.

    Parameters
    ----------
    segments, checks : DataFrame
        Tables ``segments`` and ``checks``; they are not changed.
    """
    keys = list(SEGMENT_KEYS)
    found: dict[tuple[Hashable, ...], list[str]] = {}
    is_raised = (checks["state"] == "raised").fillna(False).to_numpy(dtype=bool)
    for *key, name in _rows(checks.loc[is_raised], [*keys, "flag"]):
        found.setdefault(_key(key), []).append(name)
    names = []
    adjacent = segments["is_adjacent"].fillna(False).to_numpy(dtype=bool)
    rows = _rows(segments, [*keys, "quality_flags"])
    for (*key, text), is_adjacent in zip(rows, adjacent, strict=True):
        more = found.get(_key(key), []) if is_adjacent else []
        names.append(flags.join([*flags.split(text), *more]))
    return segments.assign(quality_flags=pd.array(names, dtype="string"))


def _rows(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[name].tolist() for name in names), strict=True)


def _key(parts: Sequence[Any]) -> tuple[Hashable, ...]:
    """Make missing ids comparable: NA is not equal to itself."""
    return tuple(None if part is pd.NA else part for part in parts)


# ------------------------------------------------------------------ what the checks see


def _visits(
    traces: pd.DataFrame,
    details: Mapping[str, Details],
    responses: Sequence[Trace | None],
    stimuli: Sequence[Stimulus | None],
    recruitment: pd.DataFrame,
) -> dict[Hashable, Visit]:
    plateaus = _plateaus(recruitment)
    growing = sweeps.still_growing(traces)
    visits: dict[Hashable, Visit] = {}
    others: dict[tuple[Hashable, tuple[Any, Any, Any, Any]], list[Response]] = {}
    for row, trace, stimulus in zip(records(traces), responses, stimuli, strict=True):
        study = _key([row["study_id"]])[0]
        visit = visits.setdefault(study, Visit(details.get(str(study), Details())))
        if row["kind"] != "motor":
            continue
        place = (row["nerve"], row["side"], row["muscle"], row["stimulation_site"])
        one = _response(row, trace, stimulus, visit.details, plateaus.get((study, *place)))
        if (study, *_key(place)) in growing:
            one = replace(one, is_growing=True)
        if flags.stands(row):
            visit.responses.setdefault(place, one)
        elif "repeats_differ" in one.flags:
            others.setdefault((study, place), []).append(one)
    for (study, place), told in others.items():
        used = visits[study].responses.get(place)
        # Without a word on this stimulus itself, rising answers are those to a rising current.
        if used is None or (used.is_growing and used.is_supramaximal is not True):
            continue
        if any(_is_same_stimulus(used, one) and not _is_later(used, one) for one in told):
            visits[study].responses[place] = replace(used, is_unsteady=True)
    return visits


def _is_same_stimulus(one: Response, other: Response) -> bool:
    """Tell whether two answers at one site must be alike: one current, or both supramaximal."""
    if "repeats_differ" not in one.flags:
        return False
    currents = one.number("stimulus_ma"), other.number("stimulus_ma")
    if all(map(math.isfinite, currents)):
        return math.isclose(*currents)
    return one.is_supramaximal is True and other.is_supramaximal is True


def _is_later(one: Response, other: Response) -> bool:
    """Tell whether two answers are one response that comes at two times: neither has moved."""
    if one.trace is None or other.trace is None:
        return False
    sizes = one.amplitude_mv, other.amplitude_mv
    share = thresholds.value("sweeps.repeat_amplitude_share")
    if not known(*sizes) or abs(sizes[0] - sizes[1]) > share * max(sizes):
        return False
    return is_one_shape(one.trace, other.trace)


def _plateaus(recruitment: pd.DataFrame) -> dict[tuple[Hashable, ...], bool]:
    names = [*_SERIES, "stimulation_site", "is_supramaximal"]
    rows = recruitment[names].drop_duplicates()
    return {
        _key(place): bool(reached)
        for *place, reached in rows.itertuples(index=False, name=None)
        if reached is not pd.NA
    }


def _response(
    row: Mapping[str, Any],
    trace: Trace | None,
    stimulus: Stimulus | None,
    details: Details,
    plateau: bool | None,
) -> Response:
    """Gather what is attested of a response; ``study.toml`` speaks for rows without a trace."""
    said = details.recordings.get(str(row["recording"]))
    supramaximal, collision = (
        (stimulus.is_supramaximal, stimulus.collision_used)
        if stimulus is not None
        else (None, None)
    )
    by = None if stimulus is None else stimulus.supramaximal_by
    if said is not None:
        by = "study.toml" if supramaximal is None else by
        supramaximal = said.supramaximal if supramaximal is None else supramaximal
        collision = said.collision_used if collision is None else collision
    return Response(row, trace, supramaximal, plateau, collision, by)


def _pairs(
    adjacent: pd.DataFrame,
    visits: dict[Hashable, Visit],
    details: Mapping[str, Details],
    limits: str | ReferenceSet,
) -> list[Pair]:
    rows = records(adjacent)
    low_high = reference.lower_amplitude_limits(adjacent, limits, details)[["low", "high"]]
    parts: list[_Part] = []
    for row in rows:
        study = _key([row["study_id"]])[0]
        visit = visits.setdefault(study, Visit(details.get(str(study), Details())))
        series = (row["nerve"], row["side"], row["muscle"])
        visit.segments.setdefault(series, []).append(row)
        distal = visit.responses.get((*series, row["distal_site"]))
        parts.append((row, distal, visit.responses.get((*series, row["proximal_site"])), visit))
    columns = (
        _correlations(parts).tolist(),
        map(tuple, low_high.to_numpy(dtype=np.float64).tolist()),
        _guesses(parts),
    )
    return [Pair(*part, *own) for part, *own in zip(parts, *columns, strict=True)]


_Part = tuple[Mapping[str, Any], Response | None, Response | None, Visit]


def _guesses(parts: Sequence[_Part]) -> list[int]:
    """Give what the distances of each pair look like."""
    nothing = (math.nan, math.nan, math.nan)
    numbers = [
        nothing if distal is None or proximal is None else _distances(distal, proximal)
        for _, distal, proximal, _ in parts
    ]
    known = anatomy().nerves
    is_leg = [row["nerve"] in known and known[row["nerve"]].limb == "leg" for row, *_ in parts]
    near, far, delay = np.array(numbers, dtype=np.float64).reshape(-1, 3).T
    guesses: list[int] = guess_distances(near, far, delay, np.array(is_leg, dtype=bool)).tolist()
    return guesses


def _distances(distal: Response, proximal: Response) -> tuple[float, float, float]:
    """Give both distances, and by how much the proximal latency is longer."""
    near, far = (one.number("onset_latency_ms") for one in (distal, proximal))
    return distal.number("distance_mm"), proximal.number("distance_mm"), far - near


def _correlations(parts: Sequence[_Part]) -> NDArray[np.float64]:
    """Correlate the shapes of each pair; where they differ, also with the most distal response.

    When block takes some of the groups out of a response that is dispersed already, the rest is
    no dispersed copy of it. It still is one of the compact response nearer to the muscle.
    """
    alike = shape.correlations([_comparable(*part[1:3]) for part in parts])
    least = thresholds.value("submaximal_proximal.minimum_correlation")
    for n in np.flatnonzero(alike < least).tolist():
        row, _, proximal, visit = parts[n]
        first = visit.segments[row["nerve"], row["side"], row["muscle"]][0]
        place = (row["nerve"], row["side"], row["muscle"], first["distal_site"])
        farther = shape.correlations([_comparable(visit.responses.get(place), proximal)])
        alike[n] = np.fmax(alike[n], farther[0])
    return alike


def _comparable(
    distal: Response | None, proximal: Response | None
) -> tuple[shape.Measured, shape.Measured] | None:
    """Give both responses for the comparison of shapes, or None when that would mislead."""
    measured = []
    for response in (distal, proximal):
        if response is None or response.trace is None or response.flags & _UNCOMPARABLE:
            return None
        onset_ms = response.number("onset_latency_ms")
        baseline_mv = response.number("baseline_mv")
        if not (math.isfinite(onset_ms) and math.isfinite(baseline_mv)):
            return None
        noise_mv = response.number("baseline_noise_mv")
        noise_mv = 0.0 if math.isnan(noise_mv) else noise_mv
        measured.append(shape.Measured(response.trace, onset_ms, baseline_mv, noise_mv))
    near, far = measured
    filters = [(m.trace.high_pass_hz, m.trace.low_pass_hz) for m in measured]
    return (near, far) if filters[0] == filters[1] else None


_UNCOMPARABLE = frozenset({"artifact_overlaps_onset", "polarity_uncertain"})

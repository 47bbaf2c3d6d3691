"""Markers that ``study.toml`` sets are held to what a review may set."""

from __future__ import annotations

import numpy as np

from ncs_cb.errors import StudyError
from ncs_cb.measuring import edits
from ncs_cb.measuring.between import marker_times
from ncs_cb.measuring.traces import measure_study_traces
from ncs_cb.model import ResponseOverride, Study, Trace

_FILE = "study.toml"
_HINT = "Correct it, or take the line away: the program then sets the marker itself."


def refuse_impossible(study: Study) -> None:
    """Refuse markers outside their sweep, or in an order that no response has.

    Raises
    ------
    StudyError
        Naming file, key, value and what is allowed.
    """
    told = {
        (name, site): said
        for name, recording in study.details.recordings.items()
        for site, said in recording.responses.items()
        if said.onset_latency_ms is not None or said.end_latency_ms is not None
    }
    if not told:
        return
    for trace in edits.choose_responses(study).responses:
        recording, site = trace.recording, trace.site.stimulation_site
        said = told.get((recording, site))
        if said is None or trace.kind == "f_wave" or "not_used" in trace.flags:
            continue
        key = f'recordings."{recording}".responses.{site}'
        _refuse_outside(trace, key, said)
        _refuse_disorder(study, trace, key, said)


def _refuse_outside(trace: Trace, key: str, said: ResponseOverride) -> None:
    for marker, value in (("onset", said.onset_latency_ms), ("end", said.end_latency_ms)):
        low, high = edits.allowed_ms(trace, marker)
        if value is not None and not low <= value <= high:
            raise StudyError(
                f"{key}.{marker}_latency_ms: {value:g} ms; the sweep allows {low:.4g} to "
                f"{high:.4g} ms for '{marker}'.",
                source=_FILE,
                hint=_HINT,
            )


def _refuse_disorder(study: Study, trace: Trace, key: str, said: ResponseOverride) -> None:
    table = measure_study_traces([trace]).assign(study_id="0")
    row = edits.set_markers(table, [trace], [study])[0].iloc[0]
    if "reviewed" not in str(row["quality_flags"]):
        return  # nothing to measure in this trace: no marker was set
    times = marker_times(row)
    onset, end = times["onset"], said.end_latency_ms
    if end is None:
        # The program's own: behind an onset that was set, or where it stood without that.
        automatic = marker_times(table.iloc[0])
        end = automatic["end"] if np.isnan(times["end"]) else times["end"]
    if not end <= onset:
        return
    marker, value = "onset", said.onset_latency_ms
    if value is None:
        marker, value = "end", end
    raise StudyError(
        f"{key}.{marker}_latency_ms: {value:g} ms; onset, peak and end would not follow each "
        f"other: onset {onset:.4g}, end {end:.4g} ms.",
        source=_FILE,
        hint=_HINT,
    )

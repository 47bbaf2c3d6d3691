"""How a response stands at this moment: markers, settings, and who set them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.measuring import edits, printed
from ncs_cb.measuring.between import marker_times
from ncs_cb.measuring.traces import measure_study_traces
from ncs_cb.model import Correction, Response, Study, Trace, TypedResponse

_NO_WAVEFORM = "a printed row has no waveform: only its setting can be corrected."


@dataclass(frozen=True, slots=True)
class Standing:
    """One response with its corrections applied.

    Attributes
    ----------
    key : (recording, sweep)
        Its first sweep.
    samples : str
        Digest of what was recorded.
    answer : Trace or TypedResponse
        What is measured: corrected, averaged; or the printed row, corrected.
    markers : mapping of str to float or None
        In ms from the stimulus; None where there is none.
    settings : mapping of str to value
    by : mapping of str to str
        Who set a marker or a setting; nothing for the program and the file.
    automatic : Series or None
        The row of ``traces`` before its markers were corrected; None for a printed row.
    edit : Edit
        What was corrected so far.
    """

    key: edits.Key
    samples: str
    answer: Trace | TypedResponse
    markers: Mapping[str, float | None]
    settings: Mapping[str, Any]
    by: Mapping[str, str]
    automatic: pd.Series | None = None
    edit: edits.Edit = field(default_factory=edits.Edit)

    @property
    def site(self) -> str:
        """Where the nerve was stimulated."""
        return self.answer.site.stimulation_site


def of_response(study: Study, asked: Mapping[str, Any]) -> Standing:
    """Find the response that is meant and give it as it stands.

    Parameters
    ----------
    study : Study
    asked : mapping
        ``recording``, ``sweep``, ``site``: as many as it takes to tell which. Of several
        responses of one site, the one that is used is meant.

    Raises
    ------
    StudyError
        If there is none, or more than one; the message lists what there is.
    """
    review = edits.replay(study)
    recorded = edits.responses_of(study)
    chosen = edits.choose_responses(study).responses
    by_key = {key: t for t in chosen if (key := _key(review, recorded, t)) is not None}
    rows = printed.rows_of(study)
    shown = dict(zip(rows, edits.choose_rows(study), strict=True))
    answers: dict[edits.Key, Trace | TypedResponse] = {**by_key, **shown}
    found = [key for key, trace in by_key.items() if _fits(key, trace, recorded[key], asked)]
    found += [key for key, row in shown.items() if _is_row(key, row, rows[key], asked)]
    used = [key for key in found if "not_used" not in answers[key].flags]
    if len(found) > 1 and len(used) == 1:
        found = used
    if len(found) != 1:
        raise _not_one(found, answers, asked)
    key = found[0]
    if key in shown:
        return _of_row(review, key, rows[key], shown[key])
    return _standing(study, review, key, recorded[key], by_key[key])


def _is_row(
    key: edits.Key, row: TypedResponse, as_printed: TypedResponse, asked: Mapping[str, Any]
) -> bool:
    site = asked.get("site")
    sites = {row.site.stimulation_site, as_printed.site.stimulation_site}
    return (
        asked.get("recording") in (None, key[0])
        and asked.get("sweep") in (None, key[1])
        and (site is None or resolve("sites", str(site)) in sites)
    )


def _key(
    review: edits.Review, recorded: Mapping[edits.Key, list[Trace]], trace: Trace
) -> edits.Key | None:
    own = (trace.recording, trace.sweep)
    if own in review.firsts:
        return review.firsts[own]
    for key, sweeps in recorded.items():
        if any((t.recording, t.sweep) == own for t in sweeps):
            return key
    return None


def _fits(key: edits.Key, trace: Trace, sweeps: list[Trace], asked: Mapping[str, Any]) -> bool:
    site = asked.get("site")
    sites = {t.site.stimulation_site for t in (trace, *sweeps)}
    return (
        asked.get("recording") in (None, key[0])
        and (asked.get("sweep") is None or any(t.sweep == asked["sweep"] for t in sweeps))
        and (site is None or resolve("sites", str(site)) in sites)
    )


def _not_one(
    found: list[edits.Key],
    by_key: Mapping[edits.Key, Trace | TypedResponse],
    asked: Mapping[str, Any],
) -> StudyError:
    listed = found or list(by_key)
    known = "; ".join(
        f"{key[0]}, sweep {key[1]}, {by_key[key].site.stimulation_site}" for key in listed[:20]
    )
    meant = ", ".join(
        f"{k} {str(v)[:120]}" for k, v in asked.items() if k in ("recording", "sweep", "site")
    )
    what = f"names {len(found)} responses" if found else "names no response of this study"
    return StudyError(
        f"trace: '{meant}' {what}; known: {known or 'none'}.",
        hint="Give recording, site and sweep of one of them.",
    )


def _standing(
    study: Study, review: edits.Review, key: edits.Key, sweeps: list[Trace], trace: Trace
) -> Standing:
    table = measure_study_traces([trace]).assign(study_id="0")
    row = edits.set_markers(table, [trace], [study])[0].iloc[0]
    edit = review.edits.get(key) or edits.Edit()
    baseline = edit.markers.get("baseline")
    times = marker_times(row) | {
        "baseline": float("nan") if baseline is None else float(baseline.to_value or 0.0)
    }
    polarity = edit.settings.get("polarity")
    settings = {
        **settings_of(trace),
        "polarity": "negative_up" if polarity is None else polarity.to_value,
    }
    by = {name: event.who for name, event in (*edit.markers.items(), *edit.settings.items())}
    markers = {name: None if math.isnan(value) else value for name, value in times.items()}
    found = table.iloc[0]
    return Standing(key, edits.digest(sweeps), trace, markers, settings, by, found, edit)


def _of_row(
    review: edits.Review, key: edits.Key, as_printed: TypedResponse, row: TypedResponse
) -> Standing:
    edit = review.edits.get(key) or edits.Edit()
    by = {name: event.who for name, event in edit.settings.items()}
    return Standing(key, printed.digest(as_printed), row, {}, settings_of(row), by)


def settings_of(answer: Response | Trace | TypedResponse) -> dict[str, Any]:
    """Give what can be corrected of an answer besides its markers."""
    return {
        "site": answer.site.stimulation_site,
        "side": answer.site.side,
        "distance_mm": answer.stimulus.distance_mm,
        "supramaximal": answer.stimulus.is_supramaximal,
        "collision_used": answer.stimulus.collision_used,
    }


def checked_time(now: Standing, marker: str, to_ms: Any) -> float:
    """Give the time a marker is moved to.

    Raises
    ------
    StudyError
        If it lies outside the sweep, or onset, peak and end would change places.
    """
    is_number = isinstance(to_ms, int | float) and not isinstance(to_ms, bool)
    # Compared first: a whole number beyond all floating ones cannot be asked whether it is finite.
    if not is_number or not abs(to_ms) <= sys.float_info.max:
        raise StudyError("to_ms: must be a finite number, in ms from the stimulus.")
    trace = now.answer
    if not isinstance(trace, Trace) or now.automatic is None:
        raise StudyError(_NO_WAVEFORM)
    low, high = edits.allowed_ms(trace, marker)
    if not low <= to_ms <= high:
        raise StudyError(
            f"to_ms: {to_ms:g} ms; the sweep allows {low:.4g} to {high:.4g} ms for '{marker}'."
        )
    after = _times_after(now, (trace, now.automatic), marker, float(to_ms))
    times = [time for time in after.values() if not math.isnan(time)]
    if times != sorted(times) or len(set(times)) < len(times):
        words = ", ".join(f"{n} {t:.4g}" for n, t in after.items() if not math.isnan(t))
        raise StudyError(
            f"to_ms: onset, peak and end would not follow each other: {words} ms.",
            hint="Move the other marker first.",
        )
    return float(to_ms)


def _times_after(
    now: Standing, measured: tuple[Trace, pd.Series], marker: str, to_ms: float
) -> dict[str, float]:
    """Give onset, peak and end as they would stand; the peak only where a person sets it.

    An onset that is set far behind the program's brings the program's own peak and end with it.
    """
    trace, automatic = measured
    moved = Correction("", "", "who asks", "move", marker=marker, to_value=to_ms)
    markers = {**now.edit.markers, marker: moved}
    edit = replace(now.edit, markers=markers, events=[*now.edit.events, moved])
    times = marker_times({**dict(automatic), **edits.measured_after(trace, automatic, edit)})
    if "end" in markers:
        times["end"] = float(markers["end"].to_value or 0.0)
    elif math.isnan(times["end"]) and now.markers["end"] is not None:
        times["end"] = now.markers["end"]  # nothing was found behind that onset
    shown = [name for name in ("onset", "peak", "end") if name != "peak" or "peak" in markers]
    return {name: times[name] for name in shown}


def resolved(now: Standing, key: str, value: Any) -> Any:
    """Give the value of a setting as it is kept: a site as its id.

    Raises
    ------
    StudyError
        If the nerve has no such site, or a printed row no such setting.
    """
    if key not in now.settings:
        raise StudyError(_NO_WAVEFORM)
    if key != "site":
        return value
    site = resolve("sites", str(value))
    position(now.answer.site.nerve, site)
    return site

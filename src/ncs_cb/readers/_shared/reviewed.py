"""The corrections of a review that lie beside the recordings, added to a study."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from ncs_cb.model import Decision, Details, RecordingOverride, Source, Study
from ncs_cb.readers._shared.folders import StudyInput, unique_names
from ncs_cb.review_file import LOG_FILE, Log, TornLogWarning, is_log, still_standing


def with_review(study: Study, found: StudyInput, path: Path, log: Log) -> Study:
    """Add the corrections that lie beside the recordings; others' are named, not applied.

    Parameters
    ----------
    study : Study
    found : StudyInput
    path : Path
        Where the log of its corrections lies.
    log : Log
        What stands in it.
    """
    decisions = [
        Decision(other.name, "review", "not applied", "the corrections of another study")
        for other in _other_logs(found, path)
    ]
    if log.torn:
        torn = "its last line is torn (a power cut?) and was left out"
        decisions.append(Decision(path.name, "review", "last line dropped", torn))
        warnings.warn(f"{path.name}: {torn}.", TornLogWarning, stacklevel=3)
    if not (log.sha256 or decisions):
        return study
    source = (Source(path.name, log.sha256, "review"),) if log.sha256 else ()
    return replace(
        study,
        corrections=log.corrections,
        sources=(*study.sources, *source),
        decisions=(*study.decisions, *decisions),
    )


def with_assigned(told: Details, found: StudyInput, log: Log) -> Details:
    """Add the sites that a review gave to unassigned stimuli to what ``study.toml`` says."""
    events, _ = still_standing(log.corrections)
    if not events:
        return told
    known = {name for _, name in unique_names(found)} if found.path.is_dir() else {found.path.name}
    recordings = dict(told.recordings)
    for event in events:
        if event.text and event.key == "site" and event.recording in known:
            own = recordings.get(event.recording, RecordingOverride())
            sites = {**own.sites, event.text: str(event.to_value)}
            recordings[event.recording] = replace(own, sites=sites)
    return told if recordings == told.recordings else replace(told, recordings=recordings)


def _other_logs(found: StudyInput, own: Path) -> list[Path]:
    """List logs that speak of these recordings but belong to a file or folder by itself."""
    logs = [path for path in found.files if is_log(path) and path != own]
    if found.path in found.files:
        folder = found.path.parent / LOG_FILE
        logs += [folder] if folder.is_file() else []
    return logs

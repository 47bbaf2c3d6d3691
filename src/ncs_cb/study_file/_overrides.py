"""``[recordings]`` of ``study.toml``: what a file does not say, or says wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ncs_cb.errors import StudyError
from ncs_cb.model import RecordingOverride, ResponseOverride
from ncs_cb.study_file._checked import ranged, refuse_unknown, validate

# From the recording electrode to the stimulus, and between two stimuli.
_LONGEST_MM = 2_000.0
_MOST_SITES = 200
_LENGTHS = ("distances_mm", "distances_cm", "segment_lengths_mm")
_OVERRIDE_KEYS = (
    "nerve",
    "side",
    "muscle",
    "polarity",
    "supramaximal",
    "collision_used",
    "unit",
    "stimulus_delay_ms",
    "sites",
    *_LENGTHS,
    "responses",
)


def overrides(table: dict[str, Any]) -> dict[str, RecordingOverride]:
    made = {}
    for name, entry in table.items():
        path = f'recordings."{name[:120]}"'
        if not isinstance(entry, dict):
            raise StudyError(f"{path}: must be a table.")
        refuse_unknown(path, entry, _OVERRIDE_KEYS)
        made[name] = _override(entry, path)
    return made


def _override(entry: Mapping[str, Any], path: str) -> RecordingOverride:
    plain = {k: v for k, v in entry.items() if k not in (*_LENGTHS, "responses")}
    for key, value in plain.items():
        ranged(f"{path}.{key}", value)
    said = [key for key in _LENGTHS if key in entry]
    if "distances_mm" in said and "distances_cm" in said:
        raise StudyError(f"{path}: distances_mm and distances_cm say the same; keep one of them.")
    for key in said:
        lengths = _lengths(f"{path}.{key}", entry[key], 10.0 if key.endswith("_cm") else 1.0)
        plain["segment_lengths_mm" if key == "segment_lengths_mm" else "distances_mm"] = lengths
    answers = entry.get("responses", {})
    if not isinstance(answers, dict) or not all(isinstance(v, dict) for v in answers.values()):
        raise StudyError(f"{path}.responses: must hold one table per site.")
    plain["responses"] = {
        site: _response_override(values, f"{path}.responses.{site[:80]}")
        for site, values in answers.items()
    }
    made: RecordingOverride = validate(RecordingOverride, plain, path)
    if len(made.sites) > _MOST_SITES:
        raise StudyError(f"{path}.sites: {len(made.sites)} entries; at most {_MOST_SITES}.")
    return made


def _lengths(path: str, value: Any, factor: float) -> dict[str, float]:
    """Give lengths in mm by site or segment; only a finite number above 0 is a length."""
    if not isinstance(value, dict):
        raise StudyError(f"{path}: must be a table such as {{ wrist = 70 }}.")
    for key, length in value.items():
        if isinstance(length, bool) or not isinstance(length, int | float):
            raise StudyError(f"{path}.{key[:80]}: must be a number.")
        if not 0 <= length * factor <= _LONGEST_MM:
            most = _LONGEST_MM / factor
            raise StudyError(f"{path}.{key[:80]}: {length}; plausible: 0 to {most:g}.")
    return {key: round(float(length) * factor, 6) for key, length in value.items()}


def _response_override(entry: Mapping[str, Any], path: str) -> ResponseOverride:
    refuse_unknown(path, entry, [f.name for f in fields(ResponseOverride)])
    for key, value in entry.items():
        ranged(f"{path}.{key}", value)
    made: ResponseOverride = validate(ResponseOverride, entry, path)
    onset, end = made.onset_latency_ms, made.end_latency_ms
    if onset is not None and end is not None and end <= onset:
        raise StudyError(f"{path}: the response ends ({end:g} ms) before it begins ({onset:g} ms).")
    return made

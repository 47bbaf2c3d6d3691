"""``[recordings]`` of ``study.toml``: what a file does not say, or says wrongly."""

from __future__ import annotations

from dataclasses import fields

from ncs_cb.knowledge import records
from ncs_cb.knowledge.datafile import Block
from ncs_cb.model import RecordingOverride, ResponseOverride
from ncs_cb.study_file._ranges import ranged, within
from ncs_cb.units import FARTHEST_MM, millivolts_per

_MOST_SITES = 200
_LONGEST_NAME = 120
# Each with the field it fills and its size in mm.
_LENGTHS = {
    "distances_mm": ("distances_mm", 1.0),
    "distances_cm": ("distances_mm", 10.0),
    "segment_lengths_mm": ("segment_lengths_mm", 1.0),
}


def overrides(table: Block) -> dict[str, RecordingOverride]:
    """Give what is said of each recording, by its name."""
    made = {}
    for name, value in table.raw.items():
        key = f'recordings."{name[:_LONGEST_NAME]}"'
        if not isinstance(value, dict):
            raise table.below({}, key).wrong("", "must be a table.")
        made[name] = _override(table.below(value, key))
    return made


def _override(block: Block) -> RecordingOverride:
    block.only(*(f.name for f in fields(RecordingOverride)), *_LENGTHS)
    ranged(block)
    if "distances_mm" in block.raw and "distances_cm" in block.raw:
        raise block.wrong("", "distances_mm and distances_cm say the same; keep one of them.")
    plain = {k: v for k, v in block.raw.items() if k not in _LENGTHS}
    for key in _LENGTHS.keys() & block.raw.keys():
        name, factor = _LENGTHS[key]
        plain[name] = _lengths(block, key, factor)
    for _, answers in block.block("responses").tables():
        _check_response(answers)
    made = records.make(RecordingOverride, block.below(plain, block.key), as_text=("side",))
    if len(made.sites) > _MOST_SITES:
        raise block.wrong("sites", f"{len(made.sites)} entries; at most {_MOST_SITES}.")
    if made.unit is not None:
        # Also where nothing of it depends on the unit: any other text may name a person.
        millivolts_per(made.unit, source=block.file)
    return made


def _lengths(block: Block, key: str, factor: float) -> dict[str, float]:
    """Give lengths in mm by site or segment; only a finite number above 0 is a length."""
    inner = block.block(key)
    for name, length in inner.raw.items():
        if isinstance(length, bool) or not isinstance(length, int | float):
            raise inner.wrong(name[:_LONGEST_NAME], "must be a number.")
        within(inner, name, (0, FARTHEST_MM / factor))
    return {name: round(float(value) * factor, 6) for name, value in inner.raw.items()}


def _check_response(block: Block) -> None:
    ranged(block)
    made = records.make(ResponseOverride, block)
    onset, end = made.onset_latency_ms, made.end_latency_ms
    if onset is not None and end is not None and end <= onset:
        raise block.wrong("", f"the response ends ({end:g} ms) before it begins ({onset:g} ms).")

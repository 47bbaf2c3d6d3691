"""Printed rows under review: the answers of a machine that exports no waveform.

A person may correct their setting and leave them out; their numbers stay as they were printed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ncs_cb.knowledge.anatomy import resolve
from ncs_cb.model import Correction, Site, Stimulus, Study, TypedResponse

Key = tuple[str, int]
Place = tuple[Site, str]


def rows_of(study: Study) -> dict[Key, TypedResponse]:
    """Give the printed rows of a study by recording and number within it, from 0."""
    seen: Counter[str] = Counter()
    found: dict[Key, TypedResponse] = {}
    for row in study.typed_responses:
        found[row.recording, seen[row.recording]] = row
        seen[row.recording] += 1
    return found


def digest(row: TypedResponse) -> str:
    """Give the digest by which a printed row is known again: site, numbers, distance, current."""
    site = row.site
    told = [
        [site.nerve, site.side, site.muscle, site.stimulation_site, row.kind, row.response],
        sorted((name, repr(float(value))) for name, value in row.values.items()),
        [repr(row.stimulus.distance_mm), repr(row.stimulus.intensity_ma)],
    ]
    return f"sha256:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"


def why_not(event: Correction) -> str:
    """Say why an event cannot be of a printed row; nothing where it can."""
    if event.action in ("move", "reset") or event.key == "polarity":
        return "a printed row has no waveform: only its setting can be corrected"
    return ""


def corrected_row(row: TypedResponse, settings: Mapping[str, Correction]) -> TypedResponse:
    """Give a printed row with the settings that a person corrected."""
    said = {key: event.to_value for key, event in settings.items()}
    return replace(
        row, site=site_as_said(row.site, said), stimulus=stimulus_as_said(row.stimulus, said)
    )


def site_as_said(site: Site, said: Mapping[str, Any]) -> Site:
    """Give a site with what a person says of place and side."""
    if "site" not in said and "side" not in said:
        return site
    place = resolve("sites", str(said.get("site", site.stimulation_site)))
    return replace(site, stimulation_site=place, side=said.get("side", site.side))


def stimulus_as_said(stimulus: Stimulus, said: Mapping[str, Any]) -> Stimulus:
    """Give a stimulus with what a person says of it."""
    names = {
        "distance_mm": "distance_mm",
        "supramaximal": "is_supramaximal",
        "collision_used": "collision_used",
    }
    changed: dict[str, Any] = {name: said[key] for key, name in names.items() if key in said}
    by = {"supramaximal": "supramaximal_by", "collision_used": "collision_by"}
    changed |= {name: "review" for key, name in by.items() if key in said}
    return replace(stimulus, **changed)


def flagged(
    rows: Sequence[tuple[TypedResponse, bool, bool, bool]], chosen: Collection[Place]
) -> tuple[TypedResponse, ...]:
    """Flag rows given with whether they are reviewed, excluded and chosen.

    A row of a site for which a person chose another answer is not used either.
    """
    made = []
    for row, is_reviewed, is_excluded, is_chosen in rows:
        is_out = is_excluded or ((row.site, row.kind) in chosen and not is_chosen)
        raised = [name for name, on in (("reviewed", is_reviewed), ("not_used", is_out)) if on]
        names = tuple(dict.fromkeys((*row.flags, *raised)))
        made.append(row if names == row.flags else replace(row, flags=names))
    return tuple(made)

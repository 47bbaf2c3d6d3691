"""Visits as everything concluded from them sees them: gathered once, for all conclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ncs_cb.judging.entrapment import Found, entrapments
from ncs_cb.judging.limits import NerveLimits
from ncs_cb.judging.rows import Gathered, Row, visits_of
from ncs_cb.judging.sensory import SensoryStudy, sensory_studies
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.model import Details


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """One visit: its rows, and what several conclusions ask of it.

    Attributes
    ----------
    verdicts : mapping of criteria set to tuple of Row
        Of the table of that name.
    segments, traces : tuple of Row
        Of the tables of those names.
    nerves : tuple of Row
        As :func:`ncs_cb.judging.nerves.nerve_rows` gives them, each with its ``limits`` of normal.
    studies : tuple of SensoryStudy
    traps : tuple of Found
        Its entrapments, by the verdicts of all sets.
    """

    study_id: str
    details: Details
    verdicts: Mapping[str, tuple[Row, ...]]
    segments: tuple[Row, ...]
    traces: tuple[Row, ...]
    nerves: tuple[Row, ...]
    studies: tuple[SensoryStudy, ...]
    traps: tuple[Found, ...]


def examined(
    rows: Gathered, details: Mapping[str, Details], sets: tuple[ReferenceSet, ...]
) -> tuple[Examined, ...]:
    """Give every visit of which anything is known.

    Parameters
    ----------
    rows : Gathered
        The rows of all tables.
    details : mapping of study id to Details
        What ``study.toml`` says; absent is unknown.
    sets : tuple of ReferenceSet
        Limits of normal, in the order in which they answer.
    """
    limits, found = NerveLimits(sets), []
    for study_id in visits_of(rows, details):
        person = details.get(study_id, Details())
        judged, segments = rows.verdicts.get(study_id, ()), rows.segments.get(study_id, ())
        nerves = tuple(limits.beside(row, person) for row in rows.nerves.get(study_id, ()))
        studies = sensory_studies(person, rows.sensory.get(study_id, ()), sets)
        found.append(
            Examined(
                study_id,
                person,
                _by_set(judged),
                segments,
                rows.traces.get(study_id, ()),
                nerves,
                studies,
                entrapments(segments, judged, nerves, studies, person),
            )
        )
    return tuple(found)


def _by_set(verdicts: Sequence[Row]) -> dict[str, tuple[Row, ...]]:
    found: dict[str, list[Row]] = {}
    for row in verdicts:
        found.setdefault(row["criteria"], []).append(row)
    return {made: tuple(own) for made, own in found.items()}

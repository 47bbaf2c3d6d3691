"""Right against left, where both sides of a nerve were studied: numbers beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from ncs_cb import flags
from ncs_cb.knowledge.thresholds import is_same_distance
from ncs_cb.units import unit_of
from ncs_cb.view.parts import Cell, Head, Table
from ncs_cb.view.reading import Reading, Row
from ncs_cb.view.rounding import NOTHING, is_known, number
from ncs_cb.view.tables import word_heads
from ncs_cb.wording.catalog import capital

_SIDES = ("right", "left")
_AT_SITES = ("negative_peak_amplitude_mv", "onset_latency_ms")
_ALONG = ("conduction_velocity_m_per_s", "amplitude_reduction_pct")


def sides(r: Reading) -> Table:
    """Lay out the distal responses and the segments that were studied on both sides."""
    rows = [*_distal(r), *_segments(r)]
    heads = [
        *word_heads(r, "nerve", "segment", "quantity"),
        *(Head(capital(r.words.term("side", s)), is_number=True) for s in _SIDES),
        Head(r.words("head.difference"), is_number=True),
    ]
    return Table(tuple(heads), tuple(rows))


def _distal(r: Reading) -> Iterator[tuple[Cell, ...]]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in r.traces:
        if row["kind"] == "motor" and flags.is_used(row["quality_flags"]):
            key = (str(row["nerve"]), str(row["muscle"]), str(row["stimulation_site"]))
            found.setdefault(key, {}).setdefault(str(row["side"]), row)
    seen: set[tuple[str, str]] = set()
    for (nerve, muscle, site), pair in found.items():
        if set(pair) != set(_SIDES) or (nerve, muscle) in seen:
            continue
        seen.add((nerve, muscle))
        for name in _AT_SITES:
            if name == "onset_latency_ms" and not _same_distance(pair):
                continue
            yield from _line(r, nerve, muscle, r.words.site(site), name, pair)


def _same_distance(pair: dict[str, Row]) -> bool:
    """A latency belongs to its distance."""
    right, left = (pair[side]["distance_mm"] for side in _SIDES)
    return is_known(right) and is_known(left) and is_same_distance(right, left)


def _segments(r: Reading) -> Iterator[tuple[Cell, ...]]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in r.adjacent():
        key = (str(row["nerve"]), str(row["muscle"]), str(row["segment"]))
        found.setdefault(key, {})[str(row["side"])] = row
    for (nerve, muscle, _), pair in found.items():
        if set(pair) == set(_SIDES):
            for name in _ALONG:
                yield from _line(r, nerve, muscle, r.segment_title(pair["right"]), name, pair)


def _line(
    r: Reading, nerve: str, muscle: str, where: str, name: str, pair: dict[str, Row]
) -> Iterator[tuple[Cell, ...]]:
    values = [pair[side][name] for side in _SIDES]
    if not all(map(is_known, values)):
        return
    unit = unit_of(name)
    label = r.words("phrase.with_unit", label=r.words.term("column", name), unit=unit)
    yield (
        Cell(
            capital(
                r.words(
                    "phrase.to_muscle", nerve=r.words.nerve(nerve), muscle=r.words.muscle(muscle)
                )
            )
        ),
        Cell(where),
        Cell(label),
        *(Cell(number(v, unit)) for v in values),
        Cell(_difference(r, name, *values)),
    )


def _difference(r: Reading, name: str, right: float, left: float) -> str:
    """Give the smaller amplitude as a share of the larger; of anything else the difference."""
    if name != "negative_peak_amplitude_mv":
        return number(abs(right - left), unit_of(name))
    larger = max(right, left)
    share = number(100.0 * min(right, left) / larger if larger > 0 else None, "%")
    return NOTHING if share == NOTHING else r.words("phrase.share_of_larger", share=share)

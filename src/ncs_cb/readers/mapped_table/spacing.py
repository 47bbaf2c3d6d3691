"""Whether the distances of a table are those of segments, or from the recording electrode."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ncs_cb.knowledge.anatomy import anatomy, find

Rows = Sequence[Sequence[str]]

_TOLD_BY = ("distance_mm", "onset_latency_ms", "printed_velocity_m_per_s")
_MOSTLY = 0.6


def distances_are(
    keys: Mapping[str, str], columns: Mapping[str, str], header: Sequence[str], body: Rows
) -> str:
    """Give ``"segment"`` or ``"from_recording"``: what the values of a table say of its distances.

    Parameters
    ----------
    keys, columns : mapping of str to str
        Headers by what they were taken for.
    header : sequence of str
    body : sequence of sequence of str
        Cells as text.
    """
    name = columns.get("distance_mm")
    if name is None:
        return "from_recording"
    if {"segment", "distal_site"} & set(keys):
        return "segment"
    votes = _votes({**keys, **columns}, header, body)
    if votes:
        return "segment" if 2 * sum(votes) > len(votes) else "from_recording"
    at = list(header).index(name)
    values = [_float(v) for v in (row[at] for row in body if at < len(row) and row[at])]
    falls = [b < a for a, b in pairwise(values) if a and b]
    # From the recording electrode distances grow along a nerve and fall at the next one only.
    return "segment" if falls and sum(falls) > _MOSTLY * len(falls) else "from_recording"


def _votes(named: Mapping[str, str], header: Sequence[str], body: Rows) -> list[bool]:
    """Tell of each pair of neighboring sites whether its distance is that of the segment.

    It is where it is the shorter one, or where the printed velocity follows from it rather than
    from the difference. Pairs that tell neither way are left out.
    """
    place = {name: list(header).index(shown) for name, shown in named.items()}
    series: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for row in body:
        cell = {name: row[i] if i < len(row) else "" for name, i in place.items()}
        nerve = find("nerves", cell.get("nerve", ""))
        site = find("sites", cell.get("stimulation_site", ""))
        if nerve is None or site not in anatomy().nerves[nerve].sites:
            continue
        key = (cell.get("study_id", ""), nerve, cell.get("side", ""), cell.get("muscle", ""))
        numbers = [_float(cell.get(name, "")) for name in _TOLD_BY]
        series.setdefault(key, {})[anatomy().nerves[nerve].sites.index(site)] = numbers
    pairs = [pair for far in series.values() for pair in pairwise([far[i] for i in sorted(far)])]
    found = [_is_segment(distal, proximal) for distal, proximal in pairs]
    return [vote for vote in found if vote is not None]


def _is_segment(distal: Sequence[float], proximal: Sequence[float]) -> bool | None:
    (near, early, _), (far, late, velocity) = distal, proximal
    if not (near and far):
        return None
    if far <= near:
        return True
    if not (velocity and late > early > 0.0):
        return None
    # Whatever the unit of the distances, one of the two is nearer to what the machine computed.
    lengths = [by * length for by in (1.0, 10.0) for length in (far, far - near)]
    apart = [abs(length / (late - early) / velocity - 1.0) for length in lengths]
    return apart.index(min(apart)) % 2 == 0


def _float(text: str) -> float:
    found = re.search(r"\d+([.,]\d+)?", text)
    return float(found[0].replace(",", ".")) if found else 0.0

"""Checks of anatomy and disease: entrapment, anomalous innervation, recent axonal loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ncs_cb.knowledge.anatomy import anatomy, entrapment_between, nerve_of_muscle
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.quality.pair import (
    Finding,
    Number,
    Pair,
    Visit,
    cleared,
    known,
    raised,
    spans_elbow,
    spans_forearm,
    unexamined,
)
from ncs_cb.vocabulary import TOLERANCE


def entrapment_site(pair: Pair) -> Finding:
    """The segment contains a common entrapment or compression site."""
    is_entrapment = pair.row["is_entrapment_site"]
    if is_entrapment is True:
        trap = entrapment_between(pair.row["nerve"], *pair.sites)
        return raised("contains", name=trap.name if trap else "")
    return cleared("contains_none") if is_entrapment is False else unexamined("not_said")


# ------------------------------------------------------------------ focal slowing


def focal_slowing(pair: Pair) -> Finding:
    """Conduction across an entrapment site is slowed."""
    trap = entrapment_between(pair.row["nerve"], *pair.sites)
    if trap is None:
        return cleared("no_entrapment")
    velocity = pair.number("conduction_velocity_m_per_s")
    if not known(velocity):
        return unexamined("no_velocity", name=trap.name)
    most = limit("focal_slowing.maximum_drop_m_per_s")
    enough = limit(f"focal_slowing.fast_enough_{anatomy().nerves[pair.row['nerve']].limb}_m_per_s")
    neighbor, beside = _velocity_beside(pair)
    numbers: dict[str, Number] = {"name": trap.name, "velocity_m_per_s": velocity}
    if not known(beside):
        return unexamined("no_neighbor", **numbers)
    numbers |= {
        "near": neighbor[0],
        "far": neighbor[1],
        "beside_m_per_s": beside,
        "limit_m_per_s": most,
        "enough_m_per_s": enough,
    }
    if beside - velocity <= most + TOLERANCE:
        return cleared("as_fast", **numbers)
    if velocity >= enough - TOLERANCE:
        return cleared("fast_enough", **numbers)
    return raised("slower", **numbers)


def _velocity_beside(pair: Pair) -> tuple[tuple[str, str], float]:
    """Velocity of the nearest segment without entrapment: below it, else above it."""
    segments = pair.visit.segments.get(pair.series, [])
    own = next((n for n, row in enumerate(segments) if row["segment"] == pair.row["segment"]), 0)
    for row in (*reversed(segments[:own]), *segments[own + 1 :]):
        beside = Pair(row, None, None, pair.visit)
        velocity = beside.number("conduction_velocity_m_per_s")
        if entrapment_between(row["nerve"], *beside.sites) is None and known(velocity):
            return beside.sites, velocity
    return ("", ""), math.nan


# ------------------------------------------------------------------ anomalous innervation


@dataclass(frozen=True, slots=True)
class _Anastomosis:
    """Fibers that run in one nerve above the forearm and in another below it."""

    giver: str
    receiver: str


_MARTIN_GRUBER = _Anastomosis(giver="median", receiver="ulnar")
_REVERSE = _Anastomosis(giver="ulnar", receiver="median")


def martin_gruber(pair: Pair) -> Finding:
    """Median and ulnar responses together fit a Martin-Gruber anastomosis in the forearm."""
    return _anastomosis(pair, _MARTIN_GRUBER)


def reverse_martin_gruber(pair: Pair) -> Finding:
    """Median and ulnar responses together fit a reverse (ulnar to median) anastomosis."""
    return _anastomosis(pair, _REVERSE)


def _anastomosis(pair: Pair, kind: _Anastomosis) -> Finding:
    """Look for fibers that leave the giver in the forearm for a muscle of the receiver.

    The receiver falls across the forearm by what crosses over; the giver, stimulated at the
    elbow, moves the receiver's muscle more than at the wrist:
    receiver at wrist = receiver at elbow + (giver at elbow - giver at wrist), in that muscle.
    """
    nerve, _, muscle = pair.series
    owner = nerve_of_muscle(muscle)
    if nerve == owner == kind.receiver and spans_elbow(nerve, pair.sites):
        return _high_crossing(pair, kind)
    if nerve not in (kind.giver, kind.receiver) or not spans_forearm(nerve, pair.sites):
        return cleared("elsewhere")
    if nerve == kind.receiver and owner == kind.receiver:
        return _receiver_side(pair, kind)
    if nerve == kind.giver and owner == kind.giver:
        return _giver_side(pair, kind)
    if nerve == kind.giver and owner == kind.receiver:
        return _own_crossing(pair, kind)
    return cleared("elsewhere")


def _receiver_side(pair: Pair, kind: _Anastomosis) -> Finding:
    _, side, muscle = pair.series
    wrist_mv, elbow_mv = _amplitudes(pair)
    names: dict[str, Number] = {"giver": kind.giver, "receiver": kind.receiver, "muscle": muscle}
    if not known(wrist_mv, elbow_mv) or wrist_mv <= 0.0:
        return unexamined("no_amplitude", **names)
    fall_pct = 100.0 * (1.0 - elbow_mv / wrist_mv)
    least_pct = limit("martin_gruber.minimum_fall_pct")
    crossing = _crossing(pair.visit, kind, side, muscle)
    numbers: dict[str, Number] = {
        **names,
        "wrist_mv": wrist_mv,
        "elbow_mv": elbow_mv,
        "fall_pct": fall_pct,
        "limit_pct": least_pct,
    }
    if fall_pct < least_pct:
        return cleared("small_fall", **numbers)
    if crossing is None:
        gain_pct, own = _largest_gain(pair.visit, kind.giver, side)
        if gain_pct >= limit("martin_gruber.minimum_gain_pct"):
            return raised("pattern", gain_pct=gain_pct, own_muscle=own, **numbers)
        return unexamined("not_recorded", **numbers)
    numbers |= {
        "crossing_mv": crossing.amplitude_mv,
        "crossing_share": crossing.amplitude_mv / wrist_mv,
        "crossing_area_share": _area_share(pair, crossing),
    }
    if crossing.amplitude_mv < limit("martin_gruber.minimum_crossing_share") * wrist_mv:
        return cleared("no_crossing", **numbers)
    sum_mv = elbow_mv + crossing.amplitude_mv
    case = _balance(wrist_mv, sum_mv, is_exact=crossing.wrist_recorded)
    return raised(case, sum_mv=sum_mv, **numbers)


def _high_crossing(pair: Pair, kind: _Anastomosis) -> Finding:
    """Fibers that cross above the distal site at the elbow leave no fall in the forearm.

    What has crossed in the forearm already is taken off: receiver below = receiver above +
    (crossing - fall in the forearm).
    """
    _, side, muscle = pair.series
    below_mv, above_mv = _amplitudes(pair)
    sizes = _sizes(pair.visit, kind.receiver, side, muscle)
    crossing = _crossing(pair.visit, kind, side, muscle)
    if crossing is None or not known(below_mv, above_mv) or "wrist" not in sizes:
        return cleared("elsewhere")
    forearm_mv = max(sizes["wrist"] - below_mv, 0.0)
    crossing_mv = crossing.amplitude_mv - forearm_mv
    if below_mv <= 0.0 or crossing_mv < limit("martin_gruber.minimum_crossing_share") * below_mv:
        return cleared("elsewhere")
    fall_pct = 100.0 * (1.0 - above_mv / below_mv)
    if fall_pct < limit("martin_gruber.minimum_fall_pct"):
        return cleared("elsewhere")
    case = _balance(below_mv, above_mv + crossing_mv, is_exact=crossing.wrist_recorded)
    return raised(
        f"high_{case}",
        giver=kind.giver,
        receiver=kind.receiver,
        muscle=muscle,
        wrist_mv=below_mv,
        elbow_mv=above_mv,
        crossing_mv=crossing_mv,
        forearm_mv=forearm_mv,
        crossing_share=crossing_mv / below_mv,
        crossing_area_share=_area_share(pair, crossing) * crossing_mv / crossing.amplitude_mv,
        sum_mv=above_mv + crossing_mv,
    )


def _balance(distal_mv: float, sum_mv: float, *, is_exact: bool) -> str:
    """Tell whether what is left and what crosses make the distal response."""
    share = limit("martin_gruber.balance_share")
    case = "explains" if abs(distal_mv - sum_mv) <= share * distal_mv else "explains_part"
    return case if is_exact else f"{case}_at_most"


def _area_share(pair: Pair, crossing: _Crossing) -> float:
    """Share of the distal area that crosses; NaN when an area is missing."""
    assert pair.distal is not None
    total = pair.distal.number("total_negative_area_mv_ms")
    if known(total, crossing.total_area_mv_ms) and total > 0.0:
        return crossing.total_area_mv_ms / total
    first = pair.distal.number("negative_peak_area_mv_ms")
    return crossing.area_mv_ms / first if first > 0.0 else math.nan


def _giver_side(pair: Pair, kind: _Anastomosis) -> Finding:
    """The giver is larger at the elbow than at the wrist, where some of its fibers have left."""
    side, own_muscle = pair.series[1:]
    wrist_mv, elbow_mv = _amplitudes(pair)
    names: dict[str, Number] = {
        "giver": kind.giver,
        "receiver": kind.receiver,
        "muscle": own_muscle,
    }
    if not known(wrist_mv, elbow_mv) or wrist_mv <= 0.0:
        return unexamined("no_amplitude", **names)
    gain_pct = 100.0 * (elbow_mv / wrist_mv - 1.0)
    least_pct = limit("martin_gruber.minimum_gain_pct")
    fall_pct, other = _largest_fall(pair.visit, kind.receiver, side)
    numbers: dict[str, Number] = {**names, "gain_pct": gain_pct, "limit_pct": least_pct}
    if gain_pct < least_pct:
        return cleared("giver_no_gain", **numbers)
    if fall_pct >= limit("martin_gruber.minimum_fall_pct"):
        return raised("giver_pattern", fall_pct=fall_pct, other_muscle=other, **numbers)
    largest_mv = max(
        (
            crossing.amplitude_mv
            for muscle in anatomy().nerves[kind.receiver].muscles
            if (crossing := _crossing(pair.visit, kind, side, muscle)) is not None
        ),
        default=math.nan,
    )
    if largest_mv >= limit("martin_gruber.minimum_crossing_share") * wrist_mv:
        return raised("giver_crossing", crossing_mv=largest_mv, **numbers)
    return cleared("giver_gain_alone", **numbers)


def _own_crossing(pair: Pair, kind: _Anastomosis) -> Finding:
    """The segment is itself the recording that shows the crossing fibers."""
    _, side, muscle = pair.series
    crossing = _crossing(pair.visit, kind, side, muscle)
    crossing_mv = math.nan if crossing is None else crossing.amplitude_mv
    names: dict[str, Number] = {"giver": kind.giver, "receiver": kind.receiver, "muscle": muscle}
    full_mv = max(_sizes(pair.visit, kind.receiver, side, muscle).values(), default=math.nan)
    if not known(crossing_mv, full_mv):
        return unexamined("no_amplitude", **names)
    is_present = crossing_mv >= limit("martin_gruber.minimum_crossing_share") * full_mv
    numbers: dict[str, Number] = {**names, "crossing_mv": crossing_mv, "full_mv": full_mv}
    return raised("crossing", **numbers) if is_present else cleared("own_no_crossing", **numbers)


def _amplitudes(pair: Pair) -> tuple[float, float]:
    both = (pair.distal, pair.proximal)
    distal, proximal = (math.nan if one is None else one.amplitude_mv for one in both)
    return distal, proximal


def _sizes(visit: Visit, nerve: str, side: str, muscle: str) -> dict[str, float]:
    """Known amplitudes of a nerve recorded from a muscle, by site, distal first."""
    order = anatomy().nerves[nerve].sites
    found = {
        site: response.amplitude_mv
        for site in order
        if (response := visit.responses.get((nerve, side, muscle, site))) is not None
    }
    return {site: size for site, size in found.items() if known(size)}


def _across_forearm(nerve: str, sizes: dict[str, float]) -> tuple[float, float]:
    """Amplitude at the wrist and at the nearest site beyond the forearm; NaN when missing."""
    beyond = _beyond_forearm(nerve, sizes)
    return sizes.get("wrist", math.nan), sizes[beyond] if beyond else math.nan


def _beyond_forearm(nerve: str, sizes: dict[str, float]) -> str:
    """Nearest site beyond the forearm that has a size; empty when there is none."""
    order = anatomy().nerves[nerve].sites
    elbow = next(n for n, site in enumerate(order) if "elbow" in site)
    return next((s for s in sizes if order.index(s) >= elbow and s != "erb"), "")


@dataclass(frozen=True, slots=True)
class _Crossing:
    """What reaches the receiver's muscle through the giver at the elbow, beyond the wrist.

    Without a recording at the wrist nothing can be taken off: what is conducted there by volume,
    or crosses in the hand, is unknown, and the sizes are the most that may cross.
    """

    amplitude_mv: float
    area_mv_ms: float
    total_area_mv_ms: float
    wrist_recorded: bool


def _crossing(visit: Visit, kind: _Anastomosis, side: str, muscle: str) -> _Crossing | None:
    """Give what crosses in this muscle; None when the giver was not recorded from it."""
    sizes = _sizes(visit, kind.giver, side, muscle)
    site = _beyond_forearm(kind.giver, sizes)
    if not site:
        return None
    elbow = visit.responses[kind.giver, side, muscle, site]
    wrist = visit.responses.get((kind.giver, side, muscle, "wrist")) if "wrist" in sizes else None
    columns = ("negative_peak_area_mv_ms", "total_negative_area_mv_ms")
    is_absent = wrist is not None and wrist.amplitude_mv == 0.0
    first, total = [
        elbow.number(name) - (0.0 if wrist is None or is_absent else wrist.number(name))
        for name in columns
    ]
    return _Crossing(sizes[site] - sizes.get("wrist", 0.0), first, total, wrist is not None)


def _changes_pct(visit: Visit, nerve: str, side: str) -> Iterator[tuple[float, str]]:
    for muscle in anatomy().nerves[nerve].muscles:
        wrist_mv, elbow_mv = _across_forearm(nerve, _sizes(visit, nerve, side, muscle))
        if known(wrist_mv, elbow_mv) and wrist_mv > 0.0:
            yield 100.0 * (elbow_mv / wrist_mv - 1.0), muscle


def _largest_gain(visit: Visit, nerve: str, side: str) -> tuple[float, str]:
    return _first_largest(_changes_pct(visit, nerve, side))


def _largest_fall(visit: Visit, nerve: str, side: str) -> tuple[float, str]:
    return _first_largest((-change, muscle) for change, muscle in _changes_pct(visit, nerve, side))


def _first_largest(found: Iterable[tuple[float, str]]) -> tuple[float, str]:
    return max(found, key=lambda item: item[0], default=(math.nan, ""))

"""Checks of anomalous innervation: fibers that change from one nerve to another in the forearm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.quality.answers import Answers, Bools, Cells, Floats
from ncs_cb.quality.pairs import Pairs, Responses, Texts, known


@dataclass(frozen=True, slots=True)
class _Anastomosis:
    """Fibers that run in one nerve above the forearm and in another below it."""

    giver: str
    receiver: str


_MARTIN_GRUBER = _Anastomosis(giver="median", receiver="ulnar")
_REVERSE = _Anastomosis(giver="ulnar", receiver="median")


def martin_gruber(pairs: Pairs) -> Answers:
    """Median and ulnar responses together fit a Martin-Gruber anastomosis in the forearm."""
    return _anastomosis(pairs, _MARTIN_GRUBER)


def reverse_martin_gruber(pairs: Pairs) -> Answers:
    """Median and ulnar responses together fit a reverse (ulnar to median) anastomosis."""
    return _anastomosis(pairs, _REVERSE)


def spans_elbow(nerve: str, distal: str, proximal: str) -> bool:
    """Tell whether a segment begins at the elbow of a nerve with sites on both sides of it."""
    around = [site for site in anatomy().nerves[nerve].sites if "elbow" in site]
    return len(around) > 1 and distal == around[0]


def spans_forearm(nerve: str, distal: str, proximal: str) -> bool:
    """Tell whether a segment of the median or ulnar nerve runs through the forearm.

    Fibers cross between the two nerves there; no other nerve has such a stretch.
    """
    if nerve not in ("median", "ulnar"):
        return False
    order = anatomy().nerves[nerve].sites
    return order.index(distal) < _elbow(nerve) and order.index(proximal) > order.index("wrist")


def _elbow(nerve: str) -> int:
    """Give the place of the first site at the elbow along a nerve."""
    return next(n for n, site in enumerate(anatomy().nerves[nerve].sites) if "elbow" in site)


def _anastomosis(pairs: Pairs, kind: _Anastomosis) -> Answers:
    """Look for fibers that leave the giver in the forearm for a muscle of the receiver.

    The receiver falls across the forearm by what crosses over; the giver, stimulated at the
    elbow, moves the receiver's muscle more than at the wrist:
    receiver at wrist = receiver at elbow + (giver at elbow - giver at wrist), in that muscle.
    """
    answers = pairs.answers()
    gives, receives = pairs.nerve == kind.giver, pairs.nerve == kind.receiver
    to_giver, to_receiver = pairs.owner == kind.giver, pairs.owner == kind.receiver
    forearm, elbow = (pairs.by_site(one).astype(bool) for one in (spans_forearm, spans_elbow))
    looks: tuple[tuple[Bools, _Look], ...] = (
        (elbow & receives & to_receiver, _high_crossing),
        (forearm & receives & to_receiver, _receiver_side),
        (forearm & gives & to_giver, _giver_side),
        (forearm & gives & to_receiver, _own_crossing),
    )
    for where, look in looks:
        if where.any():
            look(answers, pairs, kind, where)
    answers.cleared("elsewhere")
    return answers


_Look = Callable[[Answers, Pairs, _Anastomosis, Bools], None]


def _receiver_side(answers: Answers, pairs: Pairs, kind: _Anastomosis, where: Bools) -> None:
    wrist_mv, elbow_mv = pairs.distal.amplitude_mv, pairs.proximal.amplitude_mv
    fall_pct = 100.0 * (1.0 - elbow_mv / wrist_mv)
    least_pct = limit("martin_gruber.minimum_fall_pct")
    names = _names(pairs, kind)
    unknown = ~known(wrist_mv, elbow_mv) | (wrist_mv <= 0.0)
    answers.unexamined("no_amplitude", where & unknown, **names)
    numbers: dict[str, Cells] = {
        **names,
        "wrist_mv": wrist_mv,
        "elbow_mv": elbow_mv,
        "fall_pct": fall_pct,
        "limit_pct": least_pct,
    }
    answers.cleared("small_fall", where & (fall_pct < least_pct), **numbers)
    crossing = _crossing(pairs, kind)
    silent = where & ~crossing.is_recorded
    if (silent & answers.is_open).any():
        gain_pct, own = _largest_change(pairs, kind.giver)
        gains = gain_pct >= limit("martin_gruber.minimum_gain_pct")
        answers.raised("pattern", silent & gains, gain_pct=gain_pct, own_muscle=own, **numbers)
        answers.unexamined("not_recorded", silent, **numbers)
    numbers |= {
        "crossing_mv": crossing.amplitude_mv,
        "crossing_share": crossing.amplitude_mv / wrist_mv,
        "crossing_area_share": _area_share(pairs, crossing),
    }
    is_small = crossing.amplitude_mv < limit("martin_gruber.minimum_crossing_share") * wrist_mv
    answers.cleared("no_crossing", where & is_small, **numbers)
    sum_mv = elbow_mv + crossing.amplitude_mv
    for case, here in _balance(wrist_mv, sum_mv, crossing):
        answers.raised(case, where & here, sum_mv=sum_mv, **numbers)


def _high_crossing(answers: Answers, pairs: Pairs, kind: _Anastomosis, where: Bools) -> None:
    """Fibers that cross above the distal site at the elbow leave no fall in the forearm.

    What has crossed in the forearm already is taken off: receiver below = receiver above +
    (crossing - fall in the forearm).
    """
    below_mv, above_mv = pairs.distal.amplitude_mv, pairs.proximal.amplitude_mv
    crossing = _crossing(pairs, kind)
    wrist, _ = _across_forearm(pairs, kind.receiver)
    forearm_mv = np.maximum(wrist.amplitude_mv - below_mv, 0.0)
    crossing_mv = crossing.amplitude_mv - forearm_mv
    area_share = _area_share(pairs, crossing) * crossing_mv / crossing.amplitude_mv
    enough_mv = limit("martin_gruber.minimum_crossing_share") * below_mv
    fall_pct = 100.0 * (1.0 - above_mv / below_mv)
    found = where & crossing.is_recorded & known(below_mv, above_mv) & wrist.is_given
    found &= (below_mv > 0.0) & (crossing_mv >= enough_mv)
    found &= fall_pct >= limit("martin_gruber.minimum_fall_pct")
    sum_mv = above_mv + crossing_mv
    for case, here in _balance(below_mv, sum_mv, crossing):
        answers.raised(
            f"high_{case}",
            found & here,
            **_names(pairs, kind),
            wrist_mv=below_mv,
            elbow_mv=above_mv,
            crossing_mv=crossing_mv,
            forearm_mv=forearm_mv,
            crossing_share=crossing_mv / below_mv,
            crossing_area_share=area_share,
            sum_mv=sum_mv,
        )
    answers.cleared("elsewhere", where)


def _giver_side(answers: Answers, pairs: Pairs, kind: _Anastomosis, where: Bools) -> None:
    """The giver is larger at the elbow than at the wrist, where some of its fibers have left."""
    wrist_mv, elbow_mv = pairs.distal.amplitude_mv, pairs.proximal.amplitude_mv
    names = _names(pairs, kind)
    unknown = ~known(wrist_mv, elbow_mv) | (wrist_mv <= 0.0)
    answers.unexamined("no_amplitude", where & unknown, **names)
    gain_pct = 100.0 * (elbow_mv / wrist_mv - 1.0)
    least_pct = limit("martin_gruber.minimum_gain_pct")
    numbers: dict[str, Cells] = {**names, "gain_pct": gain_pct, "limit_pct": least_pct}
    answers.cleared("giver_no_gain", where & (gain_pct < least_pct), **numbers)
    if not (where & answers.is_open).any():
        return
    fall_pct, other = _largest_change(pairs, kind.receiver, sign=-1.0)
    falls = where & (fall_pct >= limit("martin_gruber.minimum_fall_pct"))
    answers.raised("giver_pattern", falls, fall_pct=fall_pct, other_muscle=other, **numbers)
    largest_mv = np.full(len(pairs), np.nan)
    for muscle in anatomy().nerves[kind.receiver].muscles:
        crossing = _crossing(pairs, kind, muscle)
        largest_mv = np.fmax(largest_mv, crossing.amplitude_mv)
    crosses = largest_mv >= limit("martin_gruber.minimum_crossing_share") * wrist_mv
    answers.raised("giver_crossing", where & crosses, crossing_mv=largest_mv, **numbers)
    answers.cleared("giver_gain_alone", where, **numbers)


def _own_crossing(answers: Answers, pairs: Pairs, kind: _Anastomosis, where: Bools) -> None:
    """The segment is itself the recording that shows the crossing fibers."""
    names, crossing_mv = _names(pairs, kind), _crossing(pairs, kind).amplitude_mv
    full_mv = np.full(len(pairs), np.nan)
    for site in anatomy().nerves[kind.receiver].sites:
        full_mv = np.fmax(full_mv, pairs.of_limb(kind.receiver, None, site).amplitude_mv)
    answers.unexamined("no_amplitude", where & ~known(crossing_mv, full_mv), **names)
    crosses = crossing_mv >= limit("martin_gruber.minimum_crossing_share") * full_mv
    numbers: dict[str, Cells] = {**names, "crossing_mv": crossing_mv, "full_mv": full_mv}
    answers.raised("crossing", where & crosses, **numbers)
    answers.cleared("own_no_crossing", where, **numbers)


def _names(pairs: Pairs, kind: _Anastomosis) -> dict[str, Cells]:
    return {"giver": kind.giver, "receiver": kind.receiver, "muscle": pairs.muscle}


# ------------------------------------------------------------------ other responses of the limb


def _across_forearm(
    pairs: Pairs, nerve: str, muscle: str | None = None
) -> tuple[Responses, Responses]:
    """Give the responses of a nerve at the wrist and at the nearest site beyond the forearm.

    In the limb of each segment, recorded from its own muscle if not told from which; only
    responses whose amplitude is known count.
    """
    farther = [site for site in anatomy().nerves[nerve].sites[_elbow(nerve) :] if site != "erb"]
    return pairs.of_limb(nerve, muscle, "wrist"), pairs.of_limb(nerve, muscle, *farther)


class _Crossing(NamedTuple):
    """What reaches the receiver's muscle through the giver at the elbow, beyond the wrist.

    Without a recording at the wrist nothing can be taken off: what is conducted there by volume,
    or crosses in the hand, is unknown, and the sizes are the most that may cross. All is NaN
    where the giver was not recorded from that muscle.
    """

    is_recorded: Bools
    amplitude_mv: Floats
    area_mv_ms: Floats
    total_area_mv_ms: Floats
    wrist_recorded: Bools


def _crossing(pairs: Pairs, kind: _Anastomosis, muscle: str | None = None) -> _Crossing:
    """Give what crosses in a muscle of each segment's limb, its own if not told in which."""
    wrist, elbow = _across_forearm(pairs, kind.giver, muscle)
    at_wrist_mv = np.where(wrist.is_given, wrist.amplitude_mv, 0.0)

    def beyond(column: str) -> Floats:
        return elbow.number(column) - np.where(at_wrist_mv == 0.0, 0.0, wrist.number(column))

    return _Crossing(
        elbow.is_given,
        elbow.amplitude_mv - at_wrist_mv,
        beyond("negative_peak_area_mv_ms"),
        beyond("total_negative_area_mv_ms"),
        wrist.is_given,
    )


def _area_share(pairs: Pairs, crossing: _Crossing) -> Floats:
    """Share of the distal area that crosses; NaN when an area is missing."""
    total, first = (
        pairs.distal.number(name)
        for name in ("total_negative_area_mv_ms", "negative_peak_area_mv_ms")
    )
    is_total = known(total, crossing.total_area_mv_ms) & (total > 0.0)
    of_first = np.where(first > 0.0, crossing.area_mv_ms / first, np.nan)
    return np.where(is_total, crossing.total_area_mv_ms / total, of_first)


def _balance(distal_mv: Floats, sum_mv: Floats, crossing: _Crossing) -> Iterator[tuple[str, Bools]]:
    """Tell where what is left and what crosses make the distal response, case by case."""
    share = limit("martin_gruber.balance_share")
    fits, exact = np.abs(distal_mv - sum_mv) <= share * distal_mv, crossing.wrist_recorded
    yield "explains", fits & exact
    yield "explains_at_most", fits & ~exact
    yield "explains_part", ~fits & exact
    yield "explains_part_at_most", ~fits & ~exact


def _largest_change(pairs: Pairs, nerve: str, *, sign: float = 1.0) -> tuple[Floats, Texts]:
    """Give the largest rise or fall of a nerve across the forearm, and the muscle that shows it."""
    largest_pct, shown_by = np.full(len(pairs), np.nan), np.full(len(pairs), "", dtype=object)
    for muscle in anatomy().nerves[nerve].muscles:
        wrist, elbow = _across_forearm(pairs, nerve, muscle)
        change_pct = sign * 100.0 * (elbow.amplitude_mv / wrist.amplitude_mv - 1.0)
        is_more = (wrist.amplitude_mv > 0.0) & ~np.isnan(change_pct) & ~(change_pct <= largest_pct)
        largest_pct = np.where(is_more, change_pct, largest_pct)
        shown_by = np.where(is_more, muscle, shown_by)
    return largest_pct, shown_by

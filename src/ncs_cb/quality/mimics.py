"""Checks of entrapment: what lies within a segment, and whether conduction across it is slowed."""

from __future__ import annotations

import numpy as np

from ncs_cb.knowledge.anatomy import entrapment_between
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.quality.answers import Answers, Bools, Cells, Ints
from ncs_cb.quality.pairs import Pairs, known
from ncs_cb.vocabulary import TOLERANCE


def entrapment_site(pairs: Pairs) -> Answers:
    """The segment contains a common entrapment or compression site."""
    answers = pairs.answers()
    contains, contains_none = pairs.truth("is_entrapment_site")
    answers.raised("contains", contains, name=pairs.by_site(_entrapment_name))
    answers.cleared("contains_none", contains_none)
    answers.unexamined("not_said")
    return answers


def _entrapment_name(nerve: str, distal: str, proximal: str) -> str:
    trap = entrapment_between(nerve, distal, proximal)
    return "" if trap is None else trap.name


# ------------------------------------------------------------------ focal slowing


def focal_slowing(pairs: Pairs) -> Answers:
    """Conduction across an entrapment site is slowed."""
    answers = pairs.answers()
    name = pairs.by_site(_entrapment_name)
    velocity = pairs.number("conduction_velocity_m_per_s")
    most = limit("focal_slowing.maximum_drop_m_per_s")
    enough = pairs.limit("focal_slowing.fast_enough_{limb}_m_per_s")
    beside = _segment_beside(pairs, (name == "") & known(velocity))
    beside_m_per_s = np.where(beside >= 0, velocity[beside], np.nan)
    numbers: dict[str, Cells] = {"name": name, "velocity_m_per_s": velocity}
    answers.cleared("no_entrapment", name == "")
    answers.unexamined("no_velocity", ~known(velocity), name=name)
    answers.unexamined("no_neighbor", beside < 0, **numbers)
    numbers |= {
        "near": pairs.distal_site[beside],
        "far": pairs.proximal_site[beside],
        "beside_m_per_s": beside_m_per_s,
        "limit_m_per_s": most,
        "enough_m_per_s": enough,
    }
    answers.cleared("as_fast", beside_m_per_s - velocity <= most + TOLERANCE, **numbers)
    answers.cleared("fast_enough", velocity >= enough - TOLERANCE, **numbers)
    answers.raised("slower", **numbers)
    return answers


def _segment_beside(pairs: Pairs, is_fit: Bools) -> Ints:
    """Give the nearest fit segment of the same nerve: below, else above; -1 where there is none."""
    order = np.argsort(pairs.series, kind="stable")
    series, place = pairs.series[order], np.arange(len(pairs))
    # One running maximum finds the last fit segment before each, over all series at once.
    before = np.maximum.accumulate(np.where(is_fit[order], place, -1))
    after = np.minimum.accumulate(np.where(is_fit[order], place, len(pairs))[::-1])[::-1]
    found = np.full(len(pairs), -1, dtype=np.intp)
    for near in (after, before):
        is_own = (near >= 0) & (near < len(pairs))
        is_own[is_own] = series[near[is_own]] == series[is_own]
        found[order[is_own]] = order[near[is_own]]
    return found

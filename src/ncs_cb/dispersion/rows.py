"""From fits to the rows of the table ``estimates``: the share, its interval and the flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from ncs_cb import flags
from ncs_cb.dispersion import calibration, deconvolution
from ncs_cb.dispersion.deconvolution import Fit, Floats, Integers, Truths
from ncs_cb.dispersion.recordings import Responses
from ncs_cb.knowledge import thresholds

Row = dict[str, float | str]

NAMES = (
    "blocked_fraction",
    "blocked_fraction_low",
    "blocked_fraction_high",
    "added_dispersion_ms",
    "delay_ms",
    "residual_pct",
)


def limit(name: str) -> float:
    """Give a limit of the estimate."""
    return thresholds.value(f"estimate.{name}")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a pair beside its samples."""

    filters_differ: bool = False
    supramaximal_distal: bool | None = None
    supramaximal_proximal: bool | None = None
    # The proximal stimulus reached no neighbor: a collision said so.
    collision: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs fitted together, and which of the pairs asked for they are."""

    place: Integers
    distal: Responses
    proximal: Responses
    fit: Fit
    hidden: Floats
    strange: Floats


def row_of(numbers: Floats, quality_flags: str) -> Row:
    """Give a row of the table ``estimates``."""
    return {**dict(zip(NAMES, numbers.tolist(), strict=True)), "quality_flags": quality_flags}


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Give the median of each row of values (n, k)."""
    order = values.argsort(axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    middle = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
    return np.asarray(np.take_along_axis(values, order, axis=1)[np.arange(len(values)), middle])


def _is_strange(pairs: Pairs) -> Truths:
    """Tell where no delayed part of the distal response explains the proximal one."""
    fit = pairs.fit
    mostly = fit.residual > limit("mostly_unexplained_share")
    beyond = fit.misfit > limit("beyond_noise_ratio")
    return np.asarray((pairs.strange > limit("unexplained_share")) | (mostly & beyond))


def _ends(pairs: Pairs, known: Sequence[Known]) -> tuple[Floats, Floats, dict[str, Truths]]:
    """Give both ends of the interval, and which flags are raised."""
    fit, far = pairs.fit, pairs.proximal
    weak_near = np.array([one.supramaximal_distal is False for one in known])
    attested = np.array([one.supramaximal_distal is True for one in known])
    proven = np.array([one.supramaximal_proximal is True for one in known])
    alone = np.array([one.collision for one in known])
    room = calibration.room(fit, pairs.hidden, alone, attested, calibration.shipped())
    is_short = far.end_mv > np.maximum(limit("unfinished_share") * far.size_mv, 4.0 * far.noise_mv)
    times = np.where(is_short, 2.0, 1.0)
    low = np.clip(1.0 - fit.scale - times * room.down, 0.0, 1.0)
    high = np.clip(1.0 - fit.scale + times * room.up, 0.0, 1.0)
    # Part of the distal signal was never there to be compared; block may hide behind it.
    surplus = np.maximum(limit("surplus_share"), times * room.fit)
    exceeds = (fit.scale - 1.0 > surplus) | weak_near
    # A stimulus too weak looks like block to any method that sees two traces.
    unproven = (low > limit("clearly_missing_share")) & ~proven
    raised = {
        "estimate_sweep_short": is_short,
        "estimate_residual_large": _is_strange(pairs),
        "estimate_proximal_exceeds": exceeds,
        "estimate_stimulus_unproven": unproven,
    }
    return np.where(proven, low, 0.0), np.where(exceeds, 1.0, high), raised


def worded(pairs: Pairs, known: Sequence[Known]) -> tuple[Floats, list[str]]:
    """Give the numbers (n, 6) of the table ``estimates``, and the flags of each pair."""
    fit = pairs.fit
    low, high, raised = _ends(pairs, known)
    mean, variance = deconvolution.moments(fit.theta, fit.shape)
    numbers = (
        np.clip(1.0 - fit.scale, 0.0, 1.0),
        low,
        high,
        _weighted_median(np.sqrt(variance), fit.weight),
        _weighted_median(mean, fit.weight),
        100.0 * fit.residual,
    )
    seen: dict[tuple[bool, ...], str] = {}
    words = []
    for one in zip(*(is_raised.tolist() for is_raised in raised.values()), strict=True):
        if one not in seen:
            seen[one] = flags.join(compress(raised, one))
        words.append(seen[one])
    return np.stack(numbers, axis=1), words

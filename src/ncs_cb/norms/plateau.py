"""The plateau of sorted values: what an archive of patients says of the healthy.

References
----------
Jabre JF, Pitt MC, Deeb J, Chui KKH. E-norms: a method to extrapolate reference values from a
laboratory population. J Clin Neurophysiol 2015;32:265-270.
Dunker O, Szczepanski TS, Do HOP, et al. Harnessing historical data to derive reference limits.
Clin Neurophysiol Pract 2024;9:168-175. doi:10.1016/j.cnp.2024.04.001
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ncs_cb.norms.limits import value

Floats = NDArray[np.float64]
Direction = Literal["lower", "upper"]
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Plateau:
    """The flat middle of sorted values.

    Attributes
    ----------
    first, last : int
        Ranks of its ends among the sorted values, counted from 0.
    low, high : float
        The values there.
    mean, sd : float
        Of the values between.
    share : float
        Of all values, 0 to 1.
    """

    first: int
    last: int
    low: float
    high: float
    mean: float
    sd: float
    share: float

    def limit(self, direction: Direction, standard_deviations: float) -> float:
        """Give the limit of normal so many standard deviations from the mean."""
        away = standard_deviations * self.sd
        return self.mean - away if direction == "lower" else self.mean + away


def find_plateau(values: Floats, direction: Direction) -> Plateau | None:
    """Find the plateau of sorted values between its two bends.

    Disease lies on one side: below a lower limit, above an upper one. Toward that side the
    plateau goes hardly farther from the flattest place than toward the healthy one.

    Parameters
    ----------
    values : ndarray of shape (n,)
        In any order, without NaN.
    direction : str
        Which limit is wanted: ``lower`` or ``upper``.

    Returns
    -------
    Plateau or None
        None where the values are too few or too much alike to have one.
    """
    if direction == "upper":
        turned = find_plateau(-values, "lower")
        return None if turned is None else _turned(turned, len(values))
    ordered = np.sort(values)
    n = len(ordered)
    window = max(round(value("plateau.window_share") * n), _NARROWEST)
    wide = 2 * window
    if n <= wide:
        return None
    rise = ordered[window:] - ordered[:-window]
    wide_rise = ordered[wide:] - ordered[:-wide]
    flattest = int(np.argmin(wide_rise))
    steepest = value("plateau.slope_ratio") * float(wide_rise[flattest]) / 2.0
    if steepest <= 0.0:
        return None
    start = min(flattest + window - window // 2, len(rise) - 1)
    steep = np.flatnonzero(rise > steepest)
    below, above = steep[steep < start], steep[steep > start]
    first = (int(below[-1]) + 1 if len(below) else 0) + window // 2
    last = (int(above[0]) - 1 if len(above) else len(rise) - 1) + window // 2
    middle = float(np.median(ordered[flattest : flattest + wide]))
    reach = value("plateau.reach_ratio") * (ordered[last] - middle)
    first = max(first, int(np.searchsorted(ordered, middle - reach)))
    part = ordered[first : last + 1]
    if len(part) < _NARROWEST:
        return None
    low, high = float(part[0]), float(part[-1])
    return Plateau(
        first, last, low, high, float(part.mean()), float(part.std(ddof=1)), len(part) / n
    )


def _turned(found: Plateau, n: int) -> Plateau:
    return Plateau(
        n - 1 - found.last,
        n - 1 - found.first,
        -found.high,
        -found.low,
        -found.mean,
        found.sd,
        found.share,
    )


def interval(
    values: Floats, studies: NDArray[np.int64], direction: Direction, rng: np.random.Generator
) -> tuple[float, float]:
    """Give the 90 % bootstrap interval of the limit from half-samples of the studies.

    Half of the studies are drawn each time, both sides of one together, and none twice: a value
    drawn twice would flatten the curve that the method reads. Half-samples vary as much as
    samples drawn with replacement do.

    Parameters
    ----------
    values, studies : ndarray of shape (n,)
        Each value and the running number of its study.
    direction : str
        As in :func:`find_plateau`.
    rng : Generator

    Returns
    -------
    tuple of float
        5th and 95th percentile; NaN where a plateau was found too seldom.
    """
    order = np.argsort(studies, kind="stable")
    grouped = values[order]
    starts = np.flatnonzero(np.diff(studies[order], prepend=-1))
    groups = np.split(grouped, starts[1:])
    found = []
    for _ in range(int(value("bootstrap.resamples"))):
        drawn = rng.permutation(len(groups))[: -(-len(groups) // 2)]
        plateau = find_plateau(np.concatenate([groups[i] for i in drawn]), direction)
        if plateau is not None:
            found.append(plateau.limit(direction, value("plateau.standard_deviations")))
    if 2 * len(found) < value("bootstrap.resamples"):
        return math.nan, math.nan
    low, high = np.quantile(found, (0.05, 0.95))
    return float(low), float(high)

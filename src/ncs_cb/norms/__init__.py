"""Limits of normal proposed from a laboratory's own archive, by the extrapolated-norms method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ncs_cb.errors import ReadError, StudyError
from ncs_cb.norms.limits import value
from ncs_cb.norms.plateau import Direction, find_plateau, interval
from ncs_cb.norms.values import GROUP, archive_values

__all__ = ["AGES", "HEIGHTS", "propose_norms", "strata_of"]

AGES = (18, 40, 60)
"""Where age bands begin unless told otherwise; the last has no end."""
HEIGHTS = (160, 170, 180)
"""Where height bands part unless told otherwise, in cm."""

_SEED = 20260302
_PUBLISHED_SDS = 2.0


class Stratum(NamedTuple):
    """Whom a limit is for: whole years and centimeters, both ends included; None is open."""

    age_from: int | None = None
    age_to: int | None = None
    height_from_cm: int | None = None
    height_to_cm: int | None = None


def propose_norms(
    archive: str | Path,
    *,
    ages: Sequence[int] = AGES,
    heights: Sequence[int] = HEIGHTS,
) -> pd.DataFrame:
    """Propose limits of normal from the tables of a batch.

    Sorted by size, the values of an archive make a curve whose flat middle, between two bends, is
    that of the healthy, provided that most are. The limit lies 2.5 standard deviations of this
    plateau from its mean. **A proposal:** look at every plot before you use it.

    Parameters
    ----------
    archive : str or Path
        What ``ncs-cb batch`` wrote; it should hold one visit of each person.
    ages : sequence of int
        Where age bands begin, in years, rising; the last band has no end. Empty for none.
    heights : sequence of int
        Where height bands part, in cm, rising; the first begins and the last ends nowhere.

    Returns
    -------
    DataFrame
        One row per nerve, muscle, site or segment, parameter and band: ``study, nerve, muscle,
        site, segment, item, direction``, ``age_from, age_to, height_from_cm, height_to_cm``
        (included, NA where open), ``n_values, n_studies``, the plateau (``plateau_low,
        plateau_high, plateau_mean, plateau_sd, plateau_share``), ``limit`` in the unit of the
        item, ``limit_low, limit_high`` (90 % bootstrap interval over studies), ``limit_2sd`` (the
        first description's), ``distance_mm`` (of latencies) and ``warning``, empty when none. The
        limit is NaN where there are fewer than 40 values or the curve has no plateau.

    Raises
    ------
    ReadError
        If `archive` holds no tables of a batch.
    StudyError
        If bands do not rise.

    References
    ----------
    Jabre JF, Pitt MC, Deeb J, Chui KKH. J Clin Neurophysiol 2015;32:265-270. Dunker O, et al. Clin
    Neurophysiol Pract 2024;9:168-175. doi:10.1016/j.cnp.2024.04.001
    """
    bands = strata_of(ages, heights)
    parts = split(archive_values(Path(archive)), bands)
    rows = [{**part.named, **part.band._asdict(), **_limit(part.rows)} for part in parts]
    if not rows:
        raise ReadError("the tables hold no response that could be used.", source=str(archive))
    return _typed(pd.DataFrame(rows))


def strata_of(ages: Sequence[int], heights: Sequence[int]) -> list[Stratum]:
    """Give everybody, each age band, each height band, and each age band of each height band.

    Raises
    ------
    StudyError
        If the numbers do not rise.

    Examples
    --------
    >>> [tuple(s) for s in strata_of([18, 60], [])]
    [(None, None, None, None), (18, 59, None, None), (60, None, None, None)]
    """
    for what, given in (("ages", ages), ("heights", heights)):
        if any(b <= a for a, b in pairwise(given)) or any(g <= 0 for g in given):
            raise StudyError(f"{what}: the numbers must rise: {', '.join(map(str, given))}.")
    edges: tuple[list[int | None], list[int | None]] = ([*ages, None], [None, *heights, None])
    by_age, by_height = (
        [(None, None), *((a, None if b is None else b - 1) for a, b in pairwise(one))]
        for one in edges
    )
    return list(dict.fromkeys(Stratum(*a, *h) for h in by_height for a in by_age))


class Part(NamedTuple):
    """The values that give one limit: of what, of whom, and one row per value."""

    named: dict[str, str]
    band: Stratum
    rows: pd.DataFrame


def split(values: pd.DataFrame, bands: Sequence[Stratum]) -> Iterator[Part]:
    """Give the values of each nerve, muscle, site, parameter and band that has any."""
    for key, part in values.groupby(GROUP, sort=True):
        named = dict(zip(GROUP, map(str, key), strict=True))
        for band in bands:
            ages = _within(part["age_years"], band.age_from, band.age_to)
            heights = _within(part["height_cm"], band.height_from_cm, band.height_to_cm)
            inside = part[ages & heights]
            if len(inside):
                yield Part(named, band, inside)


def _within(values: pd.Series, low: int | None, high: int | None) -> pd.Series:
    """Tell what lies in a band; unknown lies in none, but in the one without ends."""
    found = pd.Series(True, index=values.index)
    if low is not None:
        found &= values >= low
    if high is not None:
        found &= values < high + 1
    return found


def _limit(part: pd.DataFrame) -> dict[str, object]:
    """Estimate one limit, with its interval and what to doubt about it."""
    values = part["value"].to_numpy(dtype=np.float64)
    studies = pd.factorize(part["study_id"])[0].astype(np.int64)
    direction: Direction = part["direction"].iloc[0]
    n = len(values)
    row: dict[str, object] = {
        "direction": direction,
        "n_values": n,
        "n_studies": int(studies.max()) + 1,
        "distance_mm": _distance(part),
    }
    found = find_plateau(values, direction) if n >= value("values.fewest") else None
    if found is None:
        few = n < value("values.fewest")
        row["warning"] = "too_few" if few else "no_plateau"
        return row
    limit = found.limit(direction, value("plateau.standard_deviations"))
    low, high = interval(values, studies, direction, np.random.default_rng(_SEED))
    row |= {
        "plateau_low": found.low,
        "plateau_high": found.high,
        "plateau_mean": found.mean,
        "plateau_sd": found.sd,
        "plateau_share": found.share,
        "limit": limit if limit > 0.0 else math.nan,
        "limit_low": low,
        "limit_high": high,
        "limit_2sd": found.limit(direction, _PUBLISHED_SDS),
    }
    row["warning"] = ";".join(_doubts(n, found.share, limit, high - low))
    return row


def _doubts(n: int, share: float, limit: float, width: float) -> Iterator[str]:
    if n < value("values.few"):
        yield "few"
    if share < value("plateau.usual_share"):
        yield "small_plateau"
    if limit <= 0.0:
        yield "below_zero"
    elif not width <= value("plateau.widest_interval_share") * limit:
        yield "uncertain"


def _distance(part: pd.DataFrame) -> float:
    """Give the distance of a latency, where the laboratory keeps to one."""
    known = part["distance_mm"].dropna()
    usual = float(known.median()) if len(known) * 2 > len(part) else math.nan
    near = (known - usual).abs() <= value("values.same_distance_mm")
    return usual if len(known) and near.mean() >= value("values.usual_distance_share") else math.nan


_WHOLE = ("age_from", "age_to", "height_from_cm", "height_to_cm", "n_values", "n_studies")
_TEXT = ("study", "nerve", "muscle", "site", "segment", "item", "direction", "warning")
_NUMBERS = (
    "plateau_low",
    "plateau_high",
    "plateau_mean",
    "plateau_sd",
    "plateau_share",
    "limit",
    "limit_low",
    "limit_high",
    "limit_2sd",
    "distance_mm",
)
_COLUMNS = (*_TEXT[:7], *_WHOLE, *_NUMBERS, "warning")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        **dict.fromkeys(_TEXT, "string"),
        **dict.fromkeys(_WHOLE, "Int64"),
        **dict.fromkeys(_NUMBERS, "float64"),
    }
    return frame.reindex(columns=list(_COLUMNS)).astype(kinds)

"""What a lesion does to the fibers of a pool: block, delays, axon loss, failing conduction."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs_cb.errors import ArgumentError
from ncs_cb.simulate.pool import Pool

Floats = NDArray[np.float64]
Choice = Literal["random", "largest", "fastest", "smallest", "slowest"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
DelayShape = Literal["uniform", "exponential", "normal", "two_groups"]
DELAY_SHAPES: tuple[DelayShape, ...] = get_args(DelayShape)


def _column(value: ArrayLike, n: int) -> Floats:
    return np.broadcast_to(np.asarray(value, dtype=np.float64).reshape(-1, 1), (n, 1))


def choose_units(
    pool: Pool,
    rng: np.random.Generator,
    share: ArrayLike,
    *,
    choice: Choice = "random",
    of: Literal["signal", "units"] = "signal",
) -> NDArray[np.bool_]:
    """Choose units until they make up a share of each pool.

    Parameters
    ----------
    pool : Pool
    rng : numpy.random.Generator
    share : float or array of shape (n,)
        0 to 1.
    choice : {"random", "largest", "fastest", "smallest", "slowest"}
        In which order units are taken.
    of : {"signal", "units"}
        Share of the summed size, or of the count.

    Returns
    -------
    ndarray of bool of shape (n, n_units)
        The unit that would exceed the share is taken when that comes closer to it.

    Raises
    ------
    ArgumentError
        If `choice` is unknown or a share lies outside 0 to 1.
    """
    portion = _column(share, pool.n_pools)
    if np.any((portion < 0.0) | (portion > 1.0)):
        raise ArgumentError(
            f"a share must lie between 0 and 1, not {portion.min()}..{portion.max()}"
        )
    chance = rng.random(pool.size.shape)
    keys: dict[str, Floats] = {
        "random": chance,
        "largest": -pool.size,
        "smallest": pool.size,
        "fastest": pool.slowness,
        "slowest": -pool.slowness,
    }
    if choice not in keys:
        raise ArgumentError(f"unknown choice '{choice}'; known: {', '.join(keys)}")
    exists = pool.size > 0.0
    order = np.argsort(np.where(exists, keys[choice], np.inf), axis=1)
    amount = pool.size if of == "signal" else exists.astype(np.float64)
    sorted_amount = np.take_along_axis(amount, order, axis=1)
    reached = np.cumsum(sorted_amount, axis=1) - 0.5 * sorted_amount
    taken = (reached < portion * amount.sum(axis=1, keepdims=True)) & (sorted_amount > 0.0)
    chosen: NDArray[np.bool_] = np.zeros(taken.shape, dtype=bool)
    np.put_along_axis(chosen, order, taken, axis=1)
    return chosen


def draw_delays(
    pool: Pool,
    rng: np.random.Generator,
    *,
    shape: DelayShape = "uniform",
    delay_ms: ArrayLike = 0.0,
    share: ArrayLike = 1.0,
) -> Floats:
    """Draw the extra conduction time that demyelination gives to each unit.

    Parameters
    ----------
    pool : Pool
    rng : numpy.random.Generator
    shape : {"uniform", "exponential", "normal", "two_groups"}
        ``uniform``: 0 to `delay_ms`. ``exponential``: mean a third of `delay_ms`, cut at it.
        ``normal``: mean half of `delay_ms`, standard deviation a sixth, cut at 0.
        ``two_groups``: a half of the affected units about `delay_ms` late (10 %), the others
        up to a tenth of it.
    delay_ms : float or array of shape (n,) [ms]
        Scale: about the longest delay.
    share : float or array of shape (n,)
        Share of the units that are affected, at random; the others keep their time.

    Returns
    -------
    ndarray of shape (n, n_units) [ms]
        Never negative.

    Raises
    ------
    ArgumentError
        If `shape` is unknown.
    """
    form = pool.size.shape
    place, affected = rng.random(form), rng.random(form)
    score = rng.standard_normal(form)
    relative: Floats
    if shape == "uniform":
        relative = place
    elif shape == "exponential":
        relative = np.minimum(-np.log1p(-place) / 3.0, 1.0)
    elif shape == "normal":
        relative = np.maximum(0.5 + score / 6.0, 0.0)
    elif shape == "two_groups":
        late = np.maximum(1.0 + 0.1 * score, 0.0)
        relative = np.where(place < 0.5, late, 0.1 * (2.0 * place - 1.0))
    else:
        raise ArgumentError(f"unknown shape of delays '{shape}'; known: {', '.join(DELAY_SHAPES)}")
    delays: Floats = _column(delay_ms, form[0]) * relative
    return np.where(affected < _column(share, form[0]), delays, 0.0)


def lose_axons(
    pool: Pool,
    rng: np.random.Generator,
    share: ArrayLike,
    *,
    choice: Choice = "random",
    reinnervation: ArrayLike = 0.0,
) -> Pool:
    """Take units away for good; the survivors adopt part of what is lost.

    Parameters
    ----------
    pool : Pool
    rng : numpy.random.Generator
    share : float or array of shape (n,)
        Share of units lost.
    choice : str
        Which units go first; see :func:`choose_units`.
    reinnervation : float or array of shape (n,)
        Share of the lost signal that survivors take over, in proportion to their size.

    Returns
    -------
    Pool
    """
    lost = choose_units(pool, rng, share, choice=choice, of="units")
    before = pool.size.sum(axis=1, keepdims=True)
    left = np.where(lost, 0.0, pool.size)
    sum_left = left.sum(axis=1, keepdims=True)
    regained = _column(reinnervation, pool.n_pools) * (before - sum_left)
    growth = 1.0 + np.divide(regained, sum_left, out=np.zeros_like(sum_left), where=sum_left > 0.0)
    return replace(pool, size=left * growth)

"""The level of a stretch of samples, where a file of twenty sweeps asks for it a hundred times."""

from __future__ import annotations

import numpy as np


def median(samples: np.ndarray) -> float:
    """Give the median of finite samples, the very number that ``numpy.median`` gives.

    Of a few hundred samples ``numpy.median`` spends four times as long on its preparations as
    on the selection.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        At least one, all finite; not changed.
    """
    middle = len(samples) // 2
    if len(samples) % 2:
        return float(np.partition(samples, middle)[middle])
    chosen = np.partition(samples, (middle - 1, middle))
    return (float(chosen[middle - 1]) + float(chosen[middle])) / 2.0

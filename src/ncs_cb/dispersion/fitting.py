"""Refine the delay distributions of many pairs together, and weigh them."""

from __future__ import annotations

import numpy as np

from ncs_cb import _kernels
from ncs_cb.dispersion.deconvolution import (
    GRAINS,
    RADIANS_PER_MS,
    SCALE,
    Fit,
    Floats,
    Kinds,
    Spectra,
    tied,
)

_LOW = np.array([0.0, -0.15, 0.0, 0.0, 0.05, 0.0])
_HIGH = np.array([3.0, 6.0, 1.0, 18.0, 20.0, 40.0])
LIMITS = (_LOW, _HIGH)
# Wide normal priors: they decide only what the traces leave open.
_MEAN = np.array([0.5, 0.2, 0.5, 4.0, 4.0, 10.0])
_PRECISION = 1.0 / np.array([0.6, 0.8, 0.6, 6.0, 6.0, 20.0]) ** 2
# Neighboring frequencies share one deviation, so that their evidence counts for less than one.
EVIDENCE = 0.5
# After as many rounds it shows which kinds can explain the response; those go on for as many.
ROUNDS = 2
_SQUARES = np.array(GRAINS) ** 2
_TIED = tied(_SQUARES[:, None])


def refine(kinds: Kinds, pair: Spectra) -> Fit:
    """Improve all starting points by damped Gauss-Newton steps, then weigh them.

    The steps are those of ``_kernels/refine.c``: each is damped more where it does not lower the
    cost, the four best kinds go on, and each is weighed by its Laplace evidence under every
    grain.
    """
    spectra = (
        pair.distal.view(np.float64),
        pair.proximal.view(np.float64),
        pair.distal_noise,
        pair.proximal_noise,
        pair.cut.view(np.float64),
        2.0 * EVIDENCE * pair.evidence,
    )
    setting = (RADIANS_PER_MS, _LOW, _HIGH, _MEAN, _PRECISION, _SQUARES, _TIED)
    theta, place, log, pivot, misfit, error = _kernels.refine(
        (kinds.theta, kinds.shape, kinds.fixed), spectra, setting, ROUNDS
    )
    n, grains, k = log.shape
    flat = log.reshape(n, grains * k)
    best = flat.argmax(axis=1)
    weight = np.exp(flat - flat.max(axis=1, keepdims=True))
    weight = weight / weight.sum(axis=1, keepdims=True)
    scales = np.tile(theta[..., SCALE], (1, grains))
    mean = np.sum(weight * scales, axis=1)
    spread = (scales - mean[:, None]) ** 2 + pivot.reshape(n, -1) ** -2
    received: Floats = np.sum(np.abs(pair.proximal) ** 2, axis=1)
    index = np.arange(n)
    share = weight.reshape(n, grains, k).sum(axis=1)
    return Fit(
        theta,
        np.take_along_axis(kinds.shape, place, axis=1),
        share,
        mean,
        np.sqrt(np.sum(weight * spread, axis=1)),
        np.sqrt(np.square(error[index, best % k]).sum(axis=1) / received),
        misfit.reshape(n, -1)[index, best],
        (share[:, None] @ error)[:, 0].view(np.complex128),
    )

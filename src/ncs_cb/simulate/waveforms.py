"""The potential that one unit gives at the skin, as a low-rank family of shapes.

A motor unit's surface potential in belly-tendon montage is biphasic, negative first, with a
longer and shallower positive phase and a slow positive afterwave that outlasts the sweep
(design reference, section 7.2; the afterwave is physiological: Politecnico di Torino thesis cited
there). Shapes differ between units in width and, when the electrode lies off the end plates, in
an initial positivity. The family is spanned by a few principal components, so that a response
of any number of units costs a few histograms and Fourier transforms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ncs_cb.simulate.recording import filter_as_amplifier

Floats = NDArray[np.float64]
UnitKind = Literal["motor", "sensory"]

# Widths that occur: log-normal with SD 0.12 (design reference, section 7.3), cold, other muscles.
_LOG_WIDTHS = np.linspace(np.log(0.35), np.log(2.6), 161)
_N_COMPONENTS = 11


def _pulse(time_ms: Floats, peak_ms: float, power: float) -> Floats:
    """A gamma-shaped pulse of height 1 at `peak_ms`, zero before 0."""
    x = np.maximum(time_ms, 0.0) / peak_ms
    shape: Floats = x**power * np.exp(power * (1.0 - x))
    return shape


def motor_unit_parts(time_ms: Floats) -> Floats:
    """The four parts of a motor unit's surface potential of average width, each of height about 1.

    Returns
    -------
    ndarray of shape (4, n_samples)
        Negative phase, positive phase, slow positive afterwave, and the positive deflection that
        comes first when the electrode lies off the end plates. The last three are negative
        numbers, as negative is up.

    References
    ----------
    Shape: design reference, section 7.2 (biphasic; the positive phase longer and shallower).
    Slow afterwave: Politecnico di Torino thesis cited there.
    """
    after = np.maximum(time_ms, 0.0)
    return np.stack(
        [
            _pulse(time_ms, 2.0, 2.0),
            -_pulse(time_ms, 7.0, 4.5),
            -np.square(1.0 - np.exp(-after / 4.0)) * np.exp(-after / 22.0),
            -_pulse(time_ms, 0.9, 2.0),
        ]
    )


def sensory_fiber_parts(time_ms: Floats) -> Floats:
    """The four parts of a digital nerve fiber's potential; see :func:`motor_unit_parts`.

    Onset to peak about 0.6 ms, negative phase about 1.3 ms (typical antidromic digital study).
    """
    return np.stack(
        [
            _pulse(time_ms, 0.62, 3.0),
            -_pulse(time_ms, 1.55, 6.0),
            -_pulse(time_ms, 0.22, 2.0),
            -_pulse(time_ms, 0.45, 2.0),
        ]
    )


# Height of the positive phase and of the afterwave relative to the negative phase of an average
# unit (project choice: the net area of a response is then 9 to 13 % of its negative area, as of
# real ones).
MEAN_POSITIVE = {"motor": 0.30, "sensory": 0.40}
MEAN_AFTERWAVE = {"motor": 0.025, "sensory": 0.02}


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """The shape of every unit's potential; each array is (n, n_units) or (n, 1).

    Attributes
    ----------
    log_width : ndarray
        Natural logarithm of the width relative to an average hand muscle's unit.
    positive, afterwave, initial : ndarray
        Heights of the later phases and of an initial positivity, relative to the negative phase.
    """

    log_width: Floats
    positive: Floats
    afterwave: Floats
    initial: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """A family of filtered unit potentials and the coefficients of its members.

    Attributes
    ----------
    components : ndarray of shape (n_components, n_template)
        Templates at the internal rate, after the amplifier's filters.
    parts : ndarray of shape (4, n_widths, n_components)
        Coefficients of each part of the potential for each log width of the grid.
    """

    components: Floats
    parts: Floats

    def coefficients(self, shapes: Shapes) -> Iterator[Floats]:
        """For each component its coefficient for units of these shapes, of shape (n_chosen,)."""
        grid = (shapes.log_width - _LOG_WIDTHS[0]) / (_LOG_WIDTHS[1] - _LOG_WIDTHS[0])
        grid = np.clip(grid, 0.0, len(_LOG_WIDTHS) - 1.001)
        low = grid.astype(np.intp)
        part = grid - low
        heights = (shapes.positive, shapes.afterwave, shapes.initial)
        for component in range(len(self.components)):
            negative, *others = self.parts[:, :, component]
            value = _between(negative, low, part)
            for height, column in zip(heights, others, strict=True):
                if np.any(height):
                    value = value + height * _between(column, low, part)
            yield value


def _between(column: Floats, low: NDArray[np.intp], part: Floats) -> Floats:
    start: Floats = np.take(column, low)
    return start + part * np.take(np.diff(column), low)


@lru_cache(maxsize=32)
def basis(
    kind: UnitKind,
    rate_hz: float,
    n_samples: int,
    high_pass_hz: float | None,
    low_pass_hz: float | None,
) -> Basis:
    """Make the family of unit potentials for one amplifier setting.

    Parameters
    ----------
    kind : {"motor", "sensory"}
    rate_hz : float
        Internal sampling rate.
    n_samples : int
        Length of the templates: that of the sweep.
    high_pass_hz, low_pass_hz : float or None
        Amplifier filter; see :func:`ncs_cb.simulate.recording.filter_as_amplifier`.
    """
    time_ms = np.arange(n_samples) * 1e3 / rate_hz
    parts_of = motor_unit_parts if kind == "motor" else sensory_fiber_parts
    # A unit's size is the area of its negative phase, so that a wide unit is a low one.
    family = np.concatenate(
        [parts_of(time_ms / width) / width for width in np.exp(_LOG_WIDTHS)], axis=0
    )
    filtered = filter_as_amplifier(
        family, rate_hz, high_pass_hz=high_pass_hz, low_pass_hz=low_pass_hz
    )
    # Common widths and tall parts count most, so that few components serve nearly all units.
    common = 0.03 + np.exp(-0.5 * np.square(_LOG_WIDTHS / 0.3))
    height = np.array([1.0, MEAN_POSITIVE[kind], MEAN_AFTERWAVE[kind], 0.3])
    weight = (common[:, None] * height[None]).reshape(-1, 1)
    _, _, components = np.linalg.svd(weight * filtered, full_matrices=False)
    components = components[:_N_COMPONENTS]
    coefficients = (filtered @ components.T).reshape(len(_LOG_WIDTHS), 4, -1)
    return Basis(components, np.ascontiguousarray(coefficients.swapaxes(0, 1)))

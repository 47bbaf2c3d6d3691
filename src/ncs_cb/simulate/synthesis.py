"""From arrival times to traces: sub-sample histograms, a few templates, one Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncs_cb.simulate.recording import Amplifier
from ncs_cb.simulate.waveforms import Basis, Shapes, UnitKind, basis

Floats = NDArray[np.float64]

# Motor unit potentials hold nothing above about 1 kHz, sensory ones above about 3 kHz; at these
# rates a four-point interpolation of the arrival time is good to 0.1 % of the response.
_INTERNAL_RATE_HZ = {"motor": 20_000.0, "sensory": 40_000.0}
_CHUNK = 256


def synthesize(
    arrival_ms: Floats,
    weight: Floats,
    *,
    setting: Amplifier,
    kind: UnitKind = "motor",
    shapes: Shapes,
) -> Floats:
    """Sum the surface potentials of all units of many responses.

    Parameters
    ----------
    arrival_ms : ndarray of shape (n, n_units) [ms]
        Time from the stimulus to the start of each unit's potential; NaN where it never comes.
    weight : ndarray of shape (n, n_units)
        Size of each unit's potential; 0 where it is silent.
    setting : Amplifier
        Sampling and filters.
    kind : {"motor", "sensory"}
        Family of unit potentials.
    shapes : Shapes
        Width and phases of each unit's potential.

    Returns
    -------
    ndarray of shape (n, n_samples)
        In the unit of `weight`, negative up, without noise.
    """
    factor = max(1, int(np.ceil(_INTERNAL_RATE_HZ[kind] / setting.sampling_rate_hz)))
    rate_hz = setting.sampling_rate_hz * factor
    n_fine = setting.n_samples * factor
    family = basis(kind, rate_hz, n_fine, setting.high_pass_hz, setting.low_pass_hz)
    position = arrival_ms * (rate_hz / 1e3) + setting.stimulus_index * factor
    inside = (weight != 0.0) & (position >= 1.0) & (position < n_fine - 2.0)
    out = np.empty((len(arrival_ms), setting.n_samples))
    for start in range(0, len(arrival_ms), _CHUNK):
        rows = slice(start, start + _CHUNK)
        chosen = inside[rows]
        traces = _superpose(
            np.nonzero(chosen)[0],
            position[rows][chosen],
            weight[rows][chosen],
            _chosen(shapes, rows, chosen),
            family,
            (len(chosen), n_fine),
        )
        out[rows] = traces[:, ::factor]
    return out


def _chosen(shapes: Shapes, rows: slice, chosen: NDArray[np.bool_]) -> Shapes:
    def pick(values: Floats) -> Floats:
        part = values if len(values) == 1 else values[rows]
        picked: Floats = np.broadcast_to(part, chosen.shape)[chosen]
        return picked

    return Shapes(
        pick(shapes.log_width), pick(shapes.positive), pick(shapes.afterwave), pick(shapes.initial)
    )


def _superpose(
    row: NDArray[np.intp],
    position: Floats,
    weight: Floats,
    shapes: Shapes,
    family: Basis,
    size: tuple[int, int],
) -> Floats:
    import scipy.fft

    n, n_fine = size
    low = position.astype(np.intp)
    # Templates are as long as the sweep: with room for the last arrival nothing wraps around.
    n_padded = scipy.fft.next_fast_len(n_fine + int(low.max(initial=0)) + 3, real=True)
    taps = _lagrange(position - low)
    cell = row * n_fine + low
    total = np.zeros((n, n_padded // 2 + 1), dtype=np.complex128)
    for template, coefficient in zip(family.components, family.coefficients(shapes), strict=True):
        amount = weight * coefficient
        histogram = np.zeros(n * n_fine)
        for offset, tap in enumerate(taps, start=-1):
            histogram += np.bincount(cell + offset, amount * tap, minlength=n * n_fine)
        spectrum = scipy.fft.rfft(histogram.reshape(n, n_fine), n_padded, axis=1)
        total += spectrum * scipy.fft.rfft(template, n_padded)
    traces: Floats = scipy.fft.irfft(total, n_padded, axis=1)[:, :n_fine]
    return traces


def _lagrange(part: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights of the four samples around a point `part` of the way from the second to the third."""
    before, after, beyond = part + 1.0, 1.0 - part, 2.0 - part
    return (
        -part * after * beyond / 6.0,
        before * after * beyond / 2.0,
        before * part * beyond / 2.0,
        -before * part * after / 6.0,
    )

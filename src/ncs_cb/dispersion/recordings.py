"""From two recorded sweeps to spectra: baseline, artefact, onset, windows, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ncs_cb.dispersion.deconvolution import N_FREQUENCIES, STEP_HZ, Spectra

Floats = npt.NDArray[np.float64]

# Of the time before the stimulus, only this much is used: what lies farther off may drift.
BEFORE_MS = 5.0
# The grid's period is 100 ms; a delayed response must not wrap around.
AFTER_MS = 80.0
# The proximal window ends this long after its onset: 16 ms of delays and a whole response fit in,
# while F waves and stray movement mostly stay out. Whatever is cut is cut from the model too.
LONGEST_RESPONSE_MS = 36.0
BLANKED_MS = 0.7
EARLIEST_ONSET_MS = 1.6
# How far before its onset a response is taken to begin: the foot below the detection limit.
FOOT_MS = 0.8
RISE_MS = 0.6
FALL_MS = 5.0
_SMOOTH_MS = 0.4
_SUSTAINED_MS = 0.8
_TAILS_MS = (0.2, 0.4, 0.8)
# Products are taken in pieces too small for BLAS to wake its threads, which costs more than
# it gives here, and badly so when several workers share the cores.
_PIECE = 128
_RIDGE = np.diag([1e-9, 1e-9, 1e-9])


@dataclass(frozen=True, slots=True)
class Sweep:
    """One trace as recorded, in mV, negative phase up."""

    samples_mv: Floats
    sampling_rate_hz: float
    stimulus_index: int


@dataclass(frozen=True, slots=True)
class Response:
    """One trace without baseline and artefact.

    ``time_ms`` counts from the stimulus; ``noise_mv`` is the standard deviation of the quiet
    stretch, ``baseline_sd_mv`` that of the baseline itself; ``peak_mv`` is the negative peak,
    ``size_mv`` the largest size of either sign, ``end_mv`` the mean size of the last
    millisecond; ``is_present`` says whether a response stands clear of the noise.
    """

    samples_mv: Floats
    time_ms: Floats
    first: int
    noise_mv: float
    baseline_sd_mv: float
    onset_ms: float
    peak_mv: float
    size_mv: float
    end_mv: float
    is_present: bool


@dataclass(frozen=True, slots=True)
class _Quiet:
    """Baseline level and artefact tail ``(tail + drift * t) * exp(-t / tail_ms)``."""

    level_mv: float
    tail_mv: float
    drift_mv: float
    tail_ms: float
    noise_mv: float
    level_variance: float

    def clean(self, samples: Floats, time_ms: Floats) -> Floats:
        if self.tail_mv == 0.0 and self.drift_mv == 0.0:
            return samples - self.level_mv
        late = np.maximum(time_ms, 0.0)
        tail = np.where(time_ms > 0, np.exp(-late / self.tail_ms), 0.0)
        return samples - self.level_mv - (self.tail_mv + self.drift_mv * late) * tail


def _quiet(samples: Floats, time_ms: Floats, until_ms: float) -> _Quiet:
    """Fit a level and, where it is significant, a decaying artefact tail before `until_ms`.

    The term in ``t exp(-t / tail_ms)`` makes up for the coarse grid of time constants.
    """
    mask = (time_ms < -0.15) | ((time_ms >= BLANKED_MS) & (time_ms <= until_ms))
    y, t = samples[mask], time_ms[mask]
    count = max(y.size, 1)
    level = float(y.mean()) if y.size else 0.0
    flat = float(np.sum((y - level) ** 2))
    freedom = max(count - 4, 1)
    best = _Quiet(level, 0.0, 0.0, 1.0, float(np.sqrt(flat / freedom)), flat / freedom / count)
    lowest = flat * (1.0 - 12.0 / (freedom + 12.0))
    late, ones = np.maximum(t, 0.0), np.ones(y.size)
    for tail_ms in _TAILS_MS:
        tail = np.where(t > 0, np.exp(-late / tail_ms), 0.0)
        design = np.stack([ones, tail, tail * late])
        # The ridge keeps a stretch of few samples, or none, solvable.
        inverse = np.linalg.inv(design @ design.T + _RIDGE)
        found = inverse @ (design @ y)
        rest = float(np.sum((y - found @ design) ** 2))
        if rest < lowest:
            lowest = rest
            noise = rest / freedom
            level, size, drift = (float(value) for value in found)
            best = _Quiet(level, size, drift, tail_ms, float(np.sqrt(noise)),
                          noise * float(inverse[0, 0]))  # fmt: skip
    return best


def _smooth(samples: Floats, width: int) -> Floats:
    if width <= 1:
        return samples
    total = np.concatenate(([0.0], np.cumsum(samples)))
    inner = (total[width:] - total[:-width]) / width
    before = (width - 1) // 2
    after = samples.size - inner.size - before
    return np.concatenate((np.full(before, inner[0]), inner, np.full(after, inner[-1])))


def _departure(size: Floats, limit: float, first: int, sustained: int) -> int | None:
    """Give the first sample from `first` on that stays above `limit` for `sustained` samples."""
    above = np.concatenate(([0], np.cumsum(size[first:] > limit)))
    runs = np.flatnonzero(above[sustained:] - above[:-sustained] == sustained)
    return first + int(runs[0]) if runs.size else None


def clean(sweep: Sweep, after_ms: float) -> Response:
    """Remove baseline and artefact from `sweep` and find its response after `after_ms`."""
    rate = sweep.sampling_rate_hz
    first = max(0, sweep.stimulus_index - round(BEFORE_MS * 1e-3 * rate))
    last = sweep.stimulus_index + round(AFTER_MS * 1e-3 * rate) + 1
    samples = sweep.samples_mv[first:last]
    time_ms = (np.arange(samples.size) + (first - sweep.stimulus_index)) / rate * 1e3
    width = max(1, int(_SMOOTH_MS * 1e-3 * rate))
    sustained = max(1, int(_SUSTAINED_MS * 1e-3 * rate))
    start = min(int(np.searchsorted(time_ms, after_ms)), samples.size - 2)
    until, onset, peak, present = after_ms, after_ms, 0.0, False
    for _ in range(3):
        quiet = _quiet(samples, time_ms, until)
        cleaned = quiet.clean(samples, time_ms)
        smooth = _smooth(cleaned, width)
        noise = quiet.noise_mv / np.sqrt(width)
        size = np.abs(smooth)
        level = float(np.sqrt(quiet.level_variance))
        limit = max(0.015 * size[start:].max(), 4.0 * noise, 4.0 * level)
        found = _departure(size, limit, start, sustained)
        peak = float(smooth[start:].max())
        present = found is not None and size[start:].max() > max(5.0 * noise, 5.0 * level)
        onset = float(time_ms[start if found is None else found])
        # The quiet stretch may reach as far as the foot, once the response is found.
        reach = max(onset - BLANKED_MS, BLANKED_MS + 0.4)
        if abs(reach - until) < 1e-9:
            break
        until = reach
    end = float(np.abs(smooth[-max(2, int(1e-3 * rate)) :]).mean())
    return Response(
        cleaned, time_ms, first - sweep.stimulus_index, quiet.noise_mv,
        float(np.sqrt(quiet.level_variance)), onset, peak, float(size[start:].max()), end,
        bool(present),
    )  # fmt: skip


@lru_cache(maxsize=32)
def _basis(count: int, first: int, rate: float) -> Floats:
    """Give cosines and negative sines at multiples of the grid step, in pieces of time."""
    time_ms = (np.arange(-(-count // _PIECE) * _PIECE) + first) / rate * 1e3
    angle = 2e-3 * np.pi * STEP_HZ * time_ms[:, None] * np.arange(2 * N_FREQUENCIES - 1)
    waves = np.concatenate((np.cos(angle), -np.sin(angle)), axis=1) * (1e3 / rate)
    return waves.reshape(-1, _PIECE, waves.shape[1])


def _transform(rows: list[Floats], response: Response, rate: float) -> npt.NDArray[np.complex128]:
    """Give Fourier integrals (mV ms) of `rows` at multiples of the grid step."""
    basis = _basis(response.samples_mv.size, response.first, rate)
    padded = np.zeros((len(rows), basis.shape[0] * _PIECE))
    padded[:, : response.samples_mv.size] = rows
    pieces = padded.reshape(len(rows), -1, _PIECE).swapaxes(0, 1)
    parts = (pieces @ basis).sum(axis=0)
    half = basis.shape[2] // 2
    return np.asarray(parts[:, :half] + 1j * parts[:, half:])


def _gate(time_ms: Floats, start_ms: float, end_ms: float, fall_ms: float) -> Floats:
    """Give a window that rises after `start_ms` and falls to zero at `end_ms`."""
    rise = np.clip((time_ms - start_ms) / RISE_MS, 0.0, 1.0)
    fall = np.clip((end_ms - time_ms) / fall_ms, 0.0, 1.0)
    return np.asarray(0.25 * (1.0 - np.cos(np.pi * rise)) * (1.0 - np.cos(np.pi * fall)))


def _mask_matrices(window: npt.NDArray[np.complex128]) -> tuple[npt.NDArray[np.complex128], ...]:
    """Turn a window's transform into the matrices that apply it to a one-sided spectrum."""
    both = np.concatenate((np.conj(window[:0:-1]), window)) * STEP_HZ * 1e-3
    center = window.size - 1
    index = np.arange(N_FREQUENCIES)
    direct = both[center + index[None, :] - index[:, None]]
    mirror = both[center + index[None, :] + index[:, None]]
    # The mean value is its own mirror image and must not count twice.
    mirror[0] = 0.0
    return direct, mirror


def spectra(distal: Response, proximal: Response, rates_hz: tuple[float, float]) -> Spectra:
    """Window both responses and give them on the frequency grid, with their noise."""
    end = min(proximal.time_ms[-1], proximal.onset_ms + LONGEST_RESPONSE_MS)
    lag = max(proximal.onset_ms - distal.onset_ms, 0.3)
    first, far = distal.onset_ms - FOOT_MS, proximal.onset_ms - FOOT_MS
    end_d = min(end, distal.time_ms[-1])
    whole = _gate(distal.time_ms, first, end_d, max(lag, 1.0))
    cut = _gate(distal.time_ms, first, min(end - lag, end_d), FALL_MS)
    seen = _gate(proximal.time_ms, far, end, FALL_MS)
    d = distal.samples_mv
    near = _transform([d * whole, d * cut, whole], distal, rates_hz[0])
    gone = _transform([proximal.samples_mv * seen, seen], proximal, rates_hz[1])
    grid = slice(0, N_FREQUENCIES)
    direct, mirror = _mask_matrices(gone[1])
    step = [1e3 / rate for rate in rates_hz]
    spans = [float(np.sum(w * w)) * dt for w, dt in zip((whole, seen), step, strict=True)]
    noises = [
        response.noise_mv**2 * dt * span + response.baseline_sd_mv**2 * np.abs(gate[grid]) ** 2
        for response, dt, span, gate in zip(
            (distal, proximal), step, spans, (near[2], gone[1]), strict=True)
    ]  # fmt: skip
    return Spectra(
        near[0, grid], near[1, grid], gone[0, grid], noises[0], noises[1], direct, mirror,
        min(1.0, STEP_HZ * 1e-3 * spans[1]),
    )  # fmt: skip

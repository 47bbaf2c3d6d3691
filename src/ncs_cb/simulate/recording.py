"""What the amplifier and the surroundings do to a response: filters, noise, artefact, bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def filter_as_amplifier(
    samples: Floats, rate_hz: float, *, high_pass_hz: float | None, low_pass_hz: float | None
) -> Floats:
    """Filter as an EMG amplifier does: causally, one pole below, two poles above.

    Parameters
    ----------
    samples : ndarray of shape (n, n_samples)
        Traces that start from rest.
    rate_hz : float
    high_pass_hz : float or None
        Corner of the first-order high-pass (RC coupling); None leaves it out.
    low_pass_hz : float or None
        Corner of the second-order Butterworth low-pass; None leaves it out.

    Returns
    -------
    ndarray of shape (n, n_samples)
        Same length; what the filter still owes after the last sample is cut off.
    """
    import scipy.fft
    import scipy.signal

    out = np.asarray(samples, dtype=np.float64)
    n_samples = out.shape[-1]
    if low_pass_hz is not None:
        # The low-pass is over within a millisecond or two; the analogue response needs no warping
        # when it is applied in the frequency domain, with room for it to ring out.
        n_padded = scipy.fft.next_fast_len(n_samples + int(0.02 * rate_hz) + 1, real=True)
        ratio = 1j * scipy.fft.rfftfreq(n_padded, 1.0 / rate_hz) / low_pass_hz
        gain = 1.0 / (1.0 + np.sqrt(2.0) * ratio + ratio**2)
        spectrum = scipy.fft.rfft(out, n_padded, axis=-1) * gain
        out = scipy.fft.irfft(spectrum, n_padded, axis=-1)[..., :n_samples]
    if high_pass_hz is not None:
        numerator, denominator = scipy.signal.butter(1, high_pass_hz, "highpass", fs=rate_hz)
        out = scipy.signal.lfilter(numerator, denominator, out, axis=-1)
    return np.asarray(out, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Amplifier:
    """How a sweep is sampled and filtered.

    Attributes
    ----------
    sampling_rate_hz : float
    n_samples : int
        Length of a sweep.
    stimulus_index : int
        Samples before the stimulus.
    high_pass_hz, low_pass_hz : float or None
        First-order high-pass and second-order low-pass.
    """

    sampling_rate_hz: float = 20_000.0
    n_samples: int = 1000
    stimulus_index: int = 20
    high_pass_hz: float | None = 2.0
    low_pass_hz: float | None = 10_000.0

    @property
    def time_ms(self) -> Floats:
        """Time of each sample from the stimulus [ms], shape (n_samples,)."""
        index = np.arange(self.n_samples) - self.stimulus_index
        return np.asarray(index * (1e3 / self.sampling_rate_hz), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is added to a response; every amplitude may be one value or one per trace.

    Attributes
    ----------
    noise_mv : float or ndarray of shape (n,) [mV]
        Standard deviation of white noise within the amplifier's band.
    hum_mv : float or ndarray [mV]
        Amplitude of mains hum, random phase, with a fifth of third harmonic.
    hum_hz : float
        50 or 60.
    drift_mv : float or ndarray [mV]
        Standard deviation of a slow baseline wander over the sweep: a slope and half a swing.
    offset_mv : float or ndarray [mV]
        Standard deviation of a constant offset.
    artefact_mv : float or ndarray [mV]
        Height of the stimulus artefact at its end; the sign is random unless
        `artefact_sign` is set.
    artefact_decay_ms : float or ndarray [ms]
        Decay constant of its tail.
    artefact_sign : int
        1, -1 or 0 for random.
    artefact_pulse_ms : float or ndarray [ms]
        Length of the stimulus pulse, of each phase where it has two.
    artefact_is_biphasic : bool
        Whether a second phase of the other sign, 0.9 as high, follows.
    one_over_f_mv : float or ndarray [mV]
        Standard deviation of noise whose power falls with frequency, above 2 Hz.
    hum_harmonics : float or ndarray
        Size of the second to seventh harmonic of hum, relative to those of ordinary hum.
    recovery_mv, recovery_ms : float or ndarray [mV], [ms]
        An amplifier that swings back slowly after the pulse: height, either sign, and decay.
    """

    noise_mv: ArrayLike = 0.0
    hum_mv: ArrayLike = 0.0
    hum_hz: float = 50.0
    drift_mv: ArrayLike = 0.0
    offset_mv: ArrayLike = 0.0
    artefact_mv: ArrayLike = 0.0
    artefact_decay_ms: ArrayLike = 0.3
    artefact_sign: int = 0
    artefact_pulse_ms: ArrayLike = 0.2
    artefact_is_biphasic: bool = False
    one_over_f_mv: ArrayLike = 0.0
    hum_harmonics: ArrayLike = 0.0
    recovery_mv: ArrayLike = 0.0
    recovery_ms: ArrayLike = 8.0


# Second to seventh harmonic of mains hum relative to its fundamental (project choice).
_HARMONICS = (0.2, 0.4, 0.08, 0.25, 0.05, 0.12)


def _column(value: ArrayLike, n: int) -> Floats:
    return np.broadcast_to(np.asarray(value, dtype=np.float64).reshape(-1, 1), (n, 1))


def disturb(
    samples_mv: Floats, amplifier_setting: Amplifier, added: Disturbance, rng: np.random.Generator
) -> Floats:
    """Add noise, hum, drift, offset and the stimulus artefact to noise-free traces.

    The random numbers drawn do not depend on the amplitudes, so that two calls with equal
    generators and different settings differ only in what the settings change.

    Parameters
    ----------
    samples_mv : ndarray of shape (n, n_samples) [mV]
    amplifier_setting : Amplifier
    added : Disturbance
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, n_samples) [mV]
    """
    n = len(samples_mv)
    time_ms = amplifier_setting.time_ms[None]
    phase, swing_phase = rng.uniform(0.0, 2.0 * np.pi, (2, n, 1))
    slope, swing, level, coin = rng.standard_normal((4, n, 1))
    out: Floats = samples_mv + rng.standard_normal(samples_mv.shape) * _column(added.noise_mv, n)
    if np.any(np.asarray(added.hum_mv)):
        turn = 2.0 * np.pi * added.hum_hz * time_ms / 1e3
        wave = np.sin(turn + phase) + 0.2 * np.sin(3.0 * turn + 3.0 * phase)
        out += _column(added.hum_mv, n) * wave
    if np.any(np.asarray(added.drift_mv)):
        part = (time_ms - time_ms[0, 0]) / np.ptp(time_ms)
        wander = slope * part + swing * (np.sin(np.pi * part + swing_phase) - np.sin(swing_phase))
        out += _column(added.drift_mv, n) * wander
    out += _column(added.offset_mv, n) * level
    if np.any(np.asarray(added.artefact_mv)):
        sign = np.where(coin < 0.0, -1.0, 1.0) if added.artefact_sign == 0 else added.artefact_sign
        out += sign * _artefact(time_ms, added, n)
    # Drawn apart, so that what is not asked for changes nothing.
    return out + _interference(time_ms, added, n, rng.spawn(1)[0])


def _interference(time_ms: Floats, added: Disturbance, n: int, rng: np.random.Generator) -> Floats:
    """Harmonics of hum, 1/f noise and the amplifier's recovery."""
    out = np.zeros((n, time_ms.size))
    phases = rng.uniform(0.0, 2.0 * np.pi, (len(_HARMONICS), n, 1))
    if np.any(np.asarray(added.hum_harmonics)):
        for k, (share, phase) in enumerate(zip(_HARMONICS, phases, strict=True), start=2):
            size = share * _column(added.hum_mv, n) * _column(added.hum_harmonics, n)
            out += size * np.sin(2e-3 * np.pi * k * added.hum_hz * time_ms + phase)
    if np.any(np.asarray(added.one_over_f_mv)):
        step_ms = (time_ms[0, -1] - time_ms[0, 0]) / (time_ms.size - 1)
        # From a stretch of half a second or more, so that it holds frequencies below the sweep's.
        count = 2 * max(time_ms.size, int(500.0 / step_ms))
        hz = np.fft.rfftfreq(count, step_ms * 1e-3)
        shape = np.where(hz >= 2.0, 1.0 / np.sqrt(np.maximum(hz, 2.0)), 0.0)
        turns = np.exp(2j * np.pi * rng.random((n, hz.size)))
        wave = np.fft.irfft(shape * turns, count, axis=1)
        wave /= wave.std(axis=1, keepdims=True)
        out += _column(added.one_over_f_mv, n) * wave[:, : time_ms.size]
    if np.any(np.asarray(added.recovery_mv)):
        after = np.maximum(time_ms, 0.0)
        swing = (1.0 - np.exp(-after / 0.5)) * np.exp(-after / _column(added.recovery_ms, n))
        out += rng.choice([-1.0, 1.0], (n, 1)) * _column(added.recovery_mv, n) * swing
    return out


def _artefact(time_ms: Floats, added: Disturbance, n: int) -> Floats:
    # The pulse itself, then a tail: the discharge of skin and electrode.
    width = _column(added.artefact_pulse_ms, n)
    end, last = (2.0 * width, -0.9) if added.artefact_is_biphasic else (width, 1.0)
    decay = np.exp(-np.maximum(time_ms - end, 0.0) / _column(added.artefact_decay_ms, n))
    shape = np.where(time_ms < width, 1.0, last * decay)
    return np.where(time_ms >= 0.0, _column(added.artefact_mv, n) * shape, 0.0)


def quantize(samples_mv: Floats, *, range_mv: float, bits: int) -> Floats:
    """Round to the converter's steps and clip at plus and minus `range_mv`.

    Parameters
    ----------
    samples_mv : ndarray [mV]
    range_mv : float [mV]
        Half of the converter's range.
    bits : int
        Resolution: ``2**bits`` steps over the whole range.
    """
    half = 2 ** (bits - 1)
    # Dividing by steps per mV gives the nearest decimal number where that is a round number.
    steps = np.clip(np.rint(samples_mv * (half / range_mv)), -half, half - 1)
    rounded: Floats = steps / (half / range_mv)
    return rounded

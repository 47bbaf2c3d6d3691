"""Thousands of simulated responses with their truth, for tests, calibration and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs_cb.errors import ArgumentError, did_you_mean
from ncs_cb.simulate.lesions import (
    CHOICES,
    DELAY_SHAPES,
    Choice,
    DelayShape,
    choose_units,
    draw_delays,
)
from ncs_cb.simulate.pool import (
    SECOND_POSITIVITY,
    SECOND_WIDTH,
    Pool,
    draw_pools,
    last_arrival_ms,
    respond,
)
from ncs_cb.simulate.recording import Amplifier, Disturbance, disturb, quantize
from ncs_cb.simulate.segment import PoolSettings, Range, draw, draw_segment, rows_of
from ncs_cb.simulate.truth import Markers, markers

Floats = NDArray[np.float64]
Scenario = Literal["mixed", "block", "dispersion", "healthy", "block_and_dispersion"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
# So many pools at a time: bounds the memory, and fixes the order of random numbers.
_BATCH = 500


@dataclass(frozen=True, slots=True, eq=False)
class PairTruth:
    """What is true of simulated pairs; every array has shape (n,).

    Attributes
    ----------
    blocked_fraction : ndarray
        Share of the signal that reaches the distal site but not the muscle from the proximal one,
        because its fibers are blocked. Units that a weak stimulus missed are not blocked.
    blocked_units_fraction : ndarray
        The same by count.
    not_excited_fraction : ndarray
        Share of the distal signal that the proximal stimulus did not excite.
    added_dispersion_ms : ndarray [ms]
        Standard deviation, weighted by size, of the conduction time of the segment.
    delay_ms : ndarray [ms]
        Mean, weighted by size, of the conduction time of the segment.
    longest_delay_ms : ndarray [ms]
        Scale of the demyelinating delays; 0 where there are none.
    n_units : ndarray
        Units that answer at the distal site.
    choice, delay_shape : ndarray of str
        How blocked units were chosen and how delays were distributed.
    distal, proximal : Markers
        Of the noise-free responses.
    setting : Amplifier
        Sampling, stimulus and (distal) filters.
    """

    blocked_fraction: Floats
    blocked_units_fraction: Floats
    not_excited_fraction: Floats
    added_dispersion_ms: Floats
    delay_ms: Floats
    longest_delay_ms: Floats
    n_units: Floats
    choice: NDArray[np.str_]
    delay_shape: NDArray[np.str_]
    distal: Markers
    proximal: Markers
    setting: Amplifier


class Pairs(NamedTuple):
    """Distal and proximal responses and their truth; see :func:`pairs`."""

    distal_mv: Floats
    proximal_mv: Floats
    truth: PairTruth


class Traces(NamedTuple):
    """Single responses, with and without disturbance, and their markers; see :func:`traces`."""

    samples_mv: Floats
    noise_free_mv: Floats
    truth: Markers
    setting: Amplifier


def _refuse_unknown(scenario: str) -> None:
    if scenario not in SCENARIOS:
        raise ArgumentError(
            f"unknown scenario '{scenario}'; known: {', '.join(SCENARIOS)}."
            + did_you_mean(scenario, SCENARIOS)
        )


def _filtered(
    setting: Amplifier, high_pass_hz: float | None, low_pass_hz: float | None
) -> Amplifier:
    return replace(
        setting,
        high_pass_hz=high_pass_hz or setting.high_pass_hz,
        low_pass_hz=low_pass_hz or setting.low_pass_hz,
    )


def pairs(
    n: int,
    *,
    rng: np.random.Generator,
    scenario: Scenario = "mixed",
    blocked: Range = (0.0, 0.95),
    choice: Choice | Literal["any"] = "any",
    longest_delay_ms: Range = (0.0, 8.0),
    delay_shape: DelayShape | Literal["any"] = "any",
    delayed_share: Range = (0.3, 1.0),
    pool: PoolSettings | None = None,
    setting: Amplifier | None = None,
    proximal_high_pass_hz: float | None = None,
    proximal_low_pass_hz: float | None = None,
    disturbance: Disturbance | None = None,
    electrode_shift_mm: ArrayLike = 0.0,
    submaximal_proximal: Range = 1.0,
    submaximal_distal: Range = 1.0,
    co_stimulation: Range = 0.0,
    far_field: Range = 0.0,
    range_mv: float | None = None,
    bits: int = 16,
) -> Pairs:
    """Simulate distal and proximal responses of motor-unit pools.

    Parameters
    ----------
    n : int
        Number of pairs.
    rng : numpy.random.Generator
    scenario : {"mixed", "block", "dispersion", "healthy", "block_and_dispersion"}
        ``mixed``: a quarter each of the other four.
    blocked : float or (low, high)
        Share of the signal blocked, where there is block.
    choice : str
        Which units are blocked: see :func:`ncs_cb.simulate.lesions.choose_units`; ``any`` draws
        among random (half of the pairs), largest, fastest, smallest and slowest.
    longest_delay_ms : float or (low, high) [ms]
        Scale of demyelinating delays, where there is dispersion.
    delay_shape : str
        See :func:`ncs_cb.simulate.lesions.draw_delays`; ``any`` draws among all.
    delayed_share : float or (low, high)
        Share of the fibers that are delayed.
    pool : PoolSettings, optional
    setting : Amplifier, optional
        Sampling and filters; 20 kHz, 50 ms, 1 ms before the stimulus, 2 Hz to 10 kHz by default.
    proximal_high_pass_hz, proximal_low_pass_hz : float, optional
        Other filters at the proximal site: a mistake of the examiner.
    disturbance : Disturbance, optional
        Noise of 10 uV and an artefact of 1 mV (0.3 ms) by default.
    electrode_shift_mm : float or array of shape (n,)
        How far the electrode moved between the two stimuli.
    submaximal_proximal, submaximal_distal : float or (low, high)
        Share of the signal that the stimulus excites, easiest axons first.
    co_stimulation : float or (low, high)
        Size of a neighbor's volume-conducted response at the proximal site, relative to the
        intact distal one.
    far_field : float or (low, high)
        Depth of a slow positivity before the response, relative to its amplitude: a volley that
        passes joints. It is no part of the markers.
    range_mv : float, optional
        Half the converter's range; no quantization when not given.
    bits : int
        Resolution of the converter.

    Returns
    -------
    Pairs
        ``distal_mv`` and ``proximal_mv`` of shape (n, n_samples) [mV], and the truth.

    Raises
    ------
    ArgumentError
        If `scenario` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> distal, proximal, truth = pairs(3, rng=np.random.default_rng(1), scenario="healthy")
    >>> distal.shape, truth.blocked_fraction.tolist()
    ((3, 1000), [0.0, 0.0, 0.0])
    """
    _refuse_unknown(scenario)
    setting = setting or Amplifier()
    plan = _Plan(
        scenario,
        blocked,
        choice,
        longest_delay_ms,
        delay_shape,
        delayed_share,
        pool or PoolSettings(),
        setting,
        _filtered(setting, proximal_high_pass_hz, proximal_low_pass_hz),
        submaximal_distal,
        submaximal_proximal,
        co_stimulation,
    )
    shift = np.broadcast_to(np.asarray(electrode_shift_mm, dtype=np.float64), (n,))
    batches = [
        _pair_batch(plan, rng, shift[start : start + _BATCH], start)
        for start in range(0, n, _BATCH)
    ]
    distal = np.concatenate([b.distal_mv for b in batches])
    proximal = np.concatenate([b.proximal_mv for b in batches])
    last = [np.concatenate([b.last_ms[end] for b in batches]) for end in (0, 1)]
    truth = _join(
        batches,
        markers(distal, setting, last_arrival_ms=last[0]),
        markers(proximal, setting, last_arrival_ms=last[1]),
        setting,
    )
    added = disturbance or Disturbance(noise_mv=0.01, artefact_mv=1.0)
    recorded = [
        disturb(traces + _far_field(rng, setting, found, far_field), setting, added, rng)
        for traces, found in ((distal, truth.distal), (proximal, truth.proximal))
    ]
    if range_mv is not None:
        recorded = [quantize(traces, range_mv=range_mv, bits=bits) for traces in recorded]
    return Pairs(recorded[0], recorded[1], truth)


@dataclass(frozen=True, slots=True)
class _Plan:
    scenario: Scenario
    blocked: Range
    choice: str
    longest_delay_ms: Range
    delay_shape: str
    delayed_share: Range
    pool: PoolSettings
    distal_setting: Amplifier
    proximal_setting: Amplifier
    submaximal_distal: Range
    submaximal_proximal: Range
    co_stimulation: Range


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    distal_mv: Floats
    proximal_mv: Floats
    last_ms: tuple[Floats, Floats]
    truth: dict[str, NDArray[np.generic]]


def _pair_batch(plan: _Plan, rng: np.random.Generator, shift_mm: Floats, first: int) -> _Batch:
    n = len(shift_mm)
    kind = _kinds(plan.scenario, first, n)
    pool, to_distal, segment = draw_segment(rng, n, plan.pool, plan.distal_setting)
    share = draw(rng, plan.blocked, n) * np.isin(kind, ("block", "block_and_dispersion"))
    has_delay = np.isin(kind, ("dispersion", "block_and_dispersion"))
    longest = draw(rng, plan.longest_delay_ms, n) * has_delay
    delayed = draw(rng, plan.delayed_share, n)
    choice = _drawn_words(rng, plan.choice, CHOICES, n)
    shape = _drawn_words(rng, plan.delay_shape, DELAY_SHAPES, n)
    blocked = np.zeros(pool.size.shape, dtype=bool)
    extra = np.zeros(pool.size.shape)
    for word in CHOICES:
        rows = choice == word
        blocked[rows] = choose_units(rows_of(pool, rows), rng, share[rows], choice=word)
    for form in DELAY_SHAPES:
        rows = shape == form
        extra[rows] = draw_delays(
            rows_of(pool, rows), rng, shape=form, delay_ms=longest[rows], share=delayed[rows]
        )
    at_distal = _excited(pool, rng, draw(rng, plan.submaximal_distal, n))
    at_proximal = _excited(pool, rng, draw(rng, plan.submaximal_proximal, n))
    distal = respond(pool, to_distal, setting=plan.distal_setting, fires=at_distal)
    from_proximal, passes = to_distal + segment + extra, at_proximal & ~blocked
    there: dict[str, Any] = {"setting": plan.proximal_setting, "electrode_shift_mm": shift_mm}
    proximal = respond(pool, from_proximal, fires=passes, **there)
    last = (
        last_arrival_ms(pool, to_distal, at_distal),
        last_arrival_ms(pool, from_proximal, passes),
    )
    neighbor = draw(rng, plan.co_stimulation, n)
    if np.any(neighbor):
        added, added_last = _neighbor(rng, plan, pool, neighbor, to_distal + segment)
        proximal += added
        last = (last[0], np.maximum(last[1], added_last))
    truth = _pair_truth(pool, at_distal, at_proximal, blocked, segment + extra)
    truth |= {"longest_delay_ms": longest, "choice": choice, "delay_shape": shape}
    return _Batch(distal, proximal, last, truth)


def _kinds(scenario: str, first: int, n: int) -> NDArray[np.str_]:
    """The scenario of each pair; a mixed cohort goes round the four, whatever the batch."""
    if scenario != "mixed":
        return np.full(n, scenario)
    four = np.array(["block", "dispersion", "healthy", "block_and_dispersion"])
    return four[(first + np.arange(n)) % 4]


def _drawn_words(
    rng: np.random.Generator, word: str, words: tuple[str, ...], n: int
) -> NDArray[np.str_]:
    if word != "any":
        if word not in words:
            raise ArgumentError(f"unknown '{word}'; known: any, {', '.join(words)}")
        return np.full(n, word)
    # Random choice of units is what lesions mostly do; the ordered ones are the hard tests.
    weights = np.ones(len(words))
    if words == CHOICES:
        weights[0] = len(words) - 1.0
    drawn: NDArray[np.str_] = rng.choice(np.array(words), n, p=weights / weights.sum())
    return drawn


def _excited(pool: Pool, rng: np.random.Generator, share: Floats) -> NDArray[np.bool_]:
    if np.all(share >= 1.0):
        return pool.size > 0.0
    # Depth in the nerve differs from site to site: half of what makes an axon easy is new there.
    reach = (pool.excitability + rng.standard_normal(pool.size.shape)) / np.sqrt(2.0)
    order = replace(pool, slowness=reach)
    return choose_units(order, rng, share, choice="fastest") & (pool.size > 0.0)


def _neighbor(
    rng: np.random.Generator, plan: _Plan, pool: Pool, size: Floats, time_ms: Floats
) -> tuple[Floats, Floats]:
    """Volume-conducted response of a neighbor: flatter, wider, first positive; and its end."""
    n = len(size)
    other = draw_pools(rng, n, n_units=pool.size.shape[1], unit_width=SECOND_WIDTH)
    scale = size * pool.size.sum(axis=1)
    fastest = time_ms.min(axis=1, keepdims=True)
    arrival = fastest * other.slowness + rng.uniform(-0.8, 0.8, (n, 1))
    shapes = replace(other.shapes, initial=np.full((1, 1), SECOND_POSITIVITY))
    other = replace(other, size=other.size * scale[:, None], shift_ms=pool.shift_ms, shapes=shapes)
    response = respond(other, arrival, setting=plan.proximal_setting)
    return response, last_arrival_ms(other, arrival)


def _pair_truth(
    pool: Pool,
    at_distal: NDArray[np.bool_],
    at_proximal: NDArray[np.bool_],
    blocked: NDArray[np.bool_],
    segment_ms: Floats,
) -> dict[str, NDArray[np.generic]]:
    signal = pool.size * at_distal
    total = signal.sum(axis=1)
    arriving = pool.size * (at_proximal & ~blocked)
    weight = arriving / np.maximum(arriving.sum(axis=1, keepdims=True), 1e-12)
    mean = (weight * segment_ms).sum(axis=1)
    variance = (weight * np.square(segment_ms - mean[:, None])).sum(axis=1)
    none_left = arriving.sum(axis=1) == 0.0
    counted = np.maximum(at_distal.sum(axis=1), 1)
    return {
        "blocked_fraction": (signal * blocked).sum(axis=1) / total,
        "blocked_units_fraction": (at_distal & blocked).sum(axis=1) / counted,
        "not_excited_fraction": (signal * ~at_proximal).sum(axis=1) / total,
        "added_dispersion_ms": np.where(none_left, np.nan, np.sqrt(variance)),
        "delay_ms": np.where(none_left, np.nan, mean),
        "n_units": at_distal.sum(axis=1).astype(np.float64),
    }


def _join(
    batches: list[_Batch], distal: Markers, proximal: Markers, setting: Amplifier
) -> PairTruth:
    columns = {key: np.concatenate([b.truth[key] for b in batches]) for key in batches[0].truth}
    return PairTruth(**columns, distal=distal, proximal=proximal, setting=setting)


def traces(
    n: int,
    *,
    rng: np.random.Generator,
    pool: PoolSettings | None = None,
    setting: Amplifier | None = None,
    disturbance: Disturbance | None = None,
    longest_delay_ms: Range = 0.0,
    delay_shape: DelayShape = "uniform",
    initial_positivity: Range = 0.0,
    width_factor: Range = 1.0,
    absent_share: float = 0.0,
    far_field: Range = 0.0,
) -> Traces:
    """Simulate single responses, for tests and benchmarks of the measurement.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator
    pool : PoolSettings, optional
        ``amplitude_mv`` is the amplitude before dispersion.
    setting : Amplifier, optional
    disturbance : Disturbance, optional
        None by default: the traces are noise-free.
    longest_delay_ms : float or (low, high) [ms]
        Demyelinating delays between stimulus and muscle.
    delay_shape : str
        Their distribution.
    initial_positivity : float or (low, high)
        Height of an initial positivity relative to the negative phase of a unit.
    width_factor : float or (low, high)
        Widening of unit potentials, as in the cold (1.3 at 28 degrees).
    absent_share : float
        Share of traces without any response.
    far_field : float or (low, high)
        Depth of a slow positivity before the response, relative to its amplitude.

    Returns
    -------
    Traces
        Recorded and noise-free samples of shape (n, n_samples) [mV], markers, setting.

    Examples
    --------
    >>> import numpy as np
    >>> made = traces(2, rng=np.random.default_rng(1))
    >>> made.samples_mv.shape
    (2, 1000)
    """
    setting = setting or Amplifier()
    parts, ends = [], []
    for rows in _batches(n):
        pools, to_distal, _ = draw_segment(rng, rows, pool or PoolSettings(), setting)
        height = draw(rng, initial_positivity, rows)[:, None]
        shapes = replace(pools.shapes, initial=pools.shapes.initial + height)
        pools = replace(pools, shapes=shapes)
        delays = draw_delays(
            pools, rng, shape=delay_shape, delay_ms=draw(rng, longest_delay_ms, rows)
        )
        fires = (rng.random((rows, 1)) >= absent_share) & (pools.size > 0.0)
        parts.append(
            respond(
                pools,
                to_distal + delays,
                setting=setting,
                fires=fires,
                width_factor=draw(rng, width_factor, rows),
            )
        )
        ends.append(last_arrival_ms(pools, to_distal + delays, fires))
    clean = np.concatenate(parts)
    truth = markers(clean, setting, last_arrival_ms=np.concatenate(ends))
    seen = clean + _far_field(rng, setting, truth, far_field)
    recorded = seen if disturbance is None else disturb(seen, setting, disturbance, rng)
    return Traces(recorded, clean, truth, setting)


def _far_field(
    rng: np.random.Generator, setting: Amplifier, found: Markers, depth: Range
) -> Floats:
    """What the volley gives while it passes joints, 0.3 to 1.5 ms before the muscle answers."""
    n = len(found.onset_latency_ms)
    if depth == 0.0:
        return np.zeros((n, 1))
    at = np.nan_to_num(found.onset_latency_ms, nan=-100.0) - rng.uniform(0.3, 1.5, n)
    width, share = rng.uniform(0.6, 1.4, n), draw(rng, depth, n)
    size = share * np.nan_to_num(found.negative_peak_amplitude_mv)
    shape = np.exp(-0.5 * np.square((setting.time_ms - at[:, None]) / width[:, None]))
    return np.asarray(-size[:, None] * shape)


def _batches(n: int) -> Iterator[int]:
    for start in range(0, n, _BATCH):
        yield min(_BATCH, n - start)

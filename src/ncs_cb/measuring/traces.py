"""Measure CMAPs: check, stack, run the kernel, scatter, name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.extensions import ExtensionArray

from ncs_cb import _kernels, flags
from ncs_cb._kernels import facts as fact
from ncs_cb.columns import MEASURES, conform
from ncs_cb.errors import ArgumentError, UnitError
from ncs_cb.knowledge import thresholds
from ncs_cb.model import ResponseStatus, Trace
from ncs_cb.system import usable_cores
from ncs_cb.units import LARGEST_PLAUSIBLE_RESPONSE_MV, as_array

# Rows that must be copied are, so many at a time; those that need not be are shared out among
# the threads, in a few tasks for each, so that none waits long for another. Fewer rows than this
# take less time than to hand them to a thread.
_ROWS_AT_ONCE = 512
_TASKS_PER_THREAD = 2

FACTS: dict[int, str] = {
    fact.NON_FINITE: "non_finite_samples",
    fact.FLAT: "flat_trace",
    fact.STIMULUS_OUTSIDE: "stimulus_outside_trace",
    fact.CLIPPED: "clipped",
    fact.ABSENT: "response_absent",
    fact.POSITIVITY: "initial_positivity",
    fact.LATE: "late_negative_component",
    fact.CUT: "sweep_cut",
    fact.NO_BASELINE: "no_prestimulus_baseline",
    fact.ARTIFACT: "artifact_removed",
    fact.ARTIFACT_AT_ONSET: "artifact_overlaps_onset",
    fact.NOISY: "noisy_baseline",
    fact.ARTIFACT_CLIPPED: "artifact_clipped",
    fact.REALIGNED: "stimulus_realigned",
    fact.LATE_RESPONSE: "late_response",
    fact.STARTS_LATE: "sweep_starts_late",
    fact.BEGUN_BEFORE: "response_begun_before_sweep",
    fact.EARLY_POTENTIAL: "early_potential",
}
"""What each bit of the kernel's facts is called."""

_NOT_MEASURABLE = frozenset(name for name in FACTS.values() if flags.FLAGS[name].level == "invalid")
_NUMBERS = [c.name for c in MEASURES if c.dtype == "float64"]
_COLUMNS = pd.Index([*_NUMBERS, "quality_flags"])


def measure_traces(
    samples_mv: ArrayLike,
    *,
    sampling_rate_hz: ArrayLike,
    stimulus_index: ArrayLike,
    threads: int | None = None,
) -> pd.DataFrame:
    """Measure CMAPs, one row per trace.

    Parameters
    ----------
    samples_mv : array_like of shape (n_traces, n_samples) or (n_samples,) [mV]
        Negative up. Read as it is and never changed.
    sampling_rate_hz : float or array_like of shape (n_traces,) [Hz]
    stimulus_index : int or array_like of shape (n_traces,)
        Index of the sample at which the stimulus was given; negative where the sweep begins after
        it, by up to 10 ms.
    threads : int, optional
        How many threads to use for large batches; all cores by default. The result does not
        depend on it.

    Returns
    -------
    DataFrame
        The columns of :data:`ncs_cb.columns.MEASURES`. NaN where not measurable; the column
        ``quality_flags`` says why.

    Raises
    ------
    ArgumentError
        If a shape, a rate or an index cannot be used.
    UnitError
        If a response exceeds 100 mV.
    """
    samples = _samples(samples_mv)
    n = samples.shape[0]
    rates = _per_trace(sampling_rate_hz, n, "sampling_rate_hz").astype(np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        usable = np.isfinite(rates) & (rates > 0) & np.isfinite(1000.0 / rates)
    if not usable.all():
        raise ArgumentError("sampling_rate_hz must be positive and finite, in Hz")
    _refuse_other_shape(samples, rates)
    stimuli = _per_trace(stimulus_index, n, "stimulus_index")
    if stimuli.dtype.kind == "f" and not np.array_equal(stimuli, np.floor(stimuli)):
        raise ArgumentError("stimulus_index must be whole numbers: the index of a sample")
    stimuli = np.clip(stimuli, -_kernels.FAR_BEFORE, samples.shape[1]).astype(np.int64)
    limits, pulses, units = (np.full(n, v) for v in (np.inf, np.nan, fact.UNIT_MV))
    out, facts = _run(samples, rates, stimuli, -limits, limits, pulses, units, threads)
    return _frame(out, facts)


def _refuse_other_shape(samples: NDArray[Any], rates: NDArray[np.float64]) -> None:
    """Refuse rates in kHz, and arrays whose traces are columns."""
    if rates.size and float(rates.max()) <= thresholds.value("scale.largest_rate_khz"):
        raise ArgumentError(
            f"sampling_rate_hz is {rates.max():g}: it looks like kHz; 20 kHz are 20000 Hz"
        )
    n, length = samples.shape
    if length < thresholds.value("scale.fewest_samples") and n > 8 * length > 0:
        raise ArgumentError(
            f"samples_mv has {n} rows of {length} samples: it looks transposed; each row is one "
            "trace, shape (n_traces, n_samples)"
        )


def measure_study_traces(traces: Sequence[Trace]) -> pd.DataFrame:
    """Measure the traces of a study: the table ``traces``, one row per trace, in order.

    Parameters
    ----------
    traces : sequence of Trace
        Motor or sensory responses. Their own flags are merged with those found here.

    Returns
    -------
    DataFrame
        The table ``traces``; ``study_id`` is left unknown for the caller to fill in.

    Raises
    ------
    UnitError
        If a response exceeds 100 mV.
    """
    n = len(traces)
    out = np.full((n, fact.WIDTH), np.nan)
    facts = np.zeros(n, dtype=np.int64)
    groups: dict[tuple[int, str], list[int]] = {}
    for i, trace in enumerate(traces):
        key = (len(trace.samples_mv), np.asarray(trace.samples_mv).dtype.str)
        groups.setdefault(key, []).append(i)
    for rows in groups.values():
        chosen = [traces[i] for i in rows]
        samples = _samples(np.stack([np.asarray(t.samples_mv) for t in chosen]))
        ranges = [t.range_mv or (-np.inf, np.inf) for t in chosen]
        out[rows], facts[rows] = _run(
            samples,
            np.array([t.sampling_rate_hz for t in chosen], dtype=np.float64),
            np.array([t.stimulus_index for t in chosen], dtype=np.int64),
            np.array([r[0] for r in ranges], dtype=np.float64),
            np.array([r[1] for r in ranges], dtype=np.float64),
            np.array([t.stimulus.duration_ms or np.nan for t in chosen], dtype=np.float64),
            np.array([fact.UNIT_MV * (t.kind != "sensory") for t in chosen], dtype=np.float64),
            None,
        )
    names = _names(facts).tolist()
    told = [flags.added(one, *t.flags) for one, t in zip(names, traces, strict=True)]
    columns: dict[str, Any] = dict(zip(_NUMBERS, out.T, strict=True))
    columns |= _identity(traces)
    columns |= {"quality_flags": told, "response": list(map(response_status, told))}
    return conform(columns, "traces")


def response_status(text: str) -> ResponseStatus:
    """Say whether there was a response; what could not be measured is not absent."""
    found = flags.names(text)
    if found & _NOT_MEASURABLE:
        return "not_measurable"
    return "absent" if "response_absent" in found else "present"


def _identity(traces: Sequence[Trace]) -> dict[str, list[Any]]:
    """The identifying columns of the table ``traces``."""
    return {
        "recording": [t.recording for t in traces],
        "nerve": [t.site.nerve for t in traces],
        "side": [t.site.side for t in traces],
        "muscle": [t.site.muscle for t in traces],
        "kind": [t.kind for t in traces],
        "stimulation_site": [t.site.stimulation_site for t in traces],
        "distance_mm": [t.stimulus.distance_mm for t in traces],
        "stimulus_ma": [t.stimulus.intensity_ma for t in traces],
        "sampling_rate_hz": [t.sampling_rate_hz for t in traces],
        "high_pass_hz": [t.high_pass_hz for t in traces],
        "low_pass_hz": [t.low_pass_hz for t in traces],
    }


def _samples(samples_mv: ArrayLike) -> NDArray[Any]:
    """Give the samples as a 2-D array of float32 or float64, without a copy where possible."""
    if isinstance(samples_mv, np.ma.MaskedArray):
        # What is masked is not known; the numbers below a mask are nobody's samples.
        samples_mv = np.ma.filled(np.ma.asarray(samples_mv, dtype=np.float64), np.nan)
    samples = as_array(samples_mv, "samples_mv")
    if samples.ndim == 1:
        samples = samples[None, :]
    if samples.ndim != 2:
        raise ArgumentError(
            f"samples_mv has {samples.ndim} dimensions; give (n_traces, n_samples) or (n_samples,)"
        )
    if samples.dtype in (np.float32, np.float64) and samples.dtype.isnative:
        return samples
    if samples.dtype.kind not in "iuf":
        raise ArgumentError(f"samples_mv holds {samples.dtype}; give real numbers in mV")
    return samples.astype(np.float32 if samples.dtype.itemsize <= 2 else np.float64)


def _per_trace(values: ArrayLike, n: int, name: str) -> NDArray[Any]:
    """Give one value per trace from a scalar or one value per trace."""
    array = as_array(values, name)
    if array.dtype.kind not in "iuf":
        raise ArgumentError(f"{name} holds {array.dtype}; give numbers")
    if array.ndim > 1 or (array.ndim == 1 and array.shape[0] != n):
        raise ArgumentError(
            f"{name} has shape {array.shape}; give a scalar or one value for each of {n} traces"
        )
    return np.full(n, array) if array.ndim == 0 else array


@dataclass(frozen=True, slots=True)
class _Block:
    """Traces of equal length, and where their measures go."""

    samples: NDArray[Any]
    rates: NDArray[np.float64]
    stimuli: NDArray[np.int64]
    low_mv: NDArray[np.float64]
    high_mv: NDArray[np.float64]
    pulse_ms: NDArray[np.float64]
    unit_mv: NDArray[np.float64]
    out: NDArray[np.float64]
    facts: NDArray[np.int64]


def _run(
    samples: NDArray[Any],
    rates: NDArray[np.float64],
    stimuli: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    pulses: NDArray[np.float64],
    units: NDArray[np.float64],
    threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Measure traces of equal length."""
    n = samples.shape[0]
    block = _Block(
        samples,
        rates,
        stimuli,
        low,
        high,
        pulses,
        units,
        np.full((n, fact.WIDTH), np.nan),
        np.zeros(n, dtype=np.int64),
    )
    for rate in np.unique(rates):
        _run_rate(block, np.flatnonzero(rates == rate), float(rate), threads or usable_cores())
    return block.out, block.facts


def _run_rate(block: _Block, rows: NDArray[np.int64], rate: float, threads: int) -> None:
    """Run the kernel over parts of the rows, each on a thread of its own."""
    scale = _kernels.scale_of(rate, block.samples.shape[1])
    # Rows that do not lie one after the other are copied.
    whole = block.samples.flags.c_contiguous and block.samples.flags.aligned

    def run(part: NDArray[np.int64]) -> None:
        _measure_part(block, part, scale, whole=whole)

    share = -(-len(rows) // (threads * _TASKS_PER_THREAD)) if whole else 0
    at_once = max(share, _ROWS_AT_ONCE)
    parts = [rows[i : i + at_once] for i in range(0, len(rows), at_once)]
    waiting = iter(parts)

    def work() -> None:
        for part in waiting:
            run(part)

    # This thread works too: to start one takes as long as to measure some hundred traces.
    others = min(threads, len(parts)) - 1
    if not others:
        work()
        return
    with ThreadPoolExecutor(max_workers=others) as pool:
        helping = [pool.submit(work) for _ in range(others)]
        work()
        for one in helping:
            one.result()


def _measure_part(
    block: _Block, part: NDArray[np.int64], scale: _kernels.Scale, *, whole: bool
) -> None:
    """Run the kernel over some rows, in place where they lie one after the other."""
    if whole:
        _kernels.measure_rows(
            block.samples,
            part,
            block.stimuli,
            block.low_mv,
            block.high_mv,
            block.pulse_ms,
            block.unit_mv,
            scale,
            block.out,
            block.facts,
        )
        return
    out, facts = np.empty((len(part), fact.WIDTH)), np.zeros(len(part), dtype=np.int64)
    _kernels.measure_rows(
        np.ascontiguousarray(block.samples[part]),
        np.arange(len(part)),
        block.stimuli[part],
        block.low_mv[part],
        block.high_mv[part],
        block.pulse_ms[part],
        block.unit_mv[part],
        scale,
        out,
        facts,
    )
    block.out[part], block.facts[part] = out, facts


def _frame(out: NDArray[np.float64], facts: NDArray[np.int64]) -> pd.DataFrame:
    """Name what the kernel found."""
    names = _names(facts)
    frame = pd.DataFrame(out, copy=False)
    # Named when it is whole: to add a column to named ones takes longer than to make them all.
    frame[len(_NUMBERS)] = names
    frame.columns = _COLUMNS
    return frame


def _names(facts: NDArray[np.int64]) -> ExtensionArray:
    """Give the flags of each trace, joined.

    Raises
    ------
    UnitError
        If a response exceeds 100 mV.
    """
    beyond = np.flatnonzero(facts & fact.IMPLAUSIBLE)
    if beyond.size:
        raise UnitError(
            f"trace {beyond[0]} holds a response above {LARGEST_PLAUSIBLE_RESPONSE_MV:g} mV; "
            "samples must be in mV.",
            hint="Check the unit: a recording in uV read as mV is 1000 times too large.",
        )
    words, place = np.unique(facts, return_inverse=True)
    return _worded(tuple(words.tolist())).take(place)


@lru_cache(maxsize=64)
def _worded(words: tuple[int, ...]) -> ExtensionArray:
    """Word patterns of facts; there are few, and many calls find the same ones."""
    texts = [flags.join(name for bit, name in FACTS.items() if word & bit) for word in words]
    return pd.array(texts, dtype="string")

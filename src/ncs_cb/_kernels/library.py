"""The compiled kernel, loaded once per process."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels import facts
from ncs_cb._kernels.tables import Scale
from ncs_cb.errors import ArgumentError, KernelError

_HERE = Path(__file__).parent
_MOST_SAMPLES = 2**31 - 1
_POINTER, _WHOLE, _NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_KINDS: dict[type, type] = {tuple: _POINTER, int: _WHOLE, float: _NUMBER}


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """Load the library; refuse one that was made of other sources than those beside it."""
    from ncs_cb._kernels import build

    path = _HERE / build.library_name()
    from_sources = (_HERE / "kernel.c").exists()
    hint = f"Run `{build.COMMAND}`." if from_sources else "Install ncs_cb again."
    try:
        library = ctypes.CDLL(str(path))
        library.ncs_sources.restype = ctypes.c_char_p
    except (OSError, AttributeError) as error:
        state = "cannot be loaded" if path.exists() else "is missing"
        raise KernelError(f"The compiled kernel {state} ({path.name}).", hint=hint) from error
    if from_sources and library.ncs_sources().decode() != build.digest_of_sources():
        raise KernelError("The compiled kernel was made of other sources.", hint=hint)
    return library


@lru_cache(maxsize=4)
def _measure_rows(which: str) -> Any:
    """Give one build of the function: ``baseline``, ``avx2``, or the best (empty)."""
    return exported(
        "measure_rows",
        which,
        [
            _POINTER,
            _WHOLE,
            _POINTER,
            _WHOLE,
            *[_POINTER] * 5,
            _WHOLE,
            _NUMBER,
            _WHOLE,
            _WHOLE,
            *[_POINTER] * 10,
        ],
    )


@lru_cache(maxsize=4)
def _correct_row(which: str) -> Any:
    kinds = [_POINTER, *[_WHOLE] * 2, *[_NUMBER] * 3, _WHOLE, _NUMBER, *[_WHOLE] * 2]
    return exported("correct_row", which, [*kinds, *[_POINTER] * 10])


def exported(name: str, which: str, kinds: list[Any]) -> Any:
    """Give one build of a function of the library, with what its arguments are."""
    function = getattr(_library(), f"ncs_{name}_{which or best_build()}")
    function.restype, function.argtypes = None, kinds
    return function


@lru_cache(maxsize=32)
def _pair_function(name: str, which: str, kinds: tuple[type, ...]) -> Any:
    return exported(name, which, list(kinds))


Given = tuple[NDArray[Any], type, int] | int | float
"""What :func:`call` hands on: an array with the type and the number of values it must have."""


def call(name: str, which: str, *given: Given) -> None:
    """Call a function of the kernel on arrays, whole numbers and numbers, in this order.

    Parameters
    ----------
    name : str
        Of the function, without prefix and build.
    which : str
        The build to use; empty for the best.
    *given : tuple, int or float
        An array that is too small, of another type or not in one piece is refused; and a number
        of another type, since its type alone says how C reads it.
    """
    kinds = tuple([_kind(one) for one in given])
    handed = [address(*one) if isinstance(one, tuple) else one for one in given]
    _pair_function(name, which, kinds)(*handed)


def _kind(one: Given) -> type:
    """What an argument is in C, by its very type."""
    kind = _KINDS.get(type(one))
    if kind is None:
        raise TypeError(f"needs an int, a float or an array, not {type(one).__name__}")
    return kind


@lru_cache(maxsize=1)
def best_build() -> str:
    """Give the name of the build that suits this processor best: ``avx2`` or ``baseline``."""
    return "avx2" if _library().ncs_has_avx2() else "baseline"


def address(array: NDArray[Any], dtype: type, size: int) -> int:
    """Where an array begins, after a look at what C could not refuse."""
    lies = array.flags
    if array.dtype != dtype or array.size < size or not (lies.c_contiguous and lies.aligned):
        raise TypeError(f"needs {size} values of {dtype.__name__} in one piece, aligned")
    return int(array.__array_interface__["data"][0])


def measure_rows(
    samples: NDArray[Any],
    rows: NDArray[np.int64],
    stimuli: NDArray[np.int64],
    low_mv: NDArray[np.float64],
    high_mv: NDArray[np.float64],
    pulse_ms: NDArray[np.float64],
    unit_mv: NDArray[np.float64],
    scale: Scale,
    out: NDArray[np.float64],
    found: NDArray[np.int64],
    which: str = "",
) -> None:
    """Measure the rows of `samples` named in `rows`; write the same rows of `out` and `found`.

    Parameters
    ----------
    samples : ndarray of float32 or float64, shape (n_traces, n_samples) [mV]
        In one piece.
    rows : ndarray of int64
    stimuli, low_mv, high_mv, pulse_ms, unit_mv : ndarray, shape (n_traces,)
        Sample of the stimulus; limits of the converter, infinite where unknown; duration of the
        pulse, NaN where unknown; what one motor unit that fires by itself may show, 0 over a
        sensory nerve.
    scale : Scale
        Of the sampling rate of these rows.
    out : ndarray of float64, shape (n_traces, WIDTH)
    found : ndarray of int64, shape (n_traces,)
        Facts, as bits.
    which : str, optional
        The build to use; the best for this processor by default. All give the same bits.
    """
    m, n = samples.shape
    if n > _MOST_SAMPLES:
        raise ArgumentError(f"a trace of {n} samples; at most {_MOST_SAMPLES} can be measured")
    is_double = samples.dtype == np.float64
    kind = np.float64 if is_double else np.float32
    if rows.size and not (rows.min() >= 0 and rows.max() < m):
        raise IndexError("rows names a row that samples has not")
    work = np.empty(4 * max(n, 1))
    _measure_rows(which)(
        address(samples, kind, m * n),
        is_double,
        address(rows, np.int64, 0),
        rows.size,
        address(stimuli, np.int64, m),
        address(low_mv, np.float64, m),
        address(high_mv, np.float64, m),
        address(pulse_ms, np.float64, m),
        address(unit_mv, np.float64, m),
        n,
        scale.step_ms,
        scale.size,
        scale.first,
        *scale.addresses,
        address(work, np.float64, 0),
        address(out, np.float64, m * facts.WIDTH),
        address(found, np.int64, m),
    )


def corrected_row(
    samples: NDArray[Any],
    stimulus: int,
    limits_mv: tuple[float, float],
    pulse_ms: float,
    scale: Scale,
    which: str = "",
) -> tuple[NDArray[np.float64], int]:
    """Give one trace less what :func:`measure_rows` takes from it: baseline, artefact and hum.

    Parameters
    ----------
    samples : ndarray of float32 or float64, shape (n_samples,) [mV]
        In one piece.
    stimulus : int
        Sample of the stimulus; negative where the trace begins after it.
    limits_mv : tuple of float
        Limits of the converter, infinite where unknown.
    pulse_ms : float
        Duration of the pulse, NaN where unknown.
    scale : Scale
        Of the sampling rate.
    which : str, optional
        The build to use.

    Returns
    -------
    ndarray of float64, shape (n_samples,) [mV]
        NaN where the trace has no baseline, because it cannot be measured.
    int
        The sample from which latencies count: that of the stimulus, or of its artefact.
    """
    n = len(samples)
    if samples.ndim != 1 or n > _MOST_SAMPLES:
        raise ArgumentError(f"a trace of {n} samples; at most {_MOST_SAMPLES} can be measured")
    is_double = samples.dtype == np.float64
    work, made, zero = np.empty(4 * max(n, 1)), np.empty(n), np.zeros(1, dtype=np.int64)
    _correct_row(which)(
        address(samples, np.float64 if is_double else np.float32, n),
        is_double,
        stimulus,
        *limits_mv,
        pulse_ms,
        n,
        scale.step_ms,
        scale.size,
        scale.first,
        *scale.addresses,
        address(work, np.float64, 0),
        address(made, np.float64, n),
        address(zero, np.int64, 1),
    )
    return made, int(zero[0])


FAR_BEFORE = 2**31
"""No sweep begins so many samples after its stimulus: an index further back says the same."""

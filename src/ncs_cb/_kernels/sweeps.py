"""What readers ask of raw sweeps (``sweep.c``): each of its own length, rate and stimulus."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels import facts
from ncs_cb._kernels.library import exported

_POINTER, _WHOLE = ctypes.c_void_p, ctypes.c_int64
# No sweep has so many samples: a stimulus farther off says the same.
_FARTHEST = 2**40


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Sweeps with their rate and stimulus, as the kernel takes them.

    Parameters
    ----------
    rows : tuple of ndarray of float64
        Held as long as their addresses are.
    addresses : tuple of int
    table : bytes
        Of each sweep address, samples, stimulus and rate.
    longest : int
        Samples of the longest one.
    """

    rows: tuple[NDArray[np.float64], ...]
    addresses: tuple[int, ...]
    table: bytes
    longest: int


def sweeps_of(
    samples: Sequence[NDArray[Any]], rates_hz: Sequence[float], stimuli: Sequence[int]
) -> Sweeps:
    """Give sweeps as the kernel takes them.

    Parameters
    ----------
    samples : sequence of ndarray of shape (n_samples,) [mV]
        Of any lengths; copied where they are no float64 in one piece.
    rates_hz : sequence of float
    stimuli : sequence of int
        Sample of the stimulus in each; negative where the sweep begins after it.
    """
    rows = tuple([_plain(row) for row in samples])
    return _sweeps(rows, [_address(row) for row in rows], rates_hz, stimuli)


def sweeps_of_block(
    block: NDArray[Any], rates_hz: Sequence[float], stimuli: Sequence[int]
) -> Sweeps:
    """Give the rows of a block as :func:`sweeps_of` does; its address is asked for once.

    Parameters
    ----------
    block : ndarray of shape (n_sweeps, n_samples) [mV]
    rates_hz : sequence of float
    stimuli : sequence of int
    """
    if block.dtype != np.float64 or not (block.flags.aligned and block.flags.c_contiguous):
        return sweeps_of(list(block), rates_hz, stimuli)
    start, step = _address(block), block.strides[0]
    rows = tuple(block)
    return _sweeps(rows, [start + i * step for i in range(len(rows))], rates_hz, stimuli)


def _sweeps(
    rows: tuple[NDArray[np.float64], ...],
    addresses: Sequence[int],
    rates_hz: Sequence[float],
    stimuli: Sequence[int],
) -> Sweeps:
    cells: list[float] = []
    longest = 0
    for row, address, rate, stimulus in zip(rows, addresses, rates_hz, stimuli, strict=True):
        n = len(row)
        longest = max(longest, n)
        cells += (address, n, min(max(stimulus, -_FARTHEST), _FARTHEST), rate)
    return Sweeps(rows, tuple(addresses), struct.pack("Pqqd" * len(rows), *cells), longest)


def moved(sweeps: Sweeps, rates_hz: Sequence[float], stimuli: Sequence[int]) -> Sweeps:
    """Give the same sweeps with other stimuli."""
    return _sweeps(sweeps.rows, sweeps.addresses, rates_hz, stimuli)


def _address(row: NDArray[Any]) -> int:
    return int(row.__array_interface__["data"][0])


def _plain(row: NDArray[Any]) -> NDArray[np.float64]:
    if row.dtype == np.float64 and row.flags.c_contiguous and row.flags.aligned:
        return row
    return np.require(row, np.float64, ["C", "A"])


def find_pulses(sweeps: Sweeps, limits: tuple[float, ...], which: str = "") -> list[int]:
    """Give the sample at which the artefact of each sweep begins.

    ``facts.NOT_SEEN`` where there is none, ``facts.DOUBTED`` where another one is as likely.

    Parameters
    ----------
    sweeps : Sweeps
    limits : tuple of float
        As ``PulseLimits`` of ``sweep.c`` has them.
    which : str, optional
        The build to use.
    """
    return _whole_numbers("find_pulses", sweeps, limits, 3, which)


def find_odd(sweeps: Sweeps, limits: tuple[float, ...], which: str = "") -> list[int]:
    """Give as bits whether a sweep is held into its response, and has a stray sample.

    ``facts.HELD_INTO_RESPONSE`` and ``facts.STRAY``.

    Parameters
    ----------
    sweeps : Sweeps
    limits : tuple of float
        As ``OddLimits`` of ``sweep.c`` has them.
    which : str, optional
        The build to use.
    """
    return _whole_numbers("find_odd", sweeps, limits, 2, which)


def _whole_numbers(
    name: str, sweeps: Sweeps, limits: tuple[float, ...], times: int, which: str
) -> list[int]:
    n = len(sweeps.rows)
    found = (_WHOLE * n)()
    work = np.empty(times * sweeps.longest)
    _function(name, which)(sweeps.table, n, _packed(limits), sweeps.longest, _address(work), found)
    return list(found)


def extents(sweeps: Sweeps, starts: Sequence[int], which: str = "") -> list[float]:
    """Give how far the samples of each sweep reach from one sample on, in mV.

    NaN where these are fewer than ``facts.FEWEST_OF_RESPONSE`` or not all finite.

    Parameters
    ----------
    sweeps : Sweeps
    starts : sequence of int
        Not negative.
    which : str, optional
        The build to use.
    """
    n = len(sweeps.rows)
    found = (ctypes.c_double * n)()
    _function("extents", which)(sweeps.table, n, struct.pack(f"{n}q", *starts), found)
    return list(found)


def mirror_signs(sweeps: Sweeps, limits: tuple[float, ...], which: str = "") -> list[int]:
    """Hold sweeps against the one with the largest response.

    -1 for a mirror image of it, 1 for its like, 0 for neither, ``facts.UNCLEAR`` where no response
    stands clear; 0 for all clear ones where none can be a mirror image.

    Parameters
    ----------
    sweeps : Sweeps
    limits : tuple of float
        As ``MirrorLimits`` of ``sweep.c`` has them.
    which : str, optional
        The build to use.
    """
    n = len(sweeps.rows)
    compared_ms = limits[1]
    room = min(int(compared_ms * 2.0 * facts.CURVE_HZ / 1000.0) + 2, max(sweeps.longest, 1))
    found = (_WHOLE * n)()
    work = np.empty((n + 2) * room)
    _function("mirror_signs", which)(sweeps.table, n, _packed(limits), room, _address(work), found)
    return list(found)


def deflections(
    sweeps: Sweeps, limits: tuple[float, ...], which: str = ""
) -> list[tuple[float, ...]]:
    """Describe the largest deflection of each sweep behind its artefact, or its stimulus.

    Peak with its sign, largest size before a response can peak, noise, first value that stands out
    beside the peak, level, all in mV and NaN where a sweep has no say; and the sample of the
    artefact, or of the stimulus where none is seen.

    Parameters
    ----------
    sweeps : Sweeps
    limits : tuple of float
        As ``DeflectionLimits`` of ``sweep.c`` has them.
    which : str, optional
        The build to use.
    """
    n, width = len(sweeps.rows), facts.DEFLECTION
    found = (ctypes.c_double * (n * width))()
    work = np.empty(3 * sweeps.longest)
    _function("deflections", which)(
        sweeps.table, n, _packed(limits), sweeps.longest, _address(work), found
    )
    cells = list(found)
    return [tuple(cells[at : at + width]) for at in range(0, n * width, width)]


@lru_cache(maxsize=32)
def _packed(limits: tuple[float, ...]) -> bytes:
    return struct.pack(f"{len(limits)}d", *limits)


def argument_types(name: str) -> list[Any]:
    """Give what the arguments of one of these functions are."""
    if name == "extents":
        return [_POINTER, _WHOLE, _POINTER, _POINTER]
    return [_POINTER, _WHOLE, _POINTER, _WHOLE, _POINTER, _POINTER]


@lru_cache(maxsize=16)
def _function(name: str, which: str) -> Any:
    return exported(name, which, argument_types(name))

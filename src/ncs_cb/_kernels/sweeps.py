"""What readers ask of raw sweeps, each of its own length: ``sweep.c`` and ``deflection.c``."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs_cb._kernels import facts
from ncs_cb._kernels.library import exported

_POINTER, _WHOLE = ctypes.c_void_p, ctypes.c_int64
_NUMBERS = np.dtype(np.float64)
# No sweep has so many samples: a stimulus farther off says the same.
_FARTHEST = 2**40
# Of a sweep the kernel takes address, samples, stimulus, rate, group and what is skipped.
SWEEP = "Pqqdqd"
KINDS = {
    "deflections": [_POINTER, _WHOLE, _POINTER, _WHOLE, _POINTER, _POINTER],
    "answers": [_POINTER, _WHOLE, _POINTER, *[_WHOLE] * 3, _POINTER, _POINTER],
}
"""What the arguments of the functions are."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples of sweeps where the kernel finds them.

    Parameters
    ----------
    samples : sequence of ndarray of float64, or ndarray (n_sweeps, n_samples)
        Held as long as their addresses are.
    addresses : sequence of int
    longest : int
        Samples of the longest one.
    """

    samples: Sequence[NDArray[np.float64]] | NDArray[np.float64]
    addresses: Sequence[int]
    longest: int


class Answer(NamedTuple):
    """What the kernel says of one sweep.

    Parameters
    ----------
    pulse : int
        Sample at which the artefact begins; ``facts.NOT_SEEN`` where there is none,
        ``facts.DOUBTED`` where another one is as likely.
    odd : int
        As bits whether it is held into its response (``facts.HELD_INTO_RESPONSE``), and has a stray
        sample (``facts.STRAY``).
    sign : int
        Beside the largest response of its group: -1 for a mirror image of it, 1 for its like, 0 for
        neither, ``facts.UNCLEAR`` where no response stands clear; 0 for all clear ones where none
        can be a mirror image.
    reach_mv : float
        How far its samples reach behind what is skipped. NaN where these are fewer than
        ``facts.FEWEST_OF_RESPONSE`` or not all finite.
    """

    pulse: int
    odd: int
    sign: int
    reach_mv: float


class Limits(NamedTuple):
    """By what the questions are answered, as ``PulseLimits`` and so on of ``sweep.c`` have them."""

    pulse: tuple[float, ...]
    odd: tuple[float, ...]
    mirror: tuple[float, ...]


def rows_of(samples: Sequence[NDArray[Any]] | NDArray[Any]) -> Rows:
    """Give sweeps as the kernel takes them.

    Parameters
    ----------
    samples : sequence of ndarray of shape (n_samples,), or ndarray (n_sweeps, n_samples) [mV]
        Of any lengths; copied where they are no float64 in one piece.
    """
    if isinstance(samples, np.ndarray):
        block = _plain(samples)
        start, step = _address(block), block.strides[0]
        n, longest = block.shape
        return Rows(block, range(start, start + n * step, step) if step else [start] * n, longest)
    rows = [_plain(row) for row in samples]
    return Rows(rows, [_address(row) for row in rows], max(map(len, rows), default=0))


def _address(row: NDArray[Any]) -> int:
    return int(row.ctypes.data)


def _plain(row: NDArray[Any]) -> NDArray[np.float64]:
    flags = row.flags
    if row.dtype is _NUMBERS and flags.c_contiguous and flags.aligned:
        return row
    return np.require(row, np.float64, ["C", "A"])


def _table(
    rows: Rows,
    rates_hz: Sequence[float],
    stimuli: Sequence[int],
    groups: Sequence[int],
    skipped_ms: Sequence[float],
) -> bytes:
    cells: list[float] = []
    for place, row, at, rate, group, skipped in zip(
        rows.addresses, rows.samples, stimuli, rates_hz, groups, skipped_ms, strict=True
    ):
        near = at if -_FARTHEST <= at <= _FARTHEST else _FARTHEST if at > 0 else -_FARTHEST
        cells += (place, len(row), near, rate, group, skipped)
    return _layout(len(rows.addresses)).pack(*cells)


@lru_cache(maxsize=32)
def _layout(n: int) -> struct.Struct:
    return struct.Struct(SWEEP * n)


def answers(
    rows: Rows,
    rates_hz: Sequence[float],
    stimuli: Sequence[int],
    groups: Sequence[int],
    skipped_ms: Sequence[float],
    limits: Limits,
    which: str = "",
) -> list[Answer]:
    """Answer everything that is asked of the sweeps of one recording.

    Parameters
    ----------
    rows : Rows
    rates_hz : sequence of float
    stimuli : sequence of int
        Sample of the stimulus in each; negative where the sweep begins after it.
    groups : sequence of int
        The sweeps that are held against each other, counted from 0; negative for none.
    skipped_ms : sequence of float
        Behind the stimulus, before how far the samples reach is looked at.
    limits : Limits
    which : str, optional
        The build to use.
    """
    n, longest = len(rows.addresses), rows.longest
    packed, longest_curve = _questions(limits)
    room, begin = min(longest_curve, max(longest, 1)), facts.ANSWERS * n
    found = np.empty(begin + 3 * longest + (n + 2) * room + 7 * n)
    place = _address(found)
    _function("answers", which)(
        _table(rows, rates_hz, stimuli, groups, skipped_ms),
        n,
        packed,
        max(groups, default=-1) + 1,
        longest,
        room,
        place + 8 * begin,
        place,
    )
    told = iter(found[:begin].tolist())
    return [
        Answer(int(pulse), int(odd), int(sign), reach)
        for pulse, odd, sign, reach in zip(told, told, told, told, strict=True)
    ]


@lru_cache(maxsize=4)
def _questions(limits: Limits) -> tuple[bytes, int]:
    """Give the limits as the kernel takes them, and the samples of the longest curve."""
    compared_ms = limits.mirror[1]
    packed = b"".join(map(_packed, limits))
    return packed, int(compared_ms * 2.0 * facts.CURVE_HZ / 1000.0) + 2


def deflections(
    rows: Rows,
    rates_hz: Sequence[float],
    stimuli: Sequence[int],
    limits: tuple[float, ...],
    which: str = "",
) -> list[tuple[float, ...]]:
    """Describe the largest deflection of each sweep behind its artefact, or its stimulus.

    Peak with its sign, largest size before a response can peak, noise (0 where a clear and calm
    response makes it of no account), first value that stands out beside the peak, level, all in mV
    and NaN where a sweep has no say; and the sample of the artefact, or of the stimulus where none
    is seen.

    Parameters
    ----------
    rows : Rows
    rates_hz : sequence of float
    stimuli : sequence of int
    limits : tuple of float
        As ``DeflectionLimits`` of ``deflection.c`` has them.
    which : str, optional
        The build to use.
    """
    n = len(rows.addresses)
    begin, none = facts.DEFLECTION * n, (0,) * n
    found = np.empty(begin + 3 * rows.longest)
    place = _address(found)
    table = _table(rows, rates_hz, stimuli, none, none)
    _function("deflections", which)(
        table, n, _packed(limits), rows.longest, place + 8 * begin, place
    )
    told = iter(found[:begin].tolist())
    return list(zip(*[told] * facts.DEFLECTION, strict=True))


@lru_cache(maxsize=32)
def _packed(limits: tuple[float, ...]) -> bytes:
    return struct.pack(f"{len(limits)}d", *limits)


@lru_cache(maxsize=16)
def _function(name: str, which: str) -> Any:
    return exported(name, which, KINDS[name])

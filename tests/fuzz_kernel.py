"""Run a library of the kernel over every kind of trace and over random ones.

    python tests/fuzz_kernel.py LIBRARY --rows 100000 [--seed 0]

Meant for a library built with sanitizers, which stop the process at the first wrong address or
undefined step. Every array lies in a piece of memory of its own that the sanitizer watches.
"""

from __future__ import annotations

import argparse
import ctypes
import struct

import numpy as np

from ncs_cb import _kernels
from ncs_cb._kernels import facts, library, sweeps
from ncs_cb.readers._shared import doubts, polarity, zero

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]


class Watched:
    """A copy of an array in memory that begins and ends where the array does."""

    def __init__(self, array):
        self.array = np.ascontiguousarray(array)
        self.place = LIBC.malloc(max(self.array.nbytes, 1))
        ctypes.memmove(self.place, self.array.ctypes.data, self.array.nbytes)

    def back(self):
        copy = np.empty_like(self.array)
        ctypes.memmove(copy.ctypes.data, self.place, copy.nbytes)
        LIBC.free(self.place)
        return copy


def run(function, samples, rate, stimulus, limit=np.inf):
    """Measure samples; give numbers and facts."""
    m, n = samples.shape
    scale = _kernels.scale_of(rate, n)
    tables = (scale.means, scale.courses, scale.sums, scale.squares)
    tables = (*tables, scale.turns, scale.ratio, scale.head)
    held = [
        Watched(a)
        for a in (
            samples,
            np.arange(m),
            np.full(m, stimulus),
            np.full(m, -limit),
            np.full(m, limit),
            np.full(m, np.nan),
            np.full(m, facts.UNIT_MV),
            *tables,
            np.zeros(4 * max(n, 1)),
            np.zeros((m, facts.WIDTH)),
            np.zeros(m, dtype=np.int64),
        )
    ]
    x, rows, stimuli, low, high, pulses, units, *rest = (h.place for h in held)
    function(
        x,
        samples.dtype == np.float64,
        rows,
        m,
        stimuli,
        low,
        high,
        pulses,
        units,
        n,
        scale.step_ms,
        scale.size,
        scale.first,
        *rest,
    )
    out, found = [h.back() for h in held][-2:]
    return out, found


def random_row(rng):
    """One row of any length, size, kind, rate and stimulus."""
    n = int(rng.choice([1, 2, 3, 5, 9, 17, 40, 100, 257, 600, 1200]))
    rate = float(
        rng.choice([1e-3, 1.0, 60, 200, 999, 2e3, 5e3, 1e4, 2e4, 3e4, 48e3, 1e5, 1e6, 1e9])
    )
    t = np.arange(n)
    kind = rng.integers(8)
    if kind == 0:
        row = rng.standard_normal(n)
    elif kind == 1:
        row = np.cumsum(rng.standard_normal(n))
    elif kind == 2:
        row = rng.integers(-3, 4, n).astype(float)
    elif kind == 3:
        row = np.exp(-t / rng.uniform(0.5, n)) * rng.uniform(-9, 9)
    elif kind == 4:
        width = rng.uniform(1, n)
        row = rng.uniform(-9, 9) * np.exp(-(((t - rng.uniform(0, n)) / width) ** 2))
    elif kind == 5:
        row = np.sin(t * rng.uniform(0, 3)) + rng.uniform(-1, 1) * t / n
    elif kind == 6:
        row = np.where(t < rng.integers(n), 0.0, rng.uniform(-9, 9))
    else:
        row = np.zeros(n)
    if rng.random() < 0.5:
        row = row + rng.uniform(0, 0.1) * rng.standard_normal(n)
    if rng.random() < 0.2:
        row = np.clip(row, -0.5, 0.5)
    if rng.random() < 0.2:
        row = row * 10.0 ** rng.uniform(-320, 307)
    if rng.random() < 0.1:
        row[rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])
    with np.errstate(over="ignore"):
        row = row.astype(rng.choice([np.float32, np.float64]))
    return row[None, :], rate, int(rng.integers(-1, n + 1)), float(rng.choice([np.inf, 0.5, 1e-3]))


def look_at(loaded, which, row, rate, stimulus):
    """Ask what readers ask of raw sweeps, of one that lies in memory of its own, twice."""
    n, room = row.shape[1], 452
    held = Watched(row[0].astype(np.float64))
    table = struct.pack(sweeps.SWEEP * 2, *[held.place, n, stimulus, rate, 0, 3.0] * 2)
    given = ctypes.create_string_buffer(table, len(table))
    odd = (*zero.pulse_limits(), *doubts.odd_limits(), *doubts.mirror_limits())
    found = []
    for name, limits, more, size, cells in (
        ("answers", odd, [1, n, room], 3 * n + 4 * room + 14, facts.ANSWERS),
        ("deflections", polarity.deflection_limits(), [n], 3 * n, facts.DEFLECTION),
    ):
        work, out = Watched(np.zeros(size)), Watched(np.zeros(2 * cells, dtype=np.int64))
        packed = struct.pack(f"{len(limits)}d", *limits)
        function = getattr(loaded, f"ncs_{name}_{which}")
        function.restype, function.argtypes = None, sweeps.KINDS[name]
        function(given, 2, packed, *more, work.place, out.place)
        work.back()
        found.append(out.back())
    held.back()
    return np.concatenate(found)


def main() -> None:
    """Run over the corpus and over random rows."""
    import test_kernels

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    loaded = ctypes.CDLL(options.library)
    builds = ["baseline", "avx2"] if loaded.ncs_has_avx2() else ["baseline"]
    functions = [getattr(loaded, f"ncs_measure_rows_{which}") for which in builds]
    for function in functions:
        function.restype = None
        function.argtypes = library._measure_rows("baseline").argtypes
    rng = np.random.default_rng(options.seed)
    corpus = [*test_kernels.every_kind(np.random.default_rng(1)), *test_kernels.slow_rises(60)]
    for row in corpus:
        for rate, stimulus in test_kernels.SETTINGS:
            for dtype in (np.float32, np.float64):
                run(functions[-1], row.astype(dtype)[None, :], rate, stimulus)
    for _ in range(options.rows):
        case = random_row(rng)
        given = [run(function, *case) for function in functions]
        out, found = given[0]
        assert np.array_equal(out.view(np.int64), given[-1][0].view(np.int64))
        assert found[0] == given[-1][1][0]
        looks = [look_at(loaded, which, *case[:3]) for which in builds]
        assert np.array_equal(looks[0], looks[-1])
        assert not np.isinf(out).any() or np.abs(case[0]).max() > 1e30, (out, case)
    print(f"{len(corpus)} kinds and {options.rows} random rows: nothing wrong")


if __name__ == "__main__":
    main()

"""The hot loop: one row of samples in, one row of numbers and a word of facts out.

One source, two ways to run it: as plain Python for a handful of traces, compiled by numba for
many. Both give identical bits: scalar loops, ``+ - * /``, comparisons and ``sqrt`` in a fixed
order; decays and hum come in as tables. A few primitives that do not round exist in two forms
(``primitives``, ``vectors``).

A row is first reduced to the means of blocks of 0.2 ms, in one pass. Everything that looks at
the whole sweep looks at those; samples are read again only about the markers.

1. Baseline. Most rows show a flat stretch before the response: a line through its last 5 ms
   is the baseline (``baseline.flat_before``). Elsewhere an exponential is fitted to the stretch
   from the stimulus on, lengthened while it holds, and removed (``baseline.peel_artifact``).
   Where hum could matter beside the response it is fitted to what surrounds the response and
   removed; a sweep that artefact, line, hum and noise explain holds no response (``hum``).
2. Response. The highest block is the negative peak; the first significant phase is sought
   before it, an initial positivity before that, later phases after it (``rows.scan_phases``).
3. Markers. The rising edge is crossed at 1, 2, 4 ... % of the peak, from the lowest level that
   stands clear of the noise, and taken back to 1 % in the ratio of the steps between the
   crossings (``markers.find_onset``). Peaks are vertices of parabolas.

Names: `x` raw samples, `y` block means, `r` block means less baseline, `z` samples less
baseline about a marker, `b` a block, `i` a sample, `h` half a smoothing width, `pre` the
blocks before the stimulus, `first` the blocks blanked after it, `s` and `g` working cells.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from ncs_cb._kernels import compiling, facts, kept, rows
from ncs_cb._kernels.tables import decay_tables

__all__ = ["compiled", "decay_tables", "facts", "is_kept", "is_loaded", "measure_row"]

measure_row: Any = rows.measure_row
"""The kernel as plain Python: one trace, on lists."""

_LOADED: dict[str, Any] = {}
_LOADING = Lock()


def is_loaded(dtype: str) -> bool:
    """Whether :func:`compiled` answers at once."""
    return dtype in _LOADED


def is_kept(dtype: str) -> bool:
    """Whether :func:`compiled` finds a kernel on disk, so that it answers within a second."""
    path = kept.place(dtype)
    return path is not None and path.exists()


def compiled(dtype: str) -> Any:
    """Give ``rows.measure_rows`` compiled by numba for samples of `dtype`.

    Taken from memory, else from disk (:mod:`ncs_cb._kernels.kept`), else compiled, which takes
    some ten seconds, and kept.
    """
    with _LOADING:
        if dtype not in _LOADED:
            path = kept.place(dtype)
            _LOADED[dtype] = compiling.restore(kept.load(path)) or _fresh(dtype, path)
    return _LOADED[dtype]


def _fresh(dtype: str, path: Path | None) -> Any:
    kernel, payload = compiling.compile_rows(dtype)
    kept.keep(path, payload)
    return kernel

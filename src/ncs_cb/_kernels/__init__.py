"""The hot loop: one row of samples in, one row of numbers and a word of facts out.

Written in C, built by ``build.py`` for every processor and, on x86-64, for those with AVX2, and
called through ctypes. All builds give identical bits: ``+ - * /``, comparisons and ``sqrt`` in a
fixed order, without contraction; decays and hum come in as tables. It never raises, allocates
nothing and reads float32 and float64 as they are.

A row is first reduced to the means of blocks of 0.2 ms, in one pass. Everything that looks at
the whole sweep looks at those; samples are read again only about the markers.

1. Baseline. Most rows show a flat stretch before the response: a line through its last 5 ms
   is the baseline (``flat_before`` in ``baseline.c``). Elsewhere an exponential is fitted to the
   stretch from the stimulus on, lengthened while it holds, and removed (``peel_artifact``).
   Where hum could matter beside the response it is fitted to what surrounds the response and
   removed; a sweep that artefact, line, hum and noise explain holds no response (``hum.c``).
2. Response. The highest block is the negative peak; the first significant phase is sought
   before it, an initial positivity before that, later phases after it (``scan_phases`` in
   ``phases.c``).
3. Markers. The rising edge is crossed at 1, 2, 4 ... % of the peak, from the lowest level that
   stands clear of the noise, and taken back to 1 % in the ratio of the steps between the
   crossings (``find_onset`` in ``markers.c``). Peaks are vertices of parabolas.

Files: ``row.h`` the state of a row; ``reduce.c`` passes over samples; ``correct.c``, ``decay.c``,
``baseline.c``, ``hum.c``, ``markers.c``, ``phases.c`` the steps; ``kernel.c`` the row and the loop
over rows; ``facts.py`` the constants of both languages.

Pairs of responses, for the estimate of block: ``elementary.c`` functions of four numbers at once;
``window.c`` and ``delays.c`` the model; ``clean.c``, ``spectra.c``, ``screen.c``, ``refine.c`` the
steps, which :mod:`ncs_cb.dispersion` tells; ``shape.c`` what :mod:`ncs_cb.quality.shape` asks.

What readers ask of raw sweeps is in ``sweep.c`` and ``deflection.c``.
"""

from __future__ import annotations

from ncs_cb._kernels import facts
from ncs_cb._kernels.library import FAR_BEFORE, best_build, corrected_row, measure_rows
from ncs_cb._kernels.pairs import (
    BlockGrid,
    Lags,
    Rows,
    Side,
    Trials,
    Waves,
    Windows,
    bins,
    clean,
    correlate,
    look,
    refine,
    rows_of,
    screen,
    spectra,
)
from ncs_cb._kernels.tables import Scale, scale_of

__all__ = [
    "FAR_BEFORE",
    "BlockGrid",
    "Lags",
    "Rows",
    "Scale",
    "Side",
    "Trials",
    "Waves",
    "Windows",
    "best_build",
    "bins",
    "clean",
    "corrected_row",
    "correlate",
    "facts",
    "look",
    "measure_rows",
    "refine",
    "rows_of",
    "scale_of",
    "screen",
    "spectra",
]

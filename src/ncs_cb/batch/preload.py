"""Run once by the process that local workers are forked from, so that each begins ready.

It loads what an analysis needs and runs one on made-up responses, so that what is made once is
made. The workers share the memory of all that.
"""

from __future__ import annotations

import gc
import signal
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from ncs_cb.system import look_for_garbage_seldom

if TYPE_CHECKING:
    from ncs_cb.model import Study

_LIBRARIES = (
    "pyarrow.parquet",
    "ncs_cb.analysis",
    "ncs_cb.batch.work",
    "ncs_cb.readers.edf.read",
)
_RATE_HZ = 20_000.0
_N_SAMPLES, _STIMULUS_INDEX = 600, 40


def load() -> None:
    """Import what an analysis needs, and run one."""
    # Ctrl-C reaches every process of a terminal; the one that plans ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing of what is loaded is garbage: neither now nor in a worker need it be looked at.
    gc.disable()
    for name in _LIBRARIES:
        import_module(name)
    # What fails here fails again on the first study, where it can be said.
    with suppress(Exception):
        import_module("ncs_cb.readers").available()
        import_module("ncs_cb.analysis").analyze_together([_study()])
    gc.freeze()
    gc.enable()
    look_for_garbage_seldom()


def _study() -> Study:
    """Make two responses of a nerve, with noise, as a recording has it."""
    import numpy as np

    from ncs_cb.model import Site, Stimulus, Study, Trace

    rng = np.random.default_rng(1)
    time_ms = (np.arange(_N_SAMPLES) - _STIMULUS_INDEX) / _RATE_HZ * 1e3
    traces = []
    for name, distance_mm, latency_ms in (("wrist", 70.0, 3.0), ("elbow", 290.0, 7.0)):
        share = np.clip((time_ms - latency_ms) / 5.0, 0.0, 1.0)
        samples_mv = 8.0 * np.sin(np.pi * share) + rng.normal(0.0, 0.01, _N_SAMPLES)
        site, stimulus = Site("median", "right", "apb", name), Stimulus(distance_mm)
        traces.append(
            Trace(samples_mv, _RATE_HZ, _STIMULUS_INDEX, site, "made up", stimulus=stimulus)
        )
    return Study("made up", tuple(traces))

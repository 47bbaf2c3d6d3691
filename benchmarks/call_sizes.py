"""How long calls of every size take, beside reading the samples once.

    python benchmarks/call_sizes.py             # the table
    python benchmarks/call_sizes.py --write     # put it into RESULTS.md

Calls and readings are taken in turn, and times are of the processor, of all threads together, so
that a busy machine touches all of them alike; the least of each is kept. Reading is ``numpy.max``
over the same samples, one part for each core.
"""

from __future__ import annotations

import argparse
import os
import platform
from functools import partial

import numpy as np
import results_page
import run_measure

from ncs_cb.measuring.traces import measure_traces

BEGIN, END = "<!-- calls: begin -->", "<!-- calls: end -->"
MOST = 40_000
SIZES = ((MOST, "float32"), (MOST, "float64"), (2000, "float32"), (2000, "float64"))
SIZES += ((64, "float32"), (63, "float32"), (20, "float32"), (1, "float32"))
# Fewer samples lie in the cache of the processor, and threads take longer to start than to read.
FEWEST_READ = 2000

Call = tuple[int, str]


def measured(rounds: int, cores: int) -> tuple[dict[Call, float], dict[Call, float]]:
    """Give the least seconds of every call, and of reading its samples."""
    x, call, _ = run_measure.usual_traces()
    samples = {(n, dtype): np.ascontiguousarray(x[:n].astype(dtype)) for n, dtype in SIZES}

    calls: dict[Call, float] = {}
    reads: dict[Call, float] = {}
    for _ in range(rounds):
        for size, given in samples.items():
            repeats = 3 if size[0] == MOST else 20
            for _ in range(repeats):
                taken = run_measure.best(partial(measure_traces, given, **call), 1)
                calls[size] = min(taken, calls.get(size, taken))
                if size[0] >= FEWEST_READ:
                    read = partial(run_measure.read_once, given, cores)
                    taken = run_measure.best(read, 1)
                    reads[size] = min(taken, reads.get(size, taken))
    return calls, reads


def table(rounds: int) -> str:
    """Give the table of all sizes."""
    cores = len(os.sched_getaffinity(0))
    calls, reads = measured(rounds, cores)
    lines = [
        "## Calls of every size",
        "",
        "Made by `python benchmarks/call_sizes.py --write`; do not edit. `measure_traces` of so "
        f"many traces of 1000 samples, DataFrame included, Python {platform.python_version()}, "
        f"{cores} cores ({platform.machine()}); seconds of the processor, of all threads together, "
        f"the least of some runs taken in turn with `numpy.max` on {cores} threads over the same "
        "samples (target: 3 times that at 40 000 traces of float32; per trace at 2000 at most 1.3 "
        "times what it is at 40 000). Nothing is compiled when it is called; 0.2.0 took "
        f"{results_page.earlier('calls', 'compiling')} for that.",
        "",
        "| traces | samples | ms | us per trace | times that at 40 000 | times reading | 0.2.0 |",
        "|--:|---|--:|--:|--:|--:|---|",
    ]
    for n, dtype in SIZES:
        seconds = calls[n, dtype]
        usual = calls[MOST, "float64" if dtype == "float64" else "float32"] / MOST
        reading = f"{seconds / reads[n, dtype]:.1f}" if n >= FEWEST_READ else ""
        lines.append(
            f"| {n} | {dtype} | {1e3 * seconds:.2f} | {1e6 * seconds / n:.2f} | "
            f"{seconds / n / usual:.2f} | {reading} | "
            f"{results_page.earlier('calls', f'{n} {dtype}')} |"
        )
    lines += [
        "",
        f"There is no threshold: 0.2.0 compiled from 40 000 traces on, and 39 999 took "
        f"{results_page.earlier('calls', '39999 float32')}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    text = table(asked.rounds)
    print(text)
    if asked.write:
        results_page.put(BEGIN, END, text)


if __name__ == "__main__":
    main()

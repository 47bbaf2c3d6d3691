"""How fast recordings are read, beside a plain loop with edfio over the same files.

Run: ``python benchmarks/reading.py [STUDIES]``. Prints milliseconds per file, the best of five
rounds on one core. Reading includes finding the studies, hashing, polarity and provenance; the
edfio loop takes the samples and annotations of each file and nothing else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import edfio
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ncs_cb import write_edf
from ncs_cb.model import Site, Stimulus, Study, Trace
from ncs_cb.readers import find_studies, read_study
from readers.handmade import cmap

ARM = {
    ("median", "apb"): ("wrist", "elbow", "axilla"),
    ("ulnar", "adm"): ("wrist", "below_elbow", "above_elbow", "axilla"),
    ("radial", "eip"): ("forearm", "elbow", "spiral_groove"),
}
ROUNDS = 5


def visit(rng: np.random.Generator) -> Study:
    """Make six recordings, both arms: responses of 8 mV, noise, and an artefact of 5 mV."""
    time_ms = np.arange(1200) / 20 - 10
    traces = []
    for (nerve, muscle), sites in ARM.items():
        for side in ("right", "left"):
            for i, site in enumerate(sites):
                wave = cmap(time_ms, 3 + 3 * i, 8) + rng.normal(0, 0.01, len(time_ms))
                wave += 5 * np.exp(-np.clip(time_ms, 0, None) / 0.3) * (time_ms >= 0)
                traces.append(
                    Trace(
                        wave,
                        20_000.0,
                        200,
                        Site(nerve, side, muscle, site),
                        "x",
                        stimulus=Stimulus(70 + 200 * i, 20.0, 0.2),
                        high_pass_hz=2.0,
                        low_pass_hz=10_000.0,
                    )
                )
    return Study("x", tuple(traces))


def best_ms(run: Callable[[], None], n_files: int) -> float:
    """Give the time of the fastest round per file."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1e3 * min(times) / n_files


def main(n_studies: int) -> None:
    """Write an archive, read it both ways, print."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        for i in range(n_studies):
            write_edf(visit(rng), Path(name) / f"s{i:04d}")
        files = sorted(Path(name).rglob("*.edf"))

        def plainly() -> None:
            for path in files:
                edf = edfio.read_edf(path)
                for signal in edf.signals:
                    _ = signal.data
                _ = edf.annotations

        def ours() -> None:
            for found in find_studies(name):
                read_study(found)

        plain_ms, ours_ms = best_ms(plainly, len(files)), best_ms(ours, len(files))
    print(f"{len(files)} EDF+D files: edfio {plain_ms:.3f} ms, ncs_cb {ours_ms:.3f} ms per file")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

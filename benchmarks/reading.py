"""How fast recordings are read, beside a plain loop with edfio over the same files.

Run: ``python benchmarks/reading.py [STUDIES]``. Prints milliseconds of the processor per study of
six files: the mean over studies of the fastest of several rounds, which other processes on the
machine disturb least. Reading includes finding the files, hashing, polarity and provenance; the
edfio loop takes the samples and annotations of each file and nothing else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import edfio
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ncs_cb import write_edf
from ncs_cb.model import Site, Stimulus, Study, Trace
from ncs_cb.readers import read_study
from readers.handmade import cmap

ARM = {
    ("median", "apb"): ("wrist", "elbow", "axilla"),
    ("ulnar", "adm"): ("wrist", "below_elbow", "above_elbow", "axilla"),
    ("radial", "eip"): ("forearm", "elbow", "spiral_groove"),
}
ROUNDS = 15


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


def best_ms(read: Callable[[Path], object], folders: Sequence[Path]) -> float:
    """Give the mean over studies of the fastest round of each."""
    best = [float("inf")] * len(folders)
    for _ in range(ROUNDS):
        for i, folder in enumerate(folders):
            started = time.process_time()
            read(folder)
            best[i] = min(best[i], time.process_time() - started)
    return 1e3 * sum(best) / len(best)


def plainly(folder: Path) -> None:
    """Read the files of a study with edfio: samples and annotations."""
    for path in sorted(folder.iterdir()):
        edf = edfio.read_edf(path)
        for signal in edf.signals:
            _ = signal.data
        _ = edf.annotations


def main(n_studies: int) -> None:
    """Write an archive, read it both ways, print."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / f"s{i:04d}" for i in range(n_studies)]
        for folder in folders:
            write_edf(visit(rng), folder)
        plain_ms, ours_ms = best_ms(plainly, folders), best_ms(read_study, folders)
    print(
        f"{n_studies} studies of six EDF+D files: edfio {plain_ms:.2f} ms, ncs_cb {ours_ms:.2f} ms "
        f"of the processor per study, {ours_ms / plain_ms:.2f} times as long"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

"""Damage files of every format, over and over, and report what is not one of our errors.

Run: ``python benchmarks/fuzz_readers.py [SECONDS] [SEED]``. Exit status 1 when anything else than
an ``NcsError`` came out, a file took longer than a second, or memory grew; each such file is kept
in ``fuzz-findings/`` beside the working directory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ncs_cb import NcsError, read_study
from readers.test_fuzz import mutate, put, seeds
from readers.test_via_mne import epochs, raw

SLOW_S = 1.0
# Formats that MNE opens are slower and are drawn less often.
MNE_SHARE = 0.1


def mne_seeds(folder: Path) -> dict[str, tuple[bytes, dict[str, bytes]]]:
    """Give one FIF recording and one FIF file of epochs."""
    raw().crop(0, 0.5).save(folder / "a_raw.fif", verbose="error")
    epochs(names=("R APB",)).save(folder / "a-epo.fif", verbose="error")
    return {n: ((folder / n).read_bytes(), {}) for n in ("a_raw.fif", "a-epo.fif")}


def attempt(folder: Path) -> tuple[str, float]:
    """Read a folder; give the outcome in one word and the time in s."""
    started = time.monotonic()
    try:
        read_study(folder)
        outcome = "read"
    except NcsError as problem:
        outcome = type(problem).__name__
    except Exception as problem:
        outcome = f"BUG {type(problem).__name__}: {problem}"[:200]
    return outcome, time.monotonic() - started


def main(seconds: float, seed: int) -> int:
    """Run for a while; give the exit status."""
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    findings = 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        plain, heavy = seeds(home / "plain"), {}
        (home / "mne").mkdir()
        heavy = mne_seeds(home / "mne")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            corpus = heavy if rng.random() < MNE_SHARE else plain
            chosen = list(corpus)[int(rng.integers(0, len(corpus)))]
            data, beside = corpus[chosen]
            damaged = mutate(data, rng)
            folder = home / f"fuzz_{chosen.replace('.', '_')}"
            put(folder, chosen, damaged, beside)
            outcome, took = attempt(folder)
            counts[outcome if took < SLOW_S or corpus is heavy else f"SLOW {outcome}"] += 1
            if outcome.startswith("BUG") or (took >= SLOW_S and corpus is plain):
                findings += 1
                kept = Path("fuzz-findings")
                kept.mkdir(exist_ok=True)
                (kept / f"{findings:04d}_{chosen}").write_bytes(damaged)
    for outcome, count in counts.most_common():
        print(f"{count:8d}  {outcome}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{sum(counts.values())} files, {findings} findings, peak memory {peak:.0f} MiB")
    return 1 if findings else 0


if __name__ == "__main__":
    arguments = [float(a) for a in sys.argv[1:]] + [60.0, 1.0][len(sys.argv) - 1 :]
    sys.exit(main(arguments[0], int(arguments[1])))

"""Change sound files of every kind with intent, and report what is not one of our errors.

    python benchmarks/fuzz_readers.py [--inputs 100000] [--seed 1] [--kind NAME] [--one N]

Readers, layouts, ``study.toml``, ``lab.toml``, ``result.json`` and the log of corrections; a part
of what can be read is analyzed and written, too. Inputs are handed to one process with a limit of
address space, which a clock watches; an input at which it dies, hangs, swells, or raises anything
but an ``NcsError`` is a fault. Its files are kept in ``fuzz-faults/``; ``--one N`` does input N
again. Exit status 1 when there was a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from fuzz_inputs import Kind, kinds

SLOWEST_S = 20.0
SLOW_S = 3.0
# One that waits for ever uses no processor.
LONGEST_S = 300.0
MEGABYTES = 3072
ANALYZED = 0.05
FAULTS = Path("fuzz-faults")


def drawn(all_kinds: dict[str, Kind], seed: int, number: int) -> tuple[str, Kind, bytes, Random]:
    """Give the input of a number: its kind, and the changed file."""
    rng = Random(f"{seed}/{number}")
    (name,) = rng.choices(list(all_kinds), [kind.weight for kind in all_kinds.values()])
    kind = all_kinds[name]
    return name, kind, kind.change(kind.files[kind.changed], rng), rng


def put(folder: Path, kind: Kind, changed: bytes) -> None:
    """Write the files of an input; nothing of another one stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in (kind.files | {kind.changed: changed}).items():
        (folder / name).write_bytes(data)


def attempt(folder: Path, kind: Kind, out: Path | None) -> str:
    """Read an input, and analyze it where `out` is given; give the outcome in one line."""
    from ncs_cb import NcsError, analyze, load_result, read_study, write_report
    from ncs_cb.readers import read_studies

    layout = folder / "layout.toml"
    try:
        if kind.changed == "result.json":
            load_result(folder / kind.changed)
        if layout.exists():
            visits = read_studies(folder / "g.csv", layout=layout).values()
            studies = [one for one in visits if not isinstance(one, NcsError)]
        else:
            studies = [read_study(folder)]
        for study in studies[:3] if out is not None else ():
            write_report(analyze(study), out, formats=["json", "csv", "html"])
    except NcsError as problem:
        str(problem).encode("utf-8")
        return type(problem).__name__
    except MemoryError:
        return "FAULT MemoryError"
    except BaseException as problem:
        at = traceback.extract_tb(problem.__traceback__)[-1]
        return f"FAULT {type(problem).__name__} at {Path(at.filename).name}:{at.lineno}"
    return "read"


def work(seed: int, first: int, last: int) -> None:
    """Do inputs one after the other; say the number before each, and the outcome after it."""
    import resource

    import mne  # noqa: F401

    import ncs_cb.analysis  # noqa: F401

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        made = kinds(home)
        resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 2**20, MEGABYTES * 2**20))
        for number in range(first, last):
            chosen, kind, changed, rng = drawn(made, seed, number)
            print(f"{number}\t{chosen}", flush=True)
            put(home / "input", kind, changed)
            out = home / "report" if rng.random() < ANALYZED else None
            began = time.process_time()
            # The time of the processor: a busy machine makes no fault. Its own effect is the end.
            signal.setitimer(signal.ITIMER_PROF, SLOWEST_S)
            outcome = attempt(home / "input", kind, out)
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            print(f"{outcome}\t{time.process_time() - began:.2f}", flush=True)


def watched(seed: int, first: int, n_inputs: int) -> Iterator[tuple[int, str, str, float]]:
    """Give number, kind, outcome and time in s of each input, whatever becomes of the process."""
    last = first + n_inputs
    while first < last:
        command = [sys.executable, __file__, "--work", f"{seed},{first},{last}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            number, chosen = first, "?"
            while True:
                clock = threading.Timer(LONGEST_S, child.kill)
                clock.start()
                begun = child.stdout.readline()
                if begun:
                    number, chosen = int(begun.split("\t")[0]), begun.split("\t")[1].strip()
                ended = child.stdout.readline() if begun else ""
                clock.cancel()
                if not ended:
                    break
                outcome, took = ended.split("\t")
                yield number, chosen, outcome, float(took)
        if number + 1 >= last and not begun:
            return
        yield number, chosen, f"FAULT died or hung ({child.returncode})", SLOWEST_S
        first = number + 1


def keep(seed: int, number: int, outcome: str) -> None:
    """Keep the files of a fault."""
    with tempfile.TemporaryDirectory() as name:
        chosen, kind, changed, _ = drawn(kinds(Path(name)), seed, number)
    folder = FAULTS / f"{seed}_{number}"
    put(folder, kind, changed)
    (folder / "outcome.txt").write_text(f"{chosen}: {outcome}\n")


def main() -> int:
    """Do many inputs; give the exit status."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--inputs", type=int, default=100_000)
    asked.add_argument("--first", type=int, default=0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--one", type=int)
    asked.add_argument("--work", help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.work:
        work(*map(int, told.work.split(",")))
        return 0
    if told.one is not None:
        told.first, told.inputs = told.one, 1
    counts: Counter[str] = Counter()
    # Whoever has seen enough interrupts it, and is told what was done.
    with contextlib.suppress(KeyboardInterrupt):
        for number, chosen, outcome, took in watched(told.seed, told.first, told.inputs):
            slow = took > SLOW_S and not outcome.startswith("FAULT")
            counts[f"slow {outcome}" if slow else outcome] += 1
            if outcome.startswith("FAULT") or slow:
                print(f"{number}\t{chosen}\t{outcome}\t{took:.1f} s", flush=True)
                keep(told.seed, number, outcome)
    for outcome, count in counts.most_common():
        print(f"{count:8d}  {outcome}")
    faults = sum(n for outcome, n in counts.items() if outcome.startswith("FAULT"))
    print(f"{sum(counts.values())} inputs of seed {told.seed}, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

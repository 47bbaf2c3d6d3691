"""How fast and how large: ``ncs-cb batch`` beside a plain loop that only reads with edfio.

    python benchmarks/batch.py                      # 1 000 studies, one and two workers
    python benchmarks/batch.py --studies 1000 10000 # memory and slope
    python benchmarks/batch.py --reports 200        # with reports
    python benchmarks/batch.py --write              # put the table into RESULTS.md

A study is six EDF+D files of three stimuli each (1 000 samples at 20 kHz), 46 KB together. Times
are of the clock, of whole processes, start and end included; files are in the page cache for
both sides. Memory is the highest sum of the proportional set sizes of all processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import archives

RESULTS = Path(__file__).with_name("RESULTS.md")
READ_LOOP = """
import sys, time
from pathlib import Path
import edfio
start = time.perf_counter()
total = 0
for path in sorted(Path(sys.argv[1]).rglob("*.edf")):
    edf = edfio.read_edf(path)
    for signal in edf.signals:
        total += len(signal.data)
    total += len(edf.annotations)
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Run:
    """One run of the batch: time of the clock and highest memory of all its processes."""

    seconds: float
    megabytes: float


def plain_loop(root: Path, repeats: int = 3) -> float:
    """Seconds for reading every file with edfio in one process, imports apart; best of some."""
    command = [sys.executable, "-c", READ_LOOP, str(root)]
    taken = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeats)
    ]
    return min(taken)


def batch(root: Path, out: Path, *options: str) -> Run:
    """Run the command as a user would."""
    command = [sys.executable, "-c", "from ncs_cb.cli import main; main()", "batch", str(root)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(out), *options], stderr=subprocess.PIPE, text=True
    )
    highest = 0.0
    while process.poll() is None:
        highest = max(highest, memory(process.pid))
        time.sleep(0.5)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(process.stderr.read())
    return Run(seconds, highest)


def memory(pid: int) -> float:
    """Megabytes that a process and its children really occupy, shared pages shared out."""
    import psutil

    total = 0
    try:
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total / 1e6


def best(repeats: int, root: Path, *options: str) -> Run:
    """The best of some runs, each into a folder of its own."""
    runs = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as out:
            runs.append(batch(root, Path(out), *options))
    return Run(min(r.seconds for r in runs), max(r.megabytes for r in runs))


def measure(n_studies: int, folder: Path, repeats: int) -> list[str]:
    """Rows of the table for one size of archive."""
    root = folder / f"archive{n_studies}"
    archives.write_archive(root, n_studies)
    loop = plain_loop(root)
    rows = [f"| {n_studies} | plain edfio loop, one core | {loop:.2f} | 1.0 | |"]
    for workers in (1, 2):
        run = best(repeats, root, "--workers", str(workers))
        rows.append(
            f"| {n_studies} | batch, tables, {workers} worker{'s' * (workers > 1)} | "
            f"{run.seconds:.2f} | {run.seconds / loop:.1f} | {run.megabytes:.0f} |"
        )
    out = folder / "again"
    batch(root, out, "--workers", "2")
    again = min(batch(root, out, "--workers", "2").seconds for _ in range(repeats))
    rows.append(
        f"| {n_studies} | started again, nothing to do | {again:.2f} | {again / loop:.1f} | |"
    )
    shutil.rmtree(root)
    shutil.rmtree(out)
    return rows


def measure_reports(n_studies: int, folder: Path) -> str:
    """One row: tables and reports on two workers."""
    root = folder / "reports"
    archives.write_archive(root, n_studies)
    run = best(1, root, "--workers", "2", "--reports")
    rate = n_studies / run.seconds
    return (
        f"| {n_studies} | batch with reports, 2 workers: {rate:.1f} studies per second | "
        f"{run.seconds:.2f} | | {run.megabytes:.0f} |"
    )


def table(rows: list[str]) -> str:
    head = (
        f"Measured on {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, by `python benchmarks/batch.py`.\n\n"
        "| studies | what | seconds | times the plain loop | MB at most |\n|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def write_results(text: str) -> None:
    """Replace the section between its marks, or add it."""
    begin, end = "<!-- batch -->", "<!-- /batch -->"
    section = f"{begin}\n## Batch\n\n{text}{end}"
    old = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Results of the benchmarks\n"
    if begin in old:
        new = re.sub(f"{begin}.*{end}", lambda _: section, old, flags=re.DOTALL)
    else:
        new = f"{old.rstrip()}\n\n{section}\n"
    RESULTS.write_text(new, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, nargs="+", default=[1000])
    parser.add_argument("--reports", type=int, default=0, help="studies to write reports of")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_studies in asked.studies:
            rows += measure(n_studies, Path(folder), asked.repeats)
        if asked.reports:
            rows.append(measure_reports(asked.reports, Path(folder)))
    text = table(rows)
    print(text)
    if asked.write:
        write_results(text)


if __name__ == "__main__":
    main()

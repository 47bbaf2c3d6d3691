"""How fast and how large: ``ncs-cb batch`` beside a plain loop that only reads with edfio.

    python benchmarks/batch.py                      # 1 000 studies, one and two workers
    python benchmarks/batch.py --studies 300 1000   # what the start takes, and a study beyond it
    python benchmarks/batch.py --studies 1000 10000 # memory and slope
    python benchmarks/batch.py --reports 200        # with reports
    python benchmarks/batch.py --write              # put the table into RESULTS.md

A study is six EDF+D files of three stimuli each (1 000 samples at 20 kHz), 46 KB together. Times
are of the clock, of whole processes, start and end included, and of the processor, of all
processes together; files are in the page cache for both sides. Memory is the highest sum of the
proportional set sizes of all processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import results_page

import archives

N_EARLIER = 1000
"""Studies of the archive that 0.2.0 was measured with."""
N_EARLIER_REPORTS = 200
"""Studies whose reports it was measured with."""
READ_LOOP = """
import sys, time
from pathlib import Path
import edfio
start, used = time.perf_counter(), time.process_time()
total = 0
for path in sorted(Path(sys.argv[1]).rglob("*.edf")):
    edf = edfio.read_edf(path)
    for signal in edf.signals:
        total += len(signal.data)
    total += len(edf.annotations)
print(time.perf_counter() - start, time.process_time() - used)
"""


@dataclass(frozen=True)
class Run:
    """One run: time of the clock and of the processor, and highest memory, of all its processes."""

    seconds: float
    processor: float
    megabytes: float = 0.0

    def row(self, n_studies: int, what: str, loop: Run, before: str = "") -> str:
        """Word it beside the plain loop of the same run, and what 0.2.0 took."""
        memory = f"{self.megabytes:.0f}" if self.megabytes else ""
        return (
            f"| {n_studies} | {what} | {self.seconds:.2f} | {self.seconds / loop.seconds:.1f} | "
            f"{1e3 * self.processor / n_studies:.1f} | {self.processor / loop.processor:.1f} | "
            f"{memory} | {results_page.earlier('batch', before)} |"
        )


def plain_loop(root: Path, repeats: int = 3) -> Run:
    """Read every file with edfio in one process, imports apart; the best of some."""
    command = [sys.executable, "-c", READ_LOOP, str(root)]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        for _ in range(repeats)
    ]
    return Run(*(min(float(run[at]) for run in runs) for at in (0, 1)))


def batch(root: Path, out: Path, *options: str) -> Run:
    """Run the command as a user would."""
    command = [sys.executable, "-c", "from ncs_cb.cli import main; main()", "batch", str(root)]
    start = time.perf_counter()
    # As it is where it was installed: compiled once, not by every process.
    installed = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [*command, "--out", str(out), *options], stderr=subprocess.PIPE, text=True, env=installed
    )
    highest, used = 0.0, {}
    while process.poll() is None:
        highest = max(highest, look(process.pid, used))
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(process.stderr.read())
    return Run(seconds, sum(used.values()), highest)


def look(pid: int, used: dict[int, float]) -> float:
    """Note the processor seconds of a process and its children; give the megabytes that they
    really occupy, shared pages shared out.
    """
    import psutil

    total = 0
    try:
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            spent = one.cpu_times()
            used[one.pid] = spent.user + spent.system
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
    return Run(
        min(r.seconds for r in runs),
        min(r.processor for r in runs),
        max(r.megabytes for r in runs),
    )


def measure(n_studies: int, folder: Path, repeats: int) -> tuple[list[str], Run]:
    """Rows of the table for one size of archive, and the run with two workers."""
    root = folder / f"archive{n_studies}"
    archives.write_archive(root, n_studies)
    loop = plain_loop(root)
    rows = [loop.row(n_studies, "plain edfio loop, one core", loop)]
    run = loop
    for workers in (1, 2):
        run = best(repeats, root, "--workers", str(workers))
        who = f"{workers} worker{'s' * (workers > 1)}"
        before = who if n_studies == N_EARLIER else ""
        rows.append(run.row(n_studies, f"batch, tables, {who}", loop, before))
    out = folder / "again"
    batch(root, out, "--workers", "2")
    again = [batch(root, out, "--workers", "2") for _ in range(repeats)]
    least = min(again, key=lambda run: run.seconds)
    rows.append(least.row(n_studies, "started again, nothing to do", loop))
    shutil.rmtree(root)
    shutil.rmtree(out)
    return rows, run


def beyond_the_start(fewer: int, few: Run, more: int, many: Run) -> str:
    """Say what a study takes beyond the start, and what the start takes, from two archives."""
    processor = (many.processor - few.processor) / (more - fewer)
    seconds = (many.seconds - few.seconds) / (more - fewer)
    return (
        f"With 2 workers a study beyond the start takes {1e3 * processor:.1f} ms of the processor, "
        f"the start {few.seconds - fewer * seconds:.2f} s of the clock (from {fewer} and {more} "
        f"studies); memory grows by {100 * (many.megabytes / few.megabytes - 1):.0f} % between "
        "them.\n"
    )


def measure_reports(n_studies: int, folder: Path) -> str:
    """One row: tables and reports on two workers."""
    root = folder / "reports"
    archives.write_archive(root, n_studies)
    loop = plain_loop(root)
    run = best(1, root, "--workers", "2", "--reports")
    rate = n_studies / run.seconds
    what = f"batch with reports, 2 workers: {rate:.1f} studies per second"
    before = "reports" if n_studies == N_EARLIER_REPORTS else ""
    return run.row(n_studies, what, loop, before)


def table(rows: list[str]) -> str:
    head = (
        f"Measured on {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, by `python benchmarks/batch.py`.\n\n"
        "| studies | what | seconds | times the plain loop | processor, ms per study | "
        "times the plain loop | MB at most | 0.2.0 |\n|--:|---|--:|--:|--:|--:|--:|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, nargs="+", default=[1000])
    parser.add_argument("--reports", type=int, default=0, help="studies to write reports of")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    rows, runs = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for n_studies in asked.studies:
            more, runs[n_studies] = measure(n_studies, Path(folder), asked.repeats)
            rows += more
        if asked.reports:
            rows.append(measure_reports(asked.reports, Path(folder)))
    text = table(rows)
    if len(runs) > 1:
        few, many = min(runs), max(runs)
        text += "\n" + beyond_the_start(few, runs[few], many, runs[many])
    print(text)
    if asked.write:
        results_page.put("<!-- batch -->", "<!-- /batch -->", f"## Batch\n\n{text}")


if __name__ == "__main__":
    main()

"""Kill a batch at random moments, over and over, and see that nothing comes of it.

    python benchmarks/kill_batch.py [--kills 100] [--studies 40] [--seed 1] [--workers 2]

Each kill ends, by SIGKILL, the batch itself, the process its workers are forked from, or a worker.
A batch that was not killed itself must go on to its end; at the end the tables must have the bytes
of an undisturbed run, and nothing may be left running. Exit status 1 when that is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import archives

MARK = "NCS_CB_KILL_BATCH"
PATIENCE_S = 60.0


def start(root: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start a batch whose processes can all be told by their environment."""
    command = [sys.executable, "-m", "ncs_cb", "batch", str(root), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {MARK: str(os.getpid())},
    )


def left_running() -> list[int]:
    """Give every process of a batch of ours that runs now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_ours = process.environ().get(MARK) == str(os.getpid())
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def content(out: Path) -> dict[str, bytes]:
    """Give the bytes of everything but the laboratory's own state."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "_batch" not in path.parts
    }


def differing(found: dict[str, bytes], expected: dict[str, bytes]) -> str:
    """Name the files that are not the same, or are not in both."""
    names = sorted(found.keys() | expected.keys())
    return ", ".join(name for name in names if found.get(name) != expected.get(name))


def kill_one(run: subprocess.Popen[bytes], rng: Random) -> str:
    """Kill the batch or one of its processes; say which, or nothing where it had ended."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        children = psutil.Process(run.pid).children(recursive=True)
        victim = run.pid if not children or rng.random() < 0.5 else rng.choice(children).pid
        if run.poll() is None:
            os.kill(victim, signal.SIGKILL)
            return "batch" if victim == run.pid else "child"
    return ""


def nothing_left() -> bool:
    """Wait a moment for orphans to end."""
    until = time.monotonic() + PATIENCE_S
    while (left := left_running()) and time.monotonic() < until:
        time.sleep(0.1)
    return not left


def main() -> int:
    """Kill many times; give the exit status."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--studies", type=int, default=40)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--workers", type=int, default=2)
    told = asked.parse_args()
    rng = Random(told.seed)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        archives.write_archive(home / "root", told.studies, n_files=1)
        began = time.monotonic()
        start(home / "root", home / "whole", told.workers).wait()
        longest = time.monotonic() - began
        whole, kills, faults = content(home / "whole"), {"batch": 0, "child": 0}, []
        while sum(kills.values()) < told.kills:
            run = start(home / "root", home / "out", told.workers)
            time.sleep(rng.uniform(0.0, 1.1 * longest))
            killed = kill_one(run, rng)
            status = run.wait()
            if killed:
                kills[killed] += 1
            if killed == "child" and status != 0:
                faults.append(f"a batch that lost a child ended with {status}")
            if not nothing_left():
                faults.append(f"after the end of a {killed or 'batch'} processes went on")
            if not killed or status == 0:
                other = differing(content(home / "out"), whole)
                if other:
                    how = f"after kill {sum(kills.values())} ({killed or 'none'}), status {status}"
                    faults.append(f"other bytes than those of an undisturbed run {how}: {other}")
                    print(faults[-1], flush=True)
                    if (home / "out" / "failures.csv").exists():
                        print((home / "out" / "failures.csv").read_text("utf-8"), flush=True)
                shutil.rmtree(home / "out")
        start(home / "root", home / "out", told.workers).wait()
        if content(home / "out") != whole:
            faults.append("other bytes at the end")
    for fault in faults:
        print(fault)
    print(
        f"{sum(kills.values())} kills ({kills['batch']} of the batch, {kills['child']} of a child)"
    )
    print("faults" if faults else "the same bytes, nothing left running")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

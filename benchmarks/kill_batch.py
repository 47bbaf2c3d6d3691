"""Kill a batch at random moments, over and over, and see that nothing comes of it.

    python benchmarks/kill_batch.py [--kills 100] [--studies 40] [--seed 1] [--workers 2]

Each kill ends, by SIGKILL, the batch itself, the process its workers are forked from, or a worker.
A batch that was not killed itself must go on to its end; at the end the tables must have the bytes
of an undisturbed run, and nothing may be left running. Exit status 1 when that is not so. All
batches run from a copy of the package: an edit while this goes on would stop or change them.
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
from collections import Counter
from pathlib import Path
from random import Random

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import archives
import ncs_cb

MARK = "NCS_CB_KILL_BATCH"
PATIENCE_S = 60.0


def start(home: Path, out: str, workers: int) -> subprocess.Popen[bytes]:
    """Start a batch whose processes can all be told by their environment."""
    command = [sys.executable, "-m", "ncs_cb", "batch", str(home / "root"), "--out"]
    paths = [str(home / "program"), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (home / "words").open("wb") as words:
        return subprocess.Popen(
            [*command, str(home / out), "--workers", str(workers)],
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=os.environ | {MARK: str(os.getpid()), "PYTHONPATH": os.pathsep.join(paths)},
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


def faults_of(home: Path, killed: str, status: int, whole: dict[str, bytes]) -> list[str]:
    """Say what is wrong after the end of a batch; `killed` is what :func:`kill_one` gave."""
    found = []
    if not nothing_left():
        found.append("processes went on")
    if status != 0 and (killed != "batch" or status != -signal.SIGKILL):
        words = (home / "words").read_text("utf-8", "replace").strip()
        found.append(f"it ended with status {status}: {words}")
        failures = home / "out" / "failures.csv"
        found += [failures.read_text("utf-8")] if failures.exists() else []
    if status == 0 and (other := differing(content(home / "out"), whole)):
        found.append(f"other bytes than those of an undisturbed run: {other}")
    return found


def main() -> int:
    """Kill many times; give the exit status."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--studies", type=int, default=40)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--workers", type=int, default=2)
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        archives.write_archive(home / "root", told.studies, n_files=1)
        shutil.copytree(Path(ncs_cb.__file__).parent, home / "program" / "ncs_cb")
        return kill_often(home, told.kills, told.workers, Random(told.seed))


def kill_often(home: Path, n_kills: int, workers: int, rng: Random) -> int:
    """Run batches and kill, so many times; print what came of it, and give the exit status."""
    began = time.monotonic()
    if start(home, "whole", workers).wait() != 0:
        print("the undisturbed batch failed:", (home / "words").read_text("utf-8", "replace"))
        return 1
    longest = time.monotonic() - began
    whole, kills, n_whole, is_good = content(home / "whole"), Counter[str](), 0, True
    while True:
        is_last = kills.total() >= n_kills
        run = start(home, "out", workers)
        killed = ""
        if not is_last:
            time.sleep(rng.uniform(0.0, 1.1 * longest))
            killed = kill_one(run, rng)
        status = run.wait()
        kills.update([killed] if killed else [])
        for fault in faults_of(home, killed, status, whole):
            is_good = False
            print(f"after {kills.total()} kills, now of {killed or 'nothing'}: {fault}", flush=True)
        n_whole += status == 0
        if is_last:
            break
        if status != -signal.SIGKILL:
            shutil.rmtree(home / "out", ignore_errors=True)
    print(f"{kills.total()} kills ({kills['batch']} of the batch, {kills['child']} of a child)")
    print(f"{n_whole} batches came to their end")
    print("the same bytes, nothing left running" if is_good else "faults")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

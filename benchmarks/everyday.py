"""What a person waits for: the help, one study, one row, one page; beside importing pandas.

    python benchmarks/everyday.py                    # the table
    python benchmarks/everyday.py --beside CHECKOUT  # and another state of the program, in turn
    python benchmarks/everyday.py --write            # put the table into RESULTS.md

Seconds of the processor, the least of some runs taken in turn, so that a busy machine touches all
of them alike; the ratios tell more than the seconds. Whole commands include their start; what
runs inside a process has run once before. CHECKOUT needs its kernel built.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import results_page

HERE = Path(__file__).parent
OWN = HERE.parent
BEGIN, END = "<!-- everyday: begin -->", "<!-- everyday: end -->"

INSIDE = """
import sys, tempfile, time
import pandas as pd
import ncs_cb
row = pd.DataFrame({"nerve": ["median"], "muscle": ["apb"], "segment": ["wrist-elbow"],
                    "distal_amplitude_mv": [10.0], "area_reduction_pct": [50.0],
                    "duration_increase_pct": [20.0]})
study = ncs_cb.read_study(sys.argv[1])
result = ncs_cb.analyze(study)
out = tempfile.mkdtemp()
steps = {"read": lambda: ncs_cb.read_study(sys.argv[1]), "analyze": lambda: ncs_cb.analyze(study),
         "judge": lambda: ncs_cb.judge(row),
         "page": lambda: ncs_cb.write_report(result, out, formats=["html"])}
step = steps[sys.argv[2]]
step()
taken = []
for _ in range(9):
    start = time.process_time()
    step()
    taken.append(time.process_time() - start)
print(min(taken))
"""

# What it is, the words for it, and the target in seconds where there is one.
ROWS = (
    ("pandas", "`import pandas`, to compare with", None),
    ("help", "`ncs-cb --help`", 0.2),
    ("command", "`ncs-cb analyze STUDY --format html,json,csv`", 1.2),
    ("read", "`read_study`", None),
    ("analyze", "`analyze`", None),
    ("judge", "`judge` of one row", 0.010),
    ("page", "a page (`report.html`)", 0.060),
)


def seconds(what: str, checkout: Path, study: Path, out: Path) -> float:
    """Seconds of the processor that one thing takes in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"PYTHONPYCACHEPREFIX": str(out / f"cache-{checkout.name}")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    options = ["--out", str(out / "made"), "--format", "html,json,csv"]
    commands = {
        "pandas": ["-c", "import pandas"],
        "help": ["-m", "ncs_cb", "--help"],
        "command": ["-m", "ncs_cb", "analyze", str(study), *options],
    }
    command = commands.get(what, ["-c", INSIDE, str(study), what])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command], env=environment, check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if what in commands:
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(done.stdout.split()[-1])


def measure(checkouts: list[Path], repeats: int) -> dict[tuple[str, Path], float]:
    """Take everything in turn, again and again, and keep the least of each."""
    least: dict[tuple[str, Path], float] = {}
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        make = [sys.executable, "-m", "ncs_cb", "simulate", "mmn_ulnar_radial", "--out", name]
        environment = {**os.environ, "PYTHONPATH": str(OWN / "src")}
        subprocess.run(make, env=environment, check=True, capture_output=True)
        for _ in range(repeats + 1):  # the first fills the cache of compiled modules
            for what, *_ in ROWS:
                for checkout in checkouts:
                    taken = seconds(what, checkout, out / "mmn_ulnar_radial", out)
                    least[what, checkout] = min(taken, least.get((what, checkout), taken))
    return least


def table(checkouts: list[Path], least: dict[tuple[str, Path], float]) -> str:
    """Give the table, with a ratio to importing pandas and, where there is one, to the other."""
    beside = len(checkouts) > 1
    lines = [
        "## One study, one row, one page",
        "",
        "Made by `python benchmarks/everyday.py --write`; do not edit. Python "
        f"{platform.python_version()}, {os.cpu_count()} cores ({platform.machine()}), milliseconds "
        "of the processor, the least of some runs taken in turn."
        + (" *Earlier* is another state of the program, in the same run." if beside else ""),
        "",
        "| what | ms | target, ms | times `import pandas` | 0.2.0, ms |"
        + (" earlier, ms | earlier / now |" if beside else ""),
        "|---|--:|--:|--:|--:|" + ("--:|--:|" if beside else ""),
    ]
    own, *other = checkouts
    for what, words, target in ROWS:
        now = least[what, own]
        cells = [words, f"{1e3 * now:.1f}", "" if target is None else f"{1e3 * target:.0f}"]
        cells.append(f"{now / least['pandas', own]:.2f}")
        cells.append(results_page.earlier("everyday", what))
        for one in other:
            cells += [f"{1e3 * least[what, one]:.1f}", f"{least[what, one] / now:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    checkouts = [OWN, *([asked.beside.resolve()] if asked.beside else [])]
    text = table(checkouts, measure(checkouts, asked.repeats))
    print(text)
    if asked.write:
        results_page.put(BEGIN, END, text)


if __name__ == "__main__":
    main()

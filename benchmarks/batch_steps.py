"""Where a batch spends its time: each step by itself, in one process, beside a plain edfio loop.

    python benchmarks/batch_steps.py             # 128 studies
    python benchmarks/batch_steps.py --write     # put the table into RESULTS.md

Studies are those of ``batch.py``. Times are of the processor, per study, the least of some runs;
what loading and a first study cost is not counted.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import batch  # noqa: E402
import results_page  # noqa: E402

import archives  # noqa: E402
from ncs_cb.analysis import analyze_together, results  # noqa: E402
from ncs_cb.batch import Settings, inputs, order, work  # noqa: E402
from ncs_cb.readers import read_study  # noqa: E402
from ncs_cb.reports import write_report  # noqa: E402

BEGIN, END = "<!-- batch steps: begin -->", "<!-- batch steps: end -->"
FORMATS = ["html", "json", "csv"]


def least(run: Callable[[], object], n_studies: int, repeats: int) -> float:
    """Give the least milliseconds of the processor per study."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return 1e3 * min(taken) / n_studies


def size_kb(folder: Path, pattern: str, n_studies: int) -> float:
    """Give the kilobytes per study of the files below a folder."""
    files = (path for path in folder.rglob(pattern) if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e3 / n_studies


def measured(folder: Path, n_studies: int, n_reports: int, repeats: int) -> list[tuple[str, str]]:
    """Give each step with what it takes."""
    root, out = folder / "archive", folder / "out"
    archives.write_archive(root, n_studies)
    loop = batch.plain_loop(root)

    def look() -> list[inputs.Task]:
        return list(inputs.find_inputs(root, out, "settings", None, inputs.look_here))

    tasks = look()
    given = [task.found.to_read() for task in tasks]
    studies = [read_study(one, root=root) for one in given]
    some = studies[:n_reports]

    def chunk(slot: int) -> order.Chunk:
        program = inputs.program_digest()
        return order.Chunk(slot, tuple(tasks), (), str(out), Settings(), program)

    def report() -> None:
        for result in results(analyze_together(some), some):
            write_report(result, folder / "reports", formats=FORMATS)

    work.process(chunk(0))
    report()
    numbers = iter(range(1, 100))
    milliseconds = {
        "a plain edfio loop over the same files": 1e3 * loop.processor / n_studies,
        "walk the tree and hash six files": least(look, n_studies, repeats),
        "read six files into a study": least(
            lambda: [read_study(one, root=root) for one in given], n_studies, repeats
        ),
        f"analyze, {n_studies} studies together": least(
            lambda: analyze_together(studies), n_studies, repeats
        ),
    }
    whole = least(lambda: work.process(chunk(next(numbers))), n_studies, repeats)
    both = milliseconds["read six files into a study"]
    both += milliseconds[f"analyze, {n_studies} studies together"]
    milliseconds["what a worker does besides: tables, pseudonyms, files"] = whole - both
    milliseconds["reading, analysis and tables as a worker does them"] = whole
    alone = least(lambda: results(analyze_together(some), some), len(some), repeats)
    milliseconds["the report of a study (HTML, JSON, CSV)"] = (
        least(report, len(some), repeats) - alone
    )
    rows = [(step, f"{value:.2f} ms") for step, value in milliseconds.items()]
    kept = size_kb(out, "*.parquet", n_studies * (repeats + 1))
    rows.append(("tables on disk", f"{kept:.1f} KB"))
    rows.append(("reports on disk", f"{size_kb(folder / 'reports', '*', len(some)):.0f} KB"))
    return rows


def table(n_studies: int, n_reports: int, repeats: int) -> str:
    """Give the table of all steps."""
    with tempfile.TemporaryDirectory() as name:
        rows = measured(Path(name), n_studies, n_reports, repeats)
    lines = [
        "## Where a batch spends its time",
        "",
        f"Made by `python benchmarks/batch_steps.py --write`; do not edit. Python "
        f"{platform.python_version()} ({platform.machine()}), one process, of the processor and "
        f"per study, the least of {repeats} runs over {n_studies} studies of six files.",
        "",
        "| step | per study |",
        "|---|--:|",
        *(f"| {step} | {value} |" for step, value in rows),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=128)
    parser.add_argument("--reports", type=int, default=16, help="studies to write reports of")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    text = table(asked.studies, asked.reports, asked.repeats)
    print(text)
    if asked.write:
        results_page.put(BEGIN, END, text)


if __name__ == "__main__":
    main()

"""Studies of unusual shape: the time is to grow with what is in them, not with its square.

    python benchmarks/odd_shapes.py             # three shapes, each at three sizes
    python benchmarks/odd_shapes.py --write     # put the table into RESULTS.md

Ten thousand stimuli in one recording, 150 intensity series in one study, an hour of continuous
EDF+. Every size runs in a process of its own; times are of the processor, memory is the most that
was resident beyond what the process held before (Linux). Growth is the time beside that of the
size before, over the ratio of the sizes: 1 where it grows in proportion, and more where it grows
faster.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import results_page  # noqa: E402

import archives  # noqa: E402

BEGIN, END = "<!-- odd shapes: begin -->", "<!-- odd shapes: end -->"
SEED = 2026
FIELD = "Startdate 02-MAR-2026 X X X MNC {} {} Nerve"
STEPS = 12


def stimuli(folder: Path, n: int) -> None:
    """One recording of one site with `n` stimuli of rising current."""
    rng = np.random.default_rng(SEED)
    trace = archives.cmap(3.0, 8.0, 5.5)
    records = [
        (
            10.0 * number,
            f"Stimulus right wrist 0.2ms x {10 + number / 1000:.3f}mA at 7cm from recording site",
            -(trace + rng.normal(0.0, 0.004, archives.N_SAMPLES)),
        )
        for number in range(n)
    ]
    field = FIELD.format("R", "Median")
    (folder / "one.edf").write_bytes(archives.edf_plus_d("R APB", records, recording=field))


def series(folder: Path, n: int) -> None:
    """`n` recordings in one study, each a series of rising currents at one site."""
    rng = np.random.default_rng(SEED)
    for number in range(n):
        letter, name, muscle, side, sites = archives.NERVES[number % len(archives.NERVES)]
        site, distance = sites[(number // len(archives.NERVES)) % len(sites)]
        records = []
        for step in range(STEPS):
            height = 8.0 / (1.0 + np.exp(4.0 - step))
            trace = archives.cmap(3.0 + distance / 60.0, height, 5.5)
            text = f"Stimulus {side} {site} 0.2ms x {3 + step}mA at {distance / 10}cm"
            noisy = trace + rng.normal(0.0, 0.004, archives.N_SAMPLES)
            records.append((10.0 * step, f"{text} from recording site", -noisy))
        field = FIELD.format(letter, name)
        data = archives.edf_plus_d(f"{letter} {muscle}", records, recording=field)
        (folder / f"series{number:03d}.edf").write_bytes(data)


def continuous(folder: Path, minutes: int) -> None:
    """One uninterrupted EDF+ of so many minutes at 20 kHz with a stimulus every minute."""
    rate, n = archives.RATE_HZ, 60 * minutes
    header = (
        f"{'0':<8}{'X X X X':<80}{FIELD.format('R', 'Median'):<80}02.03.2611.25.00{768:<8}"
        f"{'EDF+C':<44}{n:<8}{1:<8}{2:<4}{'R APB':<16}{'EDF Annotations':<16}"
        f"{'AgAgCl electrode':<80}{'':<80}{'mV':<8}{'':<8}{-40:<8}{-1:<8}{40:<8}{1:<8}"
        f"{-32768:<8}{-32768:<8}{32767:<8}{32767:<8}{'HP:2Hz LP:10kHz':<80}{'':<80}"
        f"{rate:<8}{archives.N_NOTES:<8}{'':<32}{'':<32}"
    )
    rng = np.random.default_rng(SEED)
    noise = rng.normal(0.0, 0.004, rate)
    response = archives.cmap(3.0, 8.0, 5.5)
    with (folder / "hour.edf").open("wb") as file:
        file.write(header.encode("ascii"))
        for second in range(n):
            signal, notes = np.roll(noise, second * 37), f"+{second}\x14\x14\x00"
            if second % 60 == 30:
                signal = signal.copy()
                signal[: len(response)] += response
                text = "Stimulus right wrist 0.2ms x 12mA at 7cm from recording site"
                notes += f"+{second + archives.STIMULUS_MS / 1e3:g}\x14{text}\x14\x00"
            digital = np.round((40.0 - signal) / 80.0 * 65535 - 32768)
            file.write(np.clip(digital, -32768, 32767).astype("<i2").tobytes())
            file.write(notes.encode("ascii").ljust(2 * archives.N_NOTES, b"\0"))


SHAPES: dict[str, tuple[Callable[[Path, int], None], tuple[int, ...], str]] = {
    "stimuli": (stimuli, (2500, 5000, 10000), "stimuli in one recording"),
    "series": (series, (37, 75, 150), "intensity series in one study"),
    "continuous": (continuous, (15, 30, 60), "minutes of continuous EDF+ at 20 kHz"),
}


def resident_kb(which: str) -> int:
    """Give what this process holds (``VmRSS``), or the most that it held (``VmHWM``)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{which}:\s+(\d+)", status)[1])


def one(folder: Path) -> dict[str, float]:
    """Read and analyze what stands in `folder`; imports and a first small study not counted."""
    from ncs_cb.analysis import analyze
    from ncs_cb.readers import read_study

    with tempfile.TemporaryDirectory() as name:
        small = Path(name)
        (small / "a.edf").write_bytes(
            archives.nerve_file(archives.NERVES[0], np.random.default_rng(SEED))
        )
        analyze(read_study(small))
    before = resident_kb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of imports
    times = [time.process_time()]
    study = read_study(folder)
    times.append(time.process_time())
    analyze(study)
    times.append(time.process_time())
    return {
        "read": times[1] - times[0],
        "analyze": times[2] - times[1],
        "more_mb": (resident_kb("VmHWM") - before) / 1024.0,
    }


def measured(shape: str, size: int) -> dict[str, float]:
    """Make a study of one size, and give what it takes in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        SHAPES[shape][0](Path(name), size)
        command = [sys.executable, __file__, "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table() -> str:
    """Give the table of all shapes."""
    lines = [
        "## Studies of unusual shape",
        "",
        f"Made by `python benchmarks/odd_shapes.py --write`; do not edit. Python "
        f"{platform.python_version()}, one process, seconds of the processor; memory is what the "
        "study added to a process that has analyzed a small one. Growth is the time beside that "
        "of the row above, over the ratio of the sizes: 1 is in proportion.",
        "",
        "| what | size | reading, s | analysis, s | growth | more memory, MB | 0.2.0 |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for shape, (_, sizes, words) in SHAPES.items():
        last: tuple[int, float] | None = None
        for size in sizes:
            found = measured(shape, size)
            total = found["read"] + found["analyze"]
            growth = "" if last is None else f"{total / last[1] / (size / last[0]):.2f}"
            lines.append(
                f"| {words} | {size} | {found['read']:.2f} | {found['analyze']:.2f} | "
                f"{growth} | {found['more_mb']:.0f} | "
                f"{results_page.earlier('odd_shapes', f'{shape} {size}')} |"
            )
            last = size, total
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one)))
        return
    text = table()
    print(text)
    if asked.write:
        results_page.put(BEGIN, END, text)


if __name__ == "__main__":
    main()

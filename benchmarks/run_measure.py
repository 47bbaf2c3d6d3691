"""Accuracy and speed of ``measure_traces``: writes ACCURACY.md and RESULTS.md with its figure.

    python benchmarks/run_measure.py               # both
    python benchmarks/run_measure.py accuracy      # ACCURACY.md
    python benchmarks/run_measure.py results       # the measurement part of RESULTS.md

Everything is seeded. Peers run in an environment made for this run and thrown away after it
(``--no-peers`` leaves them out); mep-cmap-analyser is GPL and never a dependency.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import amplifier_conditions as amplifiers  # noqa: E402
import measure_conditions as conditions  # noqa: E402
import results_page  # noqa: E402

import naive  # noqa: E402
from ncs_cb.measuring import traces as measure  # noqa: E402

SEED = 2026
PER_CONDITION = 400
BEGIN, END = "<!-- measure: begin -->", "<!-- measure: end -->"
PEERS = ("scipy", "mne", "neurokit2", "mep-cmap-analyser")
NOT_COMPUTED = {
    "scipy": "late phases, artefact, hum, drift, flags",
    "mne": "onset, end, area, phases; amplitude as of an EEG channel",
    "neurokit2": "amplitude above baseline, area, phases (made for voluntary bursts)",
    "mep-cmap-analyser": "negative-peak amplitude, area and duration (its end is that of the "
    "whole response; its area is rectified)",
}


# ---------------------------------------------------------------- accuracy


def accuracy_row(condition: conditions.Condition) -> str:
    """One line of ACCURACY.md."""
    made = conditions.make(condition, PER_CONDITION, SEED)
    found = measure.measure_traces(
        made.samples_mv, sampling_rate_hz=condition.rate_hz, stimulus_index=made.stimulus_index
    )
    truth = made.truth

    def off(column: str, expected: np.ndarray, relative: bool = False) -> np.ndarray:
        error = found[column].to_numpy() - expected
        return error / expected * 100 if relative else error

    onset = off("onset_latency_ms", truth.onset_ms)
    seen = ~np.isnan(onset)
    cells = [
        condition.name,
        f"{np.mean(np.abs(onset[seen])):.3f}",
        f"{np.mean(onset[seen]):+.3f}",
        f"{100 * np.mean(np.abs(onset[seen]) > 0.5):.1f}",
    ]
    for column, expected, relative in (
        ("negative_peak_latency_ms", truth.peak_latency_ms, False),
        ("negative_peak_amplitude_mv", truth.amplitude_mv, True),
        ("peak_to_peak_amplitude_mv", truth.peak_to_peak_mv, True),
        ("negative_peak_area_mv_ms", truth.area_mv_ms, True),
        ("total_negative_area_mv_ms", truth.total_area_mv_ms, True),
        ("negative_peak_duration_ms", truth.duration_ms, False),
        ("total_negative_duration_ms", truth.total_duration_ms, False),
    ):
        cells.append(f"{np.nanmean(np.abs(off(column, expected, relative))):.2f}")
    flags = found["quality_flags"]
    missing = 100 * found["total_negative_duration_ms"].isna().mean()
    cells += [f"{missing:.1f}", f"{100 * flags.str.contains('response_absent').mean():.1f}"]
    return "| " + " | ".join(cells) + " |"


def absent_row(noise_mv: float, hum_mv: float, artifact_mv: float) -> str:
    """One line on sweeps without a response."""
    rng = np.random.default_rng(SEED)
    t = (np.arange(1000) - 20) / 20
    rows = [
        naive.artifact(t, rng.uniform(-artifact_mv, artifact_mv), rng.uniform(0.2, 2.0))
        + 1.414 * hum_mv * np.sin(2 * np.pi * 0.05 * t + rng.uniform(0, 6.3))
        + noise_mv * rng.standard_normal(t.size)
        for _ in range(PER_CONDITION)
    ]
    found = measure.measure_traces(rows, sampling_rate_hz=20_000, stimulus_index=20)
    share = 100 * found["quality_flags"].str.contains("response_absent").mean()
    return f"| {noise_mv * 1e3:g} | {hum_mv * 1e3:g} | {artifact_mv:g} | {share:.1f} |"


def write_accuracy() -> None:
    """Write ACCURACY.md."""
    head = (
        "| condition | onset, ms | bias | > 0.5 ms, % | peak latency, ms | amplitude, % | "
        "peak to peak, % | first area, % | all area, % | first duration, ms | "
        "all durations, ms | no duration, % | called absent, % |"
    )
    lines = [
        "# How far the markers are from the truth",
        "",
        "Made by `python benchmarks/run_measure.py accuracy`; do not edit. "
        f"{PER_CONDITION} simulated traces per condition, seed {SEED}, {_versions()}. "
        "Mean absolute errors over the traces that gave the value; bias is found less true. "
        "Truth comes from the noise-free response on a 5 us grid (`measure_conditions.py`): onset "
        "where it first exceeds 1 % of its negative peak, ends where it falls to zero, phases "
        "from 5 % of the peak. *No duration*: an end was not reached or not found, and a flag "
        "says so. Amplitudes are 1 to 12 mV at 20 kHz with 1 ms before the stimulus unless the "
        "name says otherwise; *usual* is 10 uV white noise, 10 uV hum (rms) and an artefact of "
        "up to 3 mV with 0.35 ms decay.",
        "",
        head,
        "|---|" + "--:|" * (head.count("|") - 2),
        *(accuracy_row(c) for c in conditions.CONDITIONS),
        "",
        "## No response",
        "",
        "Share of sweeps without a response that are called absent; artefact of either sign with "
        "0.2 to 2 ms decay.",
        "",
        "| noise, uV | hum, uV | artefact up to, mV | called absent, % |",
        "|--:|--:|--:|--:|",
        *(
            absent_row(*c)
            for c in [
                (0.005, 0, 3),
                (0.01, 0.01, 3),
                (0.01, 0.01, 10),
                (0.05, 0.01, 5),
                (0.01, 0.05, 5),
                (0.05, 0.05, 5),
            ]
        ),
        "",
        "## What real amplifiers give",
        "",
        "Traces of a volume conductor (`volume_conductor.py`: moving line sources, units that "
        "conduct the faster the larger they are; no code in common with `ncs_cb.simulate`) with "
        "what amplifiers and clinics add (`amplifier_conditions.py`, "
        f"{amplifiers.PER_CONDITION} traces each). "
        "*Gross*: absent missed or found wrongly, onset off by more than 0.5 ms, amplitude by "
        "10 % or first area by 15 %. *Silent*: without a flag beyond a note. *Warned*: such a "
        "flag although nothing is wrong. *Total off*: area of all phases withheld or off by "
        "15 %; after a high-pass filter of 20 to 30 Hz the truth of this table counts its swing "
        "as a phase, ncs_cb does not.",
        "",
        *amplifiers.table(SEED),
    ]
    (HERE / "ACCURACY.md").write_text("\n".join(lines) + "\n", "utf-8")


# ---------------------------------------------------------------- speed


def best(run: Callable[[], object], repeats: int = 15) -> float:
    """Least time of the processor, of all threads, of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def read_once(x: np.ndarray, threads: int) -> None:
    """Read the array once with ``numpy.max``."""
    parts = np.array_split(x, threads)
    workers = [threading.Thread(target=np.max, args=(part,)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def usual_traces() -> tuple[np.ndarray, dict[str, Any], conditions.Made]:
    """The array that is measured, how it is measured, and the traces it repeats."""
    usual = next(c for c in conditions.CONDITIONS if c.name == "usual")
    made = conditions.make(usual, 1000, SEED)
    call = {"sampling_rate_hz": 20_000, "stimulus_index": made.stimulus_index}
    return np.tile(made.samples_mv.astype(np.float32), (40, 1)), call, made


def extra_memory_mb() -> float:
    """Most memory that numpy and Python held at once for one call, in MB, its table included.

    Of the process as a whole it cannot be told: what was freed before is used again.
    """
    x, call, _ = usual_traces()
    measure.measure_traces(x[:2000], **call)
    tracemalloc.start()
    measure.measure_traces(x, **call)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def first_study_ms() -> float:
    """One study of 20 traces, imports not counted, in ms; in a fresh process."""
    x = naive.random_cmaps(np.random.default_rng(0), 20, noise_mv=0.01)
    call = {"sampling_rate_hz": 20_000, "stimulus_index": 20}
    return best(lambda: measure.measure_traces(x, **call), 1) * 1e3


def in_fresh_processes(function: Callable[[], float], times: int) -> list[float]:
    """What a function of this file gives in processes of their own."""
    code = (
        f"import sys\nsys.path.insert(0, {str(HERE)!r})\n"
        f"import run_measure\nprint(run_measure.{function.__name__}())"
    )
    command = [sys.executable, "-c", code]
    return [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(times)
    ]


def peer_python(folder: Path) -> Path:
    """Make an environment with the peers in it; give its Python."""
    venv.create(folder / "peers", with_pip=True)
    python = folder / "peers" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True, capture_output=True)
    return python


def run_peers(made: conditions.Made) -> list[tuple[str, float, tuple[float, ...], str]]:
    """Run every peer on the same traces: name, seconds per trace, errors, what it lacks."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        traces = folder / "traces.npz"
        np.savez(traces, x=made.samples_mv, rate=20_000.0, stimulus=made.stimulus_index)
        try:
            python = peer_python(folder)
        except (subprocess.CalledProcessError, OSError) as error:
            return [("peers", np.nan, (np.nan,) * 4, f"not installed: {type(error).__name__}")]
        for peer in PEERS:
            run = subprocess.run(
                [python, HERE / "measure_peers.py", peer, traces],
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                reason = run.stderr.strip().splitlines()[-1]
                rows.append((peer, np.nan, (np.nan,) * 4, f"failed: {reason}"))
                continue
            held = json.loads(run.stdout)
            values = np.array(held["rows"])
            values[values == -1e9] = np.nan
            label = f"{peer} {held['version']}" + (" (plain loop)" if peer == "scipy" else "")
            rows.append((label, held["seconds"], errors_of(values, made), NOT_COMPUTED[peer]))
    return rows


def errors_of(values: np.ndarray, made: conditions.Made) -> tuple[float, ...]:
    """Mean absolute errors of onset (ms), amplitude (%), duration (ms); share of onsets found."""
    n = len(values)
    truth = made.truth
    with np.errstate(invalid="ignore"):
        onset = np.abs(values[:, 0] - truth.onset_ms[:n])
        amplitude = np.abs(values[:, 1] / truth.amplitude_mv[:n] - 1) * 100
        duration = np.abs(values[:, 2] - truth.duration_ms[:n])
    means = [
        np.nanmean(v) if np.isfinite(v).any() else np.nan for v in (onset, amplitude, duration)
    ]
    return (*means, 100 * float(np.isfinite(onset).mean()))


def own(frame) -> np.ndarray:
    """Onset, amplitude and duration of our own table."""
    return frame[
        ["onset_latency_ms", "negative_peak_amplitude_mv", "negative_peak_duration_ms"]
    ].to_numpy()


def write_results(with_peers: bool) -> None:
    """Write the measurement part of RESULTS.md and its figure."""
    x, call, made = usual_traces()
    memory = extra_memory_mb()
    cores = len(os.sched_getaffinity(0))
    # Taken in turn, so that a busy machine slows all of them alike.
    times = dict.fromkeys(("read1", "read", "one", "all"), np.inf)
    for _ in range(8):
        times["read1"] = min(times["read1"], best(lambda: read_once(x, 1), 3))
        times["read"] = min(times["read"], best(lambda: read_once(x, cores), 3))
        times["one"] = min(
            times["one"], best(lambda: measure.measure_traces(x, **call, threads=1), 2)
        )
        times["all"] = min(times["all"], best(lambda: measure.measure_traces(x, **call), 2))
    errors = errors_of(own(measure.measure_traces(made.samples_mv, **call)), made)
    oracle = (
        best(
            lambda: [
                naive.measure(r, 20_000.0, made.stimulus_index) for r in made.samples_mv[:100]
            ],
            3,
        )
        / 100
    )
    held = [naive.measure(r, 20_000.0, made.stimulus_index)[0] for r in made.samples_mv]
    names = ("onset_latency_ms", "negative_peak_amplitude_mv", "negative_peak_duration_ms")
    by_oracle = errors_of(np.array([[h[name] for name in names] for h in held]), made)
    nothing = (np.nan,) * 4
    rows = [
        (f"memory read once (`numpy.max`), {cores} threads", times["read"] / len(x), nothing, ""),
        ("memory read once, 1 thread", times["read1"] / len(x), nothing, ""),
        (f"`measure_traces`, {cores} threads", times["all"] / len(x), errors, ""),
        ("`measure_traces`, 1 thread", times["one"] / len(x), errors, ""),
        (
            "oracle (`tests/naive.py`)",
            oracle,
            by_oracle,
            "artefact, hum and drift; noise spoils it",
        ),
    ]
    if with_peers:
        rows += run_peers(made)
    draw(rows)
    results_page.put(BEGIN, END, results_text(rows, times, memory, len(x), cores))


def results_text(rows, times, memory, n, cores) -> str:
    """The measurement part of RESULTS.md."""
    scipy = next((r[1] for r in rows if r[0].startswith("scipy")), np.nan)
    ours = times["all"] / n
    study_ms = min(in_fresh_processes(first_study_ms, 5))

    def number(value: float, digits: int) -> str:
        return "–" if not np.isfinite(value) else f"{value:.{digits}f}"

    lines = [
        "## Measuring CMAPs",
        "",
        "Made by `python benchmarks/run_measure.py results`; do not edit. "
        f"{n} traces of 1000 float32 samples (20 kHz, 1 ms before the stimulus, 10 uV noise, 10 uV "
        f"hum, artefact), {_versions()}, {cores} cores. Times are of the processor, of all "
        "threads together, so that a busy machine changes them least: of the array calls the least "
        "of 16 to 24 runs, DataFrame included; of loops per trace, over as many of 1000 traces as "
        "20 s allow.",
        "",
        f"- whole call: {times['all'] * 1e3:.1f} ms, {times['all'] / times['read']:.1f} times the "
        f"{times['read'] * 1e3:.1f} ms that reading the array once takes with {cores} threads "
        f"(target: 3, 0.2.0: {results_page.earlier('calls', '40000 float32')}, both by the clock "
        "of a quiet machine, which is not measured here), and "
        f"{times['all'] / times['read1']:.1f} times the "
        f"{times['read1'] * 1e3:.1f} ms of one plain `numpy.max`, which uses one",
        f"- beside the SciPy loop: {number(scipy / ours, 0)} times faster (target: 100)",
        f"- one study of 20 traces in a fresh process: {study_ms:.1f} ms after import "
        "(target: 50 ms)",
        "- memory beyond the input while it runs, the table of "
        f"{n * 89 / 2**20:.1f} MB included: {memory:.1f} MB (target: 50 MB beyond both)",
        "",
        "| what | us per trace | onset, ms | onsets found, % | amplitude, % | duration, ms | "
        "does not compute |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for name, seconds, (onset, amplitude, duration, found), lacks in rows:
        cells = (
            name,
            number(seconds * 1e6, 2),
            number(onset, 3),
            number(found, 0),
            number(amplitude, 2),
            number(duration, 3),
            lacks,
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Accuracy is the mean absolute error on the same traces.",
        "",
        "![Time per trace](measure.svg)",
    ]
    return "\n".join(lines)


def draw(rows) -> None:
    """Draw the times per trace on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "ncs_cb"
    import matplotlib.pyplot as plt

    kept = [
        (name.replace("`", ""), seconds * 1e6) for name, seconds, *_ in rows if np.isfinite(seconds)
    ][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(kept) + 1), layout="constrained")
    bars = axes.barh(
        [k for k, _ in kept],
        [v for _, v in kept],
        color=["#22577a" if "measure" in k else "#b9c4cf" for k, _ in kept],
    )
    axes.bar_label(bars, fmt="{:.3g}", padding=3)
    axes.set_xscale("log")
    axes.set_xlim(right=max(v for _, v in kept) * 5)
    axes.set_xlabel("microseconds per trace of 1000 samples")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "measure.svg", metadata={"Date": None})


def _versions() -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "pandas", "scipy"))
    return f"Python {platform.python_version()}, {packages}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["all", "accuracy", "results"], default="all")
    parser.add_argument("--no-peers", action="store_true")
    chosen = parser.parse_args()
    if chosen.what in ("all", "accuracy"):
        write_accuracy()
    if chosen.what in ("all", "results"):
        write_results(with_peers=not chosen.no_peers)


if __name__ == "__main__":
    main()

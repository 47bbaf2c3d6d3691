"""The figures of the documentation, drawn by the program itself when the site is built."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ncs_cb
from ncs_cb import simulate

SETTING = {"sampling_rate_hz": 20_000, "stimulus_index": 40}
INK, BLUE, ORANGE, GRAY = "#1f2933", "#2463a6", "#c8641e", "#7b8794"

# Every line a reader sees is the line that drew the picture.
GALLERY: dict[str, tuple[str, str]] = {
    "Responses of one nerve": (
        "The responses of one nerve, distal at the bottom; the distal response stands ghosted "
        "behind each proximal one, the verdict between the two it is about.",
        """\
result = ncs_cb.analyze(ncs_cb.read_study("samples/mmn_ulnar_radial"))
figure = result.plot("ulnar", "right")
""",
    ),
    "Where conduction is lost": (
        "The limbs, each segment colored and patterned by the verdict of the leading set.",
        """\
from ncs_cb import figures

figure = figures.arm_map(result)
""",
    ),
    "The fit behind a block estimate": (
        "Research: the proximal response, what the fitted delays make of the distal one, and the "
        "delays.",
        """\
figure = figures.estimate_figure(result, "ulnar", "right", "wrist-below_elbow")
""",
    ),
    "An intensity series": (
        "Amplitude against stimulus current: a plateau attests supramaximal stimulation.",
        """\
series = ncs_cb.analyze(ncs_cb.simulate.recipe("recruitment", seed=1)[0].study)
where = series.recruitment.iloc[0]
figure = figures.recruitment_figure(series, where.nerve, where.side, muscle=where.muscle)
""",
    ),
    "Inching": (
        "The fall of amplitude over each short step along the nerve.",
        """\
steps = ncs_cb.analyze(ncs_cb.simulate.recipe("inching", seed=1)[0].study)
where = steps.inching.iloc[0]
figure = figures.inching_figure(steps, where.nerve, where.side, muscle=where.muscle)
""",
    ),
    "Dispersion without block": (
        "The proximal responses are low and long, and their area is kept.",
        """\
spread = ncs_cb.analyze(ncs_cb.read_study("samples/dispersion_only"))
figure = spread.plot("ulnar", "right")
""",
    ),
    "Martin-Gruber anastomosis": (
        "What looks like block of the ulnar nerve in the forearm, and is none.",
        """\
crossed = ncs_cb.analyze(ncs_cb.read_study("samples/trap_martin_gruber"))
figure = crossed.plot("ulnar", "right")
""",
    ),
}


def draw_markers(path: Path) -> None:
    """Draw one response with every marker that `measure_traces` gives, at its place."""
    trace, row = _long_response()
    figure, axes = _paper(7.4, 4.3)
    _trace(axes, trace)
    _areas(axes, trace, row)
    base, top = row["baseline_mv"], row["baseline_mv"] + row["negative_peak_amplitude_mv"]
    onset, peak = row["onset_latency_ms"], row["negative_peak_latency_ms"]
    first = onset + row["negative_peak_duration_ms"]
    last = onset + row["total_negative_duration_ms"]
    lowest = top - row["peak_to_peak_amplitude_mv"]
    axes.axhline(base, color=GRAY, lw=0.8)
    axes.axvline(0.0, color=GRAY, lw=0.8, ls=":")
    axes.text(0.0, top * 1.3, "stimulus", ha="center", color=GRAY, fontsize=9)
    axes.plot(onset, base, marker="^", ms=8, color=INK)
    axes.plot(peak, top, marker="o", ms=7, color=INK)
    for end in (first, last):
        axes.plot([end, end], [base - 0.05 * top, base + 0.05 * top], color=INK, lw=2)
    axes.annotate(
        "baseline", (last + 5, base), (0, -12), textcoords="offset points", color=GRAY, fontsize=9
    )
    beyond = peak + 0.6 * (last - peak)
    _span(axes, (peak, base), (peak, top), "negative_peak_\namplitude_mv", (peak + 0.3, top * 0.45))
    axes.plot([peak, beyond], [top, top], color=GRAY, lw=0.6, ls=":")
    axes.plot([peak, beyond], [lowest, lowest], color=GRAY, lw=0.6, ls=":")
    words = "peak_to_peak_\namplitude_mv"
    _span(axes, (beyond, lowest), (beyond, top), words, (beyond + 0.3, top * 0.8))
    below = lowest - 0.12 * top
    for level, (start, stop, name) in enumerate(
        (
            (0.0, onset, "onset_latency_ms"),
            (0.0, peak, "negative_peak_latency_ms"),
            (onset, first, "negative_peak_duration_ms"),
            (onset, last, "total_negative_duration_ms"),
        )
    ):
        height = below - 0.17 * top * level
        _span(axes, (start, height), (stop, height), name, (stop + 0.4, height))
    axes.set(xlim=(-2, last + 11), ylim=(below - 0.65 * top, top * 1.42))
    axes.set(xlabel="ms after the stimulus", ylabel="mV, negative up")
    _save(figure, path)


def draw_reductions(path: Path) -> None:
    """Draw one pair of responses: block on the left, dispersion on the right."""
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    settings: tuple[dict[str, Any], dict[str, Any]] = (
        {"scenario": "block", "blocked": 0.6, "choice": "random"},
        {
            "scenario": "dispersion",
            "longest_delay_ms": 7.0,
            "delay_shape": "uniform",
            "delayed_share": 1.0,
        },
    )
    for axes, setting, title in zip((left, right), settings, ("block", "dispersion"), strict=True):
        pair = simulate.pairs(1, rng=np.random.default_rng(3), **setting)
        setting_of_pairs = {"sampling_rate_hz": 20_000, "stimulus_index": 20}
        near, far = (
            ncs_cb.measure_traces(x, **setting_of_pairs).iloc[0]
            for x in (pair.distal_mv, pair.proximal_mv)
        )
        time_ms = (np.arange(pair.distal_mv.shape[1]) - 20) / 20
        axes.plot(time_ms, pair.distal_mv[0], color=GRAY, lw=1.2, label="distal")
        axes.plot(time_ms, pair.proximal_mv[0], color=BLUE, lw=1.4, label="proximal")
        amplitude, area, duration = (
            100 * (1 - far[name] / near[name])
            for name in (
                "negative_peak_amplitude_mv",
                "total_negative_area_mv_ms",
                "total_negative_duration_ms",
            )
        )
        words = f"amplitude -{amplitude:.0f} %, area -{area:.0f} %, duration {-duration:+.0f} %"
        axes.set_title(f"{title}\n{words}", fontsize=9)
        axes.set(xlim=(0, 32), xlabel="ms after the stimulus")
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylabel("mV, negative up")
    left.legend(frameon=False, fontsize=9)
    _save(figure, path)


def draw_gallery(folder: Path) -> list[tuple[str, str, str, str]]:
    """Run every piece of the gallery; give title, words, code and the picture's file name."""
    names: dict[str, Any] = {"ncs_cb": ncs_cb}
    made = []
    for number, (title, (words, code)) in enumerate(GALLERY.items(), start=1):
        exec(compile(code, f"gallery: {title}", "exec"), names)
        name = f"gallery_{number}.svg"
        _save(names["figure"], folder / name)
        made.append((title, words, code, name))
    return made


def _long_response() -> tuple[np.ndarray, Any]:
    """Make a response of two negative phases, so that first and total differ."""
    for seed in range(40):
        pair = simulate.pairs(
            1,
            rng=np.random.default_rng(seed),
            scenario="dispersion",
            longest_delay_ms=8.0,
            delay_shape="two_groups",
            delayed_share=0.5,
        )
        padded = np.concatenate([np.full((1, 20), pair.proximal_mv[0, 0]), pair.proximal_mv], 1)
        row = ncs_cb.measure_traces(padded, **SETTING).iloc[0]
        gap = row["total_negative_duration_ms"] - row["negative_peak_duration_ms"]
        if gap > 3 and row["negative_peak_latency_ms"] < row["onset_latency_ms"] + 5:
            return padded[0], row
    raise RuntimeError("no simulated response with two negative phases")


def _paper(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _trace(axes: Axes, trace: np.ndarray) -> None:
    axes.plot(_time(trace), trace, color=INK, lw=1.4)


def _time(trace: np.ndarray) -> np.ndarray:
    return (np.arange(len(trace)) - SETTING["stimulus_index"]) / SETTING["sampling_rate_hz"] * 1e3


def _areas(axes: Axes, trace: np.ndarray, row: Any) -> None:
    time_ms, base, onset = _time(trace), row["baseline_mv"], row["onset_latency_ms"]
    first = onset + row["negative_peak_duration_ms"]
    last = onset + row["total_negative_duration_ms"]
    above = trace > base
    for start, stop, color, name in (
        (onset, first, BLUE, "negative_peak_area_mv_ms"),
        (first, last, ORANGE, "with the later phases: total_negative_area_mv_ms"),
    ):
        inside = above & (time_ms >= start) & (time_ms <= stop)
        axes.fill_between(
            time_ms, base, trace, where=inside, color=color, alpha=0.22, lw=0, label=name
        )
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def _span(
    axes: Axes,
    start: tuple[float, float],
    stop: tuple[float, float],
    name: str,
    at: tuple[float, float],
) -> None:
    arrow = {"arrowstyle": "<->", "color": INK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", stop, start, arrowprops=arrow)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
    axes.text(*at, name, fontsize=8.5, color=INK, va="center", family="monospace", bbox=box)


def _save(figure: Figure, path: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": "ncs_cb"}), suppress(AttributeError):
        figure.savefig(path, metadata={"Date": None})

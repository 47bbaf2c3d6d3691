"""How often each flag of a segment is raised where nothing is wrong, and what still raises it.

Run ``python benchmarks/segment_flags.py`` to write FLAGS.md, or with ``n seed [names...]`` to print
some conditions. Pairs of the volume conductor
(``volume_pairs.py``) with no block, electrode shift or other nerve, then those with one; each is
analyzed as a study of two supramaximal stimuli.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import volume_pairs as vp

import ncs_cb
from ncs_cb.flags import FLAGS, split
from ncs_cb.model import Site, Stimulus, Study, Trace

_CLINIC = replace(
    vp.CONDITIONS["clinic"],
    trace=replace(vp.CONDITIONS["clinic"].trace, far_field=(0.0, 0.0)),
)
_HEALTHY = {"block": (0.0, 0.0), "spread_ms": (0.0, 0.0)}
CONDITIONS: dict[str, vp.Setting] = {
    "healthy": vp.CONDITIONS["healthy"],
    "healthy, second muscle": vp.CONDITIONS["second muscle, healthy"],
    "healthy, 1/f 10 to 20 uV": replace(vp.CONDITIONS["1/f 10 to 20 uV"], **_HEALTHY),
    "healthy, high-pass 20 to 30 Hz": replace(vp.CONDITIONS["high-pass 20 to 30 Hz"], **_HEALTHY),
    "healthy, pulse 0.5 to 1 ms": replace(vp.CONDITIONS["pulse 0.5 to 1 ms"], **_HEALTHY),
    "healthy, clinic": replace(_CLINIC, **_HEALTHY),
    "dispersed only": vp.CONDITIONS["dispersion only"],
    "dispersed, clinic": replace(_CLINIC, block=(0.0, 0.0), spread_ms=(1.0, 12.0)),
    "blocked": vp.CONDITIONS["clean"],
    "blocked, clinic": _CLINIC,
    "other nerve 3 to 10 %": vp.CONDITIONS["co-activation, no block"],
    "other nerve 10 to 30 %": replace(
        vp.CONDITIONS["co-activation, no block"], co_activation=(0.1, 0.3)
    ),
}
"""Pairs of the volume conductor; those from *other nerve* on deserve a flag."""

PER_CONDITION, SEED = 100, 20_261_129
INTRODUCTION = f"""\
# How often each flag of a segment is raised

Made by `python benchmarks/segment_flags.py`; do not edit. Percent of {PER_CONDITION} pairs a
condition, seed {SEED}, which no limit was set on. Pairs of a volume conductor
(`volume_pairs.py`: other physics than `ncs_cb.simulate`), analyzed as two attested supramaximal
stimuli. Nothing is wrong in those that begin with *healthy* or *dispersed*; block is no fault of a
recording either; *other nerve* is: the proximal stimulus drives a neighboring nerve too.
`noisy_baseline` is right where block and dispersion leave little above clinic-like noise.
"""


def _study(place: int, one: vp.Pair) -> Study:
    """Give one pair as a study of two supramaximal stimuli."""
    traces = (
        Trace(
            samples,
            vp.RATE_HZ,
            one.stimulus_index,
            Site("ulnar", "right", "adm", site),
            f"{site}.edf",
            "motor",
            Stimulus(is_supramaximal=True),
        )
        for site, samples in (("below_elbow", one.distal_mv), ("above_elbow", one.proximal_mv))
    )
    return Study(f"s{place}", tuple(traces))


def analyzed(pairs: Sequence[vp.Pair]) -> list[tuple[list[str], float]]:
    """Give of each pair the flags of its segment, and the correlation of the shapes."""
    out = []
    for result in ncs_cb.analyze_many([_study(i, one) for i, one in enumerate(pairs)]):
        segments = result.segments[result.segments["is_adjacent"]]
        rows = result.checks.query("flag == 'electrode_shift'")["numbers"]
        found = float(rows.iloc[0].get("correlation", np.nan)) if len(rows) else np.nan
        flags = split(segments["quality_flags"].iloc[0]) if len(segments) else ["no_segment"]
        out.append((flags, found))
    return out


def tally(name: str, n: int, seed: int) -> tuple[Counter[str], list[float]]:
    """Count the flags of one condition, and give the correlations of its shapes."""
    place = list(CONDITIONS).index(name)
    drawn = [
        vp.draw(CONDITIONS[name], np.random.default_rng([seed, 98, place, i])) for i in range(n)
    ]
    counts: Counter[str] = Counter()
    alike = []
    for flags, correlation in analyzed(drawn):
        counts.update(flag for flag in flags if flag != "entrapment_site")
        alike.append(correlation)
    return counts, alike


def write() -> None:
    """Write FLAGS.md."""
    found = {name: tally(name, PER_CONDITION, SEED)[0] for name in CONDITIONS}
    names = [name for name in FLAGS if any(counts[name] for counts in found.values())]
    lines = [
        INTRODUCTION,
        "| condition | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" + "|--:" * len(names) + "|",
    ]
    for condition, counts in found.items():
        shares = (f"{100 * counts[name] / PER_CONDITION:.0f}" for name in names)
        lines.append(f"| {condition} | " + " | ".join(shares) + " |")
    Path(__file__).with_name("FLAGS.md").write_text("\n".join(lines) + "\n", "utf-8")


def main(n: int, seed: int, names: list[str]) -> None:
    """Print one line per condition."""
    for name in names or CONDITIONS:
        counts, alike = tally(name, n, seed)
        low = np.nanquantile(alike, [0.01, 0.05, 0.5])
        words = " ".join(f"{k}:{round(100 * v / n)}" for k, v in counts.most_common())
        print(f"{name:32s} {np.round(low, 4)} {words}", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words:
        main(int(words[0]), int(words[1]) if words[1:] else 1, words[2:])
    else:
        write()

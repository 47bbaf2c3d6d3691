"""How often each flag of a segment is raised where nothing is wrong, and what still raises it.

Run ``python benchmarks/segment_flags.py [n] [seed] [names...]``. Pairs of the volume conductor
(``volume_pairs.py``) with no block, electrode shift or other nerve, then those with one; each is
analyzed as a study of two supramaximal stimuli.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import volume_pairs as vp

import ncs_cb
from ncs_cb.flags import split
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


def main(n: int = 100, seed: int = 1, names: list[str] | None = None) -> None:
    """Print one line per condition."""
    for name in names or CONDITIONS:
        place = list(CONDITIONS).index(name)
        drawn = [
            vp.draw(CONDITIONS[name], np.random.default_rng([seed, 98, place, i])) for i in range(n)
        ]
        counts: Counter[str] = Counter()
        alike = []
        for flags, correlation in analyzed(drawn):
            counts.update(flag for flag in flags if flag != "entrapment_site")
            alike.append(correlation)
        low = np.nanquantile(alike, [0.01, 0.05, 0.5])
        words = " ".join(f"{k}:{round(100 * v / n)}" for k, v in counts.most_common())
        print(f"{name:32s} {np.round(low, 4)} {words}", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 100, int(words[1]) if words[1:] else 1, words[2:] or None)

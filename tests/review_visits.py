"""A small visit whose shapes are known, for the tests of corrections."""

from __future__ import annotations

import json

import numpy as np

RATE_HZ = 20_000.0
STIMULUS_MS = 5.0


def hump(time_ms, onset_ms, width_ms, height_mv):
    """One arch of a sine: from `onset_ms`, `width_ms` long."""
    phase = (time_ms - onset_ms) / width_ms
    return np.where((phase > 0) & (phase < 1), height_mv * np.sin(np.pi * phase), 0.0)


def time_axis(until_ms=35.0):
    return (
        np.arange(round((STIMULUS_MS + until_ms) * RATE_HZ / 1000.0)) / RATE_HZ * 1e3 - STIMULUS_MS
    )


def write_table(folder, name, traces, *, nerve="ulnar", side="right", muscle="adm", told=None):
    """Write a sweep table: `traces` maps a site to its samples and its distance."""
    folder.mkdir(exist_ok=True, parents=True)
    time_ms = time_axis()
    columns = [time_ms, *(samples for samples, _ in traces.values())]
    rows = "\n".join(",".join(f"{value:.6f}" for value in row) for row in np.transpose(columns))
    (folder / f"{name}.csv").write_text(f"time_ms,{','.join(traces)}\n{rows}\n", "utf-8")
    sidecar = {
        "nerve": nerve,
        "side": side,
        "muscle": muscle,
        "unit": "mV",
        "polarity": "negative_up",
        "traces": {
            site: {"site": site, "distance_mm": far, **(told or {}).get(site, {})}
            for site, (_, far) in traces.items()
        },
    }
    (folder / f"{name}.json").write_text(json.dumps(sidecar), "utf-8")
    return folder / f"{name}.csv"


def response(onset_ms, height_mv, *, width_ms=6.0, seed=1):
    time_ms = time_axis()
    wave = hump(time_ms, onset_ms, width_ms, height_mv)
    wave -= hump(time_ms, onset_ms + width_ms, 1.5 * width_ms, 0.3 * height_mv)
    return wave + np.random.default_rng(seed).normal(0.0, 0.004, time_ms.size)


def ulnar_visit(folder, heights=(10.0, 9.5, 9.0)):
    """A healthy ulnar nerve at three sites, all attested to be supramaximal."""
    onsets, distances = (3.0, 7.0, 11.0), (70, 290, 510)
    sites = ("wrist", "below_elbow", "axilla")
    traces = {
        site: (response(onset, height, seed=n), distance)
        for n, (site, onset, height, distance) in enumerate(
            zip(sites, onsets, heights, distances, strict=True)
        )
    }
    told = {site: {"supramaximal": True} for site in sites}
    write_table(folder, "ulnar_right", traces, told=told)
    return folder

"""The shipped samples keep their results; ``--regold`` rewrites them for review."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path

import pytest

import ncs_cb

REPOSITORY = Path(__file__).parents[1]
SAMPLES = sorted(path.parent for path in (REPOSITORY / "data" / "samples").glob("*/study.toml"))
GOLDEN = Path(__file__).parent / "golden"

# Markers may move by what another processor rounds differently, never by what a reader would see.
TOLERANCE = {"rel": 1e-6, "abs": 1e-6}

NUMBERS = {
    "traces": [
        "onset_latency_ms",
        "negative_peak_amplitude_mv",
        "total_negative_area_mv_ms",
        "total_negative_duration_ms",
    ],
    "segments": [
        "amplitude_reduction_pct",
        "total_area_reduction_pct",
        "total_duration_increase_pct",
        "conduction_velocity_m_per_s",
    ],
}
WORDS = {
    "traces": ["recording", "nerve", "side", "muscle", "stimulation_site", "quality_flags"],
    "segments": ["nerve", "side", "muscle", "segment", "quality_flags"],
    "verdicts": ["nerve", "segment", "criteria", "conduction_block", "not_excluded"],
    "diagnosis": ["criteria", "category", "not_excluded"],
}


def condensed(folder: Path) -> dict[str, dict[str, list[object]]]:
    """Words exactly and numbers at full precision, one list per column."""
    result = ncs_cb.analyze(ncs_cb.read_study(folder))
    found: dict[str, dict[str, list[object]]] = {}
    for table, names in WORDS.items():
        frame = getattr(result, table)
        columns = {name: frame[name].tolist() for name in names}
        for name in NUMBERS.get(table, []):
            columns[name] = [None if isnan(x) else x for x in frame[name].tolist()]
        found[table] = columns
    return found


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda path: path.name)
def test_samples_keep_their_results(folder, request):
    found = condensed(folder)
    path = GOLDEN / f"{folder.name}.json"
    if request.config.getoption("--regold"):
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    kept = json.loads(path.read_text("utf-8"))
    for table, columns in kept.items():
        for name, values in columns.items():
            if name in NUMBERS.get(table, []):
                assert [x is None for x in found[table][name]] == [x is None for x in values]
                known = [x for x in values if x is not None]
                now = [x for x in found[table][name] if x is not None]
                assert now == pytest.approx(known, **TOLERANCE), (table, name)
            else:
                assert found[table][name] == values, (table, name)

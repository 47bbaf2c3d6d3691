"""The visits in ``data/samples`` are what the recipes make, and are read as they were made."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from ncs_cb import simulate
from ncs_cb.readers import read_study

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
BUILD = runpy.run_path(str(SAMPLES / "build.py"))
VISITS = BUILD["VISITS"]


def key(trace):
    stimulus = trace.stimulus
    return (trace.kind, trace.site, stimulus.distance_mm, stimulus.intensity_ma)


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    out = tmp_path_factory.mktemp("samples")
    BUILD["build"](out)
    return out


def test_every_format_has_a_sample():
    assert set(VISITS.values()) == {"edf+d", "edf+c", "sweep table"}
    assert {p.name for p in SAMPLES.iterdir() if p.is_dir()} == set(VISITS)


@pytest.mark.parametrize("name", VISITS)
def test_rebuilding_gives_the_files_that_are_shipped(name, rebuilt):
    shipped, fresh = SAMPLES / name, rebuilt / name
    files = sorted(p.name for p in shipped.iterdir())
    assert files == sorted(p.name for p in fresh.iterdir())
    for file in files:
        if not file.endswith((".edf", ".csv")):
            assert (shipped / file).read_bytes() == (fresh / file).read_bytes()
    # Samples may differ by one step where another processor rounds the last bit otherwise.
    for old, new in zip(read_study(shipped).traces, read_study(fresh).traces, strict=True):
        assert key(old) == key(new)
        np.testing.assert_allclose(old.samples_mv, new.samples_mv, atol=1.01 * old.resolution_mv)


@pytest.mark.parametrize("name", VISITS)
def test_a_sample_is_read_as_it_was_simulated(name):
    read, made = read_study(SAMPLES / name), simulate.recipe(name)[0].study
    assert read.study_id == made.study_id == name
    assert read.details == made.details
    expected = {key(t): t for t in made.traces}
    assert {key(t) for t in read.traces} == set(expected)
    for trace in read.traces:
        source = expected[key(trace)]
        # EDF+ rescales the converter's range; a step of it is the most that can differ.
        np.testing.assert_allclose(
            trace.samples_mv, source.samples_mv, atol=1.01 * trace.resolution_mv
        )
        assert trace.sampling_rate_hz == source.sampling_rate_hz
        assert trace.stimulus_index == source.stimulus_index
        assert (trace.high_pass_hz, trace.low_pass_hz) == (source.high_pass_hz, source.low_pass_hz)
        assert trace.stimulus.is_supramaximal == source.stimulus.is_supramaximal


def test_the_readme_tells_the_truth_of_the_mmn_visit():
    text = (SAMPLES / "README.md").read_text("utf-8")
    told = [int(v) for v in re.findall(r"(\d+) % of the (?:ulnar|radial) signal", text)]
    truth = simulate.recipe("mmn_ulnar_radial")[0].truth
    blocked = [s.blocked_fraction for s in truth.segments if s.blocked_fraction > 0.0]
    assert told == [round(100.0 * value) for value in blocked]


def test_samples_are_small_and_hold_no_identity():
    files = [p for p in SAMPLES.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) < 1_000_000
    for path in files:
        if path.suffix == ".edf":
            assert path.read_bytes()[8:88].split() == [b"X"] * 4

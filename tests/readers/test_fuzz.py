"""Damaged files: only our own errors come out, quickly; see benchmarks/fuzz_readers.py for more."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest

from ncs_cb import NcsError, read_study
from ncs_cb.readers.edf import write_edf
from ncs_cb.readers.sweep_table import write_sweep_table
from readers.handmade import ELBOW, WRIST, median_mnc, tal
from readers.studies import arm

TOML = b'[study]\nid = "a"\n[person]\nage_years = 44\n[[sensory]]\nnerve = "ulnar"\nside = "left"\n'
SITES = b"nerve,side,muscle,stimulation_site,onset_latency_ms\nulnar,right,adm,wrist,2.8\n"
RECORD = json.dumps(
    {
        "schema": "ncs_cb/result/1",
        "study": {"study_id": "a", "details": {"age_years": 44}},
        "traces": [
            {
                "nerve": "ulnar",
                "side": "right",
                "muscle": "adm",
                "kind": "motor",
                "stimulation_site": "wrist",
                "onset_latency_ms": 2.8,
            }
        ],
    }
).encode()
NOTE = (
    '<EDF_XMLnote><StimA><position>right elbow</position><distance unit="cm">28</distance>'
    "</StimA></EDF_XMLnote>"
)


def seeds(folder):
    """One small file of each format: name, bytes, and the file beside it."""
    noted = median_mnc(
        tals=[tal("+0", "", WRIST), tal("+10", "", "StimA", NOTE, ELBOW)], annotation_samples=200
    ).to_bytes()
    (edf,) = write_edf(arm(length_ms=10.0), folder / "w", continuous=True)
    (csv,) = write_sweep_table(arm(length_ms=3.0), folder / "w")
    table, sidecar = csv.read_bytes(), csv.with_suffix(".json").read_bytes()
    return {
        "m.edf": (noted, {}),
        "c.edf": (edf.read_bytes(), {}),
        "t.csv": (table, {"t.json": sidecar}),
        "s.csv": (SITES, {}),
        "result.json": (RECORD, {}),
        "t.json": (sidecar, {"t.csv": table}),
        "study.toml": (TOML, {"s.csv": SITES}),
    }


def mutate(data, rng):
    """Flip, insert, delete, repeat or cut, a few times, mostly near the beginning."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        reach = len(data) if rng.random() < 0.3 else min(len(data), 1500)
        at = int(rng.integers(0, max(reach, 1)))
        kind = int(rng.integers(0, 6))
        if kind == 0 and data:
            data[at % len(data)] = int(rng.integers(0, 256))
        elif kind == 1:
            data[at:at] = bytes(rng.integers(32, 127, int(rng.integers(1, 9)), dtype=np.uint8))
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 200))]
        elif kind == 4:
            digits = b"0123456789-+.eE,;\x00\x14\x15\"'<>[]{}\n"
            data[at : at + 1] = digits[int(rng.integers(0, len(digits))) :][:1]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def put(folder, name, data, beside):
    folder.mkdir(exist_ok=True)
    for other, content in beside.items():
        (folder / other).write_bytes(content)
    (folder / name).write_bytes(data)


def test_the_unharmed_files_are_read(tmp_path):
    for name, (data, beside) in seeds(tmp_path).items():
        put(tmp_path / name.replace(".", "_"), name, data, beside)
        study = read_study(tmp_path / name.replace(".", "_"))
        assert study.traces or study.typed_responses


def test_only_our_errors_come_out_of_damaged_files(tmp_path):
    rng = np.random.default_rng(20260302)
    corpus = seeds(tmp_path)
    refused = longest = 0
    for number in range(700):
        name = list(corpus)[number % len(corpus)]
        data, beside = corpus[name]
        folder = tmp_path / f"fuzz_{name.replace('.', '_')}"
        put(folder, name, mutate(data, rng), beside)
        try:
            study = read_study(folder)
        except NcsError as problem:
            refused += 1
            longest = max(longest, len(str(problem)))
            continue
        for trace in study.traces:
            assert trace.samples_mv.ndim == 1
            assert trace.sampling_rate_hz > 0
    assert refused > 150
    assert longest < 4000


def test_every_byte_of_the_edf_header_may_be_damaged(tmp_path):
    good = median_mnc().to_bytes()
    path = tmp_path / "m.edf"
    for at in range(0, 768):
        data = bytearray(good)
        data[at] = (0x20, 0x39, 0xFF)[at % 3]
        path.write_bytes(data)
        with contextlib.suppress(NcsError):
            read_study(path)


@pytest.mark.parametrize(
    "header",
    [
        {"n_records": 2_000_000},
        {"n_signals": 1024},
        {"header_bytes": 256 * 1025},
    ],
)
def test_declared_sizes_beyond_the_file_allocate_nothing(tmp_path, header):
    import tracemalloc

    path = tmp_path / "m.edf"
    path.write_bytes(median_mnc(overrides=header).to_bytes())
    read_refused(path)
    tracemalloc.start()
    read_refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def read_refused(path):
    with pytest.raises(NcsError):
        read_study(path)


def test_samples_per_record_beyond_the_file_allocate_nothing(tmp_path):
    data = bytearray(median_mnc().to_bytes())
    data[688:696] = b"99999999"
    path = tmp_path / "m.edf"
    path.write_bytes(data)
    with pytest.raises(NcsError, match="truncated"):
        read_study(path)

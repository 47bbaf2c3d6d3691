"""Every reader, the same promises; and the same study through every format."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest
from pyabf.abfWriter import writeABF1

from ncs_cb import NcsError, ReadError, read_study, write_edf
from ncs_cb.readers import READERS, Input
from ncs_cb.readers.sweep_table import write_sweep_table
from readers.studies import arm
from readers.test_fuzz import RECORD, SITES

mne.set_log_level("error")


def as_edf(folder):
    return write_edf(arm(), folder)[0]


def as_sweep_table(folder):
    return write_sweep_table(arm(), folder)[0]


def as_fif(folder):
    rows = np.array([-t.samples_mv for t in arm().traces])[:, np.newaxis] * 1e-3
    names = [t.site.stimulation_site for t in arm().traces]
    events = np.array([[i, 0, i + 1] for i in range(len(names))])
    made = mne.EpochsArray(
        rows,
        mne.create_info(["R APB"], 20_000.0, "emg"),
        events,
        0.0,
        {n: i + 1 for i, n in enumerate(names)},
        verbose="error",
    )
    made.save(folder / "m-epo.fif", verbose="error")
    return folder / "m-epo.fif"


def as_site_table(folder):
    path = folder / "s.csv"
    path.write_bytes(SITES)
    return path


def as_record(folder):
    path = folder / "result.json"
    path.write_bytes(RECORD)
    return path


def as_mapped_table(folder):
    path = folder / "report.txt"
    path.write_text(
        "Stim Site\tOnset (ms)\tO-P Amp (mV)\nRight Median Motor (APB)\nWrist\t3.2\t8.1\n"
        "Elbow\t7.1\t7.9\n",
        "utf-8",
    )
    return path


def as_natus_text(folder):
    sweep = arm().traces[0]
    numbers = ",".join(f"{v:.4f}" for v in sweep.samples_mv)
    path = folder / "export.txt"
    path.write_bytes(
        (
            "; Viking v.22.1\r\n[1 - Test Info]\r\nMaster Anatomy=R Median - APB\r\n"
            "Stimulus Site=Wrist\r\n[1.1 - Channel 1]\r\nSampling Frequency(kHz)=20.0\r\n"
            f"[1.1.1 - Trace Data]\r\nSweep  Data(mV)<{len(sweep.samples_mv)}>={numbers}\r\n"
        ).encode("utf-16")
    )
    return path


def as_abf(folder):
    sweep = arm().traces[0]
    path = folder / "nerve.abf"
    padded = np.pad(sweep.samples_mv.astype(float), (0, 4000), mode="edge")
    writeABF1(padded[np.newaxis], str(path), sweep.sampling_rate_hz)
    said = {
        "nerve": "median",
        "side": "right",
        "muscle": "apb",
        "sites": "wrist",
        "unit": "mV",
        "events": {"at_ms": 1000 * sweep.stimulus_index / sweep.sampling_rate_hz},
    }
    path.with_suffix(".json").write_text(json.dumps(said))
    return path


SAMPLES = Path(__file__).parent / "samples"
MAKERS = {
    "edf": as_edf,
    "sweep_table": as_sweep_table,
    "via_mne": as_fif,
    "mapped_table": as_mapped_table,
    "natus_text": as_natus_text,
    "via_neo": as_abf,
    "site_table": as_site_table,
    "record": as_record,
}


def as_sample(name, folder):
    """Copy the sample file of a reader that has no maker above."""
    samples = sorted(SAMPLES.glob(f"{name}.*"))
    assert samples, f"put a small invented file {name}.* into tests/readers/samples"
    return Path(shutil.copy(samples[0], folder))


@pytest.fixture(params=[r.name for r in READERS])
def made(request, tmp_path):
    name = request.param
    return name, MAKERS[name](tmp_path) if name in MAKERS else as_sample(name, tmp_path)


def test_one_reader_claims_it_and_keeps_the_promises(made):
    name, path = made
    data = path.read_bytes()
    claimants = [r.name for r in READERS if r.claims(Input(path, path.name, data))]
    assert claimants == [name]
    one, other = read_study(path), read_study(path)
    assert path.read_bytes() == data
    assert one.sources[0].sha256 == hashlib.sha256(data).hexdigest()
    assert (one.decisions, one.typed_responses) == (other.decisions, other.typed_responses)
    for a, b in zip(one.traces, other.traces, strict=True):
        np.testing.assert_array_equal(a.samples_mv, b.samples_mv)
        assert not a.samples_mv.flags.writeable
        assert a.samples_mv[a.stimulus_index + 40 :].max() > 1  # negative up
    assert one.decisions


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_truncated_or_empty_file_is_refused(made, share):
    name, path = made
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    if name in ("sweep_table", "site_table") and share:
        # A text table cut at a line's end is a shorter table; cut anywhere else it is refused.
        path.write_bytes(data[: data.index(b"\n", len(data) // 3) - 1].rsplit(b",", 1)[0])
    with pytest.raises(ReadError if not share else NcsError):
        read_study(path)


def test_the_same_study_in_every_format_is_the_same_study(tmp_path):
    truth = arm()
    for name in ("edf", "sweep_table", "via_mne"):
        folder = tmp_path / name
        folder.mkdir()
        study = read_study(MAKERS[name](folder))
        resolution = study.traces[0].resolution_mv or 1e-6
        for a, b in zip(truth.traces, study.traces, strict=True):
            assert (a.site, a.sampling_rate_hz) == (b.site, b.sampling_rate_hz)
            np.testing.assert_allclose(a.samples_mv, b.samples_mv, rtol=0, atol=resolution)

"""Writing EDF+: each clause of the standard by name, and the way back."""

from __future__ import annotations

from dataclasses import replace

import edfio
import numpy as np
import pytest

from ncs_cb import ReportError, read_study, write_edf
from ncs_cb.model import Stimulus, Study
from readers.studies import arm, assert_same, trace


def written(study, folder, **options):
    (path,) = write_edf(study, folder, **options)
    return path, path.read_bytes()


@pytest.mark.parametrize("is_continuous", [False, True])
@pytest.mark.parametrize("before_ms", [0.0, 5.0])
def test_what_was_written_is_read_back(tmp_path, is_continuous, before_ms):
    study = arm(before_ms=before_ms)
    path, _ = written(study, tmp_path, continuous=is_continuous)
    again = read_study(path)
    assert_same(study, again, tolerance=0.6 * again.traces[0].resolution_mv)
    for a, b in zip(study.traces, again.traces, strict=True):
        expected = replace(a.stimulus, collision_used=None, collision_by=None)
        assert b.stimulus == expected


@pytest.mark.parametrize("is_continuous", [False, True])
def test_edf_plus_another_reader_finds_the_same_samples_and_texts(tmp_path, is_continuous):
    study = arm(before_ms=2.0)
    path, _ = written(study, tmp_path, continuous=is_continuous)
    other = edfio.read_edf(path)
    assert other.is_continuous is is_continuous
    signal = other.signals[0]
    rows = signal.data.reshape(3, -1)
    for row, mine in zip(rows, study.traces, strict=True):
        np.testing.assert_allclose(row, -mine.samples_mv, atol=1e-3)
    texts = {a.text: a.onset for a in other.annotations}
    apart = 0.052 if is_continuous else 10.0
    wrist = "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
    elbow = "Stimulus right elbow 0.2ms x 15.3mA at 28.5cm from recording site"
    assert texts[wrist] == pytest.approx(0.002)
    assert texts[elbow] == pytest.approx(apart + 0.002)
    assert "Response 7.2mV at 7.7ms (55m/s)" in texts


def test_edf_plus_header_is_printable_us_ascii_left_justified(tmp_path):
    _, data = written(arm(), tmp_path)
    header = data[: int(data[184:192])]
    assert all(32 <= byte <= 126 for byte in header)
    assert data[:8] == b"0       "
    assert int(data[252:256]) == 2
    assert int(data[184:192]) == 256 * 3


@pytest.mark.parametrize(("is_continuous", "mark"), [(False, b"EDF+D"), (True, b"EDF+C")])
def test_edf_plus_the_reserved_field_says_whether_records_are_contiguous(
    tmp_path, is_continuous, mark
):
    _, data = written(arm(), tmp_path, continuous=is_continuous)
    assert data[192:236].rstrip() == mark


def test_edf_plus_patient_field_is_unknown_and_the_recording_field_names_the_study(tmp_path):
    _, data = written(arm(), tmp_path)
    assert data[8:88].rstrip() == b"X X X X"
    assert data[88:168].rstrip() == b"Startdate X X X ncs_cb MNC R Median Nerve"
    assert data[168:184] == b"01.01.8500.00.00"
    assert data[256:272].rstrip() == b"NC R APB"


def test_edf_plus_negative_phase_is_written_negative(tmp_path):
    study = arm()
    path, _ = written(study, tmp_path)
    assert edfio.read_edf(path).signals[0].data.min() == pytest.approx(-7.2, abs=0.02)


def test_edf_plus_every_record_keeps_time_exactly(tmp_path):
    # 333 samples at 30 kHz are 0.0111 s; 1000 are a third of a tenth: no float may drift.
    study = Study(
        "x",
        tuple(
            trace(site, 4.0 + i, rate=30_000.0, length_ms=1000 / 30)
            for i, site in enumerate(("wrist", "elbow", "axilla"))
        ),
    )
    path, data = written(study, tmp_path, continuous=True)
    assert data[244:252] == b"0.033333"
    blocks = data[768:]
    onsets = [blocks[i + 2000 :].split(b"\x14", 1)[0] for i in _record_starts(data)]
    assert onsets == [b"+0", b"+0.033333333333", b"+0.066666666667"]
    assert {t.sampling_rate_hz for t in read_study(path).traces} == {30_000.0}


def _record_starts(data):
    n_records, width = int(data[236:244]), (len(data) - 768) // int(data[236:244])
    return [i * width for i in range(n_records)]


def test_edf_plus_first_annotation_of_a_record_is_its_time_keeping(tmp_path):
    _, data = written(arm(before_ms=1.0), tmp_path)
    n_samples = int(data[688:696])
    for start in _record_starts(data):
        block = data[768 + start + 2 * n_samples :]
        stamp, empty, _ = block.split(b"\x14", 2)
        assert stamp.startswith(b"+")
        assert empty == b""


def test_edf_plus_annotation_of_a_stimulus_stands_in_its_record_even_before_it(tmp_path):
    study = Study("x", (replace(trace(), stimulus_index=-20), trace("elbow", 7.8)))
    path, data = written(study, tmp_path)
    n_samples = int(data[688:696])
    assert b"+-" not in data
    block = data[768 + 2 * n_samples : 768 + _record_starts(data)[1]]
    assert b"-0.001\x14Stimulus right wrist" in block
    assert [t.stimulus_index for t in read_study(path).traces] == [-20, 0]


def test_edf_plus_same_stimulus_has_the_same_text_and_another_one_has_another(tmp_path):
    repeat = [trace(seed=i, noise=0.01, repeat_group="a", sweep=i) for i in range(2)]
    single = [trace(seed=i, noise=0.01, sweep=i) for i in (2, 3)]
    path, data = written(Study("x", (*repeat, *single)), tmp_path)
    assert data.count(b"Stimulus right wrist\x14") == 2
    assert data.count(b"Stimulus right wrist, series 2\x14") == 1
    assert data.count(b"Stimulus right wrist, series 3\x14") == 1
    groups = [t.repeat_group for t in read_study(path).traces]
    assert groups[0] == groups[1] is not None
    assert groups[2:] == [None, None]


def test_edf_plus_data_record_stays_within_61440_bytes(tmp_path):
    long = trace(rate=100_000.0, length_ms=500)
    path, data = written(Study("x", (long, replace(long, sweep=1))), tmp_path)
    width = (len(data) - 768) // int(data[236:244])
    assert width <= 61_440
    assert int(data[236:244]) == 4
    again = read_study(path)
    assert [len(t.samples_mv) for t in again.traces] == [50_000, 50_000]
    np.testing.assert_allclose(again.traces[1].samples_mv, long.samples_mv, atol=1e-3)


def test_edf_plus_physical_range_uses_the_full_resolution(tmp_path):
    _, data = written(arm(), tmp_path)
    low, high = float(data[464:472]), float(data[480:488])
    assert (int(data[496:504]), int(data[512:520])) == (-32767, 32767)
    assert 7.2 < high < 8.0
    assert low == -high


def test_edf_plus_small_potentials_are_written_in_microvolts(tmp_path):
    small = trace("wrist", 2.5, 0.02, muscle="digit2", kind="sensory")
    path, data = written(Study("x", (small,)), tmp_path)
    assert data[448:456].rstrip() == b"uV"
    assert b"SNC R Median Nerve" in data[88:168]
    (again,) = read_study(path).traces
    assert again.kind == "sensory"
    np.testing.assert_allclose(again.samples_mv, small.samples_mv, atol=2e-6)


def test_edf_plus_filters_and_numbers_fit_their_fields(tmp_path):
    odd = trace(high_pass_hz=0.05, low_pass_hz=12_500.0, stimulus=Stimulus(66.6667, 1 / 3, 0.05))
    path, data = written(Study("x", (odd,)), tmp_path)
    assert data[528:608].rstrip() == b"HP:0.05Hz LP:12.5kHz"
    (again,) = read_study(path).traces
    assert again.stimulus.intensity_ma == pytest.approx(1 / 3)
    assert again.stimulus.distance_mm == pytest.approx(66.6667)


def test_a_clipped_trace_is_still_at_its_limit_after_the_way_through_edf(tmp_path):
    cut = trace(amplitude_mv=30.0, range_mv=(-25.0, 25.0))
    cut = replace(cut, samples_mv=np.clip(cut.samples_mv, -25, 25))
    path, _ = written(Study("x", (cut,)), tmp_path)
    (again,) = read_study(path).traces
    assert again.range_mv == (-25.0, 25.0)
    assert again.samples_mv.max() == 25.0


def test_each_nerve_side_muscle_kind_and_setting_has_its_own_file(tmp_path):
    study = Study(
        "x",
        (
            trace(),
            trace("elbow", 7.8),
            trace(nerve="ulnar", muscle="adm"),
            trace(side="left"),
            trace(high_pass_hz=20.0),
            trace(kind="f_wave"),
        ),
    )
    names = [p.name for p in write_edf(study, tmp_path)]
    assert names == [
        "median_right_apb.edf",
        "ulnar_right_adm.edf",
        "median_left_apb.edf",
        "median_right_apb_2.edf",
        "median_right_apb_f_wave.edf",
    ]
    assert len(read_study(tmp_path).traces) == 6


def test_edf_cannot_hold_nan_and_says_so(tmp_path):
    bad = trace()
    samples = bad.samples_mv.copy()
    samples[5] = np.nan
    with pytest.raises(ReportError, match="not a number"):
        write_edf(Study("x", (replace(bad, samples_mv=samples),)), tmp_path)
    with pytest.raises(ReportError, match="no waveform"):
        write_edf(Study("x"), tmp_path)

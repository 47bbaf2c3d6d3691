"""Sweeps as LabChart, AcqKnowledge, MATLAB and spreadsheets of rows or long tables hold them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ncs_cb import ReadError, StudyError, UnitError, analyze, read_study

RATE_HZ = 20_000.0
BEFORE_MS = 2.0
SITES = {"wrist": (2.8, 9.0), "below_elbow": (6.4, 3.0)}
COMMON = {
    "nerve": "ulnar",
    "side": "right",
    "muscle": "adm",
    "unit": "mV",
    "polarity": "negative_up",
}


def response(latency_ms, amplitude_mv, n=600):
    """One CMAP in mV, the stimulus BEFORE_MS after the first sample."""
    time = np.arange(n) * 1000.0 / RATE_HZ - BEFORE_MS - latency_ms
    phase = np.clip(time / 6.0, 0.0, 1.0)
    rng = np.random.default_rng(int(latency_ms * 10))
    return amplitude_mv * np.sin(np.pi * phase) ** 1.3 + rng.normal(0.0, 0.004, n)


def times_ms(n=600):
    return np.arange(n) * 1000.0 / RATE_HZ


def matrix():
    return np.stack([response(*values) for values in SITES.values()])


def put(folder, name, content, **sidecar):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.with_suffix(".json").write_text(json.dumps({**COMMON, **sidecar}), "utf-8")
    return path


def check(path, unit=1.0):
    """The traces are those that were written, the latencies are counted from the stimulus."""
    study = read_study(path)
    assert [t.site.stimulation_site for t in study.traces] == list(SITES)
    for trace, expected in zip(study.traces, matrix(), strict=True):
        assert trace.sampling_rate_hz == pytest.approx(RATE_HZ)
        assert trace.stimulus_index == round(BEFORE_MS * RATE_HZ / 1000.0)
        np.testing.assert_allclose(trace.samples_mv, expected * unit, atol=2e-6)
    found = analyze(study).traces.set_index("stimulation_site").onset_latency_ms
    for site, (latency, _) in SITES.items():
        assert found[site] == pytest.approx(latency, abs=0.35)
    return study


def by_number(**more):
    return {str(i): {"site": site} for i, site in enumerate(SITES, start=1)} | more


def test_labchart_text_gives_one_sweep_per_block(tmp_path):
    blocks = []
    for row in matrix():
        lines = [
            "Interval=\t5E-05 s",
            "ExcelDateTime=\t4.5E+04\t2/3/2026 10:11:12.000000",
            "TimeFormat=\tStartOfBlock",
            "ChannelTitle=\tEMG\tStim",
            "Range=\t20.000 mV\t10.000 V",
            "UnitName=\tmV\tV",
        ]
        for i, value in enumerate(row):
            note = "\t#* Comment 1" if i == 3 else ""
            lines.append(f"{i / RATE_HZ:.6f}\t{value:.7f}\t{float(i == 40):.1f}{note}")
        blocks.append("\r\n".join(lines))
    check(
        put(
            tmp_path,
            "chart.txt",
            "\r\n".join(blocks) + "\r\n",
            layout="blocks",
            time_column="time",
            time_unit="s",
            stimulus_at_ms=BEFORE_MS,
            channels=["EMG"],
            traces=by_number(),
        )
    )


def test_acqknowledge_text_is_read_below_its_own_header(tmp_path):
    first, second = matrix()
    lines = ["ncs.acq", "0.05 msec/sample", "3 channels", "W", "mV", "E", "mV", "Trig", "Volts"]
    lines += ["msec,CH1,CH2,CH3", ",600,600,600,"]
    lines += [
        f"{t:.3f},{a:.7f},{b:.7f},0" for t, a, b in zip(times_ms(), first, second, strict=True)
    ]
    check(
        put(
            tmp_path,
            "acq.txt",
            "\n".join(lines),
            skip_rows=9,
            time_column="msec",
            time_unit="ms",
            stimulus_at_ms=BEFORE_MS,
            channels=["CH1", "CH2"],
            traces={"CH1": {"site": "wrist"}, "CH2": {"site": "below_elbow"}},
        )
    )


@pytest.mark.parametrize("named", [True, False])
def test_acqknowledge_text_without_times_is_read_below_its_count_of_samples(tmp_path, named):
    lines = ["CH1\tCH2"] * named + ["600\t600"]
    lines += [f"{a:.7f}\t{b:.7f}" for a, b in zip(*matrix(), strict=True)]
    keys = ("CH1", "CH2") if named else ("1", "2")
    check(
        put(
            tmp_path,
            "acq.txt",
            "\n".join(lines),
            skip_rows=0,
            sampling_rate_hz=RATE_HZ,
            stimulus_at_ms=BEFORE_MS,
            traces={key: {"site": site} for key, site in zip(keys, SITES, strict=True)},
        )
    )


def _with_one(at_ms, value):
    rows = matrix()
    rows[:, round((BEFORE_MS + at_ms) * RATE_HZ / 1000.0)] = value
    return "\n".join(f"{a:.7f}\t{b:.7f}" for a, b in zip(*rows, strict=True))


@pytest.mark.parametrize(("at_ms", "number"), [(-2.0, 1), (-1.5, 11), (5.0, 141)])
@pytest.mark.parametrize("value", [598.0, -150.0])
def test_a_sample_above_100_mv_is_refused_and_named_wherever_it_stands(
    tmp_path, at_ms, number, value
):
    said = {"sampling_rate_hz": RATE_HZ, "stimulus_at_ms": BEFORE_MS, "traces": by_number()}
    path = put(tmp_path, "t.txt", _with_one(at_ms, value), delimiter="\t", **said)
    with pytest.raises(UnitError, match=rf"100 mV \(sample {number} of its sweep\)"):
        read_study(path)


def test_an_artefact_of_any_size_is_read(tmp_path):
    said = {"sampling_rate_hz": RATE_HZ, "stimulus_at_ms": BEFORE_MS, "traces": by_number()}
    path = put(tmp_path, "t.txt", _with_one(0.2, 150.0), delimiter="\t", **said)
    assert len(read_study(path).traces) == len(SITES)


@pytest.mark.parametrize("named", [True, False])
def test_one_trace_per_row_needs_a_stated_rate(tmp_path, named):
    rows = [
        ";".join([site] * named + [f"{v:.7f}".replace(".", ",") for v in row])
        for site, row in zip(SITES, matrix(), strict=True)
    ]
    sidecar = {"layout": "rows", "delimiter": ";", "stimulus_at_ms": BEFORE_MS}
    traces = {} if named else {"traces": by_number()}
    path = put(tmp_path, "rows.csv", "\n".join(rows), **sidecar, **traces)
    with pytest.raises(StudyError, match="sampling_rate_hz must be said"):
        read_study(path)
    check(put(tmp_path, "rows.csv", "\n".join(rows), **sidecar, **traces, sampling_rate_hz=RATE_HZ))


def test_columns_without_times_need_rate_and_stimulus(tmp_path):
    lines = ["a b", *(f"{a:.7f} {b:.7f}" for a, b in matrix().T)]
    traces = {"a": {"site": "wrist"}, "b": {"site": "below_elbow"}}
    path = put(tmp_path, "c.txt", "\n".join(lines), sampling_rate_hz=RATE_HZ, traces=traces)
    with pytest.raises(StudyError, match="stimulus_at_ms must be said"):
        read_study(path)
    said = {"sampling_rate_hz": RATE_HZ, "stimulus_at_ms": BEFORE_MS, "traces": traces}
    check(put(tmp_path, "c.txt", "\n".join(lines), **said))


def test_a_long_table_gathers_the_samples_of_each_trace(tmp_path):
    lines = ["sweep,t,uV"]
    for site, row in zip(SITES, matrix(), strict=True):
        lines += [
            f"{site},{t - BEFORE_MS:.4f},{1000 * v:.4f}"
            for t, v in zip(times_ms(), row, strict=True)
        ]
    path = put(
        tmp_path,
        "long.csv",
        "\n".join(lines),
        layout="long",
        unit="uV",
        trace_column="sweep",
        time_column="t",
        time_unit="ms",
        value_column="uV",
    )
    check(path)


def mat(**arrays):
    import io

    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_matrix_of_matlab_with_its_times(tmp_path, layout):
    values = matrix() if layout == "rows" else matrix().T
    content = mat(emg=values, t=times_ms() / 1000.0)
    said = {"variable": "emg", "layout": layout, "time_column": "t", "time_unit": "s"}
    path = put(tmp_path, "m.mat", content, **said, stimulus_at_ms=BEFORE_MS, traces=by_number())
    check(path)


def test_labchart_for_matlab_states_rate_and_unit(tmp_path):
    both = matrix()
    n = both.shape[1]
    stim = np.zeros(2 * n)
    content = mat(
        data=np.concatenate([both[0] / 1000.0, both[1] / 1000.0, stim]),
        datastart=np.array([[1, n + 1], [2 * n + 1, 3 * n + 1]]),
        dataend=np.array([[n, 2 * n], [3 * n, 4 * n]]),
        samplerate=np.full((2, 2), RATE_HZ),
        titles=np.array(["EMG ", "Stim"]),
        unittext=np.array(["V"]),
        unittextmap=np.ones((2, 2)),
    )
    path = put(tmp_path, "lc.mat", content, channels=["EMG"], stimulus_at_ms=BEFORE_MS,
               traces=by_number(), unit=None)  # fmt: skip
    study = check(path)
    assert ("V", "as the file says") in [(d.choice, d.reason) for d in study.decisions]


def test_acqknowledge_for_matlab_states_rate_and_unit(tmp_path):
    content = mat(
        data=np.column_stack([*matrix(), np.zeros(600)]),
        isi=0.05,
        isi_units="ms",
        labels=np.array(["wrist", "below elbow", "Trigger"]),
        units=np.array(["mV", "mV", "Volts"]),
        start_sample=0.0,
    )
    said = {"unit": None, "stimulus_at_ms": BEFORE_MS}
    with pytest.raises(UnitError, match="differ in unit"):
        read_study(put(tmp_path, "acq.mat", content, **said))
    check(put(tmp_path, "acq.mat", content, **said, channels=["wrist", "below elbow"]))


@pytest.mark.parametrize(
    ("content", "said", "message"),
    [
        (b"MATLAB 5.0 MAT-file", {}, "cannot|can be read"),
        (mat(emg=np.zeros((2, 9)), other=np.zeros((2, 9))), {}, "variable is missing"),
        (mat(emg=np.zeros((2, 9))), {}, "layout is missing"),
        (mat(emg=np.zeros((2, 9))), {"variable": "emh"}, "Did you mean 'emg'"),
    ],
)
def test_a_matlab_file_that_is_not_understood_says_what_is_there(tmp_path, content, said, message):
    with pytest.raises((ReadError, StudyError), match=message):
        read_study(put(tmp_path, "m.mat", content, **said))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"time_column": "tine"}, "Did you mean 'time'"),
        ({"time_column": "time", "channels": ["time"]}, "no column of responses"),
        ({"time_column": "time", "stimulus_at_ms": 2.0}, "time_unit is missing"),
        ({"time_column": "time", "time_unit": "h"}, "allowed: s, ms, us"),
        ({"layout": "lines"}, "columns, rows, long, blocks"),
        ({"layout": "long", "time_column": 1}, "trace_column"),
        ({"skip_rows": 900}, "no rows are left"),
    ],
)
def test_a_faulty_description_names_the_key(tmp_path, said, message):
    text = "time,wrist\n" + "\n".join(
        f"{t:.3f},{v:.6f}" for t, v in zip(times_ms(), matrix()[0], strict=True)
    )
    with pytest.raises((ReadError, StudyError), match=message):
        read_study(put(tmp_path, "t.csv", text, **said))


def test_a_matlab_file_without_a_sidecar_is_no_recording_of_a_folder(tmp_path):
    (tmp_path / "notes.mat").write_bytes(mat(x=np.zeros(3)))
    rows = zip(times_ms() - BEFORE_MS, matrix()[0], strict=True)
    lines = ["time_ms,wrist", *(f"{t:.3f},{v:.6f}" for t, v in rows)]
    put(tmp_path, "u.csv", "\n".join(lines))
    assert len(read_study(tmp_path).traces) == 1

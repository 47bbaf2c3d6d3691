"""Sweep tables with their sidecars."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from ncs_cb import ReadError, StudyError, UnitError, read_study
from ncs_cb.model import Study
from ncs_cb.readers.sweep_table import write_sweep_table
from readers.handmade import cmap, onset_ms
from readers.studies import arm, assert_same, trace

SIDECAR = {
    "nerve": "ulnar",
    "side": "right",
    "muscle": "adm",
    "unit": "mV",
    "polarity": "negative_up",
    "high_pass_hz": 2,
    "low_pass_hz": 10000,
    "traces": {
        "wrist": {"site": "wrist", "distance_mm": 70, "stimulus_ma": 18.4, "supramaximal": True},
        "b_elbow": {"site": "below_elbow", "distance_mm": 280, "stimulus_ma": 38.8},
    },
}
TIME_MS = (np.arange(820) - 20) / 20


def table(unit=1.0, sign=1.0, separator=",", comma=False, digits=6):
    columns = [TIME_MS, *(sign * unit * cmap(TIME_MS, onset, 8.0) for onset in (2.8, 6.5))]
    lines = [separator.join(["time_ms", "wrist", "b_elbow"])]
    for row in zip(*columns, strict=True):
        cells = [f"{value:.{digits}f}" for value in row]
        lines.append(separator.join(c.replace(".", ",") if comma else c for c in cells))
    return "\n".join(lines) + "\n"


def put(folder: Path, text=None, sidecar=None, name="ulnar_right", **changes):
    path = folder / f"{name}.csv"
    body = table() if text is None else text
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    said = {
        k: v
        for k, v in ({**SIDECAR, **changes} if sidecar is None else sidecar).items()
        if v is not ...
    }
    (folder / f"{name}.json").write_text(json.dumps(said))
    return path


def test_the_contract_s_own_example_is_read(tmp_path):
    study = read_study(put(tmp_path))
    wrist, elbow = study.traces
    assert study.study_id == "ulnar_right"
    assert (wrist.site.nerve, wrist.site.side, wrist.site.muscle) == ("ulnar", "right", "adm")
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]
    assert (wrist.stimulus.distance_mm, wrist.stimulus.intensity_ma) == (70.0, 18.4)
    assert wrist.stimulus.is_supramaximal is True
    assert elbow.stimulus.is_supramaximal is None
    assert (wrist.high_pass_hz, wrist.low_pass_hz) == (2.0, 10_000.0)
    assert (wrist.sampling_rate_hz, wrist.stimulus_index) == (20_000.0, 20)
    assert onset_ms(wrist) == pytest.approx(2.8, abs=0.15)
    assert wrist.samples_mv.max() == pytest.approx(8.0, abs=0.01)
    assert [s.name for s in study.sources] == ["ulnar_right.csv", "ulnar_right.json"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("told", ["negative_up", "negative_down", "auto", ...])
def test_polarity_is_as_told_or_settled_from_the_response(tmp_path, sign, told):
    study = read_study(put(tmp_path, table(sign=sign), polarity=told))
    expected = sign * {"negative_up": 1, "negative_down": -1}.get(told, sign)
    assert study.traces[0].samples_mv[[np.abs(study.traces[0].samples_mv).argmax()]] == (
        pytest.approx(8.0 * expected, abs=0.01)
    )
    assert [d.topic for d in study.decisions][:1] == ["polarity"]


@pytest.mark.parametrize(("unit", "scale"), [("mV", 1), ("uV", 1e3), ("V", 1e-3), ("µV", 1e3)])
def test_the_unit_is_applied(tmp_path, unit, scale):
    study = read_study(put(tmp_path, table(unit=scale, digits=9), unit=unit))
    assert study.traces[0].samples_mv.max() == pytest.approx(8.0, abs=0.01)


@pytest.mark.parametrize("unit", ["mv", "", ..., "volts"])
def test_an_unknown_or_missing_unit_is_a_unit_error(tmp_path, unit):
    with pytest.raises(UnitError, match="unit"):
        read_study(put(tmp_path, unit=unit))


def test_a_response_above_100_mv_is_a_unit_error(tmp_path):
    with pytest.raises(UnitError, match="100 mV"):
        read_study(put(tmp_path, table(unit=1e3)))


@pytest.mark.parametrize(
    "body",
    [
        table(separator=";"),
        table(separator="\t"),
        table(separator=";", comma=True),
        b"\xef\xbb\xbf" + table().encode(),
        table().replace("\n", "\r\n"),
        table() + "\n\n",
        table().replace("wrist,b_elbow", '"wrist","b_elbow"'),
    ],
)
def test_common_dialects_of_csv_are_understood(tmp_path, body):
    study = read_study(put(tmp_path, body))
    assert study.traces[1].samples_mv.max() == pytest.approx(8.0, abs=0.01)
    assert onset_ms(study.traces[1]) == pytest.approx(6.5, abs=0.15)


def test_times_rounded_to_a_few_digits_still_give_the_rate(tmp_path):
    time_ms = (np.arange(240) - 30) / 30
    lines = ["time_ms,wrist,b_elbow", *(f"{t:.2f},{cmap(t, 1, 5):.5f},0.0" for t in time_ms)]
    study = read_study(put(tmp_path, "\n".join(lines)))
    assert study.traces[0].sampling_rate_hz == pytest.approx(30_000, rel=2e-3)
    assert study.traces[0].stimulus_index == 30


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "empty"),
        ("time_ms,wrist,b_elbow\n", "fewer than two rows"),
        ("time_ms,wrist,b_elbow\n0,1,2\n0.1,1\n", "row 3 has 2 cells, the header has 3"),
        ("time_ms,wrist,b_elbow\n0,1,2\n0.1,1,2\n0.35,1,2\n0.4,1,2\n", "not evenly spaced"),
        ("time_ms,wrist,b_elbow\n0,1,2\n0,1,2\n", "must rise"),
        ("time_ms,wrist,b_elbow\n0,1,2\n10,1,2\n20,1,2\n", "samples per second"),
        ("time_ms,wrist,b_elbow\n0,1,x\n0.1,1,2\n", "row 2, column 'b_elbow' is not a number"),
        ("time_ms,wrist,b_elbow\n,1,2\n0.1,1,2\n", "time_ms holds a cell"),
        ("time_ms,wrist,wrist\n0,1,2\n0.1,1,2\n", "occur twice: 'wrist'"),
        ("seconds,wrist,b_elbow\n0,1,2\n", "first column must be time_ms"),
        (b"time_ms,wrist,b_elbow\n0,\xff,2\n1,2,3\n", "is not a number"),
        (b"time_ms,wrist,b_elbow\n0,\x00,2\n", "zero bytes"),
        (table(comma=True), "decimal comma"),
    ],
)
def test_a_malformed_table_is_a_read_error_that_says_what_is_wrong(tmp_path, body, message):
    with pytest.raises(ReadError, match=message) as caught:
        read_study(put(tmp_path, body))
    assert caught.value.source == "ulnar_right.csv"


def test_missing_and_infinite_samples_are_kept_for_the_measurement_to_flag(tmp_path):
    lines = table().splitlines()
    lines[400] = lines[400].rsplit(",", 1)[0] + ","
    lines[401] = lines[401].rsplit(",", 2)[0] + ",inf,0"
    wrist, elbow = read_study(put(tmp_path, "\n".join(lines))).traces
    assert np.isinf(wrist.samples_mv).sum() == 1
    assert np.isnan(elbow.samples_mv).sum() == 1


def test_a_stimulus_outside_the_trace_is_kept_for_the_measurement_to_flag(tmp_path):
    lines = ["time_ms,wrist,b_elbow", *(f"{5 + i / 20},{i % 3},0" for i in range(100))]
    assert read_study(put(tmp_path, "\n".join(lines))).traces[0].stimulus_index == -100


def test_lines_of_a_title_above_the_header_are_left_out_and_told(tmp_path):
    plain = read_study(put(tmp_path, table()))
    titled = read_study(put(tmp_path, "Export of a machine\n\n" + table()))
    np.testing.assert_array_equal(titled.traces[0].samples_mv, plain.traces[0].samples_mv)
    assert any(d.topic == "titles" and d.reason.startswith("2 lines") for d in titled.decisions)


def test_columns_marked_as_repeats_share_a_group(tmp_path):
    traces = {
        "a": {"site": "wrist", "repeat": "s1"},
        "b": {"site": "wrist", "repeat": "s1"},
        "c": {"site": "wrist"},
        "d": {"site": "elbow", "repeat": "s1"},
    }
    body = "time_ms,a,b,c,d\n" + "\n".join(f"{i / 20},0,0,{i % 2},0" for i in range(50))
    groups = [t.repeat_group for t in read_study(put(tmp_path, body, traces=traces)).traces]
    assert groups == ["s1", "s1", None, None]


def test_a_column_named_after_a_site_needs_no_entry(tmp_path):
    study = read_study(put(tmp_path, traces=...))
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "below_elbow"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nerves": "ulnar"}, "unknown key 'nerves'.*Did you mean 'nerve'"),
        ({"nerve": "unlar"}, "unknown nerve 'unlar'.*Did you mean 'ulnar'"),
        ({"nerve": ...}, "'nerve' is missing"),
        ({"nerve": 5}, "nerve: must be a short text"),
        ({"side": "up"}, "allowed: left, right"),
        ({"muscle": "admm"}, "unknown muscle"),
        ({"polarity": "up"}, "polarity: 'up'; allowed: negative_up"),
        ({"kind": "moter"}, "Did you mean 'motor'"),
        ({"high_pass_hz": "2"}, "high_pass_hz: must be a number"),
        ({"high_pass_hz": True}, "high_pass_hz: must be a number"),
        ({"low_pass_hz": 1e30}, "plausible"),
        ({"traces": []}, "traces: must be an object"),
        ({"traces": {"wirst": {"site": "wrist"}}}, "no such column.*Did you mean 'wrist'"),
        ({"traces": {"wrist": {"site": "wirst"}}}, "unknown stimulation site 'wirst'"),
        ({"traces": {"wrist": {"sit": "wrist"}}}, "unknown key .*Did you mean 'site'"),
        ({"traces": {"wrist": {"site": "ankle"}}}, "'ankle' for ulnar"),
        ({"traces": {"wrist": {"distance_mm": -5}}}, "plausible: 0 to 2000"),
        ({"traces": {"wrist": {"distance_mm": 1e300}}}, "plausible"),
        ({"traces": {"wrist": {"supramaximal": "maybe"}}}, "allowed: true, false"),
        ({"range_mv": [5, -5]}, "range_mv"),
    ],
)
def test_a_faulty_sidecar_is_a_study_error_with_key_and_nearest_name(tmp_path, change, message):
    with pytest.raises(StudyError, match=f"(?s){message}") as caught:
        read_study(put(tmp_path, **change))
    assert caught.value.source in ("ulnar_right.json", "ulnar_right.csv")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "JSON object"),
        (b'{"a":1,"a":2}', "not valid JSON"),
        (b'{"nerve":NaN}', "the value NaN of 'nerve' in line 1 is none"),
        (
            b'{"muscle": "not NaN", "traces": {\n "wrist": {\n  "distance_mm": -Infinity}}}',
            "-Infinity of 'distance_mm' in line 3",
        ),
        (b'{"nerve": "ulnar",\n "side": }', r"\(line 2, column 10\)"),
        (b"\xff", "not valid JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply|not valid JSON"),
        (b'{"a":' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b" " * 2_000_000, "larger than"),
    ],
)
def test_an_absurd_sidecar_is_a_read_error(tmp_path, raw, message):
    path = put(tmp_path)
    path.with_suffix(".json").write_bytes(raw)
    with pytest.raises(ReadError, match=message):
        read_study(path)


def test_a_missing_sidecar_is_a_read_error_that_says_what_to_write(tmp_path):
    path = put(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ReadError, match=r"sidecar ulnar_right\.json is missing"):
        read_study(path)


def test_names_in_a_sidecar_are_dropped_and_counted(tmp_path):
    study = read_study(put(tmp_path, patient_name="Anna Mueller", birth_date="1950-01-01"))
    text = str(asdict(study))
    assert "Mueller" not in text
    assert "1950" not in text
    assert "2 keys of the sidecar name a person" in text


@pytest.mark.parametrize("before_ms", [0.0, 1.0])
def test_what_was_written_is_read_back_to_the_last_bit(tmp_path, before_ms):
    study = arm(before_ms=before_ms, range_mv=(-10.0, 10.0), resolution_mv=1e-3)
    (path,) = write_sweep_table(study, tmp_path)
    again = read_study(path)
    assert_same(study, again, tolerance=0.0)
    for a, b in zip(study.traces, again.traces, strict=True):
        assert a.stimulus == b.stimulus
        assert (a.range_mv, a.resolution_mv) == (b.range_mv, b.resolution_mv)


def test_repeats_kinds_and_missing_samples_survive_writing(tmp_path):
    pair = [trace(seed=i, noise=0.01, repeat_group="g", sweep=i) for i in range(2)]
    samples = pair[0].samples_mv.copy()
    samples[500] = np.nan
    study = Study("x", (replace(pair[0], samples_mv=samples), pair[1], trace(kind="sensory")))
    assert [p.name for p in write_sweep_table(study, tmp_path)] == [
        "median_right_apb.csv",
        "median_right_apb_sensory.csv",
    ]
    again = read_study(tmp_path)
    assert [t.repeat_group for t in again.traces] == ["g", "g", None]
    assert [t.kind for t in again.traces] == ["motor", "motor", "sensory"]
    np.testing.assert_array_equal(again.traces[0].samples_mv, samples)


# ------------------------------------------------------------------ real recordings

MONSTIM = Path(__file__).parents[3] / "shared/realdata/monstim/Example_Data_3.csv"


@pytest.mark.skipif(not MONSTIM.is_file(), reason="the shared real recordings are not here")
def test_a_real_recruitment_series_is_read_by_the_documented_recipe(tmp_path):
    import pandas as pd

    # The recipe of docs/formats.md.
    long = pd.read_csv(MONSTIM)
    wide = long.pivot_table(index="time_point", columns="recording_index", values="amplitude_mV")
    wide.columns = [f"sweep_{number:02d}" for number in wide.columns]
    wide.rename_axis("time_ms").to_csv(tmp_path / "rodent.csv")
    sidecar = {
        "nerve": "tibial",
        "side": "right",
        "muscle": "ah",
        "unit": "mV",
        "polarity": "auto",
        "traces": {name: {"site": "ankle"} for name in wide.columns},
    }
    (tmp_path / "rodent.json").write_text(json.dumps(sidecar))

    study = read_study(tmp_path / "rodent.csv")
    assert len(study.traces) == 84
    assert {t.sampling_rate_hz for t in study.traces} == {30_000.0}
    assert {t.stimulus_index for t in study.traces} == {30}
    # The stimulus is in volts: no current is invented.
    assert {t.stimulus.intensity_ma for t in study.traces} == {None}
    assert {t.repeat_group for t in study.traces} == {None}
    # Physical sign: the first phase is negative-going in the file.
    assert study.decisions[0].choice == "negative_down"
    last = study.traces[-1]
    peak = last.samples_mv[30 + 30 : 30 + 90].argmax() / 30 + 1
    assert 1.2 < peak < 3.0
    assert not last.flags

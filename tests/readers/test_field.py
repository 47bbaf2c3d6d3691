"""What machines and programs really write: nothing comes in wrong and silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError, read_study
from ncs_cb.cli import main
from ncs_cb.reports import text as text_report
from readers.handmade import ELBOW, WRIST, Edf, Signal, cmap, median_mnc, tal

RATE = 20_000.0
TIME = np.arange(1000) * 1000 / RATE


def artefact(at_ms=0.0, size=3.0):
    late = TIME - at_ms
    return np.where(late >= 0, size * np.exp(-np.clip(late, 0, None) / 0.2), 0.0)


def noise(seed):
    return np.random.default_rng(seed).normal(0, 0.002, len(TIME))


def sweeps(
    *texts, onsets=(3.8, 7.8, 9.8), sizes=(7.0, 6.8, 6.6), at_ms=0.0, signs=(1, 1, 1), **more
):
    """EDF+D, one stimulus per record; the physical sign of the standard."""
    n = len(texts)
    rows = [
        -(sign * cmap(TIME, onset + at_ms, size) + artefact(at_ms) + noise(i))
        for i, (onset, size, sign) in enumerate(zip(onsets[:n], sizes[:n], signs[:n], strict=True))
    ]
    tals = [
        b"+%d\x14\x14\0" % (10 * i)
        + b"+%d\x14" % (10 * i)
        + (text if isinstance(text, bytes) else text.encode())
        + b"\x14\0"
        for i, text in enumerate(texts)
    ]
    signal = Signal(np.array(rows), limits=(-25, 25), digital=(-32768, 32767))
    return Edf([signal], tals, **{"annotation_samples": 100, **more})


def put(folder, edf, name="median.edf"):
    return edf.write(folder / name)


def sites(study):
    return [t.site.stimulation_site for t in study.traces]


# ------------------------------------------------------------------ texts


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("elbow 25mA (supramax)", "elbow"),
        ("Elbow supra", "elbow"),
        ("elbow stim", "elbow"),
        ("Elbow 20mA x2", "elbow"),
        ("Reiz Ellenbogen", "elbow"),
        ("elbow (repeated)", "elbow"),
        ("刺激 肘", "elbow"),
        ("肘部 12 mA", "elbow"),
        ("Stim. R elbow 0.2ms 14mA", "elbow"),
        ("肘".encode("gbk"), "elbow"),
        ("Oberarm, wiederholt (nächste)".encode("latin-1"), None),
    ],
)
def test_a_text_is_understood_or_its_stimulus_is_named_as_unassigned(tmp_path, text, site):
    study = read_study(put(tmp_path, sweeps("wrist", text)))
    if site:
        assert sites(study) == ["wrist", site]
        assert not study.unassigned
    else:
        (lost,) = study.unassigned
        assert (lost.sweep, lost.recording) == (1, "median.edf")
        assert "Oberarm" in lost.text
        assert all("unassigned_stimulus" in t.flags for t in study.traces)


def test_a_setting_beside_a_site_belongs_to_its_stimulus(tmp_path):
    edf = sweeps("wrist", "elbow")
    edf.tals[1] = b"+10\x14\x14\0+10\x14elbow\x14stim 20 mA\x14\0"
    study = read_study(put(tmp_path, edf))
    assert [t.stimulus.intensity_ma for t in study.traces] == [None, 20.0]
    assert not study.unassigned


def test_an_unassigned_stimulus_is_said_on_the_screen_and_makes_validate_fail(tmp_path, capsys):
    path = put(tmp_path, sweeps("wrist", "Reiz 2"))
    assert status("analyze", str(path), "--out", str(tmp_path / "out")) == 0
    assert "unassigned stimulus 'Reiz 2'" in " ".join(capsys.readouterr().err.split())
    assert status("validate", str(path)) == 1
    assert "Reiz 2" in capsys.readouterr().out


def status(*words):
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code


def test_study_toml_assigns_a_stimulus_by_its_text(tmp_path):
    put(tmp_path, sweeps("wrist", "Reiz  2"))
    (tmp_path / "study.toml").write_text(
        '[recordings."median.edf"]\nsites = { "reiz 2" = "Ellenbogen" }\n'
    )
    study = read_study(tmp_path)
    assert sites(study) == ["wrist", "elbow"]
    assert not study.unassigned


def test_a_text_that_no_annotation_has_cannot_be_assigned(tmp_path):
    put(tmp_path, sweeps("wrist", "Reiz 2"))
    (tmp_path / "study.toml").write_text(
        '[recordings."median.edf"]\nsites = { "Reiz 3" = "elbow" }\n'
    )
    with pytest.raises(StudyError, match="no annotation reads 'Reiz 3'"):
        read_study(tmp_path)


def test_where_no_text_names_a_site_the_error_lists_them_and_says_how_to_assign(tmp_path):
    with pytest.raises(StudyError, match="'Reiz 1', 'Reiz 2'") as caught:
        read_study(put(tmp_path, sweeps("Reiz 1", "Reiz 2")))
    assert "sites = {" in str(caught.value)


def test_an_unassigned_text_is_shown_without_the_name_in_the_header(tmp_path):
    edf = sweeps("wrist", "Hannelore second try", patient="X F X Fictional_Hannelore")
    (lost,) = read_study(put(tmp_path, edf)).unassigned
    assert "Hannelore" not in lost.text


# ------------------------------------------------------------------ time


@pytest.mark.parametrize("late_ms", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pulse_after_its_marker_is_found_and_latencies_count_from_it(tmp_path, late_ms, sign):
    edf = sweeps("wrist", "elbow", at_ms=late_ms)
    if sign < 0:
        edf.signals[0].physical += 2 * np.array([artefact(late_ms)] * 2)
    right = ncs_cb.analyze(read_study(put(tmp_path, sweeps("wrist", "elbow"), "right.edf"))).traces
    late = ncs_cb.analyze(read_study(put(tmp_path, edf, "late.edf")))
    np.testing.assert_allclose(late.traces["onset_latency_ms"], right["onset_latency_ms"], atol=0.1)
    assert late.traces["quality_flags"].str.contains("stimulus_realigned").all()
    assert any(d.topic == "stimulus time" for d in late.study.decisions)


def test_a_delay_that_is_told_is_taken_off_every_latency(tmp_path):
    put(tmp_path, sweeps("wrist", "elbow", at_ms=2.0))
    (tmp_path / "study.toml").write_text('[recordings."median.edf"]\nstimulus_delay_ms = 2.0\n')
    traces = read_study(tmp_path).traces
    assert [t.stimulus_index for t in traces] == [40, 40]
    assert not any("stimulus_realigned" in t.flags for t in traces)


def test_stamps_that_count_from_their_own_record_keep_each_stimulus_in_its_record(tmp_path):
    edf = sweeps("wrist", "elbow")
    edf.tals = [tal("+0", "") + tal("+0", WRIST), tal("+10", "") + tal("+0", ELBOW)]
    wrist, elbow = read_study(put(tmp_path, edf)).traces
    assert not np.array_equal(wrist.samples_mv, elbow.samples_mv)


def test_one_instant_with_two_site_names_is_refused(tmp_path):
    edf = sweeps("wrist", "elbow")
    edf.tals[0] = tal("+0", "", WRIST, ELBOW)
    edf.tals[1] = tal("+10", "")
    with pytest.raises(StudyError, match="'wrist' and 'elbow' stand at one instant"):
        read_study(put(tmp_path, edf))


@pytest.mark.parametrize("digits", [3, 6])
def test_stamps_of_a_continuous_file_may_be_rounded(tmp_path, digits):
    n, per = 240, 332  # records of 16.6 ms
    y = np.random.default_rng(1).normal(0, 0.002, n * per)
    texts = {}
    for at, (onset, text) in ((20_037, (3.8, WRIST)), (60_111, (7.8, ELBOW))):
        y[at : at + 1000] += cmap(TIME, onset, 7.0) + artefact()
        texts[at // per] = (at / RATE, text)
    tals = []
    for record in range(n):
        block = tal(f"+{record * per / RATE:.{digits}f}", "")
        if record in texts:
            block += tal(f"+{texts[record][0]:.6f}", texts[record][1])
        tals.append(block)
    signal = Signal(-y.reshape(n, per), limits=(-25, 25), digital=(-32768, 32767))
    edf = Edf([signal], tals, record_s="0.0166", reserved="EDF+C", annotation_samples=60)
    frame = ncs_cb.analyze(read_study(put(tmp_path, edf))).traces
    np.testing.assert_allclose(frame["onset_latency_ms"], [3.85, 7.85], atol=0.1)
    np.testing.assert_allclose(frame["negative_peak_amplitude_mv"], 7.0, atol=0.02)


# ------------------------------------------------------------------ twins, sides, signs


@pytest.mark.parametrize(
    ("reserved", "digits", "record"), [("EDF+D", 3, 512), ("EDF+C", 1, 666), ("EDF+C", 2, 666)]
)
def test_rounded_stamps_leave_no_gaps_where_they_stay_on_one_line(
    tmp_path, reserved, digits, record
):
    n = 60
    time_ms = np.arange(n * record) * 1000 / RATE
    signal = np.random.default_rng(1).normal(0, 0.002, len(time_ms))
    at_s, onsets, names = (0.2, 0.7, 1.2), (3.8, 7.8, 9.8), ("wrist", "elbow", "axilla")
    for start, onset in zip(at_s, onsets, strict=True):
        signal += cmap(time_ms, start * 1000 + onset, 7.0)
    tals = []
    for i in range(n):
        begin = i * record / RATE
        here = [s for s in zip(at_s, names, strict=True) if 0 <= s[0] - begin < record / RATE]
        tals.append(
            f"+{begin:.{digits}f}\x14\x14\0".encode()
            + b"".join(f"+{s:g}\x14{name}\x14\0".encode() for s, name in here)
        )
    made = Signal(-signal.reshape(n, record), limits=(-25, 25), digital=(-32768, 32767))
    edf = Edf([made], tals, record_s=f"{record / RATE:g}", reserved=reserved)
    rows = ncs_cb.analyze(put(tmp_path, edf)).traces
    assert list(rows["stimulation_site"]) == list(names)
    assert (rows["onset_latency_ms"] - np.array(onsets)).abs().max() < 0.1
    assert rows["negative_peak_amplitude_mv"].tolist() == pytest.approx([7.0] * 3, abs=0.02)


def test_records_of_a_file_called_continuous_that_leave_gaps_are_sweeps_of_their_own(tmp_path):
    edf = sweeps("wrist", "elbow")
    edf.reserved = "EDF+C"
    edf.tals = [
        f"+{i}\x14\x14\0+{i}\x14{site}\x14\0".encode() for i, site in enumerate(("wrist", "elbow"))
    ]
    rows = ncs_cb.analyze(put(tmp_path, edf)).traces
    assert rows["onset_latency_ms"].tolist() == pytest.approx([3.85, 7.85], abs=0.1)


def test_the_same_samples_for_two_sites_are_refused(tmp_path):
    edf = sweeps("wrist", "elbow")
    edf.signals[0].physical[1] = edf.signals[0].physical[0]
    with pytest.raises(StudyError, match="same samples are given for 'wrist'"):
        read_study(put(tmp_path, edf))


def both_sides():
    edf = sweeps("Stimulus right wrist", "Stimulus left wrist")
    right, left = edf.signals[0].physical
    quiet = noise(9)
    channels = (("R APB", [right, quiet]), ("L APB", [quiet, left / 2]))
    edf.signals = [replace(edf.signals[0], physical=np.array(y), label=n) for n, y in channels]
    edf.recording = "Startdate 02-MAR-2026 X X X MNC Median Nerve"
    return edf


def test_both_sides_in_one_file_go_each_to_its_own_channel(tmp_path):
    frame = ncs_cb.analyze(read_study(put(tmp_path, both_sides()))).traces
    found = dict(zip(frame["side"], frame["negative_peak_amplitude_mv"], strict=True))
    assert found["right"] == pytest.approx(7.0, abs=0.05)
    assert found["left"] == pytest.approx(3.4, abs=0.05)


def test_an_override_that_contradicts_both_named_sides_is_refused(tmp_path):
    put(tmp_path, both_sides())
    (tmp_path / "study.toml").write_text('[recordings."median.edf"]\nside = "right"\n')
    with pytest.raises(StudyError, match="the stimuli name both sides"):
        read_study(tmp_path)


def test_a_label_against_stimuli_of_both_sides_is_refused_with_who_says_what(tmp_path):
    edf = sweeps("Stimulus right wrist", "Stimulus left wrist")
    edf.signals = [replace(edf.signals[0], label="R APB")]
    edf.recording = "Startdate 02-MAR-2026 X X X MNC Median Nerve"
    with pytest.raises(StudyError) as said:
        read_study(put(tmp_path, edf))
    assert "label (right) and stimuli (left and right) contradict" in str(said.value)
    assert "study.toml" in str(said.value)


def test_an_override_against_what_the_texts_say_is_told_on_the_screen(tmp_path, capsys):
    edf = sweeps("right wrist", "right elbow")
    edf.recording = "Startdate X X X X MNC Median Nerve"
    edf.signals[0] = replace(edf.signals[0], label="APB")
    put(tmp_path, edf)
    (tmp_path / "study.toml").write_text('[recordings."median.edf"]\nside = "left"\n')
    assert {t.site.side for t in read_study(tmp_path).traces} == {"left"}
    assert status("analyze", str(tmp_path), "--out", str(tmp_path / "out")) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert "warning: side left, as study.toml says; the file itself says right" in err


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_a_site_recorded_with_exchanged_leads_is_flagged_and_withholds_its_segments(tmp_path, odd):
    signs = [1, 1, 1]
    signs[odd] = -1
    edf = sweeps("wrist", "elbow", "axilla", signs=signs)
    result = ncs_cb.analyze(read_study(put(tmp_path, edf)))
    flagged = result.traces["quality_flags"].str.contains("polarity_differs").tolist()
    assert flagged == [i == odd for i in range(3)]
    ends_there = result.verdicts["segment"].str.contains(("wrist", "elbow", "axilla")[odd])
    assert (
        not result.verdicts[ends_there]["conduction_block"]
        .isin(["definite", "probable", "possible", "none"])
        .any()
    )


def test_currents_rising_under_one_text_never_make_a_block(tmp_path):
    edf = sweeps(
        *["wrist", "elbow", "elbow", "elbow"],
        onsets=(3.8, 7.8, 7.8, 7.8),
        sizes=(7.0, 1.5, 4.5, 6.8),
        signs=(1, 1, 1, 1),
    )
    result = ncs_cb.analyze(read_study(put(tmp_path, edf)))
    used = result.traces[~result.traces["quality_flags"].str.contains("not_used")]
    assert used["negative_peak_amplitude_mv"].tolist() == pytest.approx([7.0, 6.8], abs=0.02)
    assert set(result.verdicts["conduction_block"]) <= {"none", "undetermined", "not_covered"}


# ------------------------------------------------------------------ salvage


def read_all(tmp_path, data):
    path = tmp_path / "median.edf"
    path.write_bytes(data)
    study = read_study(path)
    return study, [d.reason for d in study.decisions if d.topic == "salvage"]


def test_bytes_behind_the_last_record_are_left_out_with_a_warning(tmp_path):
    study, said = read_all(tmp_path, median_mnc().to_bytes() + bytes(300))
    assert sites(study) == ["wrist", "elbow"]
    assert said == ["300 bytes behind the last data record were left out"]


def test_a_cut_last_record_is_left_out_with_a_warning(tmp_path):
    study, said = read_all(tmp_path, median_mnc().to_bytes()[:-7])
    assert sites(study) == ["wrist"]
    assert "last data record is cut off" in said[0]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_says_that_the_recording_is_cut(tmp_path, lang):
    path = tmp_path / "median.edf"
    path.write_bytes(median_mnc().to_bytes()[:-7])
    page = text_report.render(ncs_cb.analyze(path), lang=lang)
    assert "last data record is cut off" in " ".join(page.split())


def test_a_recording_that_was_not_closed_is_counted_by_its_size(tmp_path):
    study, said = read_all(tmp_path, median_mnc(overrides={"n_records": -1}).to_bytes())
    assert len(study.traces) == 2
    assert "2 data records by the file's size" in said[0]


def test_header_fields_padded_with_zero_bytes_are_read(tmp_path):
    data = bytearray(median_mnc().to_bytes())
    data[:8] = b"0".ljust(8, b"\0")
    data[184:768] = bytes(b if b != 32 else 0 for b in data[184:768])
    study, said = read_all(tmp_path, bytes(data))
    assert len(study.traces) == 2
    assert said == ["fields padded with zero bytes"]


def test_a_micro_sign_in_utf_8_is_a_micro_sign(tmp_path):
    edf = median_mnc(dimension="Âµ" + "V", limits=(-25000, 25000))
    edf.signals[0].physical = edf.signals[0].physical * 1e3
    study, _ = read_all(tmp_path, edf.to_bytes())
    assert max(t.samples_mv.max() for t in study.traces) == pytest.approx(7.2, abs=0.05)


def test_one_sample_outside_the_digital_range_does_not_cost_the_file(tmp_path):
    edf = median_mnc()
    edf.signals[0].physical[0, 1] = 110.0
    study, _ = read_all(tmp_path, edf.to_bytes())
    assert len(study.traces) == 2


# ------------------------------------------------------------------ MNE objects


def epochs(**columns):
    import mne

    volts = np.array([[cmap(TIME, 3.8, 7.0) + noise(1)], [cmap(TIME, 7.8, 6.8) + noise(2)]]) * 1e-3
    events = np.array([[0, 0, 1], [5000, 0, 2]])
    info = mne.create_info(["R APB"], RATE, "emg")
    metadata = pd.DataFrame({"site": ["wrist", "elbow"], **columns})
    return mne.EpochsArray(
        volts, info, events, event_id={"a": 1, "b": 2}, tmin=0.0, metadata=metadata, verbose="error"
    )


WHERE = {"nerve": "median", "side": "right", "muscle": "apb"}


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("no", False),
        ("False", False),
        (np.nan, None),
        ("unknown", None),
        (0, False),
        (True, True),
        (None, None),
        ("yes", True),
        (np.bool_(False), False),
        (pd.NA, None),
    ],
)
def test_metadata_says_supramaximal_by_the_sense_of_its_words(value, truth):
    column = pd.Series([value, value], dtype=object)
    study = ncs_cb.study_from_epochs(epochs(supramaximal=column), **WHERE)
    assert {t.stimulus.is_supramaximal for t in study.traces} == {truth}


def test_a_word_that_is_no_truth_is_refused():
    with pytest.raises(StudyError, match="metadata column 'supramaximal': allowed: true, false"):
        ncs_cb.study_from_epochs(epochs(supramaximal=["rather", "rather"]), **WHERE)


@pytest.mark.parametrize("far", [-5.0, np.inf, 1e6])
def test_a_distance_that_cannot_be_is_refused(far):
    with pytest.raises(StudyError, match="plausible: 0 to 2000"):
        ncs_cb.study_from_epochs(epochs(distance_mm=[far, 280.0]), **WHERE)
    with pytest.raises(StudyError, match="plausible: 0 to 2000"):
        ncs_cb.study_from_epochs(epochs(), distances_mm={"wrist": far}, **WHERE)


def test_epochs_that_are_not_loaded_yet_are_loaded():
    import mne

    raw = mne.io.RawArray(
        np.concatenate([noise(3), cmap(TIME, 3.8, 7.0) + noise(4), noise(5)])[None] * 1e-3,
        mne.create_info(["R APB"], RATE, "emg"),
        verbose="error",
    )
    lazy = mne.Epochs(
        raw,
        np.array([[1000, 0, 1]]),
        {"wrist": 1},
        tmin=-0.005,
        tmax=0.04,
        baseline=None,
        preload=False,
        verbose="error",
        picks="all",
    )
    study = ncs_cb.study_from_epochs(lazy, **WHERE)
    assert sites(study) == ["wrist"]


def test_an_array_is_refused_with_a_sentence():
    with pytest.raises(StudyError, match="an array is no MNE object"):
        ncs_cb.study_from_epochs(np.zeros((2, 1, 100)), **WHERE)


# ------------------------------------------------------------------ sweep tables


def table(folder, header, times, *columns, **sidecar):
    import json

    lines = [header, *(",".join(map(repr, row)) for row in zip(times, *columns, strict=True))]
    (folder / "m.csv").write_text("\n".join(lines))
    said = {
        "nerve": "median",
        "side": "right",
        "muscle": "apb",
        "unit": "mV",
        "polarity": "negative_up",
        **sidecar,
    }
    (folder / "m.json").write_text(json.dumps(said))
    return folder / "m.csv"


def plain(values):
    return np.asarray(values, dtype=float).tolist()


@pytest.mark.parametrize("header", ["time_s,wrist", "Time [s],wrist", "time (s),wrist"])
def test_times_in_seconds_are_read_where_the_column_says_so(tmp_path, header):
    path = table(tmp_path, header, plain(TIME / 1e3), plain(cmap(TIME, 3.8, 7.0)))
    (trace,) = read_study(path).traces
    assert trace.sampling_rate_hz == RATE


def test_times_in_seconds_under_a_column_of_ms_are_refused_with_the_guess(tmp_path):
    path = table(tmp_path, "time_ms,wrist", plain(TIME[::4] / 1e3), plain(cmap(TIME, 3.8, 7)[::4]))
    with pytest.raises(ncs_cb.ReadError, match="look like seconds"):
        read_study(path)


def test_a_long_cell_keeps_its_exponent(tmp_path):
    path = table(tmp_path, "time_ms,wrist", plain(TIME), plain(cmap(TIME, 3.8, 7.0)))
    lines = path.read_text().splitlines()
    lines[500] = lines[500].partition(",")[0] + "," + "1." + "0" * 40 + "e-3"
    path.write_text("\n".join(lines))
    assert read_study(path).traces[0].samples_mv[499] == 1e-3


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("no", False), ("No ", False), ("FALSCH", False), ("nein", False), ("否", False),
        ("False", False), (0, False), (0.0, False), (np.bool_(False), False), ("faux", False),
        ("WAHR", True), ("ja", True), ("是", True), (1, True), (np.bool_(True), True),
        (np.nan, None), ("NaN", None), (pd.NA, None), (pd.NaT, None), (None, None), ("", None),
        ("unbekannt", None),
    ],
)  # fmt: skip
def test_one_function_says_what_a_word_means(value, meant):
    from ncs_cb.readers._shared.truth import truth

    assert truth(value, "x") is meant

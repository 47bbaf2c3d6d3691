"""EDF and EDF+ reading: each clause of the standard, each spelling, each lie."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ncs_cb import ReadError, StudyError, UnitError, read_study
from ncs_cb.model import MachineValues, RecordingOverride
from ncs_cb.readers import Input
from ncs_cb.readers.edf.read import read
from readers.handmade import ELBOW, MNC_FIELD, WRIST, Edf, Signal, cmap, median_mnc, onset_ms, tal

TIME_MS = np.arange(1000) / 20


def recording_of(edf: Edf, **told):
    data = edf if isinstance(edf, bytes) else edf.to_bytes()
    return read(Input(Path("m.edf"), "m.edf", data, RecordingOverride(**told)))


def traces_of(edf: Edf, **told):
    return recording_of(edf, **told).traces


def decision(recording, topic):
    return next(d for d in recording.decisions if d.topic == topic)


def sites(traces):
    return [t.site.stimulation_site for t in traces]


# ------------------------------------------------------------------ the specification's example


def test_edf_plus_3_7_the_published_example_is_rebuilt_byte_by_byte():
    data = median_mnc().to_bytes()
    assert len(data) == 5008
    assert data[:8] == b"0       "
    assert data[168:184] == b"17.04.0111.25.00"
    assert data[184:192] == b"768     "
    assert data[192:197] == b"EDF+D"
    assert data[236:256] == b"2       0.050   2   "
    assert data[256:288] == b"R APB           EDF Annotations "
    assert data[448:464] == b"mV              "
    assert data[528:608].rstrip() == b"HP:3Hz LP:20kHz"
    assert data[688:704] == b"1000    60      "
    first = data[2768:2888]
    assert first.rstrip(b"\0") == (
        b"+0\x14\x14Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site\x14"
        b"Response 7.2mV at 3.8ms\x14"
    )
    assert len(first.rstrip(b"\0")) + 1 == 93
    assert len(data[4888:].rstrip(b"\0")) + 1 == 106


@pytest.mark.parametrize("negative_up", [False, True])
@pytest.mark.parametrize("polarity", [None, "auto", "as_is"])
def test_edf_plus_3_7_each_site_keeps_its_own_latency_in_either_polarity(negative_up, polarity):
    told = {"as_is": "negative_up" if negative_up else "negative_down"}.get(polarity, polarity)
    wrist, elbow = traces_of(median_mnc(negative_up=negative_up), polarity=told)
    assert (wrist.site.nerve, wrist.site.side, wrist.site.muscle) == ("median", "right", "apb")
    assert sites((wrist, elbow)) == ["wrist", "elbow"]
    assert onset_ms(wrist) == pytest.approx(3.8, abs=0.15)
    assert onset_ms(elbow) == pytest.approx(7.8, abs=0.15)
    for trace in (wrist, elbow):
        assert trace.samples_mv.max() == pytest.approx(7.2, abs=0.0245)  # half a bit
        assert trace.resolution_mv == pytest.approx(200 / 4095)
        assert trace.range_mv == (-100.0, 100.0)
        assert trace.sampling_rate_hz == 20_000.0
        assert (trace.high_pass_hz, trace.low_pass_hz) == (3.0, 20_000.0)
        assert not trace.flags
        assert not trace.samples_mv.flags.writeable


def test_edf_plus_3_7_stimulus_and_response_texts_are_understood():
    wrist, elbow = traces_of(median_mnc())
    assert wrist.stimulus.distance_mm == 65.0
    assert wrist.stimulus.intensity_ma == 8.2
    assert wrist.stimulus.duration_ms == 0.2
    assert elbow.stimulus.distance_mm == 285.0
    assert wrist.machine == MachineValues(3.8, 7.2, None)
    assert elbow.machine == MachineValues(7.8, 7.2, 55.0)


def test_edf_plus_the_two_dates_may_disagree_and_the_long_one_is_taken():
    recording = recording_of(median_mnc())
    assert recording.details.visit_date == date(2002, 3, 2)
    assert "disagree" in decision(recording, "date").reason
    consistent = recording_of(median_mnc(start_date="02.03.02"))
    assert not [d for d in consistent.decisions if d.topic == "date"]


def test_the_simulated_worst_case_of_mne_is_read_right(tmp_path):
    # 20 records of 50 ms, one every 0.2 s, wrist and elbow alternating: MNE keeps 6 stimuli and
    # puts an elbow label on a wrist record (design reference, formats section 7.1).
    rows = np.array([-cmap(TIME_MS, 4.3 if i % 2 == 0 else 8.3, 7) for i in range(20)])
    tals = [tal(f"+{i * 0.2:.1f}", "", WRIST if i % 2 == 0 else ELBOW) for i in range(20)]
    path = Edf([Signal(rows)], tals).write(tmp_path / "alternating.edf")
    study = read_study(path)
    assert len(study.traces) == 20
    for trace in study.traces:
        expected = {"wrist": 4.3, "elbow": 8.3}[trace.site.stimulation_site]
        assert onset_ms(trace) == pytest.approx(expected, abs=0.15)
        assert trace.repeat_group


# ------------------------------------------------------------------ clauses of the standard


def test_edf_plus_negative_gain_is_accepted():
    edf = median_mnc(limits=(100, -100))
    assert edf.to_bytes()[464:472] == b"100     "
    wrist, _ = traces_of(edf, polarity="negative_down")
    assert wrist.samples_mv.max() == pytest.approx(7.2, abs=0.0245)
    assert wrist.range_mv == (-100.0, 100.0)
    assert "negative gain" in decision(recording_of(edf), "signal").reason


def test_edf_plus_digital_range_need_not_be_symmetric():
    # Scale of a published sample: physical +-25 mV on digital -8985..10265.
    wrist, _ = traces_of(median_mnc(limits=(-25, 25), digital=(-8985, 10265)))
    assert wrist.resolution_mv == pytest.approx(0.0026, rel=0.01)
    assert wrist.samples_mv.max() == pytest.approx(7.2, abs=0.002)
    assert wrist.samples_mv[0] == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize(
    ("dimension", "scale"), [("mV", 1), ("uV", 1e3), ("\xb5V", 1e3), ("V", 1e-3), ("nV", 1e6)]
)
def test_every_known_voltage_unit_is_scaled_to_mv(dimension, scale):
    limit = 50 * scale
    edf = median_mnc()
    signal = edf.signals[0]
    edf.signals = [
        dataclasses.replace(
            signal,
            physical=signal.physical * scale,
            dimension=dimension,
            limits=(f"{-limit:g}", f"{limit:g}"),
            digital=(-32768, 32767),
        )
    ]
    wrist, _ = traces_of(edf)
    assert wrist.samples_mv.max() == pytest.approx(7.2, abs=0.001)


@pytest.mark.parametrize("dimension", ["", "mv", "MV", "uv", "degC", "bananas"])
def test_an_unknown_or_missing_unit_is_never_assumed(dimension):
    with pytest.raises(UnitError, match="unit"):
        traces_of(median_mnc(dimension=dimension))


def test_edf_plus_blank_dimension_is_an_uncalibrated_signal_and_refused():
    with pytest.raises(UnitError, match="uncalibrated"):
        traces_of(median_mnc(dimension=""))


def test_a_response_above_100_mv_is_refused_as_a_wrong_unit():
    edf = median_mnc()
    edf.signals[0].physical = edf.signals[0].physical * 20
    edf.signals[0].limits = (-1000, 1000)
    with pytest.raises(UnitError, match="100 mV"):
        traces_of(edf)


def test_edf_plus_annotations_sit_in_their_own_record_even_before_its_start():
    # EDF+ 2.2.4: the recording starts 1 ms after the stimulus; the annotation is in its record.
    edf = median_mnc(
        tals=[
            tal("+0.001", "") + tal("+0", WRIST),
            tal("+10.001", "") + tal("+10", ELBOW),
        ]
    )
    wrist, elbow = traces_of(edf)
    assert sites((wrist, elbow)) == ["wrist", "elbow"]
    assert wrist.stimulus_index == elbow.stimulus_index == -20


def test_edf_plus_time_before_the_stimulus_is_kept():
    edf = median_mnc(
        tals=[
            tal("+5", "") + tal("+5.01", WRIST),
            tal("+15", "") + tal("+15.01", ELBOW),
        ]
    )
    assert [t.stimulus_index for t in traces_of(edf)] == [200, 200]


def test_edf_plus_an_annotation_timed_inside_another_record_belongs_there():
    edf = median_mnc(
        tals=[tal("+0", "", WRIST) + tal("+10", ELBOW), tal("+10", "")], annotation_samples=90
    )
    wrist, elbow = traces_of(edf)
    assert onset_ms(wrist) == pytest.approx(3.8, abs=0.15)
    assert onset_ms(elbow) == pytest.approx(7.8, abs=0.15)


def test_edf_plus_onsets_may_have_any_precision_and_a_duration():
    edf = median_mnc(
        tals=[
            tal("+1234567.0000500000", "") + tal("+1234567.0000500000", WRIST, duration="0.0002"),
            tal("+1234577.00005", "") + tal("+1234577.00005", ELBOW, duration="0.0002"),
        ],
        annotation_samples=90,
    )
    assert [t.stimulus_index for t in traces_of(edf)] == [0, 0]


def test_shuffled_records_keep_their_sites():
    edf = median_mnc()
    edf.tals.reverse()
    edf.signals[0].physical = edf.signals[0].physical[::-1]
    elbow, wrist = traces_of(edf)
    assert sites((elbow, wrist)) == ["elbow", "wrist"]
    assert onset_ms(wrist) == pytest.approx(3.8, abs=0.15)
    assert onset_ms(elbow) == pytest.approx(7.8, abs=0.15)


def test_a_record_without_its_time_is_refused_because_continuity_is_in_doubt():
    with pytest.raises(ReadError, match="record 2 does not say when it begins"):
        traces_of(median_mnc(tals=[tal("+0", "", WRIST), tal("+10", ELBOW)]))


def test_an_edf_plus_file_without_annotation_signal_is_refused():
    with pytest.raises(ReadError, match="does not keep time"):
        traces_of(median_mnc(tals=None))


@pytest.mark.parametrize("bad", [b"+1.5.2\x14\x14\0", b"nonsense\0", b"1\x14\x14\0"])
def test_a_malformed_annotation_list_is_refused(bad):
    with pytest.raises(ReadError, match="malformed annotation list"):
        traces_of(median_mnc(tals=[tal("+0", "", WRIST), bad]))


def test_several_annotation_signals_are_all_read():
    edf = median_mnc()
    edf.signals.append(
        Signal(np.zeros((2, 60)), label="EDF Annotations", dimension="", digital=(-32768, 32767))
    )
    data = bytearray(edf.to_bytes())
    start = 256 * 4 + 2000
    note = tal("+0", "Supramaximal").ljust(120, b"\0")
    data[start : start + 120] = tal("+0", "").ljust(120, b"\0")
    data[start + 2240 : start + 2360] = tal("+10", "").ljust(120, b"\0")
    data[start + 120 : start + 240] = (tal("+0", "", WRIST) + note.rstrip(b"\0") + b"\0").ljust(
        120, b"\0"
    )
    wrist, elbow = traces_of(bytes(data))
    assert wrist.stimulus.is_supramaximal is True
    assert elbow.stimulus.is_supramaximal is None


# ------------------------------------------------------------------ continuous files


def continuous(n_stimuli=4, gap_s=0.5, rate=20_000, record_s=0.1, reserved="EDF+C", plain=False):
    n = round(n_stimuli * gap_s * rate)
    time_ms = np.arange(n) * 1000 / rate
    signal = np.zeros(n)
    texts = []
    for i in range(n_stimuli):
        at_s = i * gap_s + 0.137
        signal -= cmap(time_ms, at_s * 1000 + (3.8 if i % 2 == 0 else 7.8), 7.2)
        texts.append((at_s, WRIST if i % 2 == 0 else ELBOW))
    per_record = round(record_s * rate)
    rows = signal.reshape(-1, per_record)
    tals = []
    for r in range(len(rows)):
        inside = [t for t in texts if r * record_s <= t[0] < (r + 1) * record_s]
        block = tal(f"+{r * record_s:.6g}", "")
        for at_s, text in inside:
            block += tal(f"+{at_s:.6g}", text)
        tals.append(block)
    return Edf(
        [Signal(rows, limits=(-50, 50), digital=(-32768, 32767))],
        tals,
        record_s=f"{record_s:g}",
        reserved="" if plain else reserved,
        annotation_samples=300,
    )


@pytest.mark.parametrize("plain", [False, True])
def test_edf_c_and_plain_edf_are_cut_around_their_stimuli(plain):
    recording = recording_of(continuous(plain=plain))
    assert sites(recording.traces) == ["wrist", "elbow", "wrist", "elbow"]
    for trace in recording.traces:
        expected = {"wrist": 3.8, "elbow": 7.8}[trace.site.stimulation_site]
        assert onset_ms(trace) == pytest.approx(expected, abs=0.15)
        assert trace.stimulus_index == 200
        assert len(trace.samples_mv) == 2200
    assert decision(recording, "sweeps").reason.startswith("cut from 10 ms before to 100 ms")


def test_a_sweep_of_a_continuous_file_ends_before_the_next_stimulus():
    traces = traces_of(continuous(n_stimuli=4, gap_s=0.05, record_s=0.2))
    assert {len(t.samples_mv) - t.stimulus_index for t in traces[:-1]} == {1000}


def test_a_continuous_file_with_gaps_is_read_as_interrupted():
    edf = continuous()
    # Records 6 to 10 (the second stimulus) really began an hour later.
    for r in range(5, 10):
        onset = float(edf.tals[r].split(b"\x14")[0])
        edf.tals[r] = edf.tals[r].replace(f"+{onset:g}".encode(), f"+{onset + 3600:g}".encode(), 1)
        edf.tals[r] = edf.tals[r].replace(b"+0.637", b"+3600.637")
    recording = recording_of(edf)
    assert "the records leave gaps" in decision(recording, "sweeps").reason
    for trace in recording.traces:
        expected = {"wrist": 3.8, "elbow": 7.8}[trace.site.stimulation_site]
        assert onset_ms(trace) == pytest.approx(expected, abs=0.15)


def test_one_stimulus_per_record_in_a_continuous_file_is_one_sweep_per_record():
    edf = median_mnc(reserved="EDF+C", tals=[tal("+0", "", WRIST), tal("+0.05", "", ELBOW)])
    recording = recording_of(edf)
    assert [len(t.samples_mv) for t in recording.traces] == [1000, 1000]
    assert onset_ms(recording.traces[1]) == pytest.approx(7.8, abs=0.15)


def test_a_response_that_runs_into_the_next_record_is_not_cut():
    # An interrupted recording of 0.1 s records: the stimulus stands 5 ms before a record's end.
    edf = continuous(n_stimuli=2, gap_s=1.0, record_s=0.1, reserved="EDF+D")
    for trace in traces_of(edf):
        assert trace.samples_mv.max() == pytest.approx(7.2, abs=0.01)


def test_rates_whose_duration_does_not_fit_eight_characters_are_recovered():
    # 1000 samples at 30 kHz are 0.0333333... s.
    edf = median_mnc(record_s="0.033333")
    assert {t.sampling_rate_hz for t in traces_of(edf)} == {30_000.0}


def test_signals_of_other_rates_and_units_do_not_disturb():
    edf = median_mnc()
    edf.signals.append(
        Signal(np.full((2, 1), 33.1), label="Temp hand", dimension="degC", limits=(0, 50))
    )
    recording = recording_of(edf)
    assert len(recording.traces) == 2
    assert decision(recording, "signals").choice == "1 of 2"
    assert decision(recording, "temperature").choice == "33.1 degree C"


def test_several_muscles_give_traces_for_each():
    edf = median_mnc()
    edf.signals.append(Signal(0.5 * edf.signals[0].physical, label="R ADM"))
    recording = recording_of(edf)
    assert [t.site.muscle for t in recording.traces] == ["apb", "apb", "adm", "adm"]
    assert {t.site.nerve for t in recording.traces} == {"median"}
    # Whose response the machine measured is not stated.
    assert {t.machine for t in recording.traces} == {MachineValues()}


def test_muscles_may_have_different_sampling_rates():
    edf = median_mnc()
    edf.signals.append(Signal(edf.signals[0].physical[:, ::2], label="R ADM"))
    rates = {t.site.muscle: t.sampling_rate_hz for t in traces_of(edf)}
    assert rates == {"apb": 20_000.0, "adm": 10_000.0}


def test_bdf_plus_is_read_with_24_bits():
    edf = median_mnc(
        sample_bytes=3, reserved="BDF+D", digital=(-8388608, 8388607), limits=(-50, 50)
    )
    wrist, elbow = traces_of(edf)
    assert wrist.samples_mv.max() == pytest.approx(7.2, abs=1e-5)
    assert onset_ms(elbow) == pytest.approx(7.8, abs=0.15)


# ------------------------------------------------------------------ spellings


@pytest.mark.parametrize(
    ("field", "label", "expected"),
    [
        (MNC_FIELD, "R APB", ("median", "right", "apb", "motor")),
        (
            "Startdate 01-JAN-2002 emg1 jop N1 MNC_L_Median_Nerve",
            "NC L_APB",
            ("median", "left", "apb", "motor"),
        ),
        ("Startdate X X X X MNC R Ulnar Nerve", "EMG R ADM", ("ulnar", "right", "adm", "motor")),
        (
            "Startdate X X X X MNC R Musculocutaneous Nerve",
            "EMG R_Biceps_Bra",
            ("musculocutaneous", "right", "biceps", "motor"),
        ),
        ("Startdate X X X X", "EMG L_Biceps_Bra", ("musculocutaneous", "left", "biceps", "motor")),
        ("Startdate X X X X", "EMG RAbdPolBrev", ("median", "right", "apb", "motor")),
        (
            "Startdate X X X X SNC_L_Median_Nerve",
            "NC Second Finger",
            ("median", "left", "digit2", "sensory"),
        ),
        ("Startdate X X X X MNC left radial nerve", "EIP", ("radial", "left", "eip", "motor")),
        ("Startdate X X X X MNC Ulnar R", "Thenar", ("ulnar", "right", "apb", "motor")),
        ("Startdate X X X X right tibial nerve study", "AH", ("tibial", "right", "ah", "motor")),
        (
            "Startdate X X X X MNC R Median Nerve F-wave",
            "R APB",
            ("median", "right", "apb", "f_wave"),
        ),
    ],
)
def test_nerve_side_muscle_and_kind_are_read_in_every_spelling(field, label, expected):
    texts = {
        "musculocutaneous": ("axilla", "erb"),
        "tibial": ("ankle", "popliteal fossa"),
        "radial": ("forearm", "elbow"),
    }.get(expected[0], ("wrist", "elbow"))
    tals = [tal("+0", "", f"Stimulus {texts[0]}"), tal("+10", "", f"Stimulus {texts[1]}")]
    first = traces_of(median_mnc(recording=field, label=label, tals=tals))[0]
    assert (first.site.nerve, first.site.side, first.site.muscle, first.kind) == expected


def test_initials_of_a_technician_are_no_nerve():
    # "Per" is an alias of the peroneal nerve, "Med" of the median one.
    field = "Startdate X X Per Med"
    edf = median_mnc(
        recording=field,
        label="R ADM",
        tals=[tal("+0", "", "Stimulus wrist"), tal("+10", "", "Stimulus elbow")],
    )
    assert {t.site.nerve for t in traces_of(edf)} == {"ulnar"}


@pytest.mark.parametrize(
    ("text", "site", "side", "duration", "current", "distance"),
    [
        (
            "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site",
            "wrist",
            "right",
            0.2,
            8.2,
            65.0,
        ),
        (
            "STIMULUS  Right   Wrist 0.2 ms x 8.2 mA at 6.5 cm from recording site",
            "wrist",
            "right",
            0.2,
            8.2,
            65.0,
        ),
        (
            "stimulus left below elbow 0.1ms x 20mA at 28cm from recording site",
            "below_elbow",
            "left",
            0.1,
            20.0,
            280.0,
        ),
        ("Stimulus right B. Elbow 200us x 20mA at 280mm", "below_elbow", "right", 0.2, 20.0, 280.0),
        ("Stimulus wrist", "wrist", None, None, None, None),
        ("Stimulus wrist -20mA -6.5cm", "wrist", None, None, 20.0, 65.0),
        ("Stimulus_elbow", "elbow", None, None, None, None),
        ("wrist", "wrist", None, None, None, None),
        ("R wrist", "wrist", "right", None, None, None),
        ("Erb's point", "erb", None, None, None, None),
        ("Stim: axilla (left) 45 mA", "axilla", "left", None, 45.0, None),
        ("右 腕", "wrist", "right", None, None, None),
        ("popliteal fossa", "popliteal_fossa", None, None, None, None),
    ],
)
def test_stimulus_texts_are_read_tolerantly(text, site, side, duration, current, distance):
    from ncs_cb.readers._shared.stimuli import stimulus

    said = stimulus(text)
    assert (said.site, said.side) == (site, side)
    assert (said.duration_ms, said.intensity_ma, said.distance_mm) == (duration, current, distance)


@pytest.mark.parametrize(
    "text",
    [
        "technician left the room",
        "Stimulator on",
        "Mrs Wrist",
        "",
        "stim off",
        "A" * 1000,
        "Recording started",
        "patient moved wrist",
    ],
)
def test_other_texts_are_never_a_site(text):
    from ncs_cb.readers._shared.stimuli import stimulus

    assert stimulus(text) is None


def test_plain_site_names_are_stimuli():
    edf = median_mnc(tals=[tal("+0", "", "wrist"), tal("+10", "", "Elbow")])
    assert sites(traces_of(edf)) == ["wrist", "elbow"]


def test_the_stimulus_may_name_the_nerve():
    tals = [
        tal("+0", "", "Stimulus right ulnar nerve at wrist 20mA, 7 cm"),
        tal("+10", "", "Stimulus Median Nerve right elbow 0.2ms \xd7 15.3mA (supramaximal)"),
    ]
    edf = median_mnc(recording="Startdate X X X X", label="EMG-1", tals=tals)
    ulnar, median = traces_of(edf, muscle="apb")
    assert (ulnar.site.nerve, ulnar.site.stimulation_site) == ("ulnar", "wrist")
    assert (median.site.nerve, median.site.stimulation_site) == ("median", "elbow")
    assert (ulnar.stimulus.distance_mm, median.stimulus.intensity_ma) == (70.0, 15.3)
    assert median.stimulus.is_supramaximal is True
    with pytest.raises(StudyError, match="the stimuli name several: median, ulnar"):
        traces_of(edf, muscle="apb", nerve="median")


def test_a_series_of_voltages_is_no_set_of_repeats():
    rows = np.array([-cmap(TIME_MS, 3.8, 7.0)] * 3)
    tals = [
        tal(f"+{10 * i}", "", f"Stimulus right wrist 0.2ms x {v}V")
        for i, v in enumerate((50, 60, 60))
    ]
    groups = [t.repeat_group for t in traces_of(Edf([Signal(rows)], tals))]
    assert groups[0] is None
    assert groups[1] == groups[2] is not None


def test_equal_texts_are_repeats_and_other_intensities_are_not():
    # EDF+ 2.2.4: the same stimulus has the same, unique annotation text.
    texts = [WRIST, WRIST, WRIST.replace("8.2mA", "9.2mA"), ELBOW]
    rows = np.array([-cmap(TIME_MS, 3.8, 7.0)] * 3 + [-cmap(TIME_MS, 7.8, 7.0)])
    tals = [tal(f"+{10 * i}", "", text) for i, text in enumerate(texts)]
    groups = [t.repeat_group for t in traces_of(Edf([Signal(rows)], tals))]
    assert groups[0] is not None
    assert groups == [groups[0], groups[0], None, None]
    assert [t.sweep for t in traces_of(Edf([Signal(rows)], tals))] == [0, 1, 2, 3]


def test_a_negative_distance_in_an_xml_note_is_refused():
    note = (
        "<EDF_XMLnote><Stimulus_elbow><position>right elbow</position>"
        '<distance unit="cm">-28.5</distance></Stimulus_elbow></EDF_XMLnote>'
    )
    tals = [tal("+0", "", WRIST), tal("+10", "", "Stimulus_elbow") + tal("+10", note)]
    with pytest.raises(StudyError, match="implausible"):
        traces_of(median_mnc(tals=tals, annotation_samples=400))


def test_xml_notes_define_the_stimulus():
    note = (
        '<EDF_XMLnote><Stimulus_elbow><duration unit="ms">0.2</duration><intensity '
        'mode="current" unit="mA">15.3</intensity><position>right elbow</position><distance '
        'mode="stimulus to recording" unit="cm">28.5</distance></Stimulus_elbow></EDF_XMLnote>'
    )
    values = (
        '<EDF_XMLnote><measurements><latency unit="ms">7.8</latency><amplitude mode="baseline to '
        'peak" unit="mV">7.2</amplitude><velocity mode="segmental" unit="m/s">55.0</velocity>'
        "</measurements></EDF_XMLnote>"
    )
    edf = median_mnc(
        tals=[
            tal("+0", "", WRIST),
            tal("+10", "", "Stimulus_elbow") + tal("+10", note) + tal("+10.0078", values),
        ],
        annotation_samples=400,
    )
    elbow = traces_of(edf)[1]
    assert elbow.site.stimulation_site == "elbow"
    assert elbow.stimulus.distance_mm == 285.0
    assert elbow.stimulus.intensity_ma == 15.3
    assert elbow.stimulus.duration_ms == 0.2
    assert elbow.machine == MachineValues(7.8, 7.2, 55.0)


def test_a_stimulus_named_by_a_letter_is_defined_by_its_note():
    note = (
        '<EDF_XMLnote><StimA><position>left wrist</position><distance unit="cm">14</distance>'
        "</StimA></EDF_XMLnote>"
    )
    edf = median_mnc(
        recording="Startdate X X X X SNC_L_Median_Nerve",
        label="NC Second Finger",
        tals=[tal("+0", "", "StimA", note), tal("+60", "", "StimA")],
        annotation_samples=200,
    )
    first, second = traces_of(edf)
    assert (first.site.stimulation_site, first.stimulus.distance_mm) == ("wrist", 140.0)
    assert second.site.stimulation_site == "wrist"
    assert first.kind == "sensory"


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><EDF_XMLnote>&b;</EDF_XMLnote>',
        '<EDF_XMLnote><!ENTITY x SYSTEM "file:///etc/passwd"></EDF_XMLnote>',
        "<EDF_XMLnote>" + "<a>" * 2000 + "</EDF_XMLnote>",
        "<EDF_XMLnote>" + "a" * 9000 + "</EDF_XMLnote>",
        "<EDF_XMLnote><Stimulus_elbow></EDF_XMLnote>",
    ],
)
def test_hostile_xml_is_text_and_nothing_more(bomb):
    edf = median_mnc(
        tals=[tal("+0", "", WRIST, bomb), tal("+10", "", ELBOW)], annotation_samples=5000
    )
    recording = recording_of(edf)
    assert sites(recording.traces) == ["wrist", "elbow"]
    assert decision(recording, "notes").reason.startswith("1 free annotation")


# ------------------------------------------------------------------ what study.toml says wins


def test_study_toml_overrides_the_file():
    edf = median_mnc(recording="Startdate X X X X", label="CH1")
    traces = traces_of(edf, nerve="ulnar", side="left", muscle="adm")
    assert {(t.site.nerve, t.site.side, t.site.muscle) for t in traces} == {
        ("ulnar", "left", "adm")
    }


def test_a_told_polarity_is_not_second_guessed():
    up = traces_of(median_mnc(), polarity="negative_up")[0]
    assert up.samples_mv.min() == pytest.approx(-7.2, abs=0.0245)


# ------------------------------------------------------------------ bad input


def test_no_stimulus_is_a_study_error_that_says_what_is_expected():
    with pytest.raises(StudyError, match="no stimulus") as caught:
        traces_of(median_mnc(tals=[tal("+0", ""), tal("+10", "")], limits=(-1e4, 1e4)))
    assert "Stimulus right wrist" in str(caught.value)


def test_an_unknown_site_names_the_known_ones_and_the_nearest():
    wrong = "Stimulus right elbw 0.2ms x 15.3mA"
    tals = [tal("+0", "", wrong), tal("+10", "", wrong)]
    with pytest.raises(StudyError, match="unknown stimulation site 'elbw'") as caught:
        traces_of(median_mnc(tals=tals))
    assert "below_elbow" in str(caught.value)
    assert "Did you mean 'elbow'?" in str(caught.value)


def test_misspelt_plain_sites_alone_are_an_error_that_names_the_nearest():
    with pytest.raises(StudyError, match="Did you mean 'elbow'"):
        traces_of(median_mnc(tals=[tal("+0", "", "elbw"), tal("+10", "", "elbw")]))


@pytest.mark.parametrize("remark", ["hello", "wirst", "elbw"])
def test_a_remark_beside_a_stimulus_is_a_remark_whatever_it_resembles(remark):
    edf = median_mnc(tals=[tal("+0", "", WRIST, remark), tal("+10", "", ELBOW)])
    assert sites(traces_of(edf)) == ["wrist", "elbow"]


def test_a_site_that_the_nerve_does_not_have_is_an_error():
    with pytest.raises(StudyError, match="'ankle' for median"):
        traces_of(median_mnc(tals=[tal("+0", "", "wrist"), tal("+10", "", "ankle")]))


def test_an_unknown_muscle_or_nerve_is_an_error_that_quotes_no_label():
    with pytest.raises(StudyError, match="known: apb") as caught:
        traces_of(median_mnc(label="NC R Mueller"))
    assert "Mueller" not in str(caught.value)
    edf = median_mnc(
        recording="Startdate X X X X",
        label="R D1",
        tals=[tal("+0", "", "wrist"), tal("+10", "", "elbow")],
    )
    with pytest.raises(StudyError, match="the nerve is not stated; known: median"):
        traces_of(edf)


def test_contradicting_sides_are_an_error():
    with pytest.raises(StudyError, match="contradict"):
        traces_of(median_mnc(label="L APB"))


def test_a_missing_side_is_an_error():
    edf = median_mnc(
        recording="Startdate X X X X MNC Median Nerve",
        label="APB",
        tals=[tal("+0", "", "wrist"), tal("+10", "", "elbow")],
    )
    with pytest.raises(StudyError, match="side is not stated"):
        traces_of(edf)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"n_records": 3}, "truncated"),
        ({"n_records": 1}, "longer than its header says"),
        ({"n_records": 0}, "not closed"),
        ({"n_records": 99999999}, "allowed"),
        ({"n_records": "two"}, "not a whole number"),
        ({"header_bytes": 512}, "2 signals need 768"),
        ({"header_bytes": 99999999}, "allowed"),
        ({"n_signals": 9999}, "allowed"),
        ({"n_signals": 3}, "need 1024"),
        ({"record_s": "0"}, "duration is 0"),
        ({"record_s": "-0.05"}, "duration is -0.05"),
        ({"record_s": "nan"}, "not a number"),
        ({"record_s": "1e99"}, "samples per second"),
        ({"record_s": "50"}, "20 samples per second"),
        ({"record_s": "0,0,5"}, "not a number"),
        ({"version": "1"}, "not an EDF"),
    ],
)
def test_a_lying_header_is_a_read_error(lie, message):
    with pytest.raises(ReadError, match=message):
        traces_of(median_mnc(overrides=lie))


@pytest.mark.parametrize("limits", [(5, 5), ("", 100), ("a", 100), ("nan", 1), ("inf", 1)])
def test_physical_limits_without_a_scale_are_refused(limits):
    edf = median_mnc()
    data = bytearray(edf.to_bytes())
    data[464:472] = str(limits[0]).encode().ljust(8)
    data[480:488] = str(limits[1]).encode().ljust(8)
    with pytest.raises(ReadError):
        traces_of(bytes(data))


def test_digital_maximum_must_exceed_the_minimum():
    data = bytearray(median_mnc().to_bytes())
    data[496:504], data[512:520] = b"2047    ", b"-2048   "
    with pytest.raises(ReadError, match="not above digital minimum"):
        traces_of(bytes(data))


def test_samples_outside_the_digital_range_mean_a_wrong_scale():
    data = bytearray(median_mnc().to_bytes())
    data[512:520] = b"10      "
    data[496:504] = b"-10     "
    with pytest.raises(ReadError, match="outside the digital range"):
        traces_of(bytes(data))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 511, 767, 768, 2000, 2887])
def test_a_truncated_or_empty_file_is_a_read_error(size, tmp_path):
    path = tmp_path / "cut.edf"
    path.write_bytes(median_mnc().to_bytes()[:size])
    with pytest.raises(ReadError, match=r"cut\.edf"):
        read_study(path)


@pytest.mark.parametrize("far", ["6500cm", "-6.5cm", "-65 mm"])
def test_an_implausible_distance_is_refused(far):
    with pytest.raises(StudyError, match="implausible"):
        traces_of(
            median_mnc(
                tals=[tal("+0", "", f"Stimulus right wrist at {far}"), tal("+10", "", ELBOW)]
            )
        )

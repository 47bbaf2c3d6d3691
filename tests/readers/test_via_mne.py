"""Files that MNE opens, and MNE objects in memory."""

from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from ncs_cb import ReadError, StudyError, UnitError, read_study, study_from_epochs
from readers.handmade import cmap, onset_ms

RATE = 20_000.0
SITES = ("wrist", "elbow")
ONSETS = {"wrist": 3.8, "elbow": 7.8}


def info(names=("NC R APB",), rate=RATE):
    return mne.create_info(list(names), rate, "emg")


def raw(sign=-1.0, names=("NC R APB",), texts=None, scale=1e-3):
    time_ms = np.arange(round(2 * RATE)) * 1000 / RATE
    signal = np.zeros(len(time_ms))
    at_s = [0.2, 0.7, 1.2, 1.7]
    for i, start in enumerate(at_s):
        signal += sign * cmap(time_ms, start * 1000 + ONSETS[SITES[i % 2]], 7.2)
    made = mne.io.RawArray(np.array([signal] * len(names)) * scale, info(names), verbose="error")
    texts = texts or [f"Stimulus right {SITES[i % 2]} 0.2ms x 8.2mA at 7cm" for i in range(4)]
    made.set_annotations(mne.Annotations(at_s[: len(texts)], 0.0, texts))
    return made


def epochs(sign=-1.0, names=("EMG",), tmin=-0.002, metadata=True, event_id=None):
    time_ms = np.arange(round(-tmin * RATE) + 1000) * 1000 / RATE + tmin * 1000
    rows = [sign * cmap(time_ms, ONSETS[SITES[i % 2]], 7.2) for i in range(4)]
    data = np.array([[row] * len(names) for row in rows]) * 1e-3
    events = np.array([[i * 1000, 0, 1 + i % 2] for i in range(4)])
    table = (
        pd.DataFrame(
            {
                "site": [SITES[i % 2] for i in range(4)],
                "stimulus_ma": [8.0, 15] * 2,
                "distance_mm": [65.0, 285] * 2,
            }
        )
        if metadata
        else None
    )
    return mne.EpochsArray(
        data,
        info(names),
        events,
        tmin,
        event_id or {"S1": 1, "S2": 2},
        metadata=table,
        verbose="error",
    )


def assert_sites_have_their_own_latency(traces, n=4):
    assert len(traces) == n
    for trace in traces:
        expected = ONSETS[trace.site.stimulation_site]
        assert onset_ms(trace) == pytest.approx(expected, abs=0.15)
        assert trace.samples_mv.max() == pytest.approx(7.2, rel=0.01)


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_fif_recording_is_cut_around_its_annotations(tmp_path, sign):
    raw(sign).save(tmp_path / "visit_raw.fif", verbose="error")
    study = read_study(tmp_path / "visit_raw.fif")
    assert_sites_have_their_own_latency(study.traces)
    first = study.traces[0]
    assert (first.site.nerve, first.site.side, first.site.muscle) == ("median", "right", "apb")
    assert (first.stimulus.intensity_ma, first.stimulus.distance_mm) == (8.2, 70.0)
    assert first.repeat_group is not None
    # Half the sampling rate is what MNE says when the filter is unknown.
    assert (first.high_pass_hz, first.low_pass_hz) == (None, None)


def test_a_cropped_recording_keeps_its_stimuli_where_they_are(tmp_path):
    raw().crop(0.5, None).save(tmp_path / "visit_raw.fif", verbose="error")
    assert_sites_have_their_own_latency(read_study(tmp_path / "visit_raw.fif").traces, n=3)


def test_a_sweep_never_runs_across_a_break(tmp_path):
    made = raw()
    made.set_annotations(made.annotations + mne.Annotations(0.23, 0, "BAD boundary"))
    made.save(tmp_path / "visit_raw.fif", verbose="error")
    lengths = [
        len(t.samples_mv) - t.stimulus_index for t in read_study(tmp_path / "visit_raw.fif").traces
    ]
    assert lengths == [600, 2000, 2000, 2000]


def test_fif_epochs_and_evoked_are_read(tmp_path):
    made = epochs(names=("R APB",))
    made.save(tmp_path / "visit-epo.fif", verbose="error")
    study = read_study(tmp_path / "visit-epo.fif")
    assert_sites_have_their_own_latency(study.traces)
    assert {t.stimulus_index for t in study.traces} == {40}
    evoked = []
    for name, site in (("S1", "wrist"), ("S2", "elbow")):
        one = made[name].average(picks="emg")
        one.comment = site
        evoked.append(one)
    mne.write_evokeds(tmp_path / "visit-ave.fif", evoked, verbose="error")
    assert_sites_have_their_own_latency(read_study(tmp_path / "visit-ave.fif").traces, n=2)


@pytest.mark.filterwarnings("ignore:Encountered unsupported voltage units")
@pytest.mark.parametrize("unit", ["µV", "mV"])
def test_brainvision_is_read_with_its_units(tmp_path, unit):
    pybv = pytest.importorskip("pybv")
    data = raw().get_data()
    events = [
        {
            "onset": round(s * RATE),
            "duration": 1,
            "type": "Comment",
            "description": f"Stimulus right {SITES[i % 2]}",
        }
        for i, s in enumerate([0.2, 0.7, 1.2, 1.7])
    ]
    pybv.write_brainvision(
        data=data,
        sfreq=RATE,
        ch_names=["R APB"],
        fname_base="visit",
        folder_out=str(tmp_path),
        events=events,
        unit=unit,
        resolution=1e-6 if unit == "mV" else 0.01,
    )
    study = read_study(tmp_path)
    assert_sites_have_their_own_latency(study.traces)
    assert [s.reader for s in study.sources] == ["via_mne"] + ["via_mne companion"] * 2
    header = tmp_path / "visit.vhdr"
    header.write_text(header.read_text("utf-8").replace(f",{unit}", ",mv"), "utf-8")
    with pytest.raises(UnitError, match="unknown voltage unit 'mv'"):
        read_study(header)


def test_edf_never_goes_through_mne(tmp_path):
    from ncs_cb.readers import READERS, Input

    (via_mne,) = (r for r in READERS if r.name == "via_mne")
    for suffix in (".edf", ".bdf"):
        path = tmp_path / f"x{suffix}"
        assert not via_mne.claims(Input(path, path.name, b"0       "))


@pytest.mark.parametrize("size", [0, 10, 1000, 20_000])
def test_a_truncated_fif_file_is_a_read_error(tmp_path, size):
    path = tmp_path / "visit_raw.fif"
    raw().save(path, verbose="error")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ReadError):
        read_study(path)


def test_a_recording_without_stimuli_or_names_is_a_study_error(tmp_path):
    raw(texts=["hello", "elbw"]).save(tmp_path / "a_raw.fif", verbose="error")
    with pytest.raises(StudyError, match=r"nearly the name of a site.*Did you mean 'elbow'"):
        read_study(tmp_path / "a_raw.fif")
    raw(names=("CH1", "CH2")).save(tmp_path / "b_raw.fif", verbose="error")
    with pytest.raises(StudyError, match="none of 2 channels"):
        read_study(tmp_path / "b_raw.fif")


def test_volts_that_were_millivolts_are_refused(tmp_path):
    raw(scale=1.0).save(tmp_path / "a_raw.fif", verbose="error")
    with pytest.raises(UnitError, match="100 mV"):
        read_study(tmp_path / "a_raw.fif")


def test_subject_info_is_never_looked_at(tmp_path):
    made = raw()
    made.info["subject_info"] = {"last_name": "Mueller", "his_id": "TEST-0001"}
    made.info["experimenter"] = "Zweig"
    made.save(tmp_path / "a_raw.fif", verbose="error")
    text = repr(read_study(tmp_path / "a_raw.fif", keep_identity=False))
    assert not any(secret in text for secret in ("Mueller", "TEST-0001", "Zweig"))


# ------------------------------------------------------------------ objects in memory


def test_epochs_with_metadata_become_a_study():
    made = epochs()
    before = made.get_data().copy()
    study = study_from_epochs(
        made, nerve="Median Nerve", side="right", muscle="thenar", study_id="p1"
    )
    assert study.study_id == "p1"
    assert_sites_have_their_own_latency(study.traces)
    first = study.traces[0]
    assert (first.stimulus.distance_mm, first.stimulus.intensity_ma) == (65.0, 8.0)
    assert first.stimulus_index == 40
    assert first.repeat_group == study.traces[2].repeat_group is not None
    assert [d.topic for d in study.decisions] == ["polarity"]
    np.testing.assert_array_equal(before, made.get_data())


def test_sites_may_be_mapped_from_event_names():
    study = study_from_epochs(
        epochs(sign=1.0, metadata=False),
        nerve="ulnar",
        side="left",
        muscle="adm",
        sites={"S1": "wrist", "S2": "elbow"},
        distances_mm={"wrist": 70, "elbow": 300},
        polarity="negative_up",
        kind="f_wave",
    )
    assert_sites_have_their_own_latency(study.traces)
    assert {t.stimulus.distance_mm for t in study.traces} == {70.0, 300.0}
    assert {t.kind for t in study.traces} == {"f_wave"}


def test_event_names_may_be_the_sites_themselves():
    made = epochs(metadata=False, event_id={"wrist": 1, "elbow": 2})
    study = study_from_epochs(made, nerve="median", side="right", muscle="apb")
    assert_sites_have_their_own_latency(study.traces)


def test_evoked_responses_are_named_by_their_comment():
    made = epochs(metadata=False)
    evoked = [made[name].average(picks="emg") for name in ("S1", "S2")]
    for one, site in zip(evoked, SITES, strict=True):
        one.comment = site
    study = study_from_epochs(evoked, nerve="median", side="right", muscle="apb")
    assert_sites_have_their_own_latency(study.traces, n=2)
    lone = study_from_epochs(evoked[0], nerve="median", side="right", muscle="apb")
    assert len(lone.traces) == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"nerve": "unlar"}, StudyError, "Did you mean 'ulnar'"),
        ({"sites": {"S1": "wrist"}}, StudyError, "no entry for event 'S2'"),
        ({"sites": {"S1": "wrist", "S2": "elbw"}}, StudyError, "Did you mean 'elbow'"),
        (
            {"channel": "X", "sites": {"S1": "wrist", "S2": "elbow"}},
            StudyError,
            "unknown channel 'X'; known: EMG",
        ),
        ({"side": "up"}, ValueError, "'left' or 'right'"),
        ({"polarity": "up"}, ValueError, "negative_up"),
        ({"sites": {"S1": "wrist", "S2": "ankle"}}, StudyError, "'ankle' for median"),
    ],
)
def test_a_wrong_argument_says_what_is_allowed(change, error, message):
    given = {"nerve": "median", "side": "right", "muscle": "apb"} | change
    with pytest.raises(error, match=message):
        study_from_epochs(epochs(metadata=False, event_id=None), **given)


def test_several_channels_need_a_name():
    made = epochs(names=("CH1", "CH2"))
    with pytest.raises(StudyError, match="channel="):
        study_from_epochs(made, nerve="median", side="right", muscle="apb")
    study = study_from_epochs(made, nerve="median", side="right", muscle="apb", channel="CH2")
    assert len(study.traces) == 4


def test_no_epoch_is_a_study_error():
    with pytest.raises(StudyError, match="no response"):
        study_from_epochs([], nerve="median", side="right", muscle="apb")

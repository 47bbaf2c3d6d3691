"""The public names of ``ncs_cb``: signatures, paths in place of studies, texts of one line."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import NcsError, StudyError, UnitError
from ncs_cb.readers.sweep_table import write_sweep_table
from readers.handmade import cmap
from readers.studies import arm

TIME_MS = (np.arange(1200) - 20) / 20.0
SAMPLES = np.array([cmap(TIME_MS, onset, mv) for onset, mv in ((3.0, 9.0), (6.8, 8.6), (8.9, 3.0))])
LABELS = pd.DataFrame(
    {
        "nerve": "N. ulnaris",
        "side": "R",
        "muscle": "ADM",
        "site": ["wrist", "B. Elbow", "A. Elbow"],
        "distance_mm": [70, 280, 380],
        "supramaximal": ["yes", "no", None],
    },
    index=[7, 5, 3],
)
AT = {"sampling_rate_hz": 20_000, "stimulus_index": 20}

SIGNATURES = {
    "read_study": ["path"],
    "analyze": ["study", "criteria"],
    "analyze_many": ["studies", "criteria"],
    "studies_from_table": ["frame"],
    "study_from_arrays": ["samples_mv", "labels"],
    "load_result": ["path"],
    "write_report": ["result", "folder"],
    "measure_traces": ["samples_mv"],
    "judge": ["segments", "criteria"],
    "estimate_block": ["distal_mv", "proximal_mv"],
    "plot_traces": ["samples_mv", "frame"],
}
KEYWORDS = {
    "studies_from_table": {"layout"},
    "study_from_arrays": {"sampling_rate_hz", "stimulus_index"},
    "analyze": {"reference", "supramaximal"},
    "analyze_many": {"reference", "supramaximal"},
    "judge": {"reference", "vary"},
    "measure_traces": {"sampling_rate_hz", "stimulus_index"},
    "estimate_block": {"sampling_rate_hz", "stimulus_index"},
    "write_report": {"formats"},
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_each_public_function_is_called_as_the_contract_says(name):
    parameters = inspect.signature(getattr(ncs_cb, name)).parameters
    by_place = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(by_place) >= len(SIGNATURES[name])
    assert name in ncs_cb.__all__
    assert KEYWORDS.get(name, set()) <= set(parameters)


def test_a_public_name_stays_what_it_is_however_often_and_whatever_is_loaded():
    import importlib
    import pkgutil

    for module in pkgutil.iter_modules(ncs_cb.__path__):
        if module.name != "__main__":
            importlib.import_module(f"ncs_cb.{module.name}")
    for name in ncs_cb.__all__:
        if name not in ("review", "simulate"):
            assert not inspect.ismodule(getattr(ncs_cb, name)), name
            assert getattr(ncs_cb, name) is getattr(ncs_cb, name)


@pytest.fixture
def visit(tmp_path):
    write_sweep_table(arm(), tmp_path / "visit")
    return tmp_path / "visit"


# ------------------------------------------------------------------------- paths


def test_a_path_is_read_and_analyzed_like_its_study(visit):
    by_path = ncs_cb.analyze(visit)
    by_study = ncs_cb.analyze(ncs_cb.read_study(visit))
    pd.testing.assert_frame_equal(by_path.verdicts, by_study.verdicts)
    assert ncs_cb.analyze(str(visit)).study.study_id == "visit"


def test_several_are_analyzed_whether_studies_or_paths(visit):
    results = ncs_cb.analyze_many([visit, ncs_cb.read_study(visit), str(visit)])
    assert [len(result.traces) for result in results] == [3, 3, 3]


def test_one_path_of_a_table_gives_every_study_in_it(tmp_path):
    head = "study_id,nerve,side,muscle,stimulation_site,negative_peak_amplitude_mv\n"
    rows = [f"{who},ulnar,right,adm,wrist,{mv}\n" for who, mv in (("a", 9), ("b", 8), ("c", 7))]
    (tmp_path / "all.csv").write_text(head + "".join(rows))
    results = ncs_cb.analyze_many(tmp_path / "all.csv")
    assert [result.study.study_id for result in results] == ["a", "b", "c"]
    with pytest.raises(StudyError, match="holds 3 studies"):
        ncs_cb.analyze(tmp_path / "all.csv")


def test_a_list_given_to_analyze_and_an_array_say_what_to_call(visit):
    with pytest.raises(StudyError, match="analyze_many takes several"):
        ncs_cb.analyze([visit])
    with pytest.raises(StudyError, match="study_from_arrays"):
        ncs_cb.analyze_many([SAMPLES])


def test_a_path_is_judged_with_all_that_is_known_of_its_study(visit):
    result = ncs_cb.analyze(visit)
    pd.testing.assert_frame_equal(ncs_cb.judge(visit), result.verdicts)
    one = ncs_cb.judge(visit, ["efns_pns_2010"])
    assert set(one["criteria"]) == {"efns_pns_2010"}
    varied = ncs_cb.judge(visit, ["efns_pns_2010"], vary={"area_50": [30, 60]})
    assert set(varied["varied"]) == {30.0, 60.0}


def test_a_laboratorys_habits_hold_where_the_call_says_nothing(visit):
    (visit.parent / "lab.toml").write_text(
        '[defaults]\ncriteria = ["partial_block_20pct"]\nsupramaximal = true\n'
    )
    result = ncs_cb.analyze(visit)
    assert set(result.verdicts["criteria"]) == {"partial_block_20pct"}
    assert set(ncs_cb.judge(visit)["criteria"]) == {"partial_block_20pct"}
    asked = ncs_cb.analyze(visit, ["efns_pns_2010"])
    assert set(asked.verdicts["criteria"]) == {"efns_pns_2010"}


def test_compare_follows_the_laboratory_of_its_visits(visit, tmp_path):
    from ncs_cb import cli

    write_sweep_table(arm(), tmp_path / "later")
    (tmp_path / "lab.toml").write_text('[defaults]\ncriteria = ["partial_block_20pct"]\n')
    out = tmp_path / "out"
    words = ["compare", str(visit), str(tmp_path / "later"), "--out", str(out), "--format", "json"]
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert not end.value.code
    (record,) = out.rglob("*.json")
    assert '"partial_block_20pct"' in record.read_text("utf-8")
    assert '"efns_pns_2010"' not in record.read_text("utf-8")


def test_what_is_attested_by_the_call_reaches_every_study():
    labels = LABELS.drop(columns="supramaximal")
    studies = [ncs_cb.study_from_arrays(SAMPLES, labels, **AT) for _ in range(2)]
    plain, attested = (
        ncs_cb.analyze_many(studies, ["partial_block_20pct"], supramaximal=said)
        for said in (False, True)
    )
    assert {v for r in plain for v in r.verdicts["technical_validity"]} == {"not_attested"}
    assert {v for r in attested for v in r.verdicts["technical_validity"]} == {"attested"}


# ------------------------------------------------------------------------- arrays


def test_arrays_with_labels_are_a_study():
    given = SAMPLES.copy()
    study = ncs_cb.study_from_arrays(given, LABELS, **AT)
    assert [t.site.stimulation_site for t in study.traces] == [
        "wrist",
        "below_elbow",
        "above_elbow",
    ]
    assert {(t.site.nerve, t.site.side, t.site.muscle) for t in study.traces} == {
        ("ulnar", "right", "adm")
    }
    assert [t.stimulus.is_supramaximal for t in study.traces] == [True, False, None]
    assert [t.stimulus.distance_mm for t in study.traces] == [70.0, 280.0, 380.0]
    given[:] = 0.0
    assert study.traces[0].samples_mv.max() > 8
    measured = ncs_cb.measure_traces(SAMPLES, **AT)
    result = ncs_cb.analyze(study)
    np.testing.assert_array_equal(
        result.traces["negative_peak_amplitude_mv"], measured["negative_peak_amplitude_mv"]
    )


def test_arrays_give_what_the_same_samples_in_a_file_give(tmp_path):
    study = ncs_cb.study_from_arrays(SAMPLES, LABELS, **AT)
    write_sweep_table(study, tmp_path / "v")
    pd.testing.assert_frame_equal(
        ncs_cb.analyze(tmp_path / "v").segments.drop(columns="study_id"),
        ncs_cb.analyze(study).segments.drop(columns="study_id"),
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"site": ["wrist", "elbwo", "axilla"]}, "elbwo.*Did you mean 'elbow'"),
        ({"side": ["R", "R", "?"]}, "row 2, side: allowed: left, right"),
        ({"nerve": ["ulnar", None, "ulnar"]}, "row 1, nerve: is empty"),
        ({"distance_mm": [70, "far", 380]}, "row 1, distance_mm: must be a number"),
        ({"distance_mm": [70, 280, 38000]}, "distance_mm: 38000; plausible"),
        ({"supramaximal": ["maybe", None, None]}, "supramaximal: allowed: true, false"),
        ({"distance": [1, 2, 3]}, "unknown column 'distance'.*Did you mean 'distance_mm'"),
        ({"kind": ["motor", "motr", "motor"]}, "kind: 'motr'; allowed"),
    ],
)
def test_labels_that_cannot_be_are_refused_with_the_row(change, says):
    with pytest.raises((StudyError, ncs_cb.ReadError), match=says):
        ncs_cb.study_from_arrays(SAMPLES, LABELS.assign(**change), **AT)


def test_labels_and_traces_must_fit_each_other():
    with pytest.raises(StudyError, match="3 traces and 2 rows"):
        ncs_cb.study_from_arrays(SAMPLES, LABELS.iloc[:2], **AT)
    with pytest.raises(StudyError, match="missing columns: muscle"):
        ncs_cb.study_from_arrays(SAMPLES, LABELS.drop(columns="muscle"), **AT)
    with pytest.raises(StudyError, match="the same samples"):
        ncs_cb.study_from_arrays(SAMPLES[[0, 0, 1]], LABELS, **AT)
    with pytest.raises(UnitError):
        ncs_cb.study_from_arrays(SAMPLES * 1000, LABELS, **AT)
    with pytest.raises(ValueError, match="stimulus_index of trace 0"):
        ncs_cb.study_from_arrays(SAMPLES, LABELS, sampling_rate_hz=2e4, stimulus_index=20.5)


def test_turned_arrays_are_turned_back_and_other_columns_are_named():
    labels = LABELS.assign(room="3", patient_name="Doe")
    study = ncs_cb.study_from_arrays(-SAMPLES, labels, polarity="auto", **AT)
    assert study.traces[0].samples_mv.max() > 8
    said = {d.topic: d for d in study.decisions}
    assert said["columns"].reason == "room"
    assert said["polarity"].choice == "negative_down"
    assert "Doe" not in str(study.decisions)


def test_masked_and_missing_samples_are_unknown():
    masked = np.ma.masked_where(SAMPLES > 1e9, SAMPLES)
    masked[0, 100:140] = np.ma.masked
    study = ncs_cb.study_from_arrays(masked, LABELS, **AT)
    assert np.isnan(study.traces[0].samples_mv[100:140]).all()
    assert "non_finite_samples" in ncs_cb.analyze(study).traces["quality_flags"].iloc[0]


# ------------------------------------------------------------------------- measures


def test_measures_keep_the_index_of_a_data_frame_and_the_name_of_a_series():
    frame = pd.DataFrame(SAMPLES, index=["s1", "s2", "s3"])
    measured = ncs_cb.measure_traces(frame, **AT)
    assert list(measured.index) == ["s1", "s2", "s3"]
    plain = ncs_cb.measure_traces(SAMPLES, **AT)
    np.testing.assert_array_equal(measured["onset_latency_ms"], plain["onset_latency_ms"])
    assert list(plain.index) == [0, 1, 2]
    one = ncs_cb.measure_traces(frame.loc["s2"], **AT)
    assert list(one.index) == ["s2"]
    assert one["onset_latency_ms"].item() == measured.loc["s2", "onset_latency_ms"]
    each = pd.Series([20_000] * 3, index=["c", "b", "a"])
    again = ncs_cb.measure_traces(frame, sampling_rate_hz=each, stimulus_index=20)
    np.testing.assert_array_equal(again["onset_latency_ms"], plain["onset_latency_ms"])


def test_every_public_object_is_told_in_one_line(visit):
    study = ncs_cb.read_study(visit)
    result = ncs_cb.analyze(study)
    comparison = ncs_cb.compare([result, result])
    measured = ncs_cb.measure_traces(SAMPLES, **AT)
    for one in (study, result, comparison, study.traces[0], measured):
        text = repr(one)
        assert "\n" not in text
        assert len(text) < 200
    assert repr(measured).startswith("<Measures of 3 traces")
    assert len(str(measured).splitlines()) > 3
    assert "<table" in measured._repr_html_()
    assert "onset_latency_ms" in measured.describe().columns
    assert type(measured.head(2)) is pd.DataFrame
    assert "<" in result._repr_html_()


def test_traces_are_drawn_with_their_markers():
    from matplotlib import pyplot as plt

    flat = np.vstack([SAMPLES, np.zeros(1200)])
    measured = ncs_cb.measure_traces(pd.DataFrame(flat, index=["a", "b", "c", "none"]), **AT)
    figure = ncs_cb.plot_traces(flat, measured)
    texts = {text.get_text() for text in figure.findobj(plt.Text)}
    assert {"a", "b", "c", "none", "flat trace", "ms from the stimulus"} <= texts
    part = ncs_cb.plot_traces(SAMPLES[0], measured.iloc[:1])
    assert part is not figure
    with pytest.raises(ValueError, match="4 rows of measures"):
        ncs_cb.plot_traces(SAMPLES, measured)
    from_file = pd.DataFrame(measured).copy()
    from_file.attrs = {}
    with pytest.raises(ValueError, match="sampling_rate_hz is not known"):
        ncs_cb.plot_traces(flat, from_file)
    ncs_cb.plot_traces(flat, from_file, **AT)
    plt.close("all")


RAGGED = [[0.0] * 400, [0.0] * 390]


@pytest.mark.parametrize(
    "call",
    [
        lambda samples: ncs_cb.measure_traces(samples, **AT),
        lambda samples: ncs_cb.measure_f_waves(samples, **AT),
        lambda samples: ncs_cb.estimate_block(samples, samples, **AT),
        lambda samples: ncs_cb.study_from_arrays(samples, LABELS[:2], **AT),
        lambda samples: ncs_cb.plot_traces(samples, ncs_cb.measure_traces(SAMPLES[:2], **AT)),
    ],
)
def test_rows_of_unequal_length_are_refused_in_our_own_words(call):
    with pytest.raises(NcsError, match=r"_mv has rows of 390 to 400 samples.*one length"):
        call(RAGGED)
    with pytest.raises(NcsError, match=r"_mv (holds|must be numbers)"):
        call([["a", "b"], ["c", "d"]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: ncs_cb.measure_traces(SAMPLES, sampling_rate_hz=0, stimulus_index=20),
        lambda: ncs_cb.measure_traces(SAMPLES, sampling_rate_hz="fast", stimulus_index=20),
        lambda: ncs_cb.measure_traces(SAMPLES, sampling_rate_hz=20_000, stimulus_index=1.5),
        lambda: ncs_cb.measure_traces(SAMPLES[None], **AT),
        lambda: ncs_cb.measure_f_waves(SAMPLES, sampling_rate_hz=20_000, stimulus_index=-1),
        lambda: ncs_cb.estimate_block(SAMPLES[:2], SAMPLES, **AT),
        lambda: ncs_cb.estimate_block(SAMPLES, SAMPLES, sampling_rate_hz="x", stimulus_index=20),
        lambda: ncs_cb.study_from_arrays(SAMPLES, LABELS, polarity="up", **AT),
        lambda: ncs_cb.plot_traces(SAMPLES, ncs_cb.measure_traces(SAMPLES[:2], **AT)),
        lambda: ncs_cb.simulate.pairs(2, rng=np.random.default_rng(0), scenario="no such"),
    ],
)
def test_what_a_call_cannot_use_is_an_error_of_ours_and_a_value_error_as_before(call):
    with pytest.raises(NcsError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.message) > 20

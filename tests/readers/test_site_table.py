"""Site tables: numbers from machines that export no waveform."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ncs_cb import ReadError, StudyError, UnitError, read_study

HEAD = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms,negative_peak_duration_ms"
)
ROWS = [
    "ulnar,right,adm,wrist,70,2.8,9.1,28.5,5.9",
    "Ulnar Nerve,R,Hypothenar,B. Elbow,280,6.4,8.8,,6.1",
    "尺神经,右,ADM,above_elbow,380,8.3,n/a,27,6.2",
]


def put(folder, head=HEAD, rows=ROWS, separator=","):
    path = folder / "sites.csv"
    path.write_text("\n".join([head, *rows]).replace(",", separator) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_become_typed_responses_and_missing_values_stay_unknown(tmp_path, separator):
    study = read_study(put(tmp_path, separator=separator))
    assert not study.traces
    wrist, below, above = study.typed_responses
    assert {(r.site.nerve, r.site.side, r.site.muscle) for r in study.typed_responses} == {
        ("ulnar", "right", "adm")
    }
    assert [r.site.stimulation_site for r in study.typed_responses] == [
        "wrist", "below_elbow", "above_elbow",
    ]  # fmt: skip
    assert dict(wrist.values) == {
        "onset_latency_ms": 2.8, "negative_peak_amplitude_mv": 9.1,
        "negative_peak_area_mv_ms": 28.5, "negative_peak_duration_ms": 5.9,
    }  # fmt: skip
    assert below.stimulus.distance_mm == 280.0
    assert "negative_peak_area_mv_ms" not in below.values
    assert "negative_peak_amplitude_mv" not in above.values


def test_decimal_commas_are_read_between_semicolons(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text(HEAD.replace(",", ";") + "\nulnar;right;adm;wrist;70;2,8;9,1;28,5;5,9\n")
    assert read_study(path).typed_responses[0].values["onset_latency_ms"] == 2.8


def test_other_columns_of_the_traces_table_are_welcome(tmp_path):
    head = (
        "nerve,side,muscle,stimulation_site,total_negative_area_mv_ms,stimulus_ma,kind,low_pass_hz"
    )
    (row,) = read_study(
        put(tmp_path, head, ["median,L,APB,palm,31,12.5,sensory,3000"])
    ).typed_responses
    assert dict(row.values) == {"total_negative_area_mv_ms": 31.0}
    assert (row.kind, row.stimulus.intensity_ma, row.low_pass_hz) == ("sensory", 12.5, 3000.0)


@pytest.mark.parametrize(
    ("head", "row", "error", "message"),
    [
        (HEAD + ",onset_latncy", ROWS[0] + ",1", StudyError, "Did you mean 'onset_latency_ms'"),
        ("nerve,stimulation_site", "ulnar,wrist", StudyError, "missing column: side, muscle"),
        (HEAD, ROWS[0].replace("wrist", "wirst"), StudyError, "unknown stimulation site 'wirst'"),
        (HEAD, ROWS[0].replace("ulnar", "ulnaris x"), StudyError, "unknown nerve"),
        (HEAD, ROWS[0].replace("right", "both"), StudyError, "row 2, column 'side'"),
        (HEAD, ROWS[0].replace("wrist", "ankle"), StudyError, "'ankle' for ulnar"),
        (HEAD, ROWS[0].replace("9.1", "9100"), UnitError, "plausible: 0 to 100"),
        (HEAD, ROWS[0].replace("9.1", "-9.1"), ReadError, "plausible"),
        (HEAD, ROWS[0].replace("9.1", "inf"), UnitError, "plausible"),
        (HEAD, ROWS[0].replace("9.1", "much"), ReadError, "is not a number"),
        (HEAD, ROWS[0] + ",5", ReadError, "row 2 has 10 cells, the header has 9"),
        (HEAD, "", ReadError, "no row"),
    ],
)
def test_a_faulty_table_says_row_column_and_what_is_allowed(tmp_path, head, row, error, message):
    with pytest.raises(error, match=message):
        read_study(put(tmp_path, head, [row]))


def test_two_studies_in_one_table_are_refused(tmp_path):
    rows = ["a," + ROWS[0], "b," + ROWS[1]]
    with pytest.raises(StudyError, match="more than one study"):
        read_study(put(tmp_path, "study_id," + HEAD, rows))


def test_columns_that_name_a_person_are_dropped(tmp_path):
    study = read_study(put(tmp_path, HEAD + ",patient_name", [ROWS[0] + ",Anna Mueller"]))
    assert "Mueller" not in str(asdict(study))
    assert any(d.topic == "identity" for d in study.decisions)


def test_markup_in_a_cell_is_text_in_the_message(tmp_path):
    with pytest.raises(StudyError, match="unknown nerve '<script>"):
        read_study(put(tmp_path, HEAD, [ROWS[0].replace("ulnar", "<script>alert(1)</script>")]))

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
        "wrist",
        "below_elbow",
        "above_elbow",
    ]
    assert dict(wrist.values) == {
        "onset_latency_ms": 2.8,
        "negative_peak_amplitude_mv": 9.1,
        "negative_peak_area_mv_ms": 28.5,
        "negative_peak_duration_ms": 5.9,
    }
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


def test_two_studies_in_one_table_are_not_read_as_one(tmp_path):
    rows = ["a," + ROWS[0], "b," + ROWS[1]]
    with pytest.raises(StudyError, match="holds 2 studies"):
        read_study(put(tmp_path, "study_id," + HEAD, rows))


def test_columns_that_name_a_person_are_dropped(tmp_path):
    study = read_study(put(tmp_path, HEAD + ",patient_name", [ROWS[0] + ",Anna Mueller"]))
    assert "Mueller" not in str(asdict(study))
    assert any(d.topic == "identity" for d in study.decisions)


def test_markup_in_a_cell_is_text_in_the_message(tmp_path):
    with pytest.raises(StudyError, match="unknown nerve '<b>ulnarr</b>'"):
        read_study(put(tmp_path, HEAD, [ROWS[0].replace("ulnar", "<b>ulnarr</b>")]))


def test_a_cell_that_is_like_no_nerve_is_not_quoted_but_the_known_ones_are(tmp_path):
    with pytest.raises(StudyError, match=r"unknown nerve \(not shown.*known: median") as told:
        read_study(put(tmp_path, HEAD, [ROWS[0].replace("ulnar", "Maria Muster")]))
    assert "Muster" not in str(told.value)


# ------------------------------------------------------------------ what machines print


@pytest.mark.parametrize("word", ["NR", "no response", "Absent", "not recordable", "未引出"])
def test_a_word_for_no_response_in_a_measured_cell_is_an_absent_response(tmp_path, word):
    row = f"ulnar,right,adm,below elbow,280,{word},{word},{word},{word}"
    wrist, below = read_study(put(tmp_path, HEAD, [ROWS[0], row])).typed_responses
    assert (wrist.response, below.response) == ("present", "absent")
    assert not dict(below.values)
    assert "response_absent" in below.flags


def test_an_amplitude_of_0_is_an_absent_response_and_an_empty_one_is_unknown(tmp_path):
    rows = ["ulnar,right,adm,wrist,70,,0,,", "ulnar,right,adm,below elbow,280,,,,"]
    zero, empty = read_study(put(tmp_path, HEAD, rows)).typed_responses
    assert (zero.response, empty.response) == ("absent", None)
    assert "negative_peak_amplitude_mv" not in zero.values


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("absent", "absent"),
        ("NR", "absent"),
        ("not_done", "not_done"),
        ("", None),
        ("present", "present"),
        ("not measurable", "not_measurable"),
        ("?", None),
    ],
)
def test_the_column_response_says_absent_not_done_and_unknown_apart(tmp_path, word, status):
    row = f"ulnar,right,adm,wrist,{word}"
    head = "nerve,side,muscle,stimulation_site,response"
    (found,) = read_study(put(tmp_path, head, [row])).typed_responses
    assert found.response == status


def test_four_kinds_of_nothing_stay_four_kinds_in_the_table_of_traces(tmp_path):
    import ncs_cb

    head = "nerve,side,muscle,stimulation_site,response,negative_peak_amplitude_mv"
    rows = [
        "ulnar,R,adm,wrist,,9",
        "ulnar,R,adm,below elbow,NR,",
        "ulnar,R,adm,axilla,not_done,",
        "ulnar,R,adm,erb,,",
    ]
    traces = ncs_cb.analyze(read_study(put(tmp_path, head, rows))).traces
    said = dict(zip(traces["stimulation_site"], traces["response"].fillna("unknown"), strict=True))
    assert said == {
        "wrist": "present",
        "below_elbow": "absent",
        "axilla": "not_done",
        "erb": "unknown",
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ulnar,right,adm,wrist,ND,70,,,,", "ND' may mean not done or not detected"),
        ("ulnar,right,adm,wrist,absent,70,2.8,9.1,,", "row 2: the response is absent, but"),
        ("ulnar,right,adm,wrist,not_done,70,NR,NR,,", "says both absent and not_done"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(tmp_path, row, message):
    head = HEAD.replace("distance_mm", "response,distance_mm")
    with pytest.raises((ReadError, StudyError), match=message):
        read_study(put(tmp_path, head, [row]))


@pytest.mark.parametrize(
    ("word", "truth"),
    [
        ("yes", True),
        ("TRUE", True),
        ("1", True),
        ("ja", True),
        ("no", False),
        ("False", False),
        ("0", False),
        ("nein", False),
        ("", None),
        ("NaN", None),
        ("unknown", None),
        ("?", None),
    ],
)
def test_supramaximal_is_true_false_or_unknown_by_its_word(tmp_path, word, truth):
    head = "nerve,side,muscle,stimulation_site,supramaximal,collision_used"
    (row,) = read_study(put(tmp_path, head, [f"ulnar,R,adm,wrist,{word},{word}"])).typed_responses
    said = row.stimulus
    assert (said.is_supramaximal, said.collision_used) == (truth, truth)
    assert said.supramaximal_by == (None if truth is None else "table")


def test_a_mark_behind_a_number_is_left_out_and_a_bound_is_unknown(tmp_path):
    study = read_study(put(tmp_path, HEAD, ["ulnar,right,adm,wrist,70,3.0*,<0.1,28.0,5.9†"]))
    (row,) = study.typed_responses
    assert dict(row.values) == {
        "onset_latency_ms": 3.0,
        "negative_peak_area_mv_ms": 28.0,
        "negative_peak_duration_ms": 5.9,
    }
    assert {d.topic for d in study.decisions} >= {"marks", "salvage"}


def test_a_bound_is_said_aloud_with_what_to_write(tmp_path):
    study = read_study(put(tmp_path, HEAD, ["ulnar,right,adm,wrist,70,3.0,<0.1,28.0,5.9"]))
    (said,) = [d for d in study.decisions if d.topic == "salvage"]
    assert said.choice == "unknown"
    assert "write NR there if there was no response" in said.reason


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "gbk"])
def test_other_encodings_and_lines_of_title_are_read(tmp_path, encoding):
    text = "\n".join(["Motor NCS", "printed 2026", HEAD, ROWS[2]]) + "\n"
    (tmp_path / "sites.csv").write_bytes(text.encode(encoding))
    (row,) = read_study(tmp_path / "sites.csv").typed_responses
    assert (row.site.nerve, row.stimulus.distance_mm) == ("ulnar", 380.0)


def test_quoted_decimal_commas_between_commas_are_read(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text(HEAD + '\nulnar,right,adm,wrist,70,"2,8","9,1","28,5","5,9"\n')
    assert read_study(path).typed_responses[0].values["onset_latency_ms"] == 2.8


@pytest.mark.parametrize("cells", ["70;2.8;9,100;28.5;5.9", "70;2,800;9,100;28,500;5,900"])
def test_a_comma_that_may_mean_two_things_is_refused(tmp_path, cells):
    path = tmp_path / "sites.csv"
    path.write_text(HEAD.replace(",", ";") + f"\nulnar;right;adm;wrist;{cells}\n")
    with pytest.raises(ReadError, match="parts thousands or is the decimal mark"):
        read_study(path)


def test_a_site_listed_twice_counts_once_and_both_rows_are_flagged(tmp_path):
    rows = [ROWS[0], ROWS[1], "ulnar,right,adm,below_elbow,280,6.4,1.8,7,6.1"]
    _, large, small = read_study(put(tmp_path, HEAD, rows)).typed_responses
    assert large.flags == ("repeats_differ",)
    assert set(small.flags) == {"repeats_differ", "not_used"}


def test_distances_that_look_like_centimetres_give_no_velocity_and_say_so(tmp_path):
    import ncs_cb

    rows = ["median,L,apb,wrist,8,3.4,7.0,,", "median,L,apb,elbow,29,7.2,6.9,,"]
    result = ncs_cb.analyze(read_study(put(tmp_path, HEAD, rows)))
    (segment,) = result.segments.to_dict("records")
    assert segment["conduction_velocity_m_per_s"] != segment["conduction_velocity_m_per_s"]
    assert {"velocity_implausible", "distance_implausible"} <= set(
        segment["quality_flags"].split(";")
    )
    said = result.checks.set_index("flag").loc["distance_implausible", "arithmetic"]
    assert "look like centimetres" in said


def test_lengths_of_segments_entered_as_distances_give_no_velocity_and_say_so(tmp_path):
    import ncs_cb

    rows = ["ulnar,R,adm,wrist,75,2.9,9.0,,", "ulnar,R,adm,below elbow,220,6.7,8.9,,"]
    result = ncs_cb.analyze(read_study(put(tmp_path, HEAD, rows)))
    said = result.checks.set_index("flag").loc["distance_implausible"]
    assert said["state"] == "raised"
    assert "looks like the length of the segment" in said["arithmetic"]
    assert result.segments["conduction_velocity_m_per_s"].isna().all()


PRINTED = (
    "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,"
    "negative_peak_area_mv_ms"
)


@pytest.mark.parametrize(
    "cells", ["3.0,8.0,24.0", "*3.0,* 8.0,24.0", "3.0 ms,8.0 mV,24.0 mVms", "3.0ms,8.0mV*,24 mV*ms"]
)
def test_marks_before_a_number_and_the_unit_of_its_column_behind_it_are_taken_off(tmp_path, cells):
    path = tmp_path / "s.csv"
    path.write_text(f"{PRINTED}\nulnar,right,adm,wrist,70 mm,{cells}\n", "utf-8")
    (row,) = read_study(path).typed_responses
    assert row.values["onset_latency_ms"] == 3.0
    assert row.values["negative_peak_amplitude_mv"] == 8.0
    assert row.values["negative_peak_area_mv_ms"] == 24.0
    assert row.stimulus.distance_mm == 70.0


@pytest.mark.parametrize(
    ("cells", "said"),
    [("3.0,8000 uV,24", "in uV, its column in mv"), ("0.003 s,8.0,24", "in s, its column in ms")],
)
def test_another_unit_than_that_of_the_column_is_refused(tmp_path, cells, said):
    path = tmp_path / "s.csv"
    path.write_text(f"{PRINTED}\nulnar,right,adm,wrist,70,{cells}\n", "utf-8")
    with pytest.raises(UnitError, match=said):
        read_study(path)


def test_a_word_behind_a_number_is_no_unit_and_is_not_quoted(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(f"{PRINTED}\nulnar,right,adm,wrist,70,3.0,8.0 Smith,24\n", "utf-8")
    with pytest.raises(ReadError, match="is not a number") as told:
        read_study(path)
    assert "Smith" not in str(told.value)

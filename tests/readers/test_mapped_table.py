"""Tables of any laboratory, read as a layout says. All numbers are invented."""

from __future__ import annotations

import pandas as pd
import pytest

import ncs_cb
from ncs_cb import (
    NcsError,
    ReadError,
    StudyError,
    TableError,
    UnitError,
    read_study,
    studies_from_table,
    view,
)
from ncs_cb.cli.validate import warnings_of
from ncs_cb.errors import NcsWarning
from ncs_cb.readers import read_studies
from ncs_cb.readers._shared.grid import read_grid

SIERRA = """Motor Summary Table
Stim Site,NR,Onset (ms),Norm Onset (ms),O-P Amp (mV),Site1,Site2,Dist (cm),Vel (m/s)
Right Ulnar Motor (Abd Dig Minimi)  32.1 °C,,,,,,,,
Wrist,,2.9,<3.5,8.2,B Elbow,Wrist,21.0,57
B Elbow,,6.6,,3.1,A Elbow,B Elbow,10.0,53
A Elbow,NR,,,,,,,
Sensory Summary Table,,,,,,,,
Right Ulnar Anti Sensory (5th Digit),,,,,,,,
Wrist,,2.3,,14.0,,,,
"""
NATUS = """Motor Nerve Conduction
Nerve / Sites\tRec. Site\tLatency\tAmplitude\tSegments\tDistance\tVelocity
\t\tms\tmV\t\tmm\tm/s
L Median - APB
Wrist\tAPB\t3.4\t9.1\tWrist - APB\t70\t
Elbow\tAPB\t7.4\t8.7\tElbow - Wrist\t225\t56.2
"""
GERMAN = """Patient;Alter (Jahre);Nerv;Seite;Muskel;Reizort;Latenz (ms);Amplitude;Distanz (cm)
A1;50;N. ulnaris;rechts;ADM;Handgelenk;2,9;8,2;7,0
A1;50;N. ulnaris;rechts;ADM;Ellenbogen;6,6;1,7;28,7
B2;60;N. medianus;links;APB;Handgelenk;3,4;k.A.;6,5
"""
GERMAN_LAYOUT = """
file = { encoding = "cp1252", delimiter = ";", decimal = "," }
unknown = ["k.A."]
[keys]
study_id = "Patient"
nerve = "Nerv"
side = "Seite"
muscle = "Muskel"
stimulation_site = "Reizort"
age_years = "Alter (Jahre)"
[columns]
onset_latency_ms = { from = "Latenz (ms)" }
negative_peak_amplitude_mv = { from = "Amplitude", unit = "mV" }
distance_mm = { from = "Distanz (cm)" }
"""
WIDE_LAYOUT = r"""
keys = { study_id = "Subject" }
[wide]
pattern = '''(?x)(?P<side>[RL])[ ](?P<nerve>\w+)[ ](?P<muscle>\w+)[ ](?:(?P<site>\w+)[ ])?
(?P<measure>DML|amp)[ ]\((?P<unit>\w+)\)'''
default_site = "wrist"
measures = { DML = "onset_latency_ms", amp = "negative_peak_amplitude_mv" }
"""
LONG_LAYOUT = """
keys = { study_id = "id", nerve = "nerve", side = "side", muscle = "muscle" }
unknown = ["."]
[long]
parameter = "param"
value = "value"
parameters.CMAP1 = { to = "negative_peak_amplitude_mv", site = "wrist", unit = "mV" }
parameters.CMAP2 = { to = "negative_peak_amplitude_mv", site = "below_elbow", unit = "uV" }
"""


def put(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(study):
    return [
        (
            r.site.nerve,
            r.site.side,
            r.site.muscle,
            r.site.stimulation_site,
            r.values.get("negative_peak_amplitude_mv"),
            r.stimulus.distance_mm,
        )
        for r in study.typed_responses
    ]


def decided(study, topic):
    return [d.reason for d in study.decisions if d.topic == topic]


def test_a_sierra_report_is_recognized_and_its_site1_site2_columns_name_the_segment(tmp_path):
    study = read_study(put(tmp_path, "report.csv", SIERRA))
    assert [row[:4] for row in rows(study)] == [
        ("ulnar", "right", "adm", "wrist"),
        ("ulnar", "right", "adm", "below_elbow"),
        ("ulnar", "right", "adm", "above_elbow"),
    ]
    assert [
        (s.distal_site, s.proximal_site, s.length_mm, s.velocity_m_per_s)
        for s in study.printed_segments
    ] == [
        ("wrist", "below_elbow", 210.0, 57.0),
        ("below_elbow", "above_elbow", 100.0, 53.0),
    ]
    assert study.details.limb_temperature_c == {"right_arm": 32.1}
    assert [r.response for r in study.typed_responses] == ["present", "present", "absent"]


def test_rows_of_another_table_are_named_and_not_read_as_motor(tmp_path):
    study = read_study(put(tmp_path, "report.csv", SIERRA))
    assert decided(study, "row") == ["rows 7, 8, 9 belong to no motor table"]
    assert decided(study, "column") == ["Norm Onset (ms)"]
    (lost,) = [d for d in study.decisions if d.topic == "rows left out"]
    assert lost.choice == "9"


ABOVE = """City Clinic;;;;
Left Median Motor (Abd Poll Brev)  32.1 °C;;;;
{between}Stim Site;NR;Onset (ms);O-P Amp (mV);Neg Area (mVms)
Wrist;;3.4;9.8;31.0
Elbow;;7.6;9.1;29.7
Right Ulnar Motor (Abd Dig Min);;;;
Stim Site;NR;Onset (ms);O-P Amp (mV);Neg Area (mVms)
Wrist;;2.8;10.2;30.1
B Elbow;;6.6;3.1;9.2
"""


@pytest.mark.parametrize("between", ["", ";;;;\n", "Tested by the evening shift;;;;\n"])
def test_a_nerve_line_above_the_first_header_names_the_rows_behind_it(tmp_path, between):
    study = read_study(put(tmp_path, "report.csv", ABOVE.format(between=between)))
    assert [row[:4] for row in rows(study)] == [
        ("median", "left", "apb", "wrist"),
        ("median", "left", "apb", "elbow"),
        ("ulnar", "right", "adm", "wrist"),
        ("ulnar", "right", "adm", "below_elbow"),
    ]
    assert study.details.limb_temperature_c == {"left_arm": 32.1}
    assert not decided(study, "row")
    assert not decided(study, "rows left out")


def test_a_nerve_line_of_another_table_above_the_header_names_nothing_behind_it(tmp_path):
    table = ABOVE.format(between="F min;;28.1;;\n")
    study = read_study(put(tmp_path, "report.csv", table))
    assert {row[0] for row in rows(study)} == {"ulnar"}
    (lost,) = [d for d in study.decisions if d.topic == "rows left out"]
    assert lost.choice == "5, 6"


@pytest.mark.parametrize(("language", "said"), [("en", "(5, 6)"), ("zh", "（5, 6）")])
def test_values_without_a_nerve_line_are_said_on_the_screen_and_under_not_tested(
    tmp_path, language, said
):
    table = ABOVE.format(between="").replace("Left Median Motor", "Median, left")
    study = read_study(put(tmp_path, "report.csv", table.replace("City Clinic;;;;", "\n")))
    assert any("rows 5, 6" in line for line in warnings_of(study))
    assert said in view.build(ncs_cb.analyze(study), lang=language).finding[-1].text


def test_a_natus_report_takes_its_units_from_the_line_below_and_adds_segments_up(tmp_path):
    study = read_study(put(tmp_path, "report.txt", NATUS))
    assert rows(study) == [
        ("median", "left", "apb", "wrist", 9.1, 70.0),
        ("median", "left", "apb", "elbow", 8.7, 295.0),
    ]


def test_a_german_table_with_two_patients_gives_two_studies(tmp_path):
    path = put(tmp_path, "tabelle.csv", GERMAN, "cp1252")
    layout = put(tmp_path, "de.toml", GERMAN_LAYOUT)
    first, second = studies_from_table(path, layout)
    assert (first.study_id, first.details.age_years) == ("A1", 50.0)
    assert rows(first) == [
        ("ulnar", "right", "adm", "wrist", 8.2, 70.0),
        ("ulnar", "right", "adm", "elbow", 1.7, 287.0),
    ]
    assert rows(second) == [("median", "left", "apb", "wrist", None, 65.0)]
    assert second.typed_responses[0].response is None


@pytest.mark.parametrize("name", ["sheet.xlsx", "sheet.csv"])
def test_a_wide_sheet_is_one_study_per_row(tmp_path, name):
    frame = pd.DataFrame(
        {
            "Subject": [101, 102],
            "R ulnar ADM DML (ms)": [2.9, 3.1],
            "R ulnar ADM amp (mV)": [9.0, 8.0],
            "R ulnar ADM BE amp (mV)": [3.0, None],
            "remark": ["x", "y"],
        }
    )
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_excel(path, index=False)
    layout = put(tmp_path, "wide.toml", WIDE_LAYOUT)
    first, second = studies_from_table(path, layout)
    assert (first.study_id, second.study_id) == ("101", "102")
    assert rows(first) == [
        ("ulnar", "right", "adm", "wrist", 9.0, None),
        ("ulnar", "right", "adm", "below_elbow", 3.0, None),
    ]
    assert rows(second) == [("ulnar", "right", "adm", "wrist", 8.0, None)]
    assert decided(first, "column") == ["remark"]
    in_memory = studies_from_table(frame, layout)
    assert [s.typed_responses[0].values for s in in_memory] == [
        s.typed_responses[0].values for s in (first, second)
    ]


def test_a_long_coded_sheet_gathers_the_values_of_each_site_in_our_units(tmp_path):
    text = (
        "id,nerve,side,muscle,param,value\n7,ulnar,R,ADM,CMAP1,8.1\n7,ulnar,R,ADM,CMAP2,2100\n"
        "8,ulnar,L,ADM,CMAP1,.\n8,ulnar,L,ADM,CMAP2,7900\n8,ulnar,L,ADM,FLAT,27\n"
    )
    layout = put(tmp_path, "long.toml", LONG_LAYOUT)
    first, second = studies_from_table(put(tmp_path, "long.csv", text), layout)
    assert [row[3:5] for row in rows(first)] == [("wrist", 8.1), ("below_elbow", 2.1)]
    assert [row[3:5] for row in rows(second)] == [("wrist", None), ("below_elbow", 7.9)]
    assert decided(second, "column") == ["param = FLAT"]


def test_a_missing_unit_is_refused_and_a_header_states_it(tmp_path):
    text = "nerve,side,muscle,stimulation_site,Amplitude{}\nulnar,R,ADM,wrist,8.1\n"
    layout = put(
        tmp_path,
        "a.toml",
        """
keys = { nerve = "nerve", side = "side", muscle = "muscle", stimulation_site = "stimulation_site" }
columns.negative_peak_amplitude_mv = { from = "Amplitude" }
""",
    )
    with pytest.raises(UnitError, match=r"'Amplitude' states no unit.*known: V, mV, uV, nV"):
        studies_from_table(put(tmp_path, "a.csv", text.format("")), layout)
    stated = layout.read_text().replace('"Amplitude"', '"Amplitude (uV)"')
    (study,) = studies_from_table(
        put(tmp_path, "b.csv", text.format(" (uV)").replace("8.1", "8100")),
        put(tmp_path, "b.toml", stated),
    )
    assert rows(study)[0][4] == 8.1


def test_a_layout_and_a_header_that_state_different_units_are_refused(tmp_path):
    layout = put(
        tmp_path,
        "x.toml",
        GERMAN_LAYOUT.replace('"Distanz (cm)" }', '"Distanz (cm)", unit = "mm" }'),
    )
    with pytest.raises(UnitError, match="the layout says 'mm', the header 'cm'"):
        studies_from_table(put(tmp_path, "t.csv", GERMAN, "cp1252"), layout)


def test_comma_and_point_in_one_table_are_refused_until_told(tmp_path):
    text = (
        "study_id;nerve;side;muscle;stimulation_site;negative_peak_amplitude_mv;distance_mm\n"
        "1;ulnar;R;ADM;wrist;8,1;70.5\n"
    )
    with pytest.raises(ReadError, match="decimal comma and with a decimal point"):
        studies_from_table(put(tmp_path, "t.csv", text), "plain")


def test_a_column_that_the_layout_names_must_be_there(tmp_path):
    layout = put(tmp_path, "de.toml", GERMAN_LAYOUT.replace('"Seite"', '"Siete"'))
    with pytest.raises(StudyError, match=r"no column 'Siete'.*Did you mean 'Seite'"):
        studies_from_table(put(tmp_path, "t.csv", GERMAN, "cp1252"), layout)


def test_a_misspelled_column_of_ours_is_not_silently_unknown():
    frame = pd.DataFrame(
        {
            "nerve": ["ulnar"],
            "side": ["R"],
            "muscle": ["ADM"],
            "stimulation_site": ["wrist"],
            "onset_latncy_ms": [3.0],
        }
    )
    with pytest.raises(StudyError, match=r"'onset_latncy_ms'. Did you mean 'onset_latency_ms'"):
        studies_from_table(frame)


def test_what_is_wrong_with_one_patient_leaves_the_others_alone(tmp_path):
    bad = GERMAN.replace("1,7", "viel")
    path = put(tmp_path, "t.csv", bad, "cp1252")
    found = read_studies(path, layout=put(tmp_path, "de.toml", GERMAN_LAYOUT))
    assert isinstance(found["A1"], ReadError)
    assert "row 3" in str(found["A1"])
    assert "viel" not in str(found["A1"])
    assert rows(found["B2"])[0][:2] == ("median", "left")


def test_one_study_is_not_made_of_many(tmp_path):
    path = put(tmp_path, "t.csv", GERMAN, "cp1252")
    with pytest.raises(StudyError, match="holds 2 studies"):
        read_study(path, layout=put(tmp_path, "de.toml", GERMAN_LAYOUT))


def test_peak_to_peak_amplitudes_enter_no_baseline_to_peak_column(tmp_path):
    text = 'amplitude_basis = "peak_to_peak"\n' + GERMAN_LAYOUT
    layout = put(tmp_path, "x.toml", text)
    first, _ = studies_from_table(put(tmp_path, "t.csv", GERMAN, "cp1252"), layout)
    assert [sorted(r.values) for r in first.typed_responses] == [
        ["onset_latency_ms", "peak_to_peak_amplitude_mv"]
    ] * 2


def test_columns_that_name_a_person_are_dropped_and_counted(tmp_path):
    frame = pd.DataFrame(
        {
            "nerve": ["ulnar"],
            "side": ["R"],
            "muscle": ["ADM"],
            "stimulation_site": ["wrist"],
            "Last Name": ["Invented"],
            "negative_peak_amplitude_mv": [8.0],
        }
    )
    (study,) = studies_from_table(frame)
    assert decided(study, "identity") == ["1 columns name a person"]
    assert "Invented" not in repr(study)


def test_a_muscle_that_nobody_names_is_the_routine_one_and_said(tmp_path):
    frame = pd.DataFrame(
        {
            "nerve": ["ulnar"],
            "side": ["R"],
            "stimulation_site": ["wrist"],
            "negative_peak_amplitude_mv": [8.0],
        }
    )
    (study,) = studies_from_table(frame)
    assert study.typed_responses[0].site.muscle == "adm"
    assert "the routine one of the ulnar nerve" in decided(study, "muscle")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colums = 1", "unknown key 'colums'.*Did you mean 'columns'"),
        ("columns.amplitude = 'A'", "unknown name 'amplitude'"),
        ("group_row = '('\ncolumns.distance_mm = 'D (mm)'", "not a regular expression"),
        ("file = { encoding = 'utf-99' }\ncolumns.distance_mm = 'D'", "unknown encoding"),
        ("keys = { study_id = 'S' }", "names at least one column"),
        ("keys = { nrve = 'S' }\ncolumns.distance_mm = 'D'", "Did you mean 'nerve'"),
    ],
)
def test_a_faulty_layout_names_file_and_key(tmp_path, text, message):
    layout = put(tmp_path, "lay.toml", text)
    with pytest.raises(TableError, match=message) as caught:
        studies_from_table(put(tmp_path, "t.csv", GERMAN, "cp1252"), layout)
    assert "lay.toml" in str(caught.value)


def test_an_unknown_layout_lists_those_there_are(tmp_path):
    with pytest.raises(TableError, match="unknown layout 'cadwel'; known: cadwell_report"):
        studies_from_table(put(tmp_path, "t.csv", GERMAN), "cadwel")


def test_a_typed_table_of_many_patients_goes_to_verdicts():
    made = []
    for number in range(60):
        proximal = 2.0 if number % 3 == 0 else 7.9
        for site, amplitude, area, duration in (
            ("wrist", 8.0, 24.0, 5.5),
            ("below_elbow", proximal, proximal * 3, 5.8),
        ):
            made.append(
                {
                    "study_id": f"P{number:02d}",
                    "nerve": "ulnar",
                    "side": "R",
                    "muscle": "ADM",
                    "stimulation_site": site,
                    "negative_peak_amplitude_mv": amplitude,
                    "negative_peak_area_mv_ms": area,
                    "negative_peak_duration_ms": duration,
                }
            )
    results = ncs_cb.analyze_many(studies_from_table(pd.DataFrame(made)), ["efns_pns_2010"])
    grades = [r.verdicts["conduction_block"].item() for r in results]
    assert len(grades) == 60
    assert grades[:3] == ["definite", "none", "none"]


def test_a_site_table_with_study_ids_is_many_studies(tmp_path):
    text = (
        "study_id,nerve,side,muscle,stimulation_site,negative_peak_amplitude_mv\n"
        "p1,ulnar,R,ADM,wrist,8.1\np1,ulnar,R,ADM,B. Elbow,NR\np2,ulnar,L,ADM,wrist,7.5\n"
    )
    first, second = studies_from_table(put(tmp_path, "sites.csv", text))
    assert (first.study_id, second.study_id) == ("p1", "p2")
    assert [r.response for r in first.typed_responses] == ["present", "absent"]
    assert rows(second) == [("ulnar", "left", "adm", "wrist", 7.5, None)]
    titled = studies_from_table(put(tmp_path, "titled.csv", "Our table\n" + text))
    assert [s.study_id for s in titled] == ["p1", "p2"]


def test_what_no_header_uses_is_named_for_every_table_of_a_report(tmp_path):
    text = SIERRA.replace(
        "Sensory Summary Table,,,,,,,,",
        "Sensory Summary Table,,,,,,,,\n"
        "Stim Site,NR,Peak (ms),Norm Peak (ms),P-T Amp (mV),Site1,Site2,Dist (cm),Delta-P (ms)",
    )
    (said,) = decided(read_study(put(tmp_path, "report.csv", text)), "column")
    assert said.startswith("Norm Onset (ms), ")
    assert "Delta-P (ms)" in said


def test_a_second_sheet_with_data_is_left_out_aloud_and_without_its_name(tmp_path):
    cells = pd.DataFrame({"Subject": [101], "R ulnar ADM amp (mV)": [9.0]})
    path = tmp_path / "two.xlsx"
    with pd.ExcelWriter(path) as book:
        cells.to_excel(book, sheet_name="Meier Anna", index=False)
        cells.to_excel(book, sheet_name="Schmidt Otto", index=False)
    data = path.read_bytes()
    first, told = read_grid(data, ".xlsx"), read_grid(data, ".xlsx", sheet=2)
    assert (first.shape, first.n_sheets_left_out) == ("sheet 1 of 2", 1)
    assert (told.shape, told.n_sheets_left_out) == ("sheet 2 of 2", 0)
    layout = put(tmp_path, "wide.toml", WIDE_LAYOUT)
    (study,) = studies_from_table(path, layout)
    (said,) = [d for d in study.decisions if d.topic == "salvage"]
    assert said.choice == "sheets left out"
    assert said.reason.startswith("sheet 1 of 2 was read; left out: another sheet that holds cells")
    assert "Meier" not in str(study.decisions)
    assert "Schmidt" not in str(study.decisions)


VELOCITIES = """title = "velocities beside distances nobody noted"
group_row = 'skin (?P<temperature_c>.*)'
[file]
delimiter = ";"
[keys]
nerve = "nerve"
side = "side"
muscle = "muscle"
stimulation_site = "site"
study_id = "id"
[columns]
negative_peak_amplitude_mv = { from = "amp", unit = "mV" }
printed_velocity_m_per_s = { from = "cv", unit = "m/s" }
"""


def velocities(folder, cell, skin="33"):
    lines = ["id;nerve;side;muscle;site;amp;cv"]
    for name, here, warm in (("1", cell, skin), ("2", "52", "33")):
        lines.append(f"skin {warm};;;;;;")
        lines.append(f"{name};median;right;apb;wrist;9.1;")
        lines.append(f"{name};median;right;apb;elbow;8.7;{here}")
    path = put(folder, "t.csv", "\n".join(lines))
    return read_studies(path, layout=put(folder, "l.toml", VELOCITIES))


@pytest.mark.parametrize("cell", ["1e999", "1e308", "-5", "151", "5-3"])
def test_a_printed_velocity_that_no_nerve_has_costs_its_own_visit_only(tmp_path, cell):
    first, second = velocities(tmp_path, cell).values()
    assert isinstance(first, NcsError)
    assert "row 4" in str(first)
    assert [s.velocity_m_per_s for s in second.printed_segments] == [52.0]


@pytest.mark.parametrize("cell", ["<40", ">60", "-", ""])
def test_a_bound_or_nothing_in_the_place_of_a_printed_velocity_is_unknown(tmp_path, cell):
    first, _ = velocities(tmp_path, cell).values()
    assert first.printed_segments == ()
    bounds = [d.reason for d in first.decisions if d.topic == "salvage"]
    assert [reason.partition(" ")[0] for reason in bounds] == ["1"] * (cell[:1] in ("<", ">"))


@pytest.mark.parametrize("skin", ["33..5", "3.3.5", "1.e9.99"])
def test_a_temperature_that_is_no_number_costs_its_own_visit_only(tmp_path, skin):
    first, second = velocities(tmp_path, "52", skin).values()
    assert isinstance(first, NcsError)
    assert second.details.limb_temperature_c == {"right_arm": 33.0}


@pytest.mark.parametrize(
    ("cell", "unit", "amplitude"),
    [("*8,2", "mV", 8.2), ("8,2 mV", "mV", 8.2), ("8200 H", "uV", 8.2), ("* 8200", "uV", 8.2)],
)
def test_marks_beside_a_number_and_the_unit_of_its_column_are_taken_off(
    tmp_path, cell, unit, amplitude
):
    text = GERMAN.replace("8,2", cell).replace("1,7", "1,7" if unit == "mV" else "1700")
    layout = put(tmp_path, "de.toml", GERMAN_LAYOUT.replace('unit = "mV"', f'unit = "{unit}"'))
    study = studies_from_table(put(tmp_path, "t.csv", text, "cp1252"), layout)[0]
    value = study.typed_responses[0].values["negative_peak_amplitude_mv"]
    assert value == pytest.approx(amplitude)


@pytest.mark.parametrize(("cell", "unit"), [("8,2 mV", "uV"), ("8200 uV", "mV"), ("8200 uV", "uV")])
def test_a_cell_in_a_unit_of_its_own_is_never_scaled_as_its_column(tmp_path, cell, unit):
    text = GERMAN.replace("8,2", cell)
    layout = put(tmp_path, "de.toml", GERMAN_LAYOUT.replace('unit = "mV"', f'unit = "{unit}"'))
    with pytest.warns(NcsWarning, match=r"'A1' is .* row 2.*(unit of its own|its column in mv)"):
        (other,) = studies_from_table(put(tmp_path, "t.csv", text, "cp1252"), layout)
    assert other.study_id == "B2"


@pytest.mark.parametrize("kind", ["csv", "frame"])
def test_one_faulty_study_of_a_table_is_left_out_aloud_and_the_others_are_read(tmp_path, kind):
    frame = pd.DataFrame(
        {
            "study_id": [name for name in ("p1", "p2", "p3") for _ in range(2)],
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "stimulation_site": ["wrist", "below_elbow"] * 3,
            "negative_peak_amplitude_mv": [9.1, 3.0, 9100, 8.8, 7.2, 7.0],
        }
    )

    def table(rows):
        path = tmp_path / f"{len(rows)}.csv"
        rows.to_csv(path, index=False)
        return rows if kind == "frame" else path

    told = r"study 'p2' is left out: .*row .*negative_peak_amplitude_mv.*9100; plausible: 0 to 100"
    with pytest.warns(NcsWarning, match=told):
        studies = studies_from_table(table(frame))
    assert [study.study_id for study in studies] == ["p1", "p3"]
    if kind == "csv":
        with pytest.warns(NcsWarning, match="study 'p2'"):
            results = ncs_cb.analyze_many(table(frame))
        assert [result.study.study_id for result in results] == ["p1", "p3"]
    # Where none is left, that is no list of studies.
    with pytest.raises(UnitError, match="9100; plausible"):
        studies_from_table(table(frame[2:4]))

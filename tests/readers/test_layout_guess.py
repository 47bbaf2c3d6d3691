"""A layout guessed from a table, as the command line prints it, reads that table."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError, UnitError, studies_from_table
from ncs_cb.cli import main
from readers.test_mapped_table import GERMAN, NATUS, SIERRA, put, rows


def guessed(path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(path), "--layout"])
    assert not ended.value.code
    layout = path.with_suffix(".toml")
    layout.write_text(capsys.readouterr().out, "utf-8")
    return layout


@pytest.mark.parametrize(("name", "text"), [("r.csv", SIERRA), ("r.txt", NATUS)])
def test_a_report_is_read_by_its_guess_as_by_the_shipped_layout(tmp_path, capsys, name, text):
    path = put(tmp_path, name, text)
    (own,) = studies_from_table(path, guessed(path, capsys))
    (shipped,) = studies_from_table(path)
    assert rows(own) == rows(shipped)
    assert [r.response for r in own.typed_responses] == [
        r.response for r in shipped.typed_responses
    ]


def test_a_guess_never_invents_a_unit(tmp_path, capsys):
    path = put(tmp_path, "t.csv", GERMAN, "cp1252")
    layout = guessed(path, capsys)
    with pytest.raises(UnitError, match=r"unknown unit '\?'"):
        studies_from_table(path, layout)
    layout.write_text(layout.read_text("utf-8").replace('unit = "?"', 'unit = "mV"'), "utf-8")
    first, second = studies_from_table(path, layout)
    assert (first.study_id, second.study_id) == ("A1", "B2")
    assert rows(first)[0][:5] == ("ulnar", "right", "adm", "wrist", 8.2)


def test_a_wide_sheet_with_units_in_its_headers_is_read_by_its_guess(tmp_path, capsys):
    frame = pd.DataFrame(
        {
            "ID": ["a1", "a2"],
            "R_Median_APB_wrist_lat_ms": [3.4, 3.6],
            "R_Median_APB_wrist_amp_mV": [8.2, 7.7],
            "R_Median_APB_upper_arm_amp_mV": [7.9, "NR"],
        }
    )
    path = tmp_path / "w.xlsx"
    frame.to_excel(path, index=False)
    first, second = studies_from_table(path, guessed(path, capsys))
    assert [row[3:5] for row in rows(first)] == [("wrist", 8.2), ("upper_arm", 7.9)]
    assert [r.response for r in second.typed_responses] == ["present", "absent"]


def test_underscores_velocities_and_ids_of_research_sheets_are_seen(tmp_path, capsys):
    frame = pd.DataFrame(
        {
            "pid": ["P1", "P2"],
            "age_yrs": [44, 61],
            "Gender": ["M", "F"],
            "L_ulnar_ADM_DML_ms": [2.9, 3.1],
            "L_ulnar_ADM_wrist_CMAP_mV": [9.8, 7.4],
            "L_ulnar_ADM_BE_CMAP_mV": [4.1, None],
            "L_ulnar_ADM_BE_NCV_m/s": [55, 52],
            "remarks": ["a", "b"],
        }
    )
    path = tmp_path / "w.csv"
    frame.to_csv(path, index=False)
    first, second = studies_from_table(path, guessed(path, capsys))
    assert (first.study_id, first.details.age_years, first.details.sex) == ("P1", 44.0, "male")
    assert [row[3:5] for row in rows(first)] == [("wrist", 9.8), ("below_elbow", 4.1)]
    assert [s.velocity_m_per_s for s in second.printed_segments] == [52.0]
    assert second.typed_responses[1].response is None  # empty is unknown, never absent


def test_codes_of_a_long_sheet_name_quantity_and_site(tmp_path, capsys):
    text = "subj,visit_day,nerve,side,code,value,unit\n" + "".join(
        f"S{n},2024-03-0{n},ulnar,R,{code}\n"
        for n in (1, 2)
        for code in ("WRIST_LAT,2.8,ms", "WRIST_AMP,9.4,mV", "BE_LAT,6.4,ms", "BE_AMP,3100,uV")
    )
    path = put(tmp_path, "long.csv", text)
    first, second = studies_from_table(path, guessed(path, capsys))
    assert [row[3:5] for row in rows(first)] == [("wrist", 9.4), ("below_elbow", 3.1)]
    assert str(second.details.visit_date) == "2024-03-02"


def test_a_chinese_table_in_gbk_is_seen_as_such(tmp_path, capsys):
    text = (
        "编号,神经,侧,肌肉,刺激部位,潜伏期(ms),波幅(mV)\n"
        "甲1,尺神经,右,小指展肌,腕,2.9,9.8\n甲1,尺神经,右,小指展肌,肘下,,未引出\n"
    )
    path = put(tmp_path, "cn.csv", text, "gbk")
    layout = guessed(path, capsys)
    assert 'encoding = "gbk"' in layout.read_text("utf-8")
    (study,) = studies_from_table(path, layout)
    assert [r.response for r in study.typed_responses] == ["present", "absent"]


@pytest.mark.parametrize("header", ["Größe", "Fläche (mVms)", "Amp (µV)", "Temp °C"])
def test_a_western_table_is_never_taken_for_chinese(header):
    from ncs_cb.readers._shared.text import decode

    text = f"id;{header};Latenz (ms)\n1;2;3\n"
    assert decode(text.encode("cp1252")) == (text, "cp1252")


def test_not_examined_is_never_guessed_to_be_absent(tmp_path, capsys):
    text = (
        "Proband;Nerv;Seite;Muskel;Reizort;Amplitude (mV)\n"
        + "A;ulnaris;R;ADM;Handgelenk;8,1\n" * 3
        + "A;ulnaris;R;ADM;unterer Sulcus;nicht auslösbar\n"
        + "A;ulnaris;R;ADM;Achsel;nicht untersucht\n"
    )
    layout = guessed(put(tmp_path, "t.csv", text, "cp1252"), capsys).read_text("utf-8")
    assert 'absent = ["nicht auslösbar"]' in layout
    assert "nicht untersucht" in layout.split("unknown = ", 1)[1].partition("\n")[0]


def test_names_that_nobody_knows_are_listed_with_the_words_that_teach_them(tmp_path, capsys):
    text = (
        "id,nerve,side,muscle,site,amp (mV)\n"
        "x,ulnar,R,ADM,wrist,9\nx,ulnar,R,ADM,groove west,3\nx,ulnar,R,ADM,axilla,3\n"
    )
    path = put(tmp_path, "t.csv", text)
    layout = guessed(path, capsys)
    assert '[words.stimulation_site] below_elbow = ["groove west"]' in layout.read_text("utf-8")
    with pytest.raises(StudyError, match=r"lab.toml: \[words.stimulation_site\]"):
        studies_from_table(path, layout)
    put(tmp_path, "lab.toml", '[words.stimulation_site]\nbelow_elbow = ["groove west"]\n')
    (study,) = studies_from_table(path, layout)
    assert [row[3] for row in rows(study)] == ["wrist", "below_elbow", "axilla"]


def test_sixty_invented_patients_go_from_excel_to_verdicts_as_the_readme_says(tmp_path, capsys):
    rng = np.random.default_rng(60)
    lines = []
    for number in range(60):
        area, kept = rng.uniform(20, 40), 0.3 if number % 6 == 0 else 0.95
        for site, latency, share, far in (("Wrist", 2.9, 1.0, 7), ("B. Elbow", 6.6, kept, 28)):
            lines.append(
                {
                    "Pat. code": f"K{number:02d}",
                    "Age": 30 + number,
                    "Nerve": "N. ulnaris",
                    "Side": "links",
                    "Rec. site": "Hypothenar",
                    "Stim": site,
                    "Latency [ms]": latency,
                    "Amplitude": 0.3 * area * share,
                    "Area (mVms)": area * share,
                    "Dur. (ms)": 5.5,
                    "Dist. (cm)": far,
                }
            )
    path = tmp_path / "clinic.xlsx"
    pd.DataFrame(lines).to_excel(path, index=False, startrow=2)
    layout = guessed(path, capsys)
    text = layout.read_text("utf-8")
    assert text.count('"?"') == 1  # one unit that nothing states
    layout.write_text(text.replace('"?"', '"mV"'), "utf-8")
    studies = studies_from_table(str(path), str(layout))
    results = ncs_cb.analyze_many(studies, criteria=["efns_pns_2010"])
    verdicts = pd.concat([r.verdicts for r in results])
    assert verdicts.conduction_block.value_counts().to_dict() == {"none": 50, "definite": 10}
    segments = pd.concat([r.segments for r in results])
    varied = ncs_cb.judge(segments, ["efns_pns_2010"], vary={"area_50": [50, 80]})
    counts = varied.groupby("varied").conduction_block.value_counts()
    assert counts[50, "definite"] == 10
    assert (80, "definite") not in counts
    assert {s.details.age_years for s in studies} == {float(30 + n) for n in range(60)}


def test_a_folder_with_only_an_unknown_table_gives_the_hint_of_the_table(tmp_path):
    (tmp_path / "befund.csv").write_text("Nerv;Seite;Ort\nUlnaris;rechts;Hg\n", "utf-8")
    with pytest.raises(ncs_cb.NcsError, match="no recording found") as alone:
        ncs_cb.read_study(tmp_path)
    assert "validate FILE --layout" in alone.value.hint
    assert "fits its table" in alone.value.message


_CLINIC = """Neurophysiologie, erfundene Werte;;;;;;;;;
Untersuchung;Geb.-Datum;Pat.-Nr.;Nerv;Seite;Muskel;Reizort;DML [ms];CMAP [mV];{dist};NLG [m/s]
04.03.2024;01.01.1960;K-1;N. peronaeus;re;M. ext. dig. brevis;Sprunggelenk;4,1;5,2;{a};
04.03.2024;01.01.1960;K-1;N. peronaeus;re;M. ext. dig. brevis;Fibulaköpfchen;11,0;1,3;{b};45,7
05.03.2024;02.02.1971;K-2;N. medianus;li;M. abductor pollicis brevis;Handgelenk;3,4;9,9;{a};
05.03.2024;02.02.1971;K-2;N. medianus;li;M. abductor pollicis brevis;Ellenbeuge;n. ausl.;;{c};
"""


@pytest.mark.parametrize(
    ("numbers", "distance", "lengths"),
    [
        # The printed velocity tells: 315 mm in 6.9 ms are 45.7 m/s.
        ({"dist": "Weg [mm]", "a": "80", "b": "315", "c": "230"}, "segment", 315.0),
        ({"dist": "Weg [cm]", "a": "8", "b": "31,5", "c": "23"}, "segment", 315.0),
        ({"dist": "Weg [mm]", "a": "80", "b": "395", "c": "310"}, "from_recording", 315.0),
    ],
)
def test_a_german_table_is_guessed_with_latin_names_dates_and_distances(
    tmp_path, capsys, numbers, distance, lengths
):
    path = put(tmp_path, "t.csv", _CLINIC.format(**numbers).replace("Weg", "Abstand"), "cp1252")
    layout = guessed(path, capsys)
    assert f'distance = "{distance}"' in layout.read_text("utf-8")
    first, second = studies_from_table(path, layout)
    assert (first.study_id, str(first.details.visit_date)) == ("K-1", "2024-03-04")
    assert [row[:4] for row in rows(first)] == [
        ("peroneal", "right", "edb", "ankle"),
        ("peroneal", "right", "edb", "below_fibula"),
    ]
    near, far = (row[5] for row in rows(first))
    assert far - near == pytest.approx(lengths)
    assert [r.response for r in second.typed_responses] == ["present", "absent"]
    assert "1960" not in repr(first)


def test_shorter_distances_further_up_are_segments_where_no_velocity_is_printed(tmp_path, capsys):
    heads = ("Case No", "Nerve", "Side", "Recording", "Stimulation", "Latency (msec)")
    text = "\t".join((*heads, "Amplitude (mV)", "Distance (cm)")) + "\n"
    for case in ("11", "12"):
        for site, lat, far in (("WRIST", 2.8, 7), ("B.ELBOW", 6.5, 21), ("A.ELBOW", 8.3, 10)):
            text += f"{case}\tULNAR\tLT\tADM\t{site}\t{lat}\t9.1\t{far}\n"
    path = put(tmp_path, "t.tsv", text)
    first, _ = studies_from_table(path, guessed(path, capsys))
    assert [row[5] for row in rows(first)] == [70.0, 280.0, 380.0]


def test_codes_that_name_the_nerve_too_are_told_from_those_of_patients(tmp_path, capsys):
    codes = ("UR_ADM_W_LAT,2.9,ms", "UR_ADM_W_AMP,9.1,mV", "UR_ADM_BE_AMP,2800,uV")
    text = "patient_code,date,measure,result,units\n" + "".join(
        f"L{n},2023-05-0{n},{code}\n" for n in (1, 2) for code in codes
    )
    path = put(tmp_path, "long.csv", text)
    first, second = studies_from_table(path, guessed(path, capsys))
    assert second.study_id == "L2"
    assert [row[:5] for row in rows(first)] == [
        ("ulnar", "right", "adm", "wrist", 9.1),
        ("ulnar", "right", "adm", "below_elbow", 2.8),
    ]


@pytest.mark.parametrize("unit", ["Latency ms,Amplitude mV", "Latency [ms],Amplitude (mV)"])
def test_a_natus_report_may_hold_its_units_behind_the_headers(tmp_path, unit):
    text = f"""Motor NCS
Nerve / Sites,Muscle,{unit},Amplitude %,Segments,Distance cm,Velocity m/s
R Tibial - AH
Ankle,AH,4.4,11.2,100,Ankle - AH,8,
Pop fossa,AH,13.0,8.9,79.5,Pop fossa - Ankle,40,46.5
"""
    (study,) = studies_from_table(put(tmp_path, "n.csv", text))
    assert [row[3:] for row in rows(study)] == [
        ("ankle", 11.2, 80.0),
        ("popliteal_fossa", 8.9, 480.0),
    ]
    (column,) = [d for d in study.decisions if d.topic == "column"]
    assert "Amplitude %" in column.reason


@pytest.mark.parametrize(
    ("code", "site"),
    [
        ("CMAP below elbow", "below_elbow"),
        ("CMAP above_elbow", "above_elbow"),
        ("CMAP elbow", "elbow"),
        ("CMAP wrist", "wrist"),
        ("CMAP upper arm", "upper_arm"),
    ],
)
def test_the_longest_name_of_a_site_in_a_code_wins(tmp_path, capsys, code, site):
    text = f"subject;nerve;side;param;value;unit\n1;ulnar;R;{code};9.1;mV\n"
    layout = guessed(put(tmp_path, "long.csv", text), capsys).read_text("utf-8")
    assert f'"{code}" = {{ to = "negative_peak_amplitude_mv", site = "{site}" }}' in layout


def test_a_long_sheet_whose_headers_say_nothing_is_known_by_its_codes(tmp_path, capsys):
    text = (
        "subj,n,s,m,var,val\nL01,ulnar,right,adm,U_W_AMP,9.5\nL01,ulnar,right,adm,U_BE_AMP,9.1\n"
        "L01,ulnar,right,adm,U_W_LAT,2.8\nL01,ulnar,right,adm,U_BE_LAT,6.7\n"
    )
    path = put(tmp_path, "long.csv", text)
    layout = guessed(path, capsys)
    own = layout.read_text("utf-8")
    for code, unit in (("AMP", "mV"), ("LAT", "ms")):
        own = re.sub(rf'(_{code}" = .*)unit = "\?"', rf'\1unit = "{unit}"', own)
    layout.write_text(own, "utf-8")
    (study,) = studies_from_table(path, layout)
    assert [row[3:5] for row in rows(study)] == [("wrist", 9.5), ("below_elbow", 9.1)]


def test_codes_that_name_no_site_leave_it_to_be_written(tmp_path, capsys):
    text = "Subj\tparam\tvalue\n1\tCMAP1\t9.1\n1\tCMAP2\t3.0\n"
    layout = guessed(put(tmp_path, "long.tsv", text), capsys).read_text("utf-8")
    assert 'parameter = "param"' in layout
    assert '"CMAP2" = { to = "negative_peak_amplitude_mv", site = "?", unit = "?" }' in layout

"""What a layout promises: encodings, rows, patients, distances and velocities of a table."""

from __future__ import annotations

import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError, studies_from_table, view
from ncs_cb.cli import main
from ncs_cb.readers import read_studies

HEADER = "Fall|Nerv|Seite|Ableitung|Reiz|Lat [ms]|Amp [mV]|Weg [cm]|NLG [m/s]|ALSFRS|GM1"
ROWS = (
    "F7|Medianus|li|APB|Handgelenk|3,6|9,2|7,0||nein|ja",
    "F7|Medianus|li|APB|Ellenbogen|7,9|3,1|29,5|53|nein|ja",
    "F7|Medianus|li|APB|Achsel|10,1|2,9|42,5|60|nein|ja",
)
LAYOUT = """
file = { header_row = 3, delimiter = "|", decimal = "," }
[keys]
study_id = "Fall"
nerve = "Nerv"
side = "Seite"
muscle = "Ableitung"
stimulation_site = "Reiz"
[patient]
"clinical.upper_motor_neuron_signs" = "ALSFRS"
"laboratory.anti_gm1_igm_raised" = "GM1"
[columns]
onset_latency_ms = "Lat [ms]"
negative_peak_amplitude_mv = "Amp [mV]"
distance_mm = "Weg [cm]"
"""
TITLES = "Prüfungen der Größe §\nnur erfundene Werte\n"


def sheet(rows=ROWS, header=HEADER):
    return TITLES + "\n".join((header, *rows)) + "\n"


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def amplitudes(study):
    return {r.site.stimulation_site: r.values["negative_peak_amplitude_mv"]
            for r in study.typed_responses}  # fmt: skip


def far(study):
    return [r.stimulus.distance_mm for r in study.typed_responses]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_each_encoding_is_seen_from_the_file_and_may_be_told(tmp_path, encoding):
    path = put(tmp_path, "t.txt", sheet().encode(encoding))
    layout = put(tmp_path, "own.toml", LAYOUT)
    told = put(
        tmp_path, "told.toml", LAYOUT.replace("file = {", f'file = {{ encoding = "{encoding}",')
    )
    for one in (layout, told):
        (study,) = studies_from_table(path, one)
        assert amplitudes(study) == {"wrist": 9.2, "elbow": 3.1, "axilla": 2.9}
        assert far(study) == [70.0, 295.0, 425.0]


def test_header_row_counts_from_one(tmp_path):
    path = put(tmp_path, "t.txt", sheet())
    studies_from_table(path, put(tmp_path, "own.toml", LAYOUT))
    for wrong in ("2", "4", "0"):
        other = put(tmp_path, "own.toml", LAYOUT.replace("header_row = 3", f"header_row = {wrong}"))
        with pytest.raises(ncs_cb.NcsError, match=r"header_row|has no column"):
            studies_from_table(path, other)


def test_columns_of_the_patient_become_keys_of_study_toml(tmp_path):
    rows = (*ROWS, *(r.replace("F7", "F8").replace("|nein|ja", "||?") for r in ROWS))
    first, second = studies_from_table(
        put(tmp_path, "t.txt", sheet(rows)), put(tmp_path, "own.toml", LAYOUT)
    )
    said = first.details.findings
    assert said["clinical.upper_motor_neuron_signs"] is False
    assert said["laboratory.anti_gm1_igm_raised"] is True
    assert not second.details.findings  # empty is unknown, never no


def test_columns_that_nothing_maps_are_named_in_provenance(tmp_path):
    (study,) = studies_from_table(
        put(tmp_path, "t.txt", sheet()), put(tmp_path, "own.toml", LAYOUT)
    )
    result = ncs_cb.analyze(study)
    unused = [d.reason for d in result.provenance.decisions if d.topic == "column"]
    assert unused == ["NLG [m/s]"]


def test_segment_lengths_are_added_up_from_the_first_site(tmp_path):
    rows = [r.replace("|29,5|", "|22,5|").replace("|42,5|", "|13,0|") for r in ROWS]
    layout = put(tmp_path, "own.toml", 'distance = "segment"\n' + LAYOUT)
    (study,) = studies_from_table(put(tmp_path, "t.txt", sheet(rows)), layout)
    assert far(study) == [70.0, 295.0, 425.0]
    found = ncs_cb.analyze(study).segments.query("is_adjacent").set_index("segment")
    assert found.length_mm.to_dict() == {"wrist-elbow": 225.0, "elbow-axilla": 130.0}


def test_a_printed_velocity_stands_in_where_distances_are_missing_and_is_marked(tmp_path):
    layout = put(
        tmp_path,
        "own.toml",
        LAYOUT.replace('distance_mm = "Weg [cm]"', 'printed_velocity_m_per_s = "NLG [m/s]"'),
    )
    (study,) = studies_from_table(put(tmp_path, "t.txt", sheet()), layout)
    result = ncs_cb.analyze(study)
    found = result.segments.query("is_adjacent").set_index("segment")
    assert found.conduction_velocity_m_per_s.to_dict() == {
        "wrist-elbow": 53.0,
        "elbow-axilla": 60.0,
    }
    assert found.length_mm.isna().all()
    marked = [d.choice for d in result.provenance.decisions if d.topic == "printed"]
    assert marked == [
        "median left apb wrist-elbow: 53 m/s",
        "median left apb elbow-axilla: 60 m/s",
    ]
    for lang, word in (("en", "velocity as the machine printed it"), ("zh", "速度为仪器打印值")):
        remarks = [row[-1].text for row in view.build(result, lang=lang).motor.rows]
        assert [word in text for text in remarks[-3:]] == [False, True, True]


def test_peak_to_peak_amplitudes_decide_no_grade(tmp_path):
    path = put(tmp_path, "t.txt", sheet())
    own = put(tmp_path, "own.toml", LAYOUT)
    other = put(tmp_path, "pp.toml", 'amplitude_basis = "peak_to_peak"\n' + LAYOUT)
    base, peaks = (
        ncs_cb.analyze(studies_from_table(path, one)[0], criteria=["ean_pns_cidp_2021"])
        for one in (own, other)
    )
    first = [r.verdicts.set_index("segment").conduction_block["wrist-elbow"] for r in (base, peaks)]
    assert first == ["probable", "undetermined"]
    wrist = peaks.traces.set_index("stimulation_site").loc["wrist"]
    assert wrist.peak_to_peak_amplitude_mv == 9.2
    assert pd.isna(wrist.negative_peak_amplitude_mv)


def test_one_study_per_id_in_analyze_and_in_batch(tmp_path, capsys):
    root = tmp_path / "root"
    root.mkdir()
    rows = [r.replace("F7", name) for name in ("F7", "F8", "F9") for r in ROWS]
    rows[4] = rows[4].replace("|3,1|", "|viel|")  # one value of F8 is no number
    path = put(root, "t.txt", sheet(rows))
    layout = put(tmp_path, "own.toml", LAYOUT)
    for command in (
        ["analyze", str(path), "--format", "json"],
        ["batch", str(root), "--workers", "1"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--layout", str(layout), "--out", str(tmp_path / command[0])])
        assert ended.value.code == 1
    assert "row 8" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "analyze").iterdir()) == ["F7", "F9"]
    ids = pd.read_parquet(tmp_path / "batch" / "verdicts").study_id
    assert set(ids) == {"F7", "F9"}
    failures = pd.read_csv(tmp_path / "batch" / "failures.csv")
    assert failures.study_id.tolist() == ["F8"]
    assert failures.message.str.contains("row 8").all()
    kept = read_studies(path, layout=str(layout))
    assert isinstance(kept["F8"], ncs_cb.NcsError)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_an_excel_sheet_is_read_as_its_text_is(tmp_path, kind):
    frame = pd.DataFrame([r.split("|") for r in ROWS], columns=HEADER.split("|"))
    for name in ("Lat [ms]", "Amp [mV]", "Weg [cm]"):
        frame[name] = frame[name].str.replace(",", ".").astype(float)
    path = tmp_path / f"t.{kind}"
    frame.to_excel(path, index=False) if kind == "xlsx" else frame.to_csv(path, index=False)
    layout = LAYOUT.replace('file = { header_row = 3, delimiter = "|", decimal = "," }', "")
    (study,) = studies_from_table(path, put(tmp_path, "own.toml", layout))
    assert amplitudes(study) == {"wrist": 9.2, "elbow": 3.1, "axilla": 2.9}


def test_a_missing_unit_is_refused_with_what_to_write(tmp_path):
    path = put(tmp_path, "t.txt", sheet(header=HEADER.replace("Amp [mV]", "Amp")))
    layout = put(tmp_path, "own.toml", LAYOUT.replace('"Amp [mV]"', '"Amp"'))
    with pytest.raises(ncs_cb.UnitError, match=r"states no unit.*unit = 'mV'"):
        studies_from_table(path, layout)


def test_patients_that_contradict_themselves_are_named(tmp_path):
    rows = [*ROWS[:2], ROWS[2].replace("|nein|", "|ja|")]
    with pytest.raises(StudyError, match=r"row 6: clinical\.upper_motor_neuron_signs differs"):
        studies_from_table(put(tmp_path, "t.txt", sheet(rows)), put(tmp_path, "own.toml", LAYOUT))


OUR_OWN = """study_id,age_years,nerve,side,muscle,stimulation_site,onset_latency_ms,{more}
p1,44,ulnar,right,adm,wrist,2.9,
p1,44,ulnar,right,adm,below_elbow,6.6,{value}
p2,51,ulnar,right,adm,wrist,3.0,
"""


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_our_own_columns_are_the_same_in_text_and_in_excel(tmp_path, suffix):
    text = OUR_OWN.format(more="printed_velocity_m_per_s", value="57")
    path = put(tmp_path, "t.csv", text)
    if suffix == "xlsx":
        path = tmp_path / "t.xlsx"
        pd.read_csv(tmp_path / "t.csv").to_excel(path, index=False)
    first, second = studies_from_table(path)
    assert (first.study_id, first.details.age_years, second.details.age_years) == ("p1", 44, 51)
    (segment,) = ncs_cb.analyze(first).segments.to_dict("records")
    assert segment["conduction_velocity_m_per_s"] == 57.0


def test_a_misspelled_column_of_ours_is_refused_beside_those_of_a_person(tmp_path):
    text = OUR_OWN.format(more="negative_peak_amplitude_mvv", value="9.1")
    with pytest.raises(StudyError, match="Did you mean 'negative_peak_amplitude_mv'"):
        studies_from_table(put(tmp_path, "t.csv", text))

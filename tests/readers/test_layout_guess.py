"""A layout guessed from a table, as the command line prints it, reads that table."""

from __future__ import annotations

import pandas as pd
import pytest

from ncs_cb import UnitError, studies_from_table
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

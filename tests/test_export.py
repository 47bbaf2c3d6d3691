"""The tables of an archive as CSV and Excel, and intensity series as two columns."""

from __future__ import annotations

import pandas as pd
import pytest

import ncs_cb
from ncs_cb import ReadError
from ncs_cb.batch.parquet import to_arrow, write
from ncs_cb.cli import main
from ncs_cb.errors import ReportError
from reports import example


def archive(folder):
    """Two parts of two tables, as a batch leaves them."""
    for number in range(2):
        ids = [f"p{number}a", "=cmd()" if number else "p0b"]
        traces = pd.DataFrame(
            {
                "study_id": ids,
                "nerve": "ulnar",
                "kind": "motor",
                "negative_peak_amplitude_mv": [8.25, None],
                "quality_flags": "",
            }
        )
        studies = pd.DataFrame({"study_id": ids, "age_years": [44.0, None]})
        for name, frame in (("traces", traces), ("studies", studies)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            write(to_arrow(frame, name), folder / name / f"part-{number}.parquet")
    return folder


def test_each_table_of_an_archive_becomes_one_csv(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["tables", str(archive(tmp_path / "a")), "--out", str(tmp_path / "o")])
    assert not ended.value.code
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["studies.csv", "traces.csv"]
    frame = pd.read_csv(tmp_path / "o" / "traces.csv")
    assert frame.study_id.tolist() == ["p0a", "p0b", "p1a", "'=cmd()"]
    assert frame.negative_peak_amplitude_mv.dropna().tolist() == [8.25, 8.25]
    assert "traces.csv" in capsys.readouterr().err


def test_a_workbook_holds_a_sheet_per_table(tmp_path):
    (path,) = ncs_cb.write_tables(archive(tmp_path / "a"), tmp_path / "o", format="xlsx")
    sheets = pd.read_excel(path, sheet_name=None, engine="calamine")
    assert list(sheets) == ["traces", "studies"]
    assert sheets["traces"].study_id.tolist() == ["p0a", "p0b", "p1a", "'=cmd()"]
    assert sheets["traces"].negative_peak_amplitude_mv.tolist()[0] == 8.25
    assert pd.isna(sheets["studies"].age_years.tolist()[1])


def test_a_workbook_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ReportError, match=r"needs openpyxl.*ncs_cb\[xlsx\]"):
        ncs_cb.write_tables(archive(tmp_path / "a"), tmp_path / "o", format="xlsx")
    assert not (tmp_path / "o" / "tables.xlsx").exists()


def test_a_folder_that_no_batch_wrote_is_refused(tmp_path):
    with pytest.raises(ReadError, match="holds no tables"):
        ncs_cb.write_tables(tmp_path, tmp_path / "o")


def test_an_intensity_series_is_written_as_current_and_amplitude(tmp_path):
    result = example.result()
    paths = ncs_cb.write_report(result, tmp_path, formats=["csv"])
    scans = [p for p in paths if p.name.startswith("scan_")]
    assert scans
    series = result.recruitment
    assert len(scans) == len(series.groupby(["nerve", "side", "muscle", "stimulation_site"]))
    rows = pd.read_csv(scans[0], header=None)
    assert rows.shape[1] == 2
    assert rows[0].is_monotonic_increasing
    known = set(zip(series.stimulus_ma, series.negative_peak_amplitude_mv, strict=True))
    assert set(rows.itertuples(index=False, name=None)) <= known

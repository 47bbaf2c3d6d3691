"""CSV for spreadsheets, safely; Parquet for archives, with its meaning inside."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ncs_cb.columns import conform, table_columns
from ncs_cb.reports import tables
from ncs_cb.vocabulary import RESULT_TABLES
from reports import example


@pytest.fixture(scope="module")
def result():
    return example.result()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    frame = conform(pd.DataFrame({"explanation": [f"{start}1+1"]}), "diagnosis")
    back = pd.read_csv(io.StringIO(tables.to_csv(frame)), keep_default_na=False)
    # A lone carriage return is a line break to the reader of the test, hence the prefix only.
    assert back["explanation"][0].startswith(f"'{start}".rstrip("\r"))


def test_numbers_are_never_touched():
    frame = conform(pd.DataFrame({"area_reduction_pct": [-12.345678901234567]}), "segments")
    text = tables.to_csv(frame)
    assert "-12.345678901234567" in text
    assert "'" not in text


def test_csv_holds_every_column_in_the_declared_order(result):
    header = tables.to_csv(result.traces).splitlines()[0]
    assert header == ",".join(c.name for c in table_columns("traces"))


def test_csv_reads_back_to_the_same_numbers(result):
    # Whether read_csv reads the last digit by itself differs between versions of pandas.
    written = io.StringIO(tables.to_csv(result.segments))
    back = pd.read_csv(written, dtype={"area_reduction_pct": str})
    pd.testing.assert_series_equal(
        back["area_reduction_pct"].astype(float),
        result.segments["area_reduction_pct"],
        check_exact=True,
    )


def test_writing_csv_changes_nothing(result):
    before = result.verdicts.copy(deep=True)
    tables.to_csv(result.verdicts)
    pd.testing.assert_frame_equal(before, result.verdicts)


def test_csv_writes_the_four_tables_of_the_contract_even_when_they_are_empty():
    files = tables.write(example.empty_result())
    assert list(files) == ["traces.csv", "segments.csv", "verdicts.csv", "diagnosis.csv"]
    assert all(text.count("\r\n") == 1 for text in files.values())


@pytest.mark.parametrize("name", RESULT_TABLES)
def test_parquet_has_one_schema_whether_empty_or_not(result, name):
    full = tables.to_arrow(getattr(result, name), name)
    empty = tables.to_arrow(getattr(example.empty_result(), name), name)
    assert full.schema.equals(empty.schema, check_metadata=True)
    assert full.num_rows == len(getattr(result, name))


def test_parquet_explains_itself(result):
    written = io.BytesIO()
    pq.write_table(tables.to_arrow(result.segments, "segments"), written)
    table = pq.read_table(written)
    assert table.schema.metadata[b"ncs_cb.schema_version"] == b"1"
    meaning = table.schema.field("area_reduction_pct").metadata
    assert meaning[b"unit"] == b"%"
    assert meaning[b"definition"] == b"100 * (1 - proximal / distal)"


def test_parquet_keeps_unknown_apart_from_numbers(result):
    table = tables.to_arrow(result.segments, "segments")
    column = table.column("total_area_reduction_pct")
    assert column.null_count == int(result.segments["total_area_reduction_pct"].isna().sum()) == 1


def test_parquet_refuses_an_undeclared_column(result):
    with pytest.raises(ValueError, match="undeclared columns"):
        tables.to_arrow(result.segments.assign(extra=1.0), "segments")

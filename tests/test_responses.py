"""A printed row and a waveform are one thing to everything behind the reader."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import ncs_cb
from ncs_cb.model import Site, Stimulus, Study, TypedResponse
from readers.studies import arm

HEAD = (
    "nerve,side,muscle,stimulation_site,response,distance_mm,onset_latency_ms,"
    "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,"
    "supramaximal,collision_used"
)


def read(tmp_path, *rows):
    path = tmp_path / "sites.csv"
    path.write_text("\n".join((HEAD, *rows)), "utf-8")
    return ncs_cb.analyze(ncs_cb.read_study(path))


def test_absent_not_done_and_unknown_are_told_apart(tmp_path):
    result = read(
        tmp_path,
        "ulnar,right,adm,wrist,present,70,3.0,9.8,28.0,5.8,true,",
        "ulnar,right,adm,below_elbow,absent,280,,,,,true,",
        "ulnar,right,adm,axilla,not_done,480,,,,,,",
        "ulnar,right,adm,erb,,560,,,,,,",
    )
    status = {one.site.stimulation_site: one.status for one in result.responses}
    assert status["wrist"] == "present"
    assert status["below_elbow"] == "absent"
    assert status["erb"] is None
    assert [one.trace for one in result.responses] == [None] * len(result.responses)
    told = result.traces.set_index("stimulation_site")["response"]
    assert {site: None if told.isna()[site] else told[site] for site in status} == status


def test_what_a_table_attests_counts_as_what_a_recording_attests(tmp_path):
    rows = (
        "ulnar,right,adm,wrist,present,70,3.0,9.8,28.0,5.8,{said},",
        "ulnar,right,adm,below_elbow,present,280,6.6,3.5,10.0,6.0,{said},",
    )
    attested, silent = (
        read(tmp_path, *(row.format(said=said) for row in rows)) for said in ("true", "")
    )
    assert {one.stimulus.supramaximal_by for one in attested.responses} == {"table"}
    assert {one.stimulus.supramaximal_by for one in silent.responses} == {None}

    def validity(result):
        return set(result.verdicts["technical_validity"])

    traces = tuple(
        replace(t, stimulus=replace(t.stimulus, is_supramaximal=True)) for t in arm().traces
    )
    recorded = ncs_cb.analyze(replace(arm(), traces=traces))
    assert validity(attested) == validity(recorded) == {"attested"}
    assert "not_attested" in validity(silent)


@pytest.mark.parametrize(
    ("status", "grade", "reduction"),
    [
        ("absent", "definite", 100.0),
        ("not_measurable", "undetermined", None),
        (None, "undetermined", None),
    ],
)
def test_only_what_is_absent_is_read_as_no_response(status, grade, reduction):
    def row(site, response, **values):
        return TypedResponse(
            Site("median", "left", "apb", site),
            "by hand",
            response=response,
            values=values,
            stimulus=Stimulus(is_supramaximal=True, supramaximal_by="call"),
        )

    distal = row(
        "wrist",
        "present",
        negative_peak_amplitude_mv=7.7,
        negative_peak_area_mv_ms=23.5,
        negative_peak_duration_ms=5.4,
    )
    result = ncs_cb.analyze(Study("m", (), typed_responses=(distal, row("elbow", status))))
    first = result.verdicts.query("criteria == 'efns_pns_2010'")
    assert first["conduction_block"].tolist() == [grade]
    fall = result.segments["amplitude_reduction_pct"].item()
    assert (None if pd.isna(fall) else fall) == reduction

"""A laboratory's own sets, named by their paths, count and speak everywhere like shipped ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

import ncs_cb
from ncs_cb import view
from ncs_cb.batch import Settings, run_batch
from ncs_cb.model import Details, SensoryValue, Site, Study, TypedResponse

SITES = """\
nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv
ulnar,left,adm,wrist,65,2.9,9.9
ulnar,left,adm,below_elbow,270,6.2,3.5
"""

LIMITS = """
id = "our_limits"
title = "Limits of our laboratory"
revision = 1
[source]
citation = "Our own controls."
[[limit]]
study = "sensory"
nerve = "ulnar"
muscle = "digit5"
item = "amplitude_uv"
direction = "lower"
value = 30.0
source = "our table 1"
verified = "primary"
[[limit]]
study = "motor"
nerve = "ulnar"
muscle = "adm"
item = "amplitude_mv"
direction = "lower"
value = 12.0
source = "our table 2"
verified = "primary"
"""


def row(site, distance, onset, amplitude):
    area = 2.9 * amplitude
    values = {
        "onset_latency_ms": onset,
        "negative_peak_amplitude_mv": amplitude,
        "negative_peak_area_mv_ms": area,
        "negative_peak_duration_ms": 5.8,
    }
    stimulus = ncs_cb.model.Stimulus(distance_mm=distance, is_supramaximal=True)
    return TypedResponse(
        Site("ulnar", "right", "adm", site), "sites.csv", values, "motor", stimulus
    )


@pytest.fixture(scope="module")
def study():
    sensory = SensoryValue(
        "ulnar", "right", "digit5-wrist", amplitude_uv=24.0, velocity_m_per_s=60.0
    )
    rows = (row("wrist", 70.0, 3.0, 9.8), row("below_elbow", 280.0, 6.6, 3.5))
    return Study("own", typed_responses=rows, details=Details(sensory=(sensory,)))


@pytest.fixture
def limits(tmp_path):
    path = tmp_path / "our_limits.toml"
    path.write_text(LIMITS, "utf-8")
    return str(path)


def says(result, lang):
    return view.build(result, lang=lang)


def test_the_page_reads_sensory_values_by_the_limits_that_the_record_used(study, limits):
    shipped, own = ncs_cb.analyze(study), ncs_cb.analyze(study, reference=limits)
    assert "Sensory conduction normal" in says(shipped, "en").finding_text
    assert "sensory_studies_normal" in own.diagnosis.iloc[0]["not_met"]
    assert own.sensory["is_normal"].tolist() == [False]
    assert "Sensory conduction normal" not in says(own, "en").finding_text
    assert "感觉传导正常" not in says(own, "zh").finding_text
    assert says(own, "en").sensory.rows[0][2].text != says(shipped, "en").sensory.rows[0][2].text


def test_the_page_marks_motor_values_by_a_laboratorys_own_limits(study, limits):
    def marked(result):
        cells = says(result, "en").nerves[0].sites.rows[0]
        return [cell.text for cell in cells if cell.tone == "outside"]

    assert marked(ncs_cb.analyze(study)) == []
    assert marked(ncs_cb.analyze(study, reference=limits)) == ["9.8* (≥ 12)"]


@pytest.mark.parametrize(("lang", "cell"), [("en", "24.0* (≥ 30)"), ("zh", "24.0*（≥ 30）")])
def test_a_sensory_value_stands_beside_its_limit_and_the_set_is_named(
    study, limits, tmp_path, lang, cell
):
    result = ncs_cb.analyze(study, reference=limits)
    table = says(result, lang).sensory
    marked = [one.text for one in table.rows[0] if one.tone == "outside"]
    assert marked == [cell]
    assert "Limits of our laboratory" in table.note
    for path in ncs_cb.write_report(result, tmp_path, formats=["html", "txt"], lang=lang):
        assert cell in path.read_text("utf-8")
    shipped = says(ncs_cb.analyze(study), lang).sensory
    assert not any(one.tone == "outside" for one in shipped.rows[0])
    assert any("≥" in one.text for one in shipped.rows[0])


def test_a_recorded_sensory_value_has_the_limit_of_its_own_row(tmp_path):
    """Typed values come first, and each study counts its rows from nought."""
    own = tmp_path / "own.toml"
    own.write_text(LIMITS, "utf-8")
    low = SensoryValue("ulnar", "left", "digit5-wrist", amplitude_uv=24.0)
    high = SensoryValue("ulnar", "right", "digit5-wrist", amplitude_uv=36.0)
    studies = [
        Study("one", details=Details(sensory=(high,))),
        Study("two", details=Details(sensory=(high, low))),
    ]
    _, two = ncs_cb.analyze_many(studies, reference=str(own))
    mine = two.limits[two.limits["table"] == "sensory"]
    assert mine["row"].tolist() == [0, 1]
    assert mine["is_outside"].tolist() == [False, True]
    assert mine["set_id"].unique().tolist() == ["our_limits"]


@pytest.mark.parametrize("name", ["our_limits", "aanem_2016"])
def test_limits_named_by_their_path_are_told_by_their_title(study, tmp_path, name):
    path = tmp_path / "lim_same.toml"
    path.write_text(LIMITS.replace("our_limits", name), "utf-8")
    told = says(ncs_cb.analyze(study, reference=str(path)), "en").rests_on
    assert "Limits of our laboratory" in [fact.text for fact in told]
    assert not any("lim" in fact.text and "toml" in fact.text for fact in told)


@pytest.fixture
def criteria(tmp_path):
    text = files("ncs_cb").joinpath("tables/criteria/partial_block_20pct.toml").read_text("utf-8")
    lines = text.splitlines()
    lines[0:2] = ['id = "ours"', 'title = "Rules of our laboratory"', 'title_zh = "本室标准"']
    path = tmp_path / "ours.toml"
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("lang", "title", "clause", "ask"),
    [
        (
            "en",
            "Rules of our laboratory",
            "progressive asymmetric limb weakness",
            "record whether the weakness is asymmetric and progressive",
        ),
        ("zh", "本室标准", "进行性非对称性肢体无力", "记录无力是否不对称并进展"),
    ],
)
def test_a_laboratorys_own_criteria_keep_their_words_on_the_page(
    study, criteria, tmp_path, lang, title, clause, ask
):
    result = ncs_cb.analyze(study, criteria=[criteria])
    (path,) = ncs_cb.write_report(result, tmp_path, formats=["json"])
    for one in (result, ncs_cb.load_result(path)):
        page = says(one, lang)
        (found,) = page.diagnosis
        assert (page.lead, found.title) == (title, title)
        assert any(clause in text for text in found.missing)
        assert any(ask in text for text in found.asks)
        assert found.explanation
        assert title in page.finding_text


def test_a_set_of_ones_own_under_a_shipped_name_is_not_called_by_the_shipped_title(
    study, criteria, tmp_path
):
    text = Path(criteria).read_text("utf-8").replace('"ours"', '"efns_pns_2010"')
    path = tmp_path / "changed.toml"
    path.write_text(text, "utf-8")
    result = ncs_cb.analyze(study, criteria=[str(path)])
    page = says(result, "en")
    assert page.lead == "Rules of our laboratory"
    for lang, title in (("en", "Rules of our laboratory"), ("zh", "本室标准")):
        told = " ".join(line.text for line in says(result, lang).impression)
        assert title in told
        assert "EFNS" not in told


@pytest.mark.parametrize("name", ["ours", "efns_pns_2010"])
def test_the_index_of_an_archive_calls_an_own_set_by_its_own_title(criteria, tmp_path, name):
    path = tmp_path / "set.toml"
    path.write_text(Path(criteria).read_text("utf-8").replace('"ours"', f'"{name}"'), "utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.csv").write_text(SITES, "utf-8")
    settings = Settings(criteria=(str(path),))
    run_batch(tmp_path / "in", tmp_path / "out", settings=settings, workers=1)
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "Rules of our laboratory" in page
    assert "本室标准" in page
    assert "EFNS" not in page

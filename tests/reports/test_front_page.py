"""The page a physician signs: impression first, short, silent where nothing was found."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import replace

import pytest

from ncs_cb import simulate, view
from ncs_cb.analysis import analyze
from ncs_cb.errors import TableError
from ncs_cb.knowledge import lab
from ncs_cb.readers import read_study
from ncs_cb.reports import html, pdf, text
from reports import example

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'


def pages(result, tmp_path) -> list[str]:
    pytest.importorskip("typst")
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(result))
    run = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True)
    return run.stdout.decode("utf-8").split("\f")


def test_two_nerves_take_at_most_four_pages_before_the_appendix(tmp_path):
    result = example.result(arm=example.ARM[:2], with_typed=False)
    found = pages(result, tmp_path)
    first = next(n for n, page in enumerate(found) if page.lstrip().startswith("Appendix"))
    assert 1 <= first <= 4


def test_the_impression_comes_before_every_table_and_verdict_in_every_format(tmp_path):
    result = example.result()
    built = view.build(result)
    said = re.sub(r"\s+", "", built.impression[0].text)
    heading = re.sub(r"\s+", "", built.labels["motor"])
    page = re.sub(r"<style>.*?</style>", "", html.render(result), flags=re.DOTALL)
    page = re.sub(r"<title>.*?</title>|<[^>]*>", "", page)
    for one in (page, text.render(result), " ".join(pages(result, tmp_path))):
        squeezed = re.sub(r"\s+", "", one)
        assert said in squeezed
        assert squeezed.index(said) < squeezed.index(heading)
        assert squeezed.index(said) < squeezed.index(re.sub(r"\s+", "", built.technique[0].text))


def test_a_value_marked_on_the_page_is_marked_in_the_text_and_in_the_appendix():
    result = analyze(simulate.recipe("als_axon_loss")[0].study)
    built = view.build(result)
    marked = [c.text for row in built.motor.rows for c in row if c.text.split(" ")[0][-1:] == "*"]
    inner = {
        c.text for n in built.nerves for t in (n.sites, n.changes) for row in t.rows for c in row
    }
    said = text.render(result)
    assert marked, "small distal responses lie outside their limits"
    assert all(one in said and one in inner for one in marked)


@pytest.fixture(scope="module")
def healthy():
    return analyze(simulate.recipe("healthy_arm")[0].study)


@pytest.mark.parametrize("lang", view.languages())
def test_a_normal_study_leaves_nothing_open_anywhere(healthy, lang):
    built = view.build(healthy, lang=lang)
    assert (built.diagnosis, built.differential, built.features.rows) == ((), (), ())
    for page in (text.render(healthy, lang=lang), html.render(healthy, lang=lang)):
        shown = re.sub(r"<style>.*?</style>|<[^>]*>", "", page, flags=re.DOTALL)
        assert view.load(lang).term("category", "undetermined") not in shown
    assert built.labels["not_excluded"] not in text.render(healthy, lang=lang)
    assert f"<dt>{built.labels['not_excluded']}" not in html.render(healthy, lang=lang)


def test_a_normal_elbow_says_its_numbers_and_nothing_else(healthy):
    said = text.render(healthy)
    assert "Above elbow" in said
    assert "excluded" not in said.lower()
    assert "Entrapment site" not in said


def test_a_logo_beside_lab_toml_stands_in_the_page_and_in_print(tmp_path):
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "lab.toml").write_text("[letterhead]\nname = 'EMG, City'\nlogo = 'logo.svg'\n")
    made = lab.load(tmp_path / "lab.toml").lab
    result = example.result()
    result = replace(result, study=replace(result.study, lab=made))
    uri = view.build(result).letterhead.logo
    assert b64decode(uri.removeprefix("data:image/svg+xml;base64,")) == SVG
    assert f'<img src="{uri}"' in html.render(result)
    assert "EMG, City" in text.render(result)
    pytest.importorskip("typst")
    assert pdf.render(result).startswith(b"%PDF")
    (tmp_path / "logo.svg").write_bytes(b" " * (1 << 20))
    with pytest.raises(TableError, match="larger than"):
        lab.load(tmp_path / "lab.toml")


TYPED = """nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal
ulnar,left,adm,wrist,65,2.9,9.9,30.7,5.5,true
ulnar,left,adm,below_elbow,270,6.2,9.6,29.8,5.7,true
ulnar,left,adm,above_elbow,370,8.3,4.1,12.7,5.8,true
median,left,apb,wrist,70,3.5,9.1,27.8,5.3,true
median,left,apb,elbow,290,7.5,8.8,26.8,5.5,true
median,left,fcr,elbow,90,2.3,6.1,24.0,7.0,true
median,left,fcr,axilla,210,4.3,5.8,23.0,7.2,true
"""  # noqa: E501 - a table as it is typed


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    (folder / "sites.csv").write_text(TYPED, "utf-8")
    sural = '[[sensory]]\nnerve = "sural"\nside = "left"\nsegment = "lateral_malleolus-calf"\n'
    (folder / "study.toml").write_text(sural + "amplitude_uv = 14.0\n", "utf-8")
    return analyze(read_study(folder))


def test_numbers_without_a_waveform_cost_one_line_not_a_dozen(typed):
    said = " ".join(text.render(typed).split())
    built = view.build(typed)
    for nerve in built.nerves:
        assert sum("Numbers only, no waveform" in one.label for one in nerve.not_examined) == 1
        assert len(nerve.not_examined) <= 4
        assert nerve.flags == () or all("estimate" not in one.heading for one in nerve.flags)
    assert "absent or invalid" not in said


def test_an_excluded_segment_says_why(typed):
    (row,) = (r for r in view.build(typed).motor.rows if r[0].text == "Above elbow")
    assert "entrapment site" in [cell.text for cell in row]
    assert "excluded" not in " ".join(cell.text for cell in row)


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "No published limit in this set"), ("zh", "本套正常值未给出界值")],
)
def test_what_no_set_limits_is_said_to_have_no_published_limit(typed, lang, words):
    built = view.build(typed, lang=lang)
    assert "FCR" in built.motor.note.split(words)[1]
    assert "ADM" not in built.motor.note.split(words)[1]
    (sural,) = built.sensory.rows
    assert view.load(lang)("reading.no_limit") in [cell.text for cell in sural]


def test_a_chinese_page_names_premises_and_sources_in_chinese(typed):
    built = view.build(typed, lang="zh")
    cells = [
        cell.text
        for nerve in built.nerves
        for segment in nerve.segments
        for one in segment.sets
        for row in one.clauses.rows
        for cell in row
    ]
    assert any("均已注明为超强刺激" in cell for cell in cells)
    assert any("本项目规定" in cell for cell in cells)
    shown = "\n".join(cells)
    for english in ("project policy", "the stimuli at", "the publication", "encyclopedia", "item "):
        assert english not in shown

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
    assert all(not (d.not_excluded or d.asks or d.explanation) for d in built.diagnosis)
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

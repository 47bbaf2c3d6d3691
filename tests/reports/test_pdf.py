"""The PDF: the same words as the view, paginated, without a date, in Chinese too."""

from __future__ import annotations

import builtins
import shutil
import subprocess
from pathlib import Path

import pytest

from ncs_cb import analyze, view
from ncs_cb.errors import ReportError
from ncs_cb.reports import pdf
from reports import example

pytest.importorskip("typst")

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def result():
    return example.result()


def read(data: bytes, tmp_path) -> str:
    """Read the text of a PDF as a reader would select it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    path = tmp_path / "report.pdf"
    path.write_bytes(data)
    run = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True)
    return " ".join(run.stdout.decode("utf-8").split())


def test_the_pdf_has_pages_and_the_same_bytes_twice(result):
    first = pdf.render(result)
    assert first.startswith(b"%PDF")
    assert first == pdf.render(result)


def test_the_pdf_says_what_the_view_says(result, tmp_path):
    text = read(pdf.render(result), tmp_path)
    built = view.build(result)
    squeezed = text.replace(" ", "")
    for words in (built.title, built.finding[0].text, built.disclaimer):
        assert words.replace(" ", "") in squeezed
    for row in built.nerves[1].sites.rows:
        assert all(cell.text in text for cell in row)


def test_a_short_grade_stands_in_one_line_so_that_no_row_is_twice_as_high(result, tmp_path):
    text = read(pdf.render(result), tmp_path)
    # Between the numbers of one row nothing of the next line stands.
    rows = view.build(result).motor.rows
    row = next(row for row in rows if row[0].text == "Below elbow")
    shown = [("D " if cell.tone == "definite" else "") + cell.text for cell in row]
    assert any(one == "D definite block" for one in shown)
    assert " ".join(filter(None, shown)) in text


def test_chinese_text_is_held_by_an_installed_font(result, tmp_path):
    if not example.has_chinese_font():
        with pytest.raises(ReportError, match="Chinese"):
            pdf.render(result, lang="zh")
        return
    text = read(pdf.render(result, lang="zh"), tmp_path).replace(" ", "")
    assert "检查所见" in text
    assert "右侧尺神经" in text


def test_without_a_chinese_font_the_message_says_what_to_install():
    with pytest.raises(ReportError, match="fonts-noto-cjk"):
        pdf.fonts_for("尺神经", ["Liberation Sans"])


def test_a_plain_font_is_enough_for_plain_text():
    assert pdf.fonts_for("ulnar", ["Liberation Sans", "Noto Sans CJK SC"]) == ["Liberation Sans"]
    assert pdf.fonts_for("尺", ["Noto Sans CJK SC"]) == ["Libertinus Serif", "Noto Sans CJK SC"]


def test_markup_of_typst_in_a_study_is_shown_as_text(result, tmp_path):
    from dataclasses import replace

    words = '#panic("no") *bold* $x$ [a] "q" \\ @ref'
    study = replace(result.study, notes=(words,))
    text = read(pdf.render(replace(result, study=study)), tmp_path)
    assert '#panic("no") *bold* $x$ [a]' in text


def test_hostile_and_empty_studies_are_laid_out():
    assert pdf.render(example.hostile_result()).startswith(b"%PDF")
    assert pdf.render(example.empty_result()).startswith(b"%PDF")


def test_without_typst_the_message_names_the_extra(result, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "typst":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ReportError, match=r"pip install .ncs_cb\[pdf\]."):
        pdf.render(result)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_page_holds_the_signature_alone(tmp_path, lang):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    if lang == "zh" and not example.has_chinese_font():
        pytest.skip("no font holds Chinese")
    found = analyze(SAMPLES / "mmn_ulnar_radial")
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(found, lang=lang))
    run = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True)
    signature = view.build(found, lang=lang).labels["signature"]
    # The first line that is not empty of each page; the last piece follows the last page.
    firsts = [page.strip().split("\n")[0] for page in run.stdout.decode("utf-8").split("\f")]
    assert any(signature in line for line in run.stdout.decode("utf-8").splitlines())
    assert not [line for line in firsts if line.startswith(signature)]

"""CONTRIBUTING.md followed to the letter, and the contracts of the suite run over what it adds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ncs_cb

PACKAGE = Path(ncs_cb.__file__).parent
TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "CONTRIBUTING.md").read_text("utf-8")

# Other ways than the page's own are not looked at: what it says is pasted where it says.
SCRIPT = """
import sys
from pathlib import Path
import ncs_cb
from ncs_cb.cli import main
from ncs_cb.judging.rows import gather

here = Path(sys.argv[1])
lines = here / "femoral.lines"
lines.write_text(
    "#lines mm ms mV\\n"
    "femoral right vastus_medialis below_inguinal 140 3.6 9.0\\n"
    "femoral right vastus_medialis above_inguinal 200 4.8 3.0\\n", "utf-8")
study = ncs_cb.read_study(lines)
result = ncs_cb.analyze(study, criteria=["ours", "efns_pns_2010"])
assert result.segments["segment"].tolist() == ["below_inguinal-above_inguinal"]
rows = gather(result.verdicts, result.segments, result.traces, result.f_waves, {})
assert [nerve["distal_latency_ms"] for nerve in rows.nerves[study.study_id]] == [3.6]
for lang in ("en", "zh"):
    paths = ncs_cb.write_report(result, here / lang, formats=["md", "html", "json"], lang=lang)
    assert [p.name.split(".")[0] for p in paths] == ["report", "report", "result"]
(page,) = (here / "zh").rglob("report*.html")
assert "股神经" in page.read_text("utf-8")
text = (here / "en" / study.study_id / "report.md").read_text("utf-8")
assert text.startswith("# ") and "femoral" in text

table = here / "lab.csv"
table.write_text("Nerv,Seite,Muskel,Reizort,Dist,DML,Amp\\n"
                 "median,rechts,APB,wrist,7,3.4,8.1\\nmedian,rechts,APB,elbow,29,7.4,-\\n", "utf-8")
read = ncs_cb.read_study(table)
assert [r.values.get("negative_peak_amplitude_mv") for r in read.typed_responses] == [8.1, None]
assert read.typed_responses[0].stimulus.distance_mm == 70.0

try:
    main(["analyze", str(lines), "--out", str(here / "out"), "--format", "md"])
except SystemExit as end:
    assert not end.code, end.code
assert list((here / "out").rglob("report.md"))

try:
    main(["analyze", str(lines), "--out", str(here / "xx"), "--format", "html,txt", "--lang", "xx"])
except SystemExit as end:
    assert not end.code, end.code
for path in (here / "xx").rglob("report*"):
    text = path.read_text("utf-8")
    for word in ("¤Motor nerve conduction study", "¤undetermined", "¤femoral"):
        assert word in text, (path, word)
"""


def block(heading: str, language: str, number: int = 0) -> str:
    """A block of code below a heading of the page, the first unless told."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)
    assert len(found) > number, heading
    return found[number]


def put_under_headings(path: Path, words: str) -> None:
    """Add lines below headings that a catalog has; a section that it has not before them."""
    text = path.read_text("utf-8")
    for heading, lines in re.findall(r"^(\[[^]\n]+\]\n)((?:[^[\n].*\n)+)", words, re.MULTILINE):
        if f"\n{heading}" in text:
            text = text.replace(f"\n{heading}", f"\n{heading}{lines}", 1)
        else:
            text = text.replace("\n[flag]\n", f"\n{heading}{lines}\n[flag]\n", 1)
    path.write_text(text, "utf-8")


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n\n{text}")


def add_knowledge(tables: Path) -> None:
    """Add the nerve, set, layout and recipe of the page, and their Chinese."""
    append(tables / "nerves.toml", block("Add a nerve, a site, a muscle or a spelling", "toml"))
    chinese = block("Add a nerve, a site, a muscle or a spelling", "toml", 1)
    append(tables / "words" / "zh.toml", chinese)
    append(tables / "words" / "zh.toml", block("Add or correct a criteria set", "toml", 1))
    text = (tables / "criteria" / "partial_block_20pct.toml").read_text("utf-8")
    text = text.replace('id = "partial_block_20pct"', 'id = "ours"', 1)
    text = re.sub(r'^title = ".*"$', 'title = "Limits of our laboratory"', text, flags=re.M)
    (tables / "criteria" / "ours.toml").write_text(text, "utf-8")
    (tables / "layouts" / "ours.toml").write_text(block("Add a table layout", "toml"), "utf-8")
    (tables / "recipes" / "one_nerve.toml").write_text(block("Add a recipe", "toml"), "utf-8")


def add_flag(package: Path, tests: Path) -> None:
    """Add the flag of the page: its row, its check, its words and its three tests."""
    row, check, case = (block("Add a quality flag", "python", number) for number in range(3))
    registry = (package / "flags.py").read_text("utf-8")
    (package / "flags.py").write_text(registry.replace("\n)\n", f"\n{row})\n", 1), "utf-8")
    append(package / "quality" / "technique.py", check)
    for catalog in ("en", "zh"):
        path = package / "tables" / "words" / f"{catalog}.toml"
        put_under_headings(path, block("Add a quality flag", "toml"))
    append(tests / "test_quality.py", case)


def add_language(words: Path) -> None:
    """Add a language in which every text is marked: it shows the texts that stand in no catalog."""
    english = (words / "en.toml").read_text("utf-8")
    marked = re.sub(r'^(\S+) = "(.*)"$', r'\1 = "¤\2"', english, flags=re.MULTILINE)
    other = f'{marked}\n[knowledge]\nfemoral = "¤femoral"\n'
    (words / "xx.toml").write_text(other, "utf-8")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A scratch copy of package and tests with what the page says pasted in."""
    root = tmp_path_factory.mktemp("clone")
    package, tests = root / "src" / "ncs_cb", root / "tests"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TESTS, tests, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copy(TESTS.parent / "pyproject.toml", root)
    add_knowledge(package / "tables")
    add_flag(package, tests)
    (package / "readers" / "lines.py").write_text(block("Add a file format", "python"), "utf-8")
    samples = tests / "readers" / "samples"
    samples.mkdir(exist_ok=True)
    (samples / "lines.lines").write_text(block("Add a file format", "text"), "utf-8")
    (package / "reports" / "markdown.py").write_text(block("Add a report", "python"), "utf-8")
    append(package / "figures" / "__init__.py", block("Add a figure", "python"))
    case = block("Add or correct a criteria set", "toml")
    (tests / "cases" / "ours.toml").write_text(f'criteria = "ours"\n\n{case}', "utf-8")
    add_language(package / "tables" / "words")
    return root


def run(clone: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_what_the_page_says_to_write_works_without_any_other_change(clone, tmp_path):
    run(clone, "-c", SCRIPT, str(tmp_path))


# Which contracts of the suite look at which addition of the page, and at how many places.
CONTRACTS = {
    "the set": ("test_criteria.py", "every_set or [ours]", 4),
    "its worked case": ("test_cases.py", "ours-area_falls_by_half", 1),
    "the format": ("readers/test_contract.py", "lines", 3),
    "the report": (
        "reports/test_contract.py",
        "[md] or -md] or broken_format or of_the_contract",
        7,
    ),
    "the flag": ("test_quality.py", "amplitudes_equal or three_tests", 4),
    "the figure": ("test_figures.py", "bare_recruitment", 1),
    "the words": ("test_view.py", "all_chinese or every_flag_and_column or same_places", 3),
    "the nerve": ("test_anatomy.py", "no_word_names or every_stretch or not_drawn", 3),
    "the recipe": ("test_simulate_studies.py", "one_nerve", 2),
}


@pytest.mark.parametrize("added", CONTRACTS)
def test_the_contracts_of_the_suite_hold_for_what_the_page_adds(clone, added):
    module, names, at_least = CONTRACTS[added]
    out = run(
        clone,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        f"tests/{module}",
        "-k",
        names,
    )
    passed = re.search(r"(\d+) passed", out)
    assert passed, out
    assert int(passed[1]) >= at_least


@pytest.mark.parametrize("word", ["femoral", "股神经"])
def test_a_new_nerve_is_listed_in_both_languages(clone, word):
    assert word in run(clone, "-m", "ncs_cb", "nerves")

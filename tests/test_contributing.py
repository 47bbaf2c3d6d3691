"""CONTRIBUTING.md followed to the letter: nerve, set, case, format, layout, report, language."""

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


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A scratch copy of the package and of the cases with what the page says pasted in."""
    root = tmp_path_factory.mktemp("clone")
    package = root / "src" / "ncs_cb"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "tables" / "nerves.toml").open("a", encoding="utf-8") as nerves:
        nerves.write("\n" + block("Add a nerve, a site, a muscle or a spelling", "toml"))
    with (package / "tables" / "words" / "zh.toml").open("a", encoding="utf-8") as words:
        words.write(block("Add a nerve, a site, a muscle or a spelling", "toml", 1))
    english = (package / "tables" / "words" / "en.toml").read_text("utf-8")
    # A language in which every text is marked shows the texts that stand in no catalog.
    marked = re.sub(r'^(\S+) = "(.*)"$', r'\1 = "¤\2"', english, flags=re.MULTILINE)
    other = f'{marked}\n[knowledge]\nfemoral = "¤femoral"\n'
    (package / "tables" / "words" / "xx.toml").write_text(other, "utf-8")
    criteria = package / "tables" / "criteria"
    text = (criteria / "partial_block_20pct.toml").read_text("utf-8")
    (criteria / "ours.toml").write_text(text.replace("partial_block_20pct", "ours", 1), "utf-8")
    (package / "readers" / "lines.py").write_text(block("Add a file format", "python"), "utf-8")
    layout = block("Add a table layout", "toml")
    (package / "tables" / "layouts" / "ours.toml").write_text(layout, "utf-8")
    (package / "reports" / "markdown.py").write_text(block("Add a report", "python"), "utf-8")
    cases = root / "tests" / "cases"
    cases.mkdir(parents=True)
    case = block("Add or correct a criteria set", "toml")
    (cases / "ours.toml").write_text(f'criteria = "ours"\n\n{case}', "utf-8")
    shutil.copy(TESTS / "test_cases.py", root / "tests")
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


def test_the_worked_case_of_the_page_runs_as_it_stands(clone):
    out = run(
        clone,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_cases.py",
        "-k",
        "ours-area_falls_by_half",
    )
    assert "1 passed" in out


@pytest.mark.parametrize("word", ["femoral", "股神经"])
def test_a_new_nerve_is_listed_in_both_languages(clone, word):
    assert word in run(clone, "-m", "ncs_cb", "nerves")

"""What the command line offers around the analysis: samples, doctor, how much it says."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

import ncs_cb
from ncs_cb import cli
from ncs_cb.cli.console import table
from ncs_cb.cli.folding import fold
from ncs_cb.errors import KernelError


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ncs_cb", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **environment},
    )


def test_the_module_is_the_same_program():
    run = program("--version")
    assert (run.returncode, run.stdout.split()) == (0, ["ncs-cb", ncs_cb.__version__])


def test_doctor_names_what_a_report_of_a_fault_needs():
    run = program("doctor")
    assert run.returncode == 0
    for words in ("ncs_cb", "python", "cores", "extra 'pdf'", "numpy", version("numpy"), "edf"):
        assert words in run.stdout
    assert str(Path.home()) not in run.stdout


def test_doctor_names_the_build_of_the_kernel_and_says_where_there_is_none(monkeypatch, capsys):
    assert re.search(r"kernel +compiled, (avx2|baseline) build", program("doctor").stdout)

    def broken():
        raise KernelError(
            "The compiled kernel is missing (kernel.so).", hint="Install ncs_cb again."
        )

    monkeypatch.setattr("ncs_cb._kernels.best_build", broken)
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    assert end.value.code == 0
    assert "is missing (kernel.so)" in capsys.readouterr().out


def test_samples_are_copied_and_can_be_analyzed(tmp_path):
    folder = tmp_path / "a folder 示例"
    assert program("samples", folder).returncode == 0
    assert (folder / "notebooks" / "first_analysis.ipynb").is_file()
    named = set()
    for module in Path(ncs_cb.__file__).parent.rglob("*.py"):
        named.update(re.findall(r"the page '(\w+)'", module.read_text("utf-8")))
    assert {"formats", "tables"} <= named
    assert not [page for page in named if not (folder / "docs" / f"{page}.md").is_file()]
    run = program("analyze", folder / "samples" / "trap_ulnar_elbow", "--out", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out" / "trap_ulnar_elbow" / "report.html").is_file()


def test_samples_never_overwrite(tmp_path):
    kept = tmp_path / "samples" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    run = program("samples", tmp_path)
    assert run.returncode == 2
    assert "nothing was overwritten" in run.stderr
    assert kept.read_text() == "mine"


def test_quiet_says_only_what_went_wrong(tmp_path):
    folder = Path(__file__).parents[1] / "data/samples/trap_ulnar_elbow"
    quiet = program("--quiet", "analyze", folder, "--out", tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    failed = program("--quiet", "analyze", tmp_path / "none.edf", "--out", tmp_path)
    assert failed.returncode == 1
    assert "none.edf" in failed.stderr


def test_verbose_says_what_the_reader_decided(tmp_path):
    folder = Path(__file__).parents[1] / "data/samples/trap_ulnar_elbow"
    usual = program("analyze", folder, "--out", tmp_path)
    told = program("--verbose", "analyze", folder, "--out", tmp_path)
    assert len(told.stderr.splitlines()) > len(usual.stderr.splitlines())


def test_a_console_of_a_narrow_encoding_is_no_error(tmp_path):
    folder = Path(__file__).parents[1] / "data/samples/trap_ulnar_elbow"
    run = program("analyze", folder, "--out", tmp_path, "--lang", "zh", PYTHONIOENCODING="cp1252")
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr


ROWS = [
    ("wrist to elbow", "area −1 %, amplitude −5 %", "undetermined"),
    ("elbow to axilla", "area −57 %, amplitude −58 %", "excluded from judgment"),
]
HEADS = ("Segment", "Proximal against distal", "EFNS/PNS 2010")


@pytest.mark.parametrize("width", [16, 24, 36, 50, 80, 200])
def test_no_word_is_broken_however_narrow_the_terminal(width):
    screen = Console(width=width, file=StringIO())
    screen.print(table(HEADS, ROWS, width=width))
    told = screen.file.getvalue()
    printed = set(told.split())
    assert all(re.search(rf"{number} %", told) for number in (1, 5, 57, 58))
    assert {word for row in (HEADS, *ROWS) for cell in row for word in cell.split()} <= {
        word.removesuffix(":") for word in printed
    }


LINES = [
    "  visit: warning: unassigned stimulus 'Left' (sweep 3): it names no site. See study.toml",
    "1. The fall of area is −9 % and that of amplitude −12 % at 34 °C.",
    "1. 肯定的运动传导阻滞：左侧尺神经（肘上至腋窝，面积 −69 %），其余未见阻滞。",
]


@pytest.mark.parametrize("width", [20, 23, 31, 40, 57, 80])
@pytest.mark.parametrize("line", LINES)
def test_a_line_is_folded_at_blanks_and_never_before_a_unit(line, width):
    folded = fold(Text(line, style="red"), width)
    lines = folded.plain.split("\n")
    assert all(cell_len(one) <= width for one in lines)
    assert not any(re.match(r" *([%°，。）：])", one) for one in lines)
    assert "".join(folded.plain.split()) == "".join(line.split())
    words = set(re.findall(r"[\w.:']+", line, re.ASCII))
    assert words <= set(re.findall(r"[\w.:']+", folded.plain, re.ASCII))


def on_a_terminal(*arguments) -> str:
    """Run the program where both streams are a terminal of 60 columns; what it shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ncs_cb", *map(str, arguments)]
    env = os.environ | {"COLUMNS": "60", "TERM": "xterm"}
    run = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 4096):
            seen += chunk
    run.wait()
    os.close(ours)
    return seen.decode("utf-8")


def test_a_terminal_gets_errors_and_checks_in_lines_that_it_need_not_cut(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "study.toml").write_text("[recordings\n")
    folder = Path(__file__).parents[1] / "data/samples/trap_ulnar_elbow"
    for arguments in (("validate", tmp_path / "a"), ("validate", folder), ("formats", "edf")):
        lines = on_a_terminal(*arguments).splitlines()
        assert len(lines) > 1
        # A path is one word.
        assert not [one for one in lines if len(one) > 60 and " " in one.strip()]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_gets_one_line_per_row(stream, tmp_path):
    folder = Path(__file__).parents[1] / "data/samples/trap_ulnar_elbow"
    run = program("analyze", folder, "--out", tmp_path, COLUMNS="30")
    words = "amplitude" if stream == "stdout" else "report.html"
    assert any(words in line and len(line) > 60 for line in getattr(run, stream).splitlines())


def test_no_warning_of_any_library_reaches_the_user(tmp_path):
    folder = Path(__file__).parents[1] / "data/samples/mmn_ulnar_radial"
    asked = ("--format", "html, json,csv", "--format", "txt")
    run = program("analyze", folder, "--out", tmp_path, *asked, PYTHONWARNINGS="error")
    assert run.returncode == 0, run.stderr
    names = {path.name for path in (tmp_path / "mmn_ulnar_radial").iterdir()}
    assert {"report.html", "result.json", "verdicts.csv", "report.txt"} <= names


@pytest.mark.parametrize("way", ["pipe", "file"])
def test_an_exported_set_is_utf_8_on_a_console_of_256_letters(way, tmp_path):
    mine = tmp_path / "mine.toml"
    command = [sys.executable, "-m", "ncs_cb", "criteria", "export", "efns_pns_2010"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    if way == "file":
        with mine.open("wb") as file:
            subprocess.run(command, stdout=file, check=True, env=environment)
    else:
        mine.write_bytes(
            subprocess.run(command, capture_output=True, check=True, env=environment).stdout
        )
    shipped = Path(ncs_cb.__file__).parent / "tables/criteria/efns_pns_2010.toml"
    assert mine.read_text("utf-8") == shipped.read_text("utf-8")


def test_words_in_a_file_of_any_console_keep_their_letters(tmp_path):
    listed = tmp_path / "nerves.txt"
    with listed.open("wb") as file:
        command = [sys.executable, "-m", "ncs_cb", "nerves"]
        environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
        subprocess.run(command, stdout=file, check=True, env=environment)
    assert "尺神经" in listed.read_text("utf-8")

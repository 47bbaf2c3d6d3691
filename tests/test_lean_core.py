"""What works without the extras, and what each message says to install."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SAMPLE = REPOSITORY / "data" / "samples" / "healthy_arm"

# Loaded by every interpreter that finds it, those that read a file apart too.
HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
EXTRAS = ("dask", "distributed", "pyarrow", "typst", "neo")


@pytest.fixture
def without(tmp_path):
    """Run the program where some libraries cannot be imported."""

    def run(*arguments: object, hidden=EXTRAS) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "hidden"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(HIDDEN.format(names=set(hidden)), "utf-8")
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.run(
            [sys.executable, "-m", "ncs_cb", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_one_study_is_analyzed_without_any_extra(tmp_path, without):
    run = without("analyze", SAMPLE, "--out", tmp_path, "--format", "html,json,csv")
    assert run.returncode == 0, run.stderr
    written = {path.name for path in (tmp_path / "healthy_arm").iterdir()}
    assert {"report.html", "result.json", "traces.csv"} <= written


def how(extra: str) -> tuple[str, str]:
    return f'pip install "ncs_cb[{extra}]"', f'pip install -e ".[{extra}]"'


def said(run: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in run.stderr
    return " ".join(run.stderr.split())


def test_a_pdf_says_what_to_install(tmp_path, without):
    run = without("analyze", SAMPLE, "--out", tmp_path, "--format", "pdf")
    assert run.returncode == 1
    assert all(line in said(run) for line in ("needs typst", *how("pdf")))


@pytest.mark.parametrize(
    ("arguments", "hidden", "library"),
    [
        ((), ("pyarrow",), "pyarrow"),
        (("--scheduler", "tcp://127.0.0.1:1"), ("dask", "distributed"), "dask"),
    ],
)
def test_a_batch_says_what_to_install_before_it_begins(
    tmp_path, without, arguments, hidden, library
):
    run = without("batch", SAMPLE, "--out", tmp_path / "out", *arguments, hidden=hidden)
    assert run.returncode == 1
    assert all(line in said(run) for line in (f"needs {library}", *how("archive")))
    assert not (tmp_path / "out" / "traces").exists()


def test_a_recording_that_needs_neo_says_what_to_install(tmp_path, without):
    (tmp_path / "a.abf").write_bytes(b"ABF2" + bytes(1000))
    (tmp_path / "a.json").write_text('{"nerve": "ulnar", "side": "right", "muscle": "adm"}')
    run = without("analyze", tmp_path / "a.abf", "--out", tmp_path / "out")
    assert run.returncode == 1
    assert all(line in said(run) for line in ("needs neo", *how("neo")))


def test_a_batch_of_local_workers_needs_no_dask(tmp_path, without):
    out = tmp_path / "out"
    run = without("batch", SAMPLE, "--out", out, "--workers", 1, hidden=("dask", "distributed"))
    assert run.returncode == 0, run.stderr
    assert list((out / "diagnosis").glob("*.parquet"))


def test_doctor_tells_which_extras_are_there(without):
    run = without("doctor")
    assert run.returncode == 0, run.stderr
    assert all(f"extra '{name}'" in run.stdout for name in ("archive", "pdf", "neo"))


def test_the_core_requires_what_it_needs_and_no_more():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    core = {line.split(">")[0] for line in project["dependencies"]}
    lean = "numpy scipy pandas matplotlib mne jinja2 typer rich python-calamine"
    assert core == set(lean.split())
    assert set(project["optional-dependencies"]) == {"archive", "pdf", "neo", "xlsx", "all"}

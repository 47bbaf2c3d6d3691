"""The notebooks run from a fresh kernel and are stored without output."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_output(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    from nbclient import NotebookClient

    for folder in ("notebooks", "data"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    texts = [
        text for o in outputs for kind, text in o.get("data", {}).items() if "image" not in kind
    ]
    texts += [o["text"] for o in outputs if o.output_type == "stream"]
    assert texts
    assert max(map(len, texts)) < 30_000  # no object floods a cell

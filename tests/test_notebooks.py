"""The notebooks run from their first cell to their last, and come to a conclusion."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "notebooks").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where a notebook's store goes
    notebook = jupytext.read(path)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 5
    outputs = [output for cell in cells for output in cell.outputs]
    shown = [set(output.get("data", {})) for output in outputs]
    assert any("image/png" in kinds for kinds in shown)
    assert any("image/svg+xml" in kinds for kinds in shown)
    html = "".join(output["data"].get("text/html", "") for output in outputs if "data" in output)
    assert "27/27 runs" in html
    assert "95 % intervals" in html
    said = "".join(output.get("text", "") for output in outputs)
    assert "95 % interval" in said

"""The notebooks run from top to bottom on generated data, and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from launching import LIMIT_SECONDS, environment
from nbclient import NotebookClient
from quick_java import ROOT

FOLDER = ROOT / "notebooks"


def pictures(notebook: nbformat.NotebookNode) -> list[int]:
    """How many pictures each cell shows."""
    shown = [[one for one in cell.get("outputs", []) if "image/png" in one.get("data", {})] for cell in notebook.cells]
    return [len(one) for one in shown]


def run_notebook(name: str, cwd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Runs it as a user does, and finds the pictures where the stored notebook has them, and no error or warning."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    kept = {key: os.environ[key] for key in ("MPLCONFIGDIR",) if key in os.environ}
    kept["NUMBA_CACHE_DIR"] = str(ROOT / ".venv" / "cache" / "numba")  # else kernels are kept in TMPDIR
    given = {**environment(tmp_path / "home"), **kept, "TMPDIR": str(temporary), **variables}
    given.pop("PYTEST_CURRENT_TEST")  # by which the kernel would tell that it is tested, and not show all output
    path = FOLDER / f"{name}.ipynb"
    stored, notebook = (nbformat.read(path, 4) for _ in range(2))
    client = NotebookClient(
        notebook, timeout=LIMIT_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(cwd)}}
    )
    before = sorted(cwd.iterdir())
    client.execute(env=given)
    assert pictures(notebook) == pictures(stored)
    assert [one.text for cell in notebook.cells for one in cell.get("outputs", []) if one.get("name") == "stderr"] == []
    assert list(temporary.glob("howdah-*")) == []
    assert sorted(cwd.iterdir()) == before


def test_exploration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"HOWDAH_NOTEBOOK_SCALE": "0.001", "HOWDAH_NOTEBOOK_EPOCHS": "1"}
    run_notebook("exploration", ROOT, tmp_path, monkeypatch, **small)


def test_resources(compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = os.pathsep.join(str(path) for path in sorted((compared.path / "runs").iterdir()))
    run_notebook("resources", FOLDER, tmp_path, monkeypatch, HOWDAH_NOTEBOOK_RUNS=runs)


def test_dag(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_notebook("dag", FOLDER, tmp_path, monkeypatch, HOWDAH_NOTEBOOK_RUN=str(trained.path))

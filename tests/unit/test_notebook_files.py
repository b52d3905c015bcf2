"""The notebooks as they are stored: run from top to bottom, with pictures, and by what everybody may use."""

from __future__ import annotations

import ast
import base64
import importlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

FOLDER = Path(__file__).parents[2] / "notebooks"
PICTURES = {"dag": 4, "exploration": 4, "resources": 8}  # at least
MACHINE_PATH = re.compile(r"/(tmp|root|home|work|Users|var|opt)\b")
OURS = ("recsys", "monitor", "spark_jobs")

every_notebook = pytest.mark.parametrize("name", PICTURES)


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def code(name: str) -> list[dict[str, Any]]:
    return [cell for cell in cells(name) if cell["cell_type"] == "code"]


def outputs(name: str) -> list[dict[str, Any]]:
    return [output for cell in code(name) for output in cell["outputs"]]


def misused(source: str) -> list[str]:
    """What a notebook uses of ours that is private."""
    return sorted({found for node in ast.walk(ast.parse(source)) for found in _misused(node)})


def _misused(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        yield node.attr
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OURS:
        yield from _not_offered(node.value.id, node.attr)
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names if one.name.split(".")[0] in OURS and one.name not in OURS[:2])
    if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
        for one in node.names:
            yield from _not_offered(str(node.module), one.name)


def _not_offered(package: str, name: str) -> Iterator[str]:
    module = importlib.import_module(package)
    if package == "monitor":
        public = name in module.__all__
    else:
        public = not name.startswith("_") and not package.startswith("spark_jobs") and hasattr(module, name)
    if not public:
        yield f"{package}.{name}"


def test_all_notebooks_are_looked_at() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(PICTURES)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import monitor\nmonitor.read_phases('x').costs", []),
        ("import monitor\nmonitor.cost.read_run('x')", ["monitor.cost"]),
        ("import monitor.cost.run_files", ["monitor.cost.run_files"]),
        ("import spark_jobs", ["spark_jobs"]),
        ("from recsys.data.ingest.pipeline import prepare, _partitions", ["recsys.data.ingest.pipeline._partitions"]),
        ("spark._jvm", ["_jvm"]),
    ],
)
def test_what_is_misused(source: str, found: list[str]) -> None:
    assert misused(source) == found


@every_notebook
def test_it_uses_what_everybody_may_and_defines_nothing(name: str) -> None:
    source = "\n".join("".join(cell["source"]) for cell in code(name))
    assert misused(source) == []
    defined = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert defined == []


@every_notebook
def test_it_was_run_from_top_to_bottom_without_an_error_or_a_warning(name: str) -> None:
    assert [cell["execution_count"] for cell in code(name)] == list(range(1, len(code(name)) + 1))
    kinds = {(output["output_type"], output.get("name", "")) for output in outputs(name)}
    assert kinds <= {("display_data", ""), ("execute_result", ""), ("stream", "stdout")}


@every_notebook
def test_it_holds_pictures_that_show_something(name: str) -> None:
    drawn = [output["data"]["image/png"] for output in outputs(name) if "image/png" in output.get("data", {})]
    assert len(drawn) >= PICTURES[name]
    for picture in drawn:
        pixels = imread(io.BytesIO(base64.b64decode(picture)), format="png")
        assert min(pixels.shape[:2]) > 150 and pixels[..., :3].std() > 0.02
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


@every_notebook
def test_it_says_nothing_of_the_machine_that_it_was_run_on(name: str) -> None:
    told = [
        {**output, "data": {k: v for k, v in output.get("data", {}).items() if k != "image/png"}}
        for output in outputs(name)
    ]
    assert MACHINE_PATH.findall(json.dumps(told)) == []

"""Imports point down only (design.md, Layout): every import statement of the project is looked at."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("recsys", "monitor", "spark_jobs")

# the layers of recsys from the bottom; what stands in one layer does not know its neighbours but for NEIGHBOURS
LAYERS = [
    ("recsys.errors", "recsys.columns", "recsys.secrets", "recsys.checksums", "recsys.activations"),
    ("recsys.config", "recsys.workers", "recsys.howdah_daemon", "recsys.tensorflow_env"),
    ("recsys.session", "recsys.files"),
    ("recsys.data.blocks", "recsys.data.sources"),
    ("recsys.data.split",),
    ("recsys.data.examples",),
    ("recsys.data.partition", "recsys.data.ingest"),
    ("recsys.data.split_file", "recsys.data.store"),
    ("recsys.data.dataset",),
    ("recsys.data.orientation", "recsys.data.rows"),
    ("recsys.data",),
    ("recsys.losses",),
    ("recsys.models",),
    ("recsys.evaluation",),
    ("recsys.training", "recsys.recommend"),
    ("recsys",),  # recsys/__init__.py
]
NEIGHBOURS: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Import:
    """One imported module, and where that is said."""

    importer: str
    imported: str
    line: int
    at_import: bool  # runs when the module is imported, not only when a function is called

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: {self.imported}"


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, root: Path = ROOT) -> Iterator[Import]:
    importer = module_name(path, root)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
    later = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(outer)
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from package import module` is an import of the module where there is one of that name
            names = [
                f"{source}.{alias.name}" if _is_module(f"{source}.{alias.name}", root) else source
                for alias in node.names
            ]
        for name in names:
            yield Import(importer, name, node.lineno, id(node) not in later)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _is_module(name: str, root: Path) -> bool:
    path = root.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def place(name: str) -> tuple[int, str]:
    """The layer of a module of recsys, and the entry of LAYERS that it belongs to."""
    if name == "recsys":
        return len(LAYERS) - 1, name
    for level, layer in enumerate(LAYERS[:-1]):
        for entry in layer:
            if under(name, entry):
                return level, entry
    raise AssertionError(f"{name}: in no layer; give it one here, as design.md's Layout says")


def points_down(one: Import) -> bool:
    (level, importer), (below, imported) = place(one.importer), place(one.imported)
    return importer == imported or below < level or (importer, imported) in NEIGHBOURS


FILES = [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]
IMPORTS = [one for path in FILES for one in imports_of(path)]


def wrong(*found: Import) -> list[str]:
    return [str(one) for one in found]


def test_the_walk_sees_what_there_is(tmp_path: Path) -> None:
    assert len(FILES) > 40
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "low.py").write_text("")
    path = tmp_path / "pack" / "__init__.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport a.b, c\nfrom . import low\nfrom .low import x\nfrom pack import low\n"
        "if TYPE_CHECKING:\n    import d\ndef f():\n    from e import g\n"
        "try:\n    import h\nexcept ImportError:\n    pass\n"
    )
    found = [(one.imported, one.at_import) for one in imports_of(path, tmp_path)]
    assert sorted(found) == [
        ("a.b", True), ("c", True), ("d", False), ("e", False), ("h", True),
        ("pack.low", True), ("pack.low", True), ("pack.low", True), ("typing", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("recsys.config", "recsys.errors", True),
        ("recsys.errors", "recsys.config", False),
        ("recsys.config", "recsys.data", False),
        ("recsys.data.ingest.parse", "recsys.data.sources.files", True),
        ("recsys.data.sources.files", "recsys.data.ingest.byte_ranges", False),
        ("recsys.data.ingest.pipeline", "recsys.data.dataset", False),
        ("recsys.data.blocks", "recsys.losses.keras_losses", False),
        ("recsys.evaluation.loss", "recsys.losses.keras_losses", True),
        ("recsys.evaluation.loss", "recsys.training", False),
        ("recsys.training.loop", "recsys.recommend", False),
        ("recsys.recommend.recommender", "recsys", False),
    ],
)
def test_what_points_down(importer: str, imported: str, allowed: bool) -> None:
    assert points_down(Import(importer, imported, 1, True)) is allowed


def test_recsys_points_down_only() -> None:
    inner = [one for one in IMPORTS if under(one.importer, "recsys") and under(one.imported, "recsys")]
    assert len(inner) > 50
    assert wrong(*(one for one in inner if not points_down(one))) == []


def test_recsys_knows_neither_monitor_nor_jobs() -> None:
    found = [one for one in IMPORTS if under(one.importer, "recsys")]
    assert wrong(*(one for one in found if under(one.imported, "monitor") or under(one.imported, "spark_jobs"))) == []


def test_monitor_knows_nothing_of_ours_and_nothing_heavy_at_module_level() -> None:
    found = [one for one in IMPORTS if under(one.importer, "monitor")]
    assert wrong(*(one for one in found if under(one.imported, "recsys") or under(one.imported, "spark_jobs"))) == []
    heavy = ("pyspark", "tensorflow", "keras", "elephas", "matplotlib")
    assert wrong(*(one for one in found if one.at_import and one.imported.partition(".")[0] in heavy)) == []


def test_jobs_never_import_jobs() -> None:
    jobs = {module_name(path, ROOT) for path in (ROOT / "spark_jobs").glob("[!_]*.py")} - {"spark_jobs.common"}
    assert {"spark_jobs.train", "spark_jobs.prepare"} <= jobs
    found = [one for one in IMPORTS if one.imported in jobs and not under(one.importer, "spark_jobs.launcher")]
    assert wrong(*found) == []


def test_elephas_has_one_importer() -> None:
    found = {one.importer for one in IMPORTS if under(one.imported, "elephas")}
    assert found == {"recsys.training.elephas.adapter"}


def test_tensorflow_and_keras_are_imported_late_but_for_models_and_training() -> None:
    heavy = [one for one in IMPORTS if one.at_import and one.imported.partition(".")[0] in ("tensorflow", "keras")]
    allowed = ("recsys.models", "recsys.losses", "recsys.training")
    assert wrong(*(one for one in heavy if not any(under(one.importer, package) for package in allowed))) == []


def test_settings_need_pydantic_alone() -> None:
    """The launcher reads settings in each call, before Spark."""
    assert loaded_by("import recsys.config.load") & {"pyspark", "tensorflow", "keras", "pandas", "numpy"} == set()


def test_what_workers_run_in_training_and_evaluation_needs_no_tensorflow() -> None:
    loaded = loaded_by(
        "import recsys.training.local_sgd.worker, recsys.training.local_sgd.rounds, recsys.evaluation.evaluate"
    )
    assert loaded & {"tensorflow", "keras", "elephas"} == set()


def test_a_saved_model_is_loaded_without_elephas_and_the_library_without_tensorflow() -> None:
    loaded = loaded_by("import recsys; recsys.load_recommender; import recsys.data.store, recsys.evaluation.evaluate")
    assert loaded & {"tensorflow", "keras", "elephas", "monitor", "spark_jobs"} == set()


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(told.stdout.split())

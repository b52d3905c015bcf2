"""Imports point down only (design.md, Layout): every import statement of the project is looked at."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.ease.config import EaseConfig
from recsys.models.ease.family import Ease
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.models.sum_model import SumConfig, SumModel
from recsys.recommend.saved import save_fold_in, save_items
from recsys.registries import FAMILIES

HEAVY = ("tensorflow", "keras", "elephas", "pyspark")
KERAS_MODULES = {
    "recsys.models.autoencoder.keras_models",
    "recsys.training.elephas.trainer",
}
ROOT = Path(__file__).parents[2]
OURS = ("recsys", "monitor", "spark_jobs")

# the layers of recsys from the bottom; what stands in one layer does not know its neighbours but for NEIGHBOURS
LAYERS = [
    (
        "recsys.conf_folder",
        "recsys.errors",
        "recsys.columns",
        "recsys.secrets",
        "recsys.checksums",
        "recsys.json_files",
        "recsys.activations",
        "recsys.compiled",
        "recsys.exponential",
    ),
    ("recsys.registry", "recsys.catalogue"),
    ("recsys.registries",),
    ("recsys.config", "recsys.workers", "recsys.howdah_daemon", "recsys.tensorflow_env"),
    ("recsys.session", "recsys.files"),
    ("recsys.data.text", "recsys.data.scale"),
    ("recsys.data.blocks", "recsys.data.preprocessing", "recsys.data.sources"),
    ("recsys.data.split",),
    ("recsys.data.time_split",),
    ("recsys.data.examples",),
    ("recsys.data.partition", "recsys.data.ingest"),
    ("recsys.data.split_file", "recsys.data.store", "recsys.data.time_cuts"),
    ("recsys.data.dataset",),
    ("recsys.data.orientation", "recsys.data.rows"),
    ("recsys.data.tfrecord",),
    ("recsys.data",),
    ("recsys.losses",),
    ("recsys.models.base", "recsys.models.factors", "recsys.models.exchange"),
    ("recsys.models.files", "recsys.models.fold_in"),
    ("recsys.evaluation",),
    ("recsys.training",),
    ("recsys.models",),  # the families
    ("recsys.recommend",),
    ("recsys.arranged",),
    ("recsys.api",),
    ("recsys.tuning",),
    ("recsys",),  # recsys/__init__.py
]
NEIGHBOURS: set[tuple[str, str]] = set()
# what a layer may name in annotations alone, under TYPE_CHECKING: the contract speaks of what is trained by it
ANNOTATIONS = {
    ("recsys.registries", "recsys.losses"),
    ("recsys.registries", "recsys.evaluation"),
    ("recsys.registries", "recsys.models.base"),
    ("recsys.models.base", "recsys.training"),
}


@dataclass(frozen=True)
class Import:
    """One imported module, and where that is said."""

    importer: str
    imported: str
    line: int
    at_import: bool  # runs when the module is imported, not only when a function is called
    for_types: bool = False  # under TYPE_CHECKING: never runs

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
    for_types = {id(node) for outer in ast.walk(tree) if _is_type_checking(outer) for node in ast.walk(outer)}
    for node in ast.walk(tree):
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
        else:
            continue
        for name in names:
            yield Import(importer, name, node.lineno, id(node) not in later, id(node) in for_types)


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
    allowed = NEIGHBOURS | ANNOTATIONS if one.for_types else NEIGHBOURS
    return importer == imported or below < level or (importer, imported) in allowed


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
    found = list(imports_of(path, tmp_path))
    assert sorted((one.imported, one.at_import) for one in found) == [
        ("a.b", True), ("c", True), ("d", False), ("e", False), ("h", True),
        ("pack.low", True), ("pack.low", True), ("pack.low", True), ("typing", True),
    ]  # fmt: skip
    assert [one.imported for one in found if one.for_types] == ["d"]


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("recsys.config", "recsys.errors", True),
        ("recsys.errors", "recsys.config", False),
        ("recsys.config", "recsys.data", False),
        ("recsys.data.ingest.parse", "recsys.data.sources.files", True),
        ("recsys.data.sources.files", "recsys.data.ingest.byte_ranges", False),
        ("recsys.data.sources.files", "recsys.data.text.encodings", True),
        ("recsys.data.text.records", "recsys.data.sources.layout", False),
        ("recsys.data.ingest.pipeline", "recsys.data.dataset", False),
        ("recsys.data.blocks", "recsys.losses.mse", False),
        ("recsys.losses.mse", "recsys.models.base", False),
        ("recsys.evaluation.loss", "recsys.losses.base", True),
        ("recsys.evaluation.loss", "recsys.training", False),
        ("recsys.evaluation.loss", "recsys.models.base", True),
        ("recsys.evaluation.loss", "recsys.models.ease.family", False),
        ("recsys.models.base", "recsys.training.base", False),
        ("recsys.training.loop", "recsys.models.autoencoder.families", False),
        ("recsys.models.ease.family", "recsys.training.closed_form", True),
        ("recsys.models.ease.family", "recsys.recommend.recommender", False),
        ("recsys.training.loop", "recsys.recommend", False),
        ("recsys.recommend.saved", "recsys.models.files", True),
        ("recsys.recommend.saved", "recsys.api", False),
        ("recsys.api", "recsys.recommend.saved", True),
        ("recsys.recommend.recommender", "recsys", False),
    ],
)
def test_what_points_down(importer: str, imported: str, allowed: bool) -> None:
    assert points_down(Import(importer, imported, 1, True)) is allowed


def test_annotations_may_name_what_is_above_in_the_contract_alone() -> None:
    assert points_down(Import("recsys.models.base", "recsys.training.base", 1, False, for_types=True))
    assert not points_down(Import("recsys.models.base", "recsys.training.base", 1, False))  # within a function
    assert not points_down(Import("recsys.losses.base", "recsys.training.base", 1, False, for_types=True))


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
    assert found == {"recsys.training.elephas.trainer"}


def test_tensorflow_and_keras_are_imported_late_but_for_two_modules() -> None:
    heavy = {one.importer for one in IMPORTS if one.at_import and one.imported.partition(".")[0] in HEAVY[:3]}
    assert heavy == KERAS_MODULES


def test_no_import_of_a_family_a_loss_or_a_metric_imports_tensorflow() -> None:
    """Nor pyspark: workers and whoever loads a model import families alone."""
    code = "from recsys.registries import FAMILIES, LOSSES, METRICS; "
    code += "[registry.get(name) for registry in (FAMILIES, LOSSES, METRICS) for name in registry.names()]"
    assert loaded_by(code) & {*HEAVY, "pandas", "pyarrow"} == set()


def test_settings_need_pydantic_and_numpy_alone() -> None:
    """The launcher reads settings in each call, before Spark: also those of a family, whose class is imported."""
    code = "from recsys.config.load import build_config; "
    code += "[build_config({'model': {'kind': kind}}) for kind in ('dae', 'vae', 'recvae', 'linear', 'sum')]"
    assert loaded_by(code) & {*HEAVY, "pandas", "pyarrow"} == set()


def test_a_look_at_text_files_needs_the_standard_library_alone() -> None:
    loaded = loaded_by("from recsys.data.text import compression, encodings, layouts, records")
    assert loaded & {*HEAVY, "numpy", "pandas", "pyarrow", "pydantic"} == set()


def test_what_workers_run_in_training_and_evaluation_needs_no_tensorflow() -> None:
    loaded = loaded_by(
        "import recsys.training.local_sgd.worker, recsys.training.local_sgd.rounds, recsys.evaluation.evaluate"
    )
    assert loaded & {"tensorflow", "keras", "elephas"} == set()


def test_the_library_is_imported_without_what_it_does_not_use() -> None:
    loaded = loaded_by("import recsys; recsys.load_recommender; import recsys.data.store, recsys.evaluation.evaluate")
    assert loaded & {"tensorflow", "keras", "elephas", "monitor", "spark_jobs"} == set()
    assert loaded_by("import recsys") & {*HEAVY, "pandas", "pyarrow", "numpy", "scipy", "pydantic"} == set()


@pytest.mark.parametrize("kind", ["dae", "vae", "recvae", "linear", "sum", "movies"])
def test_a_saved_model_is_loaded_and_recommends_by_numpy(kind: str, tmp_path: Path) -> None:
    save(kind, tmp_path)
    code = f"import recsys; model = recsys.load_recommender({str(tmp_path)!r}); "
    code += "assert len(model.recommend({'b': 4.0}, 3)) == 3; assert model.items.tolist() == list('abcdefg')"
    assert loaded_by(code) & {*HEAVY, "pandas"} == set()


def save(kind: str, folder: Path) -> None:
    """A model of 7 movies with weights of 1, of users' arrays, or ("movies") of movies' arrays."""
    scale, ones = Preprocessing(0.5, 5.0), np.ones((7, 7), np.float32)
    linear = Ease(EaseConfig(), scale, ones)
    configs: dict[str, AutoencoderConfig] = {
        "dae": DaeConfig(hidden=(3,), loss="multinomial"),
        "vae": VaeConfig(hidden=(3,), latent=2),
        "recvae": RecVaeConfig(hidden=(3, 3), latent=2),
    }
    model: Any = linear
    if kind != "linear":
        config = configs.get(kind, configs["dae"])
        family: Any = FAMILIES.get(config.kind)
        shapes = Layout(7, config, family.architecture).shapes
        model = family(config, scale, 7, [np.ones(shape, np.float32) for shape in shapes])
    if kind == "sum":
        model = SumModel(SumConfig(first=model.config, second=linear.config), model, linear)
    items = pd.DataFrame({"index": range(7), "movie_id": list("abcdefg"), "title": "x", "year": 1990, "popularity": 1})
    save_items(folder, items, scale, "multinomial", "movie" if kind == "movies" else "user")
    model.save(folder)
    if kind == "movies":
        factors = Factors(np.ones((7, 3), np.float32), ones[0], np.ones((7, 3), np.float32), ones[0])
        save_fold_in(folder, model, FoldIn.of(factors, scale))


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())

"""What a training is computed by: said in environment.json, and refused before Spark where it is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from recsys.config.load import load_config
from recsys.errors import UserError
from recsys.training.kernels import check_kernels, described
from spark_jobs.launcher.arguments import parse_arguments
from spark_jobs.launcher.submit import check_spark, submit

NUMPY = f"numpy {version('numpy')}"
FACTORS = ("als", "mf", "biased_mf")


@pytest.fixture
def no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "numba" else find(name, *rest))


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        (["model.kind=dae"], "numba"),
        (["model.kind=recvae", "training.kernels=numpy"], "numpy"),
        (["model.kind=dae", "training.strategy=elephas"], "none"),
        *((["model.kind=" + kind, "training.kernels=numpy"], "numba") for kind in FACTORS),
        (["model.kind=linear"], "none"),
        (["model.kind=sum"], "numba"),
    ],
)
def test_what_is_used_is_described_with_its_version(settings: list[str], used: str) -> None:
    pytest.importorskip("numba")
    said = used if used == "none" else f"{used} {version(used)}"
    assert described(load_config([], settings)) == said


def test_without_numba_numpy_computes_where_it_can(no_numba: None) -> None:
    config = load_config([], ["model.kind=dae"])
    check_kernels(config)
    assert described(config) == NUMPY


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["training.kernels=numba"], "training.kernels = 'numba', which is not installed: pip install numba, or set "),
        *(
            (["model.kind=" + kind], f"model.kind = '{kind}' is trained by numba, which is not installed: pip install ")
            for kind in FACTORS
        ),
    ],
)
def test_the_launcher_refuses_before_it_looks_for_java(
    no_numba: None, tmp_path: Path, settings: list[str], text: str
) -> None:
    (tmp_path / "plain.toml").write_text('name = "plain"\n')
    words = ["--config", str(tmp_path / "plain.toml"), *(word for one in settings for word in ("--set", one))]
    for start, job in ((submit, "train"), (check_spark, "compare")):
        with pytest.raises(UserError) as refused:
            start(parse_arguments(job, words))
        assert str(refused.value).startswith(text) and "\n" not in str(refused.value)

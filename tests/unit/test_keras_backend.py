"""Keras runs on TensorFlow whatever the environment says, and where it cannot, one line says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = "from recsys.tensorflow_env import quiet_keras; print(quiet_keras().backend.backend())"


def python(*options: str, code: str = CODE, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *options, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_neither_the_variable_nor_the_users_file_counts(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    ended = python(KERAS_BACKEND="torch", KERAS_HOME=str(tmp_path))
    assert (ended.stdout, ended.returncode) == ("tensorflow\n", 0)


def test_keras_on_another_backend_is_named() -> None:
    imported = (
        "import sys, types; sys.modules['keras'] = types.ModuleType('keras'); "
        "sys.modules['keras'].backend = types.SimpleNamespace(backend=lambda: 'torch')"
    )
    ended = python(code=f"{imported}\n{CODE}")
    assert ended.stderr.splitlines()[-1] == (
        "recsys.errors.UserError: Keras was imported on torch, and models need TensorFlow: start Python anew with "
        "KERAS_BACKEND=tensorflow"
    )


def test_without_docstrings_the_remedy_is_said() -> None:
    """TensorFlow itself ends in a TypeError: it searches the docstrings."""
    ended = python("-OO")
    assert ended.stderr.splitlines()[-1].startswith("recsys.errors.UserError: TensorFlow does not start without docstr")


def test_workers_get_the_backend() -> None:
    from recsys.session import PROPERTIES

    assert PROPERTIES["spark.executorEnv.KERAS_BACKEND"] == "tensorflow"
    code = "from recsys.howdah_daemon import preload; import os; preload([]); print(os.environ['KERAS_BACKEND'])"
    assert python(code=code, KERAS_BACKEND="torch").stdout == "tensorflow\n"

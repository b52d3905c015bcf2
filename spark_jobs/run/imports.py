"""What the driver imports, and when: from compiled files, and beside the time in which it waits for Spark."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from recsys.config import Config
from recsys.config.model import ModelConfig
from recsys.howdah_daemon import prefer_compiled_pyspark
from recsys.registries import FAMILIES

DATA = ("numpy", "pyarrow.compute", "pandas", "scipy.sparse")
PICTURES = ("matplotlib.figure", "matplotlib.backends.backend_agg")
_KERAS = "recsys.tensorflow_env"


def import_ahead(modules: Sequence[str]) -> threading.Thread:
    """Imports the modules in a thread, in this order; the thread.

    Nobody needs to wait: who imports one of them meanwhile waits by itself. What cannot be imported is left to whoever
    needs it. Python ends only after the thread, because an import that is cut off may crash it.
    """

    def run() -> None:
        for name in modules:
            with suppress(Exception):
                module = importlib.import_module(name)
                if name == _KERAS:
                    module.quiet_keras()

    thread = threading.Thread(target=run, name="imports")
    thread.start()
    return thread


def needed_by(job: str, config: Config, profiled: bool) -> list[str]:
    """The modules that a job will import, in the order in which it needs them."""
    keras = [_KERAS] if job in ("train", "tune") and _uses_keras(config.model) else []
    return [*DATA, *keras, *(PICTURES if profiled else [])]


def _uses_keras(model: ModelConfig) -> bool:
    """Whether the driver trains the model with Keras, or saves it as model.keras; of a sum, whether a part is such."""
    family = FAMILIES.get(model.kind)
    parts = [getattr(model, name) for name in ("first", "second") if hasattr(model, name)]
    return hasattr(family, "keras_model") or family.supports.needs_tensorflow or any(map(_uses_keras, parts))


def use_compiled_pyspark() -> None:
    """`prefer_compiled_pyspark` for this process, where it has not imported PySpark yet."""
    if "pyspark" not in sys.modules:
        prefer_compiled_pyspark(sys.path)

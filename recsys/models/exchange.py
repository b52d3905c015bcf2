"""model.keras: the format in which models leave this project, and which plain Keras loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def save_keras(folder: Path, model: Any) -> None:
    """Writes model.keras whole or not at all; the model must not be compiled, so that plain Keras loads it."""
    folder.mkdir(parents=True, exist_ok=True)
    # written beside and moved into place: a killed run keeps the model that it had
    temporary = folder / f".{os.getpid()}.model.keras"
    try:
        model.save(temporary)
        temporary.replace(folder / "model.keras")
    except BaseException:  # a full disk
        temporary.unlink(missing_ok=True)
        raise

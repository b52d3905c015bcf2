"""How the arrays and settings of a model lie on disk: .npy files beside scorer.json, which holds their checksums."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.checksums import digest_of, read_sealed, write_array, write_sealed
from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing

SCORER = "scorer"  # the folder below a model's
_REPLACED = ".scorer-old"  # its name while a new one takes its place
_DESCRIPTION = "scorer.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Saved:
    """What `write_scorer` was given."""

    config: dict[str, Any]
    preprocessing: Preprocessing
    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]  # mapped from disk


def write_scorer(
    folder: Path, config: ModelConfig, preprocessing: Preprocessing, arrays: Mapping[str, np.ndarray], **facts: Any
) -> None:
    """Writes the folder `scorer`, whole or not at all.

    Args:
        folder: the model's folder.
        config: the model's settings; they say which family reads the folder.
        preprocessing: how raw ratings become rating arrays.
        arrays: by name.
        facts: whatever else JSON can hold.
    """
    temporary = folder / f".{SCORER}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        digests = {f"{name}.npy": write_array(temporary / f"{name}.npy", array) for name, array in arrays.items()}
        described = {
            "format_version": FORMAT_VERSION,
            "config": config.model_dump(mode="json", exclude_none=True),
            "preprocessing": preprocessing.to_mapping(),
            "facts": facts,
            "sha256": digests,
        }
        write_sealed(temporary / _DESCRIPTION, described)
        target, old = folder / SCORER, folder / _REPLACED
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        temporary.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:  # a full disk
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def scorer_folder(folder: Path) -> Path:
    """Where a model's arrays are. A process that was killed while it replaced them leaves those of before."""
    target, old = folder / SCORER, folder / _REPLACED
    return old if old.exists() and not target.exists() else target


def kind_of(folder: Path) -> str:
    """Which family reads the folder. Raises ValueError or OSError where it was changed or is not there."""
    return str(_description(folder)["config"]["kind"])


def read_scorer(folder: Path) -> Saved:
    """What was written. Raises ValueError, with the file's name, or OSError where a file was changed or cut off."""
    described = _description(folder)
    arrays = {}
    for name, digest in described["sha256"].items():
        path = scorer_folder(folder) / name
        if digest_of(path) != digest:
            raise ValueError(f"the checksum of {name} is wrong")
        arrays[name.removesuffix(".npy")] = np.load(path, mmap_mode="r", allow_pickle=False)
    return Saved(described["config"], Preprocessing.of(described["preprocessing"]), described["facts"], arrays)


def _description(folder: Path) -> dict[str, Any]:
    try:
        described = read_sealed(scorer_folder(folder) / _DESCRIPTION)
    except ValueError as error:
        raise ValueError(f"{_DESCRIPTION}: {error}") from None
    if described.get("format_version") != FORMAT_VERSION:
        raise ValueError("it was written by another version of this program")
    return described

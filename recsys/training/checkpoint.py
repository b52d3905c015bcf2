"""Checkpoints: all that training goes on from, whole or not at all, each file with its checksum.

A checkpoint is a folder `EPOCH-ROUND` of .npy files (no pickle) beside checkpoint.json, which is written last and holds
their SHA-256 and its own. It is made under another name and moved into place; the one before is kept in case this one
is broken.
Random state needs no file: every draw comes from the seed, the epoch, the round and the worker.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from recsys.checksums import digest_of, read_sealed, write_array, write_sealed
from recsys.errors import DataError
from recsys.training.history import Epoch, Seconds
from recsys.training.state import Moments, Position, Snapshot

FORMAT_VERSION = 2  # 1 had Adam's moments as means
_KEPT = 2


class Checkpoints:
    """The checkpoints of a run, at most one in `seconds`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self._seconds = seconds
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._last >= self._seconds

    @property
    def any(self) -> bool:
        """Whether there is one, good or not."""
        return bool(self._there())

    def save(self, snapshot: Snapshot, moments: Iterable[Moments] | None = None) -> Path:
        """Writes one. `moments` stand for the snapshot's: taken one after the other, they are never all in memory."""
        position = snapshot.position
        name = f"{position.epoch:06d}-{position.round:04d}"
        temporary = self.folder / f".{name}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            files = {f"{key}.npy": _write(temporary / f"{key}.npy", array) for key, array in snapshot.arrays.items()}
            steps = {}
            for one in snapshot.moments if moments is None else moments:
                file = f"worker-{one.worker:05d}.npy"
                files[file] = _write(temporary / file, one.values)
                steps[file] = one.step
            described = {
                "format_version": FORMAT_VERSION,
                "position": asdict(position),
                "history": [asdict(epoch) for epoch in snapshot.history],
                "steps": steps,
                "sha256": files,
            }
            write_sealed(temporary / "checkpoint.json", described)
            _sync(temporary / "checkpoint.json")
            target = self.folder / name
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for old in self._there()[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()
        return target

    def load(self) -> tuple[Snapshot | None, list[str]]:
        """The latest checkpoint that is whole, None where there is none, and what is wrong with the later ones."""
        wrong: list[str] = []
        for folder in reversed(self._there()):
            try:
                return _read(folder), wrong
            except DataError as error:
                wrong.append(str(error))
        return None, wrong

    def remove(self) -> None:
        """Deletes them all: the run has ended well."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _there(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("[0-9]*-[0-9]*") if path.is_dir())


def read_moments(folder: Path) -> Iterator[Moments]:
    """The workers' moments of a checkpoint that was just written, one after the other."""
    steps = read_sealed(folder / "checkpoint.json")["steps"]
    for file, step in steps.items():
        yield Moments(_worker(file), step, np.load(folder / file, allow_pickle=False))


def _worker(file: str) -> int:
    return int(file.removeprefix("worker-").removesuffix(".npy"))


def _write(path: Path, array: np.ndarray) -> str:
    digest = write_array(path, array)
    _sync(path)
    return digest


def _read(folder: Path) -> Snapshot:
    try:
        described = read_sealed(folder / "checkpoint.json")
        if described["format_version"] != FORMAT_VERSION:
            raise DataError(f"{folder}: written by another version of this program")
        arrays = {}
        for file, digest in described["sha256"].items():
            if digest_of(folder / file) != digest:
                raise DataError(f"{folder / file}: its checksum is wrong, the file was changed or cut off")
            arrays[file.removesuffix(".npy")] = np.load(folder / file, allow_pickle=False)
        steps = described["steps"]
        moments = [Moments(_worker(file), step, arrays.pop(file.removesuffix(".npy"))) for file, step in steps.items()]
        history = [Epoch(**{**one, "split": Seconds(**one["split"])}) for one in described["history"]]
        return Snapshot(Position(**described["position"]), history, arrays, moments)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: cannot be read: {error}") from None


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

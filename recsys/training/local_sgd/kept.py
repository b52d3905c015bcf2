"""Rows that a worker keeps decoded on its executor's own disk, from task to task.

Spark hands a task its input anew in every round, and any of its processes may do the task. Decoding rows, or even
passing them from the JVM to Python, costs more than many a round. So the first task of a worker writes them, decoded,
to the executor's own directory, and every process there maps that file into its memory: they share its pages. A task
that does not find them says so (`RowsMissing`), and gets the blocks instead: the same rows, and so the same result.
"""

from __future__ import annotations

import itertools
import mmap
import os
import pickle
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recsys.data.blocks import Block
from recsys.data.partition import read_to_end
from recsys.training.state import Moments

T = TypeVar("T")
_MAGIC = b"howdah kept rows 1\n"
_ALIGNED = 64  # bytes: where arrays begin
_START = len(_MAGIC) + 12  # a checksum and a length follow


class RowsMissing(Exception):
    """A worker's rows, or its state, are not on this executor."""


@dataclass(frozen=True)
class Key:
    """What is kept: a training's id, whose rows, and what was made of them."""

    training: str
    worker: int
    kind: str = "rows"


@dataclass(frozen=True)
class Ready:
    """An element that stands for a worker's rows: they are kept on the executor that made it."""

    worker: int


@dataclass(frozen=True)
class Missing:
    """What a worker's round came to where its rows or its state were not there."""

    worker: int


_kept: dict[Key, Any] = {}  # of this process: what it has mapped, and one at most that is on no disk
_unsaved: set[Key] = set()


def read(key: Key, elements: Iterable[Any], make: Callable[[Iterable[Block]], T]) -> tuple[T, Moments | None]:
    """A worker's rows, and its state of the round before if it has one. `elements` are read to their end.

    Args:
        key: of the rows.
        elements: its state, if it has one, and then `Ready` or the blocks.
        make: the rows from the blocks.

    Raises:
        RowsMissing: there is `Ready` instead of blocks, and nothing on this executor.
    """
    moments, ready, elements = list[Moments](), list[Ready](), iter(elements)

    def blocks() -> Iterator[Block]:
        for one in elements:
            if isinstance(one, Block):
                yield one
            elif isinstance(one, Moments):
                moments.append(one)
            elif isinstance(one, Ready):
                ready.append(one)

    first = list(itertools.islice(blocks(), 1))
    rows = find(key)  # not before: where an executor was lost, Ready is made again on this one, and the file with it
    if rows is None:
        if ready and not first:
            raise RowsMissing
        rows = keep(key, make(itertools.chain(first, blocks())))
    read_to_end(blocks())
    return rows, moments[0] if moments else None


def find(key: Key) -> Any:
    """What is kept, or None."""
    if key not in _kept:
        path = path_of(key)
        found = None if path is None else read_file(path, key)
        if found is None:
            return None
        _forget_other_trainings(key)
        _kept[key] = found
    return _kept[key]


def keep(key: Key, value: T) -> T:
    """Keeps it on the disk, or where there is no room in this process alone; what is to be used from now on."""
    _forget_other_trainings(key)
    path = path_of(key)
    saved = None
    if path is not None:
        with suppress(OSError):  # a full disk: then every round needs the blocks
            write_file(path, key, value)
            saved = read_file(path, key)
    if saved is None:
        for other in _unsaved:  # one worker's, so that processes that take turns do not hold them all
            _kept.pop(other, None)
        _unsaved.clear()
        _unsaved.add(key)
        saved = value
    _kept[key] = saved
    return saved


def drop(key: Key) -> None:
    """It is not needed any more."""
    _kept.pop(key, None)
    path = path_of(key)
    if path is not None:
        with suppress(OSError):
            path.unlink()


def forget(training: str) -> None:
    """Deletes what this executor keeps of a training. Other processes let go of it with their next training."""
    for key in [one for one in _kept if one.training == training]:
        del _kept[key]
    for folder in _folders():
        shutil.rmtree(folder / _name(training), ignore_errors=True)


def write_file(path: Path, key: Key, value: Any) -> None:
    """Writes it whole or not at all: arrays as they are in memory, the rest pickled. Raises OSError."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    arrays = [one.raw() for one in buffers]
    head = pickle.dumps((key, body, [one.nbytes for one in arrays]))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(_MAGIC + zlib.crc32(head).to_bytes(4, "little") + len(head).to_bytes(8, "little") + head)
            for array in arrays:
                file.write(bytes(-file.tell() % _ALIGNED))
                file.write(array)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_file(path: Path, key: Key) -> Any:
    """What was written there, its arrays mapped into memory; None where there is no file, another, or part of one.

    Arrays can be written to, as kernels are compiled anew for those that cannot: no other process would see it.
    """
    try:
        with path.open("rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    length = int.from_bytes(whole[_START - 8 : _START], "little")
    head = whole[_START : _START + length]
    checksum = int.from_bytes(whole[len(_MAGIC) : _START - 8], "little")
    if bytes(whole[: len(_MAGIC)]) != _MAGIC or len(head) != max(1, length) or zlib.crc32(head) != checksum:
        return None
    written, body, sizes = pickle.loads(head)
    buffers, at = [], _START + length
    for size in sizes:
        at += -at % _ALIGNED
        buffers.append(whole[at : at + size])
        at += size
    if written != key or at != len(whole):
        return None
    return pickle.loads(body, buffers=buffers)


def _forget_other_trainings(key: Key) -> None:
    for other in [one for one in _kept if one.training != key.training]:
        del _kept[other]


def _folders() -> list[Path]:
    """This executor's own directories, which Spark removes when it ends; none outside of Spark's workers."""
    return [Path(one) for one in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if one]


def _name(training: str) -> str:
    return f"howdah-{training}"


def path_of(key: Key) -> Path | None:
    """Its file on this executor; None outside of Spark's workers."""
    folders = _folders()
    return folders[0] / _name(key.training) / f"{key.kind}-{key.worker}" if folders else None

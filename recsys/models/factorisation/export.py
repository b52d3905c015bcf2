"""Factors as files that other programs read: NumPy arrays and Parquet, users and movies apart.

On the scale of the ratings: a rating is mean + row_biases[u] + column_biases[i] + row_factors[u] . column_factors[i].
Users are rows, movies columns. `mean` and this sentence stand in factors.json.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from recsys.checksums import write_array
from recsys.models.base import EachUser
from recsys.models.factorisation.scorer import FactorScorer, unit_of

_FORMULA = "rating = mean + row_biases[u] + column_biases[i] + row_factors[u] . column_factors[i]"
_RIDGE = "row_factors are solved for from a user's ratings, those of the test left out where ratings are split"


def write_factors(folder: Path, scorer: FactorScorer, movies: np.ndarray, each_user: EachUser) -> None:
    """Writes the folder, whole or not at all. The users' factors pass through memory part by part.

    Args:
        folder: where; one that is there is replaced.
        scorer: of the trained model.
        movies: ids in the order of the factors.
        each_user: applies a function to the ratings of all users.
    """
    slope, intercept = scorer.preprocessing.line
    slope /= unit_of(scorer.preprocessing)
    known, k = scorer.movies, scorer.movies.factors.shape[1]
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        columns = _Side(temporary, "column", "item_map", "movies.parquet")
        columns.write([(movies, known.factors, known.biases * np.float32(slope))])
        rows = _Side(temporary, "row", "user_map", "users.parquet")
        rows.write(
            (users, solved[:, :k] * np.float32(slope), solved[:, k:].sum(axis=1) * np.float32(slope))
            for users, solved in each_user(scorer.user_factors)
            if len(users)
        )
        mean = known.mean * slope + intercept
        described = {"mean": mean, "factors": k, "formula": _FORMULA, "row_factors": _RIDGE}
        (temporary / "factors.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


class _Side:
    """The files of one side: its factors, biases and ids as arrays, and all three as Parquet."""

    def __init__(self, folder: Path, name: str, ids: str, parquet: str) -> None:
        self._folder, self._name, self._ids, self._parquet = folder, name, ids, parquet

    def write(self, parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        """Writes parts of (ids, factors, biases), one after the other."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        ids: list[np.ndarray] = []
        with ExitStack() as files:
            factors = files.enter_context(_Npy(self._folder / f"{self._name}_factors.npy"))
            biases = files.enter_context(_Npy(self._folder / f"{self._name}_biases.npy"))
            table: pq.ParquetWriter | None = None
            for some, vectors, offsets in parts:
                ids.append(some)
                factors.append(np.ascontiguousarray(vectors, np.float32))
                biases.append(np.ascontiguousarray(offsets, np.float32))
                flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
                lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
                columns = [pa.array(some.tolist()), pa.array(offsets), lists]
                batch = pa.RecordBatch.from_arrays(columns, names=["id", "bias", "factors"])
                if table is None:
                    table = files.enter_context(pq.ParquetWriter(self._folder / self._parquet, batch.schema))
                table.write_batch(batch)
        known = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        write_array(self._folder / f"{self._ids}.npy", known if known.dtype.kind in "iu" else known.astype(str))


class _Npy:
    """A .npy file that rows are appended to: its header is written again at the end, with their number."""

    def __init__(self, path: Path) -> None:
        self._path, self._rows = path, 0
        self._shape: tuple[int, ...] = ()

    def __enter__(self) -> _Npy:
        self._file = self._path.open("wb")
        return self

    def append(self, rows: np.ndarray) -> None:
        """Appends rows, float32 (rows, ...), all of one width."""
        if self._file.tell() == 0:
            self._shape = rows.shape[1:]
            self._header(0)
        self._rows += len(rows)
        self._file.write(rows.tobytes())

    def __exit__(self, *error: object) -> None:
        self._file.seek(0)
        self._header(self._rows)
        self._file.close()

    def _header(self, rows: int) -> None:
        # NumPy leaves room in it for the number of rows to grow
        described = {"descr": "<f4", "fortran_order": False, "shape": (rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, described)  # type: ignore[no-untyped-call]

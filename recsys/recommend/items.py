"""The movies of a model: items.parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys.columns import INDEX, MOVIE_ID, POPULARITY, TITLE, YEAR

if TYPE_CHECKING:
    import pandas as pd

FILE = "items.parquet"
_COLUMNS = [INDEX, MOVIE_ID, TITLE, YEAR, POPULARITY]
_NO_YEAR = -1


@dataclass(frozen=True)
class Items:
    """The movies in the order of their indices.

    Attributes:
        ids: movie ids, int64 or text.
        titles: text.
        years: int32, -1 where unknown.
        popularity: int64, ratings in the training data.
    """

    ids: np.ndarray
    titles: np.ndarray
    years: np.ndarray
    popularity: np.ndarray

    @classmethod
    def of(cls, items: pd.DataFrame) -> Items:
        """From a DataFrame with the columns of items.parquet."""
        years = items[YEAR].fillna(_NO_YEAR).to_numpy(np.int32)
        return cls(items[MOVIE_ID].to_numpy(), items[TITLE].to_numpy(), years, items[POPULARITY].to_numpy())

    @classmethod
    def read(cls, path: Path) -> Items:
        """From the file. Raises OSError or ValueError where it was changed or cut off."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        # read_table and to_numpy import pandas, which takes longer than all the rest of loading a model
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(_COLUMNS)
        ids, titles, years, popularity = (table[name].to_pylist() for name in _COLUMNS[1:])
        return cls(
            np.array(ids, np.int64 if pa.types.is_integer(table[MOVIE_ID].type) else object),
            np.array(titles, object),
            np.array([_NO_YEAR if year is None else year for year in years], np.int32),
            np.array(popularity, np.int64),
        )

    def year(self, index: int) -> int | None:
        """The release year of a movie, where it is known."""
        year = int(self.years[index])
        return None if year == _NO_YEAR else year


def write_items(path: Path, items: pd.DataFrame) -> None:
    """Writes items.parquet."""
    items[_COLUMNS].to_parquet(path, index=False, write_page_checksum=True)

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
        import pyarrow.parquet as pq

        table = pq.read_table(path, page_checksum_verification=True)
        ids = table[MOVIE_ID].to_numpy()
        years = table[YEAR].fill_null(_NO_YEAR).to_numpy().astype(np.int32)
        return cls(ids, table[TITLE].to_numpy(), years, table[POPULARITY].to_numpy())

    def year(self, index: int) -> int | None:
        """The release year of a movie, where it is known."""
        year = int(self.years[index])
        return None if year == _NO_YEAR else year


def write_items(path: Path, items: pd.DataFrame) -> None:
    """Writes items.parquet."""
    items[_COLUMNS].to_parquet(path, index=False, write_page_checksum=True)

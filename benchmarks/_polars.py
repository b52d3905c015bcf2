"""The data phases by polars, on one machine and without Spark: the same rows in, the same arrays out, as Parquet.

    python benchmarks/_polars.py --ratings ratings.csv --movies movies.csv --out result.json

polars is no dependency of this project: `pip install polars` into the environment that this runs in. Rows are read,
joined and filtered by year, of repeated ratings the last is kept, and each user's movies and ratings are written as two
lists in the order of the movies. Nothing is checked, counted or reported, as howdah does meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from _process_tree import RESULT_HELP, write_result


def run(ratings: str, movies: str, year_from: int | None, year_to: int | None, output: Path) -> dict[str, object]:
    """Seconds, and what was counted."""
    import polars as pl

    clock = time.monotonic()
    known = pl.scan_csv(_files(movies)).select("movieId", "title")
    if year_from is not None or year_to is not None:
        year = pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int32)
        known = known.filter(year.is_between(year_from or 0, year_to or 9999))
    arrays = (
        pl.scan_csv(_files(ratings), schema_overrides={"rating": pl.Float32})
        .join(known.select("movieId"), on="movieId", how="semi")
        .sort("userId", "movieId", "timestamp")
        .unique(["userId", "movieId"], keep="last", maintain_order=True)
        .group_by("userId", maintain_order=True)
        .agg("movieId", "rating")
        .collect()
    )
    arrays.write_parquet(output / "arrays.parquet")
    seconds = time.monotonic() - clock
    rated = arrays["movieId"].explode()
    return {"seconds": seconds, "users": arrays.height, "movies": rated.n_unique(), "ratings": len(rated)}


def _files(path: str) -> str:
    return f"{path}/part-*.csv" if Path(path).is_dir() else path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", required=True, help="ratings.csv, a file or a folder of part files")
    parser.add_argument("--movies", required=True)
    parser.add_argument("--year-from", type=int)
    parser.add_argument("--year-to", type=int)
    parser.add_argument("--out", type=Path, help=RESULT_HELP)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="howdah-polars-") as folder:
        found = run(options.ratings, options.movies, options.year_from, options.year_to, Path(folder))
    write_result(found, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

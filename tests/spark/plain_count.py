"""The same figures counted in plain Python, without Spark, NumPy or anything of ours: what the tests compare with."""

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "q99": 0.99, "max": 1.0}


@dataclass
class Table:
    """Ratings (user, movie, rating, timestamp) in the order of the files, and titles by movie id."""

    ratings: list
    titles: dict


def read_release(folder, name):
    """A MovieLens release, each in its own layout."""
    folder = Path(folder)
    if name == "ml-100k":
        rows = [line.split("\t") for line in _lines(folder / "u.data", "utf-8")]
        movies = [line.split("|")[:2] for line in _lines(folder / "u.item", "latin-1")]
    elif name == "ml-1m":
        rows = [line.split("::") for line in _lines(folder / "ratings.dat", "utf-8")]
        movies = [line.split("::")[:2] for line in _lines(folder / "movies.dat", "latin-1")]
    else:
        rows = read_csv([folder / "ratings.csv"])
        movies = [row[:2] for row in read_csv([folder / "movies.csv"])]
    return table(rows, movies)


def read_generated(folder):
    """What `generate` wrote: folders of CSV part files, each with a header."""
    folder = Path(folder)
    parts = {name: sorted((folder / name).glob("part-*.csv")) for name in ("ratings.csv", "movies.csv")}
    return table(read_csv(parts["ratings.csv"]), [row[:2] for row in read_csv(parts["movies.csv"])])


def read_csv(files):
    """The rows of CSV files behind their headers."""
    rows = []
    for file in files:
        with open(file, encoding="utf-8", newline="") as lines:
            rows += list(csv.reader(lines))[1:]
    return rows


def table(rows, movies):
    """Typed rows and titles."""
    typed = [(int(user), int(movie), float(rating), int(time)) for user, movie, rating, time in rows]
    return Table(typed, {int(movie): title for movie, title in movies})


def release_year(title):
    """The four digits behind the bracket that closes the title, or the last but one where a note follows."""
    title = title.rstrip(" \u00a0-–—")
    if not title.endswith(")"):
        return None
    for bracket in reversed(title.split("(")[1:][-2:]):
        digits, rest = bracket[:4], bracket[4:].strip(") \u00a0-–—")
        if digits.isdigit() and 1800 <= int(digits) < 2200 and (not rest or (len(rest) == 4 and rest.isdigit())):
            return int(digits)
        if digits[:1].isdigit():
            return None
    return None


def select(source, year_from=None, year_to=None, positive_from=None):
    """user -> movie -> rating: of pairs that come twice the latest, of movies in the years, from a rating on."""
    years = {movie: release_year(title) for movie, title in source.titles.items()}
    latest: dict[Any, tuple[float, int]] = {}
    for user, movie, rating, time in source.ratings:
        if movie in years and time >= latest.get((user, movie), (0, -1))[1]:
            latest[user, movie] = (rating, time)
    arrays: dict[Any, dict[Any, float]] = defaultdict(dict)
    for (user, movie), (rating, _) in latest.items():
        if (year_from, year_to) != (None, None):
            year = years[movie]
            if year is None or not (year_from or 0) <= year <= (year_to or 9999):
                continue
        if positive_from is None or rating >= positive_from:
            arrays[user][movie] = rating
    return {user: dict(sorted(array.items())) for user, array in arrays.items()}


def count(arrays):
    """The figures of statistics.json that describe the selection."""
    per_movie = Counter(movie for array in arrays.values() for movie in array)
    values = Counter(rating for array in arrays.values() for rating in array.values())
    ratings = sum(values.values())
    return {
        "users": len(arrays),
        "movies": len(per_movie),
        "ratings": ratings,
        "rating_array_values": len(arrays) * len(per_movie),
        "density": ratings / (len(arrays) * len(per_movie)),
        "mean_rating": sum(value * times for value, times in values.items()) / ratings,
        "ratings_by_value": {f"{value:g}": values[value] for value in sorted(values)},
        "ratings_per_user": describe([len(array) for array in arrays.values()]),
        "ratings_per_movie": describe(list(per_movie.values())),
    }


def describe(values):
    """Mean and quantiles; a quantile that falls between two values lies between them in proportion."""
    values = sorted(values)
    result = {"mean": sum(values) / len(values)}
    for name, quantile in QUANTILES.items():
        place = quantile * (len(values) - 1)
        below = int(place)
        above = min(below + 1, len(values) - 1)
        result[name] = values[below] + (values[above] - values[below]) * (place - below)
    return result


def _lines(file, encoding):
    # not splitlines(), which cuts at more than line ends
    return [line.rstrip("\r") for line in Path(file).read_bytes().decode(encoding).split("\n") if line.strip()]

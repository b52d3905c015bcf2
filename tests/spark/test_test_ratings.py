"""Test ratings that a file names: exactly these are held out; a file that cannot be right is refused."""

from pathlib import Path

import numpy as np
import pytest
from preparing import blocks_of, run_prepare

from recsys.config.load import build_config, data_as_tree
from recsys.data.examples import Examples
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import DataError

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# user, movie, rating: 4 users x 5 movies
TRAINING = [(1, 10, 5.0), (1, 20, 3.5), (2, 10, 1.0), (2, 50, 2.0), (3, 30, 4.0), (4, 40, 0.5), (4, 10, 3.0)]
NAMED = [(2, 30, 4.5), (4, 50, 1.5), (1, 30, 2.5)]


@pytest.fixture
def files(tmp_path):
    def write(name, rows):
        lines = [f"{user},{movie},{rating}" for user, movie, rating in rows]
        (tmp_path / name).write_text("\n".join(["userId,movieId,rating", *lines, ""]))

    write("base.csv", TRAINING)
    write("test.csv", NAMED)
    return tmp_path, write


def settings(folder, **more):
    chosen = {"ratings": f"{folder}/{{base,test}}.csv", "split": "rating", "test_ratings": f"{folder}/test.csv"}
    return {**chosen, **more}


def roles_of(prepared):
    """role -> {(user, movie id, rating)}: the targets of each role."""
    config = build_config({"data": data_as_tree(prepared.data), "seed": 2})
    examples = Examples.of(config, prepared.movies, prepared.preprocessing, test_entries=prepared.test_entries)
    ids = prepared.items["movie_id"].tolist()
    found: dict[int, set] = {TRAIN: set(), VALIDATION: set(), TEST: set()}
    for block in blocks_of(prepared):
        for role, ratings in found.items():
            _, target = examples.arrays(block, role)
            target = target.tocoo()
            users = block.users[target.row].tolist()
            ratings.update(zip(users, [ids[c] for c in target.col], target.data.tolist(), strict=True))
    return found


def test_the_test_is_what_the_file_names(spark, files):
    folder, _ = files
    data = settings(folder, validation_fraction=0.3)
    prepared = run_prepare(spark, **data)
    assert (np.diff(prepared.test_entries.astype(object)) > 0).all()
    found = roles_of(prepared)
    assert found[TEST] == set(NAMED)
    assert found[TRAIN] | found[VALIDATION] == set(TRAINING)
    assert not found[TRAIN] & found[VALIDATION]


def test_rows_that_are_not_selected_are_passed_over(spark, files):
    folder, write = files
    (folder / "movies.csv").write_text(
        "movieId,title\n10,A (1950)\n20,B (1951)\n30,C (1952)\n40,D (1953)\n50,E (1990)\n"
    )
    data = settings(folder, movies=f"{folder}/movies.csv", year_to=1960, positive_from=2.5)
    prepared = run_prepare(spark, **data)
    liked = {(user, movie, rating) for user, movie, rating in NAMED if movie != 50}
    assert roles_of(prepared)[TEST] == liked
    write("test.csv", [(4, 50, 1.5)])
    with pytest.raises(DataError, match="names no rating of the selection"):
        run_prepare(spark, **data)


def test_ids_that_are_words(spark, tmp_path):
    (tmp_path / "base.csv").write_text("userId,movieId,rating\nanna,dune,4.5\nbob,alien,3\n")
    (tmp_path / "test.csv").write_text("userId,movieId,rating\nanna,alien,5\n")
    data = settings(tmp_path)
    assert roles_of(run_prepare(spark, **data))[TEST] == {("anna", "alien", 5.0)}


@pytest.mark.parametrize(
    ("rows", "others", "message"),
    [
        (NAMED, [], "3 of its 3 ratings are not among those of the data"),
        ([*NAMED, (3, 10, 1.0)], NAMED, "1 of its 4 ratings are not among those of the data"),
        ([*NAMED, (4, 40, 3.0)], NAMED, "1 of its ratings have another value"),
        (TRAINING, [], "names all 7 ratings"),
        (
            [*NAMED, (1, 10, 9.0)],
            NAMED,
            r"(?s)1 of 4 rows of .* are rejected.*off_scale: 1.*csv row 5 \(rating\): '1,10,9.0'",
        ),
    ],
    ids=["not in the data", "one not in the data", "rated in both", "nothing to train on", "bad row"],
)
def test_what_cannot_be_meant_is_refused(spark, files, rows, others, message):
    folder, write = files
    write("test.csv", rows)
    write("other.csv", others)
    with pytest.raises(DataError, match=message):
        run_prepare(spark, **settings(folder, ratings=f"{folder}/{{base,other}}.csv"))


def test_a_file_that_is_not_there(spark, files):
    folder, _ = files
    with pytest.raises(DataError, match=r"nothing\.csv: no such file"):
        run_prepare(spark, **settings(folder, test_ratings=f"{folder}/nothing.csv"))


def test_the_published_split_of_ml_100k(spark):
    if not (DATA / "ml-100k").is_dir():
        pytest.skip(f"needs MovieLens' ml-100k in {DATA}, which may not be redistributed with the project")
    data = {"dataset": "ml-100k", "data_dir": str(DATA), "split": "rating", "test_ratings": "u1.test"}
    prepared = run_prepare(spark, **data)
    read = {
        name: {tuple(map(int, line.split("\t")[:3])) for line in (DATA / "ml-100k" / name).read_text().splitlines()}
        for name in ("u1.base", "u1.test")
    }
    found = roles_of(prepared)
    assert len(prepared.test_entries) == len(found[TEST]) == 20_000
    assert found[TEST] == read["u1.test"]
    assert found[TRAIN] | found[VALIDATION] == read["u1.base"]
    prepared.blocks.unpersist()


def test_every_row_of_the_file_is_counted(spark, files):
    folder, write = files
    (folder / "movies.csv").write_text(
        "movieId,title\n10,A (1950)\n20,B (1951)\n30,C (1952)\n40,D (1953)\n50,E (1990)\n"
    )
    data = settings(folder, movies=f"{folder}/movies.csv", year_to=1960, max_rejected=0.6)
    rows = [*NAMED, NAMED[0], (1, 10, 9.0), ("", 10, 1.0), ("userId", "movieId", "rating")]
    write("base2.csv", [*TRAINING, *NAMED])
    write("test.csv", rows)
    prepared = run_prepare(spark, **{**data, "ratings": f"{folder}/base2.csv"})
    file = prepared.statistics["test_file"]
    rejected = {reason: (r["count"], [e["row"] for e in r["examples"]]) for reason, r in file["rejected"].items()}
    assert rejected == {"off_scale": (1, [6]), "missing_field": (1, [7]), "repeated_header": (1, [8])}
    assert (file["rows_read"], file["used"], file["not_selected"], file["repeated"]) == (7, 2, 1, 1)
    assert len(prepared.test_entries) == 2

"""Generated data as files: the same rows from any number of partitions, and the facts that are written beside them."""

import csv
import json
from dataclasses import asdict

import numpy as np
import pytest

from recsys.config import DataConfig
from recsys.data.sources.files import find_sources
from recsys.data.sources.synthetic import choices as _choices
from recsys.data.sources.synthetic import population as _population
from recsys.data.sources.synthetic import shape as _shape
from recsys.data.sources.synthetic.generator import FACTS_FILE, find_generated, generate
from recsys.errors import ConfigError

SCALE, SEED = 0.005, 11  # 813 users: four chunks


@pytest.fixture(scope="module")
def generated(spark, tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthetic")
    facts = generate(spark, str(directory), scale=SCALE, seed=SEED, partitions=3)
    return directory, facts


def read(folder):
    """Header and rows of all part files, in order."""
    rows, header = [], None
    for part in sorted(folder.glob("part-*.csv")):
        with part.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            header = next(reader)
            rows += list(reader)
    return header, rows


def test_files_are_movielens_files(generated):
    directory, facts = generated
    header, ratings = read(directory / "ratings.csv")
    assert header == ["userId", "movieId", "rating", "timestamp"]
    assert len(list((directory / "ratings.csv").glob("part-*.csv"))) == 3
    assert {row[2] for row in ratings} == {"0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5", "5.0"}
    pairs = [(int(row[0]), int(row[1])) for row in ratings]
    assert pairs == sorted(set(pairs))
    header, movies = read(directory / "movies.csv")
    assert header == ["movieId", "title", "genres"]
    ids = [int(row[0]) for row in movies]
    assert ids == sorted(set(ids))
    assert len(ids) == facts.movies
    assert {movie for _, movie in pairs} < set(ids)


def test_quotes_are_doubled_and_blanks_kept(generated):
    directory, _ = generated
    text = "".join(part.read_text(encoding="utf-8") for part in (directory / "movies.csv").glob("part-*.csv"))
    assert '"""' in text
    assert "\\" not in text
    assert ") ," in text.replace('"', "")
    plain = [line for line in text.splitlines() if line.count(",") == 2]
    assert len(plain) > 1000
    assert all('""' in line for line in plain if '"' in line)  # quoted only where it must be


def test_facts_are_what_the_files_hold(generated):
    directory, facts = generated
    _, ratings = read(directory / "ratings.csv")
    values = np.array([float(row[2]) for row in ratings])
    assert facts.ratings == len(ratings) == _shape.sizes_at(SCALE).ratings
    assert facts.users == len({row[0] for row in ratings})
    assert facts.rated_movies == len({row[1] for row in ratings}) < facts.movies
    assert facts.ratings_by_value == {str(v): int((values == v).sum()) for v in np.unique(values)}
    assert (facts.mean_rating, facts.rating_deviation) == pytest.approx((values.mean(), values.std()))
    year = {row[0]: int(row[1][-5:-1]) for row in read(directory / "movies.csv")[1] if row[1][-5:-1].isdigit()}
    for span in facts.ranges:
        within = [row for row in ratings if span.year_from <= year.get(row[1], 0) <= span.year_to]
        assert span.ratings == len(within)
        assert span.users == len({row[0] for row in within})
        assert span.rated_movies == len({row[1] for row in within})


def test_the_written_facts_are_the_returned_ones(generated):
    directory, facts = generated
    assert json.loads((directory / FACTS_FILE).read_text()) == json.loads(json.dumps(asdict(facts)))


def test_what_is_there_is_found_and_not_made_again(spark, generated, tmp_path):
    directory, facts = generated
    assert find_generated(spark, str(directory), scale=SCALE, seed=SEED) == facts
    assert find_generated(spark, str(directory), scale=SCALE, seed=SEED + 1) is None
    assert find_generated(spark, str(directory), scale=2 * SCALE, seed=SEED) is None
    assert find_generated(spark, str(tmp_path), scale=SCALE, seed=SEED) is None

    (tmp_path / f"synthetic-scale{SCALE:g}-seed{SEED}").symlink_to(directory)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    data = DataConfig(dataset="synthetic", scale=SCALE, seed=SEED)
    sources = find_sources(spark, data, str(tmp_path), "")
    assert sources.best_rmse == facts.best_rmse
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


def test_the_best_rmse_is_that_of_the_ratings_in_the_files(generated):
    directory, facts = generated
    _, ratings = read(directory / "ratings.csv")
    population = _population.make_population(_shape.sizes_at(SCALE), SEED)
    users = np.array([int(row[0]) for row in ratings]) - 1
    movies = np.searchsorted(population.movie_ids, [int(row[1]) for row in ratings])
    signals = _choices.signal(population, users, movies)
    mean, variance = _choices.rating_moments(signals, _choices.solve_thresholds(population))
    drawn = np.array([float(row[2]) for row in ratings])
    assert facts.best_rmse == pytest.approx(np.sqrt(variance.mean()))
    assert facts.best_rmse_drawn == pytest.approx(np.sqrt(((drawn - mean) ** 2).mean()))


def test_rows_depend_on_the_seed_and_not_on_the_partitions(spark, generated, tmp_path):
    directory, facts = generated
    again = generate(spark, str(tmp_path), scale=SCALE, seed=SEED, partitions=1)
    assert again == facts
    for folder in ("ratings.csv", "movies.csv"):
        assert read(tmp_path / folder) == read(directory / folder)
    # Over what lies there: nothing of the former data remains.
    other = generate(spark, str(tmp_path), scale=SCALE / 2, seed=SEED + 1)
    _, ratings = read(tmp_path / "ratings.csv")
    assert len(ratings) == other.ratings < facts.ratings
    assert json.loads((tmp_path / FACTS_FILE).read_text())["seed"] == SEED + 1


def test_a_failed_run_leaves_no_facts_behind(spark, tmp_path, monkeypatch):
    generate(spark, str(tmp_path), scale=0.0005, seed=0)
    monkeypatch.setattr("recsys.data.sources.synthetic.generator.solve_thresholds", lambda population: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(spark, str(tmp_path), scale=0.0005, seed=1)
    assert not (tmp_path / FACTS_FILE).exists()


@pytest.mark.parametrize("scale", [0, -1, 0.0001, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(spark, tmp_path, scale):
    with pytest.raises(ConfigError, match=r"scale is .*at least 0\.0005"):
        generate(spark, str(tmp_path), scale=scale, seed=1)
    with pytest.raises(ConfigError, match="seed is -1"):
        generate(spark, str(tmp_path), scale=0.001, seed=-1)

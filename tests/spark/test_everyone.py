"""Recommendations for every user, by Spark: the same as one by one, restartable, and never mixed up."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from preparing import arrays_of, run_prepare
from scipy.sparse import csr_matrix

from recsys.data.blocks import block_from_row, stored
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.evaluation import topk
from recsys.evaluation.topk import top_n
from recsys.files import Files
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.recommend import batch as everyone
from recsys.recommend.batch import Ranker, fingerprint, movie_index, recommend_to_all

MODEL = DaeConfig(hidden=(5,), loss="multinomial", input_normalisation="l2")
N = 7


@pytest.fixture(scope="module")
def prepared(spark, tmp_path_factory):
    return run_prepare(spark, tmp_path_factory.mktemp("data"), dataset="synthetic", scale=0.002, block_users=50)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(everyone, "USERS_A_PART", 100)


def ranker_of(movies, index=None, likes=4.0):
    layout = Layout(len(movies), MODEL, DenoisingAutoencoder.architecture)
    weights = layout.split(np.random.default_rng(1).normal(0, 0.5, layout.size).astype(np.float32))
    model = DenoisingAutoencoder(MODEL, Preprocessing(0.5, 5.0, likes), len(movies), weights)
    return Ranker(model.scorer(), movies, index, N)


def written(path):
    return pd.read_parquet(path).sort_values(["user", "rank"]).reset_index(drop=True)


def recommend(prepared, ranker, output, said=None, **plan):
    users = prepared.statistics["users"]
    said = [] if said is None else said
    recommend_to_all(prepared.blocks, ranker, users, str(output), {"model": "m", **plan}, said.append)
    return said


def test_every_user_has_the_best_of_what_he_or_she_has_not_seen(prepared, tmp_path, small_parts):
    movies = prepared.items["movie_id"].to_numpy()
    ranker = ranker_of(movies)
    said = recommend(prepared, ranker, tmp_path / "out")
    found = written(tmp_path / "out")
    assert list(found) == ["user", "rank", "movie", "score"]
    assert found.dtypes.astype(str).tolist() == ["int64", "int32", "int64", "float32"]
    rated = arrays_of(prepared)
    assert sorted(found["user"].unique()) == sorted(rated) and len(said) == -(-len(rated) // 100) > 2
    places = {movie: place for place, movie in enumerate(movies.tolist())}
    for user, its in found.groupby("user"):
        columns = sorted(places[movie] for movie in rated[user])
        values = np.array([rated[user][int(movies[column])] for column in columns], np.float32)
        row = csr_matrix((values, columns, [0, len(columns)]), shape=(1, len(movies)))
        scores = ranker.scorer.score(row)
        best = top_n(scores, row, N)[0]
        assert its["rank"].tolist() == list(range(1, N + 1))
        np.testing.assert_allclose(its["score"], scores[0, best], rtol=1e-4, atol=1e-6)
        close = np.isclose(np.diff(scores[0, best]), 0, atol=1e-5).any()
        assert close or its["movie"].tolist() == movies[best].tolist()
    left = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert left[0] == "_SUCCESS" and all(name.endswith(".parquet") for name in left[1:])


def test_a_kernel_that_selects_gives_the_same(prepared, tmp_path, small_parts, monkeypatch):
    ranker = ranker_of(prepared.items["movie_id"].to_numpy())
    recommend(prepared, ranker, tmp_path / "out")
    monkeypatch.setattr(topk, "_WORTH_COMPILING", 0)
    recommend(prepared, ranker, tmp_path / "compiled")
    pd.testing.assert_frame_equal(written(tmp_path / "compiled"), written(tmp_path / "out"))


def test_a_call_that_was_stopped_goes_on_with_what_is_missing(prepared, tmp_path, small_parts):
    ranker = ranker_of(prepared.items["movie_id"].to_numpy())
    recommend(prepared, ranker, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(text):
        if "part 2/" in text:
            raise Stop

    out = tmp_path / "out"
    users = prepared.statistics["users"]
    with pytest.raises(Stop):
        recommend_to_all(prepared.blocks, ranker, users, str(out), {"model": "m"}, stop)
    assert not list(out.glob("*.parquet"))
    third = out / "_parts" / "2"  # as a driver leaves it that was killed while this one was written
    third.mkdir()
    (third / "part-00000-cut-off.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="had top = None, this one has 3"):
        recommend(prepared, ranker, out, top=3)
    kept = {path: path.stat().st_mtime_ns for path in (out / "_parts" / "0").glob("*.parquet")}
    said = recommend(prepared, ranker, out)
    assert [text.strip().split(": ")[-1] for text in said[:2]] == ["finished before", "finished before"]
    assert sorted(kept.values()) == sorted(
        time for path in out.glob("*.parquet") if (time := path.stat().st_mtime_ns) in kept.values()
    )
    pd.testing.assert_frame_equal(written(out), written(tmp_path / "whole"))
    with pytest.raises(UserError, match="is not empty"):
        recommend(prepared, ranker, out)


def test_a_call_that_was_stopped_while_it_moved_files(prepared, tmp_path, small_parts, monkeypatch):
    ranker, out = ranker_of(prepared.items["movie_id"].to_numpy()), tmp_path / "out"
    recommend(prepared, ranker, tmp_path / "whole")
    rename, moved = Files.rename, list[str]()

    def some(self, path, to):
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(path)
        rename(self, path, to)

    monkeypatch.setattr(Files, "rename", some)
    with pytest.raises(KeyboardInterrupt):
        recommend(prepared, ranker, out)
    monkeypatch.setattr(Files, "rename", rename)
    recommend(prepared, ranker, out)
    pd.testing.assert_frame_equal(written(out), written(tmp_path / "whole"))


def test_a_call_that_was_stopped_while_it_cleared_up(prepared, tmp_path, small_parts, monkeypatch):
    """Of what was moved a part is not worked out again, which would be there twice."""
    ranker, out = ranker_of(prepared.items["movie_id"].to_numpy()), tmp_path / "out"
    recommend(prepared, ranker, tmp_path / "whole")

    def some(self, path):
        shutil.rmtree(f"{path}/0")
        raise KeyboardInterrupt

    delete = Files.delete
    monkeypatch.setattr(Files, "delete", some)
    with pytest.raises(KeyboardInterrupt):
        recommend(prepared, ranker, out)
    monkeypatch.setattr(Files, "delete", delete)
    assert recommend(prepared, ranker, out) == []
    assert not (out / "_parts").exists()
    pd.testing.assert_frame_equal(written(out), written(tmp_path / "whole"))


def test_ratings_are_told_from_others_however_they_are_cut(spark, prepared):
    whole = fingerprint(prepared.blocks)
    assert fingerprint(prepared.blocks.repartition(5)) == whole
    rows = prepared.blocks.collect()
    cut = [
        stored(block.take(half))
        for block in map(block_from_row, rows)
        for half in (np.arange(block.rows // 2), np.arange(block.rows // 2, block.rows))
    ]
    frame = spark.createDataFrame([one for batch in cut for one in batch.to_pylist()], prepared.blocks.schema)
    assert fingerprint(frame) == whole
    block = block_from_row(rows[0])
    ratings = block.ratings.copy()
    ratings[0] += 0.5
    other = stored(replace(block, ratings=ratings)).to_pylist() + [row.asDict() for row in rows[1:]]
    assert fingerprint(spark.createDataFrame(other, prepared.blocks.schema)) != whole


def test_movies_are_known_by_their_ids(prepared, tmp_path):
    """The data have movies that the model lacks, and the other way round, in another order."""
    data = prepared.items["movie_id"].to_numpy()
    movies = np.concatenate([[10**9], data[5:][::-1]])
    index = movie_index(movies, data)
    assert index is not None
    assert index.tolist() == [-1] * 5 + list(range(len(data) - 5, 0, -1))
    assert movie_index(data, data) is None
    recommend(prepared, ranker_of(movies, index), tmp_path / "out")
    found, rated = written(tmp_path / "out"), arrays_of(prepared)
    assert set(found["movie"]) <= set(movies.tolist())
    assert not any(movie in rated[user] for user, movie in zip(found["user"], found["movie"], strict=True))
    assert found.groupby("user").size().tolist() == [N] * len(rated)


def test_ids_that_are_text_stay_text(spark, tmp_path):
    (tmp_path / "r.csv").write_text("userId,movieId,rating,timestamp\nann,m1,4,1\nann,m2,3,1\nbob,m3,5,1\nbob,m1,2,2\n")
    prepared = run_prepare(spark, tmp_path, ratings=str(tmp_path / "r.csv"))
    recommend(prepared, ranker_of(prepared.items["movie_id"].to_numpy()), tmp_path / "out")
    found = written(tmp_path / "out")
    assert found[["user", "rank", "movie"]].to_numpy().tolist() == [["ann", 1, "m3"], ["bob", 1, "m2"]]


def test_executors_that_write_elsewhere_are_noticed(prepared, tmp_path, monkeypatch):
    """Their disks are not this machine's: Spark's own commit finds nothing, and is content."""
    monkeypatch.setattr(Files, "names", lambda self, folder: ["_SUCCESS"] if "_parts" in folder else [])
    with pytest.raises(UserError, match="wrote to their own disks"):
        recommend(prepared, ranker_of(prepared.items["movie_id"].to_numpy()), tmp_path / "out")


def test_parts_without_a_plan_are_not_gone_on_with(prepared, tmp_path, small_parts):
    """They may be of another model: a disk that was full has left a plan that is cut off."""
    ranker, out = ranker_of(prepared.items["movie_id"].to_numpy()), tmp_path / "out"
    (out / "_parts").mkdir(parents=True)
    (out / "_parts" / "plan.json").write_text("")
    (out / "_parts" / "0").mkdir()
    with pytest.raises(UserError, match="its parts have no plan"):
        recommend(prepared, ranker, out)
    (out / "_parts" / "0").rmdir()
    (out / "_parts" / "plan.json").write_text('{"mod')
    recommend(prepared, ranker, out)
    assert len(written(out)) == N * prepared.statistics["users"]


def test_the_plan_is_noted_before_the_work(prepared, tmp_path):
    failing = Ranker(None, prepared.items["movie_id"].to_numpy(), None, N)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="in_blocks"):
        recommend(prepared, failing, tmp_path / "out", top=5)
    plan = json.loads((tmp_path / "out" / "_parts" / "plan.json").read_text())
    assert (plan["model"], plan["top"], plan["users"]) == ("m", 5, prepared.statistics["users"])

"""Jobs as a user starts them: what train leaves behind, and what recommend makes of it."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from fake_java import copy_checkout
from launching import history, launch, phases, read_json, succeed
from quick_java import ROOT

from spark_jobs.launcher.arguments import cores

PHASES = [
    "data_loading", "ratings_transformation", "movies_transformation", "data_integration", "statistical_analysis",
    "ratings_arrays", "model_training", "model_evaluation", "recommendation_testing",
]  # fmt: skip
SAME_SCORES = """
import sys, json
import numpy as np, pandas as pd, keras
from scipy.sparse import csr_matrix
folder = sys.argv[1]
model = keras.models.load_model(folder + "/model.keras")
assert "recsys" not in sys.modules
items = pd.read_parquet(folder + "/items.parquet")
described = json.load(open(folder + "/preprocessing.json"))
draw = np.random.default_rng(5)
dense = np.where(draw.random((5, len(items))) < 0.02, draw.integers(1, 11, (5, len(items))) / 2, 0).astype("float32")
by_keras = model.predict(dense / described["rating_max"], verbose=0)
import recsys
recommender = recsys.load_recommender(folder)
assert recommender.items.tolist() == items["movie_id"].tolist()
by_us = recommender.score(csr_matrix(dense))
assert by_us.dtype == np.float32 and by_us.shape == dense.shape and by_us.std() > 0
np.testing.assert_allclose(by_us, by_keras, rtol=1e-5, atol=1e-6)
from pyspark import SparkContext
assert SparkContext._gateway is None
"""


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_run_directory_holds_all_that_the_design_names(trained):
    files = {name for name in below(trained.path) if not name.startswith("data/")}
    pictures = {f"report/phase-{number:02}-{name}.png" for number, name in enumerate(PHASES, 1)}
    (log,) = [name for name in files if name.startswith("resources/eventlog/")]
    assert log.endswith(".zstd")
    (events,) = [name for name in files if name.startswith("tensorboard/events.out.tfevents.")]
    # a phase that no sample fell into has no picture
    with (trained.path / "report" / "phases.csv").open(newline="") as file:
        sampled = [row["phase"] for row in csv.DictReader(file) if int(row["samples"])]
    assert {name for name in pictures if any(phase in name for phase in sampled)} == files & pictures != set()
    assert files - pictures - {log, events} == {
        "config.toml", "environment.json", "statistics.json", "history.csv", "metrics.json", "recommendations.json",
        "model/model.keras", "model/items.parquet", "model/preprocessing.json", "run.log", "spark.log", "run.json",
        "model/scorer/scorer.json", *(f"model/scorer/{number:03}.npy" for number in range(4)),
        *(f"resources/{name}.jsonl" for name in ("phases", "samples", "jobs", "stages")), "resources/hosts.json",
        "resources/extensions.json",
        *(f"report/{name}" for name in ("index.html", "phases.csv", "phases.md", "loss.png", "run.png", "memory.png")),
        "report/cores.png",
    }  # fmt: skip


def test_nothing_is_written_outside_the_run_directory(trained):
    assert [path.name for path in trained.cwd.iterdir()] == ["the run"]
    assert list((trained.cwd.parent / "current directory home").iterdir()) == []
    sources = {"recsys", "monitor", "spark_jobs", "conf"}
    assert {name for name in below(trained.checkout) if not name.startswith(".venv")} == {
        "spark-submit.sh", "pyproject.toml", "requirements.lock", "requirements-dev.lock",
        *(str(path.relative_to(ROOT)) for source in sources for path in (ROOT / source).rglob("*")
          if path.is_file() and "__pycache__" not in path.parts),
    }  # fmt: skip


def test_the_screen_shows_progress_and_no_noise(trained):
    assert trained.ended.stderr == ""
    said = trained.ended.stdout
    for number, name in enumerate(PHASES, 1):
        assert f"[{number}/9] {name}: " in said
    assert "  epoch 2/2  train " in said and "recommended to user " in said
    for noise in ("WARN", "INFO", "oneDNN", "cuda", "Keras", "Warning"):
        assert noise not in said


def test_it_is_said_to_have_succeeded_and_where_it_ran(trained):
    assert read_json(trained.path / "run.json")["status"] == "succeeded"
    told = read_json(trained.path / "environment.json")
    assert told["packages"]["pyspark"] == "4.0.0" and told["machine"]["cores"] > 0
    assert told["kernels"].startswith("numba ")
    assert told["spark"]["spark.master"] == f"local[{min(2, cores())}]"


def test_phases_come_in_order_and_do_not_overlap(trained):
    records = phases(trained.path)
    assert [(one["event"], one["name"]) for one in records] == [
        (event, name) for name in PHASES for event in ("start", "end")
    ]
    before = None
    for start, end in zip(records[::2], records[1::2], strict=True):
        first, last = datetime.fromisoformat(start["start"]), datetime.fromisoformat(end["end"])
        assert end["start"] == start["start"] and end["status"] == "done"
        assert before is None or before <= first
        # two clocks: the wall's at both ends, the monotonic one between
        assert end["wall_seconds"] == pytest.approx((last - first).total_seconds(), abs=0.5)
        before = last


def test_history_and_metrics_count_the_same_users(trained):
    rows = history(trained.path)
    spent = [f"{name}_seconds" for name in ("data", "compute", "reduce", "broadcast", "validation")]
    assert list(rows[0]) == ["epoch", "train_loss", "validation_loss", "seconds", "rows", "workers", *spent]
    assert all(sum(float(row[name]) for name in spent) <= float(row["seconds"]) + 0.1 for row in rows)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])
    metrics, statistics = (read_json(trained.path / name) for name in ("metrics.json", "statistics.json"))
    parts = metrics["reconstruction"]
    assert {(row["rows"], row["workers"]) for row in rows} == {(str(parts["train_users"]), "2")}
    best = min(rows, key=lambda row: float(row["validation_loss"]))
    assert metrics["epoch"] == int(best["epoch"])
    assert parts["train"] == pytest.approx(float(best["train_loss"]), rel=1e-5)
    assert parts["divergence"] == pytest.approx((parts["test"] - parts["train"]) / parts["train"])
    # 80/20 of the users, and a tenth of the 80 for validation
    assert parts["test_users"] == pytest.approx(0.2 * statistics["users"], abs=25)
    assert parts["train_users"] == pytest.approx(0.72 * statistics["users"], abs=25)
    predicted, ranking = metrics["rating_prediction"], metrics["ranking"]
    for told in (parts, predicted, ranking):
        assert len(told["protocol"]) > 20
    for name in ("model", "user_movie_bias", "movie_mean", "global_mean"):
        assert 0 < predicted[name]["mae"] < predicted[name]["rmse"] < 5
    assert 0 < predicted["ratings"] < 0.2 * 0.3 * statistics["ratings"]
    assert ranking["users"] == ranking["test_users"] == parts["test_users"]
    assert set(ranking["model"]) == set(ranking["popularity"]) == {"recall@20", "recall@50", "ndcg@100", "coverage@20"}
    assert ranking["popularity"]["ndcg@100"]["mean"] > 0 and ranking["popularity"]["ndcg@100"]["standard_error"] > 0


def test_statistics_are_those_of_the_generated_data(trained):
    statistics = read_json(trained.path / "statistics.json")
    (folder,) = (trained.path / "data").iterdir()
    parts = [pd.read_csv(path) for path in folder.glob("ratings.csv/part-*")]
    ratings = pd.concat(parts)
    assert len(ratings) == statistics["ratings"] == statistics["rows_read"]
    assert (statistics["users"], statistics["movies"]) == (ratings["userId"].nunique(), ratings["movieId"].nunique())
    items = pd.read_parquet(trained.path / "model" / "items.parquet")
    assert items["movie_id"].tolist() == sorted(ratings["movieId"].unique())
    assert items["index"].tolist() == list(range(len(items)))
    assert items.set_index("movie_id")["popularity"].to_dict() == ratings["movieId"].value_counts().to_dict()


def test_recommendations_are_the_best_unseen_movies_with_titles(trained):
    found = read_json(trained.path / "recommendations.json")
    items = pd.read_parquet(trained.path / "model" / "items.parquet").set_index("movie_id")
    best, rated = found["recommended"], {movie["movie_id"] for movie in found["rated"]}
    assert [movie["rank"] for movie in best] == list(range(1, 11))
    assert not rated & {movie["movie_id"] for movie in best}
    assert sorted((movie["score"] for movie in best), reverse=True) == [movie["score"] for movie in best]
    for movie in best:
        assert movie["title"] == items.loc[movie["movie_id"], "title"] != ""
        assert 0.5 <= movie["predicted_rating"] <= 5


def test_the_model_loads_with_plain_keras_and_by_the_library(trained):
    command = [sys.executable, "-c", SAME_SCORES, str(trained.path / "model")]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr


def test_recommend_finds_the_user_in_the_data_of_the_run(trained, tmp_path):
    """The same user as in the run must get the same."""
    expected = read_json(trained.path / "recommendations.json")
    ended = succeed("recommend", "--model", trained.path, "--user", str(expected["user"]), "--output", "out",
                    cwd=tmp_path)  # fmt: skip
    assert read_json(tmp_path / "out" / "recommendations.json") == expected
    assert expected["recommended"][0]["title"] in ended.stdout
    assert read_json(tmp_path / "out" / "run.json")["status"] == "succeeded"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_recommend_finds_the_user_in_prepared_data_without_spark(trained, prepared, tmp_path):
    expected = read_json(trained.path / "recommendations.json")
    succeed("recommend", "--model", trained.path / "model", "--user", str(expected["user"]),
            "--prepared", prepared, "--output", "out", cwd=tmp_path)  # fmt: skip
    assert read_json(tmp_path / "out" / "recommendations.json") == expected
    assert not (tmp_path / "out" / "spark.log").exists()


def test_recommend_to_someone_new_writes_nothing(trained, tmp_path):
    seen = read_json(trained.path / "recommendations.json")["rated"][:2]
    wish = f"{seen[0]['title'].upper()}=4.5, {seen[1]['title']}=2"
    here, root = tmp_path / "here", copy_checkout(tmp_path / "check out", own_cache=True)  # which no other test uses
    here.mkdir()
    ended = succeed("recommend", "--model", trained.path, "--ratings", wish, "--top", "3", cwd=here, root=root)
    lines = ended.stdout.splitlines()
    assert lines[:3] == ["you rated 2 movies:", f"   4.5  {seen[0]['title']}", f"     2  {seen[1]['title']}"]
    assert lines[3] == "recommended to you:" and [line.split(".")[0].strip() for line in lines[4:]] == ["1", "2", "3"]
    assert not {seen[0]["title"], seen[1]["title"]} & {line.split(maxsplit=2)[2] for line in lines[4:]}
    assert ended.stderr == "" and not list(here.iterdir())
    assert not list((tmp_path / "here home").iterdir())
    assert not list((root / ".venv" / "cache").glob("tmp-*"))


def test_what_recommend_cannot_find_is_one_line(trained, prepared, tmp_path):
    title = read_json(trained.path / "recommendations.json")["rated"][0]["title"]
    wrong = title[:3] + title[4:]
    lost = tmp_path / "lost"  # a model whose data went elsewhere
    lost.mkdir()
    (lost / "model").symlink_to(trained.path / "model")
    cases = [
        ([trained.path, "--ratings", f"{wrong}=4"], f"no movie {wrong!r}: did you mean {title!r}"),
        ([trained.path, "--user", "nobody", "--prepared", prepared], "user 'nobody' has no ratings in"),
        ([trained.path, "--user", "1", "--prepared", tmp_path], "no prepared data set"),
        ([lost, "--user", "1"], "has no config.toml that names the model's data: give --prepared DIR or --ratings"),
    ]
    for arguments, said in cases:
        refused = launch("recommend", "--model", *arguments, cwd=tmp_path)
        text = refused.stdout + refused.stderr
        assert (refused.returncode, text.count("\n")) == (2, 1), text
        assert text.startswith("howdah: ") and said in text

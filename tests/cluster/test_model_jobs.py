"""Jobs that start from a trained model: evaluate, and recommend for everybody."""

from __future__ import annotations

import pandas as pd
import pytest
from launching import check_sample_user, launch, read_json, succeed


def test_evaluate_gives_the_figures_of_train(trained, tmp_path):
    """From the files of the run, without its prepared data in memory; on a master of its own choice."""
    ended = succeed("evaluate", "--model", trained.path, "--output", "out", cwd=tmp_path)
    expected, found = (read_json(run / "metrics.json") for run in (trained.path, tmp_path / "out"))
    assert found["reconstruction"]["test"] == pytest.approx(expected["reconstruction"]["test"], rel=1e-5)
    for kind in ("rating_prediction", "ranking"):
        assert set(found[kind]) == set(expected[kind])
    rmse = [one["rating_prediction"]["model"]["rmse"] for one in (expected, found)]
    assert rmse[1] == pytest.approx(rmse[0], rel=1e-5)
    ndcg = [one["ranking"]["model"]["ndcg@100"]["mean"] for one in (expected, found)]
    assert ndcg[1] == pytest.approx(ndcg[0], rel=1e-4)
    assert "[7/7] model_evaluation" in ended.stdout
    assert read_json(tmp_path / "out" / "run.json")["status"] == "succeeded"
    assert (tmp_path / "out" / "report" / "index.html").exists()


def test_evaluate_takes_no_other_model_or_data(trained, tmp_path):
    cases = [
        (
            ["--model", trained.path, "--set", "model.hidden=[3]"],
            "evaluate takes model.* from the model's own settings",
        ),
        ([], "--model is needed"),
        (["--model", tmp_path], "has no config.toml"),
    ]
    for arguments, said in cases:
        refused = launch("evaluate", *arguments, "--output", "no", cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert said in refused.stderr


def test_recommend_to_everybody(trained, tmp_path):
    ended = succeed("recommend", "--all", "--model", trained.path, "--top", "5", "--output", "out", cwd=tmp_path)
    found = pd.read_parquet(tmp_path / "out")
    assert list(found) == ["user", "rank", "movie", "score"]
    users = read_json(trained.path / "statistics.json")["users"]
    assert found.groupby("user")["rank"].apply(list).tolist() == [[1, 2, 3, 4, 5]] * users
    assert "part 1/1" in ended.stdout and ended.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    check_sample_user(trained.path, found)

    refused = launch("recommend", "--all", "--model", trained.path, "--output", "out", cwd=tmp_path)
    assert refused.returncode == 2 and "is not empty" in refused.stdout + refused.stderr
    assert "data_loading" not in refused.stdout  # said before the work

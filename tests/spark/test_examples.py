"""The complete programs of examples/, run as their first lines say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from quick_java import with_archive

from recsys.config.load import load_config
from recsys.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def call(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JDK_JAVA_OPTIONS": with_archive()}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240)


def test_every_example_is_run_here() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"train_from_dataframe", "add_a_model", "add_a_loss", "monitor_any_job"}


def test_train_from_dataframe(tmp_path: Path) -> None:
    ended = call(sys.executable, str(EXAMPLES / "train_from_dataframe.py"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "epoch 20/20" in ended.stdout
    films = [int(line.split()[1]) for line in ended.stdout.splitlines() if line.startswith("film")]
    assert len(films) == 5
    assert sum(film < 30 for film in films) >= 4  # someone who likes the first half gets movies of it


def test_monitor_any_job(tmp_path: Path) -> None:
    ended = call(sys.executable, str(EXAMPLES / "monitor_any_job.py"), "out", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    page = (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert "make" in page
    assert "group" in page
    assert not {"ratings", "movies", "recommend"} & set(page.lower().split())


@pytest.mark.parametrize("setting", ["kind", "loss"])
def test_a_model_and_a_loss_of_ones_own_train_by_the_command_evaluate_and_recommend(
    setting: str, tmp_path: Path
) -> None:
    own = {
        "kind": [f"model.kind={EXAMPLES}/add_a_model.py:ItemNeighbours", "model.shrinkage=20"],
        "loss": [f"model.loss={EXAMPLES}/add_a_loss.py:WeightedMse", "model.output_activation=linear"],
    }[setting]
    sets = [word for text in [*own, "data.scale=0.002", "training.epochs=2"] for word in ("--set", text)]
    run = tmp_path / "run"
    launcher = str(ROOT / "spark-submit.sh")
    trained = call(launcher, "train", *sets, "--profile", "off", "--output", str(run), cwd=tmp_path)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["ranking"]["model"]["ndcg@100"]["mean"] > 0.02
    data = run / "data"
    again = call(
        launcher, "evaluate", "--model", str(run), "--profile", "off", "--output", str(tmp_path / "again"), cwd=tmp_path
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert data.exists()
    evaluated = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert evaluated["ranking"] == metrics["ranking"]
    user = json.loads((run / "recommendations.json").read_text())
    title = user["rated"][0]["title"]
    told = call(launcher, "recommend", "--model", str(run), "--ratings", f"{title}=5", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "recommended to you" in told.stdout


def test_what_the_examples_do_not_support_is_refused() -> None:
    kind, loss = f"{EXAMPLES}/add_a_model.py:ItemNeighbours", f"{EXAMPLES}/add_a_loss.py:WeightedMse"
    with pytest.raises(ConfigError, match="solved in closed form"):
        load_config(assignments=[f"model.kind={kind}", "training.strategy=elephas"])
    with pytest.raises(ConfigError, match="is not written for Keras"):
        load_config(assignments=[f"model.loss={loss}", "training.strategy=elephas"])
    with pytest.raises(ConfigError, match=r"unknown key model\.hidden"):
        load_config(assignments=[f"model.kind={kind}", "model.hidden=[3]"])

"""What a job that starts from a trained model takes from its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.config import Config, MachineConfig
from recsys.config.load import write_config
from recsys.errors import UserError
from spark_jobs.launcher.arguments import parse_arguments
from spark_jobs.run.trained_run import run_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "preprocessing.json").write_text("{}")
    config = Config(name="mine", seed=7, spark={"spark.x.token": "hush", "spark.cores.max": 2})
    write_config(config, folder / "config.toml")
    return folder


def started(run: Path, prepared: str | None) -> None:
    told = {"directory": str(run.parent), "prepared": prepared}
    (run / "environment.json").write_text(json.dumps(told))


def test_its_settings_are_the_models_but_for_the_evaluation(run: Path) -> None:
    words = ["--model", str(run), "--set", "evaluation.ndcg_at=10", "--workers", "3"]
    config = parse_arguments("evaluate", words).config
    assert (config.name, config.seed, config.evaluation.ndcg_at, config.training.workers) == ("mine", 7, 10, 3)
    assert config.spark == {"spark.cores.max": 2}  # what was masked must be given again
    with pytest.raises(UserError, match=r"evaluate takes training\.\* from the model"):
        parse_arguments("evaluate", ["--model", str(run), "--set", "training.epochs=3"])


def test_the_run_is_named_by_itself_or_by_its_model_folder(run: Path) -> None:
    assert run_of(run) == run_of(run / "model") == run.resolve()


def test_prepared_data_are_found_again_where_they_are_still_there(run: Path) -> None:
    started(run, "prepared")
    assert parse_arguments("evaluate", ["--model", str(run)]).options.prepared is None
    (run.parent / "prepared").mkdir()
    assert parse_arguments("evaluate", ["--model", str(run)]).options.prepared == str(run.parent / "prepared")
    given = parse_arguments("evaluate", ["--model", str(run), "--prepared", "other"])
    assert given.options.prepared == "other"


def test_what_a_run_may_use_of_the_machine_is_not_the_models_and_may_change_in_the_middle(run: Path) -> None:
    config = Config(name="mine", machine=MachineConfig(cores=1, memory_gb=1.0))
    write_config(config, run / "config.toml")
    assert parse_arguments("evaluate", ["--model", str(run)]).config.machine == MachineConfig()
    own = parse_arguments("evaluate", ["--model", str(run), "--set", "machine.memory_gb=2"])
    assert own.config.machine == MachineConfig(memory_gb=2.0)
    resumed = parse_arguments("train", ["--resume", str(run), "--set", "machine.memory_gb=2"])
    assert resumed.config.machine == MachineConfig(cores=1, memory_gb=2.0)

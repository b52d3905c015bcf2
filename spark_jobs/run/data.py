"""The data set of a run: read from its source in the data phases, or loaded as the job prepare left it."""

from __future__ import annotations

from typing import Any

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.sources.files import find_sources
from recsys.data.store import free_settings
from spark_jobs.common import Run
from spark_jobs.run.memory_check import check_memory_early
from spark_jobs.run.messages import describe_source, describe_told


def load_dataset(run: Run, spark: Any, config: Config, directory: str | None) -> Dataset:
    """The data set of the settings; with a `directory`, that of a prepared data set, split as they say."""
    default_dir = str(run.path / "data")
    if directory:
        with run.phase("data_loading"):
            return Dataset.load(spark, directory, default_dir=default_dir, **free_settings(config.data))
    run.say(describe_source(config.data))
    sources = find_sources(spark, config.data, config.data.data_dir or "", default_dir)
    if sources.every_note:
        run.say(describe_told(sources.every_note))
    check_memory_early(config, spark.sparkContext, sources.size)
    profile = run.arguments.profile
    return Dataset.from_config(spark, config.data, default_dir, sources=sources, phase=run.phase, profile=profile)

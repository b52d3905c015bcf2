"""Turn ratings and movies into blocks of rating arrays, and leave them as a Parquet data set for train --prepared."""

from __future__ import annotations

from recsys.data.dataset import Dataset
from recsys.data.sources.files import find_sources
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_source, describe_told


def run_prepare(run: Run) -> None:
    """The data phases, saved."""
    spark, data = run.session(), run.config.data
    run.say(describe_source(data))
    folder, profile = str(run.path / "data"), run.arguments.profile
    sources = find_sources(spark, data, data.data_dir or "", folder)
    if sources.every_note:
        run.say(describe_told(sources.every_note))
    dataset = Dataset.from_config(spark, data, folder, sources=sources, phase=run.phase, profile=profile)
    run.write_json("statistics.json", dataset.statistics)
    dataset.save(run.path)
    run.say(describe_data(dataset.statistics))


if __name__ == "__main__":
    exit_with(run_job("prepare", run_prepare))

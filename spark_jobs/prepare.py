"""Turn ratings and movies into blocks of rating arrays, and leave them as a Parquet data set for train --prepared."""

from __future__ import annotations

from recsys.data.ingest.pipeline import prepare
from recsys.data.sources.files import find_sources
from recsys.data.store import save_prepared
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_source


def run_prepare(run: Run) -> None:
    """The data phases, saved."""
    spark, data = run.session(), run.config.data
    run.say(describe_source(data))
    sources = find_sources(spark, data, data.data_dir or "", str(run.path / "data"))
    prepared = prepare(spark, sources, data, run.phase, run.arguments.profile)
    run.write_json("statistics.json", prepared.statistics)
    save_prepared(run.path, prepared, run.config)
    run.say(describe_data(prepared.statistics))


if __name__ == "__main__":
    exit_with(run_job("prepare", run_prepare))

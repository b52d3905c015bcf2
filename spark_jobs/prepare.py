"""Turn ratings and movies into blocks of rating arrays: a Parquet data set for train --prepared, or TFRecord files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_source, describe_tfrecords, describe_told

if TYPE_CHECKING:  # imported late: Spark starts before the rest is imported
    from recsys.data.dataset import Dataset


def run_prepare(run: Run) -> None:
    """The data phases, saved."""
    spark, data = run.session(), run.config.data
    from recsys.data.dataset import Dataset
    from recsys.data.sources.files import find_sources

    run.say(describe_source(data))
    folder, profile = str(run.path / "data"), run.arguments.profile
    sources = find_sources(spark, data, data.data_dir or "", folder)
    if sources.every_note:
        run.say(describe_told(sources.every_note))
    dataset = Dataset.from_config(spark, data, folder, sources=sources, phase=run.phase, profile=profile)
    run.write_json("statistics.json", dataset.statistics)
    if run.arguments.options.format == "tfrecord":
        _save_tfrecords(run, dataset)
    else:
        dataset.save(run.path)
    run.say(describe_data(dataset.statistics))


def _save_tfrecords(run: Run, dataset: Dataset) -> None:
    """The ratings in the folder tfrecord of the run directory."""
    from recsys.arranged import examples_of
    from recsys.data.store import save_rejected
    from recsys.data.tfrecord import save_tfrecords, split_by_rating

    config = split_by_rating(run.config, run.arguments.given)
    schema = save_tfrecords(dataset, run.path / "tfrecord", examples_of(dataset, config))
    if dataset.rejected is not None:
        save_rejected(run.path, dataset.rejected)
    run.say(describe_tfrecords(schema, run.config.data.split))


if __name__ == "__main__":
    exit_with(run_job("prepare", run_prepare))

"""Generate or download the data set that the settings name into data.data_dir, so that later runs find it there."""

from __future__ import annotations

from recsys.errors import UserError
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_source


def run_fetch(run: Run) -> None:
    """Looks for the data set, and makes or fetches it where it is not there yet."""
    data = run.config.data
    if not data.dataset:
        raise UserError("data.ratings names files that are there already: fetch is for data.dataset")
    if not data.data_dir:
        raise UserError("fetch needs data.data_dir: the folder that keeps the data set")
    spark = run.session()
    from recsys.data.sources.files import find_sources  # late: Spark starts before the rest is imported

    run.say(describe_source(data))
    sources = find_sources(spark, data, data.data_dir, data.data_dir)
    run.say(f"ratings: {sources.ratings.path}")


if __name__ == "__main__":
    exit_with(run_job("fetch", run_fetch))

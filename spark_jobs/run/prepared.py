"""The settings of a run that may take a prepared data set."""

from __future__ import annotations

from recsys.config import Config
from recsys.config.load import write_config
from spark_jobs.common import Run


def settings_of(run: Run) -> Config:
    """The run's settings, with those of the prepared data set that it takes, if any; config.toml has them then."""
    directory = run.arguments.options.prepared
    if not directory:
        return run.config
    from recsys.data.store import with_prepared_data  # late: Spark starts before the rest is imported

    config = with_prepared_data(run.config, run.arguments.given, directory)
    write_config(config, run.path / "config.toml")
    return config

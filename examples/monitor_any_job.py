"""What each phase of a Spark job of your own costs: time, CPU and memory, on one page. No ratings, no model.

python examples/monitor_any_job.py [FOLDER]
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

import monitor
from monitor.report import make_report


def main(folder: str) -> None:
    spark = SparkSession.builder.master("local[2]").appName("word-count").getOrCreate()
    with monitor.record(folder, interval=0.2) as run:
        with run.phase("make"):
            numbers = spark.range(3_000_000).selectExpr("id", "id % 1000 as word").cache()
            numbers.count()  # Spark is lazy: without it the work would happen, and count, in the next phase
        with run.phase("group"):
            counts = numbers.groupBy("word").count().collect()
    spark.stop()
    print(f"{len(counts)} words; the report: {make_report(folder)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "runs/monitored")

"""What Spark's Python workers have imported when they start, in a session of its own: local[2]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from quick_java import with_archive

PROGRAM = """
import json, os, sys
import recsys
from recsys.workers import preloading, warm_up

def state():
    heavy = [name for name in ("pandas", "pyarrow", "tensorflow", "keras", "elephas") if name in sys.modules]
    return {"pid": os.getpid(), "daemon": os.getppid(), "modules": heavy}

def of_rdd(rows):
    yield state()

def of_frame(batches):
    import pyarrow as pa
    for batch in batches:
        pass
    yield pa.RecordBatch.from_pylist([{"state": json.dumps(state())}])

def threads_of_a_model(rows):
    from recsys.tensorflow_env import limit_threads
    limit_threads()
    import keras, numpy as np
    layer = keras.layers.Dense(300)
    output = layer(np.ones((2000, 300), "float32")).numpy()
    import tensorflow as tf
    yield [output.shape, tf.config.threading.get_intra_op_parallelism_threads()]

spark = recsys.local_session(2)
again = recsys.local_session(2)
context = spark.sparkContext
def look():
    rows = context.parallelize(range(2), 2).mapPartitions(of_rdd).collect()
    frame = spark.range(2).mapInArrow(of_frame, "state string").collect()
    return {"rdd": rows, "frame": [json.loads(row.state) for row in frame]}

told = {"data": look()}
thread = warm_up(context)
thread.join()
with preloading(context):
    told["training"] = look()
    told["model"] = context.parallelize(range(2), 2).mapPartitions(threads_of_a_model).collect()
    made = context.parallelize(range(2), 2).mapPartitions(of_rdd).persist()
told["after"] = look()
told["made within"] = made.collect()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("here and there")  # the session's own folders have a blank in their names
    own = {"TMPDIR": str(place), "SPARK_LOCAL_DIRS": str(place), "JDK_JAVA_OPTIONS": with_archive()}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=place, env={**os.environ, **own}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_workers_of_the_data_phases_have_no_tensorflow(told: dict[str, Any]) -> None:
    for phase in ("data", "after"):
        for one in told[phase]["rdd"] + told[phase]["frame"]:
            assert one["modules"] == ["pandas", "pyarrow"], phase


def test_workers_of_training_start_with_tensorflow(told: dict[str, Any]) -> None:
    for one in told["training"]["rdd"] + told["training"]["frame"] + told["made within"]:
        assert one["modules"] == ["pandas", "pyarrow", "tensorflow", "keras", "elephas"]


def test_there_is_one_daemon_of_each_kind(told: dict[str, Any]) -> None:
    """For RDDs and DataFrame functions alike."""
    daemons = {
        phase: {one["daemon"] for kind in ("rdd", "frame") for one in told[phase][kind]}
        for phase in ("data", "training", "after")
    }
    assert {phase: len(found) for phase, found in daemons.items()} == {"data": 1, "training": 1, "after": 1}
    assert daemons["data"] == daemons["after"] != daemons["training"]


def test_a_forked_tensorflow_computes_on_one_thread(told: dict[str, Any]) -> None:
    assert told["model"] == [[[2000, 300], 1]] * 2

"""What executors say of their memory, asked by a job that is the monitor's own."""

import platform

from monitor.headroom import memory_headroom
from monitor.spark.headroom import executor_headroom


def test_the_hosts_of_executors_tell_what_is_left(spark):
    (found,) = executor_headroom(spark.sparkContext, 2)
    here = memory_headroom()
    assert here is not None
    assert (found.host, found.executors, found.headroom.limit_bytes) == (platform.node(), 1, here.limit_bytes)
    assert 0 < found.headroom.left_bytes < found.headroom.limit_bytes

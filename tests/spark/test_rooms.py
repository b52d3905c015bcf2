"""What executors say of their memory, asked by a job that is the monitor's own."""

import platform

from monitor.sampling.room import memory_room
from monitor.spark.rooms import executor_rooms


def test_the_hosts_of_executors_tell_what_is_left(spark):
    (found,) = executor_rooms(spark.sparkContext, 2)
    here = memory_room()
    assert here is not None
    assert (found.host, found.executors, found.room.limit) == (platform.node(), 1, here.limit)
    assert 0 < found.room.left < found.room.limit

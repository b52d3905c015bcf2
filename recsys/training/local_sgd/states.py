"""Workers' states, such as Adam's moments, on their executors' own disks from round to round.

A state may be larger than the worker's rows, and only the worker's next round needs it. So each round's task writes it
to a file, and the next round's task, in whichever process of the executor, maps that file. The one before stays too, so
that a task which is tried again starts from the same. On an executor without the file a task begins with the states
that the driver has, and does the worker's rounds since then again, which gives the same bit for bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyspark import Broadcast

from recsys.training.local_sgd.kept import Key, Ready, RowsMissing, path_of, read_file, write_file
from recsys.training.state import Moments

Worker = Callable[[int, Iterable[Any]], Iterator[Any]]  # (worker, its state and rows) -> its new state and a result
_unsaved: dict[Key, Moments] = {}  # of this process: one at most, for which there was no room on the disk


@dataclass(frozen=True)
class Start:
    """Where workers whose state was lost begin again.

    Attributes:
        rounds: how many were done before.
        states: what they came to, by worker; none for a worker that begins anew.
        since: the rounds that were done after them.
    """

    rounds: int
    states: Mapping[int, Broadcast[Moments]]
    since: tuple[Worker, ...] = ()


def a_round(work: Worker, training: str, rounds: int, start: Start | None) -> Worker:
    """The round after `rounds` others: `work` from the worker's state to its next one, which is kept; yields the rest.

    RowsMissing where the state is not on this executor and there is no start.
    """

    def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
        for one in work(worker, with_state(training, worker, rounds, elements, start)):
            if isinstance(one, Moments):
                keep(training, worker, rounds + 1, one)
                del one  # it may be twice as large as the model
            else:
                yield one

    return run


def with_state(
    training: str, worker: int, rounds: int, elements: Iterable[Any], start: Start | None
) -> Iterable[Moments | Any]:
    """The worker's state after so many rounds, if it has one, and then what its rows are read from.

    Raises:
        RowsMissing: the state is not on this executor, and there is no start.
    """
    state, again = _newest(training, worker, rounds, start)
    for work in again:
        given = itertools.chain([] if state is None else [state], elements)
        state = next((one for one in work(worker, given) if isinstance(one, Moments)), None)
        elements = [Ready(worker)]  # the first of these rounds has read the rows and kept them
    if again and state is not None:
        keep(training, worker, rounds, state)
    return itertools.chain([] if state is None else [state], elements)


def keep(training: str, worker: int, rounds: int, state: Moments) -> None:
    """Keeps the worker's state after so many rounds beside the one before. Those of earlier rounds are deleted."""
    key = _key(training, worker, rounds)
    path = path_of(key)
    _unsaved.clear()
    if path is not None:
        with suppress(OSError):
            for old in path.parent.glob(f"state-*-{worker}"):
                if int(old.name.split("-")[1]) < rounds - 1:
                    old.unlink(missing_ok=True)
            write_file(path, key, state)
            return
    _unsaved[key] = state


def find(training: str, worker: int, rounds: int) -> Moments | None:
    """The worker's state after so many rounds, mapped into memory; None where it is not on this executor."""
    key = _key(training, worker, rounds)
    path = path_of(key)
    found: Moments | None = _unsaved.get(key) or (None if path is None else read_file(path, key))
    return found


def _newest(training: str, worker: int, rounds: int, start: Start | None) -> tuple[Moments | None, tuple[Worker, ...]]:
    """The worker's latest state that there is, and the rounds that were done since."""
    for done in range(rounds, (start.rounds if start else rounds) - 1, -1):
        state = find(training, worker, done)
        if state is not None:
            return state, start.since[done - start.rounds :] if start else ()
    if start is None:
        raise RowsMissing
    return start.states[worker].value if worker in start.states else None, start.since


def _key(training: str, worker: int, rounds: int) -> Key:
    return Key(training, worker, f"state-{rounds}")

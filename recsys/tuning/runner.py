"""Runs trials, several at once, until there are enough."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.config.load import write_config
from recsys.evaluation.figure import Figure
from recsys.tuning.folder import BEST, TRIALS
from recsys.tuning.results import TrialRow, ranked, write_trials
from recsys.tuning.study import Asked, Study
from recsys.tuning.trial import Ended, Outcome, Workbench, run_trial

_PROMOTED, _AT_LEAST = 0.1, 3  # of the trials on a sample, those that are run again on all users


@dataclass(frozen=True)
class TrialProgress:
    """What is known after a trial.

    Attributes:
        metric: the figure, such as "validation_rmse".
        row: the trial.
        ended: how many have ended.
        trials: how many there are to be.
        best: the best so far; None: none is complete.
        seconds_left: of all trials to come, by those of this call; the test at the end is not in it.
    """

    metric: str
    row: TrialRow
    ended: int
    trials: int
    best: TrialRow | None
    seconds_left: float


class Runner:
    """Runs trials, several at once, and writes what is known after each."""

    def __init__(
        self,
        study: Study,
        bench: Workbench,
        figure: Figure,
        folder: Path,
        parallel: int,
        timeout: float | None,
        on_trial: Callable[[TrialProgress], None],
    ) -> None:
        self._study, self._bench, self._figure, self._folder = study, bench, figure, folder
        self._parallel, self._timeout, self._on_trial = parallel, timeout, on_trial
        self._lock, self._ends = threading.Lock(), threading.Event()
        self._began, self._errors = time.monotonic(), list[BaseException]()
        self._here = 0  # trials that ended in this call
        self._trials = 0
        self._best: int | None = None  # the trial that best.toml is of

    def ranked(self) -> list[TrialRow]:
        """All trials that have ended, best first."""
        return ranked(self._study.rows(), self._figure.larger_is_better)

    def run(self, trials: int, fraction: float) -> None:
        """Runs trials until so many have ended, then the best of those on a sample once more on all users."""
        self._trials = trials
        self._all(lambda: self._next(trials))
        if fraction < 1:
            rows = [row for row in self.ranked() if row.value is not None and row.fraction == fraction]
            self._study.promote(rows[: max(_AT_LEAST, math.ceil(_PROMOTED * len(rows)))])
            self._trials += self._study.waiting
            self._all(lambda: self._study.ask() if self._study.waiting else None)
        self._keep(self.ranked())

    def _next(self, trials: int) -> Asked | None:
        late = self._timeout is not None and time.monotonic() - self._began >= self._timeout
        if self._asked >= trials or (late and self._here):
            return None
        asked = self._study.ask()
        self._asked += not asked.promoted
        return asked

    def _all(self, ask: Callable[[], Asked | None]) -> None:
        self._asked = self._study.ended
        if self._parallel == 1:
            self._in_turn(ask)
            return
        threads = [threading.Thread(target=self._guarded, args=(ask,), daemon=True) for _ in range(self._parallel)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # a signal is heard between two of these
        except BaseException:
            self._ends.set()
            raise
        if self._errors:
            raise self._errors[0]

    def _guarded(self, ask: Callable[[], Asked | None]) -> None:
        try:
            self._in_turn(ask)
        except Ended:
            pass
        except BaseException as error:
            self._errors.append(error)
            self._ends.set()

    def _in_turn(self, ask: Callable[[], Asked | None]) -> None:
        while not self._ends.is_set():
            with self._lock:
                asked = ask()
            if asked is None:
                return
            self._ended(asked, self._outcome(asked))

    def _outcome(self, asked: Asked) -> Outcome:
        def prune(epoch: Any) -> bool:
            with self._lock:
                return self._study.prunes(asked, epoch)

        folder = self._folder / "trials" / f"{asked.number:05d}"
        return run_trial(
            self._bench, asked.point, self._figure, asked.fraction, folder=folder, prune=prune, ends=self._ends.is_set
        )

    def _ended(self, asked: Asked, outcome: Outcome) -> None:
        if outcome.fatal:
            raise outcome.fatal
        with self._lock:
            row = self._study.tell(asked, outcome)
            rows = self.ranked()
            self._keep(rows)
            self._here += 1
            best = rows[0] if rows[0].rank else None
            row = next(one for one in rows if one.number == row.number)
            self._on_trial(TrialProgress(str(self._figure), row, len(rows), self._trials, best, self._left(len(rows))))

    def _keep(self, rows: list[TrialRow]) -> None:
        """Writes what is known by now: a study that is killed leaves it."""
        write_trials(rows, self._folder / TRIALS)
        if rows and rows[0].rank and rows[0].number != self._best:
            found = self._bench.config_at(rows[0].parameters)
            write_config(found.model_copy(update={"name": f"{found.name}-best"}), self._folder / BEST)
            self._best = rows[0].number

    def _left(self, ended: int) -> float:
        spent = time.monotonic() - self._began
        left = spent / self._here * max(0, self._trials - ended)
        return left if self._timeout is None else min(left, max(0.0, self._timeout - spent))

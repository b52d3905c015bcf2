"""A study: which points are asked for, kept in a journal on disk.

The sampler is made anew for each trial, from the study's seed and the trial's number, so that a study that was killed
asks for the same points as one that was not. A trial that was running is asked for again, under its number.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.config.ranges import Space
from recsys.errors import ConfigError
from recsys.training.history import Epoch
from recsys.tuning.journal import NAME
from recsys.tuning.points import KIND, entries_of, grid_of, internal, suggested
from recsys.tuning.results import COMPLETE, FAILED, PRUNED, TrialRow
from recsys.tuning.trial import Outcome

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "random", "grid", "cmaes")
AUTO = "auto"
PRUNERS = (AUTO, "none", "median", "hyperband")
_REASON, _FRACTION, _EPOCHS, _BEST_EPOCH, _SECONDS, _POINT, _OF = (
    "reason",
    "fraction",
    "epochs",
    "best_epoch",
    "seconds",
    "parameters",
    "promoted_from",
)


@dataclass(frozen=True)
class Asked:
    """A trial to run.

    Attributes:
        number: from 0.
        point: its values of the searched keys.
        fraction: the part of the training users that it is trained on.
        promoted: whether it is a point of a trial on a sample once more.
        reported: the last epoch that was reported before the study was killed: earlier ones did not end it.
        trial: Optuna's.
    """

    number: int
    point: dict[str, Any]
    fraction: float
    promoted: bool
    reported: int
    trial: optuna.trial.Trial


class Study:
    """The trials of one study. Not safe to call from two threads at once.

    Args:
        storage: where they are kept.
        space: what is searched.
        larger_is_better: of the figure.
        sampler, pruner: by name.
        seed: of the sampler.
        trials: how many there are to be, which a grid is cut for.
        epochs: of a trial at most, for hyperband.
        fraction: the part of the training users that trials are trained on, but for promoted ones.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        space: Space,
        larger_is_better: bool,
        *,
        sampler: str,
        pruner: str,
        seed: int,
        trials: int,
        epochs: int,
        fraction: float = 1.0,
        parallel: bool = False,
    ) -> None:
        import optuna

        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # each trial is told by who runs the study
        self._space, self._larger_is_better, self._sampler, self._seed = space, larger_is_better, sampler, seed
        self._fraction, self._parallel = fraction, parallel
        self._study = optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize" if larger_is_better else "minimize",
            pruner=_pruner(pruner, epochs),
            sampler=self._sampler_for(0),
            load_if_exists=True,
        )
        running = [
            one for one in self._study.get_trials(deepcopy=False) if one.state == optuna.trial.TrialState.RUNNING
        ]
        self._interrupted = [(one.number, one._trial_id) for one in running]
        self._grid = grid_of(space, trials) if sampler == "grid" else []
        if sampler == "grid":
            order = np.random.default_rng(seed).permutation(len(self._grid))
            for number in order[len(self._study.trials) :]:
                self._study.enqueue_trial(self._grid[number])

    def begin_with(self, point: Mapping[str, Any]) -> None:
        """The first trial is of this point, as far as it lies in the space: nothing that is found is worse."""
        if self._study.trials or self._sampler == "grid":
            return
        params: dict[str, Any] = {}
        for key, entry in entries_of(self._space, point.get(KIND)):
            if key in point and entry.contains(point[key]):
                name, value = internal(key, entry, point[key])
                params[name] = value
        if params:
            self._study.enqueue_trial(params)

    @property
    def ended(self) -> int:
        """How many trials have ended, promoted ones left out."""
        return sum(row.fraction == self._fraction for row in self.rows())

    @property
    def size(self) -> int | None:
        """How many points there are; None where there is no end of them."""
        return len(self._grid) if self._sampler == "grid" else None

    def ask(self) -> Asked:
        """The next trial: first those that were running when the study was killed."""
        import optuna

        reported = 0
        if self._interrupted:
            number, trial_id = self._interrupted.pop(0)
            self._study.sampler = self._sampler_for(number)
            trial = optuna.trial.Trial(self._study, trial_id)
            reported = max(self._trials()[number].intermediate_values, default=0)
        else:
            # a trial that waits was made before, and has its number from then
            waiting = [one.number for one in self._trials() if one.state == self._state("WAITING")]
            number = waiting[0] if waiting else len(self._trials())
            self._study.sampler = self._sampler_for(number)
            trial = self._study.ask()
        # drawn together, then each key with a seed of its own: it may have been killed between two keys
        assert trial.relative_params is not None

        def before_each(key: str) -> None:
            self._study.sampler = self._sampler_for(number, key)

        promoted = _OF in trial.user_attrs
        fraction = 1.0 if promoted else self._fraction
        point = suggested(trial, self._space, before_each)
        return Asked(trial.number, point, fraction, promoted, reported, trial)

    def prunes(self, asked: Asked, epoch: Epoch) -> bool:
        """Reports an epoch's validation loss; whether the trial is not worth more epochs."""
        loss = epoch.validation_loss
        if not np.isfinite(loss) or asked.promoted or epoch.epoch < asked.reported:
            return False
        if epoch.epoch > asked.reported:
            asked.trial.report(-loss if self._larger_is_better else loss, epoch.epoch)
        return bool(asked.trial.should_prune())

    def tell(self, asked: Asked, outcome: Outcome) -> TrialRow:
        """Records how a trial ended; its row, without a rank."""
        attributes = {
            _REASON: outcome.reason,
            _FRACTION: asked.fraction,
            _EPOCHS: len(outcome.epochs),
            _BEST_EPOCH: outcome.best_epoch,
            _SECONDS: round(outcome.seconds, 3),
            _POINT: asked.point,
        }
        for key, value in attributes.items():
            asked.trial.set_user_attr(key, value)
        states = {COMPLETE: "COMPLETE", PRUNED: "PRUNED", FAILED: "FAIL"}
        self._study.tell(asked.trial, outcome.value, state=self._state(states[outcome.state]))
        return next(row for row in self.rows() if row.number == asked.number)

    def rows(self) -> list[TrialRow]:
        """The trials that have ended, in their order, without ranks."""
        names = {self._state("COMPLETE"): COMPLETE, self._state("PRUNED"): PRUNED, self._state("FAIL"): FAILED}
        rows = []
        for one in self._trials():
            known = one.user_attrs
            if one.state not in names or _POINT not in known:
                continue
            state = names[one.state]
            value = float(one.value) if state == COMPLETE and one.value is not None else None
            own = known[_EPOCHS], known[_SECONDS], known[_FRACTION], known[_REASON], known[_POINT]
            rows.append(TrialRow(None, one.number, state, value, *own))
        return rows

    def best_epoch(self, number: int) -> int:
        """The epoch of the lowest validation loss of a trial that has ended."""
        return int(self._trials()[number].user_attrs[_BEST_EPOCH])

    def promote(self, rows: list[TrialRow]) -> None:
        """Trials of these rows' points are next, on all training users; not again those that were promoted before."""
        before = {one.user_attrs[_OF] for one in self._trials() if _OF in one.user_attrs}
        for row in rows:
            if row.number not in before:
                params = self._trials()[row.number].params
                self._study.enqueue_trial(params, user_attrs={_OF: row.number})

    @property
    def waiting(self) -> int:
        """How many trials wait to be asked for that have a point already, interrupted ones among them."""
        return len(self._interrupted) + sum(one.state == self._state("WAITING") for one in self._trials())

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _state(self, name: str) -> optuna.trial.TrialState:
        import optuna

        return optuna.trial.TrialState[name]

    def _sampler_for(self, number: int, key: str = "") -> optuna.samplers.BaseSampler:
        import optuna

        drawn = [self._seed, number, zlib.crc32(key.encode())]
        seed = int(np.random.SeedSequence(drawn).generate_state(1)[0])
        if self._sampler == "tpe":
            group = KIND in self._space
            return optuna.samplers.TPESampler(multivariate=True, group=group, constant_liar=self._parallel, seed=seed)
        if self._sampler == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return optuna.samplers.RandomSampler(seed=seed)


def check_names(sampler: str, pruner: str) -> None:
    """ConfigError where there is no sampler or pruner of that name."""
    for what, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise ConfigError(f"{what} = {name!r}: there are {', '.join(known)}")


def _pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    import optuna

    made: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "none": optuna.pruners.NopPruner,
        # not by its first epochs: those of large models are worse than what they come to
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(2, epochs // 3)),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1)),
    }
    return made[name]()

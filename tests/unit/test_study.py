"""Studies without Spark: every sampler, killed between any two writes, asks for what it would have asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.storages import InMemoryStorage, JournalStorage

from recsys.config.ranges import Choices, Range, Space
from recsys.config.search import write_space
from recsys.errors import UserError
from recsys.json_files import read_json, write_json
from recsys.training.history import Epoch
from recsys.tuning.importance import write_importance
from recsys.tuning.journal import JOURNAL, journal_in
from recsys.tuning.points import grid_of
from recsys.tuning.results import COMPLETE, FAILED, PRUNED, TrialRow, most_common_reason, ranked
from recsys.tuning.study import SAMPLERS, Study
from recsys.tuning.trial import Outcome
from spark_jobs.launcher.installation import check_installed

SPACE: Space = {
    "model.factors": Range(low=2, high=64, scale="log", type="int"),
    "model.l2": Range(low=0.1, high=10, scale="log"),
    "model.momentum": Range(low=0.1, high=0.99, scale="reverse_log"),
    "model.solver": Choices(choices=("cholesky", "cg")),
    "model.hidden": Choices(choices=((200,), (600, 200))),
}


class Killed(BaseException):
    """The process ends here."""


def losses_of(point: dict[str, Any]) -> list[float]:
    depth = (point["model.l2"] - 1) ** 2 + point["model.factors"] / 64 + (point["model.solver"] == "cg")
    return [depth + 1 / epoch for epoch in range(1, 5)]


def run(folder: Path, sampler: str, trials: int = 24, pruner: str = "median") -> list[TrialRow]:
    """A study of trials of four epochs, as the runner has it."""
    with journal_in(folder) as storage:
        study = Study(storage, SPACE, False, sampler=sampler, pruner=pruner, seed=3, trials=trials, epochs=4)
        study.begin_with({"model.factors": 8, "model.l2": 3.0, "model.hidden": [600, 200], "model.solver": "none"})
        while study.ended < min(trials, study.size or trials):
            asked = study.ask()
            epochs, state = [], COMPLETE
            for number, loss in enumerate(losses_of(asked.point), 1):
                epochs.append(Epoch(number, loss, loss, 0.0, 1, 1))
                if study.prunes(asked, epochs[-1]):
                    state = PRUNED
                    break
            value = epochs[-1].validation_loss if state == COMPLETE else None
            study.tell(asked, Outcome(state, value, 1.0, "", epochs, len(epochs)))
        return study.rows()


@pytest.mark.filterwarnings("error::UserWarning")  # Optuna's, of a point that lies outside
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_is_killed_at_any_write_goes_on_as_if_it_had_not_been(
    tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = run(tmp_path / "whole", sampler)
    write = JournalStorage._write_log
    left = 0

    def write_or_die(self: Any, *args: Any) -> None:
        nonlocal left
        write(self, *args)
        left -= 1
        if left == 0:
            raise Killed

    monkeypatch.setattr(JournalStorage, "_write_log", write_or_die)
    for times in range(200):
        left = 7 + times % 11  # each time at another place of a trial
        try:
            again = run(tmp_path / "killed", sampler)
            break
        except Killed:
            with (tmp_path / "killed" / JOURNAL).open("ab") as file:
                file.write(b'{"half":')
    assert times > 10
    assert again == whole
    assert {row.state for row in whole} == {COMPLETE, PRUNED}


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_points_lie_in_the_space_and_begin_with_the_settings_themselves(tmp_path: Path, sampler: str) -> None:
    rows = run(tmp_path, sampler, trials=30, pruner="none")
    first = rows[0].parameters
    assert (first["model.factors"], first["model.l2"], first["model.hidden"]) == (8, 3.0, [600, 200])
    for row in rows:
        assert all(SPACE[key].contains(value) for key, value in row.parameters.items())
        assert isinstance(row.parameters["model.factors"], int)
    assert len({str(row.parameters) for row in rows}) == 30


def test_tpe_comes_nearer_than_random_search_to_a_narrow_valley_whose_values_differ_by_chance() -> None:
    space: Space = {key: SPACE[key] for key in ("model.factors", "model.l2")}

    def best(sampler: str, seed: int) -> float:
        chance = np.random.default_rng(seed)
        lowest = math.inf
        how: dict[str, Any] = {"sampler": sampler, "pruner": "none", "seed": seed, "trials": 40, "epochs": 1}
        study = Study(InMemoryStorage(), space, False, **how)
        for _ in range(40):
            asked = study.ask()
            factors, l2 = asked.point["model.factors"], asked.point["model.l2"]
            depth = 0.05 * abs(math.log10(l2)) - 0.002 * math.log2(factors)
            value = depth + chance.normal(0, 0.0015)
            study.tell(asked, Outcome(COMPLETE, value, 1.0, "", [Epoch(1, value, value, 0.0, 1, 1)], 1))
            lowest = min(lowest, depth)
        return lowest

    seeds = range(1, 6)
    assert sum(best("tpe", seed) < best("random", seed) for seed in seeds) >= 4


def test_a_grid_lies_evenly_on_its_scales() -> None:
    space: Space = {"model.l2": Range(low=1, high=100, scale="log"), "model.solver": Choices(choices=("a", "b"))}
    points = grid_of(space, trials=7)
    assert [(round(point["model.l2"], 9), point["model.solver"]) for point in points] == [
        (1, "a"), (1, "b"), (10, "a"), (10, "b"), (100, "a"), (100, "b"),
    ]  # fmt: skip


def test_the_importance_of_keys(tmp_path: Path) -> None:
    run(tmp_path, "random", trials=40, pruner="none")
    write_space(SPACE, tmp_path / "space.toml")
    write_json(tmp_path / "tune.json", {"direction": "minimize", "seed": 3, "fraction": 1.0})
    importance = write_importance(tmp_path)
    assert read_json(tmp_path / "importance.json") == importance
    assert next(iter(importance)) == "model.l2"
    assert set(importance) == set(SPACE)
    assert importance["model.momentum"] < 0.1
    assert sum(importance.values()) == pytest.approx(1, abs=1e-3)


def test_ranks() -> None:
    def row(
        number: int, value: float | None, state: str = COMPLETE, fraction: float = 1.0, reason: str = ""
    ) -> TrialRow:
        return TrialRow(None, number, state, value, 1, 1.0, fraction, reason)

    rows = [
        row(0, 0.9, fraction=0.2), row(1, 0.5), row(2, None, FAILED, reason="a"), row(3, 0.7), row(4, None, PRUNED),
        row(5, 0.5), row(6, None, FAILED, reason="b"), row(7, None, FAILED, reason="b"),
    ]  # fmt: skip
    assert [(one.number, one.rank) for one in ranked(rows, False)] == [
        (1, 1), (5, 2), (3, 3), (0, 4), (4, None), (2, None), (6, None), (7, None),
    ]  # fmt: skip
    assert [one.number for one in ranked(rows, True)][:4] == [3, 1, 5, 0]
    assert most_common_reason(rows) == ("b", 2)
    assert most_common_reason([]) == ("", 0)


def test_what_tuning_takes_is_refused_in_one_line_where_it_is_missing() -> None:
    with pytest.raises(UserError, match=r"^not_there is not installed: pip install 'howdah\[tune\]'$"):
        check_installed(("optuna", "not_there"), "tune")

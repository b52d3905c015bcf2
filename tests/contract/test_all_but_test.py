"""Every family as tuning trains it at its end: on training and validation part together."""

from __future__ import annotations

import math

import pytest
from kinds import settings

import recsys
from recsys.api import matched
from recsys.arranged import arrange
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.registries import FAMILIES
from recsys.tuning.final import on_all_but_test


@pytest.mark.parametrize("kind", FAMILIES.names())
def test_it_is_trained_on_training_and_validation_part_together(kind: str, dataset: recsys.Dataset) -> None:
    """No user or rating is left to choose an epoch by, and none of the test is trained on."""
    before = settings(kind, "training.patience=2")
    config = on_all_but_test(before, 2, seed=1)
    assert config.data.validation_fraction == 0
    whole, config = matched(dataset.with_settings(validation_fraction=0.0, split_seed=config.data.split_seed), config)
    model = recsys.fit(whole, config)
    closed_form = FAMILIES.get(kind).supports_with(config.model).closed_form
    assert [one.epoch for one in model.history] == ([1] if closed_form else [1, 2])
    assert all(math.isfinite(one.train_loss) and math.isnan(one.validation_loss) for one in model.history)
    parts = arrange(dataset, before).parts
    assert parts[VALIDATION].rows > 0
    assert model.history[0].rows == parts[TRAIN].rows + parts[VALIDATION].rows
    metrics = recsys.evaluate(model, whole)
    ranking = metrics["ranking"]
    assert math.isfinite(ranking["model"]["ndcg@100"]["mean"]) and 0 < ranking["users"] <= parts[TEST].rows

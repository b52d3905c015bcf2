"""What every family of models has in its table of settings. A family's own keys live beside the family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import Field, create_model

from recsys.config.ranges import Choices, Range, Space
from recsys.config.table import Complaint, Table, key


class ModelConfig(Table):
    """The table `[model]`. Families extend it; `kind` says which family it is."""

    kind: str = key(
        "dae", "the family: dae, vae, recvae, linear, mf, biased_mf, als, sum, keras, or package.module:Class"
    )

    # keys of earlier versions -> what to write now
    renamed: ClassVar[Mapping[str, str]] = {}
    # where tuning looks for the best settings, by keys such as "model.l2" and "training.learning_rate"
    search: ClassVar[Mapping[str, Range | Choices]] = {}
    # keys that change what the validation loss measures: losses with other values of them cannot be compared
    changes_loss: ClassVar[frozenset[str]] = frozenset({"kind", "loss"})

    @property
    def loss_name(self) -> str:
        """The name of the loss that the model is trained with."""
        return str(getattr(self, "loss", "mse"))

    @property
    def rating_errors(self) -> str:
        """What metrics.json says of the model's errors on ratings, beside how they were measured."""
        return ""

    def search_space(self) -> Space:
        """Where tuning looks for the best settings from these on: by default all that the family publishes."""
        return self.search

    def complaints_with(self, config: Any) -> Iterator[Complaint]:
        """The impossible combinations with keys of other tables; `config` has them all."""
        yield from ()

    @classmethod
    def for_table(cls, table: Mapping[str, Any]) -> type[ModelConfig]:
        """The class that checks this table; families whose tables hold others' return one made for these."""
        return cls


def narrowed(base: type[Table], name: str, **tables: type[Table]) -> type[Any]:
    """A subclass of a table whose inner tables are of the given classes, so that their keys are checked."""
    return _narrowed(base, name, tuple(tables.items()))


@lru_cache
def _narrowed(base: type[Table], name: str, tables: tuple[tuple[str, type[Table]], ...]) -> type[Any]:
    fields: dict[str, Any] = {}
    for field, table in tables:
        default, description = base.model_fields[field].default, base.model_fields[field].description
        if isinstance(default, table):
            fields[field] = (table, Field(default, description=description))
        else:
            fields[field] = (table, Field(default_factory=table, description=description))
    return create_model(name, __base__=base, __module__=base.__module__, **fields)

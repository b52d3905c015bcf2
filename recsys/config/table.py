"""What all tables of settings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

Complaint = tuple[tuple[str, ...], str]  # keys that do not fit together, and what to do about it


def key(default: Any, doc: str, unit: str = "", **constraints: Any) -> Any:
    """A setting with its documentation and, where it has one, its unit."""
    return Field(default, description=doc, json_schema_extra={"unit": unit}, **constraints)


class Table(BaseModel):
    """A table of settings: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations among keys that are each fine."""
        yield from ()

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Table:
        found = list(self.complaints())
        if isinstance(info.context, list):  # somebody collects the complaints of all tables
            info.context.extend(found)
        elif found:
            raise ValueError("; ".join(text for _, text in found))
        return self

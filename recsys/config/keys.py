"""Every setting that there is, listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from recsys.config.model import ModelConfig
from recsys.config.run import Config
from recsys.config.table import Table
from recsys.registries import FAMILIES


def keys_of(table: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    """Every setting as (key, type, default, unit, documentation), tables opened; the model's of all families."""
    for name, field in table.model_fields.items():
        key = f"{prefix}{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, ModelConfig):
            yield from _model_keys(f"{key}.") if table is Config else ()
            continue
        if isinstance(annotation, type) and issubclass(annotation, Table):
            yield from keys_of(annotation, f"{key}.")
            continue
        yield _described(key, field)


def _described(key: str, field: FieldInfo) -> tuple[str, str, str, str, str]:
    extra = field.json_schema_extra
    unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
    return key, _type_name(field.annotation), _default_text(field.default), unit, field.description or ""


def _model_keys(prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    """The keys of all families, each once for the families that have it alike; those are named before the text."""
    kinds = FAMILIES.names()
    families: dict[tuple[str, str, str, str, str], list[str]] = {}
    for kind in kinds:
        for name, field in FAMILIES.get(kind).Config.model_fields.items():
            if name == "kind":
                continue
            if isinstance(field.annotation, type) and issubclass(field.annotation, ModelConfig):
                row = (f"{prefix}{name}", "table", "", "", field.description or "")
            else:
                row = _described(f"{prefix}{name}", field)
            families.setdefault(row, []).append(kind)
    yield _described(f"{prefix}kind", ModelConfig.model_fields["kind"])
    for (key, kind_of_value, default, unit, text), having in sorted(families.items(), key=lambda row: row[0][0]):
        yield key, kind_of_value, default, unit, f"{', '.join(having)}: {text}"


def _type_name(annotation: Any) -> str:
    text = getattr(annotation, "__name__", "") if isinstance(annotation, type) else ""
    if not text or "[" in str(annotation):
        text = str(annotation).replace("typing.", "")
    if text.startswith(("Literal[", "Optional[")) or " | " in text:
        text = text.replace("Optional[", "").replace("Literal[", "").replace("]", "").replace(", ", " | ")
        text = text.removesuffix(" | None").replace("'", "")
    return text.replace("tuple[int, ...]", "list of int").replace("tuple[int | ...", "list of int")


def _default_text(value: Any) -> str:
    return "" if value is None else json.dumps(value)

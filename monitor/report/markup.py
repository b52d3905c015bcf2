"""HTML made from Python values: whatever is not marked as HTML already is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.report.figures import UNKNOWN

_VOID = ("img", "br")


class Html(str):
    """Text that is HTML."""


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """<name attributes>children</name>; `class_` is class, True an attribute without a value, None none at all."""
    texts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        texts.append(f" {shown}" if value is True else f' {shown}="{html.escape(str(value))}"')
    start = f"<{name}{''.join(texts)}>"
    return Html(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def joined(parts: Sequence[Any]) -> Html:
    """The parts one after the other, escaped where they are no HTML; None is nothing."""
    return Html("".join(p if isinstance(p, Html) else html.escape(str(p)) for p in parts if p is not None))


def table(caption: Any, header: Sequence[Any], rows: Sequence[Sequence[Any]], last_is_total: bool = False) -> Html:
    """A table in a box of its own that scrolls; the first cell of a row names it, numbers stand to the right."""
    head = tag("tr", *[tag("th", cell, scope="col", class_=_side(number)) for number, cell in enumerate(header)])
    body = []
    for place, row in enumerate(rows):
        cells = [tag("th", row[0], scope="row"), *[tag("td", cell, class_=_kind(cell)) for cell in row[1:]]]
        body.append(tag("tr", *cells, class_="total" if last_is_total and place == len(rows) - 1 else None))
    whole = tag("table", tag("caption", tag("span", caption)), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=str(caption))


def described(value: Mapping[str, Any], caption: str) -> Html:
    """Any JSON object as tables: its plain values, its objects of one shape side by side, the others one by one."""
    plain = {key: one for key, one in value.items() if not isinstance(one, Mapping) or _is_estimate(one)}
    objects = {key: one for key, one in value.items() if key not in plain and one}
    parts: list[Html] = []
    if plain:
        parts.append(table(caption, ("", "value"), [(spoken(key), shown(one)) for key, one in plain.items()]))
    while objects:
        first = next(iter(objects))
        same = [key for key, one in objects.items() if list(one) == list(objects[first])]
        group = {key: objects.pop(key) for key in same}
        columns = list(group[first])
        cells = [cell for one in group.values() for cell in one.values()]
        flat = not any(isinstance(cell, Mapping) and not _is_estimate(cell) for cell in cells)
        if flat and (len(group) > 1 or len(columns) > 12 or not plain):
            parts.append(_side_by_side(group, columns, caption, len(group) > 1))
        else:
            parts += [described(one, f"{caption}: {spoken(key)}") for key, one in group.items()]
    return joined(parts)


def _side_by_side(group: Mapping[str, Mapping[str, Any]], columns: list[str], caption: str, several: bool) -> Html:
    if not several:
        ((name, one),) = group.items()
        return table(f"{caption}: {spoken(name)}", ("", "value"), [(spoken(k), shown(v)) for k, v in one.items()])
    rows = [(spoken(key), *[shown(one[column]) for column in columns]) for key, one in group.items()]
    return table(f"{caption}: {', '.join(map(spoken, group))}", ("", *map(spoken, columns)), rows)


def shown(value: Any) -> Any:
    """A JSON value as a table cell."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    if _is_estimate(value):
        error = value.get("standard_error")
        return UNKNOWN if value["mean"] is None else shown(value["mean"]) + ("" if error is None else f" ± {error:.2g}")
    if isinstance(value, Mapping):
        return ", ".join(f"{spoken(key)} {shown(one)}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, Mapping) for one in value):
            return tag("ul", *[tag("li", shown(one)) for one in value])
        return ", ".join(str(shown(one)) for one in value)
    return str(value)


def spoken(name: Any) -> str:
    """A key as words."""
    return str(name).replace("_", " ")


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and "mean" in value and set(value) <= {"mean", "standard_error", "count"}


def _side(column: int) -> str | None:
    return "number" if column else None


def _kind(cell: Any) -> str | None:
    text = str(cell)
    if isinstance(cell, Html) or not text or len(text) > 40:
        return None
    return "number" if text[0].isdigit() or text[0] in "-–+." else None

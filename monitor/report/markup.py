"""HTML made from Python values, and the frame and look of the pages: one file, no script, nothing from a network."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from monitor.formatting import UNKNOWN
from monitor.plots.canvas import Picture

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
    for number, row in enumerate(rows):
        cells = [tag("th", row[0], scope="row"), *[tag("td", cell, class_=_kind(cell)) for cell in row[1:]]]
        body.append(tag("tr", *cells, class_="total" if last_is_total and number == len(rows) - 1 else None))
    whole = tag("table", tag("caption", tag("span", caption)), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=str(caption))


def figure(picture: Picture, kind: str | None = None) -> Html:
    """A picture within the page, with its text below; `kind` is a class of a box around it that scrolls."""
    data = picture.path.read_bytes()
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))  # of a PNG file
    image = tag("img", src=source, alt=picture.text, width=width, height=height)
    box: dict[str, str] = {}
    if kind:
        box = {"class_": kind, "tabindex": "0", "role": "region", "aria_label": picture.title}
    return tag("figure", tag("div", image, **box), tag("figcaption", picture.text))


def described(value: Mapping[str, Any], caption: str) -> Html:
    """Any JSON object as tables: its plain values, its objects of one shape side by side, the others one by one."""
    plain = {key: item for key, item in value.items() if not isinstance(item, Mapping) or _is_estimate(item)}
    objects = {key: item for key, item in value.items() if key not in plain and item}
    parts: list[Html] = []
    if plain:
        parts.append(table(caption, ("", "value"), [(spoken(key), shown(item)) for key, item in plain.items()]))
    while objects:
        first = next(iter(objects))
        same = [key for key, item in objects.items() if list(item) == list(objects[first])]
        group = {key: objects.pop(key) for key in same}
        columns = list(group[first])
        cells = [cell for row in group.values() for cell in row.values()]
        flat = not any(isinstance(cell, Mapping) and not _is_estimate(cell) for cell in cells)
        if flat and (len(group) > 1 or len(columns) > 12 or not plain):
            parts.append(_side_by_side(group, columns, caption, len(group) > 1))
        else:
            parts += [described(row, f"{caption}: {spoken(key)}") for key, row in group.items()]
    return joined(parts)


def _side_by_side(group: Mapping[str, Mapping[str, Any]], columns: list[str], caption: str, several: bool) -> Html:
    if not several:
        ((name, single),) = group.items()
        return table(f"{caption}: {spoken(name)}", ("", "value"), [(spoken(k), shown(v)) for k, v in single.items()])
    rows = [(spoken(key), *[shown(row[column]) for column in columns]) for key, row in group.items()]
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
        return ", ".join(f"{spoken(key)} {shown(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(item, Mapping) for item in value):
            return tag("ul", *[tag("li", shown(item)) for item in value])
        return ", ".join(str(shown(item)) for item in value)
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


STYLE = """
:root { --ink: #1c232d; --soft: #566173; --line: #d5dbe4; --pale: #f4f6f9; --good: #1a7f37; --bad: #a1260d;
  --link: #0b5cad; }
* { box-sizing: border-box; }
html { color-scheme: light; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: #fff; color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; padding-top: .4rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 48rem; }
a { color: var(--link); }
.soft { color: var(--soft); }
.status { font-weight: 600; }
.status.succeeded { color: var(--good); }
.status.failed { color: var(--bad); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .6rem 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
dl.figures div { background: var(--pale); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem; }
dl.figures dt { color: var(--soft); font-size: .85rem; }
dl.figures dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.25; }
dl.figures dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
ul.findings { padding: 0; margin: .5rem 0; list-style: none; }
ul.findings li { border-left: 4px solid var(--link); background: var(--pale); padding: .45rem .7rem; margin: .4rem 0; }
ul.findings li.warning { border-left-color: var(--bad); background: #fdf3f1; }
ul.findings li.warning strong { color: var(--bad); }
.scroll { overflow-x: auto; max-width: 100%; margin: .6rem 0 1.2rem; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(48rem, calc(100vw - 2rem)); }
caption { text-align: left; color: var(--soft); padding: .2rem 0 .4rem; }
th, td { padding: .28rem .45rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: normal; }
td { overflow-wrap: break-word; max-width: 34rem; }
thead th { background: var(--pale); vertical-align: bottom; font-weight: 600; }
tbody th { font-weight: 500; position: sticky; left: 0; background: #fff; min-width: 12.5rem; max-width: 16rem;
  overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
tr.total th, tr.total td { border-top: 2px solid var(--ink); font-weight: 600; }
td ul { margin: 0; padding-left: 1.1rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 48rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: .5rem 1.5rem; }
.pair figure { margin: .4rem 0; min-width: 0; }
pre { background: var(--pale); border: 1px solid var(--line); padding: .7rem; margin: 0; font-size: .85rem;
  overflow-wrap: normal; width: max-content; min-width: 100%; }
@media (max-width: 45rem) {
  body { padding: .7rem; }
  .wide img { max-width: none; width: 44rem; }
  tbody th { min-width: 7rem; max-width: 9rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 6.6pt; width: 100%; }
  th, td { padding: 1pt 2pt; max-width: none; overflow-wrap: anywhere; }
  .number { white-space: normal; }
  tbody th { position: static; min-width: 0; }
  caption span { max-width: none; position: static; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; width: auto; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .findings li, dl.figures div { break-inside: avoid; }
  .wide img { width: 100%; }
  .pair { grid-template-columns: 1fr 1fr; }
}
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
$header
<nav aria-label="Contents">$contents</nav>
</header>
<main>
$body
</main>
<footer><p class="soft">$footer</p></footer>
</body>
</html>
""")

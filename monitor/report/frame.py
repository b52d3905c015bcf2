"""What all pages have in common: the head, the contents, the sections, cards with figures, a list of findings."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from monitor.extensions import Card
from monitor.report.findings import Finding
from monitor.report.markup import PAGE, STYLE, Html, joined, tag

PagePart = tuple[str, str, Html | None]  # its id, its heading, and what is below; None is left out


def framed(title: str, header: Sequence[Html | None], parts: Sequence[PagePart], source: str = "") -> str:
    """A whole page.

    Args:
        title: The title that a browser shows.
        header: What stands above the contents.
        parts: The sections.
        source: What the page was made from, for its foot.
    """
    there = [(key, name, part) for key, name, part in parts if part]
    body = [tag("section", tag("h2", name, id=key), part, aria_labelledby=key) for key, name, part in there]
    made = f"Made by monitor on {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return PAGE.substitute(
        title=html.escape(title),
        style=STYLE,
        header=joined(header),
        contents=tag("ul", *[tag("li", tag("a", name, href=f"#{key}")) for key, name, _ in there]),
        body="\n".join(body),
        footer=html.escape(f"{made} from {source}" if source else made),
    )


def inserted(parts: Sequence[PagePart], part: PagePart, after: str) -> list[PagePart]:
    """The parts with one more, after the one with that id; after one that is not there, it comes last."""
    names = [name for name, _, _ in parts]
    at = names.index(after) + 1 if after in names else len(parts)
    return [*parts[:at], part, *parts[at:]]


def card_list(cards: Sequence[Card]) -> Html:
    """Figures side by side."""
    shown = [
        tag("div", tag("dt", card.name), tag("dd", card.value, tag("small", card.note) if card.note else None))
        for card in cards
    ]
    return tag("dl", *shown, class_="figures")


def finding_list(found: Sequence[Finding]) -> Html | None:
    """One sentence below the other, those that warn marked; None without any."""
    items = [
        tag(
            "li",
            tag("strong", "Mind: ") if finding.warning else None,
            finding.text,
            class_="warning" if finding.warning else None,
        )
        for finding in found
    ]
    return tag("ul", *items, class_="findings") if items else None


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)

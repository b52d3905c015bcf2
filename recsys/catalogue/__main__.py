"""docs/data-sets.md, made from the catalogue: `python -m recsys.catalogue > docs/data-sets.md`."""

from __future__ import annotations

import re

from recsys.catalogue import ALIASES, CATALOGUE, Download, FileLayout, Release

_HEAD = """# Data sets

Names for `data.dataset`. Made by `python -m recsys.catalogue > docs/data-sets.md`.

```console
./spark-submit.sh train --set data.dataset=goodbooks-10k --set data.data_dir=/data
```

- None of the data is shipped. A data set is looked for in `data.data_dir`: in the folder that is named below, in one of
  the data set's name, or in `data.data_dir` itself. What is not there is downloaded if its publisher offers it.
- The terms are the publishers'. Read them before you use the data. To publish results, cite the reference.
- A download is compared with the published checksum. Where none is published, this page says why. Then only the length
  and the archive's own check are verified.
- Files of tags are named for those who look for them. No model reads them.
- `synthetic` is generated in the shape of ml-25m. It needs no network and has no terms; `data.scale` sets its size.

| name | what | ratings | users | items | scale |
| --- | --- | --- | --- | --- | --- |
"""
_AMAZON = """
## Amazon reviews of 2023

A name a category. Sizes are as the publisher rounds them. There are no titles. `amazon-reviews` is `{alias}`.

| name | size | file |
| --- | --- | --- |
"""
_LAYOUTS = {
    "long": "a row a rating",
    "wide": "a row a user, with a column an item",
    "netflix": "blocks of a movie: a line with its id and a colon, then a line a rating",
}
_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "`|`", "::": "`::`"}


def data_sets_page() -> str:
    """The page as Markdown."""
    amazon = [release for name, release in CATALOGUE.items() if name.startswith("amazon-") and name not in ALIASES]
    others = [release for release in CATALOGUE.values() if not release.name.startswith("amazon-")]
    synthetic = (
        "`synthetic`",
        "generated ratings in the shape of ml-25m",
        *["by `data.scale`"] * 3,
        _scale(0.5, 5, 0.5),
    )
    page = _HEAD + _row(*synthetic) + "".join(_summary(release) for release in others)
    page += _row(
        "`amazon-CATEGORY`", "Amazon reviews of 2023, [33 categories](#amazon-reviews-of-2023)", "", "", "", "1 to 5"
    )
    page += "".join(_section(release) for release in others)
    page += _AMAZON.format(alias=ALIASES["amazon-reviews"])
    page += "".join(_row(f"`{one.name}`", one.rough_size, f"`{one.ratings.path}`") for one in amazon)
    page += _row("`amazon-reviews`", "", f"the same as `{ALIASES['amazon-reviews']}`")
    page += "\nThe first of them; the others are alike:\n\n"
    return page + "".join(f"- {line}\n" for line in _facts(amazon[0]))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _summary(release: Release) -> str:
    counts = (release.ratings_count, release.users_count, release.movies_count)
    return _row(
        f"`{release.name}`",
        release.about,
        *(f"{count:,}" if count is not None else "" for count in counts),
        _scale(release.rating_min, release.rating_max, release.rating_step),
    )


def _scale(low: float | None, high: float | None, step: float | None) -> str:
    if low is None or high is None:
        return "counts"
    return f"{low:g} to {high:g}" + (
        f" in steps of {step:g}" if step not in (None, 1) else "" if step else ", any value"
    )


def _section(release: Release) -> str:
    return f"\n## {release.name}\n\n" + "".join(f"- {line}\n" for line in _facts(release))


def _facts(release: Release) -> list[str]:
    """What the page says of one data set, a line each."""
    lines = [f"Folder: `{release.folder}`"]
    lines += [f"Ratings: {_described(release.ratings)}"]
    if release.movies:
        lines += [f"Titles: {_described(release.movies)}"]
    if release.missing:
        lines += [f"Not rated: {', '.join(f'{value:g}' for value in release.missing)}"]
    lines += [_download(download) for download in release.downloads]
    if release.by_hand:
        lines += [f"By hand: {release.by_hand}"]
    if release.tags:
        lines += [f"Tags: {', '.join(f'`{file}`' for file in release.tags)}"]
    lines += [f"Terms: {release.terms}", f"Reference: {release.reference}"]
    return [re.sub(r"https?://[^\s,;)]+", r"<\g<0>>", line) for line in lines]  # as links


def _described(layout: FileLayout) -> str:
    paths = " or ".join(f"`{path}`" for path in (layout.path, *layout.alternatives))
    parts = [f"{paths}: {_SEPARATORS[layout.separator]}", "a header" if layout.header else "no header", layout.encoding]
    if layout.layout != "long":
        parts.append(_LAYOUTS[layout.layout])
    columns = ", ".join(f"{name} `{column}`" for name, column in layout.columns.items())
    parts.append(f"columns {columns}" if columns else "")
    parts.append(f"{layout.skipped_columns} column before the items" if layout.skipped_columns else "")
    parts.append("quotes within quotes after a backslash" if layout.quote_escape == "\\" else "")
    parts.append("the last goes on to the end of the line" if layout.rest_of_line else "")
    return "; ".join(part for part in parts if part)


def _download(download: Download) -> str:
    if download.checksum_file:
        check = f"MD5 in {download.url}.md5"
    elif download.checksum:
        algorithm, _, digits = download.checksum.partition(":")
        check = f"{ {'md5': 'MD5', 'sha256': 'SHA-256', 'git': 'Git id'}[algorithm] } `{digits}`"
    else:
        check = f"no checksum: {download.unchecked_because}"
    return f"Address: {download.url} ({download.kind}; {check})"


if __name__ == "__main__":
    print(data_sets_page(), end="")

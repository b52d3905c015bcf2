"""Which column of a file holds what: by the names of its header, or by positions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER, YEAR
from recsys.config.data import ABSENT
from recsys.errors import DataError

DEFAULT_NAMES = {
    USER: "userId",
    MOVIE: "movieId",
    RATING: "rating",
    TIMESTAMP: "timestamp",
    TITLE: "title",
    YEAR: "year",
}
RATINGS_ORDER = (USER, MOVIE, RATING, TIMESTAMP)
MOVIES_ORDER = (MOVIE, TITLE)
OPTIONAL = (TIMESTAMP, RATING, YEAR)
# the names that published data sets use, without case, blanks and punctuation; an earlier one is preferred
_KNOWN = {
    USER: "userid user uid users customerid customer memberid member reviewerid profileid accountid visitorid personid",
    MOVIE: "movieid movie itemid item items mid iid filmid film productid product parentasin asin bookid isbn book "
    "animeid anime jokeid joke artistid artist songid song trackid track gameid game showid businessid",
    RATING: "rating ratings stars score bookrating overall grade "  # then those of counts
    "plays playcount count counts listens listencount weight",
    TIMESTAMP: "timestamp time date datetime ts unixreviewtime ratedat createdat",
    TITLE: "title name movietitle booktitle",
    YEAR: "year releaseyear publicationyear originalpublicationyear yearofpublication",
}
KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {name: tuple(words.split()) for name, words in _KNOWN.items()}
_COUNTS = KNOWN_NAMES[RATING][-7:]
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # how pandas names the column of its row numbers
_NO_RATINGS = "or set data.columns.rating = 'none' where every row is a like"
_OR_NO_HEADER = "or set data.header = false"

Reference = str | int


def plain_name(name: str) -> str:
    """A column's name without case, blanks and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def counts_by_name(name: str) -> bool:
    """Whether a column of that name holds counts, such as plays, not ratings."""
    return plain_name(name) in _COUNTS


def columns_by_name(
    names: Sequence[str], order: Sequence[str], given: Mapping[str, Reference], file: str, text: bool = True
) -> dict[str, int]:
    """The 0-based position of each of our columns in a header, or in the columns of Parquet.

    Args:
        names: the names in the file.
        order: our columns: RATINGS_ORDER or MOVIES_ORDER.
        given: what `data.columns` says: a name, a 1-based position, or "none".
        file: for messages.
        text: whether the file is text, which may have no header.

    Raises:
        DataError: a column is missing, there twice, or two of ours would be the same.
    """
    positions: dict[str, int] = {}
    order = (*order, YEAR) if TITLE in order and YEAR not in order else order
    for name in order:
        reference = given.get(name)
        if reference == ABSENT and name in OPTIONAL:
            continue
        if isinstance(reference, int):
            positions[name] = _checked(reference, len(names), _key(name, order), file)
        elif reference is not None:
            positions[name] = _named(reference, names, _key(name, order), file, text)
    free = [name for name in order if name not in given]
    for name in free:
        position = _known(names, name, _key(name, order), file, positions)
        if position is not None:
            positions[name] = position
    if MOVIE in free and MOVIE not in positions and USER in positions:
        ids = [n for n, name in enumerate(names) if plain_name(name).endswith("id") and n not in positions.values()]
        if len(ids) == 1 and plain_name(names[ids[0]]) != "id":
            positions[MOVIE] = ids[0]
    for name in free:
        if name not in positions and name not in OPTIONAL:
            remedy = f", {_OR_NO_HEADER}" if text else ""
            raise DataError(
                f"{file}: no column {DEFAULT_NAMES[name]!r} in {'row 1' if text else 'it'} ({_listed(names)}): "
                f"name it in data.columns.{_key(name, order)}{remedy}"
            )
    if RATING in free and RATING not in positions:
        others = [name for n, name in enumerate(names) if n not in positions.values() and not _INDEX.fullmatch(name)]
        if others:
            raise DataError(
                f"{file}: no column {DEFAULT_NAMES[RATING]!r} in {'row 1' if text else 'it'} ({_listed(names)}): "
                f"name it in data.columns.rating, {_NO_RATINGS}"
            )
    _check_once(positions, order, file)
    return positions


def columns_by_order(
    fields: int, order: Sequence[str], given: Mapping[str, Reference], file: str, has_times_third: bool = False
) -> dict[str, int]:
    """The 0-based position of each of our columns in a file without a header, whose first row has so many fields.

    A column that is not given has its position in `order`. Where another was given that position, the timestamp is
    absent, and of user and movie one moves to where the other was. Rows of two fields, or whose third field is a time
    (`has_times_third`), are likes without a rating.
    """
    for name, reference in given.items():
        if isinstance(reference, str) and not (reference == ABSENT and name in OPTIONAL):
            raise DataError(
                f"{file}: data.columns.{_key(name, order)} = {reference!r} is a name, but the file has no header: "
                "set a position"
            )
    positions = {
        name: _checked(reference, fields, _key(name, order), file)
        for name, reference in given.items()
        if isinstance(reference, int)
    }
    usual = list(order)
    if RATING in order and RATING not in given and (fields == 2 or has_times_third):
        usual.remove(RATING)
    for position, name in enumerate(usual):
        if name in given:
            continue
        taken = positions.values()
        if position not in taken and position < fields:
            positions[name] = position
        elif name in (USER, MOVIE) and USER in order and len(free := [n for n in (0, 1) if n not in taken]) == 1:
            positions[name] = free[0]
        elif name != TIMESTAMP:
            key = f"data.columns.{_key(name, order)}"
            if position >= fields:
                raise DataError(
                    f"{file}: row 1 has {fields} field{'s' if fields != 1 else ''}, {name} would be number "
                    f"{position + 1}: set data.separator, or {key}"
                )
            other = next(other for other, at in positions.items() if at == position)
            raise DataError(
                f"{file}: column {position + 1} is {other}, by data.columns: set {key} too"
                + (f", {_NO_RATINGS}" if name == RATING else "")
            )
    _check_once(positions, order, file)
    return positions


def _named(reference: str, names: Sequence[str], key: str, file: str, text: bool) -> int:
    matches = [n for n, field in enumerate(names) if field == reference]
    matches = matches or [n for n, field in enumerate(names) if field.lower() == reference.lower()]
    if len(matches) > 1:
        raise _twice(reference, len(matches), key, file)
    if not matches:
        remedy = f", {_OR_NO_HEADER}" if text else ""
        raise DataError(
            f"{file}: no column {reference!r} in {'row 1' if text else 'it'} ({_listed(names)}): "
            f"correct data.columns.{key}{remedy}"
        )
    return matches[0]


def _known(names: Sequence[str], name: str, key: str, file: str, taken: Mapping[str, int]) -> int | None:
    """The column that has the name in MovieLens, else a name that other data sets use."""
    exact = [n for n, field in enumerate(names) if field.lower() == DEFAULT_NAMES[name].lower()]
    if len(exact) > 1:
        raise _twice(DEFAULT_NAMES[name], len(exact), key, file)
    if exact:
        return exact[0] if exact[0] not in taken.values() else None
    plain = [plain_name(field) for field in names]
    for known in KNOWN_NAMES[name]:
        matches = [n for n, field in enumerate(plain) if field == known and n not in taken.values()]
        if len(matches) > 1:
            raise _twice(names[matches[0]], len(matches), key, file)
        if matches:
            return matches[0]
    return None


def _twice(reference: str, times: int, key: str, file: str) -> DataError:
    return DataError(f"{file}: the header has {reference!r} {times} times: set data.columns.{key} to a position")


def _checked(position: int, fields: int, key: str, file: str) -> int:
    if position > fields:
        raise DataError(f"{file}: data.columns.{key} = {position}, but row 1 has {fields} fields")
    return position - 1


def _check_once(positions: Mapping[str, int], order: Sequence[str], file: str) -> None:
    names = list(positions)
    for n, name in enumerate(names):
        for other in names[n + 1 :]:
            if positions[name] == positions[other]:
                raise DataError(
                    f"{file}: column {positions[name] + 1} would be both {name} and {other}: set "
                    f"data.columns.{_key(name, order)} and data.columns.{_key(other, order)} to different columns"
                )


def _key(name: str, order: Sequence[str]) -> str:
    return "movie_in_movies" if name == MOVIE and USER not in order and TITLE in order else name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)[:120]

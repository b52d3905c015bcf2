"""Training, validation and test by the time of the ratings: after one moment for all users, or each user's last ones.

What a model is shown of a user is earlier than what it is asked for, or of the same second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from recsys.data.blocks import mix
from recsys.data.split import TEST, TRAIN, VALIDATION, hash_pairs

BINS = 1 << 15  # times are counted in so many at once: two passes resolve the seconds of 34 years
WITHOUT_TIMES = (
    "was made without the times of its ratings, which data.split = 'time' needs: make it again with data.split = 'time'"
)


@dataclass(frozen=True)
class Moments:
    """The seconds after which ratings are of a later part: int64 seconds since 1970, the same for all users.

    A rating of exactly that second is of the earlier part.
    """

    validation_after: int
    test_after: int


# of movies' arrays, where a block has the parts themselves in place of times
PARTS_AS_TIMES = Moments(validation_after=TRAIN, test_after=VALIDATION)


def split_by_moments(times: np.ndarray, moments: Moments) -> np.ndarray:
    """TRAIN, VALIDATION or TEST (int8) of each time."""
    parts = np.full(len(times), TRAIN, np.int8)
    parts[times > moments.validation_after] = VALIDATION
    parts[times > moments.test_after] = TEST
    return parts


def split_last(
    times: np.ndarray,
    indptr: np.ndarray,
    user_hashes: np.ndarray,
    movie_hashes: np.ndarray,
    test_fraction: float,
    validation_fraction: float,
) -> np.ndarray:
    """TRAIN, VALIDATION or TEST (int8) of each entry: each user's last ratings are the test, those before them the
    validation.

    Of n ratings of a user round(test_fraction n) are the test, at least one and at most n - 1. Of the m others
    round(validation_fraction m) are the validation, at least one and at most m - 1. So a user with one rating has it in
    training, and a user with two has no validation. Ratings of the same second are ordered by the hash of user and
    movie.

    Args:
        times: int64 (entries).
        indptr: int32 (users + 1), where each user's entries begin.
        user_hashes: uint64 (users).
        movie_hashes: uint64 (entries).
        test_fraction: of each user's ratings.
        validation_fraction: of each user's other ratings.
    """
    lengths = np.diff(indptr)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    # mixed, as the hashes of one user's pairs alone would sort movies much alike for all users
    ties = mix(hash_pairs(user_hashes[rows], movie_hashes))
    order = np.lexsort((ties, times, rows))
    from_last = np.empty(len(rows), np.int64)  # 0 for the last rating of a user
    from_last[order] = np.repeat(indptr[1:], lengths) - 1 - np.arange(len(rows))
    test = _some_but_not_all(test_fraction, lengths)
    validation = _some_but_not_all(validation_fraction, lengths - test)
    parts = np.full(len(rows), TRAIN, np.int8)
    parts[from_last < np.repeat(test + validation, lengths)] = VALIDATION
    parts[from_last < np.repeat(test, lengths)] = TEST
    return parts


def rows_of_part(parts: np.ndarray, indptr: np.ndarray, role: int) -> np.ndarray:
    """Mask of the users who have ratings of the part `role`, and for validation and test also earlier ones to show.

    Args:
        parts: int8 (entries), as `split_by_moments` and `split_last` give them.
        indptr: int32 (users + 1).
        role: TRAIN, VALIDATION or TEST.
    """
    asked = count_by_row(parts == role, indptr) > 0
    return asked if role == TRAIN else asked & (count_by_row(is_known(parts, role), indptr) > 0)


def is_known(parts: np.ndarray, role: int) -> np.ndarray:
    """Mask of the entries that a model may know when it is asked for those of the part `role`."""
    return parts == TRAIN if role != TEST else parts != TEST


def count_by_row(mask: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """How many entries of the mask each row has."""
    return np.diff(np.append(0, np.cumsum(mask))[indptr])


def count_bins(times: np.ndarray, low: int, width: int) -> np.ndarray:
    """How many of the times (int64) are in each of BINS bins of `width` seconds from `low` on (int64)."""
    # unsigned, as the difference may be more than int64 holds
    bins = (times[times >= low] - np.int64(low)).view(np.uint64) // np.uint64(width)
    return np.bincount(bins[bins < BINS].astype(np.int64), minlength=BINS)


def iso_time(seconds: int) -> str:
    """ISO 8601 in UTC; the bare number where it is outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _some_but_not_all(fraction: float, counts: np.ndarray) -> np.ndarray:
    """round(fraction n) of each count n, at least one and at most n - 1; 0 of 0, and with fraction 0."""
    if not fraction:
        return np.zeros_like(counts, dtype=np.int64)
    return np.maximum(np.minimum(np.maximum(np.floor(fraction * counts + 0.5), 1), counts - 1), 0).astype(np.int64)

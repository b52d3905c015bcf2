"""Which lines need the record reader for their quotes; many lines at a time, by Arrow."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

ESCAPES = r'\\["\\]'  # an escaped quote or backslash


def has_odd_quotes(lines: pa.Array) -> pa.Array:
    """A mask (boolean, null where a line is null) of the lines with an odd number of double quotes.

    Quotes that a backslash escapes do not count. In such a line a quoted field goes on in the next line, or a quote has
    no end.
    """
    if (pc.sum(pc.count_substring(lines, "\\")).as_py() or 0) > 0:
        lines = pc.replace_substring_regex(lines, ESCAPES, "")
    count = pc.count_substring(lines, '"')
    return pc.equal(pc.bit_wise_and(count, pa.scalar(1, count.type)), pa.scalar(1, count.type))

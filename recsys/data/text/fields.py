"""Lines cut into fields, with quotes as files have them: doubled, escaped by a backslash, stray, over several lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

BLANKS = " "  # the separator that stands for any run of blanks and tabs
_QUOTED_LINES = 50  # a quoted field spans at most so many lines,
_QUOTED_CHARS = 1 << 16  # of at most so many characters together
_ESCAPED_QUOTE = re.compile(r'(\\\\)|["\\]"')  # after an escaped backslash a quote is not escaped


class FieldParser:
    """Cuts lines into fields at one separator.

    A quote opens a quoted field only where the field begins. Within it `""` and `\\"` are a quote. It ends at a quote
    with a separator or the end of a line after it. So it may hold separators and line breaks.
    """

    def __init__(self, separator: str, quoted: bool, row_fields: int = 0) -> None:
        """Of a separator of one or more characters (" " is any run of blanks), with quotes or without.

        With `row_fields` a line of at least so many fields within quotes is taken for a row: the quote before it has
        no end. 0 is for files with prose, such as titles, in which a line may look like a row.
        """
        self.separator, self.quoted, self._row_fields = separator, quoted, row_fields
        cut = r"[ \t]+" if separator == BLANKS else re.escape(separator)
        self._cut = re.compile(cut)
        self._fast_csv = len(separator) == 1 and separator != BLANKS
        # no quote without an escape within; a backslash escapes what follows
        escaped = r'"([^"\\]*(?:(?:""|\\.)[^"\\]*)*)"'
        self._one_line = re.compile(rf"{escaped}(?={cut}|\Z)")
        self._lines = re.compile(rf"{escaped}(?={cut}|\n|\Z)", re.DOTALL)
        # a backslash is a character as any other: "C:\"
        self._doubled = re.compile(rf'"([^"]*(?:""[^"]*)*)"(?={cut}|\Z)')
        # quotes within without an escape: "5" film"
        self._lenient = re.compile(rf'"(.*?)"(?={cut}|\Z)')

    def split(self, line: str) -> list[str]:
        """The fields of a line that is a record of its own."""
        if not self.quoted or '"' not in line:
            return self._split_plain(line)
        parsed = self.parse([line], 0, last=True)
        assert parsed is not None
        return parsed[0]

    def parse(self, lines: Sequence[str], start: int, last: bool) -> tuple[list[str], int, bool] | None:
        """The record that begins at a line: (fields, lines that it spans, whether it has a quote without an end).

        A field whose quote has no end within the next lines ends with its own line.

        Args:
            lines: of the file, whole ones.
            start: the index of the record's first line.
            last: whether the file ends with these lines. Otherwise the result is None where more of them are needed.
        """
        line = lines[start]
        if not self.quoted or '"' not in line:
            return self._split_plain(line), 1, False
        if self._fast_csv and "\\" not in line:
            try:
                return next(csv.reader([line], delimiter=self.separator, strict=True)), 1, False
            except csv.Error:
                pass  # it goes on in the next line, or has a stray quote
        fields = self._parse_line(line)
        if fields is not None:
            return fields, 1, False
        end, length = start + 1, len(line)
        while end - start < _QUOTED_LINES and length <= _QUOTED_CHARS:
            if end == len(lines):
                if not last:
                    return None
                break
            length += 1 + len(lines[end])
            end += 1
        return self._parse_lines("\n".join(lines[start:end]))

    def _split_plain(self, line: str) -> list[str]:
        if self.separator == BLANKS:
            return [field for field in line.replace("\t", " ").split(" ") if field]
        return line.split(self.separator)

    def _parse_line(self, line: str) -> list[str] | None:
        """The fields of a line; None where a quoted field does not end in it, or has a quote within without escape."""
        fields, at, end = [], self._start(line), self._end(line, len(line))
        while True:
            if line.startswith('"', at):
                match = self._one_line.match(line, at, end)
                if match is None:
                    return None
                fields.append(_unescaped(match[1]))
                at = match.end()
            else:
                cut = self._cut.search(line, at, end)
                fields.append(line[at : cut.start() if cut else end])
                at = cut.start() if cut else end
            if at >= end:
                return fields
            at = self._after_cut(line, at)

    def _parse_lines(self, text: str) -> tuple[list[str], int, bool]:
        """The record at the start of some lines, as `parse` gives it."""
        fields, at, stray = [], self._start(text), False
        line_end = self._line_end(text, at)
        while True:
            if text.startswith('"', at):
                match = self._one_line.match(text, at, line_end) or self._lines.match(text, at)
                if match and not self._holds_rows(match[1]):
                    fields.append(_unescaped(match[1]))
                    at = match.end()
                    line_end = self._line_end(text, at)
                elif match := self._doubled.match(text, at, line_end):
                    fields.append(match[1].replace('""', '"'))  # a backslash is a character as any other
                    at = match.end()
                elif match := self._lenient.match(text, at, line_end):
                    fields.append(_unescaped(match[1]))
                    at = match.end()
                else:
                    fields.append(_unescaped(text[at + 1 : line_end]))
                    at, stray = line_end, True
            else:
                cut = self._cut.search(text, at, line_end)
                fields.append(text[at : cut.start() if cut else line_end])
                at = cut.start() if cut else line_end
            if at >= line_end:
                return fields, text.count("\n", 0, at) + 1, stray
            at = self._after_cut(text, at)

    def _holds_rows(self, quoted: str) -> bool:
        """Whether a quoted text goes on with lines that are rows themselves."""
        if not self._row_fields or "\n" not in quoted:
            return False
        return any(len(self._split_plain(line)) >= self._row_fields for line in quoted.split("\n")[1:])

    def _start(self, text: str) -> int:
        return len(text) - len(text.lstrip(" \t")) if self.separator == BLANKS else 0

    def _line_end(self, text: str, at: int) -> int:
        end = text.find("\n", at)
        return self._end(text, len(text) if end < 0 else end)

    def _end(self, text: str, end: int) -> int:
        """The end of a line, in a file aligned by blanks without those at its end."""
        while self.separator == BLANKS and end and text[end - 1] in " \t":
            end -= 1
        return end

    def _after_cut(self, text: str, at: int) -> int:
        cut = self._cut.match(text, at)
        assert cut is not None
        return cut.end()


def _unescaped(text: str) -> str:
    """The text of a quoted field."""
    return _ESCAPED_QUOTE.sub(lambda match: match[1] or '"', text)

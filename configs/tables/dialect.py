"""Dialect of a text file's table: encoding, separator, title lines and header, told from its first lines."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from windvane.configs.tables.bad_table import BadTable

HEAD_BYTES = 2**18
_SEPARATORS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_TITLES = 20
_SAVE = "save it as UTF-8 (in Excel: CSV UTF-8; in a shell: iconv -f cp1252 -t utf-8)"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Start of the rows in a text file, and how they are parted."""

    separator: str
    names: tuple[str, ...]  # as the header has them, without surrounding blanks; may repeat or be empty
    header_lines: int  # physical lines up to and with the header
    encoding: str = "utf-8"
    titles: int = 0  # lines above the header that are no part of the table
    notes: tuple[str, ...] = field(default=())


def encoding_of(head: bytes) -> str:
    """The encoding that a byte order mark tells, UTF-8 without one.

    >>> encoding_of(b"\\xef\\xbb\\xbfa;b"), encoding_of(b"a,b")
    ('utf-8-sig', 'utf-8')
    """
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def dialect(file: str, head: bytes, whole: bool, suffix: str = ".csv") -> Dialect:
    """The dialect of a file that begins with `head`; raises BadTable with a sentence when it is no table."""
    encoding = encoding_of(head)
    text = _decoded(file, head, encoding)
    if "\x00" in text:
        raise BadTable(f"{file}: holds bytes that no text holds; is it CSV at all?")
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to say it
    separators = told[1] if told else _SEPARATORS
    layouts = [_laid_out(text, separator, whole, bool(told)) for separator in separators]
    best = max(filter(None, layouts), key=lambda one: one.score(suffix), default=None)
    if best is None or not best.records:
        raise BadTable(f"{file}: is empty")
    return best.dialect(file, encoding)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The head of a file, parted by one separator."""

    separator: str
    records: list[list[str]]
    lines: list[int]  # the physical line on which each record ends
    skipped: int  # lines before the first record

    def width(self) -> int:
        """Number of cells that most of the first 200 records have, the larger of two as frequent; 0 without any."""
        widths = Counter(len(record) for record in self.records[:200] if record)
        return max(widths, key=lambda width: (widths[width], width), default=0)

    def score(self, suffix: str) -> tuple[bool, float, int, bool, int]:
        """Likeness to a table: several columns, all records alike from the first, the promised separator.

        A decimal comma parts every row of `1,5;0` alike too, though not its header.
        """
        width = self.width()
        alike = sum(len(record) == width for record in self.records) / max(1, len(self.records))
        promised = {".tsv": "\t", ".tab": "\t", ".psv": "|", ".csv": ","}.get(suffix) == self.separator
        several = width > 1 and alike > 0.5
        above = next((place for place, record in enumerate(self.records) if len(record) == width), 0)
        return several, round(alike, 1), -above, promised, width

    def dialect(self, file: str, encoding: str) -> Dialect:
        """Names and where the rows begin, or BadTable."""
        width = self.width()
        place = next(place for place, record in enumerate(self.records) if len(record) == width)
        while place + 1 < len(self.records) and _is_padded(self.records[place]) and _names(self.records[place + 1]):
            place += 1
        header = self.records[place]
        if place and (place > _MOST_TITLES or not _names(header)):
            raise BadTable(
                f"{file}: line {self.lines[0]} has {cells(len(self.records[0]))} and line {self.lines[place]} has "
                f"{len(header)}; every column needs a name in the header, and nothing but the header above the rows"
            )
        if width == 1 and any(sign in header[0] for sign in _SEPARATORS):
            raise BadTable(
                f"{file}: its rows have different numbers of cells, whatever parts them; quote cells that hold commas, "
                "with the quote right behind the separator"
            )
        names = tuple(name.strip().strip("\ufeff").strip() for name in header)
        notes = (
            (f"{_lines(place)} above the header of {FilePath(file).name} {'is' if place == 1 else 'are'} skipped",)
            if place
            else ()
        )
        return Dialect(self.separator, names, self.lines[place], encoding, place, notes)


def _laid_out(text: str, separator: str, whole: bool, told: bool) -> _Layout | None:
    """The records of the head; the last one is left out where the head may have cut it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    records: list[list[str]] = []
    lines: list[int] = []
    skipped = 0
    try:
        for record in reader:
            if told and not records and not skipped:
                skipped = reader.line_num
            elif record:
                records.append(record)
                lines.append(reader.line_num)
            if len(records) > 1000:
                break
        else:
            if not whole and len(records) > 1:
                records, lines = records[:-1], lines[:-1]
    except csv.Error:
        return None
    return _Layout(separator, records, lines, skipped)


def _decoded(file: str, head: bytes, encoding: str) -> str:
    """The head as text; a character that the head has cut in two is no fault."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(head)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise BadTable(f"{file}: line {line} is not UTF-8; {_SAVE}") from error


def not_utf8(file: str, line: int | None) -> BadTable:
    """The sentence for a file whose rows are in another encoding."""
    where = f"line {line} " if line else ""
    return BadTable(f"{file}: {where}is not UTF-8; {_SAVE}")


def _is_padded(record: list[str]) -> bool:
    """Whether a title stands alone before empty cells, as Excel writes it."""
    return len(record) > 2 and bool(record[0].strip()) and not any(cell.strip() for cell in record[1:])


def _names(record: list[str]) -> bool:
    """Whether the cells look like a header: most are named, no two alike, none a number."""
    named = [cell.strip() for cell in record if cell.strip()]
    distinct = len(set(named)) == len(named) > len(record) / 2
    return distinct and not any(re.fullmatch(r"[-+]?[\d.,]*\d[\d.,%]*", cell) for cell in named)


def cells(count: int) -> str:
    """A number of cells in words."""
    return f"{count} cell" if count == 1 else f"{count} cells"


def _lines(count: int) -> str:
    return f"{count} line" if count == 1 else f"{count} lines"

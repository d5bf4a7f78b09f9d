"""Read CSV files as people and spreadsheets write them.

Understood are commas, semicolons and tabs, a first line `sep=;`, UTF-8 with and without a
byte-order mark, UTF-16, and what Excel calls "CSV": the code page 1252.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 2_000_000
_DELIMITERS = ",;\t"
_OTHERS = "|:"
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_CP1252 = "cp1252"


class CsvError(Exception):
    """A file is no CSV that can be used; the text names the line and what to do."""


@dataclass(frozen=True)
class Row:
    """The fields of one row, as they are written; `line` is where it begins."""

    line: int
    fields: list[str]


@dataclass(frozen=True)
class CsvFile:
    """The rows of a file that have more than separators; `guessed` is how it was decoded, if so."""

    rows: list[Row]
    guessed: str


@dataclass(frozen=True)
class Record:
    """One row below the heading: its fields by the names of their columns."""

    line: int
    fields: dict[str, str]


def read(path: Path, columns: int = 0) -> CsvFile:
    """Return the rows of a CSV; `columns` is how many a row has, 0 where that is not known.

    Raises CsvError.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CsvError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise CsvError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: split it")
    if data.startswith(b"PK\x03\x04"):
        raise CsvError(f"{path} is no CSV but a workbook (.xlsx, .ods): save it as CSV UTF-8")
    text, encoding = _decoded(path, data)
    delimiter, skipped = _separator_line(text)
    lines = io.StringIO(text, newline="")
    for _ in range(skipped):
        lines.readline()
    body = lines.read()
    rows = list(_rows(path, body, delimiter or _delimiter(path, body, columns), skipped))
    guessed = "as Excel's code page 1252" if encoding == _CP1252 else ""
    return CsvFile(rows, guessed)


def records(path: Path, found: CsvFile) -> tuple[list[str], list[Record]]:
    """Return the names in the first row, which are unique, and the rows below it.

    Raises CsvError.
    """
    if not found.rows:
        raise CsvError(f"{path} is empty: its first line names the columns")
    line, header = found.rows[0].line, [name.strip() for name in found.rows[0].fields]
    while not header[-1]:
        # A spreadsheet writes its empty columns as well.
        header.pop()
    for number, name in enumerate(header, 1):
        if not name:
            raise CsvError(f"{path}:{line}: column {number} has no name")
        if header.count(name) > 1:
            raise CsvError(f"{path}:{line}: two columns are named {name!r}: remove one")
    if len(header) == 1 and (wrong := next((c for c in _OTHERS if c in header[0]), "")):
        raise CsvError(f"{path}:{line}: columns are separated by {wrong!r}: use , ; or a tab")
    below = []
    for row in found.rows[1:]:
        if len(row.fields) > len(header) and _more(row, header, found.rows[0]):
            raise CsvError(f"{path}:{row.line}: more fields than the first line has names")
        below.append(Record(row.line, dict(zip(header, row.fields, strict=False))))
    return header, below


def _more(row: Row, header: list[str], first: Row) -> bool:
    """Whether a row has fields where the first line has no column, not even an empty one."""
    return len(row.fields) > len(first.fields) or any(
        field.strip() for field in row.fields[len(header) :]
    )


def _decoded(path: Path, data: bytes) -> tuple[str, str]:
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "")
    if not encoding and b"\0" in data[:2]:
        # UTF-16 without a mark: of ASCII every other byte is 0.
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    for candidate in (encoding,) if encoding else ("utf-8", _CP1252):
        try:
            text = data.decode(candidate)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, candidate
    raise CsvError(f"{path} is no CSV, or in an encoding that is not known: save it as CSV UTF-8")


def _separator_line(text: str) -> tuple[str, int]:
    """What Excel's first line `sep=;` says, and how many lines it takes."""
    first = io.StringIO(text, newline="").readline().rstrip("\r\n")
    told = first.strip('"') if first.startswith('"sep=') else first
    if told[:4].lower() == "sep=" and len(told) >= 5:
        return told[4], 1
    return "", 0


def _delimiter(path: Path, body: str, columns: int) -> str:
    """The separator that makes the most of the first row, or the wanted number of columns."""
    counts = {}
    for delimiter in _DELIMITERS:
        try:
            first = next(_rows(path, body, delimiter, 0), None)
        except CsvError:
            continue
        counts[delimiter] = len(first.fields) if first else 1
    for delimiter, count in counts.items():
        if columns and count == columns:
            return delimiter
    return max(counts, key=lambda one: counts[one], default=",")


def _rows(path: Path, body: str, delimiter: str, skipped: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield Row(line + skipped, fields)
            line = reader.line_num + 1
    except csv.Error as error:
        raise CsvError(f"{path}:{line + skipped}: a quotation mark is wrong: {error}") from error

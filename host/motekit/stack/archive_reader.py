"""Read a compressed tar archive from anywhere, and take from it nothing but plain files.

Python's `tarfile` makes links, devices and sparse files, reads names of any length into memory, and
before 3.11.13 its `data` filter could be left (CVE-2025-4517). This reader knows regular files and
folders, in the POSIX form that `tarfile` writes (IEEE Std 1003.1, pax interchange format), and
refuses everything else. It makes no files: that is up to whoever reads the content.
"""

import io
import re
import zlib
from dataclasses import dataclass
from typing import IO

BLOCK = 512
_CHUNK = 32 * 1024
_NAME_MAX = 255
_PAX_MAX = 16 * 1024
# Keys of extended headers that say something of a plain file; only these two are heeded.
_PATH, _SIZE = "path", "size"
_IGNORED = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname"}
_REGULAR, _OLD_REGULAR, _FOLDER, _EXTENDED = b"0", b"\0", b"5", b"x"
_KINDS = {
    b"1": "a link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}
_OCTAL = re.compile(rb" *[0-7]{1,12}[ \0]*")
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([A-Za-z0-9_.]{1,64})=")
# Names that every file system takes, and no two of which are the same file on one of them.
_PART = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,128}")
# A file of zeros becomes a thousandth of its size; what services keep, a tenth at the best.
RATIO_MAX = 100
RATIO_FREE = 64 * 2**20


class ArchiveError(Exception):
    """An archive is damaged, or has what no backup has; the text says what."""


@dataclass(frozen=True)
class Entry:
    """A file or folder of an archive; `name` has no `..`, and does not begin with `/`."""

    name: str
    is_folder: bool
    size: int


class Gunzip:
    """Decompress a gzip stream piece by piece. Raises ArchiveError while it reads."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._engine = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._read = self._made = 0

    def read(self, count: int) -> bytes:
        """Return `count` bytes, fewer only at the end."""
        parts: list[bytes] = []
        left = count
        while left:
            piece = self._some(left)
            if not piece:
                break
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def _some(self, most: int) -> bytes:
        while not self._engine.eof:
            if not self._pending:
                self._pending = self._source.read(_CHUNK)
                self._read += len(self._pending)
                if not self._pending:
                    raise ArchiveError("it is cut off")
            try:
                made = self._engine.decompress(self._pending, most)
            except zlib.error as error:
                raise ArchiveError("it is damaged") from error
            self._pending = self._engine.unconsumed_tail
            self._made += len(made)
            if self._made > RATIO_FREE + RATIO_MAX * self._read:
                raise ArchiveError(
                    f"it unpacks to more than {RATIO_MAX} times its size, which no backup does"
                )
            if made:
                return made
        if self._engine.unused_data or self._source.read(1):
            raise ArchiveError("there is something behind its end")
        return b""


class ArchiveReader:
    """The entries of a tar archive in `stream`, one after the other, each name once."""

    def __init__(self, stream: Gunzip | io.BytesIO) -> None:
        self._stream = stream
        self._left = self._padding = 0
        self._names: set[str] = set()

    def next(self) -> Entry | None:
        """Return the next entry, None at the end, all of which was read. Raises ArchiveError."""
        while self._left:
            self.read(_CHUNK)
        self._exactly(self._padding)
        self._padding = 0
        extended: dict[str, str] = {}
        header = self._exactly(BLOCK)
        if header[156:157] == _EXTENDED and any(header):
            extended = self._extended(header)
            header = self._exactly(BLOCK)
        if not any(header):
            if extended:
                raise ArchiveError("it is damaged")
            self._end()
            return None
        return self._entry(header, extended)

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes of the current entry, empty at its end."""
        part = self._exactly(min(count, self._left))
        self._left -= len(part)
        return part

    def _entry(self, header: bytes, extended: dict[str, str]) -> Entry:
        size = _checked_size(header)
        name = extended.get(_PATH) or _name(header)
        if _SIZE in extended:
            if not re.fullmatch(r"[0-9]{1,15}", extended[_SIZE]):
                raise ArchiveError("it is damaged")
            size = int(extended[_SIZE])
        kind = header[156:157]
        if kind not in (_REGULAR, _OLD_REGULAR, _FOLDER):
            what = _KINDS.get(kind, f"an entry of the kind {kind!r}")
            raise ArchiveError(f"it has {what} in it ({name[:80]!a}), which no backup has")
        is_folder = kind == _FOLDER
        if is_folder and size:
            raise ArchiveError("it is damaged")
        name = _checked_name(name.removesuffix("/") if is_folder else name)
        # Two names that differ in case are one file on some systems.
        if name.lower() in self._names:
            raise ArchiveError(f"it has {name!a} twice")
        self._names.add(name.lower())
        self._left, self._padding = size, -size % BLOCK
        return Entry(name, is_folder, size)

    def _extended(self, header: bytes) -> dict[str, str]:
        size = _checked_size(header)
        if size > _PAX_MAX:
            raise ArchiveError("it has an entry with an overlong header")
        content = self._exactly(size + -size % BLOCK)[:size]
        found: dict[str, str] = {}
        while content:
            record = _PAX_RECORD.match(content)
            length = int(record[1]) if record else 0
            if not record or length <= record.end() or content[length - 1 : length] != b"\n":
                raise ArchiveError("it is damaged")
            key = record[2].decode()
            if key not in (_PATH, _SIZE, *_IGNORED) or key in found:
                raise ArchiveError(f"it has an entry with the header {key[:40]!a}")
            try:
                found[key] = content[record.end() : length - 1].decode()
            except UnicodeDecodeError as error:
                raise ArchiveError("it is damaged") from error
            content = content[length:]
        return found

    def _end(self) -> None:
        # Reading to the end proves that nothing was cut: checksum of gzip, last piece of a seal.
        while rest := self._stream.read(_CHUNK):
            if any(rest):
                raise ArchiveError("there is something behind its end")

    def _exactly(self, count: int) -> bytes:
        part = self._stream.read(count)
        if len(part) < count:
            raise ArchiveError("it is cut off")
        return part


def _checked_size(header: bytes) -> int:
    """Return the size in a header that is whole. Raises ArchiveError."""
    checksum = header[148:156]
    if not _OCTAL.fullmatch(checksum) or header[257:263] not in (b"ustar\0", b"ustar "):
        raise ArchiveError("it is damaged, or no backup of `mote stack`")
    if _octal(checksum) != sum(header) - sum(checksum) + 8 * ord(" "):
        raise ArchiveError("it is damaged")
    size = header[124:136]
    if not _OCTAL.fullmatch(size):
        raise ArchiveError("it is damaged")
    return _octal(size)


def _octal(field: bytes) -> int:
    return int(field.strip(b" \0"), 8)


def _name(header: bytes) -> str:
    name, prefix = (part.split(b"\0")[0] for part in (header[:100], header[345:500]))
    if prefix and header[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return name.decode("utf-8", "backslashreplace")


def _checked_name(name: str) -> str:
    parts = name.split("/")
    if len(name) > _NAME_MAX or not all(_PART.fullmatch(part) for part in parts):
        raise ArchiveError(f"it has an entry with the name {name[:80]!a}, which no backup has")
    return name

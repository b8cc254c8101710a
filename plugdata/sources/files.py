"""Files → records, one by one, each with the place where it starts.

Owns file types, compression, encodings and the syntax of CSV (JSON's is json_text.py's). A record that cannot be
parsed is a Record with a `fault`, never an exception: what lies around it is still good. A file that cannot be read
as a whole is a SourceError. Must not know what the columns mean (records.py).

CSV is read strictly: a quote that never closes would otherwise swallow the rest of the file as one text.
"""

import bz2
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from plugdata.errors import SourceError
from plugdata.sources import json_text
from plugdata.sources.raw import MAX_RAW, MAX_RECORD, Record, escaped, printable

TYPES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
TEXT_TYPES = (*TYPES, ".txt", ".xml", "wiki")
"""Of collections of text (documents.py). wiki: what WikiExtractor writes, which has no extension."""

_COMPRESSED = (".gz", ".zst", ".bz2")
_WIKI = re.compile(r"wiki_\d+")
_READABLE = "read are {} (also .gz, .zst, .bz2), .parquet, and folders of these"

_MAX_FIELD = 2**31 - 1  # the csv module's own limit of 131,072 characters is shorter than a long response
_BLOCK = 1_000  # Parquet rows turned into Python objects at a time


def listed(path: Path, types: Sequence[str] = TYPES, *, deep: bool = False) -> list[Path]:
    """The data files of a path, sorted: itself, or those in the folder; deep: and in the folders within it.

    Raises SourceError without any.
    """
    readable = _READABLE.format(", ".join(name for name in types if name.startswith(".") and name != ".parquet"))
    if not path.exists():
        raise SourceError(f"{path} does not exist", "a Hub data set goes by `id`, a file by `path`")
    if not path.is_dir():
        if not type_of(path, types):
            raise SourceError(f"{path} is of no type that can be read", readable)
        return [path]
    with reading(path):
        found = (file for file in path.rglob("*") if not file.is_dir()) if deep else path.iterdir()
        files = sorted(file for file in found if type_of(file, types) and not _hidden(file.relative_to(path)))
    if not files:
        raise SourceError(f"{path} holds no data file", readable)
    return files


def _hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def digest(path: Path, files: Sequence[Path]) -> str:
    """ "sha256:…" of a file, or of the names and digests of those of a folder. Raises SourceError."""
    digests = [(file.relative_to(path).as_posix(), _sha256(file)) for file in files]
    if not path.is_dir():
        return f"sha256:{digests[0][1]}"
    listing = "".join(f"{sha256}  {name}\n" for name, sha256 in digests)  # as sha256sum writes it
    return f"sha256:{hashlib.sha256(listing.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _sha256(file: Path) -> str:
    with reading(file), open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def records(path: Path, name: str = "", most: int = -1) -> Iterator[Record]:
    """The records of one file, in order; `name` is what their places call it, else its own.

    most: as of json_text.document. Raises SourceError if it cannot be opened, or is damaged as a whole.
    """
    name, kind = name or path.name, type_of(path)
    with reading(path):
        if kind == ".parquet":
            yield from _parquet(path, name)
            return
        with _opened(path) as stream:
            if kind == ".csv":
                yield from _csv(stream, name)
            elif kind == ".json":
                yield from json_text.document(stream, name, most)
            else:
                yield from json_text.lines(stream, name)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system and the decompressors refuse into a SourceError that names the file."""
    import pyarrow as pa

    try:
        yield
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        raise SourceError(f"{path} cannot be read: {said}", "is the file whole and what its name says?") from error


def type_of(path: Path, types: Sequence[str] = TYPES) -> str:
    """The extension that says how a file is read, or "wiki"; "" if it is of none of the types."""
    packed = path.suffix.lower() in _COMPRESSED
    plain = Path(path.stem) if packed else path
    kind = "wiki" if _WIKI.fullmatch(plain.name) else plain.suffix.lower()
    return kind if kind in types and not (packed and kind == ".parquet") else ""


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes, decompressed."""
    with open(path, "rb") as file, _inflated(file, path.suffix.lower()) as stream:
        yield stream


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed, behind the byte order mark. Raises SourceError for UTF-16."""
    with opened(path) as stream:
        mark = stream.peek(3)[:3]
        if mark[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(f"{path} is UTF-16 text, not UTF-8", "iconv -f UTF-16 -t UTF-8 turns it round")
        if mark == b"\xef\xbb\xbf":
            stream.read(3)
        yield stream


def _inflated(file: io.BufferedReader, suffix: str) -> io.BufferedReader:
    if suffix == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(file, "zstd"))
    if suffix == ".bz2":
        return io.BufferedReader(bz2.BZ2File(file))
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if suffix == ".gz" else file


def _csv(stream: BinaryIO, name: str) -> Iterator[Record]:
    csv.field_size_limit(_MAX_FIELD)
    with io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="") as text:
        taken: list[str] = []  # the lines of the record at hand
        reader = csv.reader(_noted(text, taken), strict=True)
        header: list[str] | None = None
        while True:
            taken.clear()
            place, fault = f"{name}:{reader.line_num + 1}", ""
            cells: list[str] = []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"not valid CSV: {error}"
            raw = "".join(taken)
            fault = "not valid UTF-8" if escaped(raw) else fault
            if not raw.strip():
                continue
            if header is None:
                if fault:
                    raise SourceError(f"{place}: the header is {fault}", "is it a CSV file?")
                if doubled := sorted({cell for cell in cells if cells.count(cell) > 1}):
                    raise SourceError(f"{place}: the header names {doubled[0]!r} twice", "rename one of the columns")
                header = cells
                continue
            if not fault and len(cells) != len(header):
                fault = f"the header names {len(header)} columns, the record has {len(cells)}"
            value = None if fault else dict(zip(header, cells, strict=True))
            yield Record(place, value, printable(raw).rstrip("\r\n"), fault)


def _noted(text: io.TextIOBase, taken: list[str]) -> Iterator[str]:
    """The lines of a text, each written down as it is taken. Raises csv.Error, and ends, at a record without end."""
    length = 0
    while line := text.readline(MAX_RECORD - length + 1 if taken else MAX_RECORD + 1):
        length = length + len(line) if taken else len(line)
        if length > MAX_RECORD:
            taken.append(line[:MAX_RAW])
            raise csv.Error(f"a record of more than {MAX_RECORD:,} characters; nothing behind it was read")
        taken.append(line)
        yield line


def _parquet(path: Path, name: str) -> Iterator[Record]:
    import pyarrow.parquet as pq

    row = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BLOCK):
            for value in batch.to_pylist():
                row += 1
                yield Record(f"{name}:row {row}", value)

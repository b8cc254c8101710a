"""Files → records, one by one, each with the place where it starts.

Owns file types, compression, encodings and the syntax of CSV (JSON's is json_text.py's). A record that cannot be
parsed is a Record with a `fault`, never an exception: what lies around it is still good. A file that cannot be read
as a whole is a SourceError. Must not know what the columns mean (records.py).

CSV is read strictly: a quote that never closes would otherwise swallow the rest of the file as one text.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from plugdata.errors import SourceError
from plugdata.sources import json_text
from plugdata.sources.raw import Record, escaped, printable

TYPES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
_COMPRESSED = (".gz", ".zst")
_READABLE = "read are .json, .jsonl, .ndjson and .csv (also .gz, .zst), .parquet, and folders of these"

_MAX_FIELD = 2**31 - 1  # the csv module's own limit of 131,072 characters is shorter than a long response
_BLOCK = 1_000  # Parquet rows turned into Python objects at a time


def listed(path: Path) -> list[Path]:
    """The data files of a path, sorted: itself, or those directly in the folder. Raises SourceError without any."""
    if not path.exists():
        raise SourceError(f"{path} does not exist", "a Hub data set goes by `id`, a file by `path`")
    if not path.is_dir():
        if not _type(path):
            raise SourceError(f"{path} is of no type that can be read", _READABLE)
        return [path]
    with reading(path):
        files = sorted(file for file in path.iterdir() if _type(file) and not file.name.startswith("."))
    if not files:
        raise SourceError(f"{path} holds no data file", _READABLE)
    return files


def records(path: Path) -> Iterator[Record]:
    """The records of one file, in order. Raises SourceError if it cannot be opened, or is damaged as a whole."""
    with reading(path):
        if _type(path) == ".parquet":
            yield from _parquet(path)
            return
        with _opened(path) as stream:
            if _type(path) == ".csv":
                yield from _csv(stream, path.name)
            elif _type(path) == ".json":
                yield from json_text.document(stream, path.name)
            else:
                yield from json_text.lines(stream, path.name)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system and the decompressors refuse into a SourceError that names the file."""
    import pyarrow as pa

    try:
        yield
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        raise SourceError(f"{path} cannot be read: {said}", "is the file whole and what its name says?") from error


def _type(path: Path) -> str:
    """The extension that says how a file is read; "" if it is of no type we read."""
    suffixes = path.suffixes[-2:]
    if suffixes and suffixes[-1].lower() in _COMPRESSED:
        inner = suffixes[0].lower()
        return inner if inner in TYPES and inner != ".parquet" else ""
    return path.suffix.lower() if path.suffix.lower() in TYPES else ""


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed, behind the byte order mark. Raises SourceError for UTF-16."""
    with open(path, "rb") as file, _inflated(file, path.suffix.lower()) as stream:
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


def _noted(text: Iterable[str], taken: list[str]) -> Iterator[str]:
    """The lines of a text, each written down as it is taken."""
    for line in text:
        taken.append(line)
        yield line


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow.parquet as pq

    row = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BLOCK):
            for value in batch.to_pylist():
                row += 1
                yield Record(f"{path.name}:row {row}", value)

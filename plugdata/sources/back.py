"""Records → a file of the user's again: Parquet, JSON Lines, JSON or CSV, told by its name.

Owns which columns such a file has, of which types. A value stays what it was: JSON keeps it as it is, Parquet gives a
column the type that its values have in common (that of the file it came from, where that is Parquet), and one whose
values have none is written as JSON text. CSV has text alone: lists, objects and numbers as JSON.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugdata.corpus import replacing
from plugdata.errors import InputError
from plugdata.sources.files import reading
from plugdata.sources.raw import Record, escaped

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv")

Value = Mapping[str, Any]
Put = Callable[[Sequence[Value]], None]


def check(path: Path) -> None:
    """Raise InputError for a file of no type that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is of no type that can be written", f"written are {', '.join(SUFFIXES)}")


def value_of(record: Record) -> Value:
    """What is written of a record: itself; its text, as `raw`, where it is none."""
    return record.value if isinstance(record.value, dict) else {"raw": record.raw or json.dumps(record.value)}


def schemas(paths: Sequence[Path]) -> "list[pa.Schema]":
    """The schemas of some files where all are Parquet. Raises SourceError for a damaged one."""
    import pyarrow.parquet as pq

    if any(path.suffix.lower() != ".parquet" for path in paths):
        return []
    found = []
    for path in paths:
        with reading(path):
            found.append(pq.read_schema(path))
    return found


class Columns:
    """The columns of some records and their types, learnt record by record."""

    def __init__(self) -> None:
        self._types: dict[str, pa.DataType] = {}
        self._mixed: set[str] = set()

    def learn(self, values: Sequence[Value]) -> None:
        """Take further records into account."""
        for name in dict.fromkeys(name for value in values for name in value):
            self._add(name, _type([value.get(name) for value in values]))

    def declare(self, schema: "pa.Schema") -> None:
        """Take the types of a Parquet file in place of what values look like."""
        for field in schema:
            self._add(field.name, field.type)

    def beside(self, added: "pa.Schema") -> "Columns":
        """These columns and further ones behind them, which take the place of those of their names."""
        both = Columns()
        both._types = {**self._types, **{field.name: field.type for field in added}}
        both._mixed = self._mixed - set(added.names)
        return both

    def _add(self, name: str, found: "pa.DataType | None") -> None:
        common = found if name not in self._types or found is None else _common(self._types[name], found)
        if common is None:
            self._mixed.add(name)
        if name not in self._types or common is not None:
            self._types[name] = common

    @property
    def names(self) -> list[str]:
        return list(self._types)

    @property
    def mixed(self) -> list[str]:
        """The columns without a type that all values have."""
        return sorted(self._mixed)

    def schema(self) -> "pa.Schema":
        import pyarrow as pa

        return pa.schema([(name, pa.string() if name in self._mixed else of) for name, of in self._types.items()])


def _type(values: list[Any]) -> "pa.DataType | None":
    import pyarrow as pa

    try:
        found = pa.array(values).type  # pa.infer_type takes ["a", 1] for text
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    return None if "struct<>" in str(found) else found  # Parquet has no empty struct


def _common(one: "pa.DataType | None", other: "pa.DataType") -> "pa.DataType | None":
    import pyarrow as pa

    if one is None or one == other:
        return one
    schemas = [pa.schema([("x", of)]) for of in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


@contextmanager
def writing(path: Path, columns: Columns) -> Iterator[Put]:
    """What writes records to a file, which takes the place of `path` when the block ends well.

    Raises CorpusError where the disk has no room.
    """
    with replacing(path) as handle:
        kind = path.suffix.lower()
        writer = {".parquet": _parquet, ".csv": _csv, ".json": _array}.get(kind, _lines)
        with writer(handle, columns) as put:
            yield put


@contextmanager
def _lines(handle: Any, columns: Columns) -> Iterator[Put]:
    yield lambda values: handle.writelines(_json(value) + b"\n" for value in values)


@contextmanager
def _array(handle: Any, columns: Columns) -> Iterator[Put]:
    gap = b"[\n"

    def put(values: Sequence[Value]) -> None:
        nonlocal gap
        for value in values:
            handle.write(gap + _json(value))
            gap = b",\n"

    yield put
    handle.write(b"\n]\n" if gap == b",\n" else b"[]\n")


@contextmanager
def _csv(handle: Any, columns: Columns) -> Iterator[Put]:
    text = io.TextIOWrapper(handle, "utf-8", errors="replace", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns.names)
    yield lambda values: writer.writerows([_cell(value.get(name)) for name in columns.names] for value in values)
    text.detach()  # the file is closed by whom it was opened


@contextmanager
def _parquet(handle: Any, columns: Columns) -> Iterator[Put]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, mixed = columns.schema(), columns.mixed
    with pq.ParquetWriter(handle, schema, compression="zstd") as writer:

        def put(values: Iterable[Value]) -> None:
            table = [{**value, **{name: _text(value.get(name)) for name in mixed}} for value in values]
            writer.write_table(pa.Table.from_pylist(table, schema))

        yield put


def _text(value: Any) -> str | None:
    """A value of a column without a type."""
    return None if value is None else _json(value).decode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value).decode()


def _json(value: Any) -> bytes:
    """One line of JSON. Half a surrogate pair, which UTF-8 cannot hold, stays an escape."""
    line = json.dumps(value, ensure_ascii=False, default=str)
    return (json.dumps(value, default=str) if escaped(line) else line).encode()

"""Answers that leave a ledger as Parquet, and answers had elsewhere that come into one.

What comes in: a Parquet file that `export` wrote, exactly as it was; the lines that foreign.py reads, of people,
of another engine, of a batch run by hand. A line that cannot be used is told with its number and costs no other line;
a key that has an answer keeps it. Rows pass a batch at a time, so that memory does not grow with them.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from plugdata.calls.ledger import archive, foreign, tables
from plugdata.corpus.files import replacing
from plugdata.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 1_000
"""Answers in a Parquet row group: some 10 MB, as in publish/shards.py."""
COMMIT = 1_000
"""Answers imported in one transaction: a sync then costs little, and a kill loses a second's work."""
TOLD = 1_000
"""Bad lines told one by one; all are counted."""


class Imported(NamedTuple):
    """What became of every line. `problems` are "line 17: what", the first TOLD of the `n_bad`."""

    n_added: int
    n_there: int  # keys that had an answer
    n_bad: int
    nano_usd: int  # of the added ones
    problems: tuple[str, ...]


def export(path: Path, out: Path) -> int:
    """Write all answers, every column, to a Parquet file by (answered_at, key); how many there are.

    The file takes its place when it is whole. Raises InputError for a place that cannot be a new file, CorpusError if
    the ledger cannot be read or the file not be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if out.resolve() == path.resolve() or (out.exists() and not out.is_file()):
        raise InputError(f"{out} is not a place for an export", "name a new file, e.g. -o answers.parquet")
    n_rows = 0
    with archive.reading(path) as db, replacing(out) as handle:
        schema = _schema(db)
        with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
            # sorted without the long texts, which are then fetched row by row
            places = db.execute("SELECT rowid FROM answers ORDER BY answered_at, key")
            while group := places.fetchmany(ROW_GROUP):
                rows = (db.execute("SELECT * FROM answers WHERE rowid = ?", place).fetchone() for place in group)
                columns = zip(*rows, strict=True)
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                n_rows += len(group)
    return n_rows


def import_(
    path: Path, source: Path, origin: str, *, requests: Path | None = None, served_as: str | None = None
) -> Imported:
    """Add the answers of a file to a ledger, made if absent; a transaction for every COMMIT of them.

    `origin` is noted beside each answer (an export keeps its own); `requests` is the input file of a batch whose
    output `source` is; `served_as` is what answered, where a line does not say. Without a date of its own an answer
    has that of its file. Raises InputError for a source that cannot be read, CorpusError for a ledger that cannot be
    written: what was committed stays, and the same import goes on from there.
    """
    n_added = n_there = n_bad = nano_usd = 0
    problems: list[str] = []
    with foreign.opened(source) as file, closing(tables.writer(path)) as db:
        at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        if file.peek(4)[:4] == b"PAR1":
            found = _exported(file, source, _schema(db))
        else:
            found = foreign.rows(file, foreign.Reading(db, origin, served_as, at), requests)
        while batch := list(islice(found, COMMIT)):
            rows = [row for row in batch if isinstance(row, dict)]
            bad = [row for row in batch if isinstance(row, str)]
            with tables.telling(path):
                added = _add(db, rows)
            n_added, n_there, n_bad = n_added + len(added), n_there + len(rows) - len(added), n_bad + len(bad)
            nano_usd += sum(added)
            problems += bad[: TOLD - len(problems)]
    return Imported(n_added, n_there, n_bad, nano_usd, tuple(problems))


def _exported(file: IO[bytes], source: Path, schema: "pa.Schema") -> Iterator[foreign.Row | str]:
    """The row, or the problem, of every row of an export. Raises InputError for another or a damaged Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = 0
    try:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(COMMIT):
            for row in pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_pylist():
                n += 1
                wrong = "; ".join(archive.faults(row))
                yield f"row {n}: {wrong}" if wrong else row
    except (ValueError, KeyError, OSError) as error:  # pyarrow's errors are all of these
        raise InputError(
            f"{source} is no export of a ledger, or damaged: {str(error).splitlines()[0]}",
            f"{n} of its rows were read; JSON Lines and what `plugdata ledger export` writes can be imported",
        ) from error


def _add(db: sqlite3.Connection, rows: list[foreign.Row]) -> list[int]:
    """Insert the rows whose keys have no answer, in one transaction; the money of each that was (0: unknown)."""
    added: list[int] = []
    db.execute("BEGIN IMMEDIATE")
    try:
        for row in rows:
            values = ", ".join(f":{name}" for name in row)
            insert = f"INSERT INTO answers ({', '.join(row)}) VALUES ({values}) ON CONFLICT (key) DO NOTHING"
            if db.execute(insert, row).rowcount:
                added.append(row["nano_usd"] or 0)
        db.execute("UPDATE totals SET nano_usd = nano_usd + ?", (sum(added),))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise
    return added


def _schema(db: sqlite3.Connection) -> "pa.Schema":
    """The columns of `answers` as an export has them."""
    import pyarrow as pa

    types = {"TEXT": pa.string(), "INTEGER": pa.int64(), "REAL": pa.float64()}
    columns = db.execute("SELECT name, type, \"notnull\" FROM pragma_table_info('answers')")
    return pa.schema([pa.field(name, types[kind], nullable=not required) for name, kind, required in columns])

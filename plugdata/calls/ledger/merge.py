"""Several ledgers made one: the shards of a corpus, or a colleague's answers beside one's own.

The result is a function of what the sources hold, not of the order in which they are named: on it rests that many
machines publish the same bytes as one. Sources are read sorted, side by side, so that memory does not grow
with them.
"""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from plugdata.calls.ledger import tables
from plugdata.calls.ledger.archive import SUM, WAITING, reading
from plugdata.calls.ledger.entries import PAID_TWICE
from plugdata.corpus.files import replacing
from plugdata.errors import InputError

Row = tuple[Any, ...]

ERROR = "key, at, class, message"
CHARGE = "key, at, why, nano_usd"
"""Columns in the order that rows are merged by: the latest error of a key is its last row."""


class Merged(NamedTuple):
    """Rows of a merged ledger. `n_twice` answers lost to another of their key; `n_left` calls wait in the sources."""

    n_answers: int
    n_twice: int
    n_errors: int
    n_charges: int
    n_left: int
    nano_usd: int


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """A new ledger with all answers, errors and charges of others, the same in whatever order they are named.

    Of several answers to a key the one with the smallest (answered_at, body_hash) is kept; the money of the others
    becomes charges. Copies count once: a row of errors or charges is there as often as in the source that has it most
    often, so merging again changes nothing. What is in flight stays with its own ledger. Raises InputError if the
    target exists or a source does not, CorpusError for a source that cannot be read; then there is no target.
    """
    with ExitStack() as stack:
        opened = [_Source(path, stack.enter_context(reading(path))) for path in sources]
        waiting = f"(SELECT count(*) FROM batch_items WHERE batch IN (SELECT id FROM {WAITING}))"
        with _building(target) as db:
            n_answers, n_twice = _merge_answers(db, opened)
            n_errors = _union(db, "errors", ERROR, [_counted(source, "errors", ERROR) for source in opened])
            lost = _counted(_Source(target, db), "lost", CHARGE)
            n_charges = _union(
                db, "charges", CHARGE, [lost, *(_counted(source, "charges", CHARGE) for source in opened)]
            )
            db.execute(f"UPDATE totals SET nano_usd = {SUM}")
            (nano_usd,) = db.execute("SELECT nano_usd FROM totals").fetchone()
            n_left = sum(
                n for source in opened for (n,) in source.rows(f"SELECT (SELECT count(*) FROM claims) + {waiting}")
            )
    return Merged(n_answers, n_twice, n_errors, n_charges, n_left, nano_usd)


class _Source(NamedTuple):
    """A ledger that is merged."""

    path: Path
    db: sqlite3.Connection

    def rows(self, sql: str) -> Iterator[Row]:
        with tables.telling(self.path):  # not the target, which is written in between
            yield from self.db.execute(sql)


@contextmanager
def _building(target: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger, in one transaction, that takes the place of `target` when the block ends well."""
    _absent(target)
    with replacing(target) as handle:
        beside = Path(handle.name)
        strays = [beside.with_name(beside.name + suffix) for suffix in ("-wal", "-shm")]
        for stray in strays:
            stray.unlink(missing_ok=True)  # of a merge that was killed
        with closing(tables.writer(beside)) as db, tables.telling(target):
            # nobody else reads it and half of it is thrown away, so no journal; `replacing` syncs it
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("PRAGMA synchronous=OFF")
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")
        _absent(target)


def _absent(target: Path) -> None:
    if target.exists():
        raise InputError(f"{target} exists", "a merge makes a new ledger: name another file")


def _merge_answers(db: sqlite3.Connection, sources: Sequence[_Source]) -> tuple[int, int]:
    """Add the answer that each key keeps, and the charges of the others to `lost`; how many of either."""
    names = [row[1] for row in db.execute("PRAGMA table_info(answers)")]
    key, at, body_hash, price = (names.index(name) for name in ("key", "answered_at", "body_hash", "nano_usd"))
    add = f"INSERT INTO answers VALUES ({', '.join('?' * len(names))})"
    columns = ", ".join(names)
    n_answers = n_twice = 0

    def rank(row: Row) -> Row:
        # of copies, one whose price is known, then any, but always the same
        return row[at], row[body_hash], row[price] is None, -(row[price] or 0), repr(row)

    db.execute(f"CREATE TEMP TABLE lost ({CHARGE})")
    by_key = (source.rows(f"SELECT {columns} FROM answers ORDER BY key") for source in sources)
    for _, same in groupby(heapq.merge(*by_key, key=itemgetter(key)), key=itemgetter(key)):
        had = sorted(rows, key=rank) if len(rows := list(same)) > 1 else rows
        kept, *others = (next(copies) for _, copies in groupby(had, key=itemgetter(at, body_hash)))
        db.execute(add, kept)
        paid = [(row[key], row[at], PAID_TWICE, row[price]) for row in others if row[price]]
        db.executemany("INSERT INTO lost VALUES (?, ?, ?, ?)", paid)
        n_answers, n_twice = n_answers + 1, n_twice + len(others)
    return n_answers, n_twice


def _counted(source: _Source, table: str, columns: str) -> Iterator[Row]:
    """Sorted rows, each with its number among its equals."""
    nth = f"row_number() OVER (PARTITION BY {columns})"
    return source.rows(f"SELECT {columns}, {nth} FROM {table} ORDER BY 1, 2, 3, 4, 5")


def _union(db: sqlite3.Connection, table: str, columns: str, sources: Sequence[Iterator[Row]]) -> int:
    """Add every row as often as the source has it that has it most often; how many."""
    n_rows = 0
    for row, _ in groupby(heapq.merge(*sources)):
        db.execute(f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?)", row[:-1])
        n_rows += 1
    return n_rows

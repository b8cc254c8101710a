"""Every LLM call ever made for a corpus: append-only SQLite, committed before an answer is used.

"Is it answered?" is one look-up in `answers`, and no error can be taken for an answer. The request is stored whole
beside the body: what was asked can be read, and its key hashed again. An acknowledged answer survives a power cut;
what arrives together shares one commit (group commit), so that the sync is not paid per call.

Before a call is sent it is claimed, with the money it may cost at most: no two processes that share a ledger pay for
the same key, and a budget is kept in the same transaction that reserves, so that it is never exceeded, by any number
of calls in flight in any number of processes. A budget is of the ledger's lifetime; of a shared ledger, of all that
is written there. The claims of a writer that died are found by its lock, which died with it; their money stays
charged, since nobody knows whether the provider answered.

Knows nothing of rows or of what a text means. The tables are in tables.py.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from plugdata.calls.ledger import alive, entries, tables
from plugdata.calls.ledger.entries import Stored

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
_Waiting = tuple[Operation[Any], "asyncio.Future[Any] | None"]

KILLED = "killed"
"""Why the money of a dead writer's calls stays charged."""
GATHER_S = 0.002
"""How long a commit waits for company: a hundredth of the quickest answer, and it spares most of the syncs."""


class CallCount(NamedTuple):
    """What one model was asked under one prompt, for one language. Dates are UTC days, money is in 1e-9 USD."""

    model: str
    prompt: str
    lang: str
    n_calls: int
    prompt_tokens: int
    completion_tokens: int
    nano_usd: int
    first_date: str
    last_date: str


class Money(NamedTuple):
    """In 1e-9 USD: what is gone for good, and what is reserved for calls in flight."""

    spent: int
    reserved: int


class Claim(Enum):
    """What became of a claim."""

    OURS = auto()
    ANSWERED = auto()  # the ledger holds the answer by now
    THEIRS = auto()  # another process is asking, or a batch is out
    NO_ROOM = auto()  # the budget's rest is reserved for calls in flight, and may come back
    SPENT = auto()  # the budget has no room for this call, and none will come back


class Ledger:
    """An open ledger. Use as a context manager; writing happens in an event loop, or by `flush`.

    Look-ups have a connection of their own, so that none waits for a commit.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.id = ""
        self._pending: deque[_Waiting] = deque()
        self._committer: asyncio.Task[None] | None = None
        self._committing = threading.Lock()
        if not read_only:
            self._writer = tables.writer(path)
            with tables.telling(path):
                self._sign = alive.begin(path)
            self.id = self._sign.name
            self._later(self._bury_dead)
            self.flush()
        self._reader = tables.reader(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._reader.close()
            if self.id:
                self._writer.close()
                alive.end(self.path, self._sign)

    def flush(self) -> None:
        """Write down what waits for a commit: errors and releases, and answers that an interrupt kept from theirs."""
        while self._pending:
            _, _, error = self._commit_waiting()
            if error is not None:
                raise error

    async def settle(self) -> None:
        """Returns once nothing waits for a commit any more."""
        while self._committer is not None and not self._committer.done():
            await self._committer
        self.flush()

    def body(self, key: str) -> str | None:
        """The committed response body of a key, or None."""
        with tables.telling(self.path):
            row = self._reader.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def bodies(self, keys: Sequence[str]) -> dict[str, str]:
        """The committed response bodies of some keys, up to 999; a key without one is left out."""
        asked = ",".join("?" * len(keys))
        with tables.telling(self.path):
            return dict(self._reader.execute(f"SELECT key, body FROM answers WHERE key IN ({asked})", keys).fetchall())

    def last_error(self, key: str) -> tuple[str, str] | None:
        """(class, message) of the latest error of a key that was flushed, or None."""
        with tables.telling(self.path):
            row = self._reader.execute(
                "SELECT class, message FROM errors WHERE key = ? ORDER BY rowid DESC LIMIT 1", (key,)
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    async def commit(self, operation: Operation[T]) -> T:
        """What `operation(connection)` returns, once it is on disk. Operations that come together share a commit.

        An operation that raises undoes the whole commit and is the end of a run: what may be expected is returned.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append((operation, done))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_pending())
        return await done

    async def put(self, answer: Stored) -> None:
        """Returns once the answer is on disk, and its claim is gone."""
        await self.commit(lambda db: entries.insert_answer(db, answer))

    async def claim(self, key: str, nano_usd: int, budget: int | None) -> Claim:
        """Claim a call that may cost so much, within a budget (1e-9 USD; None: no end)."""
        return await self.commit(lambda db: self._claim(db, key, nano_usd, budget))

    def release(self, key: str, charge: str | None = None) -> None:
        """Give a claim up, with the next commit; with a reason to charge, its money stays spent."""
        self._later(lambda db: entries.release(db, key, self.id, charge))

    def note_error(self, key: str, error_class: str, message: str) -> None:
        """Note a transient error, for people and for `failed` rows, with the next commit."""
        at = entries.now()
        self._later(lambda db: db.execute("INSERT INTO errors VALUES (?, ?, ?, ?)", (key, error_class, message, at)))

    def money(self) -> Money:
        """What is spent and reserved by now, of all who write here."""
        with tables.telling(self.path):
            return Money(entries.spent(self._reader), entries.reserved(self._reader))

    def counts(self) -> list[CallCount]:
        """What was asked of whom, by model, prompt and language."""
        with tables.telling(self.path):
            rows = self._reader.execute(
                "SELECT model, prompt, lang, count(*), coalesce(sum(prompt_tokens), 0),"
                " coalesce(sum(completion_tokens), 0), coalesce(sum(nano_usd), 0),"
                " min(substr(answered_at, 1, 10)), max(substr(answered_at, 1, 10))"
                " FROM answers GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        return [CallCount(*row) for row in rows]

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What a query of the reader's connection gives."""
        with tables.telling(self.path):
            return query(self._reader)

    def _later(self, operation: Operation[Any]) -> None:
        self._pending.append((operation, None))

    async def _commit_pending(self) -> None:
        while self._pending:
            await asyncio.sleep(GATHER_S)
            batch, results, error = await asyncio.to_thread(self._commit_waiting)
            waiting = [(at, done) for at, (_, done) in enumerate(batch) if done is not None and not done.done()]
            if error is not None and not waiting:
                raise error
            for at, done in waiting:
                if error is None:
                    done.set_result(results[at])
                else:
                    done.set_exception(error)

    def _commit_waiting(self) -> tuple[list[_Waiting], list[Any], Exception | None]:
        """Run what waits by now, in one transaction: what it was, what it gave, or what went wrong.

        It is taken off the list by the thread that runs it, so that a loop that is cancelled before loses nothing.
        """
        with self._committing:
            batch = [self._pending.popleft() for _ in range(len(self._pending))]
            try:
                return batch, self._run([operation for operation, _ in batch]), None
            except Exception as error:  # whatever it is, those who wait for this commit must hear of it
                return batch, [], error

    def _run(self, operations: list[Operation[Any]]) -> list[Any]:
        with tables.telling(self.path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                results = [operation(self._writer) for operation in operations]
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        return results

    def _claim(self, db: sqlite3.Connection, key: str, nano_usd: int, budget: int | None) -> Claim:
        if db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone():
            return Claim.ANSWERED
        if db.execute("SELECT 1 FROM batch_items WHERE key = ?", (key,)).fetchone():
            return Claim.THEIRS
        if (holder := db.execute("SELECT writer FROM claims WHERE key = ?", (key,)).fetchone()) is not None:
            if holder[0] == self.id or alive.is_alive(self.path, holder[0]):
                return Claim.THEIRS
            self._bury_dead(db)
        room = entries.left(db, budget) if nano_usd else None
        if room is not None and nano_usd > room:
            return Claim.NO_ROOM if entries.reserved(db) else Claim.SPENT
        db.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", (key, self.id, nano_usd, entries.now()))
        return Claim.OURS

    def _bury_dead(self, db: sqlite3.Connection) -> None:
        """Charge the calls that writers had in flight when they died, so that others may ask them."""
        for (writer,) in db.execute("SELECT DISTINCT writer FROM claims WHERE writer <> ?", (self.id,)).fetchall():
            if not alive.is_alive(self.path, writer):
                for (key,) in db.execute("SELECT key FROM claims WHERE writer = ?", (writer,)).fetchall():
                    entries.release(db, key, writer, KILLED)

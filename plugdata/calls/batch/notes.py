"""The batches of a ledger: which keys wait at a provider, and what money is reserved for them.

An item lies in `batch_items` as long as its batch may still answer it, and goes in the transaction that writes its
answer or its error. So whatever lies there must not be asked by anyone, a collection that was killed goes on where
it was, and what lies there when a batch has ended is what it did not answer. A batch's reservation shrinks with its
items, so that what is spent and what is reserved never count a call twice.

Functions of a connection, to run inside the ledger's transactions. Knows no provider.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from plugdata.calls.faults import MAY_BE_BILLED
from plugdata.calls.ledger.alive import is_alive
from plugdata.calls.ledger.entries import Stored, insert_answer, left, now
from plugdata.calls.ledger.store import Ledger
from plugdata.wire import Message, Request

PREPARING = "preparing"
SUBMITTING = "submitting"
"""The provider may have been asked to make the batch, and nobody noted what it said."""
COLLECTED = "collected"
GIVEN_UP = "given-up"
IS_OPEN = f"status NOT IN ('{COLLECTED}', '{GIVEN_UP}')"


class Batch(NamedTuple):
    """A batch that is not done with."""

    id: str
    remote_id: str | None
    status: str


class Item(NamedTuple):
    """A request to put into a batch, what it may cost at most (1e-9 USD), and the bytes of its line."""

    key: str
    request: Request
    bound: int
    n_bytes: int


class Outcome(NamedTuple):
    """What a provider says of a key: the body of an answer, or the (class, message) of an error."""

    key: str
    body: str | None
    error: tuple[str, str] | None = None


class Settled(NamedTuple):
    answered: int
    failed: int


def opened(db: sqlite3.Connection, endpoint: str, served_as: str) -> list[Batch]:
    """The batches of a model at an endpoint that are not done with, oldest first."""
    query = f"SELECT id, remote_id, status FROM batches WHERE {IS_OPEN} AND endpoint = ? AND model = ? ORDER BY rowid"
    return [Batch(*row) for row in db.execute(query, (endpoint, served_as)).fetchall()]


def elsewhere(db: sqlite3.Connection, endpoint: str, served_as: str) -> list[tuple[str, int]]:
    """The other endpoints where batches of a model are open, and how many."""
    query = (
        f"SELECT endpoint, count(*) FROM batches WHERE {IS_OPEN} AND endpoint <> ? AND model = ? GROUP BY 1 ORDER BY 1"
    )
    return db.execute(query, (endpoint, served_as)).fetchall()


def new_id(ledger: Ledger) -> str:
    """A name for a batch that says which writer makes it."""
    return f"{ledger.id}-{secrets.token_hex(4)}"


def is_being_made(ledger: Ledger, batch: str) -> bool:
    """Whether another process may be about to submit a batch at this moment."""
    writer = batch.partition("-")[0]
    return writer != ledger.id and is_alive(ledger.path, writer)


def add(
    db: sqlite3.Connection, batch: str, endpoint: str, served_as: str, items: Sequence[Item], budget: int | None
) -> tuple[int, int]:
    """(looked at, added): the items that nobody has answered or is asking, up to the first the budget has no room for.

    The batch comes into being, as `preparing`, with its first item.
    """
    room = left(db, budget)
    reserved = n_added = n_looked = 0
    for item in items:
        if not _is_taken(db, item.key):
            if room is not None and item.bound and item.bound > room - reserved:
                break
            request = item.request
            asked = json.dumps(
                {"served_as": served_as, **request.body()}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            row = (item.key, batch, asked, request.prompt, request.stage, request.lang)
            db.execute("INSERT INTO batch_items VALUES (?, ?, ?, ?, ?, ?)", row)
            reserved += item.bound
            n_added += 1
        n_looked += 1
    if n_added:
        _begin(db, batch, endpoint, served_as, reserved)
    return n_looked, n_added


def items(db: sqlite3.Connection, batch: str) -> Iterator[tuple[str, Request]]:
    """The keys and requests of a batch, in the order in which they were added."""
    query = "SELECT key, request, prompt, stage, lang FROM batch_items WHERE batch = ? ORDER BY rowid"
    for key, *stored in db.execute(query, (batch,)):
        yield key, _restored(*stored)


def note(db: sqlite3.Connection, batch: str, status: str, remote_id: str | None = None) -> None:
    """Note a batch's status, and the provider's name for it once that is known, unless another process closed it."""
    query = f"UPDATE batches SET status = ?, remote_id = coalesce(?, remote_id) WHERE id = ? AND {IS_OPEN}"
    db.execute(query, (status, remote_id, batch))


def settle(
    db: sqlite3.Connection,
    batch: str,
    served_as: str,
    outcomes: Sequence[Outcome],
    bound: Callable[[Request], int],
    cost: Callable[[Request, str], int | None],
) -> Settled:
    """Write answers and errors down and take their items out. Keys that are no items of the batch are passed over."""
    at = now()
    (sent_at,) = db.execute("SELECT submitted_at FROM batches WHERE id = ?", (batch,)).fetchone()
    seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(sent_at)).total_seconds()
    query = "SELECT rowid, request, prompt, stage, lang FROM batch_items WHERE key = ? AND batch = ?"
    n_answered = n_failed = freed = 0
    for key, body, error in outcomes:
        if (found := db.execute(query, (key, batch)).fetchone()) is None:
            continue
        rowid, *stored = found
        request = _restored(*stored)
        if body is not None:
            insert_answer(db, Stored(key, request, served_as, body, seconds, at, cost(request, body), "batch"))
            n_answered += 1
        elif error is not None:
            db.execute("INSERT INTO errors VALUES (?, ?, ?, ?)", (key, *error, at))
            n_failed += 1
            if error[0] in MAY_BE_BILLED:
                _charge(db, key, bound(request), error[0], at)
        freed += bound(request)
        db.execute("DELETE FROM batch_items WHERE rowid = ?", (rowid,))
    db.execute("UPDATE batches SET nano_usd = max(0, nano_usd - ?) WHERE id = ?", (freed, batch))
    return Settled(n_answered, n_failed)


def renew(db: sqlite3.Connection, old: str, new: str) -> int:
    """The number of items that a new batch takes over, with their reservation, from one that has ended."""
    endpoint, model, nano_usd = db.execute(
        "SELECT endpoint, model, nano_usd FROM batches WHERE id = ?", (old,)
    ).fetchone()
    n = db.execute("UPDATE batch_items SET batch = ? WHERE batch = ?", (new, old)).rowcount
    if n:
        _begin(db, new, endpoint, model, nano_usd)
    close(db, old, COLLECTED)
    return n


def close(
    db: sqlite3.Connection, batch: str, status: str, error: tuple[str, str] | None = None, charge: str | None = None
) -> int:
    """The number of items that a batch left. They are free, its reservation ends.

    With an error that is noted for each of them; with a reason to charge, what is still reserved stays spent.
    """
    (n,) = db.execute("SELECT count(*) FROM batch_items WHERE batch = ?", (batch,)).fetchone()
    if charge and n:
        (reserved,) = db.execute("SELECT nano_usd FROM batches WHERE id = ?", (batch,)).fetchone()
        _charge(db, batch, reserved, charge, now())
    if error:
        query = "INSERT INTO errors SELECT key, ?, ?, ? FROM batch_items WHERE batch = ? ORDER BY rowid"
        db.execute(query, (*error, now(), batch))
    db.execute("UPDATE batches SET status = ?, nano_usd = 0 WHERE id = ?", (status, batch))
    db.execute("DELETE FROM batch_items WHERE batch = ?", (batch,))
    return int(n)


def _begin(db: sqlite3.Connection, batch: str, endpoint: str, served_as: str, nano_usd: int) -> None:
    """Add a batch, or to what is reserved for it."""
    db.execute(
        "INSERT INTO batches VALUES (?, ?, ?, NULL, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET nano_usd = nano_usd + excluded.nano_usd",
        (batch, endpoint, served_as, PREPARING, nano_usd, now()),
    )


def _charge(db: sqlite3.Connection, key: str, nano_usd: int, why: str, at: str) -> None:
    if nano_usd:
        db.execute("INSERT INTO charges VALUES (?, ?, ?, ?)", (key, nano_usd, why, at))
        db.execute("UPDATE totals SET nano_usd = nano_usd + ?", (nano_usd,))


def _is_taken(db: sqlite3.Connection, key: str) -> bool:
    query = (
        "SELECT EXISTS (SELECT 1 FROM answers WHERE key = :key) OR EXISTS (SELECT 1 FROM claims WHERE key = :key)"
        " OR EXISTS (SELECT 1 FROM batch_items WHERE key = :key)"
    )
    return bool(db.execute(query, {"key": key}).fetchone()[0])


def _restored(request: str, prompt: str, stage: str, lang: str) -> Request:
    asked = json.loads(request)
    messages = tuple(Message(message["role"], message["content"]) for message in asked.pop("messages"))
    del asked["served_as"]
    return Request(messages, asked, prompt, stage, lang)

"""What is written and read of the ledger within a transaction: answers, claims, money. Functions of a connection; when
they are committed, store.py knows."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from plugdata.calls.ledger import tables
from plugdata.hashing import tagged_hash
from plugdata.wire import Answer, Request, read_answer

PAID_TWICE = "paid-twice"
"""Why an answer to a key that had one already is charged beside it."""


@dataclass(frozen=True)
class Stored:
    """An answer as it goes into the ledger. `nano_usd` is what it cost (1e-9 USD), None if nobody knows; `said` the
    body as read, where it was read already."""

    key: str
    request: Request
    served_as: str
    body: str
    seconds: float
    answered_at: str
    nano_usd: int | None = None
    origin: str = "online"
    said: Answer | None = None


def insert_answer(db: sqlite3.Connection, answer: Stored) -> None:
    """Add an answer, its money to the totals, and end its claim. A key that has an answer keeps that one."""
    said = answer.said or read_answer(answer.body)
    asked = {"served_as": answer.served_as, **answer.request.body()}
    request = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    added = db.execute(
        "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            answer.key,
            answer.served_as,
            answer.request.prompt,
            answer.request.stage,
            answer.request.lang,
            answer.origin,
            said.finish_reason,
            said.prompt_tokens,
            said.cached_tokens,
            said.completion_tokens,
            *tables.request_chars(asked),
            answer.nano_usd,
            answer.seconds,
            answer.answered_at,
            tagged_hash(answer.body),
            request,
            answer.body,
        ),
    )
    if answer.nano_usd:
        if not added.rowcount:
            row = (answer.key, answer.nano_usd, PAID_TWICE, answer.answered_at)
            db.execute("INSERT INTO charges VALUES (?, ?, ?, ?)", row)
        spend(db, answer.nano_usd)
    db.execute("DELETE FROM claims WHERE key = ?", (answer.key,))


def left(db: sqlite3.Connection, budget: int | None) -> int | None:
    """Money that may still be reserved (1e-9 USD), or None without a budget."""
    return None if budget is None else budget - spent(db) - reserved(db)


def lately(db: sqlite3.Connection, model: str) -> list[tuple[float, int]]:
    """Calls that a model answered in the last 24 hours: (seconds ago, how many), the oldest first, by ten minutes."""
    rows = db.execute(
        "SELECT max(ago), count(*) FROM (SELECT strftime('%s', 'now') - strftime('%s', answered_at) AS ago FROM answers"
        " WHERE model = ? AND origin = 'online') WHERE ago < 86400 GROUP BY ago / 600 ORDER BY 1 DESC",
        (model,),
    )
    return [(float(ago), n) for ago, n in rows]


def now() -> str:
    """This moment as the ledger writes it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def release(db: sqlite3.Connection, key: str, writer: str, charge: str | None) -> None:
    """End a writer's claim, if it has one: by now the key may be claimed by another."""
    claim = (key, writer)
    if charge:
        money = db.execute("SELECT nano_usd FROM claims WHERE key = ? AND writer = ? AND nano_usd > 0", claim)
        for (nano_usd,) in money.fetchall():
            db.execute("INSERT INTO charges VALUES (?, ?, ?, ?)", (key, nano_usd, charge, now()))
            spend(db, nano_usd)
    db.execute("DELETE FROM claims WHERE key = ? AND writer = ?", claim)


def spend(db: sqlite3.Connection, nano_usd: int) -> None:
    db.execute("UPDATE totals SET nano_usd = nano_usd + ?", (nano_usd,))


def spent(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT nano_usd FROM totals").fetchone()[0])


def reserved(db: sqlite3.Connection) -> int:
    return int(
        db.execute(
            "SELECT (SELECT coalesce(sum(nano_usd), 0) FROM claims) + (SELECT coalesce(sum(nano_usd), 0) FROM batches"
            " WHERE status NOT IN ('collected', 'given-up'))"
        ).fetchone()[0]
    )

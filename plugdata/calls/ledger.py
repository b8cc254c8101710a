"""Every LLM call ever made for a corpus: append-only SQLite, committed before an answer is used.

Answers and transient errors live in separate tables, so that "is it answered?" is one primary-key look-up and no
error can be taken for an answer. The request is stored whole beside the body: what was asked can be read, and its
key hashed again. Write-ahead logging lets any number of readers look while a run writes; `synchronous=FULL` makes
an acknowledged answer survive a power cut, and answers that arrive together share one commit (group commit), so
the sync is not paid per call.

Knows nothing of rows or of what a text means.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from plugdata.errors import CorpusError
from plugdata.wire import Request, read_answer

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,           -- canonical JSON that the key hashes
    body TEXT NOT NULL,              -- the response, whole and unparsed
    model TEXT NOT NULL,             -- served_as
    prompt TEXT NOT NULL,            -- template id
    stage TEXT NOT NULL,
    lang TEXT NOT NULL,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    seconds REAL NOT NULL,           -- from sending to the whole body
    answered_at TEXT NOT NULL        -- UTC, ISO 8601
) WITHOUT ROWID;
CREATE TABLE errors (
    key TEXT NOT NULL,
    class TEXT NOT NULL,             -- of calls/retry.py
    message TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX errors_by_key ON errors (key);
"""


@dataclass(frozen=True)
class Stored:
    """An answer as it goes into the ledger."""

    key: str
    request: Request
    served_as: str
    body: str
    seconds: float
    answered_at: str


class CallCount(NamedTuple):
    """What one model was asked under one prompt, for one language. Dates are UTC days."""

    model: str
    prompt: str
    lang: str
    n_calls: int
    prompt_tokens: int
    completion_tokens: int
    first_date: str
    last_date: str


class Ledger:
    """An open ledger. Use as a context manager; one writer, in an event loop, and any number of readers.

    Look-ups have a connection of their own, so that none waits for a commit.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._telling():
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._writer.execute("PRAGMA synchronous=FULL")
                if self._version(self._writer) == 0:
                    self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
            self._reader = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
            )
            if (version := self._version(self._reader)) != SCHEMA_VERSION:
                raise CorpusError(f"{path}: ledger schema {version}, this release reads {SCHEMA_VERSION}")
        self._read_only = read_only
        self._pending: list[tuple[Stored, asyncio.Future[None]]] = []
        self._errors: list[tuple[str, str, str, str]] = []
        self._committer: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._reader.close()
            if not self._read_only:
                self._writer.close()

    def flush(self) -> None:
        """Write down what waits for a commit: noted errors, and answers that an interrupt kept from theirs."""
        if self._pending or self._errors:
            waiting, self._pending = self._pending, []
            self._commit([answer for answer, _ in waiting])

    def body(self, key: str) -> str | None:
        """The committed response body of a key, or None."""
        with self._telling():
            row = self._reader.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def last_error(self, key: str) -> tuple[str, str] | None:
        """(class, message) of the latest error of a key that was flushed, or None."""
        with self._telling():
            row = self._reader.execute(
                "SELECT class, message FROM errors WHERE key = ? ORDER BY rowid DESC LIMIT 1", (key,)
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    async def put(self, answer: Stored) -> None:
        """Returns once the answer is on disk. Answers put while a commit runs share the next one."""
        committed = asyncio.get_running_loop().create_future()
        self._pending.append((answer, committed))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_pending())
        await committed

    def note_error(self, key: str, error_class: str, message: str, at: str) -> None:
        """Note a transient error, for people and for `failed` rows; written with the next commit or flush."""
        self._errors.append((key, error_class, message, at))

    def counts(self) -> list[CallCount]:
        """What was asked of whom, by model, prompt and language."""
        with self._telling():
            rows = self._reader.execute(
                "SELECT model, prompt, lang, count(*), coalesce(sum(prompt_tokens), 0),"
                " coalesce(sum(completion_tokens), 0), min(substr(answered_at, 1, 10)), max(substr(answered_at, 1, 10))"
                " FROM answers GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        return [CallCount(*row) for row in rows]

    async def _commit_pending(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            error: Exception | None = None
            try:
                await asyncio.to_thread(self._commit, [answer for answer, _ in batch])
            except Exception as fault:  # whatever it is, those who wait for this commit must hear of it
                error = fault
            for _, committed in batch:
                if committed.done():
                    continue
                if error is None:
                    committed.set_result(None)
                else:
                    committed.set_exception(error)

    def _commit(self, answers: list[Stored]) -> None:
        errors, self._errors = self._errors, []
        with self._telling():
            self._writer.execute("BEGIN")
            try:
                self._writer.executemany("INSERT INTO errors VALUES (?, ?, ?, ?)", errors)
                self._writer.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", map(_row, answers)
                )
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @staticmethod
    def _version(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn SQLite's and the system's refusals into one line that names the file."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise CorpusError(f"{self.path}: {error}", "the answers committed so far are kept") from error


def _row(answer: Stored) -> tuple[Any, ...]:
    said = read_answer(answer.body)
    request = answer.request
    asked: Mapping[str, Any] = {"served_as": answer.served_as, **request.body()}
    return (
        answer.key,
        json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        answer.body,
        answer.served_as,
        request.prompt,
        request.stage,
        request.lang,
        said.finish_reason,
        said.prompt_tokens,
        said.completion_tokens,
        answer.seconds,
        answer.answered_at,
    )

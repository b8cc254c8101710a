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
import threading
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


class ModelUse(NamedTuple):
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
    """An open ledger. Use as a context manager; one writer, in an event loop, and any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._telling():
            if read_only:
                self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not read_only:
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
            elif version != SCHEMA_VERSION:
                raise CorpusError(f"{path}: ledger schema {version}, this release reads {SCHEMA_VERSION}")
        self._pending: list[tuple[Stored, asyncio.Future[None]]] = []
        self._errors: list[tuple[str, str, str, str]] = []
        self._committer: asyncio.Task[None] | None = None
        self._using = threading.Lock()  # the commit runs in a thread, on the same connection as the look-ups

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._db.close()

    def flush(self) -> None:
        """Write the noted errors down."""
        if self._errors:
            self._commit([])

    def body(self, key: str) -> str | None:
        """The committed response body of a key, or None."""
        with self._using, self._telling():
            row = self._db.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def last_error(self, key: str) -> tuple[str, str] | None:
        """(class, message) of the latest error of a key that was flushed, or None."""
        with self._using, self._telling():
            row = self._db.execute(
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

    def uses(self) -> list[ModelUse]:
        """What was asked of whom, by model, prompt and language."""
        with self._using, self._telling():
            rows = self._db.execute(
                "SELECT model, prompt, lang, count(*), coalesce(sum(prompt_tokens), 0),"
                " coalesce(sum(completion_tokens), 0), min(substr(answered_at, 1, 10)), max(substr(answered_at, 1, 10))"
                " FROM answers GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        return [ModelUse(*row) for row in rows]

    async def _commit_pending(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._commit, [answer for answer, _ in batch])
            except CorpusError as error:
                for _, committed in batch:
                    committed.set_exception(error)
            else:
                for _, committed in batch:
                    committed.set_result(None)

    def _commit(self, answers: list[Stored]) -> None:
        with self._using, self._telling():
            errors, self._errors = self._errors, []
            self._db.execute("BEGIN")
            try:
                self._db.executemany("INSERT INTO errors VALUES (?, ?, ?, ?)", errors)
                self._db.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", map(_row, answers)
                )
                self._db.execute("COMMIT")
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise

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

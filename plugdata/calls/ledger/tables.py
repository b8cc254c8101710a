"""The tables of a ledger file, and how a file is opened: WAL, every commit on disk, older schemas migrated.

    answers    what was paid for; never changed, never deleted
    errors     why calls failed for a passing reason, for people
    claims     calls in flight: by which writer, and how much money is reserved for each
    charges    money that may have been paid for nothing: timeouts, cut connections, calls of a killed writer
    totals     the sum of all answers' and charges' money, kept in the same transactions
    batches    jobs handed to a provider's batch API, and `batch_items` the keys in each

Money is whole nano-dollars (1e-9 USD), so that sums are exact. Columns that are counted stand before the long texts:
SQLite then counts without reading those.

A ledger lies on a disk of this machine. Write-ahead logging needs memory that its processes share, and network file
systems keep neither its locks nor its promise of a commit, so a ledger there is refused.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugdata.errors import CorpusError
from plugdata.hashing import tagged_hash

SCHEMA_VERSION = 2
BUSY_S = 60.0
"""How long a process waits for another one's commit: those take milliseconds, a slow disk's a second."""
LOOK_AGAIN_S = 0.01
"""A few such commits' time."""

_V1 = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, body TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
    stage TEXT NOT NULL, lang TEXT NOT NULL, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL NOT NULL, answered_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE errors (key TEXT NOT NULL, class TEXT NOT NULL, message TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX errors_by_key ON errors (key);
"""

_V2 = """
ALTER TABLE answers RENAME TO answers_v1;
CREATE TABLE answers (
    key TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,             -- served_as
    prompt TEXT NOT NULL,            -- template id
    stage TEXT NOT NULL,
    lang TEXT NOT NULL,
    origin TEXT NOT NULL,            -- "online", "batch", or what an import calls its file
    finish_reason TEXT,
    prompt_tokens INTEGER,
    cached_tokens INTEGER,           -- of the prompt tokens
    completion_tokens INTEGER,
    request_chars INTEGER NOT NULL,  -- of all messages, and of the last one: what token estimates learn from
    text_chars INTEGER NOT NULL,
    nano_usd INTEGER,                -- what it cost; null: unknown
    seconds REAL NOT NULL,           -- from sending to the whole body
    answered_at TEXT NOT NULL,       -- UTC, ISO 8601
    body_hash TEXT NOT NULL,
    request TEXT NOT NULL,           -- canonical JSON that the key hashes
    body TEXT NOT NULL               -- the response, whole and unparsed
);
CREATE TABLE claims (
    key TEXT NOT NULL UNIQUE,
    writer TEXT NOT NULL,
    nano_usd INTEGER NOT NULL,       -- reserved
    at TEXT NOT NULL
);
CREATE TABLE charges (
    key TEXT NOT NULL,
    nano_usd INTEGER NOT NULL,       -- the reservation that stays
    why TEXT NOT NULL,               -- an error class, or "killed"
    at TEXT NOT NULL
);
CREATE TABLE totals (nano_usd INTEGER NOT NULL);
INSERT INTO totals VALUES (0);
CREATE TABLE batches (
    id TEXT NOT NULL UNIQUE,         -- ours; the provider keeps it as metadata
    endpoint TEXT NOT NULL,          -- base URL
    model TEXT NOT NULL,             -- served_as
    remote_id TEXT,                  -- the provider's, once it said one
    status TEXT NOT NULL,            -- preparing, submitting, the provider's words, at last "collected" or "given-up"
    nano_usd INTEGER NOT NULL,       -- reserved until it is collected
    submitted_at TEXT NOT NULL
);
CREATE TABLE batch_items (
    key TEXT NOT NULL,               -- of the call, and its custom_id
    batch TEXT NOT NULL,
    request TEXT NOT NULL,           -- as in answers
    prompt TEXT NOT NULL,
    stage TEXT NOT NULL,
    lang TEXT NOT NULL
);
CREATE INDEX batch_items_by_batch ON batch_items (batch);
CREATE INDEX batch_items_by_key ON batch_items (key);
INSERT INTO answers (key, model, prompt, stage, lang, origin, finish_reason, prompt_tokens, completion_tokens,
                     request_chars, text_chars, seconds, answered_at, body_hash, request, body)
    SELECT key, model, prompt, stage, lang, 'online', finish_reason, prompt_tokens, completion_tokens,
           request_chars(request), text_chars(request), seconds, answered_at, body_hash(body), request, body
    FROM answers_v1 ORDER BY answered_at, key;
DROP TABLE answers_v1;
"""

MIGRATIONS = (_V1, _V2)
"""The steps from one version to the next; the version is their number."""

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"}
)
NETWORK_FUSE = frozenset({"sshfs", "s3fs", "gcsfuse", "rclone", "glusterfs", "juicefs", "goofys", "mountpoint-s3"})
"""File systems whose data lie on another machine, as Linux names them; those in user space are "fuse.NAME"."""
MOUNTS = Path("/proc/self/mountinfo")


def writer(path: Path) -> sqlite3.Connection:
    """A ledger open for writing, made if absent and migrated if older; transactions are begun by hand.

    Raises CorpusError for a network file system, a ledger of a later release, or a file that is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind := network_file_system(path):
        raise CorpusError(
            f"{path} lies on a network file system ({kind}), where a ledger is not safe",
            "put it on a disk of this machine: --ledger PATH, or `ledger:` in the recipe",
        )
    with telling(path):
        db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            _write_ahead(db)
            db.execute("PRAGMA synchronous=FULL")
            _migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """Turn a file to write-ahead logging. SQLite itself does not wait here for another process that does the same."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(LOOK_AGAIN_S)


def reader(path: Path) -> sqlite3.Connection:
    """A ledger open for reading; an older one is migrated first. Raises CorpusError as `writer` does."""
    with telling(path):
        db = _read_only(path)
        try:
            if 0 < version(db) < SCHEMA_VERSION:
                writer(path).close()
            if (found := version(db)) != SCHEMA_VERSION:
                raise _other_schema(path, found)
        except BaseException:
            db.close()
            raise
    return db


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's refusals into one line that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise CorpusError(f"{path}: {error}", "the answers committed so far are kept") from error


def network_file_system(path: Path) -> str | None:
    """The type of the network file system that a path lies on, or None (also where the system does not say)."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    where = path.resolve()
    nearest, kind = -1, ""
    for line in mounts.splitlines():  # "36 35 98:0 /root /mount/point options - type source …" (proc(5))
        before, _, after = line.partition(" - ")
        mount = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if where.is_relative_to(mount) and len(mount.parts) >= nearest:
            nearest, kind = len(mount.parts), after.split(" ")[0]
    return kind if kind in NETWORK or kind.removeprefix("fuse.") in NETWORK_FUSE else None


def _read_only(path: Path) -> sqlite3.Connection:
    path = path.resolve()
    uri = f"{path.as_uri()}?mode=ro"
    # a reader of a write-ahead log makes files beside it; where it may not, and there is no log, it needs none
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False, isolation_level=None)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring a ledger to this release's schema, in one transaction; another process may be at it too."""
    if version(db) == SCHEMA_VERSION:
        return
    db.create_function("request_chars", 1, lambda request: request_chars(json.loads(request))[0], deterministic=True)
    db.create_function("text_chars", 1, lambda request: request_chars(json.loads(request))[1], deterministic=True)
    db.create_function("body_hash", 1, tagged_hash, deterministic=True)
    db.execute("BEGIN IMMEDIATE")
    try:
        found = version(db)
        if found > SCHEMA_VERSION or (not found and db.execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise _other_schema(path, found)
        for step in MIGRATIONS[found:]:
            for statement in step.split(";\n"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def request_chars(request: Mapping[str, Any]) -> tuple[int, int]:
    """Characters of all messages of a request's JSON, and of its last one."""
    n = [len(message["content"]) for message in request["messages"]]
    return sum(n), n[-1] if n else 0


def _other_schema(path: Path, found: int) -> CorpusError:
    if not found:
        return CorpusError(f"{path} is not a ledger")
    return CorpusError(f"{path}: ledger schema {found}, this release reads {SCHEMA_VERSION}")

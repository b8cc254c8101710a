"""Vectors of texts that were paid for: an SQLite file beside the ledger, keyed by what answers and by the text.

Not in the ledger: that holds texts, which people read and tasks replay. They are kept as 16-bit floats of length 1,
which clusters of topics cannot tell from better ones; a million of 1,536 numbers take 3 GB. Knows no endpoint.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugdata.calls.ledger import tables
from plugdata.errors import CorpusError
from plugdata.hashing import tagged_hash

PER_LOOK = 900
"""Texts that are looked up at a time: SQLite takes 999 variables."""
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE models (model TEXT PRIMARY KEY, dimensions INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL);
"""


class Store:
    """The vectors of one model, in a file that may hold those of others. One process writes: the corpus's lock."""

    def __init__(self, db: sqlite3.Connection, path: Path, model: str) -> None:
        self._db, self._path, self._model = db, path, model
        found = db.execute("SELECT dimensions FROM models WHERE model = ?", (model,)).fetchone()
        self.dimensions: int | None = found and int(found[0])

    def lacking(self, texts: Sequence[str]) -> list[str]:
        """Those of up to PER_LOOK texts that have no vector, each once."""
        keys = {self._key(text): text for text in texts}
        known = self._found("SELECT key, NULL", list(keys))
        return [text for key, text in keys.items() if key not in known]

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Returns once the vectors are on disk. They have `dimensions` numbers, if that is known."""
        with tables.telling(self._path), self._db:  # one transaction
            if self.dimensions is None:
                self.dimensions = vectors.shape[1]
                self._db.execute("INSERT INTO models VALUES (?, ?)", (self._model, self.dimensions))
            kept = zip(map(self._key, texts), (vector.tobytes() for vector in vectors.astype("<f2")), strict=True)
            self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", kept)

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of texts that have one: n × dimensions, of length 1."""
        keys = [self._key(text) for text in texts]
        found: dict[str, bytes] = {}
        for at in range(0, len(keys), PER_LOOK):
            found |= self._found("SELECT key, vector", keys[at : at + PER_LOOK])
        stacked = np.frombuffer(b"".join(found[key] for key in keys), "<f2")
        return stacked.reshape(len(keys), -1).astype(np.float32)

    def _found(self, select: str, keys: Sequence[str]) -> dict[str, bytes]:
        asked = ",".join("?" * len(keys))
        with tables.telling(self._path):
            return dict(self._db.execute(f"{select} FROM vectors WHERE key IN ({asked})", keys).fetchall())

    def _key(self, text: str) -> str:
        return tagged_hash([self._model, text])


@contextmanager
def opened(path: Path, model: str) -> Iterator[Store]:
    """The vectors of a model in a file, made if absent. Raises CorpusError for one of another kind or release."""
    with tables.telling(path):
        db = sqlite3.connect(path, check_same_thread=False)
    with closing(db):
        with tables.telling(path):
            _prepare(db, path)
            store = Store(db, path, model)
        yield store


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA synchronous=FULL")
    version = tables.version(db)
    if not version and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT")
    elif version != SCHEMA_VERSION:
        raise CorpusError(f"{path}: not embeddings of this release", "delete it to have them made anew")

"""A ledger at rest: what it holds, and whether it is whole.

Each function opens the file it is given and reads one moment of it, also while a run writes there. Rows pass one by
one, so that memory does not grow with them. merge.py makes one ledger of several, answers leave and come in by
transfer.py. Nothing here asks a model or knows what a text means.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from plugdata.calls.ledger import tables
from plugdata.errors import InputError
from plugdata.hashing import tagged_hash
from plugdata.wire import read_answer

EXAMPLES = 3
"""Keys shown of each problem: enough to look for what they share."""
WAITING = "batches WHERE status NOT IN ('collected', 'given-up')"
"""The batches whose answers are still to come, in SQL."""


SUM = "(SELECT coalesce(sum(nano_usd), 0) FROM answers) + (SELECT coalesce(sum(nano_usd), 0) FROM charges)"
"""What the totals must be, in SQL."""


class Sum(NamedTuple):
    """Calls together. Money in 1e-9 USD, of those with a known price; dates are UTC days."""

    n_calls: int
    n_unpriced: int
    prompt_tokens: int
    cached_tokens: int  # of the prompt tokens
    completion_tokens: int
    nano_usd: int
    n_timed: int  # imported answers have no duration
    seconds: float
    first_date: str
    last_date: str

    @property
    def mean_s(self) -> float | None:
        return self.seconds / self.n_timed if self.n_timed else None


class Use(NamedTuple):
    """What one model was asked in one stage, with one prompt, for one language."""

    model: str
    stage: str
    prompt: str
    lang: str
    sum: Sum

    def as_json(self) -> dict[str, Any]:
        asked = {"model": self.model, "stage": self.stage, "prompt": self.prompt, "lang": self.lang}
        return {**asked, **self.sum._asdict(), "mean_s": self.sum.mean_s}


class Calls(NamedTuple):
    """A number of calls and their money (1e-9 USD)."""

    n_calls: int
    nano_usd: int


class Summary(NamedTuple):
    """A ledger in numbers; `nano_usd` is all that is gone, answers and charges."""

    uses: list[Use]
    errors: dict[str, int]  # by class
    charges: dict[str, Calls]  # by why
    in_flight: Calls  # money reserved
    batches: dict[str, Calls]  # waiting ones by the provider's status, money reserved
    nano_usd: int

    def as_json(self) -> dict[str, Any]:
        """What `plugdata ledger --json` prints."""
        return {
            "uses": [use.as_json() for use in self.uses],
            "errors": self.errors,
            "charges": {why: calls._asdict() for why, calls in self.charges.items()},
            "in_flight": self.in_flight._asdict(),
            "batches": {status: calls._asdict() for status, calls in self.batches.items()},
            "nano_usd": self.nano_usd,
        }


class Problem(NamedTuple):
    """What is wrong with a ledger, how often, and the first places."""

    what: str
    n: int
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} ({self.n}): {', '.join(self.where)}{', …' if self.n > len(self.where) else ''}"


def summary(path: Path) -> Summary:
    """What a ledger holds, in numbers. Raises InputError if there is none, CorpusError if it cannot be read."""
    with reading(path) as db:
        uses = [
            Use(model, stage, prompt, lang, Sum(*numbers))
            for model, stage, prompt, lang, *numbers in db.execute(
                "SELECT model, stage, prompt, lang, count(*), sum(nano_usd IS NULL), coalesce(sum(prompt_tokens), 0),"
                " coalesce(sum(cached_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(nano_usd), 0),"
                " sum(seconds > 0), sum(seconds), min(substr(answered_at, 1, 10)), max(substr(answered_at, 1, 10))"
                " FROM answers GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
            )
        ]
        charges = db.execute("SELECT why, count(*), sum(nano_usd) FROM charges GROUP BY 1 ORDER BY 1")
        batches = db.execute(
            "SELECT status, sum((SELECT count(*) FROM batch_items WHERE batch = batches.id)), sum(nano_usd)"
            f" FROM {WAITING} GROUP BY 1 ORDER BY 1"
        )
        return Summary(
            uses,
            dict(db.execute("SELECT class, count(*) FROM errors GROUP BY 1 ORDER BY 1").fetchall()),
            {why: Calls(*calls) for why, *calls in charges},
            Calls(*db.execute("SELECT count(*), coalesce(sum(nano_usd), 0) FROM claims").fetchone()),
            {status: Calls(*calls) for status, *calls in batches},
            db.execute("SELECT sum(nano_usd) FROM totals").fetchone()[0] or 0,
        )


def together(sums: Iterable[Sum]) -> Sum:
    """The sum of one or more."""
    *numbers, first, last = zip(*sums, strict=True)
    return Sum._make([*(sum(column) for column in numbers), min(first), max(last)])


def verify(path: Path) -> list[Problem]:
    """Every kind of damage in a ledger, none if it is whole: SQLite's own check, hashes, bodies, totals.

    What cannot be read ends one check and is a problem itself; the other checks go on. Raises InputError if there is
    no file, CorpusError if it does not even open as a ledger.
    """
    counts: Counter[str] = Counter()
    where: defaultdict[str, list[str]] = defaultdict(list)
    with reading(path) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # garbage is a wrong hash, not an exception
        for check in (_integrity, _answers, _totals):
            try:
                for what, place in check(db):
                    counts[what] += 1
                    where[what] += [place] if counts[what] <= EXAMPLES else []
            except sqlite3.Error as error:
                counts[what := "it cannot be read to its end"] += 1
                where[what].append(str(error))
    return [Problem(what, n, tuple(where[what])) for what, n in counts.items()]


def faults(answer: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a row of `answers`: hashes that do not fit, a body that is no chat completion."""
    try:
        if tagged_hash(json.loads(answer["request"])) != answer["key"]:
            yield "the request does not hash to the key"
    except (ValueError, RecursionError):
        yield "the request is no JSON"
    if tagged_hash(answer["body"]) != answer["body_hash"]:
        yield "the body does not hash to its hash"
    try:
        read_answer(answer["body"])
    except ValueError:
        yield "the body is no chat completion"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One moment of a ledger."""
    if not path.is_file():
        raise InputError(f"{path}: no such ledger", "a corpus has one as soon as it asks a model: CORPUS/ledger.sqlite")
    with closing(tables.reader(path)) as db, tables.telling(path):
        db.execute("BEGIN")
        yield db


def _integrity(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (found,) in db.execute("PRAGMA integrity_check"):
        if found != "ok":
            yield "the file is damaged", " ".join(found.split())


def _answers(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    names = ("key", "request", "body", "body_hash")
    # a damaged cell may hold any type
    texts = ", ".join(f"CAST(ifnull({name}, '') AS TEXT)" for name in names)
    for row in db.execute(f"SELECT {texts} FROM answers"):
        for fault in faults(dict(zip(names, row, strict=True))):
            yield fault, row[0]


def _totals(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    kept, summed = db.execute(f"SELECT (SELECT sum(nano_usd) FROM totals), {SUM}").fetchone()
    if kept != summed:
        yield "the totals are not the sum of answers and charges", f"{kept} ≠ {summed} nano-dollars"

"""Rows, models and runs for the tests of calls: what they ask, and what a ledger comes to.

It owns the asking side; what servers do stands in tests/servers/llm. Run as a program it asks in a process of its own,
for tests that need several of them:

    python -m tests.asking '{"ledger": "…", "base_url": "…", "n": 60, "budget": 1000, "price": {…}, …}'
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugdata import languages
from plugdata.calls import retry
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import Job, dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.money import FREE
from plugdata.calls.pool import Member, Missing, replay
from plugdata.errors import PlugdataError
from plugdata.recipe import Model, Price, Translate
from plugdata.translate.attempt import Outcome
from plugdata.translate.task import translator
from plugdata.wire import Result, Task
from tests.servers.llm import LlmServer

Row = Mapping[str, Any]


def task(params: Mapping[str, Any]) -> Task[Outcome]:
    """The translation of a row into Korean, with no repair: each row is one call."""
    return translator(languages.get("en"), languages.get("ko"), Translate(repair=0, examples=0), params)


TASK = task({"temperature": 0})


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds; which waits there are stays the same."""
    monkeypatch.setattr(retry, "WAIT_FIRST_S", 0.001)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def rows(n: int, start: int = 1) -> list[Row]:
    return [
        {
            "id": f"b2:{i:032x}",
            "instruction": f"Name {i} rivers of the north.",
            "input": "",
            "response": f"Here are {i} long rivers there.",
        }
        for i in range(start, start + n)
    ]


def model(server: LlmServer, concurrency: int = 4, *, rpm: int | None = None, **settings: Any) -> Model:
    limits = {"concurrency": concurrency, "rpm": rpm}
    return Model(**{"model": "test", "base_url": server.base_url, "limits": limits, **settings})


def ask(server: LlmServer, ledger: Ledger, asked: Sequence[Row], retries: int = 3, concurrency: int = 4) -> Tally:
    return run(asked, [model(server, concurrency)], ledger, retries)


def run(
    asked: Iterable[Row],
    models: Sequence[Model],
    ledger: Ledger,
    retries: int = 3,
    *,
    budget: int | None = None,
    price: Price = FREE,
    said: list[str] | None = None,
) -> Tally:
    """Ask for the rows at a pool of models, each with its own params. `budget` is in 1e-9 USD."""
    tasks = [task(asking.params) for asking in models]
    return run_jobs(((row, tasks) for row in asked), models, ledger, retries, budget=budget, price=price, said=said)


def run_jobs(
    jobs: Iterable[Job],
    models: Sequence[Model],
    ledger: Ledger,
    retries: int = 3,
    *,
    budget: int | None = None,
    price: Price = FREE,
    said: list[str] | None = None,
) -> Tally:
    heard = [] if said is None else said
    return dispatch(jobs, pool(models, price), ledger, retries, budget, lambda tally: None, heard.append)


def pool(models: Sequence[Model], price: Price = FREE) -> list[Member]:
    return [Member(asked, asked.served_as or asked.model, price) for asked in models]


def replayed(row: Row, ledger: Ledger) -> Result[Outcome] | Missing:
    return replay(row, [TASK], [Member(Model(model="test"), "test")], ledger)[0]


def outcome(row: Row, ledger: Ledger) -> Outcome:
    step = replayed(row, ledger)
    assert isinstance(step, Result)
    return step.value


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another reader of a ledger file finds in it."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def process(path: Path, server: LlmServer, n: int, **options: Any) -> "subprocess.Popen[str]":
    """A process that asks for rows, see `main`; its output is what it came to."""
    asked = json.dumps({"ledger": str(path), "base_url": server.base_url, "n": n, **options})
    return subprocess.Popen([sys.executable, "-m", "tests.asking", asked], stdout=subprocess.PIPE, text=True)


def main() -> None:
    said = json.loads(sys.argv[1])
    limits = {"concurrency": said.get("concurrency", 4)}
    asked = Model(model="test", base_url=said["base_url"], params=said.get("params", {"temperature": 0}), limits=limits)
    price = Price(**said["price"]) if "price" in said else FREE
    retry.WAIT_FIRST_S = 0.001
    with Ledger(Path(said["ledger"])) as opened:
        try:
            tally = run(rows(said["n"], said.get("start", 1)), [asked], opened, budget=said.get("budget"), price=price)
        except (PlugdataError, KeyboardInterrupt) as error:
            sys.stdout.write(type(error).__name__)
        else:
            sys.stdout.write(f"{tally.done} done, {tally.calls} calls, {tally.failed} failed")


if __name__ == "__main__":
    main()

"""The models that share a run's rows: which one a row is asked at, and what the ledger says of it already.

A row's order of members is drawn from its id, so that the first of the order gets its `weight` of the rows, and every
run draws the same (weighted rendezvous hashing: adding a member moves just the rows it takes over). What the ledger
holds from any member is taken before one is asked. Members that serve the same model are one to the ledger.

Members of a higher tier are asked nothing but what a task wants of that tier: rows that came to nothing below.
"""

import gc
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from plugdata.calls import client, money
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.money import FREE
from plugdata.errors import InputError
from plugdata.recipe import Model, Price
from plugdata.wire import Answer, Request, Result, Task, read_answer

R = TypeVar("R")


@dataclass(frozen=True)
class Member:
    """A model of the pool, what answers there, and what that costs."""

    model: Model
    served_as: str
    price: Price = FREE
    tier: int = 0


class Ask(NamedTuple):
    """A request that has no answer yet: the member's place in the pool, and the key."""

    member: int
    request: Request
    key: str


class Missing(NamedTuple):
    """A replay that lacks an answer: the key, and the (class, message) of its latest error if there is one."""

    key: str
    error: tuple[str, str] | None


def order(row_id: str, pool: Sequence[Member]) -> list[int]:
    """Places of the pool in the order in which a row asks them."""
    if len(pool) == 1:
        return [0]

    def score(at: int) -> float:
        twin = [member.served_as for member in pool[:at]].count(pool[at].served_as)
        drawn = hashlib.blake2b(f"{row_id}\0{twin}\0{pool[at].served_as}".encode(), digest_size=8).digest()
        share = (int.from_bytes(drawn, "big") + 1) / (2**64 + 2)
        return -pool[at].model.weight / math.log(share)

    return sorted(range(len(pool)), key=score, reverse=True)


def advance(
    row: Mapping[str, Any],
    tasks: Sequence[Task[R]],
    places: Sequence[int],
    pool: Sequence[Member],
    ledger: Ledger | None,
    answers: list[tuple[int, Answer]],
) -> Result[R] | list[Ask]:
    """Follow a row's task as far as the ledger's answers lead: its Result, or what could be asked next, in order.

    `tasks` are the row's task for each member (their params differ); `answers`, with the member each came from, grows.
    """
    while True:
        asks: list[Ask] = []
        said = [answer for _, answer in answers]
        first = tasks[places[0]](row, said)
        if isinstance(first, Result):
            return first
        for ask in _asks(row, tasks, places, pool, said, first):
            if ledger and (body := ledger.body(ask.key)) is not None:
                answers.append((ask.member, read_answer(body)))
                break
            asks.append(ask)
        else:
            return asks


def _asks(
    row: Mapping[str, Any],
    tasks: Sequence[Task[R]],
    places: Sequence[int],
    pool: Sequence[Member],
    said: Sequence[Answer],
    first: Request,
) -> Iterator[Ask]:
    """What could be asked at a step of a row, in order; `first` is the request of the task of its first member."""
    tier = [at for at in places if pool[at].tier == first.tier]
    turn = first.turn % len(tier)
    for at in tier[turn:] + tier[:turn]:
        step = first if at == places[0] else tasks[at](row, said)
        assert isinstance(step, Request)  # tasks differ by their params alone
        yield Ask(at, step, step.key(pool[at].served_as))


TOGETHER = 100
"""Rows that a replay takes together through their first step, and through the reading of its answers. What is done to
many rows in turn stays in the processor's caches: that spares a third of the time. With 32 rows it is 4 % more (the
identifier's tables come and go more often), with 200 much the same (benchmarks/replay.py: ko, es, zh)."""


@contextmanager
def _settled() -> Iterator[None]:
    """What there is by now is not searched for garbage again and again: 8 % of the time of benchmarks/replay.py."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def replays(
    rows: Iterable[Mapping[str, Any]],
    tasks: Sequence[Task[R]],
    pool: Sequence[Member],
    ledger: Ledger,
    reads: Sequence[Callable[[Mapping[str, Any], Sequence[Answer]], None]] = (),
) -> Iterator[tuple[Result[R] | Missing, list[str]]]:
    """`replay` of many rows, in their order. `reads`: of each task, what it does with the first answers of several rows
    before it is asked what follows from them."""
    with _settled():
        coming = iter(rows)
        while together := list(islice(coming, TOGETHER)):
            places = [order(row["id"], pool) for row in together]
            steps = [tasks[at[0]](row, []) for row, at in zip(together, places, strict=True)]
            asks = [
                next(_asks(row, tasks, at, pool, [], step)) if isinstance(step, Request) else None
                for row, at, step in zip(together, places, steps, strict=True)
            ]
            bodies = ledger.bodies([ask.key for ask in asks if ask])
            answers = [
                [(ask.member, read_answer(bodies[ask.key]))] if ask and ask.key in bodies else [] for ask in asks
            ]
            for row, at, begun in zip(together, places, answers, strict=True):
                if reads:
                    reads[at[0]](row, [answer for _, answer in begun])
            for row, at, begun in zip(together, places, answers, strict=True):
                yield _replayed(row, tasks, at, pool, ledger, begun)


def replay(
    row: Mapping[str, Any], tasks: Sequence[Task[R]], pool: Sequence[Member], ledger: Ledger
) -> tuple[Result[R] | Missing, list[str]]:
    """What a task comes to on the answers in the ledger alone, and who gave those (served_as). Sends nothing."""
    return _replayed(row, tasks, order(row["id"], pool), pool, ledger, [])


def _replayed(
    row: Mapping[str, Any],
    tasks: Sequence[Task[R]],
    places: Sequence[int],
    pool: Sequence[Member],
    ledger: Ledger,
    answers: list[tuple[int, Answer]],
) -> tuple[Result[R] | Missing, list[str]]:
    step = advance(row, tasks, places, pool, ledger, answers)
    by = [pool[at].served_as for at, _ in answers]
    if isinstance(step, Result):
        return step, by
    told = next((error for ask in step if (error := ledger.last_error(ask.key))), None)
    return Missing(step[0].key, told), by


def bound(member: Member, request: Request, *, batch: bool = False) -> int:
    """What a call may cost at most (1e-9 USD); 0 where nobody knows (see `check_bounded`)."""
    if money.is_free(member.price):
        return 0
    room = money.max_output_tokens(member.model, request, client.base_url(member.model))
    return 0 if room is None else money.bound(member.price, request, room, batch=batch)


def check_bounded(member: Member, request: Request) -> None:
    """Raises InputError for a request that a budget cannot be kept with."""
    if money.is_free(member.price):
        return
    if money.max_output_tokens(member.model, request, client.base_url(member.model)) is None:
        raise InputError(
            f"a budget needs a bound on each answer, and {member.model.model} has none that is known",
            "give one, e.g. --set 'models.0.params.max_tokens=2048'",
        )


def cost(member: Member, request: Request, said: Answer, *, batch: bool = False) -> int | None:
    """What an answer cost (1e-9 USD): by its usage, else the bound."""
    if money.is_free(member.price):
        return 0
    if said.prompt_tokens is None or said.completion_tokens is None:
        return bound(member, request, batch=batch) or None
    return money.cost(member.price, said.prompt_tokens, said.cached_tokens or 0, said.completion_tokens, batch=batch)

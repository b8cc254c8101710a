"""The loop that asks: tasks in, committed answers out. Nothing else is returned.

What the answers mean is read from the ledger afterwards (`pool.replay`), by the same task functions: a finished run,
a resumed run and a rerun that sends nothing go through the same code, and memory does not grow with rows.

The first Ctrl-C (and any error that stops the run) lets the calls in flight end and be committed, since they are
paid; a second one stops at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from plugdata.calls import client, waiting
from plugdata.calls.batch.provider import Remote
from plugdata.calls.batch.run import Batched, run_batches
from plugdata.calls.caller import Caller, Tally
from plugdata.calls.endpoint import Endpoint
from plugdata.calls.faults import CallFault, Stopped
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, advance, order
from plugdata.calls.waiting import Brake
from plugdata.wire import Answer, Request, Result, Task

Job = tuple[Mapping[str, Any], Sequence[Task[Any]]]
"""A row (its `id` among the columns) and its task for each member of the pool."""


TELL_EVERY_S = 2.0
"""How often progress is told though no row is done: an endpoint that is down must not look like one that thinks."""


def dispatch(
    jobs: Iterable[Job],
    pool: Sequence[Member],
    ledger: Ledger,
    retries: int,
    budget: int | None,
    tell: Callable[[Tally], None],
    say: Callable[[str], None],
) -> Tally:
    """Ask until every job has its Result or has failed; every answer is committed on the way.

    `budget` (1e-9 USD) is of the ledger's lifetime. `tell` hears how far it is, `say` gets a line when something makes
    people wait. Raises CallError (quota, auth, model, endpoint), BudgetReached, GateError (a budget too small for the
    first call) or CorpusError (the ledger) after the calls in flight are committed; KeyboardInterrupt likewise.
    Works inside a running event loop too (a notebook), which it blocks.
    """
    tally = Tally()

    async def ask(brake: Brake) -> Tally:
        queue = iter(jobs)
        async with AsyncExitStack() as open_clients:
            endpoints = [
                Endpoint(
                    client.endpoint_name(member.model),
                    await open_clients.enter_async_context(client.connect(member.model)),
                    member.model.limits,
                    brake,
                    tally.faults,
                    say,
                    alone=len(pool) == 1,
                )
                for member in pool
            ]
            caller = Caller(pool, endpoints, ledger, retries, budget, brake, tally)

            async def work() -> None:
                try:
                    for row, tasks in queue:
                        if brake.pulled:
                            return
                        if not await _complete(row, tasks, pool, ledger, caller):
                            tally.failed += 1
                        tally.done += 1
                        tell(tally)
                except Stopped:
                    return
                except Exception as error:  # whatever it is, the other workers' calls are paid and must be committed
                    brake.pull(error)

            async def tell_now_and_then() -> None:
                try:
                    while True:
                        await asyncio.sleep(TELL_EVERY_S)
                        tell(tally)
                except Exception as error:  # as above
                    brake.pull(error)

            telling = asyncio.ensure_future(tell_now_and_then())
            try:
                await asyncio.gather(*(work() for _ in range(sum(m.model.limits.concurrency for m in pool))))
            finally:
                telling.cancel()
        await ledger.settle()
        return tally

    return waiting.run(
        ask, lambda: say("interrupted: waiting for the calls in flight, which are paid; Ctrl-C again stops at once")
    )


def dispatch_batches(
    jobs: Callable[[], Iterable[Job]],
    pool: Sequence[Member],
    ledger: Ledger,
    retries: int,
    budget: int | None,
    tell: Callable[[Tally], None],
    say: Callable[[str], None],
) -> Tally:
    """The same through the members' batch APIs: round after round, until one answers nothing.

    `jobs` gives all jobs, for each round anew. A row is asked at the first member of its order alone. `tell` hears of
    calls, not of rows: what a row still needs is known when a round is over. Ctrl-C detaches; the same call collects.
    """
    tally = Tally()

    def wanted(at: int) -> Iterator[tuple[str, Request]]:
        for row, tasks in jobs():
            asks = advance(row, tasks, order(row["id"], pool), pool, ledger, [])
            if not isinstance(asks, Result) and asks[0].member == at:
                yield asks[0].key, asks[0].request

    async def ask(brake: Brake) -> Tally:
        open_ones: dict[int, Sequence[Remote]] = {}

        def look(at: int, batches: Sequence[Remote]) -> None:
            open_ones[at] = batches
            tally.in_flight = sum(b.total - b.completed - b.failed for remotes in open_ones.values() for b in remotes)
            tell(tally)

        async def member(at: int) -> Batched:
            return await run_batches(
                wanted(at), pool[at], ledger, retries, budget, brake.pause, say, lambda batches: look(at, batches)
            )

        while True:
            rounds = await asyncio.gather(*(member(at) for at in range(len(pool))), return_exceptions=True)
            done = [came_to for came_to in rounds if isinstance(came_to, Batched)]
            tally.calls += sum(batched.answered for batched in done)
            tally.failed = sum(batched.failed for batched in done)
            for came_to in rounds:  # only now: what the other members had open is collected
                if isinstance(came_to, BaseException) and not isinstance(came_to, Stopped):
                    raise came_to
            if brake.pulled or not any(batched.answered for batched in done):
                break
        await ledger.settle()
        return tally

    return waiting.run(ask, lambda: say("interrupted: the batches go on; the same command collects them"))


async def _complete(
    row: Mapping[str, Any], tasks: Sequence[Task[Any]], pool: Sequence[Member], ledger: Ledger, caller: Caller
) -> bool:
    """Whether the row's task has all its answers now."""
    places = order(row["id"], pool)
    answers: list[tuple[int, Answer]] = []
    while not isinstance(asks := advance(row, tasks, places, pool, ledger, answers), Result):
        try:
            answers.append(await caller.answer(asks))
        except CallFault:
            return False
    return True

"""The loop that asks: tasks in, committed answers out. Nothing else is returned.

What the answers mean is read from the ledger afterwards (`pool.replay`), by the same task functions: a finished run,
a resumed run and a rerun that sends nothing go through the same code, and memory does not grow with rows.

The first Ctrl-C (and any error that stops the run) lets the calls in flight end and be committed, since they are
paid; a second one stops at once.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from plugdata.calls import client
from plugdata.calls.caller import Caller, Tally
from plugdata.calls.endpoint import Endpoint
from plugdata.calls.faults import CallFault, Stopped
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, advance, order
from plugdata.calls.waiting import Brake
from plugdata.wire import Answer, Result, Task, read_answer

Job = tuple[Mapping[str, Any], Sequence[Task[Any]]]
"""A row (its `id` among the columns) and its task for each member of the pool."""


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
    stoppers: list[Callable[[], object]] = []

    async def ask() -> Tally:
        tally = Tally()
        queue = iter(jobs)
        brake = Brake()
        loop = asyncio.get_running_loop()
        stoppers.append(lambda: loop.call_soon_threadsafe(brake.pull))
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

            def interrupted() -> None:
                brake.pull()
                say("interrupted: waiting for the calls in flight, which are paid; Ctrl-C again stops at once")

            with _ctrl_c(interrupted):
                await asyncio.gather(*(work() for _ in range(sum(m.model.limits.concurrency for m in pool))))
        ledger.flush()
        if brake.pulled:
            raise brake.cause or KeyboardInterrupt
        return tally

    return _run(ask, stoppers)


async def _complete(
    row: Mapping[str, Any], tasks: Sequence[Task[Any]], pool: Sequence[Member], ledger: Ledger, caller: Caller
) -> bool:
    """Whether the row's task has all its answers now."""
    places = order(row["id"], pool)
    answers: list[tuple[int, Answer]] = []
    while not isinstance(asks := advance(row, tasks, places, pool, ledger, answers), Result):
        try:
            at, body = await caller.body(asks)
        except CallFault:
            return False
        answers.append((at, read_answer(body)))
    return True


def _run(ask: Callable[[], Coroutine[Any, Any, Tally]], stoppers: list[Callable[[], object]]) -> Tally:
    """What `ask` returns, run in this thread, or in one of its own where an event loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ask())
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        running = own_thread.submit(asyncio.run, ask())
        try:
            return running.result()
        except KeyboardInterrupt:
            for stop in stoppers:
                stop()
            raise


@contextmanager
def _ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `stop`; the second is Python's own. Only the main thread hears of it."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop()

    loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)

"""The loop that asks: tasks in, committed answers out. Nothing else is returned.

What the answers mean is read from the ledger afterwards (`replay`), by the same task functions: a finished run, a
resumed run and a rerun that sends nothing go through the same code, and memory does not grow with rows.

The first Ctrl-C (and any error that stops the run) lets the calls in flight end and be committed, since they are
paid; a second one stops at once.
"""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from plugdata.calls import client, retry
from plugdata.calls.ledger import Ledger, Stored
from plugdata.calls.limiter import Limiter
from plugdata.errors import PlugdataError
from plugdata.recipe import Model
from plugdata.wire import Answer, R, Request, Result, Task, read_answer

Job = tuple[Mapping[str, Any], Task[Any]]


@dataclass
class Tally:
    """How far a dispatch is: rows done, calls sent and answered, rows whose call failed, tries repeated."""

    done: int = 0
    calls: int = 0
    failed: int = 0
    retries: int = 0


class Missing(NamedTuple):
    """A replay that lacks an answer: the key, and the (class, message) of its latest error if there is one."""

    key: str
    error: tuple[str, str] | None


def replay(row: Mapping[str, Any], task: Task[R], ledger: Ledger, served_as: str) -> tuple[Result[R] | Missing, int]:
    """What a task comes to on the answers in the ledger alone, and how many it used. Sends nothing."""
    answers: list[Answer] = []
    while isinstance(step := task(row, answers), Request):
        key = step.key(served_as)
        body = ledger.body(key)
        if body is None:
            return Missing(key, ledger.last_error(key)), len(answers)
        answers.append(read_answer(body))
    return step, len(answers)


def dispatch(
    jobs: Iterable[Job], model: Model, served_as: str, ledger: Ledger, retries: int, tell: Callable[[Tally], None]
) -> Tally:
    """Ask until every job has its Result or has failed; every answer is committed on the way.

    Raises CallError (quota, auth, model, endpoint) or CorpusError (the ledger) after the calls in flight are
    committed; KeyboardInterrupt likewise. Works inside a running event loop too (a notebook), which it blocks.
    """
    work = _dispatch(jobs, model, served_as, ledger, retries, tell)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        return own_thread.submit(asyncio.run, work).result()


async def _dispatch(
    jobs: Iterable[Job], model: Model, served_as: str, ledger: Ledger, retries: int, tell: Callable[[Tally], None]
) -> Tally:
    tally = Tally()
    queue = iter(jobs)
    async with client.connect(model) as endpoint:
        caller = _Caller(endpoint, client.endpoint_name(model), model, served_as, ledger, retries)

        async def work() -> None:
            for row, task in queue:
                if caller.stopping:
                    return
                if not await caller.complete(row, task):
                    tally.failed += 1
                tally.done += 1
                tally.calls, tally.retries = caller.n_answered, caller.health.retries
                tell(tally)

        with _ctrl_c(caller.stop):
            async with asyncio.TaskGroup() as group:
                for _ in range(model.limits.concurrency):
                    group.create_task(work())
    ledger.flush()
    if caller.stopping:
        raise caller.cause or KeyboardInterrupt
    return tally


class _Caller:
    """Answers requests: from the ledger, from a call in flight for the same key, or from the endpoint."""

    def __init__(
        self, endpoint: client.Endpoint, name: str, model: Model, served_as: str, ledger: Ledger, retries: int
    ) -> None:
        self._endpoint = endpoint
        self._served_as = served_as
        self._ledger = ledger
        self._retries = retries
        self._limiter = Limiter(model.limits.rpm, model.limits.concurrency)
        self._in_flight: dict[str, asyncio.Future[str]] = {}
        self.health = retry.Health(name, stopping=lambda: self.stopping)
        self.stopping = False
        self.cause: PlugdataError | None = None
        self.n_answered = 0

    def stop(self, cause: PlugdataError | None = None) -> None:
        """Start nothing new."""
        self.stopping = True
        self.cause = self.cause or cause

    async def complete(self, row: Mapping[str, Any], task: Task[Any]) -> bool:
        """Whether the row's task has all its answers now."""
        answers: list[Answer] = []
        while isinstance(step := task(row, answers), Request):
            if self.stopping:
                return False
            try:
                answers.append(read_answer(await self._body(step)))
            except retry.CallFault:
                return False
            except PlugdataError as error:
                self.stop(error)
                return False
        return True

    async def _body(self, request: Request) -> str:
        key = request.key(self._served_as)
        if (body := self._ledger.body(key)) is not None:
            return body
        if (twin := self._in_flight.get(key)) is not None:
            return await asyncio.shield(twin)
        mine = self._in_flight[key] = asyncio.ensure_future(self._call(key, request))
        try:
            return await mine
        finally:
            del self._in_flight[key]

    async def _call(self, key: str, request: Request) -> str:
        loop = asyncio.get_running_loop()
        seconds = 0.0

        async def send() -> str:
            nonlocal seconds
            async with self._limiter.slot():
                if self.stopping:
                    raise retry.CallFault(retry.Fault.TIMEOUT, "the run is stopping")
                sent_at = loop.time()
                body = await self._endpoint.send(request)
                seconds = loop.time() - sent_at
                return body

        try:
            body = await retry.ask(send, self.health, self._retries, self._limiter.cool_down)
        except retry.CallFault as fault:
            if fault.kind not in retry.OF_THE_TEXT:
                self._ledger.note_error(key, fault.kind, str(fault), _now())
                raise
            body = json.dumps({"plugdata_fault": retry.OF_THE_TEXT[fault.kind], "message": str(fault)})
        await self._ledger.put(Stored(key, request, self._served_as, body, seconds, _now()))
        self.n_answered += 1
        return body


@contextmanager
def _ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `stop`; the second is asyncio's own and cancels. Only the main thread hears of it."""
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

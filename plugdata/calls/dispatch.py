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
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from plugdata.calls import client, retry
from plugdata.calls.ledger import Ledger, Stored
from plugdata.calls.limiter import Limiter
from plugdata.recipe import Model
from plugdata.wire import Answer, R, Request, Result, Task, read_answer

Job = tuple[Mapping[str, Any], Task[Any]]

WORTH_SAYING_S = 10.0
"""A wait from which people are told what is waited for."""


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
    jobs: Iterable[Job],
    model: Model,
    served_as: str,
    ledger: Ledger,
    retries: int,
    tell: Callable[[Tally], None],
    say: Callable[[str], None],
) -> Tally:
    """Ask until every job has its Result or has failed; every answer is committed on the way.

    `tell` hears how far it is, `say` gets a line when something makes people wait. Raises CallError (quota, auth,
    model, endpoint) or CorpusError (the ledger) after the calls in flight are committed; KeyboardInterrupt likewise.
    Works inside a running event loop too (a notebook), which it blocks.
    """
    stoppers: list[Callable[[], object]] = []

    async def ask() -> Tally:
        tally = Tally()
        queue = iter(jobs)
        loop = asyncio.get_running_loop()
        async with client.connect(model) as endpoint:
            caller = _Caller(endpoint, client.endpoint_name(model), model, served_as, ledger, retries, say)
            stoppers.append(lambda: loop.call_soon_threadsafe(caller.stop))

            async def work() -> None:
                try:
                    for row, task in queue:
                        if caller.stopping:
                            return
                        if not await caller.complete(row, task):
                            tally.failed += 1
                        tally.done += 1
                        tally.calls, tally.retries = caller.n_answered, caller.health.retries
                        tell(tally)
                except Exception as error:  # whatever it is, the other workers' calls are paid and must be committed
                    caller.stop(error)

            def interrupted() -> None:
                caller.stop()
                say("interrupted: waiting for the calls in flight, which are paid; Ctrl-C again stops at once")

            with _ctrl_c(interrupted):
                await asyncio.gather(*(work() for _ in range(model.limits.concurrency)))
        ledger.flush()
        if caller.stopping:
            raise caller.cause or KeyboardInterrupt
        return tally

    return _run(ask, stoppers)


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


class _Caller:
    """Answers requests: from the ledger, from a call in flight for the same key, or from the endpoint."""

    def __init__(
        self,
        endpoint: client.Endpoint,
        name: str,
        model: Model,
        served_as: str,
        ledger: Ledger,
        retries: int,
        say: Callable[[str], None],
    ) -> None:
        self._endpoint = endpoint
        self._served_as = served_as
        self._ledger = ledger
        self._retries = retries
        self._say = say
        self._limiter = Limiter(model.limits.rpm, self._pause)
        self._in_flight: dict[str, asyncio.Future[str]] = {}
        self._stop = asyncio.Event()
        self.health = retry.Health(name)
        self.cause: Exception | None = None
        self.n_answered = 0

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self, cause: Exception | None = None) -> None:
        """Send nothing new, and wake all that wait to."""
        if not self.stopping:
            self.cause = cause
        self._stop.set()

    async def complete(self, row: Mapping[str, Any], task: Task[Any]) -> bool:
        """Whether the row's task has all its answers now."""
        answers: list[Answer] = []
        while isinstance(step := task(row, answers), Request):
            try:
                answers.append(read_answer(await self._body(step)))
            except (retry.CallFault, retry.Stopped):
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
            await self._limiter.turn()
            if self.stopping:
                raise retry.Stopped
            sent_at = loop.time()
            body = await self._endpoint.send(request)
            seconds = loop.time() - sent_at
            return body

        try:
            body = await retry.ask(send, self.health, self._retries, self._cool_down, self._pause)
        except retry.CallFault as fault:
            if fault.kind not in retry.OF_THE_TEXT:
                self._ledger.note_error(key, fault.kind, str(fault), _now())
                raise
            body = json.dumps({"plugdata_fault": retry.OF_THE_TEXT[fault.kind], "message": str(fault)})
        await self._ledger.put(Stored(key, request, self._served_as, body, seconds, _now()))
        self.n_answered += 1
        return body

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the run is stopping: then raise Stopped at once."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
        raise retry.Stopped

    def _cool_down(self, seconds: float) -> None:
        if seconds >= WORTH_SAYING_S:
            self._say(f"{self.health.name}: rate limited, waiting {seconds:.0f} s")
        self._limiter.cool_down(seconds)


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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

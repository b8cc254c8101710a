"""A run and its brake: Ctrl-C, and every pause that a stop must end."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from plugdata.calls.faults import Stopped

T = TypeVar("T")


class Brake:
    """Whether a run is stopping, and why. Belongs to one event loop."""

    def __init__(self) -> None:
        self._pulled = asyncio.Event()
        self.cause: Exception | None = None

    @property
    def pulled(self) -> bool:
        return self._pulled.is_set()

    def pull(self, cause: Exception | None = None) -> None:
        """Send nothing new, and wake all that wait to. The first cause counts; None is a person's wish."""
        if not self.pulled:
            self.cause = cause
        self._pulled.set()

    async def pause(self, seconds: float) -> None:
        """Sleep so long. Raises Stopped as soon as the run is stopping."""
        try:
            await asyncio.wait_for(self._pulled.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped

    async def until(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Wait for an event, so long (s) at most. Raises Stopped as soon as the run is stopping."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._pulled.wait())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.pulled:
            raise Stopped


def run(work: Callable[[Brake], Coroutine[Any, Any, T]], interrupted: Callable[[], object]) -> T:
    """What `work` gives, in an event loop of its own; inside a running one (a notebook), which it blocks, too.

    The first Ctrl-C pulls the brake and calls `interrupted`, and `work` ends as it sees fit; the second is Python's
    own. Once the brake is pulled, its cause is raised when `work` is done, KeyboardInterrupt where that is a person.
    """
    stoppers: list[Callable[[], object]] = []

    async def braked() -> T:
        brake, loop = Brake(), asyncio.get_running_loop()
        stoppers.append(lambda: loop.call_soon_threadsafe(brake.pull))

        def stop() -> None:
            brake.pull()
            interrupted()

        with _ctrl_c(stop):
            done = await work(brake)
        if brake.pulled:
            raise brake.cause or KeyboardInterrupt
        return done

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(braked())
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        running = own_thread.submit(asyncio.run, braked())
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

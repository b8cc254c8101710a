"""Waiting that a stop ends: every pause of a run goes through its Brake."""

import asyncio

from plugdata.calls.faults import Stopped


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

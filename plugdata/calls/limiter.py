"""When the next call may go: requests in flight, requests a minute, and an endpoint's cool-down.

The minute is a sliding window over the times of sending, not a clock minute, so no boundary lets two minutes' worth
through at once. One limiter an endpoint. Knows nothing of what is sent.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

WINDOW_S = 60.0
"""A "minute" of requests a minute."""


class Limiter:
    """Holds calls back until the limits let them go. `rpm` None: no limit on requests a minute."""

    def __init__(self, rpm: int | None, concurrency: int) -> None:
        self._rpm = rpm
        self._in_flight = asyncio.Semaphore(concurrency)
        self._gate = asyncio.Lock()
        self._sent: deque[float] = deque()
        self._closed_until = 0.0

    def cool_down(self, seconds: float) -> None:
        """Send nothing for so long (s)."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place among the calls in flight, entered when sending is allowed."""
        async with self._in_flight:
            async with self._gate:  # one at a time, first come first served
                while (wait := self._wait_s()) > 0:
                    await asyncio.sleep(wait)
                self._sent.append(asyncio.get_running_loop().time())
            yield

    def _wait_s(self) -> float:
        now = asyncio.get_running_loop().time()
        while self._sent and self._sent[0] <= now - WINDOW_S:
            self._sent.popleft()
        wait = self._closed_until - now
        if self._rpm is not None and len(self._sent) >= self._rpm:
            wait = max(wait, self._sent[0] + WINDOW_S - now)
        return wait

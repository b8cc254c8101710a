"""When the next call may go: requests a minute, and an endpoint's cool-down.

The minute is a sliding window over the times of sending, not a clock minute, so no boundary lets two minutes' worth
through at once. One limiter an endpoint. Knows nothing of what is sent; how many calls are in flight is the number of
workers in dispatch.py.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

WINDOW_S = 60.0
"""A "minute" of requests a minute."""


class Limiter:
    """Holds calls back until they may go. `rpm` None: no limit. `pause` sleeps (s), and may raise to end the wait."""

    def __init__(self, rpm: int | None, pause: Callable[[float], Awaitable[None]]) -> None:
        self._rpm = rpm
        self._pause = pause
        self._gate = asyncio.Lock()
        self._sent: deque[float] = deque()
        self._closed_until = 0.0

    def cool_down(self, seconds: float) -> None:
        """Send nothing for so long (s)."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    async def turn(self) -> None:
        """Returns when a call may be sent, first come first served, and counts it as sent."""
        async with self._gate:
            while (wait := self._wait_s()) > 0:
                await self._pause(wait)
            self._sent.append(asyncio.get_running_loop().time())

    def _wait_s(self) -> float:
        now = asyncio.get_running_loop().time()
        while self._sent and self._sent[0] <= now - WINDOW_S:
            self._sent.popleft()
        wait = self._closed_until - now
        if self._rpm is not None and len(self._sent) >= self._rpm:
            wait = max(wait, self._sent[0] + WINDOW_S - now)
        return wait

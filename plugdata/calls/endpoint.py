"""One endpoint at work: its client, its limits and its health, as one thing that answers requests.

Calls wait here for their turn, first come first served; what comes back teaches limits and health. Knows nothing of
rows or of other endpoints.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from plugdata.calls import headers, retry
from plugdata.calls.client import Client, Reply
from plugdata.calls.faults import CallFault, Elsewhere, Fault, Stopped
from plugdata.calls.limiter import Limiter, Ticket
from plugdata.calls.waiting import Brake
from plugdata.errors import CallError
from plugdata.recipe import Limits
from plugdata.wire import Answer, Request

WORTH_SAYING_S = 10.0
"""A wait from which people are told what is waited for."""
BEYOND_A_MINUTE_S = 120.0
"""A wait for the limits themselves of which people are told: a minute's come and go, a day's is news."""
ASIDE_S = 60.0
"""How long an endpoint of a pool that gave up is set aside at first (a rate window); each time again, twice as long."""
ASIDE_MAX_S = 960.0


class Endpoint:
    """Answers requests. `say` gets a line when something makes people wait; `faults` counts what went wrong.

    An endpoint that is not `alone` is set aside for a while when it gives up, and refuses calls meanwhile.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        limits: Limits,
        brake: Brake,
        faults: Counter[str],
        say: Callable[[str], None],
        *,
        alone: bool,
    ) -> None:
        self.health = retry.Health(name)
        self.limiter = Limiter(limits, random.Random())
        self._client = client
        self._brake = brake
        self._faults = faults
        self._say = say
        self._alone = alone
        self._gave_up: CallError | None = None
        self._aside_until = 0.0
        self._aside_s = ASIDE_S
        self._gate = asyncio.Lock()
        self._ended = asyncio.Event()
        self._said_until = 0.0

    async def call(
        self,
        request: Request,
        n_tokens: int,
        retries: int,
        is_better_elsewhere: Callable[[], bool],
        before: Callable[[], Awaitable[None]],
        failed: Callable[[CallFault], None],
    ) -> tuple[Reply, float]:
        """The reply, and the seconds it took. `before` is awaited ahead of every try, `failed` hears of every fault.

        Raises CallFault when the policy has no more tries, CallError when the endpoint is of no use any more, Stopped,
        and Elsewhere in place of a wait if it `is_better_elsewhere`.
        """

        async def attempt() -> tuple[Reply, float]:
            await before()
            ticket = await self._turn(n_tokens, is_better_elsewhere)
            sent_at = asyncio.get_running_loop().time()
            try:
                reply = await self._client.send(request)
            except CallFault as fault:
                failed(fault)
                self._refused(ticket, fault)
                raise
            now = asyncio.get_running_loop().time()
            self._answered(now, ticket, reply.answer, headers.read(reply.headers, time.time()))
            return reply, now - sent_at

        return await retry.ask(
            attempt,
            retries,
            lambda fault: self.health.is_reaching(fault),
            lambda fault: headers.read(fault.headers, time.time()).retry_after_s,
            self._brake.pause,
        )

    def is_down(self) -> bool:
        """Whether the endpoint is not to be asked for now: it gave up, or its circuit is open and no probe due."""
        is_probed = self.limiter.in_flight or asyncio.get_running_loop().time() < self.health.probe_at
        return self._is_aside() or (self.health.broken and bool(is_probed))

    def busy_for(self, n_tokens: int) -> float:
        """Seconds until a call of so many tokens may go; infinite where that takes the end of another."""
        return self.limiter.wait_s(asyncio.get_running_loop().time(), n_tokens)

    def _is_aside(self) -> bool:
        return asyncio.get_running_loop().time() < self._aside_until

    async def _turn(self, n_tokens: int, is_better_elsewhere: Callable[[], bool]) -> Ticket:
        loop = asyncio.get_running_loop()
        async with self._gate:
            while not self._brake.pulled:
                now = loop.time()
                if self._gave_up and self._is_aside():
                    raise self._gave_up
                wait = self.limiter.wait_s(now, n_tokens)
                if self.health.broken:
                    wait = max(wait, self.health.probe_at - now, math.inf if self.limiter.in_flight else 0.0)
                if wait <= 0:
                    return self.limiter.sent(now, n_tokens)
                if is_better_elsewhere():
                    raise Elsewhere
                if math.isinf(wait):
                    self._ended.clear()
                    await self._brake.until(self._ended)
                else:
                    if wait >= BEYOND_A_MINUTE_S:
                        self._tell_wait(now, wait, "its limits leave no room")
                    await self._brake.pause(wait)
        raise Stopped

    def _answered(self, now: float, ticket: Ticket, answer: Answer, seen: headers.Seen) -> None:
        used = (answer.prompt_tokens, answer.completion_tokens)
        n_tokens = None if None in used else sum(n or 0 for n in used)
        self.limiter.answered(now, ticket, n_tokens, answer.completion_tokens, seen)
        self.health.good()
        self._aside_s = ASIDE_S
        self._ended.set()

    def _refused(self, ticket: Ticket, fault: CallFault) -> None:
        """Teach limits and health what a fault says. Raises the CallError that ends the endpoint's use."""
        now = asyncio.get_running_loop().time()
        seen = headers.read(fault.headers, time.time())
        match fault.kind:
            case Fault.RATE_LIMIT:
                self.limiter.limited(now, ticket, seen.retry_after_s, seen)
                self._tell_wait(now, self.limiter.closed_for(now), "rate limited")
            case Fault.TIMEOUT:
                self.limiter.timed_out(now, ticket)
            case _:
                self.limiter.failed(now, ticket)
        self._ended.set()
        self._faults[fault.kind] += 1
        try:
            self.health.bad(fault, seen.retry_after_s, now)
        except CallError as error:
            if not self._alone and not self._is_aside():
                self._set_aside(now, error)
            raise

    def _set_aside(self, now: float, error: CallError) -> None:
        self._gave_up = error
        self._aside_until = now + self._aside_s
        self._say(f"{error}; set aside for {self._aside_s:.0f} s")
        self._aside_s = min(ASIDE_MAX_S, 2 * self._aside_s)
        self.health = retry.Health(self.health.name)

    def _tell_wait(self, now: float, seconds: float, why: str) -> None:
        if seconds >= WORTH_SAYING_S and now >= self._said_until:
            self._said_until = now + seconds
            self._say(f"{self.health.name}: {why}, waiting {seconds:,.0f} s")

"""What is done about a fault: one class, one treatment, one owner of retries.

tenacity runs the policy that stands here:

    quota, auth, model          stop the run (in a pool: set the endpoint aside)
    rate-limit                  hold the endpoint's calls back (limiter), then again; not counted as a try
    unreachable                 the same, but for REACH_S until the endpoint has replied once: then as above
    timeout, connection,        again after a jittered, growing wait, up to `retries` times; then the row is `failed`.
      server, bad-body          BREAK_AFTER of them in a row, with no answer in between, open the circuit: calls go one
                                at a time, ever further apart, until one is answered or PATIENCE_S is over
    content-filter,             the text's own fault: noted as an answer, never asked again
      context-length
    rejected (other 400s)       as quota if it comes before the first success or five times in a row (a parameter
                                that the model does not take would else cost every row); else the row is `failed`

Knows nothing of rows, ledger or tasks.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from plugdata.calls.faults import PASSING, RETRYABLE, CallFault, Fault
from plugdata.errors import AuthError, EndpointError, ModelNotFound, QuotaExhausted

T = TypeVar("T")

REACH_S = 3.0
"""An endpoint that never answered is given up after this long: a restart's blink, and no more: who types a
wrong address hears of it within 10 s."""
WAIT_FIRST_S = 1.0
"""Ceiling of the first jittered wait; it doubles from there."""
WAIT_MAX_S = 60.0
"""Ceiling of the growing wait: the length of a rate window."""
PATIENCE_S = 600.0
"""Rate limits or failures without one success in between stop the run after this long: a minute's window reopens, and
a server that loads a large model is back, long before."""
REJECTED_IN_A_ROW = 5
"""Requests that an endpoint refuses one after the other: it is the recipe that is wrong, not the rows."""
BREAK_AFTER = 10
"""Failures in a row that are no chance any more: at one in five calls failing, once in ten million."""


@dataclass
class Health:
    """What an endpoint has shown so far in this run. Times are the event loop's, in seconds."""

    name: str
    replied: bool = False  # by any HTTP response at all
    answered: bool = False
    unreached_since: float | None = None
    limited_since: float | None = None
    failing_since: float | None = None
    failed_in_a_row: int = 0
    rejected_in_a_row: int = 0
    probe_at: float = 0.0  # when an open circuit lets its next call through

    @property
    def broken(self) -> bool:
        """Whether the circuit is open: one call at a time."""
        return self.failed_in_a_row >= BREAK_AFTER

    def good(self) -> None:
        self.replied = self.answered = True
        self.limited_since = self.failing_since = self.unreached_since = None
        self.failed_in_a_row = self.rejected_in_a_row = 0

    def bad(self, fault: CallFault, wait_s: float | None, now: float) -> None:
        """Note a fault, and how long it asks to wait. Raises the CallError that ends the endpoint's use, if any."""
        self.replied |= fault.kind not in (Fault.UNREACHABLE, Fault.CONNECTION, Fault.TIMEOUT)
        if fault.kind in PASSING and not self.is_reaching(fault):
            self.failing_since = now if self.failing_since is None else self.failing_since
            if not self.broken or now >= self.probe_at:  # else it was sent before the circuit opened: no probe
                self.failed_in_a_row += 1
                self.probe_at = now + growing_s(self.failed_in_a_row - BREAK_AFTER) if self.broken else now
        match fault.kind:
            case Fault.QUOTA:
                raise QuotaExhausted(f"{self.name}: {fault}", "top the account up and rerun: answers so far are kept")
            case Fault.AUTH:
                raise AuthError(f"{self.name}: {fault}", "check the key in the variable that `api_key_env` names")
            case Fault.MODEL:
                raise ModelNotFound(f"{self.name}: {fault}", "check `model` against the endpoint's list of models")
            case Fault.UNREACHABLE if not self.replied:
                self.unreached_since = now if self.unreached_since is None else self.unreached_since
                if now - self.unreached_since >= REACH_S:
                    raise EndpointError(
                        f"{self.name} cannot be reached: {fault}", "check `base_url`, and that it is running"
                    )
            case Fault.RATE_LIMIT:
                self.limited_since = now if self.limited_since is None else self.limited_since
                if max(now - self.limited_since, wait_s or 0) > PATIENCE_S:
                    raise QuotaExhausted(
                        f"{self.name}: rate limited for more than {PATIENCE_S:.0f} s ({fault})",
                        "rerun later: answers so far are kept",
                    )
            case Fault.REJECTED if fault.of_room and self.answered:
                fault.kind = Fault.CONTEXT_LENGTH
            case Fault.REJECTED:
                self.rejected_in_a_row += 1
                if not self.answered or self.rejected_in_a_row >= REJECTED_IN_A_ROW:
                    raise EndpointError(
                        f"{self.name} rejects the request: {fault}", "check `params` against its manual"
                    )
        if self.broken and self.failing_since is not None and now - self.failing_since > PATIENCE_S:
            raise EndpointError(
                f"{self.name} has answered nothing for {PATIENCE_S:.0f} s: {fault}",
                "rerun when it is back: answers so far are kept",
            )

    def is_reaching(self, fault: CallFault) -> bool:
        """Whether a fault is a try to reach an endpoint that never replied."""
        return fault.kind is Fault.UNREACHABLE and not self.replied


def growing_s(n: int) -> float:
    """The ceiling of the wait after the n-th failure, from 0."""
    return min(WAIT_MAX_S, WAIT_FIRST_S * 2.0 ** min(n, 30))


async def ask(
    attempt: Callable[[], Awaitable[T]],
    retries: int,
    is_reaching: Callable[[CallFault], bool],
    asked_wait_s: Callable[[CallFault], float | None],
    pause: Callable[[float], Awaitable[None]],
) -> T:
    """What `attempt` gives, after as many tries as the policy allows. Waits are `pause`'s (s).

    `is_reaching`: whether a fault is a try to reach an endpoint that never replied (see Health).
    Raises CallFault when the tries are used up or the fault is not one to retry, and what else `attempt` and `pause`
    raise to end it.
    """
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

    n_passing = 0

    def fault_of(state: RetryCallState) -> CallFault:
        fault = state.outcome.exception() if state.outcome else None
        assert isinstance(fault, CallFault)
        return fault

    def again(error: BaseException) -> bool:
        return isinstance(error, CallFault) and error.kind in RETRYABLE

    def wait(state: RetryCallState) -> float:
        fault = fault_of(state)
        if fault.kind is Fault.RATE_LIMIT:
            return 0.0  # the limiter holds every call of the endpoint back, this one too
        waiting = max(random.random() * growing_s(n_passing), min(asked_wait_s(fault) or 0.0, PATIENCE_S))
        return min(waiting, REACH_S / 3) if is_reaching(fault) else waiting

    def used_up(state: RetryCallState) -> bool:
        nonlocal n_passing
        n_passing += fault_of(state).kind in PASSING and not is_reaching(fault_of(state))
        return n_passing > retries

    try:
        return await attempt()  # nearly every call ends here; tenacity takes 0.1 ms to begin
    except CallFault as first:
        faults = [first]

    async def again_or_first() -> T:
        if faults:
            raise faults.pop()
        return await attempt()

    retrying = AsyncRetrying(retry=retry_if_exception(again), wait=wait, stop=used_up, sleep=pause, reraise=True)
    async for tried in retrying:
        with tried:
            return await again_or_first()
    raise AssertionError("tenacity either returns or raises")

"""What an endpoint's refusal means, and what is done about it: one class, one treatment, one owner of retries.

The openai client retries nothing (`max_retries=0`); tenacity runs the policy that stands here:

    quota, auth, model          stop the run
    rate-limit                  cool the endpoint down (Retry-After if it says so), then again; not counted as a try
    unreachable                 the same, but for REACH_S until the endpoint has replied once: then the run stops
    timeout, connection,        again after a jittered, growing wait, up to `retries` times; then the row is `failed`
      server, bad-body
    content-filter,             the text's own fault: noted as an answer, never asked again
      context-length
    rejected (other 400s)       the run stops if it comes before the first success or five times in a row (a
                                parameter the model does not take would else cost every row); else the row is `failed`

Knows nothing of rows, ledger or tasks.
"""

import asyncio
import email.utils
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from plugdata.errors import AuthError, CallError, EndpointError, ModelNotFound, QuotaExhausted
from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH

REACH_S = 3.0
"""An endpoint that never answered is given up after this long: a restart's blink, well within DESIGN §3's 10 s."""
WAIT_FIRST_S = 1.0
"""Ceiling of the first jittered wait; it doubles from there."""
PATIENCE_S = 600.0
"""Rate limits without one success in between stop the run after this long: a minute's window reopens long before."""
REJECTED_IN_A_ROW = 5
"""DESIGN §3."""
WAIT_MAX_S = 60.0
"""Ceiling of the growing wait: the length of a rate window."""


class Fault(StrEnum):
    QUOTA = "quota"
    AUTH = "auth"
    MODEL = "model"
    RATE_LIMIT = "rate-limit"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    UNREACHABLE = "unreachable"
    SERVER = "server"
    BAD_BODY = "bad-body"
    CONTENT_FILTER = "content-filter"
    CONTEXT_LENGTH = "context-length"
    REJECTED = "rejected"


PASSING = {Fault.TIMEOUT, Fault.CONNECTION, Fault.UNREACHABLE, Fault.SERVER, Fault.BAD_BODY}
RETRYABLE = PASSING | {Fault.RATE_LIMIT}
OF_THE_TEXT = {Fault.CONTENT_FILTER: CONTENT_FILTER, Fault.CONTEXT_LENGTH: CONTEXT_LENGTH}
"""Faults that are answers, with the finish_reason they are stored as."""


class Stopped(Exception):
    """The run is stopping: this call was not sent."""


class CallFault(Exception):
    """One failed call: its class, the provider's own words, and how long it asks us to wait (s), if it does."""

    def __init__(self, kind: Fault, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait_s = wait_s


def classify(error: Exception) -> CallFault:
    """The class of anything that the openai client or a body's reading raises; re-raises what is not a call's fault."""
    import httpx2
    import openai

    if isinstance(error, openai.APIConnectionError):  # APITimeoutError is one of them
        cause = error.__cause__
        told = str(cause or error) or type(cause).__name__
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError):
            return CallFault(Fault.UNREACHABLE, told)
        if isinstance(error, openai.APITimeoutError):
            return CallFault(Fault.TIMEOUT, "no answer in time")
        return CallFault(Fault.CONNECTION, told)
    if isinstance(error, openai.APIStatusError):
        return classify_status(error.status_code, error.response.text, dict(error.response.headers))
    if isinstance(error, ValueError):
        return CallFault(Fault.BAD_BODY, f"the body is not a chat completion: {error}")
    raise error


def classify_status(status: int, body: str, headers: dict[str, str]) -> CallFault:
    code, message = _provider_words(body)
    says = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    words = f"{code} {message}".lower()
    if "insufficient_quota" in words or status == 402 or "exceeded your current quota" in words:
        return CallFault(Fault.QUOTA, says)
    if status in (401, 403):
        return CallFault(Fault.AUTH, says)
    if status == 429:
        return CallFault(Fault.RATE_LIMIT, says, _retry_after(headers))
    if status in (408, 409, 425) or status >= 500:
        return CallFault(Fault.SERVER, says, _retry_after(headers))
    if status == 404 and "model" in words:
        return CallFault(Fault.MODEL, says)
    if "context_length" in words or "context length" in words or "maximum context" in words:
        return CallFault(Fault.CONTEXT_LENGTH, says)
    if "content_filter" in words or "content management policy" in words or "content_policy" in words:
        return CallFault(Fault.CONTENT_FILTER, says)
    return CallFault(Fault.REJECTED, says)


def _provider_words(body: str) -> tuple[str, str]:
    """(code, message) of an error body of any shape; its first 300 characters where the shape is unknown."""
    try:
        data: Any = json.loads(body)
    except ValueError:
        return "", " ".join(body.split())[:300]
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        return f"{error.get('code') or ''} {error.get('type') or ''}", str(error.get("message") or error)[:300]
    return "", str(error)[:300]


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds that the headers ask to wait (retry-after-ms, retry-after in seconds or as a date), or None."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            seconds = float(milliseconds) / 1000
        elif (said := headers.get("retry-after")) is None:
            return None
        elif said.strip().replace(".", "", 1).isdigit():
            seconds = float(said)
        else:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


@dataclass
class Health:
    """What an endpoint has shown so far in this run. Times are the event loop's, in seconds."""

    name: str
    replied: bool = False  # by any HTTP response at all
    answered: bool = False
    unreached_since: float | None = None
    limited_since: float | None = None
    rejected_in_a_row: int = 0
    retries: int = 0

    def good(self) -> None:
        self.replied = self.answered = True
        self.limited_since, self.rejected_in_a_row = None, 0

    def bad(self, fault: CallFault, now: float) -> None:
        """Note a fault. Raises the CallError that stops the run, where the table above says so."""
        self.replied |= fault.kind not in (Fault.UNREACHABLE, Fault.CONNECTION, Fault.TIMEOUT)
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
                if max(now - self.limited_since, fault.wait_s or 0) > PATIENCE_S:
                    raise QuotaExhausted(
                        f"{self.name}: rate limited for more than {PATIENCE_S:.0f} s ({fault})",
                        "rerun later: answers so far are kept",
                    )
            case Fault.REJECTED:
                self.rejected_in_a_row += 1
                if not self.answered or self.rejected_in_a_row >= REJECTED_IN_A_ROW:
                    raise EndpointError(
                        f"{self.name} rejects the request: {fault}", "check `params` against its manual"
                    )


async def ask(
    send: Callable[[], Awaitable[str]],
    health: Health,
    retries: int,
    cool_down: Callable[[float], None],
    pause: Callable[[float], Awaitable[None]],
) -> str:
    """The body that `send` gets, after as many tries as the policy allows. Waits are `pause`'s (s).

    Raises CallFault when the tries are used up or the fault is not one to retry, CallError when the run must stop,
    and what `pause` and `send` raise to end it.
    """
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

    growing = wait_random_exponential(multiplier=WAIT_FIRST_S, max=WAIT_MAX_S)
    n_passing = 0

    def fault_of(state: RetryCallState) -> CallFault:
        fault = state.outcome.exception() if state.outcome else None
        assert isinstance(fault, CallFault)
        return fault

    def again(error: BaseException) -> bool:
        return isinstance(error, CallFault) and error.kind in RETRYABLE

    def is_reaching(fault: CallFault) -> bool:
        return fault.kind is Fault.UNREACHABLE and not health.replied

    def wait(state: RetryCallState) -> float:
        fault = fault_of(state)
        asked = max(growing(state), fault.wait_s or 0.0)
        if fault.kind is Fault.RATE_LIMIT:
            cool_down(asked)
            return 0.0  # the limiter holds every call of the endpoint back, this one too
        return min(asked, REACH_S / 3) if is_reaching(fault) else asked

    def used_up(state: RetryCallState) -> bool:
        nonlocal n_passing
        n_passing += fault_of(state).kind in PASSING and not is_reaching(fault_of(state))
        return n_passing > retries

    retrying = AsyncRetrying(retry=retry_if_exception(again), wait=wait, stop=used_up, sleep=pause, reraise=True)
    async for attempt in retrying:
        with attempt:
            health.retries += attempt.retry_state.attempt_number > 1
            try:
                body = await send()
            except (CallError, Stopped):
                raise
            except Exception as error:
                fault = error if isinstance(error, CallFault) else classify(error)
                health.bad(fault, asyncio.get_running_loop().time())
                raise fault from error
            health.good()
            return body
    raise AssertionError("tenacity either returns or raises")

"""The limits of a provider: requests and tokens in a window, as its headers tell them; how a server slows under load.

They know the time of arrival and the usual answer of a request, and nothing of sockets.

    limits = rate_limits(rpm=60, style="openai")
    with LlmServer([limits], headers=limits.headers) as limited, LlmServer(latency_s=capacity(8, 0.05)) as own:
        ...
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from tests.servers.llm.faults import rate_limited
from tests.servers.llm.replies import Fault, Reply, Request, is_answerable, usage, usual_answer

Style = Literal["openai", "anthropic", "azure", "none"]
Unit = Literal["requests", "tokens"]


def sliding_window(limit: int, window_s: float) -> Fault:
    """A provider's limit: at most `limit` requests admitted in any `window_s` seconds, 429 with Retry-After beyond."""
    return rate_limits(rpm=limit, window_s=window_s, style="none")


def rate_limits(
    rpm: int | None = None, tpm: int | None = None, window_s: float = 60.0, style: Style = "openai"
) -> RateLimits:
    """A fault that answers 429 beyond `rpm` requests or `tpm` tokens admitted in any `window_s` seconds.

    A request counts with its own tokens and those of its usual answer; one of more than `tpm` is never admitted.
    """
    limits: dict[Unit, int | None] = {"requests": rpm, "tokens": tpm}
    return RateLimits({unit: Window(limit, window_s) for unit, limit in limits.items() if limit is not None}, style)


class RateLimits:
    """A Fault; its `headers`, given to the server as such, tell on every answer how much is left."""

    def __init__(self, windows: Mapping[Unit, Window], style: Style) -> None:
        self._windows, self._style = windows, style

    def __call__(self, request: Request) -> Reply | None:
        asked = [(window, 1 if unit == "requests" else n_used(request)) for unit, window in self._windows.items()]
        wait_s = max((window.wait_s(amount, request.at) for window, amount in asked), default=0.0)
        if wait_s > 0:
            return rate_limited(retry_after_s=math.ceil(wait_s * 1000) / 1000)(request)
        for window, amount in asked:
            window.admit(amount, request.at)
        return None

    def headers(self, request: Request) -> dict[str, str]:
        now = time.monotonic()
        told: dict[str, str] = {}
        for unit, window in self._windows.items():
            left, reset_s = str(window.left(now)), window.reset_s(now)
            if self._style == "openai":
                told[f"x-ratelimit-limit-{unit}"] = str(window.limit)
                told[f"x-ratelimit-remaining-{unit}"] = left
                told[f"x-ratelimit-reset-{unit}"] = go_duration(reset_s)
            elif self._style == "anthropic":
                told[f"anthropic-ratelimit-{unit}-limit"] = str(window.limit)
                told[f"anthropic-ratelimit-{unit}-remaining"] = left
                told[f"anthropic-ratelimit-{unit}-reset"] = rfc3339(time.time() + reset_s)
            elif self._style == "azure":
                told[f"x-ratelimit-remaining-{unit}"] = left
        return told


class Window:
    """What was admitted of one unit in the last `window_s` seconds. Times are of time.monotonic()."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self._window_s = window_s
        self._admitted: deque[tuple[float, int]] = deque()  # when, how much
        self._used = 0

    def wait_s(self, amount: int, now: float) -> float:
        """How long until `amount` more may be admitted; 0 if it may be now."""
        excess = amount - self._free(now)
        if excess <= 0:
            return 0.0
        for at, freed in self._admitted:
            excess -= freed
            if excess <= 0:
                return at + self._window_s - now
        return self._window_s

    def admit(self, amount: int, now: float) -> None:
        self._admitted.append((now, amount))
        self._used += amount

    def left(self, now: float) -> int:
        return max(0, self._free(now))

    def reset_s(self, now: float) -> float:
        """How long until the whole limit is free again."""
        return max(0.0, self._admitted[-1][0] + self._window_s - now) if self._admitted else 0.0

    def _free(self, now: float) -> int:
        while self._admitted and self._admitted[0][0] <= now - self._window_s:
            self._used -= self._admitted.popleft()[1]
        return self.limit - self._used


def n_used(request: Request) -> int:
    """The tokens that the usual answer to `request` is billed."""
    return sum(usage(request, usual_answer(request) if is_answerable(request) else ""))


def go_duration(seconds: float) -> str:
    """Whole milliseconds, rounded up, as Go prints a duration: "20ms", "1.5s", "6m0s", "1h0m30s"."""
    ms = math.ceil(seconds * 1000)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{before}{ms / 1000:g}s"


def rfc3339(timestamp: float) -> str:
    """Whole seconds of UTC, rounded up: "2026-01-31T12:00:00Z"."""
    return datetime.fromtimestamp(math.ceil(timestamp), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def capacity(n: int, seconds: float) -> Callable[[int], float]:
    """The `latency_s` of a server of one's own, which never says 429: `seconds` while at most `n` are in flight.

    Beyond `n` an answer takes the cube of the excess as long, so that what comes out in a second collapses.
    """
    return lambda n_in_flight: seconds * max(1.0, n_in_flight / n) ** 3

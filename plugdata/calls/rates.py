"""What may go of requests or tokens: in a minute, by what headers say remains, and in a day. For limiter.py, which
combines these and knows calls; pure, as it is: time is an argument (seconds, monotonic)."""

import math
from collections import deque

from plugdata.calls.headers import LONG_S, MINUTE_S, Budget

DAY_S = 86_400.0
DAY_STEP_S = 600.0
"""Requests of a day are counted by steps of this: 144 numbers, however many calls; ten minutes of a day too careful."""
CUT = 0.75
"""DataDesigner's factor on a burst's first 429 (FIELD.md §3)."""


class Rate:
    """Requests or tokens: what of them has gone in the last minute, and what more may."""

    def __init__(self, ours: int | None) -> None:
        self.ours = ours
        self.limit: float = math.inf if ours is None else ours
        self.own = 0  # in the window
        self.total = 0  # ever
        self.cap = math.inf  # of `own`, by what headers say remains
        self.left = math.inf  # of a longer limit
        self.left_until = 0.0
        self.due: float | None = None  # when the next would be due at an even pace

    def pace_s(self, now: float, n: float, span: float, burst: float) -> float:
        return 0.0 if self.due is None else self.due - now - max(0.0, burst - n * span / self.limit)

    def take(self, now: float, n: int, span: float, burst: float) -> None:
        self.own += n
        self.total += n
        self.left -= n
        if self.limit < math.inf:
            cost = n * span / self.limit
            due = now + max(0.0, burst - cost) if self.due is None else max(self.due, now)
            self.due = min(due + cost, now + span)  # a call above the whole limit waits a minute, not several

    def correct(self, n: int, span: float) -> None:
        self.own += n
        self.left -= n
        if self.due is not None:
            self.due += n * span / self.limit

    def learn(self, now: float, said: Budget, own_then: int, total_then: int, refused: bool) -> None:
        if said.limit is not None and said.window_s is not None and said.window_s < LONG_S:
            told = max(1.0, said.limit * MINUTE_S / said.window_s)
            self.limit = told if self.ours is None else min(self.ours, told)
        if said.remaining is None:
            return
        if max(said.reset_s or 0.0, said.window_s or 0.0) > LONG_S:
            self.left = said.remaining - (self.total - total_then)
            self.left_until = now + (said.reset_s or math.inf)
        else:
            shared = said.limit is not None and said.limit - said.remaining > self.own
            # Where it is ours alone, doubt is in our favour: some count what remains as a call ends, not as it comes.
            self.cap = said.remaining + (own_then if shared else max(own_then, self.own))
            if refused and said.remaining == 0:  # how far above the limit we are is not said: the next answer tells
                self.cap *= CUT


class Day:
    """Requests of the last 24 hours."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._steps: deque[list[int]] = deque()  # [step, requests sent in it]
        self._n = 0

    def wait_s(self, now: float) -> float:
        while self._steps and (self._steps[0][0] + 1) * DAY_STEP_S + DAY_S <= now:
            self._n -= self._steps.popleft()[1]
        return 0.0 if self._n < self._limit else (self._steps[0][0] + 1) * DAY_STEP_S + DAY_S - now

    def add(self, at: float, n: int) -> None:
        step = math.floor(at / DAY_STEP_S)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append([step, 0])
        self._steps[-1][1] += n
        self._n += n

"""When the next call may go to an endpoint: its rates, its cool-down, and how many calls it bears at once.

Pure: time is an argument (seconds, monotonic), so is chance; how one waits is endpoint.py's. `sent` notes each call
that goes, and one of `answered`, `limited`, `failed` and `timed_out` its end.

- **Rates.** At most rpm requests and tpm tokens in any minute (not a clock's, so no boundary lets two minutes' worth
  through). Tokens, which are estimates until the answer, are spread evenly; requests go as early as the minute allows,
  which spares a short run a minute, until the first 429: then they are spread too, for some providers enforce a
  minute's limit by the second.
- **What headers say.** A per-minute limit stricter than ours counts. Of what remains, only this is believed: those whom
  `remaining` accounts for and who are not us are others on the account, so we may have what we have and what remains.
  Where our own calls explain it all, that takes nothing away; windows, buckets and fixed minutes alike. Of limits of
  longer than a minute (Groq's requests), what remains counts down until they say more. All of it is doubted after
  LOOK_S, when one call goes to look: a wrong guess slows us down, and never stops us.
- **429.** All calls wait; concurrency falls by a quarter once a burst, and rises by one for each round of answers.
- **Latency.** Servers that send no 429 collapse instead. Climb finds the concurrency at which most gets done.
"""

import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from plugdata.calls.climb import Climb
from plugdata.calls.headers import NOTHING, Seen
from plugdata.calls.rates import CUT, Day, Rate
from plugdata.recipe import Limits

WINDOW_S = 60.0
"""A "minute" of requests a minute."""
MARGIN_S = 0.5
"""By how much the way to the server may differ between two calls (a lost packet's repeat), which makes a minute there
out of a little more here: costs 0.8 % of the rate; issue 3 allows 2 %."""
BURST_S = 1.0
"""What was not used of the even pace lapses after so long: a stall of the loop is made up for, no idle minute."""
BURST_MIN_S = 0.1
"""What stays of it after 429s: a loop's timers are late by milliseconds, which would add up."""
LOOK_S = 5.0
"""After so long without news, what an endpoint said to remain is doubted: a minute's limit has regained a twelfth."""
TICK_S = 0.001
"""The shortest wait: a timer's resolution, and more than floats lose of the time since boot."""
WAIT_FIRST_S = 1.0
WAIT_MAX_S = 60.0
"""The cool-down where the server names none: about a second, doubling with each burst, up to a minute's window."""
LEARN = 0.1
"""Weight of the newest answer in the ratio of tokens used to tokens estimated: about the last ten count."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One call under way. `n_tokens` is what it counts for in the minute, `n_estimated` what was asked for."""

    number: int
    at: float
    n_estimated: int
    n_tokens: int
    in_flight: int  # itself too
    own_requests: int
    own_tokens: int
    all_tokens: int  # ever sent, itself too
    in_window: bool = True


class Limiter:
    """Says when a call may go. Every `now` is at least the one before."""

    def __init__(self, limits: Limits, chance: random.Random) -> None:
        self._ceiling = limits.concurrency
        self._chance = chance
        self._span = WINDOW_S + MARGIN_S
        self._requests = Rate(limits.rpm)
        self._tokens = Rate(limits.tpm)
        self._day = Day(limits.rpd) if limits.rpd is not None else None
        self._window: deque[Ticket] = deque()
        self._burst = BURST_S
        self._spread = False
        self._ratio = 1.0  # tokens used / estimated
        self._told_at = self._sent_at = -math.inf
        self._closed_until = -math.inf
        self._aimd = limits.concurrency
        self._climb = Climb(limits.concurrency)
        self._answers = 0  # since the concurrency last changed, or a 429
        self._cut_at = self._cuts = 0  # number of the last call sent before the last cut; cuts since an answer
        self._n_sent = 0
        self.in_flight = 0

    @property
    def allowed(self) -> int:
        """Calls that may be in flight now."""
        probing = self._cuts > 1  # the last calls that went after a cool-down met another 429: one finds out now
        return 1 if probing else min(self._aimd, self._climb.level)

    def closed_for(self, now: float) -> float:
        """Seconds until the cool-down is over."""
        return max(0.0, self._closed_until - now)

    def seed_day(self, now: float, sent: Iterable[tuple[float, int]]) -> None:
        """Count requests of earlier runs: (seconds ago, how many), the oldest first, before any call of this one."""
        if self._day is not None:
            for ago_s, n in sent:
                self._day.add(now - ago_s, n)

    def wait_s(self, now: float, n_tokens: int) -> float:
        """0 if a call of about so many tokens may go now, else seconds after which to ask again.

        It may be longer than that, never shorter; infinite where a call in flight has to end first.
        """
        if self.in_flight >= self.allowed:
            return math.inf
        self._expire(now)
        wait = max(
            self._closed_until - now,
            0.0 if self._day is None else self._day.wait_s(now),
            self._rate_wait_s(self._requests, now, 1),
            self._rate_wait_s(self._tokens, now, round(n_tokens * self._ratio)),
        )
        return 0.0 if wait <= 0 else max(wait, TICK_S)

    def sent(self, now: float, n_tokens: int) -> Ticket:
        """Count a call as sent."""
        self._expire(now)
        n_counted = round(n_tokens * self._ratio)
        self._requests.take(now, 1, self._span, self._burst)
        self._tokens.take(now, n_counted, self._span, self._burst)
        if self._day is not None:
            self._day.add(now, 1)
        self._n_sent += 1
        self.in_flight += 1
        self._sent_at = now
        ticket = Ticket(
            self._n_sent,
            now,
            n_tokens,
            n_counted,
            self.in_flight,
            self._requests.own,
            self._tokens.own,
            self._tokens.total,
        )
        self._window.append(ticket)
        return ticket

    def answered(
        self, now: float, ticket: Ticket, n_tokens: int | None, n_output_tokens: int | None, seen: Seen
    ) -> None:
        """The call has its answer, of so many tokens where that is known."""
        self.in_flight -= 1
        self._expire(now)
        if n_tokens is not None:
            if ticket.n_estimated > 0:
                self._ratio += LEARN * (min(10.0, n_tokens / ticket.n_estimated) - self._ratio)
            self._correct(ticket, n_tokens)
        self._learn(now, ticket, seen, refused=False)
        if ticket.number > self._cut_at:
            self._cuts = 0
        self._answers += 1
        if self._answers >= self._aimd:
            self._answers = 0
            self._aimd = min(self._ceiling, self._aimd + 1)
        self._climb.answered(ticket.number, ticket.in_flight, now - ticket.at, n_output_tokens, self._n_sent)

    def limited(self, now: float, ticket: Ticket, wait_s: float | None, seen: Seen) -> None:
        """The call was refused for its rate; `wait_s` is what the server asks for, if it does."""
        self.in_flight -= 1
        self._expire(now)
        self._correct(ticket, 0)
        self._learn(now, ticket, seen, refused=True)
        self._answers = 0
        if ticket.number > self._cut_at:
            self._cut_at = self._n_sent
            self._cuts += 1
            if self._cuts <= 1:  # a probe's refusal says nothing of how many calls are too many
                self._aimd = max(1, int(self._aimd * CUT))
            self._spread = True  # refused within our rates: it counts by shorter times
            self._burst = max(BURST_MIN_S, self._burst / 2)
            if wait_s is None:
                growing = min(WAIT_MAX_S, WAIT_FIRST_S * 2.0 ** min(self._cuts - 1, 30))
                wait_s = growing * self._chance.uniform(0.5, 1.0)
        self._closed_until = max(self._closed_until, now + (wait_s or 0.0))
        for rate in (self._requests, self._tokens):  # nothing is made up for after a cool-down
            if rate.due is not None:
                rate.due = max(rate.due, self._closed_until + self._burst)

    def failed(self, now: float, ticket: Ticket) -> None:
        """The call ended in another fault, which says nothing of limits; its tokens may have been used."""
        self.in_flight -= 1

    def timed_out(self, now: float, ticket: Ticket) -> None:
        """The call got no answer in time."""
        self.failed(now, ticket)
        self._climb.timed_out(ticket.number, now - ticket.at, self._n_sent)

    def _expire(self, now: float) -> None:
        while self._window and self._window[0].at <= now - self._span:
            ticket = self._window.popleft()
            ticket.in_window = False
            self._requests.own -= 1
            self._tokens.own -= ticket.n_tokens

    def _correct(self, ticket: Ticket, n_tokens: int) -> None:
        if ticket.in_window:
            self._tokens.correct(n_tokens - ticket.n_tokens, self._span)
            ticket.n_tokens = n_tokens

    def _learn(self, now: float, ticket: Ticket, seen: Seen, refused: bool) -> None:
        if seen is not NOTHING:
            self._told_at = now
            self._requests.learn(now, seen.requests, ticket.own_requests, ticket.number, refused)
            self._tokens.learn(now, seen.tokens, ticket.own_tokens, ticket.all_tokens, refused)

    def _rate_wait_s(self, rate: Rate, now: float, n: int) -> float:
        wait = self._until_own(rate, rate.limit - n, now)
        if self._spread or rate is self._tokens:
            wait = max(wait, rate.pace_s(now, n, self._span, self._burst))
        look_in = max(self._told_at, self._sent_at) + LOOK_S - now
        if look_in > wait and now - self._told_at < self._span:
            doubted = self._until_own(rate, rate.cap - n, now)
            doubted = max(doubted, rate.left_until - now) if rate.left < n else doubted
            wait = max(wait, min(doubted, look_in))
        return wait

    def _until_own(self, rate: Rate, most: float, now: float) -> float:
        """Seconds until at most so much is in the window, or nothing: a call above the whole limit goes too."""
        over = rate.own - most
        if over <= 0 or rate.own <= 0:
            return 0.0
        for ticket in self._window:
            over -= 1 if rate is self._requests else ticket.n_tokens
            if over <= 0:
                return ticket.at + self._span - now
        return self._window[-1].at + self._span - now

"""The limiter against simulated providers in simulated time: what is admitted, what is refused, how fast it goes.

A World joins a Limiter, a server's rule and callers who ask as endpoint.py does: they sleep through the wait they are
told, or until a call in flight ends. Seeds are fixed, so that every figure is exact.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest

from plugdata.calls.headers import NOTHING, Budget, Seen
from plugdata.calls.limiter import Limiter
from plugdata.recipe import Limits

MINUTE = 60.0


@dataclass
class Reply:
    ok: bool
    seconds: float
    seen: Seen = NOTHING
    retry_after_s: float | None = None
    lost: bool = False  # no answer before the caller's time was over


Server = Callable[[float, int], Reply]
"""What the server does with a call of so many tokens that arrives at a time."""


@dataclass
class Done:
    at: float
    ok: bool
    n_tokens: int
    arrived: float


@dataclass
class World:
    limiter: Limiter
    server: Server
    estimate: Callable[[int], int] = lambda n: n
    jitter_s: float = 0.0
    seed: int = 7
    sizes: Callable[[random.Random], int] = lambda rng: 100
    done: list[Done] = field(default_factory=list)
    levels: list[tuple[float, int]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._steps = self._run()

    def until(self, end: float) -> "World":
        for now in self._steps:
            self.now = now
            if now >= end:
                return self
        raise AssertionError("the world stands still")

    def _run(self) -> Iterator[float]:
        events: list[tuple[float, int, Callable[[float], None]]] = []
        order = count()
        waiting = False

        def at(time: float, do: Callable[[float], None]) -> None:
            heapq.heappush(events, (time, next(order), do))

        size = self.sizes(self.rng)

        def ask(now: float) -> None:
            nonlocal waiting, size
            while (wait := self.limiter.wait_s(now, self.estimate(size))) == 0:
                send(now, size)
                size = self.sizes(self.rng)
            waiting = math.isinf(wait)
            if not waiting:
                at(now + wait, ask)

        def send(now: float, n_tokens: int) -> None:
            ticket = self.limiter.sent(now, self.estimate(n_tokens))
            arrival = now + self.rng.random() * self.jitter_s

            def arrive(now: float) -> None:
                reply = self.server(now, n_tokens)
                at(now + reply.seconds, lambda now: end(now, reply))

            def end(now: float, reply: Reply) -> None:
                nonlocal waiting
                if reply.lost:
                    self.limiter.timed_out(now, ticket)
                elif reply.ok:
                    self.limiter.answered(now, ticket, n_tokens, n_tokens // 2, reply.seen)
                else:
                    self.limiter.limited(now, ticket, reply.retry_after_s, reply.seen)
                self.done.append(Done(now, reply.ok and not reply.lost, n_tokens, arrival))
                self.levels.append((now, self.limiter.allowed))
                if waiting:
                    waiting = False
                    at(now, ask)

            at(arrival, arrive)

        at(0.0, ask)
        while events:
            now, _, do = heapq.heappop(events)
            do(now)
            yield now

    def good(self, start: float = 0.0, end: float = math.inf) -> int:
        return sum(done.ok for done in self.done if start <= done.at < end)

    def refused(self, start: float = 0.0) -> int:
        return sum(not done.ok for done in self.done if done.at >= start)


def _limiter(seed: int = 1, **limits: int) -> Limiter:
    return Limiter(Limits(**limits), random.Random(seed))


def _latency(rng: random.Random, mean_s: float) -> float:
    return mean_s * rng.uniform(0.5, 1.5)


class Window:
    """At most `limit` (of calls, or of tokens) in any `window_s` seconds, as a server counts them."""

    def __init__(
        self,
        limit: int,
        window_s: float = MINUTE,
        *,
        tokens: bool = False,
        latency_s: float = 0.8,
        tells: bool = False,
        retry_after: bool = True,
        fixed: bool = False,
        others: Callable[[float], int] = lambda at: 0,
    ) -> None:
        self.limit, self.window_s, self.tokens, self.latency_s = limit, window_s, tokens, latency_s
        self.tells, self.retry_after, self.fixed, self.others = tells, retry_after, fixed, others
        self.admitted: deque[tuple[float, int]] = deque()
        self.used = 0
        self.rng = random.Random(11)

    def __call__(self, at: float, n_tokens: int) -> Reply:
        n = n_tokens if self.tokens else 1
        start = math.floor(at / self.window_s) * self.window_s if self.fixed else at - self.window_s
        while self.admitted and (self.admitted[0][0] < start if self.fixed else self.admitted[0][0] <= start):
            self.used -= self.admitted.popleft()[1]
        ok = self.used + n + self.others(at) <= self.limit
        if ok:
            self.admitted.append((at, n))
            self.used += n
        reset = start + self.window_s - at if self.fixed else self.window_s
        budget = Budget(self.limit, max(0, self.limit - self.used - self.others(at)), reset, MINUTE)
        seen = NOTHING if not self.tells else Seen(tokens=budget) if self.tokens else Seen(requests=budget)
        if ok:
            return Reply(True, _latency(self.rng, self.latency_s), seen)
        oldest = self.admitted[0][0] if self.admitted else at
        again = reset if self.fixed else max(0.01, oldest + self.window_s - at)
        return Reply(False, 0.05, seen, again if self.retry_after else None)


@pytest.mark.parametrize("jitter_s", [0.0, 0.4])
@pytest.mark.parametrize("tells", [False, True])
def test_a_sliding_window_is_filled_to_98_percent_without_a_429(jitter_s: float, tells: bool) -> None:
    world = World(_limiter(rpm=1200, concurrency=64), Window(1200, tells=tells), jitter_s=jitter_s).until(185)
    assert world.good(end=182) >= 0.98 * 3600
    assert world.refused() == 0


def test_a_limit_known_from_headers_alone_is_kept() -> None:
    world = World(_limiter(concurrency=64), Window(600, tells=True)).until(180)
    assert world.good() >= 0.97 * 1800
    assert world.refused() == 0


def test_a_stricter_limit_in_the_headers_wins() -> None:
    world = World(_limiter(rpm=1200, concurrency=64), Window(300, tells=True)).until(240)
    assert world.good() >= 0.95 * 1200
    assert world.refused() == 0


@pytest.mark.parametrize("error", [0.5, 1.0, 2.0])
def test_tokens_a_minute_are_kept_however_wrong_the_estimates(error: float) -> None:
    world = World(
        _limiter(tpm=60_000, concurrency=32),
        Window(60_000, tokens=True, latency_s=2),
        estimate=lambda n: int(n * error),
        sizes=lambda rng: rng.randint(100, 900),
    ).until(363)
    tokens = sum(done.n_tokens for done in world.done if done.ok)
    assert tokens >= 0.95 * 360_000
    assert world.refused() <= 0.01 * len(world.done)


def test_a_call_larger_than_the_tokens_of_a_minute_still_goes() -> None:
    limiter = _limiter(tpm=1000, concurrency=4)
    assert limiter.wait_s(0, 5000) == 0
    limiter.answered(3, limiter.sent(0, 5000), 5000, 100, NOTHING)
    assert 50 < limiter.wait_s(3, 5000) < 61
    assert limiter.wait_s(3 + limiter.wait_s(3, 5000), 5000) == 0


def test_a_day_is_not_overrun_and_fills_up() -> None:
    day = 86_400.0
    world = World(_limiter(rpd=2000, concurrency=8), Window(2000, day, latency_s=5)).until(1.9 * day)
    assert world.good(end=day) == 2000
    assert world.good() == 4000
    assert world.refused() == 0


def test_calls_of_earlier_runs_count_for_the_day() -> None:
    limiter = _limiter(rpd=100, concurrency=8)
    limiter.seed_day(1000.0, [(90_000.0, 50), (43_200.0, 60), (3600.0, 39)])
    assert limiter.wait_s(1000.0, 10) == 0
    limiter.sent(1000.0, 10)
    assert 43_200 <= limiter.wait_s(1000.0, 10) <= 43_200 + 600


@pytest.mark.parametrize("rpm", [300, 1200])
def test_a_server_that_counts_by_the_second_is_served_evenly_after_its_first_429s(rpm: int) -> None:
    world = World(_limiter(rpm=rpm, concurrency=64), Window(rpm // 60, 1.0), jitter_s=0.005).until(302)
    assert world.good() >= 0.94 * 5 * rpm
    assert world.refused() <= 64
    assert world.refused(start=60) <= 2


def test_a_short_run_takes_what_the_minute_allows_at_once() -> None:
    world = World(_limiter(rpm=600, concurrency=64), Window(600, latency_s=0.05)).until(62)
    assert world.good() >= 1000
    assert world.refused() == 0


def test_a_fixed_minute_is_filled_without_a_429() -> None:
    world = World(_limiter(rpm=600, concurrency=32), Window(600, fixed=True, tells=True)).until(242)
    assert world.good() >= 0.98 * 2400
    assert world.refused() == 0


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize("retry_after", [False, True])
def test_an_account_shared_with_another_goes_on_beside_it(tells: bool, retry_after: bool) -> None:
    server = Window(600, tells=tells, retry_after=retry_after, others=lambda at: 300 if at > 60 else 0)
    world = World(_limiter(rpm=600, concurrency=32), server).until(660)
    assert world.good(start=120) >= (0.85 if tells or retry_after else 0.7) * 9 * 300
    assert world.refused() <= (0.025 if tells else 0.05) * len(world.done)


def test_nothing_remains_for_long_and_then_it_goes_on() -> None:
    server = Window(600, tells=True, retry_after=False, others=lambda at: 600 if 100 < at < 400 else 0)
    world = World(_limiter(rpm=600, concurrency=32), server).until(520)
    assert world.refused() <= 60
    assert world.good(start=420) >= 0.79 * 1000


@pytest.mark.parametrize("retry_after_s", [None, 2.0])
def test_a_storm_of_429s_meets_few_calls_and_leaves_no_harm(retry_after_s: float | None) -> None:
    calm = Window(100_000, latency_s=1)

    def server(at: float, n_tokens: int) -> Reply:
        return Reply(False, 0.05, retry_after_s=retry_after_s) if 30 < at < 150 else calm(at, n_tokens)

    world = World(_limiter(rpm=960, concurrency=16), server).until(360)
    assert world.refused() <= 16 + 120 / 2
    assert world.good(start=150, end=220) > 0
    assert world.good(start=240) >= 0.6 * 120 * 16


def test_a_burst_of_429s_cuts_once_and_holds_every_call() -> None:
    limiter = _limiter(concurrency=16)
    tickets = [limiter.sent(0, 10) for _ in range(16)]
    for ticket in tickets[:8]:
        limiter.limited(1, ticket, 30, NOTHING)
    assert limiter.allowed == 12
    assert limiter.wait_s(1, 10) == limiter.closed_for(1) == 30
    assert limiter.wait_s(31, 10) == 0


def test_full_concurrency_waits_for_a_call_to_end() -> None:
    limiter = _limiter(concurrency=2)
    first, _ = limiter.sent(0, 10), limiter.sent(0, 10)
    assert limiter.wait_s(0, 10) == math.inf
    limiter.failed(1, first)
    assert limiter.in_flight == 1
    assert limiter.wait_s(1, 10) == 0


def test_a_day_that_is_used_up_is_looked_at_seldom() -> None:
    limiter = _limiter(concurrency=4)
    seen = Seen(requests=Budget(1000, 0, 40_000.0, None))
    limiter.answered(1, limiter.sent(0, 10), 10, 5, seen)
    assert limiter.wait_s(1, 10) == 5
    limiter.sent(6, 10)
    assert limiter.wait_s(6, 10) == 5


class Shared:
    """A server that works on all its calls at once: `slowdown` is what so many of them cost each other."""

    def __init__(self, slowdown: Callable[[int], float], gives_up_s: float = math.inf) -> None:
        self.slowdown, self.gives_up_s, self.rng = slowdown, gives_up_s, random.Random(5)
        self.ends: list[float] = []

    def __call__(self, at: float, n_tokens: int) -> Reply:
        while self.ends and self.ends[0] <= at:
            heapq.heappop(self.ends)
        seconds = n_tokens / 100 * self.rng.uniform(0.8, 1.2) * self.slowdown(len(self.ends) + 1)
        heapq.heappush(self.ends, at + min(seconds, self.gives_up_s))
        return Reply(True, seconds)


def _collapsing(n: int) -> Callable[[int], float]:
    return lambda k: max(1.0, (k / n) ** 3)


def _sizes(rng: random.Random) -> int:
    return rng.randint(50, 150)


@pytest.mark.parametrize(("n", "ceiling"), [(16, 64), (4, 64), (40, 256), (1, 16), (10, 12)])
def test_a_server_that_collapses_is_kept_near_its_best(n: int, ceiling: int) -> None:
    best = max(k / _collapsing(n)(k) for k in range(1, ceiling + 1))  # calls a second
    start = 20 * ceiling / best * (ceiling / n) ** 2
    world = World(_limiter(concurrency=ceiling), Shared(_collapsing(n)), sizes=_sizes).until(start + 3000 / best)
    assert world.good(start=start) / (3000 / best) >= 0.85 * best


@pytest.mark.parametrize("slowdown", [lambda k: 1.0, lambda k: max(1.0, k / 8)], ids=["constant", "queue"])
def test_a_server_that_does_not_collapse_is_used_to_the_full(slowdown: Callable[[int], float]) -> None:
    best = 32 / slowdown(32)
    world = World(_limiter(concurrency=32), Shared(slowdown), sizes=_sizes).until(4000 / best)
    assert world.good() >= 0.96 * 4000
    levels = [level for _, level in world.levels]
    assert sum(a != b for a, b in pairwise(levels)) <= 30
    assert min(levels) >= 16


def test_a_server_that_grows_weaker_and_recovers_is_followed() -> None:
    world = World(
        _limiter(concurrency=32),
        lambda at, n: shared(at, n),
        sizes=_sizes,
    )
    weak = Shared(lambda k: max(1.0, (k / (8 if 100 < world.now < 1100 else 32)) ** 3))
    shared = weak
    world.until(2200)
    assert world.good(start=500, end=1100) >= 0.8 * 600 * 8
    assert world.good(start=1700, end=2200) >= 0.8 * 500 * 32


def test_a_server_whose_machine_was_busy_for_long_is_used_again_soon() -> None:
    until = 40_000
    world = World(_limiter(concurrency=8), lambda at, n: shared(at, n), sizes=_sizes)
    shared = Shared(lambda k: 3 * k**1.5 if world.now < until else max(1.0, (k / 8) ** 3))
    world.until(until)
    assert world.limiter.allowed <= 2
    world.until(until + 300)
    assert world.good(start=until + 200, end=until + 300) >= 0.8 * 100 * 8


def test_timeouts_in_a_row_lower_the_concurrency_and_answers_raise_it() -> None:
    limiter = _limiter(concurrency=16)
    tickets = [limiter.sent(0, 10) for _ in range(16)]
    for ticket in tickets:
        limiter.timed_out(180, ticket)
    assert limiter.allowed == 8
    now = 180.0
    for _ in range(400):
        now += 1
        for ticket in [limiter.sent(now - 1, 10) for _ in range(limiter.allowed)]:
            limiter.answered(now, ticket, 10, 5, NOTHING)
    assert limiter.allowed == 16


def test_a_server_too_slow_to_answer_any_call_is_asked_less_until_it_does() -> None:
    patience_s = 30.0
    shared = Shared(_collapsing(4), gives_up_s=patience_s)

    def server(at: float, n_tokens: int) -> Reply:
        reply = shared(at, n_tokens)
        return Reply(False, patience_s, lost=True) if reply.seconds >= patience_s else reply

    world = World(_limiter(concurrency=64), server, sizes=_sizes).until(1200)
    assert world.good(start=200) >= 0.8 * 1000 * 4


def test_headers_that_fall_silent_hold_nobody_back() -> None:
    server = Window(100_000, latency_s=0.5)

    def told_once(at: float, n_tokens: int) -> Reply:
        reply = server(at, n_tokens)
        return Reply(True, reply.seconds, Seen(requests=Budget(remaining=0, window_s=MINUTE))) if at < 1 else reply

    world = World(_limiter(rpm=600, concurrency=16), told_once).until(200)
    assert world.good(start=80) >= 0.95 * 1200


def test_a_limit_nobody_told_is_found_by_429s() -> None:
    world = World(_limiter(concurrency=32), Window(600, retry_after=False)).until(600)
    assert world.good() >= 0.85 * 6000
    assert world.refused() <= 0.05 * len(world.done)


def test_a_latency_without_tokens_is_compared_by_call() -> None:
    world = World(_limiter(concurrency=64), Shared(_collapsing(16)), sizes=lambda rng: 1)
    world.until(120)
    assert world.limiter.allowed <= 20

"""How many calls at once an endpoint does most with, found by trying: servers of one's own send no 429, they collapse.

What is compared is calls in flight / seconds a token (or a call, where an answer does not say): by Little's law that is
throughput, and it needs no clock. Where latency does not grow, fewer calls do less, so a trial of fewer fails and costs
little; where it grows in proportion (a fair queue), nothing is gained either way and it stays; where it grows faster,
fewer calls do more, and it goes down while that pays. Trials that fail become rare. Knows nothing of rates or 429s.
"""

from typing import NamedTuple

ROUNDS = 2
"""A measurement is so many answers for each call in flight, as in BBR's probing by round trips, and FEWEST at least."""
FEWEST = 20
STEP_FIRST, STEP = 0.25, 0.1
"""Share of the concurrency that a trial takes away: the first is bold, as after a collapse; then finer."""
GAIN = 1.1
"""Fewer calls must do so much better: above the noise of FEWEST latencies that differ as answers' lengths do."""
LOSS = 0.97
"""More calls may do this little worse and stay."""
SLOWER, POORER = 2.0, 0.8
"""Latency and throughput against the last measurement, from which on it is a collapse and a trial is due at once."""
FASTER = 1.5
"""The other way round: so much less latency than before, and whoever held the endpoint up has left. A server that
shared its machine with other programs stayed at one call for an hour after these had ended."""
REST_FIRST, REST_MAX = 4, 32
"""Measurements between two trials, doubling with each that fails: at most 0.1 / 32 of the rate is lost to them."""
TIMEOUTS = 3
"""Timeouts in a row that count as a collapse: one or two are chance."""


class _Measured(NamedTuple):
    throughput: float
    latency_s: float  # of a token, or of a call
    by_token: bool


class Climb:
    """A concurrency from 1 to `ceiling`, where it starts. `level` is the one to keep to now."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._base = ceiling  # what a trial is compared with
        self.level = ceiling
        self._reference: _Measured | None = None
        self._step = STEP_FIRST
        self._down = True
        self._rest = 1
        self._rest_next = REST_FIRST
        self._timeouts = 0
        self._restart(0)

    def _restart(self, n_sent: int) -> None:
        """Measure calls after the `n_sent`-th."""
        self._after = n_sent
        self._n = self._n_said = self._n_tokens = self._in_flight = self._most = 0
        self._busy_s = 0.0

    def answered(self, number: int, in_flight: int, seconds: float, n_tokens: int | None, n_sent: int) -> None:
        """Note an answer to the `number`-th call, when it was sent with so many in flight, itself among them."""
        if number <= self._after:
            return
        self._timeouts = 0
        self._n += 1
        self._in_flight += in_flight
        self._most = max(self._most, in_flight)
        self._busy_s += seconds
        if n_tokens:
            self._n_said += 1
            self._n_tokens += n_tokens
        if self._n >= max(FEWEST, ROUNDS * self.level):
            before = self.level
            self._judge()
            self._restart(n_sent if self.level != before else self._after)

    def timed_out(self, number: int, seconds: float, n_sent: int) -> None:
        """Note a call that got no answer: time spent, nothing done."""
        if number <= self._after:
            return
        self._busy_s += seconds
        self._timeouts += 1
        if self._timeouts >= TIMEOUTS and self.level > 1:
            self._timeouts = 0
            self._base = self.level = max(1, self.level // 2)
            self._reference = None
            self._rest, self._down = REST_FIRST, False
            self._restart(n_sent)

    def _judge(self) -> None:
        if self._most < self.level or self._busy_s <= 0:  # something else holds calls back: nothing to learn
            self.level = self._base
            return
        by_token = self._n_said == self._n
        latency_s = self._busy_s / (self._n_tokens if by_token else self._n)
        found = _Measured(self._in_flight / self._n / latency_s, latency_s, by_token)
        known = self._reference if self._reference and self._reference.by_token == by_token else None
        if self.level == self._base:
            self._watch(found, known)
        elif known is not None and found.throughput >= known.throughput * (GAIN if self._down else LOSS):
            self._base, self._reference = self.level, found
            self._rest_next = REST_FIRST
            self._try()
        else:
            self._step = STEP
            self._turn()
            self._rest_next = min(REST_MAX, 2 * self._rest_next)

    def _watch(self, found: _Measured, known: _Measured | None) -> None:
        self._reference = found
        self._rest -= 1
        if known and found.latency_s > SLOWER * known.latency_s and found.throughput < POORER * known.throughput:
            self._down, self._step, self._rest, self._rest_next = True, STEP_FIRST, 0, REST_FIRST
        elif known and known.latency_s > FASTER * found.latency_s and self.level < self._ceiling:
            self._down, self._step, self._rest, self._rest_next = False, STEP_FIRST, 0, REST_FIRST
        if self._rest <= 0:
            self._try()

    def _try(self) -> None:
        """Set the level one step up or down; at the end of the range, rest and go the other way next."""
        change = max(1, round(self._base * self._step))
        self.level = max(1, self._base - change) if self._down else min(self._ceiling, self._base + change)
        if self.level == self._base:
            self._turn()

    def _turn(self) -> None:
        self.level = self._base
        self._down = not self._down
        self._rest = self._rest_next

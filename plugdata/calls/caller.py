"""Answers for requests: from a call in flight for the same key, or from an endpoint of the pool, claimed and paid.

It owns single flight, the choice among endpoints, and the money of each call; what an endpoint's refusals mean is
endpoint.py's, what an answer means is nobody's here.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from plugdata.calls import faults, money, pool
from plugdata.calls.endpoint import Endpoint
from plugdata.calls.estimate import Estimator, counts
from plugdata.calls.faults import MAY_BE_BILLED, OF_THE_TEXT, CallFault, Elsewhere
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.entries import Stored, lately, now
from plugdata.calls.ledger.store import Claim, Ledger
from plugdata.calls.pool import Ask, Member
from plugdata.calls.waiting import Brake
from plugdata.errors import BudgetReached, CallError, GateError
from plugdata.wire import Answer, read_answer

LOOK_AGAIN_S = 0.2
"""Between two looks at what another process is asking, or at money that may come back."""

log = logging.getLogger(__name__)


@dataclass
class Tally:
    """How far a dispatch is."""

    done: int = 0  # rows
    failed: int = 0  # rows whose call failed
    calls: int = 0  # answered
    in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # calls that came back without an answer, by class

    @property
    def retries(self) -> int:
        return self.faults.total() - self.failed


class Caller:
    """The pool at work in one dispatch."""

    def __init__(
        self,
        pool: Sequence[Member],
        endpoints: Sequence[Endpoint],
        ledger: Ledger,
        retries: int,
        budget: int | None,
        brake: Brake,
        tally: Tally,
    ) -> None:
        self._pool = pool
        self._endpoints = endpoints
        self._ledger = ledger
        self._retries = retries
        self._budget = budget
        self._brake = brake
        self._tally = tally
        self._estimates = [self._taught(at) for at in range(len(pool))]
        self._in_flight: dict[str, asyncio.Future[Answer]] = {}
        self._ended = asyncio.Event()

    async def answer(self, asks: Sequence[Ask]) -> tuple[int, Answer]:
        """(member, committed answer) of the first of these requests that an endpoint answers.

        Raises the last fault: CallFault, or CallError if no endpoint is of use any more; or BudgetReached, Stopped.
        """
        left = list(asks)
        while True:
            ask = min(left, key=lambda ask: self._rank(ask, left)) if len(left) > 1 else left[0]
            others = [other for other in left if other is not ask]
            try:
                return ask.member, await self._once(ask, others)
            except (CallFault, CallError):
                if not others:
                    raise
                left = others
            except Elsewhere:
                continue

    def _rank(self, ask: Ask, among: Sequence[Ask]) -> tuple[bool, float]:
        """Where to try first: in the row's own order, save for endpoints that are down, or that make one wait where
        another serves the same model."""
        endpoint = self._endpoints[ask.member]
        has_twin = any(other is not ask and other.key == ask.key for other in among)
        return endpoint.is_down(), endpoint.busy_for(0) if has_twin else 0.0

    def _is_better_elsewhere(self, ask: Ask, others: Sequence[Ask]) -> bool:
        """Whether one of the other endpoints does now what this one makes wait: as it is down, or as it is busy where
        the other serves the same model."""
        is_down = self._endpoints[ask.member].is_down()
        return any(
            (is_down or (other.key == ask.key and endpoint.busy_for(0) <= 0)) and not endpoint.is_down()
            for other in others
            if (endpoint := self._endpoints[other.member])
        )

    async def _once(self, ask: Ask, others: Sequence[Ask]) -> Answer:
        """The answer to a request, asked once however many rows want it. Raises Elsewhere if that is up to another."""
        if (twin := self._in_flight.get(ask.key)) is not None:
            return await asyncio.shield(twin)
        mine = self._in_flight[ask.key] = asyncio.ensure_future(self._call(ask, others))
        self._tally.in_flight += 1
        try:
            return await mine
        finally:
            del self._in_flight[ask.key]
            self._tally.in_flight -= 1
            self._ended.set()

    async def _call(self, ask: Ask, others: Sequence[Ask]) -> Answer:
        member, endpoint = self._pool[ask.member], self._endpoints[ask.member]
        n_chars, n_text = tables.request_chars(ask.request.body())
        estimate, lang = self._estimates[ask.member], ask.request.lang
        n_tokens = round(estimate.prompt_tokens(lang, n_chars) + estimate.completion_tokens(lang, n_text))
        claimed = False

        async def before() -> None:
            nonlocal claimed
            if not claimed:
                await self._claim(ask)
                claimed = True

        def is_better_elsewhere() -> bool:
            return self._is_better_elsewhere(ask, others)

        def failed(fault: CallFault) -> None:
            nonlocal claimed
            log.info("call failed key=%s class=%s model=%s: %s", ask.key, fault.kind, member.served_as, fault)
            if fault.kind in MAY_BE_BILLED:
                self._ledger.release(ask.key, charge=fault.kind)
                claimed = False

        seconds = 0.0
        cost: int | None = 0
        try:
            reply, seconds = await endpoint.call(
                ask.request, n_tokens, self._retries, is_better_elsewhere, before, failed
            )
        except _Answered as found:
            return found.answer
        except CallFault as fault:
            if fault.kind not in OF_THE_TEXT:
                self._ledger.release(ask.key)
                self._ledger.note_error(ask.key, fault.kind, str(fault))
                raise
            body = faults.text_fault(fault)
            said = read_answer(body)
        except Exception:  # not a cancellation: that leaves the claim, as a kill does, since the call may be billed
            self._ledger.release(ask.key)
            raise
        else:
            body, said = reply.body, reply.answer
            cost = pool.cost(member, ask.request, said)
        if said.prompt_tokens is not None and said.completion_tokens is not None:
            estimate.learn(lang, n_chars, n_text, said.prompt_tokens, said.completion_tokens)
        stored = Stored(ask.key, ask.request, member.served_as, body, seconds, now(), cost, said=said)
        await self._ledger.put(stored)
        self._tally.calls += 1
        return said

    def _taught(self, at: int) -> Estimator:
        """What the ledger's answers teach about a member: tokens; and how much of a day's limit is used."""
        member, estimator = self._pool[at], Estimator()
        estimator.learn_from(self._ledger.read(lambda db: counts(db, member.served_as)))
        if member.model.limits.rpd:
            sent = self._ledger.read(lambda db: lately(db, member.served_as))
            self._endpoints[at].limiter.seed_day(asyncio.get_running_loop().time(), sent)
        return estimator

    async def _claim(self, ask: Ask) -> None:
        """Returns once the call is ours to send. Raises _Answered, BudgetReached, GateError or Stopped instead."""
        member = self._pool[ask.member]
        if self._budget is not None:
            pool.check_bounded(member, ask.request)
        bound = pool.bound(member, ask.request)
        while (claim := await self._ledger.claim(ask.key, bound, self._budget)) is not Claim.OURS:
            match claim:
                case Claim.ANSWERED:
                    body = self._ledger.body(ask.key)
                    assert body is not None
                    raise _Answered(read_answer(body))
                case Claim.SPENT:
                    raise self._no_money(bound)
                case _:
                    self._ended.clear()
                    await self._brake.until(self._ended, LOOK_AGAIN_S)

    def _no_money(self, bound: int) -> BudgetReached | GateError:
        assert self._budget is not None
        spent = self._ledger.money().spent
        told = f"of the budget of {money.usd(self._budget)}, {money.usd(spent)} is spent, and the next call"
        if not self._tally.calls:
            return GateError(
                f"{told} may cost {money.usd(bound)}", "raise --budget, or bound the answers (max_tokens in `params`)"
            )
        return BudgetReached(f"{told} may cost {money.usd(bound)}", "the same command with a larger --budget resumes")


class _Answered(Exception):
    """Another process has answered the key meanwhile."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

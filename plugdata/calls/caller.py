"""Answers for requests: from a call in flight for the same key, or from an endpoint of the pool, claimed and paid.

It owns single flight, the choice among endpoints, and the money of each call; what an endpoint's refusals mean is
endpoint.py's, what an answer means is nobody's here.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from plugdata.calls import client, faults, money
from plugdata.calls.endpoint import Endpoint
from plugdata.calls.estimate import Estimator
from plugdata.calls.faults import MAY_BE_BILLED, OF_THE_TEXT, CallFault
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Claim, Ledger, Stored, now
from plugdata.calls.pool import Ask, Member
from plugdata.calls.waiting import Brake
from plugdata.errors import BudgetReached, CallError, GateError, InputError
from plugdata.wire import read_answer

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
        self._estimates = [Estimator() for _ in pool]
        self._in_flight: dict[str, asyncio.Future[str]] = {}
        self._ended = asyncio.Event()

    async def body(self, asks: Sequence[Ask]) -> tuple[int, str]:
        """(member, committed body) of the first of these requests that an endpoint answers.

        Raises the last fault: CallFault, or CallError if no endpoint is of use any more; or BudgetReached, Stopped.
        """
        last: CallFault | CallError | None = None
        for ask in self._by_readiness(asks):
            try:
                return ask.member, await self._once(ask)
            except (CallFault, CallError) as fault:
                last = fault
        assert last is not None
        raise last

    def _by_readiness(self, asks: Sequence[Ask]) -> list[Ask]:
        """The requests in the order to try them: the row's own, save for endpoints that are set aside, or that make
        one wait where another serves the same model."""

        def rank(ask: Ask) -> tuple[bool, float]:
            endpoint = self._endpoints[ask.member]
            has_twin = any(other is not ask and other.key == ask.key for other in asks)
            return endpoint.is_aside(), endpoint.busy_for(0) if has_twin else 0.0

        return sorted(asks, key=rank) if len(asks) > 1 else list(asks)

    async def _once(self, ask: Ask) -> str:
        """The body of a request, asked once however many rows want it."""
        if (twin := self._in_flight.get(ask.key)) is not None:
            return await asyncio.shield(twin)
        mine = self._in_flight[ask.key] = asyncio.ensure_future(self._call(ask))
        self._tally.in_flight += 1
        try:
            return await mine
        finally:
            del self._in_flight[ask.key]
            self._tally.in_flight -= 1
            self._ended.set()

    async def _call(self, ask: Ask) -> str:
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

        def failed(fault: CallFault) -> None:
            nonlocal claimed
            log.info("call failed key=%s class=%s model=%s: %s", ask.key, fault.kind, member.served_as, fault)
            if fault.kind in MAY_BE_BILLED:
                self._ledger.release(ask.key, charge=fault.kind)
                claimed = False

        seconds = 0.0
        try:
            body, seconds = await endpoint.call(ask.request, n_tokens, self._retries, before, failed)
        except _Answered as found:
            return found.body
        except CallFault as fault:
            if fault.kind not in OF_THE_TEXT:
                self._ledger.release(ask.key)
                self._ledger.note_error(ask.key, fault.kind, str(fault))
                raise
            body = faults.text_fault(fault)
        except BaseException:
            self._ledger.release(ask.key)
            raise
        said = read_answer(body)
        if said.prompt_tokens is not None and said.completion_tokens is not None:
            estimate.learn(lang, n_chars, n_text, said.prompt_tokens, said.completion_tokens)
        cost = self._cost(ask, body)
        await self._ledger.put(Stored(ask.key, ask.request, member.served_as, body, seconds, now(), cost))
        self._tally.calls += 1
        return body

    async def _claim(self, ask: Ask) -> None:
        """Returns once the call is ours to send. Raises _Answered, BudgetReached, GateError or Stopped instead."""
        bound = self._bound(ask)
        while (claim := await self._ledger.claim(ask.key, bound, self._budget)) is not Claim.OURS:
            match claim:
                case Claim.ANSWERED:
                    body = self._ledger.body(ask.key)
                    assert body is not None
                    raise _Answered(body)
                case Claim.SPENT:
                    raise self._no_money(bound)
                case _:
                    self._ended.clear()
                    await self._brake.until(self._ended, LOOK_AGAIN_S)

    def _bound(self, ask: Ask) -> int:
        """What a call may cost at most (1e-9 USD)."""
        member = self._pool[ask.member]
        if money.is_free(member.price):
            return 0
        room = money.max_output_tokens(member.model, ask.request, client.base_url(member.model))
        if room is None:
            if self._budget is None:
                return 0
            raise InputError(
                f"a budget needs a bound on each answer, and {member.model.model} has none that is known",
                "give one, e.g. --set 'models.0.params.max_tokens=2048'",
            )
        return money.bound(member.price, ask.request, room)

    def _cost(self, ask: Ask, body: str) -> int | None:
        """What an answer cost (1e-9 USD): by its usage, else the bound; nothing for a text the provider refused."""
        price, said = self._pool[ask.member].price, read_answer(body)
        if money.is_free(price) or body.startswith('{"plugdata_fault"'):
            return 0
        if said.prompt_tokens is None or said.completion_tokens is None:
            return self._bound(ask) or None
        return money.cost(price, said.prompt_tokens, said.cached_tokens or 0, said.completion_tokens)

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

    def __init__(self, body: str) -> None:
        self.body = body

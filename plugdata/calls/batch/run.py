"""The loop that has requests answered by a provider's batch API: in files, within a day, for part of the price.

Before anything goes out, the ledger notes the batch, its items and what they may cost at most (notes.py). A run
that is killed, at whatever point, leaves behind what the next one needs to go on: a batch that was never submitted is
given up, one that may have been is looked for at the provider (provider.py), one that was is waited for and
collected. A key in an open batch is never submitted again, so nothing is paid twice.

Ctrl-C only detaches: the provider works on, and the same command collects. `cancel` is what ends batches.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from plugdata.calls import client, money
from plugdata.calls.batch import notes
from plugdata.calls.batch import provider as providers
from plugdata.calls.batch.collect import Collected, collect
from plugdata.calls.batch.notes import COLLECTED, GIVEN_UP, SUBMITTING
from plugdata.calls.batch.outbox import HINT, OPENAI, Limits, Outbox
from plugdata.calls.batch.provider import Provider, Remote
from plugdata.calls.faults import RETRYABLE, CallFault, Fault, Stopped
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member
from plugdata.calls.retry import Health
from plugdata.errors import BudgetReached, CallError, EndpointError, PartialError, PlugdataError
from plugdata.wire import Request

TOO_MUCH_QUEUED = "token_limit_exceeded"
"""OpenAI's code for a batch refused because its organisation has too many tokens waiting: later it is not."""


class Batched(NamedTuple):
    """What became of the requests: answered, or noted in `errors`; and the batches that were submitted for them."""

    answered: int
    failed: int
    submitted: int


POLL_FIRST_S, POLL_MAX_S = 5.0, 60.0
"""Between two looks at a batch, at first and at last: most take minutes, some a day."""


def poll_after_s(n: int) -> float:
    """Seconds before the n-th look, from 0."""
    return min(POLL_MAX_S, POLL_FIRST_S * 1.5 ** min(n, 10))


async def run_batches(
    requests: Iterable[tuple[str, Request]],
    member: Member,
    ledger: Ledger,
    retries: int,
    budget: int | None,
    pause: Callable[[float], Awaitable[None]],
    say: Callable[[str], None],
    tell: Callable[[Sequence[Remote]], None],
    *,
    limits: Limits = OPENAI,
    poll_after_s: Callable[[int], float] = poll_after_s,
) -> Batched:
    """Have requests answered by a member's batch API, and collect what earlier runs left there. Some hours.

    Of the given (key, Request), those that nobody has answered or is asking are sent; each of these then has an
    answer or an error in the ledger, so a round that answers nothing is the last. `pause` raises Stopped to detach,
    `tell` hears after each look how far the open batches are, `say` gets a line when one begins or ends.
    `budget` is in 1e-9 USD. One call at a time for a model of an endpoint in a process; processes may share.

    Raises, once what is open is collected: CallError (the provider refuses: quota, key, model, file), BudgetReached,
    PartialError (a batch was cancelled from elsewhere); at once: CorpusError (the ledger), Stopped.
    """
    async with providers.connect(member.model, retries, pause) as provider:
        run = _Run(provider, member, ledger, budget, pause, say, limits, requests)
        try:
            await run.adopt()
            return await run.finish(poll_after_s, tell)
        except Stopped:
            if run.waiting:
                say(f"{len(run.waiting)} batches go on at {provider.health.name}; the same command collects them")
            raise


async def cancel(
    member: Member,
    ledger: Ledger,
    retries: int,
    pause: Callable[[float], Awaitable[None]],
    say: Callable[[str], None],
    *,
    poll_after_s: Callable[[int], float] = poll_after_s,
) -> Batched:
    """Cancel the open batches of a member and collect what they have answered. Some minutes.

    A batch that the provider does not know any more is given up, and its reservation stays charged.
    """
    async with providers.connect(member.model, retries, pause) as provider:
        run = _Run(provider, member, ledger, None, pause, say)
        await run.adopt()
        await run.cancel()
        return await run.finish(poll_after_s)


def cancel_all(pool: Sequence[Member], ledger: Ledger, retries: int, say: Callable[[str], None]) -> Batched:
    """Cancel what a pool's members have open, one after the other; those with nothing open need no key."""

    def has_open(member: Member) -> bool:
        return bool(ledger.read(lambda db: notes.opened(db, client.base_url(member.model), member.served_as)))

    async def each() -> list[Batched]:
        return [await cancel(member, ledger, retries, asyncio.sleep, say) for member in pool if has_open(member)]

    done = asyncio.run(each())
    return Batched(*(sum(column) for column in zip(Batched(0, 0, 0), *done, strict=True)))


class _Run:
    """The batches of one model at one endpoint, in one run. `waiting` are those at the provider, by our name."""

    def __init__(
        self,
        provider: Provider,
        member: Member,
        ledger: Ledger,
        budget: int | None,
        pause: Callable[[float], Awaitable[None]],
        say: Callable[[str], None],
        limits: Limits = OPENAI,
        wanted: Iterable[tuple[str, Request]] = (),
    ) -> None:
        self._provider, self._member, self._ledger = provider, member, ledger
        self._endpoint = client.base_url(member.model)
        self._budget, self._pause, self._say, self._limits = budget, pause, say, limits
        self._outbox = Outbox(wanted, provider, member, ledger, budget, limits)
        self.waiting: dict[str, str] = {}
        self._mine: set[str] = set()
        self._done: dict[str, Collected] = {}
        self._at_a_time = 1.0  # until the provider took a file: a wrong one need not be sent twenty times
        self._tried = self._cancelling = False
        self._error: PlugdataError | None = None
        self._answered = self._failed = self._submitted = 0

    async def adopt(self) -> None:
        """Take over what earlier runs left: wait for what was submitted, free what was not."""
        found = self._ledger.read(lambda db: notes.opened(db, self._endpoint, self._member.served_as))
        for batch in found:
            remote_id = batch.remote_id
            if remote_id is None:
                if notes.is_being_made(self._ledger, batch.id):
                    continue
                remote = await self._provider.find(batch.id) if batch.status == SUBMITTING else None
                if remote is None:
                    await self._close(batch.id, GIVEN_UP)
                    continue
                remote_id = remote.id
                await self._note(batch.id, remote)
            self.waiting[batch.id] = remote_id
        if self.waiting:
            self._say(f"{len(self.waiting)} batches of earlier runs are open at {self._provider.health.name}")
        self._at_a_time += len(self.waiting)
        others = self._ledger.read(lambda db: notes.elsewhere(db, self._endpoint, self._member.served_as))
        for endpoint, n in others:
            self._say(f"{n} batches of {self._member.served_as} are open at {endpoint}: only a run there collects them")

    async def cancel(self) -> None:
        self._cancelling = True
        for batch in list(self.waiting):
            remote = await self._look(batch)
            if remote and not remote.ended:
                try:
                    await self._provider.cancel(remote.id)
                except CallFault as fault:  # it may have ended just now: the next look shows
                    self._say(f"batch {remote.id} was not cancelled: {fault}")

    async def finish(
        self, poll_after_s: Callable[[int], float], tell: Callable[[Sequence[Remote]], None] = lambda remotes: None
    ) -> Batched:
        """Submit what there is room for, wait, collect, until nothing is left to do."""
        n_looks = 0
        while True:
            if await self._submit_all():
                n_looks = 0
            if not self.waiting:
                break
            await self._pause(poll_after_s(n_looks))
            n_looks += 1
            tell([remote for batch in list(self.waiting) if (remote := await self._look(batch))])
        await self._outbox.close()
        if self._error:
            raise self._error
        if lacking := self._outbox.no_room:
            told = f"the budget of {money.usd(self._budget or 0)} has no room for a call that may cost"
            raise BudgetReached(f"{told} {money.usd(lacking.bound)}", "the same command with a larger --budget resumes")
        return Batched(self._answered, self._failed, self._submitted)

    async def _submit_all(self) -> bool:
        """Whether anything was submitted."""
        before = self._submitted
        while not self._error and len(self.waiting) < self._at_a_time:
            await self._pause(0)
            if (batch := await self._outbox.next()) is None:
                break
            try:
                remote, n = await self._outbox.submit(batch)
            except CallError as error:
                self._fail(error)
                break
            self.waiting[batch] = remote.id
            self._mine.add(batch)
            self._submitted += 1
            self._say(f"batch {remote.id}: {n} requests submitted to {self._provider.health.name}")
        return self._submitted > before

    async def _look(self, batch: str) -> Remote | None:
        """How far a batch is, collected if it has ended; None if it could not be learnt this time."""
        try:
            remote = await self._provider.look(self.waiting[batch])
            await self._note(batch, remote)
            if remote.ended:
                await self._end(batch, remote)
        except CallFault as fault:
            if fault.kind not in RETRYABLE:
                await self._lose(batch, fault)
            return None
        if batch in self._mine and not self._tried and remote.status not in ("validating", "failed"):
            self._tried, self._at_a_time = True, math.inf
        return remote

    async def _end(self, batch: str, remote: Remote) -> None:
        """Collect a batch; what it left is submitted again, or free."""
        done = self._done.setdefault(batch, Collected())  # a collection that failed half-way goes on here
        await collect(self._provider, self._ledger, self._member, batch, remote, self._limits.slice, done)
        self._answered += done.answered
        self._failed += done.failed
        del self.waiting[batch]
        self._outbox.no_room = None
        mine, name = batch in self._mine, self._provider.health.name
        code, text = remote.error
        n_left = 0
        match remote.status:
            case "failed" if mine and code == TOO_MUCH_QUEUED and self.waiting:
                self._tried, self._at_a_time = True, len(self.waiting)
                n_left = await self._outbox.renew(batch)
            case "failed":
                self._failed += await self._close(batch, GIVEN_UP, error=(Fault.REJECTED, f"{code}: {text}"))
                if mine:
                    self._fail(EndpointError(f"{name} refuses batch {remote.id}: {code}: {text}", HINT))
            case "expired" if mine and done.answered:
                n_left = await self._outbox.renew(batch)
            case "expired":
                self._failed += await self._close(batch, COLLECTED, error=(Fault.TIMEOUT, "the batch expired"))
            case "cancelled":
                n_left = await self._close(batch, COLLECTED)
                if mine:
                    self._fail(PartialError(f"batch {remote.id} was cancelled at {name}", "rerun to submit the rest"))
            case _:
                lost = (Fault.BAD_BODY, "the batch completed without a word of it")
                self._failed += await self._close(batch, COLLECTED, error=lost, charge=Fault.BAD_BODY)
        self._say(f"batch {remote.id}: {remote.status}, {done.answered} answered, {done.failed} failed, {n_left} left")
        if mine and done.fault and not done.answered:
            try:
                Health(name).bad(done.fault, None, 0.0)
            except CallError as error:
                self._fail(error)

    def _fail(self, error: PlugdataError) -> None:
        """Submit nothing more, and raise this once what is open is collected. The first error counts."""
        if self._error is None:
            self._error = error
            if self.waiting:
                self._say(f"{error}; waiting for {len(self.waiting)} batches, which are paid")

    async def _lose(self, batch: str, fault: CallFault) -> None:
        """Part with a batch that the provider does not know, or whose files it has no more."""
        told = f"batch {self.waiting.pop(batch)} at {self._provider.health.name}: {fault}"
        if self._cancelling:
            await self._close(batch, GIVEN_UP, charge=fault.kind)
            self._say(f"{told}; given up, and what was reserved for it stays charged")
        else:
            self._fail(EndpointError(told, "use the key that made it; cancelling the ledger's batches gives it up"))

    async def _note(self, batch: str, remote: Remote) -> None:
        await self._ledger.commit(lambda db: notes.note(db, batch, remote.status, remote.id))

    async def _close(
        self, batch: str, status: str, error: tuple[str, str] | None = None, charge: str | None = None
    ) -> int:
        return await self._ledger.commit(lambda db: notes.close(db, batch, status, error, charge))

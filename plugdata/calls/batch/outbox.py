"""Requests on their way into batches: sorted into files, noted with what they may cost, uploaded, submitted.

What is asked for may be a million requests, so it is read as it is needed, and a file is written from what the ledger
noted. Knows nothing of what becomes of a batch.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from plugdata.calls import client
from plugdata.calls.batch import notes
from plugdata.calls.batch.notes import GIVEN_UP, SUBMITTING, Item
from plugdata.calls.batch.provider import URL, Provider, Remote
from plugdata.calls.faults import CallFault
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, bound, check_bounded
from plugdata.errors import CallError, EndpointError
from plugdata.wire import Request

HINT = "nothing of it was paid; an endpoint without a batch API needs `mode: online`"


@dataclass(frozen=True)
class Limits:
    """What one file may hold, and one transaction."""

    requests: int
    n_bytes: int
    slice: int


OPENAI = Limits(50_000, 200_000_000, 1000)
"""A file's limits: Batch API reference, `input_file_id`. A transaction of a thousand takes a fifth of a second,
for which others who write wait."""


class Outbox:
    """The requests of a run that are not submitted yet. `no_room` is the one that the budget kept back, if any."""

    def __init__(
        self,
        wanted: Iterable[tuple[str, Request]],
        provider: Provider,
        member: Member,
        ledger: Ledger,
        budget: int | None,
        limits: Limits,
    ) -> None:
        self.no_room: Item | None = None
        self._wanted = iter(wanted)
        self._provider, self._member, self._ledger = provider, member, ledger
        self._budget, self._limits = budget, limits
        self._put_back: deque[Item] = deque()
        self._renewed: deque[str] = deque()

    async def next(self) -> str | None:
        """A batch to submit, noted in the ledger, or None: there is no request left, or no room in the budget."""
        return self._renewed.popleft() if self._renewed else await self._prepare()

    async def submit(self, batch: str) -> tuple[Remote, int]:
        """The submitted batch and its number of requests.

        Raises CallError. Where the batch may have been made all the same its items stay taken: the next run looks.
        """
        try:
            with TemporaryFile(dir=self._ledger.path.parent) as file:
                n = await asyncio.to_thread(self._write, batch, file)
                file_id = await self._provider.upload(file, f"plugdata-{batch}.jsonl")
        except (CallFault, CallError) as error:
            raise await self._refused(batch, error) from error
        await self._ledger.commit(lambda db: notes.note(db, batch, SUBMITTING))
        try:
            remote = await self._provider.create(file_id, batch)
        except CallFault as fault:
            raise await self._refused(batch, fault) from fault
        await self._ledger.commit(lambda db: notes.note(db, batch, remote.status, remote.id))
        return remote, n

    async def renew(self, batch: str) -> int:
        """The number of items of an ended batch that are to be submitted again."""
        new = notes.new_id(self._ledger)
        n = await self._ledger.commit(lambda db: notes.renew(db, batch, new))
        if n:
            self._renewed.append(new)
        return n

    async def close(self) -> None:
        """Free what is noted and will not be submitted."""
        while self._renewed:
            await self._give_up(self._renewed.popleft())

    async def _prepare(self) -> str | None:
        """A new batch, noted with as many items as a file and the budget have room for; None if that is none."""
        batch = notes.new_id(self._ledger)
        room, n_bytes = self._limits.requests, self._limits.n_bytes
        while room and not self.no_room and (items := self._take(min(room, self._limits.slice), n_bytes)):
            n_looked, n_added = await self._add(batch, items)
            self._put_back.extend(items[n_looked:])
            self.no_room = items[n_looked] if n_looked < len(items) else None
            room -= n_added
            n_bytes -= sum(item.n_bytes for item in items[:n_looked])
        return None if room == self._limits.requests else batch

    async def _add(self, batch: str, items: list[Item]) -> tuple[int, int]:
        endpoint, served_as, budget = client.base_url(self._member.model), self._member.served_as, self._budget
        return await self._ledger.commit(lambda db: notes.add(db, batch, endpoint, served_as, items, budget))

    def _take(self, n: int, n_bytes: int) -> list[Item]:
        """The next items, at most so many and so long together; one that is too long for any file goes alone."""
        taken: list[Item] = []
        while len(taken) < n:
            if not self._put_back:
                if (wanted := next(self._wanted, None)) is None:
                    break
                key, request = wanted
                if self._budget is not None:
                    check_bounded(self._member, request)
                item = Item(key, request, bound(self._member, request, batch=True), len(self._line(key, request)))
                self._put_back.append(item)
            item = self._put_back[0]
            if item.n_bytes > n_bytes and (taken or n_bytes < self._limits.n_bytes):
                break
            taken.append(self._put_back.popleft())
            n_bytes -= item.n_bytes
        return taken

    async def _refused(self, batch: str, error: CallFault | CallError) -> CallError:
        """Free the items of a batch that was not made, and say why as an error that ends a run."""
        await self._give_up(batch)
        told = f"{self._provider.health.name} takes no batch: {error}"
        return error if isinstance(error, CallError) else EndpointError(told, HINT)

    async def _give_up(self, batch: str) -> None:
        await self._ledger.commit(lambda db: notes.close(db, batch, GIVEN_UP))

    def _write(self, batch: str, file: IO[bytes]) -> int:
        n = 0
        with tables.telling(self._ledger.path), closing(tables.reader(self._ledger.path)) as db:
            for key, request in notes.items(db, batch):
                file.write(self._line(key, request))
                n += 1
            file.flush()
        return n

    def _line(self, key: str, request: Request) -> bytes:
        body = {"model": self._member.model.model, **request.body()}
        return json.dumps({"custom_id": key, "method": "POST", "url": URL, "body": body}).encode() + b"\n"

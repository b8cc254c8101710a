"""A provider's Files and Batches: upload, create, look, cancel, read; each asked again after a passing fault.

OpenAI's protocol, which other providers and servers speak too, by the openai package. Creating a batch costs money,
so it is never repeated blindly: after a fault that leaves it open, the batch is looked for by the metadata that it
was given. Knows no ledger.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from plugdata.calls import client, faults, headers, retry
from plugdata.calls.faults import CallFault, Fault
from plugdata.errors import EndpointError
from plugdata.recipe import Model

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

URL: Final = "/v1/chat/completions"
OURS = "plugdata"
"""The key of the metadata under which a batch carries our name for it."""
WINDOW: Final = "24h"
"""The only completion window there is (OpenAI, Batch API reference)."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
UNSURE = frozenset({Fault.TIMEOUT, Fault.CONNECTION, Fault.SERVER, Fault.BAD_BODY})
"""Faults after which a batch may have been made all the same."""
LOOKS_S = (0.0, 5.0, 15.0, 40.0)
"""Waits before each look for a batch that may have been made: a minute in all, for a request that is still on its way
through the provider when its client is gone."""
LIMITED_S = 20.0
"""Wait after a 429 that names none: a third of the usual window."""


@dataclass(frozen=True)
class Remote:
    """A batch as the provider tells it. `status` is its word; `error` is (code, text) of a refused file."""

    id: str
    status: str
    completed: int
    failed: int
    total: int
    files: tuple[str, ...]
    error: tuple[str, str]
    ours: str | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class Provider:
    """One endpoint's batches. `pause` waits (s), and raises when the run is stopping.

    Methods raise CallFault once a fault is not worth another try, CallError when the endpoint is of no use.
    """

    def __init__(
        self, openai: "AsyncOpenAI", name: str, retries: int, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self.health = retry.Health(name)
        self._openai = openai
        self._retries = retries
        self._pause = pause

    async def upload(self, file: IO[bytes], name: str) -> str:
        """The provider's name of a file of requests."""

        async def send() -> str:
            uploaded = await self._openai.files.create(file=(name, file, "application/jsonl"), purpose="batch")
            if not isinstance(file_id := getattr(uploaded, "id", None), str):
                raise ValueError("no id")
            return file_id

        return await self._ask(send)

    async def create(self, file_id: str, ours: str) -> Remote:
        """The batch made of an uploaded file; the one that was made already, where a fault hid that."""

        async def attempt() -> Remote:
            try:
                return await self._call(create)
            except CallFault as fault:
                if fault.kind in UNSURE and (found := await self.find(ours)):
                    return found
                raise

        async def create() -> Remote:
            return _read(
                await self._openai.batches.create(
                    input_file_id=file_id, endpoint=URL, completion_window=WINDOW, metadata={OURS: ours}
                )
            )

        return await self._again(attempt)

    async def find(self, ours: str) -> Remote | None:
        """The batch that carries our name, looked for long enough to believe that there is none.

        Raises EndpointError where that cannot be learnt: a fault of the search is none of the batch.
        """

        async def look() -> Remote | None:
            async for batch in self._openai.batches.list(limit=100):
                if (batch.metadata or {}).get(OURS) == ours:
                    return _read(batch)
            return None

        try:
            for wait_s in LOOKS_S:
                await self._pause(wait_s)
                if found := await self._ask(look):
                    return found
        except CallFault as fault:
            told = f"{self.health.name} does not say whether it made batch {ours}: {fault}"
            raise EndpointError(told, "rerun: it is looked for again before anything is submitted") from fault
        return None

    async def look(self, remote_id: str) -> Remote:
        return await self._ask(lambda: _awaited(self._openai.batches.retrieve(remote_id)))

    async def cancel(self, remote_id: str) -> Remote:
        return await self._ask(lambda: _awaited(self._openai.batches.cancel(remote_id)))

    async def read(self, file_id: str, each: Callable[[list[bytes]], Awaitable[None]], n_lines: int) -> None:
        """Hand a file's lines on, so many at a time. After a fault it starts again: `each` may see lines twice."""

        async def read() -> None:
            lines: list[bytes] = []
            try:
                async with self._openai.files.with_streaming_response.content(file_id) as response:
                    if "text/html" in response.headers.get("content-type", ""):
                        raise ValueError("a page of HTML")  # a proxy's: read as lines, it would lose all answers
                    async for line in _lines(response.iter_bytes()):
                        lines.append(line)
                        if len(lines) == n_lines:
                            await each(lines)
                            lines = []
            finally:
                if lines:
                    await each(lines)

        await self._ask(read)

    async def _ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await self._again(lambda: self._call(attempt))

    async def _again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await retry.ask(attempt, self._retries, self.health.is_reaching, _asked_wait_s, self._pause)

    async def _call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One try, its fault classed and noted."""
        import httpx2
        import openai

        try:
            result = await attempt()
        except openai.APIStatusError as error:
            fault = faults.of_status(error.status_code, error.response.text, error.response.headers)
        except openai.APIConnectionError as error:
            fault = _of_transport(error.__cause__ or error)
        except httpx2.TransportError as error:  # from the reading of a file, which the openai package leaves alone
            fault = _of_transport(error)
        except (ValueError, openai.APIError) as error:
            fault = CallFault(Fault.BAD_BODY, f"not an answer of the batch API: {error}")
        else:
            self.health.good()
            return result
        asked = _asked_wait_s(fault)
        if fault.kind is not Fault.REJECTED:  # those are about one batch or file here, and their asker's to judge
            self.health.bad(fault, asked, asyncio.get_running_loop().time())
        if fault.kind is Fault.RATE_LIMIT:
            await self._pause(LIMITED_S if asked is None else asked)
        raise fault


@asynccontextmanager
async def connect(model: Model, retries: int, pause: Callable[[float], Awaitable[None]]) -> AsyncIterator[Provider]:
    """An open Provider. Raises AuthError where a key that is needed is missing."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(
        base_url=client.base_url(model), api_key=client.key(model) or "none", max_retries=0, timeout=model.timeout_s
    ) as openai:
        yield Provider(openai, client.endpoint_name(model), retries, pause)


async def _awaited(batch: Awaitable[Any]) -> Remote:
    return _read(await batch)


def _read(batch: Any) -> Remote:
    """Raises ValueError for what is no batch: the openai package hands on whatever a 200 holds."""
    if not isinstance(getattr(batch, "id", None), str) or not isinstance(getattr(batch, "status", None), str):
        raise ValueError("no id or status")
    counts, told = batch.request_counts, (batch.errors and batch.errors.data) or []
    return Remote(
        id=batch.id,
        status=batch.status,
        completed=(counts and counts.completed) or 0,
        failed=(counts and counts.failed) or 0,
        total=(counts and counts.total) or 0,
        files=tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        error=(told[0].code or "", told[0].message or "") if told else ("", ""),
        ours=(batch.metadata or {}).get(OURS),
    )


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines that end in a newline and nothing else: JSON may hold U+2028 and U+0085 as they are."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest


def _of_transport(error: BaseException) -> CallFault:
    import httpx2

    told = str(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return CallFault(Fault.UNREACHABLE, told)
    if isinstance(error, httpx2.TimeoutException):
        return CallFault(Fault.TIMEOUT, "no answer in time")
    return CallFault(Fault.CONNECTION, told)


def _asked_wait_s(fault: CallFault) -> float | None:
    return headers.read(fault.headers, time.time()).retry_after_s

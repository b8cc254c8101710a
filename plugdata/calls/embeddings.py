"""Embeddings of texts from any OpenAI-compatible endpoint, each paid for once.

A call carries some texts to `/embeddings` and goes the way of every call (endpoint.py: limits, retries, circuit
breaker, Ctrl-C), with a client of its own: the openai package's, since calls are few. What comes back is committed,
text by text, to a file beside the ledger (vectors.py), and a text that is there is not asked for again by any run of
the corpus.

Money is the ledger's: a call is claimed there at its bound and charged at its price, as "embedding", so that a budget
is never exceeded by embeddings either. What costs nothing never opens the ledger.
"""

import asyncio
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plugdata.calls import client, faults, money, waiting
from plugdata.calls.caller import LOOK_AGAIN_S
from plugdata.calls.client import CONNECT_S, Client, Reply
from plugdata.calls.endpoint import Endpoint
from plugdata.calls.faults import MAY_BE_BILLED, CallFault, Fault, Stopped
from plugdata.calls.ledger.store import Claim, Ledger
from plugdata.calls.pool import Member
from plugdata.calls.vectors import Store
from plugdata.calls.waiting import Brake
from plugdata.errors import BudgetReached, EndpointError, InputError, PartialError
from plugdata.hashing import tagged_hash
from plugdata.recipe import Model
from plugdata.wire import STOP, Answer, Message, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PER_CALL = 32
"""Texts in a call: what text-embeddings-inference takes by default (--max-client-batch-size), and others take more."""
BYTES_PER_TOKEN = 4
"""For the limiter's first guess alone, which it corrects by the answers (OpenAI's rule of thumb for English)."""
CHARGED = "embedding"


def member(model: Model, served_as: str) -> Member:
    """An embedder with its price. Raises InputError where that is unknown, and for `local`, which only chats."""
    if model.model == "local":
        raise InputError(
            "diversify.model: `local` gives no embeddings", "name an endpoint (model, base_url), or embedder: tfidf"
        )
    try:
        return Member(model, served_as, money.price_of(model, client.base_url(model)))
    except InputError as error:
        raise InputError(
            f"diversify.model: {error}", "set its `price`, e.g. {input: 0.02, output: 0} (USD per million), or free"
        ) from None


def params(model: Model) -> dict[str, Any]:
    """What is sent beside the texts. A temperature, which a recipe's models have by default, is for chats."""
    return {name: value for name, value in model.params.items() if name != "temperature"}


def identity(member: Member) -> str:
    """What the vectors of a text depend on, beside the text."""
    return json.dumps([member.served_as, params(member.model)], sort_keys=True, ensure_ascii=False)


def fetch(
    texts: Iterator[Sequence[str]],
    member: Member,
    store: Store,
    ledger: Ledger | None,
    budget: int | None,
    retries: int,
    say: Callable[[str], None],
) -> None:
    """Have the vectors of all texts in the store; they come vectors.PER_LOOK at a time, at most.

    `ledger`: where the money is kept; None where it costs nothing. `budget`: 1e-9 USD of the ledger's lifetime.
    Raises CallError (quota, auth, model, endpoint), BudgetReached, CorpusError, KeyboardInterrupt after the calls in
    flight are committed; PartialError for a call that failed as often as it may. A rerun asks for what is lacking.
    """

    async def ask(brake: Brake) -> None:
        import httpx2
        from openai import AsyncOpenAI

        model = member.model
        async with AsyncOpenAI(
            base_url=client.base_url(model),
            api_key=client.key(model) or "none",
            max_retries=0,
            timeout=httpx2.Timeout(model.timeout_s, connect=CONNECT_S),
        ) as openai:
            name, sender = client.endpoint_name(model), _Embedder(openai, model.model)
            endpoint = Endpoint(name, sender, model.limits, brake, Counter(), say, alone=True)
            purse = _Purse(member, ledger, budget, brake)
            queue = _calls(texts, store)

            async def work() -> None:
                try:
                    for call in queue:
                        if brake.pulled:
                            return
                        await _once(call, member, endpoint, purse, store, retries)
                except Stopped:
                    return
                except Exception as error:  # whatever it is, the other calls are paid and must be committed
                    brake.pull(error)

            await asyncio.gather(*(work() for _ in range(model.limits.concurrency)))
        if ledger:
            await ledger.settle()

    waiting.run(ask, lambda: say("interrupted: waiting for the calls in flight; Ctrl-C again stops at once"))


def _calls(texts: Iterator[Sequence[str]], store: Store) -> Iterator[list[str]]:
    """The texts of each call."""
    waiting_ones: list[str] = []
    for some in texts:
        waiting_ones += store.lacking(some)
        while len(waiting_ones) >= PER_CALL:
            yield waiting_ones[:PER_CALL]
            del waiting_ones[:PER_CALL]
    if waiting_ones:
        yield waiting_ones


async def _once(
    texts: Sequence[str], member: Member, endpoint: Endpoint, purse: "_Purse", store: Store, retries: int
) -> None:
    """Ask for the vectors of some texts and commit them."""
    request = Request(tuple(Message("user", text) for text in texts), params(member.model))
    key = tagged_hash([CHARGED, request.key(member.served_as)])
    n_tokens = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // BYTES_PER_TOKEN

    try:
        reply, _ = await endpoint.call(
            request,
            n_tokens,
            retries,
            lambda: False,
            lambda: purse.claim(key, request),
            lambda fault: purse.failed(key, fault),
        )
    except CallFault as fault:
        purse.release(key)
        raise PartialError(f"{endpoint.health.name}: no embeddings: {fault}", "rerun: those so far are kept") from fault
    except Exception:
        purse.release(key)
        raise
    vectors = _read(reply.body, len(texts))
    if vectors.shape[1] == (store.dimensions or vectors.shape[1]):
        store.put(texts, vectors)
    await purse.pay(key, request, reply.answer)
    if vectors.shape[1] != store.dimensions:
        raise EndpointError(
            f"{endpoint.health.name} gives vectors of {vectors.shape[1]} numbers, and gave {store.dimensions} before",
            "if another model answers there now, say so by `served_as`",
        )


class _Purse:
    """The money of the calls. Nothing at all where they are free."""

    def __init__(self, member: Member, ledger: Ledger | None, budget: int | None, brake: Brake) -> None:
        self._member, self._ledger, self._budget, self._brake = member, ledger, budget, brake
        self._claimed: set[str] = set()

    async def claim(self, key: str, request: Request) -> None:
        """Returns once the call may be sent. Raises BudgetReached where there is no money for it."""
        if self._ledger is None or key in self._claimed:
            return
        bound = money.bound(self._member.price, request, 0)
        while (claim := await self._ledger.claim(key, bound, self._budget)) is not Claim.OURS:
            if claim is Claim.SPENT:
                told = f"the budget has no room for the next embeddings, which may cost {money.usd(bound)}"
                raise BudgetReached(told, "the same command with a larger --budget resumes")
            await self._brake.pause(LOOK_AGAIN_S)  # for the end of a call, ours or another process's
        self._claimed.add(key)

    async def pay(self, key: str, request: Request, answer: Answer) -> None:
        """Charge what an answer cost, in place of its bound."""
        if self._ledger is None:
            return
        price, n_tokens, used = self._member.price, answer.prompt_tokens, f"{key}-used"
        cost = money.bound(price, request, 0) if n_tokens is None else money.cost(price, n_tokens, 0, 0)
        await self._ledger.claim(used, cost, None)
        self._ledger.release(used, charge=CHARGED)  # with the same commit:
        self.release(key)
        await self._ledger.settle()

    def failed(self, key: str, fault: CallFault) -> None:
        """A try failed: its money stays spent where the provider may have answered all the same."""
        if fault.kind in MAY_BE_BILLED:
            self.release(key, charge=fault.kind)

    def release(self, key: str, charge: str | None = None) -> None:
        if self._ledger and key in self._claimed:
            self._ledger.release(key, charge)
            self._claimed.discard(key)


class _Embedder(Client):
    """Sends a request's messages as the texts of a call to `/embeddings`."""

    def __init__(self, openai: "AsyncOpenAI", model: str) -> None:
        self._openai = openai
        self._model = model

    async def send(self, request: Request) -> Reply:
        """The response, whose body is known to hold a vector for each text. Raises CallFault."""
        import httpx2
        import openai

        texts = [message.content for message in request.messages]
        try:
            response = await self._openai.embeddings.with_raw_response.create(
                model=self._model, input=texts, encoding_format="base64", extra_body=dict(request.params)
            )
            body = response.http_response.text
            answer = _usage(body, len(texts))
        except openai.APIStatusError as error:
            raise faults.of_status(error.status_code, error.response.text, error.response.headers) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            told = str(cause) or type(cause).__name__
            if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise CallFault(Fault.UNREACHABLE, told) from error
            if isinstance(cause, httpx2.TimeoutException):
                raise CallFault(Fault.TIMEOUT, "no answer in time") from error
            raise CallFault(Fault.CONNECTION, told) from error
        except (ValueError, openai.APIError) as error:
            raise CallFault(Fault.BAD_BODY, f"the body holds no embeddings of these texts: {error}") from error
        return Reply(body, answer, response.http_response.headers)


def _usage(body: str, n: int) -> Answer:
    """What a body says of tokens, once it is known to hold so many vectors. Raises ValueError."""
    _read(body, n)
    usage = json.loads(body).get("usage")
    n_tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    known = n_tokens if isinstance(n_tokens, int) and n_tokens >= 0 else None
    return Answer("", STOP, prompt_tokens=known, completion_tokens=0)


def _read(body: str, n: int) -> NDArray[np.float32]:
    """The vectors of a body, of length 1, in the order of the texts. Raises ValueError for any other body.

    Numbers come as base64, which is asked for, or as a list from servers that know nothing else.
    """
    try:
        data: Any = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("no list `data`")
    if len(entries) != n:
        raise ValueError(f"{len(entries)} vectors for {n} texts")
    places = [entry.get("index", at) for at, entry in enumerate(entries)]
    if sorted(place for place in places if isinstance(place, int)) != list(range(n)):
        raise ValueError("their `index` does not count them")
    vectors: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * n
    for place, entry in zip(places, entries, strict=True):
        vectors[place] = _vector(entry.get("embedding"))
    if len({vector.shape for vector in vectors}) != 1 or vectors[0].ndim != 1 or not vectors[0].size:
        raise ValueError("vectors of several lengths, or of none")
    stacked = np.stack(vectors)
    if not np.isfinite(stacked).all():
        raise ValueError("a vector with a number that is none")
    lengths = np.linalg.norm(stacked.astype(np.float64), axis=1, keepdims=True)
    return (stacked / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _vector(told: Any) -> NDArray[np.float32]:
    if isinstance(told, str):
        return np.frombuffer(b64decode(told, validate=True), "<f4")
    try:
        with np.errstate(over="ignore"):  # what is too large for 32 bits is infinite, and told as such
            return np.asarray(told, np.float64).astype(np.float32)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None

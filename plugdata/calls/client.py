"""One OpenAI-compatible endpoint: a Request goes out, a response body comes back as text.

The body is taken raw, so that it can be committed before anyone parses it, and every way in which the transport can
fail becomes a fault of ours here. Keys are read from the environment and go nowhere but into the header.

The transport is aiohttp and not the openai package: that spends 2 ms of CPU on a call, which is all that two cores
have at 500 calls a second; aiohttp spends 0.13 ms (benchmarks/calls.py). What the package would do beyond
that, retries and parsing, is ours on purpose. The batch API, where calls are few, goes through the openai package.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from plugdata import __version__
from plugdata.calls import faults
from plugdata.calls.faults import CallFault, Fault
from plugdata.calls.money import OPENAI
from plugdata.errors import AuthError
from plugdata.recipe import Model, is_loopback
from plugdata.wire import Answer, Request, read_answer

if TYPE_CHECKING:
    from aiohttp import ClientSession

CONNECT_S = 4.0
"""Time to reach an endpoint, DNS and TLS with it: two lost packets' worth, and two tries with the wait between stay
within 10 s. The wait for its answer is `timeout_s`."""


class Reply(NamedTuple):
    body: str
    answer: Answer
    headers: Mapping[str, str]


class Client:
    """An endpoint and the model asked there."""

    def __init__(self, session: "ClientSession", url: str, model: str) -> None:
        self._session = session
        self._url = url
        self._model = model

    async def send(self, request: Request) -> Reply:
        """The response, whose body is known to be a chat completion. Raises CallFault."""
        import aiohttp

        asked = json.dumps({"model": self._model, **request.body()}).encode()
        try:
            async with self._session.post(self._url, data=asked, allow_redirects=False) as response:
                raw = await response.read()
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise CallFault(Fault.UNREACHABLE, str(error) or type(error).__name__) from error
        except TimeoutError as error:
            raise CallFault(Fault.TIMEOUT, "no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise CallFault(Fault.CONNECTION, str(error) or type(error).__name__) from error
        if response.status != 200:
            raise faults.of_status(response.status, raw.decode(errors="replace"), response.headers)
        try:
            body = raw.decode("utf-8-sig")
            answer = read_answer(body)
        except ValueError as error:
            raise CallFault(Fault.BAD_BODY, f"the body is not a chat completion: {error}", response.headers) from error
        return Reply(body, answer, response.headers)


@asynccontextmanager
async def connect(model: Model) -> AsyncIterator[Client]:
    """An open Client. Raises AuthError where a key that is needed is missing. Proxies are those of the environment."""
    import aiohttp

    said = {"Content-Type": "application/json", "User-Agent": f"plugdata/{__version__}", **_identity(model)}
    if found := key(model):
        said["Authorization"] = f"Bearer {found}"
    limit = aiohttp.ClientTimeout(total=model.timeout_s, connect=CONNECT_S)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=limit, headers=said, trust_env=True
    ) as session:
        yield Client(session, f"{base_url(model).rstrip('/')}/chat/completions", model.model)
        await asyncio.sleep(0)  # aiohttp closes its transports in the next turn of the loop


def key(model: Model) -> str:
    """The key for a model's endpoint. Raises AuthError where its variable lacks one that is needed or can be sent."""
    found = os.environ.get(model.api_key_env, "").strip()
    if not found and model.model != "local" and not is_loopback(urlsplit(base_url(model)).hostname or ""):
        raise AuthError(f"no key: {model.api_key_env} is empty", "set it, or name another variable in `api_key_env`")
    if not (found.isascii() and found.isprintable()):
        raise AuthError(f"{model.api_key_env} holds characters that no key has", "copy the key anew")
    return found


def base_url(model: Model) -> str:
    """Where a model is asked: its own base URL, OPENAI_BASE_URL, or OpenAI's."""
    return model.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI


def endpoint_name(model: Model) -> str:
    """What messages call an endpoint: its model and host, never a key."""
    return "the local model" if model.model == "local" else f"{model.model} at {urlsplit(base_url(model)).hostname}"


def _identity(model: Model) -> dict[str, str]:
    """The headers by which OpenAI tells organisations and projects of one key apart, as its own client reads them."""
    if base_url(model) != OPENAI:
        return {}
    named = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    return {header: os.environ[name] for header, name in named.items() if os.environ.get(name)}

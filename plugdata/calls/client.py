"""One OpenAI-compatible endpoint: a Request goes out, a response body comes back as text.

The body is taken raw, so that it can be committed before anyone parses it, and so that a body the openai package
cannot parse is our class of fault and not its traceback. Keys are read from the environment and go nowhere but into
the client.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plugdata.errors import AuthError
from plugdata.recipe import Model, is_loopback
from plugdata.wire import Request, read_answer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_S = 5.0
"""Time to reach an endpoint: three lost packets' worth; the wait for its answer is `timeout_s`."""


class Endpoint:
    """An endpoint and the model asked there."""

    def __init__(self, client: "AsyncOpenAI", model: str) -> None:
        self._client = client
        self._model = model

    async def send(self, request: Request) -> str:
        """The response body, known to be a chat completion. Raises what the openai client raises, or ValueError."""
        import httpx2

        response = await self._client.post(
            "/chat/completions", body={"model": self._model, **request.body()}, cast_to=httpx2.Response
        )
        body = response.text
        read_answer(body)
        return body


@asynccontextmanager
async def connect(model: Model) -> AsyncIterator[Endpoint]:
    """An open Endpoint. Raises AuthError where the key's variable is empty and the endpoint is not on loopback."""
    from openai import AsyncOpenAI

    base_url = model.base_url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get(model.api_key_env, "")
    if not key and not is_loopback(urlsplit(base_url or "").hostname or ""):
        raise AuthError(f"no key: {model.api_key_env} is empty", "set it, or name another variable in `api_key_env`")
    async with AsyncOpenAI(base_url=base_url, api_key=key or "none", max_retries=0, timeout=model.timeout_s) as client:
        yield Endpoint(client, model.model)


def key(model: Model) -> str:
    """The key for a model's endpoint. Raises AuthError where its variable lacks one that is needed or can be sent."""
    found = os.environ.get(model.api_key_env, "").strip()
    if not found and model.model != "local" and not is_loopback(urlsplit(_base_url(model) or "").hostname or ""):
        raise AuthError(f"no key: {model.api_key_env} is empty", "set it, or name another variable in `api_key_env`")
    if not (found.isascii() and found.isprintable()):
        raise AuthError(f"{model.api_key_env} holds characters that no key has", "copy the key anew")
    return found


def _base_url(model: Model) -> str | None:
    return model.base_url or os.environ.get("OPENAI_BASE_URL")


def endpoint_name(model: Model) -> str:
    """What messages call an endpoint: its model and host, never a key."""
    if model.model == "local":
        return "the local model"
    url = _base_url(model) or "https://api.openai.com/v1"
    return f"{model.model} at {urlsplit(url).hostname}"

"""The blocks of a recipe that say what answers: models, their prices and limits."""

import json
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from plugdata.recipe.base import Settings, Share


class Limits(Settings):
    """What an endpoint may be asked, at most; what its answers' headers say of stricter limits is heeded too."""

    rpm: int | None = Field(None, ge=1, description="requests in any minute")
    tpm: int | None = Field(None, ge=1, description="tokens in any minute, prompt and answer together")
    rpd: int | None = Field(None, ge=1, description="requests in any 24 hours")
    concurrency: int = Field(16, ge=1, le=1024, description="requests in flight")


Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(Settings):
    """USD for a million tokens."""

    input: Usd
    output: Usd
    cached_input: Usd | None = Field(None, description="prompt tokens that the provider had cached; default: as input")
    batch: Share = Field(0.5, description="share of the price that the batch API takes")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where no key is needed and nothing is published."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_OF_THE_SDK = ("extra_headers", "extra_query", "extra_body")
"""`params` are the body of the request, which is stored and published: no place for a header with a key."""


class Model(Settings):
    """What answers: an OpenAI-compatible endpoint, or `local` (llama.cpp in process)."""

    model: str = Field(description="the endpoint's model name, or `local`")
    base_url: str | None = Field(None, description="default: OpenAI's, or OPENAI_BASE_URL")
    api_key_env: str = Field("OPENAI_API_KEY", description="environment variable that holds the key")
    served_as: str | None = Field(None, description="what answers, in ledger keys and on rows; default: `model`")
    weights: str | None = Field(None, description="of `local`: small, medium, or a GGUF file")
    params: dict[str, Any] = Field(
        default_factory=lambda: {"temperature": 0}, description="passed to the endpoint as they are"
    )
    price: Literal["free"] | Price | None = Field(
        None, description="free, or USD per million tokens; default: the price list, nothing on this machine"
    )
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="share of the rows, beside the other models")
    limits: Limits = Limits()
    timeout_s: float = Field(180, gt=0, description="a call without an answer by then is sent again")

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("is not an http(s) URL such as http://127.0.0.1:8000/v1")
        return url

    @field_validator("params")
    @classmethod
    def _can_be_sent(cls, params: dict[str, Any]) -> dict[str, Any]:
        if ours := sorted(params.keys() & {"model", "messages", "stream", "n", *_OF_THE_SDK}):
            raise ValueError(f"{ours[0]!r} is not a parameter to set here")
        try:
            json.dumps(params, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"cannot be sent as JSON: {error}") from None
        return params

    @model_validator(mode="after")
    def _weights_are_local(self) -> Self:
        if self.weights is not None and self.model != "local":
            raise ValueError("`weights` needs `model: local`")
        if self.model == "local" and self.base_url is not None:
            raise ValueError("`model: local` runs in process and takes no `base_url`")
        return self

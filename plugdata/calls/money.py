"""What a call costs, in whole nano-dollars (1e-9 USD, rounded up): its price, its most before, its sum after.

A price is declared (recipe, `--price`), nothing for what runs on this machine, or from the price list that comes
with genai-prices: the bundled one, never the network. A wrong price is worse than none, so whatever the list does
not plainly know is an error that says how to declare one. Where it leaves a choice the dearer rate is taken: a
budget that ends a little early loses nothing, one that is exceeded does.

Knows nothing of ledgers and budgets: it counts, others reserve and stop.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from plugdata.errors import InputError
from plugdata.recipe import Model, Price, is_loopback
from plugdata.wire import Request

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, TieredPrices

OPENAI = "https://api.openai.com/v1"
"""Where a call goes without a base URL: the default of the openai client."""
FREE = Price(input=0, output=0)
HINT = "say --price free or --price IN,OUT (USD per million tokens), or set `price` in the recipe"

MESSAGE_TOKENS = 16
"""What a chat template may put around a message. ChatML and Llama 3 put 5, OpenAI counts 3 or 4 ("How to count
tokens with tiktoken", OpenAI cookbook); 16 leaves room for a role spelt out byte by byte."""
REQUEST_TOKENS = 512
"""What a template may put before the first message: a default system prompt where none is given (Qwen2.5 20 tokens,
gpt-oss 70, Mistral Small 3 about 400), a date, the opening of the answer."""

AHEAD = timedelta(days=2)
"""How long a price must hold: a run begun today, or a batch that may take a day (OpenAI's completion window)."""
STEP = timedelta(minutes=30)
"""Some prices change with the time of day (DeepSeek), in the list of 0.2.3 on the hour or the half."""
LONG = 100_000
"""Prompt tokens from which a dearer tier is no concern of ours: in 0.2.3 the tiers of all models but two start there
or above; those two are taken at the dearer one."""

_EXPRESSIBLE = re.compile(r"(input|output|cache_read|cache_write|cache_write_1h)_mtok|.*(audio|image|video|searches).*")
"""Charges of the list that a Price holds, or that text calls do not incur; a fee per request is neither."""
_VERSION = re.compile(r"v?[0-9]+|latest|preview")
_PACES = ("service_tier", "speed")  # parameters that change the price: of OpenAI, Google and Groq; of Anthropic
_STANDARD = ("auto", "default", "standard", "on_demand")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?|\.[0-9]{1,12}")


def price_of(model: Model, base_url: str | None, *, at: datetime | None = None) -> Price:
    """USD per million tokens of a model at an endpoint, at most, for the days from `at` (default: now).

    Raises InputError where none is declared and the list has none for that provider and that very model.
    """
    if model.price == "free":
        return FREE
    if model.price is not None:
        return model.price
    host = urlsplit(base_url or OPENAI).hostname or ""
    if model.model == "local" or is_loopback(host):
        return FREE
    listed = _listed(model.model, base_url)
    if listed is None:
        raise _unknown(model, host, "it is not in the price list")
    try:
        return _price(listed, model.params, at or datetime.now(UTC))
    except LookupError as error:
        raise _unknown(model, host, str(error)) from None


def is_free(price: Price) -> bool:
    return not (price.input or price.output or price.cached_input)


def cost(price: Price, prompt_tokens: int, cached_tokens: int, completion_tokens: int, *, batch: bool = False) -> int:
    """Nano-dollars of one call. `cached_tokens` are a part of `prompt_tokens`."""
    rates = _rates(price, batch)
    cached = min(cached_tokens, prompt_tokens)
    return math.ceil((prompt_tokens - cached) * rates.input + cached * rates.cached + completion_tokens * rates.output)


def bound(price: Price, request: Request, max_output_tokens: int, *, batch: bool = False) -> int:
    """Nano-dollars that a call can cost at most, before it is sent."""
    rates = _rates(price, batch)
    return math.ceil(input_bound(request) * max(rates.input, rates.cached) + max(0, max_output_tokens) * rates.output)


def input_bound(request: Request) -> int:
    """Prompt tokens that a request can count at most.

    A token of a byte-level vocabulary, or of one that falls back on bytes, stands for at least one byte. `params`
    count whole: schemas and tools are read by the model, the rest is short.
    """
    texts = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in request.messages)
    params = len(json.dumps(dict(request.params), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return texts + params + MESSAGE_TOKENS * len(request.messages) + REQUEST_TOKENS


def max_output_tokens(model: Model, request: Request, base_url: str | None = None) -> int | None:
    """Tokens that the answer can have: what the request allows, else the model's context window, else None."""
    asked = [request.params.get(name) for name in ("max_completion_tokens", "max_tokens")]
    if allowed := [n for n in asked if isinstance(n, int) and n > 0]:
        return max(allowed)
    if model.model == "local":
        return None
    listed = _listed(model.model, base_url or model.base_url)
    return listed.model.context_window if listed else None


def parse_price(text: str) -> Literal["free"] | Price:
    """What `--price` says: `free`, or IN,OUT or IN,OUT,CACHED in USD per million tokens. Raises InputError."""
    if text.strip().lower() == "free":
        return "free"
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 3) or not all(map(_NUMBER.fullmatch, parts)):
        raise InputError(f"--price {text!r} is not a price", "write free, IN,OUT or IN,OUT,CACHED, e.g. 0.15,0.60")
    prices = [float(part) for part in parts]
    if (prices[0] == 0) != (prices[1] == 0):  # "0,5" is half a dollar with a decimal comma, not free prompts
        raise InputError(f"--price {text!r}: one of IN and OUT is 0", "decimals take a point, e.g. 0.15,0.60")
    return Price(input=prices[0], output=prices[1], cached_input=prices[2] if len(prices) == 3 else None)


def usd(nano: int) -> str:
    """A sum for people: cents, below a dollar two figures (or what a nano-dollar has), to the nearest."""
    if nano == 0:
        return "$0"
    dollars = Decimal(abs(nano)).scaleb(-9)
    places = min(9, max(2, 1 - dollars.adjusted()))
    return f"{'-' if nano < 0 else ''}${dollars:,.{places}f}"


class _Rates(NamedTuple):
    """Nano-dollars per token."""

    input: Fraction
    cached: Fraction
    output: Fraction


@lru_cache(maxsize=64)  # a handful of models in a run, and a look-up for each call
def _rates(price: Price, batch: bool) -> _Rates:
    share = Fraction(str(price.batch)) if batch else Fraction(1)
    full, output = _nano(price.input), _nano(price.output)
    cached = full if price.cached_input is None else _nano(price.cached_input)
    if batch:  # the two discounts need not add up: OpenAI's batch prices of gpt-4o-mini have none for cached tokens
        cached = min(cached, full * share)
    return _Rates(full * share, cached, output * share)


def _nano(usd_per_million: float) -> Fraction:
    """Nano-dollars a token, of the decimal number that the float was written as."""
    return Fraction(str(usd_per_million)) * 1000


def _unknown(model: Model, host: str, why: str) -> InputError:
    return InputError(f"{model.model!r} at {host}: no price, {why}", HINT)


def _listed(name: str, base_url: str | None) -> "PriceCalculation | None":
    """The entry of the price list for a model at an endpoint, or None: also for one that it knows by half."""
    from genai_prices import Usage, calc_price

    try:
        entry = calc_price(Usage(), name, provider_api_url=base_url or OPENAI)
    except LookupError:
        return None
    return None if _is_guess(name.lower(), entry.model) else entry


def _is_guess(name: str, info: "ModelInfo") -> bool:
    """Whether the list took a name for a model by its beginning, and the rest says more than a version or a date.

    "claude-opus-4-5-20251101" is that model, "claude-opus-4-5-fast" is dearer. The suffix of a fine-tuned model
    (ft:…) is its owner's.
    """
    if not info.is_match(f"{name}-anything") or name.startswith("ft:"):
        return False
    words, known = (set(re.findall(r"[a-z0-9]+", text)) for text in (name, info.id.lower()))
    return not all(map(_VERSION.fullmatch, words - known))


class _Usd(NamedTuple):
    """USD per million tokens, as the list writes them."""

    input: Decimal
    cached: Decimal
    output: Decimal


def _price(listed: "PriceCalculation", params: Mapping[str, object], at: datetime) -> Price:
    """The dearest of what the list says for the days ahead. Raises LookupError for what a Price cannot say."""
    info = listed.model
    own = any(info is model for model in listed.provider.models)  # Azure has OpenAI's prices, not its tiers
    context = {key: value for key in _PACES if isinstance(value := params.get(key), str) and value not in _STANDARD}
    variants = [variant.when for variant in info.price_variants or ()] if own else []
    if context and context not in variants:
        raise LookupError(f"the price list has none for {json.dumps(context)}")
    online = _dearest(info, at, context)
    cached = None if online.cached == online.input else float(online.cached)
    price = Price(input=float(online.input), cached_input=cached, output=float(online.output))
    batched = _dearest(info, at, {"processing": "batch"}) if own and not context else online
    if batched == online:
        return price
    share = max(batched.input / online.input, batched.output / online.output)
    return price.model_copy(update={"batch": min(1.0, float(share))})


def _dearest(info: "ModelInfo", at: datetime, context: Mapping[str, str]) -> _Usd:
    times = [at + STEP * i for i in range(AHEAD // STEP + 1)]
    entries = [_read(info.get_prices(time, context), info.id) for time in times]
    return _Usd(*map(max, zip(*entries, strict=True)))


def _read(prices: "ModelPrice", name: str) -> _Usd:
    for key, value in vars(prices).items():
        if value is not None and not _EXPRESSIBLE.fullmatch(key):
            raise LookupError(f"the price list has charges beside tokens ({key})")
    fresh, output = _short(prices.input_mtok), _short(prices.output_mtok)
    if not fresh or not output:
        raise LookupError("the price list has no price of text in and text out")
    cached = _short(prices.cache_read_mtok)
    if "claude" not in name:  # Anthropic writes a cache when asked, OpenAI unasked and since GPT-5.6 for money
        fresh = max(fresh, _short(prices.cache_write_mtok) or fresh)
    return _Usd(fresh, fresh if cached is None else cached, output)


def _short(price: "Decimal | TieredPrices | None") -> Decimal | None:
    """The price of short requests."""
    if price is None or isinstance(price, Decimal):
        return price
    return max([price.base, *(tier.price for tier in price.tiers if tier.start < LONG)])

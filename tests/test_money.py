"""Money: prices as the price list has them, sums that are exact, bounds that hold, and amounts people can read."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from plugdata.calls import money
from plugdata.errors import InputError
from plugdata.recipe import Model, Price
from plugdata.wire import Message, Request

DAY = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
rates = st.decimals(0, 200, places=4).map(float)
prices = st.builds(
    Price, input=rates, output=rates, cached_input=st.none() | rates, batch=st.sampled_from([0.25, 0.5, 0.8, 1.0])
)
tokens = st.integers(0, 2_000_000)


def model(name: str, **fields: Any) -> Model:
    return Model(model=name, **fields)


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("gpt-4o-mini", None),
        ("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1"),
        ("mistral-small-2603", "https://api.mistral.ai/v1"),
        ("gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai/"),
        ("gpt-5-mini", "https://ours.openai.azure.com/openai/v1"),
        ("claude-haiku-4-5-20251001", "https://api.anthropic.com/v1/"),
    ],
)
@pytest.mark.parametrize(("prompt", "cached", "completion"), [(1000, 0, 0), (0, 0, 1000), (9001, 7777, 333)])
def test_a_listed_model_costs_what_the_price_list_computes(
    name: str, base_url: str | None, prompt: int, cached: int, completion: int
) -> None:
    usage = Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=completion)
    listed = calc_price(usage, name, provider_api_url=base_url or "https://api.openai.com/v1").total_price
    got = money.cost(money.price_of(model(name), base_url), prompt, cached, completion)
    assert 0 <= got - listed * 10**9 < 1  # rounded up to a whole nano-dollar
    assert got > 0


def test_a_price_that_changes_with_the_hour_is_never_taken_too_low() -> None:
    url = "https://api.deepseek.com"
    price = money.price_of(model("deepseek-chat"), url, at=DAY)
    usage = Usage(input_tokens=1000, output_tokens=1000)
    listed = {
        calc_price(
            usage, "deepseek-chat", provider_api_url=url, genai_request_timestamp=DAY + timedelta(hours=h)
        ).total_price
        for h in range(24)
    }
    assert len(listed) > 1
    assert money.cost(price, 1000, 0, 1000) == max(listed) * 10**9


def test_prompts_of_a_model_that_caches_unasked_cost_the_cache_write() -> None:
    usage = Usage(input_tokens=4000, cache_write_tokens=4000, output_tokens=100)
    listed = calc_price(usage, "gpt-5.6-luna", provider_api_url="https://api.openai.com/v1").total_price
    got = money.cost(money.price_of(model("gpt-5.6-luna"), None), 4000, 0, 100)
    assert 0 <= got - listed * 10**9 < 1


@pytest.mark.parametrize("cached", [0, 800])
@pytest.mark.parametrize("name", ["gpt-4o-mini", "gpt-5"])
def test_a_batch_costs_no_less_than_the_price_list_says_and_less_than_online(name: str, cached: int) -> None:
    usage = Usage(input_tokens=1000, cache_read_tokens=cached, output_tokens=1000)
    listed = calc_price(
        usage, name, provider_api_url="https://api.openai.com/v1", price_context={"processing": "batch"}
    ).total_price
    price = money.price_of(model(name), None)
    got = money.cost(price, 1000, cached, 1000, batch=True)
    assert listed * 10**9 <= got < money.cost(price, 1000, cached, 1000)
    assert cached or got == listed * 10**9


def test_a_dearer_service_tier_has_its_own_price() -> None:
    usual = money.price_of(model("gpt-5", params={"service_tier": "auto"}), None)
    fast = money.price_of(model("gpt-5", params={"service_tier": "priority"}), None)
    usage = Usage(input_tokens=10, output_tokens=10)
    listed = calc_price(
        usage, "gpt-5", provider_api_url="https://api.openai.com/v1", price_context={"service_tier": "priority"}
    ).total_price
    assert usual == money.price_of(model("gpt-5"), None)
    assert money.cost(fast, 10, 0, 10) == listed * 10**9 > money.cost(usual, 10, 0, 10)


@pytest.mark.parametrize(
    ("name", "base_url", "params"),
    [
        ("gpt-of-next-year", None, {}),
        ("qwen3-32b", "https://llm.example.org/v1", {}),
        ("qwen3-32b", "http://10.0.0.5:8000/v1", {}),
        ("claude-opus-4-5-fast", "https://api.anthropic.com/v1/", {}),  # the list takes it for claude-opus-4-5
        ("gpt-5-nano-turbo", None, {}),  # and this for gpt-5-nano
        ("text-embedding-3-small", None, {}),
        ("sonar", "https://api.perplexity.ai", {}),  # a fee per request
        ("openai/gpt-oss-20b:free", "https://openrouter.ai/api/v1", {}),  # in the list without a price
        ("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", {"service_tier": "performance"}),
    ],
)
def test_a_price_that_is_not_plainly_known_is_asked_for(
    name: str, base_url: str | None, params: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as error:
        money.price_of(model(name, params=params), base_url)
    assert name in str(error.value)
    assert "--price free" in error.value.hint
    assert "--price IN,OUT (USD per million tokens)" in error.value.hint
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("local", None),
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("anything", "http://[::1]:8000/v1"),
    ],
)
def test_this_machine_is_free_unless_priced(name: str, base_url: str | None) -> None:
    assert money.is_free(money.price_of(model(name), base_url))
    own = Price(input=1, output=2)
    assert money.price_of(model(name, price=own), base_url) == own


def test_a_declared_price_goes_before_the_price_list() -> None:
    own = Price(input=7, output=9, cached_input=1, batch=0.4)
    assert money.price_of(model("gpt-4o-mini", price=own), None) == own
    assert money.is_free(money.price_of(model("gpt-4o-mini", price="free"), None))
    assert not money.is_free(money.price_of(model("gpt-4o-mini"), None))
    assert not money.is_free(Price(input=0, output=0, cached_input=0.1))


def test_cost_is_exact_where_floats_are_not() -> None:
    assert money.cost(Price(input=0.1, output=0.2), 3, 0, 0) == 300
    assert money.cost(Price(input=0.0001, output=0), 1, 0, 0) == 1  # a tenth of a nano-dollar, rounded up
    assert money.cost(Price(input=3, output=15, cached_input=0.3), 1_000_000, 1_000_000, 0) == 300_000_000
    assert money.cost(Price(input=3, output=15), 1_000_000, 400_000, 1_000_000) == 18 * 10**9
    assert money.cost(Price(input=3, output=15, batch=0.5), 1_000_000, 0, 1_000_000, batch=True) == 9 * 10**9


@given(prices, tokens, tokens, tokens, tokens, tokens, st.booleans())
def test_more_tokens_never_cost_less(
    price: Price, prompt: int, cached: int, completion: int, more: int, most: int, batch: bool
) -> None:
    less = money.cost(price, prompt, cached, completion, batch=batch)
    assert 0 <= less <= money.cost(price, prompt + more, cached, completion + most, batch=batch)


@given(prices, tokens, tokens, tokens)
def test_a_batch_never_costs_more(price: Price, prompt: int, cached: int, completion: int) -> None:
    online = money.cost(price, prompt, cached, completion)
    assert money.cost(price, prompt, cached, completion, batch=True) <= online


messages = st.lists(
    st.builds(Message, st.sampled_from(["system", "user"]), st.text(max_size=60)), min_size=1, max_size=5
)


@given(prices, messages, st.data(), st.integers(0, 4000), st.booleans())
def test_a_call_whose_tokens_keep_within_the_bounds_never_costs_more_than_its_bound(
    price: Price, texts: list[Message], data: st.DataObject, room: int, batch: bool
) -> None:
    request = Request(tuple(texts), {"temperature": 0})
    prompt = data.draw(st.integers(0, money.input_bound(request)))
    cached = data.draw(st.integers(0, prompt))
    completion = data.draw(st.integers(0, room))
    bound = money.bound(price, request, room, batch=batch)
    assert money.cost(price, prompt, cached, completion, batch=batch) <= bound


def test_the_bound_holds_where_cached_tokens_cost_more_than_fresh_ones() -> None:
    price, request = Price(input=1, output=1, cached_input=2), Request((Message("user", "Hello"),))
    n = money.input_bound(request)
    assert money.cost(price, n, n, 10) <= money.bound(price, request, 10)


def test_the_input_bound_counts_bytes_templates_and_schemas() -> None:
    texts = ["Translate.", "날씨가 좋다 🌤", "สวัสดี"]
    schema = {"response_format": {"type": "json_schema", "json_schema": {"name": "번역"}}}
    plain = Request(tuple(Message("user", text) for text in texts))
    n_bytes = sum(len(text.encode()) for text in texts)
    assert money.input_bound(plain) >= n_bytes + len(texts) * money.MESSAGE_TOKENS + money.REQUEST_TOKENS
    grown = money.input_bound(Request(plain.messages, schema)) - money.input_bound(plain)
    assert grown >= len(json.dumps(schema, ensure_ascii=False).encode()) - len("{}")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"max_tokens": 300}, 300),
        ({"max_tokens": 3, "max_completion_tokens": 9}, 9),
    ],
)
def test_the_request_says_how_long_the_answer_may_be(params: dict[str, Any], expected: int) -> None:
    request = Request((Message("user", "Hello"),), params)
    assert money.max_output_tokens(model("gpt-4o-mini"), request) == expected
    assert money.max_output_tokens(model("unheard-of", base_url="https://llm.example.org/v1"), request) == expected


def test_without_a_limit_the_answer_may_fill_the_context_window_if_that_is_known() -> None:
    request = Request((Message("user", "Hello"),), {"max_tokens": None})
    known = calc_price(Usage(), "gpt-4o-mini", provider_api_url="https://api.openai.com/v1").model.context_window
    assert known is not None
    assert money.max_output_tokens(model("gpt-4o-mini"), request) == known
    assert money.max_output_tokens(model("gpt-4o-mini"), request, "https://llm.example.org/v1") is None
    assert money.max_output_tokens(model("unheard-of"), request) is None
    assert money.max_output_tokens(model("local"), request) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("free", "free"),
        ("0.15,0.6", Price(input=0.15, output=0.6)),
        ("1, 5", Price(input=1, output=5)),
        (".5,2,0.05", Price(input=0.5, output=2, cached_input=0.05)),
        ("0,0", Price(input=0, output=0)),
    ],
)
def test_a_price_on_the_command_line_is_read(text: str, expected: str | Price) -> None:
    assert money.parse_price(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "5",
        "-1,2",
        "1,-2",
        "1,,2",
        "1,2,3,4",
        "0,15,0,60",
        "0,5",
        "nan,1",
        "inf,1",
        "1e3,1",
        "$1,$2",
        "1_0,2",
    ],
)
def test_what_is_no_price_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as error:
        money.parse_price(text)
    assert repr(text) in str(error.value)
    assert "0.15,0.60" in error.value.hint


@pytest.mark.parametrize(
    ("nano", "expected"),
    [
        (0, "$0"),
        (1, "$0.000000001"),
        (4_200_000, "$0.0042"),
        (420_000_000, "$0.42"),
        (12_300_000_000, "$12.30"),
        (1_234_567_890_000_000, "$1,234,567.89"),
        (-500_000_000, "-$0.50"),
    ],
)
def test_a_sum_is_written_for_people(nano: int, expected: str) -> None:
    assert money.usd(nano) == expected


@given(st.integers(1, 10**18))
def test_a_written_sum_never_lies(nano: int) -> None:
    written = money.usd(nano)
    assert "e" not in written.lower()
    said = Fraction(Decimal(written.removeprefix("$").replace(",", ""))) * 10**9
    assert abs(said - nano) <= Fraction(nano, 20)  # two figures
    assert abs(said - nano) <= 5_000_000  # half a cent


def test_every_model_of_the_price_list_has_a_price_or_is_refused_in_words() -> None:
    names = [entry.id for provider in providers if provider.id == "openai" for entry in provider.models]
    n_priced = 0
    for name in names:
        try:
            price = money.price_of(model(name), None, at=DAY)
        except InputError as error:
            assert "no price" in str(error)
            continue
        n_priced += 1
        assert price.input > 0 and price.output > 0 and 0 < price.batch <= 1
    assert len(names) / 2 < n_priced < len(names)

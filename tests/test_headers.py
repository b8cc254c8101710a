"""Every provider's rate headers come out in one form, and garbage as nothing."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.calls.headers import _NAMES, _RETRY, NOTHING, Budget, Seen, read

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
AT = NOW.timestamp()


def _openai(reset: str) -> dict[str, str]:
    return {"x-ratelimit-limit-requests": "500", "x-ratelimit-reset-requests": reset}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("7.66s", 7.66),
        ("59.5", 59.5),
        ("0s", 0.0),
        ("1d2h", 93_600.0),
        ("250µs", 0.00025),
    ],
)
def test_resets_are_read_as_go_durations_or_seconds(text: str, seconds: float) -> None:
    reset = read(_openai(text), AT).requests.reset_s
    assert reset == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1e400", "nan", "inf", "1s2", "s", "99999999999999999h", "٣s"])
def test_a_reset_that_is_garbage_is_unsaid(text: str) -> None:
    assert read(_openai(text), AT).requests == Budget(limit=500, window_s=60.0)


@pytest.mark.parametrize(
    ("headers", "requests", "tokens"),
    [
        pytest.param(
            {
                "X-RateLimit-Limit-Requests": "5000",
                "X-RateLimit-Remaining-Requests": "4999",
                "X-RateLimit-Reset-Requests": "12ms",
                "X-RateLimit-Limit-Tokens": "160000",
                "X-RateLimit-Remaining-Tokens": "159976",
                "X-RateLimit-Reset-Tokens": "5ms",
            },
            Budget(5000, 4999, 0.012, 60.0),
            Budget(160_000, 159_976, 0.005, 60.0),
            id="openai",
        ),
        pytest.param(
            {
                "x-ratelimit-limit-requests": "14400",
                "x-ratelimit-remaining-requests": "14370",
                "x-ratelimit-reset-requests": "2m59.56s",
                "x-ratelimit-limit-tokens": "18000",
                "x-ratelimit-remaining-tokens": "17997",
                "x-ratelimit-reset-tokens": "7.66s",
            },
            Budget(14_400, 14_370, 179.56, None),
            Budget(18_000, 17_997, 7.66, 60.0),
            id="groq counts requests by the day",
        ),
        pytest.param(
            {
                "anthropic-ratelimit-requests-limit": "1000",
                "anthropic-ratelimit-requests-remaining": "999",
                "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
                "anthropic-ratelimit-tokens-limit": "96000",
                "anthropic-ratelimit-tokens-remaining": "90000",
                "anthropic-ratelimit-tokens-reset": "2026-11-21T11:59:59Z",
            },
            Budget(1000, 999, 1.0, 60.0),
            Budget(96_000, 90_000, 0.0, 60.0),
            id="anthropic",
        ),
        pytest.param(
            {
                "anthropic-ratelimit-input-tokens-limit": "80000",
                "anthropic-ratelimit-input-tokens-remaining": "70000",
                "anthropic-ratelimit-output-tokens-limit": "16000",
                "anthropic-ratelimit-output-tokens-remaining": "200",
            },
            Budget(),
            Budget(16_000, 200, None, None),
            id="anthropic: the side of which less is left",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "7", "x-ratelimit-remaining-tokens": "311"},
            Budget(remaining=7, window_s=60.0),
            Budget(remaining=311, window_s=60.0),
            id="azure",
        ),
        pytest.param(
            {
                "x-ratelimit-limit-req-minute": "720",
                "x-ratelimit-remaining-req-minute": "717",
                "x-ratelimit-limit-tokens-minute": "5000000",
                "x-ratelimit-remaining-tokens-minute": "4999911",
                "x-ratelimit-tokens-query-cost": "52",
            },
            Budget(720, 717, None, 60.0),
            Budget(5_000_000, 4_999_911, None, 60.0),
            id="mistral",
        ),
        pytest.param(
            {
                "x-ratelimitbysize-limit-minute": "500000",
                "x-ratelimitbysize-remaining-minute": "499900",
                "x-ratelimitbysize-limit-month": "1000000000",
            },
            Budget(),
            Budget(500_000, 499_900, None, 60.0),
            id="mistral by size",
        ),
        pytest.param(
            {
                "x-ratelimit-limit-requests-day": "1000",
                "x-ratelimit-remaining-requests-day": "3",
                "x-ratelimit-reset-requests-day": "33011.4",
                "x-ratelimit-limit-requests-minute": "30",
                "x-ratelimit-remaining-requests-minute": "29",
                "x-ratelimit-reset-requests-minute": "11.4",
            },
            Budget(1000, 3, 33_011.4, 86_400.0),
            Budget(),
            id="cerebras: the window of which less is left",
        ),
        pytest.param(
            {
                "X-RateLimit-Limit": "20",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int((AT + 42) * 1000)),
            },
            Budget(20, 0, 42.0, None),
            Budget(),
            id="openrouter: epoch in milliseconds",
        ),
        pytest.param(
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "1", "x-ratelimit-reset": str(int(AT + 42))},
            Budget(20, 1, 42.0, None),
            Budget(),
            id="epoch in seconds",
        ),
        pytest.param(
            {"RateLimit-Limit": "100, 100;w=10", "RateLimit-Remaining": "95", "RateLimit-Reset": "7"},
            Budget(100, 95, 7.0, 10.0),
            Budget(),
            id="ietf, with its window",
        ),
        pytest.param(
            {"ratelimit-limit": "300", "ratelimit-remaining": "280", "ratelimit-reset": "53"},
            Budget(300, 280, 53.0, None),
            Budget(),
            id="ietf, of an unnamed window",
        ),
    ],
)
def test_each_style_is_read(headers: dict[str, str], requests: Budget, tokens: Budget) -> None:
    seen = read(headers, AT)
    assert (seen.requests, seen.tokens) == (requests, tokens)
    assert read(dict(reversed(headers.items())), AT) == seen


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "150", "retry-after": "1"}, 0.15),
        ({"retry-after-ms": "junk", "retry-after": "1"}, 1.0),
        ({"Retry-After": format_datetime(datetime(2026, 11, 21, 12, 1, 30, tzinfo=UTC), usegmt=True)}, 90.0),
        ({"Retry-After": format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)}, 0.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "later"}, None),
        ({"Retry-After": "Thu, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert read(headers, AT).retry_after_s == seconds


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json", "x-request-id": "a1", "cf-ray": "b"}])
def test_headers_that_say_nothing_cost_no_object(headers: dict[str, str]) -> None:
    assert read(headers, AT) is NOTHING


_numbers = st.one_of(st.integers().map(str), st.floats().map(str))
_values = st.one_of(st.text(max_size=30), _numbers, st.from_regex(r"(\d+(\.\d+)?(ms|us|h|m|s|d)){1,4}", fullmatch=True))
_moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z")


@given(
    st.dictionaries(st.sampled_from([*_NAMES, *_RETRY]), st.one_of(_values, _moments)),
    st.floats(min_value=0, max_value=1e11),
)
def test_whatever_headers_hold_only_sound_numbers_come_out(headers: dict[str, str], now: float) -> None:
    seen = read(headers, now)
    assert isinstance(seen, Seen)
    numbers = [seen.retry_after_s]
    for budget in (seen.requests, seen.tokens):
        numbers += [budget.limit, budget.remaining, budget.reset_s, budget.window_s]
    assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)

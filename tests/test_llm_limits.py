"""The limits of the LLM server: what it admits, what its headers tell, how it slows under load."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.servers import llm
from tests.servers.llm import LlmServer
from tests.servers.llm.limits import Style, go_duration
from tests.servers.plain_client import ask, chat, send

GO = r"((\d+h)?\d+m)?\d+(\.\d+)?s|\d+ms"
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (
            "openai",
            {
                "x-ratelimit-limit-requests": "2",
                "x-ratelimit-remaining-requests": "1",
                "x-ratelimit-reset-requests": GO,
                "x-ratelimit-limit-tokens": "9000",
                "x-ratelimit-remaining-tokens": "LEFT",
                "x-ratelimit-reset-tokens": GO,
            },
        ),
        (
            "anthropic",
            {
                "anthropic-ratelimit-requests-limit": "2",
                "anthropic-ratelimit-requests-remaining": "1",
                "anthropic-ratelimit-requests-reset": RFC3339,
                "anthropic-ratelimit-tokens-limit": "9000",
                "anthropic-ratelimit-tokens-remaining": "LEFT",
                "anthropic-ratelimit-tokens-reset": RFC3339,
            },
        ),
        ("azure", {"x-ratelimit-remaining-requests": "1", "x-ratelimit-remaining-tokens": "LEFT"}),
        ("none", {}),
    ],
)
def test_every_answer_tells_the_limits_in_the_style_of_the_provider(style: Style, expected: dict[str, str]) -> None:
    limits = llm.rate_limits(rpm=2, tpm=9000, style=style)
    with LlmServer([limits], headers=limits.headers) as server:
        answer, _, beyond = (ask(server.base_url) for _ in range(3))
    told = {name: value for name, value in answer.headers.items() if "ratelimit" in name}
    left = str(9000 - json.loads(answer.body)["usage"]["total_tokens"])
    assert told.keys() == expected.keys() == {name for name in beyond.headers if "ratelimit" in name}
    for name, pattern in expected.items():
        assert re.fullmatch(pattern.replace("LEFT", left), told[name]), name
    assert beyond.status == 429 and 50 < float(beyond.headers["retry-after"]) <= 60
    assert all(value == "0" for name, value in beyond.headers.items() if "remaining" in name and "requests" in name)


def test_tokens_are_limited_in_a_sliding_window() -> None:
    with LlmServer() as server:
        n_used = json.loads(ask(server.base_url).body)["usage"]["total_tokens"]
    request = server.requests[0]
    limits = llm.rate_limits(tpm=2 * n_used, window_s=60)

    def status(at_s: float) -> tuple[int, str] | None:
        reply = limits(replace(request, at=1000 + at_s))
        return (reply.status, reply.headers["Retry-After"]) if reply else None

    assert [status(at_s) for at_s in (0, 20, 30, 59)] == [None, None, (429, "30"), (429, "1")]
    assert [status(at_s) for at_s in (60, 79, 80)] == [None, (429, "1"), None]


def test_request_larger_than_the_limit_of_tokens_is_never_admitted() -> None:
    with LlmServer([llm.rate_limits(tpm=5)]) as server:
        assert ask(server.base_url).status == 429


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (0.02, "20ms"), (1, "1s"), (1.5, "1.5s"), (59.9994, "1m0s"), (360, "6m0s"), (3630, "1h0m30s")],
)
def test_reset_is_written_as_go_prints_a_duration(seconds: float, expected: str) -> None:
    assert go_duration(seconds) == expected


def test_beyond_its_capacity_a_server_answers_less_a_second_in_all() -> None:
    latency_s = llm.capacity(4, 0.1)
    throughput = [n / latency_s(n) for n in (1, 2, 4, 8, 16)]
    assert throughput[:3] == pytest.approx([10, 20, 40])
    assert throughput[2] > throughput[3] > throughput[4]


def test_latency_is_asked_with_the_number_in_flight() -> None:
    asked = []

    def latency_s(n_in_flight: int) -> float:
        asked.append(n_in_flight)
        return 0.0

    with LlmServer(latency_s=latency_s) as server:
        server.hold()
        waiting = [send(server.base_url, "POST", "/chat/completions", chat()) for _ in range(3)]
        server.wait_for(3)
        server.release()
        assert [connection.getresponse().read() != b"" for connection in waiting] == [True] * 3
        for connection in waiting:
            connection.close()
        ask(server.base_url)
    assert asked == [1, 2, 3, 1]

"""The faults of the LLM server as a plain client sees them. Its usual answers and their tags: test_servers.py."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.servers import llm
from tests.servers.llm import Fault, LlmServer, Reply
from tests.servers.plain_client import TEXT, ask, chat, send


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (llm.forbidden(), 403, "unsupported_country_region_territory"),
        (llm.server_error(408), 408, None),
        (llm.server_error(409), 409, None),
        (llm.server_error(425), 425, None),
    ],
)
def test_error_has_its_status_and_code(fault: Fault, status: int, code: str | None) -> None:
    with LlmServer([fault]) as server:
        answer = ask(server.base_url)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)


def test_model_rejects_only_the_parameter_it_does_not_know() -> None:
    with LlmServer([llm.model_rejects("temperature")]) as server:
        assert ask(server.base_url, chat(top_p=1)).status == 200
        answer = ask(server.base_url, chat(temperature=0))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "unsupported_parameter", "temperature")
    assert "'temperature' is not supported with this model" in error["message"]


def test_wait_of_a_rate_limit_is_written_as_providers_do() -> None:
    faults = [llm.rate_limited(1.5), llm.rate_limited(1.5, form="milliseconds"), llm.rate_limited(3600, form="date")]
    with LlmServer([llm.nth(i, fault) for i, fault in enumerate(faults)]) as server:
        before = time.time()
        seconds, milliseconds, date = (ask(server.base_url).headers for _ in faults)
    assert seconds["retry-after"] == "1.5"
    assert milliseconds["retry-after-ms"] == "1500" and "retry-after" not in milliseconds
    assert parsedate_to_datetime(date["retry-after"]).timestamp() >= before + 3600


@pytest.mark.parametrize(
    ("fault", "is_expected"),
    [
        (llm.answered(llm.usual_answer, finish_reason=None), lambda body, usual: body["finish_reason"] is None),
        (
            llm.thinking(),
            lambda body, usual: re.sub("(?s)<think>.*</think>\n\n", "", body["message"]["content"]) == usual,
        ),
        (
            llm.reasoning(),
            lambda body, usual: body["message"]["content"] == usual and body["message"]["reasoning_content"],
        ),
    ],
)
def test_answer_is_right_in_an_odd_form(fault: Fault, is_expected: Callable[[Any, str], bool]) -> None:
    with LlmServer([llm.nth(1, fault)]) as server:
        usual = ask(server.base_url).choice["message"]["content"]
        assert is_expected(ask(server.base_url).choice, usual)


@pytest.mark.parametrize(
    ("fault", "finish_reason", "name"),
    [(llm.refused(), "stop", "refusal"), (llm.tool_call(), "tool_calls", "tool_calls")],
)
def test_answer_has_no_content_but_another_field(fault: Fault, finish_reason: str, name: str) -> None:
    with LlmServer([fault]) as server:
        choice = ask(server.base_url).choice
    assert (choice["finish_reason"], choice["message"]["content"]) == (finish_reason, None)
    assert choice["message"][name]


def test_usage_is_missing_or_tells_what_was_cached() -> None:
    with LlmServer([llm.nth(0, llm.no_usage()), llm.nth(1, llm.cached(0.5))]) as server:
        without, cached, usual = (json.loads(ask(server.base_url).body) for _ in range(3))
    assert "usage" not in without and without["choices"] == usual["choices"]
    n_cached = cached["usage"].pop("prompt_tokens_details")["cached_tokens"]
    assert n_cached == cached["usage"]["prompt_tokens"] // 2
    assert cached["usage"] == usual["usage"]


def test_garbled_body_is_a_200_that_is_no_text() -> None:
    with LlmServer([llm.garbled()]) as server:
        answer = ask(server.base_url)
    assert answer.status == 200
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()
    assert json.loads(answer.body.decode(errors="ignore"))["choices"][0]["finish_reason"] == "stop"


def test_slow_answer_outlasts_its_client_and_holds_up_no_other() -> None:
    with LlmServer([llm.nth(0, llm.slow(3600))]) as server:
        slow = send(server.base_url, "POST", "/chat/completions", chat(), timeout_s=0.1)
        server.wait_for(1)
        assert ask(server.base_url).status == 200
        with pytest.raises(TimeoutError):
            slow.getresponse()
        slow.close()
    assert [request.status for request in server.requests] == [None, 200]


def test_storm_strikes_its_shares_by_content_and_attempt_alone() -> None:
    texts = [f"Text number {i} of {TEXT}" for i in range(2000)]

    def struck(order: list[str]) -> dict[str, Reply]:
        with LlmServer(llm.storm()) as server:
            return {text: server.reply_to(chat(text)) for text in order}

    replies = struck(texts)
    forth = {text: (reply.status, reply.drop) for text, reply in replies.items()}
    assert forth == {text: (reply.status, reply.drop) for text, reply in struck(texts[::-1]).items()}
    counts = Counter("dropped" if drop == "before" else str(status) for status, drop in forth.values())
    assert 0.08 <= counts["429"] / len(texts) <= 0.12
    assert 0.03 <= counts["500"] / len(texts) <= 0.06
    assert 0.02 <= counts["dropped"] / len(texts) <= 0.04
    with LlmServer() as server:
        right = {text: server.reply_to(chat(text)) for text in texts}
    unharmed = [text for text in texts if same_answer(replies[text], right[text])]
    assert 0.69 <= len(unharmed) / len(texts) <= 0.76


def same_answer(one: Reply, other: Reply) -> bool:
    try:
        return bool(json.loads(one.body)["choices"] == json.loads(other.body)["choices"])
    except (ValueError, KeyError):
        return False

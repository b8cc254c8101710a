"""Every way in which a call can fail, made by a real server: how often it is asked, and what becomes of the row."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

from plugdata.calls import client, retry
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Missing
from plugdata.errors import AuthError, CallError, EndpointError, ModelNotFound, QuotaExhausted
from plugdata.recipe import Model
from plugdata.rows import Reason
from tests import asking
from tests.asking import ask, model, outcome, replayed, rows, run, select
from tests.servers import llm
from tests.servers.llm import Fault, LlmServer

hurry, ledger = asking.hurry, asking.ledger

PASSING = {
    "500": (llm.server_error(500), "server"),
    "502": (llm.server_error(502), "server"),
    "503": (llm.server_error(503), "server"),
    "529": (llm.server_error(529), "server"),
    "408": (llm.server_error(408), "server"),
    "409": (llm.server_error(409), "server"),
    "425": (llm.server_error(425), "server"),
    "reset": (llm.dropped(), "connection"),
    "cut": (llm.dropped_mid_body(), "connection"),
    "json": (llm.broken_json(), "bad-body"),
    "empty": (llm.empty_body(), "bad-body"),
    "garbled": (llm.garbled(), "bad-body"),
    "html": (llm.html_page(502), "server"),
    "html-200": (llm.html_page(200), "bad-body"),
    "429": (llm.rate_limited(retry_after_s=0.01), "rate-limit"),
    "429-ms": (llm.rate_limited(retry_after_s=0.01, form="milliseconds"), "rate-limit"),
}


@pytest.mark.parametrize(("fault", "kind"), PASSING.values(), ids=PASSING)
def test_a_passing_fault_is_tried_again_and_nothing_is_lost(ledger: Ledger, fault: Fault, kind: str) -> None:
    asked = rows(6)
    with LlmServer(faults=[llm.attempts(2, fault)]) as server:
        tally = ask(server, ledger, asked)
        assert len(server.requests) == 18
    assert (tally.failed, tally.retries, dict(tally.faults)) == (0, 12, {kind: 12})
    assert all(outcome(row, ledger).reason is None for row in asked)
    assert select(ledger.path, "SELECT count(*) FROM answers") == [(6,)]
    assert select(ledger.path, "SELECT * FROM errors") == select(ledger.path, "SELECT * FROM claims") == []


COUNTED = {name: passing for name, passing in PASSING.items() if passing[1] != "rate-limit"}


@pytest.mark.parametrize(("fault", "kind"), COUNTED.values(), ids=COUNTED)
def test_a_fault_that_does_not_pass_fails_its_row_alone_and_a_rerun_asks_it_alone(
    ledger: Ledger, fault: Fault, kind: str
) -> None:
    asked = rows(6)
    with LlmServer(faults=[llm.when(lambda request: "Name 3 " in request.text, fault)]) as server:
        tally = ask(server, ledger, asked, retries=2)
        assert len(server.requests) == 5 + 3
        assert (tally.done, tally.failed, dict(tally.faults)) == (6, 1, {kind: 3})
        step = replayed(asked[2], ledger)
        assert isinstance(step, Missing)
        assert step.error is not None
        assert step.error[0] == kind
        server.faults = []
        assert ask(server, ledger, asked).calls == 1


def test_a_call_without_an_answer_in_time_is_tried_again(ledger: Ledger) -> None:
    asked = rows(4)
    with LlmServer(faults=[llm.attempts(1, llm.slow(60))]) as server:
        tally = run(asked, [model(server, timeout_s=0.8)], ledger)
        assert len(server.requests) == 8
    assert dict(tally.faults) == {"timeout": 4}
    assert all(outcome(row, ledger).reason is None for row in asked)


def test_the_date_of_a_retry_after_is_waited_for(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.first(1, llm.rate_limited(retry_after_s=0.2, form="date"))]) as server:
        assert ask(server, ledger, rows(3), concurrency=1).failed == 0
        refused, again = server.requests[:2]
        assert (refused.status, again.status, again.digest) == (429, 200, refused.digest)
        assert again.at - refused.at >= 0.19
        assert len(server.requests) == 4


def test_rate_limits_use_up_no_tries(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.attempts(5, llm.rate_limited(retry_after_s=0.001))]) as server:
        assert ask(server, ledger, rows(2), retries=0).failed == 0


def test_one_429_holds_every_call_back(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.first(4, llm.rate_limited(retry_after_s=0.3))]) as server:
        ask(server, ledger, rows(12))
        limited, then = server.requests[3], server.requests[4]
        assert then.at - limited.at > 0.25
        assert [request.status for request in server.requests].count(429) == 4


@pytest.mark.parametrize(
    ("fault", "error", "exit_code", "says"),
    [
        (llm.quota_exhausted(), QuotaExhausted, 3, "exceeded your current quota"),
        (llm.bad_request("Insufficient credits", status=402), QuotaExhausted, 3, "402: Insufficient credits"),
        (llm.unauthorized(), AuthError, 1, "401: Incorrect API key"),
        (llm.forbidden(), AuthError, 1, "403: Country, region"),
        (llm.model_not_found(), ModelNotFound, 1, "404: The model `test` does not exist"),
        (llm.bad_request("No such route.", status=404), EndpointError, 1, "404: No such route"),
        (llm.bad_request("messages.0: bad role", status=422), EndpointError, 1, "422: messages.0: bad role"),
        (llm.html_page(405), EndpointError, 1, "405: <html>"),
        (llm.model_rejects("temperature"), EndpointError, 1, "Unsupported parameter: 'temperature'"),
        (llm.rate_limited(retry_after_s=3600), QuotaExhausted, 3, "rate limited for more than 600 s"),
    ],
    ids=["quota", "402", "401", "403", "model", "404", "422", "html-405", "temperature", "429-hour"],
)
def test_what_no_retry_can_mend_stops_the_run_at_once(
    ledger: Ledger, fault: Fault, error: type[CallError], exit_code: int, says: str
) -> None:
    with LlmServer(faults=[fault]) as server:
        with pytest.raises(error, match=says) as caught:
            ask(server, ledger, rows(50))
        assert len(server.requests) <= 4  # those in flight together, none of them twice
    assert caught.value.exit_code == exit_code
    assert select(ledger.path, "SELECT * FROM answers") == select(ledger.path, "SELECT * FROM claims") == []


def test_a_model_that_rejects_max_tokens_costs_no_rows(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.model_rejects("max_tokens")]) as server:
        with pytest.raises(EndpointError, match="'max_tokens' is not supported with this model"):
            run(rows(50), [model(server, params={"max_tokens": 500})], ledger)
        assert len(server.requests) <= 4
        assert run(rows(5), [model(server, params={"max_completion_tokens": 500})], ledger).calls == 5


def test_a_redirect_is_not_followed_since_it_would_take_the_key_along(ledger: Ledger) -> None:
    with LlmServer() as other:
        moved = llm.Reply(307, b"", headers={"Location": f"{other.base_url}/chat/completions"})
        with LlmServer(faults=[llm.always(moved)]) as server, pytest.raises(EndpointError, match="HTTP 307"):
            ask(server, ledger, rows(2))
        assert other.requests == []


def test_a_wrong_path_in_the_base_url_is_named_at_once(ledger: Ledger) -> None:
    with LlmServer() as server:
        wrong = model(server, base_url=server.base_url.removesuffix("/v1"))
        with pytest.raises(EndpointError, match="404: Unknown request: POST /chat/completions"):
            run(rows(3), [wrong], ledger)


@pytest.mark.parametrize("place", ["refused", "dns", "tls", "no-tls"])
def test_an_endpoint_that_cannot_be_reached_stops_the_run(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.05)
    monkeypatch.setattr(client, "CONNECT_S", 0.3)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    for proxy in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with socket.socket() as taken, LlmServer(tls=place == "tls") as server:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = server.base_url.rpartition(":")[2].removesuffix("/v1")
        url = {
            "refused": f"http://127.0.0.1:{taken.getsockname()[1]}/v1",
            "dns": "http://no-such-host.invalid/v1",
            "tls": server.base_url,
            "no-tls": f"https://127.0.0.1:{port}/v1",
        }[place]
        with pytest.raises(EndpointError, match="cannot be reached"):
            run(rows(9), [Model(model="m", base_url=url)], ledger)
        assert server.requests == []


def test_an_endpoint_that_is_gone_for_a_moment_after_an_answer_is_waited_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.0)  # had it never answered, the first refusal would end the run
    asked = rows(9)
    said: list[int] = []
    with ExitStack() as running:
        server = running.enter_context(LlmServer())
        port = int(server.base_url.removesuffix("/v1").rpartition(":")[2])

        def restarted() -> Iterator[asking.Row]:
            yield from asked[:3]
            running.close()
            said.append(len(server.requests))
            yield from asked[3:6]
            running.enter_context(LlmServer(port=port))
            yield from asked[6:]

        tally = run(restarted(), [model(server, concurrency=1)], ledger, retries=0)
    assert (tally.failed, dict(tally.faults)) == (3, {"unreachable": 3})
    assert said == [3]


def test_a_slow_first_answer_and_a_dropped_connection_are_no_unreachable_endpoint(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.1)
    with LlmServer(faults=[llm.first(2, llm.dropped())], latency_s=0.3) as server:
        assert ask(server, ledger, rows(3)).failed == 0


def test_answers_before_the_stop_are_kept(ledger: Ledger) -> None:
    asked = rows(12)
    with LlmServer(faults=[llm.when(lambda request: request.index >= 6, llm.quota_exhausted())]) as server:
        with pytest.raises(QuotaExhausted):
            ask(server, ledger, asked)
        server.faults = []
        assert ask(server, ledger, asked).calls == 6


def test_five_rejections_in_a_row_stop_the_run_but_one_fails_its_row_alone(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.nth(5, llm.bad_request("odd row"))]) as server:
        assert ask(server, ledger, rows(10), concurrency=1).failed == 1
    with LlmServer(faults=[llm.when(lambda request: request.index >= 2, llm.bad_request("no such thing"))]) as server:
        with pytest.raises(EndpointError, match="no such thing"):
            ask(server, ledger, [*reversed(rows(40))], concurrency=1)
        assert len(server.requests) == 2 + 5


def test_more_room_than_the_model_has_is_the_rows_fault_where_others_were_answered(ledger: Ledger) -> None:
    too_much = llm.bad_request("max_tokens is too large: 20000. This model supports at most 16384 completion tokens.")
    asked = rows(6)
    with LlmServer(faults=[llm.when(lambda request: "Name 4 " in request.text, too_much)]) as server:
        assert ask(server, ledger, asked, concurrency=1).failed == 0
        ask(server, ledger, asked, concurrency=1)
        assert len(server.requests) == 6
    assert outcome(asked[3], ledger).reason is Reason.CONTEXT_LENGTH
    with LlmServer(faults=[too_much]) as server, pytest.raises(EndpointError, match="max_tokens"):
        ask(server, ledger, rows(3, start=20))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (llm.context_too_long(), Reason.CONTEXT_LENGTH),
        (llm.prompt_filtered(), Reason.CONTENT_FILTER),
        (llm.filtered(), Reason.CONTENT_FILTER),
        (llm.cut_off(), Reason.TRUNCATED),
        (llm.refused(), Reason.REFUSAL),
        (llm.tool_call(), Reason.EMPTY_ANSWER),
        (llm.empty_content(), Reason.BAD_TAGS),
        (llm.missing_tag(), Reason.BAD_TAGS),
        (llm.swapped_tags(), Reason.BAD_TAGS),
        (llm.echo(), Reason.ECHO),
    ],
    ids=["context", "prompt-filter", "filter", "length", "refusal", "tool", "empty", "tag", "swapped", "echo"],
)
def test_a_fault_of_the_text_or_the_answer_is_paid_once(ledger: Ledger, fault: Fault, reason: Reason) -> None:
    asked = rows(6)
    with LlmServer(faults=[llm.when(lambda request: "Name 4 " in request.text, fault)]) as server:
        ask(server, ledger, asked, concurrency=1)
        ask(server, ledger, asked, concurrency=1)
        assert len(server.requests) == 6
    assert [outcome(row, ledger).reason for row in asked] == [None, None, None, reason, None, None]


@pytest.mark.parametrize(
    "fault",
    [llm.chatter(), llm.thinking(), llm.reasoning(), llm.answered(llm.usual_answer, None), llm.no_usage()],
    ids=["chatter", "think", "reasoning_content", "null", "no-usage"],
)
def test_an_odd_but_right_answer_is_read_as_the_plain_one(ledger: Ledger, fault: Fault) -> None:
    asked = rows(3)
    with LlmServer() as server:
        ask(server, ledger, asked)
    right = [outcome(row, ledger).texts for row in asked]
    with Ledger(ledger.path.with_name("odd.sqlite")) as odd, LlmServer(faults=[fault]) as server:
        assert ask(server, odd, asked).calls == 3
        assert [outcome(row, odd).texts for row in asked] == right


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": "한 글"}, {"type": "image"}, 7]},
        {"content": "\ud83d"},
        {"content": None, "tool_calls": []},
        {"content": {"text": "x"}},
    ],
    ids=["parts", "surrogate", "null", "object"],
)
def test_an_odd_but_legal_answer_is_committed_and_can_always_be_read(ledger: Ledger, message: dict[str, Any]) -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": "many"}
    body = {"choices": [{"message": message, "finish_reason": {"odd": True}}], "usage": usage}
    odd = llm.when(lambda request: "Name 2 " in request.text, llm.always(llm.Reply(200, json.dumps(body).encode())))
    asked = rows(4)
    with LlmServer(faults=[odd]) as server:
        assert ask(server, ledger, asked).calls == 4
        assert ask(server, ledger, asked).calls == 0
    assert [outcome(row, ledger).reason for row in asked] == [None, Reason.BAD_TAGS, None, None]


def test_the_endpoint_that_answers_again_after_an_outage_gets_one_call_at_a_time_until_then(ledger: Ledger) -> None:
    latency_s, n_before, n_lost = 0.01, 20, 10 + 8 + 2  # until the circuit opens, those in flight by then, the probes
    outage = llm.when(lambda request: n_before <= request.index < n_before + n_lost, llm.server_error(503))
    with LlmServer(faults=[outage], latency_s=latency_s) as server:
        tally = ask(server, ledger, rows(60), retries=6, concurrency=8)
        probes = server.requests[n_before + 10 + 8 : n_before + n_lost + 1]
        assert len(server.requests) == 60 + n_lost
    assert (tally.done, tally.failed, tally.calls) == (60, 0, 60)
    assert all(later.at - earlier.at >= latency_s for earlier, later in pairwise(probes))


@pytest.mark.parametrize(
    ("n_before", "fault"),
    [(5, llm.server_error(500)), (5, llm.dropped()), (0, llm.dropped())],
    ids=["500", "reset", "0"],
)
def test_an_endpoint_that_dies_stops_the_run_before_the_rows_are_used_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, n_before: int, fault: Fault
) -> None:
    monkeypatch.setattr(retry, "PATIENCE_S", 0.3)
    asked = rows(80)
    with LlmServer(faults=[llm.when(lambda request: request.index >= n_before, fault)]) as server:
        with pytest.raises(EndpointError, match="has answered nothing for"):
            ask(server, ledger, asked, retries=0)
        assert len(server.requests) <= n_before + 10 + 4 + 10  # the probes' waits double from a millisecond
        server.faults = []
        assert ask(server, ledger, asked).calls == 80 - n_before

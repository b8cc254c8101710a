"""What can be added to the LLM server: routes, headers, https, a process of its own."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.servers import llm
from tests.servers.llm import LlmServer, Reply
from tests.servers.plain_client import ask, chat

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")


def files(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
    """A route that says what it was asked."""
    if not path.startswith("/v1/files"):
        return None
    return llm.json_reply(201, [method, path, query, headers["authorization"], body.decode()])


def test_route_is_asked_first_and_others_are_served_as_ever() -> None:
    with LlmServer(routes=[files]) as server:
        answer = ask(server.base_url, {"a": 1}, path="/files/x?after=y")
        assert ask(server.base_url).status == 200
        assert ask(server.base_url, method="GET", path="/models").status == 200
        assert ask(server.base_url, method="GET", path="/batches").status == 404
    assert answer.status == 201
    assert json.loads(answer.body) == ["POST", "/v1/files/x", "after=y", "Bearer key", '{"a": 1}']
    assert len(server.requests) == 1


def test_route_hears_nothing_without_the_right_key() -> None:
    with LlmServer(routes=[files], api_key="right") as server:
        assert ask(server.base_url, method="GET", path="/files", key="wrong").status == 401
        assert ask(server.base_url, method="GET", path="/files", key="right").status == 201


def test_first_route_that_answers_wins_also_over_the_chat() -> None:
    passing, first, second = lambda *asked: None, lambda *asked: Reply(202, b""), lambda *asked: Reply(203, b"")
    with LlmServer(routes=[passing, first, second]) as server:
        assert ask(server.base_url).status == 202
    assert server.requests == []


def test_error_of_a_route_is_raised_when_the_server_ends() -> None:
    def broken(*asked: object) -> Reply | None:
        raise LookupError("in the route")

    with pytest.raises(LookupError, match="in the route"), LlmServer(routes=[broken]) as server:
        assert ask(server.base_url).status == 500


def test_reply_without_http_follows_the_same_rules_and_is_not_recorded() -> None:
    with LlmServer([llm.attempts(1, llm.server_error()), llm.nth(2, llm.forbidden())], api_key="key") as server:
        assert [server.reply_to(chat()).status for _ in range(4)] == [500, 200, 403, 200]
        assert server.requests == []
        answer = ask(server.base_url)
        assert json.loads(answer.body)["choices"] == json.loads(server.reply_to(chat()).body)["choices"]
    assert [(request.index, request.attempt) for request in server.requests] == [(4, 4)]


def test_headers_may_be_a_function_of_the_request() -> None:
    with LlmServer([llm.nth(1, llm.html_page())], headers=lambda request: {"X-Index": str(request.index)}) as server:
        assert [ask(server.base_url).headers["x-index"] for _ in range(2)] == ["0", "1"]


def test_faults_of_a_server_with_its_own_answer_spoil_that_answer() -> None:
    with LlmServer([llm.rate_limits(tpm=50), llm.chatter()], answer=lambda request: "5 of 5") as server:
        assert "\n\n5 of 5\n\n" in ask(server.base_url, {"messages": []}).choice["message"]["content"]


@needs_openssl
def test_https_is_answered_to_who_trusts_the_certificate_alone() -> None:
    with LlmServer(tls=True) as server:
        assert server.base_url.startswith("https://127.0.0.1:")
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(server.base_url)
        assert ask(server.base_url, pem=server.certificate).status == 200
    assert len(server.requests) == 1


@needs_openssl
def test_dropped_connection_of_https_reaches_the_client_as_such() -> None:
    with LlmServer([llm.dropped()], tls=True) as server, pytest.raises((ConnectionError, ssl.SSLEOFError)):
        ask(server.base_url, pem=server.certificate)
    assert [request.status for request in server.requests] == [None]


def test_command_serves_limits_and_a_storm_and_keeps_a_log(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    limits = ["--rpm", "400", "--tpm", "900000", "--window", "3600", "--style", "anthropic"]
    flags = [*limits, "--latency", "0.001", "--faults", "storm", "--log", str(log)]
    command = [sys.executable, "-m", "tests.servers.llm", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        answers = []
        for i in range(40):
            try:
                answers.append(ask(base_url, chat(f"Text number {i}")))
            except OSError:
                continue  # the storm drops connections too
        process.kill()
    statuses = {answer.status for answer in answers}
    assert 200 in statuses and statuses & {429, 500}
    assert answers[0].headers["anthropic-ratelimit-requests-limit"] == "400"
    assert answers[0].headers["anthropic-ratelimit-tokens-limit"] == "900000"
    assert [json.loads(line)["index"] for line in log.read_text().splitlines()] == list(range(40))

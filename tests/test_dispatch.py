"""The loop that asks, against a real server: no answer is lost or asked for twice, limits hold, a stop keeps all."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugdata.calls import client, limiter
from plugdata.calls import dispatch as dispatching
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import Job, dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.errors import AuthError
from plugdata.hashing import tagged_hash
from plugdata.recipe import Limits, Model
from tests import asking
from tests.asking import TASK, ask, model, outcome, rows, run, run_jobs, select
from tests.servers import llm
from tests.servers.llm import LlmServer
from tests.servers.llm.limits import Style

hurry, ledger = asking.hurry, asking.ledger


def test_a_second_run_sends_nothing_and_comes_to_the_same(ledger: Ledger) -> None:
    asked = rows(20)
    with LlmServer() as server:
        assert ask(server, ledger, asked).calls == 20
        first = [outcome(row, ledger) for row in asked]
        assert ask(server, ledger, asked).calls == 0
        assert len(server.requests) == 20
    assert [outcome(row, ledger) for row in asked] == first
    assert all(came_to.reason is None for came_to in first)


def test_equal_requests_in_flight_are_one_call(ledger: Ledger) -> None:
    with LlmServer() as server:
        tally = ask(server, ledger, rows(1) * 8)
        assert (tally.done, len(server.requests)) == (8, 1)


def test_an_error_of_ours_lets_the_calls_in_flight_be_committed(ledger: Ledger) -> None:
    def jobs() -> Iterator[Job]:
        yield from ((row, [TASK]) for row in rows(6))
        raise LookupError("the rows cannot be read")

    with LlmServer(latency_s=0.05) as server:
        with pytest.raises(LookupError):
            run_jobs(jobs(), [model(server)], ledger)
        n_sent = len(server.requests)
        assert n_sent >= 4
        assert ask(server, ledger, rows(6)).calls == 6 - n_sent


def test_it_works_inside_a_running_event_loop(ledger: Ledger) -> None:
    async def notebook(server: LlmServer) -> int:
        return ask(server, ledger, rows(3)).calls

    with LlmServer() as server:
        assert asyncio.run(notebook(server)) == 3


def test_no_more_requests_are_in_flight_than_allowed(ledger: Ledger) -> None:
    with LlmServer(latency_s=0.01) as server:
        ask(server, ledger, rows(20), concurrency=3)
        assert server.max_in_flight == 3


@pytest.fixture
def short_minute(monkeypatch: pytest.MonkeyPatch) -> float:
    """A "minute" of requests, in seconds; the loopback differs by less between two calls than a network does."""
    monkeypatch.setattr(limiter, "WINDOW_S", 0.4)
    monkeypatch.setattr(limiter, "MARGIN_S", 0.1)
    return 0.4


STYLES: tuple[Style, ...] = ("openai", "anthropic", "azure", "none")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("limit", [{"rpm": 20}, {"tpm": 3000}], ids=["rpm", "tpm"])
def test_limits_of_the_recipe_hold_in_every_window(
    ledger: Ledger, short_minute: float, style: Style, limit: dict[str, int]
) -> None:
    limits = llm.rate_limits(**limit, window_s=short_minute, style=style)
    with LlmServer([limits], headers=limits.headers) as server:
        run(rows(45), [model(server).model_copy(update={"limits": Limits(concurrency=4, **limit)})], ledger)
        assert [request.status for request in server.requests].count(429) <= 2
        assert len({request.digest for request in server.requests if request.status == 200}) == 45


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("limit", [{"rpm": 20}, {"tpm": 3000}], ids=["rpm", "tpm"])
def test_limits_that_nobody_declared_are_read_from_headers_or_found_by_a_few_429s(
    ledger: Ledger, short_minute: float, style: Style, limit: dict[str, int]
) -> None:
    limits = llm.rate_limits(**limit, window_s=short_minute, style=style)
    with LlmServer([limits], headers=limits.headers) as server:
        tally = ask(server, ledger, rows(45))
        assert (tally.failed, tally.calls) == (0, 45)
        n_refused = [request.status for request in server.requests].count(429)
        assert n_refused <= {"openai": 4, "anthropic": 4, "azure": 12, "none": 25}[style]


def test_concurrency_falls_on_429s(ledger: Ledger) -> None:
    def refuse_all_at_once(request: llm.Request) -> llm.Reply | None:
        if request.index < 16:
            return llm.rate_limited(retry_after_s=0.01)(request)
        if request.index == 16:
            server.max_in_flight = 0
        return None

    with LlmServer([refuse_all_at_once], latency_s=0.03) as server:
        ask(server, ledger, rows(40), concurrency=16)
        assert len(server.requests) == 40 + 16
        assert 1 < server.max_in_flight <= 14  # three quarters, and one more for each round of answers


def test_a_key_is_needed_elsewhere_than_on_this_machine(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    asked = Model(model="m", base_url="https://api.example.com/v1", api_key_env="SOME_KEY")
    with pytest.raises(AuthError, match="SOME_KEY is empty"):
        run([], [asked], ledger)


def test_a_key_that_cannot_be_sent_is_refused_unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Model(model="m", base_url="https://api.example.com/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    assert client.key(asked) == "sk-secret"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sécret")
    with pytest.raises(AuthError, match="OPENAI_API_KEY holds characters") as caught:
        client.key(asked)
    assert "cret" not in str(caught.value)


def test_no_key_reaches_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with Ledger(tmp_path / "ledger.sqlite") as ledger, LlmServer(api_key="sk-very-secret") as server:
        ask(server, ledger, rows(2))
    assert b"very-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_the_ledger_holds_request_and_body_whole_and_its_keys_hash_again(ledger: Ledger) -> None:
    with LlmServer() as server:
        ask(server, ledger, rows(3))
        asked = [request.json["messages"] for request in server.requests]
    stored = select(ledger.path, "SELECT key, request, body, model, lang FROM answers")
    told = [json.loads(request)["messages"] for _, request, *_ in stored]
    assert all(messages in asked for messages in told) and len(told) == len(asked)
    assert all(tagged_hash(json.loads(request)) == key for key, request, *_ in stored)
    assert all(json.loads(body)["choices"] for _, _, body, *_ in stored)
    assert {(model, lang) for *_, model, lang in stored} == {("test", "ko")}


def test_what_is_left_of_a_day_is_known_to_the_next_run_and_a_long_wait_is_told(ledger: Ledger) -> None:
    class Told(Exception):
        pass

    def say(line: str) -> None:
        raise Told(line)  # people stop a run that would wait for a day

    def day(server: LlmServer, n: int) -> None:
        asked = model(server).model_copy(update={"limits": Limits(rpd=5, concurrency=2)})
        dispatch(((row, [TASK]) for row in rows(n)), asking.pool([asked]), ledger, 3, None, lambda tally: None, say)

    with LlmServer() as server:
        day(server, 3)
        for n_sent in (5, 5):
            with pytest.raises(Told, match=r"its limits leave no room, waiting 8[67],"):
                day(server, 8)
            assert len(server.requests) == n_sent


def test_what_comes_back_without_an_answer_is_told_before_a_row_is_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "TELL_EVERY_S", 0.01)
    told: list[tuple[int, int]] = []

    def tell(tally: Tally) -> None:
        told.append((tally.done, tally.faults["server"]))

    with LlmServer(faults=[llm.first(3, llm.server_error(503))], latency_s=0.05) as server:
        members = asking.pool([model(server, 1)])
        jobs = ((row, [TASK]) for row in rows(1))
        assert dispatch(jobs, members, ledger, 5, None, tell, lambda line: None).failed == 0
    assert {(0, n) for n in (1, 2, 3)} & set(told)
    assert told[-1] == (1, 3)

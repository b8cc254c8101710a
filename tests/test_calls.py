"""Calls against a real loopback server: every fault gets its treatment, and no answer is lost or asked for twice."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugdata import languages
from plugdata.calls import client, retry
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import Job, dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replay
from plugdata.errors import AuthError, CallError, CorpusError, EndpointError, ModelNotFound, QuotaExhausted
from plugdata.recipe import Model, Translate
from plugdata.rows import Reason, tagged_hash
from plugdata.translate.task import Outcome, translator
from plugdata.wire import Result
from tests.servers import llm
from tests.servers.llm import Fault, LlmServer

TASK = translator(languages.get("en"), languages.get("ko"), Translate(repair=0), {"temperature": 0})


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds; which waits there are stays the same."""
    monkeypatch.setattr(retry, "WAIT_FIRST_S", 0.001)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def _rows(n: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"b2:{i:032x}",
            "instruction": f"Name {i} rivers of the north.",
            "input": "",
            "response": f"Here are {i} long rivers there.",
        }
        for i in range(1, n + 1)
    ]


def _model(server: LlmServer, concurrency: int = 4, **settings: Any) -> Model:
    return Model(model="test", base_url=server.base_url, limits={"concurrency": concurrency}, **settings)


def _ask(
    server: LlmServer, ledger: Ledger, rows: list[dict[str, Any]], retries: int = 3, concurrency: int = 4
) -> Tally:
    return _dispatch(((row, [TASK]) for row in rows), [_model(server, concurrency)], ledger, retries)


def _dispatch(
    jobs: Iterable[Job], models: Sequence[Model], ledger: Ledger, retries: int = 3, budget: int | None = None
) -> Tally:
    pool = [Member(model, model.served_as or "test") for model in models]
    return dispatch(jobs, pool, ledger, retries, budget, lambda tally: None, print)


def _replayed(row: dict[str, Any], ledger: Ledger) -> Result[Outcome] | Missing:
    return replay(row, [TASK], [Member(Model(model="test"), "test")], ledger)[0]


def _outcome(row: dict[str, Any], ledger: Ledger) -> Outcome:
    step = _replayed(row, ledger)
    assert isinstance(step, Result)
    return step.value


def test_a_second_run_sends_nothing_and_comes_to_the_same(ledger: Ledger) -> None:
    rows = _rows(20)
    with LlmServer() as server:
        assert _ask(server, ledger, rows).calls == 20
        first = [_outcome(row, ledger) for row in rows]
        assert _ask(server, ledger, rows).calls == 0
        assert len(server.requests) == 20
    assert [_outcome(row, ledger) for row in rows] == first
    assert all(outcome.reason is None for outcome in first)


def test_equal_requests_in_flight_are_one_call(ledger: Ledger) -> None:
    with LlmServer() as server:
        tally = _ask(server, ledger, _rows(1) * 8)
        assert (tally.done, len(server.requests)) == (8, 1)


@pytest.mark.parametrize(
    "fault",
    [
        llm.server_error(500),
        llm.server_error(503),
        llm.server_error(408),
        llm.dropped(),
        llm.dropped_mid_body(),
        llm.broken_json(),
        llm.empty_body(),
        llm.html_page(502),
        llm.html_page(200),
        llm.rate_limited(retry_after_s=0.01),
    ],
    ids=["500", "503", "408", "dropped", "cut", "json", "empty", "html", "html-200", "429"],
)
def test_a_passing_fault_is_tried_again_and_nothing_is_lost(ledger: Ledger, fault: Fault) -> None:
    rows = _rows(6)
    with LlmServer(faults=[llm.attempts(2, fault)]) as server:
        tally = _ask(server, ledger, rows)
        assert len(server.requests) == 18
    assert (tally.failed, tally.retries) == (0, 12)
    assert all(_outcome(row, ledger).reason is None for row in rows)


def test_a_row_whose_tries_are_used_up_is_failed_and_the_others_live(ledger: Ledger) -> None:
    rows = _rows(6)
    broken = llm.when(lambda request: "Name 3 " in request.text, llm.server_error(500))
    with LlmServer(faults=[broken]) as server:
        assert _ask(server, ledger, rows, retries=2).failed == 1
        assert len(server.requests) == 5 + 3
    step = _replayed(rows[2], ledger)
    assert isinstance(step, Missing)
    assert step.error is not None
    assert step.error[0] == "server"
    with LlmServer() as server:  # a rerun asks for this row alone
        assert _ask(server, ledger, rows).calls == 1


def test_rate_limits_use_up_no_tries(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.attempts(5, llm.rate_limited(retry_after_s=0.001))]) as server:
        assert _ask(server, ledger, _rows(2), retries=0).failed == 0


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (llm.quota_exhausted(), QuotaExhausted, "quota"),
        (llm.unauthorized(), AuthError, "401"),
        (llm.model_not_found(), ModelNotFound, "404"),
        (
            llm.bad_request("temperature is not supported with this model"),
            EndpointError,
            "temperature is not supported",
        ),
    ],
)
def test_what_no_retry_can_mend_stops_the_run_at_once(
    ledger: Ledger, fault: Fault, error: type[CallError], says: str
) -> None:
    with LlmServer(faults=[fault]) as server:
        with pytest.raises(error, match=says):
            _ask(server, ledger, _rows(50))
        assert len(server.requests) <= 4  # those in flight together, none of them twice


def test_answers_before_the_stop_are_kept(ledger: Ledger) -> None:
    rows = _rows(12)
    with LlmServer(faults=[llm.when(lambda request: request.index >= 6, llm.quota_exhausted())]) as server:
        with pytest.raises(QuotaExhausted):
            _ask(server, ledger, rows)
        server.faults = []
        assert _ask(server, ledger, rows).calls == 6


def test_five_rejections_in_a_row_stop_the_run_but_one_fails_its_row_alone(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.nth(5, llm.bad_request("odd row"))]) as server:
        assert _ask(server, ledger, _rows(10), concurrency=1).failed == 1
    with LlmServer(faults=[llm.when(lambda request: request.index >= 2, llm.bad_request("no such thing"))]) as server:
        with pytest.raises(EndpointError, match="no such thing"):
            _ask(server, ledger, [*reversed(_rows(40))], concurrency=1)
        assert len(server.requests) == 2 + 5


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (llm.context_too_long(), Reason.CONTEXT_LENGTH),
        (llm.prompt_filtered(), Reason.CONTENT_FILTER),
        (llm.filtered(), Reason.CONTENT_FILTER),
        (llm.cut_off(), Reason.TRUNCATED),
        (llm.empty_content(), Reason.BAD_TAGS),
        (llm.missing_tag(), Reason.BAD_TAGS),
        (llm.swapped_tags(), Reason.BAD_TAGS),
        (llm.echo(), Reason.ECHO),
    ],
)
def test_a_fault_of_the_text_or_the_answer_is_paid_once(ledger: Ledger, fault: Fault, reason: Reason) -> None:
    rows = _rows(6)
    with LlmServer(faults=[llm.when(lambda request: "Name 4 " in request.text, fault)]) as server:
        _ask(server, ledger, rows, concurrency=1)
        _ask(server, ledger, rows, concurrency=1)
        assert len(server.requests) == 6
    assert [_outcome(row, ledger).reason for row in rows] == [None, None, None, reason, None, None]


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
    rows = _rows(4)
    with LlmServer(faults=[odd]) as server:
        assert _ask(server, ledger, rows).calls == 4
        assert _ask(server, ledger, rows).calls == 0
    assert [_outcome(row, ledger).reason for row in rows] == [None, Reason.BAD_TAGS, None, None]


def test_an_error_of_ours_lets_the_calls_in_flight_be_committed(ledger: Ledger) -> None:
    def jobs() -> Iterator[Job]:
        yield from ((row, [TASK]) for row in _rows(6))
        raise LookupError("the rows cannot be read")

    with LlmServer(latency_s=0.05) as server:
        with pytest.raises(LookupError):
            _dispatch(jobs(), [_model(server)], ledger)
        n_sent = len(server.requests)
        assert n_sent >= 4
        assert _ask(server, ledger, _rows(6)).calls == 6 - n_sent


def test_a_slow_first_answer_and_a_dropped_connection_are_no_unreachable_endpoint(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.1)
    with LlmServer(faults=[llm.first(2, llm.dropped())], latency_s=0.3) as server:
        assert _ask(server, ledger, _rows(3)).failed == 0


def test_a_key_that_cannot_be_sent_is_refused_unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(model="m", base_url="https://api.example.com/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    assert client.key(model) == "sk-secret"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sécret")
    with pytest.raises(AuthError, match="OPENAI_API_KEY holds characters") as caught:
        client.key(model)
    assert "cret" not in str(caught.value)


def test_a_wait_beyond_patience_stops_the_run(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.rate_limited(retry_after_s=3600)]) as server, pytest.raises(QuotaExhausted):
        _ask(server, ledger, _rows(2))


def test_it_works_inside_a_running_event_loop(ledger: Ledger) -> None:
    async def notebook(server: LlmServer) -> int:
        return _ask(server, ledger, _rows(3)).calls

    with LlmServer() as server:
        assert asyncio.run(notebook(server)) == 3


def test_text_outside_the_tags_is_ignored(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.chatter()]) as server:
        _ask(server, ledger, _rows(2))
    assert all(_outcome(row, ledger).reason is None for row in _rows(2))


def test_an_endpoint_that_nobody_listens_on_stops_the_run(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        model = Model(model="m", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(EndpointError, match="cannot be reached"):
            _dispatch([(_rows(1)[0], [TASK])], [model], ledger)


def test_a_key_is_needed_elsewhere_than_on_this_machine(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    model = Model(model="m", base_url="https://api.example.com/v1", api_key_env="SOME_KEY")
    with pytest.raises(AuthError, match="SOME_KEY is empty"):
        _dispatch([], [model], ledger)


def test_no_more_requests_are_in_flight_than_allowed(ledger: Ledger) -> None:
    with LlmServer(latency_s=0.01) as server:
        _ask(server, ledger, _rows(20), concurrency=3)
        assert server.max_in_flight == 3


def test_requests_a_minute_hold_in_every_window(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugdata.calls.limiter.WINDOW_S", 0.3)
    with LlmServer(faults=[llm.sliding_window(10, 0.25)]) as server:
        model = _model(server).model_copy(update={"limits": _model(server).limits.model_copy(update={"rpm": 10})})
        _dispatch(((row, [TASK]) for row in _rows(35)), [model], ledger)
        assert [request.status for request in server.requests] == [200] * 35


def test_one_429_holds_every_call_back(ledger: Ledger) -> None:
    with LlmServer(faults=[llm.first(4, llm.rate_limited(retry_after_s=0.3))]) as server:
        _ask(server, ledger, _rows(12))
        limited, then = server.requests[3], server.requests[4]
        assert then.at - limited.at > 0.25
        assert [request.status for request in server.requests].count(429) == 4


def test_the_ledger_holds_request_and_body_whole_and_its_keys_hash_again(ledger: Ledger) -> None:
    with LlmServer() as server:
        _ask(server, ledger, _rows(3))
        asked = [request.json["messages"] for request in server.requests]
    with closing(sqlite3.connect(ledger.path)) as db:
        stored = db.execute("SELECT key, request, body, model, lang FROM answers").fetchall()
    told = [json.loads(request)["messages"] for _, request, *_ in stored]
    assert all(messages in asked for messages in told) and len(told) == len(asked)
    assert all(tagged_hash(json.loads(request)) == key for key, request, *_ in stored)
    assert all(json.loads(body)["choices"] for _, _, body, *_ in stored)
    assert {(model, lang) for *_, model, lang in stored} == {("test", "ko")}


def test_no_key_reaches_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with Ledger(tmp_path / "ledger.sqlite") as ledger, LlmServer(api_key="sk-very-secret") as server:
        _ask(server, ledger, _rows(2))
    assert b"very-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_ledger_of_another_schema_or_none_at_all_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange.sqlite"
    with closing(sqlite3.connect(strange)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(CorpusError, match="schema 99"):
        Ledger(strange)
    (tmp_path / "text.sqlite").write_text("this is no database, only some words about one " * 40)
    with pytest.raises(CorpusError, match="not a database"):
        Ledger(tmp_path / "text.sqlite")

"""The batch API against a real server, with the real openai client, ledger files and killed processes."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plugdata.calls import money
from plugdata.calls.batch import notes
from plugdata.calls.batch.outbox import Limits
from plugdata.calls.batch.run import Batched, cancel, run_batches
from plugdata.calls.faults import Stopped
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Claim, Ledger
from plugdata.calls.pool import Member
from plugdata.errors import AuthError, BudgetReached, EndpointError, PartialError, QuotaExhausted
from plugdata.recipe import Model, Price
from plugdata.wire import Message, Request, read_answer
from tests.servers import llm
from tests.servers.batches import Batch, BatchApi
from tests.servers.llm import LlmServer, Reply

PRICE = Price(input=1.0, output=4.0, batch=0.5)
FOUR = Limits(requests=4, n_bytes=1_000_000, slice=2)
ONE_FILE = Limits(requests=100, n_bytes=1_000_000, slice=2)
SERVED_AS = "pseudo-translator"

Wanted = list[tuple[str, Request]]


def request(text: str) -> Request:
    system = Message("system", "Target language: Korean (ko)")
    user = Message("user", f"<instruction>{text}</instruction>")
    return Request((system, user), {"max_tokens": 300}, "tags-1", "translate", "ko")


def wanted(n: int) -> Wanted:
    asked = [request(f"Name {i} boats that sail from this harbour in winter.") for i in range(n)]
    return [(one.key(SERVED_AS), one) for one in asked]


def keys(asked: Wanted) -> list[str]:
    return [key for key, _ in asked]


@contextmanager
def serving(api: BatchApi, **knobs: Any) -> Iterator[Member]:
    with LlmServer(routes=[api], **knobs) as server:
        api.reply_to = server.reply_to
        yield member_at(server.base_url)


def member_at(base_url: str) -> Member:
    return Member(Model(model="pseudo-translator", base_url=base_url), SERVED_AS, PRICE)


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def run(
    member: Member,
    path: Path,
    asked: Iterable[tuple[str, Request]],
    *,
    limits: Limits = FOUR,
    budget: int | None = None,
    pause: Callable[[float], Any] = no_pause,
    said: list[str] | None = None,
    tell: Callable[[list[tuple[str, int, int]]], None] | None = None,
) -> Batched:
    said = [] if said is None else said
    with Ledger(path) as ledger:
        return asyncio.run(
            run_batches(
                asked,
                member,
                ledger,
                3,
                budget,
                pause,
                said.append,
                lambda remotes: None if tell is None else tell([(r.status, r.completed, r.total) for r in remotes]),
                limits=limits,
                poll_after_s=lambda n: 0.0,
            )
        )


def work(base_url: str, path: str, n: int) -> None:
    """What a process does that is going to be killed."""
    run(member_at(base_url), Path(path), wanted(n))


def bodies(path: Path, asked: Wanted) -> list[str | None]:
    with Ledger(path, read_only=True) as ledger:
        return [ledger.body(key) for key in keys(asked)]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    db = tables.reader(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def assert_settled(path: Path) -> None:
    """Nothing is reserved or waited for, and what is spent is what answers and charges cost."""
    assert rows(path, "SELECT * FROM batch_items") == []
    assert rows(path, "SELECT id FROM batches WHERE nano_usd <> 0 OR status NOT IN ('collected', 'given-up')") == []
    spent = "SELECT (SELECT coalesce(sum(nano_usd), 0) FROM answers) + (SELECT coalesce(sum(nano_usd), 0) FROM charges)"
    assert rows(path, spent) == rows(path, "SELECT nano_usd FROM totals")


def text_is(text: str, fault: llm.Fault) -> llm.Fault:
    return llm.when(lambda asked: text in asked.text, fault)


# --- what is sent and what comes back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (FOUR, [4, 4, 2]),
        (ONE_FILE, [10]),
        (Limits(requests=100, n_bytes=1100, slice=2), [3, 3, 3, 1]),
        (Limits(requests=100, n_bytes=10, slice=2), [1] * 10),
    ],
)
def test_requests_go_out_in_files_of_the_provider_s_size(tmp_path: Path, limits: Limits, sizes: list[int]) -> None:
    api, path, asked = BatchApi(max_requests=limits.requests), tmp_path / "calls.db", wanted(10)
    with serving(api) as member:
        assert run(member, path, asked, limits=limits) == Batched(10, 0, len(sizes))
    assert [len(one.lines) for one in api.batches] == sizes
    assert api.submitted == keys(asked)
    assert None not in bodies(path, asked)
    assert_settled(path)


def test_an_answer_is_stored_as_one_that_was_asked_online_at_the_batch_price(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(3)
    with serving(api) as member:
        run(member, path, asked)
    cost = 0
    for body, (_, one) in zip(bodies(path, asked), asked, strict=True):
        assert body is not None
        said = read_answer(body)
        assert said.text == f"<instruction>{llm.translate(one.messages[1].content[13:-14], 'ko')}</instruction>"
        assert said.prompt_tokens and said.completion_tokens
        cost += -(-(said.prompt_tokens * 1000 + said.completion_tokens * 4000) // 2)
    stored = rows(path, "SELECT DISTINCT model, prompt, stage, lang, origin FROM answers")
    assert stored == [(SERVED_AS, "tags-1", "translate", "ko", "batch")]
    assert rows(path, "SELECT nano_usd FROM totals") == [(cost,)]


def test_progress_is_told_by_batch(tmp_path: Path) -> None:
    told: list[list[tuple[str, int, int]]] = []
    with serving(BatchApi()) as member:
        run(member, tmp_path / "calls.db", wanted(6), tell=told.append)
    assert told[0] == [("in_progress", 2, 4)]  # the second file waits until the first is accepted
    assert [("finalizing", 2, 4), ("in_progress", 1, 2)] in told
    assert told[-1] == [("completed", 2, 2)]


def test_line_separators_in_an_answer_do_not_cut_it(tmp_path: Path) -> None:
    text, path, asked = "하나\u2028둘\u0085셋", tmp_path / "calls.db", wanted(2)
    with serving(BatchApi(), answer=lambda asked: text) as member:
        run(member, path, asked)
    assert [read_answer(body or "").text for body in bodies(path, asked)] == [text, text]


def test_what_is_answered_claimed_or_asked_twice_is_not_sent(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(5)
    with serving(api) as member:
        run(member, path, asked[:2])
        with Ledger(path) as online:
            assert asyncio.run(online.claim(asked[2][0], 0, None)) is Claim.OURS
            assert run(member, path, [*asked, *asked]).answered == 2
            online.release(asked[2][0])
    assert api.submitted == keys(asked[:2] + asked[3:])


def test_a_million_requests_are_not_read_before_a_file_was_taken(tmp_path: Path) -> None:
    n_read = 0

    def endless() -> Iterator[tuple[str, Request]]:
        nonlocal n_read
        for n_read, one in enumerate(wanted(50), 1):  # noqa: B007
            yield one

    api = BatchApi(refuses=lambda n: ("invalid_json_line", "This line is not parseable as valid JSON."))
    with serving(api) as member, pytest.raises(EndpointError, match="not parseable"):
        run(member, tmp_path / "calls.db", endless())
    assert n_read == FOUR.requests


# --- lines that cannot be trusted ------------------------------------------------------------------------------------


def test_lines_may_come_in_any_order_twice_and_for_nobody(tmp_path: Path) -> None:
    def mixed(lines: list[bytes]) -> list[bytes]:
        stranger = lines[0].replace(b'"b2:', b'"b2:00')
        return random.Random(7).sample([*lines, *lines, stranger], 2 * len(lines) + 1)

    api, path, asked = BatchApi(output=mixed), tmp_path / "calls.db", wanted(9)
    with serving(api) as member:
        assert run(member, path, asked, limits=ONE_FILE) == Batched(9, 0, 1)
    assert rows(path, "SELECT count(*) FROM answers") == [(9,)]
    assert_settled(path)


@pytest.mark.parametrize(
    "broken",
    [
        lambda line: line[: len(line) // 2],
        lambda line: b'{"what": "is this?"}',
        lambda line: b"\xff\xfe" + line[:5],
        lambda line: line.replace(b'"choices"', b'"chances"'),
        lambda line: b"[" * 100_000,
    ],
)
def test_a_broken_line_is_the_error_of_one_item(tmp_path: Path, broken: Callable[[bytes], bytes]) -> None:
    api = BatchApi(output=lambda lines: [*lines[:2], broken(lines[2]), *lines[3:]])
    path, asked = tmp_path / "calls.db", wanted(5)
    with serving(api) as member:
        assert run(member, path, asked, limits=ONE_FILE) == Batched(4, 1, 1)
    assert rows(path, "SELECT key, class FROM errors") == [(asked[2][0], "bad-body")]
    bound = money.bound(PRICE, asked[2][1], 300, batch=True)
    assert rows(path, "SELECT nano_usd, why FROM charges") == [(bound, "bad-body")]  # it was paid all the same
    assert_settled(path)


def test_an_item_s_error_is_noted_and_one_of_its_text_is_an_answer(tmp_path: Path) -> None:
    faults = [text_is("Name 1 ", llm.server_error()), text_is("Name 2 ", llm.context_too_long())]
    path, asked = tmp_path / "calls.db", wanted(4)
    with serving(BatchApi(), faults=faults) as member:
        assert run(member, path, asked) == Batched(3, 1, 1)
    assert rows(path, "SELECT key, class FROM errors") == [(asked[1][0], "server")]
    assert read_answer(bodies(path, asked)[2] or "").finish_reason == "context_length"
    assert rows(path, f"SELECT nano_usd FROM answers WHERE key = '{asked[2][0]}'") == [(0,)]
    assert_settled(path)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (llm.bad_request("Unsupported parameter: 'top_k'."), EndpointError),
        (llm.quota_exhausted(), QuotaExhausted),
    ],
)
def test_a_batch_of_nothing_but_refusals_stops_the_run(tmp_path: Path, fault: llm.Fault, error: type) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(9)
    with serving(api, faults=[fault]) as member, pytest.raises(error, match=r"top_k|quota"):
        run(member, path, asked)
    assert {one.status for one in api.batches} == {"completed"}  # what was submitted by then is collected
    assert_settled(path)


# --- how batches end -------------------------------------------------------------------------------------------------


def test_an_expired_batch_keeps_its_answers_and_only_the_rest_is_sent_again(tmp_path: Path) -> None:
    api, path, asked = BatchApi(expires=lambda n: 3 if n == 0 else None), tmp_path / "calls.db", wanted(8)
    with serving(api) as member:
        assert run(member, path, asked, limits=ONE_FILE) == Batched(8, 0, 2)
    assert [one.keys for one in api.batches] == [keys(asked), keys(asked[3:])]
    assert rows(path, "SELECT count(*) FROM errors") == [(0,)]
    assert_settled(path)


def test_a_batch_that_expires_without_an_answer_is_not_sent_for_ever(tmp_path: Path) -> None:
    api, path, asked = BatchApi(expires=lambda n: 0), tmp_path / "calls.db", wanted(3)
    with serving(api) as member:
        assert run(member, path, asked) == Batched(0, 3, 1)
    assert rows(path, "SELECT DISTINCT class FROM errors") == [("timeout",)]
    assert_settled(path)


def test_an_upload_that_the_key_does_not_allow_reserves_nothing(tmp_path: Path) -> None:
    path, asked = tmp_path / "calls.db", wanted(4)
    denied = llm.error_reply(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key")
    api = BatchApi(on=lambda told, n: denied if told == "uploaded" else None)
    with serving(api) as member, pytest.raises(AuthError):
        run(member, path, asked)
    assert_settled(path)


@pytest.mark.parametrize("at", [0, 2])
def test_a_refused_file_stops_the_run_in_the_provider_s_words(tmp_path: Path, at: int) -> None:
    refused = ("invalid_request", "The model `nothing` has no batch API.")
    api = BatchApi(refuses=lambda n: refused if n == at else None)
    path, asked = tmp_path / "calls.db", wanted(12)
    with serving(api) as member:
        with pytest.raises(EndpointError, match="has no batch API"):
            run(member, path, asked)
        assert api.batches[at].status == "failed"
        assert sum(body is not None for body in bodies(path, asked)) == 4 * (len(api.batches) - 1)
        assert_settled(path)
        run(member, path, [one for one, body in zip(asked, bodies(path, asked), strict=True) if body is None])
    assert None not in bodies(path, asked)
    again = [key for key, n in Counter(api.submitted).items() if n > 1]
    assert again == api.batches[at].keys


def test_a_file_refused_for_what_else_is_queued_waits_for_its_turn(tmp_path: Path) -> None:
    full = ("token_limit_exceeded", "Enqueued token limit reached for this model in this organization.")
    api = BatchApi(refuses=lambda n: full if n == 1 else None)
    path, asked = tmp_path / "calls.db", wanted(12)
    with serving(api) as member:
        assert run(member, path, asked).answered == 12
    assert api.batches[1].keys in [one.keys for one in api.batches[2:]]
    assert_settled(path)


def test_a_batch_cancelled_from_elsewhere_is_collected_and_not_sent_again(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(4)

    def someone_cancels(event: str, n: int) -> Reply | None:
        if event == "polled" and api.batches[0].status == "in_progress":
            api.batches[0].status = "cancelling"
        return None

    api.on = someone_cancels
    with serving(api) as member, pytest.raises(PartialError, match="batch_0 was cancelled"):
        run(member, path, asked)
    assert [body is not None for body in bodies(path, asked)] == [True, True, False, False]
    assert len(api.batches) == 1
    assert_settled(path)


# --- faults on the way -----------------------------------------------------------------------------------------------


SERVER_ERROR = llm.error_reply(500, "The server had an error.", "server_error")
RATE_LIMITED = llm.error_reply(429, "Slow down.", "requests", "rate_limit_exceeded", {"Retry-After": "1"})
LOGIN_PAGE = Reply(200, b"<html>Please log in</html>", content_type="text/html")
DROPPED = Reply(200, b"", drop="before")


@pytest.mark.parametrize(
    ("event", "reply"),
    [
        *(("uploaded", reply) for reply in (SERVER_ERROR, RATE_LIMITED, LOGIN_PAGE, DROPPED)),
        *(("created", reply) for reply in (SERVER_ERROR, LOGIN_PAGE, DROPPED)),  # no 429 comes with a batch made
        *(("polled", reply) for reply in (SERVER_ERROR, RATE_LIMITED, LOGIN_PAGE, DROPPED)),
        *(("downloaded", reply) for reply in (SERVER_ERROR, RATE_LIMITED, LOGIN_PAGE, DROPPED)),
    ],
)
def test_a_passing_fault_costs_no_second_batch(tmp_path: Path, event: str, reply: Reply) -> None:
    api = BatchApi(on=lambda told, n: reply if told == event and n == 0 else None)
    path, asked = tmp_path / "calls.db", wanted(4)
    with serving(api) as member:
        assert run(member, path, asked) == Batched(4, 0, 1)
    assert api.submitted == keys(asked)
    assert_settled(path)


def test_a_batch_that_may_have_been_made_is_not_made_again_by_the_next_run(tmp_path: Path) -> None:
    api = BatchApi(
        on=lambda told, n: SERVER_ERROR if (told, n) == ("created", 0) or (told == "listed" and n < 4) else None
    )
    path, asked = tmp_path / "calls.db", wanted(4)
    with serving(api) as member:
        with pytest.raises(EndpointError, match="does not say whether it made batch"):
            run(member, path, asked)
        assert run(member, path, asked) == Batched(4, 0, 0)
    assert api.submitted == keys(asked)
    assert_settled(path)


def test_an_endpoint_without_a_batch_api_is_told_at_once(tmp_path: Path) -> None:
    path, asked = tmp_path / "calls.db", wanted(4)
    with LlmServer() as server, pytest.raises(EndpointError, match="takes no batch: HTTP 404") as told:
        run(member_at(server.base_url), path, asked)
    assert "mode: online" in told.value.hint
    assert_settled(path)


def test_a_file_cut_in_the_middle_is_read_again(tmp_path: Path) -> None:
    api = BatchApi()

    def cut(event: str, n: int) -> Reply | None:
        if event == "downloaded" and n == 0:
            return Reply(200, api.files["file-1"], drop="mid-body")
        return None

    api.on = cut
    path, asked = tmp_path / "calls.db", wanted(20)
    with serving(api) as member:
        assert run(member, path, asked, limits=ONE_FILE) == Batched(20, 0, 1)
    assert rows(path, "SELECT count(*) FROM errors") == [(0,)]
    assert_settled(path)


def test_a_collection_that_fails_for_long_goes_on_where_it_was(tmp_path: Path) -> None:
    """The output file is read, the error file is not for longer than the retries last; then the batch goes on."""
    api = BatchApi(
        expires=lambda n: 2 if n == 0 else None,
        on=lambda told, n: SERVER_ERROR if told == "downloaded" and 1 <= n <= 6 else None,
    )
    path, asked = tmp_path / "calls.db", wanted(4)
    with serving(api) as member:
        assert run(member, path, asked) == Batched(4, 0, 2)
    assert [one.keys for one in api.batches] == [keys(asked), keys(asked[2:])]
    assert_settled(path)


# --- money -----------------------------------------------------------------------------------------------------------


def test_a_budget_is_never_exceeded_and_used_as_far_as_it_goes(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(12)
    bound = money.bound(PRICE, asked[0][1], 300, batch=True)
    budget = bound + bound // 3  # one at a time, and what it leaves of its reservation goes into the next
    room: list[int] = []

    def look(event: str, n: int) -> Reply | None:
        db = tables.reader(path)
        (spent,) = db.execute("SELECT nano_usd FROM totals").fetchone()
        (reserved,) = db.execute("SELECT sum(nano_usd) FROM batches").fetchone()
        room.append(budget - spent - reserved)
        db.close()
        return None

    api.on = look
    with serving(api) as member:
        with pytest.raises(BudgetReached):
            run(member, path, asked, budget=budget)
        assert min(room) >= 0
        n_first = sum(body is not None for body in bodies(path, asked))
        assert 1 < n_first < 12
        assert rows(path, "SELECT nano_usd FROM totals")[0][0] > budget - bound - 5000  # some bytes between requests
        assert_settled(path)
        run(member, path, asked, budget=20 * bound)
    assert Counter(api.submitted) == Counter(keys(asked))


# --- stopped and killed ----------------------------------------------------------------------------------------------


def test_a_stop_leaves_the_batch_at_the_provider_and_the_next_run_collects_it(tmp_path: Path) -> None:
    api, path, asked, said = BatchApi(), tmp_path / "calls.db", wanted(4), list[str]()

    async def stop_once_submitted(seconds: float) -> None:
        if api.batches and said:
            raise Stopped

    with serving(api) as member:
        with pytest.raises(Stopped):
            run(member, path, asked, pause=stop_once_submitted, said=said)
        assert "1 batches go on" in said[-1]
        assert run(member, path, asked) == Batched(4, 0, 0)
    assert api.submitted == keys(asked)
    assert_settled(path)


@pytest.mark.parametrize(
    ("event", "n"),
    [
        ("uploaded", 0),
        ("created", 0),
        ("polled", 0),
        ("uploaded", 1),
        ("created", 1),
        ("polled", 5),
        ("downloaded", 0),
        ("downloaded", 1),
        ("downloaded", 2),
    ],
)
def test_a_killed_run_is_taken_up_without_paying_twice(tmp_path: Path, event: str, n: int) -> None:
    """The kill comes when the server has done its deed and before it answers; the first file comes in two pieces."""
    pid: Future[int] = Future()
    alive = [True]
    faults = [text_is("Name 3 ", llm.server_error())]
    api = BatchApi(page=1)

    def kill(told: str, count: int) -> Reply | None:
        if alive and (told, count) == (event, n):
            alive.clear()
            os.kill(pid.result(10), signal.SIGKILL)
        if alive and (told, count) == ("downloaded", 0):
            return Reply(200, api.files[api.batches[0].results["output_file_id"]], drop="mid-body")
        return None

    api.on = kill
    path, asked = tmp_path / "calls.db", wanted(10)
    with serving(api, faults=faults) as member:
        code = "import sys; from tests.test_batch import work; work(sys.argv[1], sys.argv[2], 10)"
        process = subprocess.Popen([sys.executable, "-c", code, str(member.model.base_url), str(path)])
        pid.set_result(process.pid)
        assert process.wait(60) == -signal.SIGKILL
        api.batches.append(Batch("batch_of_others", "file-x", [], {"by": "others"}))
        with Ledger(path) as ledger:
            left = [one for one in asked if ledger.body(one[0]) is None]
        run(member, path, left)
    again = [key for key, n in Counter(api.submitted).items() if n > 1]
    assert again in ([], [asked[3][0]])  # the one that was given back with an error
    assert [body is None for body in bodies(path, asked)] == [i == 3 for i in range(10)]
    assert rows(path, "SELECT DISTINCT key FROM errors") == [(asked[3][0],)]
    assert rows(path, "SELECT count(*) FROM charges") == [(0,)]
    assert_settled(path)
    assert {one.name for one in tmp_path.iterdir()} <= {"calls.db", "calls.db-wal", "calls.db-shm"}


def test_what_another_process_is_about_to_submit_is_left_to_it(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(3)
    with serving(api) as member:
        with Ledger(path) as other:
            theirs = [notes.Item(key, one, 0, 1) for key, one in asked[:2]]
            name, endpoint = notes.new_id(other), str(member.model.base_url)
            asyncio.run(other.commit(lambda db: notes.add(db, name, endpoint, SERVED_AS, theirs, None)))
            assert run(member, path, asked) == Batched(1, 0, 1)
        assert run(member, path, asked) == Batched(2, 0, 1)  # that process is gone
    assert api.submitted == keys([asked[2], *asked[:2]])
    assert_settled(path)


def test_batches_at_another_endpoint_are_spoken_of_and_not_sent_again(tmp_path: Path) -> None:
    here, there, path, asked, said = BatchApi(), BatchApi(), tmp_path / "calls.db", wanted(3), list[str]()
    with serving(here) as first, serving(there) as second:
        detach(first, path, asked, here, n_polls=1)
        assert run(second, path, asked, said=said) == Batched(0, 0, 0)
        assert f"1 batches of {SERVED_AS} are open at {first.model.base_url}" in said[0]
        assert run(first, path, asked) == Batched(3, 0, 0)
    assert not there.batches
    assert_settled(path)


def test_look_ups_by_key_do_not_read_all_items(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with Ledger(path):
        plan = rows(path, "EXPLAIN QUERY PLAN SELECT rowid FROM batch_items WHERE key = 'x' AND batch = 'y'")
    assert "batch_items_by_key" in plan[0][3]


# --- cancel ----------------------------------------------------------------------------------------------------------


def give_up(member: Member, path: Path, said: list[str]) -> Batched:
    with Ledger(path) as ledger:
        return asyncio.run(cancel(member, ledger, 3, no_pause, said.append, poll_after_s=lambda n: 0.0))


def detach(member: Member, path: Path, asked: Wanted, api: BatchApi, n_polls: int) -> None:
    async def stop(seconds: float) -> None:
        if api.events.count("polled") >= n_polls and api.batches:
            raise Stopped

    with pytest.raises(Stopped):
        run(member, path, asked, pause=stop)


def test_cancelled_batches_are_collected_and_the_rest_is_free(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(4)
    with serving(api) as member:
        detach(member, path, asked, api, n_polls=1)
        assert give_up(member, path, []).answered == 2
        assert_settled(path)
        assert run(member, path, asked).answered == 2
    assert [one.status for one in api.batches] == ["cancelled", "completed"]
    assert [one.keys for one in api.batches] == [keys(asked), keys(asked[2:])]


def test_a_batch_that_the_provider_does_not_know_is_given_up_by_cancel_alone(tmp_path: Path) -> None:
    api, path, asked, said = BatchApi(), tmp_path / "calls.db", wanted(4), list[str]()
    with serving(api) as member:
        detach(member, path, asked, api, n_polls=1)
        lost = api.batches.pop()
        with pytest.raises(EndpointError, match=f"No batch found with id '{lost.id}'"):
            run(member, path, asked)
        assert not api.batches
        assert give_up(member, path, said) == Batched(0, 0, 0)
        assert "stays charged" in said[-1]
        bound = sum(money.bound(PRICE, one, 300, batch=True) for _, one in asked)
        assert rows(path, "SELECT nano_usd FROM totals") == [(bound,)]
        assert_settled(path)
        assert run(member, path, asked).answered == 4


def test_a_file_of_the_provider_is_json_lines_with_the_model_it_knows(tmp_path: Path) -> None:
    api, path, asked = BatchApi(), tmp_path / "calls.db", wanted(1)
    with serving(api) as member:
        run(Member(member.model, "an-older-name", PRICE), path, asked)
    [line] = api.files["file-0"].splitlines()
    body = {"model": "pseudo-translator", **asked[0][1].body()}
    assert json.loads(line) == {
        "custom_id": asked[0][0],
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }

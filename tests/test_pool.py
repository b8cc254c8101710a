"""Several endpoints in one run: who is asked for which row, and what becomes of the rows when one fails."""

from collections import Counter

import pytest

from plugdata.calls import endpoint, retry
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, order, replay
from plugdata.errors import AuthError, EndpointError, QuotaExhausted
from plugdata.recipe import Model
from plugdata.wire import Result
from tests import asking
from tests.asking import model, pool, rows, run, select, task
from tests.servers import llm
from tests.servers.llm import Fault, LlmServer

hurry, ledger = asking.hurry, asking.ledger


def _named(*weights: float) -> list[Member]:
    return [Member(Model(model=f"m{i}", weight=weight), f"m{i}") for i, weight in enumerate(weights)]


def _first(row: asking.Row, members: list[Member]) -> int:
    return order(row["id"], members)[0]


def test_rows_are_shared_by_weight() -> None:
    firsts = Counter(_first(row, _named(6, 3, 1)) for row in rows(4000))
    assert [firsts[at] / 4000 for at in range(3)] == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_a_new_member_takes_rows_over_and_moves_no_other() -> None:
    before, after = _named(2, 1), _named(2, 1, 1)
    moved = [(_first(row, before), _first(row, after)) for row in rows(1000)]
    assert {now for was, now in moved if was != now} == {2}
    assert 200 < sum(was != now for was, now in moved) < 300


def test_equal_endpoints_have_equal_shares_and_are_drawn_apart() -> None:
    twins = [Member(Model(model="m", base_url=f"http://127.0.0.1:{port}"), "m") for port in (1, 2)]
    assert 0.45 < sum(_first(row, twins) for row in rows(2000)) / 2000 < 0.55


def test_each_endpoint_gets_its_rows_with_its_own_key_limits_and_params(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_A", "sk-a")
    monkeypatch.setenv("KEY_B", "sk-b")
    asked = rows(60)
    with LlmServer(api_key="sk-a", latency_s=0.01) as a, LlmServer(api_key="sk-b", latency_s=0.01) as b:
        members = [
            model(a, concurrency=5, model="one", api_key_env="KEY_A", weight=3, params={"temperature": 0}),
            model(b, concurrency=2, model="two", api_key_env="KEY_B", params={"top_p": 0.5, "max_tokens": 300}),
        ]
        assert run(asked, members, ledger).calls == 60
        n_first = [_first(row, pool(members)) for row in asked].count(0)
        assert (len(a.requests), len(b.requests)) == (n_first, 60 - n_first)
        assert (a.max_in_flight, b.max_in_flight) == (5, 2)
        assert {(r.json["model"], r.json["temperature"]) for r in a.requests} == {("one", 0)}
        assert {(r.json["model"], r.json["top_p"], r.json["max_tokens"]) for r in b.requests} == {("two", 0.5, 300)}
        results = [replay(row, [task(member.params) for member in members], pool(members), ledger) for row in asked]
        assert run(asked, members, ledger).calls == 0
    assert all(isinstance(step, Result) and step.value.reason is None for step, _ in results)
    assert [by for _, by in results] == [[("one", "two")[_first(row, pool(members))]] for row in asked]


DEATHS = {
    "quota": llm.quota_exhausted(),
    "key": llm.unauthorized(),
    "model": llm.model_not_found(),
    "500": llm.server_error(),
    "reset": llm.dropped(),
    "html": llm.html_page(200),
}


@pytest.mark.parametrize("n_before", [0, 10], ids=["from-the-start", "mid-run"])
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_the_rows_of_an_endpoint_that_dies_are_answered_once_by_another(
    ledger: Ledger, death: Fault, n_before: int
) -> None:
    with LlmServer([llm.when(lambda request: request.index >= n_before, death)]) as a, LlmServer() as b:
        members = [model(a, model="one"), model(b, model="two")]
        tally = run(rows(80), members, ledger)
        assert (tally.done, tally.failed, tally.calls) == (80, 0, 80)
        assert len(b.requests) == len({request.digest for request in b.requests}) == 80 - n_before
        assert n_before < len(a.requests) <= n_before + 40  # not tries of every row
        assert run(rows(80), members[::-1], ledger).calls == 0


def test_a_server_that_is_shut_down_loses_no_row(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.05)
    with LlmServer() as b:
        with LlmServer() as a:
            members = [model(a, model="one"), model(b, model="two")]
            assert run(rows(10), members, ledger).failed == 0
        said: list[str] = []
        tally = run(rows(60), members, ledger, said=said)
        assert (tally.done, tally.failed, tally.calls) == (60, 0, 50)
        assert len(a.requests) + len(b.requests) == 60
    assert [line.partition(":")[0] for line in said] == ["one at 127.0.0.1 cannot be reached"]


def test_an_endpoint_is_set_aside_when_it_gives_up_and_tried_again_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "ASIDE_S", 0.1)
    said: list[str] = []
    with LlmServer([llm.first(2, llm.quota_exhausted())]) as a, LlmServer(latency_s=0.03) as b:
        tally = run(rows(60), [model(a, 2, model="one"), model(b, 2, model="two")], ledger, said=said)
        statuses = [request.status for request in a.requests]
        assert (tally.done, tally.failed) == (60, 0)
        assert statuses[0] == 429 and statuses.count(429) == 2 and statuses[-1] == 200
        assert len(b.requests) > 10
    assert all("You exceeded your current quota" in line and "set aside for 0 s" in line for line in said)
    assert 1 <= len(said) <= 2


def test_when_all_endpoints_are_dead_the_run_stops_and_the_answers_are_kept(ledger: Ledger) -> None:
    def after(n: int, fault: Fault) -> Fault:
        return llm.when(lambda request: request.index >= n, fault)

    asked = rows(60)
    with LlmServer([after(5, llm.quota_exhausted())]) as a, LlmServer([after(20, llm.unauthorized())]) as b:
        members = [model(a, model="one"), model(b, model="two")]
        with pytest.raises((QuotaExhausted, AuthError)):
            run(asked, members, ledger)
        assert select(ledger.path, "SELECT count(*) FROM answers") == [(25,)]
        a.faults = b.faults = []
        assert run(asked, members, ledger).calls == 35


class TestTwins:
    """Two endpoints that serve the same model: one to the ledger, and each takes what the other cannot."""

    @staticmethod
    def members(a: LlmServer, b: LlmServer) -> list[Model]:
        return [model(a, model="m-eu", served_as="m"), model(b, model="m-us", served_as="m")]

    def test_they_share_the_keys(self, ledger: Ledger) -> None:
        with LlmServer() as a, LlmServer() as b:
            assert run(rows(40), self.members(a, b), ledger).calls == 40
            assert len(a.requests) + len(b.requests) == 40
            assert min(len(a.requests), len(b.requests)) >= 10
            assert run(rows(40), self.members(a, b)[:1], ledger).calls == 0

    def test_a_storm_of_429s_at_one_moves_its_calls_to_the_other(self, ledger: Ledger) -> None:
        with LlmServer([llm.rate_limited(retry_after_s=0.3)]) as a, LlmServer(latency_s=0.005) as b:
            tally = run(rows(60), self.members(a, b), ledger)
            assert (tally.done, tally.failed, tally.calls) == (60, 0, 60)
            assert len(b.requests) == len({request.digest for request in b.requests}) == 60
            assert len(a.requests) <= 8

    def test_a_slow_one_gets_fewer_rows(self, ledger: Ledger) -> None:
        with LlmServer(latency_s=0.2) as a, LlmServer(latency_s=0.005) as b:
            assert run(rows(80), self.members(a, b), ledger).calls == 80
            assert len(a.requests) < len(b.requests) / 2


@pytest.mark.parametrize("leaves", [llm.server_error(), llm.dropped()], ids=["500", "reset"])
def test_an_outage_of_all_endpoints_is_waited_for(ledger: Ledger, leaves: Fault) -> None:
    outage = llm.when(lambda request: 5 <= request.index < 25, leaves)
    with LlmServer([outage]) as a, LlmServer([outage]) as b:
        tally = run(rows(60), [model(a, model="one"), model(b, model="two")], ledger, retries=6)
    assert (tally.done, tally.failed) == (60, 0)


def test_endpoints_that_all_stay_down_stop_the_run(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PATIENCE_S", 0.2)
    down = llm.when(lambda request: request.index >= 5, llm.server_error())
    with LlmServer([down]) as a, LlmServer([down]) as b, pytest.raises(EndpointError, match="answered nothing"):
        run(rows(200), [model(a, model="one"), model(b, model="two")], ledger)

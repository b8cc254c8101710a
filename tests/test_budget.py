"""Money, by the provider's own account: a budget is never exceeded, what may be billed stays charged, claims hold."""

import asyncio
import math
import random
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import pytest

from plugdata.calls import money
from plugdata.calls.ledger.store import Claim, Ledger
from plugdata.errors import BudgetReached, GateError, InputError
from plugdata.recipe import Price
from plugdata.wire import Result
from tests import asking
from tests.asking import TASK, model, process, rows, run, select, task
from tests.servers import llm
from tests.servers.llm import Fault, LlmServer, Reply

hurry, ledger = asking.hurry, asking.ledger

PRICE = Price(input=3, output=15)
PARAMS = {"max_tokens": 120}


class Bill:
    """What a provider charges: a fault that keeps the account of every answer it gives, delivered or not."""

    def __init__(self, price: Price, answer: Fault = llm.right) -> None:
        self.nano_usd = 0
        self.n_calls = 0
        self._price, self._answer = price, answer

    def __call__(self, request: llm.Request) -> Reply | None:
        reply = self._answer(request) or llm.right(request)
        if reply.status == 200:
            used = llm.usage(request, llm.usual_answer(request))
            rates = [Fraction(str(rate)) * 1000 for rate in (self._price.input, self._price.output)]
            self.nano_usd += math.ceil(used.n_prompt * rates[0] + used.n_completion * rates[1])
            self.n_calls += 1
        return reply


def _bound(row: asking.Row) -> int:
    """What a call for a row may cost at most."""
    request = task(PARAMS)(row, [])
    assert not isinstance(request, Result)
    return money.bound(PRICE, request, PARAMS["max_tokens"])


def _troubled(chance: random.Random) -> Fault:
    """A provider that sometimes answers late, half, without a count, or a good part from its cache."""
    seed = str(chance.random())
    troubles = [llm.slow(30), llm.dropped_mid_body(), llm.garbled(), llm.no_usage(), llm.cached(0.5), llm.cut_off()]
    faults = [llm.share(0.05, trouble, f"{seed}{i}") for i, trouble in enumerate(troubles)]
    return lambda request: next((reply for fault in faults if (reply := fault(request))), None)


@pytest.mark.parametrize("seed", range(10))
def test_a_budget_is_never_exceeded_by_200_calls_in_flight(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    price = Price(input=chance.uniform(0.05, 5), output=chance.uniform(0.1, 20))
    bill = Bill(price, _troubled(chance))
    usual = money.cost(price, 150, 0, 60)
    budget = round(usual * chance.uniform(20, 200))
    with LlmServer([bill]) as server:
        members = [model(server, 200, params=PARAMS, timeout_s=1.0)]
        with pytest.raises((BudgetReached, GateError)):
            run(rows(300), members, ledger, budget=budget, price=price)
    spent = ledger.money()
    assert bill.nano_usd <= spent.spent <= budget
    assert spent.reserved == 0
    assert bill.n_calls >= 1


def test_what_calls_cost_is_counted_as_the_provider_counts(ledger: Ledger) -> None:
    bill = Bill(PRICE)
    with LlmServer([bill]) as server:
        run(rows(30), [model(server, params=PARAMS)], ledger, budget=10**9, price=PRICE)
    assert ledger.money() == (bill.nano_usd, 0)
    assert select(ledger.path, "SELECT sum(nano_usd) FROM answers") == [(bill.nano_usd,)]


@pytest.mark.parametrize(
    ("fault", "why"),
    [(llm.slow(30), "timeout"), (llm.dropped_mid_body(), "connection"), (llm.garbled(), "bad-body")],
    ids=["timeout", "cut", "garbled"],
)
def test_a_call_that_may_have_been_billed_stays_charged_with_its_bound(ledger: Ledger, fault: Fault, why: str) -> None:
    row = rows(1)[0]
    with LlmServer([llm.attempts(2, fault)]) as server:
        members = [model(server, params=PARAMS, timeout_s=0.5)]
        assert run([row], members, ledger, retries=1, budget=10**9, price=PRICE).failed == 1
    assert select(ledger.path, "SELECT why, nano_usd FROM charges") == [(why, _bound(row))] * 2
    assert ledger.money() == (2 * _bound(row), 0)


@pytest.mark.parametrize("fault", [llm.server_error(), llm.rate_limited(0.01)], ids=["500", "429"])
def test_a_refusal_costs_nothing(ledger: Ledger, fault: Fault) -> None:
    bill = Bill(PRICE)
    with LlmServer([llm.attempts(2, fault), bill]) as server:
        run(rows(3), [model(server, params=PARAMS)], ledger, budget=10**9, price=PRICE)
    assert ledger.money() == (bill.nano_usd, 0)


def test_an_answer_without_usage_is_charged_with_its_bound(ledger: Ledger) -> None:
    row = rows(1)[0]
    with LlmServer([llm.no_usage()]) as server:
        run([row], [model(server, params=PARAMS)], ledger, budget=10**9, price=PRICE)
    assert ledger.money() == (_bound(row), 0)


def test_cached_tokens_are_charged_at_their_own_price(ledger: Ledger) -> None:
    price = Price(input=10, cached_input=1, output=10)
    with LlmServer([llm.cached(1.0)]) as server:
        run(rows(1), [model(server, params=PARAMS)], ledger, price=price)
        used = llm.usage(server.requests[0], llm.usual_answer(server.requests[0]))
    assert ledger.money().spent == used.n_prompt * 1000 + used.n_completion * 10_000


def test_a_budget_below_the_first_call_is_refused_before_anything_is_sent(ledger: Ledger) -> None:
    row = rows(1)[0]
    with LlmServer() as server:
        members = [model(server, params=PARAMS)]
        with pytest.raises(GateError, match=r"of the budget of \$0.0\d+, \$0 is spent, and the next call may cost"):
            run([row], members, ledger, budget=_bound(row) - 1, price=PRICE)
        assert server.requests == []
        assert run([row], members, ledger, budget=_bound(row), price=PRICE).calls == 1


def test_a_budget_that_is_used_up_later_stops_the_run_and_a_larger_one_resumes(ledger: Ledger) -> None:
    asked = rows(30)
    bill = Bill(PRICE)
    with LlmServer([bill]) as server:
        members = [model(server, params=PARAMS)]
        with pytest.raises(BudgetReached, match="is spent, and the next call may cost") as caught:
            run(asked, members, ledger, budget=5 * _bound(asked[0]), price=PRICE)
        assert "larger --budget resumes" in caught.value.hint
        n_before = bill.n_calls
        assert 5 <= n_before < 30  # what calls cost less than their bound is there for others
        assert ledger.money().spent + _bound(asked[-1]) > 5 * _bound(asked[0])  # and used to the last call
        assert run(asked, members, ledger, budget=10**9, price=PRICE).calls == 30 - n_before
    assert ledger.money() == (bill.nano_usd, 0)


def test_a_budget_without_a_bound_on_answers_is_refused_and_says_how_to_give_one(ledger: Ledger) -> None:
    with LlmServer() as server:
        with pytest.raises(InputError, match="a budget needs a bound on each answer, and test has none") as caught:
            run(rows(9), [model(server)], ledger, budget=10**9, price=PRICE)
        assert server.requests == []
        assert "max_tokens" in caught.value.hint
        assert run(rows(3), [model(server)], ledger, price=PRICE).calls == 3  # without a budget none is needed
        assert run(rows(9), [model(server)], ledger, budget=1).calls == 6  # nor where calls are free


def test_two_processes_on_one_ledger_share_one_budget(tmp_path: Path) -> None:
    path, bill = tmp_path / "shared.sqlite", Bill(PRICE)
    budget = 30 * _bound(rows(1)[0])
    with LlmServer([bill], latency_s=0.01) as server:
        options = {"params": PARAMS, "budget": budget, "price": {"input": 3, "output": 15}, "concurrency": 30}
        running = [process(path, server, 200, start=start, **options) for start in (1, 1001)]
        came_to = [asked.communicate(timeout=30)[0].strip() for asked in running]
        assert 30 < len(server.requests) < 400
    assert set(came_to) <= {"BudgetReached", "GateError"}  # one may come when the other has spent it all
    with Ledger(path, read_only=True) as shared:
        assert bill.nano_usd == shared.money().spent <= budget


class TestClaims:
    """Two processes on one ledger never pay for the same call."""

    def test_processes_that_ask_the_same_rows_send_each_once(self, tmp_path: Path) -> None:
        path = tmp_path / "shared.sqlite"
        with LlmServer(latency_s=0.02) as server:
            running = [process(path, server, 60, concurrency=6) for _ in range(2)]
            came_to = [asked.communicate(timeout=30)[0].split() for asked in running]
            assert len(server.requests) == len({request.digest for request in server.requests}) == 60
        assert [said[:2] + said[4:] for said in came_to] == [["60", "done,", "0", "failed"]] * 2
        assert sum(int(said[2]) for said in came_to) == 60

    def test_the_calls_of_a_killed_process_are_taken_over_by_one_that_waits_for_them(self, tmp_path: Path) -> None:
        path = tmp_path / "shared.sqlite"
        options = {"params": PARAMS, "budget": 10**9, "price": {"input": 3, "output": 15}}
        with LlmServer() as server:
            server.hold()
            killed = process(path, server, 12, concurrency=4, **options)
            server.wait_for(4)
            waiting = process(path, server, 12, concurrency=8, **options)
            server.wait_for(8)  # four of its own, beside the four it leaves to the other
            assert len({request.digest for request in server.requests}) == 8
            lost = {request.digest for request in server.requests[:4]}
            killed.kill()
            killed.communicate()
            server.release()
            assert waiting.communicate(timeout=30)[0].strip() == "12 done, 12 calls, 0 failed"
            asked = [request.digest for request in server.requests]
        assert sorted(asked) == sorted([*set(asked), *lost])
        assert select(path, "SELECT why, nano_usd FROM charges") == [("killed", _bound(row)) for row in rows(4)]
        assert select(path, "SELECT * FROM claims") == []
        assert list(tmp_path.glob("*.writer")) == []

    def test_a_rerun_after_a_kill_charges_what_was_in_flight_and_asks_for_the_rest(self, tmp_path: Path) -> None:
        path = tmp_path / "ledger.sqlite"
        with LlmServer() as server:
            server.hold()
            killed = process(path, server, 9, params=PARAMS, budget=10**9, price={"input": 3, "output": 15})
            server.wait_for(4)
            killed.kill()
            killed.communicate()
            server.release()
            with Ledger(path) as ledger:
                assert ledger.money() == (sum(map(_bound, rows(4))), 0)
                assert run(rows(9), [model(server, params=PARAMS)], ledger, price=PRICE).calls == 9

    def test_a_second_ctrl_c_stops_at_once_and_what_was_in_flight_stays_charged(self, tmp_path: Path) -> None:
        path = tmp_path / "ledger.sqlite"
        with LlmServer() as server:
            server.hold()
            stopped = process(path, server, 9, params=PARAMS, budget=10**9, price={"input": 3, "output": 15})
            server.wait_for(4)
            while stopped.poll() is None:  # one signal that comes upon another is lost
                stopped.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    stopped.communicate(timeout=0.2)
            with Ledger(path) as ledger:
                assert ledger.money() == (sum(map(_bound, rows(4))), 0)

    def test_giving_a_call_up_leaves_another_writer_s_claim_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "shared.sqlite"
        with Ledger(path) as one, Ledger(path) as other:
            assert asyncio.run(other.claim("k", 70, None)) is Claim.OURS
            one.release("k")
            one.release("k", charge="timeout")
            one.flush()
            assert one.money() == (0, 70)

    def test_a_sign_of_a_writer_that_is_gone_does_no_harm(self, tmp_path: Path, ledger: Ledger) -> None:
        stale = ledger.path.with_name(f"{ledger.path.name}-deadbeef.writer")
        stale.touch()
        with closing(sqlite3.connect(ledger.path)) as db:
            db.execute("INSERT INTO claims SELECT ?, 'deadbeef', 70, 'then'", (_key(rows(1)[0]),))
            db.commit()
        with LlmServer() as server:
            assert run(rows(3), [model(server)], ledger).calls == 3
        assert ledger.money() == (70, 0)
        assert not stale.exists()


def _key(row: asking.Row) -> str:
    request = TASK(row, [])
    assert not isinstance(request, Result)
    return request.key("test")

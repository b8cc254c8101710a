"""Estimates: a prior to start with, the ledger's own rates soon after, and no request that depends on either."""

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.calls.estimate import ENOUGH, Counts, Estimator, counts
from plugdata.calls.ledger import tables

SOURCE = "Explain in two sentences why the sea is salty and rivers are not."


def test_priors_are_of_the_right_order_for_every_language() -> None:
    fresh = Estimator()
    assert fresh.prompt_tokens("ko", 4000) == pytest.approx(1000)
    for code in languages.table():
        assert fresh.n_learnt(code) == 0
        assert 1000 <= fresh.completion_tokens(code, 4000) <= 4000
    assert fresh.completion_tokens("th", 4000) > fresh.completion_tokens("es", 4000) >= 1000
    assert fresh.completion_tokens("x-unknown", 4000) == fresh.completion_tokens("es", 4000)
    assert fresh.seconds() is None


def test_a_language_is_learnt_from_its_own_answers_alone() -> None:
    estimator = Estimator()
    prior = Estimator().completion_tokens("ta", 100)
    for _ in range(ENOUGH):
        estimator.learn("ko", 1000, 100, 400, 90)
    assert estimator.n_learnt("ko") == ENOUGH
    assert estimator.prompt_tokens("ko", 500) == pytest.approx(200)
    assert estimator.completion_tokens("ko", 50) == pytest.approx(45)
    assert estimator.completion_tokens("ta", 100) == prior


@given(st.integers(1, ENOUGH - 1), st.integers(0, 5000), st.integers(0, 5000))
def test_few_answers_are_mixed_with_the_prior(n_calls: int, prompt: int, completion: int) -> None:
    estimator = Estimator()
    estimator.learn("ko", 1000, 500, prompt, completion, n_calls=n_calls)
    for got, prior, learnt in (
        (estimator.prompt_tokens("ko", 1000), Estimator().prompt_tokens("ko", 1000), prompt),
        (estimator.completion_tokens("ko", 500), Estimator().completion_tokens("ko", 500), completion),
    ):
        assert got == pytest.approx(prior + (learnt - prior) * n_calls / ENOUGH)


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))))
def test_one_by_one_and_in_sums_teach_the_same(answers: list[tuple[int, int, int, int]]) -> None:
    one_by_one, in_sums = Estimator(), Estimator()
    for answer in answers:
        one_by_one.learn("hi", *answer, seconds=2.0)
    if answers:
        a, b, c, d = (sum(column) for column in zip(*answers, strict=True))
        in_sums.learn("hi", a, b, c, d, n_calls=len(answers), seconds=2.0 * len(answers))
    assert one_by_one.n_learnt("hi") == in_sums.n_learnt("hi") == len(answers)
    assert one_by_one.prompt_tokens("hi", 70) == pytest.approx(in_sums.prompt_tokens("hi", 70))
    assert one_by_one.completion_tokens("hi", 70) == pytest.approx(in_sums.completion_tokens("hi", 70))
    assert one_by_one.seconds() == in_sums.seconds() == (2.0 if answers else None)


def test_answers_without_a_time_do_not_count_as_fast() -> None:
    estimator = Estimator()
    estimator.learn("ko", 10, 10, 3, 3, seconds=4.0)
    estimator.learn("zh", 10, 10, 3, 3, n_calls=3, seconds=2.0)
    estimator.learn("it", 10, 10, 3, 3, n_calls=50)
    assert estimator.seconds() == pytest.approx(1.5)


def add(db: sqlite3.Connection, key: str, lang: str, **columns: object) -> None:
    """An answer as a ledger holds it."""
    request = {"served_as": "m", "messages": [{"role": "user", "content": SOURCE}]}
    n_request, n_text = tables.request_chars(request)
    row = {
        "key": key,
        "model": "m",
        "prompt": "p",
        "stage": "translate",
        "lang": lang,
        "origin": "online",
        "prompt_tokens": 30,
        "completion_tokens": 20,
        "request_chars": n_request,
        "text_chars": n_text,
        "seconds": 1.5,
        "answered_at": "2026-11-20T09:00:00+00:00",
        "body_hash": "b2:00",
        "request": json.dumps(request),
        "body": "{}",
    } | columns
    db.execute(f"INSERT INTO answers ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def test_a_ledger_teaches_what_its_answers_used(tmp_path: Path) -> None:
    db = tables.writer(tmp_path / "ledger.sqlite")
    add(db, "b2:1", "ko")
    add(db, "b2:2", "ko", completion_tokens=40, seconds=2.5)
    add(db, "b2:3", "ko", origin="batch", seconds=7200.0)
    add(db, "b2:4", "ko", prompt_tokens=None)
    add(db, "b2:5", "ko", completion_tokens=None)
    add(db, "b2:6", "ko", model="another", prompt_tokens=9999)
    add(db, "b2:7", "ko", stage="judge", prompt_tokens=9999)
    add(db, "b2:8", "it", origin="batch", seconds=7200.0)
    n = len(SOURCE)
    had = counts(db, "m", "translate")
    db.close()
    assert had == [Counts("it", 1, n, n, 30, 20, 0, 0.0), Counts("ko", 3, 3 * n, 3 * n, 90, 80, 2, 4.0)]

    estimator = Estimator()
    estimator.learn_from(had)
    assert estimator.n_learnt("ko") == 3
    assert estimator.seconds() == pytest.approx(2.0)


def test_an_empty_ledger_teaches_nothing(tmp_path: Path) -> None:
    db = tables.writer(tmp_path / "ledger.sqlite")
    assert counts(db, "m", "translate") == []
    db.close()

"""`mode: batch` through the whole pipeline: the same rows as online, repaired in rounds, at half the price."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugdata import pipeline
from plugdata import recipe as recipes
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus
from plugdata.recipe import Recipe
from plugdata.review import stats
from tests.servers import llm
from tests.servers.batches import BatchApi
from tests.servers.llm import LlmServer


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugdata.calls.batch.run.POLL_FIRST_S", 0.001)


def _recipe(folder: Path, server: LlmServer, mode: str, **settings: Any) -> Recipe:
    source = folder / "hills.jsonl"
    records = (
        {
            "instruction": f"What does one see from hill number {n}?",
            "output": f"From hill {n} one sees {n + 2} villages, the river that feeds them and at times the sea.",
        }
        for n in range(12)
    )
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    asked = {
        "corpus": str(folder / mode),
        "sources": [{"path": str(source), "license": "apache-2.0"}],
        "languages": ["ko", "es"],
        "models": [{"model": "m", "base_url": server.base_url, "price": {"input": 1, "output": 2}}],
        "translate": {"mode": mode},
        **settings,
    }
    return recipes.resolve(asked)


def _texts(corpus: Corpus) -> list[tuple[Any, ...]]:
    rows = corpus.rows("translate", "ko").sort("ordinal")
    return rows.select("id", "status", "target_instruction", "target_response").rows()


def _spent(corpus: Corpus) -> int:
    with Ledger(corpus.ledger, read_only=True) as ledger:
        return ledger.money().spent


def test_a_batch_gives_the_rows_of_an_online_run_for_half_the_money(tmp_path: Path) -> None:
    with LlmServer() as server:
        online = pipeline.run(_recipe(tmp_path, server, "online"))
    api = BatchApi()
    with LlmServer(routes=[api]) as server:
        api.reply_to = server.reply_to
        batched = pipeline.run(_recipe(tmp_path, server, "batch"))
        assert server.requests == []
    assert _texts(batched) == _texts(online)
    assert stats.state(batched).funnel.kept == {"ko": 12, "es": 12}
    assert 2 * _spent(batched) == pytest.approx(_spent(online), rel=0.001)


def test_faulty_answers_are_repaired_in_a_further_round_and_these_alone(tmp_path: Path) -> None:
    api = BatchApi()
    faulty = llm.first(24, llm.when(lambda request: "hill number 7?" in request.text, llm.missing_tag()))
    with LlmServer(faults=[faulty], routes=[api]) as server:
        api.reply_to = server.reply_to
        corpus = pipeline.run(_recipe(tmp_path, server, "batch"), until="translate")
    assert [len(batch.lines) for batch in api.batches] == [24, 2]
    assert corpus.rows("translate", "ko")["n_calls"].sum() == 13


def test_a_mode_is_no_other_question_so_a_change_of_mode_asks_nothing_again(tmp_path: Path) -> None:
    api = BatchApi()
    with LlmServer(routes=[api]) as server:
        api.reply_to = server.reply_to
        asked = _recipe(tmp_path, server, "batch")
        pipeline.run(asked, until="translate")
        pipeline.run(_recipe(tmp_path, server, "online", corpus=str(asked.corpus)), until="dedup")
        assert server.requests == []

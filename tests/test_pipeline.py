"""The whole path on real parts: rows in, a loadable corpus out; nothing is paid twice, nothing is lost."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import pipeline
from plugdata import recipe as recipes
from plugdata.calls import retry
from plugdata.corpus import Corpus
from plugdata.errors import GateError, InputError, PartialError, QuotaExhausted
from plugdata.pipeline import Watch
from plugdata.recipe import Recipe
from plugdata.review import stats
from plugdata.rows import STAGES, Status
from tests.servers import llm
from tests.servers.llm import LlmServer

TOPICS = ["rivers", "bridges", "gardens", "trains", "islands", "markets", "schools", "forests", "kitchens", "stars"]


def _records(n: int) -> list[dict[str, str]]:
    """Rows as long as real ones, each about something else."""
    return [
        {
            "instruction": f"Tell me about {TOPICS[i % 10]} of the {i}th kind and say why people like to visit them.",
            "input": "Use simple words, please." if i % 3 == 0 else "",
            "output": f"Many people like {TOPICS[i % 10]} because they are quiet in the morning. Number {i} on my list "
            f"lies {i * 7} kilometres from the town, and the way there leads along {TOPICS[(i * 7 + 3) % 10]}.",
        }
        for i in range(n)
    ]


def _source(folder: Path, n: int) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in _records(n)))
    return path


def _recipe(folder: Path, server: LlmServer, n: int = 8, **settings: Any) -> Recipe:
    asked = {
        "corpus": str(folder / "corpus"),
        "sources": [{"path": str(_source(folder, n)), "license": "apache-2.0"}],
        "languages": ["ko", "es"],
        "models": [{"model": "test", "base_url": server.base_url, "limits": {"concurrency": 4}}],
        "translate": {"retries": 1},
        **settings,
    }
    return recipes.resolve(asked)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "WAIT_FIRST_S", 0.001)


def _kept(corpus: Corpus) -> dict[str, int]:
    return stats.state(corpus).funnel.kept


def _news(recipe: Recipe, **options: Any) -> list[str]:
    """The stages that a run wrote, in order."""
    lines: list[str] = []
    pipeline.run(recipe, watch=Watch(say=lines.append), **options)
    return [
        line.partition(":")[0] for line in lines if line.partition(":")[0].split("/")[0] in (*STAGES["plug"], "dist")
    ]


def test_rows_become_a_corpus_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server, n=20, layouts=["plug", "mono"]))
        assert len(server.requests) == 40
    assert _kept(corpus) == {"ko": 20, "es": 20}
    assert sorted(path.name for path in corpus.dist.iterdir() if path.is_dir()) == ["es", "es-mono", "ko", "ko-mono"]
    loaded = datasets.load_dataset(str(corpus.dist), "ko", split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 20
    assert [turn["role"] for turn in loaded[0]["messages"]] == ["system", "user", "assistant"]
    assert loaded[0]["messages"][0]["content"] == (
        "Please interpret the instruction in English, and then respond both in English and in Korean."
    )


def test_a_rerun_sends_nothing_and_writes_nothing_anew(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server)
        corpus = pipeline.run(recipe)
        before = {path: path.read_bytes() for path in corpus.path.rglob("*") if path.is_file()}
        assert _news(recipe, until="dedup") == []
        pipeline.run(recipe)
        assert len(server.requests) == 16
    after = {path: path.read_bytes() for path in corpus.path.rglob("*") if path.is_file()}
    for path in [*before, *after]:
        if path.name.startswith("ledger.sqlite") or path.parent.name == "logs":
            before.pop(path, None), after.pop(path, None)
    assert after == before


def test_a_threshold_moves_without_a_call_and_without_measuring_again(tmp_path: Path) -> None:
    with LlmServer() as server:
        pipeline.run(_recipe(tmp_path, server))
        stricter = _recipe(tmp_path, server, filter={"length": {"max_chars": 60}})
        written = _news(stricter, until="dedup")
        assert len(server.requests) == 16
    assert written == ["filter/ko", "filter/es", "dedup/ko", "dedup/es"]
    taken = Corpus(stricter.corpus).rows("filter", "ko").filter(pl.col("status") == Status.DROPPED)
    assert set(taken["reason"]) == {"length"}
    assert all("60" in detail for detail in taken["detail"])


def test_more_rows_and_another_language_ask_for_what_is_new_alone(tmp_path: Path) -> None:
    with LlmServer() as server:
        pipeline.run(_recipe(tmp_path, server, limit=3, languages=["ko"]))
        assert len(server.requests) == 3
        pipeline.run(_recipe(tmp_path, server, languages=["ko"]))
        assert len(server.requests) == 8
        pipeline.run(_recipe(tmp_path, server, languages=["ko", "es"]))
        assert len(server.requests) == 16


def test_the_first_rows_of_a_limit_are_those_of_the_source(tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server, limit=3), until="screen")
    rows = corpus.rows("screen").sort("ordinal")
    assert rows["instruction"].to_list() == [record["instruction"] for record in _records(3)]
    assert corpus.rows("screen")["id"].is_sorted()


def test_failed_rows_leave_the_rest_whole_and_a_rerun_asks_for_them_alone(tmp_path: Path) -> None:
    broken = llm.when(
        lambda request: "the 2th kind" in request.text and "(ko)" in str(request.json), llm.server_error(500)
    )
    with LlmServer(faults=[broken]) as server:
        recipe = _recipe(tmp_path, server)
        with pytest.raises(PartialError, match="1 in ko"):
            pipeline.run(recipe)
        assert _kept(Corpus(recipe.corpus)) == {"ko": 7, "es": 8}  # one language's failure leaves the other alone
        failed = Corpus(recipe.corpus).rows("dedup", "ko").filter(pl.col("status") == Status.FAILED)
        assert failed["reason"].to_list() == ["call-failed"]
        assert "HTTP 500" in failed["detail"][0]
        server.faults = []
        asked = len(server.requests)
        assert _kept(pipeline.run(recipe)) == {"ko": 8, "es": 8}
        assert len(server.requests) == asked + 1


def test_an_empty_account_stops_the_run_and_a_rerun_resumes(tmp_path: Path) -> None:
    with LlmServer(faults=[llm.when(lambda request: request.index >= 5, llm.quota_exhausted())]) as server:
        recipe = _recipe(tmp_path, server)
        with pytest.raises(QuotaExhausted):
            pipeline.run(recipe)
        server.faults = []
        refused = len(server.requests) - 5
        pipeline.run(recipe)
        assert len(server.requests) == 16 + refused


def test_what_was_made_from_fewer_rows_is_forgotten_when_the_source_grows(tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server, limit=3), until="dedup")
        server.faults = [llm.quota_exhausted()]
        with pytest.raises(QuotaExhausted):
            pipeline.run(_recipe(tmp_path, server))
        assert stats.state(corpus).funnel.rows == {"all": 8}
        with pytest.raises(InputError, match="lacks the stage translate"):
            pipeline.run(_recipe(tmp_path, server, limit=3), first="pair")
        server.faults = []
        pipeline.run(_recipe(tmp_path, server))
    assert stats.state(corpus).funnel.rows == {"ko": 8, "es": 8}


def test_a_stage_that_is_cut_off_before_it_is_noted_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server, limit=3))
        write = Corpus.write

        def cut_off(*args: Any, **kwargs: Any) -> Any:
            write(*args, **kwargs)
            raise KeyboardInterrupt

        monkeypatch.setattr(Corpus, "write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(_recipe(tmp_path, server))
        monkeypatch.setattr(Corpus, "write", write)
        pipeline.run(_recipe(tmp_path, server, limit=3))
        assert len(server.requests) == 6
    assert _kept(corpus) == {"ko": 3, "es": 3}


def test_a_run_that_fails_leaves_the_corpus_its_recipe(tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server, languages=["ko"]))
        before = corpus.recipe.read_text()
        with pytest.raises(InputError, match="lacks the stage translate in fr"):
            pipeline.run(_recipe(tmp_path, server, languages=["ko", "fr"]), first="pair")
    assert corpus.recipe.read_text() == before


def test_rows_that_may_not_be_published_are_not_paid_for(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server)
        unlicensed = tuple(source.model_copy(update={"license": None}) for source in recipe.sources)
        with pytest.raises(GateError, match="licence of 'rows' is unknown"):
            pipeline.run(recipe.model_copy(update={"sources": unlicensed}))
        assert server.requests == []


def test_dist_is_the_same_however_the_corpus_came_about(tmp_path: Path) -> None:
    def published(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with LlmServer() as server:
        at_once = pipeline.run(_recipe(tmp_path, server))
        first = published(at_once.dist)
        pipeline.run(_recipe(tmp_path, server, languages=["es"]))
        pipeline.run(_recipe(tmp_path, server, filter={"length": {"max_chars": 60}}), until="dedup")
        pipeline.run(_recipe(tmp_path, server))
        assert len(server.requests) == 16
    assert published(at_once.dist) == first


def test_a_damaged_file_is_made_anew_where_it_can_be(tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = pipeline.run(_recipe(tmp_path, server))
        corpus.part("dedup", "ko").write_bytes(b"garbage")
        corpus.part("filter", "es").unlink()
        pipeline.run(_recipe(tmp_path, server), first="pair")
        assert len(server.requests) == 16
    assert _kept(corpus) == {"ko": 8, "es": 8}
    assert corpus.rows("dedup", "ko").height == 8


def test_when_every_call_fails_the_run_is_partial_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "WAIT_MAX_S", 0.001)
    with LlmServer(faults=[llm.server_error()]) as server, pytest.raises(PartialError, match="8 in ko, 8 in es"):
        pipeline.run(_recipe(tmp_path, server))


def test_failed_rows_do_not_keep_the_others_from_the_later_stages(tmp_path: Path) -> None:
    with LlmServer(faults=[llm.when(lambda request: "the 2th kind" in request.text, llm.server_error())]) as server:
        with pytest.raises(PartialError):
            pipeline.run(_recipe(tmp_path, server))
        pipeline.run(_recipe(tmp_path, server), first="pair")  # as `push` does
    assert _kept(Corpus(tmp_path / "corpus")) == {"ko": 7, "es": 7}


def test_a_corpus_stays_bound_to_its_sources_and_pivot(tmp_path: Path) -> None:
    with LlmServer() as server:
        pipeline.run(_recipe(tmp_path, server), until="translate")
        with pytest.raises(InputError, match="bound to other sources"):
            pipeline.run(_recipe(tmp_path, server, n=9))
        with pytest.raises(InputError, match="bound to the pivot 'en'"):
            pipeline.run(_recipe(tmp_path, server, pivot="fr"))


def test_every_row_is_accounted_for_in_every_stage(tmp_path: Path) -> None:
    faults = [
        llm.when(lambda request: "the 4th kind" in request.text, llm.echo()),
        llm.when(lambda request: "the 5th kind" in request.text, llm.missing_tag()),
        llm.when(lambda request: "Number 6 on" in request.text, llm.speaking("fi")),
        llm.share(0.2, llm.missing_tag(), "b"),
    ]
    with LlmServer(faults=faults) as server:
        recipe = _recipe(tmp_path, server, n=30)
        source = tmp_path / "rows.jsonl"
        source.write_text(source.read_text() + "not json\n" + source.read_text().splitlines()[0] + "\n")
        corpus = pipeline.run(recipe)
    funnel = stats.state(corpus).funnel
    assert funnel.rows == {"ko": 32, "es": 32}
    for lang in ("ko", "es"):
        assert funnel.kept[lang] + sum(line.n.get(lang, 0) for line in funnel.lines) == 32
        for stage in ("translate", "pair", "measure", "filter", "dedup"):
            rows = corpus.rows(stage, lang)
            assert rows.height == 32
            assert rows.filter(pl.col("status") != Status.KEPT)["reason"].null_count() == 0
    reasons = {line.reason for line in funnel.lines}
    assert {"bad-record", "duplicate-id", "echo", "bad-tags", "lid"} <= reasons


def test_nothing_kept_is_nothing_to_publish(tmp_path: Path) -> None:
    with LlmServer(faults=[llm.echo()]) as server, pytest.raises(GateError, match="no row is kept"):
        pipeline.run(_recipe(tmp_path, server))


def _answered(ledger: Path) -> set[str]:
    """The messages of every committed answer."""
    with closing(sqlite3.connect(ledger)) as db:
        return {
            json.dumps(json.loads(row[0])["messages"], sort_keys=True)
            for row in db.execute("SELECT request FROM answers")
        }


def test_after_kill_9_no_committed_answer_is_asked_for_again(tmp_path: Path) -> None:
    with LlmServer(latency_s=0.01) as server:
        recipe = _recipe(tmp_path, server, n=40)
        path = tmp_path / "recipe.yaml"
        path.write_text(recipes.dump(recipe))
        command = [sys.executable, "-m", "plugdata", "run", str(path), "--until", "translate", "--quiet"]
        checkpoints = []
        for n_asked in (9, 30, 60):
            with subprocess.Popen(command) as running:
                server.wait_for(n_asked)
                running.send_signal(signal.SIGKILL)
            checkpoints.append((len(server.requests), _answered(recipe.corpus / "ledger.sqlite")))
        corpus = pipeline.run(recipe, until="translate")
        asked = [json.dumps(request.json["messages"], sort_keys=True) for request in server.requests]
    assert _kept(corpus) == {"ko": 40, "es": 40}
    for n_before, committed in checkpoints:
        assert committed
        assert committed.isdisjoint(asked[n_before:])
    assert len(set(asked)) == 80
    assert len(asked) - 80 <= 3 * 4  # what was in flight at the three kills


def test_after_ctrl_c_every_answer_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    with LlmServer(latency_s=0.2) as server:
        recipe = _recipe(tmp_path, server, n=20)
        path = tmp_path / "recipe.yaml"
        path.write_text(recipes.dump(recipe))
        command = [sys.executable, "-m", "plugdata", "run", str(path), "--until", "translate"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            server.wait_for(7)
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=30)
        assert running.returncode == 130
        assert "waiting for the calls in flight" in told
        assert "the same command resumes" in told
        assert 7 <= len(server.requests) < 40
        pipeline.run(recipe, until="translate")
        assert len(server.requests) == len({request.digest for request in server.requests}) == 40

"""Estimates of quality in a run: what is asked after dedup, what a gate drops, what a rerun asks again."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus
from plugdata.rows import Status
from plugdata.translate.quality import is_sampled
from tests import commands
from tests.commands import Run, kept, write_recipe
from tests.servers import llm
from tests.servers.judging import RAMBLING, judging, verdict
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")


def _marks(request: llm.Request) -> str:
    """A judge that finds row 3 wrong, and is of no clear opinion on row 4."""
    told = "\n".join(llm.contents(request.json))
    if "the 3th kind" in told:
        return verdict(accuracy=2, errors=["mistranslated"])
    return RAMBLING if "the 4th kind" in told else verdict()


def _is_judged(request: llm.Request) -> bool:
    return llm.target_language(request) is None


def _is_back(request: llm.Request) -> bool:
    return llm.target_language(request) == "en"


def _asked(folder: Path, server: LlmServer, quality: dict[str, Any], n: int = 6, **settings: Any) -> Path:
    return write_recipe(folder, server, n, languages=["ko"], quality=quality, **settings)


def _rows() -> pl.DataFrame:
    return Corpus(Path("corpus")).rows("quality", "ko").sort("ordinal")


def test_all_rows_are_translated_back_and_a_sample_is_judged(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=judging(_marks)) as server:
        recipe = _asked(tmp_path, server, {"back_translation": {}, "judge": {"sample": 0.5}}, n=12)
        assert run("run", recipe, "-q", "--until", "quality")[0] == 0
        n_back, n_judged = (len([r for r in server.requests if find(r)]) for find in (_is_back, _is_judged))
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == 12 + n_back + n_judged
    rows = _rows()
    sampled = [is_sampled(row_id, 0.5) for row_id in rows["id"]]
    assert n_back == 12
    assert rows["judge_model"].is_not_null().to_list() == sampled
    assert 0 < n_judged < 12 + sum(sampled)
    assert rows["chrf_response"].null_count() == 0
    assert set(rows["back_model"]) == {"cheap"}
    assert kept(run) == {"ko": 12}
    assert pl.read_parquet("corpus/dist/ko/train-00000-of-00001.parquet").height == 12
    (told,) = json.loads(run("status", "corpus", "--json")[1])["quality"]
    assert (told["lang"], told["n_back"], told["n_judged"]) == ("ko", 12, sum(sampled))
    assert told["chrf_response_mean"] == pytest.approx(rows["chrf_response"].mean())
    _, out, _ = run("status", "corpus")
    assert "chrF ko: instructions " in out
    assert f"judge ko: accuracy {told['accuracy_mean']:.1f}, " in out


def test_only_rows_that_are_otherwise_kept_cost_an_estimate(run: Run, tmp_path: Path) -> None:
    lost = llm.when(lambda request: "the 2th kind" in request.text, llm.echo())
    with LlmServer([lost]) as server:
        recipe = _asked(tmp_path, server, {"back_translation": {}}, filter={"length": {"max_chars": 103}})
        assert run("run", recipe, "-q")[0] == 0
        n_back = len([request for request in server.requests if _is_back(request)])
    before = Corpus(Path("corpus")).rows("dedup", "ko")
    assert n_back == before.filter(pl.col("status") == Status.KEPT).height
    assert set(before["reason"]) == {None, "echo", "length"}
    assert _rows()["back_model"].is_null().to_list() == before.sort("ordinal")["reason"].is_not_null().to_list()


def test_a_low_mark_drops_a_row_and_an_answer_that_cannot_be_read_does_not(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=judging(_marks)) as server:
        recipe = _asked(tmp_path, server, {"judge": {"sample": 1, "min_accuracy": 3}})
        assert run("run", recipe, "-q")[0] == 0
        n_asked = len(server.requests)
        assert run("run", recipe, "-q", "--set", "quality.judge.min_accuracy=2")[0] == 0  # a gate moves for nothing
        assert (kept(run), len(server.requests)) == ({"ko": 6}, n_asked)
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == n_asked
    (row,) = _rows().filter(pl.col("status") != Status.KEPT).iter_rows(named=True)
    assert (row["status"], row["stage"], row["reason"]) == ("dropped", "quality", "judge")
    assert row["detail"] == "accuracy 2 < 3"
    assert row["judge_errors"] == ["mistranslated"]
    unread = _rows().row(4, named=True)
    assert (unread["status"], unread["judge_model"], unread["judge_accuracy"]) == ("kept", "cheap", None)
    state = json.loads(run("status", "corpus", "--json")[1])
    assert (state["kept"], state["until"]) == ({"ko": 5}, {"ko": "quality"})
    assert [(line["stage"], line["reason"], line["n"]) for line in state["taken_out"]] == [
        ("quality", "judge", {"ko": 1})
    ]
    published = pl.read_parquet("corpus/dist/ko/train-00000-of-00001.parquet")
    assert row["id"] not in published["id"].to_list() and published.height == 5


def test_a_back_translation_unlike_the_pivot_drops_a_row(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:  # whose back-translations are words at random
        recipe = _asked(tmp_path, server, {"back_translation": {"min_chrf": 99}}, n=3)
        code, _, err = run("run", recipe)
    assert (code, "no row is kept" in err) == (4, True)
    assert set(_rows()["reason"]) == {"back-translation"}
    assert all("chrF in" in detail for detail in _rows()["detail"])


def test_calls_that_fail_leave_rows_as_they_are_and_are_all_that_the_next_run_asks(run: Run, tmp_path: Path) -> None:
    dead = llm.when(lambda request: _is_back(request) and request.json["model"] == "cheap", llm.server_error())
    with LlmServer() as server:
        recipe = _asked(tmp_path, server, {"back_translation": {}}, translate={"retries": 0})
        assert run("run", recipe, "-q", "--until", "translate")[0] == 0
        texts = Corpus(Path("corpus")).rows("translate", "ko").sort("ordinal")["target_response"]
        server.faults = [llm.when(lambda request: texts[2] in request.text, dead)]
        code, _, err = run("run", recipe)
        assert (code, "quality/ko: 1 call failed that rows do without; the next run asks for these alone" in err) == (
            0,
            True,
        )
        assert _rows()["chrf_response"].is_null().to_list() == [False, False, True, False, False, False]
        assert kept(run) == {"ko": 6}
        server.faults, before = [], len(server.requests)
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == before + 1
        assert _rows()["chrf_response"].null_count() == 0
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == before + 1


def test_a_recipe_without_the_block_forgets_the_stage_and_one_with_it_pays_nothing_again(
    run: Run, tmp_path: Path
) -> None:
    with LlmServer(answer=judging(_marks)) as server:
        recipe = _asked(tmp_path, server, {"judge": {"sample": 1, "min_accuracy": 3}})
        run("run", recipe, "-q")
        n_asked = len(server.requests)
        assert kept(run) == {"ko": 5}
        without = json.loads(recipe.read_text())
        del without["quality"]
        (tmp_path / "without.yaml").write_text(json.dumps(without))
        assert run("run", "without.yaml", "-q")[0] == 0
        assert kept(run) == {"ko": 6}
        assert "quality/ko" not in json.loads(Path("corpus/manifest.json").read_text())["stages"]
        assert pl.read_parquet("corpus/dist/ko/train-00000-of-00001.parquet").height == 6
        run("run", recipe, "-q")
        assert (kept(run), len(server.requests)) == ({"ko": 5}, n_asked)


def test_a_row_that_an_estimate_drops_can_be_asked_for_at_a_stronger_model(run: Run, tmp_path: Path) -> None:
    def marks(request: llm.Request) -> str:
        told = "\n".join(llm.contents(request.json))
        return verdict(accuracy=1) if "the 3th kind" in told and "!!!" not in told else verdict()

    def answer(request: llm.Request) -> str:
        said = judging(marks)(request)
        return said.replace("</response>", "!!!</response>") if request.json["model"] == "strong" else said

    with LlmServer(answer=answer) as server:
        recipe = _asked(tmp_path, server, {"judge": {"sample": 1, "min_accuracy": 3}})
        run("run", recipe, "-q")
        before = len(server.requests)
        strong = ["--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", "--reason", "judge", *strong, "-q")[0] == 0
        assert [request.json["model"] for request in server.requests[before:]] == ["strong", "cheap"]
    assert kept(run) == {"ko": 6}
    assert _rows()["model"].to_list() == ["cheap"] * 3 + ["strong"] + ["cheap"] * 2


def test_a_model_of_its_own_judges_and_its_key_and_price_are_seen_to_first(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=judging(_marks)) as server:
        judge = {"model": "strict", "base_url": server.base_url}
        recipe = _asked(tmp_path, server, {"judge": {"sample": 1, "model": judge}})
        away = ["--set", "quality.judge.model.base_url=https://llm.example.com/v1"]
        code, _, err = run("run", recipe, "-q", *away)
        assert (code, "OPENAI_API_KEY is empty" in err) == (1, True)
        code, _, err = run("run", recipe, "-q", *away, "--set", "quality.judge.model.api_key_env=HOME")
        assert (code, "'strict' at llm.example.com: no price" in err, server.requests) == (2, True, [])
        assert run("run", recipe, "-q")[0] == 0
        assert {request.json["model"] for request in server.requests if _is_judged(request)} == {"strict"}
    assert set(_rows()["judge_model"]) == {"strict"}
    published = Path("corpus/dist/recipe.yaml").read_text()
    assert "strict" in published and "127.0.0.1" not in published and "OPENAI_API_KEY" not in published


def test_estimates_count_against_the_budget(run: Run, tmp_path: Path) -> None:
    priced = {"price": {"input": 1, "output": 2}, "params": {"temperature": 0, "max_tokens": 300}}
    with LlmServer() as server:
        models = [{"model": "cheap", "base_url": server.base_url, "limits": {"concurrency": 1}, **priced}]
        recipe = _asked(tmp_path, server, {"back_translation": {}}, models=models)
        assert run("run", recipe, "-q", "--until", "dedup")[0] == 0
        with Ledger(Path("corpus/ledger.sqlite"), read_only=True) as ledger:
            spent = ledger.money().spent
        code, _, err = run("run", recipe, "-q", "--budget", (spent + 3_000_000) / 1e9)
        assert (code, "a larger --budget resumes" in err) == (3, True)
        assert 6 < len(server.requests) < 12
        assert run("run", recipe, "-q", "--budget", 1)[0] == 0
        assert len(server.requests) == 12

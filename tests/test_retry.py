"""`plugdata retry`: rows that came to nothing are asked for again, these alone, and what came of it stays."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugdata import pipeline
from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.rows import Reason
from tests import commands
from tests.commands import Run, kept, write_recipe
from tests.servers import llm
from tests.servers.llm import Fault, LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")


def _of(n: int, fault: Fault, lang: str = "ko", model: str = "cheap") -> Fault:
    """A fault that strikes one row in one language at one model, each time."""

    def struck(request: llm.Request) -> bool:
        asked = (llm.target_language(request), request.json["model"])
        return f"the {n}th kind" in request.text and asked == (lang, model)

    return llm.when(struck, fault)


def _other_numbers(request: llm.Request) -> str:
    """A translation in which every number is another one: no fault while translating, but one to `filter`."""
    return re.sub(r"\d+", lambda match: str(int(match[0]) + 1000), llm.usual_answer(request))


def _row(n: int, lang: str = "ko", stage: str = "dedup") -> dict[str, Any]:
    return Corpus(Path("corpus")).rows(stage, lang).sort("ordinal").row(n, named=True)


def _again(corpus: str = "corpus") -> list[dict[str, Any]]:
    """What the recipe of a corpus says was asked again."""
    found: list[dict[str, Any]] = yaml.safe_load(Path(corpus, "recipe.yaml").read_text())["translate"]["again"]
    return found


def test_rows_with_the_reason_are_asked_again_at_the_same_model_and_no_others(run: Run, tmp_path: Path) -> None:
    faults = [_of(1, llm.echo()), _of(2, llm.missing_tag()), _of(4, llm.echo(), "es")]
    with LlmServer(faults) as server:
        recipe = write_recipe(tmp_path, server)
        assert run("run", recipe, "-q")[0] == 0
        assert kept(run) == {"ko": 4, "es": 5}
        server.faults, before = [], len(server.requests)
        code, _, err = run("retry", "corpus", "--reason", "echo")
        assert (code, "retry: 2 rows (echo)" in err) == (0, True)
        asked = server.requests[before:]
        assert sorted(llm.target_language(request) or "" for request in asked) == ["es", "ko"]
        assert all(re.search(r"the [14]th kind", request.text) for request in asked)
        assert kept(run) == {"ko": 5, "es": 6}
        assert run("run", recipe, "-q")[0] == 0  # the user's own recipe knows nothing of it
        assert len(server.requests) == before + 2
    assert kept(run) == {"ko": 5, "es": 6}
    assert _row(2)["reason"] == "bad-tags"
    assert [(again["reasons"], again["model"]) for again in _again()] == [(["echo"], None)]


def test_another_model_begins_from_the_beginning_and_stands_on_the_rows(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.missing_tag()), _of(3, llm.missing_tag())]) as server:
        recipe = write_recipe(tmp_path, server)
        run("run", recipe, "-q")
        before = len(server.requests)
        asked = ["--reason", "bad-tags", "--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", *asked)[0] == 0
        new = server.requests[before:]
        assert [request.json["model"] for request in new] == ["strong", "strong"]
        firsts = [request.json["messages"] for request in server.requests[:before]]
        assert all(request.json["messages"] in firsts for request in new)
        run("run", recipe, "-q")
        assert len(server.requests) == before + 2
    assert kept(run) == {"ko": 6, "es": 6}
    rows = Corpus(Path("corpus")).rows("dedup", "ko").sort("ordinal")
    assert rows["model"].to_list() == ["cheap", "strong", "cheap", "strong", "cheap", "cheap"]
    assert set(_row(1, stage="translate")["mended"]) == {"bad-tags"}


def test_rows_that_a_filter_took_out_are_named_one_by_one_and_stay_named_where_the_corpus_moves(
    run: Run, tmp_path: Path
) -> None:
    with LlmServer([_of(2, llm.answered(_other_numbers)), _of(4, llm.answered(_other_numbers))]) as server:
        recipe = write_recipe(tmp_path, server, languages=["ko"])
        run("run", recipe, "-q")
        assert _row(2)["reason"] == "numbers"
        code, _, err = run("retry", "corpus", "--reason", "numbers")
        assert (code, "2 of 2 rows (numbers) were taken out after translate" in err, "give --model" in err) == (
            2,
            True,
            True,
        )
        asked = ["--reason", "numbers", "--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", *asked)[0] == 0
        ids = sorted(_row(n)["id"] for n in (2, 4))
        assert Path("corpus/again-1.txt").read_text() == f"ko {ids[0]}\nko {ids[1]}\n"
        assert kept(run) == {"ko": 6}
        n_asked = len(server.requests)
        assert n_asked == 6 + 2
        shutil.move("corpus", "elsewhere")
        assert run("run", "elsewhere/recipe.yaml", "-q")[0] == 0
        assert run("dedup", "elsewhere", "-q")[0] == 0
        assert (kept(run, "elsewhere"), len(server.requests)) == ({"ko": 6}, n_asked)
        published = Path("elsewhere/dist/recipe.yaml").read_text()
    assert "rows: again-1.txt" in published
    assert str(tmp_path) not in published and "127.0.0.1" not in published


def test_two_retries_in_a_row_keep_what_the_first_one_bought(run: Run, tmp_path: Path) -> None:
    faults = [_of(1, llm.echo()), _of(2, llm.missing_tag()), _of(2, llm.missing_tag(), model="strong")]
    with LlmServer(faults) as server:
        recipe = write_recipe(tmp_path, server, languages=["ko"])
        run("run", recipe, "-q")
        server.faults = faults[1:]
        assert run("retry", "corpus", "--reason", "echo", "-q")[0] == 0
        strong = ["--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", "--reason", "bad-tags", *strong, "--repair", 0, "-q")[0] == 0
        assert kept(run) == {"ko": 5}
        server.faults, before = [], len(server.requests)
        best = ["--model", "best", "--base-url", server.base_url]
        pipeline.retry(  # by a recipe that knows of neither
            recipes.load(recipe), [Reason.BAD_TAGS], model=recipes.model(model="best", base_url=server.base_url)
        )
        assert [request.json["model"] for request in server.requests[before:]] == ["best"]
        assert run("retry", "corpus", "--reason", "bad-tags", *best)[0] == 2
        run("run", recipe, "-q")
        assert len(server.requests) == before + 1
    assert kept(run) == {"ko": 6}
    assert [again["model"] and again["model"]["model"] for again in _again()] == [None, "strong", "best"]
    assert [_row(n)["model"] for n in (0, 1, 2)] == ["cheap", "cheap", "best"]


def test_a_retry_can_be_taken_back_and_sends_nothing_then(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.echo())]) as server:
        recipe = write_recipe(tmp_path, server, languages=["ko"])
        run("run", recipe, "-q")
        server.faults = []
        run("retry", "corpus", "--reason", "echo", "-q")
        n_asked = len(server.requests)
        assert run("run", recipe, "-q", "--set", "translate.again=[]")[0] == 0
        assert (kept(run), len(server.requests)) == ({"ko": 5}, n_asked)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("loop", "no row of corpus was asked for and taken out for loop"),
        ("ecko", "'ecko' is no reason; did you mean 'echo'?"),
        ("quux", "'quux' is no reason; there are bad-record, "),
        ("content-filter", "the same model gives the same content-filter: name a `model`"),
        ("untranslatable", "asking again changes nothing about untranslatable: `screen.route` says"),
        ("too-long", "raise `translate.split_chars`"),
        ("call-failed", "the next run asks for these by itself"),
    ],
)
def test_what_cannot_be_asked_again_is_told_in_a_line(run: Run, tmp_path: Path, reason: str, told: str) -> None:
    with LlmServer([_of(1, llm.filtered())]) as server:
        run("run", write_recipe(tmp_path, server, 3, languages=["ko"]), "-q")
        before = len(server.requests)
        code, out, err = run("retry", "corpus", "--reason", reason)
        assert (code, out, len(server.requests)) == (2, "", before)
    assert told in err
    assert len([line for line in err.splitlines() if line and not line.startswith(("Usage:", "Try "))]) <= 2
    assert _again() == []


def test_a_filtered_row_is_asked_for_at_a_named_model(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.filtered())]) as server:
        run("run", write_recipe(tmp_path, server, 3, languages=["ko"]), "-q")
        strong = ["--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", "--reason", "content-filter", *strong, "-q")[0] == 0
        assert [request.json["model"] for request in server.requests[3:]] == ["strong"]
    assert kept(run) == {"ko": 3}


def test_a_model_of_the_environment_is_not_the_stronger_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LlmServer([_of(1, llm.echo())]) as server:
        run("run", write_recipe(tmp_path, server, 3, languages=["ko"]), "-q")
        monkeypatch.setenv("PLUGDATA_MODEL", "cheap")
        monkeypatch.setenv("PLUGDATA_BASE_URL", server.base_url)
        assert run("retry", "corpus", "--reason", "echo", "--repair", 1, "-q")[0] == 0
        assert _again()[0]["model"] is None
        server.faults = []
        assert run("retry", "corpus", "--reason", "echo", "--model", "strong", "-q")[0] == 0  # at that endpoint
        assert server.requests[-1].json["model"] == "strong"
    assert kept(run) == {"ko": 3}


def test_the_model_that_gave_the_answers_is_no_other_one(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.echo())]) as server:
        run("run", write_recipe(tmp_path, server, 3, languages=["ko"]), "-q")
        here = ["--model", "cheap", "--base-url", server.base_url]
        code, _, err = run("retry", "corpus", "--reason", "echo", *here)
    assert (code, "cheap gave these answers" in err, "leave --model out" in err) == (2, True, True)
    assert _again() == []


def test_a_budget_stops_a_retry_and_a_larger_one_finishes_it(run: Run, tmp_path: Path) -> None:
    priced = {"price": {"input": 1, "output": 2}, "params": {"temperature": 0, "max_tokens": 300}}
    with LlmServer([llm.when(lambda request: request.json["model"] == "cheap", llm.missing_tag())]) as server:
        models = [{"model": "cheap", "base_url": server.base_url, "limits": {"concurrency": 1}, **priced}]
        recipe = write_recipe(tmp_path, server, languages=["ko"], models=models, translate={"repair": 0})
        assert run("run", recipe, "-q")[0] == 4  # nothing is kept
        server.faults, before = [], len(server.requests)
        asked = ["retry", "corpus", "--reason", "bad-tags", "-q", "--budget"]
        assert run(*asked, 0.000001)[0] == 4
        assert len(server.requests) == before
        code, _, err = run(*asked, 0.0075)
        assert (code, "a larger --budget resumes" in err) == (3, True)
        assert before < len(server.requests) < before + 6
        assert run(*asked, 1)[0] == 0
        assert len(server.requests) == before + 6
    assert kept(run) == {"ko": 6}


def test_calls_that_fail_in_a_retry_are_asked_for_by_the_same_command_alone(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.echo()), _of(2, llm.echo())]) as server:
        run("run", write_recipe(tmp_path, server, languages=["ko"], translate={"retries": 0}), "-q")
        server.faults = [_of(2, llm.server_error())]
        code, _, err = run("retry", "corpus", "--reason", "echo")
        assert (code, "1 in ko" in err, "the same command again" in err) == (3, True, True)
        server.faults, before = [], len(server.requests)
        assert run("retry", "corpus", "--reason", "echo", "-q")[0] == 0
        assert len(server.requests) == before + 1
    assert kept(run) == {"ko": 6}
    assert len(_again()) == 1


def test_a_plan_counts_what_a_retry_would_ask(run: Run, tmp_path: Path) -> None:
    def todo(*more: str) -> dict[str, int]:
        made = json.loads(run("plan", tmp_path / "my.yaml", "--json", "-q", *more)[1])
        found: dict[str, int] = {}
        for share in made["shares"]:
            found[share["model"]] = found.get(share["model"], 0) + share["rows"]
        return found

    with LlmServer([_of(1, llm.echo()), _of(4, llm.echo())]) as server:
        run("run", write_recipe(tmp_path, server), "-q")
        strong = f"{{model: strong, base_url: '{server.base_url}'}}"
        again = f"translate.again=[{{reasons: [echo], model: {strong}}}]"
        before = len(server.requests)
        assert todo() == {"cheap": 0}
        assert todo("--set", again) == {"cheap": 0, "strong": 2}
        assert todo("--set", "translate.again=[{reasons: [echo]}]") == {"cheap": 2}
        assert len(server.requests) == before
        run("retry", "corpus", "--reason", "echo", "--model", "strong", "--base-url", server.base_url, "-q")
        assert todo() == {"cheap": 0, "strong": 0}


def test_a_retry_goes_as_far_as_the_corpus_had_come(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.echo())]) as server:
        write_recipe(tmp_path, server)
        asked = ["--to", "ko", "--model", "cheap", "--base-url", server.base_url]
        run("translate", "rows.json", "corpus", *asked, "-q")  # of no known licence: nothing to be published
        server.faults = []
        assert run("retry", "corpus", "--reason", "echo", "-q")[0] == 0
    assert json.loads(run("status", "corpus", "--json")[1])["until"] == {"ko": "translate"}
    assert kept(run) == {"ko": 6}


def test_what_was_asked_again_stays_where_a_later_stage_stops_the_run(run: Run, tmp_path: Path) -> None:
    with LlmServer([_of(1, llm.echo())]) as server:
        recipe = write_recipe(tmp_path, server, languages=["ko"])
        run("run", recipe, "-q", "--until", "dedup")
        Path("corpus/dist").mkdir()
        Path("corpus/dist/notes.txt").write_text("mine")
        server.faults = []
        code, _, err = run("retry", "corpus", "--reason", "echo", "-q")
        assert (code, "holds files that plugdata did not write" in err) == (1, True)
        n_asked = len(server.requests)
        assert run("run", recipe, "-q", "--until", "dedup")[0] == 0
        assert (kept(run), len(server.requests)) == ({"ko": 6}, n_asked)


def test_the_list_of_rows_must_be_there(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        model = {"model": "strong", "base_url": server.base_url}
        again = [{"reasons": ["lid"], "rows": "absent.txt", "model": model}]
        recipe = write_recipe(tmp_path, server, translate={"again": again})
        with pytest.raises(InputError, match=r"absent\.txt cannot be read"):
            pipeline.run(recipes.load(recipe))
        assert server.requests == []
    assert recipes.load(recipe).translate.again[0].rows == tmp_path / "absent.txt"
